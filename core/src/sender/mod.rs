//! The control plane: metadata, connections, requests in flight, numbering, retries. One owner, no lock.
//!
//! ```text
//!   reserve ─► enqueue ─► [partition's queue] ─► poll_transmit ─► (in flight) ─► handle_received ─► Completed, Recycle
//!                               ▲                                     │
//!                               └──── retriable error, broken ◄───────┘
//! ```
//!
//! The rules of use: tell it what happened (`handle_*`), then drain `poll_event`, then `poll_transmit` for each
//! connection that `Event::Transmit` named. A spurious call does nothing. It never reads a clock: `now` is an argument,
//! and the latest one seen counts.
//!
//! A partition's batches are a queue. What was sent and has no answer stands at its front; whatever goes wrong, nothing
//! more is sent until no batch of the partition is in flight, and then one after the other from the front, the same
//! bytes, until the broker has accepted what it was sent before. That is what keeps the order.

mod authentication;
mod compress;
pub(crate) mod connection;
mod driver;
mod evidence;
mod idempotence;
pub(crate) mod in_flight;
mod learn;
mod lifecycle;
mod numbering;
mod outcome;
mod partition;
mod plan;
mod produce;
mod producers;
mod queue;
mod receive;
mod requests;
mod retry;
mod sasl;
mod session;
mod split;
#[cfg(test)]
mod tests;
#[cfg_attr(not(feature = "transactions"), path = "transaction/absent.rs")]
mod transaction;
mod watch;
mod withdraw;

use crate::batch::Batch;
use crate::cluster::{BrokerSlot, Cluster, TopicSlot};
use crate::compression::Compression;
use crate::config::SenderConfig;
use crate::error::{Disconnect, ErrorCode};
use crate::event::{Numbering, Numbers, TopicView};
use crate::id::{BrokerId, ConnectionId, TopicId, TopicPartition};
use crate::index::NONE;
use crate::memory::{Pool, Storage};
use crate::random::Random;
use crate::time::Instant;
pub use connection::REQUESTS_MAX;
use idempotence::Idempotence;
use in_flight::InFlight;
pub use in_flight::InFlightSlot;
pub use partition::PartitionSlot as SenderPartitionSlot;
use partition::Partitions;
pub use plan::HEADS_BYTES_MIN;
pub use producers::PRODUCERS_ASKED_MAX;
use producers::Questions;
use requests::Metadata;
pub use sasl::{SaslSlot, SaslTables, WORDS_BYTES};
#[cfg(feature = "transactions")]
use transaction::Transaction;
#[cfg(feature = "transactions")]
pub use transaction::{OFFSETS_BYTES, TRANSACTIONAL_ID_BYTES};
pub use watch::{Asked, Departing};

/// The longest `client.id`.
pub const CLIENT_ID_BYTES: usize = 64;

/// A client id, a name in every request.
pub(crate) type ClientId = heapless::String<CLIENT_ID_BYTES>;

/// The control plane's tables, made by whoever owns the memory.
#[derive(Debug)]
pub struct SenderTables<S: Storage> {
    /// One slot per bootstrap server and broker, each with its connection (`brokers.max`).
    pub brokers: S::Table<BrokerSlot>,
    /// As many as the accumulator's (`topics.max`).
    pub topics: S::Table<TopicSlot>,
    /// The topics' names, one behind the other.
    pub names: S::Table<u8>,
    /// One word per known partition (`partitions.known.max`).
    pub leaders: S::Table<u32>,
    /// Partitions in use: at least one (`partitions.max`).
    pub partitions: S::Table<SenderPartitionSlot>,
    /// At least twice as long as `partitions`.
    pub partition_index: S::Table<u32>,
    /// As many as the accumulator's batches.
    pub batches: S::Table<InFlightSlot<S::Block>>,
    /// Where the heads of batches are written while they are sent: at least [`HEADS_BYTES_MIN`].
    pub heads: S::Table<u8>,
    /// What compresses batches.
    pub codec: S::Codec,
}

/// A host and a port, as a broker or the user named them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address<'a> {
    /// A name or an address.
    pub host: &'a str,
    /// The port.
    pub port: u16,
}

