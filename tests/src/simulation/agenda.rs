//! What happens next: all events of a run in the order of virtual time, those of one moment in the order of their
//! making.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Something that happens at a moment. Clients and links are named by their index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A client's driver runs, for a wake-up or a timer.
    Turn(usize),
    /// A client's user does something.
    Work(usize),
    /// An attempt to connect has its result.
    Connect(usize),
    /// Bytes reach the broker.
    ToBroker(usize),
    /// There is room in a client's socket.
    Room(usize),
    /// Bytes reach the client.
    ToClient(usize),
    /// A broker's answer that was held back is due.
    Answer(usize),
    /// Something goes wrong, or right again.
    Chaos,
    /// Nothing goes wrong any more.
    Calm,
}

/// Events to come, by microseconds of virtual time.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    made: u64,
}

impl Agenda {
    pub(super) fn add(&mut self, at: u64, event: Event) {
        self.events.push(Reverse((at, self.made, event)));
        self.made += 1;
    }

    pub(super) fn next(&mut self) -> Option<(u64, Event)> {
        self.events.pop().map(|Reverse((at, _, event))| (at, event))
    }
}
