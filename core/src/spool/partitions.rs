//! What the spool knows of each partition: how far it is written, read and done, and its numbering.

use super::TOPIC_BYTES;
use super::format::FrameHead;
use super::segments::Place;
use crate::id::{TopicId, TopicPartition};
use crate::index::{Index, NONE};
use crate::memory::Storage;

/// The name of a topic with frames in the spool.
#[derive(Clone, Debug, Default)]
pub struct TopicName {
    name: heapless::String<TOPIC_BYTES>,
    /// How many partitions it was known to have; 0 where nobody knew.
    pub(super) partitions: i32,
}

/// A numbering that records of this partition were sent under: record `base` had sequence 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The producer id.
    pub producer_id: i64,
    /// Its epoch.
    pub producer_epoch: i16,
    /// The partition's record that had sequence 0.
    pub base: u64,
    /// The life that sent under it: frames of a later one never go under its numbers.
    pub life: u32,
}

/// Frames of a partition: those that end behind one record, and not behind another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: u64,
    pub(super) to: u64,
}

impl Span {
    pub(super) const fn has_end(self, end: u64) -> bool {
        self.from < end && end <= self.to
    }
}

/// A partition with frames in the spool. All counts are of its records, since the spool was made.
#[derive(Clone, Copy, Debug)]
pub struct PartitionSlot {
    pub(super) key: TopicPartition,
    /// Written.
    pub(super) next: u64,
    /// Read, and so either with the sender or done.
    pub(super) read: u64,
    /// Done: all before it.
    pub(super) done: u64,
    /// What is in doubt ends here: frames of the life of its numbering, and of those before.
    pub(super) sent: u64,
    pub(super) stamp: Option<Stamp>,
    /// All before it is in the leader's log, as that said. It is done when the frame that ends there, or goes beyond, is
    /// acknowledged: a log that is not replicated yet may go with its leader.
    pub(super) cut: Option<u64>,
    /// Frames that are done without having been read: their segments do not know it yet.
    pub(super) spared: Span,
    pub(super) last_frame: u64,
    /// One behind the frame that was read last: what is read next does not follow on it where it does not begin there.
    pub(super) read_last: u64,
    /// Records that were dropped, and one behind the last of them.
    pub(super) dropped: u64,
    pub(super) dropped_end: u64,
    pub(super) question: Question,
    /// Brokers do not take what stands before it under a former life's numbers.
    pub(super) renounced: u64,
    /// Its own cursor: it lags behind that of all.
    pub(super) behind: Option<Place>,
    /// The first frame that a cut keeps from being read.
    pub(super) before_cut: Option<Place>,
    /// It is in the list of those that lag and may be read, before this one.
    pub(super) listed: bool,
    pub(super) next_lagging: u32,
    /// There was no memory for it but what it has itself: nothing is read until some of that has come back.
    pub(super) starved: bool,
    /// Nothing of it is read for now.
    pub(super) parked: bool,
    /// Nor until the clock is set: a frame's time is not known.
    pub(super) untimed: bool,
}

/// Whether the broker was asked how far a former life came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    Open,
    Asked,
    Answered,
    /// The leader knows nothing of it; so far its frames are counted.
    Forgotten {
        counted: u64,
    },
}

impl PartitionSlot {
    /// A slot that no partition uses.
    pub const EMPTY: Self = Self {
        key: TopicPartition { topic: TopicId(0), partition: 0 },
        next: 0,
        read: 0,
        done: 0,
        sent: 0,
        stamp: None,
        cut: None,
        spared: Span { from: 0, to: 0 },
        last_frame: 0,
        read_last: 0,
        dropped: 0,
        dropped_end: 0,
        question: Question::Open,
        renounced: 0,
        behind: None,
        before_cut: None,
        listed: false,
        next_lagging: NONE,
        starved: false,
        parked: false,
        untimed: false,
    };

    /// Whether nothing of it is read for now, whoever has room.
    pub(super) fn is_held_up(&self) -> bool {
        self.parked || self.starved || self.untimed || self.question == Question::Asked
    }

    /// Whether a life before `life` may have sent a frame, and under which numbering. Of what it sends itself a life knows the
    /// outcome.
    pub(super) fn was_perhaps_sent(&self, life: u32, head: &FrameHead) -> Option<Stamp> {
        let stamp = self.is_in_doubt(head.life, head.sequence)?;
        (stamp.life < life && head.sequence >= self.renounced).then_some(stamp)
    }

    /// Whether a leader has said that it has a frame that ends there, and that is not confirmed yet.
    pub(super) fn stands_before_cut(&self, end: u64) -> bool {
        end > self.done && self.cut.is_some_and(|cut| end < cut)
    }

    /// Whether reading has come to this record, or to the end, and has not met the frame with the cut in it: that is lost.
    pub(super) fn has_lost_cut(&self, at: u64) -> bool {
        self.cut.is_some_and(|cut| self.read < cut && cut <= at)
    }

    /// Whether a frame of this life and from this record on may have been sent before, under numbers that are known. A life
    /// sends what former ones have written, too; but what it has not seen it has not sent.
    fn is_in_doubt(&self, life: u32, sequence: u64) -> Option<Stamp> {
        self.stamp.filter(|stamp| life <= stamp.life && sequence >= stamp.base && sequence < self.sent)
    }
}

