//! The Produce request: which batches go into it, and how its bytes are handed out.
//!
//! At most one batch per partition, batches of many partitions together, grouped by topic. Nothing is copied but the
//! heads: names come out of the arena, records out of their blocks, for one `writev` after the other.

use super::Sender;
use super::connection::{Buffer, Outgoing, ProduceCursor, Request, Section};
use super::idempotence::{ProducerIdentity, advance};
use super::in_flight::Stamp;
use super::partition::Note;
use crate::config::Acks;
use crate::error::ErrorCode;
use crate::event::Ack;
use crate::index::NONE;
use crate::memory::Storage;
use crate::wire::{ApiKey, Header, produce};

/// What a batch adds to a request besides itself and its topic's name, at the most.
const BATCH_OVERHEAD_BYTES: u32 = 32;

impl<S: Storage> Sender<S> {
    /// Whether nobody answers: `acks=0`.
    pub(super) fn is_unanswered(&self) -> bool {
        self.config.acks == Acks::None
    }

    /// Begins a Produce request with what the connection's list has, if there is a place in flight.
    pub(super) fn begin_produce(&mut self, slot: u16) {
        let Some(version) = self.version(slot, ApiKey::Produce) else { return };
        if self.connection(slot).produce_in_flight >= self.config.in_flight_max {
            return;
        }
        let correlation_id = self.connection(slot).next_correlation_id;
        let (first, topics, batches) = self.collect(slot, correlation_id);
        if first == NONE {
            return;
        }
        let mut cursor = ProduceCursor {
            correlation_id: self.connection_mut(slot).take_correlation_id(),
            version: self.version_for(self.transactional_version(version), first),
            topics,
            frame_bytes: 0,
            section: Section::Head,
            written: 0,
            first,
            begun: false,
        };
        cursor.frame_bytes = self.frame_bytes(&cursor);
        let now = self.now;
        let unanswered = self.is_unanswered();
        let connection = self.connection_mut(slot);
        connection.outgoing = Outgoing::Produce(cursor);
        connection.produce_in_flight += 1;
        connection.since = now;
        if !unanswered {
            let request = Request {
                correlation_id,
                api: ApiKey::Produce,
                version: cursor.version,
                sent: now,
                first,
                unanswered: batches,
            };
            // `can_begin` was asked before: the ring has room.
            let _ = connection.requests.push_back(request);
        }
    }

    /// Takes batches off the list until the request is full: the first one, how many topics, how many batches.
    fn collect(&mut self, slot: u16, correlation_id: i32) -> (u32, u32, u32) {
        let (mut first, mut last, mut topics, mut batches) = (NONE, NONE, 0, 0);
        let mut room = self.config.request_bytes_max;
        loop {
            let partition = self.connection(slot).sendable_first;
            if partition == NONE {
                break;
            }
            let cursor = self.partitions.get(partition).cursor;
            let bytes =
                if cursor == NONE { 0 } else { self.batches.get(cursor).bytes() + BATCH_OVERHEAD_BYTES };
            if batches > 0 && bytes > room {
                break;
            }
            let _ = self.unlist(slot);
            if cursor == NONE || !self.still_sendable(partition, slot) {
                self.list(partition);
                continue;
            }
            room = room.saturating_sub(bytes);
            batches += 1;
            self.stamp(partition, cursor);
            self.depart(partition, cursor, correlation_id);
            topics += u32::from(self.group(cursor, &mut first, &mut last));
        }
        self.regroup(first);
        (first, topics, batches)
    }

    fn still_sendable(&mut self, partition: u32, slot: u16) -> bool {
        self.settle_broker(partition) == Some(slot)
            && self.may_send(partition)
            && self.join_transaction(partition)
            && self.has_number(partition)
    }

