//! Reading: which frame is next, its records into blocks, and what became of them.

use super::format::{FrameHead, HEAD_BYTES, patiently};
use super::partitions::Question;
use super::recovery::Scan;
use super::segments::Place;
use super::{Area, Medium, MediumError, Spool, SpoolPartition};
use crate::event::{Numbers, ProducerState};
use crate::id::TopicPartition;
use crate::memory::{Chain, OpenChain, Pool, Storage};
use crate::time::Timestamp;

/// Sequences wrap behind this one.
const SEQUENCES: u64 = 1 << 31;

/// A frame that was read, and is with the sender.
#[derive(Clone, Copy, Debug)]
pub struct FrameSlot {
    used: bool,
    partition: u32,
    from: u64,
    place: Option<Place>,
    /// It is done, and a frame before it is not.
    done: bool,
}

impl FrameSlot {
    /// A slot without a frame.
    pub const EMPTY: Self = Self { used: false, partition: 0, from: 0, place: None, done: false };
}

/// What is to be read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing, for now.
    Nothing,
    /// A former life has sent records of this partition, perhaps: how far the broker has them is to be asked, and
    /// [`answer`](Spool::answer) to be called. Others are read meanwhile.
    Ask {
        /// The partition.
        partition: SpoolPartition,
        /// Under which producer id.
        producer_id: i64,
    },
    /// A frame with so many bytes of records: [`take`](Spool::take) reads it.
    Frame {
        /// Its partition.
        partition: SpoolPartition,
        /// Bytes of its records.
        bytes: u32,
    },
}

/// A frame that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its partition.
    pub partition: SpoolPartition,
    /// Its own number.
    pub number: u64,
    /// How many records of the partition were spooled before it, ever.
    pub sequence: u64,
    /// How many records it has.
    pub records: u32,
    /// So many of them are stored already: they are not to be sent again.
    pub skip: u32,
    /// The first record's timestamp.
    pub base_timestamp: Timestamp,
    /// The largest timestamp of its records.
    pub max_timestamp: Timestamp,
    /// What a former life may have sent it under, from the first record on that is not to be skipped.
    pub numbers: Option<Numbers>,
    hand: u16,
}

/// Why a frame was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakeError {
    /// Not as many blocks are free as it needs. It is still the next one.
    NoMemory,
    /// It was damaged on the medium: its records are lost, and counted. Another one is next.
    Damaged,
    /// The medium failed. It is still the next one: try again, or [`abandon`](Spool::abandon) it.
    Medium(MediumError),
}

/// The frame at the cursor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    place: Place,
    head: FrameHead,
    partition: u32,
}

/// The frames that are with the sender.
pub(super) struct Hands<S: Storage>(S::Table<FrameSlot>);

impl<S: Storage> Hands<S> {
    pub(super) fn new(mut slots: S::Table<FrameSlot>) -> Self {
        slots.as_mut().fill(FrameSlot::EMPTY);
        Self(slots)
    }

    fn find(&mut self, partition: u32, from: u64) -> Option<&mut FrameSlot> {
        self.0.as_mut().iter_mut().find(|slot| slot.used && slot.partition == partition && slot.from == from)
    }

    fn free(&self) -> Option<u16> {
        self.0.as_ref().iter().position(|slot| !slot.used).and_then(|slot| u16::try_from(slot).ok())
    }

    /// What is done, and before this record, need not be kept in mind.
    fn forget(&mut self, partition: u32, before: u64) {
        for slot in self.0.as_mut().iter_mut().filter(|slot| slot.partition == partition) {
            slot.used &= !(slot.done && slot.from < before);
        }
    }

    /// The first record of the partition that is with the sender.
    fn first(&self, partition: u32) -> Option<u64> {
        let held =
            self.0.as_ref().iter().filter(|slot| slot.used && slot.partition == partition && !slot.done);
        held.map(|slot| slot.from).min()
    }
}

