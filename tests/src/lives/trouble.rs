//! What goes wrong with the cluster and the disk, as the seed allows it, and what the oracle must know of it.

use felice_core::spool::MediumError;

use super::disk::{EIO, Failing};
use super::{PARTITIONS, TOPIC, World};
use crate::cluster::{Action, Fault};
use crate::protocol::{ApiKey, ErrorCode};
use crate::simulation::chaos::{LIES, unheard};
use crate::simulation::dice::Dice;

/// What a broker may answer to Produce without having stored anything.
const REFUSALS: [ErrorCode; 14] = [
    ErrorCode::NOT_LEADER_OR_FOLLOWER,
    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode::NOT_ENOUGH_REPLICAS,
    ErrorCode::REQUEST_TIMED_OUT,
    ErrorCode::KAFKA_STORAGE_ERROR,
    ErrorCode::FENCED_LEADER_EPOCH,
    ErrorCode::CORRUPT_MESSAGE,
    ErrorCode::TOPIC_AUTHORIZATION_FAILED,
    ErrorCode::TOPIC_AUTHORIZATION_FAILED,
    ErrorCode::CLUSTER_AUTHORIZATION_FAILED,
    ErrorCode::UNKNOWN_SERVER_ERROR,
    ErrorCode::INVALID_TIMESTAMP,
    ErrorCode::POLICY_VIOLATION,
    ErrorCode::INVALID_RECORD,
];

/// What it may say instead of what it remembers of producers.
const SILENCES: [ErrorCode; 3] = [
    ErrorCode::NOT_LEADER_OR_FOLLOWER,
    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    ErrorCode::UNKNOWN_SERVER_ERROR,
];

/// Which kinds of trouble a seed has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Troubles {
    /// Errors, lost and late answers.
    errors: bool,
    /// Brokers lose the end of their logs when they stop.
    losses: bool,
    /// Leaders forget their producers, as when these have not written for `producer.id.expiration.ms`.
    forgets: bool,
    disk: bool,
}

impl Troubles {
    pub(super) fn new(dice: &mut Dice) -> Self {
        Self { errors: dice.one_in(2), losses: dice.one_in(8), forgets: dice.one_in(8), disk: dice.one_in(2) }
    }
}

impl World {
    /// Something goes wrong with the cluster, or right again. Gives the broker that has stopped.
    pub(super) fn trouble(&mut self, dice: &mut Dice) -> Option<i32> {
        match dice.below(12) {
            0..3 => self.stop(dice),
            3..6 => self.start(),
            6 => self.move_leader(dice),
            7 if self.troubles.forgets => self.forget(dice),
            8..12 if self.troubles.errors => self.answer_wrongly(dice),
            _ => None,
        }
    }

    fn stop(&mut self, dice: &mut Dice) -> Option<i32> {
        let broker = dice.between(1, self.brokers as u64) as i32;
        if !self.cluster.is_up(broker) {
            return None;
        }
        self.say(format_args!("broker {broker} stops"));
        let led = |partition: &usize| self.cluster.partition(TOPIC, *partition as i32).leader() == broker;
        let led: Vec<usize> = (0..PARTITIONS).filter(led).collect();
        self.cluster.stop_broker(broker);
        for partition in led {
            if self.troubles.losses && dice.one_in(3) {
                let lost = self.cluster.truncate(TOPIC, partition as i32, dice.magnitude(1, 8) as usize);
                self.say(format_args!("partition {partition} loses {} batches", lost.len()));
                self.oracle.lose(partition, &lost);
            }
        }
        Some(broker)
    }

    fn start(&mut self) -> Option<i32> {
        for broker in 1..=self.brokers {
            if !self.cluster.is_up(broker) {
                self.say(format_args!("broker {broker} starts"));
                self.cluster.start_broker(broker);
            }
        }
        None
    }

    fn move_leader(&mut self, dice: &mut Dice) -> Option<i32> {
        let broker = dice.between(1, self.brokers as u64) as i32;
        let partition = dice.below(PARTITIONS as u64) as i32;
        if self.cluster.is_up(broker) {
            self.say(format_args!("partition {partition} is led by {broker}"));
            self.cluster.set_leader(TOPIC, partition, broker);
        }
        None
    }

    fn forget(&mut self, dice: &mut Dice) -> Option<i32> {
        let partition = dice.below(PARTITIONS as u64) as usize;
        self.say(format_args!("partition {partition} forgets all producers"));
        self.cluster.forget_producers(TOPIC, partition as i32);
        self.oracle.loosen(partition);
        None
    }

    fn answer_wrongly(&mut self, dice: &mut Dice) -> Option<i32> {
        let api =
            *dice.pick(&[ApiKey::PRODUCE, ApiKey::PRODUCE, ApiKey::DESCRIBE_PRODUCERS, ApiKey::METADATA]);
        let action = match dice.below(6) {
            0 if api == ApiKey::PRODUCE => Action::Error(*dice.pick(&REFUSALS)),
            1 if api == ApiKey::PRODUCE => Action::ApplyThenError(*dice.pick(&LIES)),
            0 | 1 if api == ApiKey::DESCRIBE_PRODUCERS => Action::Error(*dice.pick(&SILENCES)),
            0 | 1 => Action::Delay(dice.magnitude(1, 10_000_000)),
            kind => unheard(kind),
        };
        let fault = Fault::new(api, action).times(dice.magnitude(1, 8) as u32);
        self.say(format_args!("{fault:?}"));
        self.cluster.inject(fault);
        None
    }

    /// The disk fails for a while, where the seed has that.
    pub(super) fn disk_trouble(&mut self, dice: &mut Dice) -> Option<Failing> {
        if !self.troubles.disk {
            return None;
        }
        // Not for so long that what cannot be read is given up.
        let until = self.now_us + dice.magnitude(1_000, 4_000_000);
        self.disk_fails_until = until;
        let failing =
            Failing { error: *dice.pick(&[EIO, MediumError::NoSpace]), one_in: dice.magnitude(1, 32) };
        self.say(format_args!("{failing:?}, until {until}"));
        Some(failing)
    }

    /// Nothing goes wrong any more.
    pub(super) fn calm_down(&mut self) {
        self.say(format_args!("calm"));
        self.cluster.clear_faults();
        self.start();
        for partition in 0..PARTITIONS as i32 {
            if self.cluster.partition(TOPIC, partition).leader() == -1 {
                self.cluster.set_leader(TOPIC, partition, 1);
            }
        }
    }
}
