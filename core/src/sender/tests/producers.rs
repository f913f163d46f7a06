//! A partition's leader is asked what it remembers of a producer, until it says so.

use super::answers;
use super::rig::{Request, Rig, TOPIC};
use crate::config::SenderConfig;
use crate::error::{ErrorCode, ProtocolError};
use crate::event::ProducerState;
use crate::id::{TopicId, TopicPartition};
use crate::sender::PRODUCERS_ASKED_MAX;
use core::time::Duration;
use std::vec;
use std::vec::Vec;

const OLD: i64 = 5;
const ONE: [(i32, &str, i32); 1] = [(1, "one", 9092)];

const fn key(partition: i32) -> TopicPartition {
    TopicPartition { topic: TOPIC, partition }
}

/// A sender without records, connected to broker 1, whose topic has partitions with these leaders.
fn idle(leaders: &[i32]) -> Rig {
    let mut rig = Rig::new(SenderConfig::default());
    rig.turn();
    rig.connect();
    let request = rig.request(0, 18);
    rig.answer(0, &request, &answers::api_versions_with_producers());
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata(&ONE, leaders));
    let request = rig.request(0, 22);
    rig.answer(0, &request, &answers::producer_id(7, 0));
    rig.sender.demand(false);
    rig.advance(Duration::from_secs(1));
    rig
}

fn ask(rig: &mut Rig, partition: i32) {
    assert!(rig.sender.ask_producer(rig.now, key(partition), OLD));
    rig.turn();
}

/// The partition that the next DescribeProducers request asks for.
fn asked(rig: &mut Rig, slot: u16) -> (Request, i32) {
    let request = rig.request(slot, 61);
    assert_eq!(request.version, 0);
    // Client id, tagged fields, one topic of one letter, one partition.
    assert_eq!(request.body[..10], [0, 3, b'r', b'i', b'g', 0, 2, 2, b't', 2]);
    assert_eq!(request.body[14..], [0, 0]);
    let partition = i32::from_be_bytes(request.body[10..14].try_into().unwrap());
    (request, partition)
}

#[test]
fn of_all_that_the_leader_remembers_the_one_is_told() {
    for read_limit in [usize::MAX, 1, 7] {
        let mut rig = idle(&[1]);
        rig.read_limit = read_limit;
        ask(&mut rig, 0);
        let (request, partition) = asked(&mut rig, 0);
        assert_eq!(partition, 0);
        let mut others: Vec<(i64, i32, i32)> = (100..1_100).map(|id| (id, 1, 2)).collect();
        others.insert(700, (OLD, 3, i32::MAX));
        rig.answer(0, &request, &answers::producers(0, 0, &others));
        let state = ProducerState::Active { producer_epoch: 3, last_sequence: i32::MAX };
        assert_eq!(rig.producers, [(0, OLD, state)]);
        rig.advance(Duration::from_secs(60));
        assert_eq!(rig.producers.len(), 1, "once");
    }
}

#[test]
fn one_that_is_forgotten_is_unknown() {
    let mut rig = idle(&[1]);
    ask(&mut rig, 0);
    let (request, _) = asked(&mut rig, 0);
    rig.answer(0, &request, &answers::producers(0, 0, &[(4, 1, 2), (6, 1, 2)]));
    assert_eq!(rig.producers, [(0, OLD, ProducerState::Unknown)]);
}

#[test]
fn whoever_may_not_read_is_told_so() {
    let mut rig = idle(&[1]);
    ask(&mut rig, 0);
    let (request, _) = asked(&mut rig, 0);
    rig.answer(0, &request, &answers::producers(0, 29, &[]));
    let denied = ProducerState::Denied(ErrorCode::TOPIC_AUTHORIZATION_FAILED);
    assert_eq!(rig.producers, [(0, OLD, denied)]);
}

#[test]
fn an_older_broker_is_not_asked() {
    let mut rig = Rig::started(SenderConfig::default(), 1);
    ask(&mut rig, 0);
    assert_eq!(rig.producers, [(0, OLD, ProducerState::Unsupported)]);
    assert_eq!(rig.next_request(0), None);
}

#[test]
fn it_is_asked_again_until_somebody_can_answer() {
    let mut rig = idle(&[1]);
    ask(&mut rig, 0);
    let (request, _) = asked(&mut rig, 0);
    rig.break_connection(0);
    rig.advance(Duration::from_secs(2));
    rig.connect();
    let versions = rig.request(0, 18);
    rig.answer(0, &versions, &answers::api_versions_with_producers());
    while rig.next_is(0, 3) {
        let request = rig.request(0, 3);
        rig.answer(0, &request, &answers::metadata(&ONE, &[1]));
    }
    rig.advance(Duration::from_secs(2));
    let (again, _) = asked(&mut rig, 0);
    assert_eq!(again.body, request.body);
    // It is still loading the log, perhaps.
    rig.answer(0, &again, &answers::producers(0, 5, &[]));
    assert!(!rig.next_is(0, 61), "not before the backoff");
    assert!(rig.sender.poll_timeout().is_some());
    rig.advance(Duration::from_secs(2));
    while rig.next_is(0, 3) {
        let request = rig.request(0, 3);
        rig.answer(0, &request, &answers::metadata_with(&ONE, &[1], 0, 1));
    }
    rig.advance(Duration::from_secs(2));
    let (again, _) = asked(&mut rig, 0);
    rig.answer(0, &again, &answers::producers(0, 0, &[(OLD, 0, 1)]));
    assert_eq!(rig.producers.len(), 1);
}

