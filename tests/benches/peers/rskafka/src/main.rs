//! rskafka: the same command line, payloads and report as every contender.
//!
//! It is not idempotent, has neither a partitioner nor a limit to its memory, and queues a record only when its future
//! is polled: the program chooses partitions and limits what is under way, and each sender drives its own futures.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use bench_harness::{Keys, Meter, Mode, Options, Payloads};
use chrono::Utc;
use futures::future::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use rskafka::client::ClientBuilder;
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::client::producer::aggregator::RecordAggregator;
use rskafka::client::producer::{BatchProducer, BatchProducerBuilder};
use rskafka::record::Record;
use tokio::runtime::Runtime;
use tokio::task::unconstrained;
use tokio::time::sleep_until;

struct Contender {
    options: Options,
    payloads: Payloads,
    partitions: Vec<Arc<PartitionClient>>,
    producers: Vec<BatchProducer<RecordAggregator>>,
    acknowledged: AtomicU64,
    failed: AtomicU64,
}

fn main() {
    let options = Options::parse();
    let runtime = Runtime::new().expect("tokio runs here");
    let contender = runtime.block_on(Contender::connect(options));
    let options = &contender.options;
    let mut meter = Meter::start(options);
    match options.mode {
        Mode::Forget | Mode::Future | Mode::Rate => thread::scope(|scope| {
            let begun = Instant::now();
            for thread in 0..options.threads {
                let (contender, runtime) = (&contender, &runtime);
                // Tokio's budget is for tasks that share a thread; on a sender it only costs CPU.
                scope.spawn(move || runtime.block_on(unconstrained(contender.send(thread, begun))));
            }
        }),
        Mode::Sync => runtime.block_on(contender.send_one_at_a_time(&mut meter)),
        Mode::Callback | Mode::Handle => panic!("rskafka has only futures"),
    }
    meter.finish(contender.acknowledged.load(Relaxed), contender.failed.load(Relaxed), options);
}

fn compression(name: &str) -> Compression {
    match name {
        "none" => Compression::NoCompression,
        "lz4" => Compression::Lz4,
        "zstd" => Compression::Zstd,
        _ => panic!("rskafka has no {name}"),
    }
}

impl Contender {
    async fn connect(options: Options) -> Self {
        let client = ClientBuilder::new(vec![options.bootstrap.clone()]).build().await;
        let client = client.expect("there is a broker");
        let (mut partitions, mut producers) = (Vec::new(), Vec::new());
        for partition in 0..options.partitions {
            let partition =
                client.partition_client(&options.topic, partition, UnknownTopicHandling::Error).await;
            let partition = Arc::new(partition.expect("the partition exists"));
            let producer = BatchProducerBuilder::new(Arc::clone(&partition))
                .with_linger(Duration::from_millis(options.linger_ms))
                .with_compression(compression(&options.compression))
                .build(RecordAggregator::new(options.batch_bytes));
            partitions.push(partition);
            producers.push(producer);
        }
        let payloads = Payloads::new(options.size);
        Self { options, payloads, partitions, producers, acknowledged: 0.into(), failed: 0.into() }
    }

    async fn send(&self, thread: u64, begun: Instant) {
        let options = &self.options;
        let window = options.window().div_ceil(options.threads as usize);
        let mut keys = Keys::of_thread(thread);
        let mut pending = FuturesUnordered::new();
        for index in options.turns(thread) {
            if options.mode == Mode::Rate {
                let due = sleep_until((begun + options.due(index)).into());
                tokio::pin!(due);
                loop {
                    tokio::select! {
                        biased;
                        Some(result) = pending.next() => self.count(&result),
                        () = &mut due => break,
                    }
                }
            }
            let (partition, record) = self.record(index, &mut keys);
            pending.push(self.producers[partition].produce(record));
            while let Some(result) = next(&mut pending, window).await {
                self.count(&result);
            }
        }
        while let Some(result) = pending.next().await {
            self.count(&result);
        }
    }

    /// By the partition's client itself where nothing is to linger: it is the quickest way.
    async fn send_one_at_a_time(&self, meter: &mut Meter) {
        let mut keys = Keys::new();
        for index in 0..self.options.records {
            let (partition, record) = self.record(index, &mut keys);
            let sent = Instant::now();
            if self.options.linger_ms == 0 {
                let client = &self.partitions[partition];
                self.count(&client.produce(vec![record], Compression::NoCompression).await);
            } else {
                self.count(&self.producers[partition].produce(record).await);
            }
            meter.latency(sent.elapsed());
        }
    }

    fn record(&self, index: u64, keys: &mut Keys) -> (usize, Record) {
        let (mut partition, mut key) = (self.options.sticky_partition(index) as usize, None);
        if self.options.keys {
            let number = keys.next();
            partition = (number % self.producers.len() as u64) as usize;
            key = Some(number.to_be_bytes().to_vec());
        }
        let value = Some(self.payloads.get(index).to_vec());
        (partition, Record { key, value, headers: BTreeMap::new(), timestamp: Utc::now() })
    }

    fn count<T, E>(&self, result: &Result<T, E>) {
        let counter = if result.is_ok() { &self.acknowledged } else { &self.failed };
        counter.fetch_add(1, Relaxed);
    }
}

/// The next outcome: waits for it only when the window is full.
async fn next<F: Future>(pending: &mut FuturesUnordered<F>, window: usize) -> Option<F::Output> {
    let full = pending.len() >= window;
    let next = pending.next();
    if full { next.await } else { next.now_or_never().flatten() }
}
