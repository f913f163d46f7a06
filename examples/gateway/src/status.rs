//! What is going on, in one line: redrawn in place on a terminal, an event in the log elsewhere.

use std::io::{IsTerminal, Write, stderr};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use felice_blocking::Metrics;

use crate::counters::Registry;
use crate::log;

/// How often it is drawn.
pub(crate) const ON_TERMINAL: Duration = Duration::from_secs(1);
/// How often it is logged.
pub(crate) const IN_LOG: Duration = Duration::from_secs(60);

/// Whether standard error is a terminal that can go back in a line.
pub(crate) fn is_shown() -> bool {
    static SHOWN: OnceLock<bool> = OnceLock::new();
    *SHOWN
        .get_or_init(|| stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb"))
}

/// What was counted when it was told last.
#[derive(Debug)]
pub(crate) struct Status {
    lines: u64,
    metrics: Option<Metrics>,
    told: Instant,
}

impl Status {
    pub(crate) fn new() -> Self {
        Self { lines: 0, metrics: None, told: Instant::now() }
    }

    /// How long until it is due.
    pub(crate) fn due(&self) -> Duration {
        (if is_shown() { ON_TERMINAL } else { IN_LOG }).saturating_sub(self.told.elapsed())
    }

    /// Tells it.
    pub(crate) fn tell(&mut self, registry: &Registry, metrics: Metrics) {
        let seconds = self.told.elapsed().as_secs_f64().max(0.001);
        let lines = registry.sum(|source| &source.lines);
        let connections = registry.sum(|source| &source.connections);
        let rate = (lines - self.lines) as f64 / seconds;
        // A producer that was replaced begins anew.
        let before = self.metrics.as_ref().map_or(0, |before| before.records.record_acknowledged_total);
        let acknowledged = metrics.records.record_acknowledged_total.saturating_sub(before) as f64 / seconds;
        let spool = metrics.spool.unwrap_or_default();
        let failed = metrics.records.record_error_total;
        if is_shown() {
            // All of it fits into 80 columns.
            let mib = spool.bytes as f64 / (1024.0 * 1024.0);
            let line = format!(
                "in {rate:.0}/s  out {acknowledged:.0}/s  spool {} ({mib:.1} MiB)  failed {failed}  brokers {}",
                spool.records, metrics.connection_count,
            );
            let _ = write!(stderr().lock(), "\r\x1b[K{line}");
        } else {
            log::info(
                "status",
                &[
                    ("lines", &lines),
                    ("lines_per_second", &format!("{rate:.0}")),
                    ("acknowledged", &metrics.records.record_acknowledged_total),
                    ("acknowledged_per_second", &format!("{acknowledged:.0}")),
                    ("failed", &failed),
                    ("spool_records", &spool.records),
                    ("spool_bytes", &spool.bytes),
                    ("broker_connections", &metrics.connection_count),
                    ("clients", &connections),
                ],
            );
        }
        (self.lines, self.metrics, self.told) = (lines, Some(metrics), Instant::now());
    }

    /// The last line stays.
    pub(crate) fn end(&self) {
        if is_shown() && self.metrics.is_some() {
            let _ = writeln!(stderr().lock());
        }
    }
}
