//! What goes wrong, and right again: the cluster's and the network's troubles, as the plan allows them.

mod identity;

use super::agenda::Event;
use super::dice::Dice;
use super::network::Piece;
use super::plan::{LATE_US, TopicPlan, Trouble};
use super::{World, network};
use crate::cluster::{Action, Fault, Release, TopicConfig};
use crate::protocol::{ApiKey, ErrorCode};
use felice_core::error::Disconnect;

/// What a broker may answer to Produce without having stored anything.
const REFUSALS: [ErrorCode; 24] = [
    ErrorCode::NOT_LEADER_OR_FOLLOWER,
    ErrorCode::LEADER_NOT_AVAILABLE,
    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode::NOT_ENOUGH_REPLICAS,
    ErrorCode::REQUEST_TIMED_OUT,
    ErrorCode::KAFKA_STORAGE_ERROR,
    ErrorCode::FENCED_LEADER_EPOCH,
    ErrorCode::CORRUPT_MESSAGE,
    ErrorCode::MESSAGE_TOO_LARGE,
    ErrorCode::TOPIC_AUTHORIZATION_FAILED,
    ErrorCode::UNKNOWN_SERVER_ERROR,
    ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    ErrorCode::REPLICA_NOT_AVAILABLE,
    ErrorCode::NETWORK_EXCEPTION,
    ErrorCode::INVALID_TOPIC_EXCEPTION,
    ErrorCode::RECORD_LIST_TOO_LARGE,
    ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
    ErrorCode::INVALID_TIMESTAMP,
    ErrorCode::POLICY_VIOLATION,
    ErrorCode::UNKNOWN_LEADER_EPOCH,
    ErrorCode::INVALID_PRODUCER_EPOCH,
    ErrorCode::INVALID_RECORD,
    ErrorCode::UNKNOWN_TOPIC_ID,
    ErrorCode::INCONSISTENT_TOPIC_ID,
];

/// What it may answer although it has stored the batch.
pub(crate) const LIES: [ErrorCode; 4] = [
    ErrorCode::UNKNOWN_SERVER_ERROR,
    ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    ErrorCode::REQUEST_TIMED_OUT,
    ErrorCode::KAFKA_STORAGE_ERROR,
];

/// The longest that a broker holds a client back, in milliseconds.
const THROTTLE_MS_MAX: u64 = 4_000;

/// The longest that a client is not given a processor, in microseconds.
const ASLEEP_US_MAX: u64 = 10_000_000;

/// The source of all trouble.
#[derive(Debug)]
pub(super) struct Chaos {
    dice: Dice,
    ids: identity::Ids,
}

impl Chaos {
    pub(super) fn new(dice: Dice, brokers: i32) -> Self {
        Self { dice, ids: identity::Ids::new(brokers) }
    }
}

/// How brokers read: as fast as bytes come, or a little at a time.
fn read_slowly(dice: &mut Dice) -> Option<(usize, u64)> {
    dice.one_in(2).then(|| (dice.magnitude(1, 2_000) as usize, dice.magnitude(100, 50_000)))
}

impl From<&TopicPlan> for TopicConfig {
    fn from(plan: &TopicPlan) -> Self {
        Self {
            partitions: plan.partitions.max(1),
            replication_factor: plan.replicas,
            max_message_bytes: plan.max_message_bytes,
            min_insync_replicas: plan.min_insync.min(plan.replicas as usize),
            log_append_time: plan.log_append_time,
            ..Self::default()
        }
    }
}

