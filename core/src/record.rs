//! What a user sends, what becomes of it, and how many bytes it takes on the wire.
//!
//! [`ProducerRecord`] is a user's record, with a key and a value of any [`Serialize`] type; [`Record`] is what the data
//! plane takes of it: bytes only. Serializing and hashing happen between the two, outside every lock.

use core::fmt;

use crate::id::TopicId;
use crate::partitioner::Partitioner;
use crate::serializer::{Scratch, Serialize, SerializeError};
use crate::time::Timestamp;

/// A header of a record: a name and bytes. A name may occur more than once; the order is kept.
///
/// ```
/// use felice_core::record::Header;
///
/// let headers = [Header::new("unit", "degC"), Header::new("raw", &[0x15, 0x05]), Header::null("calibration")];
/// assert_eq!(headers[0].value, Some(&b"degC"[..]));
/// assert_eq!(headers[2].value, None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name. May be empty, never null.
    pub key: &'a str,
    /// The value; `None` is null, which is not the same as empty.
    pub value: Option<&'a [u8]>,
}

impl<'a> Header<'a> {
    /// A header with a value: text, or bytes.
    #[must_use]
    pub fn new<T: AsRef<[u8]> + ?Sized>(key: &'a str, value: &'a T) -> Self {
        Self { key, value: Some(value.as_ref()) }
    }

    /// A header whose value is null.
    #[must_use]
    pub const fn null(key: &'a str) -> Self {
        Self { key, value: None }
    }
}

/// A record to be sent: Kafka's `ProducerRecord`. Made by [`new`](Self::new), completed by the methods that follow it.
///
/// The key and the value are anything that implements [`Serialize`]: text, bytes, numbers, `Option` of them, types of
/// your own. A record without a key has the key `()`. The fields can be read; each has a method of the same name that
/// sets it.
///
/// ```
/// use felice_core::record::{Header, ProducerRecord};
/// use felice_core::time::Timestamp;
///
/// let plain = ProducerRecord::new("readings", "21.5");
/// let keyed = ProducerRecord::new("readings", 21.5_f64).key("sensor-7");
/// let headers = [Header::new("unit", "degC")];
/// let full = ProducerRecord::new("readings", [0x15, 0x05])
///     .key(7_i32)
///     .partition(2)
///     .timestamp(Timestamp::from_millis(1_700_000_000_000))
///     .headers(&headers);
/// assert_eq!((plain.topic, keyed.key, full.partition), ("readings", "sensor-7", Some(2)));
///
/// let tombstone = ProducerRecord::new("state", None::<&str>).key("sensor-7"); // null: a compacted topic forgets the key
/// assert_eq!(tombstone.value, None);
/// ```
///
/// Whatever takes a record takes it by value or by reference:
///
/// ```
/// use core::borrow::Borrow;
/// use felice_core::record::ProducerRecord;
/// use felice_core::serializer::Serialize;
///
/// fn send<'a, K: Serialize, V: Serialize>(record: impl Borrow<ProducerRecord<'a, K, V>>) -> &'a str {
///     record.borrow().topic
/// }
///
/// let record = ProducerRecord::new("readings", "21.5").key("sensor-7");
/// assert_eq!(send(&record), "readings");
/// assert_eq!(send(record), "readings");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProducerRecord<'a, K, V> {
    /// The topic's name.
    pub topic: &'a str,
    /// The partition that the user chose; `None` leaves it to the key's hash, or to the producer.
    pub partition: Option<i32>,
    /// The key; `()` and `None` are null.
    pub key: K,
    /// The value; `()` and `None` are null.
    pub value: V,
    /// The headers, in order.
    pub headers: &'a [Header<'a>],
    /// The record's time; `None` takes the wall clock's at `send`.
    pub timestamp: Option<Timestamp>,
}

impl<'a, V> ProducerRecord<'a, (), V> {
    /// A record without key, partition, headers and timestamp. Nothing is checked before it is sent.
    #[must_use]
    pub const fn new(topic: &'a str, value: V) -> Self {
        Self { topic, partition: None, key: (), value, headers: &[], timestamp: None }
    }
}

