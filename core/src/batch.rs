//! Record batch v2: append, seal, stamp.
//!
//! A batch is open while it is in the accumulator, ready when it may leave, in flight with the sender, then done. The
//! 61 bytes of its header are not in a block: the sender writes them when the batch is stamped.

use crate::id::{BatchId, TopicPartition};
use crate::memory::{Block, Chain, OpenChain};
use crate::time::{Instant, Timestamp};

/// Bytes of a record batch before its first record.
pub const HEADER_BYTES: usize = 61;

/// The records of one partition on their way out of the accumulator.
#[derive(Debug)]
pub struct Batch<B: Block> {
    /// The batch's id, held until its memory is recycled.
    pub id: BatchId,
    /// Where it goes.
    pub partition: TopicPartition,
    /// How many records it has, at least one.
    pub count: u32,
    /// The first record's timestamp: deltas count from it.
    pub base_timestamp: Timestamp,
    /// The largest timestamp of its records.
    pub max_timestamp: Timestamp,
    /// When its first record was accepted: linger and delivery timeout run from here.
    pub created: Instant,
    /// The encoded records, as they were written.
    pub records: Records<B>,
}

/// A batch's encoded records: as the accumulator wrote them, or in order.
#[derive(Debug)]
pub enum Records<B: Block> {
    /// Last block first.
    Open(OpenChain<B>),
    /// In order, ready to be sent.
    Sealed(Chain<B>),
}

impl<B: Block> Batch<B> {
    /// Bytes on the wire, header included.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        HEADER_BYTES as u32
            + match &self.records {
                Records::Open(chain) => chain.bytes(),
                Records::Sealed(chain) => chain.bytes(),
            }
    }

    /// Puts the blocks in order. The driver does it on memory that it owns, outside every lock.
    pub fn seal(&mut self) {
        if let Records::Open(chain) = &mut self.records {
            self.records = Records::Sealed(core::mem::take(chain).seal());
        }
    }

    /// The encoded records in order: nothing before [`seal`](Self::seal).
    #[must_use]
    pub fn chain(&self) -> Option<&Chain<B>> {
        match &self.records {
            Records::Open(_) => None,
            Records::Sealed(chain) => Some(chain),
        }
    }

    /// The batch's memory, to be recycled.
    #[must_use]
    pub fn into_chain(mut self) -> Chain<B> {
        self.seal();
        match self.records {
            Records::Open(_) => Chain::new(),
            Records::Sealed(chain) => chain,
        }
    }
}
