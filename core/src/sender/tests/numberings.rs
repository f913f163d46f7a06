//! Whoever keeps notes has written a numbering down before anything is sent under it; and what is noted is how batches are
//! numbered.

use super::answers;
use super::faults::reconnect;
use super::rig::{Rig, TOPIC, numbering};
use crate::config::SenderConfig;
use crate::error::Persisted;
use crate::event::{Numbering, Numbers};
use crate::id::{BatchId, TopicPartition};
use core::time::Duration;
use std::vec::Vec;

const KEY: TopicPartition = TopicPartition { topic: TOPIC, partition: 0 };

fn with_notes() -> Rig {
    Rig::started(SenderConfig { notes_numberings: true, ..SenderConfig::default() }, 1)
}

fn of(producer_id: i64, producer_epoch: i16, first: usize) -> Numbering {
    Numbering { partition: KEY, producer_id, producer_epoch, first: BatchId::new(first, 0) }
}

/// What was told since the last call.
fn told(rig: &mut Rig) -> Vec<Numbering> {
    rig.turn();
    rig.numberings.drain(..).collect()
}

/// Writes down what was told: it must be this.
fn note(rig: &mut Rig, expected: Numbering) {
    assert_eq!(told(rig), [expected]);
    rig.sender.handle_noted(rig.now, expected);
    rig.turn();
}

/// The next request has one batch under these numbers. It is answered.
fn answer_next(rig: &mut Rig, base: (i16, i32), error: i16, offset: i64) {
    let (request, sent) = rig.produced(0);
    assert_eq!((sent.len(), numbering(&sent[0].1)), (1, base));
    rig.answer(0, &request, &answers::produce(&[(0, error, offset)]));
}

/// A partition whose numbering is noted and confirmed, with one batch stored.
fn noted_and_confirmed() -> Rig {
    let mut rig = with_notes();
    assert!(rig.offer(0, 1));
    note(&mut rig, of(7, 0, 0));
    answer_next(&mut rig, (0, 0), 0, 0);
    rig.outcomes();
    rig
}

#[test]
fn nothing_is_sent_before_the_note() {
    let mut rig = with_notes();
    assert!(rig.offer(0, 2));
    assert!(!rig.offer(0, 1), "one batch says that there is a numbering to be noted");
    for _ in 0..3 {
        rig.advance(Duration::from_secs(5));
        assert_eq!(rig.next_request(0), None);
    }
    note(&mut rig, of(7, 0, 0));
    answer_next(&mut rig, (0, 0), 0, 0);
    for base in [2, 3] {
        assert!(rig.offer(0, 1));
        answer_next(&mut rig, (0, base), 0, base.into());
    }
    assert_eq!(told(&mut rig), [], "told once");
    assert_eq!(rig.outcomes().len(), 3);
}

#[test]
fn without_notes_nobody_is_told() {
    let mut rig = Rig::started(SenderConfig::default(), 1);
    assert!(rig.offer(0, 1));
    answer_next(&mut rig, (0, 0), 0, 0);
    assert_eq!(told(&mut rig), []);
}

#[test]
fn a_numbering_that_starts_anew_is_noted_anew() {
    let mut rig = noted_and_confirmed();
    assert!(rig.offer(0, 1) && rig.offer(0, 1));
    let (requests, _): (Vec<_>, Vec<_>) = (0..2).map(|_| rig.produced(0)).unzip();
    for request in &requests {
        // The broker has lost the end of its log.
        rig.answer(0, request, &answers::produce(&[(0, 45, -1)]));
    }
    rig.advance(Duration::from_secs(2));
    assert_eq!(rig.next_request(0), None, "not before the note");
    rig.sender.handle_noted(rig.now, of(7, 0, 0));
    rig.turn();
    assert_eq!(rig.next_request(0), None, "a note of the numbering before");
    note(&mut rig, of(7, 1, 1));
    for base in [0, 1] {
        answer_next(&mut rig, (1, base), 0, base.into());
        rig.advance(Duration::from_secs(2));
    }
    assert_eq!(rig.outcomes().len(), 2);
}

