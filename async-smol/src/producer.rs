//! The producer: what tasks share, and how they wait.

use std::borrow::Borrow;
use std::future::{Future, poll_fn};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use std::{fmt, mem};

use async_io::Timer;
use felice_core::record::ProducerRecord;
use felice_core::serializer::Serialize;
use felice_host::{
    BuildError, CALLBACK_GRACE, CloseError, Closing, FlushError, Flushing, IoThread, Metrics, Partitions,
    PartitionsError, ProduceError, RecordMetadata, SendError, Sending, Settings, Shared, Start,
    StartWithDriver, in_callback,
};

use crate::delivery::Delivery;
use crate::driver::Driver;
use crate::signal::Signal;

/// Settings on their way to a [`Producer`].
pub type Builder = felice_host::Builder<Producer>;

/// Sends records to Kafka. Clones are cheap and share everything; any task or thread may use any of them.
///
/// Its methods do nothing before their future is polled.
///
/// Dropping the last clone does not wait. What is held is still sent by the driver, for as long as `drop_timeout` (5 s)
/// at most; what remains fails. Where the process ends before, await [`close`](Self::close).
///
/// A producer works in the process that built it. After `fork` the parent's goes on; in the child what would wait is
/// refused (`Forked`; a [`Delivery`] without an outcome says so, too), dropping it does nothing, and nothing of the
/// parent's is touched. async-io's reactor does not live through a `fork` either: in the child use felice-blocking, or
/// start a program (`exec`).
#[derive(Clone)]
pub struct Producer {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
}

impl Producer {
    /// A builder with the defaults.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A producer from settings by Kafka's own names.
    ///
    /// ```
    /// use felice_smol::Producer;
    ///
    /// let producer = Producer::from_properties([("bootstrap.servers", "127.0.0.1:9092"), ("linger.ms", "5")])?;
    /// let error = Producer::from_properties([("linger", "5")]).unwrap_err();
    /// assert_eq!(error.to_string(), r#"there is no setting "linger"; the nearest is "linger.ms""#);
    /// # Ok::<(), felice_smol::BuildError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Builder::properties`](felice_host::Builder::properties) and [`Builder::build`](felice_host::Builder::build).
    pub fn from_properties<N, V>(properties: impl IntoIterator<Item = (N, V)>) -> Result<Self, BuildError>
    where
        N: AsRef<str>,
        V: AsRef<str>,
    {
        Self::builder().properties(properties)?.build()
    }

