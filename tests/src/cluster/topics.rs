//! Topics and partitions: who leads them, who holds them, and the access that tests have to them.

use crate::protocol::{Uuid, ZERO_UUID, records::Record};

use super::{Cluster, PartitionLog, StoredBatch, producer_state::Producers, transactions::LogTransactions};

/// What a topic is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicConfig {
    /// How many partitions it has.
    pub partitions: i32,
    /// On how many brokers each partition is; no more than there are.
    pub replication_factor: i32,
    /// `max.message.bytes`: the largest batch.
    pub max_message_bytes: usize,
    /// `min.insync.replicas`: with fewer, acks=all is refused.
    pub min_insync_replicas: usize,
    /// `message.timestamp.type=LogAppendTime`: the broker's time replaces the records'.
    pub log_append_time: bool,
    /// `cleanup.policy=compact`: records need keys.
    pub compacted: bool,
}

impl Default for TopicConfig {
    fn default() -> Self {
        Self {
            partitions: 1,
            replication_factor: 3,
            max_message_bytes: 1_048_588,
            min_insync_replicas: 1,
            log_append_time: false,
            compacted: false,
        }
    }
}

impl TopicConfig {
    /// The defaults with this many partitions.
    pub fn with_partitions(partitions: i32) -> Self {
        Self { partitions, ..Self::default() }
    }
}

#[derive(Debug)]
pub(super) struct Topic {
    pub(super) id: Uuid,
    pub(super) config: TopicConfig,
    pub(super) partitions: Vec<Partition>,
}

/// One partition: its leader, its replicas, its log.
#[derive(Debug)]
pub struct Partition {
    pub(super) leader: i32,
    pub(super) leader_epoch: i32,
    pub(super) replicas: Vec<i32>,
    pub(super) isr: Vec<i32>,
    pub(super) log: PartitionLog,
    pub(super) producers: Producers,
    pub(super) transactions: LogTransactions,
}

impl Partition {
    fn new(replicas: Vec<i32>, up: &[i32]) -> Self {
        let isr: Vec<i32> = replicas.iter().copied().filter(|id| up.contains(id)).collect();
        Self {
            leader: isr.first().copied().unwrap_or(-1),
            leader_epoch: 0,
            isr: if isr.is_empty() { replicas.clone() } else { isr },
            replicas,
            log: PartitionLog::default(),
            producers: Producers::default(),
            transactions: LogTransactions::default(),
        }
    }

    /// The leader's broker id, or -1.
    pub fn leader(&self) -> i32 {
        self.leader
    }

    /// Rises with every change of the leader.
    pub fn leader_epoch(&self) -> i32 {
        self.leader_epoch
    }

    /// The brokers that hold the partition.
    pub fn replicas(&self) -> &[i32] {
        &self.replicas
    }

    /// Those of them that are in sync.
    pub fn isr(&self) -> &[i32] {
        &self.isr
    }

    fn set_leader(&mut self, leader: i32) {
        self.leader = leader;
        self.leader_epoch += 1;
    }

    pub(super) fn broker_stopped(&mut self, broker_id: i32, up: &[i32]) {
        if !self.replicas.contains(&broker_id) {
            return;
        }
        // The last one stays in sync although it is down: only it is sure to have everything.
        if self.isr.len() > 1 {
            self.isr.retain(|id| *id != broker_id);
        }
        if self.leader == broker_id {
            let successor = self.isr.iter().copied().find(|id| up.contains(id));
            self.set_leader(successor.unwrap_or(-1));
        }
    }

    pub(super) fn broker_replaced(&mut self, old: i32, new: i32) {
        for id in self.replicas.iter_mut().chain(&mut self.isr).filter(|id| **id == old) {
            *id = new;
        }
        if self.leader == old {
            self.set_leader(new);
        }
    }

    pub(super) fn broker_started(&mut self, broker_id: i32) {
        if !self.replicas.contains(&broker_id) {
            return;
        }
        if self.leader == -1 && self.isr.contains(&broker_id) {
            self.set_leader(broker_id);
        }
        if self.leader != -1 && !self.isr.contains(&broker_id) {
            self.isr.push(broker_id);
        }
    }
}

impl Cluster {
    /// Creates a topic with default settings, and gives its id.
    ///
    /// # Panics
    ///
    /// If there is one of that name, or the number of partitions is not positive.
    pub fn create_topic(&mut self, name: &str, partitions: i32) -> Uuid {
        self.create_topic_with(name, TopicConfig::with_partitions(partitions))
    }

    /// Creates a topic, and gives its id. The leaders go round the brokers: partition 0 is led by broker 1.
    ///
    /// # Panics
    ///
    /// If there is one of that name, or the number of partitions is not positive.
    pub fn create_topic_with(&mut self, name: &str, config: TopicConfig) -> Uuid {
        assert!(!self.topics.contains_key(name), "there is a topic {name:?} already");
        assert!(config.partitions > 0, "a topic needs a partition");
        let up = self.up_ids();
        let brokers = self.brokers.len();
        let replication_factor = (config.replication_factor.max(1) as usize).min(brokers);
        let partitions = (0..config.partitions as usize).map(|index| {
            let replicas = (0..replication_factor).map(|next| self.brokers[(index + next) % brokers].id());
            Partition::new(replicas.collect(), &up)
        });
        let partitions = partitions.collect();
        self.topics_created += 1;
        let id = topic_id(self.topics_created);
        self.topic_names.insert(id, name.to_owned());
        self.topics.insert(name.to_owned(), Topic { id, config, partitions });
        id
    }

