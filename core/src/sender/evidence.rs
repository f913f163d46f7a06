//! What the numbering proves when a broker refuses it, and when it starts anew.
//!
//! The broker checks the numbering, so error 45 on a batch whose every attempt was answered says that it is not stored. When
//! the broker has restarted, it remembers only its last batch and answers 45 to the ones before; then the ones that
//! followed are asked about in turn. One of them known: all before are stored, at an offset that nobody can tell any more.
//! None known: none is stored, and the numbering starts anew under the next epoch.
//!
//! Where that proves nothing the batch fails, and says that it may be stored: a later one, which may be the one that the
//! broker remembers, was given up meanwhile; or an earlier one, and both of them may be found, unread, by a broker on a
//! connection that is gone; or it is sent in parts now, and may be stored as a whole; or the log is another one, since its
//! topic was deleted and made anew.

use super::Sender;
use super::idempotence::advance;
use super::in_flight::InFlightSlot;
use super::outcome::SOMEWHERE;
use crate::error::ErrorCode;
use crate::index::NONE;
use crate::memory::Storage;

impl<S: Storage> Sender<S> {
    /// Error 45 or 59: the broker expects another sequence.
    pub(super) fn misnumbered(&mut self, partition: u32, batch: u32, code: ErrorCode) {
        if !self.config.idempotence {
            return self.refuse(partition, batch, code);
        }
        self.recover(partition, false);
        if batch != self.front(partition) {
            // An earlier one was not stored: this one follows it once more.
            return;
        }
        let (first, incarnation) = {
            let state = self.partitions.get(partition);
            (state.first, state.incarnation)
        };
        let entry = self.batches.get_mut(batch);
        if entry.resumed && code == ErrorCode::UNKNOWN_PRODUCER_ID {
            // Whoever has forgotten all about a producer cannot say what it has sent.
            return self.refuse(partition, batch, code);
        }
        let same_log = entry.incarnation == incarnation;
        if entry.implied && same_log {
            entry.acked = Some(SOMEWHERE);
            return self.complete_front(partition);
        }
        let whole_unknown = entry.whole_unknown;
        let overtaken = self.is_overtaken(batch) || (!same_log && !self.holds_numbers_from(partition, batch));
        if whole_unknown || overtaken {
            return self.refuse(partition, batch, code);
        }
        let entry = self.batches.get_mut(batch);
        entry.refused = true;
        let (ambiguous, next, more) = (entry.ambiguous, entry.next, entry.more);
        let numbering = entry.stamp.map(|stamp| stamp.identity);
        let can_ask = match self.next_unsent(next) {
            NONE => more,
            follower => self.batches.get(follower).stamp.map(|stamp| stamp.identity) == numbering,
        };
        match (ambiguous, same_log && can_ask) {
            (false, _) => self.begin_numbering(partition, code),
            (true, true) => {}
            (true, false) => self.conclude(partition, first, same_log, code),
        }
    }

    /// The broker knows none of the queue's batches, and there is no other one to ask about.
    fn conclude(&mut self, partition: u32, first: u32, same_log: bool, code: ErrorCode) {
        if same_log && self.holds_numbers_from(partition, first) {
            self.begin_numbering(partition, code);
        } else {
            self.refuse_unknown(partition, code, |_| true);
        }
    }

