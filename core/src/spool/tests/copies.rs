//! Numberings through several lives: who may use them again, and what a broker's answer cuts off.

use super::medium::Ram;
use super::model::{CONFIG, FRAMES, SEGMENT_BYTES, SEGMENTS, TestSpool, open_with};
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
    assert_eq!(numbers, [Some(under(0, true)), Some(under(3, false)), None]);
}

#[test]
fn nothing_of_a_partition_is_read_before_the_answer() {
    let mut spool = next_life(&mut sent());
    append(&mut spool, 1);
    let Next::Ask { partition, .. } = spool.poll_next().unwrap() else { panic!("two frames are in doubt") };
    append(&mut spool, 1);
    assert_eq!(spool.poll_next(), Ok(Next::Nothing));
    spool.answer(partition, ProducerState::Unknown);
    let sequences: Vec<_> =
        read_all(&mut spool, ProducerState::Unknown).iter().map(|frame| frame.sequence).collect();
    assert_eq!(sequences, [3, 6, 9, 10]);
}

/// The sender waits for one that follows: where there is no room for that, it would wait for ever.
#[test]
fn the_last_one_that_there_is_room_for_says_that_none_follows() {
    let mut life = sent();
    (0..9).for_each(|_| append(&mut life, 3));
    let mut spool = next_life(&mut life);
    let last_follows = |frames: &[Frame]| {
        let (last, others) = frames.split_last().unwrap();
        assert!(others.iter().all(|frame| frame.numbers.unwrap().more));
        last.numbers.unwrap().more
    };
    let frames = read_all(&mut spool, ProducerState::Unknown);
    assert!(frames.len() < 11 && !last_follows(&frames));
    spool.done(&frames[0]);
    spool.done(&frames[1]);
    let next = read_all(&mut spool, ProducerState::Unknown);
    assert!(next.len() == 2 && !last_follows(&next));
}

/// What a former life has written, and this one has not sent, is not in doubt under this one's numbering.
#[test]
fn what_was_not_sent_in_this_life_has_no_numbers_of_it() {
    let mut spool = next_life(&mut sent());
    let mut pool = pool();
    let Ok(Next::Ask { partition, .. }) = spool.poll_next() else { panic!("two frames are in doubt") };
    spool.answer(partition, ProducerState::Unknown);
    spool.poll_next().unwrap();
    let (first, chain) = spool.take(&mut pool).unwrap();
    pool.recycle(chain);
    spool.note(partition, PRODUCER.0, PRODUCER.1 + 1, first.sequence);
    let second = read_all(&mut spool, ProducerState::Unknown);
    assert_eq!(second[0].numbers, None);
    // Nor has what was put back: it is sent anew.
    spool.put_back(&second[0], 0);
    assert_eq!(read_all(&mut spool, ProducerState::Unknown)[0].numbers, None);
}

/// A life that ends before it has finished what the one before had sent, under numbers of its own.
#[test]
fn what_was_numbered_anew_is_in_doubt_under_the_new_numbers() {
    let mut spool = next_life(&mut sent());
    append(&mut spool, 1);
    let frames = read_all(&mut spool, ProducerState::Unknown);
    spool.note(frames[0].partition, PRODUCER.0, PRODUCER.1 + 1, frames[0].sequence);
    spool.checkpoint().unwrap();
    let mut spool = next_life(&mut spool);
    let frames = read_all(&mut spool, ProducerState::Unknown);
    let numbers: Vec<_> = frames.iter().map(|frame| frame.numbers.unwrap()).collect();
    let numbers: Vec<_> =
        numbers.iter().map(|numbers| (numbers.producer_epoch, numbers.base_sequence)).collect();
    assert_eq!(numbers, [(4, 0), (4, 3), (4, 6)]);
}

fn last(last_sequence: i32) -> ProducerState {
    ProducerState::Active { producer_epoch: PRODUCER.1, last_sequence }
}