/// Who notes numberings counts records. Where some of them never come, the next ones begin another numbering.
#[test]
fn what_stands_behind_a_gap_begins_a_numbering_once_nothing_is_before_it() {
    let mut rig = noted_and_confirmed();
    assert!(rig.offer(0, 2) && rig.offer_apart(0, 3, true));
    let (request, sent) = rig.produced(0);
    assert_eq!((sent.len(), numbering(&sent[0].1)), (1, (0, 1)));
    assert_eq!(rig.next_request(0), None, "something is before it");
    rig.answer(0, &request, &answers::produce(&[(0, 0, 1)]));
    note(&mut rig, of(7, 1, 2));
    answer_next(&mut rig, (1, 0), 0, 3);
    assert!(rig.offer(0, 1));
    answer_next(&mut rig, (1, 3), 0, 6);
    assert_eq!(told(&mut rig), [], "what follows on it goes on with its numbers");
    assert_eq!(rig.outcomes().len(), 3);
}

/// What a broker does not know waits for the next one of its numbering. A batch behind a gap is none, and waits itself until
/// nothing is before it.
#[test]
fn what_is_not_known_does_not_wait_for_what_stands_behind_a_gap() {
    let mut rig = noted_and_confirmed();
    let numbers = Numbers { producer_id: 7, producer_epoch: 0, base_sequence: 5, more: true };
    assert!(rig.resume(0, 1, numbers));
    answer_next(&mut rig, (0, 5), 45, -1);
    rig.advance(Duration::from_secs(2));
    assert_eq!(rig.next_request(0), None, "more may come");
    assert!(rig.offer_apart(0, 1, true));
    note(&mut rig, of(7, 1, 1));
    answer_next(&mut rig, (1, 0), 0, 1);
    note(&mut rig, of(7, 2, 2));
    answer_next(&mut rig, (2, 0), 0, 2);
    assert_eq!(rig.outcomes().len(), 2);
}

#[test]
fn a_numbering_begins_when_it_is_asked_for_and_nothing_is_held() {
    let mut rig = noted_and_confirmed();
    assert!(rig.offer(0, 1) && !rig.sender.renumber(KEY));
    answer_next(&mut rig, (0, 1), 0, 1);
    assert_eq!(rig.outcomes().len(), 1);
    assert!(rig.sender.renumber(KEY) && rig.sender.renumber(KEY));
    assert!(rig.offer(0, 2));
    note(&mut rig, of(7, 1, 2));
    answer_next(&mut rig, (1, 0), 0, 2);
    assert!(rig.offer(0, 1));
    answer_next(&mut rig, (1, 2), 0, 4);
    assert_eq!(told(&mut rig), [], "one numbering");
}

#[test]
fn another_producer_id_is_noted() {
    let mut rig = noted_and_confirmed();
    assert!(rig.offer(0, 1));
    let (request, _) = rig.produced(0);
    rig.answer(0, &request, &answers::produce(&[(0, 47, -1)]));
    let request = rig.request(0, 22);
    rig.answer(0, &request, &answers::producer_id(8, 0));
    rig.advance(Duration::from_secs(2));
    assert_eq!(rig.next_request(0), None);
    note(&mut rig, of(8, 0, 1));
    answer_next(&mut rig, (0, 0), 0, 0);
    assert_eq!(rig.outcomes().len(), 1);
}

#[test]
fn each_partition_has_its_own_note() {
    let mut rig = Rig::started(SenderConfig { notes_numberings: true, ..SenderConfig::default() }, 3);
    for partition in 0..3 {
        assert!(rig.offer(partition, 1));
    }
    let mut all = told(&mut rig);
    all.sort_by_key(|numbering| numbering.partition.partition);
    let partitions: Vec<_> = all.iter().map(|it| (it.partition.partition, it.first.slot())).collect();
    assert_eq!(partitions, [(0, 0), (1, 1), (2, 2)]);
    rig.sender.handle_noted(rig.now, all[1]);
    rig.turn();
    assert_eq!(rig.produced(0).1[0].0, 1, "it does not wait for the others");
    assert_eq!(rig.next_request(0), None);
}

#[test]
fn where_the_first_batch_fails_the_next_one_is_told() {
    let delivery_timeout = Duration::from_secs(20);
    let config = SenderConfig { notes_numberings: true, delivery_timeout, ..SenderConfig::default() };
    let mut rig = Rig::started(config, 1);
    assert!(rig.offer(0, 2));
    assert_eq!(told(&mut rig), [of(7, 0, 0)]);
    rig.advance(delivery_timeout);
    assert_eq!(rig.outcomes()[0].1.unwrap_err().persisted, Persisted::No);
    assert!(rig.offer(0, 1));
    assert_eq!(told(&mut rig), [of(7, 0, 1)]);
    // The note of the one before comes late.
    rig.sender.handle_noted(rig.now, of(7, 0, 0));
    rig.turn();
    assert_eq!(rig.next_request(0), None, "that one says where another one has the number 0");
    rig.sender.handle_noted(rig.now, of(7, 0, 1));
    rig.turn();
    answer_next(&mut rig, (0, 0), 0, 0);
}

