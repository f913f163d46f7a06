//! A record's place in a batch: how many bytes it takes, and which.

use super::Record;

impl Record<'_> {
    /// Bytes of key, value and headers with their lengths: what does not depend on the record's place in its batch.
    #[inline]
    pub(crate) fn payload_bytes(&self) -> u64 {
        let bytes = nullable_bytes(self.key) + nullable_bytes(self.value);
        if self.headers.is_empty() { bytes + 1 } else { bytes + self.headers_bytes() }
    }

    fn headers_bytes(&self) -> u64 {
        let mut bytes = varint_bytes(count(self.headers));
        for header in self.headers {
            bytes += nullable_bytes(Some(header.key.as_bytes())) + nullable_bytes(header.value);
        }
        bytes
    }

    /// Hands the record to `put` piece by piece, as it stands in a batch. `payload` is what
    /// [`payload_bytes`](Self::payload_bytes) said; the pieces add up to [`record_bytes`] of the same arguments.
    #[inline]
    pub(crate) fn encode(
        &self,
        payload: u64,
        timestamp_delta: i64,
        offset_delta: i32,
        mut put: impl FnMut(&[u8]),
    ) {
        let mut head = Piece::new();
        head.varint(body_bytes(payload, timestamp_delta, offset_delta).cast_signed());
        head.byte(ATTRIBUTES);
        head.varint(timestamp_delta);
        head.varint(i64::from(offset_delta));
        head.nullable(self.key, &mut put);
        head.nullable(self.value, &mut put);
        head.varint(count(self.headers));
        for header in self.headers {
            head.nullable(Some(header.key.as_bytes()), &mut put);
            head.nullable(header.value, &mut put);
        }
        head.flush(&mut put);
    }
}

/// A record's attributes: Kafka defines none.
const ATTRIBUTES: u8 = 0;

/// Bytes of a record in a batch, its own length included.
#[inline]
pub(crate) const fn record_bytes(payload: u64, timestamp_delta: i64, offset_delta: i32) -> u64 {
    let body = body_bytes(payload, timestamp_delta, offset_delta);
    varint_bytes(body.cast_signed()) + body
}

#[inline]
const fn body_bytes(payload: u64, timestamp_delta: i64, offset_delta: i32) -> u64 {
    1 + varint_bytes(timestamp_delta) + int_bytes(offset_delta) + payload
}

/// Bytes of a signed number in Kafka's zigzag encoding, 7 bits to a byte: 1 to 10.
// On a 32-bit machine it is long.
#[cfg_attr(target_pointer_width = "32", inline(never))]
#[cfg_attr(not(target_pointer_width = "32"), inline)]
pub(crate) const fn varint_bytes(value: i64) -> u64 {
    match zigzag(value) {
        // Nearly always: a branch that is foreseen costs less than counting.
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        long => (64 - long.leading_zeros()).div_ceil(7) as u64,
    }
}

/// [`varint_bytes`] of a number of 32 bits: on a 32-bit machine half the work.
#[cfg_attr(target_pointer_width = "32", inline(never))]
#[cfg_attr(not(target_pointer_width = "32"), inline)]
const fn int_bytes(value: i32) -> u64 {
    match ((value << 1) ^ (value >> 31)).cast_unsigned() {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        long => (32 - long.leading_zeros()).div_ceil(7) as u64,
    }
}

#[inline]
const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

#[inline]
const fn nullable_bytes(bytes: Option<&[u8]>) -> u64 {
    match bytes {
        Some(bytes) if bytes.len() <= i32::MAX as usize => int_bytes(bytes.len() as i32) + bytes.len() as u64,
        Some(bytes) => varint_bytes(count(bytes)) + bytes.len() as u64,
        None => 1,
    }
}

const fn count<T>(items: &[T]) -> i64 {
    items.len() as i64
}

/// Small fields on their way into a batch, gathered so that a record is a handful of copies.
struct Piece {
    bytes: [u8; Self::BYTES_MAX],
    length: usize,
}

impl Piece {
    /// The most that stands between two slices: length, attributes, deltas, null key, null value, count, a length.
    const BYTES_MAX: usize = 10 + 1 + 10 + 5 + 1 + 1 + 10 + 10;

    const fn new() -> Self {
        Self { bytes: [0; Self::BYTES_MAX], length: 0 }
    }

    fn byte(&mut self, byte: u8) {
        self.bytes[self.length] = byte;
        self.length += 1;
    }

    fn varint(&mut self, value: i64) {
        let mut rest = zigzag(value);
        while rest >= 0x80 {
            self.byte(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.byte(rest as u8);
    }

    fn nullable(&mut self, bytes: Option<&[u8]>, put: &mut impl FnMut(&[u8])) {
        self.varint(bytes.map_or(-1, count));
        if let Some(bytes) = bytes {
            self.flush(put);
            put(bytes);
        }
    }

    fn flush(&mut self, put: &mut impl FnMut(&[u8])) {
        put(&self.bytes[..self.length]);
        self.length = 0;
    }
}
