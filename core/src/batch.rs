//! Record batch v2: append, seal, stamp.
//!
//! A batch is open while it is in the accumulator, ready when it may leave, in flight with the sender, then done. The
//! 61 bytes of its header are not in a block: the sender writes them when the batch is stamped.

pub(crate) mod append;
mod compress;
mod split;
#[cfg(test)]
mod tests;

use crate::compression::Compression;
use crate::id::{BatchId, TopicPartition};
use crate::memory::{Block, Chain, OpenChain, Pieces};
use crate::time::{Instant, Timestamp};
pub(crate) use compress::Compressed;
pub(crate) use split::{HEAD_BYTES_MAX as RECORD_HEAD_BYTES_MAX, Part, record_bytes};

/// Bytes of a record batch before its first record.
pub const HEADER_BYTES: usize = 61;

/// What the batch's length does not count: the base offset and the length itself.
const LENGTH_END: usize = 12;
const MAGIC: u8 = 2;
const CRC_AT: usize = 17;
/// The checksum covers everything from here.
const ATTRIBUTES_AT: usize = 21;

/// The records of one partition on their way out of the accumulator.
#[derive(Debug)]
pub struct Batch<B: Block> {
    /// The batch's id, held until its memory is recycled.
    pub id: BatchId,
    /// Where it goes.
    pub partition: TopicPartition,
    /// The index of its first record in its tickets. Not 0 only where the records before it left the batch: they were
    /// moved to another one ([`Reassigned`](crate::event::Reassigned)).
    pub first: u32,
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
    /// Only its first records are sent now: it was too large for the broker.
    pub(crate) part: Option<Part>,
    /// Its records are compressed.
    pub(crate) compressed: Option<Compressed>,
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
    /// A batch that was sealed before, perhaps in a former life of the producer, for
    /// [`Sender::enqueue`](crate::Sender::enqueue) or [`Sender::resume`](crate::Sender::resume). `records` are `count`
    /// encoded records, every block but the last one full; the delivery timeout runs from `created`.
    #[must_use]
    pub const fn restore(
        id: BatchId,
        partition: TopicPartition,
        created: Instant,
        records: Chain<B>,
        count: u32,
        base_timestamp: Timestamp,
        max_timestamp: Timestamp,
    ) -> Self {
        Self {
            id,
            partition,
            first: 0,
            count,
            base_timestamp,
            max_timestamp,
            created,
            records: Records::Sealed(records),
            part: None,
            compressed: None,
        }
    }

    /// Its times by the wall clock, where they [count from the begin](Timestamp::since_boot) of a machine that began at `boot`.
    pub const fn settle(&mut self, boot: Timestamp) {
        (self.base_timestamp, self.max_timestamp) =
            (self.base_timestamp.settled(boot), self.max_timestamp.settled(boot));
    }

    /// Its records are compressed; plain they have `plain_bytes` bytes. A broker that does not know the codec, or finds the
    /// batch too large, is the end of it where its blocks have no room for so many.
    #[must_use]
    pub const fn compressed_by(mut self, compression: Compression, plain_bytes: u32) -> Self {
        self.compressed = match compression {
            Compression::None => None,
            by => Some(Compressed { by, plain_bytes }),
        };
        self
    }

    /// Bytes on the wire, header included.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        let records = match (&self.part, &self.records) {
            (Some(part), _) => part.bytes,
            (None, Records::Open(chain)) => chain.bytes(),
            (None, Records::Sealed(chain)) => chain.bytes(),
        };
        HEADER_BYTES as u32 + records
    }

    /// The records that are sent together now: all of them, but for a batch that is sent in parts.
    pub(crate) fn whole(&self) -> Part {
        let (count, max_timestamp) = (self.count, self.max_timestamp);
        let bytes = self.bytes() - HEADER_BYTES as u32;
        self.part.unwrap_or(Part { count, bytes, max_timestamp, bytes_max: bytes })
    }

    /// Their bytes, piece by piece: none before [`seal`](Self::seal).
    pub(crate) fn pieces(&self) -> Option<Pieces<'_, B>> {
        self.chain().map(|chain| chain.pieces_to(self.whole().bytes))
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

    /// The 61 bytes before the records, as they stand on the wire. `crc32c` continues a checksum over more bytes.
    ///
    /// The batch must be [sealed](Self::seal): the checksum covers the records.
    #[must_use]
    pub fn header(
        &self,
        attributes: i16,
        producer_id: i64,
        producer_epoch: i16,
        base_sequence: i32,
        crc32c: fn(u32, &[u8]) -> u32,
    ) -> [u8; HEADER_BYTES] {
        let Part { count, max_timestamp, .. } = self.whole();
        let mut header = [0; HEADER_BYTES];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        // 0: the base offset, which the broker sets. 12: the leader epoch, which no producer knows.
        put(8, &(self.bytes() - LENGTH_END as u32).to_be_bytes());
        put(12, &(-1_i32).to_be_bytes());
        put(16, &[MAGIC]);
        put(ATTRIBUTES_AT, &attributes.to_be_bytes());
        put(23, &count.saturating_sub(1).to_be_bytes());
        put(27, &self.base_timestamp.as_millis().to_be_bytes());
        put(35, &max_timestamp.as_millis().to_be_bytes());
        put(43, &producer_id.to_be_bytes());
        put(51, &producer_epoch.to_be_bytes());
        put(53, &base_sequence.to_be_bytes());
        put(57, &count.to_be_bytes());
        let mut crc = crc32c(0, &header[ATTRIBUTES_AT..]);
        for piece in self.pieces().into_iter().flatten() {
            crc = crc32c(crc, piece);
        }
        header[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
        header
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
