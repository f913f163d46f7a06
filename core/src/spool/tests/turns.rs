//! Partitions that cannot be read hold up no others, and cost nothing while they wait.

use std::vec::Vec;

use super::medium::Ram;
use super::model::{CONFIG, SEGMENT_BYTES, TestSpool, open_with};
use crate::memory::Pool;
use crate::spool::*;
use crate::test_storage::BoxBlock;
use crate::time::Timestamp;

const SEGMENTS: usize = 6;

struct Turns {
    spool: TestSpool,
    pool: Pool<BoxBlock>,
}

impl Turns {
    /// A spool with so many rounds of one small frame for each of three partitions.
    fn new(rounds: u64) -> Self {
        let (mut spool, _) = open_with(Ram::new(SEGMENTS, SEGMENT_BYTES), CONFIG);
        let at = Timestamp::from_millis(0);
        for _ in 0..rounds {
            for partition in 0..3 {
                let frame =
                    NewFrame { topic: "t", partition, records: 1, base_timestamp: at, max_timestamp: at };
                let payload = if partition == 1 { &b"many records"[..] } else { b"one" };
                spool.append(&frame, [payload].into_iter()).unwrap();
            }
        }
        let mut pool = Pool::new();
        (0..64).for_each(|_| pool.add(BoxBlock::new(64)).unwrap());
        Self { spool, pool }
    }

    fn next(&mut self) -> Option<Frame> {
        let Ok(Next::Frame { .. }) = self.spool.poll_next() else { return None };
        let (frame, blocks) = self.spool.take(&mut self.pool).unwrap();
        self.pool.recycle(blocks);
        Some(frame)
    }

    /// Everything that is there to read, by partition and place there.
    fn read(&mut self) -> Vec<Frame> {
        core::iter::from_fn(|| self.next()).collect()
    }

    /// Reads to the end, each done at once, but for those of `but`.
    fn finish(&mut self, but: u32) -> Vec<(u32, u64)> {
        let mut finished = Vec::new();
        while let Some(frame) = self.next() {
            if frame.partition.0 != but {
                finished.push((frame.partition.0, frame.sequence));
                self.spool.done(&frame);
            }
        }
        finished
    }

    fn operations(&mut self) -> usize {
        self.spool.medium().operations
    }
}

#[test]
fn one_that_has_its_share_with_the_sender_holds_up_no_other() {
    let mut turns = Turns::new(20);
    let finished = turns.finish(1);
    assert_eq!(finished.len(), 40);
    assert_eq!(turns.spool.frames(), 20);
    assert!(finished.iter().filter(|(partition, _)| *partition == 2).map(|(_, at)| *at).eq(0..20));
}

#[test]
fn one_that_was_left_behind_is_read_in_its_order() {
    let mut turns = Turns::new(20);
    turns.spool.park(SpoolPartition(1));
    assert_eq!(turns.finish(1).len(), 40);
    turns.spool.unpark(SpoolPartition(1));
    let first = turns.read();
    // It has its share; the first one is to be sent again.
    assert!(first.iter().map(|frame| frame.sequence).eq(0..first.len() as u64));
    first.iter().rev().for_each(|frame| turns.spool.put_back(frame, 0));
    assert!(turns.finish(9).into_iter().eq((0..20).map(|at| (1, at))));
    assert!(turns.spool.is_empty());
}

/// What waits is not looked at again and again.
#[test]
fn those_that_wait_cost_nothing() {
    let mut turns = Turns::new(30);
    turns.spool.park(SpoolPartition(1));
    let mut of_others = turns.read();
    let before = turns.operations();
    for round in 0..20 {
        // Another one is parked, and a frame of it comes again.
        let frame = of_others.iter().position(|frame| frame.partition.0 == 2).unwrap();
        let frame = of_others.remove(frame);
        turns.spool.park(frame.partition);
        turns.spool.put_back(&frame, 0);
        assert_eq!(turns.next(), None, "{round}");
        turns.spool.unpark(frame.partition);
        of_others.push(turns.next().unwrap());
        assert_eq!(turns.next(), None);
    }
    let cost = turns.operations() - before;
    assert!(cost < 20 * 30, "{cost} operations");
}

/// One that has all the memory waits for that, and nobody looks at it meanwhile.
#[test]
fn one_that_has_the_memory_holds_up_no_other() {
    let mut turns = Turns::new(4);
    turns.pool = Pool::new();
    (0..4).for_each(|_| turns.pool.add(BoxBlock::new(4)).unwrap());
    let mut held = Vec::new();
    let mut finished = 0;
    loop {
        let Ok(Next::Frame { partition, .. }) = turns.spool.poll_next() else { break };
        match turns.spool.take(&mut turns.pool) {
            Ok((frame, blocks)) if partition.0 == 1 => held.push((frame, blocks)),
            Ok((frame, blocks)) => {
                finished += 1;
                turns.pool.recycle(blocks);
                turns.spool.done(&frame);
            }
            Err(TakeError::Wait) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!((held.len(), finished), (1, 8));
}
