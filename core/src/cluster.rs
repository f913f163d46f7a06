//! What is known of the cluster: brokers, topics, the leader of each partition, and what must be asked next.
//!
//! It only remembers. Who is asked, and when, is the [`Sender`](crate::Sender)'s business. A broker's numbers never make
//! it allocate: what does not fit into the tables is refused by name.

use crate::error::ErrorCode;
use crate::event::TopicView;
use crate::id::{BrokerId, NOBODY, TopicId};
use crate::memory::Storage;
use crate::sender::connection::Connection;
use crate::spans::{Span, Spans};
use crate::time::Instant;

/// The longest host name that is kept.
pub(crate) const HOST_BYTES: usize = 255;

/// A broker, or a bootstrap server that no answer has named yet, and the connection to it.
#[derive(Debug)]
pub struct BrokerSlot {
    /// Kafka's node id; negative for a bootstrap server that is not known to be a broker.
    pub(crate) node_id: i32,
    pub(crate) host: heapless::String<HOST_BYTES>,
    pub(crate) port: u16,
    /// Named by the user: kept even when no answer lists it.
    pub(crate) bootstrap: bool,
    /// Named by the latest metadata.
    pub(crate) listed: bool,
    pub(crate) connection: Connection,
}

impl BrokerSlot {
    /// A slot that nobody uses.
    pub const EMPTY: Self = Self {
        node_id: -1,
        host: heapless::String::new(),
        port: 0,
        bootstrap: false,
        listed: false,
        connection: Connection::EMPTY,
    };

    fn is_free(&self) -> bool {
        !self.bootstrap && !self.listed && self.node_id < 0
    }
}

/// What the control plane knows of a topic.
#[derive(Clone, Copy, Debug)]
pub struct TopicSlot {
    name_start: u32,
    name_bytes: u8,
    pub(crate) state: TopicState,
    /// Kafka's id of the topic (KIP-516); zero while it is not known. A recreated topic has another one.
    pub(crate) id: [u8; 16],
    /// The id before: answers to what was sent under it may still come.
    previous_id: [u8; 16],
    leaders: Span,
    /// Its metadata is to be asked for.
    pub(crate) refresh: bool,
    /// It is in the metadata request that is in flight.
    pub(crate) asked: bool,
    /// What the broker has shown to take: no larger batches, header included.
    pub(crate) batch_bytes_max: u32,
    /// `Event::Topic` is due.
    changed: bool,
    /// Since when every answer has been that it does not exist.
    pub(crate) unknown_since: Option<Instant>,
    /// While a request is composed: the last batch of this topic in it.
    pub(crate) compose: u32,
}

/// Where a topic stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TopicState {
    /// The slot is free.
    Free,
    Unknown,
    Known {
        partitions: i32,
    },
    Failed(ErrorCode),
}

impl TopicSlot {
    /// A slot that no topic uses.
    pub const EMPTY: Self = Self {
        name_start: 0,
        name_bytes: 0,
        state: TopicState::Free,
        id: [0; 16],
        previous_id: [0; 16],
        leaders: Span::EMPTY,
        refresh: false,
        asked: false,
        batch_bytes_max: u32::MAX,
        changed: false,
        unknown_since: None,
        compose: u32::MAX,
    };
}

/// Brokers, topics and leaders, in tables of the caller's.
pub(crate) struct Cluster<S: Storage> {
    brokers: S::Table<BrokerSlot>,
    topics: S::Table<TopicSlot>,
    names: S::Table<u8>,
    names_used: u32,
    /// Per known partition: the leader's slot below, the low half of its epoch above.
    leaders: Spans<S, u32>,
    /// Some topic has changed.
    changed: bool,
    /// How often something has changed.
    revision: u32,
}

impl<S: Storage> Cluster<S> {
    pub(crate) const fn new(
        brokers: S::Table<BrokerSlot>,
        topics: S::Table<TopicSlot>,
        names: S::Table<u8>,
        leaders: S::Table<u32>,
    ) -> Self {
        Self {
            brokers,
            topics,
            names,
            names_used: 0,
            leaders: Spans::new(leaders),
            changed: false,
            revision: 0,
        }
    }

    pub(crate) fn brokers(&self) -> &[BrokerSlot] {
        self.brokers.as_ref()
    }

    pub(crate) fn brokers_mut(&mut self) -> &mut [BrokerSlot] {
        self.brokers.as_mut()
    }

