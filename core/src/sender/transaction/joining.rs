//! Which partitions belong to the transaction.

use super::{Started, State};
use crate::index::NONE;
use crate::memory::Storage;
use crate::sender::Sender;
use crate::wire::produce;

/// Whether a partition belongs to the transaction. Means something with the older protocol only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joining {
    No,
    /// It is to be added.
    Wanted,
    /// In a request.
    Asked,
    Yes,
}

impl<S: Storage> Sender<S> {
    /// Whether a batch of the partition may be sent: it belongs to the transaction, or will by the batch itself.
    pub(in crate::sender) fn join_transaction(&mut self, partition: u32) -> bool {
        if !self.is_transactional() {
            return true;
        }
        if !matches!(self.transaction.state, State::Open | State::Ending { .. }) {
            return false;
        }
        if self.transaction.v2 {
            self.transaction.started = Started::Yes;
            return true;
        }
        let state = self.partitions.get_mut(partition);
        if state.joining == Joining::No {
            state.joining = Joining::Wanted;
            self.transaction.joining += 1;
        }
        state_joined(self.partitions.get(partition).joining)
    }

    /// None belongs to the transaction that begins.
    pub(super) fn forget_joined(&mut self) {
        for partition in 0..self.partitions.used() {
            self.partitions.get_mut(partition).joining = Joining::No;
        }
    }

    /// The partition belongs to the transaction, as its coordinator says.
    pub(super) fn joined(&mut self, partition: u32) {
        self.transaction.started = Started::Yes;
        self.partitions.get_mut(partition).joining = Joining::Yes;
        self.list(partition);
    }

    /// Chooses up to `limit` of those that wait to be added. How many there were.
    pub(super) fn choose_joining(&mut self, limit: u32) -> u32 {
        let mut chosen = 0;
        for partition in 0..self.partitions.used() {
            let state = self.partitions.get_mut(partition);
            match state.joining {
                // Nobody waits for it any more.
                Joining::Wanted if state.first == NONE => state.joining = Joining::No,
                Joining::Wanted if chosen < limit => {
                    state.joining = Joining::Asked;
                    chosen += 1;
                }
                _ => {}
            }
        }
        chosen
    }

    /// Those that were asked for, and have no answer, are to be asked for again.
    pub(super) fn unchoose_joining(&mut self) {
        let mut wanted = 0;
        for partition in 0..self.partitions.used() {
            let state = self.partitions.get_mut(partition);
            if state.joining == Joining::Asked {
                state.joining = Joining::Wanted;
            }
            wanted += u32::from(state.joining == Joining::Wanted);
        }
        self.transaction.joining = wanted;
    }

    /// The version of Produce that says which protocol the transaction has.
    pub(in crate::sender) fn transactional_version(&self, version: i16) -> i16 {
        let older = self.is_transactional() && !self.transaction.v2;
        if older { version.min(produce::ADDED_BEFORE_LAST) } else { version }
    }

    /// What the transactional id adds to a Produce request.
    pub(in crate::sender) fn transactional_id_bytes(&self, version: i16) -> u32 {
        self.transaction.id().map_or(0, |id| produce::transactional_id_len(version, id) as u32)
    }
}

const fn state_joined(joining: Joining) -> bool {
    matches!(joining, Joining::Yes)
}
