//! Half a million records through real Kafka, each front-end in turn; one test, so that the runs do not share the machine.

use felice_blocking::Producer;
use felice_tests::behaviour::volume;
use felice_tests::kafka::Kafka;
use felice_tests::require_kafka;

#[test]
fn half_a_million_records() {
    require_kafka!();
    // Of its own: it is stopped.
    let kafka = Kafka::builder().property("auto.create.topics.enable", "false").start();
    volume::undisturbed::<Producer>(&kafka);
    volume::broker_restarted::<Producer>(&kafka);
    volume::undisturbed::<felice_smol::Producer>(&kafka);
    volume::broker_restarted::<felice_smol::Producer>(&kafka);
}
