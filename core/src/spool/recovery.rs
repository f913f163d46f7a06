//! How a spool begins: what the medium holds is taken as it is found, and whatever is wrong with it costs no more than
//! itself.

use core::fmt;

use super::checkpoint::{CheckpointHead, checkpoint_bytes};
use super::doubt::Unsure;
use super::format::{ALIGNMENT, FrameHead, HEAD_BYTES, SegmentHead, is_valid, patiently};
use super::hands::Hands;
use super::partitions::Partitions;

use super::segments::{Segments, Torn};
use super::{
    Area, Counts, Medium, MediumError, SEGMENT_BYTES_MIN, Spool, SpoolConfig, SpoolId, SpoolTables,
    TOPIC_BYTES,
};
use crate::id::TopicPartition;
use crate::memory::Storage;

/// What was found at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// There was a spool.
    pub existed: bool,
    /// Frames that are not done.
    pub frames: u64,
    /// Their records, those that were done in part included.
    pub records: u64,
    /// The last frame was torn: it was not durable.
    pub torn: bool,
    /// There was no valid checkpoint: what is done is not known, and is sent again, unless a broker says that it is stored.
    pub without_checkpoint: bool,
    /// It is a copy, or was moved here: numberings of former lives are not used.
    pub copied: bool,
    /// Segments that could not be read. They are left as they are: the next life tries again.
    pub unreadable: u32,
    /// Frames of topics and partitions beyond those that the tables hold. They are left where they are.
    pub beyond_tables: u64,
    /// The medium takes no writes, or did not at the start.
    pub write_error: Option<MediumError>,
}

/// The tables do not fit the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// Segments are shorter than [`SEGMENT_BYTES_MIN`].
    SegmentsTooShort,
    /// Fewer than two segments.
    TooFewSegments,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SegmentsTooShort => write!(f, "a segment must have {SEGMENT_BYTES_MIN} bytes at least"),
            Self::TooFewSegments => f.write_str("a spool needs two segments at least"),
        }
    }
}

impl core::error::Error for OpenError {}

impl<S: Storage, M: Medium> Spool<S, M> {
    /// Begins a life with what the medium holds, or makes a spool there.
    ///
    /// # Errors
    /// [`OpenError`] for settings that make no sense. Nothing that the medium holds, or fails to give, is an error:
    /// [`Recovered`] tells of it.
    pub fn open(
        medium: M,
        config: SpoolConfig,
        tables: SpoolTables<S>,
    ) -> Result<(Self, Recovered), OpenError> {
        if config.segment_bytes < SEGMENT_BYTES_MIN {
            return Err(OpenError::SegmentsTooShort);
        }
        let segments = Segments::new(tables.segments);
        if segments.len() < 2 {
            return Err(OpenError::TooFewSegments);
        }
        let area_bytes = checkpoint_bytes(tables.topics.as_ref().len(), tables.partitions.as_ref().len());
        let mut spool = Self {
            medium,
            config,
            id: config.new_id,
            life: 0,
            boot_life: 0,
            began: None,
            newest_of_former_boots: 0,
            untimed: false,
            oldest_wanted: None,
            lost: None,
            gaps: true,
            segments,
            partitions: Partitions::new(tables.topics, tables.partitions, tables.index),
            hands: Hands::new(tables.frames),
            counts: Counts::default(),
            unsure: Unsure::default(),
            next_frame: 0,
            largest: 0,
            cursor: None,
            found: None,
            generation: 0,
            changed: true,
            torn: None,
            sync_failed: None,
        };
        let mut recovered = Recovered::default();
        let checkpoint = spool.recover_checkpoint(area_bytes, &mut recovered);
        let same_boot = checkpoint.filter(|head| head.boot == config.boot && !recovered.copied);
        spool.boot_life = same_boot.map_or(u32::MAX, |head| head.boot_life);
        spool.recover_segments(checkpoint, &mut recovered);
        spool.life += 1;
        spool.boot_life = spool.boot_life.min(spool.life);
        recovered.write_error = spool.checkpoint().err();
        Ok((spool, recovered))
    }

    fn recover_checkpoint(&mut self, area_bytes: u32, recovered: &mut Recovered) -> Option<CheckpointHead> {
        let read = |medium: &mut M, slot| {
            Some((slot, CheckpointHead::read(medium, slot, area_bytes).ok().flatten()?))
        };
        let found = [read(&mut self.medium, 0), read(&mut self.medium, 1)];
        let newest = found.into_iter().flatten().max_by_key(|(_, head)| head.generation);
        let Some((slot, head)) = newest else {
            recovered.without_checkpoint = true;
            return None;
        };
        recovered.existed = true;
        recovered.copied = head.machine != self.config.machine;
        self.counts = head.counts;
        self.counts.copies += u64::from(recovered.copied);
        self.generation = head.generation;
        self.life = head.life;
        self.segments.next_number = head.next_number;
        self.next_frame = head.next_frame;
        if !recovered.copied {
            self.id = head.id;
        }
        // Its checksum was right: what is left out is beyond the tables.
        if self.restore(slot, &head, !recovered.copied).is_none() {
            recovered.beyond_tables += 1;
        }
        Some(head)
    }