/// Of the frames that begin with sequence 0 and 3, and a new one behind them.
#[test]
fn an_answer_cuts_off_what_is_stored_but_for_the_last_frame_which_is_sent_once_more() {
    for (answer, expected, skip, stored) in [
        (ProducerState::Unknown, &[3, 6, 9][..], 0, 0),
        (last(-1), &[3, 6, 9], 0, 0),
        (last(2), &[3, 6, 9], 0, 0),
        (last(4), &[6, 9], 2, 3),
        (last(5), &[6, 9], 0, 3),
        // More than there is: the end was lost with the power, and its numbers with it.
        (last(1000), &[9], 0, 6),
    ] {
        let mut spool = next_life(&mut sent());
        append(&mut spool, 3);
        let frames = read_all(&mut spool, answer);
        let sequences: Vec<_> = frames.iter().map(|frame| frame.sequence).collect();
        assert_eq!((&sequences[..], frames[0].skip), (expected, skip), "{answer:?}");
        if let Some(numbers) = frames[0].numbers {
            assert_eq!(numbers.base_sequence, frames[0].sequence as i32 - 3 + skip as i32);
        }
        // Nothing is done before the leader has acknowledged the last one.
        let held = if stored == 6 { 1 } else { 3 };
        assert_eq!(spool.frames(), held, "{answer:?}");
        frames.iter().for_each(|frame| spool.done(frame));
        assert!(read_all(&mut spool, answer).is_empty());
        assert!(spool.is_empty(), "{answer:?}");
        assert_eq!(spool.counts().found_stored, stored, "{answer:?}");
        spool.checkpoint().unwrap();
        assert!(next_life(&mut spool).is_empty());
    }
}

/// The next numbering may be noted before reading has passed what was confirmed.
#[test]
fn what_was_confirmed_is_done_in_the_next_life() {
    let mut spool = next_life(&mut sent());
    append(&mut spool, 1);
    let frames = read_all(&mut spool, last(5));
    assert_eq!(frames.len(), 2);
    spool.done(&frames[0]);
    spool.note(frames[1].partition, PRODUCER.0, PRODUCER.1 + 1, frames[1].sequence);
    spool.checkpoint().unwrap();
    let frames = read_all(&mut next_life(&mut spool), ProducerState::Unknown);
    let sequences: Vec<_> = frames.iter().map(|frame| frame.sequence).collect();
    assert_eq!(sequences, [9]);
}

/// The leader has the first two of three frames: the third is sent under the next numbers, and all of them are done before
/// the next numbering is noted.
#[test]
fn what_was_acknowledged_behind_the_cut_is_done_in_the_next_life() {
    let mut life = sent();
    append(&mut life, 3);
    let mut spool = next_life(&mut life);
    append(&mut spool, 1);
    let frames = read_all(&mut spool, last(5));
    let sequences: Vec<_> = frames.iter().map(|frame| frame.sequence).collect();
    assert_eq!(sequences, [6, 9, 12]);
    spool.done(&frames[0]);
    spool.done(&frames[1]);
    spool.note(frames[2].partition, PRODUCER.0, PRODUCER.1 + 1, frames[2].sequence);
    spool.checkpoint().unwrap();
    assert!(read_all(&mut spool, ProducerState::Unknown).is_empty());
    assert_eq!(spool.frames(), 1);
    let frames = read_all(&mut next_life(&mut spool), ProducerState::Unknown);
    let sequences: Vec<_> = frames.iter().map(|frame| frame.sequence).collect();
    assert_eq!(sequences, [12]);
}

/// The frame that is to confirm the answer fails in a way that may pass, and one behind it does not.
#[test]
fn only_the_frame_at_the_cut_confirms_it() {
    let mut life = sent();
    append(&mut life, 3);
    let mut spool = next_life(&mut life);
    let frames = read_all(&mut spool, last(5));
    spool.put_back(&frames[0], 0);
    spool.done(&frames[1]);
    let again = read_all(&mut spool, last(5));
    assert_eq!((again.len(), again[0].sequence), (1, 6));
    assert_eq!((spool.frames(), spool.counts().found_stored), (2, 0));
    spool.done(&again[0]);
    assert!(read_all(&mut spool, last(5)).is_empty());
    assert!(spool.is_empty());
}

