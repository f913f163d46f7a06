//! How a thread waits: it parks, and a waker that it keeps for its whole life unparks it.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

thread_local! {
    /// Made once per thread: waiting allocates nothing.
    static WAKER: Waker = waker();
}

fn waker() -> Waker {
    Arc::new(Unpark(thread::current())).into()
}

/// Polls until it is ready, parking in between. `None` when the deadline comes before.
pub(crate) fn wait<T>(deadline: Option<Instant>, mut poll: impl FnMut(&Context<'_>) -> Poll<T>) -> Option<T> {
    // A thread that is ending has no thread-locals any more, and may still wait.
    let waker = WAKER.try_with(Waker::clone).unwrap_or_else(|_| waker());
    let context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(result) = poll(&context) {
            return Some(result);
        }
        match deadline {
            None => thread::park(),
            Some(deadline) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return None;
                }
                thread::park_timeout(left);
            }
        }
    }
}