/// The control plane.
pub struct Sender<S: Storage> {
    config: SenderConfig,
    client_id: ClientId,
    now: Instant,
    random: Random,
    cluster: Cluster<S>,
    partitions: Partitions<S>,
    batches: InFlight<S>,
    idempotence: Idempotence,
    metadata: Metadata,
    questions: Questions,
    heads: S::Table<u8>,
    /// The block that splitting begins with, and the blocks that compressed batches are written into.
    spare: Pool<S::Block>,
    codec: S::Codec,
    /// Some topic's compression was refused.
    compression_refused: bool,
    plan: plan::Plan,
    /// The list of partitions that wait: for room, or with a batch that cannot be sent now.
    waiting_first: u32,
    waiting_last: u32,
    /// It is worth looking through them, and how many are left to look at in this round.
    recheck: bool,
    walk_left: u32,
    /// The list of partitions in backoff, and when the first of them may go on.
    backoff_first: u32,
    backoff_at: Option<Instant>,
    /// About how many partitions have a numbering to tell.
    notes_due: u32,
    /// The accumulator holds records.
    demand: bool,
    closed: bool,
    sasl: sasl::Place<S>,
    #[cfg(feature = "transactions")]
    transaction: Transaction,
}

impl<S: Storage> Sender<S> {
    /// A control plane without any broker yet. A `client_id` beyond [`CLIENT_ID_BYTES`] is cut.
    #[must_use]
    pub fn new(config: SenderConfig, client_id: &str, tables: SenderTables<S>) -> Self {
        let end = client_id.floor_char_boundary(CLIENT_ID_BYTES);
        Self {
            random: Random::new(config.seed),
            config,
            client_id: ClientId::try_from(&client_id[..end]).unwrap_or_default(),
            now: Instant::ZERO,
            cluster: Cluster::new(tables.brokers, tables.topics, tables.names, tables.leaders),
            partitions: Partitions::new(tables.partitions, tables.partition_index),
            batches: InFlight::new(tables.batches),
            idempotence: Idempotence::new(),
            metadata: Metadata::new(),
            questions: Questions::new(),
            heads: tables.heads,
            spare: Pool::new(),
            codec: tables.codec,
            compression_refused: false,
            plan: plan::Plan::new(),
            waiting_first: NONE,
            waiting_last: NONE,
            recheck: false,
            walk_left: 0,
            backoff_first: NONE,
            backoff_at: None,
            notes_due: 0,
            demand: false,
            closed: false,
            sasl: sasl::Place::EMPTY,
            #[cfg(feature = "transactions")]
            transaction: Transaction::new(),
        }
    }

    /// Gives a block of the sender's own: as long as the accumulator's.
    ///
    /// One is needed to send a batch in parts when a broker finds it too large; without it such a batch fails. To
    /// compress batches it takes as many as the largest batch has (`max.request.size`): one that has more stays plain.
    ///
    /// # Errors
    /// A block that is empty, or not as long as the first, is handed back.
    pub fn add_block(&mut self, block: S::Block) -> Result<(), S::Block> {
        self.spare.add(block)
    }

    /// A bootstrap server. False when `brokers.max` slots are taken, or the name is longer than 255 bytes.
    pub fn add_bootstrap(&mut self, host: &str, port: u16) -> bool {
        self.cluster.add_bootstrap(host, port)
    }

    /// Mirrors a topic that the accumulator interned, and asks for its metadata. Said again it does nothing.
    pub fn add_topic(&mut self, now: Instant, topic: TopicId, name: &str) -> bool {
        self.advance(now);
        let known = self.cluster.topic(topic).is_some();
        let added = self.cluster.add_topic(topic, name);
        if added && !known {
            self.set_compression(topic, self.config.compression);
            self.refresh_topic(topic, true);
        }
        added
    }

    /// Compresses a topic's batches otherwise than [`SenderConfig::compression`] says, from the next one on. A type that
    /// the codec does not know leaves them plain.
    pub fn set_compression(&mut self, topic: TopicId, compression: Compression) {
        if let Some(slot) = self.cluster.topic_mut(topic) {
            slot.compression = compression;
        }
    }

    /// Asks for a topic's metadata, without records: `Event::Topic` tells when they are there.
    pub fn want_topic(&mut self, now: Instant, topic: TopicId) {
        self.advance(now);
        self.metadata.asked_for = true;
        self.refresh_topic(topic, true);
    }

