//! Brokers: where they listen, and what happens to their partitions when they stop and start.

use super::Cluster;

/// One broker.
#[derive(Debug, Clone)]
pub struct Broker {
    id: i32,
    host: String,
    port: i32,
    up: bool,
    /// It starts, and waits for the controller to let it in.
    starting: bool,
    /// What the controller has told all brokers of it.
    listed: bool,
    /// It stands still: it confirms nothing as a follower.
    frozen: bool,
    open_connections: usize,
    accepted_connections: u64,
}

impl Broker {
    pub(super) fn new(id: i32) -> Self {
        let host = "127.0.0.1".to_owned();
        Self {
            id,
            host,
            port: 9091 + id,
            up: true,
            starting: false,
            listed: true,
            frozen: false,
            open_connections: 0,
            accepted_connections: 0,
        }
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

    /// Whether Metadata names it: it runs, or the controller has not told yet that it does not.
    pub fn is_listed(&self) -> bool {
        self.listed
    }

    /// Whether it stands still.
    pub fn is_frozen(&self) -> bool {
        self.frozen
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

    /// Replaces a broker by one with another id, where the old one listened: its replicas, and what it led, are the new
    /// one's. Who takes over from a broker that runs has read all of its logs, as a follower, and remembers of producers
    /// what those tell; of one that is down it has the disk, and with it the memory. Connections are the business of
    /// whoever carries them: those of [`TcpCluster`](super::TcpCluster) know no other ids than the first.
    ///
    /// # Panics
    ///
    /// If there is no such broker, or one has the new id.
    pub fn replace_broker(&mut self, old: i32, new: i32) {
        assert!(self.brokers.iter().all(|broker| broker.id != new), "a broker has the id {new} already");
        let broker = self.broker_mut(old);
        let was_up = broker.up;
        (broker.id, broker.frozen) = (new, false);
        (broker.open_connections, broker.accepted_connections) = (0, 0);
        self.stale.remove(&old);
        for partition in self.topics.values_mut().flat_map(|topic| &mut topic.partitions) {
            partition.broker_replaced(old, new);
            partition.producers.broker_replaced(old, new, was_up);
        }
    }

    /// Stops a broker. Its partitions get a new leader among the replicas in sync, or none; what the broker remembers
    /// of producers shrinks to their last batch, as Kafka's own does over a restart.
    ///
    /// # Panics
    ///
    /// If there is no such broker.
    pub fn stop_broker(&mut self, broker_id: i32) {
        let broker = self.broker_mut(broker_id);
        (broker.starting, broker.frozen) = (false, false);
        if !std::mem::replace(&mut broker.up, false) {
            return;
        }
        for partition in self.topics.values_mut().flat_map(|topic| &mut topic.partitions) {
            partition.producers.forget_all_but_the_last(broker_id);
        }
        self.let_know();
    }

    /// Starts a broker that was stopped. It is in sync at once, and leads the partitions that have no other leader. Without
    /// a controller it waits for one.
    ///
    /// # Panics
    ///
    /// If there is no such broker.
    pub fn start_broker(&mut self, broker_id: i32) {
        let broker = self.broker_mut(broker_id);
        broker.starting = !broker.up;
        self.let_know();
    }

    /// Whether there is a controller. Without one nobody hears of brokers that stop, their partitions have no new
    /// leader, and no broker or topic comes.
    pub fn set_controller(&mut self, there: bool) {
        self.controllerless = !there;
        self.let_know();
    }

    /// Whether there is a controller.
    pub fn has_controller(&self) -> bool {
        !self.controllerless
    }

    /// A broker stands still, as a process that is stopped by a signal, or goes on. The controller takes it for a broker
    /// that is up: it stays in sync, and what waits for it to confirm waits in vain. That its own connections stand
    /// still is the business of whoever carries them.
    ///
    /// # Panics
    ///
    /// If there is no such broker.
    pub fn set_frozen(&mut self, broker_id: i32, frozen: bool) {
        self.broker_mut(broker_id).frozen = frozen;
    }

    /// The controller, if there is one, hears of the brokers that have stopped and started, and acts.
    fn let_know(&mut self) {
        if self.controllerless {
            return;
        }
        let gone: Vec<i32> = self.brokers.iter().filter(|it| it.listed && !it.up).map(Broker::id).collect();
        gone.iter().for_each(|id| self.broker_mut(*id).listed = false);
        let up = self.up_ids();
        for partition in self.topics.values_mut().flat_map(|topic| &mut topic.partitions) {
            gone.iter().for_each(|id| partition.broker_stopped(*id, &up));
        }
        let come: Vec<i32> = self.brokers.iter().filter(|it| it.starting).map(Broker::id).collect();
        for id in come {
            let broker = self.broker_mut(id);
            (broker.up, broker.starting, broker.listed) = (true, false, true);
            for partition in self.topics.values_mut().flat_map(|topic| &mut topic.partitions) {
                partition.broker_started(id);
            }
        }
    }

    /// Whether a broker confirms, as a follower, what its leader has.
    pub(super) fn confirms(&self, broker_id: i32) -> bool {
        self.brokers.iter().any(|broker| broker.id == broker_id && broker.up && !broker.frozen)
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