#[test]
fn where_the_first_batch_fails_behind_its_note_the_next_one_is_told() {
    let delivery_timeout = Duration::from_secs(20);
    let config = SenderConfig { notes_numberings: true, delivery_timeout, ..SenderConfig::default() };
    let mut rig = Rig::started(config, 1);
    assert!(rig.offer(0, 2));
    rig.break_connection(0);
    note(&mut rig, of(7, 0, 0));
    rig.advance(delivery_timeout);
    assert_eq!(rig.outcomes().len(), 1);
    reconnect(&mut rig);
    assert!(rig.offer(0, 1));
    note(&mut rig, of(7, 0, 1));
    answer_next(&mut rig, (0, 0), 0, 0);
}

/// Whoever counts on from the first batch must find the numbers that batches have.
#[test]
fn behind_a_batch_that_is_refused_another_numbering_begins() {
    let mut rig = noted_and_confirmed();
    assert!(rig.offer(0, 3));
    answer_next(&mut rig, (0, 1), 87, -1);
    assert_eq!(rig.outcomes()[0].1.unwrap_err().persisted, Persisted::No);
    assert!(rig.offer(0, 1));
    assert_eq!(rig.next_request(0), None, "1 is the number of the one that was refused");
    note(&mut rig, of(7, 1, 2));
    answer_next(&mut rig, (1, 0), 0, 1);
    assert_eq!(rig.outcomes().len(), 1);
}

#[test]
fn behind_a_batch_that_fails_unsent_another_numbering_begins_once_all_before_it_have_their_outcome() {
    let delivery_timeout = Duration::from_secs(20);
    let config = SenderConfig { notes_numberings: true, delivery_timeout, ..SenderConfig::default() };
    let mut rig = Rig::started(config, 1);
    let created = rig.now;
    rig.advance(delivery_timeout - Duration::from_secs(1));
    assert!(rig.offer(0, 1));
    note(&mut rig, of(7, 0, 0));
    answer_next(&mut rig, (0, 0), 0, 0);
    assert!(rig.offer(0, 1));
    let (in_flight, _) = rig.produced(0);
    // One that is older than that, as one can be that was held back elsewhere; it is not sent before its time is over.
    rig.write_limit.insert(0, 0);
    let mut old = rig.batch(KEY, 1);
    old.created = created;
    assert!(rig.sender.reserve(rig.now, KEY));
    rig.sender.enqueue(rig.now, old);
    rig.outcomes();
    rig.advance(Duration::from_secs(1));
    assert_eq!(rig.outcomes()[0].1.unwrap_err().persisted, Persisted::No);
    rig.write_limit.clear();
    let id = rig.connections[&0];
    assert!(rig.sender.poll_transmit(rig.now, id).is_none());
    assert!(rig.offer(0, 1));
    assert_eq!(
        (told(&mut rig).len(), rig.next_request(0)),
        (0, None),
        "the one in flight has no outcome yet"
    );
    rig.answer(0, &in_flight, &answers::produce(&[(0, 0, 1)]));
    note(&mut rig, of(7, 1, 3));
    answer_next(&mut rig, (1, 0), 0, 2);
}

#[test]
fn closing_waits_for_no_note() {
    let mut rig = with_notes();
    assert!(rig.offer(0, 1));
    rig.sender.close(rig.now);
    rig.turn();
    assert_eq!(rig.outcomes()[0].1.unwrap_err().persisted, Persisted::No);
    rig.numberings.clear();
    rig.sender.handle_noted(rig.now, of(7, 0, 0));
    rig.turn();
    assert!(rig.sender.is_idle());
    assert_eq!(told(&mut rig), []);
}

#[test]
fn the_id_of_the_topic_is_known_before_a_numbering_begins() {
    let mut rig = Rig::before_topic_id(SenderConfig { notes_numberings: true, ..SenderConfig::default() });
    assert!(rig.offer(0, 1));
    assert_eq!(told(&mut rig), []);
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata_with_id(5));
    note(&mut rig, of(7, 0, 0));
    answer_next(&mut rig, (0, 0), 0, 0);
}
