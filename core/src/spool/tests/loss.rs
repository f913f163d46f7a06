//! What is dropped, and what must not be: counted, told, and nothing else goes with it.

use std::vec::Vec;

use super::medium::{Fault, Ram};
use super::model::{CONFIG, FRAMES, SEGMENT_BYTES, SEGMENTS, TestSpool, open_with};
use crate::event::ProducerState;
use crate::memory::Pool;
use crate::spool::*;
use crate::test_storage::BoxBlock;
use crate::time::Timestamp;

const DROPPING: SpoolConfig = SpoolConfig { when_full: WhenFull::DropOldest, ..CONFIG };
/// Four of these fill a segment.
const QUARTER: usize = 900;

fn spool(config: SpoolConfig) -> TestSpool {
    open_with(Ram::new(SEGMENTS, SEGMENT_BYTES), config).0
}

/// A frame of two records, captured at so many milliseconds.
fn append(spool: &mut TestSpool, partition: i32, millis: i64) -> Result<u64, AppendError> {
    let time = Timestamp::from_millis(millis);
    let frame = NewFrame { topic: "t", partition, records: 2, base_timestamp: time, max_timestamp: time };
    spool.append(&frame, [&[0; QUARTER][..]].into_iter())
}

fn wanted_from(spool: &mut TestSpool, millis: i64) {
    spool.drop_older(Some(Timestamp::from_millis(millis)));
}

fn pool() -> Pool<BoxBlock> {
    let mut pool = Pool::new();
    (0..4).for_each(|_| pool.add(BoxBlock::new(QUARTER)).unwrap());
    pool
}

/// The next frame, or why it is lost; `None` where there is none.
fn read(spool: &mut TestSpool) -> Option<Result<Frame, (TakeError, Lost)>> {
    let mut pool = pool();
    loop {
        match spool.poll_next().unwrap() {
            Next::Nothing => return None,
            Next::Ask { partition, .. } => spool.answer(partition, ProducerState::Unknown),
            Next::Frame { .. } => {
                return Some(match spool.take(&mut pool) {
                    Ok((frame, chain)) => {
                        pool.recycle(chain);
                        Ok(frame)
                    }
                    Err(error) => Err((error, spool.poll_lost().expect("it says what is lost"))),
                });
            }
        }
    }
}

fn next(spool: &mut TestSpool) -> Frame {
    read(spool).expect("there is one").expect("it is not lost")
}

fn lost(first: u64, end: u64, why: Loss) -> Lost {
    Lost { first, end, records: 2 * (end - first), why }
}

#[test]
fn what_is_too_old_is_not_read_and_what_follows_is_apart() {
    let mut spool = spool(CONFIG);
    for millis in [5, 1, 2, 5, 5] {
        append(&mut spool, 0, millis).unwrap();
    }
    wanted_from(&mut spool, 3);
    let first = next(&mut spool);
    assert_eq!((first.number, first.apart), (0, false));
    for number in [1, 2] {
        let dropped = read(&mut spool).unwrap().unwrap_err();
        assert_eq!(dropped, (TakeError::TooOld, lost(number, number + 1, Loss::Age)));
    }
    let (behind, last) = (next(&mut spool), next(&mut spool));
    assert_eq!((behind.number, behind.apart, last.apart), (3, true, false));
    assert_eq!((spool.counts().expired, spool.counts().dropped, spool.frames()), (4, 0, 3));
    [first, behind, last].iter().for_each(|frame| spool.done(frame));
    assert!(spool.is_empty());
    assert_eq!(read(&mut spool), None);
}

#[test]
fn what_is_with_the_sender_is_not_too_old_nor_what_a_former_life_has_sent_perhaps() {
    let mut spool = spool(CONFIG);
    (0..3).for_each(|_| _ = append(&mut spool, 0, 1).unwrap());
    let first = next(&mut spool);
    spool.note(first.partition, 4000, 0, 0);
    spool.checkpoint().unwrap();
    wanted_from(&mut spool, 3);
    (0..100).for_each(|_| _ = append(&mut spool, 1, 5));
    assert_eq!(
        spool.frames(),
        4 * SEGMENTS as u64,
        "the oldest segment holds the frame that is with the sender"
    );
    // That frame and those behind it may have been sent under the numbering, for all that the next life knows.
    let (mut spool, _) = open_with(spool.medium().clone().after_kill(), CONFIG);
    wanted_from(&mut spool, 3);
    let sequences: Vec<_> = (0..3).map(|_| next(&mut spool).numbers.unwrap().base_sequence).collect();
    assert_eq!(sequences, [0, 2, 4]);
    assert_eq!(spool.counts().expired, 0);
}

