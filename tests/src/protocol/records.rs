//! Record batches, version 2: decoding.
//!
//! ```text
//! 0 base offset i64 | 8 length i32 | 12 partition leader epoch i32 | 16 magic i8 | 17 crc u32 | 21 attributes i16
//! 23 last offset delta i32 | 27 base timestamp i64 | 35 max timestamp i64 | 43 producer id i64
//! 51 producer epoch i16 | 53 base sequence i32 | 57 record count i32 | 61 records
//! ```
//! The checksum is CRC-32C over everything from the attributes on.

use std::borrow::Cow;

use super::decompress::decompress;
use super::{DecodeError, Reader};

/// The bytes of a batch before its first record.
pub const BATCH_HEADER_BYTES: usize = 61;
/// Where the part begins that the checksum covers.
pub(crate) const CRC_COVERS_FROM: usize = 21;
/// The bytes before the part that the length counts.
pub(crate) const LENGTH_COVERS_FROM: usize = 12;

const CODEC_MASK: i16 = 0x07;
pub(crate) const TIMESTAMP_TYPE_BIT: i16 = 0x08;
pub(crate) const TRANSACTIONAL_BIT: i16 = 0x10;
pub(crate) const CONTROL_BIT: i16 = 0x20;

/// The fields before a batch's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// The offset of the first record.
    pub base_offset: i64,
    /// The bytes after this field.
    pub batch_length: i32,
    /// The epoch of the leader that appended the batch.
    pub partition_leader_epoch: i32,
    /// CRC-32C from the attributes to the end.
    pub crc: u32,
    /// Codec, timestamp type, transactional, control.
    pub attributes: i16,
    /// The last record's offset minus the base offset.
    pub last_offset_delta: i32,
    /// The first record's timestamp.
    pub base_timestamp: i64,
    /// The greatest timestamp.
    pub max_timestamp: i64,
    /// -1 without idempotence.
    pub producer_id: i64,
    /// -1 without idempotence.
    pub producer_epoch: i16,
    /// -1 without idempotence.
    pub base_sequence: i32,
    /// How many records the batch says it has.
    pub record_count: i32,
}

impl BatchHeader {
    /// Reads the header at the front of `bytes`; magic must be 2.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let base_offset = reader.i64()?;
        let batch_length = reader.i32()?;
        let partition_leader_epoch = reader.i32()?;
        let magic = reader.i8()?;
        if magic != 2 {
            return Err(DecodeError::InvalidMagic(magic));
        }
        Ok(Self {
            base_offset,
            batch_length,
            partition_leader_epoch,
            crc: reader.u32()?,
            attributes: reader.i16()?,
            last_offset_delta: reader.i32()?,
            base_timestamp: reader.i64()?,
            max_timestamp: reader.i64()?,
            producer_id: reader.i64()?,
            producer_epoch: reader.i16()?,
            base_sequence: reader.i32()?,
            record_count: reader.i32()?,
        })
    }

    /// 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub fn codec(&self) -> u8 {
        (self.attributes & CODEC_MASK) as u8
    }

    /// Whether the timestamps are the broker's.
    pub fn is_log_append_time(&self) -> bool {
        self.attributes & TIMESTAMP_TYPE_BIT != 0
    }

    /// Whether the batch belongs to a transaction.
    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL_BIT != 0
    }

    /// Whether the batch is a transaction marker, which only brokers write.
    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL_BIT != 0
    }

    /// Whether the batch has a producer id.
    pub fn is_idempotent(&self) -> bool {
        self.producer_id != -1
    }

    /// The sequence of the last record; after 2147483647 comes 0.
    pub fn last_sequence(&self) -> i32 {
        sequence_after(self.base_sequence, self.last_offset_delta)
    }
}

/// The sequence that is `count` further on; after 2147483647 comes 0.
pub fn sequence_after(sequence: i32, count: i32) -> i32 {
    if sequence < 0 { sequence } else { sequence.wrapping_add(count) & i32::MAX }
}

/// The CRC-32C that a batch should have.
///
/// # Panics
///
/// If `batch` is shorter than the fields before the attributes.
pub fn checksum(batch: &[u8]) -> u32 {
    crc32c::crc32c(&batch[CRC_COVERS_FROM..])
}

/// A batch, and the bytes after it.
pub type BatchAndRest<'a> = (&'a [u8], &'a [u8]);

/// Takes the first batch off the front of `bytes`; `None` when what is left is not a whole batch.
pub fn split_first_batch(bytes: &[u8]) -> Result<Option<BatchAndRest<'_>>, DecodeError> {
    let Some(length) = bytes.get(8..LENGTH_COVERS_FROM) else { return Ok(None) };
    let length = i32::from_be_bytes([length[0], length[1], length[2], length[3]]);
    // Fourteen bytes is what the oldest kind of batch has after its length.
    let after = usize::try_from(length).ok().filter(|length| *length >= 14);
    let after = after.ok_or(DecodeError::InvalidLength(length.into()))?;
    Ok(bytes.split_at_checked(LENGTH_COVERS_FROM.saturating_add(after)))
}

