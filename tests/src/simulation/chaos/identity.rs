//! Brokers that do not stay what they were: their addresses change, or their ids do.

use crate::cluster::Fault;
use crate::protocol::{ApiKey, ErrorCode};
use crate::simulation::World;
use crate::simulation::dice::Dice;

/// The port of the bootstrap servers, and of brokers that come with a name of their own.
const PORT: u16 = 9_092;

/// Ids for brokers to come.
#[derive(Debug)]
pub(super) struct Ids {
    /// What no broker has now: the least and the greatest that there are, and those of brokers that are gone.
    free: Vec<i32>,
    next: i32,
    /// How many brokers have come with an address of their own: no two ever have the same.
    machines: u32,
}

impl Ids {
    pub(super) fn new(brokers: i32) -> Self {
        Self { free: vec![0, i32::MAX], next: brokers + 1, machines: 0 }
    }

    /// A new one, or one that somebody else may have had.
    fn take(&mut self, dice: &mut Dice) -> i32 {
        if !self.free.is_empty() && dice.one_in(3) {
            return self.free.swap_remove(dice.below(self.free.len() as u64) as usize);
        }
        self.next += 1;
        self.next - 1
    }
}

impl World {
    pub(super) fn change_address(&mut self, dice: &mut Dice) {
        if dice.one_in(3) {
            self.tell(format_args!("start again from the bootstrap servers"));
            self.cluster.inject(Fault::error(ApiKey::METADATA, ErrorCode::REBOOTSTRAP_REQUIRED));
            return;
        }
        let broker = self.any_broker(dice);
        let port = 9_093 + dice.below(20) as u16;
        let place = (format!("broker-{broker}"), port);
        self.tell(format_args!("broker {broker} listens on {port}, too"));
        self.cluster.set_address(broker, &place.0, i32::from(port));
        self.addresses.insert(place, broker);
        if dice.one_in(2) {
            self.network.broker_gone(self.now, &mut self.agenda, broker, false);
        }
    }

    /// An operator replaces a broker, or all of them, as when a cluster is made again from its disks.
    pub(super) fn change_ids(&mut self, dice: &mut Dice) {
        if !self.cluster.has_controller() {
            return;
        }
        if dice.one_in(8) {
            for broker in self.network.brokers.clone() {
                self.replace(dice, broker);
            }
        } else {
            let broker = self.any_broker(dice);
            self.replace(dice, broker);
        }
    }

    /// The new one takes over while the old one runs, or its disk; it listens where the old one did, or elsewhere.
    fn replace(&mut self, dice: &mut Dice, old: i32) {
        let new = self.chaos.ids.take(dice);
        self.chaos.ids.free.push(old);
        let (disk, stays, silently) = (dice.one_in(2), dice.one_in(2), dice.one_in(3));
        self.tell(format_args!("broker {old} is {new} now, by its disk: {disk}, same address: {stays}"));
        if disk {
            self.cluster.stop_broker(old);
        }
        self.network.broker_stopped(self.now, &mut self.agenda, old, silently);
        self.network.broker_replaced(old, new, stays);
        self.cluster.replace_broker(old, new);
        if stays {
            self.addresses.values_mut().filter(|id| **id == old).for_each(|id| *id = new);
        } else {
            self.addresses.retain(|_, id| *id != old);
            self.chaos.ids.machines += 1;
            let place = (format!("machine-{}", self.chaos.ids.machines), PORT);
            self.cluster.set_address(new, &place.0, i32::from(place.1));
            self.addresses.insert(place, new);
        }
        self.cluster.start_broker(new);
    }

    /// The users' lists of servers name machines that may be gone: their names lead to those that came instead.
    pub(super) fn mend_bootstrap_names(&mut self) {
        for (index, broker) in self.network.brokers.iter().enumerate() {
            self.addresses.entry((format!("broker-{}", index + 1), PORT)).or_insert(*broker);
        }
    }
}
