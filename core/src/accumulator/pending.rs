//! Records of topics whose partitions are not known yet.
//!
//! Each topic has one queue of batches, in order of acceptance. Records that may go to any partition form plain batches,
//! which get a partition as a whole. Others form pending batches, an *entry* each: how the record is placed, its
//! timestamp, then the record as it would be the first of a batch. When the topic is known the queue is worked off from its
//! front: plain batches are assigned, entries are copied into their partitions' batches one by one. Until the queue is
//! empty whatever comes for the topic goes behind it, so nothing overtakes.
//!
//! One free block is enough to move any record: what is read is never less than what was written, and a block that
//! was read is free for the next one that is written.

use super::append::{Refused, place};
use super::batches::{BatchSlot, Kind, Owner};
use super::list::NONE;
use super::partitions::State;
use super::{Accumulator, Appended, RESERVE};
use crate::batch::append::{Place, blocks_needed, write};
use crate::event::{Reassigned, TopicView};
use crate::id::{Ticket, TopicId, TopicPartition};
use crate::memory::{Block, Chain, OpenChain, Pool, Storage};
use crate::record::{Placement, Record, record_bytes, varint_bytes};
use crate::time::Timestamp;

/// Bytes of an entry before its record: kind, partition or hash, timestamp.
pub(super) const ENTRY_BYTES: usize = 1 + 4 + 8;

/// The record's length, attributes and two deltas of zero.
const RECORD_HEAD_BYTES_MAX: usize = 5 + 3;

/// How many partitions are tried for a plain batch until one that holds nothing is found.
const ASSIGN_TRIES: u32 = 4;

/// A pending batch whose entries are moving.
pub(super) struct Cursor<B: Block> {
    topic: TopicId,
    batch: u32,
    /// As many as there were when the batch began to move.
    partitions: i32,
    chain: Chain<B>,
    /// What of the first block was read.
    offset: usize,
}

/// What stands before an entry's payload.
struct Entry {
    placement: Placement,
    timestamp: Timestamp,
    /// Bytes before the payload.
    head: usize,
    payload: u64,
}

