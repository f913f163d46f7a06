//! What the partitions of each broker hold, and which brokers take records: one broker that is slow, or away, must not
//! get all memory.
//!
//! All that cannot leave now counts together, with nobody: partitions of brokers that are away, partitions without a
//! leader, topics whose partitions are not known.

use crate::id::NOBODY;
use crate::memory::Storage;

/// A place for one broker in [`AccumulatorTables::brokers`](super::AccumulatorTables::brokers).
#[derive(Clone, Copy, Debug)]
pub struct BrokerSlot {
    available: bool,
    load: Load,
}

impl BrokerSlot {
    /// A place without a broker.
    pub const EMPTY: Self = Self { available: false, load: Load::NONE };
}

impl Default for BrokerSlot {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// What some partitions hold together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Load {
    /// Blocks, here or with the sender.
    pub(super) blocks: u32,
    /// Partitions in use, and topics with a queue.
    pub(super) users: u32,
}

impl Load {
    const NONE: Self = Self { blocks: 0, users: 0 };

    const fn add(&mut self, other: Self) {
        self.blocks += other.blocks;
        self.users += other.users;
    }

    const fn subtract(&mut self, other: Self) {
        self.blocks -= other.blocks;
        self.users -= other.users;
    }
}

/// All brokers, as far as the data plane must know them.
pub(super) struct Brokers<S: Storage> {
    slots: S::Table<BrokerSlot>,
    /// What cannot leave now.
    stuck: Load,
    /// All there is.
    sum: Load,
    /// How many brokers take records.
    available: u32,
}

impl<S: Storage> Brokers<S> {
    pub(super) fn new(mut slots: S::Table<BrokerSlot>) -> Self {
        slots.as_mut().fill(BrokerSlot::EMPTY);
        Self { slots, stuck: Load::NONE, sum: Load::NONE, available: 0 }
    }

    pub(super) fn is_available(&self, broker: u16) -> bool {
        self.slots.as_ref().get(usize::from(broker)).is_some_and(|slot| slot.available)
    }

    /// Whether that is news.
    pub(super) fn set_available(&mut self, broker: u16, available: bool) -> bool {
        let Some(slot) = self.slots.as_mut().get_mut(usize::from(broker)) else { return false };
        if slot.available == available {
            return false;
        }
        slot.available = available;
        if available {
            self.stuck.subtract(slot.load);
            self.available += 1;
        } else {
            self.stuck.add(slot.load);
            self.available -= 1;
        }
        true
    }

    /// Blocks were taken for `broker`'s partitions.
    #[inline]
    pub(super) fn take(&mut self, broker: u16, blocks: u32) {
        self.add(broker, Load { blocks, users: 0 });
    }

    /// Blocks of `broker`'s partitions came back.
    pub(super) fn give_back(&mut self, broker: u16, blocks: u32) {
        self.subtract(broker, Load { blocks, users: 0 });
    }

    /// One more of `broker`'s partitions is in use.
    pub(super) fn enter(&mut self, broker: u16) {
        self.add(broker, Load { blocks: 0, users: 1 });
    }

    /// One less of `broker`'s partitions is in use.
    pub(super) fn leave(&mut self, broker: u16) {
        self.subtract(broker, Load { blocks: 0, users: 1 });
    }

    /// A partition in use, which holds so many blocks, has another leader.
    pub(super) fn change(&mut self, from: u16, to: u16, blocks: u32) {
        self.subtract(from, Load { blocks, users: 1 });
        self.add(to, Load { blocks, users: 1 });
    }

    /// Whether `broker`'s partitions may hold so many blocks more. A broker that takes records leaves `share` to others
    /// while others are in use. What is stuck leaves it for as long as any broker takes records, in use or not: what
    /// could be sent at once must not find all memory taken. Where nothing can be sent there is nobody to leave it to.
    #[inline]
    pub(super) fn may_take(&self, broker: u16, blocks: u32, share: u32) -> bool {
        let (load, alone) = match self.slots.as_ref().get(usize::from(broker)) {
            Some(slot) if slot.available => (slot.load, slot.load.users == self.sum.users),
            _ => (self.stuck, self.available == 0),
        };
        alone || load.blocks == 0 || load.blocks + blocks <= share
    }

    fn add(&mut self, broker: u16, load: Load) {
        self.sum.add(load);
        match self.slots.as_mut().get_mut(usize::from(broker)) {
            Some(slot) => {
                slot.load.add(load);
                if !slot.available {
                    self.stuck.add(load);
                }
            }
            None => self.stuck.add(load),
        }
    }

    fn subtract(&mut self, broker: u16, load: Load) {
        self.sum.subtract(load);
        match self.slots.as_mut().get_mut(usize::from(broker)) {
            Some(slot) => {
                slot.load.subtract(load);
                if !slot.available {
                    self.stuck.subtract(load);
                }
            }
            None => self.stuck.subtract(load),
        }
    }

    /// A broker that the table has no place for is nobody.
    pub(super) fn known(&self, broker: u16) -> u16 {
        if usize::from(broker) < self.slots.as_ref().len() { broker } else { NOBODY }
    }

    /// What a broker's partitions hold; for nobody, all that is stuck.
    #[cfg(test)]
    pub(super) fn load(&self, broker: u16) -> Load {
        self.slots.as_ref().get(usize::from(broker)).map_or(self.stuck, |slot| slot.load)
    }
}
