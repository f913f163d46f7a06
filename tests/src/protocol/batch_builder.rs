//! Record batches, version 2: building them, right or wrong.

use super::decompress::{compress_with_gzip, compress_with_zstd};
use super::{Writer, records};

/// Builds an uncompressed batch; every field can be made wrong on purpose.
///
/// ```
/// use felice_tests::protocol::{batch_builder::BatchBuilder, records};
///
/// let batch = BatchBuilder::new(1_700_000_000_000).record(Some(b"key"), Some(b"value")).producer(7, 0, 0).build();
/// assert_eq!(records::decode(&batch).unwrap()[0].value.as_deref(), Some(&b"value"[..]));
/// ```
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    base_timestamp: i64,
    max_timestamp: i64,
    records: Writer,
    count: i32,
    base_offset: i64,
    partition_leader_epoch: i32,
    attributes: i16,
    producer: (i64, i16, i32),
    declared_count: Option<i32>,
    declared_last_offset_delta: Option<i32>,
    crc_flip: u32,
}

impl BatchBuilder {
    /// An empty batch; `timestamp` is that of its first record.
    pub fn new(timestamp: i64) -> Self {
        Self {
            base_timestamp: timestamp,
            max_timestamp: timestamp,
            records: Writer::new(),
            count: 0,
            base_offset: 0,
            partition_leader_epoch: -1,
            attributes: 0,
            producer: (-1, -1, -1),
            declared_count: None,
            declared_last_offset_delta: None,
            crc_flip: 0,
        }
    }

    /// A batch of records without keys, at the same time.
    pub fn of_values<V: AsRef<[u8]>>(timestamp: i64, values: impl IntoIterator<Item = V>) -> Self {
        let append = |batch: Self, value: V| batch.record(None, Some(value.as_ref()));
        values.into_iter().fold(Self::new(timestamp), append)
    }

    /// Appends a record with the batch's timestamp and no headers.
    pub fn record(self, key: Option<&[u8]>, value: Option<&[u8]>) -> Self {
        let timestamp = self.base_timestamp;
        self.record_with(timestamp, key, value, &[])
    }

    /// Appends a record.
    pub fn record_with(
        mut self,
        timestamp: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> Self {
        let mut body = Writer::new();
        body.i8(0);
        body.varlong(timestamp - self.base_timestamp);
        body.varint(self.count);
        varint_bytes(&mut body, key);
        varint_bytes(&mut body, value);
        body.varint(headers.len() as i32);
        for (name, value) in headers {
            varint_bytes(&mut body, Some(name.as_bytes()));
            varint_bytes(&mut body, *value);
        }
        self.records.varint(body.as_bytes().len() as i32);
        self.records.raw(body.as_bytes());
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.count += 1;
        self
    }

    /// Appends bytes that are no record, and counts none.
    pub fn raw_records(mut self, bytes: &[u8]) -> Self {
        self.records.raw(bytes);
        self
    }

    /// Compresses the records so far with gzip.
    pub fn gzip(self) -> Self {
        let packed = compress_with_gzip(self.records.as_bytes());
        self.compressed(1, &packed)
    }

    /// Compresses the records so far with zstd.
    pub fn zstd(self) -> Self {
        let packed = compress_with_zstd(self.records.as_bytes());
        self.compressed(4, &packed)
    }

    fn compressed(mut self, codec: i16, packed: &[u8]) -> Self {
        self.records = Writer::new();
        self.records.raw(packed);
        self.attributes |= codec;
        self
    }

    /// Stamps producer id, epoch and first sequence.
    pub fn producer(mut self, producer_id: i64, producer_epoch: i16, base_sequence: i32) -> Self {
        self.producer = (producer_id, producer_epoch, base_sequence);
        self
    }

    /// Another base offset than 0.
    pub fn base_offset(mut self, base_offset: i64) -> Self {
        self.base_offset = base_offset;
        self
    }

    /// Another partition leader epoch than -1.
    pub fn partition_leader_epoch(mut self, epoch: i32) -> Self {
        self.partition_leader_epoch = epoch;
        self
    }

    /// Other attributes than 0: codec, timestamp type, transactional, control.
    pub fn attributes(mut self, attributes: i16) -> Self {
        self.attributes = attributes;
        self
    }

    /// Another greatest timestamp than that of the records.
    pub fn max_timestamp(mut self, timestamp: i64) -> Self {
        self.max_timestamp = timestamp;
        self
    }

    /// Another record count than there are records.
    pub fn declared_count(mut self, count: i32) -> Self {
        self.declared_count = Some(count);
        self
    }

    /// Another last offset delta than the count less one.
    pub fn declared_last_offset_delta(mut self, delta: i32) -> Self {
        self.declared_last_offset_delta = Some(delta);
        self
    }

    /// A checksum that is wrong in one bit.
    pub fn wrong_crc(mut self) -> Self {
        self.crc_flip = 1;
        self
    }

    /// The batch's bytes.
    pub fn build(&self) -> Vec<u8> {
        let count = self.declared_count.unwrap_or(self.count);
        let mut covered = Writer::new();
        covered.i16(self.attributes);
        covered.i32(self.declared_last_offset_delta.unwrap_or(count - 1));
        covered.i64(self.base_timestamp);
        covered.i64(self.max_timestamp);
        covered.i64(self.producer.0);
        covered.i16(self.producer.1);
        covered.i32(self.producer.2);
        covered.i32(count);
        covered.raw(self.records.as_bytes());

        let mut batch = Writer::new();
        batch.i64(self.base_offset);
        let before_covered = records::CRC_COVERS_FROM - records::LENGTH_COVERS_FROM;
        batch.i32((before_covered + covered.as_bytes().len()) as i32);
        batch.i32(self.partition_leader_epoch);
        batch.i8(2);
        batch.u32(crc32c::crc32c(covered.as_bytes()) ^ self.crc_flip);
        batch.raw(covered.as_bytes());
        batch.into_bytes()
    }
}

fn varint_bytes(writer: &mut Writer, bytes: Option<&[u8]>) {
    writer.varint(bytes.map_or(-1, |bytes| bytes.len() as i32));
    writer.raw(bytes.unwrap_or_default());
}
