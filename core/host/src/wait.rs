//! What is waited for beside memory: a flush, a topic's partitions, the end.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use felice_core::error::TopicError;
use felice_core::event::TopicView;

use crate::callback::in_callback;
use crate::epochs::Epoch;
use crate::error::{CloseError, FlushError, PartitionsError, SendError};
use crate::shared::{Phase, Refusal, Shared, State};

/// How much longer than the closing its callbacks may take.
pub const CALLBACK_GRACE: Duration = Duration::from_secs(1);

/// A flush. Dropping it ends the waiting only.
pub struct Flushing<'p> {
    shared: &'p Shared,
    epoch: Option<Epoch>,
    key: Option<u64>,
}

/// Waits for the number of a topic's partitions. Dropping it ends the waiting only.
pub struct Partitions<'p> {
    shared: &'p Shared,
    topic: &'p str,
    key: Option<u64>,
}

/// Waits for the end, after [`Shared::begin_close`]. Dropping it ends the waiting only.
pub struct Closing<'p> {
    shared: &'p Shared,
    close_key: Option<u64>,
    epoch_key: Option<u64>,
}

impl<'p> Flushing<'p> {
    /// One that has not begun.
    #[must_use]
    pub const fn new(shared: &'p Shared) -> Self {
        Self { shared, epoch: None, key: None }
    }

    /// Makes all that is held leave now, and is ready when every record accepted before the first call has its outcome
    /// and its callback has run.
    ///
    /// # Errors
    ///
    /// [`FlushError::Forked`]; [`FlushError::InCallback`], where it makes it leave and does not wait.
    pub fn poll(&mut self, context: &Context<'_>) -> Poll<Result<(), FlushError>> {
        if self.shared.is_forked() {
            return Poll::Ready(Err(FlushError::Forked));
        }
        if in_callback() {
            self.shared.lock().accumulator.flush();
            self.shared.driver.wake_by_ref();
            return Poll::Ready(Err(FlushError::InCallback));
        }
        let mut state = self.shared.lock();
        if let Some(epoch) = self.epoch {
            return state.deliveries.epochs.poll(epoch, context, &mut self.key).map(Ok);
        }
        state.accumulator.flush();
        let epoch = state.deliveries.epochs.mark();
        let result = state.deliveries.epochs.poll(epoch, context, &mut self.key);
        drop(state);
        self.epoch = Some(epoch);
        if result.is_pending() {
            self.shared.driver.wake_by_ref();
        }
        result.map(Ok)
    }
}

impl Drop for Flushing<'_> {
    fn drop(&mut self) {
        forget(self.key, self.shared, |state, key| state.deliveries.epochs.forget(key));
    }
}

impl<'p> Partitions<'p> {
    /// Nothing is asked yet.
    #[must_use]
    pub const fn new(shared: &'p Shared, topic: &'p str) -> Self {
        Self { shared, topic, key: None }
    }

    /// How many partitions the topic has, once that is known.
    ///
    /// # Errors
    ///
    /// [`PartitionsError`], but `TimedOut`, which is the front-end's.
    pub fn poll(&mut self, context: &Context<'_>) -> Poll<Result<i32, PartitionsError>> {
        if self.shared.is_forked() {
            return Poll::Ready(Err(PartitionsError::Forked));
        }
        let mut state = self.shared.lock();
        if state.is_ended() {
            return Poll::Ready(Err(PartitionsError::Closed));
        }
        let id = match state.topic(self.topic) {
            Ok((id, _)) => usize::from(id.0),
            Err(Refusal::Error(SendError::TooManyTopics { max })) => {
                return Poll::Ready(Err(PartitionsError::Topic(TopicError::TooManyTopics { max })));
            }
            Err(_) => return Poll::Ready(Err(PartitionsError::Topic(TopicError::InvalidName))),
        };
        let State { topics, topic_waiters, .. } = &mut *state;
        match topics[id].view {
            TopicView::Known { partitions } => return Poll::Ready(Ok(partitions)),
            TopicView::Failed(code) => return Poll::Ready(Err(PartitionsError::Broker(code))),
            TopicView::Unknown => topics[id].wanted = true,
        }
        let waits = !in_callback();
        if waits {
            topic_waiters.register(&mut self.key, (), context.waker());
        }
        drop(state);
        self.shared.driver.wake_by_ref();
        if waits { Poll::Pending } else { Poll::Ready(Err(PartitionsError::InCallback)) }
    }
}

