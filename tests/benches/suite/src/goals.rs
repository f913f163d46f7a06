//! What felice means to reach, beside what it has reached in this run.

use std::fmt::Write;

use crate::handover::Handover;
use crate::measure::Report;
use crate::report::{Row, median};

/// All that was measured.
pub(crate) struct Results {
    /// Rows by workload.
    pub(crate) rows: Vec<(&'static str, Vec<Row>)>,
    /// Records a second of felice and of the replay of its requests, in pairs.
    pub(crate) pairs: Vec<(f64, f64)>,
    /// Two hand-overs between threads.
    pub(crate) handover: Handover,
    /// A program that does nothing: its RSS in KiB.
    pub(crate) empty_kib: f64,
    /// How long an accepted `try_send` takes at full load.
    pub(crate) append: Option<Report>,
    /// The same by each of four threads, while the driver compresses.
    pub(crate) append_zstd: Option<Report>,
    /// A producer without anything to do, for a minute.
    pub(crate) idle: Option<Report>,
}

impl Results {
    fn row(&self, workload: &str, name: &str) -> Option<&Row> {
        let (_, rows) = self.rows.iter().find(|(at, _)| *at == workload)?;
        rows.iter().find(|row| row.name == name)
    }

    fn of(&self, workload: &str, name: &str, value: impl Fn(&Report) -> f64) -> Option<f64> {
        self.row(workload, name).map(|row| row.median(value))
    }

    /// The least of the peers' medians.
    fn best(&self, workload: &str, only_async: bool, value: impl Fn(&Report) -> f64) -> Option<f64> {
        let (_, rows) = self.rows.iter().find(|(at, _)| *at == workload)?;
        let peers = rows.iter().filter(|row| row.is_peer() && (!only_async || row.is_async));
        peers.map(|row| row.median(&value)).min_by(f64::total_cmp)
    }
}

/// A goal's line: what, the goal as a number, what was reached (smaller is better).
type Line = (String, f64, Option<f64>);

/// The table of goals.
pub(crate) fn table(results: &Results) -> String {
    let mut text = String::from("\n### Goals\n\n| what | goal | reached | |\n|---|--:|--:|---|\n");
    for (what, goal, reached) in lines(results) {
        let Some(reached) = reached else { continue };
        let met = if reached <= goal { "met" } else { "**not met**" };
        writeln!(text, "| {what} | ≤ {goal:.2} | {reached:.2} | {met} |").expect("it is text");
    }
    text
}

fn lines(results: &Results) -> Vec<Line> {
    const FELICE: &str = "felice-blocking";
    const SMOL: &str = "felice-smol";
    let cpu = |run: &Report| run.cpu_ns;
    let mut lines: Vec<Line> = Vec::new();
    for (workload, size, to_floor, to_peer) in
        [("small", "100 B", 2.5, 1.0 / 6.0), ("large", "1 KiB", 1.5, 0.25)]
    {
        let felice = results.of(workload, FELICE, cpu);
        let floor = results.of(workload, FLOOR, cpu);
        lines.push((format!("CPU per record, {size}, to the floor"), to_floor, ratio(felice, floor)));
        let best = results.best(workload, false, cpu);
        lines.push((format!("CPU per record, {size}, to the best peer"), to_peer, ratio(felice, best)));
        let time = |run: &Report| 1.0 / run.per_second();
        let times = ratio(results.of(workload, FELICE, time), results.best(workload, false, time));
        lines.push((format!("time per record, {size}, to the fastest peer"), 1.0, times));
        let broker = |run: &Report| run.broker_ns;
        let brokers = ratio(results.of(workload, FELICE, broker), results.best(workload, false, broker));
        lines.push((format!("broker's CPU per record, {size}, to the best peer's"), 1.0, brokers));
    }
    for (workload, name) in [("handle", FELICE), ("callback", FELICE), ("callback", SMOL), ("future", SMOL)] {
        let reached = ratio(results.of(workload, name, cpu), results.of("small", name, cpu));
        lines.push((format!("{workload}, {name}: CPU to fire and forget"), 1.5, reached));
    }
    let pairs = results.pairs.iter().map(|(felice, replay)| replay / felice).collect::<Vec<_>>();
    let pairs = (!pairs.is_empty()).then(|| median(pairs));
    lines.push(("time per record to a replay of the same requests".into(), 1.0 / 0.9, pairs));
    if let Some(shape) = results.row("small", FELICE).and_then(|row| row.shape) {
        let reached = 128.0 * 1_024.0 / shape.batch_bytes();
        lines.push(("`batch.size` to the mean batch under load".into(), 1.0 / 0.95, Some(reached)));
    }
    for (name, quantile) in [("p50", (|run| run.p50_us) as fn(&Report) -> f64), ("p99", |run| run.p99_us)] {
        let handover = if name == "p50" { results.handover.p50_us } else { results.handover.p99_us };
        let raw = results.of("sync", REPLAY, quantile);
        let allowed = raw.map(|raw| raw + handover);
        let blocking = results.of("sync", FELICE, quantile);
        lines.push((
            format!("sync {name}, blocking, to raw + two hand-overs"),
            1.0,
            ratio(blocking, allowed),
        ));
        let best = results.best("sync", false, quantile);
        lines.push((format!("sync {name}, blocking, to the best peer"), 1.0, ratio(blocking, best)));
    }
    let smol = results.of("sync", SMOL, |run| run.p50_us);
    let best = results.best("sync", true, |run| run.p50_us);
    lines.push(("sync p50, smol, to the best async peer".into(), 1.0, ratio(smol, best)));
    lines.push(("append at full load, p99.9, µs".into(), 5.0, results.append.map(|run| run.p999_us)));
    let append_zstd = results.append_zstd.map(|run| run.p999_us);
    lines.push((
        "append while four threads send and the driver compresses (zstd), p99.9, µs".into(),
        5.0,
        append_zstd,
    ));
    // The program's own sleep is one of its waits.
    let idle = results.idle.map(|run| run.waits - 1.0);
    lines.push(("wake-ups in a minute without connections".into(), 0.0, idle));
    let rate = results.of("rate", FELICE, |run| run.waits / run.records - 1.0);
    lines.push((
        "100 records a second: wake-ups of the I/O thread per record (per linger: one)".into(),
        2.0,
        rate,
    ));
    let one = results.of("small", FELICE, |run| 1.0 / run.per_second());
    for threads in ["threads-4", "threads-16"] {
        let many = results.of(threads, FELICE, |run| 1.0 / run.per_second());
        lines.push((format!("{threads}: time per record to one thread's"), 1.0 / 0.9, ratio(many, one)));
    }
    let spread = ratio(results.of("spread-9900", FELICE, cpu), results.of("spread-6", FELICE, cpu));
    lines.push(("9,900 partitions: CPU per record to 6 partitions'".into(), 2.0, spread));
    let rate = ratio(results.of("rate", FELICE, cpu), results.best("rate", false, cpu));
    lines.push(("100 records a second: CPU to the best peer's".into(), 0.2, rate));
    for (name, room) in [(FELICE, 768.0), (SMOL, 1_280.0)] {
        let used = results
            .of("small", name, |run| run.peak_kib)
            .map(|peak| peak - 32.0 * 1_024.0 - results.empty_kib);
        lines.push((format!("{name}: KiB beside `buffer.memory` and an empty program"), room, used));
    }
    lines
}

fn ratio(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    Some(a? / b?)
}

/// The floor's row: encoding, and writing what was encoded before.
pub(crate) const FLOOR: &str = "floor: encode + replay";
/// The row of the replay alone.
pub(crate) const REPLAY: &str = "replay of felice's requests";
