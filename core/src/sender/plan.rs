//! A Produce request's bytes, as far as they are handed out at once: which parts, in which order, with which glue.

use super::Sender;
use super::connection::{Buffer, Outgoing, ProduceCursor, Section};
use crate::config::Acks;
use crate::index::NONE;
use crate::memory::Storage;
use crate::transmit::{Part, Transmit};
use crate::wire::{Header, produce};

/// Parts that are handed out at once: those of 21 batches of as many topics.
pub(super) type Plan = heapless::Vec<Part, 64>;

/// What the head of a request, or those of one batch, need at the most.
pub const HEADS_BYTES_MIN: usize = if cfg!(feature = "transactions") { 320 } else { 192 };

impl<S: Storage> Sender<S> {
    /// What the connection has to write now.
    pub(super) fn outgoing(&mut self, slot: u16) -> Option<Transmit<'_, S>> {
        match self.connection(slot).outgoing {
            Outgoing::Nothing => None,
            Outgoing::Small { buffer, bytes, written } => {
                let buffer = match (buffer, self.sasl.as_ref()) {
                    (Buffer::Sasl, Some(sasl)) => sasl.buffer(slot),
                    #[cfg(feature = "transactions")]
                    (Buffer::Transaction, _) => self.transaction.buffer(),
                    _ => &self.connection(slot).buffer,
                };
                Some(Transmit::whole(&buffer[usize::from(written)..usize::from(bytes)]))
            }
            Outgoing::Produce(cursor) => {
                self.plan_request(&cursor);
                Some(Transmit::parts(
                    &self.plan,
                    self.heads.as_ref(),
                    &self.batches,
                    &self.cluster,
                    cursor.written as usize,
                ))
            }
        }
    }

    /// Lays out the parts from the cursor's section on, as far as there is room for heads.
    fn plan_request(&mut self, cursor: &ProduceCursor) {
        self.plan.clear();
        let mut used = 0;
        let mut section = Some(cursor.section);
        while let Some(current) = section {
            let fits = used + HEADS_BYTES_MIN <= self.heads.as_ref().len()
                && self.plan.len() + 4 <= self.plan.capacity();
            if !fits {
                break;
            }
            match current {
                Section::Head => used = self.plan_head(cursor, used),
                Section::Batch(slot) => used = self.plan_batch(cursor, slot, used),
                Section::Tail => used = self.plan_tails(cursor, used, 3),
            }
            section = self.section_after(cursor, current);
        }
    }

    pub(super) fn section_after(&self, cursor: &ProduceCursor, section: Section) -> Option<Section> {
        let next = match section {
            Section::Head => cursor.first,
            Section::Batch(slot) => self.batches.get(slot).request_next,
            Section::Tail => return None,
        };
        Some(if next == NONE { Section::Tail } else { Section::Batch(next) })
    }

    fn plan_head(&mut self, cursor: &ProduceCursor, used: usize) -> usize {
        let header = Header {
            version: cursor.version,
            correlation_id: cursor.correlation_id,
            client_id: &self.client_id,
        };
        let acks = match self.config.acks {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        };
        let timeout_ms = i32::try_from(self.config.request_timeout.as_millis()).unwrap_or(i32::MAX);
        let buffer = &mut self.heads.as_mut()[used..];
        let (topics, frame_bytes) = (cursor.topics, cursor.frame_bytes);
        #[cfg(not(feature = "transactions"))]
        let bytes = produce::head(buffer, header, acks, timeout_ms, topics, frame_bytes);
        #[cfg(feature = "transactions")]
        let bytes =
            produce::head_of(buffer, header, self.transaction.id(), acks, timeout_ms, topics, frame_bytes);
        self.plan_bytes(used, bytes.unwrap_or(0))
    }

    fn plan_tails(&mut self, cursor: &ProduceCursor, used: usize, count: usize) -> usize {
        let tail = produce::tail(cursor.version);
        let mut bytes = 0;
        for _ in 0..count {
            self.heads.as_mut()[used + bytes..][..tail.len()].copy_from_slice(tail);
            bytes += tail.len();
        }
        self.plan_bytes(used, bytes)
    }

    /// The glue before a batch (with its topic's name where the topic begins), its header, its records.
    fn plan_batch(&mut self, cursor: &ProduceCursor, slot: u32, used: usize) -> usize {
        let version = cursor.version;
        let entry = self.batches.get(slot);
        let Some((batch, stamp)) = entry.batch.as_ref().zip(entry.stamp) else { return used };
        let (key, group, records_bytes) = (batch.partition, entry.group, batch.bytes());
        let header = stamp.header;
        let tails = usize::from(slot != cursor.first) * (1 + usize::from(group > 0));
        let mut end = self.plan_tails(cursor, used, tails);
        if group > 0 && produce::has_ids(version) {
            let id = self.cluster.topic(key.topic).map_or([0; produce::ID_BYTES], |slot| slot.id);
            self.heads.as_mut()[end..end + produce::ID_BYTES].copy_from_slice(&id);
            end = self.plan_bytes(end, produce::ID_BYTES);
        } else if group > 0 {
            let name_bytes = self.cluster.topic_name(key.topic).len();
            let bytes = produce::topic_head(&mut self.heads.as_mut()[end..], version, name_bytes);
            end = self.plan_bytes(end, bytes.unwrap_or(0));
            let _ = self.plan.push(Part::Name(key.topic));
        }
        let start = end;
        let buffer = &mut self.heads.as_mut()[start..];
        let mut bytes = 0;
        if group > 0 {
            bytes += produce::partitions_head(buffer, version, group).unwrap_or(0);
        }
        bytes +=
            produce::partition_head(&mut buffer[bytes..], version, key.partition, records_bytes).unwrap_or(0);
        buffer[bytes..bytes + header.len()].copy_from_slice(&header);
        let end = self.plan_bytes(start, bytes + header.len());
        let _ = self.plan.push(Part::Records(slot));
        end
    }

    /// Puts written head bytes into the plan, joined with those directly before them.
    fn plan_bytes(&mut self, start: usize, bytes: usize) -> usize {
        let end = start + bytes;
        match self.plan.last_mut() {
            Some(Part::Head { end: last, .. }) if *last == start => *last = end,
            _ if bytes > 0 => {
                let _ = self.plan.push(Part::Head { start, end });
            }
            _ => {}
        }
        end
    }
}
