//! Batches that a former life of the producer may have sent are finished: once, in order, with the outcome that is true.

use super::answers;
use super::faults::reconnect;
use super::rig::{Rig, TOPIC, numbering};
use crate::config::SenderConfig;
use crate::error::{ErrorCode, ErrorKind, Persisted};
use crate::event::Numbers;
use crate::id::TopicPartition;
use core::time::Duration;
use std::vec;
use std::vec::Vec;

const OLD: i64 = 5;

const fn under(base_sequence: i32, more: bool) -> Numbers {
    Numbers { producer_id: OLD, producer_epoch: 3, base_sequence, more }
}

fn started() -> Rig {
    Rig::started(SenderConfig::default(), 1)
}

fn producer_id(batch: &[u8]) -> i64 {
    i64::from_be_bytes(batch[43..51].try_into().unwrap())
}

/// The next request has one batch under these numbers, and nothing is sent behind it. It is answered.
fn answer_next(rig: &mut Rig, id: i64, base: (i16, i32), error: i16, offset: i64) -> Vec<u8> {
    let (request, mut sent) = rig.produced(0);
    assert_eq!((sent.len(), producer_id(&sent[0].1), numbering(&sent[0].1)), (1, id, base));
    assert_eq!(rig.next_request(0), None, "one after the other");
    rig.answer(0, &request, &answers::produce(&[(0, error, offset)]));
    rig.advance(Duration::from_secs(2));
    sent.remove(0).1
}

#[test]
fn what_the_broker_has_is_acknowledged_and_what_it_has_not_is_stored() {
    let mut rig = started();
    assert!(rig.resume(0, 2, under(10, true)));
    assert!(!rig.resume(0, 2, under(12, false)), "one after the other");
    answer_next(&mut rig, OLD, (3, 10), 0, 70);
    assert!(rig.resume(0, 2, under(12, true)));
    assert!(!rig.resume(0, 2, under(14, false)), "also behind one that is confirmed");
    answer_next(&mut rig, OLD, (3, 12), 0, 72);
    assert_eq!(rig.outcomes(), vec![(0, Ok(70)), (1, Ok(72))]);
}

#[test]
fn what_follows_has_a_numbering_of_this_life() {
    let mut rig = started();
    assert!(rig.resume(0, 2, under(10, false)));
    answer_next(&mut rig, OLD, (3, 10), 0, 70);
    assert!(rig.offer(0, 1));
    assert!(!rig.offer(0, 1), "of a producer that it does not know the broker takes any sequence");
    answer_next(&mut rig, 7, (0, 0), 0, 72);
    assert!(rig.offer(0, 1) && rig.offer(0, 1), "then on as ever");
    let numbers: Vec<_> = (0..2).map(|_| numbering(&rig.produced(0).1[0].1)).collect();
    assert_eq!(numbers, [(0, 1), (0, 2)]);
}

#[test]
fn what_follows_waits_until_the_fate_of_all_before_it_is_known() {
    let mut rig = started();
    assert!(rig.resume(0, 2, under(10, false)));
    let _ = rig.produced(0);
    rig.break_connection(0);
    reconnect(&mut rig);
    assert!(!rig.offer(0, 1));
    answer_next(&mut rig, OLD, (3, 10), 19, -1);
    assert!(!rig.offer(0, 1));
    answer_next(&mut rig, OLD, (3, 10), 0, 4);
    assert!(rig.offer(0, 1));
    answer_next(&mut rig, 7, (0, 0), 0, 6);
    assert_eq!(rig.outcomes(), vec![(0, Ok(4)), (1, Ok(6))]);
}

#[test]
fn a_broker_that_restarted_remembers_only_the_last_and_none_is_stored_twice() {
    let mut rig = started();
    for (index, error) in [(0, 45), (1, 45), (2, 0)] {
        assert!(rig.resume(0, 2, under(10 + 2 * index, true)));
        answer_next(&mut rig, OLD, (3, 10 + 2 * index), error, 74);
    }
    assert_eq!(rig.outcomes(), vec![(0, Ok(-1)), (1, Ok(-1)), (2, Ok(74))]);
    // It was not the last one.
    assert!(rig.resume(0, 1, under(16, false)));
    answer_next(&mut rig, OLD, (3, 16), 0, 76);
    assert_eq!(rig.outcomes(), vec![(3, Ok(76))]);
}

#[test]
fn one_that_the_broker_does_not_know_waits_for_those_that_follow() {
    let mut rig = started();
    assert!(rig.resume(0, 2, under(10, true)));
    answer_next(&mut rig, OLD, (3, 10), 45, -1);
    rig.advance(Duration::from_secs(60));
    assert_eq!((rig.next_request(0), rig.outcomes()), (None, vec![]), "the next one may be known");
    assert!(rig.resume(0, 2, under(12, false)));
    answer_next(&mut rig, OLD, (3, 12), 0, 72);
    assert_eq!(rig.outcomes(), vec![(0, Ok(-1)), (1, Ok(72))]);
}

