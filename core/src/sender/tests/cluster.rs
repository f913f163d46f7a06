//! When the cluster changes: brokers that go, leaders that move, hints, a new start from the bootstrap servers.

use super::answers;
use super::faults::{reconnect, with_in_flight};
use super::rig::{Rig, TOPIC};
use crate::config::SenderConfig;
use crate::error::{Cause, Disconnect, ErrorCode, ErrorKind, Persisted, Stage};
use crate::id::{BrokerId, TopicPartition};
use core::time::Duration;
use std::string::String;
use std::vec;
use std::vec::Vec;

pub(super) const TWO: [(i32, &str, i32); 2] = [(1, "one", 9092), (2, "two", 9093)];

/// Both brokers connected; broker 2, in slot 1, leads the only partition.
pub(super) fn led_by_two() -> Rig {
    let mut rig = Rig::new(SenderConfig::default());
    rig.turn();
    rig.connect();
    rig.shake_hands(0);
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata(&TWO, &[2]));
    let request = rig.request(0, 22);
    rig.answer(0, &request, &answers::producer_id(7, 0));
    assert!(!rig.offer(0, 1));
    assert_eq!(rig.connect(), 1);
    rig.shake_hands(1);
    rig
}

/// Refuses every connection to `slot`, and makes the first one to another broker.
fn connect_elsewhere(rig: &mut Rig, slot: u16) -> u16 {
    for _ in 0..100 {
        while let Some(id) = rig.connecting.front().copied() {
            if id.slot != slot {
                return rig.connect();
            }
            rig.connecting.pop_front();
            rig.sender.handle_disconnected(rig.now, id, Disconnect::Refused);
            rig.turn();
        }
        rig.advance(Duration::from_millis(200));
    }
    panic!("nobody else was asked: {:?}", rig.trace);
}

#[test]
fn a_leader_that_is_gone_makes_the_others_be_asked() {
    let mut rig = led_by_two();
    assert!(rig.offer(0, 1));
    rig.break_connection(0);
    rig.break_connection(1);
    let slot = connect_elsewhere(&mut rig, 1);
    assert_eq!(slot, 0);
    rig.shake_hands(0);
    rig.advance(Duration::from_secs(1));
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata_with(&TWO, &[1], 0, 5));
    rig.advance(Duration::from_secs(1));
    let (request, _) = rig.produced(0);
    rig.answer(0, &request, &answers::produce(&[(0, 0, 3)]));
    assert_eq!(rig.outcomes(), vec![(0, Ok(3))]);
}

/// A partition led by broker 1 under epoch 4, both brokers connected, one batch in flight at broker 1.
fn asked_at_one() -> (Rig, super::rig::Request) {
    let mut rig = Rig::new(SenderConfig::default());
    rig.turn();
    rig.connect();
    let request = rig.request(0, 18);
    rig.answer(0, &request, &answers::api_versions_up_to(10, 7));
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata_with(&TWO, &[1], 0, 4));
    let request = rig.request(0, 22);
    rig.answer(0, &request, &answers::producer_id(7, 0));
    assert!(rig.offer(0, 1));
    let request = rig.request(0, 0);
    (rig, request)
}

#[test]
fn a_broker_that_is_not_named_any_more_is_let_go() {
    let mut rig = led_by_two();
    rig.sender.want_topic(rig.now, TOPIC);
    rig.turn();
    let slot = u16::from(!rig.next_is(0, 3));
    let request = rig.request(slot, 3);
    rig.answer(slot, &request, &answers::metadata_with(&TWO[..1], &[1], 0, 5));
    assert_eq!(rig.connections.keys().copied().collect::<Vec<_>>(), [0]);
}

#[test]
fn a_hint_of_a_newer_leader_is_followed_at_once() {
    let (mut rig, request) = asked_at_one();
    rig.answer(0, &request, &answers::produce_hint(6, 2, 5));
    assert_eq!(rig.connect(), 1, "without a backoff");
    rig.shake_hands(1);
    let (request, _) = rig.produced(1);
    rig.answer(1, &request, &answers::produce(&[(0, 0, 9)]));
    assert_eq!(rig.outcomes(), vec![(0, Ok(9))]);
}

