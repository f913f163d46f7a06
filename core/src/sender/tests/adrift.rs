//! What went with its connection may be found there, unread, by a broker that had stood still or held the client back: it
//! may be stored later than anybody would think. And: a broker that holds the client back is not written to.

use super::answers;
use super::faults::{offer_records, reconnect, with_in_flight};
use super::rig::{Rig, TOPIC, numbering};
use crate::config::SenderConfig;
use crate::error::{Disconnect, ErrorCode, ErrorKind, Persisted};
use core::time::Duration;
use std::vec;
use std::vec::Vec;

/// Two batches in flight, the first of which is about to have its delivery timeout.
fn with_an_old_one_in_flight() -> (Rig, Duration) {
    let config = SenderConfig { delivery_timeout: Duration::from_secs(20), ..SenderConfig::default() };
    let mut rig = Rig::started(config, 1);
    assert!(rig.offer(0, 1));
    let (request, _) = rig.produced(0);
    rig.answer(0, &request, &answers::produce(&[(0, 0, 0)]));
    assert!(rig.offer(0, 2));
    rig.advance(Duration::from_secs(10));
    assert!(rig.offer(0, 2));
    rig.outcomes();
    (rig, Duration::from_secs(10))
}

#[test]
fn behind_one_that_was_given_up_what_is_adrift_is_not_sent_under_a_new_epoch() {
    let (mut rig, left) = with_an_old_one_in_flight();
    let _ = [rig.produced(0), rig.produced(0)];
    rig.break_connection(0);
    rig.advance(left);
    assert_eq!(rig.outcomes()[0].1.unwrap_err().persisted, Persisted::Possibly);
    reconnect(&mut rig);
    // The broker has read neither of them so far: it may yet store both of them, one behind the other.
    let (request, sent) = rig.produced(0);
    assert_eq!(numbering(&sent[0].1), (0, 3));
    assert!(!rig.offer(0, 1), "it waits");
    rig.answer(0, &request, &answers::produce(&[(0, 45, -1)]));
    let failure = rig.outcomes()[0].1.unwrap_err();
    assert_eq!((failure.kind, failure.persisted), (ErrorKind::Broker(ErrorCode(45)), Persisted::Possibly));
    assert!(rig.offer(0, 1));
    let (request, sent) = rig.produced(0);
    assert_eq!(numbering(&sent[0].1), (1, 0), "what was never sent goes on under a new epoch");
    rig.answer(0, &request, &answers::produce(&[(0, 0, 5)]));
    assert_eq!(rig.outcomes(), vec![(3, Ok(5))]);
}

#[test]
fn behind_one_that_was_given_up_what_was_answered_goes_on_under_a_new_epoch() {
    let (mut rig, left) = with_an_old_one_in_flight();
    let (first, second) = (rig.produced(0).0, rig.produced(0).0);
    rig.answer(0, &first, &answers::produce(&[(0, 19, -1)]));
    rig.answer(0, &second, &answers::produce(&[(0, 45, -1)]));
    rig.advance(left / 2);
    let _ = rig.produced(0);
    rig.break_connection(0);
    rig.advance(left / 2);
    assert_eq!(rig.outcomes()[0].1.unwrap_err().persisted, Persisted::Possibly);
    reconnect(&mut rig);
    let (request, sent) = rig.produced(0);
    assert_eq!(numbering(&sent[0].1), (0, 3));
    rig.answer(0, &request, &answers::produce(&[(0, 45, -1)]));
    rig.advance(Duration::from_secs(2));
    let (request, sent) = rig.produced(0);
    assert_eq!(numbering(&sent[0].1), (1, 0), "every attempt was answered: it is not stored");
    rig.answer(0, &request, &answers::produce(&[(0, 0, 9)]));
    assert_eq!(rig.outcomes(), vec![(2, Ok(9))]);
}

#[test]
fn where_none_was_given_up_what_is_adrift_goes_on_under_a_new_epoch() {
    // The broker has lost the end of its log: what it lost was answered, and is adrift nowhere.
    let (mut rig, _) = with_in_flight(2);
    rig.break_connection(0);
    reconnect(&mut rig);
    for base in [1, 3] {
        let (request, sent) = rig.produced(0);
        assert_eq!(numbering(&sent[0].1), (0, base));
        rig.answer(0, &request, &answers::produce(&[(0, 45, -1)]));
        rig.advance(Duration::from_secs(2));
    }
    let stored: Vec<i64> = [0, 2].into_iter().map(|base| stored_under_epoch_1(&mut rig, base)).collect();
    assert_eq!(stored, [10, 12]);
}

fn stored_under_epoch_1(rig: &mut Rig, base: i32) -> i64 {
    let (request, sent) = rig.produced(0);
    assert_eq!(numbering(&sent[0].1), (1, base));
    rig.answer(0, &request, &answers::produce(&[(0, 0, 10 + i64::from(base))]));
    rig.advance(Duration::from_secs(2));
    rig.outcomes()[0].1.expect("it is stored")
}

#[test]
fn a_broker_that_holds_the_client_back_is_not_written_to() {
    let (mut rig, requests) = with_in_flight(1);
    rig.answer(0, &requests[0].0, &answers::produce_throttled(&[(0, 0, 1)], 3_000));
    assert!(!rig.offer(0, 1), "batches go on growing where they are");
    rig.advance(Duration::from_millis(2_999));
    assert_eq!(rig.next_request(0), None);
    assert!(rig.ready.is_empty());
    assert!(rig.sender.poll_timeout().is_some_and(|due| due <= rig.now + Duration::from_millis(1)));
    rig.advance(Duration::from_millis(1));
    assert_eq!(rig.ready.len(), 1);
    assert!(rig.offer(0, 1));
    let _ = rig.produced(0);
}

