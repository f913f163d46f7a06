//! The names of things as numbers: topics, partitions, batches, tickets, connections.
//!
//! Every id is a type of its own, so that none can stand where another is meant.

/// A topic that was interned by [`Accumulator::topic`](crate::Accumulator::topic): an index, good for this producer only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub u16);

/// A partition of a topic. Kafka's own `TopicPartition`, with the interned topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicId,
    /// The partition's index in the topic, from 0.
    pub partition: i32,
}

/// A batch that is open, ready or in flight: a slot, and a count of the slot's reuses.
///
/// The slot is below [`BatchId::SLOTS_MAX`], so a front-end may keep a table beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BatchId(u32);

impl BatchId {
    const SLOT_BITS: u32 = 20;
    /// More slots than these cannot be told apart.
    pub const SLOTS_MAX: usize = 1 << Self::SLOT_BITS;

    /// The id of `slot` in its `reuse`-th life.
    #[must_use]
    pub const fn new(slot: usize, reuse: u16) -> Self {
        Self((slot as u32 & (Self::SLOTS_MAX as u32 - 1)) | ((reuse as u32) << Self::SLOT_BITS))
    }

    /// The slot, an index into tables that are kept per batch.
    #[must_use]
    pub const fn slot(self) -> usize {
        (self.0 & (Self::SLOTS_MAX as u32 - 1)) as usize
    }

    /// The same slot's next life.
    #[must_use]
    pub const fn reused(self) -> Self {
        Self(self.0.wrapping_add(1 << Self::SLOT_BITS))
    }
}

/// Which record will be acknowledged: a batch, and the record's index in it. Eight bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// The batch that holds the record.
    pub batch: BatchId,
    /// The record's index in the batch: its offset is the batch's base offset plus this.
    pub index: u32,
}

/// A broker that the sender knows: a place in its table. Another broker may have the place later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BrokerId(pub u16);

/// No broker, wherever a broker's place is kept.
pub(crate) const NOBODY: u16 = u16::MAX;

/// A connection: a slot and a generation, so that a late word about an old socket cannot hurt the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    /// The slot, an index into tables that are kept per connection.
    pub slot: u16,
    /// How often the slot has been connected.
    pub generation: u16,
}
