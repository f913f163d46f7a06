//! When things go wrong: each batch keeps its place and its bytes, and gets the outcome that is true.

use super::answers;
use super::rig::{Request, Rig, Sent, TOPIC, decode_values, numbering, words};
use crate::config::SenderConfig;
use crate::error::{Cause, Disconnect, ErrorCode, ErrorKind, Persisted, ProtocolError, Stage};
use crate::id::TopicPartition;
use core::time::Duration;
use std::vec;
use std::vec::Vec;

/// A producer whose leader has confirmed one batch, with `count` more of two records in flight.
pub(super) fn with_in_flight(count: u32) -> (Rig, Vec<(Request, Vec<Sent>)>) {
    let mut rig = Rig::started(SenderConfig::default(), 1);
    assert!(rig.offer(0, 1));
    let (request, _) = rig.produced(0);
    rig.answer(0, &request, &answers::produce(&[(0, 0, 0)]));
    assert_eq!(rig.outcomes().len(), 1);
    for _ in 0..count {
        assert!(rig.offer(0, 2));
    }
    let requests = (0..count).map(|_| rig.produced(0)).collect();
    (rig, requests)
}

pub(super) fn reconnect(rig: &mut Rig) {
    rig.advance(Duration::from_secs(2));
    rig.connect();
    rig.shake_hands(0);
    // The loss of the connection made it ask for the leader again.
    if let Some(request) = rig.next_request(0) {
        if request.api == 0 {
            panic!("metadata first");
        }
        rig.answer(0, &request, &answers::metadata(&[(1, "one", 9092)], &[1]));
    }
    rig.advance(Duration::from_secs(2));
}

/// Answers the one request in flight and expects it to carry these bytes.
fn answer_next(rig: &mut Rig, expected: &[u8], error: i16, offset: i64) {
    let (request, sent) = rig.produced(0);
    assert_eq!(sent[0].1, expected, "a retry is the same bytes");
    assert_eq!(rig.next_request(0), None, "one after the other");
    rig.answer(0, &request, &answers::produce(&[(0, error, offset)]));
    rig.advance(Duration::from_secs(2));
}

#[test]
fn after_a_broken_connection_the_same_bytes_go_out_in_the_same_order() {
    let (mut rig, requests) = with_in_flight(3);
    rig.break_connection(0);
    reconnect(&mut rig);
    for (index, (_, sent)) in requests.iter().enumerate() {
        answer_next(&mut rig, &sent[0].1, 0, 10 + 2 * index as i64);
    }
    assert_eq!(rig.outcomes(), vec![(1, Ok(10)), (2, Ok(12)), (3, Ok(14))]);
    assert!(rig.offer(0, 1), "then on as before");
    let (_, sent) = rig.produced(0);
    assert_eq!(numbering(&sent[0].1), (0, 7));
}

#[test]
fn a_broker_that_restarted_remembers_only_the_last_batch_and_none_is_stored_twice() {
    let (mut rig, requests) = with_in_flight(3);
    rig.break_connection(0);
    reconnect(&mut rig);
    // All three were stored; the broker knows only the third.
    answer_next(&mut rig, &requests[0].1[0].1, 45, -1);
    answer_next(&mut rig, &requests[1].1[0].1, 45, -1);
    answer_next(&mut rig, &requests[2].1[0].1, 0, 14);
    assert_eq!(rig.outcomes(), vec![(1, Ok(-1)), (2, Ok(-1)), (3, Ok(14))]);
    assert!(rig.offer(0, 1));
    let (_, sent) = rig.produced(0);
    assert_eq!(numbering(&sent[0].1), (0, 7), "the numbering has no hole");
}

