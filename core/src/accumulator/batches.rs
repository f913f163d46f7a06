//! Batches by id: the slots that tickets name, and all held batches in order of age.

use super::list::{Links, List, NONE};
use crate::id::{BatchId, Ticket};
use crate::memory::{Block, OpenChain, Storage};
use crate::time::{Instant, Timestamp};

/// A place for one batch in [`AccumulatorTables::batches`](super::AccumulatorTables::batches), from its first record
/// until its memory is recycled.
#[derive(Debug)]
pub struct BatchSlot<B: Block> {
    pub(super) id: BatchId,
    state: State,
    pub(super) kind: Kind,
    pub(super) owner: Owner,
    pub(super) chain: OpenChain<B>,
    /// The index of the first record that is still in it.
    pub(super) first: u32,
    /// Bytes of the first block that were read before moving stopped.
    pub(super) read: u32,
    /// How many records have been in it.
    pub(super) count: u32,
    pub(super) base_timestamp: Timestamp,
    pub(super) max_timestamp: Timestamp,
    pub(super) created: Instant,
    /// Blocks that went with it to the sender.
    pub(super) blocks_out: u32,
    /// In its partition's or its topic's queue.
    pub(super) queued: Links,
    age: Links,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    Held,
    Out,
}

/// What a batch's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Records, as they go over the wire.
    Plain,
    /// Records that each go to a partition of their own: see `pending`.
    Pending,
}

/// Who a batch's blocks are counted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// A partition's slot.
    Partition(u32),
    /// A topic, as long as its partitions are not known.
    Topic(u16),
}

impl<B: Block> BatchSlot<B> {
    /// A place without a batch.
    pub const EMPTY: Self = Self {
        id: BatchId::new(0, 0),
        state: State::Free,
        kind: Kind::Plain,
        owner: Owner::Topic(0),
        chain: OpenChain::new(),
        first: 0,
        read: 0,
        count: 0,
        base_timestamp: Timestamp::from_millis(0),
        max_timestamp: Timestamp::from_millis(0),
        created: Instant::ZERO,
        blocks_out: 0,
        queued: Links::NONE,
        age: Links::NONE,
    };

    /// A record was written behind the others: its ticket.
    #[inline]
    pub(super) fn count_in(&mut self, timestamp: Timestamp) -> Ticket {
        let ticket = Ticket { batch: self.id, index: self.count };
        self.count += 1;
        self.max_timestamp = self.max_timestamp.max(timestamp);
        ticket
    }

    pub(super) fn queued(&mut self) -> &mut Links {
        &mut self.queued
    }

    fn age(&mut self) -> &mut Links {
        &mut self.age
    }
}

impl<B: Block> Default for BatchSlot<B> {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// All batches.
pub(super) struct Batches<S: Storage> {
    slots: S::Table<BatchSlot<S::Block>>,
    free: List,
    free_count: u32,
    /// Batches held here, the oldest first.
    ages: List,
    held: u32,
    out: u32,
}

impl<S: Storage> Batches<S> {
    pub(super) fn new(mut slots: S::Table<BatchSlot<S::Block>>) -> Self {
        slots.as_mut().fill_with(|| BatchSlot::EMPTY);
        let count = slots.as_ref().len().min(BatchId::SLOTS_MAX) as u32;
        let mut free = List::EMPTY;
        for slot in 0..count {
            slots.as_mut()[slot as usize].id = BatchId::new(slot as usize, 0);
            free.push_back(slots.as_mut(), BatchSlot::queued, slot);
        }
        Self { slots, free, free_count: count, ages: List::EMPTY, held: 0, out: 0 }
    }

    pub(super) fn slots_mut(&mut self) -> &mut [BatchSlot<S::Block>] {
        self.slots.as_mut()
    }

    pub(super) fn at(&self, slot: u32) -> &BatchSlot<S::Block> {
        &self.slots.as_ref()[slot as usize]
    }

    pub(super) fn at_mut(&mut self, slot: u32) -> &mut BatchSlot<S::Block> {
        &mut self.slots.as_mut()[slot as usize]
    }

    pub(super) const fn free_count(&self) -> u32 {
        self.free_count
    }

    pub(super) const fn held(&self) -> u32 {
        self.held
    }

    pub(super) const fn out(&self) -> u32 {
        self.out
    }

    /// The oldest batch that is held, or [`NONE`].
    pub(super) const fn oldest(&self) -> u32 {
        self.ages.first()
    }

    /// The batches that are held, the oldest first.
    pub(super) fn by_age(&self) -> impl Iterator<Item = &BatchSlot<S::Block>> {
        let at = |slot: u32| (slot != NONE).then(|| self.at(slot));
        core::iter::successors(at(self.oldest()), move |batch| at(batch.age.next()))
    }

    /// A new batch, the youngest. There must be a free slot.
    pub(super) fn create(&mut self, kind: Kind, owner: Owner, timestamp: Timestamp, created: Instant) -> u32 {
        let youngest = self.ages.last();
        self.create_after(kind, owner, timestamp, created, youngest)
    }

    /// A new batch next in age to `older`.
    pub(super) fn create_after(
        &mut self,
        kind: Kind,
        owner: Owner,
        timestamp: Timestamp,
        created: Instant,
        older: u32,
    ) -> u32 {
        let slot = self.free.first();
        let slots = self.slots.as_mut();
        self.free.remove(slots, BatchSlot::queued, slot);
        self.free_count -= 1;
        let batch = &mut slots[slot as usize];
        *batch = BatchSlot {
            id: batch.id,
            state: State::Held,
            kind,
            owner,
            base_timestamp: timestamp,
            max_timestamp: timestamp,
            created,
            ..BatchSlot::EMPTY
        };
        self.ages.insert_after(slots, BatchSlot::age, slot, older);
        self.held += 1;
        slot
    }

    /// A held batch goes to the sender.
    pub(super) fn hand_over(&mut self, slot: u32) {
        let slots = self.slots.as_mut();
        self.ages.remove(slots, BatchSlot::age, slot);
        slots[slot as usize].state = State::Out;
        self.held -= 1;
        self.out += 1;
    }

    /// A held batch is empty: all its records have moved.
    pub(super) fn drop_held(&mut self, slot: u32) {
        self.hand_over(slot);
        self.release(slot);
    }

    /// The slot of a batch that is with the sender.
    pub(super) fn find_out(&self, id: BatchId) -> Option<u32> {
        let batch = self.slots.as_ref().get(id.slot())?;
        (batch.id == id && batch.state == State::Out).then_some(id.slot() as u32)
    }

    /// The end of a batch that was with the sender. Its id means nothing any more.
    pub(super) fn release(&mut self, slot: u32) {
        let slots = self.slots.as_mut();
        let batch = &mut slots[slot as usize];
        batch.state = State::Free;
        batch.id = batch.id.reused();
        self.free.push_back(slots, BatchSlot::queued, slot);
        self.free_count += 1;
        self.out -= 1;
    }

    #[cfg(test)]
    pub(super) fn slots(&self) -> &[BatchSlot<S::Block>] {
        self.slots.as_ref()
    }

    /// Whether a batch is with the sender; `None` for a free slot.
    #[cfg(test)]
    pub(super) fn is_out(&self, slot: u32) -> Option<bool> {
        match self.at(slot).state {
            State::Free => None,
            State::Held => Some(false),
            State::Out => Some(true),
        }
    }

    /// Whether nothing is held.
    pub(super) const fn is_empty(&self) -> bool {
        self.ages.first() == NONE
    }
}
