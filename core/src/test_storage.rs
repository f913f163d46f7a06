//! Storage for the machine tests: boxes, as on a host.

extern crate std;

use crate::compression::tests::Runs;
use crate::memory::{Block, Storage};
use std::boxed::Box;
use std::vec::Vec;

/// A heap block of `BYTES` bytes.
#[derive(Debug)]
pub(crate) struct BoxBlock(Box<Node>);

#[derive(Debug)]
struct Node {
    next: Option<BoxBlock>,
    bytes: Vec<u8>,
}

impl BoxBlock {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Box::new(Node { next: None, bytes: std::vec![0; bytes] }))
    }
}

impl AsRef<[u8]> for BoxBlock {
    fn as_ref(&self) -> &[u8] {
        &self.0.bytes
    }
}

impl AsMut<[u8]> for BoxBlock {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0.bytes
    }
}

impl Block for BoxBlock {
    fn next(&mut self) -> &mut Option<Self> {
        &mut self.0.next
    }

    fn peek(&self) -> Option<&Self> {
        self.0.next.as_ref()
    }
}

/// Blocks and tables in boxes.
#[derive(Debug)]
pub(crate) struct Boxes;

impl Storage for Boxes {
    type Block = BoxBlock;
    type Codec = Runs;
    type Table<T: 'static> = Box<[T]>;
}

/// A table of `length` slots.
pub(crate) fn table<T>(length: usize, mut slot: impl FnMut() -> T) -> Box<[T]> {
    (0..length).map(|_| slot()).collect()
}
