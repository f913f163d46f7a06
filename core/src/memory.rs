//! Record memory: fixed blocks of the caller's, chains of them, the pool of free ones, and where tables live.
//!
//! A [`Block`] is moved, never shared: memory on its way to a socket cannot be reused by accident. Nothing here may
//! allocate, and nothing may recurse along a chain.

mod drain;
#[cfg(test)]
mod tests;

use core::fmt;

use crate::compression::Codec;
pub(crate) use drain::Drain;

/// A fixed piece of the caller's memory behind an owning pointer that can own the next one.
///
/// All blocks given to one producer must have the same length. On a device this is a newtype over
/// `&'static mut Node<N>`, on Linux over `Box<Node>`.
pub trait Block: AsRef<[u8]> + AsMut<[u8]> + Sized + 'static {
    /// The block that follows, owned by this one.
    fn next(&mut self) -> &mut Option<Self>;
    /// The block that follows, to read.
    fn peek(&self) -> Option<&Self>;
}

/// Where a producer's memory lives: its blocks, and the tables of its slots. And what compresses in that memory.
pub trait Storage: 'static {
    /// The record memory.
    type Block: Block;
    /// What compresses batches: [`NoCodec`](crate::compression::NoCodec) where none is.
    type Codec: Codec;
    /// A table of slots, of the length that it was made with: `Box<[T]>`, or `&'static mut [T]`.
    type Table<T: 'static>: AsRef<[T]> + AsMut<[T]>;
}

/// A batch's blocks while records are appended: the last block first, so that appending costs the same at any length.
pub struct OpenChain<B: Block> {
    last: Option<B>,
    blocks: u32,
    bytes: u32,
    room: u32,
}

impl<B: Block> OpenChain<B> {
    /// A chain without a block.
    #[must_use]
    pub const fn new() -> Self {
        Self { last: None, blocks: 0, bytes: 0, room: 0 }
    }

    /// Bytes written so far.
    #[must_use]
    pub const fn bytes(&self) -> u32 {
        self.bytes
    }

    /// Blocks held.
    #[must_use]
    pub const fn blocks(&self) -> u32 {
        self.blocks
    }

    /// Bytes that can be written before another block is needed.
    #[must_use]
    pub const fn room(&self) -> u32 {
        self.room
    }

    /// Puts a block behind the last one.
    pub fn push(&mut self, mut block: B) {
        self.room += len(&block);
        self.blocks += 1;
        *block.next() = self.last.take();
        self.last = Some(block);
    }

    /// Writes as much of `bytes` as fits into the last block and returns how much that was.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        let rest = self.rest();
        let count = rest.len().min(bytes.len());
        rest[..count].copy_from_slice(&bytes[..count]);
        self.wrote(count as u32);
        count
    }

    /// The next `bytes` bytes of the last block, to be written by the caller; they count as written. `None` where they
    /// do not fit into it.
    pub fn space(&mut self, bytes: usize) -> Option<&mut [u8]> {
        let block = self.last.as_mut()?.as_mut();
        if bytes > self.room as usize {
            return None;
        }
        let start = block.len().checked_sub(self.room as usize)?;
        self.room -= bytes as u32;
        self.bytes += bytes as u32;
        block.get_mut(start..start + bytes)
    }

    /// What is free of the last block. [`wrote`](Self::wrote) says how much of it was written.
    pub(crate) fn rest(&mut self) -> &mut [u8] {
        let Some(last) = &mut self.last else { return &mut [] };
        let block = last.as_mut();
        let free = (self.room as usize).min(block.len());
        let start = block.len() - free;
        &mut block[start..]
    }

    /// So many bytes of the [`rest`](Self::rest) were written: no more than there are.
    pub(crate) const fn wrote(&mut self, bytes: u32) {
        self.room -= bytes;
        self.bytes += bytes;
    }

    /// The chain in the order in which it was written. Walks the blocks once: never under a lock.
    #[must_use]
    pub fn seal(mut self) -> Chain<B> {
        let (bytes, blocks) = (self.bytes, self.blocks);
        let mut chain = Chain { first: None, blocks, bytes };
        let mut rest = self.last.take();
        while let Some(mut block) = rest {
            rest = block.next().take();
            *block.next() = chain.first.take();
            chain.first = Some(block);
        }
        chain
    }
}

impl<B: Block> Default for OpenChain<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B: Block> Drop for OpenChain<B> {
    fn drop(&mut self) {
        unlink(self.last.take());
    }
}

impl<B: Block> fmt::Debug for OpenChain<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenChain").field("blocks", &self.blocks).field("bytes", &self.bytes).finish()
    }
}

/// A batch's blocks in the order of their bytes. Every block but the last is full.
pub struct Chain<B: Block> {
    first: Option<B>,
    blocks: u32,
    bytes: u32,
}

impl<B: Block> Chain<B> {
    /// A chain without a block.
    #[must_use]
    pub const fn new() -> Self {
        Self { first: None, blocks: 0, bytes: 0 }
    }

    /// Bytes held.
    #[must_use]
    pub const fn bytes(&self) -> u32 {
        self.bytes
    }

    /// Blocks held.
    #[must_use]
    pub const fn blocks(&self) -> u32 {
        self.blocks
    }

