//! Both planes behind one `&mut self`, for a device with one thread.
//!
//! [`Producer`] does the carrying between [`Accumulator`] and [`Sender`] that a front-end with several threads does
//! under its lock. It still reads no clock and does no I/O: `embedded::Driver` adds the sockets.

mod words;

use core::borrow::Borrow;
use core::fmt;

use crate::accumulator::Accumulator;
use crate::error::{AuthenticationError, Disconnect, Failure, ProtocolError, TopicError};
use crate::event::{Completed, Event};
use crate::id::{ConnectionId, Ticket, TopicId};
use crate::memory::Storage;
use crate::partitioner::{Murmur2, Partitioner};
use crate::record::{Placement, ProducerRecord, Record};
use crate::sasl::Token;
use crate::sender::{Address, Sender};
use crate::serializer::{Scratch, Serialize, SerializeError};
use crate::time::{Instant, Timestamp, earliest};
use crate::transmit::Transmit;
pub use words::{ProducerEvent, SendError};

/// Kafka's word for a record without a time.
const NO_TIMESTAMP: Timestamp = Timestamp::from_millis(-1);

/// A producer for one thread: records in, bytes and outcomes out.
///
/// Whatever is called, drain [`poll_event`](Self::poll_event) until `None` afterwards, and answer each
/// [`ProducerEvent::Transmit`] with [`poll_transmit`](Self::poll_transmit) before the next event is asked for. Nothing
/// here blocks, and nothing needs to be called while nothing happens and [`poll_timeout`](Self::poll_timeout) is not
/// due.
pub struct Producer<S: Storage> {
    accumulator: Accumulator<S>,
    sender: Sender<S>,
    scratches: Scratches<S>,
    partitioner: &'static dyn Partitioner,
    clock: Clock,
    /// Topics below this index are mirrored to the sender.
    topics: u16,
}

impl<S: Storage> Producer<S> {
    /// A producer of two planes that nothing else uses. Their tables of topics, names and batches must be equally
    /// long. Keys are placed as Kafka's Java producer does.
    #[must_use]
    pub fn new(accumulator: Accumulator<S>, sender: Sender<S>, scratches: Scratches<S>) -> Self {
        Self { accumulator, sender, scratches, partitioner: &Murmur2, clock: Clock::Unset, topics: 0 }
    }

    /// Another way from a key to its partition, for the records sent from now on.
    pub fn set_partitioner(&mut self, partitioner: &'static dyn Partitioner) {
        self.partitioner = partitioner;
    }

    /// What the wall clock says now. Records without a timestamp of their own carry its time from then on, until it is
    /// set again. Before the first time they are refused ([`SendError::ClockNotSet`]).
    ///
    /// Say nothing rather than something wrong: by a wrong time, such as that since the start of the device, retention
    /// (`retention.ms`, 7 days unless set) deletes records that the broker has acknowledged.
    pub fn set_clock(&mut self, now: Instant, time: Timestamp) {
        self.clock = Clock::Set(now, time);
    }

    /// For a device that has no clock, or none yet: records without a timestamp of their own are taken all the same, and
    /// carry none (Kafka's -1) until [`set_clock`](Self::set_clock) says one. Let the topic have
    /// `message.timestamp.type=LogAppendTime` then: the broker gives each record the time at which it came. Without
    /// that, consumers see no time, and such records are kept by the age of their segment's file.
    pub fn allow_unset_clock(&mut self) {
        if matches!(self.clock, Clock::Unset) {
            self.clock = Clock::Allowed;
        }
    }

    /// A bootstrap server (`bootstrap.servers`). False when every slot for brokers is taken, or the name is longer
    /// than 255 bytes.
    #[must_use]
    pub fn add_bootstrap(&mut self, host: &str, port: u16) -> bool {
        self.sender.add_bootstrap(host, port)
    }

    /// Makes every connection authenticate itself (SASL): see [`Sender::set_sasl`]. To be called before the first record.
    /// False when the tables are too short.
    #[cfg(feature = "sasl")]
    #[must_use]
    pub fn set_sasl(&mut self, tables: crate::sender::SaslTables<S>) -> bool {
        self.sender.set_sasl(tables)
    }

    /// What a broker said when it refused the client: see [`Sender::authentication_words`].
    #[must_use]
    pub fn authentication_words(&self) -> &str {
        self.sender.authentication_words()
    }

    /// The token that [`ProducerEvent::Token`] asked for; `None` where there is none this time.
    ///
    /// # Errors
    ///
    /// As [`Sender::handle_token`].
    pub fn handle_token(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        token: Option<&Token<'_>>,
    ) -> Result<(), AuthenticationError> {
        self.sender.handle_token(now, connection, token)
    }

