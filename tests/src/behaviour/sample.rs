//! A record in all its parts: as one sends it, and as it must be read back.

use std::time::{SystemTime, UNIX_EPOCH};

use felice_core::record::{Header, ProducerRecord};
use felice_core::time::Timestamp;
use felice_host::{Clock, RecordMetadata};

use crate::java::ReadRecord;

/// A record whose key and value are bytes or null.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// The partition, or the producer's choice.
    pub partition: Option<i32>,
    /// Milliseconds since 1970, or the time of sending.
    pub timestamp: Option<i64>,
    /// The key, if it has one.
    pub key: Option<Vec<u8>>,
    /// The value, if it has one.
    pub value: Option<Vec<u8>>,
    /// Names and values in their order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Sample {
    /// A dozen that differ in all that can differ, for a topic of two partitions or more; each with a value or a key
    /// of its own.
    pub fn all_kinds() -> Vec<Self> {
        let now = now_ms();
        let some = |text: &str| Some(text.as_bytes().to_vec());
        let header = |name: &str, value: Option<&[u8]>| (name.to_owned(), value.map(<[u8]>::to_vec));
        let base = Self::default();
        vec![
            Self { value: some("only a value"), ..base.clone() },
            Self { key: some("key and value"), value: some("21.5"), ..base.clone() },
            Self { key: some("empty value"), value: some(""), ..base.clone() },
            Self { key: some("tombstone"), ..base.clone() },
            Self { key: some(""), value: some("empty key"), ..base.clone() },
            Self { partition: Some(1), key: some("explicit"), value: some("partition"), ..base.clone() },
            Self { partition: Some(0), value: some("explicit, no key"), ..base.clone() },
            Self { timestamp: Some(now - 3_600_000), value: some("an hour ago"), ..base.clone() },
            Self { timestamp: Some(now + 60_000), value: some("in a minute"), ..base.clone() },
            Self { key: Some((0..=255).collect()), value: Some((0..=255).rev().collect()), ..base.clone() },
            Self {
                value: some("headers"),
                headers: vec![header("naïve", Some(&[0, 159])), header("naïve", None), header("", Some(&[]))],
                ..base.clone()
            },
            Self { key: Some(vec![7; 5_000]), value: Some(vec![9; 60_000]), ..base },
        ]
    }

    /// Runs `code` with the record.
    pub fn with_record<T>(
        &self,
        topic: &str,
        code: impl FnOnce(&ProducerRecord<'_, Option<&[u8]>, Option<&[u8]>>) -> T,
    ) -> T {
        let headers: Vec<Header<'_>> = self
            .headers
            .iter()
            .map(|(key, value)| Header { key: key.as_str(), value: value.as_deref() })
            .collect();
        let mut record = ProducerRecord::new(topic, self.value.as_deref()).key(self.key.as_deref());
        record.headers = &headers;
        record.partition = self.partition;
        record.timestamp = self.timestamp.map(Timestamp::from_millis);
        code(&record)
    }

    /// Checks what the cluster holds against what was sent. `sent_after` is when the sending began, by
    /// `producers_ms`.
    pub fn check_stored(&self, read: &ReadRecord, sent_after: i64) {
        assert_eq!((&read.key, &read.value), (&self.key, &self.value));
        assert_eq!(read.headers, self.headers);
        if let Some(partition) = self.partition {
            assert_eq!(read.partition, partition);
        }
        match self.timestamp {
            Some(timestamp) => assert_eq!(read.timestamp, timestamp),
            None => assert!((sent_after..=now_ms()).contains(&read.timestamp), "{read:?} {sent_after}"),
        }
    }

    /// Checks what the producer said about it against what the cluster holds.
    pub fn check_metadata(&self, metadata: &RecordMetadata, topic: &str, read: &ReadRecord) {
        assert_eq!(metadata.topic(), topic);
        assert_eq!((metadata.partition(), metadata.offset()), (read.partition, read.offset));
        assert_eq!(metadata.timestamp().as_millis(), read.timestamp);
        let size = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(-1, |bytes| bytes.len() as i32);
        assert_eq!(metadata.serialized_key_size(), size(&self.key));
        assert_eq!(metadata.serialized_value_size(), size(&self.value));
    }
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

/// Milliseconds since 1970 by the clock that stamps records: a tick of the kernel behind, or as far as a machine falls
/// behind that is not given its processor in time (14 ms were seen).
pub(super) fn producers_ms() -> i64 {
    Clock::new().timestamp().as_millis()
}
