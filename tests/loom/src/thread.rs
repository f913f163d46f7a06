//! What the copied sources find in the place of `std::thread`. Loom's own `park` forgets that it was unparked where it
//! waits for a lock in between; `std`'s does not.

use std::cell::Cell;
use std::time::Duration;

pub(crate) use loom::thread::{AccessError, Builder, JoinHandle, yield_now};

use crate::sync::Arc;

/// A thread that can be unparked.
#[derive(Clone)]
pub(crate) struct Thread(Arc<loom::sync::Notify>);

thread_local! {
    static CURRENT: Thread = Thread(Arc::default());
}

impl Thread {
    pub(crate) fn unpark(&self) {
        self.0.notify();
    }
}

pub(crate) fn current() -> Thread {
    CURRENT.with(Thread::clone)
}

/// Time is none of a model's business.
pub(crate) fn sleep(_: Duration) {
    yield_now();
}

/// Returns once without having been unparked, as `std`'s may.
pub(crate) fn park() {
    current().0.wait();
}

/// A model has no time: what must be woken is woken.
pub(crate) fn park_timeout(_: Duration) {
    park();
}

/// A thread-local of a thread of loom's.
pub(crate) struct LocalKey<T: 'static>(pub(crate) &'static loom::thread::LocalKey<T>);

impl<T: 'static> LocalKey<T> {
    pub(crate) fn with<R>(&self, code: impl FnOnce(&T) -> R) -> R {
        self.0.with(code)
    }

    pub(crate) fn try_with<R>(&self, code: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        self.0.try_with(code)
    }
}

impl<T: Copy> LocalKey<Cell<T>> {
    pub(crate) fn get(&self) -> T {
        self.with(Cell::get)
    }

    pub(crate) fn set(&self, value: T) {
        self.with(|cell| cell.set(value));
    }

    pub(crate) fn replace(&self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}
