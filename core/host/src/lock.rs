//! How a thread waits for a lock that others hold for some dozens of nanoseconds.
//!
//! The standard lock puts a thread to sleep as soon as another one sleeps at it, and from then on every unlocking is a
//! system call: threads that send as fast as they can would spend nearly all their time in those. So before a thread
//! sleeps there it looks again for a while, and then lets others have the processor: one of them may hold the lock.

use std::hint;
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;

/// How often a thread looks before it sleeps.
const LOOKS: u32 = 24;
/// How often of these it does not give its processor away, and then that it does so for a moment only.
const LOOKS_AWAKE: u32 = 8;
/// For how long it does so after that: others are busy with the lock, and would only be hindered.
const NAP: Duration = Duration::from_micros(20);
/// How long it waits before it looks again, in the processor's own measure: about as long as the lock is held.
const SPINS: u32 = 16;

/// The lock, unless it is held for long. A poisoned one is as good: nothing that runs under these locks panics halfway
/// through a change.
#[inline]
pub(crate) fn patiently<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => look_again(mutex),
    }
}

#[cold]
fn look_again<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    for look in 0..LOOKS {
        if look < LOOKS_AWAKE {
            (0..SPINS).for_each(|_| hint::spin_loop());
        } else if look < 2 * LOOKS_AWAKE {
            thread::yield_now();
        } else {
            thread::sleep(NAP);
        }
        match mutex.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {}
        }
    }
    None
}

/// The lock, however long it is held.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    patiently(mutex).unwrap_or_else(|| mutex.lock().unwrap_or_else(PoisonError::into_inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_held_for_long_is_left_alone_and_then_waited_for() {
        let mutex = Mutex::new(7);
        let held = mutex.lock().unwrap();
        thread::scope(|scope| {
            assert!(scope.spawn(|| patiently(&mutex).is_none()).join().unwrap());
            let waits = scope.spawn(|| *lock(&mutex));
            drop(held);
            assert_eq!(waits.join().unwrap(), 7);
        });
    }

    #[test]
    fn a_poisoned_one_is_as_good() {
        let mutex = Mutex::new(7);
        let poisons = || {
            let _held = mutex.lock();
            panic!("as a thread that dies");
        };
        thread::scope(|scope| assert!(scope.spawn(poisons).join().is_err()));
        assert_eq!(patiently(&mutex).map(|guard| *guard), Some(7));
    }
}
