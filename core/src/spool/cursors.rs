//! Which frame is next. One cursor goes through the log for all partitions. A partition that cannot be read where that passes
//! lags behind, and has a cursor of its own from there on: so none holds up another, and none is read twice through.

use super::format::FrameHead;
use super::partitions::Question;
use super::read::{Found, Next};
use super::recovery::Scan;
use super::segments::Place;
use super::{Area, Medium, MediumError, Spool, SpoolPartition};
use crate::memory::Storage;

/// This part of the frames that may be with the sender is one partition's at the most.
const SHARE: usize = 4;
/// But so many are, to have the next one at hand.
const SHARE_MIN: usize = 4;

impl<S: Storage, M: Medium> Spool<S, M> {
    /// What is to be read next. Partitions that are [parked](Self::park) are passed over, and those that have their share of
    /// what may be with the sender: a quarter.
    ///
    /// # Errors
    /// [`MediumError`]: try again, or [`abandon`](Self::abandon) what cannot be read.
    pub fn poll_next(&mut self) -> Result<Next, MediumError> {
        loop {
            if let Some(Found { head, partition, .. }) = self.found {
                return Ok(Next::Frame { partition: SpoolPartition(partition), bytes: head.payload_bytes });
            }
            let reader = self.partitions.first_lagging();
            let Some(place) = self.settle(reader) else {
                let Some(partition) = reader else {
                    self.close_gaps();
                    if self.partitions.first_lagging().is_some() {
                        continue;
                    }
                    return Ok(Next::Nothing);
                };
                self.partitions.get_mut(partition).behind = None;
                self.partitions.unlist();
                continue;
            };
            let used = self.segments.get(place.segment).used;
            let Some(segment) = self.segments.head(place.segment) else { return Ok(Next::Nothing) };
            let mut scan = Scan::new(Area::Segment(place.segment), segment, place.offset, used);
            let Some((offset, head)) = scan.next(&mut self.medium)? else {
                self.go_on(reader, Place { offset: used, ..place });
                continue;
            };
            let place = Place { offset, ..place };
            let next = Place { offset: offset + head.bytes(), ..place };
            let partition = self.partitions.find_named(scan.topic(), head.partition);
            match partition.filter(|&partition| self.reads(reader, partition)) {
                None => self.go_on(reader, next),
                Some(partition) => match self.judge(partition, &head, place) {
                    Verdict::Take if self.hands.free().is_none() => {
                        self.go_on(reader, place);
                        return Ok(Next::Nothing);
                    }
                    Verdict::Take => {
                        self.go_on(reader, next);
                        self.partitions.rotate();
                        self.found = Some(Found { place, head, partition });
                    }
                    Verdict::Pass => self.go_on(reader, next),
                    Verdict::Wait => self.leave(reader, partition, place, next),
                    Verdict::Ask(producer_id) => {
                        self.leave(reader, partition, place, next);
                        return Ok(Next::Ask { partition: SpoolPartition(partition), producer_id });
                    }
                },
            }
        }
    }

    /// Whether a cursor reads a partition: its own, or that of all that do not lag.
    fn reads(&self, reader: Option<u32>, partition: u32) -> bool {
        match reader {
            Some(reader) => reader == partition,
            None => self.partitions.get(partition).behind.is_none(),
        }
    }

    /// Where a cursor goes on. `None` at its end: of a partition's own, where it meets that of all.
    pub(super) fn settle(&self, reader: Option<u32>) -> Option<Place> {
        let all = self.settle_at(self.cursor);
        match reader {
            None => all,
            Some(partition) => {
                let own = self.settle_at(self.partitions.get(partition).behind);
                own.filter(|own| all.is_none_or(|all| *own < all))
            }
        }
    }