    /// Links a batch into the request behind the last one of its topic. True for a topic's first one.
    fn group(&mut self, batch: u32, first: &mut u32, last: &mut u32) -> bool {
        let Some(topic) = self.batches.get(batch).batch.as_ref().map(|batch| batch.partition.topic) else {
            return false;
        };
        let Some(slot) = self.cluster.topic_mut(topic) else { return false };
        let before = core::mem::replace(&mut slot.compose, batch);
        let is_first = before == NONE;
        let before = if is_first { *last } else { before };
        let after = if before == NONE { NONE } else { self.batches.get(before).request_next };
        let entry = self.batches.get_mut(batch);
        entry.group = u32::from(is_first);
        entry.request_previous = before;
        entry.request_next = after;
        match before {
            NONE => *first = batch,
            before => self.batches.get_mut(before).request_next = batch,
        }
        match after {
            NONE => *last = batch,
            after => self.batches.get_mut(after).request_previous = batch,
        }
        is_first
    }

    /// Counts each topic's batches into its first one, and lets the partitions that have more stand in line again.
    fn regroup(&mut self, first: u32) {
        let (mut batch, mut leader) = (first, NONE);
        while batch != NONE {
            if self.batches.get(batch).group > 0 {
                leader = batch;
            } else {
                self.batches.get_mut(leader).group += 1;
            }
            let entry = self.batches.get(batch);
            let (next, partition) = (entry.request_next, entry.partition);
            if let Some(slot) =
                entry.batch.as_ref().and_then(|batch| self.cluster.topic_mut(batch.partition.topic))
            {
                slot.compose = NONE;
            }
            self.list(partition);
            batch = next;
        }
    }

    /// Numbers a batch when it is sent for the first time. A retry is the same bytes.
    fn stamp(&mut self, partition: u32, slot: u32) {
        if let Some(stamp) = self.batches.get(slot).stamp {
            return self.restamp(partition, slot, stamp);
        }
        let (mut identity, mut base_sequence) = (ProducerIdentity::NONE, -1);
        if self.config.idempotence {
            let state = self.partitions.get_mut(partition);
            (identity, base_sequence) = (state.identity, state.next_sequence);
            state.next_sequence = advance(base_sequence, self.batches.get(slot).count());
            state.note = Note::Used;
        }
        let crc32c = self.config.crc32c;
        let incarnation = self.partitions.get(partition).incarnation;
        let entry = self.batches.get_mut(slot);
        entry.incarnation = incarnation;
        let batch = entry.batch.as_ref();
        entry.stamp = batch.map(|batch| Stamp::new(identity, base_sequence, batch, crc32c));
    }

    fn depart(&mut self, partition: u32, slot: u32, correlation_id: i32) {
        let entry = self.batches.get_mut(slot);
        entry.in_flight = true;
        entry.correlation_id = correlation_id;
        entry.attempts += 1;
        let next = self.next_unsent(self.batches.get(slot).next);
        let state = self.partitions.get_mut(partition);
        state.in_flight += 1;
        state.cursor = next;
    }

