//! Records of topics whose partitions are not known yet.
//!
//! Each topic has one queue of batches, in order of acceptance. Records that may go to any partition form plain batches,
//! which get a partition as a whole; until then they grow up to `max.request.size`, as those of a partition that nobody takes
//! do, so that the first requests over a slow link are large. Others form pending batches, an *entry* each: how the record is placed, its
//! timestamp, then the record as it would be the first of a batch. When the topic is known the queue is worked off from its
//! front: plain batches are assigned, entries are copied into their partitions' batches one by one. Until the queue is
//! empty whatever comes for the topic goes behind it, so nothing overtakes.
use super::append::{Refused, place};
use super::batches::{BatchSlot, Kind, Owner};
use super::list::NONE;
use super::partitions::State;
use super::{Accumulator, Appended, RESERVE};
use crate::batch::append::{Place, blocks_needed, write};
use crate::event::TopicView;
use crate::id::{NOBODY, TopicId, TopicPartition};
use crate::memory::Storage;
use crate::record::{Placement, Record};
use crate::time::Timestamp;

/// Bytes of an entry before its record: kind, partition or hash, timestamp.
///
/// They outweigh what a record can gain in its new place: at most 9 bytes of timestamp delta, 3 of offset delta (below
/// 2^27 records), 1 of its own length. Moving counts on it.
pub(super) const ENTRY_BYTES: usize = 1 + 4 + 8;

/// The record's length, attributes and two deltas of zero.
const RECORD_HEAD_BYTES_MAX: usize = 5 + 3;

/// How many partitions are tried for a plain batch until one that holds nothing is found.
const ASSIGN_TRIES: u32 = 4;

/// What stands before an entry's payload.
pub(super) struct Entry {
    pub(super) placement: Placement,
    pub(super) timestamp: Timestamp,
    /// Bytes before the payload.
    pub(super) head: usize,
    pub(super) payload: u64,
}

/// An entry's first bytes, with a record of any length.
pub(super) type EntryWindow = [u8; ENTRY_BYTES + RECORD_HEAD_BYTES_MAX];

impl<S: Storage> Accumulator<S> {
    /// Appends to the topic's queue.
    pub(super) fn append_queued(
        &mut self,
        record: &Record<'_>,
        payload: u64,
        alone: u32,
    ) -> Result<Appended, Refused> {
        let slot = self.topics.at(record.topic);
        let (held, last) = (slot.blocks, slot.queue.last());
        let failed = matches!(slot.view, TopicView::Failed(_));
        let any = record.placement == Placement::Any;
        let found = self.queued_place(last, record, payload, alone);
        let (kind, place) = found.unwrap_or((
            if any { Kind::Plain } else { Kind::Pending },
            Place { payload, timestamp_delta: 0, offset_delta: 0, bytes: alone },
        ));
        let pending = kind == Kind::Pending;
        let bytes = if pending { place.bytes + ENTRY_BYTES as u32 } else { place.bytes };
        let block_bytes = self.pool.block_bytes();
        let blocks = match found {
            Some(_) => blocks_needed(&self.batches.at(last).chain, bytes, block_bytes),
            None => bytes.div_ceil(block_bytes.max(1)),
        };
        if blocks > 0 {
            self.check_blocks(held, NOBODY, blocks)?;
        }
        let first_of_all = self.batches.is_empty();
        let batch = match found {
            Some(_) => last,
            None if self.batches.free_count() <= RESERVE => return Err(Refused::Memory),
            None => self.create_queued(record, kind),
        };
        self.count_queue(record.topic, blocks, 0);
        if pending {
            let entry = encode_entry(record);
            write(&mut self.batches.at_mut(batch).chain, &mut self.pool, &entry);
        }
        let ticket = self.write(batch, record, place);
        let wake = self.wake(failed || first_of_all || last == NONE);
        Ok(Appended { ticket, pending, wake })
    }

    /// A record's place in the last batch of a queue, if that one is of its kind and has room.
    fn queued_place(
        &self,
        last: u32,
        record: &Record<'_>,
        payload: u64,
        alone: u32,
    ) -> Option<(Kind, Place)> {
        if last == NONE || self.cursor.as_ref().is_some_and(|cursor| cursor.batch() == last) {
            return None;
        }
        let batch = self.batches.at(last);
        match batch.kind {
            Kind::Plain if record.placement == Placement::Any => {
                place(batch, record.timestamp, payload, self.batch_bytes_max(record.topic))
            }
            Kind::Plain => None,
            Kind::Pending => {
                let bytes = u64::from(batch.chain.bytes()) + u64::from(alone) + ENTRY_BYTES as u64;
                (bytes <= u64::from(self.config.batch_bytes)).then_some(Place {
                    payload,
                    timestamp_delta: 0,
                    offset_delta: 0,
                    bytes: alone,
                })
            }
        }
        .map(|place| (batch.kind, place))
    }

