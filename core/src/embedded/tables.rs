//! The tables of a producer on a device: what each of its numbers costs, and how they become a producer.

use core::fmt;

use super::CONNECTIONS_MAX;
use super::memory::{Node, Static, StaticBlock};
use crate::accumulator::{self, Accumulator, AccumulatorTables, BatchSlot};
use crate::cluster::{self, BrokerSlot};
use crate::compression::{Codec, NoCodec};
use crate::config::{AccumulatorConfig, SenderConfig};
use crate::producer::{Producer, Scratches};
use crate::sender::{HEADS_BYTES_MIN, InFlightSlot, Sender, SenderPartitionSlot, SenderTables};

/// Bytes per topic in the arena of names. It is one arena: a longer name takes what shorter ones leave.
pub const NAME_BYTES: usize = 32;

/// For each partition that can be in use, how many partitions can be known.
pub const KNOWN_PER_PARTITION: usize = 4;

/// One block stays in reserve, one batch may hold a quarter of the others, and a block is the least that it holds.
pub(super) const BLOCKS_MIN: usize = 4;

/// Everything of a [`Memory`](super::Memory) but the blocks: for firmware that keeps records in a `static` of their
/// own, or in another memory.
///
/// ```
/// use felice_core::config::{AccumulatorConfig, SenderConfig};
/// use felice_core::embedded::{Node, Tables};
///
/// let blocks: &'static mut [Node<256>; 64] = Box::leak(Box::new([const { Node::EMPTY }; 64]));
/// let tables: &'static mut Tables<256, 8, 2, 4, 2> = Box::leak(Box::new(Tables::new()));
/// let producer = tables.producer(blocks, "sensor-7", AccumulatorConfig::default(), SenderConfig::default());
/// assert_eq!(producer.free_blocks(), 64);
/// ```
pub struct Tables<
    const BLOCK_BYTES: usize,
    const BATCHES: usize,
    const TOPICS: usize,
    const PARTITIONS: usize,
    const BROKERS: usize,
> {
    scratches: [[u8; BLOCK_BYTES]; 2],
    names: [[[u8; NAME_BYTES]; TOPICS]; 2],
    indexes: [[[u32; 2]; PARTITIONS]; 2],
    topics: [accumulator::TopicSlot; TOPICS],
    partitions: [accumulator::PartitionSlot; PARTITIONS],
    batches: [BatchSlot<StaticBlock<BLOCK_BYTES>>; BATCHES],
    shares: [accumulator::BrokerSlot; BROKERS],
    known: [[u16; KNOWN_PER_PARTITION]; PARTITIONS],
    brokers: [BrokerSlot; BROKERS],
    sender_topics: [cluster::TopicSlot; TOPICS],
    leaders: [[u32; KNOWN_PER_PARTITION]; PARTITIONS],
    sender_partitions: [SenderPartitionSlot; PARTITIONS],
    in_flight: [InFlightSlot<StaticBlock<BLOCK_BYTES>>; BATCHES],
    heads: [u8; HEADS_BYTES_MIN],
}

impl<
    const BLOCK_BYTES: usize,
    const BATCHES: usize,
    const TOPICS: usize,
    const PARTITIONS: usize,
    const BROKERS: usize,