impl<S: Storage> Accumulator<S> {
    /// Moves one record, whose partition could not be told when it was accepted, to its partition. `None` when there
    /// is nothing to move, or no memory to move it to: then something comes back by
    /// [`recycle`](Self::recycle) first.
    #[must_use]
    pub fn poll_reassigned(&mut self) -> Option<Reassigned> {
        let mut cursor = match self.cursor.take() {
            Some(cursor) => cursor,
            None => self.start_moving()?,
        };
        let moved = self.move_record(&mut cursor);
        let batch = self.batches.at(cursor.batch);
        if batch.first == batch.count {
            self.finish_moving(cursor);
        } else {
            self.cursor = Some(cursor);
        }
        moved
    }

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
            self.check_blocks(held, blocks)?;
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
        if last == NONE || self.cursor.as_ref().is_some_and(|cursor| cursor.batch == last) {
            return None;
        }
        let batch = self.batches.at(last);
        match batch.kind {
            Kind::Plain if record.placement == Placement::Any => {
                place(batch, record.timestamp, payload, self.config.batch_bytes)
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
        let Some(partition) = self.choose(topic, partitions, self.batches.at(batch).chain.bytes()) else {
            return false;
        };
        let blocks = self.batches.at(batch).chain.blocks();
        self.topics.at(topic).queue.remove(self.batches.slots_mut(), BatchSlot::queued, batch);
        self.count_queue(topic, 0, blocks);
        self.batches.at_mut(batch).owner = Owner::Partition(partition);
        let slot = self.partitions.at_mut(partition);
        slot.blocks += blocks;
        slot.queue.push_back(self.batches.slots_mut(), BatchSlot::queued, batch);
        self.make_ready(partition);
        true
    }

    /// The slot of a partition for a whole batch: one that holds nothing, if a few tries find it.
    fn choose(&mut self, topic: TopicId, partitions: i32, bytes: u32) -> Option<u32> {
        let (spread, batch_bytes) = (self.config.spread, self.config.batch_bytes);
        let mut chosen = NONE;
        for _ in 0..ASSIGN_TRIES {
            let sticky = &mut self.topics.at(topic).sticky;
            let partition = sticky.partition(partitions, &mut self.random);
            sticky.produced(bytes, batch_bytes, partitions, spread);
            let key = TopicPartition { topic, partition };
            let slot = self.partitions.find(key);
            if slot == NONE && self.partitions.has_free() {
                return Some(self.partitions.insert(key));
            }
            if slot != NONE && (chosen == NONE || self.partitions.at(slot).queue.is_empty()) {
                chosen = slot;
            }
            if slot != NONE && self.partitions.at(slot).queue.is_empty() {
                break;
            }
            self.topics.at(topic).sticky.skip(partitions, spread);
        }
        (chosen != NONE).then_some(chosen)
    }

    /// What waited for its topic does not linger as well.
    fn make_ready(&mut self, partition: u32) {
        if self.partitions.at(partition).state != State::Parked {
            self.partitions.schedule(partition, State::Ready);
        }
    }

    fn start_moving(&mut self) -> Option<Cursor<S::Block>> {
        self.assign_queues();
        let mut topic = self.topics.moving.first();
        while topic != NONE {
            let id = TopicId(topic as u16);
            let slot = self.topics.at(id);
            let (view, batch) = (slot.view, slot.queue.first());
            if let TopicView::Known { partitions } = view
                && self.batches.at(batch).kind == Kind::Pending
            {
                let slot = self.batches.at_mut(batch);
                let chain = core::mem::take(&mut slot.chain).seal();
                return Some(Cursor { topic: id, batch, partitions, chain, offset: slot.read as usize });
            }
            topic = self.topics.next(topic);
        }
        None
    }

    /// Copies the next entry into its partition's open batch, or into a new one.
    fn move_record(&mut self, cursor: &mut Cursor<S::Block>) -> Option<Reassigned> {
        let entry = cursor.entry()?;
        let partition = match entry.placement {
            Placement::Partition(partition) => partition,
            Placement::Hash(hash) => (hash % cursor.partitions.cast_unsigned()).cast_signed(),
            Placement::Any => {
                self.topics.at(cursor.topic).sticky.partition(cursor.partitions, &mut self.random)
            }
        };
        let key = TopicPartition { topic: cursor.topic, partition };
        let (slot, batch, place) = self.destination(key, &entry, cursor.batch)?;
        let from = {
            let source = self.batches.at_mut(cursor.batch);
            source.first += 1;
            Ticket { batch: source.id, index: source.first - 1 }
        };
        let destination = self.batches.at_mut(batch);
        let to = Ticket { batch: destination.id, index: destination.count };
        destination.count += 1;
        destination.max_timestamp = destination.max_timestamp.max(entry.timestamp);
        let before = destination.chain.blocks();
        let freed = cursor.move_payload(&entry, place, &mut destination.chain, &mut self.pool);
        let taken = destination.chain.blocks() - before;
        self.partitions.at_mut(slot).blocks += taken;
        self.count_queue(cursor.topic, 0, freed);
        if entry.placement == Placement::Any {
            let sticky = &mut self.topics.at(cursor.topic).sticky;
            sticky.produced(place.bytes, self.config.batch_bytes, cursor.partitions, self.config.spread);
        }
        self.make_ready(slot);
        Some(Reassigned { from, to, partition: key })
    }

    /// The batch that an entry of the pending batch `from` goes to, its partition's slot and its place there. `None`
    /// changes nothing: something has to come back first.
    fn destination(&mut self, key: TopicPartition, entry: &Entry, from: u32) -> Option<(u32, u32, Place)> {
        let Entry { timestamp, payload, head, .. } = *entry;
        let slot = self.partitions.find(key);
        let open = if slot == NONE { NONE } else { self.partitions.at(slot).queue.last() };
        if open != NONE {
            let batch = self.batches.at(open);
            if let Some(place) = place(batch, timestamp, payload, self.config.request_bytes_max)
                // With far-off timestamps a record can be larger than its entry. Never the first of a batch.
                && u64::from(place.bytes) <= head as u64 + payload
            {
                let blocks = blocks_needed(&batch.chain, place.bytes, self.pool.block_bytes());
                if blocks > 0 && self.pool.free() == 0 {
                    return None;
                }
                self.batches.age_to(open, from);
                return Some((slot, open, place));
            }
        }
        if self.pool.free() == 0 || self.batches.free_count() == 0 {
            return None;
        }
        let slot = if slot == NONE { self.partitions.insert(key) } else { slot };
        if slot == NONE {
            return None;
        }
        let created = self.batches.at(from).created;
        let owner = Owner::Partition(slot);
        let batch = self.batches.create_after(Kind::Plain, owner, timestamp, created, from);
        self.partitions.at_mut(slot).queue.push_back(self.batches.slots_mut(), BatchSlot::queued, batch);
        let bytes = record_bytes(payload, 0, 0) as u32;
        Some((slot, batch, Place { payload, timestamp_delta: 0, offset_delta: 0, bytes }))
    }

    /// All records of the cursor's batch have moved.
    fn finish_moving(&mut self, cursor: Cursor<S::Block>) {
        let Cursor { topic, batch, chain, .. } = cursor;
        self.count_queue(topic, 0, chain.blocks());
        self.pool.recycle(chain);
        self.topics.at(topic).queue.remove(self.batches.slots_mut(), BatchSlot::queued, batch);
        self.batches.drop_held(batch);
        self.topics.relist(topic);
        self.assign_queues();
    }

    /// Moving stops in the middle of the batch: what has not moved is put back.
    pub(super) fn stop_moving(&mut self, topic: TopicId) {
        if let Some(cursor) = self.cursor.take_if(|cursor| cursor.topic == topic) {
            let batch = self.batches.at_mut(cursor.batch);
            batch.read = cursor.offset as u32;
            batch.chain = cursor.chain.reopen();
        }
    }
}

impl<B: Block> Cursor<B> {
    pub(super) const fn batch(&self) -> u32 {
        self.batch
    }