    fn recover_segments(&mut self, checkpoint: Option<CheckpointHead>, recovered: &mut Recovered) {
        self.recover_heads(checkpoint.map_or(0, |head| head.oldest_number), recovered);
        if let Some(head) = checkpoint {
            self.rescue_heads(&head);
        }
        let mut number = 0;
        let mut last = None;
        while let Some(place) = self.segments.begin_of(number) {
            self.recover_frames(place.segment, recovered);
            last = Some(place.segment);
            number = place.number + 1;
        }
        if recovered.without_checkpoint
            && let Some(head) = last.and_then(|last| self.segments.head(last))
        {
            recovered.existed = true;
            self.id = head.spool;
        }
        if let Some(last) = last {
            self.recover_tail(last, recovered);
        }
        // Written on where the last life ended, if it was this spool's, and nothing of it was torn.
        self.segments.active = last.filter(|&last| {
            self.segments.head(last).is_some_and(|head| head.spool == self.id)
                && !self.segments.is_aside(last)
                && !recovered.torn
        });
        if let Some(active) = self.segments.active {
            self.segments.get_mut(active).head_unsure = true;
        }
        if recovered.existed {
            self.segments.skip_numbers();
        }
        for segment in 0..self.segments.len() {
            self.segments.finish(segment);
        }
    }

    fn recover_heads(&mut self, oldest: u64, recovered: &mut Recovered) {
        for segment in 0..self.segments.len() {
            match patiently(|| read_head(&mut self.medium, segment)) {
                Err(_) => {
                    recovered.unreadable += 1;
                    self.segments.get_mut(segment).set_aside();
                }
                Ok(bytes) => {
                    if let Ok(head) = SegmentHead::decode(&bytes)
                        && head.number >= oldest
                    {
                        self.segments.begin(segment, head);
                        self.life = self.life.max(head.life);
                        self.next_frame = self.next_frame.max(head.first_frame);
                    }
                }
            }
        }
    }

    /// A segment whose own head is damaged is known by its frames: its number is one of those that are missing.
    fn rescue_heads(&mut self, checkpoint: &CheckpointHead) {
        let newest = self.segments.next_number + u64::from(self.segments.len());
        for segment in 0..self.segments.len() {
            if !self.segments.is_unknown(segment) {
                continue;
            }
            let missing =
                (checkpoint.oldest_number..newest).filter(|&number| !self.segments.has_number(number));
            let known = |number| {
                known_by_frames(&mut self.medium, segment, checkpoint.id, number, self.config.segment_bytes)
            };
            if let Some(head) = missing.filter_map(known).next() {
                self.segments.begin(segment, head);
            }
        }
    }

    /// Counts a segment's frames.
    fn recover_frames(&mut self, segment: u16, recovered: &mut Recovered) {
        let Some(head) = self.segments.head(segment) else { return };
        let mut scan = Scan::new(Area::Segment(segment), head, HEAD_BYTES, self.config.segment_bytes);
        loop {
            let (offset, frame) = match patiently(|| scan.next(&mut self.medium)) {
                Ok(Some(found)) => found,
                Ok(None) => return,
                Err(_) => {
                    recovered.unreadable += 1;
                    return self.segments.get_mut(segment).set_aside();
                }
            };
            self.segments.get_mut(segment).used = offset + frame.bytes();
            self.next_frame = self.next_frame.max(frame.number + 1);
            self.largest = self.largest.max(frame.payload_bytes);
            self.life = self.life.max(frame.life);
            self.recover_time(&frame);
            let topic = self.partitions.intern(scan.topic());
            let key = topic.map(|topic| TopicPartition { topic, partition: frame.partition });
            let Some(slot) = key.and_then(|key| self.partitions.find_or_take(key, 0)) else {
                recovered.beyond_tables += 1;
                self.segments.get_mut(segment).set_aside();
                continue;
            };
            let slot = self.partitions.get_mut(slot);
            slot.next = slot.next.max(frame.end());
            slot.last_frame = slot.last_frame.max(frame.number);
            if slot.stamp.is_some_and(|stamp| frame.life <= stamp.life) {
                slot.sent = slot.sent.max(frame.end());
            }
            if frame.end() > slot.done {
                recovered.frames += 1;
                recovered.records += u64::from(frame.records);
                self.segments.get_mut(segment).live += 1;
            }
        }
    }

    /// Only the end of the last segment may be torn: its last frame may have a head without its records.
    fn recover_tail(&mut self, segment: u16, recovered: &mut Recovered) {
        let Some(head) = self.segments.head(segment) else { return };
        let used = self.segments.get(segment).used;
        let mut scan = Scan::new(Area::Segment(segment), head, HEAD_BYTES, used);
        let mut end = HEAD_BYTES;
        while let Ok(Some((offset, frame))) = patiently(|| scan.next(&mut self.medium)) {
            // What cannot be read may be readable later.
            if payload_crc(&mut self.medium, segment, offset, &frame)
                .map_or(true, |crc| crc == frame.payload_crc)
            {
                end = offset + frame.bytes();
            }
        }
        // Frames behind the last whole one: they are as if they had never been.
        if end < used {
            recovered.torn = true;
            self.torn = Some(Torn { segment, from: end, to: used });
            self.forget_from(segment, end, recovered);
        }
    }

