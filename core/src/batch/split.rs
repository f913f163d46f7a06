//! A batch that a broker finds too large (error 10, KIP-126) is sent in parts.
//!
//! A part is the batch's first records: their bytes stand as they are, the header says how many. When it is stored, the
//! rest moves up: each record is copied to its new place, with an offset delta that starts from 0 again. Deltas only
//! shrink, so what is written never overtakes what is read, and one spare block is enough. Sequence numbers go on as if
//! the batch were whole.

use super::append::{Place, encode_head, write};
use super::{Batch, Records};
use crate::memory::{Block, Drain, OpenChain, Pieces, Pool};
use crate::time::Timestamp;

/// The first records of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// How many.
    pub(crate) count: u32,
    /// Their bytes, without a header.
    pub(crate) bytes: u32,
    pub(crate) max_timestamp: Timestamp,
    /// The most that a part may have: what the broker may take.
    pub(crate) bytes_max: u32,
}

/// Bytes before a record's key: length, attributes, two deltas.
pub(crate) const HEAD_BYTES_MAX: usize = 5 + 1 + 10 + 5;

/// What stands before a record's key.
struct Head {
    /// Its own bytes.
    bytes: usize,
    timestamp_delta: i64,
    /// Bytes from the key on.
    payload: u64,
}

impl<B: Block> Batch<B> {
    /// The records at the front that take at most `bytes_max` bytes: at least one, and not all of them if there are
    /// several.
    pub(crate) fn front(&self, bytes_max: u32) -> Part {
        let mut part = Part { count: 0, bytes: 0, max_timestamp: self.base_timestamp, bytes_max };
        let Some(chain) = self.chain() else { return part };
        let mut at = Reader { piece: &[], rest: chain.pieces() };
        while part.count + 1 < self.count.max(2) {
            let mut window = [0; HEAD_BYTES_MAX];
            at.peek(&mut window);
            let Some(head) = decode_head(&window) else { break };
            let bytes = head.bytes + head.payload as usize;
            if part.count > 0 && part.bytes as usize + bytes > bytes_max as usize {
                break;
            }
            at.skip(bytes);
            part.count += 1;
            part.bytes += bytes as u32;
            part.max_timestamp = part.max_timestamp.max(self.timestamp(head.timestamp_delta));
        }
        part
    }

    /// Drops the first `count` records: they are in the log already. What is left counts from 0 again, and the index of
    /// its first record ([`first`](Batch::first)) is `count` more.
    ///
    /// The pool must have a block to begin with, as long as the batch's own, and gets back the blocks that are not needed
    /// any more. False, and nothing changes, where it has none, where the batch is open or compressed, where no record
    /// would be left, or where its bytes are not `count` records and more.
    #[must_use]
    pub fn skip_first(&mut self, count: u32, pool: &mut Pool<B>) -> bool {
        if count == 0 {
            return true;
        }
        let is_plain = self.compressed.is_none() && self.part.is_none();
        if !is_plain || count >= self.count || pool.free() == 0 || self.walk(self.count).is_none() {
            return false;
        }
        let Some(bytes) = self.walk(count) else { return false };
        let part = Part { count, bytes, max_timestamp: self.max_timestamp, bytes_max: bytes };
        self.advance(part, pool);
        true
    }

    /// The bytes of the first records; `None` where they are no records.
    fn walk(&self, count: u32) -> Option<u32> {
        let chain = self.chain()?;
        let mut at = Reader { piece: &[], rest: chain.pieces() };
        let mut bytes = 0;
        for _ in 0..count {
            let mut window = [0; HEAD_BYTES_MAX];
            at.peek(&mut window);
            let record = record_bytes(&window)?;
            bytes = record.checked_add(bytes).filter(|&bytes| bytes <= chain.bytes())?;
            at.skip(record as usize);
        }
        Some(bytes)
    }

    /// The part at the front is stored: what follows moves up. The pool must have a block to begin with, and gets back
    /// what is no longer needed.
    pub(crate) fn advance(&mut self, part: Part, pool: &mut Pool<B>) {
        let Records::Sealed(chain) = &mut self.records else { return };
        let mut rest = Drain::new(core::mem::take(chain));
        let mut moved = OpenChain::new();
        rest.skip(part.bytes as usize, pool);
        for index in 0..self.count - part.count {
            let mut window = [0; HEAD_BYTES_MAX];
            rest.peek(&mut window);
            let Some(Head { bytes, timestamp_delta, payload }) = decode_head(&window) else { break };
            rest.skip(bytes, pool);
            let place = Place { payload, timestamp_delta, offset_delta: index.cast_signed(), bytes: 0 };
            let (head, length) = encode_head(place);
            write(&mut moved, pool, &head[..length]);
            rest.copy(payload as usize, &mut moved, pool);
        }
        pool.recycle(rest.into_chain());
        self.records = Records::Sealed(moved.seal());
        self.first += part.count;
        self.count -= part.count;
        (self.part, self.compressed) = (None, None);
    }

    const fn timestamp(&self, delta: i64) -> Timestamp {
        Timestamp::from_millis(self.base_timestamp.as_millis().wrapping_add(delta))
    }
}

/// Reads along a chain that stays as it is.
struct Reader<'c, B> {
    piece: &'c [u8],
    rest: Pieces<'c, B>,
}

impl<B: Block> Reader<'_, B> {
    /// Copies what stands here, as far as it goes, and stays here.
    fn peek(&self, window: &mut [u8]) {
        let (mut piece, mut rest, mut filled) = (self.piece, self.rest.clone(), 0);
        while filled < window.len() {
            let count = piece.len().min(window.len() - filled);
            window[filled..filled + count].copy_from_slice(&piece[..count]);
            filled += count;
            match rest.next() {
                Some(next) => piece = next,
                None => return,
            }
        }
    }

    fn skip(&mut self, mut bytes: usize) {
        while bytes > self.piece.len() {
            bytes -= self.piece.len();
            match self.rest.next() {
                Some(next) => self.piece = next,
                None => return,
            }
        }
        self.piece = &self.piece[bytes..];
    }
}

/// How long the record is that begins so; `None` where none does.
pub(crate) fn record_bytes(window: &[u8; HEAD_BYTES_MAX]) -> Option<u32> {
    let head = decode_head(window)?;
    u32::try_from(head.payload).ok()?.checked_add(head.bytes as u32)
}

fn decode_head(window: &[u8; HEAD_BYTES_MAX]) -> Option<Head> {
    let mut at = 0;
    let length = varint(window, &mut at)?;
    let prefix = at;
    at += 1;
    let timestamp_delta = varint(window, &mut at)?;
    let _offset_delta = varint(window, &mut at)?;
    let payload = u64::try_from(length).ok()?.checked_sub((at - prefix) as u64)?;
    Some(Head { bytes: at, timestamp_delta, payload })
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<i64> {
    let mut zigzag = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        zigzag |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Some((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed());
        }
    }
    None
}
