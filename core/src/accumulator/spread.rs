//! Which partition a record without key and partition goes to.

use crate::batch::HEADER_BYTES;
use crate::config::Spread;
use crate::random::Random;

/// A topic's present choice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sticky {
    partition: i32,
    produced: u64,
}

impl Sticky {
    pub(super) const NEW: Self = Self { partition: -1, produced: 0 };

    /// The partition for the next record, of `count`.
    #[inline]
    pub(super) const fn partition(&mut self, count: i32, random: &mut Random) -> i32 {
        if self.partition < 0 || self.partition >= count {
            self.partition = random.below(count.cast_unsigned()).cast_signed();
            self.produced = 0;
        }
        self.partition
    }

    /// What the partition was chosen for has happened: `bytes` more went there. The choice is dropped when a batch of
    /// `batch_bytes` would be full, so that under load each choice makes one full batch.
    #[inline]
    pub(super) const fn produced(&mut self, bytes: u32, batch_bytes: u32, count: i32, spread: Spread) {
        match spread {
            Spread::Sticky => {
                self.produced += bytes as u64;
                if HEADER_BYTES as u64 + self.produced + bytes as u64 > batch_bytes as u64 {
                    self.partition = -1;
                }
            }
            Spread::RoundRobin => self.skip(count, spread),
        }
    }

    /// The choice cannot be used now: another is made for the next record.
    pub(super) const fn skip(&mut self, count: i32, spread: Spread) {
        self.partition = match spread {
            Spread::Sticky => -1,
            Spread::RoundRobin if self.partition + 1 < count => self.partition + 1,
            Spread::RoundRobin => 0,
        };
    }
}
