//! Which partition a record without key and partition goes to.
//!
//! A choice is kept until it has made one full batch (KIP-794). A new choice goes to a partition that can be sent to,
//! and of two that were drawn, to the one that holds less: a slow broker's partitions get fewer records, and one that
//! is away gets none.

use super::Accumulator;
use super::list::NONE;
use crate::batch::HEADER_BYTES;
use crate::config::Spread;
use crate::id::{TopicId, TopicPartition};
use crate::memory::Storage;

/// How many partitions are drawn to find two that can be sent to.
const DRAWS: u32 = 4;

/// How many are looked at, one after the other, to find one.
const LOOKS: i32 = 64;

/// A topic's latest choice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sticky {
    /// -1 before the first.
    partition: i32,
    /// Another one is made for the next record.
    over: bool,
    produced: u64,
}

impl Sticky {
    pub(super) const NEW: Self = Self { partition: -1, over: true, produced: 0 };

    /// What the partition was chosen for has happened: `bytes` more went there. The choice is over when a batch of
    /// `batch_bytes` would be full, so that under load each choice makes one full batch.
    #[inline]
    pub(super) const fn produced(&mut self, bytes: u32, batch_bytes: u32, spread: Spread) {
        self.produced += bytes as u64;
        self.over = match spread {
            Spread::Sticky => HEADER_BYTES as u64 + self.produced + bytes as u64 > batch_bytes as u64,
            Spread::RoundRobin => true,
        };
    }

    /// The choice, as long as it is kept.
    #[inline]
    pub(super) const fn choice(&self) -> Option<i32> {
        if self.over { None } else { Some(self.partition) }
    }

    /// The choice cannot be used now.
    pub(super) const fn skip(&mut self) {
        self.over = true;
    }
}

impl<S: Storage> Accumulator<S> {
    /// The partition for a topic's next record, of `count`.
    #[inline]
    pub(super) fn spread(&mut self, topic: TopicId, count: i32) -> i32 {
        let sticky = self.topics.at(topic).sticky;
        if sticky.over || sticky.partition >= count {
            self.choose(topic, count, sticky.partition)
        } else {
            sticky.partition
        }
    }

    fn choose(&mut self, topic: TopicId, count: i32, before: i32) -> i32 {
        let partition = match self.config.spread {
            Spread::RoundRobin if before >= 0 => {
                self.next_available(topic, if before + 1 < count { before + 1 } else { 0 }, count)
            }
            Spread::RoundRobin | Spread::Sticky => self.draw(topic, count),
        };
        self.topics.at(topic).sticky = Sticky { partition, over: false, produced: 0 };
        partition
    }

    /// Of two partitions that can be sent to, the one that holds less.
    fn draw(&mut self, topic: TopicId, count: i32) -> i32 {
        let mut first: Option<i32> = None;
        let mut drawn = 0;
        for _ in 0..DRAWS {
            drawn = self.random.below(count.cast_unsigned()).cast_signed();
            if !self.is_available(topic, drawn) {
                continue;
            }
            let Some(other) = first else {
                first = Some(drawn);
                continue;
            };
            let less = self.blocks_of(topic, drawn) < self.blocks_of(topic, other);
            return if less { drawn } else { other };
        }
        first.unwrap_or_else(|| self.next_available(topic, drawn, count))
    }

    /// The first partition that can be sent to, from `from` on; that one itself, where a bounded look finds none.
    fn next_available(&self, topic: TopicId, from: i32, count: i32) -> i32 {
        let mut at = from;
        for _ in 0..count.min(LOOKS) {
            if self.is_available(topic, at) {
                return at;
            }
            at = if at + 1 < count { at + 1 } else { 0 };
        }
        from
    }

    pub(super) fn is_available(&self, topic: TopicId, partition: i32) -> bool {
        self.brokers.is_available(self.leader(topic, partition))
    }

    /// Blocks that a partition holds, here or with the sender: the length of its queue.
    fn blocks_of(&self, topic: TopicId, partition: i32) -> u32 {
        match self.partitions.look_up(TopicPartition { topic, partition }) {
            NONE => 0,
            slot => self.partitions.at(slot).blocks,
        }
    }

    /// Choices of partitions that cannot be sent to are over.
    pub(super) fn skip_unavailable(&mut self) {
        for topic in (0..self.topics.count()).map(TopicId) {
            let sticky = self.topics.at(topic).sticky;
            if !sticky.over && !self.is_available(topic, sticky.partition) {
                self.topics.at(topic).sticky.skip();
            }
        }
    }
}
