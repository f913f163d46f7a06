//! The numbers while they are counted.
//!
//! Each has one writer at a time, so that adding is a load and a store, as for any other variable: what `send` counts is
//! written under its lock, what the engine counts by its driver. Nobody waits for a number, and no other memory is read
//! because of one: so all of it is relaxed.

// Not `std::sync`: the models of loom would look at every order of what nothing depends on.
use core::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use felice_core::id::TopicId;
use felice_core::sender::Departing;
use felice_core::time::Instant;

use super::counters::{LiveRecords, LiveRequests};
use super::histogram::LiveHistogram;
use super::{Metrics, NodeMetrics, SpoolMetrics, TopicMetrics};
use crate::storage::table;

/// A number with one writer.
#[derive(Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    #[inline]
    pub(super) fn add(&self, more: u64) {
        self.set(self.get().wrapping_add(more));
    }

    pub(super) fn raise(&self, value: u64) {
        if value > self.get() {
            self.set(value);
        }
    }

    #[inline]
    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All that a producer counts.
pub(crate) struct Live {
    entry: Entry,
    client_id: Arc<str>,
    began: Instant,
    buffer_total_bytes: u64,
    /// Threads that give up waiting for memory hold no lock: it is the one number with several writers.
    exhausted: AtomicU64,
    records: LiveRecords,
    requests: LiveRequests,
    /// In microseconds of the clock; 0 before the first.
    metadata_at: Count,
    batch_size_bytes: LiveHistogram,
    records_per_request: LiveHistogram,
    record_queue_time_us: LiveHistogram,
    request_latency_us: LiveHistogram,
    produce_throttle_time_us: LiveHistogram,
    topics: Box<[LiveTopic]>,
    nodes: Box<[LiveNode]>,
    spool: Option<Arc<SpoolLive>>,
}

/// What is written under the lock of `send`: apart from what the engine writes meanwhile.
#[derive(Default)]
#[repr(align(64))]
struct Entry {
    accepted: Count,
    available_bytes: Count,
}

#[derive(Default)]
struct LiveTopic {
    /// Once it is known to the engine.
    name: OnceLock<Arc<str>>,
    records: LiveRecords,
}

/// A broker's place.
#[derive(Default)]
struct LiveNode {
    /// Whose it is; 0 is nobody's, 1 is broker 0's.
    owner: AtomicI32,
    connected: Count,
    in_flight: Count,
    requests: LiveRequests,
    latency_count: Count,
    latency_us_total: Count,
    latency_us_max: Count,
}

/// What the spool's thread has told last.
#[derive(Default)]
pub(crate) struct SpoolLive {
    bytes: Count,
    records: Count,
    dropped: Count,
    expired: Count,
    damaged: Count,
}

impl Live {
    pub(crate) fn new(
        client_id: &str,
        (topics, brokers): (usize, usize),
        buffer_total_bytes: u64,
        began: Instant,
        spool: Option<Arc<SpoolLive>>,
    ) -> Self {
        let entry = Entry::default();
        entry.available_bytes.set(buffer_total_bytes);
        Self {
            entry,
            client_id: client_id.into(),
            began,
            buffer_total_bytes,
            exhausted: AtomicU64::new(0),
            records: LiveRecords::default(),
            requests: LiveRequests::default(),
            metadata_at: Count::default(),
            batch_size_bytes: LiveHistogram::default(),
            records_per_request: LiveHistogram::default(),
            record_queue_time_us: LiveHistogram::default(),
            request_latency_us: LiveHistogram::default(),
            produce_throttle_time_us: LiveHistogram::default(),
            topics: table(topics, LiveTopic::default),
            nodes: table(brokers, LiveNode::default),
            spool,
        }
    }

    /// A record was accepted. Under the lock of `send`.
    #[inline]
    pub(crate) fn accepted(&self) {
        self.entry.accepted.add(1);
    }

    /// So much of the memory is free. Under the lock of `send`.
    pub(crate) fn buffer_available(&self, bytes: u64) {
        self.entry.available_bytes.set(bytes);
    }

    /// A record was refused, since there was no memory for it in time.
    pub(crate) fn exhausted(&self) {
        self.exhausted.fetch_add(1, Ordering::Relaxed);
    }

    /// How many accepted records have failed.
    pub(crate) fn failed(&self) -> u64 {
        self.records.record_error_total.get()
    }

