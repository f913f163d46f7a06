//! Looking at a spool finds what is there, and the very byte that is not what was written.

use std::vec;
use std::vec::Vec;

use super::medium::Ram;
use super::model::{CONFIG, SEGMENT_BYTES, SEGMENTS, TestSpool, open_with};
use crate::spool::inspect::*;
use crate::spool::*;
use crate::time::Timestamp;

const FRAMES: u64 = 7;

/// Records with a value of one byte, as they stand behind a batch's header.
fn records(count: u8) -> Vec<u8> {
    (0..count).flat_map(|index| [14, 0, 0, 2 * index, 1, 2, index, 0]).collect()
}

fn spool() -> TestSpool {
    let (mut spool, _) = open_with(Ram::new(SEGMENTS, SEGMENT_BYTES), CONFIG);
    for number in 0..FRAMES {
        let frame = NewFrame {
            topic: ["readings", "alarms"][number as usize % 2],
            partition: 3,
            records: 40,
            base_timestamp: Timestamp::from_millis(number as i64),
            max_timestamp: Timestamp::from_millis(number as i64 + 1),
        };
        // Several to a segment, and several segments.
        let payload = [records(40), records(40), records(20)].concat();
        spool.append(&NewFrame { records: 100, ..frame }, payload.chunks(100)).unwrap();
    }
    spool.note(SpoolPartition(1), 4000, 3, 100);
    spool.note_topic("readings", 12);
    spool.sync().unwrap();
    spool.checkpoint().unwrap();
    spool
}

/// The bytes that are found not to be as they were written, segment by segment.
fn damaged(medium: &mut Ram, segment: u16) -> Vec<u32> {
    let head = inspect::segment(medium, segment).unwrap().unwrap();
    let (mut scan, mut expected, mut found) =
        (frames(segment, SEGMENT_BYTES, &head), FIRST_FRAME, Vec::new());
    while let Some((offset, frame)) = scan.next(medium).unwrap() {
        if offset != expected {
            let damaged = damaged_head(medium, segment, expected, SEGMENT_BYTES, &head).unwrap().unwrap();
            assert_eq!(damaged.head.bytes(), offset - expected);
            found.push(damaged.byte);
        }
        match payload(medium, segment, offset, &frame).unwrap() {
            Payload::Whole => {}
            Payload::Damaged { byte } => found.push(byte.unwrap()),
            Payload::NotRecords => panic!("they are"),
        }
        expected = offset + frame.bytes();
    }
    // Behind the last frame there may be one with a damaged head.
    found.extend(
        damaged_head(medium, segment, expected, SEGMENT_BYTES, &head).unwrap().map(|damaged| damaged.byte),
    );
    found
}

#[test]
fn what_is_there_is_seen() {
    let mut spool = spool();
    let medium = spool.medium();
    let heads = [checkpoint(medium, 0, 4096), checkpoint(medium, 1, 4096)].map(|head| head.unwrap().unwrap());
    assert_eq!(heads.map(|head| (head.generation, head.life, head.id)), [(2, 1, [7; 16]), (1, 1, [7; 16])]);
    assert_eq!((heads[0].topics, heads[0].partitions, heads[0].next_frame), (2, 2, FRAMES));
    let mut body = CheckpointBody::new(0, &heads[0]);
    assert_eq!(body.next_topic(medium), Some(("readings", 12)));
    assert_eq!(body.next_topic(medium), Some(("alarms", 0)));
    let first = body.next_partition(medium).unwrap();
    assert_eq!((first.topic, first.partition, first.written, first.stamp), (0, 3, 400, None));
    let second = body.next_partition(medium).unwrap();
    let stamp = Stamp { producer_id: 4000, producer_epoch: 3, base: 100, life: 1 };
    assert_eq!((second.topic, second.written, second.done, second.stamp), (1, 300, 0, Some(stamp)));

    let (mut number, mut used) = (0, 0);
    for index in 0..SEGMENTS as u16 {
        let Some(head) = segment(medium, index).unwrap() else { continue };
        assert_eq!((head.number, head.first_frame), (u64::from(index), number));
        used += 1;
        let mut scan = frames(index, SEGMENT_BYTES, &head);
        while let Some((offset, frame)) = scan.next(medium).unwrap() {
            assert_eq!((frame.number, frame.records), (number, 100));
            assert_eq!(scan.topic(), ["readings", "alarms"][number as usize % 2]);
            assert_eq!(payload(medium, index, offset, &frame), Ok(Payload::Whole));
            number += 1;
        }
    }
    assert_eq!((number, used), (FRAMES, 2));
}

