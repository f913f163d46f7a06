//! Who waits for memory, in the order in which they came.
//!
//! Who waits may try again when there is room for it and for all before it; a newcomer, too, so that those who wait have
//! theirs and nobody hands single records around while there is room for many. Who leaves, served or not, passes the turn on.
//! A waiter that was refused because its own partition, or its broker, holds its share does not stop those behind it: one
//! dead broker would stop all others. Nor is it woken before the share has room.

use std::collections::VecDeque;
use std::task::Waker;

use felice_core::id::TopicPartition;

/// A place in the queue.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place(u64);

/// What a waiter was refused for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shortage {
    /// There are not enough free blocks: it takes so many at most.
    Memory {
        /// At least one.
        blocks: u32,
    },
    /// There are, but its partition has had its share. Without a partition: several have.
    Share(Option<TopicPartition>),
}

impl Shortage {
    /// Blocks that it waits for.
    fn needed(self) -> u64 {
        match self {
            Self::Memory { blocks } => blocks.into(),
            Self::Share(_) => 0,
        }
    }
}

struct Waiter {
    place: u64,
    waker: Waker,
    shortage: Shortage,
    /// Its waker was handed out, and it has not tried since.
    woken: bool,
}

/// For so many waiters there is room from the start: whoever waits first allocates nothing.
const WAITERS: usize = 32;

/// The queue. Nothing in it wakes anybody: it hands wakers out, to be woken outside the lock.
pub(crate) struct MemoryQueue {
    waiters: VecDeque<Waiter>,
    next: u64,
    /// Blocks that they wait for, whatever their partition.
    needed: u64,
}

impl Default for MemoryQueue {
    fn default() -> Self {
        Self { waiters: VecDeque::with_capacity(WAITERS), next: 0, needed: 0 }
    }
}

impl MemoryQueue {
    /// Whether nobody waits for free blocks: then a newcomer may try at once.
    pub(crate) const fn is_open(&self) -> bool {
        self.needed == 0
    }

    /// Whether a newcomer that takes so many blocks leaves enough of `room` to those who wait.
    pub(crate) fn has_room(&self, room: u32, blocks: u32) -> bool {
        self.needed == 0 || self.needed + u64::from(blocks) <= room.into()
    }

    /// Whether it is the turn of the waiter at `place`: nobody before it waits for free blocks, or there is room for all.
    pub(crate) fn is_turn(&self, place: &Place, room: u32) -> bool {
        let ahead = self.waiters.iter().take_while(|waiter| waiter.place < place.0);
        let ahead: u64 = ahead.map(|waiter| waiter.shortage.needed()).sum();
        let own = self.find(place).map_or(0, |index| self.waiters[index].shortage.needed());
        ahead == 0 || ahead + own.max(1) <= room.into()
    }

    /// A newcomer waits.
    pub(crate) fn enter(&mut self, waker: &Waker, shortage: Shortage) -> Place {
        let place = self.next;
        self.next += 1;
        self.needed += shortage.needed();
        self.waiters.push_back(Waiter { place, waker: waker.clone(), shortage, woken: false });
        Place(place)
    }

    /// A waiter waits on. Whoever may try because of that is moved into `wakers`.
    pub(crate) fn stay(
        &mut self,
        place: &Place,
        waker: &Waker,
        shortage: Shortage,
        room: u32,
        has_share: impl Fn(TopicPartition) -> bool,
        wakers: &mut Vec<Waker>,
    ) {
        let Some(index) = self.find(place) else { return };
        let waiter = &mut self.waiters[index];
        waiter.waker.clone_from(waker);
        waiter.woken = false;
        let before = std::mem::replace(&mut waiter.shortage, shortage).needed();
        self.needed = self.needed - before + shortage.needed();
        if before > shortage.needed() {
            self.pass_on(index + 1, room, has_share, wakers);
        }
    }

    /// A waiter's waker has changed; nothing else has.
    pub(crate) fn rewake(&mut self, place: &Place, waker: &Waker) {
        if let Some(index) = self.find(place) {
            self.waiters[index].waker.clone_from(waker);
            self.waiters[index].woken = false;
        }
    }

    /// A waiter leaves: with its memory, or because it waits no more. The next one's turn has come.
    pub(crate) fn leave(
        &mut self,
        place: &Place,
        room: u32,
        has_share: impl Fn(TopicPartition) -> bool,
        wakers: &mut Vec<Waker>,
    ) {
        let Some(index) = self.find(place) else { return };
        if let Some(Waiter { shortage: shortage @ Shortage::Memory { .. }, .. }) = self.waiters.remove(index)
        {
            self.needed -= shortage.needed();
            self.pass_on(index, room, has_share, wakers);
        }
    }

    /// Memory came back, or shares have changed: who may try is moved into `wakers`.
    pub(crate) fn freed(
        &mut self,
        room: u32,
        has_share: impl Fn(TopicPartition) -> bool,
        wakers: &mut Vec<Waker>,
    ) {
        self.pass_on(0, room, has_share, wakers);
    }

    /// The producer is closed: all may go.
    pub(crate) fn wake_all(&self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.waiters.iter().map(|waiter| waiter.waker.clone()));
    }

    /// Wakes those from `index` on whose turn it is, unless they were woken and have not tried since: the first that
    /// waits for free blocks, as many behind it as there is room for, and those between them whose partition has room in
    /// its share.
    fn pass_on(
        &mut self,
        index: usize,
        room: u32,
        has_share: impl Fn(TopicPartition) -> bool,
        wakers: &mut Vec<Waker>,
    ) {
        let mut needed = 0;
        for (at, waiter) in self.waiters.iter_mut().enumerate() {
            let own = waiter.shortage.needed();
            if needed > 0 && needed + own.max(1) > room.into() {
                return;
            }
            needed += own;
            let over = matches!(waiter.shortage, Shortage::Share(Some(partition)) if !has_share(partition));
            if at >= index && !waiter.woken && !over {
                waiter.woken = true;
                wakers.push(waiter.waker.clone());
            }
        }
    }

    fn find(&self, place: &Place) -> Option<usize> {
        self.waiters.binary_search_by_key(&place.0, |waiter| waiter.place).ok()
    }
}

#[cfg(test)]
#[path = "memory_queue_tests.rs"]
mod tests;
