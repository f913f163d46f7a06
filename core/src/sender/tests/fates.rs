//! True outcomes in corners that the simulation has found: batches in parts, topics made anew, numbers that are missing,
//! answers that come at odd moments.

use super::answers;
use super::faults::{offer_records, reconnect, with_in_flight};
use super::rig::{Rig, TOPIC, numbering};
use crate::config::{Acks, SenderConfig};
use crate::error::{ErrorCode, ErrorKind, Persisted};
use core::time::Duration;
use std::vec;
use std::vec::Vec;

/// The next Produce request has one batch, whose sequence is `base`. It is answered.
fn answer_next(rig: &mut Rig, base: (i16, i32), error: i16, offset: i64) {
    let (request, sent) = rig.produced(0);
    assert_eq!((sent.len(), numbering(&sent[0].1)), (1, base));
    rig.answer(0, &request, &answers::produce(&[(0, error, offset)]));
    rig.advance(Duration::from_secs(2));
    // A topic that was doubted is asked for.
    while rig.next_is(0, 3) {
        let request = rig.request(0, 3);
        rig.answer(0, &request, &answers::metadata(&[(1, "one", 9092)], &[1]));
        rig.advance(Duration::from_secs(2));
    }
}

#[test]
fn an_answer_may_come_while_a_request_without_answer_is_written() {
    let config = SenderConfig { acks: Acks::None, idempotence: false, ..SenderConfig::default() };
    let mut rig = Rig::started(config, 1);
    rig.advance(Duration::from_secs(1));
    rig.sender.want_topic(rig.now, TOPIC);
    rig.turn();
    let metadata = rig.request(0, 3);
    rig.write_limit.insert(0, 0);
    assert!(rig.offer(0, 1));
    let id = rig.connections[&0];
    assert!(rig.sender.poll_transmit(rig.now, id).is_some());
    rig.sender.handle_transmitted(rig.now, id, 1);
    assert_eq!(rig.try_answer(0, &metadata, &answers::metadata(&[(1, "one", 9092)], &[1])), Ok(()));
}

#[test]
fn a_batch_in_parts_that_expires_in_flight_has_one_outcome() {
    let delivery_timeout = Duration::from_secs(5);
    let mut rig = Rig::started(SenderConfig { delivery_timeout, ..SenderConfig::default() }, 1);
    offer_records(&mut rig, 150);
    let (request, _) = rig.produced(0);
    rig.answer(0, &request, &answers::produce(&[(0, 10, -1)]));
    let (part, _) = rig.produced(0);
    rig.advance(delivery_timeout);
    assert_eq!(rig.completed.len(), 1);
    rig.answer(0, &part, &answers::produce(&[(0, 0, 0)]));
    let covered: u32 = rig.completed.iter().map(|done| done.count).sum();
    assert_eq!((covered, rig.outcomes()[0].1.unwrap_err().persisted), (150, Persisted::Possibly));
    let (given, back) = rig.blocks_given();
    assert_eq!(given, back, "every block came back");
}

#[test]
fn a_batch_that_may_be_stored_whole_is_not_stored_in_parts_too() {
    let (mut rig, _) = with_in_flight(0);
    offer_records(&mut rig, 4);
    let _ = rig.produced(0);
    rig.break_connection(0);
    reconnect(&mut rig);
    // It was stored, and the topic's limit is lower now.
    answer_next(&mut rig, (0, 1), 10, -1);
    answer_next(&mut rig, (0, 1), 45, -1);
    let outcomes = rig.outcomes();
    assert_eq!(outcomes.len(), 1);
    let failure = outcomes[0].1.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Broker(ErrorCode(45)));
    assert_eq!(failure.persisted, Persisted::Possibly);
    assert!(rig.next_request(0).is_none(), "nothing is sent once more");
}