    /// A producer from a properties file, as Kafka's own tools have it, in UTF-8.
    ///
    /// ```
    /// use felice_smol::Producer;
    ///
    /// let error = Producer::from_file("/etc/gateway/no-such.properties").unwrap_err();
    /// assert!(error.to_string().starts_with("/etc/gateway/no-such.properties: "));
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Builder::properties_file`](felice_host::Builder::properties_file) and
    /// [`Builder::build`](felice_host::Builder::build): they name the file and the line.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, BuildError> {
        Self::builder().properties_file(path)?.build()
    }

    /// Accepts a record. It waits for memory only, `max.block.ms` at most; in a callback it does not wait.
    ///
    /// Dropping the future before it is ready takes the record back: it never will be sent, and who waits for memory
    /// behind it moves up.
    ///
    /// # Errors
    ///
    /// [`SendError`]: the record was not taken, and nothing of it is kept.
    ///
    /// # Panics
    ///
    /// Where the record's serializer or the partitioner does; nothing is kept of the record then.
    pub async fn send<'a, K, V>(
        &self,
        record: impl Borrow<ProducerRecord<'a, K, V>>,
    ) -> Result<Delivery, SendError>
    where
        K: Serialize,
        V: Serialize,
    {
        let (record, mut sending) = (record.borrow(), Sending::handle(&self.inner.shared));
        match sending.attempt(record) {
            Ok(Some(delivery)) => Ok(Delivery(delivery)),
            refused => Sending::delivery(self.accept(refused, record, sending).await).map(Delivery),
        }
    }

    /// Accepts a record if that needs no waiting.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`SendError::WouldBlock`] where memory is short, or others wait for it already.
    ///
    /// # Panics
    ///
    /// As [`send`](Self::send).
    pub fn try_send<'a, K, V>(
        &self,
        record: impl Borrow<ProducerRecord<'a, K, V>>,
    ) -> Result<Delivery, SendError>
    where
        K: Serialize,
        V: Serialize,
    {
        Sending::delivery(Sending::handle(&self.inner.shared).attempt(record.borrow())).map(Delivery)
    }

    /// Accepts a record, as [`send`](Self::send), and calls `callback` with its outcome: exactly once, in order per
    /// partition, outside every lock, on a thread that serves this producer's callbacks only, never in a task. It may
    /// [`try_send`](Self::try_send); a panic in it is contained and counted. The closure is boxed.
    ///
    /// Dropping the future before it is ready takes the record back: the callback is dropped, and never called.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send): then the callback is dropped, and never called.
    ///
    /// # Panics
    ///
    /// As [`send`](Self::send).
    pub async fn send_with<'a, K, V>(
        &self,
        record: impl Borrow<ProducerRecord<'a, K, V>>,
        callback: impl FnOnce(Result<RecordMetadata, ProduceError>) + Send + 'static,
    ) -> Result<(), SendError>
    where
        K: Serialize,
        V: Serialize,
    {
        let (record, mut sending) = (record.borrow(), Sending::closure(&self.inner.shared, callback));
        let attempted = sending.attempt(record);
        if attempted.is_ok() { Ok(()) } else { self.accept(attempted, record, sending).await.map(drop) }
    }

    /// As [`send_with`](Self::send_with), for the builder's `callback` object: it hears of `token`. No allocation per
    /// record.
    ///
    /// Dropping the future before it is ready takes the record back: nobody hears of the token.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`SendError::NoCallback`] where the builder was given no object.
    ///
    /// # Panics
    ///
    /// As [`send`](Self::send).
    pub async fn send_with_token<'a, K, V>(
        &self,
        record: impl Borrow<ProducerRecord<'a, K, V>>,
        token: u64,
    ) -> Result<(), SendError>
    where
        K: Serialize,
        V: Serialize,
    {
        let (record, mut sending) = (record.borrow(), Sending::token(&self.inner.shared, token));
        let attempted = sending.attempt(record);
        if attempted.is_ok() { Ok(()) } else { self.accept(attempted, record, sending).await.map(drop) }
    }

    /// Sends what is held without waiting for its linger, and waits until every record that was accepted before has its
    /// outcome and its callback has run: `delivery.timeout.ms` at most, beyond slow callbacks. With a spool it waits until
    /// every record is durable there, or has its outcome.
    ///
    /// Dropping the future ends the waiting only: what was made to leave leaves.
    ///
    /// # Errors
    ///
    /// [`FlushError::InCallback`]: there it only sends, and does not wait. [`FlushError::Forked`] in another process.
    pub async fn flush(&self) -> Result<(), FlushError> {
        let mut flushing = Flushing::new(&self.inner.shared);
        poll_fn(|context| flushing.poll(context)).await
    }

    /// Closes the producer for all of its clones. What is held may still be acknowledged, for as long as `timeout`;
    /// the rest fails. Ready when every record has its outcome and every callback has run; callbacks that are
    /// not through a second after `timeout` go on without it. Closing again waits as well.
    ///
    /// Dropping the future ends the waiting only: once it was polled, the closing goes on.
    ///
    /// # Errors
    ///
    /// [`CloseError::Undelivered`] says how many records have failed since the closing began;
    /// [`CloseError::InCallback`] that it did not wait; [`CloseError::Forked`] that this is another process.
    pub async fn close(&self, timeout: Duration) -> Result<(), CloseError> {
        let shared = &self.inner.shared;
        shared.begin_close(timeout)?;
        let mut patience = Timer::after(timeout.saturating_add(CALLBACK_GRACE));
        let (mut closing, mut late) = (Closing::new(shared), false);
        poll_fn(|context| {
            if shared.is_forked() {
                return Poll::Ready(Err(CloseError::Forked));
            }
            if closing.poll(context).is_ready() {
                return Poll::Ready(Ok(()));
            }
            late = late || Pin::new(&mut patience).poll(context).is_ready();
            // The driver gives up at the timeout by itself: only callbacks are left behind.
            if late && shared.is_ended() { Poll::Ready(Ok(())) } else { Poll::Pending }
        })
        .await?;
        shared.closed()
    }

    /// How many partitions a topic has. Waits for the topic's metadata, `max.block.ms` at most; once known it is
    /// answered from memory.
    ///
    /// Dropping the future ends the waiting only.
    ///
    /// # Errors
    ///
    /// [`PartitionsError`].
    pub async fn partitions_for(&self, topic: &str) -> Result<i32, PartitionsError> {
        let shared = &self.inner.shared;
        let mut partitions = Partitions::new(shared, topic);
        let poll = |context: &Context<'_>| partitions.poll(context);
        within(shared.max_block(), poll).await.unwrap_or(Err(PartitionsError::TimedOut))
    }

    /// What the producer has counted so far: records, batches, requests, memory, per topic and per broker. It takes no lock,
    /// so it holds nobody up, and allocates nothing but the snapshot.
    ///
    /// ```
    /// # fn scraped(producer: &felice_smol::Producer) -> String {
    /// producer.metrics().to_prometheus().to_string()
    /// # }
    /// ```
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.inner.shared.metrics()
    }

    /// How often callbacks have panicked.
    #[must_use]
    pub fn callback_panics(&self) -> u64 {
        self.inner.shared.callback_panics()
    }

    /// How many accepted records have failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.inner.shared.failed()
    }

    #[cfg(feature = "transactions")]
    pub(crate) fn shared(&self) -> &Shared {
        &self.inner.shared
    }

    /// After the first attempt: a record that was refused for now waits, unless this is a callback.
    async fn accept<K: Serialize, V: Serialize>(
        &self,
        attempted: Result<Option<felice_host::Delivery>, SendError>,
        record: &ProducerRecord<'_, K, V>,
        mut sending: Sending<'_>,
    ) -> Result<Option<felice_host::Delivery>, SendError> {
        if !matches!(attempted, Err(SendError::WouldBlock)) {
            return attempted;
        }
        let shared = &self.inner.shared;
        let poll = |context: &Context<'_>| sending.poll((!in_callback()).then_some(context), record);
        within(shared.max_block(), poll).await.unwrap_or_else(|| Err(shared.out_of_memory()))
    }
}