    /// Takes a record, or refuses it. Never waits: not for the topic's metadata, not for memory.
    ///
    /// A record that has no timestamp gets that of the clock: see [`set_clock`](Self::set_clock).
    ///
    /// The ticket names the record in the [`Completed`] and [`Reassigned`](crate::event::Reassigned) that follow.
    ///
    /// # Errors
    ///
    /// [`SendError`]: the record was not taken, and nothing of it is kept. After
    /// [`NoMemory`](crate::error::AppendError::NoMemory) or [`NoShare`](crate::error::AppendError::NoShare) try again when something was completed.
    pub fn send<'a, K: Serialize, V: Serialize>(
        &mut self,
        now: Instant,
        record: impl Borrow<ProducerRecord<'a, K, V>>,
    ) -> Result<Ticket, SendError> {
        let record = record.borrow();
        let timestamp = record.timestamp.or_else(|| self.clock.time(now)).ok_or(SendError::ClockNotSet)?;
        let topic = self.topic(now, record.topic)?;
        let bytes = record.serialize(&mut self.scratches.key, &mut self.scratches.value)?;
        let appended = self.accumulator.append(
            now,
            &Record {
                topic,
                placement: Placement::of(record.partition, self.partitioner, record.topic, bytes.key),
                key: bytes.key,
                value: bytes.value,
                headers: record.headers,
                timestamp,
            },
        )?;
        Ok(appended.ticket)
    }

    /// The id of a topic, which is taken if it is new, and its metadata asked for: the first record need not wait.
    ///
    /// # Errors
    ///
    /// [`TopicError`]: `topics.max` are taken, or Kafka allows no such name.
    pub fn topic(&mut self, now: Instant, name: &str) -> Result<TopicId, TopicError> {
        let topic = self.accumulator.topic(name)?;
        if topic.0 >= self.topics {
            if !self.sender.add_topic(now, topic, name) {
                return Err(TopicError::TooManyTopics { max: self.topics.into() });
            }
            self.topics = topic.0 + 1;
        }
        Ok(topic)
    }

    /// The name of a topic, to say where a record was stored.
    #[must_use]
    pub fn topic_name(&self, topic: TopicId) -> &str {
        self.accumulator.topic_name(topic)
    }

    /// Makes everything ready that is held now, whatever its linger. What becomes of it comes by
    /// [`poll_event`](Self::poll_event); [`is_empty`](Self::is_empty) tells when all of it has come.
    pub fn flush(&mut self) {
        self.accumulator.flush();
    }

    /// Takes no record any more, and sends those that it has. Follow it with [`abort`](Self::abort) when they take too
    /// long: both together are Kafka's `close(timeout)`.
    pub fn close(&mut self) {
        self.accumulator.close();
    }

    /// Ends everything: no record is taken any more, those that are held fail, every connection is closed.
    pub fn abort(&mut self, now: Instant) {
        self.accumulator.abandon();
        self.sender.close(now);
    }

    /// Whether every record that was taken has its outcome, and all memory has come back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accumulator.is_empty() && self.accumulator.out_batches() == 0
    }

    /// Free blocks, of all: how much more can be taken now.
    #[must_use]
    pub fn free_blocks(&self) -> u32 {
        self.accumulator.free_blocks()
    }

    /// The next thing to do or to know.
    #[must_use]
    pub fn poll_event(&mut self, now: Instant) -> Option<ProducerEvent> {
        loop {
            if let Some(reassigned) = self.accumulator.poll_reassigned() {
                return Some(ProducerEvent::Reassigned(reassigned));
            }
            self.hand_over(now);
            match self.sender.poll_event()? {
                Event::Connect(connection) => return Some(ProducerEvent::Connect(connection)),
                Event::Disconnect(connection) => return Some(ProducerEvent::Disconnect(connection)),
                Event::Transmit(connection) => return Some(ProducerEvent::Transmit(connection)),
                Event::Token(connection) => return Some(ProducerEvent::Token(connection)),
                Event::Completed(completed) => return Some(ProducerEvent::Completed(completed)),
                Event::CompressionRefused { topic, compression } => {
                    return Some(ProducerEvent::CompressionRefused { topic, compression });
                }
                // Nobody here keeps notes.
                Event::Numbering(numbering) => self.sender.handle_noted(now, numbering),
                Event::Producer { .. } => {}
                // Nor makes transactions.
                #[cfg(feature = "transactions")]
                Event::Transaction(_) => {}
                Event::Ready(partition) => self.accumulator.allow(partition),
                Event::Topic(topic) => {
                    self.accumulator.handle_topic(topic, self.sender.topic_view(topic));
                    self.accumulator.handle_leaders(topic, 0, self.sender.leaders(topic, 0));
                    self.accumulator.limit_batches(topic, self.sender.batch_bytes_max(topic));
                }
                Event::Broker { broker, available } => self.accumulator.handle_broker(broker, available),
                Event::Recycle { batch, partition, blocks } => {
                    self.accumulator.recycle(batch, partition, blocks);
                }
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due, unless something happens before. `None` while nothing is
    /// held and no connection is open: then a device may sleep until it has a record.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.accumulator.poll_timeout(), self.sender.poll_timeout())
    }

    /// Time has passed. Call it when [`poll_timeout`](Self::poll_timeout) is due; more often does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.sender.handle_timeout(now);
    }

    /// Where a connection goes; `None` for one that is gone.
    #[must_use]
    pub fn address(&self, connection: ConnectionId) -> Option<Address<'_>> {
        self.sender.address(connection)
    }

    /// The socket is open.
    pub fn handle_connected(&mut self, now: Instant, connection: ConnectionId) {
        self.sender.handle_connected(now, connection);
    }

    /// The socket could not be opened, or is gone.
    pub fn handle_disconnected(&mut self, now: Instant, connection: ConnectionId, cause: Disconnect) {
        self.sender.handle_disconnected(now, connection, cause);
    }

    /// Bytes from the socket: all of them are taken.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`]: they are no answer. [`ProducerEvent::Disconnect`] follows; other connections are not
    /// concerned.
    pub fn handle_received(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        input: &[u8],
    ) -> Result<(), ProtocolError> {
        self.sender.handle_received(now, connection, input).map(|_| ())
    }

    /// What is to be written to the connection now: for one attempt, then
    /// [`handle_transmitted`](Self::handle_transmitted) says how far it came.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Instant, connection: ConnectionId) -> Option<Transmit<'_, S>> {
        self.sender.poll_transmit(now, connection)
    }

    /// The socket took so many bytes of what [`poll_transmit`](Self::poll_transmit) handed out.
    pub fn handle_transmitted(&mut self, now: Instant, connection: ConnectionId, bytes: usize) {
        self.sender.handle_transmitted(now, connection, bytes);
    }

    /// Carries batches from the one plane to the other: those that must fail, and those for which there is room.
    fn hand_over(&mut self, now: Instant) {
        self.sender.demand(!self.accumulator.is_empty());
        while let Some(batch) = self.accumulator.poll_expired(now) {
            self.sender.enqueue(now, batch);
        }
        while let Some(partition) = self.accumulator.poll_ready(now) {
            if !self.sender.reserve(now, partition) {
                continue;
            }
            if let Some(batch) = self.accumulator.take(partition) {
                self.sender.enqueue(now, batch);
            }
        }
    }
}

