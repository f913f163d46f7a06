//! What a broker checks before it appends a batch, in its order.

use crate::protocol::{
    DecodeError, ErrorCode,
    records::{self, BatchHeader},
};

use super::TopicConfig;

/// `message.timestamp.after.max.ms`: how far ahead of the broker's clock a timestamp may be.
const TIMESTAMP_AFTER_MS_MAX: i64 = 60 * 60 * 1000;
/// The timestamp of a record that has none.
const NO_TIMESTAMP: i64 = -1;
/// The codec zstd, and the first version of Produce that may use it.
const ZSTD: (u8, i16) = (4, 7);

/// Why a batch is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rejection {
    pub(super) error_code: ErrorCode,
    /// Whether the answer names the log's first offset: only errors found late do.
    pub(super) knows_log_start: bool,
    /// The records to blame, and why.
    pub(super) record_errors: Vec<(i32, String)>,
    /// What the answer says about them.
    pub(super) message: Option<&'static str>,
}

impl Rejection {
    /// An error of which the answer says nothing more.
    pub(super) fn bare(error_code: ErrorCode) -> Self {
        Self { error_code, knows_log_start: false, record_errors: Vec::new(), message: None }
    }

    /// An error found while appending.
    pub(super) fn late(error_code: ErrorCode) -> Self {
        Self { knows_log_start: true, ..Self::bare(error_code) }
    }
}

/// Checks what a request says is one batch, before any partition is looked at: magic 2, exactly one, a codec that this
/// version may use.
pub(super) fn only_batch(version: i16, records: Option<&[u8]>) -> Result<&[u8], Rejection> {
    let invalid = || Rejection::bare(ErrorCode::INVALID_RECORD);
    let corrupt = || Rejection {
        message: Some("The batch is too short, or of a version that is not known"),
        ..Rejection::bare(ErrorCode::CORRUPT_MESSAGE)
    };
    let first = records::split_first_batch(records.unwrap_or_default()).map_err(|_| corrupt())?;
    let (batch, rest) = first.ok_or_else(invalid)?;
    match batch[16] {
        2 => {}
        0 | 1 => return Err(invalid()),
        _ => return Err(corrupt()),
    }
    if records::split_first_batch(rest).map_err(|_| corrupt())?.is_some() {
        return Err(invalid());
    }
    let header = BatchHeader::decode(batch).map_err(|_| Rejection::bare(ErrorCode::CORRUPT_MESSAGE))?;
    if header.codec() == ZSTD.0 && version < ZSTD.1 {
        return Err(Rejection::bare(ErrorCode::UNSUPPORTED_COMPRESSION_TYPE));
    }
    Ok(batch)
}

/// Checks a batch as the partition's leader does.
pub(super) fn batch(batch: &[u8], topic: &TopicConfig, now_ms: i64) -> Result<BatchHeader, Rejection> {
    let header = BatchHeader::decode(batch).map_err(|_| Rejection::bare(ErrorCode::CORRUPT_MESSAGE))?;
    if header.base_offset != 0 {
        return Err(Rejection::late(ErrorCode::INVALID_RECORD));
    }
    if batch.len() > topic.max_message_bytes {
        return Err(Rejection::bare(ErrorCode::MESSAGE_TOO_LARGE));
    }
    if records::checksum(batch) != header.crc {
        return Err(Rejection::bare(ErrorCode::CORRUPT_MESSAGE));
    }
    let counts_agree = header.record_count > 0 && header.last_offset_delta == header.record_count - 1;
    let sequence_missing = header.is_idempotent() && header.base_sequence < 0;
    if !counts_agree || header.is_control() || sequence_missing {
        return Err(Rejection::late(ErrorCode::INVALID_RECORD));
    }
    check_records(batch, &header, topic, now_ms)?;
    Ok(header)
}

/// Looks at each record; one that is wrong fails the batch, and is named.
fn check_records(
    batch: &[u8],
    header: &BatchHeader,
    topic: &TopicConfig,
    now_ms: i64,
) -> Result<(), Rejection> {
    let mut record_errors = Vec::new();
    let mut timestamps_wrong = false;
    let walked = records::visit(batch, |index, record| {
        let timestamp = header.base_timestamp.wrapping_add(record.timestamp_delta);
        if topic.compacted && record.key.is_none() {
            record_errors.push((index, "Compacted topic cannot accept message without key.".to_owned()));
        } else if let Some(message) = timestamp_error(topic, now_ms, timestamp) {
            timestamps_wrong = true;
            record_errors.push((index, message));
        }
    });
    // Kafka reads as many records as there should be: what stands behind the end of what a codec wrote it does not see.
    if matches!(walked, Err(DecodeError::Compressed(_))) {
        return Err(Rejection::late(ErrorCode::UNKNOWN_SERVER_ERROR));
    }
    if walked.is_err() {
        return Err(Rejection::late(ErrorCode::INVALID_RECORD));
    }
    if record_errors.is_empty() {
        return Ok(());
    }
    let (error_code, message) = if timestamps_wrong {
        (ErrorCode::INVALID_TIMESTAMP, "One or more records have been rejected due to invalid timestamp")
    } else {
        (ErrorCode::INVALID_RECORD, "One or more records have been rejected due to record errors")
    };
    Err(Rejection { error_code, knows_log_start: true, record_errors, message: Some(message) })
}

/// What is wrong with a timestamp, if anything: the past has no limit.
fn timestamp_error(topic: &TopicConfig, now_ms: i64, timestamp: i64) -> Option<String> {
    let limit = now_ms.saturating_add(TIMESTAMP_AFTER_MS_MAX);
    let too_late = !topic.log_append_time && timestamp != NO_TIMESTAMP && timestamp > limit;
    too_late.then(|| format!("Timestamp {timestamp} of message is out of range: later than {limit}."))
}
