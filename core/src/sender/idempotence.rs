//! The producer id, and how a partition's numbering starts.
//!
//! Sequences are numbered per partition, and the broker remembers the epoch per partition too. So a partition whose
//! numbering has a hole goes on under a new epoch on its own; the others keep theirs.

use crate::error::ErrorCode;
use crate::time::Instant;

/// The identity under which one numbering of a partition runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProducerIdentity {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
    /// What is numbered under it belongs to a transaction.
    #[cfg(feature = "transactions")]
    transactional: bool,
}

/// The bit of a batch's attributes that says that it belongs to a transaction.
#[cfg(feature = "transactions")]
const TRANSACTIONAL: i16 = 1 << 4;

impl ProducerIdentity {
    /// What a batch carries without idempotence.
    pub(crate) const NONE: Self = Self::new(-1, -1);

    /// One without transactions.
    pub(crate) const fn new(id: i64, epoch: i16) -> Self {
        Self {
            id,
            epoch,
            #[cfg(feature = "transactions")]
            transactional: false,
        }
    }

    /// A batch's attributes under it.
    pub(crate) const fn attributes(self, attributes: i16) -> i16 {
        #[cfg(feature = "transactions")]
        if self.transactional {
            return attributes | TRANSACTIONAL;
        }
        attributes
    }
}

/// Where the producer id stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdState {
    /// It has to be asked for, as soon as somebody needs it.
    Missing,
    /// An InitProducerId request is in flight.
    Asked,
    Known,
}

/// The producer's identity, and the next epoch to give out.
#[derive(Debug)]
pub(crate) struct Idempotence {
    pub(crate) state: IdState,
    id: i64,
    /// The highest epoch that any partition uses.
    epoch: i16,
    /// Epoch for partitions that have no numbering yet. Behind `epoch` after others had to start anew.
    fresh: i16,
    /// A numbering has started under `fresh`.
    fresh_used: bool,
    pub(crate) failures: u32,
    pub(crate) retry_at: Option<Instant>,
    /// The broker refuses to give out a producer id, for a reason that waiting does not mend.
    pub(crate) denied: Option<ErrorCode>,
    /// The epoch is a coordinator's, and what is numbered belongs to a transaction.
    #[cfg(feature = "transactions")]
    pub(crate) transactional: bool,
}

impl Idempotence {
    pub(crate) const fn new() -> Self {
        Self {
            state: IdState::Missing,
            id: -1,
            epoch: 0,
            fresh: 0,
            fresh_used: false,
            failures: 0,
            retry_at: None,
            denied: None,
            #[cfg(feature = "transactions")]
            transactional: false,
        }
    }

    pub(crate) const fn is_known(&self) -> bool {
        matches!(self.state, IdState::Known)
    }

    /// The broker's answer: a new identity for every numbering that starts from now on.
    pub(crate) const fn learn(&mut self, id: i64, epoch: i16) {
        self.state = IdState::Known;
        self.id = id;
        self.epoch = epoch;
        self.fresh = epoch;
        self.fresh_used = false;
        self.failures = 0;
        self.retry_at = None;
        self.denied = None;
    }

    /// The producer id and epoch, -1 where there are none.
    #[cfg(feature = "transactions")]
    pub(crate) const fn identity(&self) -> (i64, i16) {
        if self.is_known() { (self.id, self.epoch) } else { (-1, -1) }
    }

    /// The identity for a partition without a numbering.
    pub(crate) const fn start(&mut self) -> ProducerIdentity {
        self.fresh_used = true;
        ProducerIdentity {
            #[cfg(feature = "transactions")]
            transactional: self.transactional,
            ..ProducerIdentity::new(self.id, self.fresh)
        }
    }

    /// The identity for a partition whose numbering starts anew: epoch + 1, which the broker takes without being
    /// asked. `None` when the epochs of this id are used up: another id was asked for.
    pub(crate) fn restart(&mut self, from: ProducerIdentity) -> Option<ProducerIdentity> {
        if !self.is_known() {
            return None;
        }
        if from.id != self.id {
            return Some(self.start());
        }
        if self.epoch == i16::MAX {
            self.state = IdState::Missing;
            return None;
        }
        self.epoch += 1;
        Some(ProducerIdentity::new(self.id, self.epoch))
    }

    /// A partition's numbering was forgotten to make room: should it come back, its old numbers must not be used again.
    /// One epoch serves all that are forgotten before the next numbering starts.
    pub(crate) fn forget_numbering(&mut self) {
        if (self.fresh_used || self.epoch != self.fresh) && self.is_known() {
            if self.epoch == i16::MAX {
                self.state = IdState::Missing;
                return;
            }
            self.epoch += 1;
            self.fresh = self.epoch;
            self.fresh_used = false;
        }
    }

    /// Somebody else writes under this identity, or the broker does not accept it: ask for another one.
    pub(crate) fn renew(&mut self, refused: ProducerIdentity) {
        if self.is_known() && refused.id == self.id {
            self.state = IdState::Missing;
        }
    }
}

/// The number that follows `count` records after `sequence`: Kafka wraps to 0 after 2^31-1.
pub(crate) const fn advance(sequence: i32, count: u32) -> i32 {
    ((sequence as u32).wrapping_add(count) & i32::MAX as u32) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_wrap_to_zero() {
        assert_eq!(advance(i32::MAX, 1), 0);
        assert_eq!(advance(i32::MAX - 1, 3), 1);
        assert_eq!(advance(0, 5), 5);
    }

    #[test]
    fn each_new_numbering_has_an_epoch_of_its_own_until_they_are_used_up() {
        let mut idempotence = Idempotence::new();
        assert_eq!(idempotence.restart(ProducerIdentity::NONE), None);
        idempotence.learn(9, 0);
        let first = idempotence.start();
        let second = idempotence.restart(first).unwrap();
        let third = idempotence.restart(first).unwrap();
        assert_eq!((first.epoch, second.epoch, third.epoch), (0, 1, 2));
        assert_eq!(idempotence.start().epoch, 0, "a partition that never wrote starts with the first epoch");
        idempotence.forget_numbering();
        idempotence.forget_numbering();
        assert_eq!(idempotence.start().epoch, 3, "one that was forgotten may have used any epoch up to here");
        idempotence.learn(9, i16::MAX);
        let last = idempotence.start();
        assert_eq!(idempotence.restart(last), None);
        assert_eq!(idempotence.state, IdState::Missing);
        idempotence.learn(10, 0);
        assert_eq!(idempotence.restart(first), Some(ProducerIdentity::new(10, 0)));
    }

    #[test]
    fn an_identity_is_renewed_once() {
        let mut idempotence = Idempotence::new();
        idempotence.learn(9, 0);
        let old = idempotence.start();
        idempotence.renew(old);
        assert_eq!(idempotence.state, IdState::Missing);
        idempotence.learn(10, 0);
        idempotence.renew(old);
        assert!(idempotence.is_known());
    }
}
