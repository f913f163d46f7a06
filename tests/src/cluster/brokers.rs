//! Brokers: where they listen, and what happens to their partitions when they stop and start.

use super::Cluster;

/// One broker.
#[derive(Debug, Clone)]
pub struct Broker {
    id: i32,
    host: String,
    port: i32,
    up: bool,
    open_connections: usize,
    accepted_connections: u64,
}

impl Broker {
    pub(super) fn new(id: i32) -> Self {
        let host = "127.0.0.1".to_owned();
        Self { id, host, port: 9091 + id, up: true, open_connections: 0, accepted_connections: 0 }
    }

    /// The broker's id.
    pub fn id(&self) -> i32 {
        self.id
    }

    /// The host name that Metadata gives.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port that Metadata gives.
    pub fn port(&self) -> i32 {
        self.port
    }

    /// Whether the broker runs.
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// How many connections are open; only those over sockets are counted.
    pub fn open_connections(&self) -> usize {
        self.open_connections
    }

    /// How many connections were ever accepted; only those over sockets are counted.
    pub fn accepted_connections(&self) -> u64 {
        self.accepted_connections
    }
}

impl Cluster {
    /// All brokers, by id.
    pub fn brokers(&self) -> &[Broker] {
        &self.brokers
    }

    /// A broker.
    ///
    /// # Panics
    ///
    /// If there is no such broker.
    pub fn broker(&self, broker_id: i32) -> &Broker {
        let found = self.brokers.iter().find(|broker| broker.id == broker_id);
        found.unwrap_or_else(|| panic!("no broker has the id {broker_id}"))
    }

    /// Whether there is such a broker, and it runs.
    pub fn is_up(&self, broker_id: i32) -> bool {
        self.brokers.iter().any(|broker| broker.id == broker_id && broker.up)
    }

    /// Changes where a broker says that it listens.
    ///
    /// # Panics
    ///
    /// If there is no such broker.
    pub fn set_address(&mut self, broker_id: i32, host: &str, port: i32) {
        let broker = self.broker_mut(broker_id);
        host.clone_into(&mut broker.host);
        broker.port = port;
    }

    /// Stops a broker. Its partitions get a new leader among the replicas in sync, or none; what the broker remembers
    /// of producers shrinks to their last batch, as Kafka's own does over a restart.
    ///
    /// # Panics
    ///
    /// If there is no such broker.
    pub fn stop_broker(&mut self, broker_id: i32) {
        let broker = self.broker_mut(broker_id);
        if !std::mem::replace(&mut broker.up, false) {
            return;
        }
        let up = self.up_ids();
        for partition in self.topics.values_mut().flat_map(|topic| &mut topic.partitions) {
            partition.broker_stopped(broker_id, &up);
        }
    }

    /// Starts a broker that was stopped. It is in sync at once, and leads the partitions that have no other leader.
    ///
    /// # Panics
    ///
    /// If there is no such broker.
    pub fn start_broker(&mut self, broker_id: i32) {
        let broker = self.broker_mut(broker_id);
        if std::mem::replace(&mut broker.up, true) {
            return;
        }
        for partition in self.topics.values_mut().flat_map(|topic| &mut topic.partitions) {
            partition.broker_started(broker_id);
        }
    }

    pub(super) fn connection_opened(&mut self, broker_id: i32) {
        let broker = self.broker_mut(broker_id);
        broker.open_connections += 1;
        broker.accepted_connections += 1;
    }

    pub(super) fn connection_closed(&mut self, broker_id: i32) {
        self.broker_mut(broker_id).open_connections -= 1;
    }

    pub(super) fn up_ids(&self) -> Vec<i32> {
        self.brokers.iter().filter(|broker| broker.up).map(Broker::id).collect()
    }

    fn broker_mut(&mut self, broker_id: i32) -> &mut Broker {
        let found = self.brokers.iter_mut().find(|broker| broker.id == broker_id);
        found.unwrap_or_else(|| panic!("no broker has the id {broker_id}"))
    }
}
