//! A clock that is not set at first, and jumps: nothing is read before its time is known.

use std::vec::Vec;

use super::medium::Ram;
use super::model::{CONFIG, SEGMENT_BYTES, SEGMENTS, TestSpool, open_with};
use crate::memory::Pool;
use crate::spool::*;
use crate::test_storage::BoxBlock;
use crate::time::Timestamp;

/// When a machine began, once its clock is set.
const BEGAN: i64 = 1_800_000_000_000;

fn append(spool: &mut TestSpool, partition: i32, base: Timestamp, max: Timestamp) {
    let frame = NewFrame { topic: "t", partition, records: 1, base_timestamp: base, max_timestamp: max };
    spool.append(&frame, [&b"records"[..]].into_iter()).unwrap();
}

fn captured(spool: &mut TestSpool, partition: i32, seconds: i64) {
    let time = |millis| Timestamp::since_boot(1000 * seconds + millis);
    append(spool, partition, time(0), time(7));
}

fn began(spool: &mut TestSpool, millis: Option<i64>) {
    spool.set_boot_time(millis.map(Timestamp::from_millis));
}

/// Partition and times of everything that can be read, which is done then.
fn read_all(spool: &mut TestSpool) -> Vec<(i32, i64, i64)> {
    let mut pool = Pool::new();
    pool.add(BoxBlock::new(64)).unwrap();
    let mut read = Vec::new();
    while let Next::Frame { .. } = spool.poll_next().unwrap() {
        let (frame, chain) = spool.take(&mut pool).unwrap();
        pool.recycle(chain);
        spool.done(&frame);
        let partition = spool.partition(frame.partition).1;
        read.push((partition, frame.base_timestamp.as_millis(), frame.max_timestamp.as_millis()));
    }
    read
}

fn new() -> TestSpool {
    open_with(Ram::new(SEGMENTS, SEGMENT_BYTES), CONFIG).0
}

fn next_life(spool: &mut TestSpool, boot: u64) -> TestSpool {
    open_with(spool.medium().clone().after_kill(), SpoolConfig { boot, ..CONFIG }).0
}

#[test]
fn what_has_no_time_yet_waits_and_so_does_what_follows_in_its_partition() {
    let mut spool = new();
    captured(&mut spool, 0, 5);
    let own = Timestamp::from_millis(BEGAN + 1);
    append(&mut spool, 0, own, own);
    append(&mut spool, 1, own, own);
    assert_eq!(read_all(&mut spool), [(1, BEGAN + 1, BEGAN + 1)]);
    assert!(spool.waits_for_clock());
    began(&mut spool, None);
    assert_eq!(read_all(&mut spool), []);
    began(&mut spool, Some(BEGAN));
    assert_eq!(read_all(&mut spool), [(0, BEGAN + 5000, BEGAN + 5007), (0, BEGAN + 1, BEGAN + 1)]);
    assert!(!spool.waits_for_clock() && spool.is_empty());
}

#[test]
fn the_clock_may_jump_while_frames_wait() {
    let mut spool = new();
    (0..3).for_each(|seconds| captured(&mut spool, seconds as i32, seconds));
    began(&mut spool, Some(BEGAN));
    let mut pool = Pool::new();
    pool.add(BoxBlock::new(64)).unwrap();
    assert!(matches!(spool.poll_next(), Ok(Next::Frame { .. })));
    began(&mut spool, None);
    assert_eq!(spool.take(&mut pool).unwrap_err(), TakeError::NoMemory, "nothing is read without a time");
    began(&mut spool, Some(BEGAN + 60_000));
    let times: Vec<_> = read_all(&mut spool).iter().map(|(_, base, _)| *base).collect();
    assert_eq!(times, [BEGAN + 60_000, BEGAN + 61_000, BEGAN + 62_000]);
}

#[test]
fn a_later_life_of_the_same_boot_knows_the_time() {
    let mut spool = new();
    captured(&mut spool, 0, 5);
    let mut spool = next_life(&mut spool, CONFIG.boot);
    captured(&mut spool, 0, 9);
    let mut spool = next_life(&mut spool, CONFIG.boot);
    assert_eq!(read_all(&mut spool), []);
    began(&mut spool, Some(BEGAN));
    assert_eq!(read_all(&mut spool), [(0, BEGAN + 5000, BEGAN + 5007), (0, BEGAN + 9000, BEGAN + 9007)]);
}

/// How long the machine was off nobody knows: the newest of before is as old as this boot, and the others are older.
#[test]
fn what_was_captured_in_a_former_boot_is_no_younger_than_this_one() {
    let mut spool = new();
    captured(&mut spool, 0, 5);
    captured(&mut spool, 1, 9);
    let mut spool = next_life(&mut spool, 2);
    captured(&mut spool, 0, 1);
    began(&mut spool, Some(BEGAN));
    let expected = [(0, BEGAN - 4007, BEGAN - 4000), (1, BEGAN - 7, BEGAN), (0, BEGAN + 1000, BEGAN + 1007)];
    assert_eq!(read_all(&mut spool), expected);
}

#[test]
fn the_age_of_what_has_no_time_is_not_known_before_it_has() {
    let mut spool = new();
    captured(&mut spool, 0, 5);
    captured(&mut spool, 0, 9);
    spool.drop_older(Some(Timestamp::from_millis(BEGAN + 6000)));
    assert_eq!(read_all(&mut spool), []);
    began(&mut spool, Some(BEGAN));
    let mut pool = Pool::new();
    pool.add(BoxBlock::new(64)).unwrap();
    assert!(matches!(spool.poll_next(), Ok(Next::Frame { .. })));
    assert_eq!(spool.take(&mut pool).unwrap_err(), TakeError::TooOld);
    assert_eq!(read_all(&mut spool), [(0, BEGAN + 9000, BEGAN + 9007)]);
}

#[test]
fn the_mark_is_in_the_fifth_byte() {
    let mut spool = new();
    captured(&mut spool, 0, 5);
    let mut bytes = [0; 64];
    spool.medium().read(Area::Segment(0), 64, &mut bytes).unwrap();
    assert_eq!((bytes[5], &bytes[40..48]), (1, &5000_u64.to_le_bytes()[..]));
}
