//! Numberings through several lives: who may use them again, and what a broker's answer cuts off.

use super::medium::Ram;
use super::model::{CONFIG, SEGMENT_BYTES, SEGMENTS, TestSpool, open_with};
use crate::event::{Numbers, ProducerState};
use crate::memory::Pool;
use crate::spool::*;
use crate::test_storage::BoxBlock;
use crate::time::Timestamp;
use std::vec::Vec;

const PRODUCER: (i64, i16) = (4000, 3);

fn append(spool: &mut TestSpool, records: u32) {
    let frame = NewFrame {
        topic: "t",
        partition: 0,
        records,
        base_timestamp: Timestamp::from_millis(0),
        max_timestamp: Timestamp::from_millis(0),
    };
    spool.append(&frame, [&b"records"[..]].into_iter()).unwrap();
}

fn pool() -> Pool<BoxBlock> {
    let mut pool = Pool::new();
    (0..8).for_each(|_| pool.add(BoxBlock::new(64)).unwrap());
    pool
}

/// Everything that is read, with its numbers; questions are answered so.
fn read_all(spool: &mut TestSpool, answer: ProducerState) -> Vec<Frame> {
    let mut pool = pool();
    let mut frames = Vec::new();
    loop {
        match spool.poll_next().unwrap() {
            Next::Nothing => return frames,
            Next::Ask { partition, producer_id } => {
                assert_eq!(producer_id, PRODUCER.0);
                spool.answer(partition, answer);
            }
            Next::Frame { .. } => {
                let (frame, chain) = spool.take(&mut pool).unwrap();
                pool.recycle(chain);
                frames.push(frame);
            }
        }
    }
}

/// Life 1 writes three frames of three records and sends them under a numbering that begins with the second one.
fn sent() -> TestSpool {
    let (mut spool, _) = open_with(Ram::new(SEGMENTS, SEGMENT_BYTES), CONFIG);
    (0..3).for_each(|_| append(&mut spool, 3));
    let frames = read_all(&mut spool, ProducerState::Unknown);
    assert!(frames.iter().all(|frame| frame.numbers.is_none()));
    spool.done(&frames[0]);
    spool.note(frames[1].partition, PRODUCER.0, PRODUCER.1, frames[1].sequence);
    spool.checkpoint().unwrap();
    spool
}

fn under(base_sequence: i32, more: bool) -> Numbers {
    Numbers { producer_id: PRODUCER.0, producer_epoch: PRODUCER.1, base_sequence, more }
}

fn next_life(spool: &mut TestSpool) -> TestSpool {
    open_with(spool.medium().clone().after_kill(), CONFIG).0
}

#[test]
fn what_may_have_been_sent_goes_under_the_same_numbers_and_what_is_new_does_not() {
    let mut spool = next_life(&mut sent());
    append(&mut spool, 1);
    let frames = read_all(&mut spool, ProducerState::Unknown);
    let numbers: Vec<_> = frames.iter().map(|frame| frame.numbers).collect();
    assert_eq!(numbers, [Some(under(0, true)), Some(under(3, false)), None]);
    // A life that noted nothing leaves frames that nobody has sent.
    let frames = read_all(&mut next_life(&mut spool), ProducerState::Unknown);
    let numbers: Vec<_> = frames.iter().map(|frame| frame.numbers).collect();
    // What stands behind them was never sent, but they need not know.
    assert_eq!(numbers, [Some(under(0, true)), Some(under(3, true)), None]);
}

#[test]
fn an_answer_cuts_off_what_is_stored() {
    for (last, expected) in [(-1, (3, 0)), (2, (2, 0)), (4, (2, 2)), (5, (1, 0)), (1000, (1, 0))] {
        let mut spool = next_life(&mut sent());
        append(&mut spool, 3);
        let last_sequence = last & i32::MAX;
        let answer = ProducerState::Active { producer_epoch: PRODUCER.1, last_sequence };
        let answer = if last < 0 { ProducerState::Unknown } else { answer };
        let frames = read_all(&mut spool, answer);
        assert_eq!((frames.len(), frames[0].skip), expected, "{last}");
        if let Some(numbers) = frames[0].numbers {
            assert_eq!(numbers.base_sequence, last + 1);
        }
        assert_eq!(spool.counts().found_stored, (last + 1).clamp(0, 6) as u64);
        frames.iter().for_each(|frame| spool.done(frame));
        assert!(spool.is_empty());
    }
}

#[test]
fn another_epoch_says_nothing() {
    let mut spool = next_life(&mut sent());
    let frames =
        read_all(&mut spool, ProducerState::Active { producer_epoch: PRODUCER.1 - 1, last_sequence: 5 });
    assert_eq!((frames.len(), frames[0].skip), (2, 0));
}

#[test]
fn sequences_wrap() {
    let mut spool = sent();
    // As if the numbering had begun so long ago that the second frame ends with the last sequence.
    let partition = spool.partitions.all()[0];
    let base = partition.next.wrapping_sub(3).wrapping_sub(1 << 31);
    let slot = &mut spool.partitions.all()[0];
    let far = 1 << 40;
    (slot.next, slot.read, slot.done) = (far + 9, far + 9, far + 3);
    assert!(base > 0);
    slot.stamp = Some(Stamp { producer_id: 4000, producer_epoch: 3, base: far + 6 - (1 << 31), life: 1 });
    let slot = &mut spool.partitions.all()[0];
    slot.former = far + 9;
    spool.life = 2;
    let partition = SpoolPartition(0);
    let stored =
        spool.answer(partition, ProducerState::Active { producer_epoch: 3, last_sequence: i32::MAX });
    assert_eq!(stored, 3);
    let stored = spool.answer(partition, ProducerState::Active { producer_epoch: 3, last_sequence: 2 });
    assert_eq!(stored, 3);
}

#[test]
fn a_copy_does_not_use_the_numbers() {
    let mut first = sent();
    let copy = first.medium().clone().after_kill();
    let (mut copy, recovered) = open_with(copy, SpoolConfig { machine: 2, new_id: [8; 16], ..CONFIG });
    assert!(recovered.copied);
    assert_eq!((copy.id(), copy.counts().copies), ([8; 16], 1));
    let frames = read_all(&mut copy, ProducerState::Unknown);
    assert_eq!(frames.len(), 2);
    assert!(frames.iter().all(|frame| frame.numbers.is_none()));
}