    /// Those that the broker does not know wait for another one of their numbering. That one may have failed, or does not
    /// come: then this is all that is known of them.
    pub(super) fn end_wait(&mut self, partition: u32) {
        let state = *self.partitions.get(partition);
        if state.first == NONE || state.in_flight > 0 || !self.batches.get(state.first).refused {
            return;
        }
        let comes = match self.next_unsent(state.first) {
            NONE => self.batches.get(state.last).more,
            next => {
                let next = self.batches.get(next);
                next.stamp.map_or(!state.renumber && !next.apart, |stamp| stamp.identity == state.identity)
            }
        };
        if !comes {
            let same_log = self.batches.get(state.first).incarnation == state.incarnation;
            self.recover(partition, false);
            self.conclude(partition, state.first, same_log, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
        }
    }

    /// What the broker does not know goes on under the next epoch, for as long as nobody else can store it: behind a batch
    /// that was given up, what is adrift may be stored behind that one, should that one be adrift, too. Only the first
    /// batch that is stored under the new epoch ends that.
    fn begin_numbering(&mut self, partition: u32, code: ErrorCode) {
        if self.is_transactional() {
            return self.refuse_misnumbered(partition, code);
        }
        if self.partitions.get(partition).hole {
            self.refuse_unknown(partition, code, |entry| entry.adrift);
        }
        self.partitions.get_mut(partition).restart = true;
    }

    /// Whether a batch behind it is stored already: sent again, it would stand behind that one.
    fn is_overtaken(&self, batch: u32) -> bool {
        let mut slot = self.batches.get(batch).next;
        while slot != NONE && self.batches.get(slot).acked.is_none() {
            slot = self.batches.get(slot).next;
        }
        slot != NONE
    }

    /// Whether all numbers from this batch's on belong to batches of the queue, or to what certainly is not stored. Else one
    /// was given up that may be: it may be the one that the broker remembers.
    fn holds_numbers_from(&self, partition: u32, batch: u32) -> bool {
        let state = self.partitions.get(partition);
        let (mut slot, mut expected) = (batch, None);
        while slot != NONE {
            let entry = self.batches.get(slot);
            if let Some(stamp) = entry.stamp.filter(|stamp| stamp.identity == state.identity) {
                if expected.is_some_and(|expected| expected != stamp.base_sequence) {
                    return false;
                }
                expected = Some(advance(stamp.base_sequence, entry.count() + entry.void));
            }
            slot = entry.next;
        }
        expected == Some(state.next_sequence)
    }

    /// Nobody can tell any more what became of the batches of unknown fate that the broker does not know, or of some of
    /// them.
    fn refuse_unknown(
        &mut self,
        partition: u32,
        code: ErrorCode,
        which: impl Fn(&InFlightSlot<S::Block>) -> bool,
    ) {
        let mut slot = self.partitions.get(partition).first;
        while slot != NONE {
            let entry = self.batches.get(slot);
            let (next, unknown) = (entry.next, entry.refused && entry.ambiguous && which(entry));
            if unknown {
                self.refuse(partition, slot, code);
            }
            slot = next;
        }
    }

    /// The epoch is the coordinator's: what the broker does not know fails, and with it the transaction.
    fn refuse_misnumbered(&mut self, partition: u32, code: ErrorCode) {
        let mut slot = self.partitions.get(partition).first;
        while slot != NONE {
            let entry = self.batches.get(slot);
            let (next, refused) = (entry.next, entry.refused);
            if refused {
                self.refuse(partition, slot, code);
            }
            slot = next;
        }
    }

    /// Error 47 or 49: this identity writes no more. What it was sent under has no earlier attempt of unknown fate, or
    /// nobody can tell.
    pub(super) fn disowned(&mut self, partition: u32, batch: u32, code: ErrorCode) {
        let entry = self.batches.get(batch);
        let Some(stamp) =
            entry.stamp.filter(|_| self.config.idempotence && !entry.ambiguous && !self.is_transactional())
        else {
            return self.refuse(partition, batch, code);
        };
        self.idempotence.renew(stamp.identity);
        self.partitions.get_mut(partition).restart = true;
        self.recover(partition, true);
    }

    /// No batch of the queue can be in the log under the numbers that it has: they begin another numbering.
    pub(super) fn restart_numbering(&mut self, partition: u32) {
        let state = self.partitions.get_mut(partition);
        if !core::mem::take(&mut state.restart) {
            return;
        }
        state.renumber = true;
        let (mut slot, numbering) = (state.first, state.identity);
        while slot != NONE {
            let entry = self.batches.get_mut(slot);
            // Another numbering's are behind: they have not been asked about.
            if entry.stamp.is_none_or(|stamp| stamp.identity == numbering) {
                (entry.stamp, entry.void) = (None, 0);
                (entry.refused, entry.implied) = (false, false);
                (entry.ambiguous, entry.adrift) = (false, false);
                (entry.resumed, entry.more) = (false, false);
            }
            slot = entry.next;
        }
    }
}
