//! What a loss of power leaves of frames that were not durable: it never comes back between those that are.

use std::vec::Vec;

use super::medium::{Fault, Ram};
use super::model::{CONFIG, SEGMENT_BYTES, SEGMENTS, TestSpool, open_with};
use crate::event::ProducerState;
use crate::memory::Pool;
use crate::random::Random;
use crate::spool::*;
use crate::test_storage::BoxBlock;
use crate::time::Timestamp;

/// Bytes of a frame with a payload of so many.
const fn frame(payload: usize) -> usize {
    (64 + 1 + payload).next_multiple_of(8)
}

fn append(spool: &mut TestSpool, payload: usize) -> u64 {
    append_to(spool, 0, payload)
}

fn append_to(spool: &mut TestSpool, partition: i32, payload: usize) -> u64 {
    let time = Timestamp::from_millis(0);
    let frame = NewFrame { topic: "t", partition, records: 2, base_timestamp: time, max_timestamp: time };
    spool.append(&frame, [&[1; 4000][..payload]].into_iter()).unwrap()
}

fn new() -> TestSpool {
    open_with(Ram::new(SEGMENTS, SEGMENT_BYTES), CONFIG).0
}

/// The next life, after so many bytes of the first segment from this one on did not reach the medium.
fn without(spool: &mut TestSpool, from: usize, count: usize) -> (TestSpool, Recovered) {
    let mut medium = spool.medium().clone().after_kill();
    let checkpoints = 2 * SEGMENT_BYTES as usize;
    medium.bytes().skip(checkpoints + from).take(count).for_each(|byte| *byte = 0xff);
    open_with(medium, CONFIG)
}

fn pool() -> Pool<BoxBlock> {
    let mut pool = Pool::new();
    (0..16).for_each(|_| pool.add(BoxBlock::new(256)).unwrap());
    pool
}

/// Everything that can be read now: frames, and `None` for those that are lost.
fn read(spool: &mut TestSpool) -> Vec<Option<Frame>> {
    let mut pool = pool();
    let mut frames = Vec::new();
    loop {
        match spool.poll_next().unwrap() {
            Next::Nothing => return frames,
            Next::Ask { partition, .. } => spool.answer(partition, ProducerState::Unknown),
            Next::Frame { .. } => frames.push(spool.take(&mut pool).ok().map(|(frame, chain)| {
                pool.recycle(chain);
                frame
            })),
        }
    }
}

/// Its head and its first frame are gone, and so nobody knows that it was written to; the second one is there.
#[test]
fn what_is_left_of_a_lost_segment_is_not_taken_for_frames_of_the_next_one() {
    let mut life = new();
    (0..2).for_each(|_| _ = append(&mut life, 200));
    let (mut life, found) = without(&mut life, 0, 64 + frame(200));
    assert_eq!(found.frames, 0);
    append(&mut life, 200);
    let (mut life, found) = without(&mut life, 0, 0);
    assert_eq!((found.frames, read(&mut life).len()), (1, 1));
}

/// The second and the third frame have their heads, and not their records. The next life writes over the second one, and
/// goes to another segment then.
#[test]
fn torn_frames_do_not_come_back_behind_new_ones() {
    let mut life = new();
    (0..3).for_each(|_| _ = append(&mut life, 900));
    let second = 64 + frame(900);
    let (mut life, _) = without(&mut life, second + 100, 8);
    let (mut life, found) = without(&mut life, second + frame(900) + 100, 8);
    assert!(found.torn);
    append(&mut life, 900);
    append(&mut life, 3000);
    let (mut life, found) = without(&mut life, 0, 0);
    assert_eq!((found.frames, life.frames()), (3, 3));
    let frames: Vec<_> = read(&mut life).into_iter().map(Option::unwrap).collect();
    let sequences: Vec<_> = frames.iter().map(|frame| frame.sequence).collect();
    assert_eq!(sequences, [0, 2, 4]);
    frames.iter().for_each(|frame| life.done(frame));
    assert!(life.is_empty());
}

/// A frame is lost with the power, and the next life writes over its place. That lasts only in part when the power goes again, so
/// that the old frame's head is back, without its records. What was written behind it has the same place in the partition.
#[test]
fn what_was_written_over_and_is_back_takes_nobodys_place() {
    let mut life = new();
    append(&mut life, 200);
    let before = life.medium().clone();
    append(&mut life, 200);
    let old: Vec<u8> = life.medium().clone().bytes().map(|byte| *byte).collect();
    let (mut life, _) = open_with(before.after_kill(), CONFIG);
    append_to(&mut life, 1, 200);
    (0..2).for_each(|_| _ = append(&mut life, 300));
    let mut medium = life.medium().clone().after_kill();
    let second = 2 * SEGMENT_BYTES as usize + 64 + frame(200);
    for (at, byte) in medium.bytes().enumerate().skip(second).take(frame(200)) {
        *byte = if at == second + 100 { 0xff } else { old[at] };
    }
    let (mut life, found) = open_with(medium, CONFIG);
    assert_eq!(found.frames, 4);
    let frames: Vec<_> = read(&mut life).into_iter().flatten().collect();
    let places: Vec<_> = frames.iter().map(|frame| (frame.number, frame.sequence)).collect();
    assert_eq!((&places[..], life.counts().damaged), (&[(0, 0), (2, 2), (3, 4)][..], 0));
    frames.iter().for_each(|frame| life.done(frame));
    assert!(life.is_empty());
}

/// A sync of the segment's head fails, and the process ends: the system has the head, and believes that the disk has it, too.
#[test]
fn what_is_durable_stands_behind_a_head_that_is() {
    let mut life = new();
    append(&mut life, 200);
    let sync = life.medium().operations;
    life.medium().fault = Some((sync, Fault::Once(MediumError::Failed(5))));
    life.sync().unwrap_err();
    let (mut life, _) = open_with(life.medium().clone().after_kill(), CONFIG);
    let number = append(&mut life, 200);
    assert!(life.sync().unwrap() > number);
    let (mut life, _) = open_with(life.medium().clone().after_cut(&mut Random::new(1)), CONFIG);
    let frames = read(&mut life);
    assert!(frames.iter().flatten().any(|frame| frame.number == number), "{frames:?}");
}

#[test]
fn a_frame_is_lost_once_also_where_one_before_it_is_read_again() {
    let mut life = new();
    (0..3).for_each(|_| _ = append(&mut life, 200));
    // A frame that is not the last one is damaged.
    let (mut life, _) = without(&mut life, 64 + frame(200) + 100, 8);
    let frames = read(&mut life);
    let (Some(first), None, Some(third)) = (frames[0], frames[1], frames[2]) else { panic!("{frames:?}") };
    life.put_back(&first, 0);
    let again = read(&mut life);
    assert_eq!((again.len(), life.frames(), life.counts().damaged), (1, 2, 1));
    life.done(&again[0].unwrap());
    assert_eq!(life.frames(), 1);
    life.done(&third);
    assert!(life.is_empty());
}
