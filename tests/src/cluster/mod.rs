//! A simulated Kafka cluster.
//!
//! [`Cluster`] is a value: it has no threads, no sockets and no clock. [`Cluster::handle_request`] takes the time, a
//! broker's id and a request, and gives a [`Reply`]; the same calls give the same replies. [`TcpCluster`] puts the
//! same value behind real sockets on the loopback interface.
//!
//! It answers as Apache Kafka 4.3.1 does, and refuses what that refuses: a wrong checksum, a gap in the sequences, an
//! old epoch, a batch too large. Its rules were measured on the real one. What it leaves out: groups but for their offsets,
//! quotas, replication that takes time (a batch is on all replicas at once), and the insides of compressed batches.
//!
//! ```
//! use felice_tests::cluster::{Cluster, ClusterConfig, Reply};
//! use felice_tests::protocol::{
//!     ApiKey, RequestHeader, batch_builder::BatchBuilder, decode_response, encode_request, produce::*,
//! };
//!
//! let mut cluster = Cluster::new(ClusterConfig::default());
//! cluster.create_topic("readings", 1);
//! let batch = BatchBuilder::of_values(1_000, ["21.5"]).build();
//! let request = encode_request(
//!     &RequestHeader::new(ApiKey::PRODUCE, 9, 1),
//!     &ProduceRequest::of_batch("readings", 0, &batch),
//! );
//! let Reply::Response { frame, .. } = cluster.handle_request(1_000_000, 1, &request[4..]) else { panic!() };
//! let (_, response) = decode_response::<ProduceResponse<'_>>(9, &frame[4..]).unwrap();
//! assert_eq!(response.responses[0].partitions[0].base_offset, 0);
//! assert_eq!(cluster.records("readings", 0)[0].value.as_deref(), Some(&b"21.5"[..]));
//! ```

mod api_versions;
mod append;
mod brokers;
mod connection;
mod describe_producers;
mod fault;
mod fetch;
mod init_producer_id;
mod list_offsets;
mod listener;
mod log;
mod metadata;
mod produce;
mod producer_state;
mod request;
mod request_log;
mod sasl;
mod tcp;
mod topics;
mod transactions;
mod validate;

use std::collections::BTreeMap;

use crate::protocol::{ApiKey, Uuid};
pub use api_versions::{Release, SupportedVersions};
pub use brokers::Broker;
pub use connection::{Connection, Progress};
pub use fault::{Action, Fault};
pub use log::{KeepRecords, PartitionLog, StoredBatch};
pub use request::Reply;
pub use request_log::{LoggedRequest, Offered, RequestLog};
pub(crate) use sasl::Session;
pub use sasl::{MECHANISMS, SaslConfig};
pub use tcp::TcpCluster;
pub use topics::{Partition, TopicConfig};

use fault::Faults;
use topics::Topic;

/// What a cluster is made of.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// How many brokers there are; their ids begin at 1.
    pub brokers: i32,
    /// Whether a Metadata request creates topics that are missing.
    pub auto_create_topics: bool,
    /// What such topics are like.
    pub auto_create_config: TopicConfig,
    /// Which records are kept for reading back.
    pub keep_records: KeepRecords,
    /// How many requests the request log remembers.
    pub logged_requests_max: usize,
    /// The first producer id that is given out.
    pub first_producer_id: i64,
    /// Whether Produce responses from version 10 on name the leader that the client did not know (KIP-951).
    pub leader_hints: bool,
}

impl Default for ClusterConfig {
    /// One broker that creates topics of one partition, and keeps everything.
    fn default() -> Self {
        Self {
            brokers: 1,
            auto_create_topics: true,
            auto_create_config: TopicConfig::default(),
            keep_records: KeepRecords::All,
            logged_requests_max: 100_000,
            first_producer_id: 1000,
            leader_hints: true,
        }
    }
}

/// Brokers, topics, logs and what producers left behind, as one value.
#[derive(Debug)]
pub struct Cluster {
    config: ClusterConfig,
    brokers: Vec<Broker>,
    topics: BTreeMap<String, Topic>,
    topic_names: BTreeMap<Uuid, String>,
    topics_created: u64,
    producer_ids_given: i64,
    versions: SupportedVersions,
    faults: Faults,
    requests: RequestLog,
    throttle_time_ms: i32,
    controllerless: bool,
    /// What brokers that hear no more know.
    stale: BTreeMap<i32, metadata::Heard>,
    sasl: Option<SaslConfig>,
    refusing_credentials: bool,
    transactions: transactions::Transactions,
}

impl Cluster {
    /// A cluster without topics, all brokers up.
    ///
    /// # Panics
    ///
    /// If there are fewer than 1 or more than 64 brokers.
    pub fn new(config: ClusterConfig) -> Self {
        assert!((1..=64).contains(&config.brokers), "1 to 64 brokers, not {}", config.brokers);
        Self {
            brokers: (1..=config.brokers).map(Broker::new).collect(),
            topics: BTreeMap::new(),
            topic_names: BTreeMap::new(),
            topics_created: 0,
            producer_ids_given: 0,
            versions: SupportedVersions::default(),
            faults: Faults::default(),
            requests: RequestLog::new(config.logged_requests_max),
            throttle_time_ms: 0,
            controllerless: false,
            stale: BTreeMap::new(),
            sasl: None,
            refusing_credentials: false,
            transactions: transactions::Transactions::default(),
            config,
        }
    }

    /// Makes the next matching requests go wrong; faults of one API are used up in the order of their injection.
    pub fn inject(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// How many injected faults have not happened yet.
    pub fn faults_left(&self) -> u32 {
        self.faults.left()
    }

    /// Forgets the faults that have not happened yet.
    pub fn clear_faults(&mut self) {
        self.faults = Faults::default();
    }

    /// The requests that arrived, oldest first.
    pub fn requests(&self) -> &RequestLog {
        &self.requests
    }

    /// Which APIs and versions all brokers speak.
    pub fn versions(&self) -> &SupportedVersions {
        &self.versions
    }

    /// Makes all brokers speak other versions, for instance those of an older [`Release`].
    pub fn set_versions(&mut self, versions: SupportedVersions) {
        self.versions = versions;
    }

    /// Makes all brokers speak these versions of one API.
    pub fn set_api_versions(&mut self, api_key: ApiKey, min_version: i16, max_version: i16) {
        self.versions.set(api_key, min_version, max_version);
    }

    /// The `throttle_time_ms` of all responses from now on. For that long a broker reads nothing more from the
    /// connection (KIP-219).
    pub fn set_throttle_time_ms(&mut self, throttle_time_ms: i32) {
        self.throttle_time_ms = throttle_time_ms;
    }

    pub(crate) fn throttle_us(&self) -> u64 {
        u64::try_from(self.throttle_time_ms).unwrap_or(0) * 1_000
    }

    /// Chooses which records are kept from now on.
    pub fn set_keep_records(&mut self, keep_records: KeepRecords) {
        self.config.keep_records = keep_records;
    }
}