    pub(super) fn header(&self, cursor: &ProduceCursor) -> Header<'_> {
        Header { version: cursor.version, correlation_id: cursor.correlation_id, client_id: &self.client_id }
    }

    /// The request's bytes, the length's own four included.
    fn frame_bytes(&self, cursor: &ProduceCursor) -> u32 {
        let mut bytes = self.section_bytes(cursor, Section::Head) + self.section_bytes(cursor, Section::Tail);
        let mut batch = cursor.first;
        while batch != NONE {
            bytes += self.section_bytes(cursor, Section::Batch(batch));
            batch = self.batches.get(batch).request_next;
        }
        bytes
    }

    fn section_bytes(&self, cursor: &ProduceCursor, section: Section) -> u32 {
        let version = cursor.version;
        let tail = produce::tail(version).len();
        match section {
            Section::Head => {
                let bytes = produce::head_len(&self.header(cursor), cursor.topics) as u32;
                bytes + self.transactional_id_bytes(version)
            }
            Section::Tail => 3 * tail as u32,
            Section::Batch(slot) => {
                let entry = self.batches.get(slot);
                let mut glue = if slot == cursor.first { 0 } else { tail };
                if entry.group > 0 {
                    glue += if slot == cursor.first { 0 } else { tail };
                    glue += self.topic_bytes(version, slot);
                    glue += produce::partitions_head_len(version, entry.group);
                }
                (glue + produce::partition_head_len(version, entry.bytes())) as u32 + entry.bytes()
            }
        }
    }

    /// What says which topic a batch belongs to: its name and the name's length, or its id.
    fn topic_bytes(&self, version: i16, slot: u32) -> usize {
        if produce::has_ids(version) {
            return produce::ID_BYTES;
        }
        let topic = self.batches.get(slot).batch.as_ref().map(|batch| batch.partition.topic);
        let name = topic.map_or(0, |topic| self.cluster.topic_name(topic).len());
        produce::topic_head_len(version, name) + name
    }

    /// Names where an id is missing: a broker may offer ids in Produce and have an old Metadata that tells none.
    fn version_for(&self, version: i16, first: u32) -> i16 {
        let mut batch = first;
        while batch != NONE {
            let entry = self.batches.get(batch);
            let topic = entry.batch.as_ref().and_then(|batch| self.cluster.topic(batch.partition.topic));
            if topic.is_none_or(|topic| topic.id == [0; 16]) {
                return version.min(produce::NAMES_LAST);
            }
            batch = entry.request_next;
        }
        version
    }

    /// The socket took `bytes`.
    pub(super) fn transmitted(&mut self, slot: u16, mut bytes: usize) {
        let now = self.now;
        let connection = self.connection_mut(slot);
        match &mut connection.outgoing {
            Outgoing::Nothing => {}
            Outgoing::Small { buffer, bytes: total, written } => {
                *written = (usize::from(*written) + bytes).min(usize::from(*total)) as u16;
                if written == total {
                    let buffer = *buffer;
                    connection.outgoing = Outgoing::Nothing;
                    connection.since = now;
                    connection.tell_transmit = true;
                    if buffer == Buffer::Sasl {
                        self.forget_message(slot);
                    }
                }
            }
            Outgoing::Produce(cursor) => {
                let mut cursor = *cursor;
                cursor.begun |= bytes > 0;
                let done = self.skip(&mut cursor, &mut bytes);
                self.connection_mut(slot).outgoing = Outgoing::Produce(cursor);
                if done {
                    self.written(slot, &cursor);
                }
            }
        }
    }

    /// Moves the cursor over what was written. True at the request's end.
    fn skip(&self, cursor: &mut ProduceCursor, bytes: &mut usize) -> bool {
        loop {
            let left = (self.section_bytes(cursor, cursor.section) - cursor.written) as usize;
            if *bytes < left {
                cursor.written += *bytes as u32;
                return false;
            }
            *bytes -= left;
            cursor.written = 0;
            match self.section_after(cursor, cursor.section) {
                Some(next) => cursor.section = next,
                None => return true,
            }
        }
    }

    /// A Produce request has left. With acks=0 that is all there is to know.
    fn written(&mut self, slot: u16, cursor: &ProduceCursor) {
        let now = self.now;
        let unanswered = self.is_unanswered();
        let connection = self.connection_mut(slot);
        connection.outgoing = Outgoing::Nothing;
        connection.since = now;
        connection.tell_transmit = true;
        self.recheck = true;
        if unanswered {
            self.connection_mut(slot).produce_in_flight -= 1;
            let mut batch = cursor.first;
            while batch != NONE {
                let (next, partition) =
                    (self.batches.get(batch).request_next, self.batches.get(batch).partition);
                self.settle(
                    partition,
                    batch,
                    ErrorCode::NONE,
                    Ack { base_offset: -1, log_append_time: None },
                );
                batch = next;
            }
        }
    }
}
