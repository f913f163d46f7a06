//! A partition's log: the batches as they were appended.

use std::collections::VecDeque;

use crate::protocol::{
    DecodeError,
    records::{self, BatchHeader, Record},
};

/// Which records are kept for reading back. Whole batches go, oldest first, and the log's start moves with them, as
/// with Kafka's retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepRecords {
    /// All of them.
    All,
    /// At least this many of each partition, and no batch more than it takes.
    Last(usize),
    /// None: batches are checked and counted only.
    None,
}

/// A batch as it stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBatch {
    header: BatchHeader,
    appended_at_us: u64,
    bytes: Box<[u8]>,
}

impl StoredBatch {
    /// The batch's fields, base offset and leader epoch being the log's.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The offset of the first record.
    pub fn base_offset(&self) -> i64 {
        self.header.base_offset
    }

    /// The offset after the last record.
    pub fn next_offset(&self) -> i64 {
        self.header.base_offset + i64::from(self.header.last_offset_delta) + 1
    }

    /// When the broker appended it.
    pub fn appended_at_us(&self) -> u64 {
        self.appended_at_us
    }

    /// The batch as a consumer gets it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The records; an error if they are compressed.
    pub fn records(&self) -> Result<Vec<Record>, DecodeError> {
        records::decode(&self.bytes)
    }
}

/// The batches of one partition.
#[derive(Debug, Default)]
pub struct PartitionLog {
    batches: VecDeque<StoredBatch>,
    start_offset: i64,
    next_offset: i64,
    kept_records: usize,
    appended_batches: u64,
    appended_bytes: u64,
}

impl PartitionLog {
    /// The batches that are kept, oldest first.
    pub fn batches(&self) -> impl DoubleEndedIterator<Item = &StoredBatch> + ExactSizeIterator {
        self.batches.iter()
    }

    /// The first offset that is kept.
    pub fn start_offset(&self) -> i64 {
        self.start_offset
    }

    /// The offset that the next record gets: the number of records appended so far.
    pub fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// How many batches were appended, kept or not.
    pub fn appended_batches(&self) -> u64 {
        self.appended_batches
    }

    /// How many bytes were appended, kept or not.
    pub fn appended_bytes(&self) -> u64 {
        self.appended_bytes
    }

    /// The kept batches from the one that holds `offset` on.
    pub(super) fn batches_from(&self, offset: i64) -> impl Iterator<Item = &StoredBatch> {
        let first = self.batches.partition_point(|batch| batch.next_offset() <= offset);
        self.batches.range(first..)
    }

    /// Appends a batch that was found right, and gives its base offset. `log_append_time` replaces the timestamps.
    pub(super) fn append(&mut self, append: &Append<'_>) -> i64 {
        let mut header = append.header;
        header.base_offset = self.next_offset;
        header.partition_leader_epoch = append.leader_epoch;
        self.next_offset += i64::from(header.last_offset_delta) + 1;
        self.appended_batches += 1;
        self.appended_bytes += append.bytes.len() as u64;
        if append.keep == KeepRecords::None {
            self.batches.clear();
            self.kept_records = 0;
            self.start_offset = self.next_offset;
            return header.base_offset;
        }
        let mut bytes: Box<[u8]> = append.bytes.into();
        if append.log_append_time {
            header.attributes |= records::TIMESTAMP_TYPE_BIT;
            header.max_timestamp = (append.now_us / 1000) as i64;
        }
        patch(&mut header, &mut bytes, append.log_append_time);
        self.kept_records += header.record_count as usize;
        self.batches.push_back(StoredBatch { header, appended_at_us: append.now_us, bytes });
        if let KeepRecords::Last(count) = append.keep {
            self.trim(count);
        }
        header.base_offset
    }

    /// Takes the last `count` batches off, as many as there are, oldest first.
    pub(super) fn truncate(&mut self, count: usize) -> Vec<StoredBatch> {
        let kept = self.batches.len().saturating_sub(count);
        let lost: Vec<StoredBatch> = self.batches.split_off(kept).into();
        if let Some(first) = lost.first() {
            self.next_offset = first.base_offset();
            self.kept_records -= lost.iter().map(|batch| batch.header.record_count as usize).sum::<usize>();
        }
        lost
    }

    fn trim(&mut self, count: usize) {
        while let Some(first) = self.batches.front() {
            let without_first = self.kept_records - first.header.record_count as usize;
            if without_first < count {
                return;
            }
            self.kept_records = without_first;
            self.batches.pop_front();
            self.start_offset = self.batches.front().map_or(self.next_offset, StoredBatch::base_offset);
        }
    }
}

/// What is to be appended, and how.
pub(super) struct Append<'a> {
    pub(super) now_us: u64,
    pub(super) header: BatchHeader,
    pub(super) bytes: &'a [u8],
    pub(super) leader_epoch: i32,
    pub(super) log_append_time: bool,
    pub(super) keep: KeepRecords,
}

/// Writes what the broker decides into the batch. Base offset and leader epoch lie outside of the checksum, the
/// timestamps within.
fn patch(header: &mut BatchHeader, bytes: &mut [u8], timestamps_too: bool) {
    bytes[0..8].copy_from_slice(&header.base_offset.to_be_bytes());
    bytes[12..16].copy_from_slice(&header.partition_leader_epoch.to_be_bytes());
    if timestamps_too {
        bytes[21..23].copy_from_slice(&header.attributes.to_be_bytes());
        bytes[35..43].copy_from_slice(&header.max_timestamp.to_be_bytes());
        header.crc = records::checksum(bytes);
        bytes[17..21].copy_from_slice(&header.crc.to_be_bytes());
    }
}
