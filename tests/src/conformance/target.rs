//! What a script runs against.

use std::net::SocketAddr;

use crate::cluster::{TcpCluster, TopicConfig};
use crate::kafka::Kafka;

/// A cluster of one broker; what cannot be done through a producer's requests is done here.
pub trait Target {
    /// Where the broker listens.
    fn address(&self) -> SocketAddr;

    /// Creates a topic with these settings.
    fn create_topic(&self, name: &str, partitions: i32, configs: &[(&str, &str)]);

    /// Stops the broker in good order and starts it again, on the same port and with what it stored.
    fn restart(&self);
}

impl Target for Kafka {
    fn address(&self) -> SocketAddr {
        self.address(self.broker_ids()[0])
    }

    fn create_topic(&self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        self.oracle().create_topic_with(name, partitions, None, configs);
    }

    fn restart(&self) {
        Self::restart(self, self.broker_ids()[0]);
    }
}

impl Target for TcpCluster {
    fn address(&self) -> SocketAddr {
        self.address(1)
    }

    fn create_topic(&self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        let mut config = TopicConfig::with_partitions(partitions);
        for setting in configs {
            match *setting {
                ("message.timestamp.type", "LogAppendTime") => config.log_append_time = true,
                ("cleanup.policy", "compact") => config.compacted = true,
                ("max.message.bytes", bytes) => config.max_message_bytes = bytes.parse().expect("a number"),
                (name, value) => panic!("the simulated cluster has no {name}={value}"),
            }
        }
        self.with(|cluster| cluster.create_topic_with(name, config));
    }

    fn restart(&self) {
        self.stop_broker(1);
        self.start_broker(1);
    }
}
