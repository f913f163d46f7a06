//! What a scenario runs against: the simulated cluster over TCP, or real Kafka.

use std::sync::OnceLock;

use crate::cluster::{ClusterConfig, TcpCluster, TopicConfig};
use crate::java::{JavaOracle, ReadRecord};
use crate::kafka::Kafka;

/// A cluster without automatic topics.
pub enum Target {
    /// A simulated one of this scenario's own, with Java's clients for it where they are asked for.
    Simulated(TcpCluster, OnceLock<JavaOracle>),
    /// The real one that this process shares.
    Real(&'static Kafka),
    /// That one over the link that it is [`behind`](crate::kafka::KafkaBuilder::behind).
    Far(&'static Kafka),
}

impl Target {
    /// A simulated cluster of three brokers.
    ///
    /// # Panics
    ///
    /// If there are no ports left.
    pub fn simulated() -> Self {
        let config = ClusterConfig { brokers: 3, auto_create_topics: false, ..ClusterConfig::default() };
        let cluster = TcpCluster::start(config).expect("the loopback interface has free ports");
        Self::Simulated(cluster, OnceLock::new())
    }

    /// Real Kafka, three brokers; see [`require_kafka!`](crate::require_kafka).
    pub fn real() -> Self {
        Self::Real(Kafka::shared_three())
    }

    /// `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        match self {
            Self::Simulated(cluster, _) => cluster.bootstrap(),
            Self::Real(kafka) => kafka.bootstrap(),
            Self::Far(kafka) => kafka.far_bootstrap(),
        }
    }

    /// Creates a topic with three replicas; its leaders are spread. Its name must be the scenario's own.
    pub fn create_topic(&self, topic: &str, partitions: i32) {
        match self {
            Self::Simulated(cluster, _) => drop(cluster.with(|it| it.create_topic(topic, partitions))),
            Self::Real(kafka) | Self::Far(kafka) => kafka.oracle().create_topic(topic, partitions),
        }
    }

    /// As [`create_topic`](Self::create_topic), with `max.message.bytes`.
    pub fn create_topic_with_message_bytes_max(
        &self,
        topic: &str,
        partitions: i32,
        max_message_bytes: usize,
    ) {
        match self {
            Self::Simulated(cluster, _) => {
                let config = TopicConfig { max_message_bytes, ..TopicConfig::with_partitions(partitions) };
                cluster.with(|it| it.create_topic_with(topic, config));
            }
            Self::Real(kafka) | Self::Far(kafka) => {
                let setting = ("max.message.bytes", &*max_message_bytes.to_string());
                kafka.oracle().create_topic_with(topic, partitions, None, &[setting]);
            }
        }
    }

    /// Java's clients for this cluster; see [`require_kafka!`](crate::require_kafka).
    pub fn java(&self) -> &JavaOracle {
        match self {
            Self::Simulated(cluster, java) => java.get_or_init(|| JavaOracle::start(&cluster.bootstrap())),
            Self::Real(kafka) | Self::Far(kafka) => kafka.oracle(),
        }
    }

    /// The simulated cluster.
    ///
    /// # Panics
    ///
    /// If it is real Kafka.
    pub fn cluster(&self) -> &TcpCluster {
        match self {
            Self::Simulated(cluster, _) => cluster,
            Self::Real(_) | Self::Far(_) => panic!("this scenario is for the simulated cluster"),
        }
    }

    /// Real Kafka.
    ///
    /// # Panics
    ///
    /// If it is the simulated cluster.
    pub fn kafka(&self) -> &'static Kafka {
        match self {
            Self::Simulated(..) => panic!("this scenario is for real Kafka"),
            Self::Real(kafka) | Self::Far(kafka) => kafka,
        }
    }

    /// All records that a topic holds now, by partition and offset.
    pub fn read(&self, topic: &str) -> Vec<ReadRecord> {
        let mut records = match self {
            Self::Simulated(cluster, _) => read_simulated(cluster, topic),
            Self::Real(kafka) | Self::Far(kafka) => kafka.oracle().read(topic),
        };
        records.sort_by_key(|record| (record.partition, record.offset));
        records
    }
}

fn read_simulated(cluster: &TcpCluster, topic: &str) -> Vec<ReadRecord> {
    cluster.with(|cluster| {
        let of_partition = |partition| {
            cluster.records(topic, partition).into_iter().map(move |record| ReadRecord {
                partition,
                offset: record.offset,
                timestamp: record.timestamp,
                key: record.key,
                value: record.value,
                headers: record.headers,
            })
        };
        (0..cluster.partition_count(topic)).flat_map(of_partition).collect()
    })
}
