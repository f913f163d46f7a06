//! Half a million records through real Kafka, each front-end in turn; one test, so that the runs do not share the machine.

use felice_blocking::Producer;
use felice_tests::behaviour::volume;
use felice_tests::kafka::Kafka;
use felice_tests::require_kafka;

#[test]
fn half_a_million_records() {
    require_kafka!();
    // Clusters of its own: brokers are stopped and killed.
    let one = Kafka::builder().property("auto.create.topics.enable", "false").start();
    volume::undisturbed::<Producer>(&one);
    volume::broker_restarted::<Producer>(&one);
    volume::undisturbed::<felice_smol::Producer>(&one);
    volume::broker_restarted::<felice_smol::Producer>(&one);
    drop(one);

    let three = Kafka::builder().brokers(3).property("auto.create.topics.enable", "false").start();
    volume::leader_of_half_killed::<Producer>(&three);
    volume::leader_of_half_killed::<felice_smol::Producer>(&three);
}
