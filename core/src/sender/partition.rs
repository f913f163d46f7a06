//! What the sender knows of each partition in use: its batches in order, its numbering, whether it may send.

use super::idempotence::ProducerIdentity;
use crate::id::{BatchId, NOBODY, TopicId, TopicPartition};
use crate::index::{Index, NONE};
use crate::memory::Storage;
use crate::time::Instant;

/// How far whoever keeps notes is with writing down that a numbering has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// Nobody was told.
    Missing,
    /// The event is due.
    Due,
    /// Told, with this batch as the first.
    Told(BatchId),
    /// Written down, with this batch as the first.
    Written(BatchId),
    /// A batch has a number of it.
    Used,
}

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
    /// The generation of its connection, for what it has refused: one that comes back may know more, or less.
    pub(crate) generation: u16,
    /// The generation of its broker's connection on which a batch had success: more than one may be in flight there
    /// (KAFKA-15591). A broker that comes back may have forgotten what it confirmed.
    pub(crate) confirmed_on: Option<u16>,
    /// Counts what may have made another log of it: its topic was unknown for a while, or has another id.
    pub(crate) incarnation: u8,
    /// Something went wrong: nothing more is sent until nothing is in flight, then one batch after the other.
    pub(crate) recovering: bool,
    /// A batch of this numbering was given up, and may be stored or not.
    pub(crate) hole: bool,
    /// What has a number loses it, once nothing is in flight: the numbering starts anew.
    pub(crate) restart: bool,
    /// No batch continues the numbering: the next one that is numbered begins another, once nothing stands before it.
    pub(crate) renumber: bool,
    /// What certainly is not stored goes back to whoever has handed it over.
    pub(crate) withdrawn: bool,
    pub(crate) note: Note,
    pub(crate) failures: u32,
    pub(crate) retry_at: Option<Instant>,
    pub(crate) identity: ProducerIdentity,
    pub(crate) next_sequence: i32,
    /// The accumulator waits for `Event::Ready`.
    pub(crate) waiting: bool,
    /// What it waits with may be gone: it is to ask once more, or to leave the slot to others.
    pub(crate) ask_again: bool,
    /// In the list of its connection's sendable partitions.
    pub(crate) listed: bool,
    pub(crate) next_sendable: u32,
    /// Links of the lists of waiting partitions and of those in backoff.
    pub(crate) next_waiting: u32,
    pub(crate) next_backoff: u32,
    pub(crate) in_backoff: bool,
    pub(crate) in_waiting: bool,
    /// It has numbers of the producer's epoch, which must not be given twice.
    #[cfg(feature = "transactions")]
    pub(crate) pinned: bool,
    #[cfg(feature = "transactions")]
    pub(crate) joining: super::transaction::Joining,
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
        generation: 0,
        confirmed_on: None,
        incarnation: 0,
        recovering: false,
        hole: false,
        restart: false,
        renumber: false,
        withdrawn: false,
        note: Note::Missing,
        failures: 0,
        retry_at: None,
        identity: ProducerIdentity::NONE,
        next_sequence: 0,
        waiting: false,
        ask_again: false,
        listed: false,
        next_sendable: NONE,
        next_waiting: NONE,
        next_backoff: NONE,
        in_backoff: false,
        in_waiting: false,
        #[cfg(feature = "transactions")]
        pinned: false,
        #[cfg(feature = "transactions")]
        joining: super::transaction::Joining::No,
    };

    /// Whether the slot can be given to another partition. It may be in a list still: that does no harm, the next one
    /// to look there finds nothing to do.
    const fn is_evictable(&self) -> bool {
        #[cfg(feature = "transactions")]
        if self.pinned || !matches!(self.joining, super::transaction::Joining::No) {
            return false;
        }
        self.first == NONE && !self.reserved && !self.waiting
    }

    /// It may be another log than it was: success there says nothing of what was sent before.
    pub(crate) const fn suspect(&mut self) {
        self.incarnation = self.incarnation.wrapping_add(1);
    }

    /// It is another log: nobody there knows this producer.
    pub(crate) const fn begin_anew(&mut self) {
        self.suspect();
        self.confirmed_on = None;
    }

    /// The slot for another partition, where it stands in the lists.
    const fn reused(&self, key: TopicPartition) -> Self {
        Self {
            key,
            listed: self.listed,
            next_sendable: self.next_sendable,
            in_waiting: self.in_waiting,
            next_waiting: self.next_waiting,
            in_backoff: self.in_backoff,
            next_backoff: self.next_backoff,
            ..Self::EMPTY
        }
    }
}

