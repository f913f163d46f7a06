//! Looking at a spool: what stands in each area, frame by frame, and what is wrong with it.
//!
//! It reads, and must never write: a spool that is in use may be looked at. What is written meanwhile may be seen in part,
//! so whoever finds something wrong in such a one looks twice. It shares the decoders of [`Spool`](super::Spool), and so
//! judges as that does.

pub use super::checkpoint::{CheckpointBody, CheckpointHead, CheckpointPartition};
pub use super::format::{Flaw, FrameHead, SegmentHead};
pub use super::recovery::Scan;

use super::format::{HEAD_BYTES, is_blank, is_valid, patiently};
use super::recovery::{known_by_frames, payload_crc, read_head};
use super::{Area, Medium, MediumError, SpoolId, TOPIC_BYTES};
use crate::batch::{RECORD_HEAD_BYTES_MAX, record_bytes};

/// The checkpoint in a slot, 0 or 1. `None` where none was ever written.
///
/// # Errors
/// [`Flaw`]: it counts for nothing.
pub fn checkpoint<M: Medium>(
    medium: &mut M,
    slot: u8,
    area_bytes: u32,
) -> Result<Option<CheckpointHead>, Flaw> {
    CheckpointHead::read(medium, slot, area_bytes)
}

/// The begin of a segment. `None` where none was ever written.
///
/// # Errors
/// [`Flaw`]. Its frames may be whole all the same: [`segment_by_frames`] knows it by them.
pub fn segment<M: Medium>(medium: &mut M, segment: u16) -> Result<Option<SegmentHead>, Flaw> {
    let bytes = patiently(|| read_head(medium, segment)).map_err(|_| Flaw::Unreadable)?;
    if is_blank(&bytes) { Ok(None) } else { SegmentHead::decode(&bytes).map(Some) }
}

/// The begin that a segment must have had, where its first frame was written when this was its number.
pub fn segment_by_frames<M: Medium>(
    medium: &mut M,
    segment: u16,
    segment_bytes: u32,
    spool: SpoolId,
    number: u64,
) -> Option<SegmentHead> {
    known_by_frames(medium, segment, spool, number, segment_bytes)
}

/// The frames of a segment. One that does not begin where the one before has ended stands behind damage.
#[must_use]
pub const fn frames(segment: u16, segment_bytes: u32, head: &SegmentHead) -> Scan {
    Scan::new(Area::Segment(segment), *head, HEAD_BYTES, segment_bytes)
}

/// Where a segment's first frame begins.
pub const FIRST_FRAME: u32 = HEAD_BYTES;
/// Bytes of a checkpoint before its topics.
pub const CHECKPOINT_HEAD_BYTES: u32 = super::checkpoint::HEAD;

/// A frame's head that is not what was written, but for one byte.
#[derive(Clone, Copy, Debug)]
pub struct DamagedHead {
    /// The head as it was.
    pub head: FrameHead,
    /// Where the byte is, from the segment's begin.
    pub byte: u32,
}

/// The frame that has begun at `offset` of a segment, where exactly one byte of its head, or of its topic's name, is not
/// what was written. Tries what that byte can have been: a few ten thousand checksums.
///
/// # Errors
/// [`MediumError`].
pub fn damaged_head<M: Medium>(
    medium: &mut M,
    segment: u16,
    offset: u32,
    segment_bytes: u32,
    head: &SegmentHead,
) -> Result<Option<DamagedHead>, MediumError> {
    let mut bytes = [0; HEAD_BYTES as usize + TOPIC_BYTES];
    let there = bytes.len().min(segment_bytes.saturating_sub(offset) as usize);
    let bytes = &mut bytes[..there];
    patiently(|| medium.read(Area::Segment(segment), offset, bytes))?;
    for at in 0..bytes.len() {
        let damaged = bytes[at];
        for byte in 0..=u8::MAX {
            bytes[at] = byte;
            if let Some(head) = valid(bytes, head).filter(|found| at < found.payload_at() as usize) {
                return Ok(Some(DamagedHead { head, byte: offset + at as u32 }));
            }
        }
        bytes[at] = damaged;
    }
    Ok(None)
}

fn valid(bytes: &[u8], segment: &SegmentHead) -> Option<FrameHead> {
    let (head, rest) = bytes.split_first_chunk()?;
    let frame = FrameHead::decode(head)?;
    let topic = rest.get(..usize::from(frame.topic_bytes))?;
    is_valid(head, topic, segment).then_some(frame)
}

/// What a frame's records are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// What was written.
    Whole,
    /// Not what their checksum says.
    Damaged {
        /// The byte that is not what was written, from the segment's begin, where a single one explains it. Other damage is
        /// taken for that once in 2³² times for each 1/255 of a byte: seldom enough to look there first.
        byte: Option<u32>,
    },
    /// What was written, and that is not as many records as the head says.
    NotRecords,
}

/// Reads a frame's records: whether they are what was written, and whether they are records.
///
/// # Errors
/// [`MediumError`].
pub fn payload<M: Medium>(
    medium: &mut M,
    segment: u16,
    offset: u32,
    frame: &FrameHead,
) -> Result<Payload, MediumError> {
    let at = offset + frame.payload_at();
    let crc = payload_crc(medium, segment, offset, frame)?;
    if crc != frame.payload_crc {
        let byte = damaged_byte(crc ^ frame.payload_crc, frame.payload_bytes).map(|byte| at + byte);
        return Ok(Payload::Damaged { byte });
    }
    let end = at + frame.payload_bytes;
    let mut record = at;
    for _ in 0..frame.records {
        let mut window = [0; RECORD_HEAD_BYTES_MAX];
        let there = window.len().min((end - record) as usize);
        patiently(|| medium.read(Area::Segment(segment), record, &mut window[..there]))?;
        match record_bytes(&window).and_then(|bytes| record.checked_add(bytes)) {
            Some(next) if next <= end && there > 0 => record = next,
            _ => return Ok(Payload::NotRecords),
        }
    }
    Ok(if record == end { Payload::Whole } else { Payload::NotRecords })
}

/// The only byte of so many that can have changed their CRC-32 by this difference. A changed byte's difference goes
/// through the register with each byte that follows it; here it goes back.
fn damaged_byte(difference: u32, bytes: u32) -> Option<u32> {
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let mut register = difference;
    for byte in (0..bytes).rev() {
        for _ in 0..8 {
            // The polynomial has the top bit, and what was shifted has not.
            register = match register >> 31 {
                1 => (register ^ POLYNOMIAL) << 1 | 1,
                _ => register << 1,
            };
        }
        if register <= 0xff {
            return Some(byte);
        }
    }
    None
}