#[test]
fn what_this_life_has_not_sent_is_too_old_behind_its_own_note_too() {
    let mut spool = spool(CONFIG);
    (0..3).for_each(|_| _ = append(&mut spool, 0, 1).unwrap());
    append(&mut spool, 0, 5).unwrap();
    let (mut spool, _) = open_with(spool.medium().clone().after_kill(), CONFIG);
    let first = next(&mut spool);
    spool.note(first.partition, 4000, 0, 0);
    wanted_from(&mut spool, 3);
    for _ in 0..2 {
        assert_eq!(read(&mut spool).unwrap().unwrap_err().0, TakeError::TooOld);
    }
    let last = next(&mut spool);
    assert_eq!((last.sequence, last.apart, last.numbers), (6, true, None));
}

#[test]
fn a_segment_of_what_is_too_old_makes_room() {
    let mut spool = spool(CONFIG);
    for _ in 0..4 * SEGMENTS {
        append(&mut spool, 0, 1).unwrap();
    }
    assert_eq!(append(&mut spool, 0, 5), Err(AppendError::Full));
    wanted_from(&mut spool, 1);
    assert_eq!(append(&mut spool, 0, 5), Err(AppendError::Full), "it is not too old");
    wanted_from(&mut spool, 2);
    append(&mut spool, 0, 5).unwrap();
    assert_eq!(spool.poll_lost(), Some(lost(0, 4, Loss::Age)));
    assert_eq!(spool.poll_lost(), None);
    assert_eq!((spool.counts().expired, spool.counts().dropped), (8, 0));
    let (reopened, _) = open_with(spool.medium().clone().after_kill(), CONFIG);
    assert_eq!(reopened.counts().expired, 8);
}

/// The oldest segment has something that is with the sender, and something that is still to be read. The next one goes.
#[test]
fn what_stands_before_a_segment_that_is_dropped_stays() {
    let mut spool = spool(DROPPING);
    for _ in 0..4 * SEGMENTS {
        append(&mut spool, 0, 1).unwrap();
    }
    let first = next(&mut spool);
    append(&mut spool, 0, 1).unwrap();
    assert_eq!(spool.poll_lost(), Some(lost(4, 8, Loss::Full)));
    let mut numbers = Vec::new();
    spool.done(&first);
    while let Some(frame) = read(&mut spool) {
        let frame = frame.unwrap();
        numbers.push((frame.number, frame.apart));
        spool.done(&frame);
    }
    let last = 4 * SEGMENTS as u64;
    let expected: Vec<_> = (1..4).chain(8..=last).map(|number| (number, number == 8)).collect();
    assert_eq!(numbers, expected);
    assert_eq!((spool.counts().dropped, spool.frames()), (8, 0));
}

/// The oldest segment cannot be read to its end: it is dropped as a whole when it can.
#[test]
fn what_cannot_be_read_is_not_dropped_in_part() {
    let mut spool = spool(DROPPING);
    for _ in 0..4 * SEGMENTS {
        append(&mut spool, 0, 1).unwrap();
    }
    // A frame's head and its topic, of two frames.
    let third = spool.medium().operations + 4;
    spool.medium().fault = Some((third, Fault::Once(MediumError::Failed(5))));
    assert_eq!(append(&mut spool, 0, 1), Err(AppendError::Medium(MediumError::Failed(5))));
    assert_eq!(spool.poll_lost(), None);
    append(&mut spool, 0, 1).unwrap();
    assert_eq!(spool.poll_lost(), Some(lost(0, 4, Loss::Full)));
    while let Some(frame) = read(&mut spool) {
        spool.done(&frame.unwrap());
    }
    assert_eq!((spool.counts().dropped, spool.counts().damaged, spool.frames()), (8, 0, 0));
}

