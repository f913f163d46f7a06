//! Batches that are compressed: what is sent, what is sent in parts, what is sent plain after all, and every block.

extern crate std;

use super::answers;
use super::rig::{Rig, Sent, TOPIC, decode_values, numbering};
use crate::compression::Compression;
use crate::compression::tests::expand;
use crate::config::SenderConfig;
use crate::error::{ErrorCode, ErrorKind};
use crate::event::Ack;
use crate::id::TopicPartition;
use crate::test_storage::BoxBlock;
use core::time::Duration;
use std::vec;
use std::vec::Vec;

/// With a sender of so many blocks, in a topic that is compressed, whose broker has confirmed a batch.
fn rig(reserve: usize) -> Rig {
    let config = SenderConfig { compression: Compression::Zstd, ..SenderConfig::default() };
    let mut rig = Rig::started(config, 2);
    for _ in 1..reserve {
        rig.sender.add_block(BoxBlock::new(8)).expect("as long as the first");
    }
    assert!(rig.offer(0, 1));
    let (request, _) = rig.produced(0);
    rig.answer(0, &request, &answers::produce(&[(0, 0, 0)]));
    rig.completed.clear();
    rig
}

fn send(rig: &mut Rig, values: &[Vec<u8>]) {
    let key = TopicPartition { topic: TOPIC, partition: 0 };
    assert!(rig.sender.reserve(rig.now, key));
    let batch = rig.records(key, values);
    rig.sender.enqueue(rig.now, batch);
    rig.turn();
}

fn attributes(batch: &[u8]) -> i16 {
    i16::from_be_bytes(batch[21..23].try_into().unwrap())
}

/// The values of a batch's records, compressed or not.
fn values(batch: &[u8]) -> Vec<Vec<u8>> {
    let count = i32::from_be_bytes(batch[57..61].try_into().unwrap());
    assert_eq!(i32::from_be_bytes(batch[23..27].try_into().unwrap()), count - 1);
    if attributes(batch) == 0 {
        return decode_values(&batch[61..], count);
    }
    decode_values(&expand(&batch[61..]), count)
}

/// A broker that takes batches up to a length, in order. What it has stored, and how many it refused.
fn store(rig: &mut Rig, bytes_max: usize) -> (Vec<Vec<u8>>, u32) {
    let (mut next, mut stored, mut refused) = (1, Vec::new(), 0);
    let mut sent: Vec<(_, Vec<Sent>)> = Vec::new();
    for _ in 0..1_000 {
        while rig.next_is(0, 0) {
            sent.push(rig.produced(0));
        }
        if sent.is_empty() {
            return (stored, refused);
        }
        let (request, batches) = sent.remove(0);
        let batch = &batches[0].1;
        let values = values(batch);
        let error = match (batch.len() > bytes_max, numbering(batch).1 == next) {
            (true, _) => 10,
            (false, false) => 45,
            (false, true) => 0,
        };
        refused += u32::from(error == 10);
        let base = i64::from(next);
        if error == 0 {
            next += values.len() as i32;
            stored.extend(values);
        }
        rig.answer(0, &request, &answers::produce(&[(0, error, base)]));
        rig.advance(Duration::from_secs(2));
    }
    panic!("no end");
}

fn assert_every_block_came_back(rig: &mut Rig, reserve: u32) {
    let (given, back) = rig.blocks_given();
    assert_eq!(given, back, "every block came back");
    assert_eq!((rig.sender.spare.free(), rig.sender.spare.total()), (reserve, reserve));
}

/// Values that shrink, to about a fortieth.
fn even(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|index| vec![index as u8; 150]).collect()
}

/// Values that do not.
fn uneven(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|index| (0..150).map(|at| (at * 7 + index) as u8).collect()).collect()
}

#[test]
fn a_batch_is_compressed_where_it_shrinks_and_the_reserve_is_large_enough() {
    for (reserve, values, expected) in
        [(400, even(10), 4), (400, uneven(10), 0), (100, even(10), 0), (1, even(1), 0)]
    {
        let mut rig = rig(reserve);
        send(&mut rig, &values);
        let (request, sent) = rig.produced(0);
        let batch = &sent[0].1;
        assert_eq!(attributes(batch), expected, "{reserve}");
        assert_eq!(batch.len() < 150 * values.len(), expected == 4, "{reserve}");
        assert_eq!(self::values(batch), values);
        let length = i32::from_be_bytes(batch[8..12].try_into().unwrap());
        assert_eq!(length as usize, batch.len() - 12);
        rig.answer(0, &request, &answers::produce(&[(0, 0, 1)]));
        assert_eq!(rig.outcomes(), [(1, Ok(1))]);
        assert_every_block_came_back(&mut rig, reserve as u32);
    }
}

#[test]
fn a_topic_may_be_compressed_otherwise() {
    let mut rig = rig(400);
    rig.sender.set_compression(TOPIC, Compression::None);
    send(&mut rig, &even(5));
    rig.sender.set_compression(TOPIC, Compression::Gzip);
    send(&mut rig, &even(5));
    let sent: Vec<i16> = (0..2).map(|_| attributes(&rig.produced(0).1[0].1)).collect();
    assert_eq!(sent, [0, 1]);
}

