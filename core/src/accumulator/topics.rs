//! Interned topics: a name becomes an index once, and never goes away.

use super::list::{Links, List};
use super::spread::Sticky;
use crate::error::TopicError;
use crate::event::TopicView;
use crate::id::TopicId;
use crate::memory::Storage;
use crate::spans::Span;

/// A place for one topic in [`AccumulatorTables::topics`](super::AccumulatorTables::topics).
#[derive(Debug)]
pub struct TopicSlot {
    name_start: u32,
    name_bytes: u8,
    hash: u32,
    /// The first topic whose hash falls to this slot, plus one.
    bucket: u16,
    /// The next topic of the same bucket, plus one.
    chained: u16,
    pub(super) view: TopicView,
    /// The broker takes no larger batches of this topic.
    pub(super) batch_bytes_max: u32,
    pub(super) sticky: Sticky,
    /// Its partitions' leaders, in the table of all.
    pub(super) leaders: Span,
    /// Batches whose partition is not known yet, in order of acceptance.
    pub(super) queue: List,
    /// Blocks of those batches, here or with the sender.
    pub(super) blocks: u32,
    links: Links,
    listed: Listed,
}

/// Which list of topics a topic is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listed {
    No,
    Moving,
    Failing,
}

impl TopicSlot {
    /// A place without a topic.
    pub const EMPTY: Self = Self {
        name_start: 0,
        name_bytes: 0,
        hash: 0,
        bucket: 0,
        chained: 0,
        view: TopicView::Unknown,
        batch_bytes_max: u32::MAX,
        sticky: Sticky::NEW,
        leaders: Span::EMPTY,
        queue: List::EMPTY,
        blocks: 0,
        links: Links::NONE,
        listed: Listed::No,
    };

    fn links(&mut self) -> &mut Links {
        &mut self.links
    }
}

impl Default for TopicSlot {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// All topics.
pub(super) struct Topics<S: Storage> {
    slots: S::Table<TopicSlot>,
    names: S::Table<u8>,
    count: u16,
    names_bytes: u32,
    /// The topic that was asked for last: most senders have one.
    last: u16,
    /// Known topics whose queue waits for its turn, in order.
    pub(super) moving: List,
    /// Failed topics whose queue is to be handed over.
    pub(super) failing: List,
}

impl<S: Storage> Topics<S> {
    pub(super) fn new(mut slots: S::Table<TopicSlot>, names: S::Table<u8>) -> Self {
        slots.as_mut().fill_with(|| TopicSlot::EMPTY);
        Self { slots, names, count: 0, names_bytes: 0, last: 0, moving: List::EMPTY, failing: List::EMPTY }
    }

    pub(super) const fn count(&self) -> u16 {
        self.count
    }

    /// The slot of a topic that was interned here.
    #[inline]
    pub(super) fn slot(&self, topic: TopicId) -> Option<&TopicSlot> {
        if topic.0 < self.count { self.slots.as_ref().get(usize::from(topic.0)) } else { None }
    }

    /// The slot of a topic that was interned here.
    #[inline]
    pub(super) fn slot_mut(&mut self, topic: TopicId) -> Option<&mut TopicSlot> {
        if topic.0 < self.count { self.slots.as_mut().get_mut(usize::from(topic.0)) } else { None }
    }

    /// The slot of a topic that is known to be one.
    pub(super) fn at(&mut self, topic: TopicId) -> &mut TopicSlot {
        &mut self.slots.as_mut()[usize::from(topic.0)]
    }

    /// Where the leaders of all topics are.
    pub(super) fn spans_mut(&mut self) -> impl Iterator<Item = &mut Span> {
        self.slots.as_mut().iter_mut().map(|slot| &mut slot.leaders)
    }

    /// The topic behind another in the list that both are in.
    pub(super) fn next(&self, topic: u32) -> u32 {
        self.slots.as_ref()[topic as usize].links.next()
    }

    pub(super) fn name(&self, topic: TopicId) -> &str {
        self.slot(topic).and_then(|slot| core::str::from_utf8(self.bytes(slot)).ok()).unwrap_or_default()
    }

    fn bytes(&self, slot: &TopicSlot) -> &[u8] {
        let start = slot.name_start as usize;
        &self.names.as_ref()[start..start + usize::from(slot.name_bytes)]
    }