#[test]
fn a_hint_that_names_nobody_new_waits_for_the_backoff() {
    for (leader, epoch) in [(1, 5), (2, 4), (2, 3), (-1, 9), (9, 9), (2, -1)] {
        let (mut rig, request) = asked_at_one();
        rig.answer(0, &request, &answers::produce_hint(6, leader, epoch));
        assert!(rig.connecting.is_empty(), "leader {leader}, epoch {epoch}");
        rig.advance(Duration::from_secs(1));
        let request = rig.request(0, 3);
        rig.answer(0, &request, &answers::metadata_with(&TWO, &[1], 0, 4));
        assert_eq!(rig.request(0, 0).api, 0, "leader {leader}, epoch {epoch}: the same broker once more");
    }
}

#[test]
fn a_broker_may_ask_to_start_again_from_the_bootstrap_servers() {
    let mut rig = Rig::once_lost();
    let request = rig.request(0, 18);
    rig.answer(0, &request, &answers::api_versions_up_to(7, 13));
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::rebootstrap());
    assert!(rig.trace.iter().any(|line| line == "disconnect 0"));
    rig.advance(Duration::from_secs(1));
    assert_eq!(rig.connect(), 0, "the bootstrap server");
    rig.shake_hands(0);
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata(&TWO, &[1]));
    let request = rig.request(0, 22);
    rig.answer(0, &request, &answers::producer_id(7, 0));
    assert!(rig.offer(0, 1));
}

/// Brokers that take ids in Produce, and tell them in this version of Metadata, or not.
fn by_id(version: i16, metadata: &[u8]) -> Rig {
    let mut rig = Rig::once_lost();
    let request = rig.request(0, 18);
    rig.answer(0, &request, &answers::api_versions_up_to(13, version));
    let request = rig.request(0, 3);
    assert_eq!(request.version, version);
    rig.answer(0, &request, metadata);
    let request = rig.request(0, 22);
    rig.answer(0, &request, &answers::producer_id(7, 0));
    rig
}

#[test]
fn a_recreated_topic_is_written_under_its_new_id() {
    let mut rig = by_id(12, &answers::metadata_with_id_and_epoch(5, 9));
    assert!(rig.offer(0, 1));
    let request = rig.request(0, 0);
    assert_eq!(request.version, 13);
    assert!(request.body.windows(16).any(|window| window == [5; 16]), "{:?}", request.body);
    rig.answer(0, &request, &answers::produce_by_id(5, 100, -1));
    rig.advance(Duration::from_secs(1));
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata_with_id(6));
    rig.advance(Duration::from_secs(1));
    let request = rig.request(0, 0);
    assert!(request.body.windows(16).any(|window| window == [6; 16]), "{:?}", request.body);
    rig.answer(0, &request, &answers::produce_by_id(6, 0, 0));
    assert_eq!(rig.outcomes(), vec![(0, Ok(0))]);
}

#[test]
fn a_topic_that_is_deleted_fails_its_records_when_their_time_is_over() {
    let (mut rig, request) = asked_at_one();
    rig.answer(0, &request, &answers::produce_hint(3, -1, -1));
    for _ in 0..120 {
        assert_eq!(rig.outcomes(), vec![]);
        rig.advance(Duration::from_secs(1));
        while rig.next_is(0, 3) {
            let request = rig.request(0, 3);
            rig.answer(0, &request, &answers::metadata_with(&TWO, &[], 3, 0));
        }
    }
    let failure = rig.outcomes()[0].1.unwrap_err();
    assert_eq!(
        (failure.kind, failure.persisted),
        (ErrorKind::DeliveryTimeout(Stage::InFlight), Persisted::No)
    );
    assert_eq!(failure.last_cause, Some(Cause::Broker(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)));
}

#[test]
fn without_ids_in_the_metadata_names_are_used() {
    let mut rig = by_id(7, &answers::metadata(&TWO[..1], &[1]));
    assert!(rig.offer(0, 1));
    assert_eq!(rig.request(0, 0).version, 12);
}

/// What was told of broker 2, in slot 1, in order.
fn told(rig: &Rig) -> Vec<bool> {
    let told = |line: &String| line.strip_prefix("broker 1 ").map(|available| available == "true");
    rig.trace.iter().filter_map(told).collect()
}

