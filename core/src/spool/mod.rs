//! The spool: batches on a medium that outlives the process, from their acceptance until the broker has them.
//!
//! ```text
//!   append ─► [ frames of all partitions, one behind the other, in segments ] ─► next, load ─► sender ─► done
//!                                                                                  ▲                └──► put_back
//!             checkpoint: how far each partition is done, and its numbering ───────┘ open, in the next life
//! ```
//!
//! A frame is a batch as the accumulator wrote it. Frames are read in the order in which they were written, and a
//! segment is used again when the last of its frames is done: nothing is freed for another reason, but where the user
//! wants what is old to be dropped. `FORMAT.md` beside this file has every byte.
//!
//! It does no I/O: it asks a [`Medium`] for writes, syncs and reads, and works as well as that does. So it belongs on a
//! thread that may wait. It reads no clock: whoever owns it decides when to [`sync`](Spool::sync). It must never
//! refuse to start for what it finds, and never name a frame durable that a loss of power could take.

mod checkpoint;
mod clock;
mod cursors;
mod doubt;
mod failing;
mod format;
mod hands;
pub mod inspect;
mod loss;
mod medium;
mod partitions;
mod read;
mod recovery;
mod segments;
#[cfg(test)]
mod tests;
mod write;

use crate::memory::Storage;
use crate::time::Timestamp;
pub use checkpoint::checkpoint_bytes;
pub use failing::{may_pass, refuses_numbers};
pub use format::{SpoolId, TOPIC_BYTES};
pub use hands::FrameSlot;
pub use loss::{Loss, Lost};
pub use medium::{Area, Medium, MediumError};
pub use partitions::{PartitionSlot, Stamp, TopicName};
pub use read::{Frame, Next, TakeError};
pub use recovery::{OpenError, Recovered};
pub use segments::SegmentSlot;
pub use write::{AppendError, NewFrame};

use doubt::Unsure;
use hands::Hands;
use partitions::Partitions;
use segments::{Place, Segments};

/// A partition that has frames in the spool: an index, good for this spool and this life only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpoolPartition(pub u32);

/// What to do where there is no room for a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// The frame is refused: it stays in memory, and whoever sends waits for that.
    #[default]
    RefuseNewest,
    /// The oldest segment is dropped with all that is in it. Its records are counted
    /// ([`Counts::dropped`]), and none of what is in flight is among them.
    DropOldest,
}

/// How a spool is used.
#[derive(Clone, Copy, Debug)]
pub struct SpoolConfig {
    /// Bytes of a segment: the largest frame fits into one. At least [`SEGMENT_BYTES_MIN`].
    pub segment_bytes: u32,
    /// Where there is no room.
    pub when_full: WhenFull,
    /// The number of the spool that is made where there is none: 16 random bytes.
    pub new_id: SpoolId,
    /// What tells this machine, and this copy of the medium, from others. Where it is not what it was, the numberings of
    /// former lives are not used: a copy may be in use elsewhere, under the same producer ids.
    pub machine: u64,
    /// What tells this boot of the machine from others: times that were written while the clock was not set count from its begin.
    pub boot: u64,
}

/// The least length of a segment.
pub const SEGMENT_BYTES_MIN: u32 = 4096;

/// A spool's tables, made by whoever owns the memory.
#[derive(Debug)]
pub struct SpoolTables<S: Storage> {
    /// One slot per segment of the medium, two at least.
    pub segments: S::Table<SegmentSlot>,
    /// Topics with frames in the spool.
    pub topics: S::Table<TopicName>,
    /// Partitions with frames in the spool.
    pub partitions: S::Table<PartitionSlot>,
    /// At least twice as long as `partitions`.
    pub index: S::Table<u32>,
    /// Frames that were read and are not done: as many as can be with the sender at a time.
    pub frames: S::Table<FrameSlot>,
}

/// What has happened since the spool was made; none of it is forgotten at a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records that were dropped to make room.
    pub dropped: u64,
    /// Records that were dropped for their age.
    pub expired: u64,
    /// Frames that were damaged on the medium, as far as can be told. Their records are lost.
    pub damaged: u64,
    /// Records that a former life had sent, as a broker told.
    pub found_stored: u64,
    /// Checkpoints of a copy of this spool, or of this one on another machine, were found so often.
    pub copies: u64,
}

