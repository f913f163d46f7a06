//! librdkafka, by its Rust wrapper: the same command line, payloads and report as every contender.
//!
//! `forget`, `callback` and `rate` use the `BaseProducer`, which the sending threads poll themselves, the cheapest way.
//! `future` and `sync` use the `FutureProducer`, whose own thread polls: the wrapper's `poll` comes back only when its
//! timeout has passed, so that nobody who polls himself learns of a delivery at once.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use bench_harness::{Keys, Meter, Mode, Options, Payloads};
use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{
    BaseProducer, BaseRecord, DeliveryFuture, FutureProducer, FutureRecord, Producer, ProducerContext,
};
use tokio::runtime::Runtime;

/// A sender polls after so many records.
const POLL_EVERY: u64 = 128;

const METADATA_TIMEOUT: Duration = Duration::from_secs(10);

/// Which records have their outcome.
#[derive(Default)]
struct Outcomes {
    acknowledged: AtomicU64,
    failed: AtomicU64,
}

impl Outcomes {
    fn count(&self, succeeded: bool) {
        let counter = if succeeded { &self.acknowledged } else { &self.failed };
        counter.fetch_add(1, Relaxed);
    }

    fn all(&self) -> u64 {
        self.acknowledged.load(Relaxed) + self.failed.load(Relaxed)
    }

    fn report(&self, meter: Meter, options: &Options) {
        meter.finish(self.acknowledged.load(Relaxed), self.failed.load(Relaxed), options);
    }
}

impl ClientContext for Outcomes {}

impl ProducerContext for Outcomes {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        self.count(result.is_ok());
    }
}

fn main() {
    let options = Options::parse();
    match options.mode {
        Mode::Forget | Mode::Callback | Mode::Rate => polled(&options),
        Mode::Future | Mode::Sync => awaited(&options),
        Mode::Handle => panic!("librdkafka's only handles are futures"),
    }
}

fn config(options: &Options) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &options.bootstrap)
        .set("acks", "all")
        .set("enable.idempotence", "true")
        .set("compression.type", &options.compression)
        .set("linger.ms", options.linger_ms.to_string())
        .set("batch.size", options.batch_bytes.to_string())
        .set("queue.buffering.max.kbytes", (options.buffer_bytes / 1024).to_string())
        .set("queue.buffering.max.messages", options.window().max(100_000).to_string());
    if options.keys {
        config.set("partitioner", "murmur2_random");
    }
    config
}

fn is_full(error: &KafkaError) -> bool {
    matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull))
}

fn polled(options: &Options) {
    let producer: BaseProducer<Outcomes> =
        config(options).create_with_context(Outcomes::default()).expect("the settings fit");
    let metadata = producer.client().fetch_metadata(Some(&options.topic), METADATA_TIMEOUT);
    metadata.expect("the topic exists");
    let payloads = Payloads::new(options.size);
    let meter = Meter::start(options);
    let begun = Instant::now();
    thread::scope(|scope| {
        for thread in 0..options.threads {
            let (producer, payloads) = (&producer, &payloads);
            scope.spawn(move || send_polled(producer, payloads, options, thread, begun));
        }
    });
    let outcomes = producer.context();
    while outcomes.all() < options.records {
        producer.poll(Duration::from_millis(1));
    }
    outcomes.report(meter, options);
}

fn send_polled(
    producer: &BaseProducer<Outcomes>,
    payloads: &Payloads,
    options: &Options,
    thread: u64,
    begun: Instant,
) {
    let mut keys = Keys::of_thread(thread);
    for (count, index) in options.turns(thread).enumerate() {
        if options.mode == Mode::Rate {
            thread::sleep((begun + options.due(index)).saturating_duration_since(Instant::now()));
        }
        let key = keys.key();
        let mut record = BaseRecord::to(&options.topic).payload(payloads.get(index));
        if options.keys {
            record = record.key(&key);
        }
        while let Err((error, unsent)) = producer.send(record) {
            assert!(is_full(&error), "{error}");
            producer.poll(Duration::from_millis(10));
            record = unsent;
        }
        if options.mode == Mode::Rate || (count as u64).is_multiple_of(POLL_EVERY) {
            producer.poll(Duration::ZERO);
        }
    }
}

fn awaited(options: &Options) {
    let runtime = Runtime::new().expect("tokio runs here");
    let producer: FutureProducer = config(options).create().expect("the settings fit");
    let metadata = producer.client().fetch_metadata(Some(&options.topic), METADATA_TIMEOUT);
    metadata.expect("the topic exists");
    let payloads = Payloads::new(options.size);
    let outcomes = Outcomes::default();
    let mut meter = Meter::start(options);
    if options.mode == Mode::Sync {
        let mut keys = Keys::new();
        runtime.block_on(async {
            for index in 0..options.records {
                let key = keys.key();
                let sent = Instant::now();
                let record = record(options, &payloads, index, &key);
                let result = producer.send_result(record).map_err(|(error, _)| error);
                outcomes.count(succeeded(result.expect("there is room for one")).await);
                meter.latency(sent.elapsed());
            }
        });
    } else {
        thread::scope(|scope| {
            for thread in 0..options.threads {
                let (runtime, producer, payloads, outcomes) = (&runtime, &producer, &payloads, &outcomes);
                scope.spawn(move || {
                    runtime.block_on(send_awaited(producer, payloads, outcomes, options, thread));
                });
            }
        });
    }
    outcomes.report(meter, options);
}

async fn send_awaited(
    producer: &FutureProducer,
    payloads: &Payloads,
    outcomes: &Outcomes,
    options: &Options,
    thread: u64,
) {
    let mut keys = Keys::of_thread(thread);
    let mut pending = VecDeque::new();
    for index in options.turns(thread) {
        let key = keys.key();
        let mut record = record(options, payloads, index, &key);
        loop {
            match producer.send_result(record) {
                Ok(future) => break pending.push_back(future),
                Err((error, unsent)) => {
                    assert!(is_full(&error), "{error}");
                    record = unsent;
                    match pending.pop_front() {
                        Some(oldest) => outcomes.count(succeeded(oldest).await),
                        // All that fills the queue is other threads'.
                        None => tokio::time::sleep(Duration::from_millis(1)).await,
                    }
                }
            }
        }
        if pending.len() >= options.window() {
            let oldest = pending.pop_front().expect("the window is not empty");
            outcomes.count(succeeded(oldest).await);
        }
    }
    for future in pending {
        outcomes.count(succeeded(future).await);
    }
}

fn record<'a>(
    options: &'a Options,
    payloads: &'a Payloads,
    index: u64,
    key: &'a [u8; 8],
) -> FutureRecord<'a, [u8; 8], [u8]> {
    let record = FutureRecord::to(&options.topic).payload(payloads.get(index));
    if options.keys { record.key(key) } else { record }
}

async fn succeeded(future: DeliveryFuture) -> bool {
    matches!(future.await, Ok(Ok(_)))
}
