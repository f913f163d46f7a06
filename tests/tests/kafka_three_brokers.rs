//! Three real brokers: where leaders and replicas are, that they move when told, and when a broker goes.

use std::thread;
use std::time::{Duration, Instant};

use felice_tests::java::{JavaOracle, JavaRecord};
use felice_tests::kafka::Kafka;
use felice_tests::require_kafka;

const PATIENCE: Duration = Duration::from_secs(60);

/// One test, in turn on one cluster: the last part kills a broker.
#[test]
fn three_brokers_share_partitions_and_take_over() {
    require_kafka!();
    let kafka = Kafka::builder().brokers(3).property("broker.session.timeout.ms", "5000").start();
    partitions_are_spread_and_replicated(kafka.oracle());
    partitions_are_where_they_are_put(kafka.oracle());
    leaders_and_replicas_move_when_told(kafka.oracle());
    leaders_move_away_from_a_killed_broker_and_nothing_is_lost(&kafka);
}

fn partitions_are_spread_and_replicated(oracle: &JavaOracle) {
    oracle.create_topic("spread", 6);
    let states = oracle.describe("spread");
    for broker in 1..=3 {
        let leads = states.iter().filter(|state| state.leader == Some(broker)).count();
        let holds = states.iter().filter(|state| state.in_sync.contains(&broker)).count();
        assert_eq!((leads, holds), (2, 6), "{states:?}");
    }
    assert_eq!(oracle.topic_setting("spread", "min.insync.replicas"), "2");
}

fn partitions_are_where_they_are_put(oracle: &JavaOracle) {
    let put = [[2, 1], [2, 3], [3, 1]];
    oracle.create_topic_on("put", &put, &[("min.insync.replicas", "1")]);
    for (state, replicas) in oracle.describe("put").iter().zip(put) {
        assert_eq!((state.replicas.as_slice(), state.leader), (&replicas[..], Some(replicas[0])));
    }
    assert_eq!(oracle.topic_setting("put", "min.insync.replicas"), "1");
}

fn leaders_and_replicas_move_when_told(oracle: &JavaOracle) {
    oracle.create_topic_on("moved", &[[1, 2], [1, 2]], &[]);
    oracle.produce("moved", &[to(0), to(1)]);
    oracle.move_leader("moved", 0, 2);
    assert_eq!((oracle.leader("moved", 0), oracle.leader("moved", 1)), (Some(2), Some(1)));
    // It leads already.
    oracle.move_leader("moved", 0, 2);

    oracle.reassign("moved", 1, &[3, 2]);
    let state = &oracle.describe("moved")[1];
    assert_eq!(state.replicas, [3, 2]);
    assert_ne!(state.leader, Some(1), "it holds nothing any more");
    oracle.produce("moved", &[to(0), to(1)]);
    assert_eq!(oracle.read("moved").len(), 4);
}

fn leaders_move_away_from_a_killed_broker_and_nothing_is_lost(kafka: &Kafka) {
    let oracle = kafka.oracle();
    oracle.create_topic("replicated", 3);
    let one_each = [to(0), to(1), to(2)];
    oracle.produce("replicated", &one_each);

    let victim = oracle.leader("replicated", 0).expect("it was waited for");
    kafka.kill(victim);
    let deadline = Instant::now() + PATIENCE;
    while oracle.describe("replicated").iter().any(|state| state.leader.is_none_or(|leader| leader == victim))
    {
        assert!(Instant::now() < deadline, "{:?}", oracle.describe("replicated"));
        thread::sleep(Duration::from_millis(50));
    }
    oracle.produce("replicated", &one_each);

    kafka.restart(victim);
    while oracle.describe("replicated").iter().any(|state| state.in_sync.len() < 3) {
        assert!(Instant::now() < deadline, "{:?}", oracle.describe("replicated"));
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(oracle.read("replicated").len(), 6);
}

fn to(partition: i32) -> JavaRecord {
    JavaRecord { partition: Some(partition), ..JavaRecord::default() }
}
