//! Lists of observers, in pieces that are used again: what a batch's callbacks need does not depend on how many
//! records the last batch of its slot had.

use std::collections::VecDeque;

use crate::callback::{Observer, Registered};

/// Observers in one piece: 1.5 KiB.
const PIECE: usize = 32;

type Piece = heapless::Deque<Registered, PIECE>;

/// Observers of records of one batch, by ascending index.
#[derive(Default)]
pub(crate) struct Observers {
    pieces: VecDeque<Box<Piece>>,
}

/// Empty pieces and lists.
#[expect(clippy::vec_box, reason = "pieces move between lists, and a box moves in eight bytes")]
#[derive(Default)]
pub(crate) struct Spare {
    pieces: Vec<Box<Piece>>,
    lists: Vec<VecDeque<Box<Piece>>>,
}

impl Observers {
    pub(crate) fn push_back(&mut self, registered: Registered, spare: &mut Spare) {
        if self.pieces.back().is_none_or(|piece| piece.is_full()) {
            if self.pieces.capacity() == 0 {
                self.pieces = spare.lists.pop().unwrap_or_else(|| VecDeque::with_capacity(PIECE));
            }
            self.pieces.push_back(spare.pieces.pop().unwrap_or_default());
        }
        if let Some(piece) = self.pieces.back_mut() {
            // It has room, or has just been put there.
            let _ = piece.push_back(registered);
        }
    }

    pub(crate) fn front(&self) -> Option<&Registered> {
        self.pieces.front()?.front()
    }

    pub(crate) fn pop_front(&mut self, spare: &mut Spare) -> Option<Registered> {
        let piece = self.pieces.front_mut()?;
        let registered = piece.pop_front();
        if piece.is_empty() {
            spare.pieces.extend(self.pieces.pop_front());
        }
        registered
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Registered> {
        self.pieces.iter().flat_map(|piece| piece.iter())
    }

    /// Takes every observer out, in order. The empty pieces stay, and go back by [`Spare::take_back`].
    pub(crate) fn drain(&mut self, mut each: impl FnMut(Registered)) {
        for piece in &mut self.pieces {
            while let Some(registered) = piece.pop_front() {
                each(registered);
            }
        }
    }

    /// Takes the observers out that `covered` tells, as where a batch was split.
    pub(crate) fn split(&mut self, covered: impl Fn(&Registered) -> bool) -> Self {
        let (mut taken, mut rest, mut spare) = (Self::default(), Self::default(), Spare::default());
        self.drain(|registered| {
            let list = if covered(&registered) { &mut taken } else { &mut rest };
            list.push_back(registered, &mut spare);
        });
        *self = rest;
        taken
    }

    /// Whether one of them is a callback.
    pub(crate) fn has_callbacks(&self) -> bool {
        self.iter().any(|registered| !matches!(registered.observer, Observer::Handle(_)))
    }

    /// Whether there are pieces, empty or not.
    pub(crate) fn is_blank(&self) -> bool {
        self.pieces.capacity() == 0
    }
}

impl Spare {
    /// Takes an empty list and its pieces back.
    pub(crate) fn take_back(&mut self, observers: &mut Observers) {
        if observers.is_blank() {
            return;
        }
        let mut list = std::mem::take(&mut observers.pieces);
        for mut piece in list.drain(..) {
            piece.clear();
            self.pieces.push(piece);
        }
        self.lists.push(list);
    }
}

#[cfg(test)]
mod tests {
    use felice_core::time::Timestamp;

    use super::*;
    use crate::delivery::Sizes;

    fn token(index: u32) -> Registered {
        let timestamp = Timestamp::from_millis(0);
        Registered { index, observer: Observer::Token(index.into()), sizes: Sizes::of(None, None), timestamp }
    }

    fn indexes(observers: &Observers) -> Vec<u32> {
        observers.iter().map(|registered| registered.index).collect()
    }

    #[test]
    fn the_order_is_kept_over_pieces_and_the_pieces_come_back() {
        let (mut observers, mut spare) = (Observers::default(), Spare::default());
        (0..100).for_each(|index| observers.push_back(token(index), &mut spare));
        assert_eq!(observers.front().unwrap().index, 0);
        for index in 0..40 {
            assert_eq!(observers.pop_front(&mut spare).unwrap().index, index);
        }
        assert_eq!(spare.pieces.len(), 1);
        assert_eq!(indexes(&observers), (40..100).collect::<Vec<_>>());

        let taken = observers.split(|registered| registered.index < 50);
        assert_eq!(indexes(&taken), (40..50).collect::<Vec<_>>());
        let mut seen = Vec::new();
        observers.drain(|registered| seen.push(registered.index));
        assert_eq!(seen, (50..100).collect::<Vec<_>>());
        let pieces = observers.pieces.len();
        spare.take_back(&mut observers);
        assert_eq!((spare.pieces.len(), spare.lists.len()), (1 + pieces, 1));
        assert!(observers.is_blank() && observers.pop_front(&mut spare).is_none());
    }
}
