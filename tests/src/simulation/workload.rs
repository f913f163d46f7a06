//! What a client's user does: sends in bursts, waits when there is no memory, flushes, closes.

use felice_core::error::AppendError;
use felice_core::time::Timestamp;

use super::agenda::Event;
use super::client::Client;
use super::dice::Dice;
use super::{EPOCH_US, World};

/// The most records of one burst.
const BURST_MAX: u64 = 60;
/// How soon a user comes again who was refused for lack of memory, in microseconds.
const AGAIN_US: u64 = 20_000;

/// How long after the storm users go on, in microseconds.
const PATIENCE_US: u64 = 60_000_000;

/// A user.
#[derive(Debug)]
pub(super) struct Workload {
    dice: Dice,
    sent: u64,
    done: bool,
    /// How far the wall clock is from the truth, in milliseconds.
    clock_ms: i64,
}

impl Workload {
    pub(super) fn new(dice: Dice) -> Self {
        Self { dice, sent: 0, done: false, clock_ms: 0 }
    }

    pub(super) fn is_done(&self) -> bool {
        self.done
    }
}

impl World {
    /// A user's next move.
    pub(super) fn work(&mut self, client: usize) {
        let tired = self.now > self.plan.stormy_us + PATIENCE_US;
        if tired || self.clients[client].is_closed() {
            self.workloads[client].done = true;
            return;
        }
        let plan = self.plan.clients[client].clone();
        let mut dice = self.workloads[client].dice.clone();
        if plan.clock_jumps && dice.one_in(5) {
            let years = dice.below(40) as i64 - 20;
            self.workloads[client].clock_ms = years * 31_557_600_000;
        }
        let mut pause = dice.magnitude(1, plan.pause_us);
        for _ in 0..dice.magnitude(1, BURST_MAX) {
            if self.workloads[client].sent == plan.records {
                break;
            }
            match self.send_one(client, &mut dice) {
                Ok(()) => self.workloads[client].sent += 1,
                Err(
                    AppendError::NoMemory
                    | AppendError::NoShare { .. }
                    | AppendError::TooManyPartitions { .. },
                ) => {
                    pause = dice.between(1, AGAIN_US);
                    break;
                }
                // It never will be taken, or not while the topic is as it is.
                Err(_) => self.workloads[client].sent += 1,
            }
        }
        if dice.one_in(6) {
            self.with_client(client, Client::flush);
        }
        let over = self.workloads[client].sent == plan.records;
        if over || (plan.closes && dice.one_in(8)) {
            // A user who does not close early closes when all is resolved: never, as far as the run is concerned.
            if plan.closes {
                let timeout = dice.magnitude(1, 5_000_000);
                self.with_client(client, |client, around| client.close(around, timeout));
            }
            self.workloads[client].done = true;
        } else {
            self.agenda.add(self.now + pause, Event::Work(client));
        }
        self.workloads[client].dice = dice;
    }

    fn send_one(&mut self, client: usize, dice: &mut Dice) -> Result<(), AppendError> {
        let topic = dice.pick(&self.plan.topics).name.clone();
        let length = if dice.one_in(20) {
            dice.below(self.plan.clients[client].value_bytes_max * 2)
        } else {
            dice.magnitude(1, self.plan.clients[client].value_bytes_max)
        };
        let mut value = self.oracle.next().to_be_bytes().to_vec();
        let filler = dice.next() as u8;
        value.extend((0..length).map(|index| filler.wrapping_add(index as u8)));
        let partitions = self.cluster.partition_count(&topic).max(1) as u64;
        let partition = dice.one_in(3).then(|| dice.below(partitions) as i32);
        let key = dice.one_in(2).then(|| dice.below(40));
        let truth = ((EPOCH_US + self.now) / 1_000) as i64;
        let timestamp = Timestamp::from_millis(truth + self.workloads[client].clock_ms);
        let mut result = Ok(());
        self.with_client(client, |client, around| {
            result = client.send(around, &topic, partition, key, value, timestamp);
        });
        result
    }
}
