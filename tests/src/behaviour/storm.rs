//! Storms: 32 threads send in every way there is, while others flush, close and drop clones, callbacks send and panic,
//! serializers fail and panic, and connections break. Whatever happens: each accepted record has exactly one outcome,
//! it is the true one, and nobody waits for ever.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use felice_core::record::ProducerRecord;
use felice_core::serializer::{Scratch, Serialize, SerializeError};
use felice_host::{CloseError, ProduceError, RecordMetadata, SendError};

use super::storm_ledger::{Ledger, Way};
use super::{FrontEnd, Handle, NoMetadata, PATIENCE, Target, Witness, builder, wait_until};
use crate::cluster::{Action, Fault};
use crate::protocol::{ApiKey, ErrorCode};

/// Threads that send.
pub const THREADS: usize = 32;
/// What each of them does, one thing after the other.
const STEPS: usize = 80;
const TOPIC: &str = "storm";
const PARTITIONS: i32 = 6;

/// How a storm ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// When all have sent.
    Closed,
    /// In the middle, with time for what is held.
    ClosedEarly,
    /// In the middle, at once.
    CutOff,
    /// Whoever has the last clone drops it.
    Dropped,
}

/// As many seeds as `otherwise`; with `FELICE_STORM_SECONDS` as many as fit into that.
///
/// # Panics
///
/// If the variable is no number, or a storm goes wrong.
pub fn seeds(otherwise: u64, storm: impl Fn(u64)) {
    let begun = Instant::now();
    let seconds = std::env::var("FELICE_STORM_SECONDS").ok();
    let lasts = seconds.map(|it| Duration::from_secs(it.parse().expect("FELICE_STORM_SECONDS is a number")));
    let goes_on = |seed| lasts.map_or(seed < otherwise, |lasts| begun.elapsed() < lasts);
    let count = (0..).take_while(|seed| goes_on(*seed)).inspect(|seed| storm(*seed)).count();
    println!("{count} seeds: {:.2?}", begun.elapsed());
}

/// One storm, on a simulated cluster of its own.
///
/// # Panics
///
/// If it goes wrong: that is its purpose.
pub fn storm<F: FrontEnd>(seed: u64) {
    let ledger = Arc::new(Ledger::new(THREADS + 1, STEPS));
    let (sender, ended) = channel();
    let run = {
        let ledger = Arc::clone(&ledger);
        move || {
            rage::<F>(seed, &ledger);
            let _ = sender.send(());
        }
    };
    let raging = thread::spawn(run);
    // An error: it has panicked, and says so itself.
    if ended.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
        panic!("{} seed {seed} hangs. Threads are at {}", F::NAME, ledger.steps());
    }
    if let Err(panic) = raging.join() {
        eprintln!("{} seed {seed} went wrong", F::NAME);
        resume_unwind(panic);
    }
}

fn rage<F: FrontEnd>(seed: u64, ledger: &Arc<Ledger>) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let target = Target::simulated();
    target.create_topic(TOPIC, PARTITIONS);
    let end = [End::Closed, End::ClosedEarly, End::CutOff, End::Dropped][(seed % 4) as usize];
    let undelivered = Arc::clone(ledger);
    let producer: F = builder(&target)
        .buffer_memory(64 * 1024)
        .linger(Duration::from_micros(random.below(2_000)))
        .retry_backoff(Duration::from_millis(5))
        .reconnect_backoff(Duration::from_millis(5))
        .drop_timeout(PATIENCE)
        .callback(Tokens(Arc::clone(ledger)))
        .on_undelivered(move |error| undelivered.undelivered(&error))
        .build()
        .expect("the settings fit");
    assert_eq!(producer.partitions_for(TOPIC), Ok(PARTITIONS));
    inject(&target, &mut random);
    let closer = random.below(THREADS as u64) as usize;
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let end = if thread == closer { end } else { End::Dropped };
            let sailor = Sailor { ledger, thread, producer: producer.clone(), random: random.split(), end };
            scope.spawn(move || sailor.sail());
        }
        // Threads end at different times: the last clone is one of theirs, or this one.
        if end == End::Dropped {
            drop(producer);
        } else {
            scope.spawn(move || finish(&producer, end, ledger));
        }
    });
    // With the smol front-end what was dropped goes on in the background.
    wait_until("each accepted record has its outcome", || ledger.is_complete(&target.read(TOPIC)));
    ledger.check(&target.read(TOPIC));
}

