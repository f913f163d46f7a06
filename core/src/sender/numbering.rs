//! Where a numbering begins: under which identity, what may stand before it, and that whoever keeps notes has written it
//! down before anything is sent under it. And the numbers that a former life of the producer has given.
//!
//! A numbering begins only where nothing stands before its first batch: all that was handed over before has its outcome. So
//! a note of it says that, too.

use super::Sender;
use super::idempotence::{ProducerIdentity, advance};
use super::in_flight::Stamp;
use super::partition::{Note, PartitionSlot};
use crate::error::Persisted;
use crate::event::{Event, Numbering, Numbers};
use crate::index::NONE;
use crate::memory::Storage;

impl<S: Storage> Sender<S> {
    /// Whether the partition's next batch has its number, or may be given the next one.
    pub(super) fn has_number(&mut self, partition: u32) -> bool {
        if !self.config.idempotence {
            return true;
        }
        let state = self.partitions.get(partition);
        let entry = self.batches.get(state.cursor);
        let begins = state.renumber || entry.apart || state.identity == ProducerIdentity::NONE;
        match entry.stamp {
            Some(stamp) => stamp.identity == state.identity || self.inherit(partition, stamp.identity),
            None => (!begins || self.begin(partition)) && self.is_noted(partition),
        }
    }

    /// Begins a numbering of this life: the partition's first, under a new producer id, or under the next epoch.
    fn begin(&mut self, partition: u32) -> bool {
        let state = *self.partitions.get(partition);
        if state.cursor != state.first {
            return false;
        }
        if self.is_transactional() && state.identity != ProducerIdentity::NONE {
            // The epoch is its coordinator's to raise.
            return false;
        }
        let Some(identity) = self.idempotence.restart(state.identity) else { return false };
        let state = self.partitions.get_mut(partition);
        if identity.id != state.identity.id {
            // Of a producer that it does not know the broker takes any first sequence: one is in flight until it does.
            state.confirmed_on = None;
        }
        (state.identity, state.next_sequence) = (identity, 0);
        (state.renumber, state.hole, state.note) = (false, false, Note::Missing);
        #[cfg(feature = "transactions")]
        {
            state.pinned = self.idempotence.transactional;
        }
        self.batches.get_mut(state.cursor).apart = false;
        true
    }

    /// Goes on with a numbering of a former life, for those that have numbers of it already.
    fn inherit(&mut self, partition: u32, identity: ProducerIdentity) -> bool {
        let state = *self.partitions.get(partition);
        if state.cursor != state.first || self.awaits_topic_id(partition) {
            return false;
        }
        if state.identity != ProducerIdentity::NONE {
            // It may be this life's: should the partition come back to that one, its old numbers must not be used again.
            self.idempotence.forget_numbering();
        }
        let state = self.partitions.get_mut(partition);
        state.identity = identity;
        (state.renumber, state.hole, state.confirmed_on) = (true, false, None);
        true
    }

    /// Whether the topic's id is about to be known. The first id would say that the log may be another one than that which
    /// was asked before.
    fn awaits_topic_id(&mut self, partition: u32) -> bool {
        let topic = self.partitions.get(partition).key.topic;
        let is_asked = self.cluster.topic(topic).is_some_and(|slot| slot.asked);
        let is_due = self.cluster.topic(topic).is_some_and(|slot| slot.refresh);
        let awaits = !self.cluster.has_id(topic) && (is_asked || is_due);
        if awaits && !is_asked {
            self.refresh_topic(topic, true);
        }
        awaits
    }

    /// Whether somebody writes down where numberings begin.
    const fn keeps_notes(&self) -> bool {
        #[cfg(feature = "resume")]
        return self.config.notes_numberings;
        #[cfg(not(feature = "resume"))]
        false
    }

