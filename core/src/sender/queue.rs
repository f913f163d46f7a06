//! Batches wait here for their turn: whether a partition has room, who waits for it, who is in backoff.

use super::Sender;
use super::connection::Outgoing;
use super::retry::backoff;
use crate::batch::Batch;
use crate::cluster::TopicState;
use crate::error::{Cause, ErrorCode, ErrorKind, Failure, Persisted, Stage};
use crate::event::{Event, Numbers};
use crate::id::{NOBODY, TopicPartition};
use crate::index::NONE;
use crate::memory::Storage;
use crate::time::earliest;

impl<S: Storage> Sender<S> {
    pub(super) fn reserve_place(&mut self, key: TopicPartition) -> bool {
        if self.verdict(key).is_some() {
            return true;
        }
        let Some((partition, evicted)) = self.partitions.find_or_take(key) else {
            return self.overfills_transaction();
        };
        if evicted && !self.is_transactional() {
            self.idempotence.forget_numbering();
        }
        if self.has_room(partition) {
            self.partitions.get_mut(partition).reserved = true;
            return true;
        }
        let state = self.partitions.get_mut(partition);
        (state.waiting, state.ask_again) = (true, false);
        self.wait(partition);
        self.seek_leader(partition);
        false
    }

    /// Takes a batch in at its partition's end. `numbers` are those that a former life has given it.
    pub(super) fn enqueue_sealed(&mut self, batch: Batch<S::Block>, numbers: Option<Numbers>, apart: bool) {
        let key = batch.partition;
        let expired = batch.created + self.config.delivery_timeout <= self.now;
        let kind = self.verdict(key).or_else(|| expired.then(|| ErrorKind::DeliveryTimeout(self.stage(key))));
        let place = self.partitions.find(key);
        if let Some(partition) = place {
            self.partitions.get_mut(partition).reserved = false;
        }
        let taken = match kind {
            None => self.partitions.find_or_take(key).map(|(partition, _)| partition),
            Some(_) => None,
        };
        let Some(partition) = taken else {
            if let Some(partition) = place {
                self.partitions.get_mut(partition).ask_again = true;
                self.recheck = true;
            }
            let last_cause = self.cause(key);
            let kind_told = kind.unwrap_or(ErrorKind::DeliveryTimeout(Stage::Queue));
            if let Some(ErrorKind::UnknownTopic | ErrorKind::Broker(_)) = kind {
                // It may exist, or be allowed, by the time of the next record.
                self.refresh_topic(key.topic, false);
                self.metadata.second_look = true;
            }
            let slot = self.batches.insert(batch, NONE);
            let persisted = if numbers.is_some() { Persisted::Possibly } else { Persisted::No };
            self.batches.complete(slot, Err(Failure { kind: kind_told, persisted, attempts: 0, last_cause }));
            return;
        };
        let slot = self.batches.insert(batch, partition);
        self.batches.get_mut(slot).apart = apart;
        let last = core::mem::replace(&mut self.partitions.get_mut(partition).last, slot);
        match last {
            NONE => {
                let state = self.partitions.get_mut(partition);
                (state.first, state.withdrawn) = (slot, false);
            }
            last => self.batches.get_mut(last).next = slot,
        }
        let state = self.partitions.get_mut(partition);
        if state.cursor == NONE {
            state.cursor = slot;
        }
        match numbers {
            None => self.compress(slot, key.topic),
            Some(numbers) => self.take_up(partition, slot, numbers),
        }
        if last != NONE && core::mem::take(&mut self.batches.get_mut(last).more) {
            // Those before it may have waited for this one, or wait for nothing any more.
            return self.proceed(partition);
        }
        self.list(partition);
    }