/// A record, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The record's offset.
    pub offset: i64,
    /// Milliseconds since 1970; the broker's time where the batch says so.
    pub timestamp: i64,
    /// The key; null is not empty.
    pub key: Option<Vec<u8>>,
    /// The value; null is a tombstone.
    pub value: Option<Vec<u8>>,
    /// The headers, in order, duplicates kept.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Who wrote it, or -1.
    pub producer_id: i64,
    /// The producer's epoch, or -1.
    pub producer_epoch: i16,
    /// The record's sequence, or -1.
    pub sequence: i32,
}

/// A record that borrows from its batch.
#[derive(Debug, Clone)]
pub struct RecordView<'a> {
    /// Milliseconds after the batch's base timestamp.
    pub timestamp_delta: i64,
    /// Offsets after the batch's base offset.
    pub offset_delta: i32,
    /// The key; null is not empty.
    pub key: Option<&'a [u8]>,
    /// The value; null is a tombstone.
    pub value: Option<&'a [u8]>,
    /// How many headers `headers` holds.
    pub header_count: i32,
    headers: Reader<'a>,
}

impl<'a> RecordView<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let length = reader.varint()?;
        let length = usize::try_from(length).map_err(|_| DecodeError::InvalidLength(length.into()))?;
        let mut body = Reader::new(reader.take(length)?);
        body.i8()?; // attributes, unused
        let timestamp_delta = body.varlong()?;
        let offset_delta = body.varint()?;
        let key = varint_bytes(&mut body)?;
        let value = varint_bytes(&mut body)?;
        let header_count = body.varint()?;
        let headers = body.clone();
        if header_count < 0 {
            return Err(DecodeError::InvalidLength(header_count.into()));
        }
        for _ in 0..header_count {
            header(&mut body)?;
        }
        body.finish()?;
        Ok(Self { timestamp_delta, offset_delta, key, value, header_count, headers })
    }

    /// The headers, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, Option<&'a [u8]>)> {
        let mut reader = self.headers.clone();
        (0..self.header_count).filter_map(move |_| header(&mut reader).ok())
    }
}

fn header<'a>(reader: &mut Reader<'a>) -> Result<(&'a str, Option<&'a [u8]>), DecodeError> {
    let name = varint_bytes(reader)?.ok_or(DecodeError::InvalidLength(-1))?;
    let name = std::str::from_utf8(name).map_err(|_| DecodeError::InvalidUtf8)?;
    Ok((name, varint_bytes(reader)?))
}

/// Bytes with a zigzag length; any negative one is null.
fn varint_bytes<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
    match usize::try_from(reader.varint()?) {
        Ok(length) => reader.take(length).map(Some),
        Err(_) => Ok(None),
    }
}

/// Walks over the records of one batch, compressed or not, handing each to `visit` with its place.
///
/// Fails if they cannot be decompressed, if one is malformed, or if there are more or fewer than the batch says.
pub fn visit(batch: &[u8], mut visit: impl FnMut(i32, &RecordView<'_>)) -> Result<(), DecodeError> {
    let header = BatchHeader::decode(batch)?;
    let mut records = Cow::Borrowed(&batch[BATCH_HEADER_BYTES..]);
    let codec = header.codec();
    if codec != 0 {
        records = Cow::Owned(decompress(codec, &records).ok_or(DecodeError::Compressed(codec))?);
    }
    let mut reader = Reader::new(&records);
    for index in 0..header.record_count {
        visit(index, &RecordView::decode(&mut reader)?);
    }
    reader.finish()
}

/// The records of all batches in `bytes`, one after the other.
///
/// Fails on bytes after the last whole batch. It does not look at checksums: [`checksum`] does.
pub fn decode(bytes: &[u8]) -> Result<Vec<Record>, DecodeError> {
    let mut records = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (batch, after) = split_first_batch(rest)?.ok_or(DecodeError::Truncated)?;
        let header = BatchHeader::decode(batch)?;
        visit(batch, |index, view| records.push(owned(&header, index, view)))?;
        rest = after;
    }
    Ok(records)
}

fn owned(batch: &BatchHeader, index: i32, view: &RecordView<'_>) -> Record {
    let timestamp = if batch.is_log_append_time() {
        batch.max_timestamp
    } else {
        batch.base_timestamp.wrapping_add(view.timestamp_delta)
    };
    Record {
        offset: batch.base_offset.wrapping_add(view.offset_delta.into()),
        timestamp,
        key: view.key.map(<[u8]>::to_vec),
        value: view.value.map(<[u8]>::to_vec),
        headers: view.headers().map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec))).collect(),
        producer_id: batch.producer_id,
        producer_epoch: batch.producer_epoch,
        sequence: sequence_after(batch.base_sequence, index),
    }
}
