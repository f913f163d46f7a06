//! Tables with a range for each topic, as long as the topic has needed so far: its partitions' leaders.
//!
//! A range that must grow goes to the end of the table, and the gap that it leaves is closed: what is used is always
//! the sum of what the topics need.

use crate::memory::Storage;

/// A topic's range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    room: u32,
}

impl Span {
    pub(crate) const EMPTY: Self = Self { start: 0, room: 0 };

    /// How many entries there are.
    pub(crate) const fn room(self) -> u32 {
        self.room
    }
}

/// The table.
pub(crate) struct Spans<S: Storage, E: 'static> {
    table: S::Table<E>,
    used: u32,
}

impl<S: Storage, E: Copy + 'static> Spans<S, E> {
    pub(crate) const fn new(table: S::Table<E>) -> Self {
        Self { table, used: 0 }
    }

    pub(crate) fn of(&self, span: Span) -> &[E] {
        &self.table.as_ref()[span.start as usize..][..span.room as usize]
    }

    pub(crate) fn of_mut(&mut self, span: Span) -> &mut [E] {
        &mut self.table.as_mut()[span.start as usize..][..span.room as usize]
    }

    /// All entries of all topics.
    pub(crate) fn used_mut(&mut self) -> &mut [E] {
        &mut self.table.as_mut()[..self.used as usize]
    }

    /// Makes `span` as long as `room`: what is in it stays, new entries are `fill`. `others` are the spans of all
    /// topics, which may have to move. `None` changes nothing: the table is too short.
    pub(crate) fn grow<'s>(
        &mut self,
        span: Span,
        room: u32,
        fill: E,
        others: impl Iterator<Item = &'s mut Span>,
    ) -> Option<Span> {
        let used = (self.used - span.room).checked_add(room)?;
        if used as usize > self.table.as_ref().len() {
            return None;
        }
        let (start, end) = (span.start as usize, self.used as usize);
        // The range goes to the end, where it can grow; the ones behind it move down.
        self.table.as_mut()[start..end].rotate_left(span.room as usize);
        for other in others {
            if other.start > span.start {
                other.start -= span.room;
            }
        }
        self.table.as_mut()[end..used as usize].fill(fill);
        self.used = used;
        Some(Span { start: used - room, room })
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use crate::test_storage::{Boxes, table};

    #[test]
    fn ranges_keep_what_they_hold_while_they_grow() {
        let mut spans = Spans::<Boxes, u32>::new(table(12, || 99));
        let mut topics = [Span::EMPTY; 3];
        let mut rooms = [0; 3];
        for (topic, room) in [(0, 2), (1, 3), (2, 1), (0, 5), (1, 4), (2, 3)] {
            let grown = spans.grow(topics[topic], room, 7, topics.iter_mut()).unwrap();
            topics[topic] = grown;
            for place in rooms[topic]..room {
                assert_eq!(spans.of(grown)[place as usize], 7, "new ones are filled");
                spans.of_mut(grown)[place as usize] = topic as u32 * 10 + place;
            }
            rooms[topic] = room;
            for (topic, span) in topics.iter().enumerate() {
                let wanted: std::vec::Vec<u32> =
                    (0..rooms[topic]).map(|place| topic as u32 * 10 + place).collect();
                assert_eq!(spans.of(*span), wanted, "topic {topic}");
            }
        }
        assert_eq!(spans.used_mut().len(), 12);
        assert_eq!(spans.grow(topics[0], 6, 7, topics.iter_mut()), None);
        assert_eq!(spans.grow(topics[0], u32::MAX, 7, topics.iter_mut()), None);
        assert_eq!(spans.of(topics[2]), [20, 21, 22], "what is refused changes nothing");
    }
}
