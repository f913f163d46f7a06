//! What is to be written to a connection: pieces of memory that stay where they are, for one attempt to write.

use crate::batch::Batch;
use crate::cluster::Cluster;
use crate::id::TopicId;
use crate::memory::{Block, Pieces, Storage};
use crate::sender::in_flight::InFlight;

/// A part of a Produce request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    /// Bytes of the sender's table of heads.
    Head { start: usize, end: usize },
    /// A topic's name.
    Name(TopicId),
    /// The records of the batch in this slot.
    Records(u32),
}

/// Bytes for a connection. It borrows the machine: write once, say how far it went, ask again.
pub struct Transmit<'s, S: Storage> {
    kind: Kind<'s, S>,
    /// Bytes of the first part that have been written already.
    skip: usize,
}

enum Kind<'s, S: Storage> {
    Whole(&'s [u8]),
    Parts { plan: &'s [Part], heads: &'s [u8], batches: &'s InFlight<S>, cluster: &'s Cluster<S> },
}

impl<'s, S: Storage> Transmit<'s, S> {
    pub(crate) const fn whole(bytes: &'s [u8]) -> Self {
        Self { kind: Kind::Whole(bytes), skip: 0 }
    }

    pub(crate) const fn parts(
        plan: &'s [Part],
        heads: &'s [u8],
        batches: &'s InFlight<S>,
        cluster: &'s Cluster<S>,
        skip: usize,
    ) -> Self {
        Self { kind: Kind::Parts { plan, heads, batches, cluster }, skip }
    }

    /// Fills `chunks` with the next pieces, for one vectored write, and returns how many there are: at least one.
    /// There may be more than fit; they come with the next `poll_transmit`.
    #[must_use]
    pub fn chunks(&self, chunks: &mut [&'s [u8]]) -> usize {
        let mut filled = Filled { chunks, count: 0, skip: self.skip };
        match &self.kind {
            Kind::Whole(bytes) => filled.push(bytes),
            Kind::Parts { plan, heads, batches, cluster } => {
                for part in *plan {
                    match *part {
                        Part::Head { start, end } => filled.push(&heads[start..end]),
                        Part::Name(topic) => filled.push(cluster.topic_name(topic).as_bytes()),
                        Part::Records(slot) => {
                            let batch = batches.get(slot).batch.as_ref();
                            if let Some(pieces) = batch.and_then(Batch::pieces) {
                                filled.push_all(pieces);
                            }
                        }
                    }
                    if filled.is_full() {
                        break;
                    }
                }
            }
        }
        filled.count
    }
}

struct Filled<'c, 's> {
    chunks: &'c mut [&'s [u8]],
    count: usize,
    skip: usize,
}

impl<'s> Filled<'_, 's> {
    fn is_full(&self) -> bool {
        self.count == self.chunks.len()
    }

    fn push_all<B: Block>(&mut self, pieces: Pieces<'s, B>) {
        for piece in pieces {
            self.push(piece);
            if self.is_full() {
                break;
            }
        }
    }

    fn push(&mut self, piece: &'s [u8]) {
        let skipped = self.skip.min(piece.len());
        self.skip -= skipped;
        if skipped < piece.len() && !self.is_full() {
            self.chunks[self.count] = &piece[skipped..];
            self.count += 1;
        }
    }
}

impl<S: Storage> core::fmt::Debug for Transmit<'_, S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Transmit").field("skip", &self.skip).finish_non_exhaustive()
    }
}
