//! Reading a chain to its end, giving each block back as soon as it was read.

use super::{Block, Chain, OpenChain, Pool};
use crate::batch::append::write;

/// A chain that is read once. What is copied out of it needs one free block at most, if never more is written than was
/// read: a block that was read is free for the next one that is written.
#[derive(Debug)]
pub(crate) struct Drain<B: Block> {
    chain: Chain<B>,
    /// What of the first block was read: never all of it.
    read: usize,
}

impl<B: Block> Drain<B> {
    pub(crate) const fn new(chain: Chain<B>) -> Self {
        Self { chain, read: 0 }
    }

    /// Blocks that were not read to their end.
    pub(crate) const fn blocks(&self) -> u32 {
        self.chain.blocks()
    }

    /// Bytes of the first block that were read.
    pub(crate) const fn read(&self) -> usize {
        self.read
    }

    /// The chain without the blocks that were read.
    pub(crate) fn into_chain(self) -> Chain<B> {
        self.chain
    }

    /// Copies what stands here, as far as it goes, and stays here.
    pub(crate) fn peek(&self, window: &mut [u8]) {
        let mut rest = window;
        let mut skip = self.read;
        for piece in self.chain.pieces() {
            let piece = &piece[skip.min(piece.len())..];
            let count = piece.len().min(rest.len());
            let (space, behind) = rest.split_at_mut(count);
            space.copy_from_slice(&piece[..count]);
            rest = behind;
            skip = 0;
            if rest.is_empty() {
                return;
            }
        }
    }

    /// Goes on by so many bytes, or to the end.
    pub(crate) fn skip(&mut self, bytes: usize, pool: &mut Pool<B>) {
        self.each(bytes, pool, |_, _| {});
    }

    /// Writes the next bytes behind what `to` holds, and goes behind them.
    pub(crate) fn copy(&mut self, bytes: usize, to: &mut OpenChain<B>, pool: &mut Pool<B>) {
        self.each(bytes, pool, |piece, pool| write(to, pool, piece));
    }

    fn each(&mut self, bytes: usize, pool: &mut Pool<B>, mut take: impl FnMut(&[u8], &mut Pool<B>)) {
        let mut left = bytes;
        while left > 0 {
            let Some(piece) = self.chain.pieces().next() else { return };
            let length = piece.len();
            let count = left.min(length - self.read);
            take(&piece[self.read..self.read + count], pool);
            left -= count;
            self.read += count;
            if self.read == length {
                self.read = 0;
                if let Some(block) = self.chain.pop() {
                    pool.put(block);
                }
            }
        }
    }
}
