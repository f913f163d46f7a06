//! Pending records on their way to their partitions, one at a time.
//!
//! One free block is enough to move any record. No record is larger in its new place than its entry was, so what is
//! written is never more than what was read; and a block that was read is free for the next one that is written.

use super::Accumulator;
use super::append::place;
use super::batches::{BatchSlot, Kind, Owner};
use super::list::NONE;
use super::pending::{Entry, EntryWindow, decode_entry};
use crate::batch::append::{Place, blocks_needed, encode_head, write};
use crate::event::{Reassigned, TopicView};
use crate::id::{Ticket, TopicId, TopicPartition};
use crate::memory::{Block, Drain, OpenChain, Pool, Storage};
use crate::record::{Placement, record_bytes};

/// A pending batch whose entries are moving.
pub(super) struct Cursor<B: Block> {
    topic: TopicId,
    batch: u32,
    /// As many as there were when the batch began to move.
    partitions: i32,
    drain: Drain<B>,
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
        self.drain.blocks()
    }
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
                let mut drain = Drain::new(chain);
                drain.skip(slot.read as usize, &mut self.pool);
                return Some(Cursor { topic: id, batch, partitions, drain });
            }
            topic = self.topics.next(topic);
        }
        None
    }

    /// Copies the next entry into its partition's open batch, or into a new one.
    fn move_record(&mut self, cursor: &mut Cursor<S::Block>) -> Option<Reassigned> {
        let mut window = [0; size_of::<EntryWindow>()];
        cursor.drain.peek(&mut window);
        let entry = decode_entry(&window)?;
        let partition = match entry.placement {
            Placement::Partition(partition) => partition,
            Placement::Hash(hash) => (hash % cursor.partitions.cast_unsigned()).cast_signed(),
            Placement::Any => self.spread(cursor.topic, cursor.partitions),
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
        debug_assert!(u64::from(place.bytes) <= entry.head as u64 + entry.payload, "see ENTRY_BYTES");
        let (taken, freed) =
            copy_record(&mut cursor.drain, &entry, place, &mut destination.chain, &mut self.pool);
        self.count_taken(slot, taken);
        self.count_queue(cursor.topic, 0, freed);
        if entry.placement == Placement::Any {
            let sticky = &mut self.topics.at(cursor.topic).sticky;
            sticky.produced(place.bytes, self.config.batch_bytes, self.config.spread);
        }
        self.make_ready(slot);
        Some(Reassigned { from, to, partition: key })
    }

    /// The batch that an entry of the pending batch `from` goes to, its partition's slot and its place there. `None`
    /// changes nothing: something has to come back first.
    ///
    /// The delivery timeout still runs from acceptance. An open batch of the partition is not younger than `from`: since
    /// that one is there, all that comes for the topic goes behind it. A new one is made as old.
    fn destination(&mut self, key: TopicPartition, entry: &Entry, from: u32) -> Option<(u32, u32, Place)> {
        let Entry { timestamp, payload, .. } = *entry;
        let slot = self.partitions.find(key);
        let open = if slot == NONE { NONE } else { self.partitions.at(slot).queue.last() };
        let created = self.batches.at(from).created;
        if open != NONE {
            let batch = self.batches.at(open);
            if let Some(place) = place(batch, timestamp, payload, self.batch_bytes_max(key.topic)) {
                debug_assert!(batch.created <= created, "nothing overtakes what is pending");
                let blocks = blocks_needed(&batch.chain, place.bytes, self.pool.block_bytes());
                return (blocks == 0 || self.pool.free() > 0).then_some((slot, open, place));
            }
        }
        if self.pool.free() == 0 || self.batches.free_count() == 0 {
            return None;
        }
        let slot = if slot == NONE { self.begin_use(key) } else { slot };
        if slot == NONE {
            return None;
        }
        let owner = Owner::Partition(slot);
        let batch = self.batches.create_after(Kind::Plain, owner, timestamp, created, from);
        self.partitions.at_mut(slot).queue.push_back(self.batches.slots_mut(), BatchSlot::queued, batch);
        let bytes = record_bytes(payload, 0, 0) as u32;
        Some((slot, batch, Place { payload, timestamp_delta: 0, offset_delta: 0, bytes }))
    }

    /// All records of the cursor's batch have moved.
    fn finish_moving(&mut self, cursor: Cursor<S::Block>) {
        let Cursor { topic, batch, drain, .. } = cursor;
        self.count_queue(topic, 0, drain.blocks());
        self.pool.recycle(drain.into_chain());
        self.topics.at(topic).queue.remove(self.batches.slots_mut(), BatchSlot::queued, batch);
        self.batches.drop_held(batch);
        self.topics.relist(topic);
        self.assign_queues();
    }

    /// Moving stops in the middle of the batch: what has not moved is put back.
    pub(super) fn stop_moving(&mut self) {
        if let Some(cursor) = self.cursor.take() {
            let batch = self.batches.at_mut(cursor.batch);
            batch.read = cursor.drain.read() as u32;
            batch.chain = cursor.drain.into_chain().reopen();
        }
    }
}

/// Copies the record of the entry that stands here to its new place, and goes behind it. Returns the blocks that were
/// taken for it, and those that were read to their end.
fn copy_record<B: Block>(
    from: &mut Drain<B>,
    entry: &Entry,
    place: Place,
    to: &mut OpenChain<B>,
    pool: &mut Pool<B>,
) -> (u32, u32) {
    let before = (to.blocks(), from.blocks());
    from.skip(entry.head, pool);
    let (head, length) = encode_head(place);
    write(to, pool, &head[..length]);
    from.copy(entry.payload as usize, to, pool);
    (to.blocks() - before.0, before.1 - from.blocks())
}
