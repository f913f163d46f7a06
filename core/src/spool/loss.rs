//! What is lost: dropped to make room or for its age, or damaged. Each is counted and told, and none of it is with the
//! sender.
//!
//! Numbers have no gaps, so whatever follows on what was lost begins another numbering ([`Frame::apart`](super::Frame)).
//! What a former life may have sent is not dropped for its age: a request of that life may still be read by a broker, and only
//! the same records under the same numbers keep it from being stored beside what is sent anew.

use core::fmt;

use super::format::{FrameHead, HEAD_BYTES, patiently};
use super::hands::FrameSlot;
use super::read::Found;
use super::recovery::Scan;
use super::segments::Place;
use super::{Area, Medium, MediumError, Spool, SpoolPartition};
use crate::memory::Storage;
use crate::time::Timestamp;

/// Frames that are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The number of the first one.
    pub first: u64,
    /// One behind the last one. Those in between that had their outcome before are not lost.
    pub end: u64,
    /// How many records they have that had no outcome before.
    pub records: u64,
    /// Why.
    pub why: Loss,
}

/// Why frames are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// They were dropped to make room ([`WhenFull::DropOldest`](super::WhenFull)).
    Full,
    /// They were dropped for their age ([`Spool::drop_older`]).
    Age,
    /// They were damaged on the medium.
    Damaged,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "dropped to make room, as the oldest (spool.when.full)",
            Self::Age => "dropped for its age (spool.max.age.ms)",
            Self::Damaged => "damaged on the disk",
        })
    }
}

impl<S: Storage, M: Medium> Spool<S, M> {
    /// From now on frames whose newest record is older than `than` are dropped instead of being read
    /// ([`TakeError::TooOld`](super::TakeError)), and whole segments of such before there is no room. `None`: nothing is.
    /// Never what a former life may have sent, nor what is with the sender.
    pub const fn drop_older(&mut self, than: Option<Timestamp>) {
        self.oldest_wanted = than;
    }

    /// What was lost by the last call of [`append`](Self::append), [`take`](Self::take) or [`abandon`](Self::abandon).
    pub const fn poll_lost(&mut self) -> Option<Lost> {
        self.lost.take()
    }

    /// Partitions with frames that were read, and none to follow that a former life has written: what was said to follow
    /// ([`Numbers::more`](crate::event::Numbers::more)) is lost, if it has not come.
    pub fn ended(&self) -> impl Iterator<Item = SpoolPartition> {
        let ended = |partition: &u32| {
            let slot = self.partitions.get(*partition);
            slot.read >= slot.sent
        };
        self.hands.partitions().filter(ended).map(SpoolPartition)
    }

    pub(super) fn is_too_old(&self, partition: u32, head: &FrameHead) -> bool {
        let (Some(wanted), Some((_, newest))) = (self.oldest_wanted, self.times(head)) else { return false };
        newest < wanted && self.partitions.get(partition).was_perhaps_sent(self.life, head).is_none()
    }

    /// The frame that was found is lost.
    pub(super) fn lose_found(&mut self, why: Loss) {
        let Some(found) = self.found.take() else { return };
        let head = found.head;
        self.lost = None;
        if why == Loss::Damaged && self.is_leftover(&found) {
            self.changed = true;
            self.segments.finish_frame(found.place.segment);
            return;
        }
        self.count_lost(found.partition, &head, why);
        self.changed = true;
        self.partitions.get_mut(found.partition).read = head.end();
        self.segments.finish_frame(found.place.segment);
        // Should one before it be read again, it is not lost once more.
        if let Some(hand) = self.hands.free() {
            self.hands.put(hand, FrameSlot::done(found.partition, head.sequence, head.end()));
            self.hands.merge(hand);
        }
        self.confirm_cut(found.partition, head.sequence, head.end());
        self.advance_done(found.partition);
    }

    /// Whether the next frame of its partition has the same place: whoever wrote that knew nothing of this one, which a loss of
    /// power has taken, and brought back in part.
    fn is_leftover(&mut self, found: &Found) -> bool {
        let mut from = Some(Place { offset: found.place.offset + found.head.bytes(), ..found.place });
        while let Some(place) = from {
            let Some(mut scan) = self.scan(place.segment, place.offset) else { return false };
            while let Ok(Some((_, frame))) = patiently(|| scan.next(&mut self.medium)) {
                if self.partitions.find_named(scan.topic(), frame.partition) == Some(found.partition) {
                    return frame.sequence < found.head.end();
                }
            }
            from = self.segments.begin_of(place.number + 1);
        }
        false
    }

