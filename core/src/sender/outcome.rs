//! What an answer, a broken connection or the clock means for a batch: done, failed, or once more.
//!
//! The broker checks the numbering, so a success says that everything before it under the same numbering is stored. That is
//! how a batch of unknown fate gets its true outcome: it is sent again. A success tells its offset; what it means when
//! the broker does not know the batch is the room `evidence`'s business.

use super::Sender;
use crate::error::{Cause, Class, Disconnect, ErrorCode, ErrorKind, Failure, Persisted, Stage};
use crate::event::Ack;
use crate::index::NONE;
use crate::memory::Storage;

/// A damaged batch is sent again, but not for ever: the damage may be at home.
const CORRUPT_MAX: u8 = 3;

/// So often in a row a broker may deny that it leads what the metadata says it leads, before its address is looked up anew
/// (another broker may listen there now), and another one is asked who leads.
const DENIALS_MAX: u32 = 4;

/// Stored, at an offset that nobody can tell.
pub(super) const SOMEWHERE: Ack = Ack { base_offset: -1, log_append_time: None };

impl<S: Storage> Sender<S> {
    /// A batch in flight has its answer.
    pub(super) fn settle(&mut self, partition: u32, batch: u32, code: ErrorCode, ack: Ack) {
        self.land(partition, batch);
        let expired = self.batches.get(batch).outcome.is_some();
        if code != ErrorCode::NONE {
            self.batches.get_mut(batch).last_cause = Some(Cause::Broker(code));
        }
        self.suspect_other_log(partition, code);
        match code.class() {
            Class::None => self.succeed(partition, batch, ack),
            Class::Duplicate => self.succeed(partition, batch, SOMEWHERE),
            _ if expired => {
                self.give_up(partition, batch);
                self.partitions.get_mut(partition).recovering = true;
            }
            Class::Retriable | Class::RetriableRefresh => self.retry(partition, batch, code),
            Class::Sequence => self.misnumbered(partition, batch, code),
            Class::ProducerId => self.disowned(partition, batch, code),
            Class::Split => self.split(partition, batch, code),
            Class::Compression if self.send_plain(partition, batch) => {}
            Class::Compression | Class::Fatal => self.refuse(partition, batch, code),
        }
        self.proceed(partition);
    }

    /// The batch is not in flight any more.
    fn land(&mut self, partition: u32, batch: u32) {
        self.batches.get_mut(batch).in_flight = false;
        self.partitions.get_mut(partition).in_flight -= 1;
    }

    /// Where topics have no ids, only this error tells that a topic may have been deleted: there may be another one of
    /// that name by the next attempt.
    fn suspect_other_log(&mut self, partition: u32, code: ErrorCode) {
        let topic = self.partitions.get(partition).key.topic;
        if code == ErrorCode::UNKNOWN_TOPIC_OR_PARTITION && !self.cluster.has_id(topic) {
            self.partitions.get_mut(partition).begin_anew();
            self.cluster.forget_epochs(topic);
        }
    }

    fn succeed(&mut self, partition: u32, batch: u32, ack: Ack) {
        let broker = self.partitions.get(partition).broker;
        self.connection_mut(broker).misdirected = false;
        let generation = self.connection(broker).generation;
        let state = self.partitions.get_mut(partition);
        state.confirmed_on = Some(generation);
        state.failures = 0;
        let incarnation = state.incarnation;
        let numbering = self.batches.get(batch).stamp.map(|stamp| stamp.identity);
        // Everything before it is stored.
        state.hole &= numbering != Some(state.identity);
        let mut before = state.first;
        while before != batch && before != NONE {
            let entry = self.batches.get_mut(before);
            // One whose every attempt was answered is not stored, whatever follows: then it is another log.
            entry.implied |= self.config.idempotence
                && entry.ambiguous
                && entry.incarnation == incarnation
                && entry.stamp.map(|stamp| stamp.identity) == numbering;
            before = entry.next;
        }
        self.batches.get_mut(batch).acked = Some(ack);
        self.refuse_overtaken(partition, batch);
        self.complete_front(partition);
    }