/// The slots, and an index to find them by partition.
pub(crate) struct Partitions<S: Storage> {
    slots: S::Table<PartitionSlot>,
    index: Index<S::Table<u32>>,
    used: u32,
    /// Where the search for a slot to evict goes on.
    hand: u32,
    /// Where the search for a note that is due goes on.
    note_hand: u32,
}

impl<S: Storage> Partitions<S> {
    pub(crate) fn new(slots: S::Table<PartitionSlot>, index: S::Table<u32>) -> Self {
        Self { slots, index: Index::new(index), used: 0, hand: 0, note_hand: 0 }
    }

    // Called from everywhere: where memory is short the call is smaller than what it does.
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    pub(crate) fn get(&self, slot: u32) -> &PartitionSlot {
        &self.slots.as_ref()[slot as usize]
    }

    #[cfg_attr(target_pointer_width = "32", inline(never))]
    pub(crate) fn get_mut(&mut self, slot: u32) -> &mut PartitionSlot {
        &mut self.slots.as_mut()[slot as usize]
    }

    pub(crate) fn find(&self, key: TopicPartition) -> Option<u32> {
        let slot = self.index.find(key, |slot| self.get(slot).key);
        (slot != NONE).then_some(slot)
    }

    /// All of a topic that are in use.
    pub(crate) fn of_topic(&mut self, topic: TopicId) -> impl Iterator<Item = &mut PartitionSlot> {
        self.slots.as_mut().iter_mut().filter(move |slot| slot.key.topic == topic)
    }

    /// The partition's slot, taken now if it has none. The flag tells that another one had to be forgotten for it;
    /// `None` when all slots hold batches or are waited for.
    pub(crate) fn find_or_take(&mut self, key: TopicPartition) -> Option<(u32, bool)> {
        if let Some(slot) = self.find(key) {
            return Some((slot, false));
        }
        let (slot, evicted) = self.free_slot()?;
        *self.get_mut(slot) = self.get(slot).reused(key);
        self.index.insert(key, slot);
        Some((slot, evicted))
    }

    /// How many slots are or were in use: those before.
    #[cfg(feature = "transactions")]
    pub(crate) const fn used(&self) -> u32 {
        self.used
    }

    /// Whether most slots can be given to no other partition under this epoch.
    #[cfg(feature = "transactions")]
    pub(crate) fn is_mostly_pinned(&self) -> bool {
        let slots = self.slots.as_ref();
        2 * slots.iter().filter(|slot| slot.pinned).count() > slots.len()
    }

    /// A new epoch begins: every numbering is over.
    #[cfg(feature = "transactions")]
    pub(crate) fn unpin_all(&mut self) {
        for slot in self.slots.as_mut() {
            (slot.identity, slot.next_sequence) = (ProducerIdentity::NONE, 0);
            (slot.hole, slot.renumber, slot.restart) = (false, false, false);
            (slot.pinned, slot.joining) = (false, super::transaction::Joining::No);
        }
    }

    /// A partition whose note is due; each has its turn.
    pub(crate) fn next_due_note(&mut self) -> Option<u32> {
        for _ in 0..self.used {
            self.note_hand = (self.note_hand + 1) % self.used;
            if self.get(self.note_hand).note == Note::Due {
                return Some(self.note_hand);
            }
        }
        None
    }

    fn free_slot(&mut self) -> Option<(u32, bool)> {
        let length = self.slots.as_ref().len().min(self.index.capacity()) as u32;
        if self.used < length {
            self.used += 1;
            return Some((self.used - 1, false));
        }
        for _ in 0..length {
            self.hand = (self.hand + 1) % length;
            let slot = self.get(self.hand);
            if slot.is_evictable() {
                let (key, slots) = (slot.key, self.slots.as_ref());
                self.index.remove(key, self.hand, |slot| slots[slot as usize].key);
                return Some((self.hand, true));
            }
        }
        None
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
