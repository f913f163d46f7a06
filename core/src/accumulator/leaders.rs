//! What the sender tells of the cluster: a topic's partitions, who leads them, and which brokers take records.

use super::Accumulator;
use super::list::NONE;
use crate::event::TopicView;
use crate::id::{BrokerId, NOBODY, TopicId, TopicPartition};
use crate::memory::Storage;
use crate::spans::Span;

impl<S: Storage> Accumulator<S> {
    /// What is known of a topic has changed. What waited for it gets its partition at the next poll, or is handed over
    /// to fail. Tell the leaders before that poll, too.
    pub fn handle_topic(&mut self, topic: TopicId, view: TopicView) {
        let Some(slot) = self.topics.slot_mut(topic) else { return };
        let view = match view {
            TopicView::Known { partitions } if partitions <= 0 => TopicView::Unknown,
            view => view,
        };
        if slot.view == view {
            return;
        }
        slot.view = view;
        match view {
            TopicView::Known { partitions } => self.make_room_for_leaders(topic, partitions.cast_unsigned()),
            TopicView::Unknown => {}
            TopicView::Failed(_) => {
                self.partitions.ready_topic(topic);
                if self.cursor.as_ref().is_some_and(|cursor| cursor.topic() == topic) {
                    self.stop_moving();
                }
            }
        }
        self.topics.relist(topic);
    }

    /// The leaders of a known topic's partitions from `first` on have changed. Records without a key go to partitions
    /// that have one; memory is shared by leader.
    pub fn handle_leaders(
        &mut self,
        topic: TopicId,
        first: i32,
        leaders: impl Iterator<Item = Option<BrokerId>>,
    ) {
        let Some(span) = self.topics.slot(topic).map(|slot| slot.leaders) else { return };
        let room = self.leaders.of(span).len();
        let first = usize::try_from(first).unwrap_or(room).min(room);
        for (partition, leader) in (first..room).zip(leaders) {
            let leader = leader.map_or(NOBODY, |broker| self.brokers.known(broker.0));
            let before = core::mem::replace(&mut self.leaders.of_mut(span)[partition], leader);
            if before != leader {
                self.change_leader(TopicPartition { topic, partition: partition as i32 }, leader);
            }
        }
        self.skip_unavailable();
    }

    /// A broker takes records from now on, or does not. None does before this has said so.
    pub fn handle_broker(&mut self, broker: BrokerId, available: bool) {
        if self.brokers.set_available(broker.0, available) {
            self.skip_unavailable();
        }
    }

    /// Who leads a partition, as far as is known.
    #[inline]
    pub(super) fn leader(&self, topic: TopicId, partition: i32) -> u16 {
        let span = self.topics.slot(topic).map_or(Span::EMPTY, |slot| slot.leaders);
        self.leaders.of(span).get(partition as usize).copied().unwrap_or(NOBODY)
    }

    /// Where the table is full, leaders of a topic's last partitions are not known: as if they had none.
    fn make_room_for_leaders(&mut self, topic: TopicId, partitions: u32) {
        let span = self.topics.at(topic).leaders;
        if partitions > span.room()
            && let Some(grown) = self.leaders.grow(span, partitions, NOBODY, self.topics.spans_mut())
        {
            self.topics.at(topic).leaders = grown;
        }
    }

    fn change_leader(&mut self, key: TopicPartition, leader: u16) {
        let slot = self.partitions.look_up(key);
        if slot != NONE {
            let slot = self.partitions.at_mut(slot);
            let before = core::mem::replace(&mut slot.broker, leader);
            self.brokers.change(before, leader, slot.blocks);
        }
    }
}
