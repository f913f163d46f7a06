//! Transactions on real brokers whose coordinator is killed, with both protocols: whoever reads what is committed sees exactly that.

use felice_blocking::Producer as Blocking;
use felice_smol::Producer as Smol;
use felice_tests::behaviour::{Target, transactions};
use felice_tests::kafka::{Kafka, KafkaVersion};
use felice_tests::require_kafka;

fn cluster(version: KafkaVersion, brokers: i32) -> Target {
    let kafka = Kafka::builder().version(version).brokers(brokers);
    let kafka = kafka.property("broker.session.timeout.ms", "5000").start();
    // As those that are shared: it lives as long as the process.
    Target::Real(Box::leak(Box::new(kafka)))
}

/// `transaction.version` 2.
#[test]
fn the_coordinator_is_killed() {
    require_kafka!();
    let target = cluster(KafkaVersion::V4_3_1, 3);
    transactions::coordinator_killed::<Blocking>(&target);
    transactions::coordinator_killed::<Smol>(&target);
}

/// The protocol before it: the oldest that is supported, and the newest.
#[test]
fn older_brokers() {
    const VERSIONS: &[KafkaVersion] = &[KafkaVersion::V2_8_2, KafkaVersion::V3_9_1];
    require_kafka!(VERSIONS);
    for &version in VERSIONS {
        let target = cluster(version, 1);
        transactions::committed_or_not_at_all::<Blocking>(&target);
        transactions::fenced::<Smol>(&target);
        transactions::offsets::<Blocking>(&target);
        transactions::a_failed_record::<Smol>(&target);
        transactions::coordinator_killed::<Blocking>(&target);
    }
}