impl Drop for Partitions<'_> {
    fn drop(&mut self) {
        forget(self.key, self.shared, |state, key| state.topic_waiters.forget(key));
    }
}

impl<'p> Closing<'p> {
    /// Waits for the end of this producer.
    #[must_use]
    pub const fn new(shared: &'p Shared) -> Self {
        Self { shared, close_key: None, epoch_key: None }
    }

    /// Ready when nothing is held, the driver has ended, and every callback has run. Tells how many records have
    /// failed since the closing began.
    pub fn poll(&mut self, context: &Context<'_>) -> Poll<u64> {
        let mut state = self.shared.lock();
        if state.phase != Phase::Closed {
            state.close_waiters.register(&mut self.close_key, (), context.waker());
            return Poll::Pending;
        }
        let epoch = state.deliveries.epochs.mark();
        let result = state.deliveries.epochs.poll(epoch, context, &mut self.epoch_key);
        result.map(|()| self.shared.failed_since(&state))
    }
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        forget(self.close_key, self.shared, |state, key| state.close_waiters.forget(key));
        forget(self.epoch_key, self.shared, |state, key| state.deliveries.epochs.forget(key));
    }
}

/// Who had this key waits no more. Its waker is dropped outside the lock.
fn forget(key: Option<u64>, shared: &Shared, forget: impl FnOnce(&mut State, u64) -> Option<Waker>) {
    let waker = key.and_then(|key| forget(&mut *shared.lock_here()?, key));
    drop(waker);
}

impl Shared {
    /// Takes no record any more. What is held may be acknowledged for as long as `timeout`; the rest then fails.
    ///
    /// # Errors
    ///
    /// [`CloseError::Forked`]; [`CloseError::InCallback`], where it has begun and must not be waited for.
    pub fn begin_close(&self, timeout: Duration) -> Result<(), CloseError> {
        if self.is_forked() {
            return Err(CloseError::Forked);
        }
        let deadline = self.clock.now() + timeout;
        self.with(|state, wakers| {
            if !state.is_ended() {
                #[cfg(feature = "transactions")]
                state.abort_open_transaction();
                state.phase = Phase::Closing;
                state.failed_before = self.failed();
                state.accumulator.flush();
                state.memory.wake_all(wakers);
                state.topic_waiters.take(wakers, |()| true);
            }
            state.deadline = Some(state.deadline.map_or(deadline, |earlier| earlier.min(deadline)));
        });
        self.driver.wake_by_ref();
        if in_callback() { Err(CloseError::InCallback) } else { Ok(()) }
    }

    /// Whether the driver has ended: what can still be waited for are callbacks.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.lock().phase == Phase::Closed
    }

    /// Waits for the end of the thread that runs the callbacks. Only after [`Closing`] is ready,
    /// and never in a callback.
    pub fn join_callbacks(&self) {
        if let Some(thread) = self.dispatcher.thread() {
            let _ = thread.join();
        }
    }

    /// What a closing that was waited for has come to.
    ///
    /// # Errors
    ///
    /// [`CloseError::Undelivered`].
    pub fn closed(&self) -> Result<(), CloseError> {
        match self.failed_since(&self.lock()) {
            0 => Ok(()),
            records => Err(CloseError::Undelivered { records }),
        }
    }

    fn failed_since(&self, state: &State) -> u64 {
        self.failed().saturating_sub(state.failed_before)
    }
}
