//! What is read from the spool is little, and partitions share it: those that cannot go on give theirs back when it becomes
//! scarce, and one broker's have half of it at the most: the other half has room for the largest batch. So a broker that is
//! away holds up nothing but its own.

use std::time::Duration;

use felice_core::batch::Batch;
use felice_core::id::{BrokerId, TopicPartition};
use felice_core::memory::Chain;
use felice_core::spool::SpoolPartition;
use felice_core::time::Instant;

use super::{InHand, Spooling, take_hand};
use crate::spool::{BATCHES, Job};
use crate::storage::HeapBlock;

/// What cannot go on for so long gives back what was read of it, where that is scarce.
const PATIENCE: Duration = Duration::from_millis(500);

/// A partition with batches that cannot go on.
pub(super) struct Stuck {
    key: TopicPartition,
    why: Why,
    since: Instant,
}

/// Why a batch does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The sender has no room for its partition: it says when that has changed.
    NoRoom,
    /// Something must come back from the sender before.
    Crowded,
    /// One before it has failed in a way that may pass, and is read again: nothing overtakes it.
    Overtaking,
}

/// A partition of which nothing is read until it can go on.
pub(super) struct HeldUp {
    key: TopicPartition,
    partition: SpoolPartition,
    why: Why,
    /// The thread reads nothing of it: what it had read before has come, and was given back.
    held: bool,
    /// It can go on, as soon as that is so.
    released: bool,
}

/// How many batches these are, and how many blocks they have.
fn sum<'h>(hands: impl Iterator<Item = &'h InHand>) -> (usize, u32) {
    hands.fold((0, 0), |(count, blocks), hand| (count + 1, blocks + hand.blocks))
}

impl Spooling {
    /// Whether a batch is more than its broker's share, with what that has. Any has room where it has nothing.
    pub(super) fn is_crowded(&self, leader: BrokerId, batch: &Batch<HeapBlock>) -> bool {
        let of_leader = |hand: &&InHand| hand.turn.is_some() && hand.leader == Some(leader);
        let (count, blocks) = sum(self.hands.iter().flatten().filter(of_leader));
        let more = batch.chain().map_or(0, Chain::blocks);
        count > 0 && (count >= BATCHES / 2 || blocks + more > self.blocks / 2)
    }

    /// Whether less than a broker's share is left.
    fn is_scarce(&self) -> bool {
        let (count, blocks) = sum(self.hands.iter().flatten());
        count > BATCHES / 2 || blocks > self.blocks / 2
    }

    /// Whether the sender has said that it has no room for a partition.
    pub(super) fn has_no_room(&self, key: TopicPartition) -> bool {
        self.stuck.iter().any(|stuck| stuck.key == key && stuck.why == Why::NoRoom)
    }

    /// A partition goes on.
    pub(super) fn unstick(&mut self, key: TopicPartition, why: Why) {
        self.stuck.retain(|stuck| stuck.key != key || stuck.why != why);
    }

    /// A batch that cannot go on waits; where that is so for long, and others wait for room, it is read again later.
    pub(super) fn defer(&mut self, now: Instant, batch: Batch<HeapBlock>, why: Why) {
        let key = batch.partition;
        if !self.stuck.iter().any(|stuck| stuck.key == key) {
            self.stuck.push(Stuck { key, why, since: now });
        }
        let is_late = |stuck: &Stuck| stuck.key == key && stuck.since + PATIENCE <= now;
        if self.is_held_up(key) || (self.stuck.iter().any(is_late) && self.is_scarce()) {
            self.hand_back(batch, why);
        } else {
            self.ready.push_back(batch);
        }
    }

    /// When batches that cannot go on are to be looked at again.
    pub(in crate::engine) fn poll_timeout(&self) -> Option<Instant> {
        if self.stuck.is_empty() || !self.is_scarce() {
            return None;
        }
        let waits = self.ready.iter().map(|batch| batch.partition);
        let since = waits.filter_map(|key| self.stuck.iter().find(|stuck| stuck.key == key));
        since.map(|stuck| stuck.since + PATIENCE).min()
    }

    /// A batch is read again later.
    pub(super) fn hand_back(&mut self, batch: Batch<HeapBlock>, why: Why) {
        let key = batch.partition;
        let Some(InHand { frame, .. }) = take_hand(&mut self.hands, self.base, batch.id) else { return };
        if !self.is_held_up(key) {
            self.hold_up(key, frame.partition, why);
        }
        if let Some(detours) = &mut self.detours {
            detours.read(key, false);
        }
        self.link.push(Job::Unread { frame, blocks: batch.into_chain() });
    }

    fn hold_up(&mut self, key: TopicPartition, partition: SpoolPartition, why: Why) {
        self.held_up.push(HeldUp { key, partition, why, held: false, released: false });
        self.link.push(Job::Hold(partition));
    }

    /// A batch has failed in a way that may pass: nothing of its partition goes on before all of that is back.
    pub(super) fn call_back(&mut self, key: TopicPartition, partition: SpoolPartition) {
        match self.held_up.iter_mut().find(|held_up| held_up.key == key) {
            Some(held_up) => (held_up.why, held_up.released) = (Why::Overtaking, false),
            None => self.hold_up(key, partition, Why::Overtaking),
        }
    }

    /// A batch that had failed, or was called back, is back.
    pub(super) fn came_back(&mut self, key: TopicPartition) {
        let is_out = |hand: &InHand| hand.key == key && hand.turn.is_some();
        if self.hands.iter().flatten().any(is_out) {
            return;
        }
        self.release_if(|held_up| held_up.key == key && held_up.why == Why::Overtaking);
    }

    /// Whether nothing of a partition goes on.
    pub(super) fn is_held_up(&self, key: TopicPartition) -> bool {
        self.held_up.iter().any(|held_up| held_up.key == key)
    }

    /// The thread has heard that it is to read nothing of a partition.
    pub(super) fn held(&mut self, partition: SpoolPartition) {
        for held_up in self.held_up.iter_mut().filter(|held_up| held_up.partition == partition) {
            held_up.held = true;
        }
        self.go_on();
    }

    /// The sender may have room for a partition.
    pub(super) fn release(&mut self, key: TopicPartition) {
        self.release_if(|held_up| held_up.key == key && held_up.why != Why::Overtaking);
    }

    /// Something has come back from the sender.
    pub(super) fn release_crowded(&mut self) {
        if !self.held_up.is_empty() && !self.is_scarce() {
            self.release_if(|held_up| held_up.why == Why::Crowded);
        }
    }

    fn release_if(&mut self, which: impl Fn(&HeldUp) -> bool) {
        let released = self.held_up.iter_mut().filter(|held_up| which(held_up));
        released.for_each(|held_up| held_up.released = true);
        self.go_on();
    }

    fn go_on(&mut self) {
        for held_up in self.held_up.extract_if(.., |held_up| held_up.held && held_up.released) {
            self.stuck.retain(|stuck| stuck.key != held_up.key || stuck.why == Why::NoRoom);
            self.link.push(Job::Release(held_up.partition));
        }
    }
}