/// Answers that never come, and such as ask for another attempt.
fn inject(target: &Target, random: &mut Random) {
    let fault = |kind| match kind {
        0 => Fault::new(ApiKey::PRODUCE, Action::ApplyThenClose),
        1 => Fault::new(ApiKey::PRODUCE, Action::Close),
        2 => Fault::error(ApiKey::PRODUCE, ErrorCode::NOT_ENOUGH_REPLICAS),
        // The records fail, and are not stored.
        3 => Fault::error(ApiKey::PRODUCE, ErrorCode::TOPIC_AUTHORIZATION_FAILED),
        _ => Fault::new(ApiKey::PRODUCE, Action::Delay(20_000)),
    };
    for _ in 0..8 {
        let fault = fault(random.below(5));
        target.cluster().with(|cluster| cluster.inject(fault));
    }
}

/// Waits for the end, whoever has brought it about. All is told by then.
fn finish<F: FrontEnd>(producer: &F, end: End, ledger: &Ledger) {
    ledger.wait_for_senders(PATIENCE);
    let failed_at_close = match producer.close(PATIENCE) {
        Ok(()) => 0,
        Err(CloseError::Undelivered { records }) => records,
        Err(error) => panic!("{error}"),
    };
    assert!(failed_at_close <= producer.failed(), "{end:?}");
    assert_eq!(producer.send(&ProducerRecord::new(TOPIC, "late")).err(), Some(SendError::Closed));
    assert_eq!(producer.callback_panics(), ledger.panics(), "{end:?}: every panic of a callback is counted");
    ledger.all_are_told(producer.failed());
}

/// Handles that a thread keeps to its end.
struct Kept<H> {
    to_get: Vec<(u64, H)>,
    to_drop: Vec<H>,
}

/// One of the threads.
struct Sailor<'s, F> {
    ledger: &'s Arc<Ledger>,
    thread: usize,
    producer: F,
    random: Random,
    end: End,
}