    fn count_lost(&mut self, partition: u32, head: &FrameHead, why: Loss) {
        let slot = self.partitions.get_mut(partition);
        let records = head.end() - slot.done.max(head.sequence);
        if why != Loss::Damaged {
            slot.dropped += records;
            slot.dropped_end = slot.dropped_end.max(head.end());
        }
        match why {
            Loss::Full => self.counts.dropped += records,
            Loss::Age => self.counts.expired += records,
            Loss::Damaged => self.counts.damaged += 1,
        }
        let lost = self.lost.get_or_insert(Lost { first: head.number, end: 0, records: 0, why });
        lost.end = head.number + 1;
        lost.records += records;
    }

    /// Frees the oldest segment if all that is in it is too old. Whether it was.
    pub(super) fn drop_expired(&mut self) -> Result<bool, MediumError> {
        if self.oldest_wanted.is_none() {
            return Ok(false);
        }
        let oldest = self.segments.begin_of(0).map(|place| place.segment);
        let Some(segment) = oldest.filter(|&oldest| self.segments.droppable() == Some(oldest)) else {
            return Ok(false);
        };
        let Some(mut scan) = self.scan(segment, HEAD_BYTES) else { return Ok(false) };
        while let Some((_, frame)) = scan.next(&mut self.medium)? {
            let known = self.partitions.find_named(scan.topic(), frame.partition);
            if known.is_some_and(|slot| self.is_pending(slot, &frame) && !self.is_too_old(slot, &frame)) {
                return Ok(false);
            }
        }
        self.drop_segment(segment, Loss::Age)?;
        Ok(true)
    }

    /// Drops a segment of which nothing is with the sender: all frames in it that are not done. Where it cannot be read nothing
    /// is dropped.
    pub(super) fn drop_segment(&mut self, segment: u16, why: Loss) -> Result<(), MediumError> {
        let (Some(mut look), Some(mut scan)) =
            (self.scan(segment, HEAD_BYTES), self.scan(segment, HEAD_BYTES))
        else {
            return Ok(());
        };
        while look.next(&mut self.medium)?.is_some() {}
        self.lost = None;
        loop {
            let frame = match patiently(|| scan.next(&mut self.medium)) {
                Ok(Some((_, frame))) => frame,
                Ok(None) => break,
                Err(_) => {
                    self.lose_rest(segment);
                    break;
                }
            };
            let Some(partition) = self.partitions.find_named(scan.topic(), frame.partition) else { continue };
            if self.is_pending(partition, &frame) {
                self.drop_frame(partition, &frame, why);
            }
        }
        self.found = self.found.filter(|found| found.place.segment != segment);
        self.segments.get_mut(segment).live = 0;
        self.segments.finish(segment);
        Ok(())
    }

    /// What is behind those frames of a segment that were dropped cannot be read any more: it goes with them.
    fn lose_rest(&mut self, segment: u16) {
        self.counts.damaged += 1;
        self.gaps = true;
        let next = self.segments.head(segment).and_then(|head| self.segments.begin_of(head.number + 1));
        let end = next.and_then(|next| self.segments.head(next.segment)).map(|head| head.first_frame);
        if let Some(lost) = &mut self.lost {
            lost.end = end.unwrap_or(self.next_frame);
        }
    }

    fn drop_frame(&mut self, partition: u32, frame: &FrameHead, why: Loss) {
        self.count_lost(partition, frame, why);
        self.changed = true;
        let slot = self.partitions.get_mut(partition);
        // Where others before it are still to be read, that is how far reading has come.
        let follows = frame.sequence <= slot.read;
        if follows {
            slot.read = slot.read.max(frame.end());
        }
        self.gaps |= !follows;
        self.confirm_cut(partition, frame.sequence, frame.end());
        self.advance_done(partition);
    }

    /// Of partitions that do not lag everything was read, but for what is lost: that is done, too.
    pub(super) fn close_gaps(&mut self) {
        // What cannot be read in this life is not lost.
        if self.segments.any_aside() || !core::mem::take(&mut self.gaps) {
            return;
        }
        for partition in 0..self.partitions.used {
            let slot = self.partitions.get(partition);
            if slot.behind.is_none() && slot.has_lost_cut(u64::MAX) {
                self.deny_cut(partition);
            }
            let slot = self.partitions.get_mut(partition);
            if slot.behind.is_none() && slot.before_cut.is_none() {
                slot.read = slot.next;
                self.advance_done(partition);
            } else {
                self.gaps |= slot.read < slot.next || slot.cut.is_some();
            }
        }
    }

    /// Whether a frame of a segment of which nothing is with the sender has no outcome.
    fn is_pending(&mut self, partition: u32, frame: &FrameHead) -> bool {
        let is_known = self.hands.has(partition, frame.sequence);
        let slot = self.partitions.get(partition);
        !is_known
            && frame.end() > slot.done
            && (frame.end() > slot.read || slot.stands_before_cut(frame.end()))
    }

    fn scan(&self, segment: u16, offset: u32) -> Option<Scan> {
        let head = self.segments.head(segment)?;
        Some(Scan::new(Area::Segment(segment), head, offset, self.segments.get(segment).used))
    }
}