/// The leader has a frame that is lost here: what stands before it is sent once more itself, unless that was the last one.
#[test]
fn a_lost_frame_at_the_cut_holds_nothing_up() {
    for behind in [true, false] {
        let mut life = sent();
        if behind {
            append(&mut life, 3);
        }
        let mut medium = life.medium().clone().after_kill();
        let third = 64 + 2 * 72;
        medium.write(Area::Segment(0), third, &[0]).unwrap();
        let (mut spool, _) = open_with(medium, CONFIG);
        let frames = read_all(&mut spool, last(5));
        let sequences: Vec<_> = frames.iter().map(|frame| frame.sequence).collect();
        assert_eq!(sequences, if behind { &[3, 9][..] } else { &[] });
        assert!(frames.iter().all(|frame| frame.numbers.is_some()));
        frames.iter().for_each(|frame| spool.done(frame));
        assert!(read_all(&mut spool, last(5)).is_empty());
        assert!(spool.is_empty() && spool.is_done(SpoolPartition(0)));
        assert_eq!(spool.counts().found_stored, if behind { 0 } else { 3 });
    }
}

/// The last frame in doubt is torn: none follows on the one before it.
#[test]
fn nothing_follows_under_the_numbers_of_what_is_torn() {
    let mut life = sent();
    let mut medium = life.medium().clone().after_kill();
    // A byte of its records.
    medium.write(Area::Segment(0), 64 + 2 * 72 + 66, &[0]).unwrap();
    let (mut spool, recovered) = open_with(medium, CONFIG);
    assert!(recovered.torn);
    let frames = read_all(&mut spool, last(-1));
    let numbers: Vec<_> = frames.iter().map(|frame| frame.numbers).collect();
    assert_eq!(numbers, [Some(under(0, false))]);
}

/// A life has sent what was lost with the power, and the next one has given its place in the count to something else: that was
/// not sent, whatever the leader has.
#[test]
fn a_cut_is_never_in_what_was_not_sent() {
    let mut life = sent();
    let (mut second, _) = open_with(life.medium().clone().after_kill(), CONFIG);
    append(&mut second, 3);
    let mut third = next_life(&mut second);
    // Beyond the two frames of the first life: a third one was lost.
    let frames = read_all(&mut third, last(6));
    let numbers: Vec<_> = frames.iter().map(|frame| (frame.sequence, frame.skip, frame.numbers)).collect();
    assert_eq!(numbers, [(9, 0, None)]);
}

