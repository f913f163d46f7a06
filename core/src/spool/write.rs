//! Writing: a frame behind the other, a segment behind the other, and what is durable of it.

use core::fmt;

use super::format::{FrameHead, HEAD_BYTES, SegmentHead, Writer, frame_bytes};
use super::loss::Loss;
use super::partitions::Stamp;
use super::segments::Torn;
use super::{Area, Medium, MediumError, Spool, SpoolPartition, WhenFull};
use crate::id::TopicPartition;
use crate::memory::Storage;
use crate::time::Timestamp;

/// A batch, about to be written.
#[derive(Clone, Copy, Debug)]
pub struct NewFrame<'f> {
    /// Its topic.
    pub topic: &'f str,
    /// Its partition there.
    pub partition: i32,
    /// How many records it has.
    pub records: u32,
    /// The first record's timestamp.
    pub base_timestamp: Timestamp,
    /// The largest timestamp of its records.
    pub max_timestamp: Timestamp,
}

/// Why a frame was not written. Nothing of it counts; it can be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendError {
    /// No segment is free, and none can be dropped.
    Full,
    /// It is longer than a segment. Trying again does not help.
    TooLarge {
        /// Its bytes on the medium.
        bytes: u32,
        /// The most that fit.
        max: u32,
    },
    /// The tables hold no more topics or partitions while frames of the others are on the medium.
    TooManyPartitions,
    /// The medium failed.
    Medium(MediumError),
}

impl From<MediumError> for AppendError {
    fn from(error: MediumError) -> Self {
        Self::Medium(error)
    }
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("every segment of the spool holds records that are not acknowledged"),
            Self::TooLarge { bytes, max } => write!(f, "a frame of {bytes} bytes, and a segment takes {max}"),
            Self::TooManyPartitions => f.write_str("the spool holds records of as many partitions as it can"),
            Self::Medium(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for AppendError {}

impl<S: Storage, M: Medium> Spool<S, M> {
    /// Writes a batch: its encoded records, piece by piece. The number of its frame is below what
    /// [`sync`](Self::sync) gives once it is durable.
    ///
    /// # Errors
    /// [`AppendError`]; the frame is not in the spool then.
    pub fn append<'p>(
        &mut self,
        frame: &NewFrame<'_>,
        payload: impl Iterator<Item = &'p [u8]> + Clone,
    ) -> Result<u64, AppendError> {
        let mut crc = crc32fast::Hasher::new();
        let mut payload_bytes = 0_u32;
        for piece in payload.clone() {
            crc.update(piece);
            payload_bytes = payload_bytes.saturating_add(piece.len() as u32);
        }
        let bytes = frame_bytes(frame.topic.len() as u32, payload_bytes);
        let max = self.config.segment_bytes - HEAD_BYTES;
        if bytes > max {
            return Err(AppendError::TooLarge { bytes, max });
        }
        let segment = self.segment_for(bytes)?;
        let topic = self.partitions.intern(frame.topic).ok_or(AppendError::TooManyPartitions)?;
        let key = TopicPartition { topic, partition: frame.partition };
        let oldest = self.segments.oldest_frame().unwrap_or(self.next_frame);
        let slot = self.partitions.find_or_take(key, oldest).ok_or(AppendError::TooManyPartitions)?;
        let since_boot = frame.base_timestamp.as_since_boot();
        let millis = |time: Timestamp| time.as_since_boot().unwrap_or(time.as_millis());
        let head = FrameHead {
            topic_bytes: frame.topic.len() as u8,
            since_boot: since_boot.is_some(),
            payload_bytes,
            partition: frame.partition,
            number: self.next_frame,
            sequence: self.partitions.get(slot).next,
            records: frame.records,
            life: self.life,
            base_timestamp: millis(frame.base_timestamp),
            max_timestamp: millis(frame.max_timestamp),
            payload_crc: crc.finalize(),
        };
        let written = self.write(segment, &head, frame.topic, payload);
        self.segments.get_mut(segment).broken = written.is_err();
        written?;
        let partition = self.partitions.get_mut(slot);
        partition.next = head.end();
        partition.last_frame = head.number;
        let slot = self.segments.get_mut(segment);
        slot.used += bytes;
        slot.live += 1;
        self.next_frame += 1;
        Ok(head.number)
    }

    fn write<'p>(
        &mut self,
        segment: u16,
        head: &FrameHead,
        topic: &str,
        payload: impl Iterator<Item = &'p [u8]>,
    ) -> Result<(), AppendError> {
        let slot = self.segments.get_mut(segment);
        slot.dirty = true;
        let (at, Some(segment_head)) = (slot.used, self.segments.head(segment)) else {
            return Err(AppendError::Full);
        };
        let mut writer = Writer::new(&mut self.medium, Area::Segment(segment), at);
        writer.put(&head.encode(topic, &segment_head))?;
        writer.put(topic.as_bytes())?;
        for piece in payload {
            writer.put(piece)?;
        }
        let padding = (head.bytes() - (writer.at - at)) as usize;
        writer.put(&[0; 8][..padding])?;
        Ok(())
    }

