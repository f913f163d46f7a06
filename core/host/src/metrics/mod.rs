//! What a producer counts, as one snapshot of plain numbers.
//!
//! ```text
//!  send (under its lock) ─► Live: records accepted, buffer available ─┐
//!  engine ────────────────► Live: all the rest                        ├─► Metrics ─► text for Prometheus
//!  the spool's thread ────► Live: what is on the medium ──────────────┘
//! ```
//!
//! Each number has one writer and is read without any lock: whoever takes a snapshot holds nobody up. So the numbers of a
//! snapshot need not be of the same moment; each of them is true by itself, and all of them are once nothing is under way.
//! Nothing here allocates but the snapshot, and nothing decides anything.

mod counters;
mod histogram;
mod live;
mod prometheus;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub use counters::{RecordCounters, RequestCounters};
pub use histogram::Histogram;
pub(crate) use live::{Live, SpoolLive};
pub use prometheus::Prometheus;

/// What a producer has counted since it was built, or [since](Self::since) an earlier snapshot.
///
/// The names are those of Kafka's producer metrics (`record-send-total` is [`record_send_total`](RecordCounters)); a
/// `-rate` of Kafka's is [`per_second`](Self::per_second) of the total between two snapshots, and its `-avg` and `-max` are
/// those of the histogram.
///
/// ```
/// # fn report(producer: &felice_host::Shared) {
/// let before = producer.metrics();
/// // .. later ..
/// let metrics = producer.metrics().since(&before);
/// println!("{:.0} records a second", metrics.per_second(metrics.records.record_send_total));
/// println!("{}", producer.metrics().to_prometheus());
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Metrics {
    /// `client.id`.
    pub client_id: Arc<str>,
    /// How long it was counted.
    pub elapsed: Duration,
    /// Records that `send` has accepted.
    pub record_accepted_total: u64,
    /// Records that `send` has refused because there was no memory for them within `max.block.ms`.
    pub buffer_exhausted_total: u64,
    /// Records of all topics.
    pub records: RecordCounters,
    /// Requests to all brokers.
    pub requests: RequestCounters,
    /// Bytes of `buffer.memory`, in whole blocks.
    pub buffer_total_bytes: u64,
    /// Bytes of it that are free.
    pub buffer_available_bytes: u64,
    /// Requests that have no answer yet.
    pub requests_in_flight: u64,
    /// Open connections.
    pub connection_count: u64,
    /// How old the newest metadata is; `None` before the first.
    pub metadata_age: Option<Duration>,
    /// Bytes of each batch that was sent, its header included, once for each time that it was sent.
    pub batch_size_bytes: Histogram,
    /// Records of each Produce request that was sent.
    pub records_per_request: Histogram,
    /// Microseconds from the acceptance of a batch's first record until it is sent for the first time.
    pub record_queue_time_us: Histogram,
    /// Microseconds from the begin of a Produce request until its answer.
    pub request_latency_us: Histogram,
    /// Microseconds for which a broker holds the client back (KIP-219), as each answer to Produce tells.
    pub produce_throttle_time_us: Histogram,
    /// Each topic that was written to, in the order of its first record: `topics.max` at the most.
    pub topics: Vec<TopicMetrics>,
    /// Each broker that there is a place for (`brokers.max`) and that was connected to.
    pub nodes: Vec<NodeMetrics>,
    /// The spool, where there is one.
    pub spool: Option<SpoolMetrics>,
}

/// What was counted of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicMetrics {
    /// Its name.
    pub topic: Arc<str>,
    /// Its records.
    pub records: RecordCounters,
}

/// What was counted of a broker. It begins anew where another broker takes its place in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeMetrics {
    /// Kafka's id of the broker; negative for a bootstrap server that no metadata has named yet.
    pub node_id: i32,
    /// Whether there is an open connection to it.
    pub is_connected: bool,
    /// Requests to it that have no answer yet.
    pub requests_in_flight: u64,
    /// Requests to it.
    pub requests: RequestCounters,
    /// Produce requests that it has answered, and the microseconds until then: the sum of all, and the longest.
    pub request_latency_count: u64,
    /// See [`request_latency_count`](Self::request_latency_count).
    pub request_latency_us_total: u64,
    /// See [`request_latency_count`](Self::request_latency_count); since the broker has its place, also in a difference.
    pub request_latency_us_max: u64,
}