    /// What the accumulator must know of a topic.
    #[must_use]
    pub fn topic_view(&self, topic: TopicId) -> TopicView {
        match self.cluster.view(topic) {
            TopicView::Unknown if self.refusal().is_some() => {
                TopicView::Failed(ErrorCode::SASL_AUTHENTICATION_FAILED)
            }
            #[cfg(feature = "transactions")]
            TopicView::Unknown if self.transaction_fails_all() => {
                TopicView::Failed(ErrorCode::INVALID_TXN_STATE)
            }
            view => view,
        }
    }

    /// The leaders of a topic's partitions, from `first` on, as far as they are known. Carried to
    /// [`Accumulator::handle_leaders`](crate::Accumulator::handle_leaders) behind the view.
    pub fn leaders(&self, topic: TopicId, first: i32) -> impl Iterator<Item = Option<BrokerId>> {
        self.cluster.leaders(topic, first)
    }

    /// The largest batches, header included, that the broker has shown to take of a topic; `u32::MAX` while it took
    /// them all. Carried to [`Accumulator::limit_batches`](crate::Accumulator::limit_batches) with the view.
    #[must_use]
    pub fn batch_bytes_max(&self, topic: TopicId) -> u32 {
        self.cluster.topic(topic).map_or(u32::MAX, |slot| slot.batch_bytes_max)
    }

    /// Whether the accumulator holds records. Without records held anywhere nothing is refreshed or reconnected.
    pub fn demand(&mut self, held: bool) {
        self.demand = held;
        self.note_demand();
    }

    /// Whether one batch for the partition will be taken now: its leader is known and connected, a place in flight is
    /// free. If so the batch must be given to [`enqueue`](Self::enqueue) next. If not, `Event::Ready` will name the
    /// partition. What must fail is always taken.
    pub fn reserve(&mut self, now: Instant, partition: TopicPartition) -> bool {
        self.advance(now);
        self.reserve_place(partition)
    }

    /// Takes a batch: one that [`reserve`](Self::reserve) has promised a place, or one that must fail.
    pub fn enqueue(&mut self, now: Instant, mut batch: Batch<S::Block>) {
        self.advance(now);
        batch.seal();
        self.enqueue_sealed(batch, None, false);
    }

    /// Takes a batch that a former life of the producer has numbered, and may have sent: in every other way as
    /// [`enqueue`](Self::enqueue). The batches of a partition are resumed in their order, before any new one.
    ///
    /// It is sent once more, the same bytes under the same numbers, and its outcome is true:
    /// * The broker knows it: success, with the offset, or with -1 where only a later one of the numbering is known.
    /// * The broker expects another sequence (error 45): those that follow under the same numbering are asked about in
    ///   turn. None known: none is stored, and they are sent under a numbering of this life. While
    ///   [`Numbers::more`] says that another one follows that is not here yet, those before it wait for it.
    /// * The broker has forgotten the producer id: it takes the batch, also one that it has stored long ago. Ask
    ///   [before](Self::ask_producer), where that matters.
    /// * The producer id is forgotten and the broker says so (error 59), belongs to another transaction (49), or has a newer
    ///   epoch (47): the batch fails, and may be stored ([`Persisted::Possibly`](crate::error::Persisted::Possibly)).
    ///
    /// What follows is never numbered under a former life's numbering, and is not sent before all that is resumed has its
    /// outcome. Without idempotence the numbers mean nothing.
    pub fn resume(&mut self, now: Instant, mut batch: Batch<S::Block>, numbers: Numbers) {
        self.advance(now);
        batch.seal();
        self.enqueue_sealed(batch, Some(numbers), false);
    }

    /// The partition's next batch begins another numbering, as its first one does. False where something of it is here that has
    /// no outcome yet: nothing changes then, and it is to be asked for again.
    #[must_use]
    pub fn renumber(&mut self, partition: TopicPartition) -> bool {
        let Some(partition) = self.partitions.find(partition) else { return true };
        let state = self.partitions.get_mut(partition);
        let is_free = state.first == NONE;
        state.renumber |= is_free;
        is_free
    }