    /// The segment that takes so many bytes more.
    fn segment_for(&mut self, bytes: u32) -> Result<u16, AppendError> {
        self.erase_torn()?;
        if let Some(active) = self.segments.active {
            if self.segments.get(active).used + bytes <= self.config.segment_bytes {
                self.renew_head(active)?;
                return Ok(active);
            }
            self.erase_refused(active)?;
            // Only the last segment may be torn by a loss of power. One that fails to sync is none the less read.
            self.sync_failed = self.sync_segment(active).err().or(self.sync_failed);
            self.segments.active = None;
            self.segments.finish(active);
        }
        let segment = self.free_segment()?;
        let head = SegmentHead {
            spool: self.id,
            number: self.segments.next_number,
            first_frame: self.next_frame,
            life: self.life,
        };
        self.medium.write(Area::Segment(segment), 0, &head.encode())?;
        self.segments.begin(segment, head);
        self.segments.get_mut(segment).dirty = true;
        self.segments.active = Some(segment);
        Ok(segment)
    }

    /// What is durable must stand behind a head that is.
    fn renew_head(&mut self, segment: u16) -> Result<(), MediumError> {
        let slot = self.segments.get(segment);
        if let (true, Some(head)) = (slot.head_unsure, self.segments.head(segment)) {
            self.medium.write(Area::Segment(segment), 0, &head.encode())?;
            self.segments.get_mut(segment).head_unsure = false;
        }
        Ok(())
    }

    /// A frame that failed to be written is tried again in another segment: what is left of it here must not come back. The
    /// next one in its own place would overwrite it.
    fn erase_refused(&mut self, segment: u16) -> Result<(), MediumError> {
        let slot = self.segments.get(segment);
        if slot.broken {
            self.medium.write(Area::Segment(segment), slot.used, &[0; HEAD_BYTES as usize])?;
            self.sync_segment(segment)?;
            self.segments.get_mut(segment).broken = false;
        }
        Ok(())
    }

    /// A torn end that is not the end any more would be taken for frames that are damaged, and what was written since has the
    /// numbers of their records.
    fn erase_torn(&mut self) -> Result<(), MediumError> {
        let Some(Torn { segment, from, to }) = self.torn else { return Ok(()) };
        let zeros = [0; HEAD_BYTES as usize];
        for at in (from..to).step_by(zeros.len()) {
            let count = zeros.len().min((to - at) as usize);
            self.medium.write(Area::Segment(segment), at, &zeros[..count])?;
        }
        self.sync_segment(segment)?;
        self.torn = None;
        Ok(())
    }

    fn free_segment(&mut self) -> Result<u16, AppendError> {
        if self.segments.free().is_none() && self.segments.has_done() {
            self.checkpoint()?;
        }
        if self.segments.free().is_none() && self.drop_expired()? {
            self.checkpoint()?;
        }
        if self.segments.free().is_none() && self.config.when_full == WhenFull::DropOldest {
            self.drop_oldest()?;
        }
        self.segments.free().ok_or(AppendError::Full)
    }

    fn drop_oldest(&mut self) -> Result<(), AppendError> {
        let segment = self.segments.droppable().ok_or(AppendError::Full)?;
        self.drop_segment(segment, Loss::Full)?;
        Ok(self.checkpoint()?)
    }

    /// Makes everything that was written so far last: the number of the first frame that is not durable.
    ///
    /// # Errors
    /// [`MediumError`]: none of the frames since the last sync may be called durable, not even after a later success: the
    /// system may have forgotten that they are not. They are in the spool all the same, and the next ones go elsewhere.
    pub fn sync(&mut self) -> Result<u64, MediumError> {
        while let Some(segment) = self.segments.dirty() {
            if let Err(error) = self.sync_segment(segment) {
                self.segments.get_mut(segment).head_unsure = true;
                if self.segments.active == Some(segment) && !self.segments.get(segment).broken {
                    self.segments.active = None;
                    self.segments.finish(segment);
                }
                return Err(error);
            }
        }
        match core::mem::take(&mut self.sync_failed) {
            Some(error) => Err(error),
            None => Ok(self.next_frame),
        }
    }

    fn sync_segment(&mut self, segment: u16) -> Result<(), MediumError> {
        self.segments.get_mut(segment).dirty = false;
        self.medium.sync(Area::Segment(segment))
    }

    /// A numbering begins: records from this one of the partition on are sent under it. It must be
    /// [written down](Self::checkpoint) before the first of them is.
    pub fn note(&mut self, partition: SpoolPartition, producer_id: i64, producer_epoch: i16, base: u64) {
        let life = self.life;
        let slot = self.partitions.get_mut(partition.0);
        slot.stamp = Some(Stamp { producer_id, producer_epoch, base, life });
        self.changed = true;
        self.deny_cut(partition.0);
    }

    /// How many partitions a topic has, for lives that begin without a cluster.
    pub fn note_topic(&mut self, topic: &str, partitions: i32) {
        if let Some(topic) = self.partitions.intern(topic) {
            self.changed |= self.partitions.set_topic_partitions(topic, partitions);
        }
    }

    /// The topics that it knows, and how many partitions they had; 0 where nobody knew.
    pub fn topics(&self) -> impl Iterator<Item = (&str, i32)> {
        self.partitions.topics()
    }
}