impl World {
    /// Something goes wrong, and the next thing is put on the agenda.
    pub(super) fn chaos(&mut self) {
        if self.calm || self.plan.troubles.is_empty() {
            return;
        }
        let mut dice = self.chaos.dice.clone();
        match *dice.pick(&self.plan.troubles) {
            Trouble::Cuts => self.fragile(&mut dice),
            Trouble::Silence => self.silence(&mut dice),
            Trouble::Refusals => self.network.refusing = dice.one_in(2),
            Trouble::Names => self.network.nameless = dice.one_in(2),
            Trouble::StaleNames => self.network.misdirecting = dice.one_in(2),
            Trouble::Slow => self.network.slow = read_slowly(&mut dice),
            Trouble::Restarts => self.restart(&mut dice, false),
            Trouble::Losses => self.restart(&mut dice, true),
            Trouble::Frozen => self.freeze(&mut dice),
            Trouble::Controller => self.lose_controller(&mut dice),
            Trouble::Leaders => self.move_leader(&mut dice),
            Trouble::Stale => self.be_stale(&mut dice),
            Trouble::Replicas => self.lose_replicas(&mut dice),
            Trouble::Errors => self.inject(&mut dice),
            Trouble::Delays => self.delay(&mut dice),
            Trouble::Quotas => self.limit(&mut dice),
            Trouble::Busy => self.keep_busy(&mut dice),
            Trouble::Topics => self.change_topic(&mut dice),
            Trouble::Addresses => self.change_address(&mut dice),
            Trouble::Ids => self.change_ids(&mut dice),
            Trouble::Credentials => self.refuse(&mut dice),
        }
        self.agenda.add(self.now + dice.between(1, self.plan.chaos_us), Event::Chaos);
        self.chaos.dice = dice;
    }

    fn tell(&mut self, what: std::fmt::Arguments<'_>) {
        self.trace.line(self.now, format_args!("chaos: {what}"));
    }

    fn fragile(&mut self, dice: &mut Dice) {
        self.network.fragile = dice.one_in(2).then(|| dice.magnitude(1, 20_000));
        let fragile = self.network.fragile;
        self.tell(format_args!("new connections break after {fragile:?} bytes"));
        if dice.one_in(3) {
            let broker = self.any_broker(dice);
            self.tell(format_args!("all connections to broker {broker} break"));
            self.network.broker_gone(self.now, &mut self.agenda, broker, false);
        }
    }

    fn silence(&mut self, dice: &mut Dice) {
        self.network.silent = dice.one_in(2);
        let broker = self.any_broker(dice);
        self.tell(format_args!("nothing more comes through to and from broker {broker}"));
        self.network.broker_gone(self.now, &mut self.agenda, broker, true);
    }

    fn restart(&mut self, dice: &mut Dice, loses: bool) {
        if dice.one_in(8) {
            for broker in self.network.brokers.clone() {
                self.toggle(dice, broker, loses);
            }
        } else {
            let broker = self.any_broker(dice);
            self.toggle(dice, broker, loses);
        }
    }

    /// A broker that is up stops; one that is down starts.
    fn toggle(&mut self, dice: &mut Dice, broker: i32, loses: bool) {
        if self.cluster.is_up(broker) {
            let silently = dice.one_in(3);
            self.tell(format_args!("broker {broker} stops, silently: {silently}"));
            let led = if loses { self.led_by(broker) } else { Vec::new() };
            self.cluster.stop_broker(broker);
            self.network.broker_stopped(self.now, &mut self.agenda, broker, silently);
            for (topic, partition) in led {
                self.lose_tail(dice, &topic, partition);
            }
        } else {
            self.tell(format_args!("broker {broker} starts"));
            self.cluster.start_broker(broker);
        }
    }

    fn led_by(&self, broker: i32) -> Vec<(String, i32)> {
        let partitions = |topic: &TopicPlan| {
            let name = topic.name.clone();
            (0..self.cluster.partition_count(&topic.name)).map(move |partition| (name.clone(), partition))
        };
        let all = self.plan.topics.iter().flat_map(partitions);
        all.filter(|(topic, partition)| self.cluster.partition(topic, *partition).leader() == broker)
            .collect()
    }

    /// The end of a log may be gone: a broker that had not everything becomes the leader.
    fn lose_tail(&mut self, dice: &mut Dice, topic: &str, partition: i32) {
        if dice.one_in(2) {
            let lost = self.cluster.truncate(topic, partition, dice.magnitude(1, 8) as usize);
            self.tell(format_args!("{topic}-{partition} loses {} batches", lost.len()));
            self.oracle.gone(topic, partition, lost);
        }
    }

