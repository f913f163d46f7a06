//! What a former life may have sent: how far a leader has it, and when that is sure.
//!
//! A leader's answer is no acknowledgement. So it cuts the frames in doubt in two: the last one that the leader has is sent once
//! more, under its numbers, and what stands before it is done when that one is acknowledged.

use super::partitions::{Question, Span};
use super::{Frame, Medium, Spool, SpoolPartition};
use crate::event::ProducerState;
use crate::memory::Storage;

/// Sequences wrap behind this one.
pub(super) const SEQUENCES: u64 = 1 << 31;

/// What is done and not written down, and what is sent again without anybody knowing whether it is stored.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Unsure {
    /// Frames that are done since the last checkpoint.
    pub(super) unwritten: usize,
    /// Frames and records of former lives.
    frames: usize,
    records: u64,
}

impl<S: Storage, M: Medium> Spool<S, M> {
    /// Whether a [`checkpoint`](Self::checkpoint) is due before more is read: as many frames are done since the last one as can
    /// be with the sender. So no more than twice that many may be stored twice where brokers have forgotten who sent them.
    #[must_use]
    pub fn is_checkpoint_due(&self) -> bool {
        self.unsure.unwritten >= self.hands.len()
    }

    /// How many records a former life may have sent of whose numbering the leaders know nothing, or which they do not take under
    /// it: they are sent again, and may be stored twice.
    #[must_use]
    pub const fn forgotten(&self) -> u64 {
        self.unsure.records
    }

    /// A frame in doubt is read. No more than these were sent: a life sends nothing beyond them without a checkpoint.
    pub(super) fn count_forgotten(&mut self, partition: u32, from: u64, end: u64) {
        let most = 2 * self.hands.len();
        let slot = self.partitions.get_mut(partition);
        if let Question::Forgotten { counted } = &mut slot.question
            && end > *counted
            && self.unsure.frames < most
        {
            self.unsure.records += end - from.max(*counted);
            self.unsure.frames += 1;
            *counted = end;
        }
    }

    /// Brokers do not take a frame under its former numbers, and nobody can tell any more whether it is stored: when it is
    /// [put back](Self::put_back), it is sent under numbers of this life, and stored twice perhaps.
    pub fn renounce(&mut self, frame: &Frame) {
        if frame.numbers.is_some() {
            let slot = self.partitions.get_mut(frame.partition.0);
            slot.renounced = slot.renounced.max(frame.sequence + u64::from(frame.records));
            self.unsure.records += u64::from(frame.records - frame.skip);
        }
    }

    /// What [`Next::Ask`](super::Next::Ask) asked for: a partition's leader has a former life's records up to there, or knows
    /// nothing. That is no acknowledgement, since the log may not be replicated yet. So the last frame that it has is sent
    /// once more, under its numbers, and what stands before it is done with that one. Where the leader has records that are not here any more,
    /// it has to do as it is: their numbers are not known.
    pub fn answer(&mut self, partition: SpoolPartition, answer: ProducerState) {
        let slot = self.partitions.get_mut(partition.0);
        slot.question = match answer {
            ProducerState::Unknown => Question::Forgotten { counted: 0 },
            _ => Question::Answered,
        };
        if let (Some(stamp), ProducerState::Active { producer_epoch, last_sequence }) = (slot.stamp, answer)
            && producer_epoch == stamp.producer_epoch
            && last_sequence >= 0
        {
            // Sequences wrap: it is the end that is next to what was known, within half a turn.
            let before = slot.done;
            let known = before.saturating_sub(stamp.base) % SEQUENCES;
            let end = (u64::from(last_sequence.cast_unsigned()) + 1) % SEQUENCES;
            let ahead = (end + SEQUENCES - known) % SEQUENCES;
            let end = if ahead < SEQUENCES / 2 { before.max(stamp.base) + ahead } else { before };
            if end > slot.former {
                // What was lost in the middle may be done, and more than that.
                self.counts.found_stored += slot.former.saturating_sub(before);
                slot.done = slot.former.max(before);
            } else if end > before {
                slot.cut = Some(end);
            }
            self.changed = true;
        }
        self.go_back(partition.0);
    }

    /// A frame is acknowledged, or can never be. If it is the one with the cut in it, or at its end, what stands before is done.
    pub(super) fn confirm_cut(&mut self, partition: u32, from: u64, end: u64) {
        if self.partitions.get(partition).cut.is_some_and(|cut| from < cut && cut <= end) {
            self.close_cut(partition, from);
        }
    }

    /// A frame behind the cut is acknowledged. That says as much, if the one with the cut in it is gone: reading has passed it, and
    /// it is with nobody.
    pub(super) fn confirm_lost_cut(&mut self, partition: u32, end: u64) {
        let first = self.hands.first(partition);
        let slot = self.partitions.get(partition);
        if let Some(cut) = slot.cut.filter(|cut| *cut <= end && *cut <= slot.read)
            && first.is_none_or(|first| first >= cut)
        {
            self.close_cut(partition, cut);
        }
    }

    /// All before the cut is done. The frames that end before `to` are finished when reading passes them again.
    fn close_cut(&mut self, partition: u32, to: u64) {
        let slot = self.partitions.get_mut(partition);
        let from = slot.done;
        slot.done = slot.cut.take().unwrap_or(from).max(from);
        slot.spared = Span { from, to };
        self.counts.found_stored += to.saturating_sub(from);
        self.go_back(partition);
    }

    /// A numbering begins although the cut is not confirmed: the leader does not know what one has said that it has. What stands
    /// before the cut is sent again after all.
    pub(super) fn deny_cut(&mut self, partition: u32) {
        let slot = self.partitions.get_mut(partition);
        if slot.cut.take().is_some() {
            slot.read = slot.done;
            self.go_back(partition);
        }
    }
}