    /// A topic has a name. The first one that is said counts.
    pub(crate) fn name(&self, topic: TopicId, name: &Arc<str>) {
        if let Some(topic) = self.topics.get(usize::from(topic.0)) {
            let _ = topic.name.set(Arc::clone(name));
        }
    }

    /// A batch was sent: for the first time, and was so long before it was compressed, or again.
    pub(crate) fn sent(&self, now: Instant, batch: &Departing, plain_bytes: Option<u32>) {
        let (records, bytes) = (u64::from(batch.records), u64::from(batch.bytes));
        self.batch_size_bytes.observe(bytes);
        if plain_bytes.is_some() {
            self.record_queue_time_us.observe(micros(now.since(batch.created)));
        }
        self.of_topic(batch.partition.topic, |counted| {
            counted.record_send_total.add(records);
            counted.byte_total.add(bytes);
            match plain_bytes {
                None => counted.record_retry_total.add(records),
                Some(plain_bytes) => {
                    counted.uncompressed_byte_total.add(plain_bytes.into());
                    counted.compressed_byte_total.add(bytes);
                }
            }
        });
    }

    /// Records were acknowledged.
    pub(crate) fn acknowledged(&self, topic: TopicId, records: u32) {
        self.of_topic(topic, |counted| counted.record_acknowledged_total.add(records.into()));
    }

    /// Accepted records have failed.
    pub(crate) fn failed_of(&self, topic: TopicId, records: u32) {
        self.of_topic(topic, |counted| counted.record_error_total.add(records.into()));
    }

    /// Accepted records have failed, of topics that nobody can tell any more.
    #[cfg(feature = "spool")]
    pub(crate) fn failed_somewhere(&self, records: u64) {
        self.records.record_error_total.add(records);
    }

    /// A request was sent; with so many records, if it is Produce.
    pub(crate) fn requested(&self, place: u16, records: u64) {
        self.of_node(place, |counted| counted.request_total.add(1));
        if records > 0 {
            self.records_per_request.observe(records);
        }
    }

    /// A request was answered.
    pub(crate) fn answered(&self, place: u16) {
        self.of_node(place, |counted| counted.response_total.add(1));
    }

    /// A Produce request was answered after so long, and the client is held back for so long.
    pub(crate) fn produced(&self, place: u16, latency: Duration, throttle: Duration) {
        let latency = micros(latency);
        self.request_latency_us.observe(latency);
        self.produce_throttle_time_us.observe(micros(throttle));
        if let Some(node) = self.nodes.get(usize::from(place)) {
            node.latency_count.add(1);
            node.latency_us_total.add(latency);
            node.latency_us_max.raise(latency);
        }
    }

    /// There is new metadata.
    pub(crate) fn refreshed(&self, now: Instant) {
        self.metadata_at.set(now.as_micros().max(1));
    }

    /// Bytes of requests have left.
    pub(crate) fn outgoing(&self, place: u16, bytes: usize) {
        self.of_node(place, |counted| counted.outgoing_byte_total.add(bytes as u64));
    }

    /// Bytes of answers have come.
    pub(crate) fn incoming(&self, place: u16, bytes: usize) {
        self.of_node(place, |counted| counted.incoming_byte_total.add(bytes as u64));
    }

    /// A connection was opened.
    pub(crate) fn opened(&self, place: u16) {
        self.of_node(place, |counted| counted.connection_creation_total.add(1));
        if let Some(node) = self.nodes.get(usize::from(place)) {
            node.connected.set(1);
        }
    }

    /// A connection is closed, if it was open.
    pub(crate) fn closed(&self, place: u16) {
        let Some(node) = self.nodes.get(usize::from(place)) else { return };
        node.in_flight.set(0);
        if node.connected.get() > 0 {
            node.connected.set(0);
            self.of_node(place, |counted| counted.connection_close_total.add(1));
        }
    }

    /// The driver is gone, and its sockets with it.
    pub(crate) fn closed_all(&self) {
        (0..self.nodes.len()).for_each(|place| self.closed(place as u16));
    }

    /// So many requests to a broker have no answer.
    pub(crate) fn in_flight(&self, place: u16, requests: usize) {
        if let Some(node) = self.nodes.get(usize::from(place)) {
            node.in_flight.set(requests as u64);
        }
    }