    fn forget_from(&mut self, segment: u16, offset: u32, recovered: &mut Recovered) {
        let Some(head) = self.segments.head(segment) else { return };
        let used = core::mem::replace(&mut self.segments.get_mut(segment).used, offset);
        let mut scan = Scan::new(Area::Segment(segment), head, offset, used);
        while let Ok(Some((_, frame))) = patiently(|| scan.next(&mut self.medium)) {
            let Some(slot) = self.partitions.find_named(scan.topic(), frame.partition) else { continue };
            let slot = self.partitions.get_mut(slot);
            slot.next = slot.next.min(frame.sequence.max(slot.done));
            slot.sent = slot.sent.min(slot.next);
            if frame.end() > slot.done {
                recovered.frames -= 1;
                recovered.records -= u64::from(frame.records);
                let segment = self.segments.get_mut(segment);
                segment.live = segment.live.saturating_sub(1);
            }
        }
    }
}

pub(super) fn read_head<M: Medium>(
    medium: &mut M,
    segment: u16,
) -> Result<[u8; HEAD_BYTES as usize], MediumError> {
    let mut bytes = [0; HEAD_BYTES as usize];
    medium.read(Area::Segment(segment), 0, &mut bytes)?;
    Ok(bytes)
}

/// The head that a segment would have under this number, if its frames were written under that.
pub(super) fn known_by_frames<M: Medium>(
    medium: &mut M,
    segment: u16,
    spool: SpoolId,
    number: u64,
    segment_bytes: u32,
) -> Option<SegmentHead> {
    let head = SegmentHead { spool, number, first_frame: 0, life: 0 };
    let mut scan = Scan::new(Area::Segment(segment), head, HEAD_BYTES, segment_bytes);
    let frame = scan.at(medium).ok().flatten()?;
    Some(SegmentHead { first_frame: frame.number, life: frame.life, ..head })
}

/// The checksum that a frame's records have now.
pub(super) fn payload_crc<M: Medium>(
    medium: &mut M,
    segment: u16,
    offset: u32,
    frame: &FrameHead,
) -> Result<u32, MediumError> {
    let mut crc = crc32fast::Hasher::new();
    let mut piece = [0; 256];
    let (mut at, mut left) = (offset + frame.payload_at(), frame.payload_bytes);
    while left > 0 {
        let count = left.min(piece.len() as u32);
        let piece = &mut piece[..count as usize];
        patiently(|| medium.read(Area::Segment(segment), at, piece))?;
        crc.update(piece);
        (at, left) = (at + count, left - count);
    }
    Ok(crc.finalize())
}

/// Finds the frames of a segment, one after the other. Where none begins it looks on: damage costs no more than itself.
#[derive(Debug)]
pub struct Scan {
    area: Area,
    segment: SegmentHead,
    offset: u32,
    end: u32,
    topic: [u8; TOPIC_BYTES],
    topic_bytes: usize,
}

impl Scan {
    pub(super) const fn new(area: Area, segment: SegmentHead, offset: u32, end: u32) -> Self {
        Self { area, segment, offset, end, topic: [0; TOPIC_BYTES], topic_bytes: 0 }
    }

    /// The next frame, and where it begins.
    ///
    /// # Errors
    /// [`MediumError`]: it can be tried again.
    pub fn next<M: Medium>(&mut self, medium: &mut M) -> Result<Option<(u32, FrameHead)>, MediumError> {
        while self.offset.saturating_add(HEAD_BYTES) <= self.end {
            let offset = self.offset;
            if let Some(head) = self.at(medium)? {
                self.offset += head.bytes();
                return Ok(Some((offset, head)));
            }
            self.offset += ALIGNMENT;
        }
        Ok(None)
    }

    /// The name of the last one's topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        core::str::from_utf8(&self.topic[..self.topic_bytes]).unwrap_or_default()
    }

    fn at<M: Medium>(&mut self, medium: &mut M) -> Result<Option<FrameHead>, MediumError> {
        let mut bytes = [0; HEAD_BYTES as usize];
        medium.read(self.area, self.offset, &mut bytes)?;
        let Some(head) = FrameHead::decode(&bytes) else { return Ok(None) };
        let fits = u64::from(self.offset) + u64::from(head.bytes()) <= u64::from(self.end);
        let Some(topic) = self.topic.get_mut(..usize::from(head.topic_bytes)).filter(|_| fits) else {
            return Ok(None);
        };
        medium.read(self.area, self.offset + HEAD_BYTES, topic)?;
        self.topic_bytes = topic.len();
        Ok(is_valid(&bytes, topic, &self.segment).then_some(head))
    }
}