#[test]
fn where_none_is_known_none_is_stored_and_they_begin_a_numbering_of_this_life() {
    let mut rig = started();
    let mut sent = Vec::new();
    for index in 0..3 {
        assert!(rig.resume(0, 2, under(10 + 2 * index, index < 2)));
        sent.push(answer_next(&mut rig, OLD, (3, 10 + 2 * index), 45, -1));
    }
    let again = answer_next(&mut rig, 7, (0, 0), 0, 100);
    assert_eq!(again[61..], sent[0][61..], "in order");
    let behind: Vec<_> = (1..3).map(|_| rig.produced(0)).collect();
    for (index, (request, again)) in behind.iter().enumerate() {
        let number = 2 + 2 * index as i32;
        assert_eq!((producer_id(&again[0].1), numbering(&again[0].1)), (7, (0, number)));
        assert_eq!(again[0].1[61..], sent[index + 1][61..], "in order");
        rig.answer(0, request, &answers::produce(&[(0, 0, i64::from(100 + number))]));
    }
    assert_eq!(rig.outcomes(), vec![(0, Ok(100)), (1, Ok(102)), (2, Ok(104))]);
    assert!(rig.offer(0, 1));
    answer_next(&mut rig, 7, (0, 6), 0, 106);
}

#[test]
fn what_is_lost_behind_it_is_not_waited_for() {
    let mut rig = started();
    assert!(rig.resume(0, 2, under(10, true)));
    answer_next(&mut rig, OLD, (3, 10), 45, -1);
    rig.advance(Duration::from_secs(60));
    assert_eq!((rig.next_request(0), rig.outcomes()), (None, vec![]));
    rig.sender.end_resumed(rig.now, TopicPartition { topic: TOPIC, partition: 0 });
    rig.turn();
    answer_next(&mut rig, 7, (0, 0), 0, 70);
    assert_eq!(rig.outcomes(), vec![(0, Ok(70))]);
}

#[test]
fn what_waits_in_vain_goes_on_with_what_comes_instead() {
    let mut rig = started();
    assert!(rig.resume(0, 2, under(10, true)));
    answer_next(&mut rig, OLD, (3, 10), 45, -1);
    // The next one could not be read from the disk, perhaps: nothing is known of it.
    assert!(rig.offer(0, 1));
    answer_next(&mut rig, 7, (0, 0), 0, 70);
    answer_next(&mut rig, 7, (0, 2), 0, 72);
    assert_eq!(rig.outcomes(), vec![(0, Ok(70)), (1, Ok(72))]);
}

#[test]
fn behind_numbers_that_are_missing_nothing_is_proved() {
    let mut rig = started();
    assert!(rig.resume(0, 2, under(10, true)));
    answer_next(&mut rig, OLD, (3, 10), 45, -1);
    // 12 and 13 could not be read: they may be what the broker remembers.
    assert!(rig.resume(0, 2, under(14, false)));
    answer_next(&mut rig, OLD, (3, 14), 45, -1);
    let outcomes = rig.outcomes();
    assert_eq!(outcomes.len(), 2);
    for (_, outcome) in outcomes {
        let failure = outcome.unwrap_err();
        assert_eq!(
            (failure.kind, failure.persisted),
            (ErrorKind::Broker(ErrorCode(45)), Persisted::Possibly)
        );
    }
    assert!(rig.offer(0, 1));
    answer_next(&mut rig, 7, (0, 0), 0, 3);
}

#[test]
fn one_that_waits_is_not_stuck_where_the_one_that_it_waits_for_fails() {
    let mut rig = started();
    assert!(rig.resume(0, 2, under(10, true)));
    answer_next(&mut rig, OLD, (3, 10), 45, -1);
    assert!(rig.resume(0, 2, under(12, false)));
    answer_next(&mut rig, OLD, (3, 12), 87, -1);
    let outcomes = rig.outcomes();
    assert_eq!(outcomes.len(), 2, "{outcomes:?}");
    assert!(outcomes.iter().all(|(_, outcome)| outcome.unwrap_err().persisted == Persisted::Possibly));
    assert!(rig.offer(0, 1));
    answer_next(&mut rig, 7, (0, 0), 0, 3);
}

#[test]
fn an_identity_that_nobody_knows_any_more_proves_nothing() {
    for code in [47, 49, 59] {
        let mut rig = started();
        assert!(rig.resume(0, 2, under(10, true)));
        answer_next(&mut rig, OLD, (3, 10), code, -1);
        let failure = rig.outcomes()[0].1.unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Broker(ErrorCode(code)));
        assert_eq!((failure.persisted, failure.attempts), (Persisted::Possibly, 1));
        assert!(rig.offer(0, 1));
        answer_next(&mut rig, 7, (0, 0), 0, 3);
    }
}

