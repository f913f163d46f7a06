//! Checkpoints: two slots, written in turn, each with a generation. One that was torn is not valid, and the other one
//! still is.

use super::format::{Get, HEAD_BYTES, Reader, SpoolId, VERSION, Writer, join};
use super::partitions::{PartitionSlot, Stamp};
use super::{Area, Counts, Medium, MediumError, Spool, TOPIC_BYTES};
use crate::id::{TopicId, TopicPartition};
use crate::memory::Storage;

const MAGIC: [u8; 8] = *b"FLSPCKP\n";
const HEAD: u32 = 3 * HEAD_BYTES;
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
pub(super) struct Head {
    pub(super) generation: u64,
    pub(super) id: SpoolId,
    pub(super) machine: u64,
    /// Which boot of the machine it was, and the first life in it.
    pub(super) boot: u64,
    pub(super) boot_life: u32,
    pub(super) life: u32,
    /// Segments before this one are done.
    pub(super) oldest_number: u64,
    pub(super) next_number: u64,
    pub(super) next_frame: u64,
    pub(super) counts: Counts,
    topics: u16,
    partitions: u32,
    body_bytes: u32,
    body_crc: u32,
}

impl Head {
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

    /// The checkpoint in this slot, if there is a whole one: its body was read, and checksummed.
    pub(super) fn read<M: Medium>(medium: &mut M, slot: u8, area_bytes: u32) -> Option<Self> {
        let area = Area::Checkpoint(slot);
        let mut bytes = [0; HEAD as usize];
        Reader::new(medium, area, 0, area_bytes).fill(&mut bytes)?;
        if bytes[HEAD_END..] != crc32fast::hash(&bytes[..HEAD_END]).to_le_bytes() {
            return None;
        }
        let mut fields = Reader::new(medium, area, 0, area_bytes);
        let (magic, version) = (fields.get::<8>()?, u16::from_le_bytes(fields.get()?));
        let (topics, partitions) = (u16::from_le_bytes(fields.get()?), u32::from_le_bytes(fields.get()?));
        let id = fields.get()?;
        let mut word = || fields.get().map(u64::from_le_bytes);
        let (generation, machine, oldest_number) = (word()?, word()?, word()?);
        let (next_number, next_frame) = (word()?, word()?);
        let counts = Counts {
            dropped: word()?,
            expired: word()?,
            damaged: word()?,
            found_stored: word()?,
            copies: word()?,
        };
        let boot = word()?;
        let mut word = || fields.get().map(u32::from_le_bytes);
        let (boot_life, life, body_bytes, body_crc) = (word()?, word()?, word()?, word()?);
        let mut body = Reader::new(medium, area, HEAD, area_bytes);
        let mut piece = [0; 64];
        let mut left = body_bytes;
        while left > 0 {
            let count = left.min(piece.len() as u32);
            body.fill(&mut piece[..count as usize])?;
            left -= count;
        }
        let valid = magic == MAGIC && version == VERSION && body.crc() == body_crc;
        valid.then_some(Self {
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
        let head = Head {
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
    pub(super) fn restore(&mut self, slot: u8, head: &Head, keep_stamps: bool) -> Option<()> {
        let mut at = HEAD;
        let end = HEAD + head.body_bytes;
        for _ in 0..head.topics {
            let mut body = Reader::new(&mut self.medium, Area::Checkpoint(slot), at, end);
            let [length] = body.get()?;
            let mut name = [0; TOPIC_BYTES];
            let name = name.get_mut(..usize::from(length))?;
            body.fill(name)?;
            let partitions = i32::from_le_bytes(body.get()?);
            at += 5 + u32::from(length);
            let topic = self.partitions.intern(core::str::from_utf8(name).ok()?)?;
            self.partitions.set_topic_partitions(topic, partitions);
        }
        for _ in 0..head.partitions {
            let mut bytes = [0; PARTITION_BYTES as usize];
            Reader::new(&mut self.medium, Area::Checkpoint(slot), at, end).fill(&mut bytes)?;
            at += PARTITION_BYTES;
            let mut restored = decode(&bytes);
            restored.stamp = restored.stamp.filter(|_| keep_stamps);
            let slot = self.partitions.find_or_take(restored.key, 0)?;
            *self.partitions.get_mut(slot) = restored;
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

fn decode(bytes: &[u8; PARTITION_BYTES as usize]) -> PartitionSlot {
    let mut at = Get { bytes, at: 0 };
    let (partition, topic) = (i32::from_le_bytes(at.get()), u16::from_le_bytes(at.get()));
    let producer_epoch = i16::from_le_bytes(at.get());
    let (next, done) = (u64::from_le_bytes(at.get()), u64::from_le_bytes(at.get()));
    let last_frame = u64::from_le_bytes(at.get());
    let (producer_id, base) = (i64::from_le_bytes(at.get()), u64::from_le_bytes(at.get()));
    let stamp = Stamp { producer_id, producer_epoch, base, life: u32::from_le_bytes(at.get()) };
    let (dropped, dropped_end) = (u64::from_le_bytes(at.get()), u64::from_le_bytes(at.get()));
    PartitionSlot {
        key: TopicPartition { topic: TopicId(topic), partition },
        next: next.max(done),
        read: done,
        done,
        former: next.max(done),
        stamp: (producer_id >= 0).then_some(stamp),
        last_frame,
        dropped,
        dropped_end,
        ..PartitionSlot::EMPTY
    }
}
