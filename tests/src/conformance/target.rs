//! What a script runs against.

use std::net::SocketAddr;

use crate::cluster::{Broker, TcpCluster, TopicConfig};
use crate::kafka::Kafka;

/// A cluster; what cannot be done through a producer's requests is done here.
pub trait Target {
    /// The brokers' ids.
    fn broker_ids(&self) -> Vec<i32>;

    /// Where a broker listens.
    fn address(&self, broker: i32) -> SocketAddr;

    /// Creates a topic with these settings.
    fn create_topic(&self, name: &str, partitions: i32, replication: i16, configs: &[(&str, &str)]);

    /// Stops a broker in good order.
    fn stop(&self, broker: i32);

    /// Starts it again, on the same port and with what it stored.
    fn start(&self, broker: i32);

    /// Lets it stand still, as it is.
    fn pause(&self, broker: i32);

    /// Lets it go on.
    fn resume(&self, broker: i32);
}

impl Target for Kafka {
    fn broker_ids(&self) -> Vec<i32> {
        self.broker_ids().to_vec()
    }

    fn address(&self, broker: i32) -> SocketAddr {
        self.address(broker)
    }

    fn create_topic(&self, name: &str, partitions: i32, replication: i16, configs: &[(&str, &str)]) {
        self.oracle().create_topic_with(name, partitions, Some(replication), configs);
    }

    fn stop(&self, broker: i32) {
        self.stop(broker);
    }

    fn start(&self, broker: i32) {
        self.restart(broker);
    }

    fn pause(&self, broker: i32) {
        self.pause(broker);
    }

    fn resume(&self, broker: i32) {
        self.resume(broker);
    }
}

impl Target for TcpCluster {
    fn broker_ids(&self) -> Vec<i32> {
        self.with(|cluster| cluster.brokers().iter().map(Broker::id).collect())
    }

    fn address(&self, broker: i32) -> SocketAddr {
        self.address(broker)
    }

    fn create_topic(&self, name: &str, partitions: i32, replication: i16, configs: &[(&str, &str)]) {
        let mut config = TopicConfig {
            replication_factor: replication.into(),
            ..TopicConfig::with_partitions(partitions)
        };
        for setting in configs {
            match *setting {
                ("message.timestamp.type", "LogAppendTime") => config.log_append_time = true,
                ("cleanup.policy", "compact") => config.compacted = true,
                ("max.message.bytes", bytes) => config.max_message_bytes = bytes.parse().expect("a number"),
                ("min.insync.replicas", count) => {
                    config.min_insync_replicas = count.parse().expect("a number");
                }
                (name, value) => panic!("the simulated cluster has no {name}={value}"),
            }
        }
        self.with(|cluster| cluster.create_topic_with(name, config));
    }

    fn stop(&self, broker: i32) {
        self.stop_broker(broker);
    }

    fn start(&self, broker: i32) {
        self.start_broker(broker);
    }

    fn pause(&self, broker: i32) {
        self.with(|cluster| cluster.set_frozen(broker, true));
    }

    fn resume(&self, broker: i32) {
        self.with(|cluster| cluster.set_frozen(broker, false));
    }
}
