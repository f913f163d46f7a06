//! Checkpoints: two slots, written in turn, each with a generation. One that was torn is not valid, and the other one
//! still is.

use super::format::{Flaw, Get, HEAD_BYTES, Reader, SpoolId, VERSION, Writer, is_blank, join};
use super::partitions::{PartitionSlot, Stamp};
use super::{Area, Counts, Medium, MediumError, Spool, TOPIC_BYTES};
use crate::id::{TopicId, TopicPartition};
use crate::memory::Storage;

const MAGIC: [u8; 8] = *b"FLSPCKP\n";
pub(super) const HEAD: u32 = 3 * HEAD_BYTES;
/// Of the head, its own checksum not included.
const HEAD_END: usize = HEAD as usize - 4;
const PARTITION_BYTES: u32 = 68;

/// How long an area for a checkpoint must be.
#[must_use]
pub const fn checkpoint_bytes(topics: usize, partitions: usize) -> u32 {
    HEAD + (topics * (TOPIC_BYTES + 5)) as u32 + partitions as u32 * PARTITION_BYTES
}

/// The begin of a checkpoint.
#[derive(Clone, Copy, Debug)]
pub struct CheckpointHead {
    /// Counts checkpoints: of two the greater one counts.
    pub generation: u64,
    /// The spool's number.
    pub id: SpoolId,
    /// What tells this machine and this copy from others.
    pub machine: u64,
    /// Which boot of the machine it was.
    pub boot: u64,
    /// The first life in it.
    pub boot_life: u32,
    /// The life that wrote it.
    pub life: u32,
    /// Segments with a smaller number are done.
    pub oldest_number: u64,
    /// The next segment's number.
    pub next_number: u64,
    /// The next frame's number.
    pub next_frame: u64,
    /// What has happened to the spool.
    pub counts: Counts,
    /// How many topics follow.
    pub topics: u16,
    /// How many partitions follow those.
    pub partitions: u32,
    body_bytes: u32,
    body_crc: u32,
}

