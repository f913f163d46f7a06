//! Reading: a frame's records into blocks, and what became of them.

use super::doubt::SEQUENCES;
use super::format::FrameHead;
use super::hands::FrameSlot;
use super::loss::Loss;
use super::segments::Place;
use super::{Area, Medium, MediumError, Spool, SpoolPartition};
use crate::event::Numbers;
use crate::memory::{Chain, OpenChain, Pool, Storage};
use crate::time::Timestamp;

/// What is to be read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing, for now.
    Nothing,
    /// A former life has sent records of this partition, perhaps: how far the broker has them is to be asked, and
    /// [`answer`](Spool::answer) to be called. Others are read meanwhile.
    Ask {
        /// The partition.
        partition: SpoolPartition,
        /// Under which producer id.
        producer_id: i64,
    },
    /// A frame with so many bytes of records: [`take`](Spool::take) reads it.
    Frame {
        /// Its partition.
        partition: SpoolPartition,
        /// Bytes of its records.
        bytes: u32,
    },
}

/// A frame that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its partition.
    pub partition: SpoolPartition,
    /// Its own number.
    pub number: u64,
    /// How many records of the partition were spooled before it, ever.
    pub sequence: u64,
    /// How many records it has.
    pub records: u32,
    /// So many of them are stored already: they are not to be sent again.
    pub skip: u32,
    /// The first record's timestamp.
    pub base_timestamp: Timestamp,
    /// The largest timestamp of its records.
    pub max_timestamp: Timestamp,
    /// What a former life may have sent it under, from the first record on that is not to be skipped.
    pub numbers: Option<Numbers>,
    /// It does not follow on the frame that was read before: it [begins a numbering](crate::Sender::enqueue_apart).
    pub apart: bool,
    hand: u16,
}

/// Why a frame was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeError {
    /// Not as many blocks are free as it needs. It is still the next one.
    NoMemory,
    /// Nor is it the next one any more: others of its partition are with the sender, and it is read when one of them is done.
    Wait,
    /// It was damaged on the medium: its records are lost, and counted. Another one is next.
    Damaged,
    /// It was older than what is [wanted](Spool::drop_older): its records are dropped, and counted. Another one is next.
    TooOld,
    /// The medium failed. It is still the next one: try again, or [`abandon`](Spool::abandon) it.
    Medium(MediumError),
}

/// The frame at the cursor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) place: Place,
    pub(super) head: FrameHead,
    pub(super) partition: u32,
}

impl<S: Storage, M: Medium> Spool<S, M> {
    /// Reads the frame that [`poll_next`](Self::poll_next) has told of, into blocks of the pool.
    ///
    /// # Errors
    /// [`TakeError`].
    pub fn take(&mut self, pool: &mut Pool<S::Block>) -> Result<(Frame, Chain<S::Block>), TakeError> {
        let (Some(Found { place, head, partition }), Some(hand)) = (self.found, self.hands.free()) else {
            return Err(TakeError::NoMemory);
        };
        if self.is_too_old(partition, &head) {
            self.lose_found(Loss::Age);
            return Err(TakeError::TooOld);
        }
        let Some((base_timestamp, max_timestamp)) = self.times(&head) else {
            return Err(TakeError::NoMemory);
        };
        let blocks = head.payload_bytes.div_ceil(pool.block_bytes().max(1)).max(1);
        if blocks > pool.free() {
            if self.hands.count(partition) == 0 {
                return Err(TakeError::NoMemory);
            }
            self.lag(partition, place);
            self.partitions.get_mut(partition).starved = true;
            return Err(TakeError::Wait);
        }
        let mut chain = OpenChain::new();
        let read = self.read_payload(place, &head, &mut chain, pool);
        if read != Ok(head.payload_crc) {
            pool.recycle(chain.seal());
            return Err(match read {
                Err(error) => TakeError::Medium(error),
                Ok(_) => {
                    self.lose_found(Loss::Damaged);
                    TakeError::Damaged
                }
            });
        }
        self.found = None;
        let slot = self.partitions.get_mut(partition);
        slot.read = head.end();
        let apart = core::mem::replace(&mut slot.read_last, head.end()) != head.sequence;
        // The leader may have a part of a frame that went out in parts.
        let stored = slot.cut.filter(|cut| *cut < head.end()).unwrap_or(0).max(slot.done);
        let skip = stored.saturating_sub(head.sequence);
        self.hands.put(
            hand,
            FrameSlot { used: true, partition, from: head.sequence, place: Some(place), done: false },
        );
        // One that follows but has no room would be waited for in vain.
        let has_blocks = pool.free() >= self.largest.div_ceil(pool.block_bytes().max(1));
        let room = self.has_share(partition) && self.hands.free().is_some() && has_blocks;
        let slot = self.partitions.get_mut(partition);
        let stamp = slot.was_perhaps_sent(self.life, &head);
        let frame = Frame {
            partition: SpoolPartition(partition),
            number: head.number,
            sequence: head.sequence,
            records: head.records,
            skip: skip as u32,
            base_timestamp,
            max_timestamp,
            numbers: stamp.map(|stamp| Numbers {
                producer_id: stamp.producer_id,
                producer_epoch: stamp.producer_epoch,
                base_sequence: ((head.sequence + skip - stamp.base) % SEQUENCES) as i32,
                more: head.end() < slot.former && room,
            }),
            apart,
            hand,
        };
        if stamp.is_some() {
            self.count_forgotten(partition, head.sequence + skip, head.end());
        }
        self.segments.get_mut(place.segment).in_hand += 1;
        Ok((frame, chain.seal()))
    }