    /// What the broker did not know, and is not stored because this batch is, would stand behind it if it were sent again:
    /// the log is not the one that it was.
    fn refuse_overtaken(&mut self, partition: u32, batch: u32) {
        let mut slot = self.partitions.get(partition).first;
        while slot != batch && slot != NONE {
            let entry = self.batches.get(slot);
            let (next, overtaken) = (entry.next, entry.refused && !entry.implied);
            if overtaken {
                self.refuse(partition, slot, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
            }
            slot = next;
        }
    }

    /// Completes from the front of the queue what is known to be stored: outcomes come in order.
    pub(super) fn complete_front(&mut self, partition: u32) {
        loop {
            let first = self.partitions.get(partition).first;
            if first == NONE {
                return;
            }
            let entry = self.batches.get(first);
            let ack = match (entry.acked, entry.refused && entry.implied) {
                (Some(ack), _) => ack,
                (None, true) => SOMEWHERE,
                (None, false) => return,
            };
            // One that has had its outcome is not sent on; one that is stored because a later one is, is stored whole.
            let goes_on = entry.outcome.is_none() && !entry.implied;
            if goes_on && self.complete_part(first, ack) {
                // The rest is sent before anything that follows.
                self.partitions.get_mut(partition).recovering = true;
                return;
            }
            self.remove(partition, first);
            self.batches.complete(first, Ok(ack));
        }
    }

    fn retry(&mut self, partition: u32, batch: u32, code: ErrorCode) {
        let entry = self.batches.get_mut(batch);
        entry.ambiguous |= code.persisted() == Persisted::Possibly;
        entry.corrupt += u8::from(code == ErrorCode::CORRUPT_MESSAGE);
        if entry.corrupt >= CORRUPT_MAX {
            return self.refuse(partition, batch, code);
        }
        if code.class() == Class::RetriableRefresh {
            // Whoever it is, it is not this one: the batch waits for the metadata instead of asking in vain.
            let state = self.partitions.get(partition);
            let (key, broker) = (state.key, state.broker);
            if code == ErrorCode::NOT_LEADER_OR_FOLLOWER && state.failures >= DENIALS_MAX {
                self.connection_mut(broker).misdirected = true;
                self.connect_elsewhere();
            }
            self.cluster.doubt_leader(key.topic, key.partition);
            self.refresh_topic(key.topic, false);
        }
        self.recover(partition, true);
    }

    /// The broker that does not lead any more knows who does (KIP-951): the batch goes there without a backoff.
    pub(super) fn follow_hint(&mut self, partition: u32, leader: i32, epoch: i32) {
        let state = self.partitions.get(partition);
        let (key, asked) = (state.key, state.broker);
        let Some(broker) = self.cluster.broker_of_node(leader).filter(|&broker| broker != asked) else {
            return;
        };
        if self.cluster.hint_leader(key.topic, key.partition, broker, epoch) {
            self.partitions.get_mut(partition).retry_at = None;
            self.list(partition);
            self.recheck = true;
        }
    }

    /// Nothing more is sent for the partition until nothing is in flight; then from the front, one after the other.
    pub(super) fn recover(&mut self, partition: u32, wait: bool) {
        self.partitions.get_mut(partition).recovering = true;
        if wait && self.partitions.get(partition).retry_at.is_none() {
            self.back_off(partition);
        }
    }

    /// The broker will never take it.
    pub(super) fn refuse(&mut self, partition: u32, batch: u32, code: ErrorCode) {
        let entry = self.batches.get_mut(batch);
        entry.ambiguous |= code.persisted() == Persisted::Possibly;
        self.recover_after_failure(partition);
        self.fail(partition, batch, ErrorKind::Broker(code));
    }

    /// What follows a failed batch in flight is answered with 45: it comes back and is sent again.
    fn recover_after_failure(&mut self, partition: u32) {
        if self.config.idempotence && self.partitions.get(partition).in_flight > 0 {
            self.partitions.get_mut(partition).recovering = true;
        }
    }

    /// A batch without a place in flight fails; one that is stored has that for its outcome, whatever stood before it.
    pub(super) fn fail(&mut self, partition: u32, batch: u32, kind: ErrorKind) {
        let entry = self.batches.get(batch);
        if let Some(ack) = entry.acked {
            self.remove(partition, batch);
            return self.batches.complete(batch, Ok(ack));
        }
        let persisted = if entry.ambiguous { Persisted::Possibly } else { Persisted::No };
        let failure = Failure { kind, persisted, attempts: entry.attempts, last_cause: entry.last_cause };
        let (stamp, next) = (entry.stamp, entry.next);
        let is_last_numbered = next == NONE || self.batches.get(next).stamp.is_none();
        if let (Some(stamp), Persisted::No, true) = (stamp, persisted, is_last_numbered) {
            // It is not in the log and nothing follows it: the next batch takes its number, and there is no hole.
            let state = self.partitions.get_mut(partition);
            if stamp.identity == state.identity {
                state.next_sequence = stamp.base_sequence;
            }
        }
        self.break_off(partition, persisted);
        match persisted {
            Persisted::No => self.remove(partition, batch),
            Persisted::Possibly => self.give_up(partition, batch),
        }
        self.batches.complete(batch, Err(failure));
    }

    /// Takes a batch out that may be stored, or not.
    fn give_up(&mut self, partition: u32, batch: u32) {
        let stamp = self.batches.get(batch).stamp;
        let state = self.partitions.get_mut(partition);
        state.hole |= stamp.is_some_and(|stamp| stamp.identity == state.identity);
        self.remove(partition, batch);
    }

    /// Takes a batch out of its partition's queue. It keeps its slot until its memory is told.
    fn remove(&mut self, partition: u32, batch: u32) {
        let next = self.batches.get(batch).next;
        let mut before = NONE;
        let mut at = self.partitions.get(partition).first;
        while at != batch && at != NONE {
            before = at;
            at = self.batches.get(at).next;
        }
        if at == NONE {
            return;
        }
        match before {
            NONE => self.partitions.get_mut(partition).first = next,
            before => self.batches.get_mut(before).next = next,
        }
        let follower = self.next_unsent(next);
        let state = self.partitions.get_mut(partition);
        if state.last == batch {
            state.last = before;
        }
        if state.cursor == batch {
            state.cursor = follower;
        }
        self.batches.get_mut(batch).next = NONE;
        self.batches.release(batch);
    }

    /// The first batch, from `slot` on, that is to be sent.
    pub(super) fn next_unsent(&self, mut slot: u32) -> u32 {
        while slot != NONE {
            let entry = self.batches.get(slot);
            if !entry.in_flight && !entry.refused && entry.acked.is_none() {
                break;
            }
            slot = entry.next;
        }
        slot
    }

    /// The first batch of the queue whose fate is open.
    pub(super) fn front(&self, partition: u32) -> u32 {
        let mut slot = self.partitions.get(partition).first;
        while slot != NONE && (self.batches.get(slot).refused || self.batches.get(slot).acked.is_some()) {
            slot = self.batches.get(slot).next;
        }
        slot
    }

    /// The oldest batch of the partition that is in flight.
    pub(super) fn oldest_in_flight(&self, partition: u32) -> u32 {
        let mut slot = self.partitions.get(partition).first;
        while slot != NONE && !self.batches.get(slot).in_flight {
            slot = self.batches.get(slot).next;
        }
        slot
    }

    /// After every change: once nothing is in flight, a recovering partition starts again from its front.
    pub(super) fn proceed(&mut self, partition: u32) {
        // Whoever stood in front of one that is stored may have failed.
        self.complete_front(partition);
        self.withdraw_unsent(partition);
        self.end_wait(partition);
        let state = self.partitions.get(partition);
        if state.recovering && state.in_flight == 0 {
            self.restart_numbering(partition);
            self.withdraw_unsent(partition);
            let front = self.next_unsent(self.partitions.get(partition).first);
            let fresh = front == NONE || self.batches.get(front).stamp.is_none();
            let state = self.partitions.get_mut(partition);
            state.cursor = front;
            state.recovering = !fresh || state.restart;
        }
        self.list(partition);
    }

    /// A connection is gone with a request: what became of its batches is not known.
    pub(super) fn lose_batches(
        &mut self,
        first: u32,
        correlation_id: i32,
        cause: Disconnect,
        may_be_stored: bool,
    ) {
        let mut batch = first;
        while batch != NONE {
            let entry = self.batches.get_mut(batch);
            let (next, partition) = (entry.request_next, entry.partition);
            debug_assert_eq!(entry.correlation_id, correlation_id, "a request holds only its own batches");
            entry.last_cause = Some(Cause::Disconnected(cause));
            entry.ambiguous |= may_be_stored;
            entry.adrift |= may_be_stored;
            entry.attempts -= u32::from(!may_be_stored);
            let expired = entry.outcome.is_some();
            self.land(partition, batch);
            let topic = self.partitions.get(partition).key.topic;
            self.refresh_topic(topic, false);
            self.recover(partition, true);
            if expired {
                self.give_up(partition, batch);
            }
            self.proceed(partition);
            batch = next;
        }
    }

    /// The delivery timeout of a batch has passed.
    pub(super) fn expire_batch(&mut self, batch: u32) {
        let entry = self.batches.get(batch);
        let partition = entry.partition;
        if entry.in_flight {
            let failure = Failure {
                kind: ErrorKind::DeliveryTimeout(Stage::InFlight),
                persisted: Persisted::Possibly,
                attempts: entry.attempts,
                last_cause: entry.last_cause,
            };
            self.batches.complete(batch, Err(failure));
        } else {
            let key = self.partitions.get(partition).key;
            let stage = if entry.attempts > 0 { Stage::InFlight } else { self.stage(key) };
            if entry.last_cause.is_none() {
                self.batches.get_mut(batch).last_cause = self.cause(key);
            }
            self.fail(partition, batch, ErrorKind::DeliveryTimeout(stage));
            self.proceed(partition);
        }
    }

    /// What of a partition is not in flight fails.
    pub(super) fn fail_queued(&mut self, partition: u32, kind: ErrorKind) {
        let mut slot = self.partitions.get(partition).first;
        while slot != NONE {
            let next = self.batches.get(slot).next;
            if !self.batches.get(slot).in_flight {
                self.fail(partition, slot, kind);
            }
            slot = next;
        }
    }

    /// Everything that is held fails: the producer was closed, or the broker refuses to let it write.
    pub(super) fn fail_everything(&mut self) {
        while let Some((batch, _)) = self.batches.oldest() {
            let entry = self.batches.get(batch);
            let (partition, attempts, last_cause) = (entry.partition, entry.attempts, entry.last_cause);
            let denied = self.idempotence.denied.map(ErrorKind::Broker);
            let kind = match self.refusal().or(denied) {
                Some(kind) if !self.closed => kind,
                _ => ErrorKind::Closed,
            };
            if entry.in_flight {
                let persisted = Persisted::Possibly;
                self.batches.complete(batch, Err(Failure { kind, persisted, attempts, last_cause }));
            } else {
                self.fail(partition, batch, kind);
            }
        }
    }
}
