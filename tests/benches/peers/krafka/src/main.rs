//! krafka: the same command line, payloads and report as every contender.
//!
//! `forget`, `callback` and `rate` drop each record's handle, and an interceptor is told of the outcome; `future` and
//! `handle` await the handles later. A value stays the program's, as everywhere, so that krafka, which keeps it until it
//! is sent, is given a copy.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use bench_harness::{Keys, Meter, Mode, Options, Payloads};
use bytes::Bytes;
use krafka::error::KrafkaError;
use krafka::interceptor::{InterceptorResult, ProducerInterceptor, RecordContext};
use krafka::producer::{Acks, Producer, RecordMetadata};
use krafka::{Compression, Headers, Kafka, PartitionId, Record};
use tokio::runtime::Runtime;
use tokio::time::sleep_until;

/// Which records have their outcome.
#[derive(Clone, Debug, Default)]
struct Outcomes(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    acknowledged: AtomicU64,
    failed: AtomicU64,
}

impl Outcomes {
    fn count(&self, succeeded: bool) {
        let counter = if succeeded { &self.0.acknowledged } else { &self.0.failed };
        counter.fetch_add(1, Relaxed);
    }
}

impl ProducerInterceptor for Outcomes {
    fn on_acknowledgement(
        &self,
        _: &str,
        _: PartitionId,
        result: Result<&RecordMetadata, &KrafkaError>,
        _: &Headers,
        _: &mut RecordContext,
    ) -> InterceptorResult {
        self.count(result.is_ok());
        Ok(())
    }
}

struct Contender {
    options: Options,
    payloads: Payloads,
    producer: Producer,
    outcomes: Outcomes,
}

fn main() {
    let options = Options::parse();
    let runtime = Runtime::new().expect("tokio runs here");
    let contender = runtime.block_on(Contender::connect(options));
    let options = &contender.options;
    let mut meter = Meter::start(options);
    if options.mode == Mode::Sync {
        runtime.block_on(contender.send_one_at_a_time(&mut meter));
    } else {
        let begun = Instant::now();
        thread::scope(|scope| {
            for thread in 0..options.threads {
                let (contender, runtime) = (&contender, &runtime);
                scope.spawn(move || runtime.block_on(contender.send(thread, begun)));
            }
        });
    }
    runtime.block_on(contender.producer.flush()).expect("every record has an outcome");
    let Counters { acknowledged, failed } = &*contender.outcomes.0;
    meter.finish(acknowledged.load(Relaxed), failed.load(Relaxed), options);
}

fn compression(name: &str) -> Compression {
    match name {
        "none" => Compression::None,
        "lz4" => Compression::Lz4,
        "zstd" => Compression::Zstd,
        _ => panic!("krafka has no {name}"),
    }
}

impl Contender {
    async fn connect(options: Options) -> Self {
        let kafka = Kafka::builder(options.bootstrap.clone()).connect().await.expect("there is a broker");
        let outcomes = Outcomes::default();
        let mut builder = kafka
            .producer()
            .acks(Acks::All)
            .idempotent(true)
            .compression(compression(&options.compression))
            .linger(Duration::from_millis(options.linger_ms))
            .batch_size(options.batch_bytes)
            .buffer_memory(options.buffer_bytes);
        if let Mode::Forget | Mode::Callback | Mode::Rate = options.mode {
            builder = builder.interceptor(outcomes.clone());
        }
        let producer = builder.build().await.expect("the settings fit");
        producer.partitions_for(&options.topic).await.expect("the topic exists");
        Self { payloads: Payloads::new(options.size), options, producer, outcomes }
    }

    async fn send(&self, thread: u64, begun: Instant) {
        let options = &self.options;
        let window = options.window().div_ceil(options.threads as usize);
        let kept = matches!(options.mode, Mode::Handle | Mode::Future);
        let mut keys = Keys::of_thread(thread);
        let mut pending = VecDeque::new();
        for index in options.turns(thread) {
            if options.mode == Mode::Rate {
                sleep_until((begun + options.due(index)).into()).await;
            }
            let record = self.record(index, &mut keys);
            let handle = self.producer.enqueue(record).await.expect("there will be room");
            if kept {
                pending.push_back(handle);
            }
            if pending.len() >= window {
                let oldest = pending.pop_front().expect("the window is not empty");
                self.outcomes.count(oldest.await.is_ok());
            }
        }
        for handle in pending {
            self.outcomes.count(handle.await.is_ok());
        }
    }

    async fn send_one_at_a_time(&self, meter: &mut Meter) {
        let mut keys = Keys::new();
        for index in 0..self.options.records {
            let record = self.record(index, &mut keys);
            let sent = Instant::now();
            self.outcomes.count(self.producer.send(record).await.is_ok());
            meter.latency(sent.elapsed());
        }
    }

    fn record(&self, index: u64, keys: &mut Keys) -> Record {
        let value = Bytes::copy_from_slice(self.payloads.get(index));
        let record = Record::new(self.options.topic.as_str(), value);
        if self.options.keys { record.key(Bytes::copy_from_slice(&keys.key())) } else { record }
    }
}
