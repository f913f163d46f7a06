//! Real brokers of older versions than the one that all other tests run, the oldest that felice is for among them, each
//! with both front-ends. One test, one broker after the other, so that the versions do not share the machine.

use felice_tests::behaviour::versions;
use felice_tests::kafka::KafkaVersion;
use felice_tests::require_kafka;

#[test]
fn each_older_version_of_kafka() {
    const VERSIONS: &[KafkaVersion] = &[KafkaVersion::V2_1_1, KafkaVersion::V2_8_2, KafkaVersion::V3_9_1];
    require_kafka!(VERSIONS);
    for &version in VERSIONS {
        versions::proof(version);
    }
}
