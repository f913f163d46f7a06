//! Partitions in use: found by topic and number, listed by when their batches may leave, evicted when idle.

use super::list::{Links, List};
use crate::id::{NOBODY, TopicId, TopicPartition};
use crate::index::{Index, NONE};
use crate::memory::Storage;

/// A place for one partition in use in [`AccumulatorTables::partitions`](super::AccumulatorTables::partitions).
#[derive(Debug)]
pub struct PartitionSlot {
    pub(super) key: TopicPartition,
    /// Its batches; only the last is open.
    pub(super) queue: List,
    /// Batches that are with the sender.
    pub(super) out: u32,
    /// Blocks of its batches, here or with the sender.
    pub(super) blocks: u32,
    /// Whom those count with.
    pub(super) broker: u16,
    pub(super) state: State,
    /// In the list that `state` names.
    links: Links,
    /// The turn in which it began to linger.
    turn: u64,
}

/// What a partition's first batch waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The slot has no partition.
    Free,
    /// Nothing is held.
    Idle,
    /// Its only batch is open: it waits for records or for its linger to end.
    Lingering,
    /// It waits to be asked for.
    Ready,
    /// It was asked for; the sender will say when it has room.
    Parked,
}

impl PartitionSlot {
    /// A place without a partition.
    pub const EMPTY: Self = Self {
        key: TopicPartition { topic: TopicId(0), partition: -1 },
        queue: List::EMPTY,
        out: 0,
        blocks: 0,
        broker: NOBODY,
        state: State::Free,
        links: Links::NONE,
        turn: 0,
    };

    fn links(&mut self) -> &mut Links {
        &mut self.links
    }
}

impl Default for PartitionSlot {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// All partitions in use.
pub(super) struct Partitions<S: Storage> {
    slots: S::Table<PartitionSlot>,
    index: Index<S::Table<u32>>,
    max: u32,
    in_use: u32,
    free: List,
    /// The slot that was found last: many senders write to one partition.
    last: u32,
    ready: List,
    /// In the order in which they began to linger. As all linger equally long, the first is due first.
    lingering: List,
    next_turn: u64,
    /// What began to linger in an earlier turn is due at once.
    due_before: u64,
}

impl<S: Storage> Partitions<S> {
    pub(super) fn new(mut slots: S::Table<PartitionSlot>, index: S::Table<u32>) -> Self {
        slots.as_mut().fill_with(|| PartitionSlot::EMPTY);
        let index = Index::new(index);
        let max = slots.as_ref().len().min(index.capacity()).min(NONE as usize - 1) as u32;
        let mut free = List::EMPTY;
        for slot in 0..max {
            free.push_back(slots.as_mut(), PartitionSlot::links, slot);
        }
        Self {
            slots,
            index,
            max,
            in_use: 0,
            free,
            last: 0,
            ready: List::EMPTY,
            lingering: List::EMPTY,
            next_turn: 0,
            due_before: 0,
        }
    }

    pub(super) const fn max(&self) -> u32 {
        self.max
    }

    pub(super) const fn in_use(&self) -> u32 {
        self.in_use
    }

    pub(super) fn at(&self, slot: u32) -> &PartitionSlot {
        &self.slots.as_ref()[slot as usize]
    }

    pub(super) fn at_mut(&mut self, slot: u32) -> &mut PartitionSlot {
        &mut self.slots.as_mut()[slot as usize]
    }

    /// The slot of a partition in use, or [`NONE`].
    #[inline]
    pub(super) fn find(&mut self, key: TopicPartition) -> u32 {
        match self.slots.as_ref().get(self.last as usize) {
            Some(slot) if slot.key == key && slot.state != State::Free => self.last,
            _ => self.probe(key),
        }
    }

    fn probe(&mut self, key: TopicPartition) -> u32 {
        let slot = self.look_up(key);
        if slot != NONE {
            self.last = slot;
        }
        slot
    }

    /// The slot of a partition in use, or [`NONE`], for one that nobody will ask for next.
    pub(super) fn look_up(&self, key: TopicPartition) -> u32 {
        let slots = self.slots.as_ref();
        self.index.find(key, |slot| slots[slot as usize].key)
    }

    /// Whether another partition can come into use.
    pub(super) const fn has_free(&self) -> bool {
        !self.free.is_empty()
    }

    /// The slot of a partition that is in use from now on, or [`NONE`].
    pub(super) fn insert(&mut self, key: TopicPartition, broker: u16) -> u32 {
        let slot = self.free.first();
        if slot == NONE {
            return NONE;
        }
        let slots = self.slots.as_mut();
        self.free.remove(slots, PartitionSlot::links, slot);
        self.index.insert(key, slot);
        slots[slot as usize] = PartitionSlot { key, broker, state: State::Idle, ..PartitionSlot::EMPTY };
        self.in_use += 1;
        self.last = slot;
        slot
    }

    /// Gives a slot back if its partition holds nothing here, and nothing with the sender. Whether it was so.
    pub(super) fn evict_idle(&mut self, slot: u32) -> bool {
        let PartitionSlot { key, queue, out, state, .. } = self.slots.as_ref()[slot as usize];
        if out > 0 || !queue.is_empty() || state == State::Free {
            return false;
        }
        self.schedule(slot, State::Free);
        let slots = self.slots.as_ref();
        self.index.remove(key, slot, |slot| slots[slot as usize].key);
        self.free.push_back(self.slots.as_mut(), PartitionSlot::links, slot);
        self.in_use -= 1;
        true
    }

    /// Moves a partition to the end of the list of its new state.
    pub(super) fn schedule(&mut self, slot: u32, state: State) {
        let slots = self.slots.as_mut();
        let before = core::mem::replace(&mut slots[slot as usize].state, state);
        if before == state {
            return;
        }
        match before {
            State::Lingering => self.lingering.remove(slots, PartitionSlot::links, slot),
            State::Ready => self.ready.remove(slots, PartitionSlot::links, slot),
            State::Free | State::Idle | State::Parked => {}
        }
        match state {
            State::Lingering => {
                slots[slot as usize].turn = self.next_turn;
                self.next_turn += 1;
                self.lingering.push_back(slots, PartitionSlot::links, slot);
            }
            State::Ready => self.ready.push_back(slots, PartitionSlot::links, slot),
            State::Free | State::Idle | State::Parked => {}
        }
    }

    /// All that lingers now is due, however long it has lingered.
    pub(super) const fn end_linger(&mut self) {
        self.due_before = self.next_turn;
    }

    pub(super) const fn first_ready(&self) -> u32 {
        self.ready.first()
    }

    /// The partition whose linger ends first, and whether it was ended before its time.
    pub(super) fn first_lingering(&self) -> Option<(u32, bool)> {
        match self.lingering.first() {
            NONE => None,
            slot => Some((slot, self.at(slot).turn < self.due_before)),
        }
    }

    pub(super) const fn is_any_lingering(&self) -> bool {
        !self.lingering.is_empty()
    }

    /// A topic's partitions that hold something need not wait any more. Walks all slots: a topic seldom fails.
    pub(super) fn ready_topic(&mut self, topic: TopicId) {
        for slot in 0..self.max {
            let PartitionSlot { key, state, queue, .. } = self.at(slot);
            if key.topic == topic && *state != State::Free && !queue.is_empty() {
                self.schedule(slot, State::Ready);
            }
        }
    }
}
