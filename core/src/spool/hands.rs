//! The frames that are with the sender, in a table as long as what it may hold at a time.

use super::segments::Place;
use crate::memory::Storage;

/// A frame that was read, and is with the sender.
#[derive(Clone, Copy, Debug)]
pub struct FrameSlot {
    pub(super) used: bool,
    pub(super) partition: u32,
    pub(super) from: u64,
    pub(super) end: u64,
    pub(super) place: Option<Place>,
    /// It is done, and a frame before it is not.
    pub(super) done: bool,
}

impl FrameSlot {
    /// A slot without a frame.
    pub const EMPTY: Self = Self { used: false, partition: 0, from: 0, end: 0, place: None, done: false };

    /// A frame that is done, and was never with the sender.
    pub(super) const fn done(partition: u32, from: u64, end: u64) -> Self {
        Self { used: true, partition, from, end, place: None, done: true }
    }
}

/// The frames that are with the sender.
pub(super) struct Hands<S: Storage>(S::Table<FrameSlot>);

impl<S: Storage> Hands<S> {
    pub(super) fn new(mut slots: S::Table<FrameSlot>) -> Self {
        slots.as_mut().fill(FrameSlot::EMPTY);
        Self(slots)
    }

    pub(super) fn get_mut(&mut self, hand: u16) -> Option<&mut FrameSlot> {
        self.0.as_mut().get_mut(usize::from(hand))
    }

    pub(super) fn put(&mut self, hand: u16, slot: FrameSlot) {
        self.0.as_mut()[usize::from(hand)] = slot;
    }

    /// Whether the frame that begins with this record is here.
    pub(super) fn has(&self, partition: u32, record: u64) -> bool {
        let has = |slot: &FrameSlot| slot.partition == partition && slot.from <= record && record < slot.end;
        self.0.as_ref().iter().any(|slot| slot.used && has(slot))
    }

    /// What is done side by side is kept in mind as one: it takes no room from what is to be read.
    pub(super) fn merge(&mut self, hand: u16) {
        let hand = usize::from(hand);
        let FrameSlot { used, partition, mut from, mut end, done, .. } = self.0.as_ref()[hand];
        if !(used && done) {
            return;
        }
        let others = self.0.as_mut().iter_mut().enumerate().filter(|(other, _)| *other != hand);
        for (_, other) in others.filter(|(_, other)| other.used && other.done && other.partition == partition)
        {
            if other.end == from {
                (other.used, from) = (false, other.from);
            } else if other.from == end {
                (other.used, end) = (false, other.end);
            }
        }
        self.put(hand as u16, FrameSlot::done(partition, from, end));
    }

    pub(super) fn len(&self) -> usize {
        self.0.as_ref().len()
    }

    /// The partitions of those that are not done, some perhaps more than once.
    pub(super) fn partitions(&self) -> impl Iterator<Item = u32> {
        self.0.as_ref().iter().filter(|slot| slot.used && !slot.done).map(|slot| slot.partition)
    }

    /// How many a partition has that are not done.
    pub(super) fn count(&self, partition: u32) -> usize {
        self.partitions().filter(|of| *of == partition).count()
    }

    pub(super) fn free(&self) -> Option<u16> {
        self.0.as_ref().iter().position(|slot| !slot.used).and_then(|slot| u16::try_from(slot).ok())
    }

    /// What is done, and before this record, need not be kept in mind.
    pub(super) fn forget(&mut self, partition: u32, before: u64) {
        for slot in self.0.as_mut().iter_mut().filter(|slot| slot.partition == partition) {
            slot.used &= !(slot.done && slot.end <= before);
        }
    }

    /// The first record of the partition that is with the sender.
    pub(super) fn first(&self, partition: u32) -> Option<u64> {
        let held =
            self.0.as_ref().iter().filter(|slot| slot.used && slot.partition == partition && !slot.done);
        held.map(|slot| slot.from).min()
    }
}