#[test]
fn the_leader_is_asked_where_it_moves() {
    let mut rig = idle(&[1]);
    ask(&mut rig, 0);
    let (request, _) = asked(&mut rig, 0);
    rig.answer(0, &request, &answers::producers(0, 6, &[]));
    rig.advance(Duration::from_secs(2));
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata_with(&[(1, "one", 9092), (2, "two", 9093)], &[2], 0, 1));
    rig.advance(Duration::from_secs(2));
    let slot = rig.connect();
    assert_eq!(slot, 1);
    let request = rig.request(slot, 18);
    rig.answer(slot, &request, &answers::api_versions_with_producers());
    let (request, _) = asked(&mut rig, slot);
    rig.answer(slot, &request, &answers::producers(0, 0, &[]));
    assert_eq!(rig.producers, [(0, OLD, ProducerState::Unknown)]);
}

#[test]
fn many_are_asked_at_the_same_time() {
    let mut rig = idle(&[1; 12]);
    for partition in 0..12 {
        ask(&mut rig, partition);
        ask(&mut rig, partition);
    }
    for other in 0..PRODUCERS_ASKED_MAX as i64 - 12 {
        assert!(rig.sender.ask_producer(rig.now, key(0), 1_000 + other));
    }
    assert!(!rig.sender.ask_producer(rig.now, key(1), 2_000), "every place is taken");
    rig.turn();
    let mut requests = Vec::new();
    while rig.next_is(0, 61) {
        requests.push(asked(&mut rig, 0));
    }
    assert_eq!(requests.len(), PRODUCERS_ASKED_MAX, "none waits for another one's answer");
    for (request, partition) in requests {
        rig.answer(0, &request, &answers::producers(partition, 0, &[(OLD, 0, partition)]));
    }
    assert_eq!(rig.producers.len(), PRODUCERS_ASKED_MAX);
    for partition in 0..12 {
        let state = ProducerState::Active { producer_epoch: 0, last_sequence: partition };
        assert!(rig.producers.contains(&(partition, OLD, state)));
    }
    assert!(rig.sender.ask_producer(rig.now, key(1), 2_000), "there is room again");
}

#[test]
fn what_the_metadata_denies_is_not_asked() {
    let mut rig = idle(&[1]);
    ask(&mut rig, 1);
    let denied = ProducerState::Denied(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    assert_eq!(rig.producers, [(1, OLD, denied)]);
    let unknown = TopicPartition { topic: TopicId(3), partition: 0 };
    assert!(!rig.sender.ask_producer(rig.now, unknown, OLD));
}

#[test]
fn a_question_alone_makes_a_connection() {
    let mut rig = Rig::new(SenderConfig::default());
    rig.sender.demand(false);
    ask(&mut rig, 0);
    rig.connect();
    let request = rig.request(0, 18);
    rig.answer(0, &request, &answers::api_versions_with_producers());
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata(&ONE, &[1]));
    if rig.next_is(0, 22) {
        let _ = rig.request(0, 22);
    }
    let _ = asked(&mut rig, 0);
}

#[test]
fn an_answer_that_is_none_closes_the_connection() {
    let answers = [
        answers::producers(1, 0, &[]),
        answers::producers_of(&[]),
        answers::producers_of(&[(0, 0, &[]), (0, 0, &[])]),
        answers::producers(0, 0, &[(OLD, i32::MAX, 0)]),
        answers::producers(0, 0, &[(OLD, -70_000, 0)]),
    ];
    for answer in answers {
        let mut rig = idle(&[1, 1]);
        ask(&mut rig, 0);
        let (request, _) = asked(&mut rig, 0);
        let error = rig.try_answer(0, &request, &answer).unwrap_err();
        assert!(matches!(error, ProtocolError::UnexpectedPartition | ProtocolError::Malformed));
        rig.turn();
        assert_eq!(rig.producers, vec![]);
        assert!(!rig.connections.contains_key(&0));
    }
}

#[test]
fn closing_forgets_the_question() {
    let mut rig = idle(&[1]);
    ask(&mut rig, 0);
    rig.sender.close(rig.now);
    rig.turn();
    assert!(rig.producers.is_empty());
    assert_eq!(rig.sender.poll_timeout(), None);
    assert!(!rig.sender.ask_producer(rig.now, key(0), OLD));
}