#[test]
fn in_a_topic_made_anew_what_was_overtaken_fails() {
    let (mut rig, requests) = with_in_flight(2);
    // The topic is away for the first, and there again, empty, for the second.
    rig.answer(0, &requests[0].0, &answers::produce(&[(0, 3, -1)]));
    rig.answer(0, &requests[1].0, &answers::produce(&[(0, 0, 0)]));
    rig.advance(Duration::from_secs(2));
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata(&[(1, "one", 9092)], &[1]));
    rig.advance(Duration::from_secs(2));
    assert!(rig.outcomes().is_empty());
    answer_next(&mut rig, (0, 1), 45, -1);
    let outcomes = rig.outcomes();
    assert_eq!(
        outcomes[0].1.unwrap_err().persisted,
        Persisted::No,
        "it is not stored, and would stand behind"
    );
    assert_eq!(outcomes[1].1, Ok(0));
}

#[test]
fn in_a_topic_made_anew_what_follows_proves_nothing() {
    let (mut rig, _) = with_in_flight(2);
    rig.break_connection(0);
    reconnect(&mut rig);
    answer_next(&mut rig, (0, 1), 3, -1);
    answer_next(&mut rig, (0, 1), 45, -1);
    let failure = rig.outcomes()[0].1.unwrap_err();
    assert_eq!((failure.kind, failure.persisted), (ErrorKind::Broker(ErrorCode(45)), Persisted::Possibly));
    answer_next(&mut rig, (0, 3), 0, 0);
    assert_eq!(rig.outcomes()[0].1, Ok(0));
}

#[test]
fn a_topic_made_anew_has_leaders_again_although_their_epochs_begin_anew() {
    let (mut rig, _) = with_in_flight(0);
    let brokers = [(1, "one", 9092)];
    rig.advance(Duration::from_secs(1));
    rig.sender.want_topic(rig.now, TOPIC);
    rig.turn();
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata_with(&brokers, &[1], 0, 9));
    assert!(rig.offer(0, 1));
    let (request, _) = rig.produced(0);
    rig.answer(0, &request, &answers::produce(&[(0, 3, -1)]));
    rig.advance(Duration::from_secs(2));
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata_with(&brokers, &[1], 0, 0));
    rig.advance(Duration::from_secs(2));
    assert!(rig.next_is(0, 0), "it is led, and written to");
}

#[test]
fn a_later_batch_that_was_given_up_may_be_the_one_that_the_broker_remembers() {
    let (mut rig, requests) = with_in_flight(2);
    rig.answer(0, &requests[0].0, &answers::produce(&[(0, 20, -1)]));
    rig.answer(0, &requests[1].0, &answers::produce(&[(0, -1, -1)]));
    assert_eq!(rig.outcomes()[0].1.unwrap_err().persisted, Persisted::Possibly);
    rig.break_connection(0);
    reconnect(&mut rig);
    // The broker has restarted, and knows only the second one.
    answer_next(&mut rig, (0, 1), 45, -1);
    let failure = rig.outcomes()[0].1.unwrap_err();
    assert_eq!((failure.kind, failure.persisted), (ErrorKind::Broker(ErrorCode(45)), Persisted::Possibly));
    assert!(rig.next_request(0).is_none(), "nothing is sent once more");
}

#[test]
fn one_of_many_that_was_given_up_leaves_no_verdict_for_those_around_it() {
    let (mut rig, requests) = with_in_flight(3);
    rig.answer(0, &requests[0].0, &answers::produce(&[(0, 20, -1)]));
    rig.answer(0, &requests[1].0, &answers::produce(&[(0, -1, -1)]));
    rig.answer(0, &requests[2].0, &answers::produce(&[(0, 20, -1)]));
    assert_eq!(rig.outcomes().len(), 1);
    rig.break_connection(0);
    reconnect(&mut rig);
    // The broker has restarted, and knows only the second one.
    answer_next(&mut rig, (0, 1), 45, -1);
    answer_next(&mut rig, (0, 5), 45, -1);
    let outcomes = rig.outcomes();
    assert_eq!(outcomes.len(), 2, "{outcomes:?}");
    assert!(outcomes.iter().all(|(_, outcome)| outcome.unwrap_err().persisted == Persisted::Possibly));
    assert!(rig.next_request(0).is_none(), "nothing is sent once more");
}

