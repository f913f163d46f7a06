//! One direction of a connection: bytes on their way, each piece with the time at which it comes out.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

use super::lock;

/// How many bytes may be under way: far more than any client here sends without an answer. Beyond it the line takes no
/// more, as a socket whose window is full.
const CAPACITY: usize = 16 * 1024 * 1024;

/// A line with one end that puts in and one that takes out.
#[derive(Debug, Default)]
pub(super) struct Line {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    pieces: VecDeque<(Instant, Piece)>,
    bytes: usize,
    cut: bool,
}

/// What comes out of a line.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Piece {
    Bytes(Vec<u8>),
    /// The sender has closed its half.
    End,
}

impl Line {
    /// Puts a piece in, to come out at `due`, or when it is the first one after that. Waits while the line is full.
    pub(super) fn put(&self, due: Instant, piece: Piece) {
        let state = lock(&self.state);
        let full = |state: &mut State| state.bytes >= CAPACITY && !state.cut;
        let mut state = self.changed.wait_while(state, full).unwrap_or_else(PoisonError::into_inner);
        if let Piece::Bytes(bytes) = &piece {
            state.bytes += bytes.len();
        }
        state.pieces.push_back((due, piece));
        self.changed.notify_all();
    }

    /// The next piece, when it is due; `None` when the line was cut.
    pub(super) fn take(&self) -> Option<Piece> {
        let mut state = lock(&self.state);
        loop {
            if state.cut {
                return None;
            }
            let now = Instant::now();
            let due = state.pieces.front().map(|(due, _)| *due);
            state = match due {
                Some(due) if due <= now => break,
                Some(due) => {
                    let waited = self.changed.wait_timeout(state, due - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        let (_, piece) = state.pieces.pop_front()?;
        if let Piece::Bytes(bytes) = &piece {
            state.bytes -= bytes.len();
        }
        self.changed.notify_all();
        Some(piece)
    }

    /// What is under way is lost, and nothing comes out any more.
    pub(super) fn cut(&self) {
        lock(&self.state).cut = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn pieces_come_out_in_order_when_they_are_due_and_share_the_way() {
        let line = Line::default();
        let due = Instant::now() + Duration::from_millis(30);
        for byte in 0..100 {
            line.put(due, Piece::Bytes(vec![byte]));
        }
        line.put(due, Piece::End);
        for byte in 0..100 {
            assert_eq!(line.take(), Some(Piece::Bytes(vec![byte])));
            assert!(Instant::now() >= due, "piece {byte} came too early");
        }
        assert_eq!(line.take(), Some(Piece::End));
    }

    #[test]
    fn cutting_ends_those_who_wait_at_either_end() {
        let line = Arc::new(Line::default());
        let later = Instant::now() + Duration::from_secs(3600);
        line.put(later, Piece::Bytes(vec![0; CAPACITY]));
        let ends = [true, false].map(|puts| {
            let line = Arc::clone(&line);
            thread::spawn(
                move || if puts { line.put(later, Piece::End) } else { assert_eq!(line.take(), None) },
            )
        });
        line.cut();
        ends.into_iter().for_each(|end| end.join().expect("no thread waits for an hour"));
    }
}
