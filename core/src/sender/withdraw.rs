//! A partition's batches go back to whoever has handed them over and keeps them in their order: one of them failed, and is to be
//! sent again before those behind it.
//!
//! What certainly is not stored goes back at once. What may be is waited for, and sent again for that where it has to be.

use super::Sender;
use crate::error::ErrorKind;
use crate::id::TopicPartition;
use crate::index::NONE;
use crate::memory::Storage;

impl<S: Storage> Sender<S> {
    pub(super) fn begin_withdrawal(&mut self, key: TopicPartition) {
        let Some(partition) = self.partitions.find(key) else { return };
        self.partitions.get_mut(partition).withdrawn = true;
        self.proceed(partition);
        // There may be room now.
        self.recheck = true;
    }

    /// What of a partition that is withdrawn was not sent, or not stored, goes back.
    pub(super) fn withdraw_unsent(&mut self, partition: u32) {
        if !(cfg!(feature = "resume") && self.partitions.get(partition).withdrawn) {
            return;
        }
        let mut slot = self.partitions.get(partition).first;
        while slot != NONE {
            let entry = self.batches.get_mut(slot);
            let next = entry.next;
            // Of what a former life has numbered this one knows nothing; nobody has asked it to find out.
            entry.ambiguous &= !(entry.resumed && entry.attempts == 0);
            if !(entry.in_flight || entry.ambiguous || entry.acked.is_some()) {
                self.fail(partition, slot, ErrorKind::Spooled);
            }
            slot = next;
        }
        let state = self.partitions.get_mut(partition);
        state.withdrawn = state.first != NONE;
    }
}