    /// Its checksum, once all of it is in the chain.
    fn read_payload(
        &mut self,
        place: Place,
        head: &FrameHead,
        chain: &mut OpenChain<S::Block>,
        pool: &mut Pool<S::Block>,
    ) -> Result<u32, MediumError> {
        let mut crc = crc32fast::Hasher::new();
        let mut at = place.offset + head.payload_at();
        let mut left = head.payload_bytes;
        while left > 0 {
            if chain.room() == 0 {
                // There are enough: they were counted.
                let Some(block) = pool.take() else { break };
                chain.push(block);
            }
            let space = chain.rest();
            let count = space.len().min(left as usize);
            let space = &mut space[..count];
            self.medium.read(Area::Segment(place.segment), at, space)?;
            crc.update(space);
            chain.wrote(count as u32);
            at += count as u32;
            left -= count as u32;
        }
        Ok(crc.finalize())
    }

    /// Gives up what cannot be read: the frame that [`poll_next`](Self::poll_next) has told of, or else what is left of a
    /// segment.
    pub fn abandon(&mut self) {
        if self.found.is_some() {
            self.lose_found(Loss::Damaged);
        } else {
            let reader = self.partitions.first_lagging();
            if let Some(place) = self.settle(reader) {
                self.counts.damaged += 1;
                self.changed = true;
                let slot = self.segments.get_mut(place.segment);
                slot.set_aside();
                let end = Place { offset: slot.used, ..place };
                self.go_on(reader, end);
            }
        }
    }

    /// Every record of the frame has its outcome.
    pub fn done(&mut self, frame: &Frame) {
        let Some(slot) = self.hands.get_mut(frame.hand) else { return };
        let (partition, Some(place)) = (slot.partition, slot.place.filter(|_| slot.used && !slot.done))
        else {
            return;
        };
        slot.done = true;
        self.unsure.unwritten += 1;
        self.segments.get_mut(place.segment).in_hand -= 1;
        self.segments.finish_frame(place.segment);
        let end = frame.sequence + u64::from(frame.records);
        self.confirm_cut(partition, frame.sequence, end);
        self.confirm_lost_cut(partition, end);
        self.advance_done(partition);
        self.partitions.get_mut(partition).starved = false;
        self.catch_up(partition);
    }

    /// The frame is to be sent again, but for its first `stored` records: it is read once more.
    pub fn put_back(&mut self, frame: &Frame, stored: u32) {
        let Some(slot) = self.hands.get_mut(frame.hand) else { return };
        let (partition, Some(place)) = (slot.partition, slot.place.filter(|_| slot.used && !slot.done))
        else {
            return;
        };
        let from = slot.from;
        slot.used = false;
        self.segments.get_mut(place.segment).in_hand -= 1;
        if stored > 0 {
            self.confirm_cut(partition, from, from + u64::from(stored));
        }
        let first = self.hands.first(partition).is_none_or(|first| first > from);
        let slot = self.partitions.get_mut(partition);
        if first && from <= slot.read && slot.cut.is_none() {
            slot.done = slot.done.max(from + u64::from(stored));
        }
        slot.read = slot.read.min(from);
        self.lag(partition, place);
        self.partitions.get_mut(partition).starved = false;
        self.catch_up(partition);
    }

    /// The frame was not sent, nor were those of its partition behind it: they are read once more, as if they had not been.
    pub fn unread(&mut self, frame: &Frame) {
        self.put_back(frame, 0);
        let slot = self.partitions.get_mut(frame.partition.0);
        if frame.sequence <= slot.read_last {
            // What followed on nothing does not follow on anything now.
            slot.read_last = if frame.apart { u64::MAX } else { frame.sequence };
        }
    }

    /// Nothing of the partition is read until it is [unparked](Self::unpark).
    pub fn park(&mut self, partition: SpoolPartition) {
        self.partitions.get_mut(partition.0).parked = true;
        if let Some(found) = self.found.filter(|found| found.partition == partition.0) {
            self.lag(partition.0, found.place);
        }
    }

    /// The partition is read again, from where it was left.
    pub fn unpark(&mut self, partition: SpoolPartition) {
        self.partitions.get_mut(partition.0).parked = false;
        self.catch_up(partition.0);
    }

    /// All before the first record that is with the sender, or is not read, is done. What is done behind that is kept in
    /// mind: it is passed over should one before it be read again.
    pub(super) fn advance_done(&mut self, partition: u32) {
        let first = self.hands.first(partition);
        let slot = self.partitions.get_mut(partition);
        if slot.cut.is_some() {
            return;
        }
        slot.done = first.map_or(slot.read, |first| first.min(slot.read)).max(slot.done);
        self.hands.forget(partition, slot.done);
        self.changed = true;
    }
}
