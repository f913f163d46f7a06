//! Doubly linked lists through the slots of a table: O(1) at both ends and in the middle, and no memory of their own.

pub(super) use crate::index::NONE;

/// A slot's neighbours in a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    prev: u32,
    next: u32,
}

impl Links {
    pub(super) const NONE: Self = Self { prev: NONE, next: NONE };

    /// The slot that follows, or [`NONE`].
    pub(super) const fn next(self) -> u32 {
        self.next
    }
}

/// The ends of a list. `links` says each time which links of a slot are this list's.
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    first: u32,
    last: u32,
}

impl List {
    pub(super) const EMPTY: Self = Self { first: NONE, last: NONE };

    pub(super) const fn is_empty(self) -> bool {
        self.first == NONE
    }

    /// The first slot, or [`NONE`].
    pub(super) const fn first(self) -> u32 {
        self.first
    }

    /// The last slot, or [`NONE`].
    pub(super) const fn last(self) -> u32 {
        self.last
    }

    pub(super) fn push_back<T>(&mut self, slots: &mut [T], links: impl Fn(&mut T) -> &mut Links, slot: u32) {
        self.insert_after(slots, links, slot, self.last);
    }

    /// Puts `slot` behind `before`, or first where that is [`NONE`].
    pub(super) fn insert_after<T>(
        &mut self,
        slots: &mut [T],
        links: impl Fn(&mut T) -> &mut Links,
        slot: u32,
        before: u32,
    ) {
        let after = match before {
            NONE => core::mem::replace(&mut self.first, slot),
            before => core::mem::replace(&mut links(&mut slots[before as usize]).next, slot),
        };
        match after {
            NONE => self.last = slot,
            after => links(&mut slots[after as usize]).prev = slot,
        }
        *links(&mut slots[slot as usize]) = Links { prev: before, next: after };
    }

    /// Takes out a slot, which must be in this list.
    pub(super) fn remove<T>(&mut self, slots: &mut [T], links: impl Fn(&mut T) -> &mut Links, slot: u32) {
        let Links { prev, next } = core::mem::replace(links(&mut slots[slot as usize]), Links::NONE);
        match prev {
            NONE => self.first = next,
            prev => links(&mut slots[prev as usize]).next = next,
        }
        match next {
            NONE => self.last = prev,
            next => links(&mut slots[next as usize]).prev = prev,
        }
    }
}
