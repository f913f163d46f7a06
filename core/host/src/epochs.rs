//! What a flush waits for: every batch that held a record when it was called, and no later one.
//!
//! Batches are counted by epoch; a flush ends the current epoch and waits until it and all before it are empty. There
//! are never more epochs than batches, and counting costs the same for any number of them.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use crate::waiters::Waiters;

/// The time between two flushes, in which a batch began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Epoch(u64);

/// How many batches of each epoch are not done.
pub(crate) struct Epochs {
    /// The oldest epoch that is counted.
    first: u64,
    /// From the oldest to the current one: never empty.
    counts: VecDeque<u32>,
    waiters: Waiters<Epoch>,
}

impl Default for Epochs {
    fn default() -> Self {
        Self { first: 0, counts: VecDeque::from([0]), waiters: Waiters::default() }
    }
}

impl Epochs {
    /// A batch begins.
    pub(crate) fn enter(&mut self) -> Epoch {
        self.join(self.current())
    }

    /// A batch begins that counts as one of `epoch`, which is not over.
    pub(crate) fn join(&mut self, epoch: Epoch) -> Epoch {
        if let Some(count) = self.count(epoch) {
            *count += 1;
        }
        epoch
    }

    /// A batch is done. Flushes that waited for it are moved into `wakers`.
    pub(crate) fn leave(&mut self, epoch: Epoch, wakers: &mut Vec<Waker>) {
        if let Some(count) = self.count(epoch) {
            *count = count.saturating_sub(1);
        }
        while self.counts.len() > 1 && self.counts.front() == Some(&0) {
            self.counts.pop_front();
            self.first += 1;
        }
        if self.waiters.is_empty() {
            return;
        }
        let (first, empty) = (Epoch(self.first), self.is_empty());
        self.waiters.take(wakers, |until| empty || *until <= first);
    }

    /// No batch is held.
    pub(crate) fn is_empty(&self) -> bool {
        self.counts.len() == 1 && self.counts.front() == Some(&0)
    }

    /// What a flush that is called now waits for.
    pub(crate) fn mark(&mut self) -> Epoch {
        if self.counts.back() != Some(&0) {
            self.counts.push_back(0);
        }
        self.current()
    }

    /// Whether every batch that began before `until` is done. Who waits for it keeps `key`.
    pub(crate) fn poll(&mut self, until: Epoch, context: &Context<'_>, key: &mut Option<u64>) -> Poll<()> {
        if until <= Epoch(self.first) {
            return Poll::Ready(());
        }
        self.waiters.register(key, until, context.waker());
        Poll::Pending
    }

    /// Who kept this key waits no more.
    pub(crate) fn forget(&mut self, key: u64) -> Option<Waker> {
        self.waiters.forget(key)
    }

    fn current(&self) -> Epoch {
        Epoch(self.first + self.counts.len() as u64 - 1)
    }

    fn count(&mut self, epoch: Epoch) -> Option<&mut u32> {
        self.counts.get_mut(usize::try_from(epoch.0.checked_sub(self.first)?).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_waits_for_what_began_before_it_and_for_nothing_else() {
        let mut epochs = Epochs::default();
        let mut wakers = Vec::new();
        let context = Context::from_waker(Waker::noop());
        let [mut nobody, mut one, mut two] = [None; 3];
        let nothing = epochs.mark();
        assert!(epochs.poll(nothing, &context, &mut nobody).is_ready(), "nothing is held");

        let (a, b) = (epochs.enter(), epochs.enter());
        let first = epochs.mark();
        let c = epochs.enter();
        let second = epochs.mark();
        let late = epochs.enter();
        assert!(epochs.poll(first, &context, &mut one).is_pending());
        assert!(epochs.poll(second, &context, &mut two).is_pending());
        assert!(epochs.poll(second, &context, &mut two).is_pending(), "a waker waits once");

        epochs.leave(c, &mut wakers);
        epochs.leave(a, &mut wakers);
        assert!(wakers.is_empty());
        epochs.leave(b, &mut wakers);
        assert_eq!(wakers.len(), 2);
        assert!(
            epochs.poll(first, &context, &mut one).is_ready()
                && epochs.poll(second, &context, &mut two).is_ready()
        );
        assert!(!epochs.is_empty());
        epochs.leave(late, &mut wakers);
        assert!(epochs.is_empty());
    }

    #[test]
    fn a_batch_may_join_an_older_epoch() {
        let mut epochs = Epochs::default();
        let mut wakers = Vec::new();
        let context = Context::from_waker(Waker::noop());
        let (old, mut key) = (epochs.enter(), None);
        let flush = epochs.mark();
        assert_eq!(epochs.join(old), old);
        epochs.leave(old, &mut wakers);
        assert!(epochs.poll(flush, &context, &mut key).is_pending());
        epochs.leave(old, &mut wakers);
        assert!(epochs.poll(flush, &context, &mut key).is_ready());
    }
}