/// All of them, found by topic and index.
pub(super) struct Partitions<S: Storage> {
    topics: S::Table<TopicName>,
    topics_used: usize,
    slots: S::Table<PartitionSlot>,
    pub(super) used: u32,
    index: Index<S::Table<u32>>,
    hand: u32,
    /// Those that lag and may be read, in turn.
    lagging_first: u32,
    lagging_last: u32,
}

impl<S: Storage> Partitions<S> {
    pub(super) fn new(
        topics: S::Table<TopicName>,
        slots: S::Table<PartitionSlot>,
        index: S::Table<u32>,
    ) -> Self {
        Self {
            topics,
            topics_used: 0,
            slots,
            used: 0,
            index: Index::new(index),
            hand: 0,
            lagging_first: NONE,
            lagging_last: NONE,
        }
    }

    pub(super) fn get(&self, slot: u32) -> &PartitionSlot {
        &self.slots.as_ref()[slot as usize]
    }

    pub(super) fn get_mut(&mut self, slot: u32) -> &mut PartitionSlot {
        &mut self.slots.as_mut()[slot as usize]
    }

    pub(super) fn topics(&self) -> impl Iterator<Item = (&str, i32)> {
        self.topics.as_ref()[..self.topics_used].iter().map(|topic| (topic.name.as_str(), topic.partitions))
    }

    pub(super) fn topic(&self, topic: TopicId) -> &str {
        self.topics.as_ref().get(usize::from(topic.0)).map_or("", |topic| topic.name.as_str())
    }

    pub(super) fn find_topic(&self, name: &str) -> Option<TopicId> {
        self.topics().position(|(known, _)| known == name).map(|index| TopicId(index as u16))
    }

    /// The topic, known from now on. `None` where there are too many, or the name is too long.
    pub(super) fn intern(&mut self, name: &str) -> Option<TopicId> {
        if let Some(known) = self.find_topic(name) {
            return Some(known);
        }
        let index = self.topics_used;
        let slot = self.topics.as_mut().get_mut(index)?;
        *slot = TopicName { name: heapless::String::try_from(name).ok()?, partitions: 0 };
        self.topics_used += 1;
        Some(TopicId(u16::try_from(index).ok()?))
    }

    pub(super) fn set_topic_partitions(&mut self, topic: TopicId, partitions: i32) -> bool {
        let slot = &mut self.topics.as_mut()[usize::from(topic.0)];
        core::mem::replace(&mut slot.partitions, partitions) != partitions
    }

    pub(super) fn find(&self, key: TopicPartition) -> Option<u32> {
        let slot = self.index.find(key, |slot| self.get(slot).key);
        (slot != NONE).then_some(slot)
    }

    /// The partition of a frame.
    pub(super) fn find_named(&self, topic: &str, partition: i32) -> Option<u32> {
        self.find(TopicPartition { topic: self.find_topic(topic)?, partition })
    }

    /// The partition's slot, taken now if it has none. One whose last frame is before `oldest` makes room: none of its
    /// frames is on the medium. `None` where there is no such.
    pub(super) fn find_or_take(&mut self, key: TopicPartition, oldest: u64) -> Option<u32> {
        if let Some(slot) = self.find(key) {
            return Some(slot);
        }
        let slot = self.free_slot(oldest)?;
        *self.get_mut(slot) = PartitionSlot { key, ..PartitionSlot::EMPTY };
        self.index.insert(key, slot);
        Some(slot)
    }

    fn free_slot(&mut self, oldest: u64) -> Option<u32> {
        let length = self.slots.as_ref().len().min(self.index.capacity()) as u32;
        if self.used < length {
            self.used += 1;
            return Some(self.used - 1);
        }
        for _ in 0..length {
            self.hand = (self.hand + 1) % length;
            let PartitionSlot { key, last_frame, listed, .. } = *self.get(self.hand);
            if last_frame < oldest && !listed {
                let slots = self.slots.as_ref();
                self.index.remove(key, self.hand, |slot| slots[slot as usize].key);
                return Some(self.hand);
            }
        }
        None
    }

    /// The next one that lags and may be read.
    pub(super) fn first_lagging(&self) -> Option<u32> {
        (self.lagging_first != NONE).then_some(self.lagging_first)
    }

    /// It lags, and may be read.
    pub(super) fn list(&mut self, partition: u32) {
        if core::mem::replace(&mut self.get_mut(partition).listed, true) {
            return;
        }
        self.get_mut(partition).next_lagging = NONE;
        match core::mem::replace(&mut self.lagging_last, partition) {
            NONE => self.lagging_first = partition,
            last => self.get_mut(last).next_lagging = partition,
        }
    }

    /// The next one has caught up, or cannot be read now.
    pub(super) fn unlist(&mut self) {
        let Some(first) = self.first_lagging() else { return };
        let slot = self.get_mut(first);
        slot.listed = false;
        self.lagging_first = slot.next_lagging;
        if self.lagging_first == NONE {
            self.lagging_last = NONE;
        }
    }

    /// It is another one's turn.
    pub(super) fn rotate(&mut self) {
        if let Some(first) = self.first_lagging() {
            self.unlist();
            self.list(first);
        }
    }
}