    fn create_queued(&mut self, record: &Record<'_>, kind: Kind) -> u32 {
        let owner = Owner::Topic(record.topic.0);
        let batch = self.batches.create(kind, owner, record.timestamp, self.now);
        let queue = &mut self.topics.at(record.topic).queue;
        queue.push_back(self.batches.slots_mut(), BatchSlot::queued, batch);
        self.topics.relist(record.topic);
        batch
    }

    /// Gives plain batches at the front of known topics' queues their partitions.
    pub(super) fn assign_queues(&mut self) {
        let mut topic = self.topics.moving.first();
        while topic != NONE {
            let next = self.topics.next(topic);
            let id = TopicId(topic as u16);
            while self.assign_first(id) {}
            self.topics.relist(id);
            topic = next;
        }
    }

    /// Whether the queue's first batch was plain, and has a partition now.
    fn assign_first(&mut self, topic: TopicId) -> bool {
        let slot = self.topics.at(topic);
        let (view, batch) = (slot.view, slot.queue.first());
        let TopicView::Known { partitions } = view else { return false };
        if batch == NONE || self.batches.at(batch).kind == Kind::Pending {
            return false;
        }
        let Some(partition) = self.assign(topic, partitions, self.batches.at(batch).chain.bytes()) else {
            return false;
        };
        let blocks = self.batches.at(batch).chain.blocks();
        self.topics.at(topic).queue.remove(self.batches.slots_mut(), BatchSlot::queued, batch);
        self.count_queue(topic, 0, blocks);
        self.batches.at_mut(batch).owner = Owner::Partition(partition);
        self.count_taken(partition, blocks);
        let slot = self.partitions.at_mut(partition);
        slot.queue.push_back(self.batches.slots_mut(), BatchSlot::queued, batch);
        self.make_ready(partition);
        true
    }

    /// The slot of a partition for a whole batch of `bytes`: one that holds nothing, if a few tries find it.
    fn assign(&mut self, topic: TopicId, partitions: i32, bytes: u32) -> Option<u32> {
        let mut chosen = NONE;
        for _ in 0..ASSIGN_TRIES {
            let partition = self.spread(topic, partitions);
            self.topics.at(topic).sticky.produced(bytes, self.config.batch_bytes, self.config.spread);
            let key = TopicPartition { topic, partition };
            let slot = match self.partitions.find(key) {
                NONE if self.partitions.has_free() => return Some(self.begin_use(key)),
                slot => slot,
            };
            if slot != NONE && self.partitions.at(slot).queue.is_empty() {
                return Some(slot);
            }
            chosen = if chosen == NONE { slot } else { chosen };
            self.topics.at(topic).sticky.skip();
        }
        (chosen != NONE).then_some(chosen)
    }

    /// What waited for its topic does not linger as well.
    pub(super) fn make_ready(&mut self, partition: u32) {
        if self.partitions.at(partition).state != State::Parked {
            self.partitions.schedule(partition, State::Ready);
        }
    }
}

fn encode_entry(record: &Record<'_>) -> [u8; ENTRY_BYTES] {
    let (kind, place) = match record.placement {
        Placement::Partition(partition) => (0, partition.cast_unsigned()),
        Placement::Hash(hash) => (1, hash),
        Placement::Any => (2, 0),
    };
    let mut entry = [0; ENTRY_BYTES];
    entry[0] = kind;
    entry[1..5].copy_from_slice(&place.to_be_bytes());
    entry[5..].copy_from_slice(&record.timestamp.as_millis().to_be_bytes());
    entry
}

pub(super) fn decode_entry(bytes: &EntryWindow) -> Option<Entry> {
    let place = u32::from_be_bytes(bytes[1..5].try_into().ok()?);
    let timestamp = i64::from_be_bytes(bytes[5..ENTRY_BYTES].try_into().ok()?);
    let placement = match bytes[0] {
        0 => Placement::Partition(place.cast_signed()),
        1 => Placement::Hash(place),
        _ => Placement::Any,
    };
    let mut zigzag = 0;
    let mut length = 0;
    while length < 5 {
        let byte = bytes[ENTRY_BYTES + length];
        zigzag |= u64::from(byte & 0x7f) << (7 * length);
        length += 1;
        if byte < 0x80 {
            break;
        }
    }
    Some(Entry {
        placement,
        timestamp: Timestamp::from_millis(timestamp),
        head: ENTRY_BYTES + length + 3,
        payload: (zigzag >> 1).checked_sub(3)?,
    })
}
