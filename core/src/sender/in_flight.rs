//! The batches that the sender holds: in their partition's order, by age for the delivery timeout, and done.
//!
//! A batch has the slot of its [`BatchId`], so the table is as long as the accumulator's. Lists are links between slots.

use super::idempotence::ProducerIdentity;
use crate::batch::{Batch, HEADER_BYTES};
use crate::error::{Cause, Failure};
use crate::event::{Ack, Completed, Event};
use crate::id::BatchId;
use crate::index::NONE;
use crate::memory::{Block, Chain, Storage};
use crate::time::Instant;

/// A batch on its way, and what has happened to it so far.
#[derive(Debug)]
pub struct InFlightSlot<B: Block> {
    pub(crate) batch: Option<Batch<B>>,
    /// The slot of its partition; `NONE` once it belongs to none (done, or nobody could send it).
    pub(crate) partition: u32,
    /// The next one of the partition, or of the done ones.
    pub(crate) next: u32,
    /// Its neighbours in the same request, and in its first one of a topic, how many of the topic there are.
    pub(crate) request_next: u32,
    pub(crate) request_previous: u32,
    pub(crate) group: u32,
    pub(crate) age_previous: u32,
    pub(crate) age_next: u32,
    done_next: u32,
    /// In the list of done batches.
    done: bool,
    /// The request it is in, while it is in flight.
    pub(crate) correlation_id: i32,
    pub(crate) in_flight: bool,
    pub(crate) attempts: u32,
    /// How often the broker found it damaged.
    pub(crate) corrupt: u8,
    /// Its numbering, from the first time that it was sent.
    pub(crate) stamp: Option<Stamp>,
    /// How many numbers behind its own belonged to records of it that failed, and certainly are not stored.
    pub(crate) void: u32,
    /// The partition's, when it was numbered.
    pub(crate) incarnation: u8,
    /// An attempt has no answer that says whether it was stored.
    pub(crate) ambiguous: bool,
    /// An attempt went with its connection: a broker may still find it there, unread, and store it.
    pub(crate) adrift: bool,
    /// A former life of the producer has numbered it, and may have sent it.
    pub(crate) resumed: bool,
    /// It begins a numbering, whatever stands before it.
    pub(crate) apart: bool,
    /// Another one follows under the same numbering that is not here yet.
    pub(crate) more: bool,
    /// It is sent in parts, and before that it was sent as a whole that may be stored.
    pub(crate) whole_unknown: bool,
    /// The broker expected another sequence.
    pub(crate) refused: bool,
    /// A later batch of the same numbering is stored: so this one is, too.
    pub(crate) implied: bool,
    /// Stored, but an earlier batch has no outcome yet.
    pub(crate) acked: Option<Ack>,
    pub(crate) last_cause: Option<Cause>,
    /// Records of a batch that is sent in parts have their outcome; the others follow.
    pub(crate) partial: Option<Completed>,
    /// Blocks that a batch does not need: it is compressed, or sent in parts.
    pub(crate) surplus: Chain<B>,
    pub(crate) outcome: Option<Result<Ack, Failure>>,
    /// The outcome was told.
    pub(crate) told: bool,
}

/// A batch's numbering, and the header that carries it: a retry is the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) identity: ProducerIdentity,
    pub(crate) base_sequence: i32,
    pub(crate) header: [u8; HEADER_BYTES],
}

impl Stamp {
    /// The batch under these numbers.
    pub(crate) fn new<B: Block>(
        identity: ProducerIdentity,
        base_sequence: i32,
        batch: &Batch<B>,
        crc32c: fn(u32, &[u8]) -> u32,
    ) -> Self {
        let header = batch.header(
            identity.attributes(batch.attributes()),
            identity.id,
            identity.epoch,
            base_sequence,
            crc32c,
        );
        Self { identity, base_sequence, header }
    }
}

impl<B: Block> InFlightSlot<B> {
    /// A slot without a batch.
    pub const EMPTY: Self = Self {
        batch: None,
        partition: NONE,
        next: NONE,
        request_next: NONE,
        request_previous: NONE,
        group: 0,
        age_previous: NONE,
        age_next: NONE,
        done_next: NONE,
        done: false,
        correlation_id: 0,
        in_flight: false,
        attempts: 0,
        corrupt: 0,
        stamp: None,
        void: 0,
        incarnation: 0,
        ambiguous: false,
        adrift: false,
        resumed: false,
        apart: false,
        more: false,
        whole_unknown: false,
        refused: false,
        implied: false,
        acked: None,
        last_cause: None,
        partial: None,
        surplus: Chain::new(),
        outcome: None,
        told: false,
    };

    /// Records without an outcome; 0 without a batch.
    pub(crate) fn count(&self) -> u32 {
        self.batch.as_ref().map_or(0, |batch| batch.count)
    }

    /// Bytes on the wire, header included.
    pub(crate) fn bytes(&self) -> u32 {
        self.batch.as_ref().map_or(0, Batch::bytes)
    }
}

/// All batches that the sender holds.
pub(crate) struct InFlight<S: Storage> {
    slots: S::Table<InFlightSlot<S::Block>>,
    /// How many are held.
    pub(crate) held: u32,
    oldest: u32,
    newest: u32,
    done_first: u32,
    done_last: u32,
}