#[test]
fn when_no_batch_of_unknown_fate_is_known_none_is_stored_and_the_numbering_starts_anew() {
    let (mut rig, requests) = with_in_flight(3);
    rig.break_connection(0);
    reconnect(&mut rig);
    for (_, sent) in &requests {
        answer_next(&mut rig, &sent[0].1, 45, -1);
    }
    for index in 0..3 {
        let (request, sent) = rig.produced(0);
        assert_eq!(numbering(&sent[0].1), (1, 2 * index), "epoch + 1, from sequence 0");
        assert_eq!(&sent[0].1[61..], &requests[index as usize].1[0].1[61..]);
        rig.answer(0, &request, &answers::produce(&[(0, 0, i64::from(100 + index))]));
        rig.advance(Duration::from_secs(2));
    }
    assert_eq!(rig.outcomes(), vec![(1, Ok(100)), (2, Ok(101)), (3, Ok(102))]);
}

#[test]
fn a_retriable_error_holds_back_what_follows() {
    let (mut rig, requests) = with_in_flight(3);
    rig.answer(0, &requests[0].0, &answers::produce(&[(0, 19, -1)]));
    rig.answer(0, &requests[1].0, &answers::produce(&[(0, 45, -1)]));
    rig.answer(0, &requests[2].0, &answers::produce(&[(0, 45, -1)]));
    assert_eq!(rig.outcomes(), vec![]);
    assert_eq!(rig.next_request(0), None, "not before the backoff");
    rig.advance(Duration::from_secs(2));
    for (index, (_, sent)) in requests.iter().enumerate() {
        answer_next(&mut rig, &sent[0].1, 0, index as i64);
    }
    assert_eq!(rig.outcomes(), vec![(1, Ok(0)), (2, Ok(1)), (3, Ok(2))]);
}

#[test]
fn a_success_behind_a_batch_of_unknown_fate_waits_for_it() {
    let (mut rig, requests) = with_in_flight(2);
    // Stored, but not confirmed by the followers in time; the next one is.
    rig.answer(0, &requests[0].0, &answers::produce(&[(0, 7, -1)]));
    rig.answer(0, &requests[1].0, &answers::produce(&[(0, 0, 3)]));
    assert_eq!(rig.outcomes(), vec![], "outcomes come in order");
    rig.advance(Duration::from_secs(2));
    answer_next(&mut rig, &requests[0].1[0].1, 0, 1);
    assert_eq!(rig.outcomes(), vec![(1, Ok(1)), (2, Ok(3))]);
}

#[test]
fn error_45_on_a_batch_that_a_later_success_implies_is_no_failure() {
    let (mut rig, requests) = with_in_flight(2);
    rig.answer(0, &requests[0].0, &answers::produce(&[(0, 7, -1)]));
    rig.answer(0, &requests[1].0, &answers::produce(&[(0, 0, 3)]));
    rig.advance(Duration::from_secs(2));
    answer_next(&mut rig, &requests[0].1[0].1, 45, -1);
    assert_eq!(rig.outcomes(), vec![(1, Ok(-1)), (2, Ok(3))]);
}

#[test]
fn a_fatal_error_fails_its_batch_only_and_leaves_no_hole() {
    let (mut rig, requests) = with_in_flight(1);
    rig.answer(0, &requests[0].0, &answers::produce(&[(0, 87, -1)]));
    let outcomes = rig.outcomes();
    let failure = outcomes[0].1.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Broker(ErrorCode::INVALID_RECORD));
    assert_eq!((failure.persisted, failure.attempts), (Persisted::No, 1));
    assert!(rig.offer(0, 1));
    let (_, sent) = rig.produced(0);
    assert_eq!(numbering(&sent[0].1), (0, 1), "its number is used again");
}

#[test]
fn what_follows_a_fatal_error_in_flight_is_sent_again() {
    let (mut rig, requests) = with_in_flight(2);
    rig.answer(0, &requests[0].0, &answers::produce(&[(0, 87, -1)]));
    rig.answer(0, &requests[1].0, &answers::produce(&[(0, 45, -1)]));
    assert_eq!(rig.outcomes().len(), 1);
    rig.advance(Duration::from_secs(2));
    let (request, sent) = rig.produced(0);
    assert_eq!(numbering(&sent[0].1), (1, 0), "behind the hole a new numbering");
    rig.answer(0, &request, &answers::produce(&[(0, 0, 1)]));
    assert_eq!(rig.outcomes(), vec![(2, Ok(1))]);
}

