//! Error 10: a batch that a broker finds too large goes out again in parts (KIP-126), one after the other, under the
//! numbers that it has. How its bytes are taken apart is the room `batch::split`'s business.

use super::Sender;
use super::idempotence::advance;
use super::in_flight::Stamp;
use crate::batch::HEADER_BYTES;
use crate::batch::Part;
use crate::error::{ErrorCode, ErrorKind, Failure, Persisted};
use crate::event::Ack;
use crate::memory::Storage;

/// Batches are sent in parts. Without the feature none ever is, and the compiler leaves out what is for parts only.
const SPLITS: bool = cfg!(feature = "split");

impl<S: Storage> Sender<S> {
    /// A batch that is sent in parts: the first part is stored, and the rest moves up. False for any other.
    pub(super) fn complete_part(&mut self, slot: u32, ack: Ack) -> bool {
        if !SPLITS {
            return false;
        }
        let Some(part) = self.batches.get(slot).batch.as_ref().and_then(|batch| batch.part) else {
            return false;
        };
        self.batches.complete_part(slot, part.count, Ok(ack));
        let incarnation = self.partitions.get(self.batches.get(slot).partition).incarnation;
        let entry = self.batches.get_mut(slot);
        // Where the whole is stored no part of it is; in another log that says nothing.
        entry.whole_unknown &= entry.incarnation != incarnation;
        (entry.ambiguous, entry.adrift) = (entry.whole_unknown, false);
        self.move_up(slot, part, part.count);
        true
    }

    /// The first part of a batch is a record that is too large even alone: only that one fails. Nothing of it is stored,
    /// so the rest takes its number.
    fn fail_part(&mut self, slot: u32, part: Part, code: ErrorCode) {
        let entry = self.batches.get_mut(slot);
        let persisted = if entry.ambiguous { Persisted::Possibly } else { Persisted::No };
        let (attempts, last_cause) = (entry.attempts, entry.last_cause);
        entry.ambiguous = entry.whole_unknown;
        if persisted == Persisted::No {
            entry.void += part.count;
        }
        let failure = Failure { kind: ErrorKind::Broker(code), persisted, attempts, last_cause };
        self.batches.complete_part(slot, part.count, Err(failure));
        self.move_up(slot, part, 0);
    }

    /// The first part of a batch has its outcome: the rest is sent, under numbers that are `numbers` further on.
    fn move_up(&mut self, slot: u32, part: Part, numbers: u32) {
        let crc32c = self.config.crc32c;
        let entry = self.batches.get_mut(slot);
        let Some(batch) = entry.batch.as_mut() else { return };
        batch.advance(part, &mut self.spare);
        if batch.bytes() - HEADER_BYTES as u32 > part.bytes_max && batch.count > 1 {
            batch.part = Some(batch.front(part.bytes_max));
        }
        while self.spare.free() > self.spare.total() {
            match self.spare.take() {
                Some(block) => entry.surplus.adopt(block),
                None => break,
            }
        }
        if let Some(compression) = self.cluster.compression(batch.partition.topic) {
            batch.compress(&mut self.codec, compression, &mut self.spare, &mut entry.surplus);
        }
        // Without a stamp the numbering has started anew meanwhile: the rest is numbered when it is sent.
        entry.stamp = entry
            .stamp
            .map(|stamp| Stamp::new(stamp.identity, advance(stamp.base_sequence, numbers), batch, crc32c));
        (entry.acked, entry.refused, entry.implied) = (None, false, false);
    }

    /// Error 10: a batch of several records is sent again in parts. They keep the numbers that they have.
    pub(super) fn split(&mut self, partition: u32, slot: u32, code: ErrorCode) {
        if !SPLITS {
            return self.refuse(partition, slot, code);
        }
        let crc32c = self.config.crc32c;
        let spare = self.spare.free() > 0;
        let entry = self.batches.get_mut(slot);
        let parts =
            entry.batch.as_mut().zip(entry.stamp).filter(|(batch, _)| spare && batch.whole().count > 1);
        let Some((batch, stamp)) = parts else {
            let part =
                entry.batch.as_ref().and_then(|batch| batch.part.filter(|part| part.count < batch.count));
            return match part {
                Some(part) => {
                    self.fail_part(slot, part, code);
                    self.recover(partition, false);
                }
                None => self.refuse(partition, slot, code),
            };
        };
        let half = batch.plain_bytes() / 2;
        let topic = batch.partition.topic;
        if batch.decompress(&mut self.codec, &mut self.spare, &mut entry.surplus).is_err() {
            return self.refuse(partition, slot, code);
        }
        batch.part = Some(batch.front(half));
        if let Some(compression) = self.cluster.compression(topic) {
            batch.compress(&mut self.codec, compression, &mut self.spare, &mut entry.surplus);
        }
        entry.stamp = Some(Stamp::new(stamp.identity, stamp.base_sequence, batch, crc32c));
        // Had the whole been stored, the broker would know it by its own numbers only, and not the parts by theirs.
        entry.whole_unknown = entry.ambiguous;
        if let Some(slot) = self.cluster.topic_mut(topic) {
            slot.batch_bytes_max = slot.batch_bytes_max.min(HEADER_BYTES as u32 + half);
            self.cluster.mark_changed(topic);
        }
        self.recover(partition, false);
    }
}
