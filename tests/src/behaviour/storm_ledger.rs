//! What was accepted in a storm, and what was told of it.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use felice_core::error::Persisted;
use felice_host::{ProduceError, RecordMetadata, SendError};

use super::Witness;
use super::storm::add;
use crate::java::ReadRecord;

/// How the outcome of an accepted record comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To a handle that is waited for, or to a callback.
    Heard,
    /// The handle is dropped: `on_undelivered` hears of a failure.
    Dropped,
}

/// All records of a storm, by number. The last row is that of the callbacks.
#[derive(Debug)]
pub(super) struct Ledger {
    columns: usize,
    records: Mutex<Vec<Record>>,
    steps: Mutex<Vec<&'static str>>,
    of_callbacks: AtomicUsize,
    undelivered: AtomicU64,
    undelivered_for_sure: AtomicU64,
    heard_failures: AtomicU64,
    panics: AtomicU64,
    closes: AtomicU64,
    senders: Mutex<usize>,
    ended: Condvar,
}

#[derive(Clone, Debug, Default)]
struct Record {
    accepted: Option<Way>,
    outcomes: Vec<Result<(i32, i64), ProduceError>>,
}

impl Ledger {
    pub(super) fn new(rows: usize, columns: usize) -> Self {
        Self {
            columns,
            records: Mutex::new(vec![Record::default(); rows * columns]),
            steps: Mutex::new(vec!["begin"; rows]),
            of_callbacks: AtomicUsize::new(0),
            undelivered: AtomicU64::new(0),
            undelivered_for_sure: AtomicU64::new(0),
            heard_failures: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            closes: AtomicU64::new(0),
            senders: Mutex::new(rows - 1),
            ended: Condvar::new(),
        }
    }

    pub(super) fn number(&self, row: usize, column: usize) -> u64 {
        (row * self.columns + column) as u64
    }

    /// The next one that a callback may send, if there still is one.
    pub(super) fn number_of_callback(&self) -> Option<u64> {
        let row = lock(&self.records).len() / self.columns - 1;
        let column = self.of_callbacks.fetch_add(1, Ordering::Relaxed);
        (column < self.columns).then(|| self.number(row, column))
    }

    /// What this thread does now.
    pub(super) fn at(&self, thread: usize, step: &'static str) {
        lock(&self.steps)[thread] = step;
    }

    pub(super) fn steps(&self) -> String {
        format!("{:?}", lock(&self.steps))
    }

    pub(super) fn closes(&self) {
        add(&self.closes);
    }

    /// A `send` has returned.
    pub(super) fn accepted<T>(&self, number: u64, way: Way, sent: Result<T, SendError>) -> Option<T> {
        match sent {
            Ok(sent) => {
                lock(&self.records)[number as usize].accepted = Some(way);
                Some(sent)
            }
            Err(SendError::WouldBlock) => None,
            Err(SendError::Closed) if self.closes.load(Ordering::Relaxed) > 0 => None,
            Err(error) => panic!("record {number}: {error}"),
        }
    }

    /// A handle, or a callback, has an outcome.
    pub(super) fn told(&self, number: u64, outcome: Result<RecordMetadata, ProduceError>) {
        if outcome.is_err() {
            add(&self.heard_failures);
        }
        let outcome = outcome.map(|metadata| (metadata.partition(), metadata.offset()));
        lock(&self.records)[number as usize].outcomes.push(outcome);
    }

    /// `on_undelivered`.
    pub(super) fn undelivered(&self, error: &ProduceError) {
        add(&self.undelivered);
        if error.persisted() == Persisted::No {
            add(&self.undelivered_for_sure);
        }
    }

    /// Panics, without the hook that prints it.
    pub(super) fn panic(&self) -> ! {
        add(&self.panics);
        resume_unwind(Box::new("on purpose"))
    }