/// What is on a spool's medium, and what has happened to it since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SpoolMetrics {
    /// Bytes that hold what is not done, in whole segments but for the one that is written to.
    pub bytes: u64,
    /// Records that are written and not done: no broker has acknowledged them, nor are they lost.
    pub records: u64,
    /// Records that were dropped to make room (`spool.when.full=drop.oldest`).
    pub record_dropped_total: u64,
    /// Records that were dropped for their age (`spool.max.age.ms`).
    pub record_expired_total: u64,
    /// Batches that were damaged on the medium.
    pub batch_damaged_total: u64,
}

impl Metrics {
    /// What was counted since an earlier snapshot of the same producer. What is not a count (memory, connections, what is
    /// in flight or spooled) is as it is now.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let topics = self.topics.iter().enumerate().map(|(index, topic)| {
            // They keep their places.
            let before = earlier.topics.get(index).map(|before| before.records).unwrap_or_default();
            TopicMetrics { topic: Arc::clone(&topic.topic), records: topic.records.since(before) }
        });
        let nodes = self.nodes.iter().map(|node| {
            match earlier.nodes.iter().find(|before| before.node_id == node.node_id) {
                Some(before) => node.since(before),
                None => node.clone(),
            }
        });
        let spool = self.spool.map(|spool| spool.since(&earlier.spool.unwrap_or_default()));
        Self {
            elapsed: self.elapsed.saturating_sub(earlier.elapsed),
            record_accepted_total: self.record_accepted_total.saturating_sub(earlier.record_accepted_total),
            buffer_exhausted_total: self
                .buffer_exhausted_total
                .saturating_sub(earlier.buffer_exhausted_total),
            records: self.records.since(earlier.records),
            requests: self.requests.since(earlier.requests),
            batch_size_bytes: self.batch_size_bytes.since(&earlier.batch_size_bytes),
            records_per_request: self.records_per_request.since(&earlier.records_per_request),
            record_queue_time_us: self.record_queue_time_us.since(&earlier.record_queue_time_us),
            request_latency_us: self.request_latency_us.since(&earlier.request_latency_us),
            produce_throttle_time_us: self.produce_throttle_time_us.since(&earlier.produce_throttle_time_us),
            topics: topics.collect(),
            nodes: nodes.collect(),
            spool,
            client_id: Arc::clone(&self.client_id),
            ..*self
        }
    }

    /// So many a second, in the time that was counted: Kafka's `-rate`. 0 where that is no time.
    #[must_use]
    pub fn per_second(&self, total: u64) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { total as f64 / seconds } else { 0.0 }
    }

    /// The same in Prometheus' text format, version 0.0.4: for `write!` into anything, or `to_string`. Every name begins
    /// with `felice_`, times are in seconds, and everything has the label `client_id`.
    #[must_use]
    pub const fn to_prometheus(&self) -> Prometheus<'_> {
        Prometheus(self)
    }
}

impl NodeMetrics {
    fn since(&self, earlier: &Self) -> Self {
        Self {
            requests: self.requests.since(earlier.requests),
            request_latency_count: self.request_latency_count.saturating_sub(earlier.request_latency_count),
            request_latency_us_total: self
                .request_latency_us_total
                .saturating_sub(earlier.request_latency_us_total),
            ..self.clone()
        }
    }
}

impl SpoolMetrics {
    const fn since(&self, earlier: &Self) -> Self {
        Self {
            record_dropped_total: self.record_dropped_total.saturating_sub(earlier.record_dropped_total),
            record_expired_total: self.record_expired_total.saturating_sub(earlier.record_expired_total),
            batch_damaged_total: self.batch_damaged_total.saturating_sub(earlier.batch_damaged_total),
            ..*self
        }
    }
}