#[test]
fn a_damaged_byte_is_named() {
    let mut spool = spool();
    let good = spool.medium().clone();
    // Checkpoints come first, then segments; a frame has 64 bytes, the name, the records, and padding.
    let area = |index: usize| 2 * 4096 + index * SEGMENT_BYTES as usize;
    for (index, topics) in [(0_u16, [8, 6, 8, 6]), (1, [8, 6, 8, 0])] {
        let mut begin = FIRST_FRAME;
        for topic in topics.into_iter().filter(|topic| *topic > 0) {
            let written = 64 + topic + 800;
            for byte in (begin..begin + written).step_by(7) {
                let mut medium = good.clone();
                *medium.bytes().nth(area(index.into()) + byte as usize).unwrap() ^= 1 << (byte % 8);
                assert_eq!(damaged(&mut medium, index), [byte], "segment {index}");
                assert_eq!(damaged(&mut medium, 1 - index), [0; 0]);
            }
            begin += written.next_multiple_of(8);
        }
    }
    for byte in 0..FIRST_FRAME {
        let mut medium = good.clone();
        *medium.bytes().nth(area(1) + byte as usize).unwrap() ^= 0x10;
        assert_eq!(segment(&mut medium, 1), Err(Flaw::Head));
        assert_eq!(segment_by_frames(&mut medium, 1, SEGMENT_BYTES, [7; 16], 0), None);
        let head = segment_by_frames(&mut medium, 1, SEGMENT_BYTES, [7; 16], 1).unwrap();
        assert_eq!((head.number, head.first_frame), (1, 4));
    }
    let head = CHECKPOINT_HEAD_BYTES as usize;
    for (byte, flaw) in [(0, Flaw::Head), (40, Flaw::Head), (head - 1, Flaw::Head), (head, Flaw::Body)] {
        let mut medium = good.clone();
        *medium.bytes().nth(byte).unwrap() ^= 0x10;
        assert_eq!(checkpoint(&mut medium, 0, 4096).unwrap_err(), flaw);
        assert!(checkpoint(&mut medium, 1, 4096).unwrap().is_some());
    }
    assert_eq!(checkpoint(&mut good.clone(), 0, 100).unwrap_err(), Flaw::Unreadable);
    assert_eq!(checkpoint(&mut good.clone(), 0, CHECKPOINT_HEAD_BYTES + 2).unwrap_err(), Flaw::Body);
}

/// Bytes that were written as they are, and are none the less not what they should be.
#[test]
fn what_are_no_records_is_told() {
    for (payload_bytes, count) in [
        (vec![], 1),
        (records(3), 2),
        (records(3), 4),
        (records(3), 0),
        (vec![0xff; 40], 2),
        (records(3)[..23].to_vec(), 3),
    ] {
        let (mut spool, _) = open_with(Ram::new(SEGMENTS, SEGMENT_BYTES), CONFIG);
        let frame = NewFrame {
            topic: "t",
            partition: 0,
            records: count,
            base_timestamp: Timestamp::from_millis(0),
            max_timestamp: Timestamp::from_millis(0),
        };
        spool.append(&frame, [&payload_bytes[..]].into_iter()).unwrap();
        let medium = spool.medium();
        let head = segment(medium, 0).unwrap().unwrap();
        let (offset, frame) = frames(0, SEGMENT_BYTES, &head).next(medium).unwrap().unwrap();
        assert_eq!(payload(medium, 0, offset, &frame), Ok(Payload::NotRecords), "{payload_bytes:?}");
    }
}
