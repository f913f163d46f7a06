//! The data plane: records become batches here, and wait until the sender has room for them.
//!
//! ```text
//!  append ──► partition known ───────────────► open batch of the partition ─┐
//!         └─► not yet: the topic's queue ──────────────┐                    │ full, lingered out, flushed,
//!              batches without a partition,            │ handle_topic       │ no memory, or behind another
//!              records whose key was hashed            ▼ poll_reassigned    ▼
//!                                              batch of the partition    poll_ready ─► take ─► the sender
//!                                                                        poll_expired ───────► the sender, which fails it
//! ```
//!
//! A batch leaves as late as it can: until [`take`](Accumulator::take) it grows, also past `batch.size` and past its
//! linger, up to `max.request.size`. Everything is O(1) in the number of topics, partitions and batches, but for a
//! topic that fails (one walk over the partition slots). Nothing here reads a clock, and `now` may go backwards.
//!
//! After any call that changes something, drain [`poll_reassigned`](Accumulator::poll_reassigned),
//! [`poll_expired`](Accumulator::poll_expired) and [`poll_ready`](Accumulator::poll_ready) until each says `None`, then
//! ask [`poll_timeout`](Accumulator::poll_timeout), all under one lock: [`Appended::wake`] counts on it.

mod append;
mod batches;
mod brokers;
mod hand_over;
mod leaders;
mod list;
mod moving;
mod partitions;
mod pending;
mod spread;
#[cfg(test)]
mod tests;
mod topics;

use core::fmt;

pub use batches::BatchSlot;
pub use brokers::BrokerSlot;
pub use partitions::PartitionSlot;
pub use topics::TopicSlot;

use crate::batch::HEADER_BYTES;
use crate::config::AccumulatorConfig;
use crate::error::TopicError;
use crate::id::{NOBODY, Ticket, TopicId, TopicPartition};
use crate::memory::{Pool, Storage};
use crate::random::Random;
use crate::spans::Spans;
use crate::time::Instant;
use batches::{Batches, Owner};
use brokers::Brokers;
use list::NONE;
use moving::Cursor;
use partitions::Partitions;
use pending::ENTRY_BYTES;
use topics::Topics;

/// Blocks, and batch slots, that no append may take: with them a record can always move to its partition.
const RESERVE: u32 = 1;

/// The accumulator's tables. The storage makes them, of the lengths that the user chose.
#[derive(Debug)]
pub struct AccumulatorTables<S: Storage> {
    /// `topics.max` slots, at most 65 535.
    pub topics: S::Table<TopicSlot>,
    /// The names of all topics, one behind the other.
    pub names: S::Table<u8>,
    /// `partitions.max` slots: partitions in use at once.
    pub partitions: S::Table<PartitionSlot>,
    /// Twice as many as `partitions`, of any value.
    pub index: S::Table<u32>,
    /// As many as there are blocks are always enough; at least two.
    pub batches: S::Table<BatchSlot<S::Block>>,
    /// As many as the sender's (`brokers.max`). Others are as if their partitions had no leader.
    pub brokers: S::Table<BrokerSlot>,
    /// As many as the sender's (`partitions.known.max`), of any value.
    pub leaders: S::Table<u16>,
}

/// A record was accepted: it will have exactly one outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Under which its outcome will come.
    pub ticket: Ticket,
    /// Its partition cannot be told before its topic's metadata comes: if it does not fail before,
    /// [`Reassigned`](crate::event::Reassigned) will name another ticket.
    pub pending: bool,
    /// The driver must be woken. Not said again before the driver has drained
    /// [`poll_ready`](Accumulator::poll_ready).
    pub wake: bool,
}