    pub(super) const fn topic(&self) -> TopicId {
        self.topic
    }

    /// Blocks that were not read to their end.
    #[cfg(test)]
    pub(super) const fn blocks(&self) -> u32 {
        self.chain.blocks()
    }

    /// The entry that stands here.
    fn entry(&self) -> Option<Entry> {
        let mut bytes = [0; ENTRY_BYTES + RECORD_HEAD_BYTES_MAX];
        let mut filled = 0;
        let mut skip = self.offset;
        for piece in self.chain.pieces() {
            let count = piece[skip..].len().min(bytes.len() - filled);
            bytes[filled..filled + count].copy_from_slice(&piece[skip..skip + count]);
            filled += count;
            skip = 0;
            if filled == bytes.len() {
                break;
            }
        }
        decode_entry(&bytes)
    }

    /// Copies the record of the entry that stands here, with the deltas of its new place, and goes behind it.
    /// Returns how many blocks were read to their end: they are in the pool.
    fn move_payload(
        &mut self,
        entry: &Entry,
        place: Place,
        to: &mut OpenChain<B>,
        pool: &mut Pool<B>,
    ) -> u32 {
        let before = self.chain.blocks();
        let mut left = entry.head;
        while left > 0 {
            left -= self.skip(left, pool);
        }
        let (head, length) = encode_head(place);
        write(to, pool, &head[..length]);
        let mut left = entry.payload as usize;
        while left > 0 {
            let Some(piece) = self.chain.pieces().next() else { break };
            let piece = &piece[self.offset..];
            let count = piece.len().min(left);
            write(to, pool, &piece[..count]);
            left -= self.skip(count, pool);
        }
        before - self.chain.blocks()
    }

    /// Goes on by as much of `bytes` as the first block has, and gives that block back when it was read to its end.
    fn skip(&mut self, bytes: usize, pool: &mut Pool<B>) -> usize {
        let length = self.chain.pieces().next().map_or(0, <[u8]>::len);
        let count = bytes.min(length - self.offset);
        self.offset += count;
        if self.offset == length {
            self.offset = 0;
            match self.chain.pop() {
                Some(block) => pool.put(block),
                None => return bytes,
            }
        }
        count
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

fn decode_entry(bytes: &[u8; ENTRY_BYTES + RECORD_HEAD_BYTES_MAX]) -> Option<Entry> {
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

/// What stands before a record's payload in its place.
fn encode_head(place: Place) -> ([u8; 5 + 1 + 10 + 5], usize) {
    let Place { payload, timestamp_delta, offset_delta, .. } = place;
    let deltas = varint_bytes(timestamp_delta) + varint_bytes(i64::from(offset_delta));
    let mut head = [0; 21];
    let mut length = 0;
    let mut varint = |value: i64, skip: usize| {
        let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
        length += skip;
        while rest >= 0x80 {
            head[length] = rest as u8 | 0x80;
            length += 1;
            rest >>= 7;
        }
        head[length] = rest as u8;
        length += 1;
    };
    varint((1 + deltas + payload).cast_signed(), 0);
    varint(timestamp_delta, 1);
    varint(i64::from(offset_delta), 0);
    (head, length)
}