#[test]
fn the_delivery_timeout_tells_that_a_batch_in_flight_may_be_stored() {
    let config = SenderConfig {
        delivery_timeout: Duration::from_secs(20),
        request_timeout: Duration::from_secs(60),
        ..SenderConfig::default()
    };
    let mut rig = Rig::started(config, 1);
    assert!(rig.offer(0, 1));
    let (request, _) = rig.produced(0);
    rig.advance(Duration::from_secs(20));
    let failure = rig.outcomes()[0].1.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::DeliveryTimeout(Stage::InFlight));
    assert_eq!(failure.persisted, Persisted::Possibly);
    assert!(rig.recycled.is_empty(), "its bytes may still be on their way");
    rig.answer(0, &request, &answers::produce(&[(0, 0, 0)]));
    assert_eq!((rig.recycled.len(), rig.outcomes().len()), (1, 0), "one outcome, and then the memory");
}

#[test]
fn the_delivery_timeout_names_the_last_cause_and_the_attempts() {
    let (mut rig, requests) = with_in_flight(1);
    rig.answer(0, &requests[0].0, &answers::produce(&[(0, 19, -1)]));
    rig.advance(Duration::from_secs(2));
    rig.break_connection(0);
    rig.connecting.clear();
    rig.advance(Duration::from_secs(200));
    let outcomes = rig.outcomes();
    let failure = outcomes[0].1.unwrap_err();
    assert_eq!((failure.attempts, failure.persisted), (2, Persisted::Possibly));
    assert!(words(&failure).contains("the broker closed the connection"), "{}", words(&failure));
    assert!(failure.is_retriable());
    assert!(rig.sender.is_idle());
}

#[test]
fn the_leader_moves_and_the_batch_follows_it() {
    let (mut rig, requests) = with_in_flight(1);
    rig.answer(0, &requests[0].0, &answers::produce(&[(0, 6, -1)]));
    rig.advance(Duration::from_secs(2));
    let request = rig.request(0, 3);
    let two = [(1, "one", 9092), (2, "two", 9093)];
    rig.answer(0, &request, &answers::metadata_with(&two, &[2], 0, 9));
    let slot = rig.connect();
    rig.shake_hands(slot);
    rig.advance(Duration::from_secs(2));
    let (request, sent) = rig.produced(slot);
    assert_eq!(sent, requests[0].1);
    assert!(!rig.offer(0, 1), "the new leader has confirmed nothing yet");
    rig.answer(slot, &request, &answers::produce(&[(0, 0, 1)]));
    assert_eq!(rig.outcomes(), vec![(1, Ok(1))]);
}

#[test]
fn a_request_without_answer_closes_its_connection() {
    let (mut rig, _) = with_in_flight(1);
    rig.advance(Duration::from_secs(30));
    assert!(rig.trace.iter().any(|line| line == "disconnect 0"));
    assert!(rig.outcomes().is_empty(), "it is sent again");
}

#[test]
fn an_impossible_answer_closes_its_connection_and_loses_nothing() {
    let partition = |index: i32| answers::produce(&[(index, 0, 1)]);
    let twice = answers::produce(&[(0, 0, 1), (0, 0, 1)]);
    for (body, error) in [
        (partition(3), ProtocolError::UnexpectedPartition),
        (twice, ProtocolError::UnexpectedPartition),
        (answers::produce(&[]), ProtocolError::UnexpectedPartition),
        (vec![0x7F; 40], ProtocolError::Malformed),
    ] {
        let (mut rig, requests) = with_in_flight(2);
        assert_eq!(rig.try_answer(0, &requests[0].0, &body), Err(error));
        rig.turn();
        assert!(!rig.connections.contains_key(&0), "the driver was told to close it");
        assert!(rig.outcomes().iter().all(|(_, outcome)| outcome.is_ok()));
        reconnect(&mut rig);
        let mut left = 2 - rig.recycled.len() + 1;
        while let Some(request) = rig.next_request(0) {
            rig.answer(0, &request, &answers::produce(&[(0, 0, 1)]));
            rig.advance(Duration::from_secs(2));
            left -= 1;
        }
        assert_eq!((left, rig.sender.is_idle()), (0, true));
    }
    let (mut rig, requests) = with_in_flight(2);
    let wrong = ProtocolError::UnexpectedCorrelationId {
        expected: Some(requests[0].0.correlation_id),
        found: requests[1].0.correlation_id,
    };
    assert_eq!(rig.try_answer(0, &requests[1].0, &partition(0)), Err(wrong));
}

