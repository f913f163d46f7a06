//! Whether this still is the process that built the producer.
//!
//! After `fork` the child has a copy of the producer's memory, and none of its threads: whoever waits there waits for
//! ever, also for a lock that another thread held at that moment. So the process is looked at wherever a thread would
//! wait, and never where it would not: asking costs a system call.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::lock::patiently;

/// The process that built a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Home(u32);

impl Home {
    /// This process.
    pub(crate) fn here() -> Self {
        Self(std::process::id())
    }

    /// Whether this process is another one.
    pub(crate) fn is_elsewhere(self) -> bool {
        self != Self::here()
    }

    /// The lock; `None` in another process, where it is held: nobody will ever give it back.
    pub(crate) fn lock<T>(self, mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
        match patiently(mutex) {
            None if self.is_elsewhere() => None,
            None => Some(mutex.lock().unwrap_or_else(PoisonError::into_inner)),
            guard => guard,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_was_held_at_the_fork_is_not_waited_for() {
        let (mutex, away) = (Mutex::new(7), Home(0));
        assert!(away.is_elsewhere() && !Home::here().is_elsewhere());
        assert_eq!(away.lock(&mutex).map(|guard| *guard), Some(7), "a free one is as good as any");
        let held = Home::here().lock(&mutex);
        assert!(held.is_some() && away.lock(&mutex).is_none());
    }
}
