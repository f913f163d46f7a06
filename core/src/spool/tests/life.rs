//! Lives without faults: what went in comes out, and segments are used again.

use super::medium::Ram;
use super::model::{CONFIG, Model, SEGMENT_BYTES, SEGMENTS, open_with};
use crate::spool::*;
use crate::time::Timestamp;

#[test]
fn what_went_in_comes_out_and_only_once() {
    let mut model = Model::new(1);
    for bytes in [0, 1, 100, 255, 256, 257, 1000, 3000] {
        model.append(bytes).unwrap();
    }
    assert_eq!(model.drain(), 8);
    assert_eq!(model.drain(), 0);
    model.checkpoint();
    model.reopen(|medium, _| medium.after_kill());
    assert_eq!(model.drain(), 0);
}

#[test]
fn what_is_not_done_is_there_in_the_next_life() {
    let mut model = Model::new(2);
    (0..9).for_each(|_| model.append(200).unwrap());
    while model.read() {}
    (0..4).for_each(|_| model.finish(true));
    model.checkpoint();
    let recovered = model.reopen(|medium, _| medium.after_kill());
    assert_eq!((recovered.existed, recovered.frames, recovered.torn), (true, 5, false));
    assert_eq!(model.drain(), 5);
}

#[test]
fn segments_are_used_again_and_a_full_spool_refuses() {
    let mut model = Model::new(3);
    for _ in 0..3 {
        let mut written = 0;
        while model.append(800).is_ok() {
            written += 1;
        }
        assert_eq!(model.append(800), Err(AppendError::Full));
        assert!(written >= 4 * (SEGMENTS - 1), "{written}");
        model.drain();
    }
    let all = model.append(SEGMENT_BYTES as usize);
    assert!(matches!(all, Err(AppendError::TooLarge { max: 4032, .. })), "{all:?}");
}

#[test]
fn the_oldest_is_dropped_where_that_is_wanted_and_counted() {
    let (mut spool, _) = open_with(
        Ram::new(SEGMENTS, SEGMENT_BYTES),
        SpoolConfig { when_full: WhenFull::DropOldest, ..CONFIG },
    );
    let frame = NewFrame {
        topic: "t",
        partition: 3,
        records: 2,
        base_timestamp: Timestamp::from_millis(0),
        max_timestamp: Timestamp::from_millis(0),
    };
    for written in 1..=100 {
        let payload = [written; 900];
        spool.append(&frame, [&payload[..]].into_iter()).unwrap();
        assert_eq!(spool.counts().dropped / 2 + spool.frames(), u64::from(written));
    }
    assert!(spool.counts().dropped > 100);
    let (reopened, _) = open_with(spool.medium().clone().after_kill(), CONFIG);
    assert_eq!(reopened.counts().dropped, spool.counts().dropped);
    assert_eq!(reopened.frames(), spool.frames());
}

#[test]
fn many_lives_at_random_lose_and_repeat_nothing() {
    for seed in 0..300 {
        let mut model = Model::new(seed);
        for _ in 0..4 {
            model.run(60);
            model.reopen(|medium, _| medium.after_kill());
        }
        model.drain();
        assert_eq!(model.damaged, 0);
    }
}

/// As `FORMAT.md` says: whoever has written a spool can read it with another version.
#[test]
fn every_byte_is_where_the_page_says() {
    let (mut spool, _) = open_with(Ram::new(SEGMENTS, SEGMENT_BYTES), CONFIG);
    let frame = NewFrame {
        topic: "topic",
        partition: 3,
        records: 2,
        base_timestamp: Timestamp::from_millis(5),
        max_timestamp: Timestamp::from_millis(6),
    };
    spool.append(&frame, [&b"records"[..]].into_iter()).unwrap();
    let mut bytes = [0; 144];
    spool.medium().read(Area::Segment(0), 0, &mut bytes).unwrap();
    let mut expected = b"FLSPSEG\n\x01\0".to_vec();
    expected.extend([0; 6]);
    expected.extend([7; 16]);
    expected.extend([0_u64, 0].map(u64::to_le_bytes).concat());
    expected.extend([1, 0, 0, 0]);
    expected.extend([0; 8]);
    expected.extend(crc32fast::hash(&expected).to_le_bytes());
    let mut head = b"RFLF\x05\0\0\0\x07\0\0\0\x03\0\0\0".to_vec();
    head.extend([0_u64, 0].map(u64::to_le_bytes).concat());
    head.extend([2, 0, 0, 0, 1, 0, 0, 0]);
    head.extend([5_u64, 6].map(u64::to_le_bytes).concat());
    head.extend(crc32fast::hash(b"records").to_le_bytes());
    let salted = [&[7; 16][..], &[0; 8], &head, b"topic"].concat();
    expected.extend(&head);
    expected.extend(crc32fast::hash(&salted).to_le_bytes());
    expected.extend(b"topicrecords\0\0\0\0");
    assert_eq!(bytes[..], expected);

    spool.note(SpoolPartition(0), 4000, 3, 0);
    spool.checkpoint().unwrap();
    let mut bytes = [0; 270];
    spool.medium().read(Area::Checkpoint(0), 0, &mut bytes).unwrap();
    let body = [
        &b"\x05topic\0\0\0\0\x03\0\0\0\0\0\x03\0"[..],
        &[2_u64, 0, 0, 4000, 0].map(u64::to_le_bytes).concat(),
        &[1, 0, 0, 0],
        &[0; 16],
    ]
    .concat();
    let mut expected = b"FLSPCKP\n\x01\0\x01\0\x01\0\0\0".to_vec();
    expected.extend([7; 16]);
    // Generation, machine, oldest and next segment, next frame, five counts, boot and its first life.
    expected.extend([2_u64, 1, 0, 1, 1, 0, 0, 0, 0, 0, 1].map(u64::to_le_bytes).concat());
    expected.extend([1, 1, 78_u32, crc32fast::hash(&body)].map(u32::to_le_bytes).concat());
    expected.extend([0; 52]);
    expected.extend(crc32fast::hash(&expected).to_le_bytes());
    expected.extend(body);
    assert_eq!(bytes[..], expected);
}
