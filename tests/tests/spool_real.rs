//! The spool beside real Kafka: kills at random moments on a cluster in trouble.

use felice_tests::behaviour::trouble;
use felice_tests::require_kafka;
use felice_tests::spooled::kills;

const PROGRAM: &str = env!("CARGO_BIN_EXE_spooled-producer");

#[test]
fn kills_beside_a_cluster_in_trouble() {
    require_kafka!();
    kills::beside_trouble(&trouble::cluster(), PROGRAM);
}