    /// The pieces, in order.
    #[must_use]
    pub fn pieces(&self) -> Pieces<'_, B> {
        Pieces { block: self.first.as_ref(), bytes: self.bytes as usize }
    }

    /// The chain as it was before it was [sealed](OpenChain::seal): more can be written behind its bytes. Walks the
    /// blocks once.
    #[must_use]
    pub fn reopen(mut self) -> OpenChain<B> {
        let mut open = OpenChain { last: None, blocks: self.blocks, bytes: self.bytes, room: 0 };
        let mut room = 0;
        while let Some(mut block) = self.first.take() {
            room += len(&block);
            self.first = block.next().take();
            *block.next() = open.last.take();
            open.last = Some(block);
        }
        open.room = room.saturating_sub(self.bytes);
        open
    }

    /// The pieces of the first `bytes` bytes, in order.
    pub(crate) fn pieces_to(&self, bytes: u32) -> Pieces<'_, B> {
        Pieces { block: self.first.as_ref(), bytes: self.bytes.min(bytes) as usize }
    }

    /// Takes a block in that holds nothing: it goes back together with the others.
    pub(crate) fn adopt(&mut self, mut block: B) {
        *block.next() = self.first.take();
        self.first = Some(block);
        self.blocks += 1;
    }

    /// Takes the first block off. Its bytes no longer count.
    pub fn pop(&mut self) -> Option<B> {
        let mut block = self.first.take()?;
        self.first = block.next().take();
        self.blocks -= 1;
        self.bytes = self.bytes.saturating_sub(len(&block));
        Some(block)
    }
}

impl<B: Block> Default for Chain<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B: Block> Drop for Chain<B> {
    fn drop(&mut self) {
        unlink(self.first.take());
    }
}

impl<B: Block> fmt::Debug for Chain<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("blocks", &self.blocks).field("bytes", &self.bytes).finish()
    }
}

/// The pieces of a [`Chain`], one per block.
pub struct Pieces<'c, B> {
    block: Option<&'c B>,
    bytes: usize,
}

impl<B> Clone for Pieces<'_, B> {
    fn clone(&self) -> Self {
        Self { block: self.block, bytes: self.bytes }
    }
}

impl<B> Pieces<'_, B> {
    /// The bytes of all pieces that are left.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

impl<'c, B: Block> Iterator for Pieces<'c, B> {
    type Item = &'c [u8];

    fn next(&mut self) -> Option<&'c [u8]> {
        let block = self.block?;
        let bytes = block.as_ref();
        let count = bytes.len().min(self.bytes);
        self.bytes -= count;
        self.block = if self.bytes == 0 { None } else { block.peek() };
        (count > 0).then(|| &bytes[..count])
    }
}

/// How many whole chains the pool keeps before it takes one apart.
const POOL_CHAINS: usize = 16;

/// The free blocks. Chains come back whole, so giving a batch's memory back costs no walk along it.
pub struct Pool<B: Block> {
    loose: Option<B>,
    chains: heapless::Vec<Chain<B>, POOL_CHAINS>,
    free: u32,
    total: u32,
    block_bytes: u32,
}

impl<B: Block> Pool<B> {
    /// A pool without a block.
    #[must_use]
    pub const fn new() -> Self {
        Self { loose: None, chains: heapless::Vec::new(), free: 0, total: 0, block_bytes: 0 }
    }

    /// Free blocks.
    #[must_use]
    pub const fn free(&self) -> u32 {
        self.free
    }

    /// All blocks ever given, free or not.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.total
    }

    /// Bytes of one block; 0 before the first is given.
    #[must_use]
    pub const fn block_bytes(&self) -> u32 {
        self.block_bytes
    }

    /// Gives a new block. All blocks must have the length of the first; another one is handed back.
    pub fn add(&mut self, block: B) -> Result<(), B> {
        let length = len(&block);
        if length == 0 || (self.block_bytes != 0 && self.block_bytes != length) {
            return Err(block);
        }
        self.block_bytes = length;
        self.total += 1;
        self.put(block);
        Ok(())
    }

    /// Takes a free block.
    pub fn take(&mut self) -> Option<B> {
        let block = match self.chains.last_mut() {
            Some(chain) => {
                let block = chain.pop();
                if chain.blocks() == 0 {
                    self.chains.pop();
                }
                block
            }
            None => {
                let mut block = self.loose.take()?;
                self.loose = block.next().take();
                Some(block)
            }
        };
        self.free -= u32::from(block.is_some());
        block
    }

    /// Takes a chain back. Only when many are kept whole already is it taken apart.
    pub fn recycle(&mut self, chain: Chain<B>) {
        if chain.blocks() == 0 {
            return;
        }
        let blocks = chain.blocks();
        match self.chains.push(chain) {
            Ok(()) => self.free += blocks,
            Err(mut chain) => {
                while let Some(block) = chain.pop() {
                    self.put(block);
                }
            }
        }
    }

    /// Takes one block back.
    pub fn put(&mut self, mut block: B) {
        *block.next() = self.loose.take();
        self.loose = Some(block);
        self.free += 1;
    }
}

impl<B: Block> Default for Pool<B> {
    fn default() -> Self {
        Self::new()
    }
}

impl<B: Block> Drop for Pool<B> {
    fn drop(&mut self) {
        unlink(self.loose.take());
    }
}

impl<B: Block> fmt::Debug for Pool<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("free", &self.free).field("total", &self.total).finish()
    }
}

fn len<B: Block>(block: &B) -> u32 {
    block.as_ref().len() as u32
}

/// Drops a chain block by block: a chain that dropped itself would recurse once per block.
fn unlink<B: Block>(mut rest: Option<B>) {
    while let Some(mut block) = rest {
        rest = block.next().take();
    }
}