> Tables<BLOCK_BYTES, BATCHES, TOPICS, PARTITIONS, BROKERS>
{
    /// All of it, in bytes.
    pub const BYTES: usize = size_of::<Self>();

    /// The tables, with nothing in them. Numbers that make no producer are refused when the firmware is compiled.
    #[must_use]
    pub const fn new() -> Self {
        const {
            assert!(BLOCK_BYTES >= 64, "a block of less than 64 bytes is mostly overhead");
            assert!(BATCHES >= 2, "one batch stays in reserve");
            assert!(TOPICS >= 1 && PARTITIONS >= 1, "there is nowhere to send to");
            assert!(BROKERS >= 1 && BROKERS <= CONNECTIONS_MAX, "the driver has a place for each socket");
        }
        Self {
            scratches: [[0; BLOCK_BYTES]; 2],
            names: [[[0; NAME_BYTES]; TOPICS]; 2],
            indexes: [[[0; 2]; PARTITIONS]; 2],
            topics: [const { accumulator::TopicSlot::EMPTY }; TOPICS],
            partitions: [const { accumulator::PartitionSlot::EMPTY }; PARTITIONS],
            batches: [const { BatchSlot::EMPTY }; BATCHES],
            shares: [const { accumulator::BrokerSlot::EMPTY }; BROKERS],
            known: [[0; KNOWN_PER_PARTITION]; PARTITIONS],
            brokers: [const { BrokerSlot::EMPTY }; BROKERS],
            sender_topics: [const { cluster::TopicSlot::EMPTY }; TOPICS],
            leaders: [[0; KNOWN_PER_PARTITION]; PARTITIONS],
            sender_partitions: [const { SenderPartitionSlot::EMPTY }; PARTITIONS],
            in_flight: [const { InFlightSlot::EMPTY }; BATCHES],
            heads: [0; HEADS_BYTES_MIN],
        }
    }

    /// The producer that lives in these tables, without a bootstrap server yet, with these blocks for its records.
    ///
    /// What both planes have a setting for counts as `accumulator` says it. `batch.size` and `max.request.size` are
    /// cut to a quarter of the record memory, so that one batch cannot keep the others from being sent.
    pub fn producer(
        &'static mut self,
        blocks: &'static mut [Node<BLOCK_BYTES>],
        client_id: &str,
        accumulator: AccumulatorConfig,
        sender: SenderConfig,
    ) -> Producer<Static<BLOCK_BYTES>> {
        self.with_codec(blocks, &mut [], client_id, accumulator, sender, NoCodec)
    }

    /// The same, for a producer that compresses its batches as [`SenderConfig::compression`] says, with this codec: a
    /// fifth of the blocks is what batches are compressed into, the others are the record memory.
    pub fn compressing_producer<C: Codec>(
        &'static mut self,
        blocks: &'static mut [Node<BLOCK_BYTES>],
        client_id: &str,
        accumulator: AccumulatorConfig,
        sender: SenderConfig,
        codec: C,
    ) -> Producer<Static<BLOCK_BYTES, C>> {
        let (reserve, blocks) = blocks.split_at_mut(blocks.len().div_ceil(5));
        self.with_codec(blocks, reserve, client_id, accumulator, sender, codec)
    }

    fn with_codec<C: Codec>(
        &'static mut self,
        blocks: &'static mut [Node<BLOCK_BYTES>],
        reserve: &'static mut [Node<BLOCK_BYTES>],
        client_id: &str,
        accumulator: AccumulatorConfig,
        sender: SenderConfig,
        codec: C,
    ) -> Producer<Static<BLOCK_BYTES, C>> {
        let quarter = u32::try_from(blocks.len() * BLOCK_BYTES / 4).unwrap_or(u32::MAX);
        let request_bytes_max = accumulator.request_bytes_max.min(quarter);
        let batch_bytes = accumulator.batch_bytes.min(request_bytes_max);
        let delivery_timeout = accumulator.delivery_timeout;
        let accumulator = AccumulatorConfig { request_bytes_max, batch_bytes, ..accumulator };
        let sender = SenderConfig { request_bytes_max, delivery_timeout, ..sender };
        let [key, value] = &mut self.scratches;
        let [names, sender_names] = &mut self.names;
        let [index, sender_index] = &mut self.indexes;
        let tables = AccumulatorTables {
            topics: self.topics.as_mut_slice(),
            names: names.as_flattened_mut(),
            partitions: self.partitions.as_mut_slice(),
            index: index.as_flattened_mut(),
            batches: self.batches.as_mut_slice(),
            brokers: self.shares.as_mut_slice(),
            leaders: self.known.as_flattened_mut(),
        };
        let sender_tables = SenderTables {
            brokers: self.brokers.as_mut_slice(),
            topics: self.sender_topics.as_mut_slice(),
            names: sender_names.as_flattened_mut(),
            leaders: self.leaders.as_flattened_mut(),
            partitions: self.sender_partitions.as_mut_slice(),
            partition_index: sender_index.as_flattened_mut(),
            batches: self.in_flight.as_mut_slice(),
            heads: self.heads.as_mut_slice(),
            codec,
        };
        let mut plane = Accumulator::new(accumulator, tables);
        for node in blocks {
            // All are of one length and not empty: none is refused.
            let _ = plane.add_block(StaticBlock::new(node));
        }
        let mut sender = Sender::new(sender, client_id, sender_tables);
        for node in reserve {
            let _ = sender.add_block(StaticBlock::new(node));
        }
        let scratches = Scratches::new(key.as_mut_slice(), value.as_mut_slice());
        Producer::new(plane, sender, scratches)
    }
}

impl<
    const BLOCK_BYTES: usize,
    const BATCHES: usize,
    const TOPICS: usize,
    const PARTITIONS: usize,
    const BROKERS: usize,
> Default for Tables<BLOCK_BYTES, BATCHES, TOPICS, PARTITIONS, BROKERS>
{
    fn default() -> Self {
        Self::new()
    }
}

impl<
    const BLOCK_BYTES: usize,
    const BATCHES: usize,
    const TOPICS: usize,
    const PARTITIONS: usize,
    const BROKERS: usize,
> fmt::Debug for Tables<BLOCK_BYTES, BATCHES, TOPICS, PARTITIONS, BROKERS>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tables").field("bytes", &Self::BYTES).finish_non_exhaustive()
    }
}
