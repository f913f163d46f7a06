//! All memory of a producer on a device: one `static`, whose size is known when the firmware is linked.

use core::fmt;

use crate::accumulator::{self, Accumulator, AccumulatorTables, BatchSlot};
use crate::cluster::{self, BrokerSlot};
use crate::config::{AccumulatorConfig, SenderConfig};
use crate::memory::{Block, Storage};
use crate::producer::{Producer, Scratches};
use crate::sender::{HEADS_BYTES_MIN, InFlightSlot, Sender, SenderPartitionSlot, SenderTables};

use super::driver::CONNECTIONS_MAX;

/// A block's memory, and the place for the block that follows it.
pub struct Node<const BYTES: usize> {
    next: Option<StaticBlock<BYTES>>,
    bytes: [u8; BYTES],
}

impl<const BYTES: usize> Node<BYTES> {
    /// A node that holds nothing: all of it is zero.
    pub const EMPTY: Self = Self { next: None, bytes: [0; BYTES] };
}

impl<const BYTES: usize> fmt::Debug for Node<BYTES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("bytes", &BYTES).finish_non_exhaustive()
    }
}

/// A block of record memory in a `static`.
#[derive(Debug)]
pub struct StaticBlock<const BYTES: usize>(&'static mut Node<BYTES>);

impl<const BYTES: usize> AsRef<[u8]> for StaticBlock<BYTES> {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl<const BYTES: usize> AsMut<[u8]> for StaticBlock<BYTES> {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0.bytes
    }
}

impl<const BYTES: usize> Block for StaticBlock<BYTES> {
    fn next(&mut self) -> &mut Option<Self> {
        &mut self.0.next
    }

    fn peek(&self) -> Option<&Self> {
        self.0.next.as_ref()
    }
}

/// Storage in a `static`: blocks of `BYTES` bytes, tables as slices.
#[derive(Debug)]
pub struct Static<const BYTES: usize>;

impl<const BYTES: usize> Storage for Static<BYTES> {
    type Block = StaticBlock<BYTES>;
    type Table<T: 'static> = &'static mut [T];
}

/// Bytes per topic in the arena of names. It is one arena: a longer name takes what shorter ones leave.
pub const NAME_BYTES: usize = 32;

/// For each partition that can be in use, how many partitions can be known.
pub const KNOWN_PER_PARTITION: usize = 4;

/// All memory of a producer on a device. Nothing beside it is ever taken, whatever a broker sends.
///
/// | number | what it limits | Kafka's or felice's setting |
/// |---|---|---|
/// | `BLOCK_BYTES` | bytes of a block; also of the scratch for a key, and for a value, that is neither text nor bytes | |
/// | `BLOCKS` | record memory is `BLOCKS * BLOCK_BYTES`; one block stays in reserve | `buffer.memory` |
/// | `BATCHES` | batches at once, open and in flight | |
/// | `TOPICS` | topics, with [`NAME_BYTES`] for a name on average | `topics.max` |
/// | `PARTITIONS` | partitions that hold records at once | `partitions.max` |
/// | | partitions known: [`KNOWN_PER_PARTITION`] times as many | `partitions.known.max` |
/// | `BROKERS` | bootstrap servers and brokers, each with its connection; at most [`CONNECTIONS_MAX`] | `brokers.max` |
///
/// [`BYTES`](Self::BYTES) is the sum. What each costs on a 32-bit device is measured in `.ci/bare-metal`.
///
/// A device obtains the `&'static mut` that [`producer`](Self::producer) takes by its own means: `static_cell`,
/// `cortex_m::singleton!`; on a host by `Box::leak`:
///
/// ```
/// use felice_core::config::{AccumulatorConfig, SenderConfig};
/// use felice_core::embedded::Memory;
///
/// type DeviceMemory = Memory<256, 32, 8, 2, 4, 2>; // 8 KiB of records
///
/// let memory: &'static mut DeviceMemory = Box::leak(Box::new(Memory::new()));
/// let mut producer = memory.producer("sensor-7", AccumulatorConfig::default(), SenderConfig::default());
/// assert!(producer.add_bootstrap("broker-1", 9092));
/// assert!(DeviceMemory::BYTES < 32 * 1024);
/// ```
pub struct Memory<
    const BLOCK_BYTES: usize,
    const BLOCKS: usize,
    const BATCHES: usize,
    const TOPICS: usize,
    const PARTITIONS: usize,
    const BROKERS: usize,
> {
    nodes: [Node<BLOCK_BYTES>; BLOCKS],
    scratches: [[u8; BLOCK_BYTES]; 2],
    names: [[[u8; NAME_BYTES]; TOPICS]; 2],
    indexes: [[[u32; 2]; PARTITIONS]; 2],
    topics: [accumulator::TopicSlot; TOPICS],
    partitions: [accumulator::PartitionSlot; PARTITIONS],
    batches: [BatchSlot<StaticBlock<BLOCK_BYTES>>; BATCHES],
    brokers: [BrokerSlot; BROKERS],
    sender_topics: [cluster::TopicSlot; TOPICS],
    leaders: [[u32; KNOWN_PER_PARTITION]; PARTITIONS],
    sender_partitions: [SenderPartitionSlot; PARTITIONS],
    in_flight: [InFlightSlot<StaticBlock<BLOCK_BYTES>>; BATCHES],
    heads: [u8; HEADS_BYTES_MIN],
}

impl<
    const BLOCK_BYTES: usize,
    const BLOCKS: usize,
    const BATCHES: usize,
    const TOPICS: usize,
    const PARTITIONS: usize,
    const BROKERS: usize,
> Memory<BLOCK_BYTES, BLOCKS, BATCHES, TOPICS, PARTITIONS, BROKERS>
{
    /// All of it, in bytes: a constant that firmware can assert.
    pub const BYTES: usize = size_of::<Self>();

    /// Whether the numbers make a producer: looked at when the firmware is compiled.
    const IS_SOUND: () = {
        assert!(BLOCK_BYTES >= 64, "a block of less than 64 bytes is mostly overhead");
        assert!(
            BLOCKS >= 4,
            "one block stays in reserve, and no partition may hold more than a share of the others"
        );
        assert!(BATCHES >= 2 && TOPICS >= 1 && PARTITIONS >= 1, "there is nothing to send");
        assert!(
            BROKERS >= 1 && BROKERS <= CONNECTIONS_MAX,
            "the driver has a place for each broker's socket"
        );
    };

    /// The memory, with nothing in it.
    #[must_use]
    pub const fn new() -> Self {
        () = Self::IS_SOUND;
        Self {
            nodes: [const { Node::EMPTY }; BLOCKS],
            scratches: [[0; BLOCK_BYTES]; 2],
            names: [[[0; NAME_BYTES]; TOPICS]; 2],
            indexes: [[[0; 2]; PARTITIONS]; 2],
            topics: [const { accumulator::TopicSlot::EMPTY }; TOPICS],
            partitions: [const { accumulator::PartitionSlot::EMPTY }; PARTITIONS],
            batches: [const { BatchSlot::EMPTY }; BATCHES],
            brokers: [const { BrokerSlot::EMPTY }; BROKERS],
            sender_topics: [const { cluster::TopicSlot::EMPTY }; TOPICS],
            leaders: [[0; KNOWN_PER_PARTITION]; PARTITIONS],
            sender_partitions: [const { SenderPartitionSlot::EMPTY }; PARTITIONS],
            in_flight: [const { InFlightSlot::EMPTY }; BATCHES],
            heads: [0; HEADS_BYTES_MIN],
        }
    }

    /// The producer that lives in this memory, without a bootstrap server yet.
    ///
    /// What both planes have a setting for counts as `accumulator` says it. `batch.size` and `max.request.size` are
    /// cut to a quarter of the record memory, so that one batch cannot keep the others from being sent.
    pub fn producer(
        &'static mut self,
        client_id: &str,
        accumulator: AccumulatorConfig,
        sender: SenderConfig,
    ) -> Producer<Static<BLOCK_BYTES>> {
        let quarter = u32::try_from(BLOCKS * BLOCK_BYTES / 4).unwrap_or(u32::MAX);
        let request_bytes_max = accumulator.request_bytes_max.min(quarter);
        let batch_bytes = accumulator.batch_bytes.min(request_bytes_max);
        let accumulator = AccumulatorConfig { request_bytes_max, batch_bytes, ..accumulator };
        let delivery_timeout = accumulator.delivery_timeout;
        let sender = SenderConfig { request_bytes_max, delivery_timeout, ..sender };
        let [key, value] = &mut self.scratches;
        let scratches = Scratches::new(key.as_mut_slice(), value.as_mut_slice());
        let [names, sender_names] = &mut self.names;
        let [index, sender_index] = &mut self.indexes;
        let tables = AccumulatorTables {
            topics: self.topics.as_mut_slice(),
            names: names.as_flattened_mut(),
            partitions: self.partitions.as_mut_slice(),
            index: index.as_flattened_mut(),
            batches: self.batches.as_mut_slice(),
        };
        let mut plane = Accumulator::new(accumulator, tables);
        for node in &mut self.nodes {
            // Blocks of one length, each given once: none is refused.
            let _ = plane.add_block(StaticBlock(node));
        }
        let sender_tables = SenderTables {
            brokers: self.brokers.as_mut_slice(),
            topics: self.sender_topics.as_mut_slice(),
            names: sender_names.as_flattened_mut(),
            leaders: self.leaders.as_flattened_mut(),
            partitions: self.sender_partitions.as_mut_slice(),
            partition_index: sender_index.as_flattened_mut(),
            batches: self.in_flight.as_mut_slice(),
            heads: self.heads.as_mut_slice(),
        };
        Producer::new(plane, Sender::new(sender, client_id, sender_tables), scratches)
    }
}

impl<
    const BLOCK_BYTES: usize,
    const BLOCKS: usize,
    const BATCHES: usize,
    const TOPICS: usize,
    const PARTITIONS: usize,
    const BROKERS: usize,
> Default for Memory<BLOCK_BYTES, BLOCKS, BATCHES, TOPICS, PARTITIONS, BROKERS>
{
    fn default() -> Self {
        Self::new()
    }
}

impl<
    const BLOCK_BYTES: usize,
    const BLOCKS: usize,
    const BATCHES: usize,
    const TOPICS: usize,
    const PARTITIONS: usize,
    const BROKERS: usize,
> fmt::Debug for Memory<BLOCK_BYTES, BLOCKS, BATCHES, TOPICS, PARTITIONS, BROKERS>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("bytes", &Self::BYTES).finish_non_exhaustive()
    }
}
