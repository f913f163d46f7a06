//! What the gateway counts itself, per source; what becomes of records, the producer counts.

use std::fmt::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use felice_blocking::{Callback, ErrorKind, ProduceError, RecordMetadata};

use crate::log;

/// Counters of a source. Each is only ever added to.
#[derive(Debug)]
pub(crate) struct SourceCounters {
    pub(crate) name: String,
    pub(crate) lines: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) taken: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) too_long: AtomicU64,
    pub(crate) unparsed: AtomicU64,
    pub(crate) without_time: AtomicU64,
    pub(crate) cut_off: AtomicU64,
    pub(crate) acknowledged: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) connections: AtomicU64,
    /// What keeps the source from its work.
    down: Mutex<Option<String>>,
}

type Counter = fn(&SourceCounters) -> &AtomicU64;
const COUNTERS: [(&str, &str, Counter); 10] = [
    ("lines", "Lines that have come, but empty ones", |source| &source.lines),
    ("bytes", "Bytes of these lines", |source| &source.bytes),
    ("lines_taken", "Lines that the producer has accepted", |source| &source.taken),
    (
        "lines_refused",
        "Lines that the producer never will take, or that the drain limit has left",
        |source| &source.refused,
    ),
    ("lines_too_long", "Lines longer than line_bytes_max, passed over", |source| &source.too_long),
    ("lines_unparsed", "Lines that are none of their format", |source| &source.unparsed),
    (
        "lines_without_time",
        "Lines whose time is none, or out of range: they have that of their arrival",
        |source| &source.without_time,
    ),
    ("lines_cut_off", "Lines that have begun and never ended", |source| &source.cut_off),
    ("records_acknowledged", "Records that a broker has acknowledged; pattern asynchronous only", |source| {
        &source.acknowledged
    }),
    (
        "records_failed",
        "Records that were taken and have failed; not counted with fire-and-forget",
        |source| &source.failed,
    ),
];

impl SourceCounters {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            lines: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            taken: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            too_long: AtomicU64::new(0),
            unparsed: AtomicU64::new(0),
            without_time: AtomicU64::new(0),
            cut_off: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            down: Mutex::new(None),
        }
    }

    /// The source works, or does not and why. Told once for each change.
    pub(crate) fn set_down(&self, problem: Option<String>) {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        match &problem {
            Some(problem) if down.as_ref() != Some(problem) => {
                log::warn("source_down", &[("source", &self.name), ("problem", problem)]);
            }
            None if down.is_some() => log::info("source_up", &[("source", &self.name)]),
            _ => {}
        }
        *down = problem;
    }

    pub(crate) fn down(&self) -> Option<String> {
        self.down.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One more.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// The counters of all sources that there were, and the object that hears of outcomes: a token is a source's place here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Registry(Arc<Mutex<Vec<Arc<SourceCounters>>>>);

impl Registry {
    /// The place and the counters of a source; it keeps them over a reload.
    pub(crate) fn source(&self, name: &str) -> (u64, Arc<SourceCounters>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = all.iter().position(|source| source.name == name).unwrap_or_else(|| {
            all.push(Arc::new(SourceCounters::new(name)));
            all.len() - 1
        });
        (place as u64, Arc::clone(&all[place]))
    }

    pub(crate) fn all(&self) -> Vec<Arc<SourceCounters>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A counter of all sources together.
    pub(crate) fn sum(&self, counter: Counter) -> u64 {
        self.all().iter().map(|source| counter(source).load(Ordering::Relaxed)).sum()
    }
}

impl Callback for Registry {
    fn on_completion(&self, token: u64, outcome: Result<RecordMetadata, ProduceError>) {
        let source = {
            let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.get(token as usize).cloned()
        };
        let Some(source) = source else { return };
        match outcome {
            Ok(_) => count(&source.acknowledged),
            Err(error) => failed(&source, &error),
        }
    }
}

/// A record that was taken has failed. What stays in the spool has not.
pub(crate) fn failed(source: &SourceCounters, error: &ProduceError) {
    if error.kind() != ErrorKind::Spooled {
        count(&source.failed);
        log::warn("record_failed", &[("source", &source.name), ("problem", error)]);
    }
}

/// All of it, as text for Prometheus (version 0.0.4).
impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources = self.all();
        let mut gauge = |name: &str, help: &str, kind: &str, value: &dyn Fn(&SourceCounters) -> u64| {
            writeln!(f, "# HELP gateway_{name} {help}.\n# TYPE gateway_{name} {kind}")?;
            sources.iter().try_for_each(|source| {
                writeln!(f, "gateway_{name}{{source=\"{}\"}} {}", Label(&source.name), value(source))
            })
        };
        for (name, help, counter) in COUNTERS {
            gauge(&format!("{name}_total"), help, "counter", &|source| {
                counter(source).load(Ordering::Relaxed)
            })?;
        }
        gauge("connections", "Open connections", "gauge", &|source| {
            source.connections.load(Ordering::Relaxed)
        })?;
        gauge("source_up", "1 where the source works", "gauge", &|source| u64::from(source.down().is_none()))
    }
}

/// A label's value, escaped.
struct Label<'l>(&'l str);

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            _ => f.write_char(c),
        })
    }
}

#[test]
fn a_source_keeps_its_place_and_its_name_is_escaped() {
    let registry = Registry::default();
    let (first, counters) = registry.source("a\"b\\c\nd");
    count(&counters.lines);
    assert_eq!((registry.source("other").0, registry.source("a\"b\\c\nd").0), (1, first));
    let text = registry.to_string();
    assert!(text.contains("gateway_lines_total{source=\"a\\\"b\\\\c\\nd\"} 1\n"), "{text}");
    assert_eq!(registry.sum(|source| &source.lines), 1);
}
