//! What arrived: every request with its time, broker and version.

use std::collections::{BTreeMap, VecDeque};

use crate::protocol::produce::ProduceRequest;
use crate::protocol::records::BatchHeader;
use crate::protocol::{ApiKey, RequestHeader};

/// A request that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedRequest {
    /// When.
    pub now_us: u64,
    /// At which broker.
    pub broker_id: i32,
    /// Which API.
    pub api_key: ApiKey,
    /// Which version.
    pub api_version: i16,
    /// Its correlation id.
    pub correlation_id: i32,
    /// Who sent it.
    pub client_id: Option<Box<str>>,
    /// The bytes of the frame, without its length.
    pub bytes: usize,
}

/// All that Produce requests have brought, whatever became of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Offered {
    /// Batches.
    pub batches: u64,
    /// Records, as the batches' headers say.
    pub records: u64,
    /// Bytes of the batches.
    pub bytes: u64,
}

/// The last requests, and how many there were of each API.
#[derive(Debug)]
pub struct RequestLog {
    entries: VecDeque<LoggedRequest>,
    entries_max: usize,
    counts: BTreeMap<ApiKey, u64>,
    offered: Offered,
}

impl RequestLog {
    pub(super) fn new(entries_max: usize) -> Self {
        Self { entries: VecDeque::new(), entries_max, counts: BTreeMap::new(), offered: Offered::default() }
    }

    /// The last requests, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &LoggedRequest> + ExactSizeIterator {
        self.entries.iter()
    }

    /// The last requests of one API, oldest first.
    pub fn of(&self, api_key: ApiKey) -> impl DoubleEndedIterator<Item = &LoggedRequest> {
        self.entries.iter().filter(move |entry| entry.api_key == api_key)
    }

    /// How many requests of an API arrived, remembered or not.
    pub fn count(&self, api_key: ApiKey) -> u64 {
        self.counts.get(&api_key).copied().unwrap_or(0)
    }

    /// How many requests arrived, remembered or not.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// All that Produce requests have brought.
    pub fn offered(&self) -> Offered {
        self.offered
    }

    pub(super) fn record_produce(&mut self, request: &ProduceRequest<'_>) {
        let partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
        for batch in partitions.filter_map(|partition| partition.records) {
            let header = BatchHeader::decode(batch).ok();
            self.offered.batches += 1;
            self.offered.records +=
                header.map_or(0, |header| u64::try_from(header.record_count).unwrap_or(0));
            self.offered.bytes += batch.len() as u64;
        }
    }

    pub(super) fn record(&mut self, now_us: u64, broker_id: i32, header: &RequestHeader<'_>, bytes: usize) {
        // Keys that no API has come from garbage: they are not counted, so that garbage cannot fill the memory.
        if header.api_key.name().is_some() {
            *self.counts.entry(header.api_key).or_default() += 1;
        }
        if self.entries_max == 0 {
            return;
        }
        if self.entries.len() == self.entries_max {
            self.entries.pop_front();
        }
        self.entries.push_back(LoggedRequest {
            now_us,
            broker_id,
            api_key: header.api_key,
            api_version: header.api_version,
            correlation_id: header.correlation_id,
            client_id: header.client_id.map(Into::into),
            bytes,
        });
    }
}