    fn settle_at(&self, place: Option<Place>) -> Option<Place> {
        let at = match place {
            Some(place) if self.segments.is_at(place) => {
                let segment = self.segments.get(place.segment);
                if place.offset < segment.used {
                    Some(place)
                } else if self.segments.active == Some(place.segment) {
                    return None;
                } else {
                    self.segments.begin_of(place.number + 1)
                }
            }
            Some(place) => self.segments.begin_of(place.number),
            None => self.segments.begin_of(0),
        };
        at.filter(|place| place.offset < self.segments.get(place.segment).used)
    }

    pub(super) fn go_on(&mut self, reader: Option<u32>, place: Place) {
        match reader {
            None => self.cursor = Some(place),
            Some(partition) => self.partitions.get_mut(partition).behind = Some(place),
        }
    }

    /// A partition cannot be read from here on, for now.
    fn leave(&mut self, reader: Option<u32>, partition: u32, place: Place, next: Place) {
        self.lag(partition, place);
        match reader {
            None => self.go_on(None, next),
            Some(_) => self.partitions.unlist(),
        }
    }

    /// What to do with a frame at a cursor.
    fn judge(&mut self, partition: u32, head: &FrameHead, place: Place) -> Verdict {
        let slot = self.partitions.get_mut(partition);
        if slot.spared.has_end(head.end()) {
            slot.spared.from = head.end();
            self.segments.finish_frame(place.segment);
            return Verdict::Pass;
        }
        // What stands before the cut waits until that is confirmed.
        if slot.stands_before_cut(head.end()) {
            slot.before_cut = Some(slot.before_cut.map_or(place, |before| before.min(place)));
            return Verdict::Pass;
        }
        if head.end() <= slot.read {
            return Verdict::Pass;
        }
        if head.since_boot && self.began.is_none() {
            (slot.untimed, self.untimed) = (true, true);
        }
        // What is new waits as well: nothing overtakes.
        if slot.is_held_up() {
            return Verdict::Wait;
        }
        if let Some(stamp) = slot.was_perhaps_sent(self.life, head)
            && slot.question == Question::Open
        {
            self.partitions.get_mut(partition).question = Question::Asked;
            return Verdict::Ask(stamp.producer_id);
        }
        if self.hands.find(partition, head.sequence).is_some() {
            self.partitions.get_mut(partition).read = head.end();
            self.advance_done(partition);
            return Verdict::Pass;
        }
        if head.end() <= self.partitions.get(partition).done {
            self.partitions.get_mut(partition).read = head.end();
            self.segments.finish_frame(place.segment);
            return Verdict::Pass;
        }
        if self.has_share(partition) { Verdict::Take } else { Verdict::Wait }
    }

    pub(super) fn has_share(&self, partition: u32) -> bool {
        self.hands.count(partition) < (self.hands.len() / SHARE).max(SHARE_MIN)
    }

    /// A partition lags behind, from this frame on if not from one before it.
    pub(super) fn lag(&mut self, partition: u32, place: Place) {
        self.found = self.found.filter(|found| found.partition != partition);
        let slot = self.partitions.get_mut(partition);
        slot.behind = Some(slot.behind.map_or(place, |behind| behind.min(place)));
    }

    /// A partition that lags behind is read, if it may be.
    pub(super) fn catch_up(&mut self, partition: u32) {
        let slot = self.partitions.get(partition);
        if slot.behind.is_some() && !slot.is_held_up() && self.has_share(partition) {
            self.partitions.list(partition);
        }
    }

    /// What a cut has kept from being read is read.
    pub(super) fn go_back(&mut self, partition: u32) {
        if let Some(place) = self.partitions.get_mut(partition).before_cut.take() {
            self.lag(partition, place);
        }
        self.catch_up(partition);
    }
}

/// What to do with a frame.
enum Verdict {
    /// It is the next one.
    Take,
    /// It is done, or with the sender, or will be done without being read.
    Pass,
    /// Not now.
    Wait,
    /// A broker is to be asked first.
    Ask(i64),
}