    /// A broker has a place. What was counted there of another one is forgotten; a bootstrap server that turns out to be a
    /// broker is the same.
    pub(crate) fn owned(&self, place: u16, node_id: i32) {
        let Some(node) = self.nodes.get(usize::from(place)) else { return };
        let (before, owner) = (node.owner.load(Ordering::Relaxed), owner(node_id));
        if before == owner {
            return;
        }
        if before > 0 {
            node.forget();
        }
        node.owner.store(owner, Ordering::Relaxed);
    }

    fn of_topic(&self, topic: TopicId, count: impl Fn(&LiveRecords)) {
        count(&self.records);
        if let Some(topic) = self.topics.get(usize::from(topic.0)) {
            count(&topic.records);
        }
    }

    fn of_node(&self, place: u16, count: impl Fn(&LiveRequests)) {
        count(&self.requests);
        if let Some(node) = self.nodes.get(usize::from(place)) {
            count(&node.requests);
        }
    }

    /// All of it, as it is now.
    pub(crate) fn read(&self, now: Instant) -> Metrics {
        let topics = self.topics.iter().map_while(|topic| {
            let name = Arc::clone(topic.name.get()?);
            Some(TopicMetrics { topic: name, records: topic.records.read() })
        });
        let nodes: Vec<NodeMetrics> = self.nodes.iter().filter_map(LiveNode::read).collect();
        let age = |at: u64| now.since(Instant::from_micros(at));
        Metrics {
            client_id: Arc::clone(&self.client_id),
            elapsed: now.since(self.began),
            record_accepted_total: self.entry.accepted.get(),
            buffer_exhausted_total: self.exhausted.load(Ordering::Relaxed),
            records: self.records.read(),
            requests: self.requests.read(),
            buffer_total_bytes: self.buffer_total_bytes,
            buffer_available_bytes: self.entry.available_bytes.get(),
            requests_in_flight: nodes.iter().map(|node| node.requests_in_flight).sum(),
            connection_count: nodes.iter().map(|node| u64::from(node.is_connected)).sum(),
            metadata_age: Some(self.metadata_at.get()).filter(|at| *at > 0).map(age),
            batch_size_bytes: self.batch_size_bytes.read(),
            records_per_request: self.records_per_request.read(),
            record_queue_time_us: self.record_queue_time_us.read(),
            request_latency_us: self.request_latency_us.read(),
            produce_throttle_time_us: self.produce_throttle_time_us.read(),
            topics: topics.collect(),
            nodes,
            spool: self.spool.as_ref().map(|spool| spool.read()),
        }
    }
}

impl LiveNode {
    fn read(&self) -> Option<NodeMetrics> {
        let node_id = match self.owner.load(Ordering::Relaxed) {
            0 => return None,
            owner if owner > 0 => owner - 1,
            owner => owner,
        };
        Some(NodeMetrics {
            node_id,
            is_connected: self.connected.get() > 0,
            requests_in_flight: self.in_flight.get(),
            requests: self.requests.read(),
            request_latency_count: self.latency_count.get(),
            request_latency_us_total: self.latency_us_total.get(),
            request_latency_us_max: self.latency_us_max.get(),
        })
    }

    fn forget(&self) {
        self.requests.reset();
        for count in [&self.latency_count, &self.latency_us_total, &self.latency_us_max] {
            count.set(0);
        }
    }
}

impl SpoolLive {
    /// By the spool's thread.
    #[cfg(feature = "spool")]
    pub(crate) fn tell(&self, metrics: SpoolMetrics) {
        let SpoolMetrics { bytes, records, record_dropped_total, record_expired_total, batch_damaged_total } =
            metrics;
        self.bytes.set(bytes);
        self.records.set(records);
        self.dropped.set(record_dropped_total);
        self.expired.set(record_expired_total);
        self.damaged.set(batch_damaged_total);
    }

    fn read(&self) -> SpoolMetrics {
        SpoolMetrics {
            bytes: self.bytes.get(),
            records: self.records.get(),
            record_dropped_total: self.dropped.get(),
            record_expired_total: self.expired.get(),
            batch_damaged_total: self.damaged.get(),
        }
    }
}

/// How a broker's place says whose it is.
const fn owner(node_id: i32) -> i32 {
    if node_id < 0 { node_id } else { node_id.saturating_add(1) }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
