//! Where a record was stored.

use core::fmt;

use crate::time::Timestamp;

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
