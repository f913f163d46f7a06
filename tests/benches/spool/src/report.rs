//! The tables, and what the goals say of them.

use crate::measured::{Load, Measured};

/// One way, and its runs.
pub(crate) struct Row {
    name: &'static str,
    pub(crate) way: &'static str,
    pub(crate) runs: Vec<Measured>,
}

impl Row {
    pub(crate) const fn new(name: &'static str, way: &'static str) -> Self {
        Self { name, way, runs: Vec::new() }
    }
}

/// Median, least and most.
pub(crate) fn median(runs: &[Measured], of: impl Fn(&Measured) -> f64) -> [f64; 3] {
    let mut numbers: Vec<f64> = runs.iter().map(of).collect();
    numbers.sort_by(f64::total_cmp);
    [numbers[numbers.len() / 2], numbers[0], numbers[numbers.len() - 1]]
}

/// A load's table, and its goals.
pub(crate) fn loads(load: Load, rows: &[Row]) {
    let all = load.records as f64 * load.bytes as f64;
    let rate = |row: &Row| median(&row.runs, |run| load.records as f64 / run.seconds);
    println!("\n{} records of {} bytes\n", load.records, load.bytes);
    println!("| | records per s | MB/s | bytes written per byte of record | peak RSS MiB |");
    println!("|---|--:|--:|--:|--:|");
    for row in rows {
        let [median_rate, least, most] = rate(row);
        let [written, ..] = median(&row.runs, |run| run.written / all);
        let [peak, ..] = median(&row.runs, |run| run.peak_kib / 1024.0);
        let megabytes = median_rate * load.bytes as f64 / 1e6;
        let (name, runs) = (row.name, row.runs.len());
        println!(
            "| {name} | {median_rate:.0} [{least:.0}–{most:.0}] ({runs} runs) | {megabytes:.0} | {written:.3} | {peak:.1} |"
        );
    }
    let [off, always, _, disk] = rows else { return };
    let [off, always, disk] = [off, always, disk].map(|row| rate(row)[0]);
    let goal = (off / 2.0).min(0.8 * disk);
    let verdict = if always >= goal { "met" } else { "NOT MET" };
    println!(
        "\ngoal: the lower of half of {off:.0} and 0.8 of {disk:.0}, {goal:.0}; with the spool {always:.0}: {verdict}"
    );
}

pub(crate) fn starts_head() {
    println!("\n| a start on what is not in the cache | seconds | peak RSS MiB |\n|---|--:|--:|");
}

pub(crate) fn starts(mib: usize, seconds: [f64; 3], peak_kib: [f64; 3]) {
    let [median, least, most] = seconds;
    let [peak, peak_least, peak_most] = peak_kib.map(|kib| kib / 1024.0);
    println!(
        "| {mib} MiB | {median:.2} [{least:.2}–{most:.2}] | {peak:.1} [{peak_least:.1}–{peak_most:.1}] |"
    );
}
