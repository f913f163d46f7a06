//! What the sender asks of transactions where it has none.

use super::Sender;
use crate::error::ErrorKind;
use crate::memory::Storage;

#[expect(clippy::unused_self, reason = "what there is with the feature asks for it")]
impl<S: Storage> Sender<S> {
    pub(super) const fn is_transactional(&self) -> bool {
        false
    }

    pub(super) const fn transaction_verdict(&self) -> Option<ErrorKind> {
        None
    }

    pub(super) const fn join_transaction(&mut self, _partition: u32) -> bool {
        true
    }

    pub(super) const fn transactional_version(&self, version: i16) -> i16 {
        version
    }

    pub(super) const fn transactional_id_bytes(&self, _version: i16) -> u32 {
        0
    }

    pub(super) const fn overfills_transaction(&mut self) -> bool {
        false
    }

    pub(super) const fn transaction_has_work(&self) -> bool {
        false
    }

    pub(super) const fn drive_transaction(&mut self) {}

    pub(super) const fn forget_coordinator(&mut self, _slot: u16) {}

    pub(super) const fn begin_transaction_request(&mut self, _slot: u16) -> bool {
        false
    }
}