/// Another broker leads by the time of the last frame, and has none of it: a numbering begins.
#[test]
fn a_log_that_was_lost_after_the_answer_is_sent_again() {
    let mut spool = next_life(&mut sent());
    let frames = read_all(&mut spool, last(5));
    assert_eq!((frames.len(), frames[0].sequence), (1, 6));
    spool.note(frames[0].partition, PRODUCER.0, PRODUCER.1 + 1, frames[0].sequence);
    let again = read_all(&mut spool, last(5));
    assert_eq!((again.len(), again[0].sequence, again[0].numbers), (1, 3, None));
    spool.done(&frames[0]);
    assert_eq!(spool.frames(), 1);
    spool.done(&again[0]);
    assert!(spool.is_empty());
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
    // As if the numbering had begun so long ago that the third frame begins with sequence 0 again.
    let far = 1 << 40;
    let slot = spool.partitions.get_mut(0);
    (slot.next, slot.read, slot.done, slot.sent) = (far + 9, far + 9, far + 3, far + 9);
    slot.stamp = Some(Stamp { producer_id: 4000, producer_epoch: 3, base: far + 6 - (1 << 31), life: 1 });
    for (last_sequence, cut) in [(i32::MAX, far + 6), (0, far + 7), (2, far + 9)] {
        spool.answer(SpoolPartition(0), last(last_sequence));
        assert_eq!(spool.partitions.get(0).cut, Some(cut));
    }
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

/// What was sent and is not written down is bounded, so what may be stored twice is.
#[test]
fn a_checkpoint_is_due_once_as_many_are_done_as_the_sender_holds() {
    let (mut spool, _) = open_with(Ram::new(SEGMENTS, SEGMENT_BYTES), CONFIG);
    (0..60).for_each(|_| append(&mut spool, 3));
    let mut done = 0;
    while !spool.is_checkpoint_due() {
        let frames = read_all(&mut spool, ProducerState::Unknown);
        frames.iter().for_each(|frame| spool.done(frame));
        done += frames.len();
    }
    assert_eq!(done, FRAMES);
    spool.checkpoint().unwrap();
    assert!(!spool.is_checkpoint_due());
}

#[test]
fn what_leaders_have_forgotten_is_counted_up_to_what_was_sent_at_the_most() {
    let mut spool = next_life(&mut sent());
    read_all(&mut spool, last(-1));
    assert_eq!(spool.forgotten(), 0, "they know it");
    let mut spool = next_life(&mut sent());
    append(&mut spool, 3);
    let frames = read_all(&mut spool, ProducerState::Unknown);
    assert_eq!(spool.forgotten(), 6, "the third was never sent");
    spool.put_back(&frames[1], 1);
    read_all(&mut spool, ProducerState::Unknown);
    assert_eq!(spool.forgotten(), 6, "one is read again");

    let mut life = sent();
    (0..60).for_each(|_| append(&mut life, 3));
    let mut spool = next_life(&mut life);
    while !spool.is_empty() {
        let frames = read_all(&mut spool, ProducerState::Unknown);
        frames.iter().for_each(|frame| spool.done(frame));
    }
    assert_eq!(spool.forgotten(), 3 * 2 * FRAMES as u64);
}

/// A broker refuses it under its former numbers, and nobody can tell whether it is stored: it is not tried under them for ever.
#[test]
fn what_is_renounced_goes_under_new_numbers_and_is_counted() {
    let mut spool = next_life(&mut sent());
    let other = ProducerState::Active { producer_epoch: PRODUCER.1 + 1, last_sequence: 7 };
    let frames = read_all(&mut spool, other);
    assert_eq!(
        frames.iter().map(|frame| frame.numbers).collect::<Vec<_>>(),
        [Some(under(0, true)), Some(under(3, false))]
    );
    assert_eq!(spool.forgotten(), 0);
    spool.renounce(&frames[0]);
    spool.put_back(&frames[0], 0);
    let again = read_all(&mut spool, other);
    assert_eq!((again.len(), again[0].sequence, again[0].numbers), (1, frames[0].sequence, None));
    assert_eq!(spool.forgotten(), 3);
    // What is only put back keeps them.
    spool.put_back(&frames[1], 0);
    assert_eq!(read_all(&mut spool, other)[0].numbers, Some(under(3, false)));
}

/// All that stands before the cut is dropped, and then the leader knows nothing of it: what is behind is done to its end all the
/// same.
#[test]
fn behind_a_gap_it_is_done_to_its_end() {
    const IN_A_SEGMENT: u32 = (SEGMENT_BYTES - 64) / 72;
    let (mut spool, _) = open_with(Ram::new(SEGMENTS, SEGMENT_BYTES), CONFIG);
    (0..IN_A_SEGMENT + 20).for_each(|_| append(&mut spool, 1));
    let first = read_all(&mut spool, ProducerState::Unknown)[0];
    spool.note(first.partition, PRODUCER.0, PRODUCER.1, 0);
    spool.checkpoint().unwrap();
    let config = SpoolConfig { when_full: WhenFull::DropOldest, ..CONFIG };
    let mut spool = open_with(spool.medium().clone().after_kill(), config).0;
    let Ok(Next::Ask { partition, .. }) = spool.poll_next() else { panic!("it is in doubt") };
    let last_sequence = IN_A_SEGMENT as i32;
    spool.answer(partition, ProducerState::Active { producer_epoch: PRODUCER.1, last_sequence });
    while spool.counts().dropped == 0 {
        append(&mut spool, 1);
    }
    assert_eq!(spool.counts().dropped, u64::from(IN_A_SEGMENT));
    let frames = read_all(&mut spool, ProducerState::Unknown);
    assert_eq!((frames.len(), frames[0].sequence), (FRAMES / 4, u64::from(IN_A_SEGMENT)));
    spool.note(partition, PRODUCER.0 + 1, 0, frames[0].sequence);
    frames.iter().for_each(|frame| spool.done(frame));
    loop {
        let frames = read_all(&mut spool, ProducerState::Unknown);
        if frames.is_empty() {
            break;
        }
        frames.iter().for_each(|frame| spool.done(frame));
    }
    assert!(spool.is_empty() && spool.is_done(partition), "{spool:?}");
}