    /// Remembers a bootstrap server; false when every slot is taken or the name is too long.
    pub(crate) fn add_bootstrap(&mut self, host: &str, port: u16) -> bool {
        let taken = self.brokers.as_ref().iter().filter(|slot| !slot.is_free()).count();
        let Ok(name) = heapless::String::try_from(host) else { return false };
        let Some(slot) = self.brokers.as_mut().iter_mut().find(|slot| slot.is_free()) else { return false };
        slot.node_id = -1 - i32::try_from(taken).unwrap_or(0);
        slot.host = name;
        slot.port = port;
        slot.bootstrap = true;
        true
    }

    /// Before the brokers of a metadata answer: none is listed yet.
    pub(crate) fn unlist_brokers(&mut self) {
        for slot in self.brokers.as_mut() {
            slot.listed = false;
        }
    }

    /// A broker as metadata names it. Its slot; `None` when all are taken by others that are needed.
    pub(crate) fn list_broker(&mut self, node_id: i32, host: &str, port: u16) -> Option<u16> {
        let brokers = self.brokers.as_mut();
        let same = |slot: &BrokerSlot| slot.port == port && slot.host == host;
        if let Some(known) = brokers.iter().position(|slot| slot.node_id == node_id) {
            if same(&brokers[known]) {
                brokers[known].listed = true;
                return Some(known as u16);
            }
            // The broker has moved: its old slot goes back to being a bootstrap server, or is left to run dry.
            brokers[known].node_id = -1 - known as i32;
            brokers[known].listed = false;
        }
        // A bootstrap server that turns out to be this broker keeps its connection.
        let index = brokers
            .iter()
            .position(|slot| slot.node_id < 0 && slot.bootstrap && same(slot))
            .or_else(|| brokers.iter().position(|slot| slot.is_free() && slot.connection.is_idle()))
            .or_else(|| {
                brokers.iter().position(|slot| !slot.bootstrap && !slot.listed && slot.connection.is_idle())
            })?;
        let name = heapless::String::try_from(host).ok()?;
        brokers[index].node_id = node_id;
        brokers[index].host = name;
        brokers[index].port = port;
        brokers[index].listed = true;
        self.forget_leader(index as u16);
        Some(index as u16)
    }

    /// Whoever is in the slot is no broker that is known; a bootstrap server stays one.
    pub(crate) fn forget_broker(&mut self, slot: u16) {
        let broker = &mut self.brokers.as_mut()[usize::from(slot)];
        broker.node_id = -1 - i32::from(slot);
        broker.listed = false;
        self.forget_leader(slot);
    }

    pub(crate) fn broker_of_node(&self, node_id: i32) -> Option<u16> {
        if node_id < 0 {
            return None;
        }
        self.brokers.as_ref().iter().position(|slot| slot.node_id == node_id).map(|index| index as u16)
    }

