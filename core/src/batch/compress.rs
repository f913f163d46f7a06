//! What of a batch is sent together, compressed, and plain again. Which blocks the batch has changes, how many does not.
//!
//! It takes its new blocks out of a reserve and leaves as many of its own there; those that it does not need for now stay
//! beside it, for as long as it lives. So it can be made plain again at any time, and the reserve is whole whenever nobody
//! uses it.
//!
//! Of a batch that is sent in parts its first part is compressed, and the rest follows plain: the rest moves up as it
//! always does once the part is stored.

use super::{Batch, Records};
use crate::compression::{Codec, Compression, Damaged, Full, Output};
use crate::memory::{Block, Chain, Pool};

/// What is sent of a batch is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compressed {
    pub(crate) by: Compression,
    /// The bytes of the same records as they were.
    pub(crate) plain_bytes: u32,
}

impl<B: Block> Batch<B> {
    /// Compresses what is sent, if it shrinks, and if the reserve has enough to make it plain again. The blocks that are
    /// not needed for now go to `surplus`.
    pub(crate) fn compress<C: Codec>(
        &mut self,
        codec: &mut C,
        by: Compression,
        reserve: &mut Pool<B>,
        surplus: &mut Chain<B>,
    ) {
        let plain_bytes = self.whole().bytes;
        let Records::Sealed(plain) = &self.records else { return };
        if self.compressed.is_some() || plain.blocks() > reserve.free() {
            return;
        }
        let mut packed = Output::new(reserve, plain_bytes.saturating_sub(1) as usize);
        let done = codec.compress(by, plain.pieces_to(plain_bytes), &mut packed);
        let packed_bytes = packed.bytes();
        if done.and_then(|()| plain.copy_behind(plain_bytes, &mut packed)).is_err() {
            return packed.give_back();
        }
        let packed = packed.into_chain();
        self.exchange(packed, packed_bytes, reserve, surplus);
        self.compressed = Some(Compressed { by, plain_bytes });
    }

    /// What [`compress`](Self::compress) has done is undone.
    ///
    /// # Errors
    ///
    /// [`Damaged`] where the bytes have changed since, or where its own blocks are too few. The batch stays as it is.
    pub(crate) fn decompress<C: Codec>(
        &mut self,
        codec: &mut C,
        reserve: &mut Pool<B>,
        surplus: &mut Chain<B>,
    ) -> Result<(), Damaged> {
        let packed_bytes = self.whole().bytes;
        let Some(Compressed { by, plain_bytes }) = self.compressed else { return Ok(()) };
        let Records::Sealed(packed) = &self.records else { return Ok(()) };
        let mut plain = Output::new(reserve, plain_bytes as usize);
        let done = codec.decompress(by, packed.pieces_to(packed_bytes), &mut plain);
        let whole = plain.left() == 0;
        if done.is_err() || !whole || packed.copy_behind(packed_bytes, &mut plain).is_err() {
            plain.give_back();
            return Err(Damaged);
        }
        let mut plain = plain.into_chain();
        if plain.blocks() > packed.blocks() + surplus.blocks() {
            // It came compressed, and without the memory for more: the reserve must stay whole.
            while let Some(block) = plain.pop() {
                reserve.put(block);
            }
            return Err(Damaged);
        }
        self.exchange(plain, plain_bytes, reserve, surplus);
        self.compressed = None;
        Ok(())
    }

    /// The attributes of its header: how it is compressed.
    pub(crate) fn attributes(&self) -> i16 {
        self.compressed.map_or(0, |compressed| compressed.by as i16)
    }

    /// The bytes of the records that are sent, were they plain.
    pub(crate) fn plain_bytes(&self) -> u32 {
        self.compressed.map_or(self.whole().bytes, |compressed| compressed.plain_bytes)
    }

    /// Takes another chain for its own, and gives the reserve as many blocks as that one has.
    fn exchange(&mut self, chain: Chain<B>, sent: u32, reserve: &mut Pool<B>, surplus: &mut Chain<B>) {
        let mut due = chain.blocks();
        if let Some(part) = &mut self.part {
            part.bytes = sent;
        }
        let Records::Sealed(own) = &mut self.records else { return };
        let mut own = core::mem::replace(own, chain);
        while let Some(block) = own.pop().or_else(|| if due > 0 { surplus.pop() } else { None }) {
            if due > 0 {
                due -= 1;
                reserve.put(block);
            } else {
                surplus.adopt(block);
            }
        }
    }
}

impl<B: Block> Chain<B> {
    /// Writes what stands behind the first `bytes` bytes.
    fn copy_behind(&self, bytes: u32, to: &mut Output<'_, B>) -> Result<(), Full> {
        to.limit(self.bytes().saturating_sub(bytes) as usize);
        let mut skip = bytes as usize;
        for piece in self.pieces() {
            to.write(&piece[skip.min(piece.len())..])?;
            skip = skip.saturating_sub(piece.len());
        }
        Ok(())
    }
}
