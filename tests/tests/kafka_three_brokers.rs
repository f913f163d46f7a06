//! Three real brokers: leaders move when one of them goes.

use std::thread;
use std::time::{Duration, Instant};

use felice_tests::java::JavaRecord;
use felice_tests::kafka::Kafka;
use felice_tests::require_kafka;

#[test]
fn leaders_move_away_from_a_killed_broker_and_nothing_is_lost() {
    require_kafka!();
    let kafka = Kafka::builder().brokers(3).property("broker.session.timeout.ms", "5000").start();
    let oracle = kafka.oracle();
    oracle.create_topic_with("replicated", 3, Some(3), &[("min.insync.replicas", "2")]);
    let record = |partition| JavaRecord { partition: Some(partition), ..JavaRecord::default() };
    oracle.produce("replicated", &[record(0), record(1), record(2)]);

    let victim = oracle.describe("replicated")[0].leader.expect("it was waited for");
    kafka.kill(victim);
    let deadline = Instant::now() + Duration::from_secs(60);
    while oracle.describe("replicated").iter().any(|state| state.leader.is_none_or(|leader| leader == victim))
    {
        assert!(Instant::now() < deadline, "{:?}", oracle.describe("replicated"));
        thread::sleep(Duration::from_millis(50));
    }
    oracle.produce("replicated", &[record(0), record(1), record(2)]);

    kafka.restart(victim);
    while oracle.describe("replicated").iter().any(|state| state.in_sync < 3) {
        assert!(Instant::now() < deadline, "{:?}", oracle.describe("replicated"));
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(oracle.read("replicated").len(), 6);
}
