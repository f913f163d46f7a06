//! A record's bytes into a batch's blocks.

use crate::memory::{Block, OpenChain, Pool};
use crate::record::{Record, varint_bytes};

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
    if let Some(space) = chain.space(place.bytes as usize) {
        encode(space, record, place);
    } else {
        let Place { payload, timestamp_delta, offset_delta, .. } = place;
        record.encode(payload, timestamp_delta, offset_delta, |piece| write(chain, pool, piece));
    }
}

/// Writes a record into the space that it takes.
#[inline]
pub(crate) fn encode(space: &mut [u8], record: &Record<'_>, place: Place) {
    if encode_short(space, record, place).is_none() {
        encode_straight(space, record, place);
    }
}

/// [`encode_straight`] where all that stands before the key fits into eight bytes, as it nearly always does: they are one
/// store. `None` where it does not; what was written then is written over.
#[inline]
fn encode_short(space: &mut [u8], record: &Record<'_>, place: Place) -> Option<()> {
    if !record.headers.is_empty() {
        return None;
    }
    let mut head = Packed { bits: 0, shift: 0 };
    // What follows the length, which has one byte up to 63, then two, and three from 8,192 on.
    let length_bytes = match place.bytes {
        0..=64 => 1,
        65..=8_193 => 2,
        _ => return None,
    };
    head.varint(i64::from(place.bytes) - length_bytes)?;
    head.byte(0); // attributes: Kafka defines none
    head.varint(place.timestamp_delta)?;
    head.varint(place.offset_delta.into())?;
    *space.first_chunk_mut()? = head.bits.to_le_bytes();
    let space = space.get_mut(head.shift as usize / 8..)?;
    let space = nullable(space, record.key)?;
    let space = nullable(space, record.value)?;
    *space.first_mut()? = 0; // no headers
    debug_assert_eq!(space.len(), 1, "a record has the size that was computed");
    Some(())
}

/// Writes bytes with their length, and returns the space behind them.
#[inline]
fn nullable<'s>(space: &'s mut [u8], bytes: Option<&[u8]>) -> Option<&'s mut [u8]> {
    let Some(bytes) = bytes else {
        let (null, space) = space.split_first_mut()?;
        *null = 1;
        return Some(space);
    };
    let zigzag = bytes.len() << 1;
    let space = if zigzag < 0x80 {
        let (length, space) = space.split_first_mut()?;
        *length = zigzag as u8;
        space
    } else {
        let (length, space) = space.split_first_chunk_mut()?;
        *length = [zigzag as u8 | 0x80, u8::try_from(zigzag >> 7).ok().filter(|high| *high < 0x80)?];
        space
    };
    let (place, space) = space.split_at_mut_checked(bytes.len())?;
    place.copy_from_slice(bytes);
    Some(space)
}

/// Small fields side by side in a register, the first one lowest.
struct Packed {
    bits: u64,
    shift: u32,
}

impl Packed {
    #[inline]
    const fn byte(&mut self, byte: u8) {
        self.bits |= (byte as u64) << self.shift;
        self.shift += 8;
    }

    /// `None` for one of more than three bytes, or where there is no room.
    #[inline]
    const fn varint(&mut self, value: i64) -> Option<()> {
        let zigzag = ((value << 1) ^ (value >> 63)).cast_unsigned();
        let (bits, width) = match zigzag {
            0..0x80 => (zigzag, 8),
            0x80..0x4000 => (zigzag & 0x7f | 0x80 | zigzag >> 7 << 8, 16),
            0x4000..0x20_0000 => {
                (zigzag & 0x7f | 0x8080 | (zigzag >> 7 & 0x7f) << 8 | zigzag >> 14 << 16, 24)
            }
            _ => return None,
        };
        if self.shift + width > u64::BITS {
            return None;
        }
        self.bits |= bits << self.shift;
        self.shift += width;
        Some(())
    }
}

/// [`Record::encode`] for a record that is written in one piece, as nearly all are: half the cost.
fn encode_straight(space: &mut [u8], record: &Record<'_>, place: Place) {
    let mut out = Straight { space, at: 0 };
    out.head(place);
    out.nullable(record.key);
    out.nullable(record.value);
    out.varint(record.headers.len() as i64);
    for header in record.headers {
        out.nullable(Some(header.key.as_bytes()));
        out.nullable(header.value);
    }
    debug_assert_eq!(out.at, out.space.len(), "a record has the size that was computed");
}

/// What stands before a record's key in its place: the bytes, and how many they are.
pub(crate) fn encode_head(place: Place) -> ([u8; HEAD_BYTES_MAX], usize) {
    let mut bytes = [0; HEAD_BYTES_MAX];
    let mut out = Straight { space: &mut bytes, at: 0 };
    out.head(place);
    let length = out.at;
    (bytes, length)
}

/// Length, attributes, two deltas.
const HEAD_BYTES_MAX: usize = 5 + 1 + 10 + 5;

/// Space in one block, filled from its start.
struct Straight<'s> {
    space: &'s mut [u8],
    at: usize,
}

impl Straight<'_> {
    #[inline]
    fn head(&mut self, place: Place) {
        let Place { payload, timestamp_delta, offset_delta, .. } = place;
        let deltas = varint_bytes(timestamp_delta) + varint_bytes(i64::from(offset_delta));
        self.varint((1 + deltas + payload).cast_signed());
        self.byte(0); // attributes: Kafka defines none
        self.varint(timestamp_delta);
        self.varint(i64::from(offset_delta));
    }

    #[inline]
    fn byte(&mut self, byte: u8) {
        if let Some(space) = self.space.get_mut(self.at) {
            *space = byte;
        }
        self.at += 1;
    }

    #[inline]
    fn varint(&mut self, value: i64) {
        let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
        while rest >= 0x80 {
            self.byte(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.byte(rest as u8);
    }

    #[inline]
    fn nullable(&mut self, bytes: Option<&[u8]>) {
        let Some(bytes) = bytes else { return self.varint(-1) };
        self.varint(bytes.len() as i64);
        if let Some(space) = self.space.get_mut(self.at..self.at + bytes.len()) {
            space.copy_from_slice(bytes);
        }
        self.at += bytes.len();
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
