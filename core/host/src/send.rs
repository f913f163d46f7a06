//! How a record gets in: user code first, then one short step under the lock, then perhaps the wait for memory.

use std::cell::Cell as Kept;
use std::task::{Context, Poll};
use std::thread::LocalKey;

use felice_core::record::{Header, KeyValue, Placement, ProducerRecord};
use felice_core::serializer::Serialize;
use felice_core::time::Timestamp;

use crate::RecordMetadata;
use crate::callback::{Closure, Observer};
use crate::delivery::{Delivery, Interest};
use crate::error::{ProduceError, SendError};
use crate::memory_queue::{Place, Shortage};
use crate::shared::{Phase, Prepared, Refusal, Shared};

/// A record on its way in: who wants to hear of it, and its place in the queue for memory.
///
/// Dropping it gives the place up, and passes the turn on: a `send` that is cancelled leaves nothing behind.
pub struct Sending<'p> {
    shared: &'p Shared,
    interest: Option<Interest>,
    place: Option<Place>,
    held: Option<Held>,
}

/// What the user's code has made of a record that was refused for now: it runs once, however often the record is tried.
struct Held {
    scratch: Scratch,
    has_key: bool,
    has_value: bool,
    placement: Placement,
    timestamp: Timestamp,
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
        Self { shared, interest: Some(interest), place: None, held: None }
    }

    /// Sends a record, or waits for memory: then the context's waker will be woken. Without a context it never waits;
    /// what would have to can be tried again.
    ///
    /// The user's serializers and the partitioner run first, once, on this thread and outside every lock; a panic of
    /// theirs is the caller's, and nothing is kept of the record. It must be the same record every time.
    ///
    /// # Errors
    ///
    /// [`SendError`]; `WouldBlock` only without a context.
    pub fn poll<K: Serialize, V: Serialize>(
        &mut self,
        context: Option<&Context<'_>>,
        record: &ProducerRecord<'_, K, V>,
    ) -> Poll<Result<Option<Delivery>, SendError>> {
        if let Some(held) = self.held.take() {
            return self.poll_held(context, record.topic, record.headers, held);
        }
        let (mut key, mut value) = SCRATCH.try_with(Kept::take).unwrap_or_default();
        let result = match record.serialize(&mut key, &mut value) {
            Ok(KeyValue { key, value }) => {
                let timestamp = record.timestamp.unwrap_or_else(|| self.shared.clock.timestamp());
                let placement = self.shared.placement(record.partition, record.topic, key);
                let (topic, headers) = (record.topic, record.headers);
                self.poll_new(context, &Prepared { topic, placement, key, value, headers, timestamp })
            }
            Err(error) => Poll::Ready(Err(error.into())),
        };
        keep(&SCRATCH, (key, value));
        result
    }

    /// Sends a record if that needs no waiting: [`poll`](Self::poll) without a context. It may be tried again.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    pub fn attempt<K: Serialize, V: Serialize>(
        &mut self,
        record: &ProducerRecord<'_, K, V>,
    ) -> Result<Option<Delivery>, SendError> {
        match self.poll(None, record) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(SendError::WouldBlock),
        }
    }

    /// The handle of a record that was accepted for one.
    ///
    /// # Errors
    ///
    /// As `accepted`.
    pub fn delivery(accepted: Result<Option<Delivery>, SendError>) -> Result<Delivery, SendError> {
        accepted?.ok_or(SendError::Closed)
    }

    /// The first attempt.
    fn poll_new(
        &mut self,
        context: Option<&Context<'_>>,
        record: &Prepared<'_>,
    ) -> Poll<Result<Option<Delivery>, SendError>> {
        let result = self.poll_accept(context, record);
        if is_refused_for_now(&result) {
            self.held = Some(Held::new(record));
        }
        result
    }

    /// A later attempt.
    #[cold]
    fn poll_held(
        &mut self,
        context: Option<&Context<'_>>,
        topic: &str,
        headers: &[Header<'_>],
        held: Held,
    ) -> Poll<Result<Option<Delivery>, SendError>> {
        let Held { scratch: (key, value), has_key, has_value, placement, timestamp } = &held;
        let (key, value) = (has_key.then_some(&key[..]), has_value.then_some(&value[..]));
        let record = Prepared { topic, placement: *placement, key, value, headers, timestamp: *timestamp };
        let result = self.poll_accept(context, &record);
        if is_refused_for_now(&result) {
            self.held = Some(held);
        } else {
            keep(&HELD, held.scratch);
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
        let Some(mut state) = self.shared.lock_here() else { return Poll::Ready(Err(SendError::Forked)) };
        let refusal = if state.memory.is_open() {
            match state.accept(now, record, &mut self.interest) {
                Ok((delivery, wake)) => {
                    drop(state);
                    let woken = if wake { self.shared.wake_driver() } else { Ok(()) };
                    return Poll::Ready(woken.map(|()| delivery));
                }
                Err(refusal) => refusal,
            }
        } else if state.phase == Phase::Open {
            Refusal::Shortage(Shortage::Memory)
        } else {
            Refusal::Error(state.ended())
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
        match self.shared.wake_driver() {
            Ok(()) => result,
            Err(forked) => Poll::Ready(Err(forked)),
        }
    }

    /// One that has a place in the queue tries again if it is its turn.
    #[cold]
    fn poll_waiting(
        &mut self,
        context: Option<&Context<'_>>,
        record: &Prepared<'_>,
    ) -> Poll<Result<Option<Delivery>, SendError>> {
        if self.shared.is_forked() {
            return Poll::Ready(Err(SendError::Forked));
        }
        let now = self.shared.clock.coarse();
        let Some(place) = self.place.take() else { return Poll::Ready(Err(SendError::WouldBlock)) };
        let (result, wake) = self.shared.with(|state, wakers| {
            let refusal = if state.phase != Phase::Open {
                Refusal::Error(state.ended())
            } else if state.memory.is_turn(&place) {
                match state.accept(now, record, &mut self.interest) {
                    Ok((delivery, wake)) => {
                        state.leave(&place, wakers);
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
                    state.stay(&place, context.waker(), shortage, wakers);
                    self.place = Some(place);
                    (Poll::Pending, true)
                }
                (refusal, _) => {
                    state.leave(&place, wakers);
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
        if let Some(place) = self.place.take()
            && !self.shared.is_forked()
        {
            self.shared.with(|state, wakers| state.leave(&place, wakers));
        }
        if let Some(held) = self.held.take() {
            keep(&HELD, held.scratch);
        }
    }
}

impl Held {
    #[cold]
    fn new(record: &Prepared<'_>) -> Self {
        let (mut key, mut value) = HELD.try_with(Kept::take).unwrap_or_default();
        key.clear();
        value.clear();
        key.extend_from_slice(record.key.unwrap_or_default());
        value.extend_from_slice(record.value.unwrap_or_default());
        Self {
            scratch: (key, value),
            has_key: record.key.is_some(),
            has_value: record.value.is_some(),
            placement: record.placement,
            timestamp: record.timestamp,
        }
    }
}

const fn is_refused_for_now(result: &Poll<Result<Option<Delivery>, SendError>>) -> bool {
    matches!(result, Poll::Pending | Poll::Ready(Err(SendError::WouldBlock)))
}

type Scratch = (Vec<u8>, Vec<u8>);

/// Gives a thread its scratch back.
fn keep(place: &'static LocalKey<Kept<Scratch>>, scratch: Scratch) {
    if scratch.0.capacity().max(scratch.1.capacity()) <= SCRATCH_KEPT_BYTES {
        // A thread that is ending has no place for it any more.
        let _ = place.try_with(|kept| kept.set(scratch));
    }
}

/// A scratch that grew beyond this for one large record is not kept.
const SCRATCH_KEPT_BYTES: usize = 64 * 1024;

thread_local! {
    /// A key's and a value's. Taken while a serializer runs: one that sends finds empty ones.
    static SCRATCH: Kept<Scratch> = const { Kept::new((Vec::new(), Vec::new())) };
    /// Those of a record that waits for memory.
    static HELD: Kept<Scratch> = const { Kept::new((Vec::new(), Vec::new())) };
}

impl Shared {
    fn placement(&self, partition: Option<i32>, topic: &str, key: Option<&[u8]>) -> Placement {
        let key = if self.ignore_keys { None } else { key };
        Placement::of(partition, &*self.partitioner, topic, key)
    }
}
