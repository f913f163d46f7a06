//! Where a producer's memory lives on a machine with a heap: everything is allocated once, when the producer is built.
//!
//! ```text
//! buffer.memory                               the blocks: all record memory there is, and 16 B for each
//! + per batch (engine/start.rs: `batches`)    a slot in each plane's table of batches, and two beside them for whoever
//!                                             waits
//! + topics.max                                a slot in each plane, and the arenas of names
//! + partitions.max                            a slot in each plane, and their indexes
//! + partitions.known.max × 6 B                who leads each partition, in each plane
//! + brokers.max                               a slot with the state of its connection
//! + max.request.size                          where anything is compressed: the blocks for it, and a codec's own memory
//! ```
//!
//! Nothing that a broker sends makes any of it grow.

use felice_core::memory::{Block, Storage};

use crate::compression::Codecs;

/// The least bytes of record memory in one block. With the pointer to the next one, the allocator's overhead is 16 to 32 bytes.
pub(crate) const BLOCK_BYTES_MIN: usize = 1_024;
/// The most: what is written and sent in one stretch is met by the processor's prefetching, and more gains nothing.
const BLOCK_BYTES_MAX: usize = 32 * 1_024;

/// How long blocks are: as long as they can be without being idle. A batch's last block is half empty on average, so
/// it is a quarter of a batch at most; and there is one for every partition that may be in use at once.
pub(crate) fn block_bytes(buffer_memory: usize, batch_bytes: usize, partitions_max: usize) -> usize {
    let most = (batch_bytes / 4).min(buffer_memory / partitions_max.max(1));
    let mut bytes = BLOCK_BYTES_MIN;
    while bytes < BLOCK_BYTES_MAX && 2 * bytes <= most {
        bytes *= 2;
    }
    bytes
}

/// Blocks and tables on the heap.
#[derive(Clone, Copy, Debug)]
pub enum Heap {}

impl Storage for Heap {
    type Block = HeapBlock;
    type Codec = Codecs;
    type Table<T: 'static> = Box<[T]>;
}

/// A block on the heap.
pub struct HeapBlock(Box<Node<[u8]>>);

struct Node<B: ?Sized> {
    next: Option<HeapBlock>,
    bytes: B,
}

impl HeapBlock {
    /// A block of zeros, of 1, 2, 4, 8, 16 or 32 KiB: the longest that is not longer than `bytes`, and at least the shortest.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        match bytes {
            0..2_048 => Self::of::<BLOCK_BYTES_MIN>(),
            2_048..4_096 => Self::of::<2_048>(),
            4_096..8_192 => Self::of::<4_096>(),
            8_192..16_384 => Self::of::<8_192>(),
            16_384..BLOCK_BYTES_MAX => Self::of::<16_384>(),
            _ => Self::of::<BLOCK_BYTES_MAX>(),
        }
    }

    /// In a frame of its own: a block is made on the stack first.
    #[inline(never)]
    fn of<const BYTES: usize>() -> Self {
        Self(Box::new(Node { next: None, bytes: [0; BYTES] }))
    }
}

impl AsRef<[u8]> for HeapBlock {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl AsMut<[u8]> for HeapBlock {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0.bytes
    }
}

impl Block for HeapBlock {
    fn next(&mut self) -> &mut Option<Self> {
        &mut self.0.next
    }

    fn peek(&self) -> Option<&Self> {
        self.0.next.as_ref()
    }
}

impl std::fmt::Debug for HeapBlock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeapBlock").finish_non_exhaustive()
    }
}

/// A table of `length` slots.
pub(crate) fn table<T>(length: usize, slot: impl FnMut() -> T) -> Box<[T]> {
    std::iter::repeat_with(slot).take(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_as_long_as_batches_and_partitions_allow() {
        const MIB: usize = 1_024 * 1_024;
        for (buffer_memory, batch_bytes, partitions_max, expected) in [
            (16 * 1_024, 4_096, 1_024, 1_024),
            (MIB, 16 * 1_024, 1_024, 1_024),
            (MIB, 16 * 1_024, 64, 4_096),
            (32 * MIB, 0, 1_024, 1_024),
            (32 * MIB, 16 * 1_024, 1_024, 4_096),
            (4 * MIB, 128 * 1_024, 1_024, 4_096),
            (8 * MIB, 128 * 1_024, 1_024, 8_192),
            (16 * MIB, 128 * 1_024, 1_024, 16_384),
            (32 * MIB, 128 * 1_024, 1_024, 32 * 1_024),
            (32 * MIB, 128 * 1_024, 10_000, 2_048),
            (1_024 * MIB, MIB, 1, 32 * 1_024),
        ] {
            let bytes = block_bytes(buffer_memory, batch_bytes, partitions_max);
            assert_eq!(bytes, expected, "{buffer_memory}, {batch_bytes}, {partitions_max}");
            assert_eq!(HeapBlock::new(bytes).as_ref().len(), expected);
        }
    }
}
