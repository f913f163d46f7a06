//! The door to the sender: what is ready, what has failed, and memory on its way back.

use super::Accumulator;
use super::batches::{BatchSlot, Owner};
use super::list::NONE;
use super::partitions::State;
use crate::batch::{Batch, Records};
use crate::id::{BatchId, TopicId, TopicPartition};
use crate::memory::{Chain, Storage};
use crate::time::Instant;

/// The partition of a batch that has none.
const NO_PARTITION: i32 = -1;

impl<S: Storage> Accumulator<S> {
    /// A partition that has a batch ready. It is not named again before [`take`](Self::take) or
    /// [`allow`](Self::allow): ask the sender for room, then call the one, or wait for
    /// [`Event::Ready`](crate::event::Event::Ready) and call the other.
    #[must_use]
    pub fn poll_ready(&mut self, now: Instant) -> Option<TopicPartition> {
        self.advance(now);
        if !self.topics.moving.is_empty() {
            self.assign_queues();
        }
        let slot = match self.partitions.first_ready() {
            NONE => match self.partitions.first_lingering() {
                Some((slot, due)) if due || self.linger_end(slot) <= self.now => slot,
                _ => {
                    self.woken = false;
                    return None;
                }
            },
            slot => slot,
        };
        self.partitions.schedule(slot, State::Parked);
        Some(self.partitions.at(slot).key)
    }

    /// Takes a partition's first batch out, for which the sender has room. Moves a few fields, whatever it holds: its
    /// blocks are put in order by [`Batch::seal`], outside the lock.
    pub fn take(&mut self, partition: TopicPartition) -> Option<Batch<S::Block>> {
        let slot = self.partitions.find(partition);
        if slot == NONE {
            return None;
        }
        let first = self.partitions.at(slot).queue.first();
        let batch = (first != NONE).then(|| self.hand_over(first));
        // What stood behind another batch does not begin to linger now.
        self.unpark(slot);
        batch
    }

    /// The sender has room for a partition again.
    pub fn allow(&mut self, partition: TopicPartition) {
        let slot = self.partitions.find(partition);
        if slot != NONE && self.partitions.at(slot).state == State::Parked {
            self.unpark(slot);
        }
    }

    /// A batch that the sender must fail, the oldest first: its delivery timeout has passed, its topic has failed while
    /// its partition was not known, or everything was [abandoned](Self::abandon). The partition of one that has none is
    /// -1; its bytes may not be records then, and what of it has moved before is not in it ([`Batch::first`]).
    #[must_use]
    pub fn poll_expired(&mut self, now: Instant) -> Option<Batch<S::Block>> {
        self.advance(now);
        let oldest = self.batches.oldest();
        if oldest == NONE {
            return None;
        }
        if self.abandoned || self.batches.at(oldest).created + self.config.delivery_timeout <= self.now {
            return Some(self.hand_over(oldest));
        }
        match self.topics.failing.first() {
            NONE => None,
            topic => {
                let first = self.topics.at(TopicId(topic as u16)).queue.first();
                Some(self.hand_over(first))
            }
        }
    }

    /// A batch's memory comes back from the sender. The batch's id means nothing any more.
    pub fn recycle(&mut self, batch: BatchId, partition: TopicPartition, blocks: Chain<S::Block>) {
        self.pool.recycle(blocks);
        let Some(slot) = self.batches.find_out(batch) else { return };
        let BatchSlot { owner, blocks_out, .. } = *self.batches.at(slot);
        self.batches.release(slot);
        match owner {
            Owner::Partition(owner) => {
                debug_assert_eq!(self.partitions.at(owner).key, partition, "a batch keeps its partition");
                let slot = self.partitions.at_mut(owner);
                slot.blocks -= blocks_out;
                slot.out -= 1;
                self.brokers.give_back(slot.broker, blocks_out);
                self.end_use(owner);
            }
            Owner::Topic(topic) => self.count_queue(TopicId(topic), 0, blocks_out),
        }
    }

    /// Takes a held batch out of all lists.
    fn hand_over(&mut self, batch: u32) -> Batch<S::Block> {
        if self.cursor.as_ref().is_some_and(|cursor| cursor.batch() == batch) {
            self.stop_moving();
        }
        self.batches.hand_over(batch);
        let slot = self.batches.at_mut(batch);
        slot.blocks_out = slot.chain.blocks();
        let mut batch_out = Batch {
            id: slot.id,
            partition: TopicPartition { topic: TopicId(0), partition: NO_PARTITION },
            first: slot.first,
            count: slot.count - slot.first,
            base_timestamp: slot.base_timestamp,
            max_timestamp: slot.max_timestamp,
            created: slot.created,
            records: Records::Open(core::mem::take(&mut slot.chain)),
            part: None,
            compressed: None,
        };
        match slot.owner {
            Owner::Partition(owner) => {
                let slot = self.partitions.at_mut(owner);
                batch_out.partition = slot.key;
                slot.queue.remove(self.batches.slots_mut(), BatchSlot::queued, batch);
                slot.out += 1;
                if slot.queue.is_empty() && slot.state != State::Parked {
                    self.partitions.schedule(owner, State::Idle);
                }
            }
            Owner::Topic(topic) => {
                let topic = TopicId(topic);
                batch_out.partition.topic = topic;
                self.topics.at(topic).queue.remove(self.batches.slots_mut(), BatchSlot::queued, batch);
                self.topics.relist(topic);
            }
        }
        batch_out
    }

    fn unpark(&mut self, slot: u32) {
        let held = !self.partitions.at(slot).queue.is_empty();
        self.partitions.schedule(slot, if held { State::Ready } else { State::Idle });
        self.end_use(slot);
    }
}
