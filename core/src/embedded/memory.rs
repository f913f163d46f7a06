//! All memory of a producer on a device: one `static`, whose size is known when the firmware is linked.

use core::fmt;
use core::marker::PhantomData;

use super::tables::{BLOCKS_MIN, Tables};
use crate::compression::{Codec, NoCodec};
use crate::config::{AccumulatorConfig, SenderConfig};
use crate::memory::{Block, Storage};
use crate::producer::Producer;

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

impl<const BYTES: usize> StaticBlock<BYTES> {
    /// The block that a node is.
    pub const fn new(node: &'static mut Node<BYTES>) -> Self {
        Self(node)
    }
}

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

/// Storage in a `static`: blocks of `BYTES` bytes, tables as slices, and a codec.
#[derive(Debug)]
pub struct Static<const BYTES: usize, C = NoCodec>(PhantomData<C>);

impl<const BYTES: usize, C: Codec> Storage for Static<BYTES, C> {
    type Block = StaticBlock<BYTES>;
    type Codec = C;
    type Table<T: 'static> = &'static mut [T];
}

/// All memory of a producer on a device. Nothing beside it is ever taken, whatever a broker sends.
///
/// | number | what it limits | setting | bytes for each, on 32 bits |
/// |---|---|---|---|
/// | `BLOCK_BYTES` | bytes of a block; of the scratch for a key, or a value, that is neither text nor bytes | | 2 |
/// | `BLOCKS` | record memory is `BLOCKS * BLOCK_BYTES`; one stays in reserve | `buffer.memory` | `BLOCK_BYTES` + 4 |
/// | `BATCHES` | batches at once, open and in flight; one stays in reserve | | 488 |
/// | `TOPICS` | topics, with [`NAME_BYTES`](super::NAME_BYTES) for a name on average | `topics.max` | 224 |
/// | `PARTITIONS` | partitions that hold records at once; [`KNOWN_PER_PARTITION`](super::KNOWN_PER_PARTITION) times as many are known | `partitions.max` | 192 |
/// | `BROKERS` | bootstrap servers and brokers with their connections; at most [`CONNECTIONS_MAX`](super::CONNECTIONS_MAX) | `brokers.max` | 1700 |
///
/// [`BYTES`](Self::BYTES) is the sum with what is always there: 20.0 KiB for 8 KiB of records in 8 batches of 4 topics
/// and 8 partitions on 3 brokers. A `Producer` itself, wherever it lives, has 3.0 KiB more, with a `Driver` around it 3.7.
///
/// A device obtains the `&'static mut` that [`producer`](Self::producer) takes by its own means, such as
/// `static_cell::ConstStaticCell` or `cortex_m::singleton!`; a host by `Box::leak`. Let [`new`](Self::new) be the
/// initial value of a `static`: called at run time it needs as much stack as there is memory, and more.
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
/// assert!(DeviceMemory::BYTES < 20 * 1024);
/// ```
///
/// A `static` whose initial value is not zero takes as much flash as memory, and that of the tables is not. Where that
/// counts, or records live in another memory than tables, [`Tables`] and the blocks are two `static`s.
pub struct Memory<
    const BLOCK_BYTES: usize,
    const BLOCKS: usize,
    const BATCHES: usize,
    const TOPICS: usize,
    const PARTITIONS: usize,
    const BROKERS: usize,
> {
    nodes: [Node<BLOCK_BYTES>; BLOCKS],
    tables: Tables<BLOCK_BYTES, BATCHES, TOPICS, PARTITIONS, BROKERS>,
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

    /// The memory, with nothing in it. Numbers that make no producer are refused when the firmware is compiled.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(BLOCKS >= BLOCKS_MIN, "too few blocks for one batch beside another and the reserve") };
        Self { nodes: [const { Node::EMPTY }; BLOCKS], tables: Tables::new() }
    }

    /// The producer that lives in this memory, without a bootstrap server yet: see [`Tables::producer`].
    pub fn producer(
        &'static mut self,
        client_id: &str,
        accumulator: AccumulatorConfig,
        sender: SenderConfig,
    ) -> Producer<Static<BLOCK_BYTES>> {
        self.tables.producer(&mut self.nodes, client_id, accumulator, sender)
    }

    /// The producer that lives in this memory and compresses its batches: see [`Tables::compressing_producer`].
    pub fn compressing_producer<C: Codec>(
        &'static mut self,
        client_id: &str,
        accumulator: AccumulatorConfig,
        sender: SenderConfig,
        codec: C,
    ) -> Producer<Static<BLOCK_BYTES, C>> {
        self.tables.compressing_producer(&mut self.nodes, client_id, accumulator, sender, codec)
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

/// A device of 64 KiB must hold it twice over; only the bare-metal build has pointers of this size.
#[cfg(target_pointer_width = "32")]
const _: () = assert!(Memory::<256, 32, 8, 4, 8, 3>::BYTES <= 20 * 1024);
