//! One direction of a connection: bytes on their way, each piece with the time at which it comes out.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

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
    /// Those of them that were taken out last.
    taken: usize,
    cut: bool,
    held: bool,
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
        if state.cut {
            return;
        }
        if let Piece::Bytes(bytes) = &piece {
            state.bytes += bytes.len();
        }
        state.pieces.push_back((due, piece));
        self.changed.notify_all();
    }

    /// The next piece, when it is due and nobody holds the line; `None` when it was cut.
    pub(super) fn take(&self) -> Option<Piece> {
        let mut state = lock(&self.state);
        // Who comes again has done with what it took before.
        state.bytes -= std::mem::take(&mut state.taken);
        self.changed.notify_all();
        loop {
            if state.cut {
                return None;
            }
            let now = Instant::now();
            let due = state.pieces.front().map(|(due, _)| *due).filter(|_| !state.held);
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
            state.taken = bytes.len();
        }
        Some(piece)
    }

    /// Whether nothing comes out for now. It can still be put in.
    pub(super) fn hold(&self, held: bool) {
        lock(&self.state).held = held;
        self.changed.notify_all();
    }

    /// Lets time pass for who takes out, unless the line is cut.
    pub(super) fn stand_still(&self, lasts: Duration) {
        let open = |state: &mut State| !state.cut;
        drop(self.changed.wait_timeout_while(lock(&self.state), lasts, open));
    }

    /// What is under way is lost, and nothing comes out any more.
    pub(super) fn cut(&self) {
        let mut state = lock(&self.state);
        state.cut = true;
        state.pieces.clear();
        (state.bytes, state.taken) = (0, 0);
        self.changed.notify_all();
    }

    /// Whether all has come out, and its taker has done with it.
    pub(super) fn is_empty(&self) -> bool {
        lock(&self.state).bytes == 0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

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
    fn what_is_held_comes_out_afterwards() {
        let line = Arc::new(Line::default());
        line.hold(true);
        line.put(Instant::now(), Piece::End);
        let begun = Instant::now();
        let of_thread = Arc::clone(&line);
        let taking = thread::spawn(move || (of_thread.take(), Instant::now()));
        line.stand_still(Duration::from_millis(50));
        let released = Instant::now();
        assert!(released >= begun + Duration::from_millis(50));
        line.hold(false);
        let (piece, at) = taking.join().expect("it does not panic");
        assert_eq!(piece, Some(Piece::End));
        assert!(at >= released, "it came out of a line that was held");
    }

    #[test]
    fn cutting_ends_those_who_wait_at_either_end() {
        let line = Arc::new(Line::default());
        const HOUR: Duration = Duration::from_secs(3600);
        let later = Instant::now() + HOUR;
        line.put(later, Piece::Bytes(vec![0; CAPACITY]));
        let ends: [fn(&Line, Instant); 3] = [
            |line, later| line.put(later, Piece::End),
            |line, _| assert_eq!(line.take(), None),
            |line, _| line.stand_still(HOUR),
        ];
        let ends = ends.map(|waits| {
            let line = Arc::clone(&line);
            thread::spawn(move || waits(&line, later))
        });
        line.cut();
        ends.into_iter().for_each(|end| end.join().expect("no thread waits for an hour"));
    }
}
