//! Memory for the clients of a run: blocks of any length.

use felice_core::memory::{Block, Storage};
use felice_host::Codecs;

/// A block on the heap, of the length that the run's seed chose.
#[derive(Debug)]
pub(crate) struct SimBlock(Box<Node>);

#[derive(Debug)]
struct Node {
    next: Option<SimBlock>,
    bytes: Box<[u8]>,
}

impl SimBlock {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Box::new(Node { next: None, bytes: vec![0; bytes].into() }))
    }
}

impl AsRef<[u8]> for SimBlock {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl AsMut<[u8]> for SimBlock {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0.bytes
    }
}

impl Block for SimBlock {
    fn next(&mut self) -> &mut Option<Self> {
        &mut self.0.next
    }

    fn peek(&self) -> Option<&Self> {
        self.0.next.as_ref()
    }
}

/// Blocks and tables on the heap.
#[derive(Debug)]
pub(crate) enum SimStorage {}

impl Storage for SimStorage {
    type Block = SimBlock;
    type Codec = Codecs;
    type Table<T: 'static> = Box<[T]>;
}

/// A table of `length` slots.
pub(crate) fn table<T>(length: usize, slot: impl FnMut() -> T) -> Box<[T]> {
    std::iter::repeat_with(slot).take(length).collect()
}
