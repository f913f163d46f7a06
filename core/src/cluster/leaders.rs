//! Who leads each partition, and which of two words about it is the newer one.

use super::{Cluster, TopicSlot, TopicState};
use crate::id::{BrokerId, NOBODY, TopicId};
use crate::memory::Storage;

impl<S: Storage> Cluster<S> {
    /// The slot of a partition's leader, while it has one.
    pub(crate) fn leader(&self, topic: TopicId, partition: i32) -> Option<u16> {
        let leader =
            self.leaders_of(topic).get(usize::try_from(partition).ok()?).map(|&leader| leader as u16)?;
        (leader != NOBODY).then_some(leader)
    }

    /// Whether whoever is in a slot leads anything, as far as is known.
    pub(crate) fn leads(&self, slot: u16) -> bool {
        let topics = (0..self.topics.as_ref().len() as u16).map(TopicId);
        topics.flat_map(|topic| self.leaders_of(topic)).any(|&leader| leader as u16 == slot)
    }

    /// The leaders of a topic's partitions from `first` on.
    pub(crate) fn leaders(&self, topic: TopicId, first: i32) -> impl Iterator<Item = Option<BrokerId>> {
        let leaders = self.leaders_of(topic).get(usize::try_from(first).unwrap_or(0)..).unwrap_or_default();
        leaders.iter().map(|&leader| (leader as u16 != NOBODY).then_some(BrokerId(leader as u16)))
    }

    /// As far as the topic is known.
    fn leaders_of(&self, topic: TopicId) -> &[u32] {
        match self.topic(topic) {
            Some(TopicSlot { state: TopicState::Known { partitions }, leaders, .. }) => {
                &self.leaders.of(*leaders)[..*partitions as usize]
            }
            _ => &[],
        }
    }

    /// The place of a partition's leader in the table, if the partition is known.
    fn leader_mut(&mut self, topic: TopicId, partition: i32) -> Option<&mut u32> {
        let &TopicSlot { state: TopicState::Known { partitions }, leaders, .. } = self.topic(topic)? else {
            return None;
        };
        let known = (0..partitions).contains(&partition);
        known.then(|| &mut self.leaders.of_mut(leaders)[partition as usize])
    }

    /// A topic has `count` partitions. False when the table of leaders has no room for them.
    pub(crate) fn set_partitions(&mut self, topic: TopicId, count: i32) -> bool {
        let wanted = count.max(0) as u32;
        let Some(slot) = self.topic(topic).copied() else { return false };
        let nobody = u32::from(NOBODY);
        let mut leaders = slot.leaders;
        if wanted > leaders.room() {
            let others = self.topics.as_mut().iter_mut().map(|slot| &mut slot.leaders);
            let Some(grown) = self.leaders.grow(leaders, wanted, nobody, others) else { return false };
            leaders = grown;
        }
        let known = match slot.state {
            TopicState::Known { partitions } => partitions as u32,
            _ => 0,
        };
        self.leaders.of_mut(leaders)[known.min(wanted) as usize..wanted as usize].fill(nobody);
        let state = TopicState::Known { partitions: count };
        if let Some(slot) = self.topic_mut(topic) {
            slot.leaders = leaders;
            slot.unknown_since = None;
            slot.state = state;
        }
        if slot.state != state {
            self.mark_changed(topic);
        }
        true
    }

    /// The leader says that it is not: nobody leads, as far as is known, until the next metadata.
    pub(crate) fn doubt_leader(&mut self, topic: TopicId, partition: i32) {
        if let Some(leader) = self.leader_mut(topic, partition)
            && *leader as u16 != NOBODY
        {
            *leader |= u32::from(NOBODY);
            self.mark_changed(topic);
        }
    }

    /// A topic may be another one than it was: its leaders' epochs begin anew, and the next word of them is believed.
    pub(crate) fn forget_epochs(&mut self, topic: TopicId) {
        if let Some(&TopicSlot { leaders, .. }) = self.topic(topic) {
            for leader in self.leaders.of_mut(leaders) {
                *leader &= u32::from(u16::MAX);
            }
        }
    }

    /// A leader that a broker names in passing (KIP-951). Believed only if its epoch is newer than what is known: a
    /// broker that has just become one may name itself, and two may name each other.
    pub(crate) fn hint_leader(&mut self, topic: TopicId, partition: i32, leader: u16, epoch: i32) -> bool {
        let Some(entry) = self.leader_mut(topic, partition) else { return false };
        let known = (*entry >> 16) as u16;
        if epoch < 0 || (epoch as u16).wrapping_sub(known) as i16 <= 0 {
            return false;
        }
        *entry = u32::from(leader) | (epoch.cast_unsigned() << 16);
        self.mark_changed(topic);
        // Whoever leads is there, though the latest metadata may not have named it yet.
        if let Some(broker) = self.brokers.as_mut().get_mut(usize::from(leader)) {
            broker.listed = true;
        }
        true
    }

    /// The leader of a partition, unless the word is older than what is known already. Where topics have no ids, and nobody
    /// is known to lead, or one that is gone, any word is better: the topic may be another one of that name, whose epochs
    /// begin anew.
    pub(crate) fn set_leader(&mut self, topic: TopicId, partition: i32, leader: Option<u16>, epoch: i32) {
        let has_id = self.has_id(topic);
        let gone = self.leader(topic, partition).is_some_and(|leader| {
            let broker = &self.brokers.as_ref()[usize::from(leader)];
            !broker.listed && !broker.connection.is_ready()
        });
        let Some(entry) = self.leader_mut(topic, partition) else { return };
        let known = (*entry >> 16) as u16;
        // Half of the epoch is enough to order two words that are less than 32,768 elections apart. Without an epoch
        // (-1), and for the first word, everything is believed.
        let older = (epoch as u16).wrapping_sub(known) as i16;
        let needed = !has_id && (gone || *entry as u16 == NOBODY);
        if epoch >= 0 && known != 0 && older < 0 && !needed {
            return;
        }
        let before =
            core::mem::replace(entry, u32::from(leader.unwrap_or(NOBODY)) | (epoch.max(0) as u32) << 16);
        if before as u16 != leader.unwrap_or(NOBODY) {
            self.mark_changed(topic);
        }
    }

    /// A slot that is given to another broker leads nothing any more.
    pub(super) fn forget_leader(&mut self, slot: u16) {
        for leader in self.leaders.used_mut() {
            if *leader as u16 == slot {
                *leader |= u32::from(NOBODY);
            }
        }
        for topic in self.topics.as_mut() {
            topic.changed |= matches!(topic.state, TopicState::Known { .. });
        }
        self.changed = true;
    }
}