impl<'a, K, V> ProducerRecord<'a, K, V> {
    /// The same record with this key. Records of one key go to one partition, as long as the topic's number of
    /// partitions stays.
    #[must_use]
    pub fn key<K2>(self, key: K2) -> ProducerRecord<'a, K2, V> {
        let Self { topic, partition, key: _, value, headers, timestamp } = self;
        ProducerRecord { topic, partition, key, value, headers, timestamp }
    }

    /// The same record for this partition, counted from 0, whatever its key. One that the topic does not have fails
    /// the record; a negative one is refused.
    #[must_use]
    pub fn partition(mut self, partition: i32) -> Self {
        self.partition = Some(partition);
        self
    }

    /// The same record with this time instead of that of `send`. A broker refuses one that is more than an hour ahead
    /// (`message.timestamp.after.max.ms`), and retention deletes what is older than `retention.ms` by this time.
    #[must_use]
    pub fn timestamp(mut self, timestamp: Timestamp) -> Self {
        self.timestamp = Some(timestamp);
        self
    }

    /// The same record with these headers instead of those it had.
    #[must_use]
    pub fn headers(mut self, headers: &'a [Header<'a>]) -> Self {
        self.headers = headers;
        self
    }
}

impl<K: Serialize, V: Serialize> ProducerRecord<'_, K, V> {
    /// The key's and the value's bytes, `None` for null. Each has a scratch of its own, which is cleared first; text
    /// and bytes do not touch it and are borrowed from the record.
    ///
    /// # Errors
    ///
    /// What a serializer reports; [`SerializeError::SCRATCH_FULL`] where a scratch of fixed size is too small. It is
    /// about this record only.
    pub fn serialize<'r>(
        &'r self,
        key_scratch: &'r mut dyn Scratch,
        value_scratch: &'r mut dyn Scratch,
    ) -> Result<KeyValue<'r>, SerializeError> {
        key_scratch.clear();
        value_scratch.clear();
        Ok(KeyValue { key: self.key.serialize(key_scratch)?, value: self.value.serialize(value_scratch)? })
    }
}

/// A record's key and value as bytes; `None` is null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyValue<'r> {
    /// The key.
    pub key: Option<&'r [u8]>,
    /// The value.
    pub value: Option<&'r [u8]>,
}

/// How a record finds its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// The user chose it.
    Partition(i32),
    /// The key's hash, modulo the topic's number of partitions. Computed before any lock is taken.
    Hash(u32),
    /// Neither: the producer spreads such records over the partitions.
    Any,
}

impl Placement {
    /// Kafka's order: the partition that the user chose, else the key's hash, else any. An empty key is a key.
    ///
    /// ```
    /// use felice_core::partitioner::Murmur2;
    /// use felice_core::record::Placement;
    ///
    /// assert_eq!(Placement::of(Some(3), &Murmur2, "readings", Some(b"k")), Placement::Partition(3));
    /// assert_eq!(Placement::of(None, &Murmur2, "readings", Some(b"kafka")), Placement::Hash(1_348_980_580));
    /// assert_eq!(Placement::of(None, &Murmur2, "readings", None), Placement::Any);
    /// ```
    #[must_use]
    pub fn of<P>(partition: Option<i32>, partitioner: &P, topic: &str, key: Option<&[u8]>) -> Self
    where
        P: Partitioner + ?Sized,
    {
        match (partition, key) {
            (Some(partition), _) => Self::Partition(partition),
            (None, Some(key)) => Self::Hash(partitioner.hash(topic, key)),
            (None, None) => Self::Any,
        }
    }
}

/// A record as the data plane takes it: bytes, and a topic that is interned. Nothing of it is kept by reference.
#[derive(Clone, Copy, Debug)]
pub struct Record<'r> {
    /// The topic.
    pub topic: TopicId,
    /// How it finds its partition.
    pub placement: Placement,
    /// The key; `None` is null.
    pub key: Option<&'r [u8]>,
    /// The value; `None` is null.
    pub value: Option<&'r [u8]>,
    /// The headers, in order.
    pub headers: &'r [Header<'r>],
    /// The record's time.
    pub timestamp: Timestamp,
}

