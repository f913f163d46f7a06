//! How a record gets in: user code first, then one short step under the lock, then perhaps the wait for memory.

use std::cell::Cell as Kept;
use std::task::{Context, Poll};
use std::thread::LocalKey;

use felice_core::record::{Header, KeyValue, Placement, ProducerRecord};
use felice_core::serializer::{Serialize, SerializeError};
use felice_core::time::Timestamp;

use crate::RecordMetadata;
use crate::callback::{Closure, Observer};
use crate::delivery::{Delivery, Handle, Interest};
use crate::error::{ProduceError, SendError};
use crate::memory_queue::Place;
use crate::shared::{Prepared, Refusal, Shared};

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
    #[inline]
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

    #[inline]
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
    #[inline(always)]
    pub fn poll<K: Serialize, V: Serialize>(
        &mut self,
        context: Option<&Context<'_>>,
        record: &ProducerRecord<'_, K, V>,
    ) -> Poll<Result<Option<Delivery>, SendError>> {
        if self.held.is_some() {
            return self.poll_held(context, record.topic, record.headers);
        }
        let (mut key, mut value) = (Loan::of(&KEY), Loan::of(&VALUE));
        let KeyValue { key, value } = match record.serialize(&mut key, &mut value) {
            Ok(bytes) => bytes,
            Err(error) => return Poll::Ready(Err(error.into())),
        };
        let Some(timestamp) = self.shared.clock.stamp(record.timestamp) else {
            return Poll::Ready(Err(SendError::ClockNotSet));
        };
        let placement = self.shared.placement(record.partition, record.topic, key);
        let (topic, headers) = (record.topic, record.headers);
        let record = Prepared { topic, placement, key, value, headers, timestamp };
        let mut refusal = None;
        let handle = self.accept(context, &record, &mut refusal);
        match refusal {
            None => Poll::Ready(Ok(handle.map(|handle| record.delivery(handle)))),
            Some(refusal) => self.poll_refused(refusal, &record),
        }
    }

    /// Sends a record if that needs no waiting: [`poll`](Self::poll) without a context. It may be tried again.
    ///
    /// # Errors
    ///
    /// [`SendError`].
    #[inline(always)]
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
    #[inline(always)]
    pub fn delivery(accepted: Result<Option<Delivery>, SendError>) -> Result<Delivery, SendError> {
        accepted?.ok_or(SendError::Closed)
    }

    /// A later attempt.
    #[cold]
    fn poll_held(
        &mut self,
        context: Option<&Context<'_>>,
        topic: &str,
        headers: &[Header<'_>],
    ) -> Poll<Result<Option<Delivery>, SendError>> {
        let Some(held) = self.held.take() else { return Poll::Ready(Err(SendError::WouldBlock)) };
        let Held { scratch: (key, value), has_key, has_value, placement, timestamp } = &held;
        let (key, value) = (has_key.then_some(&key[..]), has_value.then_some(&value[..]));
        let record = Prepared { topic, placement: *placement, key, value, headers, timestamp: *timestamp };
        let result = if self.place.is_some() {
            self.poll_waiting(context, &record)
        } else {
            let mut refusal = None;
            let handle = self.accept(context, &record, &mut refusal);
            match refusal {
                None => Poll::Ready(Ok(handle.map(|handle| record.delivery(handle)))),
                Some(refusal) => self.refused(refusal),
            }
        };
        if is_refused_for_now(&result) {
            self.held = Some(held);
        } else {
            keep(&HELD, held.scratch);
        }
        result
    }

    /// One step under the lock: the way that nearly every record takes. Where memory is short and there is a context,
    /// it has a place in the queue afterwards: memory that comes back in between would wake nobody.
    ///
    /// A refusal is put beside the result, so that the result fits into two registers.
    fn accept(
        &mut self,
        context: Option<&Context<'_>>,
        record: &Prepared<'_>,
        refusal: &mut Option<Refusal>,
    ) -> Option<Handle> {
        if let Some(Interest::Observer(Observer::Token(_))) = self.interest
            && self.shared.callbacks.object.is_none()
        {
            *refusal = Some(Refusal::Error(SendError::NoCallback));
            return None;
        }
        let Some(mut state) = self.shared.lock_here() else {
            *refusal = Some(Refusal::Error(SendError::Forked));
            return None;
        };
        let refused = match state.accept(self.shared.clock, record, &mut self.interest, None) {
            Ok((handle, wake)) => {
                drop(state);
                if wake && let Err(error) = self.shared.wake_driver() {
                    *refusal = Some(Refusal::Error(error));
                }
                return handle;
            }
            Err(refused) => refused,
        };
        if let (Refusal::Shortage(shortage), Some(context)) = (&refused, context) {
            self.place = Some(state.memory.enter(context.waker(), *shortage));
        }
        *refusal = Some(refused);
        None
    }

    /// What [`accept`](Self::accept) refused fails, or waits, or would have to; then the record is kept.
    #[cold]
    fn poll_refused(
        &mut self,
        refusal: Refusal,
        record: &Prepared<'_>,
    ) -> Poll<Result<Option<Delivery>, SendError>> {
        let result = self.refused(refusal);
        if is_refused_for_now(&result) {
            self.held = Some(Held::new(record));
        }
        result
    }

    fn refused(&self, refusal: Refusal) -> Poll<Result<Option<Delivery>, SendError>> {
        // What is held was made ready, so that memory comes back.
        match (refusal, self.shared.wake_driver()) {
            (Refusal::Error(error), _) | (_, Err(error)) => Poll::Ready(Err(error)),
            (_, Ok(())) if self.place.is_some() => Poll::Pending,
            (_, Ok(())) => Poll::Ready(Err(SendError::WouldBlock)),
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
        let clock = self.shared.clock;
        let Some(place) = self.place.take() else { return Poll::Ready(Err(SendError::WouldBlock)) };
        let (result, wake) = self.shared.with(|state, wakers| {
            let refusal = match state.accept(clock, record, &mut self.interest, Some(&place)) {
                Ok((handle, wake)) => {
                    state.leave(&place, wakers);
                    return (Poll::Ready(Ok(handle.map(|handle| record.delivery(handle)))), wake);
                }
                Err(refusal) => refusal,
            };
            match (refusal, context) {
                (Refusal::Shortage(shortage), Some(context)) => {
                    state.stay(&place, context.waker(), shortage, wakers);
                    self.place = Some(place);
                    (Poll::Pending, true)
                }
                (Refusal::Turn, Some(context)) => {
                    state.memory.rewake(&place, context.waker());
                    self.place = Some(place);
                    (Poll::Pending, false)
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
    #[inline]
    fn drop(&mut self) {
        if self.place.is_some() || self.held.is_some() {
            self.give_up();
        }
    }
}

impl Sending<'_> {
    /// Leaves the queue, and passes the turn on.
    #[cold]
    fn give_up(&mut self) {
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

/// Gives a thread the scratch of a record that waited back.
fn keep(place: &'static LocalKey<Kept<Scratch>>, scratch: Scratch) {
    if scratch.0.capacity().max(scratch.1.capacity()) <= SCRATCH_KEPT_BYTES {
        // A thread that is ending has no place for it any more.
        let _ = place.try_with(|kept| kept.set(scratch));
    }
}

/// A scratch that is the thread's: lent when a serializer writes for the first time, which one of text or bytes never
/// does. One that sends while it runs finds an empty one.
struct Loan {
    bytes: Vec<u8>,
    of: &'static LocalKey<Kept<Vec<u8>>>,
}

impl Loan {
    #[inline]
    const fn of(of: &'static LocalKey<Kept<Vec<u8>>>) -> Self {
        Self { bytes: Vec::new(), of }
    }
}

impl felice_core::serializer::Scratch for Loan {
    fn write(&mut self, bytes: &[u8]) -> Result<(), SerializeError> {
        if self.bytes.capacity() == 0 {
            self.bytes = self.of.try_with(Kept::take).unwrap_or_default();
            self.bytes.clear();
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    #[inline]
    fn clear(&mut self) {
        self.bytes.clear();
    }
}

impl Drop for Loan {
    #[inline]
    fn drop(&mut self) {
        if (1..=SCRATCH_KEPT_BYTES).contains(&self.bytes.capacity()) {
            // A thread that is ending has no place for it any more.
            let _ = self.of.try_with(|kept| kept.set(std::mem::take(&mut self.bytes)));
        }
    }
}

/// A scratch that grew beyond this for one large record is not kept.
const SCRATCH_KEPT_BYTES: usize = 64 * 1024;

thread_local! {
    /// A key's.
    static KEY: Kept<Vec<u8>> = const { Kept::new(Vec::new()) };
    /// A value's.
    static VALUE: Kept<Vec<u8>> = const { Kept::new(Vec::new()) };
    /// Those of a record that waits for memory.
    static HELD: Kept<Scratch> = const { Kept::new((Vec::new(), Vec::new())) };
}

impl Shared {
    #[inline]
    fn placement(&self, partition: Option<i32>, topic: &str, key: Option<&[u8]>) -> Placement {
        let key = if self.ignore_keys { None } else { key };
        Placement::of(partition, &*self.partitioner, topic, key)
    }
}
