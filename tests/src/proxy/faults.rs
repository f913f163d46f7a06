//! What a link does to the bytes of a connection besides delaying them: it breaks off, stands still, and splits.
//!
//! Everything happens at a place in the stream that the seed decides, not at a time. So a seed means the same on every
//! machine, as far as clients connect in the same order and send the same.

use std::time::Duration;

use crate::simulation::dice::Dice;

/// What goes wrong, and how often.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Faults {
    /// Decides everything: print it.
    pub seed: u64,
    /// Each direction breaks its connection after so many bytes at most.
    pub cut_within: Option<u64>,
    /// One direction in two stands still again and again, after so many bytes at most. The other one goes on.
    pub stall_within: Option<u64>,
    /// For how long at most.
    pub stall_max: Duration,
    /// One direction in two gives its bytes out in pieces of so many at most.
    pub piece_max: Option<u64>,
}

/// How often it happened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Happened {
    /// Directions that broke their connection.
    pub cuts: u64,
    /// Directions that stood still.
    pub stalls: u64,
    /// Pieces that came out apart from what came with them.
    pub pieces: u64,
}

/// One direction of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Direction {
    ToServer,
    ToClient,
}

/// What becomes of one direction's bytes, in their order.
#[derive(Debug)]
pub(super) struct Course {
    dice: Dice,
    /// Of their own: how many pieces there are depends on how the bytes come.
    pieces: Dice,
    stall_max: Duration,
    stall_within: Option<u64>,
    piece_max: Option<u64>,
    /// How many bytes come through until then.
    until_cut: Option<u64>,
    until_stall: Option<u64>,
}

/// What happens next.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// So many bytes come through; whether they do so apart from those behind them.
    Pass(usize, bool),
    /// Nothing does, for so long.
    Stall(Duration),
    /// Nothing does any more.
    Cut,
}

impl Course {
    /// Of the link's connection with this number.
    pub(super) fn new(faults: &Faults, connection: usize, direction: Direction) -> Self {
        let place = connection as u64 * 2 + u64::from(direction == Direction::ToClient);
        // The first number of dice with neighbouring seeds is as different as any.
        let mut dice = Dice::new(Dice::new(faults.seed ^ place << 32).next());
        let stall_within = faults.stall_within.filter(|_| dice.one_in(2));
        let piece_max = faults.piece_max.filter(|_| dice.one_in(2));
        // One in three breaks before much has been said.
        let until_cut = faults.cut_within.map(|most| match dice.one_in(3) {
            true => dice.magnitude(1, most),
            false => dice.between(1, most),
        });
        let until_stall = stall_within.map(|most| dice.magnitude(1, most));
        let (pieces, stall_max) = (dice.split(), faults.stall_max);
        Self { dice, pieces, stall_max, stall_within, piece_max, until_cut, until_stall }
    }

    /// What becomes of the next `left` bytes, at least one.
    pub(super) fn next(&mut self, left: usize) -> Step {
        if self.until_cut == Some(0) {
            return Step::Cut;
        }
        if self.until_stall == Some(0) {
            self.until_stall = self.stall_within.map(|most| self.dice.magnitude(1, most));
            let longest = self.stall_max.as_millis() as u64;
            return Step::Stall(Duration::from_millis(self.dice.magnitude(1, longest)));
        }
        let piece = self.piece_max.map(|most| self.pieces.magnitude(1, most));
        let bounds = [Some(left as u64), self.until_cut, self.until_stall, piece];
        let count = bounds.into_iter().flatten().min().unwrap_or_default();
        for until in [&mut self.until_cut, &mut self.until_stall].into_iter().flatten() {
            *until -= count;
        }
        Step::Pass(count as usize, piece == Some(count) && count < left as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Faults = Faults {
        seed: 7,
        cut_within: Some(10_000),
        stall_within: Some(2_000),
        stall_max: Duration::from_millis(50),
        piece_max: Some(64),
    };

    /// All steps of a direction, to which bytes come in bursts of `burst`: where each happens, without those that pass.
    fn steps(faults: &Faults, connection: usize, burst: usize) -> Vec<(usize, Step)> {
        let mut course = Course::new(faults, connection, Direction::ToServer);
        let (mut at, mut left, mut steps) = (0, burst, Vec::new());
        while at < 100_000 {
            match course.next(left) {
                Step::Pass(count, _) => {
                    assert!((1..=left).contains(&count));
                    at += count;
                    left = if left == count { burst } else { left - count };
                }
                Step::Cut => {
                    steps.push((at, Step::Cut));
                    break;
                }
                stall => steps.push((at, stall)),
            }
        }
        steps
    }

    #[test]
    fn a_seed_decides_where_whatever_the_bursts_are() {
        for connection in 0..50 {
            let places = steps(&ALL, connection, 1_000);
            assert_eq!(places, steps(&ALL, connection, 7));
            assert!(matches!(places.last(), Some((1..=10_000, Step::Cut))), "{places:?}");
        }
    }

    #[test]
    fn connections_and_seeds_differ() {
        let cut_at = |faults: &Faults, connection| steps(faults, connection, 1_000).pop().map(|step| step.0);
        let places = |faults: &Faults| (0..50).map(|it| cut_at(faults, it)).collect::<Vec<_>>();
        let first = places(&ALL);
        assert_ne!(first, places(&Faults { seed: 8, ..ALL }));
        let distinct: std::collections::BTreeSet<_> = first.iter().collect();
        assert!(distinct.len() > 40, "{first:?}");
    }

    #[test]
    fn one_direction_in_two_stalls_and_one_in_two_is_split() {
        let courses = (0..1_000).map(|connection| Course::new(&ALL, connection, Direction::ToClient));
        let (stalls, splits): (Vec<_>, Vec<_>) =
            courses.map(|it| (it.until_stall.is_some(), it.piece_max.is_some())).unzip();
        for which in [stalls, splits] {
            let count = which.into_iter().filter(|&it| it).count();
            assert!((400..600).contains(&count), "{count}");
        }
    }

    #[test]
    fn without_faults_all_comes_through() {
        let none = Faults { cut_within: None, stall_within: None, piece_max: None, ..ALL };
        assert_eq!(Course::new(&none, 0, Direction::ToServer).next(9_999), Step::Pass(9_999, false));
    }
}