impl Record<'_> {
    /// Bytes of key, value and headers with their lengths: what does not depend on the record's place in its batch.
    pub(crate) fn payload_bytes(&self) -> u64 {
        let mut bytes =
            nullable_bytes(self.key) + nullable_bytes(self.value) + varint_bytes(count(self.headers));
        for header in self.headers {
            bytes += nullable_bytes(Some(header.key.as_bytes())) + nullable_bytes(header.value);
        }
        bytes
    }

    /// Hands the record to `put` piece by piece, as it stands in a batch. `payload` is what
    /// [`payload_bytes`](Self::payload_bytes) said; the pieces add up to [`record_bytes`] of the same arguments.
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
pub(crate) const fn record_bytes(payload: u64, timestamp_delta: i64, offset_delta: i32) -> u64 {
    let body = body_bytes(payload, timestamp_delta, offset_delta);
    varint_bytes(body.cast_signed()) + body
}

const fn body_bytes(payload: u64, timestamp_delta: i64, offset_delta: i32) -> u64 {
    1 + varint_bytes(timestamp_delta) + varint_bytes(offset_delta as i64) + payload
}

/// Bytes of a signed number in Kafka's zigzag encoding, 7 bits to a byte: 1 to 10.
pub(crate) const fn varint_bytes(value: i64) -> u64 {
    let significant = 64 - (zigzag(value) | 1).leading_zeros();
    significant.div_ceil(7) as u64
}

const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

const fn nullable_bytes(bytes: Option<&[u8]>) -> u64 {
    match bytes {
        Some(bytes) => varint_bytes(count(bytes)) + bytes.len() as u64,
        None => varint_bytes(-1),
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

/// Where a record was stored: Kafka's `RecordMetadata`. `N` holds the topic's name, which a front-end shares.
///
/// ```
/// use felice_core::record::RecordMetadata;
/// use felice_core::time::Timestamp;
///
/// let metadata = RecordMetadata::new("readings", 2, 41, Timestamp::from_millis(1_700_000_000_000), None, Some(4));
/// assert_eq!(metadata.to_string(), "readings-2@41");
/// assert_eq!(metadata.serialized_key_size(), -1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordMetadata<N> {
    topic: N,
    partition: i32,
    offset: i64,
    timestamp: Timestamp,
    key_size: i32,
    value_size: i32,
}

impl<N> RecordMetadata<N> {
    /// What a front-end tells a user. `offset` is -1 where it is not known; the sizes are those of the serialized key
    /// and value, in bytes.
    #[must_use]
    pub fn new(
        topic: N,
        partition: i32,
        offset: i64,
        timestamp: Timestamp,
        key_size: Option<u32>,
        value_size: Option<u32>,
    ) -> Self {
        let size = |size: Option<u32>| size.map_or(-1, |size| i32::try_from(size).unwrap_or(i32::MAX));
        Self { topic, partition, offset, timestamp, key_size: size(key_size), value_size: size(value_size) }
    }

    /// The partition, counted from 0.
    #[must_use]
    pub const fn partition(&self) -> i32 {
        self.partition
    }

    /// The record's offset in its partition; -1 where the broker did not tell (`acks=0`, or a duplicate that was
    /// stored before).
    #[must_use]
    pub const fn offset(&self) -> i64 {
        self.offset
    }

    /// Whether the offset is known.
    #[must_use]
    pub const fn has_offset(&self) -> bool {
        self.offset >= 0
    }

    /// The record's time in the log: its own, or the broker's on a topic with `message.timestamp.type=LogAppendTime`.
    #[must_use]
    pub const fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// Bytes of the serialized key; -1 for null.
    #[must_use]
    pub const fn serialized_key_size(&self) -> i32 {
        self.key_size
    }

    /// Bytes of the serialized value; -1 for null.
    #[must_use]
    pub const fn serialized_value_size(&self) -> i32 {
        self.value_size
    }
}

impl<N: AsRef<str>> RecordMetadata<N> {
    /// The topic's name.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.topic.as_ref()
    }
}

/// As Java's: `topic-partition@offset`.
impl<N: AsRef<str>> fmt::Display for RecordMetadata<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}@{}", self.topic(), self.partition, self.offset)
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