/// Store and forward over a medium.
pub struct Spool<S: Storage, M> {
    medium: M,
    config: SpoolConfig,
    id: SpoolId,
    /// How often the spool was opened; the first time in this boot of the machine.
    life: u32,
    boot_life: u32,
    /// When this boot began, as far as that is known, and how long former ones had lasted when they wrote last.
    began: Option<Timestamp>,
    newest_of_former_boots: i64,
    /// Frames wait until it is known.
    untimed: bool,
    /// What is older is dropped.
    oldest_wanted: Option<Timestamp>,
    lost: Option<Lost>,
    /// Of some partition the last frames may be lost.
    gaps: bool,
    segments: Segments<S>,
    partitions: Partitions<S>,
    hands: Hands<S>,
    counts: Counts,
    unsure: Unsure,
    next_frame: u64,
    /// Bytes of the largest payload that was found at the start.
    largest: u32,
    /// Where reading goes on, but for partitions that lag behind.
    cursor: Option<Place>,
    /// The frame at a cursor, as `poll_next` found it.
    found: Option<read::Found>,
    /// Of the last checkpoint that was written.
    generation: u64,
    /// A torn end that was found at the start, and is still on the medium.
    torn: Option<segments::Torn>,
    /// A segment that was full could not be synced.
    sync_failed: Option<MediumError>,
    /// Something has changed that the next checkpoint is to hold.
    changed: bool,
}

impl<S: Storage, M: Medium> Spool<S, M> {
    /// The spool's number: with a partition and a record's [`sequence`](Frame::sequence) it names a record for ever.
    #[must_use]
    pub const fn id(&self) -> SpoolId {
        self.id
    }

    /// How often the spool was opened, this time included.
    #[must_use]
    pub const fn life(&self) -> u32 {
        self.life
    }

    /// What has happened to it.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Frames that are not done.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.segments.live()
    }

    /// Records of frames that are not done, and of those that are done before others of their partition.
    #[must_use]
    pub fn records(&self) -> u64 {
        let slots = (0..self.partitions.used).map(|partition| self.partitions.get(partition));
        slots.map(|slot| slot.next.saturating_sub(slot.done)).sum()
    }

    /// Bytes that were written to segments which hold frames that are not done.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.segments.bytes()
    }

    /// Whether every frame is done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames() == 0
    }

    /// A partition that has frames here, or had.
    #[must_use]
    pub fn find(&self, topic: &str, partition: i32) -> Option<SpoolPartition> {
        self.partitions.find_named(topic, partition).map(SpoolPartition)
    }

    /// Whether every frame of a partition is done.
    #[must_use]
    pub fn is_done(&self, partition: SpoolPartition) -> bool {
        let slot = self.partitions.get(partition.0);
        slot.done >= slot.next
    }

    /// Whether every frame of a partition was read, and none is to be read again.
    #[must_use]
    pub fn is_read(&self, partition: SpoolPartition) -> bool {
        let slot = self.partitions.get(partition.0);
        slot.read >= slot.next
    }

    /// The partitions with frames that are not done.
    pub fn undone(&self) -> impl Iterator<Item = SpoolPartition> {
        (0..self.partitions.used).map(SpoolPartition).filter(|&partition| !self.is_done(partition))
    }

    /// A partition's topic, and its index there.
    #[must_use]
    pub fn partition(&self, partition: SpoolPartition) -> (&str, i32) {
        let slot = self.partitions.get(partition.0);
        (self.partitions.topic(slot.key.topic), slot.key.partition)
    }

    /// The medium.
    #[cfg(test)]
    pub(crate) const fn medium(&mut self) -> &mut M {
        &mut self.medium
    }
}

impl<S: Storage, M> core::fmt::Debug for Spool<S, M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Spool")
            .field("life", &self.life)
            .field("next_frame", &self.next_frame)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}
