//! The producer: what threads share, and how they wait.

use std::borrow::Borrow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{fmt, mem};

use felice_core::record::ProducerRecord;
use felice_core::serializer::Serialize;
use felice_host::{
    BuildError, CALLBACK_GRACE, CloseError, Closing, FlushError, Flushing, IoThread, Metrics, Partitions,
    PartitionsError, ProduceError, RecordMetadata, SendError, Sending, Settings, Shared, Start, in_callback,
};

use crate::delivery::Delivery;
use crate::parker;

/// Settings on their way to a [`Producer`].
pub type Builder = felice_host::Builder<Producer>;

/// Sends records to Kafka. Clones are cheap and share everything; any thread may use any of them.
///
/// Dropping the last clone sends what is held, for as long as `drop_timeout` (5 s) at most, and waits for it; what
/// remains fails. Dropped in a callback it does not wait: the background threads finish by themselves.
///
/// A producer works in the process that built it. After `fork` the parent's goes on; in the child what would wait is
/// refused (`Forked`), dropping it does nothing, and nothing of the parent's is touched: build a new one there.
#[derive(Clone)]
pub struct Producer {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Producer {
    /// A builder with the defaults.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// A producer from settings by Kafka's own names.
    ///
    /// ```
    /// use felice_blocking::Producer;
    ///
    /// let producer = Producer::from_properties([("bootstrap.servers", "127.0.0.1:9092"), ("linger.ms", "5")])?;
    /// let error = Producer::from_properties([("linger", "5")]).unwrap_err();
    /// assert_eq!(error.to_string(), r#"there is no setting "linger"; the nearest is "linger.ms""#);
    /// # Ok::<(), felice_blocking::BuildError>(())
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
    /// use felice_blocking::Producer;
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
    /// # Errors
    ///
    /// [`SendError`]: the record was not taken, and nothing of it is kept.
    ///
    /// # Panics
    ///
    /// Where the record's serializer or the partitioner does; nothing is kept of the record then.
    pub fn send<'a, K, V>(&self, record: impl Borrow<ProducerRecord<'a, K, V>>) -> Result<Delivery, SendError>
    where
        K: Serialize,
        V: Serialize,
    {
        let (record, mut sending) = (record.borrow(), Sending::handle(&self.inner.shared));
        match sending.attempt(record) {
            Ok(Some(delivery)) => Ok(Delivery(delivery)),
            refused => Sending::delivery(self.accept(refused, record, sending)).map(Delivery),
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
    /// partition, outside every lock, on a thread that serves this producer's callbacks only. It may `send` (as
    /// `try_send` does); a panic in it is contained and counted. The closure is boxed.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send): then the callback is dropped, and never called.
    ///
    /// # Panics
    ///
    /// As [`send`](Self::send).
    pub fn send_with<'a, K, V>(
        &self,
        record: impl Borrow<ProducerRecord<'a, K, V>>,
        callback: impl FnOnce(Result<RecordMetadata, ProduceError>) + Send + 'static,
    ) -> Result<(), SendError>
    where
        K: Serialize,
        V: Serialize,
    {
        let (record, mut sending) = (record.borrow(), Sending::closure(&self.inner.shared, callback));
        self.accept(sending.attempt(record), record, sending).map(drop)
    }

    /// As [`send_with`](Self::send_with), for the builder's `callback` object: it hears of `token`. No allocation per
    /// record.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); [`SendError::NoCallback`] where the builder was given no object.
    ///
    /// # Panics
    ///
    /// As [`send`](Self::send).
    pub fn send_with_token<'a, K, V>(
        &self,
        record: impl Borrow<ProducerRecord<'a, K, V>>,
        token: u64,
    ) -> Result<(), SendError>
    where
        K: Serialize,
        V: Serialize,
    {
        let (record, mut sending) = (record.borrow(), Sending::token(&self.inner.shared, token));
        self.accept(sending.attempt(record), record, sending).map(drop)
    }

