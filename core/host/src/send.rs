//! How a record gets in: user code first, then one short step under the lock, then perhaps the wait for memory.

use std::cell::Cell as Kept;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use felice_core::error::TopicError;
use felice_core::event::TopicView;
use felice_core::record::{Placement, ProducerRecord};
use felice_core::serializer::Serialize;

use crate::RecordMetadata;
use crate::callback::{Closure, Observer};
use crate::delivery::{Delivery, Interest};
use crate::epochs::Epoch;
use crate::error::{PartitionsError, ProduceError, SendError};
use crate::memory_queue::{Place, Shortage};
use crate::shared::{Phase, Prepared, Refusal, Shared, State};

/// A record on its way in: who wants to hear of it, and its place in the queue for memory.
///
/// Dropping it gives the place up, and passes the turn on: a `send` that is cancelled leaves nothing behind.
pub struct Sending<'p> {
    shared: &'p Shared,
    interest: Option<Interest>,
    place: Option<Place>,
}

impl<'p> Sending<'p> {
    /// For a handle.
    #[must_use]
    pub const fn handle(shared: &'p Shared) -> Self {
        Self::new(shared, Interest::Handle)
    }

    /// For a closure. It is boxed.
    #[must_use]
    pub fn closure(
        shared: &'p Shared,
        closure: impl FnOnce(Result<RecordMetadata, ProduceError>) + Send + 'static,
    ) -> Self {
        let closure: Closure = Box::new(closure);
        Self::new(shared, Interest::Observer(Observer::Closure(closure)))
    }

    /// For the producer's callback object.
    #[must_use]
    pub const fn token(shared: &'p Shared, token: u64) -> Self {
        Self::new(shared, Interest::Observer(Observer::Token(token)))
    }

    const fn new(shared: &'p Shared, interest: Interest) -> Self {
        Self { shared, interest: Some(interest), place: None }
    }

    /// Sends a record, or waits for memory: then the context's waker will be woken. Without a context it never waits.
    ///
    /// The user's serializers and the partitioner run first, on this thread and outside every lock; a panic of theirs
    /// is the caller's, and nothing is kept of the record.
    ///
    /// # Errors
    ///
    /// [`SendError`]; `WouldBlock` only without a context.
    pub fn poll<K: Serialize, V: Serialize>(
        &mut self,
        context: Option<&Context<'_>>,
        record: &ProducerRecord<'_, K, V>,
    ) -> Poll<Result<Option<Delivery>, SendError>> {
        let (mut key, mut value) = SCRATCH.try_with(Kept::take).unwrap_or_default();
        let result = match record.serialize(&mut key, &mut value) {
            Ok(bytes) => {
                let timestamp = record.timestamp.unwrap_or_else(|| self.shared.clock.timestamp());
                let placement = self.shared.placement(record.partition, record.topic, bytes.key);
                let (topic, headers) = (record.topic, record.headers);
                let record =
                    Prepared { topic, placement, key: bytes.key, value: bytes.value, headers, timestamp };
                self.poll_accept(context, &record)
            }
            Err(error) => Poll::Ready(Err(error.into())),
        };
        if key.capacity().max(value.capacity()) <= SCRATCH_KEPT_BYTES {
            let _ = SCRATCH.try_with(|kept| kept.set((key, value)));
        }
        result
    }

    fn poll_accept(
        &mut self,
        context: Option<&Context<'_>>,
        record: &Prepared<'_>,
    ) -> Poll<Result<Option<Delivery>, SendError>> {
        if matches!(self.interest, Some(Interest::Observer(Observer::Token(_))))
            && self.shared.callbacks.object.is_none()
        {
            return Poll::Ready(Err(SendError::NoCallback));
        }
        if self.place.is_some() {
            return self.poll_waiting(context, record);
        }
        let now = self.shared.clock.coarse();
        let mut state = self.shared.lock();
        let refusal = if state.memory.is_open() {
            match state.accept(now, record, &mut self.interest) {
                Ok((delivery, wake)) => {
                    drop(state);
                    if wake {
                        self.shared.driver.wake_by_ref();
                    }
                    return Poll::Ready(Ok(delivery));
                }
                Err(refusal) => refusal,
            }
        } else if state.phase == Phase::Open {
            Refusal::Shortage(Shortage::Memory)
        } else {
            Refusal::Error(SendError::Closed)
        };
        let result = match (refusal, context) {
            (Refusal::Error(error), _) => Poll::Ready(Err(error)),
            (Refusal::Shortage(_), None) => Poll::Ready(Err(SendError::WouldBlock)),
            (Refusal::Shortage(shortage), Some(context)) => {
                self.place = Some(state.memory.enter(context.waker(), shortage));
                Poll::Pending
            }
        };
        drop(state);
        // What is held was made ready, so that memory comes back.
        self.shared.driver.wake_by_ref();
        result
    }

    /// One that has a place in the queue tries again if it is its turn.
    #[cold]
    fn poll_waiting(
        &mut self,
        context: Option<&Context<'_>>,
        record: &Prepared<'_>,
    ) -> Poll<Result<Option<Delivery>, SendError>> {
        let now = self.shared.clock.coarse();
        let Some(place) = self.place.take() else { return Poll::Ready(Err(SendError::WouldBlock)) };
        let (result, wake) = self.shared.with(|state, wakers| {
            let refusal = if state.phase != Phase::Open {
                Refusal::Error(SendError::Closed)
            } else if state.memory.is_turn(&place) {
                match state.accept(now, record, &mut self.interest) {
                    Ok((delivery, wake)) => {
                        state.memory.leave(&place, wakers);
                        return (Poll::Ready(Ok(delivery)), wake);
                    }
                    Err(refusal) => refusal,
                }
            } else if let Some(context) = context {
                state.memory.rewake(&place, context.waker());
                self.place = Some(place);
                return (Poll::Pending, false);
            } else {
                Refusal::Error(SendError::WouldBlock)
            };
            match (refusal, context) {
                (Refusal::Shortage(shortage), Some(context)) => {
                    state.memory.stay(&place, context.waker(), shortage, wakers);
                    self.place = Some(place);
                    (Poll::Pending, true)
                }
                (refusal, _) => {
                    state.memory.leave(&place, wakers);
                    let error =
                        if let Refusal::Error(error) = refusal { error } else { SendError::WouldBlock };
                    (Poll::Ready(Err(error)), false)
                }
            }
        });
        if wake {
            self.shared.driver.wake_by_ref();
        }
        result
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.shared.with(|state, wakers| state.memory.leave(&place, wakers));
        }
    }
}

/// A flush that has begun.
#[derive(Debug, Default)]
pub struct Flushing(Option<Epoch>);

/// A scratch that grew beyond this for one large record is not kept.
const SCRATCH_KEPT_BYTES: usize = 64 * 1024;

thread_local! {
    /// A key's and a value's. Taken while a serializer runs: one that sends finds empty ones.
    static SCRATCH: Kept<(Vec<u8>, Vec<u8>)> = const { Kept::new((Vec::new(), Vec::new())) };
}

impl Shared {
    fn placement(&self, partition: Option<i32>, topic: &str, key: Option<&[u8]>) -> Placement {
        let key = if self.ignore_keys { None } else { key };
        Placement::of(partition, &*self.partitioner, topic, key)
    }

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