    #[inline]
    pub(super) fn intern(&mut self, name: &str) -> Result<TopicId, TopicError> {
        let last = TopicId(self.last);
        if self.slot(last).is_some_and(|slot| is_same(self.bytes(slot), name.as_bytes())) {
            return Ok(last);
        }
        self.look_up(name)
    }

    fn look_up(&mut self, name: &str) -> Result<TopicId, TopicError> {
        let slots = self.slots.as_ref();
        let max = slots.len().min(usize::from(u16::MAX));
        if max == 0 {
            return Err(TopicError::TooManyTopics { max: 0 });
        }
        let hash = hash(name.as_bytes());
        let bucket = ((u64::from(hash) * max as u64) >> 32) as usize;
        let mut chained = slots[bucket].bucket;
        while let Some(topic) = chained.checked_sub(1) {
            let slot = &slots[usize::from(topic)];
            if slot.hash == hash && self.bytes(slot) == name.as_bytes() {
                self.last = topic;
                return Ok(TopicId(topic));
            }
            chained = slot.chained;
        }
        self.add(name, hash, bucket, max)
    }

    fn add(&mut self, name: &str, hash: u32, bucket: usize, max: usize) -> Result<TopicId, TopicError> {
        if !is_valid(name) {
            return Err(TopicError::InvalidName);
        }
        let start = self.names_bytes as usize;
        let full = TopicError::TooManyTopics { max: max as u32 };
        if usize::from(self.count) >= max {
            return Err(full);
        }
        let arena = self.names.as_mut().get_mut(start..start + name.len()).ok_or(full)?;
        arena.copy_from_slice(name.as_bytes());
        self.names_bytes += name.len() as u32;
        let topic = self.count;
        self.count += 1;
        self.last = topic;
        let slots = self.slots.as_mut();
        let chained = core::mem::replace(&mut slots[bucket].bucket, topic + 1);
        let slot = &mut slots[usize::from(topic)];
        slot.name_start = start as u32;
        slot.name_bytes = name.len() as u8;
        slot.hash = hash;
        slot.chained = chained;
        Ok(TopicId(topic))
    }

    /// Puts a topic into the list that its view and its queue ask for, behind the others.
    pub(super) fn relist(&mut self, topic: TopicId) {
        let slots = self.slots.as_mut();
        let slot = &mut slots[usize::from(topic.0)];
        let wanted = match slot.view {
            _ if slot.queue.is_empty() => Listed::No,
            TopicView::Unknown => Listed::No,
            TopicView::Known { .. } => Listed::Moving,
            TopicView::Failed(_) => Listed::Failing,
        };
        let listed = core::mem::replace(&mut slot.listed, wanted);
        if listed == wanted {
            return;
        }
        match listed {
            Listed::No => {}
            Listed::Moving => self.moving.remove(slots, TopicSlot::links, u32::from(topic.0)),
            Listed::Failing => self.failing.remove(slots, TopicSlot::links, u32::from(topic.0)),
        }
        match wanted {
            Listed::No => {}
            Listed::Moving => self.moving.push_back(slots, TopicSlot::links, u32::from(topic.0)),
            Listed::Failing => self.failing.push_back(slots, TopicSlot::links, u32::from(topic.0)),
        }
    }
}

/// `a == b`, for what is nearly always short and the same: by words, without a call.
#[inline]
fn is_same(a: &[u8], b: &[u8]) -> bool {
    let (words, rest) = a.as_chunks::<8>();
    let (other_words, other_rest) = b.as_chunks::<8>();
    a.len() == b.len()
        && words.iter().zip(other_words).all(|(a, b)| u64::from_ne_bytes(*a) == u64::from_ne_bytes(*b))
        && rest.iter().zip(other_rest).all(|(a, b)| a == b)
}

/// Kafka's rule for names.
fn is_valid(name: &str) -> bool {
    (1..=249).contains(&name.len())
        && name != "."
        && name != ".."
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

/// FNV-1a, its halves folded. Topics are the user's own: no one floods this table.
fn hash(bytes: &[u8]) -> u32 {
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ (hash >> 32)) as u32
}