    /// Why records of a partition must fail now, whatever room there is.
    pub(super) fn verdict(&self, key: TopicPartition) -> Option<ErrorKind> {
        if self.closed {
            return Some(ErrorKind::Closed);
        }
        if let Some(kind) = self.refusal() {
            return Some(kind);
        }
        if let Some(code) = self.idempotence.denied {
            return Some(ErrorKind::Broker(code));
        }
        if let Some(kind) = self.transaction_verdict() {
            return Some(kind);
        }
        match self.cluster.topic(key.topic)?.state {
            TopicState::Failed(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => Some(ErrorKind::UnknownTopic),
            TopicState::Failed(ErrorCode::NONE) => Some(ErrorKind::TooManyPartitions),
            TopicState::Failed(code) => Some(ErrorKind::Broker(code)),
            TopicState::Known { partitions } if key.partition >= partitions => {
                Some(ErrorKind::UnknownPartition)
            }
            TopicState::Known { .. } | TopicState::Unknown | TopicState::Free => None,
        }
    }

    /// How far the records of a partition could have come.
    pub(super) fn stage(&self, key: TopicPartition) -> Stage {
        match self.cluster.topic(key.topic).map(|slot| slot.state) {
            Some(TopicState::Known { .. }) => {}
            _ => return Stage::Metadata,
        }
        match self.cluster.leader(key.topic, key.partition) {
            Some(leader) if self.connection(leader).is_ready() => Stage::Queue,
            _ => Stage::Connection,
        }
    }

    /// What stands in the way of a partition's records.
    pub(super) fn cause(&self, key: TopicPartition) -> Option<Cause> {
        match self.cluster.leader(key.topic, key.partition) {
            Some(leader) => self.connection(leader).last_cause.map(Cause::Disconnected),
            None => self.metadata.last_cause,
        }
    }

    /// The broker that a partition's batches go to now. Never two at once: while batches are in flight it stays.
    pub(super) fn settle_broker(&mut self, partition: u32) -> Option<u16> {
        let state = *self.partitions.get(partition);
        if state.in_flight > 0 {
            return Some(state.broker);
        }
        let leader = self.cluster.leader(state.key.topic, state.key.partition)?;
        let generation = self.connection(leader).generation;
        if (leader, generation) != (state.broker, state.generation) {
            let state = self.partitions.get_mut(partition);
            if leader != state.broker {
                state.confirmed_on = None;
            }
            (state.broker, state.generation) = (leader, generation);
            self.ask_all_again(partition);
        }
        Some(leader)
    }

    /// What one broker refused, another one may know; and the same one, too, when it comes back.
    fn ask_all_again(&mut self, partition: u32) {
        let first = self.partitions.get(partition).first;
        let mut slot = first;
        while slot != NONE {
            let entry = self.batches.get_mut(slot);
            entry.refused = false;
            slot = entry.next;
        }
        self.partitions.get_mut(partition).cursor = self.next_unsent(first);
    }

    /// Whether a batch of the partition that is not here yet could be sent with the next request.
    fn has_room(&mut self, partition: u32) -> bool {
        let Some(broker) = self.settle_broker(partition) else { return false };
        let state = self.partitions.get(partition);
        if state.reserved || state.cursor != NONE || state.listed || !self.may_send(partition) {
            return false;
        }
        let connection = self.connection(broker);
        let writing = matches!(connection.outgoing, Outgoing::Produce(cursor) if cursor.begun);
        connection.is_ready()
            && connection.throttled_until.is_none()
            && !writing
            && connection.produce_in_flight < self.config.in_flight_max
            && connection.sendable_bytes < self.config.request_bytes_max
    }

    /// Whether the partition's own rules allow one more batch in flight.
    pub(super) fn may_send(&self, partition: u32) -> bool {
        let state = self.partitions.get(partition);
        let confirmed = state.confirmed_on.is_some_and(|generation| {
            state.broker != NOBODY && generation == self.connection(state.broker).generation
        });
        let gated = state.recovering || (self.config.idempotence && !confirmed);
        let limit = if gated { 1 } else { self.config.in_flight_max };
        state.retry_at.is_none()
            && state.in_flight < limit
            && (!self.config.idempotence || self.idempotence.is_known())
    }

    /// Puts a partition with a batch to send into its connection's list, or lets it wait until that is possible.
    pub(super) fn list(&mut self, partition: u32) {
        let state = *self.partitions.get(partition);
        if state.listed || state.cursor == NONE {
            return;
        }
        let broker = self.settle_broker(partition).filter(|&broker| self.connection(broker).is_ready());
        let may_send = broker.is_some()
            && self.may_send(partition)
            && self.join_transaction(partition)
            && self.has_number(partition);
        let (Some(broker), true) = (broker, may_send) else {
            self.wait(partition);
            self.seek_leader(partition);
            return;
        };
        let bytes = self.batches.get(state.cursor).bytes();
        let state = self.partitions.get_mut(partition);
        state.listed = true;
        state.next_sendable = NONE;
        let connection = self.connection_mut(broker);
        connection.sendable_bytes += bytes;
        let last = core::mem::replace(&mut connection.sendable_last, partition);
        match last {
            NONE => connection.sendable_first = partition,
            last => self.partitions.get_mut(last).next_sendable = partition,
        }
        self.connection_mut(broker).tell_transmit = true;
    }

    /// Takes the first partition off a connection's list.
    pub(super) fn unlist(&mut self, slot: u16) -> Option<u32> {
        let partition = self.connection(slot).sendable_first;
        if partition == NONE {
            return None;
        }
        let state = self.partitions.get_mut(partition);
        state.listed = false;
        let (next, cursor) = (state.next_sendable, state.cursor);
        let bytes = if cursor == NONE { 0 } else { self.batches.get(cursor).bytes() };
        let connection = self.connection_mut(slot);
        connection.sendable_first = next;
        connection.sendable_bytes = connection.sendable_bytes.saturating_sub(bytes);
        if next == NONE {
            connection.sendable_last = NONE;
            connection.sendable_bytes = 0;
        }
        Some(partition)
    }

    /// Without its connection nobody is in its list: their leader may be another one when it is back.
    pub(super) fn unlist_connection(&mut self, slot: u16) {
        while let Some(partition) = self.unlist(slot) {
            self.wait(partition);
        }
    }

    /// What a waiting partition lacks is asked for: its topic's metadata, or a connection to its leader.
    fn seek_leader(&mut self, partition: u32) {
        let key = self.partitions.get(partition).key;
        match self.settle_broker(partition) {
            Some(broker) => self.want_connection(broker),
            None => self.refresh_topic(key.topic, false),
        }
    }

    pub(super) fn wait(&mut self, partition: u32) {
        let state = self.partitions.get_mut(partition);
        if !state.in_waiting {
            state.in_waiting = true;
            state.next_waiting = NONE;
            match self.waiting_last {
                NONE => self.waiting_first = partition,
                last => self.partitions.get_mut(last).next_waiting = partition,
            }
            self.waiting_last = partition;
        }
    }

    /// Looks once through those that wait, and names the next one that has room again.
    pub(super) fn ready_event(&mut self) -> Option<Event<S::Block>> {
        loop {
            if self.walk_left == 0 {
                if !core::mem::take(&mut self.recheck) {
                    return None;
                }
                self.walk_left = self.waiting_count();
                if self.walk_left == 0 {
                    return None;
                }
            }
            self.walk_left -= 1;
            let partition = self.waiting_first;
            if partition == NONE {
                self.walk_left = 0;
                continue;
            }
            let state = self.partitions.get_mut(partition);
            state.in_waiting = false;
            self.waiting_first = state.next_waiting;
            if self.waiting_first == NONE {
                self.waiting_last = NONE;
            }
            if let Some(event) = self.offer(partition) {
                return Some(event);
            }
        }
    }

    fn waiting_count(&self) -> u32 {
        let (mut count, mut at) = (0, self.waiting_first);
        while at != NONE {
            count += 1;
            at = self.partitions.get(at).next_waiting;
        }
        count
    }

    /// A waiting partition may have what it waits for. If not, it goes on waiting.
    fn offer(&mut self, partition: u32) -> Option<Event<S::Block>> {
        let key = self.partitions.get(partition).key;
        if self.partitions.get(partition).first != NONE
            && let Some(kind) = self.verdict(key)
        {
            self.fail_queued(partition, kind);
        }
        // There may be another producer id now, which a numbering waits for that is to start anew.
        self.proceed(partition);
        let state = self.partitions.get(partition);
        if !state.waiting {
            return None;
        }
        let ask_again = state.ask_again;
        if ask_again || self.verdict(key).is_some() || self.has_room(partition) {
            let state = self.partitions.get_mut(partition);
            (state.waiting, state.ask_again) = (false, false);
            return Some(Event::Ready(key));
        }
        self.wait(partition);
        self.seek_leader(partition);
        None
    }

    /// Nothing of the partition is sent until its backoff has passed.
    pub(super) fn back_off(&mut self, partition: u32) {
        let failures = {
            let state = self.partitions.get_mut(partition);
            state.failures += 1;
            state.failures
        };
        let wait =
            backoff(self.config.retry_backoff, self.config.retry_backoff_max, failures, &mut self.random);
        let until = self.now + wait;
        self.backoff_at = earliest(self.backoff_at, Some(until));
        let first = self.backoff_first;
        let state = self.partitions.get_mut(partition);
        state.retry_at = Some(until);
        if !state.in_backoff {
            state.in_backoff = true;
            state.next_backoff = first;
            self.backoff_first = partition;
        }
    }

    pub(super) fn end_backoffs(&mut self) {
        if self.backoff_at.is_none_or(|at| at > self.now) {
            return;
        }
        self.backoff_at = None;
        let mut at = core::mem::replace(&mut self.backoff_first, NONE);
        while at != NONE {
            let partition = at;
            let first = self.backoff_first;
            let state = self.partitions.get_mut(partition);
            at = state.next_backoff;
            match state.retry_at {
                Some(until) if until > self.now => {
                    state.next_backoff = first;
                    self.backoff_first = partition;
                    self.backoff_at = earliest(self.backoff_at, Some(until));
                }
                _ => {
                    state.in_backoff = false;
                    state.retry_at = None;
                    self.list(partition);
                }
            }
        }
        self.recheck = true;
    }

    /// The delivery timeout: what is in flight is answered later, or lost with its connection.
    pub(super) fn expire(&mut self) {
        while let Some((slot, created)) = self.batches.oldest() {
            if created + self.config.delivery_timeout > self.now {
                return;
            }
            self.expire_batch(slot);
        }
    }
}