impl<S: Storage, M: Medium> Spool<S, M> {
    /// What is to be read next. Partitions that are [parked](Self::park) are passed over.
    ///
    /// # Errors
    /// [`MediumError`]: try again, or [`abandon`](Self::abandon) what cannot be read.
    pub fn poll_next(&mut self) -> Result<Next, MediumError> {
        loop {
            if let Some(Found { head, partition, .. }) = self.found {
                return Ok(Next::Frame { partition: SpoolPartition(partition), bytes: head.payload_bytes });
            }
            let Some(place) = self.settle_cursor() else { return Ok(Next::Nothing) };
            let used = self.segments.get(place.segment).used;
            let Some(segment) = self.segments.head(place.segment) else { return Ok(Next::Nothing) };
            let mut scan = Scan::new(Area::Segment(place.segment), segment, place.offset, used);
            let Some(topic_and_head) = scan.next(&mut self.medium)? else {
                self.cursor = Some(Place { offset: used, ..place });
                continue;
            };
            let (offset, head) = topic_and_head;
            let place = Place { offset, ..place };
            let topic = self.partitions.find_topic(scan.topic());
            let key = topic.map(|topic| TopicPartition { topic, partition: head.partition });
            let partition = key.and_then(|key| self.partitions.find(key));
            let behind = Some(Place { offset: offset + head.bytes(), ..place });
            let Some(partition) = partition else {
                self.cursor = behind;
                continue;
            };
            match self.judge(partition, &head, place) {
                Verdict::Take => {
                    if self.hands.free().is_none() {
                        self.cursor = Some(place);
                        return Ok(Next::Nothing);
                    }
                    self.cursor = behind;
                    self.found = Some(Found { place, head, partition });
                }
                Verdict::Pass => self.cursor = behind,
                Verdict::Later => {
                    self.cursor = behind;
                    self.rewind = Some(self.rewind.map_or(place, |before| before.min(place)));
                }
                Verdict::Ask(producer_id) => {
                    return Ok(Next::Ask { partition: SpoolPartition(partition), producer_id });
                }
            }
        }
    }

