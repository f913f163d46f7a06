//! The spool beside real Kafka: kills at random moments on a cluster in trouble, and what is documented of copies, of brokers
//! that forget, and of topics that are made anew.

use felice_blocking::Producer as Blocking;
use felice_tests::behaviour::{Driven, trouble};
use felice_tests::kafka::Kafka;
use felice_tests::require_kafka;
use felice_tests::spooled::{kills, outcomes};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spooled-producer");

#[test]
fn kills_beside_a_cluster_in_trouble() {
    require_kafka!();
    kills::beside_trouble(&trouble::cluster(), PROGRAM);
}

/// One test, for one broker stands still in it.
#[test]
fn a_copy_and_another_topic() {
    require_kafka!();
    let kafka = Kafka::builder().property("auto.create.topics.enable", "false").start();
    outcomes::a_copy::<Blocking>(&kafka);
    outcomes::a_copy::<Driven>(&kafka);
    outcomes::another_topic::<Blocking>(&kafka, PROGRAM);
    outcomes::another_topic::<Driven>(&kafka, PROGRAM);
}

#[test]
fn a_broker_that_forgets() {
    require_kafka!();
    let kafka = outcomes::forgetting();
    outcomes::a_broker_that_forgets::<Blocking>(&kafka, PROGRAM);
    outcomes::a_broker_that_forgets::<Driven>(&kafka, PROGRAM);
}