#[test]
fn a_metadata_answer_may_hold_the_client_back_too() {
    let (mut rig, _) = with_in_flight(0);
    rig.advance(Duration::from_secs(1));
    rig.sender.want_topic(rig.now, TOPIC);
    rig.turn();
    let request = rig.request(0, 3);
    let mut metadata = answers::metadata(&[(1, "one", 9092)], &[1]);
    metadata[..4].copy_from_slice(&3_000_i32.to_be_bytes());
    rig.answer(0, &request, &metadata);
    assert!(!rig.offer(0, 1));
    rig.advance(Duration::from_secs(3));
    assert!(rig.offer(0, 1));
}

#[test]
fn a_new_connection_is_not_held_back() {
    let (mut rig, requests) = with_in_flight(1);
    rig.answer(0, &requests[0].0, &answers::produce_throttled(&[(0, 0, 1)], i32::MAX));
    let id = rig.connections[&0];
    rig.connections.remove(&0);
    rig.sender.handle_disconnected(rig.now, id, Disconnect::Closed);
    rig.turn();
    rig.sender.want_topic(rig.now, TOPIC);
    rig.turn();
    reconnect(&mut rig);
    assert!(rig.offer(0, 1));
    let (_, sent) = rig.produced(0);
    assert_eq!(numbering(&sent[0].1), (0, 3));
}

#[test]
fn what_is_stored_is_not_lost_with_what_stood_before_it() {
    let (mut rig, requests) = with_in_flight(2);
    rig.answer(0, &requests[0].0, &answers::produce(&[(0, 7, -1)]));
    rig.answer(0, &requests[1].0, &answers::produce(&[(0, 0, 3)]));
    assert!(rig.outcomes().is_empty(), "the first one has none yet");
    rig.sender.close(rig.now);
    rig.turn();
    let outcomes = rig.outcomes();
    assert_eq!(outcomes[0].1.unwrap_err().persisted, Persisted::Possibly);
    assert_eq!(outcomes[1].1, Ok(3));
}

#[test]
fn nothing_is_sent_under_an_identity_that_is_to_be_replaced() {
    let (mut rig, requests) = with_in_flight(1);
    rig.answer(0, &requests[0].0, &answers::produce(&[(0, 47, -1)]));
    // The new one is there before the pause is over.
    let request = rig.request(0, 22);
    rig.answer(0, &request, &answers::producer_id(8, 0));
    rig.advance(Duration::from_secs(2));
    let (_, sent) = rig.produced(0);
    assert_eq!((&sent[0].1[43..51], numbering(&sent[0].1)), (&8_i64.to_be_bytes()[..], (0, 0)));
    rig.break_connection(0);
    reconnect(&mut rig);
    assert_eq!(rig.produced(0).1, sent, "the same bytes");
}

#[test]
fn under_a_new_producer_id_one_is_in_flight_until_the_broker_knows_it() {
    let (mut rig, requests) = with_in_flight(2);
    for (request, _) in &requests {
        rig.answer(0, request, &answers::produce(&[(0, 47, -1)]));
    }
    let request = rig.request(0, 22);
    rig.answer(0, &request, &answers::producer_id(8, 0));
    rig.advance(Duration::from_secs(2));
    let (request, sent) = rig.produced(0);
    assert_eq!(numbering(&sent[0].1), (0, 0));
    assert_eq!(rig.next_request(0), None, "the second one would be taken although the first is refused");
    rig.answer(0, &request, &answers::produce(&[(0, 0, 1)]));
    assert_eq!(numbering(&rig.produced(0).1[0].1), (0, 2));
}

#[test]
fn a_broker_that_comes_back_is_asked_from_the_front() {
    let (mut rig, _) = with_in_flight(2);
    rig.break_connection(0);
    reconnect(&mut rig);
    let (request, sent) = rig.produced(0);
    assert_eq!(numbering(&sent[0].1), (0, 1));
    // It has lost the end of its log. Before it is asked for the second one it stops, and loses all of it.
    rig.write_limit.insert(0, 0);
    rig.answer(0, &request, &answers::produce(&[(0, 45, -1)]));
    rig.break_connection(0);
    rig.write_limit.clear();
    reconnect(&mut rig);
    let (_, sent) = rig.produced(0);
    assert_eq!(numbering(&sent[0].1), (0, 1), "success of the second one would say that the first is stored");
}

#[test]
fn in_a_topic_made_anew_a_part_says_nothing_of_the_whole() {
    let (mut rig, _) = with_in_flight(0);
    offer_records(&mut rig, 4);
    let _ = rig.produced(0);
    rig.break_connection(0);
    reconnect(&mut rig);
    // The topic may be another one by now. It takes no more than half of the batch, and then still less.
    for error in [3, 10, 0, 10, 10] {
        let (request, _) = rig.produced(0);
        rig.answer(0, &request, &answers::produce(&[(0, error, 0)]));
        rig.advance(Duration::from_secs(2));
        while rig.next_is(0, 3) {
            let request = rig.request(0, 3);
            rig.answer(0, &request, &answers::metadata(&[(1, "one", 9092)], &[1]));
            rig.advance(Duration::from_secs(2));
        }
    }
    let outcomes = rig.outcomes();
    assert_eq!(outcomes[0].1, Ok(0));
    let failure = outcomes[1].1.unwrap_err();
    assert_eq!((failure.kind, failure.persisted), (ErrorKind::Broker(ErrorCode(10)), Persisted::Possibly));
}
