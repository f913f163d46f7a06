//! Power that fails at any operation, writes that are torn at any byte, bits that flip, errors at any operation.

use super::medium::{Fault, Ram};
use super::model::{CONFIG, Model, open_with};
use crate::spool::*;

/// How many operations a run of a seed takes.
fn operations(seed: u64, steps: usize) -> usize {
    let mut model = Model::new(seed);
    model.run(steps);
    model.spool.medium().operations
}

#[test]
fn the_power_may_fail_at_every_operation() {
    for seed in 0..12 {
        for at in 0..operations(seed, 120) {
            let mut model = Model::new(seed);
            model.spool.medium().fault = Some((at, Fault::Cut));
            model.run(120);
            model.reopen(Ram::after_cut);
            model.run(20);
            // Once more, before anything was written down.
            model.reopen(Ram::after_cut);
            model.drain();
        }
    }
}

#[test]
fn every_operation_may_fail_once() {
    for error in [MediumError::NoSpace, MediumError::Failed(5)] {
        for seed in 0..6 {
            for at in 0..operations(seed, 120) {
                let mut model = Model::new(seed);
                model.spool.medium().fault = Some((at, Fault::Once(error)));
                model.run(120);
                model.spool.medium().fault = None;
                model.reopen(Ram::after_cut);
                model.drain();
            }
        }
    }
}

#[test]
fn every_operation_of_the_start_may_fail() {
    for seed in 0..6 {
        let mut model = Model::new(seed);
        model.run(120);
        model.sync();
        let before = model.spool.medium().clone();
        let (mut good, found) = open_with(before.clone(), CONFIG);
        let started = good.medium().operations;
        for at in before.operations..started {
            let mut medium = before.clone();
            medium.fault = Some((at, Fault::Once(MediumError::Failed(5))));
            let (mut spool, recovered) = open_with(medium, CONFIG);
            assert_eq!(recovered.unreadable, 0, "one failure passes");
            assert_eq!((spool.frames(), recovered.records), (found.frames, found.records));
            let medium = spool.medium().clone().after_kill();
            assert_eq!(open_with(medium, CONFIG).0.frames(), found.frames);
        }
    }
}

#[test]
fn a_write_may_be_torn_at_every_byte() {
    let mut model = Model::new(5);
    (0..4).for_each(|_| model.append(150).unwrap());
    model.sync();
    let before = model.spool.medium().clone();
    let frames = model.spool.frames();
    model.append(150).unwrap();
    let after = model.spool.medium().clone();
    let length = after.written - before.written;
    for bytes in 0..=length {
        let (mut spool, recovered) = open_with(Ram::torn(&before, &after, bytes), CONFIG);
        // The padding may be missing: it says nothing.
        let whole = bytes >= length - 8;
        assert!(
            spool.frames() == frames || (whole && spool.frames() == frames + 1),
            "{bytes}: {recovered:?}"
        );
        // What comes next stands behind what is left, and is there in the next life.
        let frame = NewFrame {
            topic: "readings",
            partition: 0,
            records: 1,
            base_timestamp: Timestamp::from_millis(0),
            max_timestamp: Timestamp::from_millis(0),
        };
        let held = spool.frames();
        spool.append(&frame, [&b"more"[..]].into_iter()).unwrap();
        let (reopened, _) = open_with(spool.medium().clone().after_kill(), CONFIG);
        assert_eq!(reopened.frames(), held + 1);
    }
}

/// What is left of a torn frame must not come back where the next one goes to another segment: it has the same records'
/// numbers.
#[test]
fn a_torn_frame_does_not_come_back() {
    for copied in [false, true] {
        let mut model = Model::new(8);
        (0..3).for_each(|_| model.append(900).unwrap());
        model.sync();
        let before = model.spool.medium().clone();
        model.append(300).unwrap();
        let after = model.spool.medium().clone();
        let mut torn = Ram::torn(&before, &after, 200);
        if copied {
            // A copy does not write on where the original has ended.
            let (mut copy, _) = open_with(torn, SpoolConfig { machine: 2, new_id: [8; 16], ..CONFIG });
            torn = copy.medium().clone().after_kill();
        }
        assert!(model.reopen(|_, _| torn).torn);
        (0..3).for_each(|_| model.append(1100).unwrap());
        model.sync();
        model.reopen(|medium, _| medium.after_kill());
        assert_eq!((model.drain(), model.damaged), (6, 0));
    }
}

#[test]
fn a_bit_may_flip_in_every_byte() {
    let mut model = Model::new(6);
    (0..40).for_each(|_| model.append(300).unwrap());
    while model.read() {}
    (0..5).for_each(|_| model.finish(true));
    model.sync();
    model.checkpoint();
    let good = model.spool.medium().clone().after_kill();
    let frames = open_with(good.clone(), CONFIG).0.frames();
    let length = good.clone().bytes().count();
    for at in (0..length).step_by(3) {
        let mut medium = good.clone();
        if let Some(byte) = medium.bytes().nth(at) {
            *byte ^= 1 << (at % 8);
        }
        let mut pool = core::mem::take(&mut model.pool);
        let (mut spool, recovered) = open_with(medium, CONFIG);
        let (mut read, mut damaged) = (0, 0);
        loop {
            match spool.poll_next().unwrap() {
                Next::Nothing => break,
                Next::Ask { .. } => panic!("nothing was sent"),
                Next::Frame { .. } => match spool.take(&mut pool) {
                    Ok((frame, chain)) => {
                        read += 1;
                        pool.recycle(chain);
                        spool.done(&frame);
                    }
                    Err(TakeError::Damaged) => damaged += 1,
                    Err(other) => panic!("{other:?}"),
                },
            }
        }
        model.pool = pool;
        // One frame at the most is lost; a checkpoint that is damaged makes way for the one before.
        assert!(read + 1 >= frames, "byte {at}: {read} of {frames}, {recovered:?}");
        assert!(damaged <= 1 && spool.is_empty(), "byte {at}");
    }
}
