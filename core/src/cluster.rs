//! What is known of the cluster: brokers, topics, the leader of each partition, and what must be asked next.
//!
//! It only remembers. Who is asked, and when, is the [`Sender`](crate::Sender)'s business. A broker's numbers never make
//! it allocate: what does not fit into the tables is refused by name.

mod leaders;
#[cfg(test)]
mod tests;
mod topics;

use crate::compression::Compression;
use crate::error::ErrorCode;
use crate::id::TopicId;
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
    /// How its batches are compressed.
    pub(crate) compression: Compression,
    /// `Event::CompressionRefused` is due.
    pub(crate) compression_refused: Option<Compression>,
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
        compression: Compression::None,
        compression_refused: None,
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
        if !same(&brokers[index]) {
            // Whoever had the slot before was not reached, perhaps: that says nothing of this one.
            brokers[index].connection.forget_failures();
        }
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

    /// The cluster does not name whoever is in the slot, and neither did the user: it is there for what is in flight.
    pub(crate) fn is_gone(&self, slot: u16) -> bool {
        let broker = &self.brokers.as_ref()[usize::from(slot)];
        !broker.listed && !broker.bootstrap
    }

    pub(crate) fn broker_of_node(&self, node_id: i32) -> Option<u16> {
        if node_id < 0 {
            return None;
        }
        self.brokers.as_ref().iter().position(|slot| slot.node_id == node_id).map(|index| index as u16)
    }

    /// What is known of a topic has changed: the accumulator must hear of it.
    pub(crate) fn mark_changed(&mut self, topic: TopicId) {
        if let Some(slot) = self.topic_mut(topic) {
            slot.changed = true;
            self.changed = true;
            self.revision = self.revision.wrapping_add(1);
        }
    }

    /// Something that concerns all topics has changed.
    pub(crate) fn mark_all_changed(&mut self) {
        for slot in self.topics.as_mut() {
            slot.changed = slot.state != TopicState::Free;
        }
        self.changed = true;
    }

    /// Whether there is a topic that has changed and was not asked for, as far as is known.
    pub(crate) const fn has_changed(&self) -> bool {
        self.changed
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
}