    fn move_leader(&mut self, dice: &mut Dice) {
        let Some((topic, partition)) = self.any_partition(dice) else { return };
        if !self.cluster.has_controller() {
            return;
        }
        let broker = self.any_broker(dice);
        let leader = if dice.one_in(4) || !self.cluster.is_up(broker) { -1 } else { broker };
        self.tell(format_args!("{topic}-{partition} is led by {leader}"));
        self.cluster.set_leader(&topic, partition, leader);
    }

    /// A broker stands still, or goes on with what has come meanwhile.
    fn freeze(&mut self, dice: &mut Dice) {
        let (broker, frozen) = (self.any_broker(dice), dice.one_in(2));
        self.tell(format_args!("broker {broker} stands still: {frozen}"));
        self.set_frozen(broker, frozen);
    }

    fn set_frozen(&mut self, broker: i32, frozen: bool) {
        self.cluster.set_frozen(broker, frozen && self.cluster.is_up(broker));
        let links = self.network.links.iter().enumerate();
        for (link, _) in links.filter(|(_, link)| !frozen && link.broker_id == broker) {
            self.agenda.add(self.now, Event::ToBroker(link));
        }
    }

    fn lose_controller(&mut self, dice: &mut Dice) {
        let there = dice.one_in(2);
        self.tell(format_args!("there is a controller: {there}"));
        self.cluster.set_controller(there);
    }

    fn limit(&mut self, dice: &mut Dice) {
        let throttle_ms = if dice.one_in(2) { 0 } else { dice.magnitude(1, THROTTLE_MS_MAX) };
        self.tell(format_args!("brokers hold clients back for {throttle_ms} ms"));
        self.cluster.set_throttle_time_ms(throttle_ms as i32);
    }

    fn keep_busy(&mut self, dice: &mut Dice) {
        let client = dice.below(self.clients.len() as u64) as usize;
        let asleep_us = dice.magnitude(1_000, ASLEEP_US_MAX);
        self.tell(format_args!("client {client} is not given a processor for {asleep_us} us"));
        let until = &mut self.clients[client].asleep_until;
        *until = (*until).max(self.now + asleep_us);
    }

    fn be_stale(&mut self, dice: &mut Dice) {
        let (broker, stale) = (self.any_broker(dice), dice.one_in(2));
        self.tell(format_args!("broker {broker} hears nothing of leaders: {stale}"));
        self.cluster.set_stale(broker, stale);
    }

    fn lose_replicas(&mut self, dice: &mut Dice) {
        let Some((topic, partition)) = self.any_partition(dice) else { return };
        let replicas = self.cluster.partition(&topic, partition).replicas().to_vec();
        let isr = if dice.one_in(2) { &replicas[..1] } else { &replicas[..] };
        self.tell(format_args!("{topic}-{partition} has {isr:?} in sync"));
        self.cluster.set_isr(&topic, partition, isr);
    }

    fn inject(&mut self, dice: &mut Dice) {
        let apis = [
            ApiKey::PRODUCE,
            ApiKey::PRODUCE,
            ApiKey::PRODUCE,
            ApiKey::METADATA,
            ApiKey::INIT_PRODUCER_ID,
            ApiKey::API_VERSIONS,
            ApiKey::SASL_HANDSHAKE,
            ApiKey::SASL_AUTHENTICATE,
        ];
        let api = *dice.pick(if self.plan.sasl.is_some() { &apis } else { &apis[..6] });
        let action = match dice.below(6) {
            0 if api == ApiKey::PRODUCE => Action::Error(*dice.pick(&REFUSALS)),
            1 if api == ApiKey::PRODUCE => Action::ApplyThenError(*dice.pick(&LIES)),
            0 | 1 if api == ApiKey::INIT_PRODUCER_ID => Action::Error(
                *dice.pick(&[ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, ErrorCode::COORDINATOR_NOT_AVAILABLE]),
            ),
            0 | 1 if api == ApiKey::METADATA => Action::Error(
                *dice.pick(&[ErrorCode::LEADER_NOT_AVAILABLE, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION]),
            ),
            kind => unheard(kind),
        };
        let fault = Fault::new(api, action).times(dice.magnitude(1, 8) as u32);
        self.tell(format_args!("{fault:?}"));
        self.cluster.inject(fault);
    }

