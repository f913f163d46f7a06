//! A record's bytes into a batch's blocks.

use crate::memory::{Block, OpenChain, Pool};
use crate::record::Record;

/// A record's place in its batch, and what it takes there. Found before anything is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// [`Record::payload_bytes`].
    pub(crate) payload: u64,
    /// The record's timestamp minus the batch's.
    pub(crate) timestamp_delta: i64,
    /// The record's index in the batch.
    pub(crate) offset_delta: i32,
    /// What the three make: [`record_bytes`](crate::record::record_bytes).
    pub(crate) bytes: u32,
}

/// Writes a record behind what the chain holds. The pool must have the blocks that [`blocks_needed`] says.
///
/// A record that fits into the last block is written at once; one that straddles blocks piece by piece.
#[inline]
pub(crate) fn append<B: Block>(
    chain: &mut OpenChain<B>,
    pool: &mut Pool<B>,
    record: &Record<'_>,
    place: Place,
) {
    let Place { payload, timestamp_delta, offset_delta, bytes } = place;
    if let Some(mut space) = chain.space(bytes as usize) {
        record.encode(payload, timestamp_delta, offset_delta, |piece| {
            if let Some((piece_space, rest)) = core::mem::take(&mut space).split_at_mut_checked(piece.len()) {
                piece_space.copy_from_slice(piece);
                space = rest;
            }
        });
    } else {
        record.encode(payload, timestamp_delta, offset_delta, |piece| write(chain, pool, piece));
    }
}

/// Writes bytes behind what the chain holds, into as many blocks as it takes.
pub(crate) fn write<B: Block>(chain: &mut OpenChain<B>, pool: &mut Pool<B>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        if chain.room() == 0 {
            let Some(block) = pool.take() else {
                debug_assert!(false, "blocks are counted before a record is written");
                return;
            };
            chain.push(block);
        }
        let written = chain.write(bytes);
        bytes = &bytes[written..];
    }
}

/// How many blocks a chain needs on top for `bytes` more bytes. Divides only for what is larger than a block.
#[inline]
pub(crate) const fn blocks_needed<B: Block>(chain: &OpenChain<B>, bytes: u32, block_bytes: u32) -> u32 {
    if bytes <= chain.room() {
        return 0;
    }
    let over = bytes - chain.room();
    if over <= block_bytes {
        1
    } else if block_bytes == 0 {
        u32::MAX
    } else {
        over.div_ceil(block_bytes)
    }
}
