//! The segments: which are in use, in which order, and how many of their frames are not done.

use super::format::{HEAD_BYTES, SegmentHead};
use crate::memory::Storage;

/// A segment of the medium.
#[derive(Clone, Copy, Debug, Default)]
pub struct SegmentSlot {
    state: State,
    /// Its header; of one in use only.
    head: Option<SegmentHead>,
    /// Bytes written: one behind its last frame.
    pub(super) used: u32,
    /// Frames that are not done.
    pub(super) live: u32,
    /// Those of them that are with the sender.
    pub(super) in_hand: u32,
    /// Written to since its last sync.
    pub(super) dirty: bool,
    /// Its head may not last although it was written: a sync has failed since, or in a former life perhaps.
    pub(super) head_unsure: bool,
    /// Behind its last frame there may be one that was refused: it must not be found.
    pub(super) broken: bool,
    /// It could not be read as a whole: it is left as it is for the next life.
    aside: bool,
}

impl SegmentSlot {
    /// Leaves it as it is, in this life.
    pub(super) const fn set_aside(&mut self) {
        self.aside = true;
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Free,
    Used,
    /// Nothing in it is wanted any more, but the last checkpoint does not say so.
    Done,
}

/// A place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The segment's number, which orders places; its slot.
    pub(super) number: u64,
    pub(super) segment: u16,
    pub(super) offset: u32,
}

/// What is left of frames that count as if they had never been.
#[derive(Clone, Copy, Debug)]
pub(super) struct Torn {
    pub(super) segment: u16,
    pub(super) from: u32,
    pub(super) to: u32,
}

/// All segments.
pub(super) struct Segments<S: Storage> {
    slots: S::Table<SegmentSlot>,
    /// The one that is written to.
    pub(super) active: Option<u16>,
    pub(super) next_number: u64,
}

impl<S: Storage> Segments<S> {
    pub(super) fn new(mut slots: S::Table<SegmentSlot>) -> Self {
        slots.as_mut().fill(SegmentSlot::default());
        Self { slots, active: None, next_number: 0 }
    }

    pub(super) fn len(&self) -> u16 {
        self.slots.as_ref().len().min(usize::from(u16::MAX)) as u16
    }

    pub(super) fn get(&self, segment: u16) -> &SegmentSlot {
        &self.slots.as_ref()[usize::from(segment)]
    }

    pub(super) fn get_mut(&mut self, segment: u16) -> &mut SegmentSlot {
        &mut self.slots.as_mut()[usize::from(segment)]
    }

    pub(super) fn head(&self, segment: u16) -> Option<SegmentHead> {
        self.get(segment).head
    }

    pub(super) fn live(&self) -> u64 {
        self.slots.as_ref().iter().map(|slot| u64::from(slot.live)).sum()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.used().filter(|(_, slot, _)| slot.live > 0).map(|(_, slot, _)| u64::from(slot.used)).sum()
    }

    fn used(&self) -> impl Iterator<Item = (u16, &SegmentSlot, SegmentHead)> {
        let slots = (0..self.len()).zip(self.slots.as_ref());
        slots.filter_map(|(segment, slot)| {
            Some((segment, slot, slot.head.filter(|_| slot.state == State::Used)?))
        })
    }

    /// The first number of those in use, or of the next one.
    pub(super) fn oldest_number(&self) -> u64 {
        self.used().map(|(.., head)| head.number).min().unwrap_or(self.next_number)
    }

    /// The first frame that may still be on the medium.
    pub(super) fn oldest_frame(&self) -> Option<u64> {
        self.used().map(|(.., head)| head.first_frame).min()
    }

    /// The begin of the first segment in use from this number on.
    pub(super) fn begin_of(&self, number: u64) -> Option<Place> {
        let later = self.used().filter(|(.., head)| head.number >= number);
        later.min_by_key(|(.., head)| head.number).map(|(segment, _, head)| Place {
            number: head.number,
            segment,
            offset: HEAD_BYTES,
        })
    }

    /// Whether a place is still what it was.
    pub(super) fn is_at(&self, place: Place) -> bool {
        let slot = self.get(place.segment);
        slot.state == State::Used && slot.head.is_some_and(|head| head.number == place.number)
    }

    /// A segment that can be written to.
    pub(super) fn free(&self) -> Option<u16> {
        (0..self.len()).find(|&segment| self.is_unknown(segment))
    }

    pub(super) fn is_aside(&self, segment: u16) -> bool {
        self.get(segment).aside
    }

    /// Whether any is left as it is in this life.
    pub(super) fn any_aside(&self) -> bool {
        self.slots.as_ref().iter().any(|slot| slot.aside)
    }

    /// Whether nothing is known of it.
    pub(super) fn is_unknown(&self, segment: u16) -> bool {
        self.get(segment).state == State::Free && !self.is_aside(segment)
    }

    pub(super) fn has_number(&self, number: u64) -> bool {
        self.used().any(|(.., head)| head.number == number)
    }

    /// Whether one would be free after the next checkpoint.
    pub(super) fn has_done(&self) -> bool {
        self.slots.as_ref().iter().any(|slot| slot.state == State::Done)
    }

    /// A segment is in use from now on.
    pub(super) fn begin(&mut self, segment: u16, head: SegmentHead) {
        let empty = SegmentSlot::default();
        *self.get_mut(segment) =
            SegmentSlot { state: State::Used, head: Some(head), used: HEAD_BYTES, ..empty };
        self.next_number = self.next_number.max(head.number + 1);
    }

    /// A life may have begun as many segments as there are since its last checkpoint, and all traces of that may be lost but
    /// for some frames: their numbers are not used again, or these frames would be taken for new ones.
    pub(super) fn skip_numbers(&mut self) {
        self.next_number += u64::from(self.len());
    }

    /// A frame is done. Whether its segment is, too.
    pub(super) fn finish_frame(&mut self, segment: u16) -> bool {
        let slot = self.get_mut(segment);
        slot.live = slot.live.saturating_sub(1);
        self.finish(segment)
    }

    /// A segment whose frames are all done is done, unless it is written to.
    pub(super) fn finish(&mut self, segment: u16) -> bool {
        let active = self.active == Some(segment);
        let slot = self.get_mut(segment);
        let done = slot.state == State::Used && slot.live == 0 && !active && !slot.aside;
        if done {
            slot.state = State::Done;
        }
        done
    }

    /// The checkpoint says what is done: it can be used again.
    pub(super) fn release(&mut self) {
        let done = self.slots.as_mut().iter_mut().filter(|slot| slot.state == State::Done);
        done.for_each(|slot| *slot = SegmentSlot::default());
    }

    /// The oldest segment that can be dropped: nothing of it is with the sender, and it is not written to.
    pub(super) fn droppable(&self) -> Option<u16> {
        let old = self.used().filter(|(segment, slot, _)| slot.in_hand == 0 && self.active != Some(*segment));
        old.min_by_key(|(.., head)| head.number).map(|(segment, ..)| segment)
    }

    /// The next segment that was written to since its last sync.
    pub(super) fn dirty(&self) -> Option<u16> {
        (0..self.len()).find(|&segment| self.get(segment).dirty)
    }
}