    /// Where reading goes on. `None` at the end.
    fn settle_cursor(&mut self) -> Option<Place> {
        let at = match self.cursor {
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
        if at.is_some() {
            self.cursor = at;
        }
        at.filter(|place| place.offset < self.segments.get(place.segment).used)
    }

    /// What to do with a frame at the cursor.
    fn judge(&mut self, partition: u32, head: &FrameHead, place: Place) -> Verdict {
        let slot = self.partitions.get(partition);
        // What stands before the cut waits until that is confirmed.
        if slot.cut.is_some_and(|cut| head.end() < cut && head.end() > slot.done) {
            return Verdict::Later;
        }
        if head.end() <= slot.read {
            return Verdict::Pass;
        }
        // What is new waits as well: nothing overtakes.
        if slot.parked || slot.question == Question::Asked {
            return Verdict::Later;
        }
        if let Some(stamp) = slot.is_in_doubt(head.life, head.sequence)
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
        Verdict::Take
    }

    /// The frame that ends at the cut, or goes beyond, is acknowledged, or can never be: what stands before it is done.
    fn confirm_cut(&mut self, partition: u32, from: u64, end: u64) {
        let slot = self.partitions.get_mut(partition);
        let Some(cut) = slot.cut.filter(|cut| *cut <= end) else { return };
        let before = slot.done;
        (slot.cut, slot.done) = (None, cut.max(before));
        self.counts.found_stored += from.saturating_sub(before);
        self.finish_unread(partition, before, from);
    }

    /// Frames that were passed over, and will not be read any more: from one record of the partition to another. One that
    /// cannot be found keeps its segment for this life.
    fn finish_unread(&mut self, partition: u32, from: u64, to: u64) {
        let mut number = 0;
        while let Some(place) = self.segments.begin_of(number) {
            number = place.number + 1;
            let (Some(head), used) =
                (self.segments.head(place.segment), self.segments.get(place.segment).used)
            else {
                continue;
            };
            let mut scan = Scan::new(Area::Segment(place.segment), head, HEAD_BYTES, used);
            while let Ok(Some((_, frame))) = patiently(|| scan.next(&mut self.medium)) {
                if frame.sequence >= to && self.is_of(partition, &scan, &frame) {
                    return;
                }
                if frame.end() > from && self.is_of(partition, &scan, &frame) {
                    self.segments.finish_frame(place.segment);
                }
            }
        }
    }

    fn is_of(&self, partition: u32, scan: &Scan, frame: &FrameHead) -> bool {
        let key = self.partitions.get(partition).key;
        key.partition == frame.partition && self.partitions.topic(key.topic) == scan.topic()
    }

    /// A numbering begins although the cut is not confirmed: the leader does not know what one has said that it has. What stands
    /// before the cut is sent again after all.
    pub(super) fn deny_cut(&mut self, partition: u32) {
        let slot = self.partitions.get_mut(partition);
        if slot.cut.take().is_some() {
            slot.read = slot.done;
            self.go_back();
        }
    }

    /// Reads the frame that [`poll_next`](Self::poll_next) has told of, into blocks of the pool.
    ///
    /// # Errors
    /// [`TakeError`].
    pub fn take(&mut self, pool: &mut Pool<S::Block>) -> Result<(Frame, Chain<S::Block>), TakeError> {
        let (Some(Found { place, head, partition }), Some(hand)) = (self.found, self.hands.free()) else {
            return Err(TakeError::NoMemory);
        };
        let blocks = head.payload_bytes.div_ceil(pool.block_bytes().max(1)).max(1);
        if blocks > pool.free() {
            return Err(TakeError::NoMemory);
        }
        let mut chain = OpenChain::new();
        let read = self.read_payload(place, &head, &mut chain, pool);
        if read != Ok(head.payload_crc) {
            pool.recycle(chain.seal());
            return Err(match read {
                Err(error) => TakeError::Medium(error),
                Ok(_) => {
                    self.pass_damaged();
                    TakeError::Damaged
                }
            });
        }
        self.found = None;
        let slot = self.partitions.get_mut(partition);
        slot.read = head.end();
        // The leader may have a part of a frame that went out in parts.
        let stored = slot.cut.filter(|cut| *cut < head.end()).unwrap_or(0).max(slot.done);
        let skip = stored.saturating_sub(head.sequence);
        let stamp = slot.is_in_doubt(head.life, head.sequence);
        let frame = Frame {
            partition: SpoolPartition(partition),
            number: head.number,
            sequence: head.sequence,
            records: head.records,
            skip: skip as u32,
            base_timestamp: Timestamp::from_millis(head.base_timestamp),
            max_timestamp: Timestamp::from_millis(head.max_timestamp),
            numbers: stamp.map(|stamp| Numbers {
                producer_id: stamp.producer_id,
                producer_epoch: stamp.producer_epoch,
                base_sequence: ((head.sequence + skip - stamp.base) % SEQUENCES) as i32,
                more: head.end() < slot.former,
            }),
            hand,
        };
        self.hands.0.as_mut()[usize::from(hand)] =
            FrameSlot { used: true, partition, from: head.sequence, place: Some(place), done: false };
        self.segments.get_mut(place.segment).in_hand += 1;
        Ok((frame, chain.seal()))
    }

    /// Its checksum, once all of it is in the chain.
    fn read_payload(
        &mut self,
        place: Place,
        head: &FrameHead,
        chain: &mut OpenChain<S::Block>,
        pool: &mut Pool<S::Block>,
    ) -> Result<u32, MediumError> {
        let mut crc = crc32fast::Hasher::new();
        let mut at = place.offset + head.payload_at();
        let mut left = head.payload_bytes;
        while left > 0 {
            if chain.room() == 0 {
                // There are enough: they were counted.
                let Some(block) = pool.take() else { break };
                chain.push(block);
            }
            let space = chain.rest();
            let count = space.len().min(left as usize);
            let space = &mut space[..count];
            self.medium.read(Area::Segment(place.segment), at, space)?;
            crc.update(space);
            chain.wrote(count as u32);
            at += count as u32;
            left -= count as u32;
        }
        Ok(crc.finalize())
    }

    /// Gives up what cannot be read: the frame that [`poll_next`](Self::poll_next) has told of, or else what is left of a
    /// segment.
    pub fn abandon(&mut self) {
        if self.found.is_some() {
            self.pass_damaged();
        } else if let Some(place) = self.cursor {
            self.counts.damaged += 1;
            self.changed = true;
            let slot = self.segments.get_mut(place.segment);
            slot.set_aside();
            self.cursor = Some(Place { offset: slot.used, ..place });
        }
    }

    fn pass_damaged(&mut self) {
        let Some(Found { place, head, partition }) = self.found.take() else { return };
        self.counts.damaged += 1;
        self.changed = true;
        self.partitions.get_mut(partition).read = head.end();
        self.segments.finish_frame(place.segment);
        self.confirm_cut(partition, head.sequence, head.end());
        self.advance_done(partition);
    }

    /// Every record of the frame has its outcome.
    pub fn done(&mut self, frame: &Frame) {
        let Some(slot) = self.hands.0.as_mut().get_mut(usize::from(frame.hand)) else { return };
        let (partition, Some(place)) = (slot.partition, slot.place.filter(|_| slot.used && !slot.done))
        else {
            return;
        };
        slot.done = true;
        self.segments.get_mut(place.segment).in_hand -= 1;
        self.segments.finish_frame(place.segment);
        self.confirm_cut(partition, frame.sequence, frame.sequence + u64::from(frame.records));
        self.advance_done(partition);
    }

    /// The frame is to be sent again, but for its first `stored` records: it is read once more.
    pub fn put_back(&mut self, frame: &Frame, stored: u32) {
        let Some(slot) = self.hands.0.as_mut().get_mut(usize::from(frame.hand)) else { return };
        let (partition, Some(place)) = (slot.partition, slot.place.filter(|_| slot.used && !slot.done))
        else {
            return;
        };
        let from = slot.from;
        slot.used = false;
        self.segments.get_mut(place.segment).in_hand -= 1;
        let first = self.hands.first(partition).is_none_or(|first| first > from);
        let slot = self.partitions.get_mut(partition);
        if first && from <= slot.read {
            slot.done = slot.done.max(from + u64::from(stored));
        }
        slot.read = slot.read.min(from);
        self.rewind = Some(self.rewind.map_or(place, |before| before.min(place)));
        self.go_back();
    }

    /// Nothing of the partition is read until it is [unparked](Self::unpark).
    pub fn park(&mut self, partition: SpoolPartition) {
        self.partitions.get_mut(partition.0).parked = true;
        if let Some(found) = self.found.take_if(|found| found.partition == partition.0) {
            self.cursor = Some(found.place);
        }
    }

    /// The partition is read again, from where it was left.
    pub fn unpark(&mut self, partition: SpoolPartition) {
        if core::mem::take(&mut self.partitions.get_mut(partition.0).parked) {
            self.go_back();
        }
    }

    /// What [`Next::Ask`] asked for: a partition's leader has a former life's records up to there, or knows nothing. That is no
    /// acknowledgement, since the log may not be replicated yet. So the last frame that it has is sent once more, under its
    /// numbers, and what stands before it is done with that one. Where the leader has records that are not here any more,
    /// it has to do as it is: their numbers are not known.
    pub fn answer(&mut self, partition: SpoolPartition, answer: ProducerState) {
        let slot = self.partitions.get_mut(partition.0);
        slot.question = Question::Answered;
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
                self.counts.found_stored += slot.former - before;
                slot.done = slot.former;
            } else if end > before {
                slot.cut = Some(end);
            }
            self.changed = true;
        }
        self.go_back();
    }

    /// Reads on from the first frame that was passed over.
    fn go_back(&mut self) {
        let Some(place) = self.rewind.take() else { return };
        let found = self.found.take().map(|found| found.place);
        let at = found.or(self.cursor).map_or(place, |cursor| cursor.min(place));
        self.cursor = Some(at);
    }

    /// All before the first record that is with the sender, or is not read, is done. What is done behind that is kept in
    /// mind: it is passed over should one before it be read again.
    fn advance_done(&mut self, partition: u32) {
        let first = self.hands.first(partition);
        let slot = self.partitions.get_mut(partition);
        if slot.cut.is_some() {
            return;
        }
        slot.done = first.map_or(slot.read, |first| first.min(slot.read)).max(slot.done);
        self.hands.forget(partition, slot.done);
        self.changed = true;
    }

    /// Drops a segment of which nothing is with the sender: all frames in it that are not done.
    pub(super) fn drop_segment(&mut self, segment: u16) -> Result<(), MediumError> {
        let (Some(head), used) = (self.segments.head(segment), self.segments.get(segment).used) else {
            return Ok(());
        };
        let mut scan = Scan::new(Area::Segment(segment), head, HEAD_BYTES, used);
        while let Some((_, frame)) = scan.next(&mut self.medium)? {
            let topic = self.partitions.find_topic(scan.topic());
            let key = topic.map(|topic| TopicPartition { topic, partition: frame.partition });
            let Some(partition) = key.and_then(|key| self.partitions.find(key)) else { continue };
            let slot = self.partitions.get_mut(partition);
            if frame.end() > slot.read {
                self.counts.dropped += frame.end() - slot.done.max(frame.sequence);
                slot.read = frame.end();
                self.advance_done(partition);
            }
        }
        self.found = self.found.filter(|found| found.place.segment != segment);
        self.segments.get_mut(segment).live = 0;
        self.segments.finish(segment);
        Ok(())
    }
}

/// What to do with a frame.
enum Verdict {
    /// It is the next one.
    Take,
    /// It is done, or with the sender.
    Pass,
    /// Not now.
    Later,
    /// A broker is to be asked first.
    Ask(i64),
}