impl<S: Storage> InFlight<S> {
    pub(crate) const fn new(slots: S::Table<InFlightSlot<S::Block>>) -> Self {
        Self { slots, held: 0, oldest: NONE, newest: NONE, done_first: NONE, done_last: NONE }
    }

    // Called from everywhere: where memory is short the call is smaller than what it does.
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    pub(crate) fn get(&self, slot: u32) -> &InFlightSlot<S::Block> {
        &self.slots.as_ref()[slot as usize]
    }

    #[cfg_attr(target_pointer_width = "32", inline(never))]
    pub(crate) fn get_mut(&mut self, slot: u32) -> &mut InFlightSlot<S::Block> {
        &mut self.slots.as_mut()[slot as usize]
    }

    /// Takes a batch into its slot. Batches come nearly in the order of their age, so the walk is short.
    pub(crate) fn insert(&mut self, batch: Batch<S::Block>, partition: u32) -> u32 {
        let slot = batch.id.slot() as u32;
        let created = batch.created;
        *self.get_mut(slot) = InFlightSlot { batch: Some(batch), partition, ..InFlightSlot::EMPTY };
        self.held += 1;
        let mut older = self.newest;
        while older != NONE && self.created(older) > created {
            older = self.get(older).age_previous;
        }
        let younger = if older == NONE { self.oldest } else { self.get(older).age_next };
        self.get_mut(slot).age_previous = older;
        self.get_mut(slot).age_next = younger;
        self.link_age(older, younger, slot, slot);
        slot
    }

    fn link_age(&mut self, older: u32, younger: u32, next: u32, previous: u32) {
        match older {
            NONE => self.oldest = next,
            older => self.get_mut(older).age_next = next,
        }
        match younger {
            NONE => self.newest = previous,
            younger => self.get_mut(younger).age_previous = previous,
        }
    }

    fn unlink_age(&mut self, slot: u32) {
        let (older, younger) = (self.get(slot).age_previous, self.get(slot).age_next);
        if older == NONE && younger == NONE && self.oldest != slot {
            return;
        }
        self.link_age(older, younger, younger, older);
        self.get_mut(slot).age_previous = NONE;
        self.get_mut(slot).age_next = NONE;
    }

    /// The oldest batch without an outcome, and when it was accepted.
    pub(crate) fn oldest(&self) -> Option<(u32, Instant)> {
        (self.oldest != NONE).then(|| (self.oldest, self.created(self.oldest)))
    }

    fn created(&self, slot: u32) -> Instant {
        self.get(slot).batch.as_ref().map_or(Instant::ZERO, |batch| batch.created)
    }

    /// The batch's records have their outcome. Its memory follows at once, unless it is still being sent.
    pub(crate) fn complete(&mut self, slot: u32, result: Result<Ack, Failure>) {
        if self.get(slot).outcome.is_none() {
            self.get_mut(slot).outcome = Some(result);
            self.unlink_age(slot);
            self.push_done(slot);
        }
    }

    /// The first records of a batch have their outcome.
    pub(crate) fn complete_part(&mut self, slot: u32, count: u32, result: Result<Ack, Failure>) {
        let entry = self.get_mut(slot);
        if let Some(batch) = &entry.batch {
            let (id, partition, first) = (batch.id, batch.partition, batch.first);
            entry.partial = Some(Completed { batch: id, partition, first, count, result });
            self.push_done(slot);
        }
    }

    /// A batch that had its outcome while it was in flight has its answer, or its connection is gone.
    pub(crate) fn release(&mut self, slot: u32) {
        if self.get(slot).outcome.is_some() {
            self.push_done(slot);
        }
    }

    fn push_done(&mut self, slot: u32) {
        if self.get(slot).done {
            return;
        }
        match self.done_last {
            NONE => self.done_first = slot,
            last => self.get_mut(last).done_next = slot,
        }
        self.done_last = slot;
        self.get_mut(slot).done = true;
        self.get_mut(slot).done_next = NONE;
    }

    /// The next outcome, then the next memory.
    pub(crate) fn poll_done(&mut self) -> Option<Event<S::Block>> {
        loop {
            let slot = self.done_first;
            if slot == NONE {
                return None;
            }
            let entry = self.get_mut(slot);
            if let Some(partial) = entry.partial.take() {
                return Some(Event::Completed(partial));
            }
            if !entry.told && entry.outcome.is_some() {
                entry.told = true;
                if let (Some(batch), Some(result)) = (&entry.batch, entry.outcome) {
                    return Some(Event::Completed(Completed {
                        batch: batch.id,
                        partition: batch.partition,
                        first: batch.first,
                        count: batch.count,
                        result,
                    }));
                }
            }
            entry.done = false;
            // Its bytes are still on their way: `release` brings it back here. Or only a part of it is done.
            let (next, stays) = (entry.done_next, entry.in_flight || entry.outcome.is_none());
            self.done_first = next;
            if self.done_first == NONE {
                self.done_last = NONE;
            }
            if stays {
                continue;
            }
            let Some(batch) = self.get_mut(slot).batch.take() else { continue };
            let entry = core::mem::replace(self.get_mut(slot), InFlightSlot::EMPTY);
            self.held -= 1;
            let (id, partition): (BatchId, _) = (batch.id, batch.partition);
            let (mut blocks, mut surplus) = (batch.into_chain(), entry.surplus);
            while let Some(block) = surplus.pop() {
                blocks.adopt(block);
            }
            return Some(Event::Recycle { batch: id, partition, blocks });
        }
    }
}