impl CheckpointHead {
    fn encode(&self) -> [u8; HEAD as usize] {
        let Counts { dropped, expired, damaged, found_stored, copies } = self.counts;
        let mut bytes: [u8; HEAD as usize] = join(&[
            &MAGIC,
            &VERSION.to_le_bytes(),
            &self.topics.to_le_bytes(),
            &self.partitions.to_le_bytes(),
            &self.id,
            &self.generation.to_le_bytes(),
            &self.machine.to_le_bytes(),
            &self.oldest_number.to_le_bytes(),
            &self.next_number.to_le_bytes(),
            &self.next_frame.to_le_bytes(),
            &dropped.to_le_bytes(),
            &expired.to_le_bytes(),
            &damaged.to_le_bytes(),
            &found_stored.to_le_bytes(),
            &copies.to_le_bytes(),
            &self.boot.to_le_bytes(),
            &self.boot_life.to_le_bytes(),
            &self.life.to_le_bytes(),
            &self.body_bytes.to_le_bytes(),
            &self.body_crc.to_le_bytes(),
        ]);
        let crc = crc32fast::hash(&bytes[..HEAD_END]);
        bytes[HEAD_END..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The checkpoint in this slot: its body was read, and checksummed. `None` where none was written.
    pub(super) fn read<M: Medium>(medium: &mut M, slot: u8, area_bytes: u32) -> Result<Option<Self>, Flaw> {
        let area = Area::Checkpoint(slot);
        let mut bytes = [0; HEAD as usize];
        Reader::new(medium, area, 0, area_bytes).fill(&mut bytes).ok_or(Flaw::Unreadable)?;
        if is_blank(&bytes) {
            return Ok(None);
        }
        let head = Self::decode(&bytes)?;
        let mut body = Reader::new(medium, area, HEAD, area_bytes);
        let mut piece = [0; 64];
        let mut left = head.body_bytes;
        while left > 0 {
            let count = left.min(piece.len() as u32);
            body.fill(&mut piece[..count as usize]).ok_or(Flaw::Body)?;
            left -= count;
        }
        if body.crc() == head.body_crc { Ok(Some(head)) } else { Err(Flaw::Body) }
    }

    fn decode(bytes: &[u8; HEAD as usize]) -> Result<Self, Flaw> {
        let mut at = Get { bytes, at: 0 };
        let (magic, version) = (at.get(), u16::from_le_bytes(at.get()));
        if magic != MAGIC || bytes[HEAD_END..] != crc32fast::hash(&bytes[..HEAD_END]).to_le_bytes() {
            return Err(Flaw::Head);
        }
        if version != VERSION {
            return Err(Flaw::Version(version));
        }
        let (topics, partitions) = (u16::from_le_bytes(at.get()), u32::from_le_bytes(at.get()));
        let id = at.get();
        let mut word = || u64::from_le_bytes(at.get());
        let (generation, machine, oldest_number) = (word(), word(), word());
        let (next_number, next_frame) = (word(), word());
        let counts = Counts {
            dropped: word(),
            expired: word(),
            damaged: word(),
            found_stored: word(),
            copies: word(),
        };
        let boot = word();
        let mut word = || u32::from_le_bytes(at.get());
        let (boot_life, life, body_bytes, body_crc) = (word(), word(), word(), word());
        Ok(Self {
            generation,
            id,
            machine,
            boot,
            boot_life,
            life,
            oldest_number,
            next_number,
            next_frame,
            counts,
            topics,
            partitions,
            body_bytes,
            body_crc,
        })
    }
}

/// What stands behind the head of a valid checkpoint: its topics, and then its partitions.
#[derive(Debug)]
pub struct CheckpointBody {
    area: Area,
    at: u32,
    end: u32,
    name: [u8; TOPIC_BYTES],
}

/// What a checkpoint says of a partition. All counts are of its records, since the spool was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointPartition {
    /// Its topic: the first one of the checkpoint is 0.
    pub topic: u16,
    /// Its index there.
    pub partition: i32,
    /// Written.
    pub written: u64,
    /// Done: all before this one.
    pub done: u64,
    /// Its last frame's number.
    pub last_frame: u64,
    /// The last numbering that it was sent under.
    pub stamp: Option<Stamp>,
    /// Records that were dropped.
    pub dropped: u64,
    /// One behind the last of those.
    pub dropped_end: u64,
}

impl CheckpointBody {
    /// That of the checkpoint in this slot.
    #[must_use]
    pub const fn new(slot: u8, head: &CheckpointHead) -> Self {
        let end = HEAD + head.body_bytes;
        Self { area: Area::Checkpoint(slot), at: HEAD, end, name: [0; TOPIC_BYTES] }
    }

    /// The next topic, and how many partitions it was known to have; 0 where nobody knew. To be called as often as there are
    /// topics. `None` where it cannot be read.
    pub fn next_topic<M: Medium>(&mut self, medium: &mut M) -> Option<(&str, i32)> {
        let mut body = Reader::new(medium, self.area, self.at, self.end);
        let [length] = body.get()?;
        let name = self.name.get_mut(..usize::from(length))?;
        body.fill(name)?;
        let partitions = i32::from_le_bytes(body.get()?);
        self.at += 5 + u32::from(length);
        Some((core::str::from_utf8(name).ok()?, partitions))
    }

    /// The next partition; as often as there are, when all topics were read. `None` where it cannot be read.
    pub fn next_partition<M: Medium>(&mut self, medium: &mut M) -> Option<CheckpointPartition> {
        let bytes = Reader::new(medium, self.area, self.at, self.end).get()?;
        self.at += PARTITION_BYTES;
        Some(decode(&bytes))
    }
}

impl<S: Storage, M: Medium> Spool<S, M> {
    /// Writes down how far each partition is done, and under which numbering it is sent, and makes that last. It frees the
    /// segments whose frames are all done. What is done but not written down is asked about, or sent again, in the next
    /// life.
    ///
    /// # Errors
    /// [`MediumError`]: the checkpoint before is still good.
    pub fn checkpoint(&mut self) -> Result<(), MediumError> {
        let slot = ((self.generation + 1) % 2) as u8;
        let area = Area::Checkpoint(slot);
        let mut body = Writer::new(&mut self.medium, area, HEAD);
        let mut topics = 0;
        for (name, partitions) in self.partitions.topics() {
            body.put(&[name.len() as u8])?;
            body.put(name.as_bytes())?;
            body.put(&partitions.to_le_bytes())?;
            topics += 1;
        }
        for partition in 0..self.partitions.used {
            body.put(&encode(self.partitions.get(partition)))?;
        }
        let (body_bytes, body_crc) = (body.at - HEAD, body.crc());
        let head = CheckpointHead {
            generation: self.generation + 1,
            id: self.id,
            machine: self.config.machine,
            boot: self.config.boot,
            boot_life: self.boot_life,
            life: self.life,
            oldest_number: self.segments.oldest_number(),
            next_number: self.segments.next_number,
            next_frame: self.next_frame,
            counts: self.counts,
            topics,
            partitions: self.partitions.used,
            body_bytes,
            body_crc,
        };
        self.medium.write(area, 0, &head.encode())?;
        self.medium.sync(area)?;
        self.generation += 1;
        self.changed = false;
        self.unsure.unwritten = 0;
        self.segments.release();
        Ok(())
    }