#[test]
fn a_broker_is_away_while_it_is_sought_and_not_reached() {
    let mut rig = led_by_two();
    assert_eq!(told(&rig), [true], "as far as is known");
    assert!(rig.offer(0, 1));
    rig.break_connection(1);
    assert_eq!(told(&rig), [true, false]);
    for _ in 0..10 {
        rig.advance(Duration::from_secs(2));
        let id = rig.connecting.pop_front().expect("it is tried again");
        rig.sender.handle_disconnected(rig.now, id, Disconnect::Refused);
        rig.turn();
    }
    assert_eq!(told(&rig), [true, false], "not a word more while it stays away");
    rig.advance(Duration::from_secs(2));
    assert_eq!(rig.connect(), 1);
    assert_eq!(told(&rig), [true, false], "connected is not enough");
    rig.shake_hands(1);
    assert_eq!(told(&rig), [true, false, true]);
    assert!(rig.available[&0]);
}

#[test]
fn a_broker_that_nobody_seeks_is_not_away() {
    let mut rig = led_by_two();
    assert!(rig.offer(0, 1));
    let (request, _) = rig.produced(1);
    rig.answer(1, &request, &answers::produce(&[(0, 0, 0)]));
    rig.break_connection(1);
    assert_eq!(told(&rig), [true]);
}

#[test]
fn leaders_that_change_are_told_once_an_answer_is_complete() {
    let mut rig = led_by_two();
    let leaders = |rig: &Rig| rig.sender.leaders(TOPIC, 0).collect::<Vec<_>>();
    assert_eq!(leaders(&rig), [Some(BrokerId(1))]);
    let topics = |rig: &Rig| rig.trace.iter().filter(|line| line.starts_with("topic ")).count();
    assert_eq!(topics(&rig), 1);
    rig.break_connection(1);
    rig.read_limit = 1;
    rig.advance(Duration::from_secs(1));
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata_with(&TWO, &[-1], 0, 5));
    assert_eq!((topics(&rig), leaders(&rig)), (2, vec![None]));
    assert!(!rig.offer(0, 1));
    rig.advance(Duration::from_secs(2));
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata_with(&TWO, &[1], 0, 6));
    assert_eq!((topics(&rig), leaders(&rig)), (3, vec![Some(BrokerId(0))]));
    assert_eq!(rig.sender.leaders(TOPIC, 1).count(), 0);
    assert_eq!(rig.sender.leaders(TOPIC, -1).count(), 1, "from the first on");
}

#[test]
fn partitions_whose_records_have_expired_leave_their_slots_to_others() {
    // As many partitions without a leader as there are slots, and one that is led.
    let mut rig = Rig::new(SenderConfig::default());
    rig.turn();
    rig.connect();
    rig.shake_hands(0);
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata(&TWO[..1], &[-1, -1, -1, -1, -1, -1, -1, -1, 1]));
    let request = rig.request(0, 22);
    rig.answer(0, &request, &answers::producer_id(7, 0));
    let leaderless = |partition| TopicPartition { topic: TOPIC, partition };
    let batches: Vec<_> = (0..8).map(|partition| rig.batch(leaderless(partition), 1)).collect();
    assert!((0..8).all(|partition| !rig.offer(partition, 1)));
    assert!(!rig.offer(8, 1), "no slot is free");
    rig.now = rig.now + SenderConfig::default().delivery_timeout;
    batches.into_iter().for_each(|batch| rig.sender.enqueue(rig.now, batch));
    rig.turn();
    assert_eq!((rig.outcomes().len(), rig.ready.len()), (8, 8));
    assert!(rig.offer(8, 1));
}

#[test]
fn who_denies_again_and_again_that_it_leads_may_be_another_broker() {
    let (mut rig, requests) = with_in_flight(1);
    let id = rig.connections[&0];
    rig.answer(0, &requests[0].0, &answers::produce(&[(0, 6, -1)]));
    let mut denials = 1;
    // The metadata names it all the same.
    while rig.connections.get(&0) == Some(&id) {
        rig.advance(Duration::from_secs(2));
        if rig.next_is(0, 3) {
            let request = rig.request(0, 3);
            rig.answer(0, &request, &answers::metadata(&TWO[..1], &[1]));
        } else {
            let (request, _) = rig.produced(0);
            rig.answer(0, &request, &answers::produce(&[(0, 6, -1)]));
            denials += 1;
        }
    }
    assert_eq!(denials, 5);
    reconnect(&mut rig);
    let (request, _) = rig.produced(0);
    rig.answer(0, &request, &answers::produce(&[(0, 0, 1)]));
    assert_eq!(rig.outcomes(), vec![(1, Ok(1))], "nothing was lost on the way");
}