#[test]
fn in_a_topic_made_anew_nothing_is_sent_behind_what_may_have_overtaken_it() {
    let (mut rig, requests) = with_in_flight(2);
    rig.answer(0, &requests[0].0, &answers::produce(&[(0, 3, -1)]));
    rig.answer(0, &requests[1].0, &answers::produce(&[(0, -1, -1)]));
    assert_eq!(rig.outcomes()[0].1.unwrap_err().persisted, Persisted::Possibly);
    rig.advance(Duration::from_secs(2));
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata(&[(1, "one", 9092)], &[1]));
    rig.advance(Duration::from_secs(2));
    answer_next(&mut rig, (0, 1), 45, -1);
    assert_eq!(rig.outcomes()[0].1.unwrap_err().persisted, Persisted::No);
    assert!(rig.next_request(0).is_none());
}

#[test]
fn what_a_batch_in_flight_has_overtaken_is_not_sent_behind_it() {
    let (mut rig, requests) = with_in_flight(2);
    // The log loses its end between the two, and with it all that is known of this producer.
    rig.answer(0, &requests[0].0, &answers::produce(&[(0, 45, -1)]));
    rig.answer(0, &requests[1].0, &answers::produce(&[(0, 0, 0)]));
    let outcomes = rig.outcomes();
    assert_eq!(outcomes[0].1.unwrap_err().persisted, Persisted::No);
    assert_eq!(outcomes[1].1, Ok(0));
    rig.advance(Duration::from_secs(2));
    assert!(rig.next_request(0).is_none());
}

#[test]
fn a_broker_that_comes_back_confirms_anew() {
    let (mut rig, requests) = with_in_flight(1);
    rig.answer(0, &requests[0].0, &answers::produce(&[(0, 0, 1)]));
    rig.break_connection(0);
    reconnect(&mut rig);
    assert!(rig.offer(0, 1));
    assert!(!rig.offer(0, 1), "it may have forgotten all about this producer");
    let (request, _) = rig.produced(0);
    rig.answer(0, &request, &answers::produce(&[(0, 0, 2)]));
    assert!(rig.offer(0, 1) && rig.offer(0, 1));
}

#[test]
fn a_broker_may_change_its_address_for_ever() {
    let mut rig = Rig::started(SenderConfig::default(), 1);
    for port in 9093..9120 {
        rig.advance(Duration::from_secs(1));
        rig.sender.want_topic(rig.now, TOPIC);
        rig.turn();
        let slot = *rig.connections.keys().find(|slot| rig.next_is(**slot, 3)).expect("somebody is asked");
        let request = rig.request(slot, 3);
        rig.answer(slot, &request, &answers::metadata(&[(1, "one", port)], &[1]));
        assert!(!rig.offer(0, 1), "port {port}");
        let slot = rig.connect();
        rig.shake_hands(slot);
        assert!(rig.connections.len() <= 3, "those to old addresses are closed");
    }
}

#[test]
fn what_comes_behind_a_reason_to_close_is_not_read() {
    let mut rig = Rig::once_lost();
    let request = rig.request(0, 18);
    rig.answer(0, &request, &answers::api_versions_up_to(7, 13));
    let request = rig.request(0, 3);
    let body = answers::rebootstrap();
    let mut bytes = (body.len() as i32 + 4).to_be_bytes().to_vec();
    bytes.extend_from_slice(&request.correlation_id.to_be_bytes());
    bytes.extend_from_slice(&body);
    bytes.extend_from_slice(&[0, 0, 0, 9, 0, 0, 0, 77, 1, 2, 3]);
    let id = rig.connections[&0];
    assert_eq!(rig.sender.handle_received(rig.now, id, &bytes), Ok(bytes.len()));
    rig.turn();
    assert!(rig.connections.is_empty());
}

#[test]
fn answers_without_news_are_asked_for_less_and_less_often() {
    let mut rig = Rig::started(SenderConfig::default(), 1);
    let brokers = [(1, "one", 9092)];
    rig.sender.want_topic(rig.now, TOPIC);
    rig.turn();
    let mut asked = Vec::new();
    for tick in 0..1_000 {
        if rig.next_is(0, 3) {
            let request = rig.request(0, 3);
            rig.answer(0, &request, &answers::metadata_with(&brokers, &[-1], 0, 1));
            assert!(!rig.offer(0, 1));
            asked.push(tick);
        }
        rig.advance(Duration::from_millis(10));
    }
    assert!((8..=20).contains(&asked.len()), "in 10 seconds: {asked:?}");
    assert_eq!(rig.outcomes(), vec![]);
}

