//! Topics by name and by id, and what is known of them.

use super::{Cluster, TopicSlot, TopicState};
use crate::compression::Compression;
use crate::event::TopicView;
use crate::id::TopicId;
use crate::memory::Storage;

impl<S: Storage> Cluster<S> {
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

    /// How a topic's batches are compressed; `None` where they are not.
    pub(crate) fn compression(&self, topic: TopicId) -> Option<Compression> {
        let compression = self.topic(topic)?.compression;
        (compression != Compression::None).then_some(compression)
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
}