    /// Deletes a topic and its records; one created later under its name has another id.
    ///
    /// # Panics
    ///
    /// If there is no such topic.
    pub fn delete_topic(&mut self, name: &str) {
        let topic = self.topics.remove(name).unwrap_or_else(|| panic!("there is no topic {name:?}"));
        self.topic_names.remove(&topic.id);
    }

    /// The names of all topics, sorted.
    pub fn topic_names(&self) -> impl Iterator<Item = &str> {
        self.topics.keys().map(String::as_str)
    }

    /// The id of a topic, if there is one of that name.
    pub fn topic_id(&self, name: &str) -> Option<Uuid> {
        self.topics.get(name).map(|topic| topic.id)
    }

    /// How many partitions a topic has; 0 if there is none of that name.
    pub fn partition_count(&self, name: &str) -> i32 {
        self.topics.get(name).map_or(0, |topic| topic.partitions.len() as i32)
    }

    /// Gives a topic more partitions.
    ///
    /// # Panics
    ///
    /// If there is no such topic.
    pub fn add_partitions(&mut self, name: &str, count: i32) {
        let up = self.up_ids();
        let ids: Vec<i32> = self.brokers.iter().map(super::Broker::id).collect();
        let topic = self.topic_mut(name);
        let replication_factor = (topic.config.replication_factor.max(1) as usize).min(ids.len());
        for _ in 0..count {
            let index = topic.partitions.len();
            let replicas = (0..replication_factor).map(|next| ids[(index + next) % ids.len()]).collect();
            topic.partitions.push(Partition::new(replicas, &up));
            topic.config.partitions += 1;
        }
    }

    /// Changes a topic's settings; the number of partitions and the replicas stay.
    ///
    /// # Panics
    ///
    /// If there is no such topic.
    pub fn configure_topic(&mut self, name: &str, change: impl FnOnce(&mut TopicConfig)) {
        change(&mut self.topic_mut(name).config);
    }

    /// A partition.
    ///
    /// # Panics
    ///
    /// If there is no such partition.
    pub fn partition(&self, topic: &str, partition: i32) -> &Partition {
        let found = self.topics.get(topic).and_then(|topic| topic.partitions.get(partition as usize));
        found.unwrap_or_else(|| panic!("there is no partition {topic:?}-{partition}"))
    }

    /// Makes another broker the leader, under the next leader epoch.
    ///
    /// # Panics
    ///
    /// If there is no such partition.
    pub fn set_leader(&mut self, topic: &str, partition: i32, broker_id: i32) {
        let partition = self.partition_mut(topic, partition);
        for replicas in [&mut partition.replicas, &mut partition.isr] {
            if broker_id != -1 && !replicas.contains(&broker_id) {
                replicas.push(broker_id);
            }
        }
        partition.set_leader(broker_id);
    }

    /// Chooses which replicas are in sync.
    ///
    /// # Panics
    ///
    /// If there is no such partition.
    pub fn set_isr(&mut self, topic: &str, partition: i32, isr: &[i32]) {
        self.partition_mut(topic, partition).isr = isr.to_vec();
    }

    /// Loses the last `count` batches of a partition, as many as there are: what becomes the leader has never had them.
    /// Returns them, oldest first. What is known of producers is what the rest of the log tells.
    ///
    /// # Panics
    ///
    /// If there is no such partition.
    pub fn truncate(&mut self, topic: &str, partition: i32, count: usize) -> Vec<StoredBatch> {
        let partition = self.partition_mut(topic, partition);
        let lost = partition.log.truncate(count);
        partition.producers = Producers::of_log(partition.log.batches());
        lost
    }

    /// A partition's brokers know no producer any more, as when none has written for `producer.id.expiration.ms`.
    ///
    /// # Panics
    ///
    /// If there is no such partition.
    pub fn forget_producers(&mut self, topic: &str, partition: i32) {
        self.partition_mut(topic, partition).producers = Producers::default();
    }

    /// A partition's log.
    ///
    /// # Panics
    ///
    /// If there is no such partition.
    pub fn log(&self, topic: &str, partition: i32) -> &PartitionLog {
        &self.partition(topic, partition).log
    }

    /// The records that a partition keeps, those of aborted transactions, too.
    ///
    /// # Panics
    ///
    /// If there is no such partition, or a batch is compressed.
    pub fn records(&self, topic: &str, partition: i32) -> Vec<Record> {
        let batches = self.log(topic, partition).batches().filter(|batch| !batch.header().is_control());
        batches.flat_map(|batch| batch.records().expect("a stored batch, not compressed")).collect()
    }

    /// How many records were appended to all partitions of a topic, kept or not; 0 if there is no such topic.
    pub fn record_count(&self, topic: &str) -> i64 {
        let partitions = self.topics.get(topic).into_iter().flat_map(|topic| &topic.partitions);
        partitions.map(|partition| partition.log.next_offset()).sum()
    }

    pub(super) fn topic_mut(&mut self, name: &str) -> &mut Topic {
        self.topics.get_mut(name).unwrap_or_else(|| panic!("there is no topic {name:?}"))
    }

    fn partition_mut(&mut self, topic: &str, partition: i32) -> &mut Partition {
        let found = self.topic_mut(topic).partitions.get_mut(partition as usize);
        found.unwrap_or_else(|| panic!("there is no partition {topic:?}-{partition}"))
    }
}

/// The id of the n-th topic: never zero, and the same in every run.
fn topic_id(number: u64) -> Uuid {
    let mut id = ZERO_UUID;
    id[..8].copy_from_slice(b"simtopic");
    id[8..].copy_from_slice(&number.to_be_bytes());
    id
}