impl<F: FrontEnd> Sailor<'_, F> {
    fn sail(mut self) {
        let mut kept = Kept { to_get: Vec::new(), to_drop: Vec::new() };
        for step in 0..STEPS {
            let number = self.ledger.number(self.thread, step);
            self.step(step, number, &mut kept);
        }
        self.ledger.at(self.thread, "get");
        for (number, handle) in kept.to_get {
            self.ledger.told(number, handle.get().map_err(failure));
        }
        self.ledger.at(self.thread, "drop");
        // The outcome of most is there by now.
        drop(kept.to_drop);
        self.ledger.sender_ends();
    }

    fn step(&mut self, step: usize, number: u64, kept: &mut Kept<F::Handle>) {
        let bytes = 8 + self.random.below(900) as usize;
        let mut record =
            ProducerRecord::new(TOPIC, Payload::Good(Witness::value(number, bytes))).key(number % 40);
        if self.random.below(3) == 0 {
            record = record.partition(self.random.below(PARTITIONS as u64) as i32);
        }
        let (what, kind) = (self.random.below(16), self.random.below(3));
        let at = |what| self.ledger.at(self.thread, what);
        let producer = &self.producer;
        match what {
            0..3 => {
                at("send, get");
                if let Some(handle) = self.ledger.accepted(number, Way::Heard, producer.send(&record)) {
                    self.ledger.told(number, handle.get().map_err(failure));
                }
            }
            3..5 => {
                at("send, keep");
                let handle = self.ledger.accepted(number, Way::Heard, producer.send(&record));
                kept.to_get.extend(handle.map(|handle| (number, handle)));
            }
            5 => {
                at("send, drop");
                let handle = self.ledger.accepted(number, Way::Dropped, producer.send(&record));
                kept.to_drop.extend(handle.filter(|_| kind > 0));
            }
            6 => {
                at("try_send, drop");
                drop(self.ledger.accepted(number, Way::Dropped, producer.try_send(&record)));
            }
            7..10 => {
                at("send_with");
                let callback = self.callback(number, kind);
                self.ledger.accepted(number, Way::Heard, producer.send_with(&record, callback));
            }
            10..12 => {
                at("send_with_token");
                self.ledger.accepted(number, Way::Heard, producer.send_with_token(&record, number));
            }
            12 => {
                at("a serializer that fails");
                let failing = ProducerRecord::new(TOPIC, Payload::Fails);
                assert!(matches!(producer.send(&failing).err(), Some(SendError::Serialization(_))));
            }
            13 => {
                at("a serializer that panics");
                let panicking = ProducerRecord::new(TOPIC, Payload::Panics);
                assert!(catch_unwind(AssertUnwindSafe(|| producer.send(&panicking))).is_err());
            }
            14 => {
                at("flush");
                producer.flush().expect("this is no callback");
            }
            _ => {
                at("clone, drop");
                self.producer = producer.clone();
            }
        }
        let timeout = match self.end {
            End::ClosedEarly => PATIENCE,
            End::CutOff => Duration::ZERO,
            End::Closed | End::Dropped => return,
        };
        if step == STEPS / 2 {
            self.ledger.at(self.thread, "close");
            self.ledger.closes();
            // Whether all went well is not known here: others send until the last moment.
            let _ = self.producer.close(timeout);
        }
    }

    /// A third of them panic, a third send another record, and it is that one's callback.
    fn callback(&self, number: u64, kind: u64) -> super::Closure {
        let ledger = Arc::clone(self.ledger);
        let inner = (kind == 0).then(|| self.producer.clone());
        Box::new(move |outcome| {
            ledger.told(number, outcome);
            if let Some(producer) = inner
                && let Some(number) = ledger.number_of_callback()
            {
                let record = ProducerRecord::new(TOPIC, Witness::value(number, 20));
                let told = Arc::clone(&ledger);
                let callback: super::Closure = Box::new(move |outcome| told.told(number, outcome));
                ledger.accepted(number, Way::Heard, producer.send_with(&record, callback));
            }
            if kind == 1 {
                ledger.panic();
            }
        })
    }
}

/// The object for tokens: it panics now and then.
struct Tokens(Arc<Ledger>);

impl felice_host::Callback for Tokens {
    fn on_completion(&self, token: u64, outcome: Result<RecordMetadata, ProduceError>) {
        self.0.told(token, outcome);
        if token.is_multiple_of(5) {
            self.0.panic();
        }
    }
}

fn failure(error: NoMetadata) -> ProduceError {
    match error {
        NoMetadata::Failed(error) => error,
        other => panic!("an outcome was waited for: {other:?}"),
    }
}

enum Payload {
    Good(Vec<u8>),
    Fails,
    Panics,
}

impl Serialize for Payload {
    fn serialize<'a>(&'a self, _: &'a mut dyn Scratch) -> Result<Option<&'a [u8]>, SerializeError> {
        match self {
            Self::Good(bytes) => Ok(Some(bytes)),
            Self::Fails => Err(SerializeError::new("on purpose")),
            // Without the hook that prints a panic.
            Self::Panics => resume_unwind(Box::new("on purpose")),
        }
    }
}

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    fn split(&mut self) -> Self {
        Self(self.below(u64::MAX).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }
}

/// Counts that only grow, and are read when all is over.
pub(super) fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}