#[test]
fn a_batch_that_waits_for_its_connection_is_counted_as_it_is_sent() {
    let mut rig = rig(400);
    send(&mut rig, &even(10));
    let (_, sent) = rig.produced(0);
    rig.break_connection(0);
    rig.advance(Duration::from_secs(2));
    rig.connect();
    rig.shake_hands(0);
    while !rig.next_is(0, 0) {
        let request = rig.next_request(0).expect("something else is asked first");
        assert_eq!(request.api, 3);
        rig.answer(0, &request, &answers::metadata(&[(1, "one", 9092)], &[1, 1]));
        rig.advance(Duration::from_secs(2));
    }
    assert_eq!(rig.produced(0).1, sent, "the same bytes");
}

#[test]
fn what_is_too_large_compressed_goes_in_parts_that_are_compressed_again() {
    // Alternating records: some parts shrink, some do not.
    let mixed: Vec<_> = even(40).into_iter().zip(uneven(40)).flat_map(|(a, b)| [a, b]).collect();
    for (sent, bytes_max) in [(even(100), 200), (uneven(100), 700), (mixed, 500)] {
        let mut rig = rig(3_000);
        send(&mut rig, &sent);
        send(&mut rig, &even(3));
        let (stored, refused) = store(&mut rig, bytes_max);
        assert!(stored == [sent.clone(), even(3)].concat(), "{} of {}", stored.len(), sent.len() + 3);
        assert!((1..20).contains(&refused), "{refused}");
        let covered: u32 = rig.completed.iter().map(|done| done.count).sum();
        assert_eq!(covered as usize, sent.len() + 3);
        for done in &rig.completed {
            let Ok(Ack { base_offset, .. }) = done.result else { panic!("{done:?}") };
            let before = if done.batch.slot() == 1 { 0 } else { sent.len() as i64 };
            assert_eq!(base_offset, before + i64::from(done.first) + 1);
        }
        assert_every_block_came_back(&mut rig, 3_000);
        assert!(rig.sender.batch_bytes_max(TOPIC) as usize >= bytes_max / 2, "learned in plain bytes");
    }
}

#[test]
fn a_record_that_fits_only_compressed_is_sent_compressed() {
    let mut rig = rig(3_000);
    let sent: Vec<_> = (0..5).map(|index| vec![index as u8; 240]).collect();
    send(&mut rig, &sent);
    let (stored, refused) = store(&mut rig, 61 + 50);
    assert!(stored == sent && refused > 0, "{} of 5, {refused}", stored.len());
    assert_every_block_came_back(&mut rig, 3_000);
}

#[test]
fn one_record_of_a_compressed_batch_that_is_too_large_alone_fails_alone() {
    let mut rig = rig(3_000);
    let mut sent = even(9);
    sent.insert(4, uneven(1).remove(0).repeat(4));
    send(&mut rig, &sent);
    let (stored, _) = store(&mut rig, 400);
    sent.remove(4);
    assert!(stored == sent, "{} of 9", stored.len());
    let failed: Vec<_> = rig.completed.iter().filter(|done| done.result.is_err()).collect();
    assert_eq!((failed[0].first, failed[0].count, failed.len()), (4, 1, 1));
    assert_eq!(failed[0].result.unwrap_err().kind, ErrorKind::Broker(ErrorCode::MESSAGE_TOO_LARGE));
    assert_every_block_came_back(&mut rig, 3_000);
}

#[test]
fn a_codec_that_the_broker_does_not_know_is_given_up_with_one_word() {
    let mut rig = rig(400);
    send(&mut rig, &even(5));
    send(&mut rig, &even(6));
    let sent: Vec<_> = (0..2).map(|_| rig.produced(0)).collect();
    let first: Vec<_> = sent.iter().map(|(_, sent)| numbering(&sent[0].1)).collect();
    for (request, _) in &sent {
        rig.answer(0, request, &answers::produce(&[(0, 76, -1)]));
    }
    for (index, expected) in [(0, even(5)), (1, even(6))] {
        let (request, sent) = rig.produced(0);
        let batch = &sent[0].1;
        assert_eq!((attributes(batch), numbering(batch)), (0, first[index]));
        assert!(values(batch) == expected);
        let offset = i64::from(numbering(batch).1);
        rig.answer(0, &request, &answers::produce(&[(0, 0, offset)]));
    }
    send(&mut rig, &even(7));
    let (request, sent) = rig.produced(0);
    assert_eq!(attributes(&sent[0].1), 0, "later ones are plain");
    rig.answer(0, &request, &answers::produce(&[(0, 76, -1)]));
    let kinds: Vec<_> = rig.outcomes().into_iter().map(|(_, outcome)| outcome.map_err(|e| e.kind)).collect();
    let refused = ErrorKind::Broker(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
    assert_eq!(kinds, [Ok(1), Ok(6), Err(refused)], "one that is plain is refused for good");
    let told = rig.trace.iter().filter(|line| *line == "topic 0 plain, not zstd").count();
    assert_eq!(told, 1);
    assert_every_block_came_back(&mut rig, 400);
}
