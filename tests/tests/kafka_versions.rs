//! Real brokers of several versions, the oldest that felice is for among them, each with both front-ends. One test, one
//! broker after the other, so that the versions do not share the machine.

use felice_tests::behaviour::versions;
use felice_tests::kafka::KafkaVersion;
use felice_tests::require_kafka;

#[test]
fn each_version_of_kafka() {
    const VERSIONS: &[KafkaVersion] = &KafkaVersion::ALL;
    require_kafka!(VERSIONS);
    for &version in VERSIONS {
        versions::proof(version);
    }
}
