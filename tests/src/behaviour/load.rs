//! A steady load, as of a gateway: so many records per second to three brokers, counted as they are acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use felice_core::error::ErrorKind;
use felice_core::record::ProducerRecord;
use felice_host::{Builder, Callback, ProduceError, RecordMetadata, SendError};

use super::{FrontEnd, PATIENCE, Witness};
use crate::kafka::Kafka;

/// Of the topic: partition `n` is led by broker `1 + n % 3`.
pub(super) const PARTITIONS: i32 = 12;

/// How many records a thread sends per second, unless it is held up: 1 MiB in three seconds.
const RATE: u32 = 3_000;

/// Of how many bytes each.
const VALUE_BYTES: usize = 100;

/// A producer, the threads that send with it, and what is heard of their records.
pub struct Load {
    topic: String,
    producer: Box<dyn AnyProducer>,
    ledger: Arc<Ledger>,
}

impl Load {
    /// A single thread leaves the partitions to the producer; of three each sends to one broker's.
    pub(super) fn new<F: FrontEnd>(topic: String, threads: usize, settings: Builder<F>) -> Self {
        let lanes = (0..threads).map(|_| Lane::default()).collect();
        let ledger = Arc::new(Ledger { lanes, acked: Default::default() });
        let producer = settings.callback(Told(Arc::clone(&ledger))).build().expect("the settings fit");
        Self { topic, producer: Box::new(producer), ledger }
    }

    pub(super) fn topic(&self) -> &str {
        &self.topic
    }

    pub(super) fn threads(&self) -> usize {
        self.ledger.lanes.len()
    }

    /// How many records each broker has acknowledged.
    pub(super) fn acked(&self) -> [u64; 3] {
        [0, 1, 2].map(|broker| self.ledger.acked[broker].load(Ordering::Relaxed))
    }

    /// Sends until it is to stop. What it could not send while it was held up it does not send later.
    pub(super) fn send(&self, lane: usize, stop: &AtomicBool) {
        let pause = Duration::from_secs(1) / RATE;
        let mut due = Instant::now();
        let mut number = 0;
        while !stop.load(Ordering::Relaxed) {
            let partition =
                (self.threads() > 1).then(|| lane as i32 + 3 * (number % (PARTITIONS as u64 / 3)) as i32);
            let token = number * self.threads() as u64 + lane as u64;
            match self.producer.send(&self.topic, partition, Witness::value(number, VALUE_BYTES), token) {
                Ok(()) => number += 1,
                // Refused after `max.block.ms`: it is another one's turn.
                Err(SendError::NoMemory { .. }) => {}
                Err(error) => panic!("record {number} of lane {lane}: {error}"),
            }
            due = (due + pause).max(Instant::now() - 20 * pause);
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        self.ledger.lanes[lane].accepted.store(number, Ordering::Relaxed);
    }

    /// Waits for all outcomes, and compares them with the log. Records fail only at brokers that `may_fail`, and of the
    /// records that were sent to such a one some do.
    pub(super) fn finish(&self, kafka: &Kafka, may_fail: impl Fn(i32) -> bool) {
        self.producer.settle();
        let mut stored = kafka.oracle().read(&self.topic);
        stored.sort_by_key(|record| (record.partition, record.offset));
        for (number, lane) in self.ledger.lanes.iter().enumerate() {
            let of_lane = |partition: i32| self.threads() == 1 || partition as usize % 3 == number;
            let of_lane: Vec<_> = stored.iter().filter(|it| of_lane(it.partition)).cloned().collect();
            let accepted = lane.accepted.load(Ordering::Relaxed);
            let failures = lane.witness.failures();
            println!(
                "{}, thread {number}: {accepted} accepted, {} stored, {} failed",
                self.topic,
                of_lane.len(),
                failures.len()
            );
            for (record, error) in &failures {
                let broker = error.partition().map(|partition| 1 + partition % 3);
                assert!(broker.is_some_and(&may_fail), "record {record} failed: {error}");
                assert!(matches!(error.kind(), ErrorKind::DeliveryTimeout(_)), "record {record}: {error}");
            }
            let must_fail = self.threads() > 1 && may_fail(1 + number as i32);
            assert!(!must_fail || !failures.is_empty(), "the outage outlasts the delivery timeout");
            lane.witness.check(accepted, &of_lane);
        }
    }
}

/// One thread's records, numbered without gaps.
#[derive(Default)]
struct Lane {
    accepted: AtomicU64,
    witness: Witness,
}

struct Ledger {
    lanes: Vec<Lane>,
    /// By broker.
    acked: [AtomicU64; 3],
}

/// What the producer calls.
struct Told(Arc<Ledger>);

impl Callback for Told {
    fn on_completion(&self, token: u64, outcome: Result<RecordMetadata, ProduceError>) {
        let Ledger { lanes, acked } = &*self.0;
        if let Ok(metadata) = &outcome {
            acked[metadata.partition() as usize % 3].fetch_add(1, Ordering::Relaxed);
        }
        let threads = lanes.len() as u64;
        lanes[(token % threads) as usize].witness.saw(token / threads, outcome);
    }
}

/// A producer of any front-end: those of all front-ends are under load at the same time.
trait AnyProducer: Send + Sync {
    fn send(&self, topic: &str, partition: Option<i32>, value: Vec<u8>, token: u64) -> Result<(), SendError>;

    /// Waits until every record has its outcome, and ends.
    fn settle(&self);
}

impl<F: FrontEnd> AnyProducer for F {
    fn send(&self, topic: &str, partition: Option<i32>, value: Vec<u8>, token: u64) -> Result<(), SendError> {
        let mut record = ProducerRecord::new(topic, value);
        record.partition = partition;
        self.send_with_token(&record, token)
    }

    fn settle(&self) {
        self.flush().expect("this is no callback");
        self.close(PATIENCE).expect("nothing is left");
    }
}