/// Polls until it is ready; `None` after `patience`. What is ready at once needs no timer.
pub(crate) async fn within<T>(
    patience: Duration,
    mut poll: impl FnMut(&Context<'_>) -> Poll<T>,
) -> Option<T> {
    let mut timer = None;
    poll_fn(|context| {
        if let Poll::Ready(result) = poll(context) {
            return Poll::Ready(Some(result));
        }
        let timer = timer.get_or_insert_with(|| Timer::after(patience));
        Pin::new(timer).poll(context).map(|_| None)
    })
    .await
}

/// The driver finishes by itself.
impl Drop for Inner {
    fn drop(&mut self) {
        if let Err(CloseError::Forked) = self.shared.begin_close(self.shared.drop_timeout()) {
            // With it would go a thread of the parent's, which must not be detached here.
            mem::forget(Arc::clone(&self.shared));
        }
    }
}

impl StartWithDriver for Producer {
    type Driver = Driver;

    fn start_with_driver(settings: Settings) -> Result<(Self, Driver), BuildError> {
        let signal = Arc::<Signal>::default();
        let (shared, engine) = felice_host::start(settings, Arc::clone(&signal).into())?;
        let driver = Driver::new(engine, Arc::clone(&shared), signal);
        Ok((Self { inner: Arc::new(Inner { shared }) }, driver))
    }
}

impl Start for Producer {
    fn start(settings: Settings) -> Result<Self, BuildError> {
        let io = IoThread::new()?;
        let (shared, engine) = felice_host::start(settings, io.waker())?;
        // Nobody waits for it: it ends by itself.
        io.spawn(engine)?;
        Ok(Self { inner: Arc::new(Inner { shared }) })
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("shared", &self.inner.shared).finish()
    }
}