    /// A slot that is given to another broker leads nothing any more.
    fn forget_leader(&mut self, slot: u16) {
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

    /// What is known of a topic has changed: the accumulator must hear of it.
    pub(crate) fn mark_changed(&mut self, topic: TopicId) {
        if let Some(slot) = self.topic_mut(topic) {
            slot.changed = true;
            self.changed = true;
            self.revision = self.revision.wrapping_add(1);
        }
    }

    /// Differs once anything has changed.
    pub(crate) const fn revision(&self) -> u32 {
        self.revision
    }

    /// A topic that has changed since it was asked for last.
    pub(crate) fn take_changed(&mut self) -> Option<TopicId> {
        if !self.changed {
            return None;
        }
        let found = self.topics.as_mut().iter_mut().position(|slot| core::mem::take(&mut slot.changed));
        self.changed = found.is_some();
        found.map(|index| TopicId(index as u16))
    }

    pub(crate) fn topics(&self) -> &[TopicSlot] {
        self.topics.as_ref()
    }

    pub(crate) fn topics_mut(&mut self) -> &mut [TopicSlot] {
        self.topics.as_mut()
    }

    pub(crate) fn topic(&self, topic: TopicId) -> Option<&TopicSlot> {
        self.topics.as_ref().get(usize::from(topic.0)).filter(|slot| slot.state != TopicState::Free)
    }

    pub(crate) fn topic_mut(&mut self, topic: TopicId) -> Option<&mut TopicSlot> {
        self.topics.as_mut().get_mut(usize::from(topic.0)).filter(|slot| slot.state != TopicState::Free)
    }

    /// The topic has this id: the one that it had before, if that was another one (zero: none was known). A broker that
    /// tells none changes nothing.
    pub(crate) fn set_id(&mut self, topic: TopicId, id: [u8; 16]) -> Option<[u8; 16]> {
        let slot = self.topic_mut(topic).filter(|slot| id != [0; 16] && id != slot.id)?;
        slot.previous_id = core::mem::replace(&mut slot.id, id);
        Some(slot.previous_id)
    }

    /// Known topics whose ids are not known are asked for once more.
    pub(crate) fn refresh_without_id(&mut self) {
        for slot in self.topics.as_mut() {
            slot.refresh |= slot.id == [0; 16] && matches!(slot.state, TopicState::Known { .. });
        }
    }

    /// Whether a topic made anew can be told from the one before.
    pub(crate) fn has_id(&self, topic: TopicId) -> bool {
        self.topic(topic).is_some_and(|slot| slot.id != [0; 16])
    }

    /// Remembers a topic under the id that the accumulator gave it; false when there is no room for it.
    pub(crate) fn add_topic(&mut self, topic: TopicId, name: &str) -> bool {
        let start = self.names_used as usize;
        let Some(slot) = self.topics.as_mut().get_mut(usize::from(topic.0)) else { return false };
        if slot.state != TopicState::Free {
            return true;
        }
        let Ok(name_bytes) = u8::try_from(name.len()) else { return false };
        let Some(room) = self.names.as_mut().get_mut(start..start + name.len()) else { return false };
        room.copy_from_slice(name.as_bytes());
        self.names_used += u32::from(name_bytes);
        *slot = TopicSlot {
            name_start: start as u32,
            name_bytes,
            state: TopicState::Unknown,
            refresh: true,
            ..TopicSlot::EMPTY
        };
        true
    }

    pub(crate) fn topic_name(&self, topic: TopicId) -> &str {
        let Some(slot) = self.topic(topic) else { return "" };
        let start = slot.name_start as usize;
        let bytes = &self.names.as_ref()[start..start + usize::from(slot.name_bytes)];
        core::str::from_utf8(bytes).unwrap_or("")
    }

    pub(crate) fn topic_of_name(&self, name: &str) -> Option<TopicId> {
        (0..self.topics.as_ref().len() as u16).map(TopicId).find(|&topic| {
            self.topic(topic).is_some_and(|slot| usize::from(slot.name_bytes) == name.len())
                && self.topic_name(topic) == name
        })
    }

    pub(crate) fn topic_of_id(&self, id: [u8; 16]) -> Option<TopicId> {
        let known = id != [0; 16];
        (0..self.topics.as_ref().len() as u16).map(TopicId).find(|&topic| {
            known && self.topic(topic).is_some_and(|slot| slot.id == id || slot.previous_id == id)
        })
    }

    pub(crate) fn view(&self, topic: TopicId) -> TopicView {
        match self.topic(topic).map(|slot| slot.state) {
            Some(TopicState::Known { partitions }) => TopicView::Known { partitions },
            Some(TopicState::Failed(code)) => TopicView::Failed(code),
            Some(TopicState::Unknown | TopicState::Free) | None => TopicView::Unknown,
        }
    }

    /// The slot of a partition's leader, while it has one.
    pub(crate) fn leader(&self, topic: TopicId, partition: i32) -> Option<u16> {
        let leader =
            self.leaders_of(topic).get(usize::try_from(partition).ok()?).map(|&leader| leader as u16)?;
        (leader != NOBODY).then_some(leader)
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
        if let Some(leader) = self.leader_mut(topic, partition) {
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
        true
    }

    /// The leader of a partition, unless the word is older than what is known already. Where topics have no ids, and nobody
    /// is known to lead, any word is better than none: the topic may be another one of that name, whose epochs begin anew.
    pub(crate) fn set_leader(&mut self, topic: TopicId, partition: i32, leader: Option<u16>, epoch: i32) {
        let has_id = self.has_id(topic);
        let Some(entry) = self.leader_mut(topic, partition) else { return };
        let known = (*entry >> 16) as u16;
        // Half of the epoch is enough to order two words that are less than 32,768 elections apart. Without an epoch
        // (-1), and for the first word, everything is believed.
        let older = (epoch as u16).wrapping_sub(known) as i16;
        let needed = !has_id && *entry as u16 == NOBODY;
        if epoch >= 0 && known != 0 && older < 0 && !needed {
            return;
        }
        let before =
            core::mem::replace(entry, u32::from(leader.unwrap_or(NOBODY)) | (epoch.max(0) as u32) << 16);
        if before as u16 != leader.unwrap_or(NOBODY) {
            self.mark_changed(topic);
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::test_storage::{Boxes, table};

    fn cluster() -> Cluster<Boxes> {
        Cluster::new(
            table(4, || BrokerSlot::EMPTY),
            table(3, || TopicSlot::EMPTY),
            table(64, || 0),
            table(10, || 0),
        )
    }

    #[test]
    fn a_bootstrap_server_becomes_the_broker_that_it_is() {
        let mut cluster = cluster();
        assert!(cluster.add_bootstrap("a", 1));
        assert!(cluster.add_bootstrap("b", 2));
        assert_eq!(cluster.list_broker(7, "b", 2), Some(1));
        assert_eq!(cluster.list_broker(8, "c", 3), Some(2));
        assert_eq!(cluster.broker_of_node(7), Some(1));
        assert_eq!(cluster.list_broker(7, "d", 4), Some(3), "a broker that moved gets another slot");
        assert_eq!(cluster.broker_of_node(7), Some(3));
        assert!(cluster.brokers()[1].node_id < 0);
        assert_eq!(cluster.list_broker(9, "e", 5), None, "all slots are taken");
    }

    #[test]
    fn leaders_move_with_growing_topics() {
        let mut cluster = cluster();
        for (index, name) in ["one", "two", "three"].iter().enumerate() {
            assert!(cluster.add_topic(TopicId(index as u16), name));
        }
        assert!(cluster.set_partitions(TopicId(0), 2));
        assert!(cluster.set_partitions(TopicId(1), 3));
        assert!(cluster.set_partitions(TopicId(2), 1));
        for (topic, count) in [(0, 2), (1, 3), (2, 1)] {
            for partition in 0..count {
                cluster.set_leader(TopicId(topic), partition, Some(topic * 3 + partition as u16), 1);
            }
        }
        assert!(cluster.set_partitions(TopicId(0), 5));
        assert!(!cluster.set_partitions(TopicId(2), 3), "ten leaders is all there is room for");
        for (topic, count) in [(0, 2), (1, 3), (2, 1)] {
            for partition in 0..count {
                assert_eq!(
                    cluster.leader(TopicId(topic), partition),
                    Some(topic * 3 + partition as u16),
                    "{topic}-{partition}"
                );
            }
        }
        assert_eq!(cluster.leader(TopicId(0), 4), None);
        assert_eq!(cluster.topic_of_name("two"), Some(TopicId(1)));
        assert_eq!(cluster.topic_of_name("tw"), None);
    }

    #[test]
    fn answers_under_the_id_before_are_still_the_topics() {
        let mut cluster = cluster();
        cluster.add_topic(TopicId(0), "t");
        assert_eq!(cluster.topic_of_id([0; 16]), None, "no id is nobody's");
        cluster.set_id(TopicId(0), [5; 16]);
        cluster.set_id(TopicId(0), [0; 16]);
        cluster.set_id(TopicId(0), [6; 16]);
        for (id, topic) in [(5, Some(TopicId(0))), (6, Some(TopicId(0))), (0, None), (7, None)] {
            assert_eq!(cluster.topic_of_id([id; 16]), topic);
        }
    }

    #[test]
    fn an_older_leader_epoch_is_not_believed() {
        let mut cluster = cluster();
        cluster.add_topic(TopicId(0), "t");
        cluster.set_partitions(TopicId(0), 1);
        cluster.set_leader(TopicId(0), 0, Some(1), 70_000);
        cluster.set_leader(TopicId(0), 0, Some(2), 69_999);
        assert_eq!(cluster.leader(TopicId(0), 0), Some(1));
        cluster.set_leader(TopicId(0), 0, None, 70_001);
        assert_eq!(cluster.leader(TopicId(0), 0), None);
        cluster.forget_epochs(TopicId(0));
        cluster.set_leader(TopicId(0), 0, Some(2), 0);
        assert_eq!(cluster.leader(TopicId(0), 0), Some(2), "another topic of that name");
    }
}
