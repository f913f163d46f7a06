//! What was sent, what was durable, and what is in the log: counted, and printed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use felice_tests::java::ReadRecord;

use super::sender::Progress;
use crate::table::grouped;

/// One run of the sender, and what the log has of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    name: &'static str,
    sent: usize,
    durable: usize,
    /// Different records.
    arrived: usize,
    /// Durable, and not there.
    lost: usize,
    /// There once more.
    duplicated: usize,
    /// Behind one that was sent later, in the same partition.
    out_of_order: usize,
}

impl Run {
    /// Counts a run's records in the log. Records of others are not its own.
    pub(super) fn of(name: &'static str, progress: Progress, log: &[ReadRecord]) -> Self {
        let Progress { sent, durable } = progress;
        let mut run = Self { name, sent, durable, ..Self::default() };
        let mut arrived = BTreeSet::new();
        let mut last: BTreeMap<i32, usize> = BTreeMap::new();
        for record in log {
            let value = String::from_utf8_lossy(record.value.as_deref().unwrap_or_default());
            let Some((_, Ok(number))) =
                value.split_once(' ').filter(|(of, _)| *of == name).map(|(of, number)| (of, number.parse()))
            else {
                continue;
            };
            if !arrived.insert(number) {
                run.duplicated += 1;
            } else if last.insert(record.partition, number).is_some_and(|last| last > number) {
                run.out_of_order += 1;
            }
        }
        run.arrived = arrived.len();
        run.lost = (0..durable).filter(|number| !arrived.contains(number)).count();
        run
    }

    /// Whether every durable record has arrived, once and in order.
    pub(super) fn is_proof(&self) -> bool {
        (self.lost, self.duplicated, self.out_of_order) == (0, 0, 0) && self.durable > 0
    }
}

/// The table that the program prints in the end.
pub(super) fn table(broker: &str, runs: &[Run]) -> String {
    let mut table = format!(
        "{broker}\n{:8}{:>10}{:>10}{:>10}{:>8}{:>12}{:>14}\n",
        "run", "sent", "spooled", "arrived", "lost", "duplicated", "out of order"
    );
    for run in runs {
        let Run { sent, durable, arrived, lost, duplicated, out_of_order, .. } = run;
        let [sent, durable, arrived, lost, duplicated, out_of_order] =
            [sent, durable, arrived, lost, duplicated, out_of_order].map(|count| grouped(*count as u64));
        let _ = writeln!(
            table,
            "{:8}{sent:>10}{durable:>10}{arrived:>10}{lost:>8}{duplicated:>12}{out_of_order:>14}",
            run.name
        );
    }
    table.push_str(
        "spooled: the sender was told that they are durable. lost: those of them that are not in the log\n",
    );
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(values: &[(i32, &str)]) -> Vec<ReadRecord> {
        let record = |(offset, (partition, value)): (usize, &(i32, &str))| ReadRecord {
            partition: *partition,
            offset: offset as i64,
            timestamp: 0,
            key: None,
            value: Some(value.as_bytes().to_vec()),
            headers: Vec::new(),
        };
        values.iter().enumerate().map(record).collect()
    }

    #[test]
    fn what_is_lost_twice_or_out_of_order_is_no_proof() {
        let progress = Progress { sent: 6, durable: 4 };
        let whole = log(&[
            (0, "first 0"),
            (1, "first 1"),
            (0, "first 2"),
            (1, "first 3"),
            (0, "first 4"),
            (0, "second 9"),
        ]);
        let run = Run::of("first", progress, &whole);
        assert!(run.is_proof());
        assert_eq!((run.sent, run.durable, run.arrived), (6, 4, 5), "one was not durable, and has come");
        for (wrong, values) in [
            ((1, 0, 0), &[(0, "first 0"), (1, "first 1"), (1, "first 3")][..]),
            ((0, 1, 0), &[(0, "first 0"), (1, "first 1"), (0, "first 0"), (0, "first 2"), (1, "first 3")]),
            ((0, 0, 1), &[(0, "first 2"), (0, "first 0"), (1, "first 1"), (1, "first 3")]),
        ] {
            let run = Run::of("first", progress, &log(values));
            assert_eq!((run.lost, run.duplicated, run.out_of_order), wrong);
            assert!(!run.is_proof());
        }
        assert!(!Run::of("third", Progress::default(), &whole).is_proof(), "nothing is proven by nothing");
    }
}