    /// Sends what is held without waiting for its linger, and waits until every record that was accepted before has its
    /// outcome and its callback has run: `delivery.timeout.ms` at most, beyond slow callbacks. With a spool it waits until
    /// every record is durable there, or has its outcome.
    ///
    /// # Errors
    ///
    /// [`FlushError::InCallback`]: there it only sends, and does not wait. [`FlushError::Forked`] in another process.
    pub fn flush(&self) -> Result<(), FlushError> {
        let mut flushing = Flushing::new(&self.inner.shared);
        parker::wait(None, |context| flushing.poll(context)).unwrap_or(Ok(()))
    }

    /// Closes the producer for all of its clones. What is held may still be acknowledged, for as long as `timeout`;
    /// the rest fails. Returns when every record has its outcome and every callback has run; callbacks that are
    /// not through a second after `timeout` go on without it. Closing again waits as well.
    ///
    /// # Errors
    ///
    /// [`CloseError::Undelivered`] says how many records have failed since the closing began;
    /// [`CloseError::InCallback`] that it did not wait; [`CloseError::Forked`] that this is another process.
    pub fn close(&self, timeout: Duration) -> Result<(), CloseError> {
        self.inner.close(timeout)?;
        self.inner.shared.closed()
    }

    /// How many partitions a topic has. Waits for the topic's metadata, `max.block.ms` at most; once known it is
    /// answered from memory.
    ///
    /// # Errors
    ///
    /// [`PartitionsError`].
    pub fn partitions_for(&self, topic: &str) -> Result<i32, PartitionsError> {
        let shared = &self.inner.shared;
        let mut partitions = Partitions::new(shared, topic);
        let partitions = parker::wait(after(shared.max_block()), |context| partitions.poll(context));
        partitions.unwrap_or(Err(PartitionsError::TimedOut))
    }

    /// What the producer has counted so far: records, batches, requests, memory, per topic and per broker. It takes no lock,
    /// so it holds nobody up, and allocates nothing but the snapshot.
    ///
    /// ```
    /// # fn scraped(producer: &felice_blocking::Producer) -> String {
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
    fn accept<K: Serialize, V: Serialize>(
        &self,
        attempted: Result<Option<felice_host::Delivery>, SendError>,
        record: &ProducerRecord<'_, K, V>,
        sending: Sending<'_>,
    ) -> Result<Option<felice_host::Delivery>, SendError> {
        match attempted {
            Err(SendError::WouldBlock) if !in_callback() => self.accept_later(record, sending),
            result => result,
        }
    }

    #[cold]
    fn accept_later<K: Serialize, V: Serialize>(
        &self,
        record: &ProducerRecord<'_, K, V>,
        mut sending: Sending<'_>,
    ) -> Result<Option<felice_host::Delivery>, SendError> {
        let shared = &self.inner.shared;
        parker::wait(after(shared.max_block()), |context| sending.poll(Some(context), record))
            .unwrap_or_else(|| Err(shared.out_of_memory()))
    }
}

/// A moment that never comes is none.
pub(crate) fn after(duration: Duration) -> Option<Instant> {
    Instant::now().checked_add(duration)
}

impl Inner {
    /// Closes, and waits for the end unless that would wait for itself.
    fn close(&self, timeout: Duration) -> Result<(), CloseError> {
        self.shared.begin_close(timeout)?;
        let patience = after(timeout.saturating_add(CALLBACK_GRACE));
        // The driver gives up at the timeout by itself: its end needs no deadline.
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
        let mut closing = Closing::new(&self.shared);
        if parker::wait(patience, |context| closing.poll(context)).is_some() {
            self.shared.join_callbacks();
        }
        Ok(())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Err(CloseError::Forked) = self.close(self.shared.drop_timeout()) {
            // These threads are the parent's. To detach one is to do something to a thread that now has its place.
            mem::forget(self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take());
            mem::forget(Arc::clone(&self.shared));
        }
    }
}

impl Start for Producer {
    fn start(settings: Settings) -> Result<Self, BuildError> {
        let io = IoThread::new()?;
        let (shared, engine) = felice_host::start(settings, io.waker())?;
        let thread = io.spawn(engine)?;
        Ok(Self { inner: Arc::new(Inner { shared, thread: Mutex::new(Some(thread)) }) })
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("shared", &self.inner.shared).finish()
    }
}