#[test]
fn ids_of_topics_are_asked_for_once_the_versions_are_known() {
    let mut rig = Rig::new(SenderConfig::default());
    rig.turn();
    rig.connect();
    let request = rig.request(0, 18);
    rig.answer(0, &request, &answers::api_versions_up_to(13, 12));
    let request = rig.request(0, 3);
    assert_eq!(request.version, 7, "before anything was known of the broker");
    rig.answer(0, &request, &answers::metadata(&[(1, "one", 9092)], &[1]));
    let request = rig.request(0, 22);
    rig.answer(0, &request, &answers::producer_id(7, 0));
    assert!(rig.next_request(0).is_none(), "there is no hurry");
    rig.advance(Duration::from_secs(1));
    let request = rig.request(0, 3);
    assert_eq!(request.version, 12);
    rig.answer(0, &request, &answers::metadata_with_id(5));
    rig.advance(Duration::from_secs(5));
    assert!(rig.next_request(0).is_none());
    assert!(rig.offer(0, 1));
    assert_eq!(rig.request(0, 0).version, 13);
}

#[test]
fn a_record_that_is_too_large_does_not_take_its_neighbours_with_it() {
    let mut rig = Rig::started(SenderConfig::default(), 1);
    offer_records(&mut rig, 3);
    answer_next(&mut rig, (0, 0), 10, -1);
    // Part by part: the first record alone is too large, the others are not.
    answer_next(&mut rig, (0, 0), 10, -1);
    assert_eq!(rig.completed.len(), 1);
    assert_eq!((rig.completed[0].first, rig.completed[0].count), (0, 1));
    assert_eq!(rig.outcomes()[0].1.unwrap_err().kind, ErrorKind::Broker(ErrorCode::MESSAGE_TOO_LARGE));
    let mut next = 0;
    while rig.next_is(0, 0) {
        let (request, sent) = rig.produced(0);
        let bytes = &sent[0].1;
        assert_eq!(numbering(bytes), (0, next), "the rest takes the number");
        rig.answer(0, &request, &answers::produce(&[(0, 0, next.into())]));
        next += i32::from_be_bytes(bytes[57..61].try_into().unwrap());
    }
    assert_eq!(next, 2);
    let covered: u32 = rig.completed.iter().map(|done| done.count).sum();
    assert_eq!(covered, 2);
    assert!(rig.outcomes().iter().all(|(_, outcome)| outcome.is_ok()));
    let (given, back) = rig.blocks_given();
    assert_eq!(given, back, "every block came back");
}

#[test]
fn numbers_of_a_record_that_is_too_large_are_not_those_of_a_batch_that_was_given_up() {
    let (mut rig, _) = with_in_flight(0);
    offer_records(&mut rig, 3);
    assert!(rig.offer(0, 1));
    let (first, _) = rig.produced(0);
    let (behind, _) = rig.produced(0);
    rig.answer(0, &first, &answers::produce(&[(0, 10, -1)]));
    rig.answer(0, &behind, &answers::produce(&[(0, 45, -1)]));
    // The first record alone is too large: the rest takes its number, and there is a gap before the batch behind.
    answer_next(&mut rig, (0, 1), 10, -1);
    assert_eq!(rig.outcomes()[0].1.unwrap_err().kind, ErrorKind::Broker(ErrorCode::MESSAGE_TOO_LARGE));
    // The topic may be another one from here on, and the broker says that the rest is not in its log.
    answer_next(&mut rig, (0, 1), 3, -1);
    answer_next(&mut rig, (0, 1), 45, -1);
    assert_eq!(rig.outcomes(), vec![], "nobody can have stored anything behind it");
    answer_next(&mut rig, (1, 0), 0, 0);
}