    fn refuse(&mut self, dice: &mut Dice) {
        let refusing = dice.one_in(3);
        self.tell(format_args!("credentials are refused: {refusing}"));
        self.cluster.set_refusing_credentials(refusing);
    }

    fn delay(&mut self, dice: &mut Dice) {
        let action = Action::Delay(dice.magnitude(1, LATE_US));
        let fault = Fault::new(*dice.pick(&[ApiKey::PRODUCE, ApiKey::METADATA]), action)
            .times(dice.magnitude(1, 4) as u32);
        self.tell(format_args!("{fault:?}"));
        self.cluster.inject(fault);
    }

    fn change_topic(&mut self, dice: &mut Dice) {
        if !self.cluster.has_controller() {
            return;
        }
        let topic = dice.pick(&self.plan.topics).clone();
        let partitions = self.cluster.partition_count(&topic.name);
        match dice.below(3) {
            _ if partitions == 0 => {
                self.tell(format_args!("{} is made", topic.name));
                self.cluster.create_topic_with(&topic.name, TopicConfig::from(&topic));
            }
            0 => {
                self.tell(format_args!("{} is deleted", topic.name));
                for partition in 0..partitions {
                    let batches: Vec<_> =
                        self.cluster.log(&topic.name, partition).batches().cloned().collect();
                    self.oracle.gone(&topic.name, partition, batches);
                }
                self.cluster.delete_topic(&topic.name);
                if self.plan.release < Release::V2_8 {
                    self.oracle.remade.insert(topic.name);
                }
            }
            _ => {
                self.tell(format_args!("{} gets another partition", topic.name));
                self.cluster.add_partitions(&topic.name, 1);
            }
        }
    }

    fn any_broker(&self, dice: &mut Dice) -> i32 {
        *dice.pick(&self.network.brokers)
    }

    fn any_partition(&self, dice: &mut Dice) -> Option<(String, i32)> {
        let topic = dice.pick(&self.plan.topics).name.clone();
        let partitions = self.cluster.partition_count(&topic);
        (partitions > 0).then(|| (topic, dice.below(partitions as u64) as i32))
    }

    /// Nothing goes wrong any more: brokers are up, partitions are led, links that say nothing end.
    pub(super) fn calm_down(&mut self) {
        self.tell(format_args!("calm"));
        self.calm = true;
        self.cluster.clear_faults();
        self.cluster.set_throttle_time_ms(0);
        self.cluster.set_refusing_credentials(false);
        self.cluster.set_controller(true);
        self.network.calm();
        self.mend_bootstrap_names();
        for broker in self.network.brokers.clone() {
            self.set_frozen(broker, false);
            self.cluster.start_broker(broker);
            self.cluster.set_stale(broker, false);
        }
        for topic in self.plan.topics.clone() {
            if self.cluster.partition_count(&topic.name) == 0 && topic.partitions > 0 {
                self.cluster.create_topic_with(&topic.name, TopicConfig::from(&topic));
            }
            for partition in 0..self.cluster.partition_count(&topic.name) {
                let replicas = self.cluster.partition(&topic.name, partition).replicas().to_vec();
                self.cluster.set_isr(&topic.name, partition, &replicas);
                if self.cluster.partition(&topic.name, partition).leader() == -1 {
                    self.cluster.set_leader(&topic.name, partition, replicas[0]);
                }
            }
        }
        // A kernel gives up on a silent peer some day; here it does when the storm is over.
        for link in 0..self.network.links.len() {
            if self.network.links[link].state == network::State::Silent {
                self.network.links[link].state = network::State::Open;
                self.network.send_to_client(self.now, &mut self.agenda, link, Piece::End(Disconnect::Failed));
            }
        }
    }
}

/// Without an answer, in one of four ways.
pub(crate) const fn unheard(kind: u64) -> Action {
    match kind {
        2 => Action::Drop,
        3 => Action::ApplyThenDrop,
        4 => Action::Close,
        _ => Action::ApplyThenClose,
    }
}
