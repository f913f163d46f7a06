//! What the sender knows of each partition in use: its batches in order, its numbering, whether it may send.

use super::connection::NONE;
use super::idempotence::ProducerIdentity;
use crate::cluster::NOBODY;
use crate::id::{TopicId, TopicPartition};
use crate::memory::Storage;
use crate::time::Instant;

/// A partition in use.
#[derive(Clone, Copy, Debug)]
pub struct PartitionSlot {
    pub(crate) key: TopicPartition,
    /// Its batches: the oldest, the newest, and the first one that is not in flight.
    pub(crate) first: u32,
    pub(crate) last: u32,
    pub(crate) cursor: u32,
    pub(crate) in_flight: u8,
    /// A place was promised to a batch that the driver is about to hand over.
    pub(crate) reserved: bool,
    /// The broker that its batches went to last, or go to.
    pub(crate) broker: u16,
    /// The leader has answered a batch with success: more than one may be in flight (KAFKA-15591).
    pub(crate) confirmed: bool,
    /// Something went wrong: nothing more is sent until nothing is in flight, then one batch after the other.
    pub(crate) recovering: bool,
    /// The numbering starts anew, once nothing is in flight and there is a producer id.
    pub(crate) restart: bool,
    pub(crate) failures: u32,
    pub(crate) retry_at: Option<Instant>,
    pub(crate) identity: ProducerIdentity,
    pub(crate) next_sequence: i32,
    /// The accumulator waits for `Event::Ready`.
    pub(crate) waiting: bool,
    /// In the list of its connection's sendable partitions.
    pub(crate) listed: bool,
    pub(crate) next_sendable: u32,
    /// Links of the lists of waiting partitions and of those in backoff.
    pub(crate) next_waiting: u32,
    pub(crate) next_backoff: u32,
    pub(crate) in_backoff: bool,
    pub(crate) in_waiting: bool,
}

impl PartitionSlot {
    /// A slot that no partition uses.
    pub const EMPTY: Self = Self {
        key: TopicPartition { topic: TopicId(0), partition: 0 },
        first: NONE,
        last: NONE,
        cursor: NONE,
        in_flight: 0,
        reserved: false,
        broker: NOBODY,
        confirmed: false,
        recovering: false,
        restart: false,
        failures: 0,
        retry_at: None,
        identity: ProducerIdentity::NONE,
        next_sequence: 0,
        waiting: false,
        listed: false,
        next_sendable: NONE,
        next_waiting: NONE,
        next_backoff: NONE,
        in_backoff: false,
        in_waiting: false,
    };

    /// Whether the slot can be given to another partition.
    fn is_evictable(&self) -> bool {
        self.first == NONE
            && !self.reserved
            && !self.waiting
            && !self.listed
            && !self.in_backoff
            && !self.in_waiting
    }
}

/// The slots, and an index to find them by partition.
pub(crate) struct Partitions<S: Storage> {
    slots: S::Table<PartitionSlot>,
    /// Open addressing: slot numbers, `NONE` where free. At least twice as long as the slots.
    index: S::Table<u32>,
    used: u32,
    /// Where the search for a slot to evict goes on.
    hand: u32,
}

impl<S: Storage> Partitions<S> {
    pub(crate) fn new(slots: S::Table<PartitionSlot>, mut index: S::Table<u32>) -> Self {
        index.as_mut().fill(NONE);
        Self { slots, index, used: 0, hand: 0 }
    }

    pub(crate) fn get(&self, slot: u32) -> &PartitionSlot {
        &self.slots.as_ref()[slot as usize]
    }

    pub(crate) fn get_mut(&mut self, slot: u32) -> &mut PartitionSlot {
        &mut self.slots.as_mut()[slot as usize]
    }

    pub(crate) fn find(&self, key: TopicPartition) -> Option<u32> {
        let index = self.index.as_ref();
        let mut at = self.home(key);
        for _ in 0..index.len() {
            let slot = index[at];
            if slot == NONE {
                return None;
            }
            if self.get(slot).key == key {
                return Some(slot);
            }
            at = self.after(at);
        }
        None
    }

    /// The partition's slot, taken now if it has none. The flag tells that another one had to be forgotten for it;
    /// `None` when all slots hold batches.
    pub(crate) fn find_or_take(&mut self, key: TopicPartition) -> Option<(u32, bool)> {
        if let Some(slot) = self.find(key) {
            return Some((slot, false));
        }
        let (slot, evicted) = self.free_slot()?;
        *self.get_mut(slot) = PartitionSlot { key, ..PartitionSlot::EMPTY };
        let mut at = self.home(key);
        while self.index.as_ref()[at] != NONE {
            at = self.after(at);
        }
        self.index.as_mut()[at] = slot;
        Some((slot, evicted))
    }

    fn free_slot(&mut self) -> Option<(u32, bool)> {
        let length = self.slots.as_ref().len() as u32;
        if self.used < length {
            self.used += 1;
            return Some((self.used - 1, false));
        }
        for _ in 0..length {
            self.hand = (self.hand + 1) % length;
            if self.get(self.hand).is_evictable() {
                self.remove_from_index(self.hand);
                return Some((self.hand, true));
            }
        }
        None
    }

    /// Removes a slot from the index and closes the gap, so that a search still ends at the first free place.
    fn remove_from_index(&mut self, slot: u32) {
        let mut at = self.home(self.get(slot).key);
        while self.index.as_ref()[at] != slot {
            at = self.after(at);
        }
        let mut gap = at;
        loop {
            at = self.after(at);
            let moved = self.index.as_ref()[at];
            if moved == NONE {
                break;
            }
            let home = self.home(self.get(moved).key);
            let length = self.index.as_ref().len();
            // It may fill the gap unless its home lies behind the gap on the way to where it is.
            if (at + length - home) % length >= (at + length - gap) % length {
                self.index.as_mut()[gap] = moved;
                gap = at;
            }
        }
        self.index.as_mut()[gap] = NONE;
    }

    fn home(&self, key: TopicPartition) -> usize {
        let mixed = (u64::from(key.topic.0) << 32 | u64::from(key.partition as u32))
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
            >> 32;
        ((mixed * self.index.as_ref().len() as u64) >> 32) as usize
    }

    fn after(&self, at: usize) -> usize {
        if at + 1 == self.index.as_ref().len() { 0 } else { at + 1 }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::test_storage::{Boxes, table};

    fn partitions(length: usize) -> Partitions<Boxes> {
        Partitions::new(table(length, || PartitionSlot::EMPTY), table(length * 2, || 0))
    }

    fn key(topic: u16, partition: i32) -> TopicPartition {
        TopicPartition { topic: TopicId(topic), partition }
    }

    #[test]
    fn finds_what_was_taken_and_forgets_only_idle_ones() {
        let mut partitions = partitions(100);
        for round in 0..20 {
            for partition in 0..100 {
                let (slot, evicted) = partitions.find_or_take(key(round, partition)).unwrap();
                assert_eq!(evicted, round > 0);
                assert_eq!(partitions.get(slot).key, key(round, partition));
            }
            for partition in 0..100 {
                let found = partitions.find(key(round, partition)).unwrap();
                assert_eq!(partitions.get(found).key, key(round, partition));
                assert_eq!(partitions.find(key(round + 1, partition)), None);
            }
        }
        for partition in 0..100 {
            let slot = partitions.find(key(19, partition)).unwrap();
            partitions.get_mut(slot).first = 1;
        }
        assert_eq!(partitions.find_or_take(key(20, 0)), None);
    }
}