/// One is with the sender, and more than that may hold behind it are too old: they take no room from what is to be read.
#[test]
fn what_is_lost_takes_no_room() {
    let mut spool = spool(CONFIG);
    let mut append = |millis| {
        let time = Timestamp::from_millis(millis);
        let frame =
            NewFrame { topic: "t", partition: 0, records: 1, base_timestamp: time, max_timestamp: time };
        spool.append(&frame, [&b"record"[..]].into_iter()).unwrap();
    };
    append(5);
    (0..2 * FRAMES).for_each(|_| append(1));
    append(5);
    let first = next(&mut spool);
    wanted_from(&mut spool, 5);
    let (mut lost, mut read_last) = (0, None);
    while let Some(result) = read(&mut spool) {
        match result {
            Ok(frame) => read_last = Some(frame.sequence),
            Err((error, _)) => lost += usize::from(error == TakeError::TooOld),
        }
    }
    assert_eq!((lost, read_last), (2 * FRAMES, Some(2 * FRAMES as u64 + 1)));
    spool.done(&first);
}

/// Of a partition the last that was written is dropped, behind something that is still to be read.
#[test]
fn a_partition_whose_end_is_dropped_is_done_when_the_rest_of_it_is() {
    let mut spool = spool(DROPPING);
    for partition in [0, 0, 1, 1, 0, 1, 1, 1] {
        append(&mut spool, partition, 1).unwrap();
    }
    for _ in 8..4 * SEGMENTS {
        append(&mut spool, 1, 1).unwrap();
    }
    let first = next(&mut spool);
    append(&mut spool, 1, 1).unwrap();
    assert_eq!(spool.poll_lost(), Some(lost(4, 8, Loss::Full)));
    spool.done(&first);
    while let Some(frame) = read(&mut spool) {
        spool.done(&frame.unwrap());
    }
    assert!(spool.is_empty() && spool.is_done(first.partition) && spool.is_read(first.partition));
    assert_eq!(spool.undone().count(), 0);
}

/// As `FORMAT.md` says: a checkpoint tells how much of a partition was dropped, and up to where.
#[test]
fn a_checkpoint_tells_what_was_dropped_of_a_partition() {
    let mut spool = spool(DROPPING);
    for _ in 0..=4 * SEGMENTS {
        append(&mut spool, 7, 1).unwrap();
    }
    let (mut reopened, _) = open_with(spool.medium().clone().after_kill(), CONFIG);
    let slot = *reopened.partitions.get(0);
    assert_eq!((slot.dropped, slot.dropped_end, reopened.counts().dropped), (8, 8, 8));
    assert_eq!(next(&mut reopened).sequence, 8);
}

#[test]
fn what_follows_on_damage_or_comes_again_is_apart() {
    let mut spool = spool(CONFIG);
    for partition in [0, 0, 0] {
        append(&mut spool, partition, 1).unwrap();
    }
    let first = next(&mut spool);
    let second = spool.poll_next().unwrap();
    assert!(matches!(second, Next::Frame { .. }));
    spool.abandon();
    assert_eq!(spool.poll_lost(), Some(lost(1, 2, Loss::Damaged)));
    assert!(next(&mut spool).apart);
    spool.put_back(&first, 0);
    assert!(next(&mut spool).apart, "it follows on what was behind it");
}

/// Nobody takes anything for long, and everything is read as far as it may be.
#[test]
fn there_is_always_room_where_the_oldest_is_dropped() {
    let mut spool = spool(DROPPING);
    let mut held = Vec::new();
    for written in 1..=400_u64 {
        append(&mut spool, 0, 1).unwrap();
        while let Some(frame) = read(&mut spool) {
            held.push(frame.unwrap());
        }
        assert_eq!(spool.counts().dropped / 2 + spool.frames(), written);
    }
    assert!(held.len() < 10, "{}", held.len());
    held.iter().for_each(|frame| spool.done(frame));
    while let Some(frame) = read(&mut spool) {
        spool.done(&frame.unwrap());
    }
    assert!(spool.is_empty() && spool.undone().count() == 0);
}
