//! The table at the end.

use std::time::Duration;

use crate::tally::Tally;

const HEADINGS: [&str; 8] =
    ["pattern", "records", "acknowledged", "failed", "records/s", "p50", "p99", "offsets"];
/// A topic may have hundreds of partitions; a table that fits a screen shows the first ones.
const PARTITIONS_SHOWN: usize = 12;
/// Where nobody looked: a record that is sent and forgotten has no latency and no offset that anybody saw.
const UNSEEN: &str = "-";

/// A line for the broker, the headings, and for each pattern as many lines as it has partitions.
#[must_use]
pub fn render(broker: &str, rows: &[(&str, &Tally)]) -> String {
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    for (pattern, tally) in rows {
        let mut offsets = offsets(tally).into_iter();
        lines.push([
            (*pattern).to_owned(),
            grouped(tally.records),
            grouped(tally.acknowledged),
            grouped(tally.failed),
            tally.records_per_second().map_or(UNSEEN.into(), |rate| grouped(rate.round() as u64)),
            milliseconds(tally.percentile(50)),
            milliseconds(tally.percentile(99)),
            offsets.next().unwrap_or_else(|| UNSEEN.into()),
        ]);
        lines.extend(offsets.map(|range| {
            let mut line = [const { String::new() }; HEADINGS.len()];
            line[HEADINGS.len() - 1] = range;
            line
        }));
    }
    let widths: [usize; HEADINGS.len()] =
        std::array::from_fn(|column| lines.iter().map(|line| line[column].len()).max().unwrap_or_default());
    let mut table = format!("{broker}\n");
    for line in &lines {
        table.push_str(aligned(line, &widths).trim_end());
        table.push('\n');
    }
    table
}

/// Words to the left, numbers to the right.
fn aligned(cells: &[String; HEADINGS.len()], widths: &[usize; HEADINGS.len()]) -> String {
    let last = HEADINGS.len() - 1;
    let cells = cells.iter().zip(widths).enumerate().map(|(column, (cell, &width))| {
        if column == 0 || column == last { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
    });
    cells.collect::<Vec<_>>().join(" ")
}

/// `0:12..388`, one for each partition.
fn offsets(tally: &Tally) -> Vec<String> {
    let ranges =
        tally.offsets.iter().map(|(partition, (first, last))| format!("{partition}:{first}..{last}"));
    let mut shown: Vec<String> = ranges.take(PARTITIONS_SHOWN).collect();
    if let more @ 1.. = tally.offsets.len().saturating_sub(PARTITIONS_SHOWN) {
        shown.push(format!("and {more} more"));
    }
    shown
}

/// A latency, in milliseconds, with three digits that mean something: 0.082, 5.42, 118.
fn milliseconds(latency: Option<Duration>) -> String {
    let Some(latency) = latency else { return UNSEEN.into() };
    let ms = latency.as_secs_f64() * 1000.0;
    let decimals = if ms < 1.0 { 3 } else { 2 };
    if ms < 100.0 { format!("{ms:.decimals$}") } else { format!("{ms:.0}") }
}

/// `12345678` is easier to read as `12,345,678`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_under_their_headings() {
        let forgotten = Tally {
            records: 10_000,
            acknowledged: 9_999,
            failed: 1,
            elapsed: Duration::from_millis(20),
            ..Tally::default()
        };
        let seen = Tally {
            records: 400,
            acknowledged: 400,
            elapsed: Duration::from_secs(2),
            latencies: [vec![Duration::from_micros(82); 396], vec![Duration::from_micros(5_424); 4]].concat(),
            offsets: [(0, (3_300, 3_420)), (2, (0, 278))].into(),
            ..Tally::default()
        };
        let table = render("broker: simulated", &[("fire-and-forget", &forgotten), ("sync get", &seen)]);
        assert_eq!(
            table,
            "\
broker: simulated
pattern         records acknowledged failed records/s   p50   p99 offsets
fire-and-forget  10,000        9,999      1   499,950     -     - -
sync get            400          400      0       200 0.082 0.082 0:3300..3420
                                                                  2:0..278
"
        );
    }

    #[test]
    fn many_partitions_are_cut() {
        let offsets = (0..14).map(|partition| (partition, (0, 9))).collect();
        let table = render("", &[("callback", &Tally { offsets, ..Tally::default() })]);
        assert_eq!(table.lines().count(), 2 + PARTITIONS_SHOWN + 1);
        let last: Vec<&str> = table.lines().rev().take(2).map(str::trim).collect();
        assert_eq!(last, ["and 2 more", "11:0..9"]);
    }

    #[test]
    fn digits() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        let micros = [0, 82, 999, 5_424, 99_990, 118_400];
        let shown = micros.map(|us| milliseconds(Some(Duration::from_micros(us))));
        assert_eq!(shown, ["0.000", "0.082", "0.999", "5.42", "99.99", "118"]);
    }
}