/// Where records become batches. See the [module](self).
pub struct Accumulator<S: Storage> {
    config: AccumulatorConfig,
    topics: Topics<S>,
    partitions: Partitions<S>,
    batches: Batches<S>,
    brokers: Brokers<S>,
    /// Per known partition, who leads it.
    leaders: Spans<S, u16>,
    pool: Pool<S::Block>,
    /// The pending batch whose records are moving.
    cursor: Option<Cursor<S::Block>>,
    random: Random,
    /// The latest `now` that anyone told.
    now: Instant,
    /// The most bytes that one record may have, in a batch of its own without the header.
    record_bytes_max: u32,
    /// Blocks that one partition, or one broker's, may hold while others are in use.
    share_blocks: u32,
    /// Topics whose queue counts blocks.
    queues: u32,
    closed: bool,
    abandoned: bool,
    /// The driver was told to wake up and has not drained [`poll_ready`](Self::poll_ready) since.
    woken: bool,
}

impl<S: Storage> Accumulator<S> {
    /// An accumulator without memory: give it blocks by [`add_block`](Self::add_block).
    pub fn new(config: AccumulatorConfig, tables: AccumulatorTables<S>) -> Self {
        let AccumulatorTables { topics, names, partitions, index, batches, brokers, leaders } = tables;
        Self {
            config: AccumulatorConfig {
                batch_bytes: config.batch_bytes.min(config.request_bytes_max),
                ..config
            },
            topics: Topics::new(topics, names),
            partitions: Partitions::new(partitions, index),
            batches: Batches::new(batches),
            brokers: Brokers::new(brokers),
            leaders: Spans::new(leaders),
            pool: Pool::new(),
            cursor: None,
            random: Random::new(config.seed),
            now: Instant::ZERO,
            record_bytes_max: 0,
            share_blocks: 0,
            queues: 0,
            closed: false,
            abandoned: false,
            woken: false,
        }
    }

    /// Gives a block of memory; at least two are needed. All must have the same length; another one is handed back.
    pub fn add_block(&mut self, block: S::Block) -> Result<(), S::Block> {
        self.pool.add(block)?;
        let total = u64::from(self.pool.total());
        let usable = (total - u64::from(RESERVE)) * u64::from(self.pool.block_bytes());
        let request = u64::from(self.config.request_bytes_max).saturating_sub(HEADER_BYTES as u64);
        let record = usable.saturating_sub(ENTRY_BYTES as u64).min(request);
        self.record_bytes_max = u32::try_from(record).unwrap_or(u32::MAX);
        let share = total * u64::from(self.config.partition_share) / 256;
        self.share_blocks = u32::try_from(share).unwrap_or(u32::MAX);
        Ok(())
    }

    /// Interns a topic: once, then it is an index.
    #[inline]
    pub fn topic(&mut self, name: &str) -> Result<TopicId, TopicError> {
        self.topics.intern(name)
    }

    /// A topic's name; empty for one that was not interned here.
    #[must_use]
    pub fn topic_name(&self, topic: TopicId) -> &str {
        self.topics.name(topic)
    }

    /// How many topics were interned: their ids are the numbers below.
    #[must_use]
    pub const fn topics(&self) -> u16 {
        self.topics.count()
    }

    /// The broker takes no larger batches of a topic (`max.message.bytes`), header included: later ones end there.
    pub fn limit_batches(&mut self, topic: TopicId, bytes_max: u32) {
        if let Some(slot) = self.topics.slot_mut(topic) {
            slot.batch_bytes_max = bytes_max;
        }
    }

    /// All that is held now is ready, however long it has lingered. Wake the driver.
    pub const fn flush(&mut self) {
        self.partitions.end_linger();
    }

    /// Takes no record any more; all that is held is ready. Wake the driver.
    pub const fn close(&mut self) {
        self.closed = true;
        self.flush();
    }

    /// Gives up, as when the time for closing is over: all that is held is handed over by
    /// [`poll_expired`](Self::poll_expired), for the sender to fail.
    pub const fn abandon(&mut self) {
        self.close();
        self.abandoned = true;
    }

