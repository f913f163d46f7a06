//! All randomness of a run, from one seed, or from a fuzzer's bytes.

use std::cell::Cell;
use std::rc::Rc;

/// Small, seeded: splitmix64. The same seed gives the same numbers, on every machine.
#[derive(Debug, Clone)]
pub(crate) struct Dice {
    state: u64,
    /// What decides instead, while it lasts.
    tape: Option<Rc<Tape>>,
}

/// A fuzzer's bytes. All parts of a run draw from one tape, so that each byte decides what happens next.
#[derive(Debug)]
struct Tape {
    bytes: Vec<u8>,
    at: Cell<usize>,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed, tape: None }
    }

    /// Dice that show what the bytes say, two of them for each throw; behind their end the last throw is a seed.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        Self { state: 0, tape: Some(Rc::new(Tape { bytes: bytes.to_vec(), at: Cell::new(0) })) }
    }

    /// Dice of its own for a part of the run: what one part draws does not change what another one does.
    pub(crate) fn split(&mut self) -> Self {
        Self { state: self.next(), tape: self.tape.clone() }
    }

    pub(crate) fn next(&mut self) -> u64 {
        let told = self.tape.as_ref().and_then(|tape| tape.next());
        self.state = told.unwrap_or(self.state).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// A number from `low` to `high`, each order of magnitude as likely as the others.
    pub(crate) fn magnitude(&mut self, low: u64, high: u64) -> u64 {
        let orders = u64::from((high.max(1) / low.max(1)).ilog2());
        let top = low.max(1) << self.between(0, orders);
        self.between(low, top.clamp(low, high))
    }

    /// True once in `count`, on average.
    pub(crate) fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}

impl Tape {
    fn next(&self) -> Option<u64> {
        let at = self.at.get();
        let word = self.bytes.get(at..at + 2)?;
        self.at.set(at + 2);
        Some(u64::from(u16::from_be_bytes([word[0], word[1]])))
    }
}
