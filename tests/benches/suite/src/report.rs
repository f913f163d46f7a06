//! The tables.

use std::fmt::Write;

use bench_suite::requests::Shape;

use crate::measure::Report;
use crate::workloads::{Workload, grouped};

/// One contender's runs of one workload.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) note: &'static str,
    pub(crate) is_async: bool,
    pub(crate) is_felice: bool,
    /// Neither felice nor a peer: a floor, or a ceiling.
    pub(crate) is_limit: bool,
    pub(crate) runs: Vec<Report>,
    pub(crate) shape: Option<Shape>,
}

impl Row {
    pub(crate) fn is_peer(&self) -> bool {
        !self.is_felice && !self.is_limit
    }

    /// The median over the runs.
    pub(crate) fn median(&self, value: impl Fn(&Report) -> f64) -> f64 {
        median(self.runs.iter().map(value).collect())
    }

    /// The median, and in brackets the least and the most.
    fn range(&self, digits: usize, value: impl Fn(&Report) -> f64) -> String {
        let values: Vec<f64> = self.runs.iter().map(value).collect();
        let number = |value: f64| {
            if digits == 0 { grouped(value.round() as u64) } else { format!("{value:.digits$}") }
        };
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(0.0, f64::max);
        format!("{} [{}–{}]", number(median(values)), number(least), number(most))
    }
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    match (values.len(), values.len() / 2) {
        (0, _) => 0.0,
        (length, middle) if length % 2 == 1 => values[middle],
        (_, middle) => (values[middle - 1] + values[middle]) / 2.0,
    }
}

/// A workload's table.
pub(crate) fn table(workload: &Workload, rows: &[Row]) -> String {
    let mut text = format!("\n### {}\n\n{}.\n\n", workload.title, workload.settings());
    let runs = rows.iter().map(|row| row.runs.len()).max().unwrap_or_default();
    match workload.mode {
        "sync" => text.push_str(
            "| | p50 µs | p99 µs | p99.9 µs | CPU µs per record | peak RSS MiB |\n|---|--:|--:|--:|--:|--:|\n",
        ),
        "rate" => text.push_str(
            "| | CPU µs per record | wake-ups per record | bytes sent per record | RSS MiB |\n|---|--:|--:|--:|--:|\n",
        ),
        _ => text.push_str(
            "| | CPU ns per record | records per s | MB/s | peak RSS MiB | broker's CPU ns per record | KiB per batch | batches per request |\n\
             |---|--:|--:|--:|--:|--:|--:|--:|\n",
        ),
    }
    for row in rows {
        text.push_str(&line(workload, row));
    }
    let notes: Vec<String> = rows
        .iter()
        .filter(|row| !row.note.is_empty())
        .map(|row| format!("{}: {}", row.name, row.note))
        .collect();
    writeln!(text, "\nMedians of {runs} alternated runs [least–most]. {}.", notes.join("; "))
        .expect("it is text");
    text
}

fn line(workload: &Workload, row: &Row) -> String {
    let name = &row.name;
    let shape = row.shape.filter(|shape| shape.requests > 0);
    match workload.mode {
        "sync" => format!(
            "| {name} | {} | {} | {} | {} | {} |\n",
            row.range(0, |run| run.p50_us),
            row.range(0, |run| run.p99_us),
            row.range(0, |run| run.p999_us),
            row.range(0, |run| run.cpu_ns / 1e3),
            row.range(1, |run| run.peak_kib / 1_024.0),
        ),
        "rate" => format!(
            "| {name} | {} | {} | {} | {} |\n",
            row.range(1, |run| run.cpu_ns / 1e3),
            row.range(2, |run| run.waits / run.records),
            shape.map_or("–".into(), |shape| format!("{:.0}", shape.sent as f64 / shape.records as f64)),
            row.range(1, |run| run.rss_kib / 1_024.0),
        ),
        _ => format!(
            "| {name} | {} | {} | {:.0} | {} | {} | {} | {} |\n",
            row.range(0, |run| run.cpu_ns),
            if row.runs.iter().all(|run| run.broker_ns > 0.0) {
                row.range(0, Report::per_second)
            } else {
                "–".into()
            },
            row.median(Report::per_second) * workload.size as f64 / 1e6,
            row.range(1, |run| run.peak_kib / 1_024.0),
            row.range(0, |run| run.broker_ns),
            shape.map_or("–".into(), |shape| format!("{:.1}", shape.batch_bytes() / 1_024.0)),
            shape
                .map_or("–".into(), |shape| format!("{:.1}", shape.batches as f64 / shape.requests as f64)),
        ),
    }
}