    /// Whether nobody keeps notes, or the numbering is written down as it will be. Else it is told, once.
    fn is_noted(&mut self, partition: u32) -> bool {
        if !self.keeps_notes() {
            return true;
        }
        let state = self.partitions.get(partition);
        let first = self.batches.get(state.cursor).batch.as_ref().map(|batch| batch.id);
        match state.note {
            Note::Used => return true,
            Note::Written(noted) if Some(noted) == first => return true,
            Note::Told(told) if Some(told) == first => return false,
            Note::Due => return false,
            // The batch that was to be the first has failed.
            Note::Missing | Note::Told(_) | Note::Written(_) => {}
        }
        // A later life will want to know of this very log what became of the batch: the id says which one it is.
        if !self.awaits_topic_id(partition) {
            self.partitions.get_mut(partition).note = Note::Due;
            self.notes_due += 1;
        }
        false
    }

    /// The next numbering to write down.
    pub(super) fn numbering_event(&mut self) -> Option<Event<S::Block>> {
        while self.keeps_notes() && self.notes_due > 0 {
            let Some(partition) = self.partitions.next_due_note() else {
                self.notes_due = 0;
                break;
            };
            self.notes_due -= 1;
            let state = *self.partitions.get(partition);
            let numbering = self.numbering(&state);
            let note = numbering.map_or(Note::Missing, |numbering| Note::Told(numbering.first));
            self.partitions.get_mut(partition).note = note;
            if let Some(numbering) = numbering {
                return Some(Event::Numbering(numbering));
            }
        }
        None
    }

    /// What is to be noted of a partition whose next batch begins a numbering; `None` where that one is gone.
    fn numbering(&self, state: &PartitionSlot) -> Option<Numbering> {
        if state.cursor == NONE {
            return None;
        }
        let entry = self.batches.get(state.cursor);
        let batch = entry.batch.as_ref().filter(|_| entry.stamp.is_none())?;
        Some(Numbering {
            partition: state.key,
            producer_id: state.identity.id,
            producer_epoch: state.identity.epoch,
            first: batch.id,
        })
    }

    /// A numbering is written down.
    pub(super) fn noted(&mut self, numbering: &Numbering) {
        let Some(partition) = self.partitions.find(numbering.partition) else { return };
        let state = *self.partitions.get(partition);
        if state.note == Note::Told(numbering.first) && self.numbering(&state) == Some(*numbering) {
            self.partitions.get_mut(partition).note = Note::Written(numbering.first);
            self.list(partition);
        }
    }

    /// A batch fails. What is noted says that the batches behind the first have the numbers that follow, each as many as it
    /// has records. Where one certainly is not stored its numbers stay free, or it had none: what follows begins another
    /// numbering.
    pub(super) fn break_off(&mut self, partition: u32, persisted: Persisted) {
        let keeps_notes = self.keeps_notes();
        let state = self.partitions.get_mut(partition);
        let is_noted = keeps_notes && state.note == Note::Used;
        state.renumber |= is_noted && persisted == Persisted::No;
    }

    /// A batch has come with the numbers that a former life has given it.
    pub(super) fn take_up(&mut self, partition: u32, slot: u32, numbers: Numbers) {
        let crc32c = self.config.crc32c;
        let entry = self.batches.get_mut(slot);
        (entry.ambiguous, entry.adrift) = (true, true);
        if !self.config.idempotence {
            return;
        }
        (entry.resumed, entry.more) = (true, numbers.more);
        let identity = ProducerIdentity::new(numbers.producer_id, numbers.producer_epoch);
        let batch = entry.batch.as_ref();
        entry.stamp = batch.map(|batch| Stamp::new(identity, numbers.base_sequence, batch, crc32c));
        // One after the other, until all are known.
        self.partitions.get_mut(partition).recovering = true;
    }

    /// A batch that has its numbers is sent. Those of a former life are this partition's from the first time on.
    pub(super) fn restamp(&mut self, partition: u32, slot: u32, stamp: Stamp) {
        let entry = self.batches.get_mut(slot);
        if entry.resumed && entry.attempts == 0 {
            let state = self.partitions.get_mut(partition);
            state.next_sequence = advance(stamp.base_sequence, entry.count());
            entry.incarnation = state.incarnation;
        }
    }
}