#[test]
fn whatever_ends_it_unsent_it_may_be_stored() {
    let delivery_timeout = Duration::from_secs(20);
    let mut rig = Rig::started(SenderConfig { delivery_timeout, ..SenderConfig::default() }, 1);
    rig.write_limit.insert(0, 0);
    assert!(rig.resume(0, 2, under(10, false)));
    rig.advance(delivery_timeout);
    let failure = rig.outcomes()[0].1.unwrap_err();
    assert_eq!((failure.persisted, failure.attempts), (Persisted::Possibly, 0));
    let key = TopicPartition { topic: TOPIC, partition: 0 };
    // Too late already, and then closed.
    for close in [false, true] {
        let batch = rig.batch(key, 1);
        rig.advance(delivery_timeout);
        if close {
            rig.sender.close(rig.now);
        }
        rig.sender.resume(rig.now, batch, under(12, false));
        rig.turn();
        assert_eq!(rig.outcomes()[0].1.unwrap_err().persisted, Persisted::Possibly);
    }
    let (given, back) = rig.blocks_given();
    assert_eq!(given, back);
}

#[test]
fn of_two_former_lives_the_second_waits_for_the_first() {
    let mut rig = started();
    assert!(rig.resume(0, 2, under(10, true)));
    answer_next(&mut rig, OLD, (3, 10), 45, -1);
    // Its numbering has no more: this one is another's, and is not asked about before the first one is through.
    let other = Numbers { producer_id: 6, producer_epoch: 0, base_sequence: 4, more: false };
    assert!(rig.resume(0, 1, other));
    answer_next(&mut rig, 7, (0, 0), 0, 20);
    answer_next(&mut rig, 6, (0, 4), 0, 22);
    assert_eq!(rig.outcomes(), vec![(0, Ok(20)), (1, Ok(22))]);
    assert!(rig.offer(0, 1));
    answer_next(&mut rig, 7, (1, 0), 0, 23);
    assert_eq!(rig.outcomes(), vec![(2, Ok(23))], "the old numbers of this life are not used again");
}

#[test]
fn sequences_wrap() {
    let mut rig = started();
    assert!(rig.resume(0, 3, under(i32::MAX - 1, true)));
    answer_next(&mut rig, OLD, (3, i32::MAX - 1), 45, -1);
    assert!(rig.resume(0, 1, under(1, false)));
    answer_next(&mut rig, OLD, (3, 1), 45, -1);
    answer_next(&mut rig, 7, (0, 0), 0, 0);
    answer_next(&mut rig, 7, (0, 3), 0, 3);
    assert_eq!(rig.outcomes(), vec![(0, Ok(0)), (1, Ok(3))]);
}

#[test]
fn a_numbering_of_this_life_behind_them_is_noted() {
    let mut rig = Rig::started(SenderConfig { notes_numberings: true, ..SenderConfig::default() }, 1);
    assert!(rig.resume(0, 2, under(10, false)));
    answer_next(&mut rig, OLD, (3, 10), 0, 70);
    assert!(rig.numberings.is_empty(), "a former life has noted it");
    assert!(rig.offer(0, 1));
    assert_eq!(rig.next_request(0), None);
    let numbering = rig.numberings[0];
    assert_eq!((numbering.producer_id, numbering.producer_epoch, numbering.first.slot()), (7, 0, 1));
    rig.sender.handle_noted(rig.now, numbering);
    rig.turn();
    answer_next(&mut rig, 7, (0, 0), 0, 72);
}

#[test]
fn the_id_of_the_topic_is_known_before_anything_is_asked() {
    let mut rig = Rig::before_topic_id(SenderConfig::default());
    assert!(rig.resume(0, 2, under(10, true)));
    // The first id would say that the log may be another one than the one that was asked.
    let request = rig.request(0, 3);
    assert_eq!(rig.next_request(0), None);
    rig.answer(0, &request, &answers::metadata_with_id(5));
    answer_next(&mut rig, OLD, (3, 10), 45, -1);
    assert!(rig.resume(0, 2, under(12, false)));
    answer_next(&mut rig, OLD, (3, 12), 0, 72);
    assert_eq!(rig.outcomes(), vec![(0, Ok(-1)), (1, Ok(72))]);
}

#[test]
fn without_idempotence_it_is_sent_once_more() {
    let mut rig = Rig::started(SenderConfig { idempotence: false, ..SenderConfig::default() }, 1);
    assert!(rig.resume(0, 2, under(10, false)));
    let (request, sent) = rig.produced(0);
    assert_eq!((producer_id(&sent[0].1), numbering(&sent[0].1)), (-1, (-1, -1)));
    rig.answer(0, &request, &answers::produce(&[(0, 0, 9)]));
    assert_eq!(rig.outcomes(), vec![(0, Ok(9))]);
}
