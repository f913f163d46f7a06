//! Topics by Kafka's own admin client: created, described, and moved from broker to broker.

use super::pipe::Pipe;
use super::{JavaOracle, READ_PATIENCE};

/// A partition as Java's admin client describes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PartitionState {
    /// The partition.
    pub partition: i32,
    /// The leader's node id, if there is one.
    pub leader: Option<i32>,
    /// Node ids of all replicas, the preferred leader first. While it is reassigned: of the old and the new ones.
    pub replicas: Vec<i32>,
    /// Node ids of those in sync, the leader among them.
    pub in_sync: Vec<i32>,
}

impl JavaOracle {
    /// Creates a topic with the cluster's default replication, and waits until every partition has a leader that knows
    /// it: one that does not yet loses what is sent with acks=0.
    pub fn create_topic(&self, topic: &str, partitions: i32) {
        self.create_topic_with(topic, partitions, None, &[]);
    }

    /// Creates a topic with so many replicas and these settings (`max.message.bytes`, ..), and waits as
    /// [`create_topic`](Self::create_topic) does.
    pub fn create_topic_with(
        &self,
        topic: &str,
        partitions: i32,
        replication: Option<i16>,
        configs: &[(&str, &str)],
    ) {
        self.create(topic, configs, partitions as usize, |pipe| {
            pipe.write_i32(partitions);
            pipe.write_i16(replication.unwrap_or(-1));
            pipe.write_count(0);
        });
    }

    /// Creates a topic with a partition for each list of brokers: its replicas, the leader first. Waits as
    /// [`create_topic`](Self::create_topic) does.
    pub fn create_topic_on<R: AsRef<[i32]>>(&self, topic: &str, replicas: &[R], configs: &[(&str, &str)]) {
        self.create(topic, configs, replicas.len(), |pipe| {
            // Both follow from the lists.
            pipe.write_i32(-1);
            pipe.write_i16(-1);
            pipe.write_count(replicas.len());
            replicas.iter().for_each(|replicas| pipe.write_ids(replicas.as_ref()));
        });
    }

    /// Deletes a topic.
    pub fn delete_topic(&self, topic: &str) {
        self.ask(b'd', |pipe| pipe.write_text(topic)).done(self, "delete the topic");
    }

    /// Leader and replicas of each partition.
    pub fn describe(&self, topic: &str) -> Vec<PartitionState> {
        self.try_describe(topic).unwrap_or_else(|problem| self.fail("describe the topic", &problem))
    }

    /// As [`describe`](Self::describe), with Java's words when the topic is not there.
    pub fn try_describe(&self, topic: &str) -> Result<Vec<PartitionState>, String> {
        self.ask(b'l', |pipe| pipe.write_text(topic)).each(|pipe| PartitionState {
            partition: pipe.read_i32(),
            leader: Some(pipe.read_i32()).filter(|&leader| leader >= 0),
            replicas: pipe.read_ids(),
            in_sync: pipe.read_ids(),
        })
    }

    /// The node id of a partition's leader, if there is one.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<i32> {
        self.partition(topic, partition).leader
    }

    /// The value of a topic's setting (`min.insync.replicas`, ..): its own, or the cluster's default.
    pub fn topic_setting(&self, topic: &str, setting: &str) -> String {
        let answer = self.ask(b'g', |pipe| {
            pipe.write_text(topic);
            pipe.write_text(setting);
        });
        let values = answer.each(Pipe::read_text);
        values.unwrap_or_else(|problem| self.fail("get the topic's setting", &problem)).remove(0)
    }

    /// Moves a partition's leadership to another of its replicas: makes that one the preferred leader, has it elected,
    /// and waits until it leads.
    ///
    /// Panics when the broker has no replica of it.
    pub fn move_leader(&self, topic: &str, partition: i32, broker: i32) {
        let mut replicas = self.partition(topic, partition).replicas;
        let place = replicas.iter().position(|&it| it == broker);
        let place = place.unwrap_or_else(|| panic!("broker {broker} has no replica: {replicas:?}"));
        replicas[..=place].rotate_right(1);
        // It waits until the broker is in sync: only then it can be elected.
        self.reassign(topic, partition, &replicas);
        let elected = self.ask(b'w', |pipe| {
            pipe.write_text(topic);
            pipe.write_i32(partition);
        });
        elected.done(self, "have a leader elected");
        self.wait_until(READ_PATIENCE, &format!("broker {broker} leads {topic}-{partition}"), || {
            self.leader(topic, partition) == Some(broker)
        });
    }

    /// Gives a partition these replicas, the preferred leader first, and waits until they are all in sync and the
    /// others are gone. A leader that is among the new ones stays: see [`move_leader`](Self::move_leader).
    pub fn reassign(&self, topic: &str, partition: i32, replicas: &[i32]) {
        let asked = self.ask(b'm', |pipe| {
            pipe.write_text(topic);
            pipe.write_i32(partition);
            pipe.write_ids(replicas);
        });
        asked.done(self, "reassign the partition");
        self.wait_until(READ_PATIENCE, &format!("{replicas:?} hold {topic}-{partition}"), || {
            let state = self.partition(topic, partition);
            let in_sync = |replica| state.in_sync.contains(replica);
            state.replicas == replicas && replicas.iter().all(in_sync) && state.leader.is_some()
        });
    }

    fn create(
        &self,
        topic: &str,
        configs: &[(&str, &str)],
        partitions: usize,
        layout: impl FnOnce(&mut Pipe),
    ) {
        let created = self.ask(b'c', |pipe| {
            pipe.write_text(topic);
            layout(pipe);
            pipe.write_count(configs.len());
            for (name, value) in configs {
                pipe.write_text(name);
                pipe.write_text(value);
            }
        });
        created.done(self, "create the topic");
        let is_led = || {
            // The broker that is asked may not have heard of the topic yet, nor the leaders that they are ones.
            let states = self.try_describe(topic).unwrap_or_default();
            let led = states.len() == partitions && states.iter().all(|state| state.leader.is_some());
            led && self.try_end_offsets(topic).is_ok()
        };
        self.wait_until(READ_PATIENCE, &format!("every partition of {topic} has a leader"), is_led);
    }

    fn partition(&self, topic: &str, partition: i32) -> PartitionState {
        let states = self.describe(topic).into_iter();
        let state = states.into_iter().find(|state| state.partition == partition);
        state.unwrap_or_else(|| panic!("{topic} has no partition {partition}"))
    }
}