/// Where records without a timestamp of their own get one.
enum Clock {
    /// Nowhere: they are refused.
    Unset,
    /// Nowhere, and the user said that this is well.
    Allowed,
    /// What the wall clock said, and when.
    Set(Instant, Timestamp),
}

impl Clock {
    fn time(&self, now: Instant) -> Option<Timestamp> {
        match *self {
            Self::Unset => None,
            Self::Allowed => Some(NO_TIMESTAMP),
            Self::Set(set, time) => {
                let passed = i64::try_from(now.since(set).as_millis()).unwrap_or(i64::MAX);
                Some(Timestamp::from_millis(time.as_millis().saturating_add(passed)))
            }
        }
    }
}

impl<S: Storage> fmt::Debug for Producer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer")
            .field("accumulator", &self.accumulator)
            .field("sender", &self.sender)
            .finish_non_exhaustive()
    }
}

impl Completed {
    /// What became of the record with this ticket: its offset (-1 where the broker did not tell), or its failure.
    /// `None` when this outcome is about other records.
    #[must_use]
    pub fn outcome_of(&self, ticket: Ticket) -> Option<Result<i64, Failure>> {
        let behind = ticket.index.checked_sub(self.first)?;
        (ticket.batch == self.batch && behind < self.count).then(|| {
            self.result.map(|ack| if ack.base_offset < 0 { -1 } else { ack.base_offset + i64::from(behind) })
        })
    }
}

/// The memory for keys and values that are neither text nor bytes: one table for each.
pub struct Scratches<S: Storage> {
    key: TableScratch<S>,
    value: TableScratch<S>,
}

impl<S: Storage> Scratches<S> {
    /// Scratches over two tables. The longest key, and the longest value, that have to be written must fit.
    #[must_use]
    pub const fn new(key: S::Table<u8>, value: S::Table<u8>) -> Self {
        Self { key: TableScratch { table: key, length: 0 }, value: TableScratch { table: value, length: 0 } }
    }
}

impl<S: Storage> fmt::Debug for Scratches<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratches").finish_non_exhaustive()
    }
}

/// A scratch in a table of fixed length.
struct TableScratch<S: Storage> {
    table: S::Table<u8>,
    length: usize,
}

impl<S: Storage> Scratch for TableScratch<S> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), SerializeError> {
        let end = self.length + bytes.len();
        let room = self.table.as_mut().get_mut(self.length..end).ok_or(SerializeError::SCRATCH_FULL)?;
        room.copy_from_slice(bytes);
        self.length = end;
        Ok(())
    }

    fn bytes(&self) -> &[u8] {
        &self.table.as_ref()[..self.length]
    }

    fn clear(&mut self) {
        self.length = 0;
    }
}