    /// Takes a batch that does not follow on the one before it, since records that stood between them are missing: it
    /// [begins](Self::renumber) a numbering, once nothing stands before it, unless it is resumed under its own `numbers`.
    /// Whoever notes numberings counts records, and would be wrong otherwise.
    pub fn enqueue_apart(&mut self, now: Instant, mut batch: Batch<S::Block>, numbers: Option<Numbers>) {
        self.advance(now);
        batch.seal();
        self.enqueue_sealed(batch, numbers, true);
    }

    /// Nothing follows on what was resumed of a partition, although that was said ([`Numbers::more`]): what would have followed is
    /// lost. What waits for it goes on.
    pub fn end_resumed(&mut self, now: Instant, partition: TopicPartition) {
        self.advance(now);
        let Some(partition) = self.partitions.find(partition) else { return };
        let last = self.partitions.get(partition).last;
        if last != NONE && core::mem::take(&mut self.batches.get_mut(last).more) {
            self.proceed(partition);
        }
    }

    /// A batch of this partition has failed and will be handed over once more, before those behind it: they come back. Each of
    /// them is completed as [`Spooled`](crate::error::ErrorKind::Spooled) as soon as it certainly is not stored, or has its own outcome. Until all are back
    /// nothing of the partition is to be handed over.
    pub fn withdraw(&mut self, now: Instant, partition: TopicPartition) {
        self.advance(now);
        self.begin_withdrawal(partition);
    }

    /// A numbering that [`Event::Numbering`](crate::event::Event::Numbering) told is written down: the partition goes on. One that has been replaced
    /// meanwhile is passed over.
    pub fn handle_noted(&mut self, now: Instant, numbering: Numbering) {
        self.advance(now);
        self.noted(&numbering);
    }

    /// Asks a partition's leader what it remembers of a producer (DescribeProducers): [`Event::Producer`](crate::event::Event::Producer) tells, once. The
    /// topic must have been [added](Self::add_topic). It is asked again, after `retry.backoff.ms` and more, until somebody
    /// can answer; with [`close`](Self::close) the question is forgotten.
    ///
    /// What it tells is no acknowledgement: it may not be replicated yet, and a broker that does not lead any more answers, too.
    /// So the batch that ends with that sequence is to be [resumed](Self::resume), and when it is acknowledged, all before it
    /// are; the batches before that one need not be sent once more. Behind a sequence within a batch, which was sent in
    /// parts, the rest is resumed ([`Batch::skip_first`](crate::batch::Batch::skip_first)).
    ///
    /// A user needs READ on the topic for it. The answer lists all producers of the partition, those of others too.
    ///
    /// False where [`PRODUCERS_ASKED_MAX`] are asked for at the same time (none may be without the feature `resume`), the topic is not known, or the sender is closed.
    #[must_use]
    pub fn ask_producer(&mut self, now: Instant, partition: TopicPartition, producer_id: i64) -> bool {
        self.advance(now);
        self.ask(partition, producer_id)
    }

    /// Ends everything: what is held fails, what comes later fails, and every connection is closed.
    pub fn close(&mut self, now: Instant) {
        self.advance(now);
        self.closed = true;
        for slot in 0..self.cluster.brokers().len() as u16 {
            if !self.connection(slot).is_idle() {
                self.disconnect(slot, Disconnect::Closed, true);
            }
        }
        self.fail_everything();
        self.questions.clear();
        #[cfg(feature = "transactions")]
        self.close_transaction();
        self.recheck = true;
    }

    /// Whether no batch is held.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.batches.held == 0
    }

    /// The clock never goes back: an older `now` is the wait for a lock.
    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    fn is_current(&self, connection: ConnectionId) -> bool {
        self.cluster.brokers().get(usize::from(connection.slot)).is_some_and(|slot| {
            slot.connection.generation == connection.generation && !slot.connection.is_idle()
        })
    }

    // Called from everywhere: where memory is short the call is smaller than what it does.
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    fn connection(&self, slot: u16) -> &connection::Connection {
        &self.cluster.brokers()[usize::from(slot)].connection
    }

    #[cfg_attr(target_pointer_width = "32", inline(never))]
    fn connection_mut(&mut self, slot: u16) -> &mut connection::Connection {
        &mut self.cluster.brokers_mut()[usize::from(slot)].connection
    }
}

impl<S: Storage> core::fmt::Debug for Sender<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sender")
            .field("held", &self.batches.held)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}
