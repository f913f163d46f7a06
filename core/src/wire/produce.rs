//! Produce 7 to 13: batches of many partitions, and what became of each.
//!
//! | version | request | answer |
//! |---|---|---|
//! | 7 | transactional id, acks, timeout; per topic and partition the records (zstd allowed) | per partition error code, base offset, log append time, log start offset |
//! | 8 | as 7 | the records that made a batch fail, and a message (KIP-467) |
//! | 9 | tagged fields | tagged fields |
//! | 10 | as 9 | tagged: the partition's new leader, and where such leaders are (KIP-951) |
//! | 11, 12 | as 9 | error 120 is told apart |
//! | 13 | a topic's id instead of its name (KIP-516) | the same |
//!
//! The request is not encoded into one buffer: names and records stay where they are, and go out in one vectored write
//! between pieces of glue:
//!
//! ```text
//! head ( topic_head NAME-OR-ID partitions_head ( partition_head RECORDS tail )* tail )* tail
//! ```
//!
//! Each piece has a function for its length, so that the frame's length is known before anything is written.

use super::header::announced;
use super::schema::{Op, Row};
use super::write::{Writer, length_len, no_tags, text_length_len};
use super::{ApiKey, Field, Full, Header};

/// The answer.
pub(super) const ANSWER: &[Row] = &[
    Row::new(Op::Array(
        Field::Topics,
        &[
            Row::new(Op::Name(Field::TopicName)).until(12),
            Row::new(Op::Uuid(Field::TopicId)).since(13),
            Row::new(Op::Array(Field::Partitions, PARTITION)),
        ],
    )),
    Row::new(Op::I32(Field::ThrottleTimeMs)),
    Row::new(Op::Array(
        Field::NodeEndpoints,
        &[
            Row::new(Op::I32(Field::NodeId)),
            Row::new(Op::Name(Field::NodeHost)),
            Row::new(Op::I32(Field::NodePort)),
            RACK,
        ],
    ))
    .since(10)
    .tagged(0),
];

const PARTITION: &[Row] = &[
    Row::new(Op::I32(Field::PartitionIndex)),
    Row::new(Op::I16(Field::ErrorCode)),
    Row::new(Op::I64(Field::BaseOffset)),
    Row::new(Op::I64(Field::LogAppendTimeMs)),
    Row::new(Op::I64(Field::LogStartOffset)),
    Row::new(Op::Array(
        Field::RecordErrors,
        &[Row::new(Op::I32(Field::BatchIndex)), Row::new(Op::Message(Field::BatchIndexErrorMessage))],
    ))
    .since(8),
    Row::new(Op::Message(Field::ErrorMessage)).since(8),
    Row::new(Op::Struct(
        Field::CurrentLeader,
        &[Row::new(Op::I32(Field::LeaderId)), Row::new(Op::I32(Field::LeaderEpoch))],
    ))
    .since(10)
    .tagged(0),
];

const RACK: Row = Row::new(Op::SkipText);

const fn is_flexible(version: i16) -> bool {
    ApiKey::Produce.is_flexible(version)
}

/// Writes all up to the number of topics. `frame_bytes` are those of the whole request: the lengths of all pieces,
/// names and records together.
#[cfg(any(test, not(feature = "transactions")))]
pub(crate) fn head(
    buf: &mut [u8],
    header: Header<'_>,
    acks: i16,
    timeout_ms: i32,
    topics: u32,
    frame_bytes: u32,
) -> Result<usize, Full> {
    head_of(buf, header, None, acks, timeout_ms, topics, frame_bytes)
}

/// The same for a producer that has a transactional id.
#[cfg_attr(not(feature = "transactions"), inline(always))]
pub(crate) fn head_of(
    buf: &mut [u8],
    header: Header<'_>,
    transactional_id: Option<&str>,
    acks: i16,
    timeout_ms: i32,
    topics: u32,
    frame_bytes: u32,
) -> Result<usize, Full> {
    let flexible = is_flexible(header.version);
    let mut writer = Writer::new(buf);
    header.write(ApiKey::Produce, &mut writer, announced(frame_bytes));
    writer.nullable_text(flexible, transactional_id);
    writer.i16(acks);
    writer.i32(timeout_ms);
    writer.length(flexible, topics);
    writer.finish()
}

/// The bytes that are written so, without a transactional id.
pub(crate) const fn head_len(header: &Header<'_>, topics: u32) -> usize {
    let flexible = is_flexible(header.version);
    let transactional_id = if flexible { 1 } else { 2 };
    header.len(ApiKey::Produce) + transactional_id + 2 + 4 + length_len(flexible, topics)
}

/// The bytes that a transactional id adds to the head: its length has more than one byte where it is a long one.
#[cfg(feature = "transactions")]
pub(crate) const fn transactional_id_len(version: i16, transactional_id: &str) -> usize {
    let flexible = is_flexible(version);
    transactional_id.len() + text_length_len(flexible, transactional_id.len()) - if flexible { 1 } else { 2 }
}

/// The last version in which a partition must have been added to the transaction before.
#[cfg(feature = "transactions")]
pub(crate) const ADDED_BEFORE_LAST: i16 = 11;

/// Bytes of a topic's id.
pub(crate) const ID_BYTES: usize = 16;

/// The last version that names topics by their names; later ones do it by their ids.
pub(crate) const NAMES_LAST: i16 = 12;

/// Whether a version names topics by their ids.
pub(crate) const fn has_ids(version: i16) -> bool {
    version > NAMES_LAST
}

/// Writes what stands before a topic's name: its length. Before an id there is nothing.
pub(crate) fn topic_head(buf: &mut [u8], version: i16, name_bytes: usize) -> Result<usize, Full> {
    let mut writer = Writer::new(buf);
    if !has_ids(version) {
        writer.text_length(is_flexible(version), name_bytes);
    }
    writer.finish()
}

/// The bytes that [`topic_head`] writes.
pub(crate) const fn topic_head_len(version: i16, name_bytes: usize) -> usize {
    if has_ids(version) { 0 } else { text_length_len(is_flexible(version), name_bytes) }
}

/// Writes what stands between a topic's name and its partitions.
pub(crate) fn partitions_head(buf: &mut [u8], version: i16, partitions: u32) -> Result<usize, Full> {
    let mut writer = Writer::new(buf);
    writer.length(is_flexible(version), partitions);
    writer.finish()
}

/// The bytes that [`partitions_head`] writes.
pub(crate) const fn partitions_head_len(version: i16, partitions: u32) -> usize {
    length_len(is_flexible(version), partitions)
}

/// Writes what stands before a partition's records.
pub(crate) fn partition_head(
    buf: &mut [u8],
    version: i16,
    index: i32,
    records_bytes: u32,
) -> Result<usize, Full> {
    let mut writer = Writer::new(buf);
    writer.i32(index);
    writer.length(is_flexible(version), records_bytes);
    writer.finish()
}

/// The bytes that [`partition_head`] writes.
pub(crate) const fn partition_head_len(version: i16, records_bytes: u32) -> usize {
    4 + length_len(is_flexible(version), records_bytes)
}

/// What stands behind the records of each partition, behind the last partition of each topic, and behind the last
/// topic: no tagged fields, three times. It is empty before version 9.
pub(crate) const fn tail(version: i16) -> &'static [u8] {
    no_tags(is_flexible(version))
}
