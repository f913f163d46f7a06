//! What a user sends, what becomes of it, and how many bytes it takes on the wire.
//!
//! [`ProducerRecord`] is a user's record, with a key and a value of any [`Serialize`] type; [`Record`] is what the data
//! plane takes of it: bytes only. Serializing and hashing happen between the two, outside every lock.

mod encode;
mod metadata;
#[cfg(test)]
mod tests;

pub(crate) use encode::{record_bytes, varint_bytes};
pub use metadata::RecordMetadata;

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
    #[inline]
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
    #[inline]
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
