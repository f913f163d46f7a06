//! Who waits for memory, in the order in which they came.
//!
//! Only the first in the queue may try again; a newcomer queues behind; who leaves, served or not, passes the turn on.
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
    /// There are not enough free blocks.
    Memory,
    /// There are, but its partition has had its share. Without a partition: several have.
    Share(Option<TopicPartition>),
}

struct Waiter {
    place: u64,
    waker: Waker,
    shortage: Shortage,
}

/// For so many waiters there is room from the start: whoever waits first allocates nothing.
const WAITERS: usize = 32;

/// The queue. Nothing in it wakes anybody: it hands wakers out, to be woken outside the lock.
pub(crate) struct MemoryQueue {
    waiters: VecDeque<Waiter>,
    next: u64,
    /// How many wait for free blocks, whatever their partition.
    for_memory: usize,
}

impl Default for MemoryQueue {
    fn default() -> Self {
        Self { waiters: VecDeque::with_capacity(WAITERS), next: 0, for_memory: 0 }
    }
}

impl MemoryQueue {
    /// Whether a newcomer may try at once.
    pub(crate) const fn is_open(&self) -> bool {
        self.for_memory == 0
    }

    /// Whether it is the turn of the waiter at `place`: nobody before it waits for free blocks.
    pub(crate) fn is_turn(&self, place: &Place) -> bool {
        let ahead = self.waiters.iter().take_while(|waiter| waiter.place < place.0);
        ahead.filter(|waiter| waiter.shortage == Shortage::Memory).count() == 0
    }

    /// A newcomer waits.
    pub(crate) fn enter(&mut self, waker: &Waker, shortage: Shortage) -> Place {
        let place = self.next;
        self.next += 1;
        self.for_memory += usize::from(shortage == Shortage::Memory);
        self.waiters.push_back(Waiter { place, waker: waker.clone(), shortage });
        Place(place)
    }

    /// A waiter waits on. Whoever may try because of that is moved into `wakers`.
    pub(crate) fn stay(
        &mut self,
        place: &Place,
        waker: &Waker,
        shortage: Shortage,
        has_share: impl Fn(TopicPartition) -> bool,
        wakers: &mut Vec<Waker>,
    ) {
        let Some(index) = self.find(place) else { return };
        let waiter = &mut self.waiters[index];
        waiter.waker.clone_from(waker);
        let before = std::mem::replace(&mut waiter.shortage, shortage);
        match (before, shortage) {
            (Shortage::Memory, Shortage::Share(_)) => {
                self.for_memory -= 1;
                self.pass_on(index + 1, has_share, wakers);
            }
            (Shortage::Share(_), Shortage::Memory) => self.for_memory += 1,
            _ => {}
        }
    }

    /// A waiter's waker has changed; nothing else has.
    pub(crate) fn rewake(&mut self, place: &Place, waker: &Waker) {
        if let Some(index) = self.find(place) {
            self.waiters[index].waker.clone_from(waker);
        }
    }

    /// A waiter leaves: with its memory, or because it waits no more. The next one's turn has come.
    pub(crate) fn leave(
        &mut self,
        place: &Place,
        has_share: impl Fn(TopicPartition) -> bool,
        wakers: &mut Vec<Waker>,
    ) {
        let Some(index) = self.find(place) else { return };
        if let Some(Waiter { shortage: Shortage::Memory, .. }) = self.waiters.remove(index) {
            self.for_memory -= 1;
            self.pass_on(index, has_share, wakers);
        }
    }

    /// Memory came back, or shares have changed: who may try is moved into `wakers`.
    pub(crate) fn freed(&self, has_share: impl Fn(TopicPartition) -> bool, wakers: &mut Vec<Waker>) {
        self.pass_on(0, has_share, wakers);
    }

    /// The producer is closed: all may go.
    pub(crate) fn wake_all(&self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.waiters.iter().map(|waiter| waiter.waker.clone()));
    }

    /// Wakes those from `index` on whose turn it is: the first that waits for free blocks, and those before it whose
    /// partition has room in its share.
    fn pass_on(&self, index: usize, has_share: impl Fn(TopicPartition) -> bool, wakers: &mut Vec<Waker>) {
        if self.waiters.iter().take(index).any(|waiter| waiter.shortage == Shortage::Memory) {
            return;
        }
        for waiter in self.waiters.iter().skip(index) {
            match waiter.shortage {
                Shortage::Memory => return wakers.push(waiter.waker.clone()),
                Shortage::Share(Some(partition)) if !has_share(partition) => {}
                Shortage::Share(_) => wakers.push(waiter.waker.clone()),
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