    /// When to poll again although nothing else happens: the earliest end of a linger or of a delivery timeout. A
    /// moment that has passed means at once.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let oldest = match self.batches.oldest() {
            NONE => return None,
            oldest => self.batches.at(oldest).created,
        };
        if self.abandoned || !self.topics.failing.is_empty() || self.partitions.first_ready() != NONE {
            return Some(self.now);
        }
        let expiry = oldest + self.config.delivery_timeout;
        match self.partitions.first_lingering() {
            None => Some(expiry),
            Some((_, true)) => Some(self.now),
            Some((partition, false)) => Some(expiry.min(self.linger_end(partition))),
        }
    }

    /// The partition of the oldest batch that is held and has one, and when its first record was accepted:
    /// [`take`](Self::take) takes it. Looks past those that wait for their partition, however many there are.
    #[must_use]
    pub fn oldest(&self) -> Option<(TopicPartition, Instant)> {
        self.batches.by_age().find_map(|batch| match batch.owner {
            Owner::Partition(owner) => Some((self.partitions.at(owner).key, batch.created)),
            Owner::Topic(_) => None,
        })
    }

    /// Whether no record is held here. What is with the sender does not count.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Whether [`close`](Self::close) was called.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Blocks that hold nothing.
    #[must_use]
    pub const fn free_blocks(&self) -> u32 {
        self.pool.free()
    }

    /// How many blocks can be taken now, also where each is for a batch of its own.
    #[must_use]
    pub const fn room(&self) -> u32 {
        let (blocks, batches) = (self.pool.free(), self.batches.free_count());
        let free = if blocks < batches { blocks } else { batches };
        free.saturating_sub(RESERVE)
    }

    /// All blocks, wherever they are.
    #[must_use]
    pub const fn total_blocks(&self) -> u32 {
        self.pool.total()
    }

    /// Bytes of one block.
    #[must_use]
    pub const fn block_bytes(&self) -> u32 {
        self.pool.block_bytes()
    }

    /// Batches held here.
    #[must_use]
    pub const fn held_batches(&self) -> u32 {
        self.batches.held()
    }

    /// Batches that are with the sender.
    #[must_use]
    pub const fn out_batches(&self) -> u32 {
        self.batches.out()
    }

    /// Partitions that hold something, here or with the sender.
    #[must_use]
    pub const fn partitions_in_use(&self) -> u32 {
        self.partitions.in_use()
    }

    fn linger_end(&self, partition: u32) -> Instant {
        let batch = self.partitions.at(partition).queue.last();
        self.batches.at(batch).created + self.config.linger
    }

    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// Counts blocks of a topic's queue.
    fn count_queue(&mut self, topic: TopicId, added: u32, taken: u32) {
        let blocks = &mut self.topics.at(topic).blocks;
        let before = *blocks;
        *blocks = before + added - taken;
        let after = *blocks;
        self.brokers.take(NOBODY, added);
        self.brokers.give_back(NOBODY, taken);
        if before == 0 && after > 0 {
            self.queues += 1;
            self.brokers.enter(NOBODY);
        } else if before > 0 && after == 0 {
            self.queues -= 1;
            self.brokers.leave(NOBODY);
        }
    }

    /// Counts blocks that were taken for a partition.
    #[inline]
    fn count_taken(&mut self, slot: u32, blocks: u32) {
        let partition = self.partitions.at_mut(slot);
        partition.blocks += blocks;
        self.brokers.take(partition.broker, blocks);
    }

    /// A partition comes into use: its slot, or [`NONE`].
    fn begin_use(&mut self, key: TopicPartition) -> u32 {
        let broker = self.leader(key.topic, key.partition);
        let slot = self.partitions.insert(key, broker);
        if slot != NONE {
            self.brokers.enter(broker);
        }
        slot
    }

    /// Gives an idle partition's slot back: one that holds nothing here, and nothing with the sender.
    fn end_use(&mut self, slot: u32) {
        let broker = self.partitions.at(slot).broker;
        if self.partitions.evict_idle(slot) {
            self.brokers.leave(broker);
        }
    }
}

impl<S: Storage> fmt::Debug for Accumulator<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accumulator")
            .field("pool", &self.pool)
            .field("held_batches", &self.held_batches())
            .field("out_batches", &self.out_batches())
            .field("partitions_in_use", &self.partitions_in_use())
            .finish_non_exhaustive()
    }
}