    /// Whether a [`checkpoint`](Self::checkpoint) would say more than the last one.
    #[must_use]
    pub const fn has_changed(&self) -> bool {
        self.changed
    }

    /// Takes what a valid checkpoint says of topics and partitions, as far as there is room for it.
    pub(super) fn restore(&mut self, slot: u8, head: &CheckpointHead, keep_stamps: bool) -> Option<()> {
        let mut body = CheckpointBody::new(slot, head);
        for _ in 0..head.topics {
            let (name, partitions) = body.next_topic(&mut self.medium)?;
            let topic = self.partitions.intern(name)?;
            self.partitions.set_topic_partitions(topic, partitions);
        }
        for _ in 0..head.partitions {
            let restored = body.next_partition(&mut self.medium)?;
            let CheckpointPartition { topic, partition, written, done, .. } = restored;
            let key = TopicPartition { topic: TopicId(topic), partition };
            let slot = self.partitions.find_or_take(key, 0)?;
            let next = written.max(done);
            *self.partitions.get_mut(slot) = PartitionSlot {
                key,
                next,
                read: done,
                done,
                stamp: restored.stamp.filter(|_| keep_stamps),
                last_frame: restored.last_frame,
                dropped: restored.dropped,
                dropped_end: restored.dropped_end,
                ..PartitionSlot::EMPTY
            };
        }
        Some(())
    }
}

fn encode(partition: &PartitionSlot) -> [u8; PARTITION_BYTES as usize] {
    let none = Stamp { producer_id: -1, producer_epoch: -1, base: 0, life: 0 };
    let stamp = partition.stamp.unwrap_or(none);
    join(&[
        &partition.key.partition.to_le_bytes(),
        &partition.key.topic.0.to_le_bytes(),
        &stamp.producer_epoch.to_le_bytes(),
        &partition.next.to_le_bytes(),
        &partition.done.to_le_bytes(),
        &partition.last_frame.to_le_bytes(),
        &stamp.producer_id.to_le_bytes(),
        &stamp.base.to_le_bytes(),
        &stamp.life.to_le_bytes(),
        &partition.dropped.to_le_bytes(),
        &partition.dropped_end.to_le_bytes(),
    ])
}

fn decode(bytes: &[u8; PARTITION_BYTES as usize]) -> CheckpointPartition {
    let mut at = Get { bytes, at: 0 };
    let (partition, topic) = (i32::from_le_bytes(at.get()), u16::from_le_bytes(at.get()));
    let producer_epoch = i16::from_le_bytes(at.get());
    let (written, done) = (u64::from_le_bytes(at.get()), u64::from_le_bytes(at.get()));
    let last_frame = u64::from_le_bytes(at.get());
    let (producer_id, base) = (i64::from_le_bytes(at.get()), u64::from_le_bytes(at.get()));
    let stamp = Stamp { producer_id, producer_epoch, base, life: u32::from_le_bytes(at.get()) };
    let stamp = (producer_id >= 0).then_some(stamp);
    let (dropped, dropped_end) = (u64::from_le_bytes(at.get()), u64::from_le_bytes(at.get()));
    CheckpointPartition { topic, partition, written, done, last_frame, stamp, dropped, dropped_end }
}
