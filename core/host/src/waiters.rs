//! Wakers of those who wait for something, each under its own key: one that waits no more is forgotten, so who gives up
//! again and again, as with a timer, leaves nothing behind.

use std::task::Waker;

/// Who waits, and what for.
pub(crate) struct Waiters<T> {
    /// By ascending key.
    list: Vec<(u64, T, Waker)>,
    next: u64,
}

impl<T> Default for Waiters<T> {
    fn default() -> Self {
        Self { list: Vec::new(), next: 0 }
    }
}

impl<T> Waiters<T> {
    /// Waits, or waits on: `key` is the waiter's own, and none at first. Only its last waker counts.
    pub(crate) fn register(&mut self, key: &mut Option<u64>, what: T, waker: &Waker) {
        if let Some(place) = key.and_then(|key| self.find(key)) {
            let (_, known, old) = &mut self.list[place];
            *known = what;
            old.clone_from(waker);
            return;
        }
        *key = Some(self.next);
        self.list.push((self.next, what, waker.clone()));
        self.next += 1;
    }

    /// The waiter waits no more. Its waker is to be dropped outside the lock.
    pub(crate) fn forget(&mut self, key: u64) -> Option<Waker> {
        let place = self.find(key)?;
        Some(self.list.remove(place).2)
    }

    /// Moves those who wait for what is `due` into `wakers`, to be woken outside the lock.
    pub(crate) fn take(&mut self, wakers: &mut Vec<Waker>, due: impl Fn(&T) -> bool) {
        wakers.extend(self.list.extract_if(.., |(_, what, _)| due(what)).map(|(_, _, waker)| waker));
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    fn find(&self, key: u64) -> Option<usize> {
        self.list.binary_search_by_key(&key, |(key, ..)| *key).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_gives_up_is_forgotten_and_who_waits_on_waits_once() {
        let mut waiters = Waiters::default();
        let mut keys = [None; 3];
        for round in 0..3 {
            for key in &mut keys {
                waiters.register(key, round, Waker::noop());
            }
        }
        assert_eq!(waiters.list.len(), 3);
        assert!(waiters.forget(keys[1].unwrap()).is_some() && waiters.forget(keys[1].unwrap()).is_none());
        waiters.register(&mut keys[2], 7, Waker::noop());
        let mut wakers = Vec::new();
        waiters.take(&mut wakers, |what| *what < 7);
        assert_eq!((wakers.len(), waiters.list.len()), (1, 1));
        waiters.register(&mut keys[0], 8, Waker::noop());
        waiters.take(&mut wakers, |_| true);
        assert!(wakers.len() == 3 && waiters.is_empty());
    }
}
