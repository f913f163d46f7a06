//! Times of a machine whose wall clock was not set: they count from the begin of its boot, on the medium, too, and are shifted
//! when frames are read. What has no time yet stays where it is, and so does what stands behind it.

use super::format::FrameHead;
use super::{Medium, Spool};
use crate::memory::Storage;
use crate::time::Timestamp;

impl<S: Storage, M: Medium> Spool<S, M> {
    /// When this boot of the machine began, by its wall clock; `None` while that is not set. Frames whose times count from
    /// there ([`Timestamp::since_boot`]) are read only once it is known. Those of former boots are shifted so that the
    /// newest of them is at the begin of this one: they are no younger than that, and nobody knows how old they are.
    pub fn set_boot_time(&mut self, began: Option<Timestamp>) {
        let is_news = self.began.is_none() && began.is_some();
        self.began = began;
        if is_news && core::mem::take(&mut self.untimed) {
            for partition in 0..self.partitions.used {
                self.partitions.get_mut(partition).untimed = false;
                self.catch_up(partition);
            }
        }
    }

    /// Whether frames wait for [`set_boot_time`](Self::set_boot_time).
    #[must_use]
    pub const fn waits_for_clock(&self) -> bool {
        self.untimed
    }

    /// A frame's first and largest timestamp; `None` while nobody knows.
    pub(super) fn times(&self, head: &FrameHead) -> Option<(Timestamp, Timestamp)> {
        let (base, max) = (head.base_timestamp, head.max_timestamp);
        let shift = match (head.since_boot, self.began) {
            (false, _) => 0,
            (true, None) => return None,
            (true, Some(began)) if head.life >= self.boot_life => began.as_millis(),
            (true, Some(began)) => began.as_millis().saturating_sub(self.newest_of_former_boots),
        };
        let shifted = |millis: i64| Timestamp::from_millis(millis.saturating_add(shift));
        Some((shifted(base), shifted(max)))
    }

    /// A frame was found at the start.
    pub(super) fn recover_time(&mut self, head: &FrameHead) {
        if head.since_boot && head.life < self.boot_life {
            self.newest_of_former_boots = self.newest_of_former_boots.max(head.max_timestamp);
        }
    }
}