#[test]
fn a_topic_that_never_exists_fails_in_time_and_may_appear_later() {
    let mut rig = Rig::new(SenderConfig::default());
    rig.turn();
    rig.connect();
    rig.shake_hands(0);
    let unknown = answers::metadata_with(&[(1, "one", 9092)], &[], 3, 0);
    let request = rig.request(0, 3);
    rig.answer(0, &request, &unknown);
    let request = rig.request(0, 22);
    rig.answer(0, &request, &answers::producer_id(7, 0));
    assert!(!rig.offer(0, 1));
    for _ in 0..20 {
        if let Some(request) = rig.next_request(0) {
            rig.answer(0, &request, &unknown);
        }
        rig.advance(Duration::from_secs(1));
    }
    assert_eq!(rig.ready.len(), 1, "handed over to fail");
    assert!(rig.offer(0, 1));
    let failure = rig.outcomes()[0].1.unwrap_err();
    assert_eq!((failure.kind, failure.persisted), (ErrorKind::UnknownTopic, Persisted::No));
    rig.sender.demand(false);
    rig.advance(Duration::from_secs(2));
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata(&[(1, "one", 9092)], &[1]));
    assert!(rig.offer(0, 1));
    assert!(rig.outcomes().is_empty());
}

#[test]
fn a_refused_producer_id_fails_what_waits() {
    let mut rig = Rig::new(SenderConfig::default());
    rig.turn();
    rig.connect();
    rig.shake_hands(0);
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata(&[(1, "one", 9092)], &[1]));
    let request = rig.request(0, 22);
    rig.answer(0, &request, &answers::producer_id(-1, 14));
    rig.advance(Duration::from_secs(2));
    assert!(!rig.offer(0, 1), "no producer id yet");
    let request = rig.request(0, 22);
    rig.answer(0, &request, &answers::producer_id(-1, 31));
    assert!(rig.offer(0, 1));
    let failure = rig.outcomes()[0].1.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Broker(ErrorCode::CLUSTER_AUTHORIZATION_FAILED));
}

#[test]
fn closing_gives_everything_its_outcome_and_its_memory_back() {
    let (mut rig, _) = with_in_flight(3);
    rig.sender.close(rig.now);
    rig.turn();
    let outcomes = rig.outcomes();
    assert_eq!(outcomes.len(), 3);
    for (_, outcome) in outcomes {
        let failure = outcome.unwrap_err();
        assert_eq!((failure.kind, failure.persisted), (ErrorKind::Closed, Persisted::Possibly));
    }
    assert_eq!(rig.recycled.len(), 4);
    assert!(rig.offer(0, 1), "taken, to fail");
    assert_eq!(rig.outcomes()[0].1.unwrap_err().kind, ErrorKind::Closed);
    assert_eq!(rig.sender.poll_timeout(), None);
}

/// Real records, since splitting reads them.
pub(super) fn offer_records(rig: &mut Rig, count: u8) -> Vec<Vec<u8>> {
    let key = TopicPartition { topic: TOPIC, partition: 0 };
    assert!(rig.sender.reserve(rig.now, key));
    let values: Vec<Vec<u8>> = (0..count).map(|index| vec![index; 5 + usize::from(index)]).collect();
    let batch = rig.records(key, &values);
    rig.sender.enqueue(rig.now, batch);
    rig.turn();
    values
}