    pub(super) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    pub(super) fn sender_ends(&self) {
        *lock(&self.senders) -= 1;
        self.ended.notify_all();
    }

    pub(super) fn wait_for_senders(&self, patience: Duration) {
        let senders = lock(&self.senders);
        let waited = self.ended.wait_timeout_while(senders, patience, |senders| *senders > 0);
        assert!(!waited.is_ok_and(|(_, timeout)| timeout.timed_out()), "threads are at {}", self.steps());
    }

    /// After the end: as many failures were heard of as the producer has counted.
    pub(super) fn all_are_told(&self, failed: u64) {
        let heard = self.heard_failures.load(Ordering::Relaxed) + self.undelivered.load(Ordering::Relaxed);
        assert_eq!(heard, failed, "each failure is heard of once");
    }

    /// Whether every outcome that must come has come.
    pub(super) fn is_complete(&self, stored: &[ReadRecord]) -> bool {
        let missing = |record: &Record| record.accepted == Some(Way::Heard) && record.outcomes.is_empty();
        !lock(&self.records).iter().any(missing)
            && self.lost(stored) <= self.undelivered.load(Ordering::Relaxed)
    }

    /// One outcome each, and the true one; nothing is stored twice, in another order, or without having been accepted.
    pub(super) fn check(&self, stored: &[ReadRecord]) {
        let mut places = vec![None; lock(&self.records).len()];
        let mut before: Option<(i32, Vec<u64>)> = None;
        for record in stored {
            let number = Witness::number(record.value.as_deref().expect("numbered records have a value"));
            let place = (record.partition, record.offset);
            assert_eq!(places[number as usize].replace(place), None, "record {number} is stored twice");
            let last = match &mut before {
                Some((partition, last)) if *partition == record.partition => last,
                before => &mut before.insert((record.partition, vec![0; places.len() / self.columns])).1,
            };
            let row = &mut last[number as usize / self.columns];
            assert!(*row <= number, "record {number} is stored behind record {row} of the same thread");
            *row = number;
        }
        for (number, (record, place)) in lock(&self.records).iter().zip(&places).enumerate() {
            record.check(number, *place);
        }
        let lost = self.lost(stored);
        let (all, sure) = (&self.undelivered, &self.undelivered_for_sure);
        let heard = sure.load(Ordering::Relaxed)..=all.load(Ordering::Relaxed);
        assert!(
            heard.contains(&lost),
            "{lost} records with a dropped handle are not stored; heard: {heard:?}"
        );
    }

    /// How many accepted records whose handle was dropped are not stored.
    fn lost(&self, stored: &[ReadRecord]) -> u64 {
        let records = lock(&self.records);
        let is_dropped = |record: &Record| record.accepted == Some(Way::Dropped);
        let number = |record: &ReadRecord| Witness::number(record.value.as_deref().unwrap_or(&[0; 8]));
        let accepted = records.iter().filter(|record| is_dropped(record)).count();
        let found = stored.iter().filter(|it| is_dropped(&records[number(it) as usize])).count();
        accepted.saturating_sub(found) as u64
    }
}

impl Record {
    fn check(&self, number: usize, place: Option<(i32, i64)>) {
        match (self.accepted, &self.outcomes[..]) {
            (None, []) => assert_eq!(place, None, "record {number} is stored, and was never accepted"),
            (Some(Way::Dropped), []) => {}
            (Some(Way::Heard), [Ok((partition, -1))]) => {
                assert_eq!(place.map(|place| place.0), Some(*partition), "record {number}");
            }
            (Some(Way::Heard), [Ok(told)]) => assert_eq!(place, Some(*told), "record {number}"),
            (Some(Way::Heard), [Err(error)]) => {
                assert!(
                    place.is_none() || error.persisted() == Persisted::Possibly,
                    "record {number}: {error}"
                );
            }
            (way, outcomes) => panic!("record {number}, accepted: {way:?}, has the outcomes {outcomes:?}"),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
