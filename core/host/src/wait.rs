//! What is waited for beside memory: a flush, a topic's partitions, the end.

use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use felice_core::error::TopicError;
use felice_core::event::TopicView;

use crate::epochs::Epoch;
use crate::error::{PartitionsError, SendError};
use crate::shared::{Phase, Refusal, Shared, State};

/// How much longer than the closing its callbacks may take.
pub const CALLBACK_GRACE: Duration = Duration::from_secs(1);

/// A flush that has begun.
#[derive(Debug, Default)]
pub struct Flushing(Option<Epoch>);

impl Shared {
    /// Makes all that is held leave now, and is ready when every record accepted before the first call has its outcome
    /// and its callback has run.
    pub fn poll_flush(&self, context: &Context<'_>, flushing: &mut Flushing) -> Poll<()> {
        let mut state = self.lock();
        if let Some(epoch) = flushing.0 {
            return state.deliveries.epochs.poll(epoch, context);
        }
        state.accumulator.flush();
        let epoch = state.deliveries.epochs.mark();
        let result = state.deliveries.epochs.poll(epoch, context);
        drop(state);
        flushing.0 = Some(epoch);
        if result.is_pending() {
            self.driver.wake_by_ref();
        }
        result
    }

    /// Makes all that is held leave now, and waits for nothing.
    pub fn begin_flush(&self) {
        self.lock().accumulator.flush();
        self.driver.wake_by_ref();
    }

    /// How many partitions a topic has, once that is known.
    ///
    /// # Errors
    ///
    /// [`PartitionsError`], but `TimedOut` and `InCallback`, which are the front-end's.
    pub fn poll_partitions(&self, context: &Context<'_>, topic: &str) -> Poll<Result<i32, PartitionsError>> {
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return Poll::Ready(Err(PartitionsError::Closed));
        }
        let id = match state.topic(topic) {
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
        if !topic_waiters.iter().any(|waker| waker.will_wake(context.waker())) {
            topic_waiters.push(context.waker().clone());
        }
        drop(state);
        self.driver.wake_by_ref();
        Poll::Pending
    }

    /// Takes no record any more. What is held may be acknowledged for as long as `timeout`; the rest then fails.
    pub fn begin_close(&self, timeout: Duration) {
        let deadline = self.clock.now() + timeout;
        self.with(|state, wakers| {
            if state.phase == Phase::Open {
                state.phase = Phase::Closing;
                state.failed_before = self.failed.load(Ordering::Relaxed);
                state.accumulator.flush();
                state.memory.wake_all(wakers);
                wakers.append(&mut state.topic_waiters);
            }
            state.deadline = Some(state.deadline.map_or(deadline, |earlier| earlier.min(deadline)));
        });
        self.driver.wake_by_ref();
    }

    /// Ready when nothing is held, the driver has ended, and every callback has run. Tells how many records have
    /// failed since the closing began.
    pub fn poll_closed(&self, context: &Context<'_>) -> Poll<u64> {
        let mut state = self.lock();
        if state.phase != Phase::Closed {
            if !state.close_waiters.iter().any(|waker| waker.will_wake(context.waker())) {
                state.close_waiters.push(context.waker().clone());
            }
            return Poll::Pending;
        }
        let epoch = state.deliveries.epochs.mark();
        state.deliveries.epochs.poll(epoch, context).map(|()| self.failed_since(&state))
    }

    /// Whether the driver has ended: what can still be waited for are callbacks.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.lock().phase == Phase::Closed
    }

    /// Waits for the end of the thread that runs the callbacks. Only after [`poll_closed`](Self::poll_closed) is ready,
    /// and never in a callback.
    pub fn join_callbacks(&self) {
        if let Some(thread) = self.dispatcher.thread() {
            let _ = thread.join();
        }
    }

    /// How many records have failed since the closing began.
    #[must_use]
    pub fn failed_in_closing(&self) -> u64 {
        self.failed_since(&self.lock())
    }

    fn failed_since(&self, state: &State) -> u64 {
        self.failed.load(Ordering::Relaxed).saturating_sub(state.failed_before)
    }
}