#[test]
fn a_batch_that_is_too_large_goes_in_parts_under_its_own_numbers() {
    let (mut rig, _) = with_in_flight(0);
    let blocks = rig.blocks_given();
    let values = offer_records(&mut rig, 150);
    let (follower_base, mut next, mut stored) = (151, 1, Vec::new());
    assert!(rig.offer(0, 2), "a second batch follows in flight");
    let mut requests: Vec<_> = (0..2).map(|_| rig.produced(0)).collect();
    assert_eq!(numbering(&requests[1].1[0].1), (0, follower_base));
    let limit = 1_000;
    while let Some((request, sent)) = if requests.is_empty() { None } else { Some(requests.remove(0)) } {
        let bytes = &sent[0].1;
        let count = i32::from_be_bytes(bytes[57..61].try_into().unwrap());
        let error = match (bytes.len() > limit, numbering(bytes).1 == next) {
            (true, _) => 10,
            (false, false) => 45,
            (false, true) => 0,
        };
        if error == 0 {
            if next < follower_base {
                stored.extend(decode_values(&bytes[61..], count));
            }
            next += count;
        }
        rig.answer(0, &request, &answers::produce(&[(0, error, i64::from(next - count))]));
        rig.advance(Duration::from_secs(2));
        if requests.is_empty() && rig.next_is(0, 0) {
            requests.push(rig.produced(0));
        }
    }
    assert!(stored == values, "{} of {} values", stored.len(), values.len());
    let covered: u32 = rig.completed.iter().map(|done| done.count).sum();
    assert_eq!(covered, 150 + 2);
    let mut expected = 0;
    for done in rig.completed.iter().filter(|done| done.batch.slot() == 1) {
        assert_eq!((done.first, done.result.unwrap().base_offset), (expected, i64::from(expected) + 1));
        expected += done.count;
    }
    assert_eq!(expected, 150);
    let learned = rig.sender.batch_bytes_max(TOPIC);
    assert!((500..=1_000 + 61).contains(&learned), "{learned}: later batches end there");
    assert_eq!(rig.blocks_back() - blocks.1, rig.blocks_given().0 - blocks.0, "every block came back");
}

#[test]
fn a_single_record_that_is_too_large_fails() {
    let (mut rig, requests) = with_in_flight(1);
    let _ = requests;
    offer_records(&mut rig, 1);
    let (request, _) = rig.produced(0);
    rig.answer(0, &requests[0].0, &answers::produce(&[(0, 0, 1)]));
    rig.answer(0, &request, &answers::produce(&[(0, 10, -1)]));
    let outcomes = rig.outcomes();
    assert_eq!(outcomes[1].1.unwrap_err().kind, ErrorKind::Broker(ErrorCode::MESSAGE_TOO_LARGE));
}

#[test]
fn a_damaged_batch_is_sent_three_times_whatever_happened_before() {
    let (mut rig, requests) = with_in_flight(1);
    let mut request = requests[0].0.clone();
    for error in [19, 19, 19, 2, 19, 2, 2] {
        assert_eq!(rig.outcomes(), vec![]);
        rig.answer(0, &request, &answers::produce(&[(0, error, -1)]));
        rig.advance(Duration::from_secs(2));
        if let Some(next) = rig.next_request(0) {
            request = next;
        }
    }
    let failure = rig.outcomes()[0].1.unwrap_err();
    assert_eq!((failure.kind, failure.attempts), (ErrorKind::Broker(ErrorCode::CORRUPT_MESSAGE), 7));
}

#[test]
fn whoever_accepts_and_never_answers_is_told_apart_from_nobody() {
    let delivery_timeout = Duration::from_secs(5);
    let mut rig = Rig::new(SenderConfig { delivery_timeout, ..SenderConfig::default() });
    rig.turn();
    rig.connect();
    assert!(!rig.offer(0, 1));
    let batch = rig.batch(TopicPartition { topic: TOPIC, partition: 0 }, 1);
    rig.advance(Duration::from_secs(10));
    rig.sender.enqueue(rig.now, batch);
    rig.turn();
    let failure = rig.outcomes()[0].1.unwrap_err();
    assert_eq!(failure.last_cause, Some(Cause::Disconnected(Disconnect::HandshakeTimeout)));
}
