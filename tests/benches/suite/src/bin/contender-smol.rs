//! felice under smol, as a contender: one process, one run, one line of JSON. One task sends; the I/O is on the thread
//! that felice makes for it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bench_harness::{Keys, Meter, Mode, Options, Payloads};
use felice_smol::{Delivery, Producer, ProducerRecord};
use smol::Timer;

/// How many futures are kept before the oldest one is awaited.
const FUTURES: usize = 100_000;

fn main() {
    smol::block_on(run(Options::parse()));
}

async fn run(options: Options) {
    let producer: Producer = bench_suite::producer(&options);
    assert_eq!(producer.partitions_for(&options.topic).await, Ok(options.partitions));
    let payloads = Payloads::new(options.size);

    let mut meter = Meter::start(&options);
    match options.mode {
        Mode::Sync => one_at_a_time(&producer, &options, &payloads, &mut meter).await,
        Mode::Rate => evenly(&producer, &options, &payloads).await,
        _ => at_full_speed(&producer, &options, &payloads).await,
    }
    producer.flush().await.expect("this is no callback");
    meter.finish(options.records - producer.failed(), producer.failed(), &options);
    producer.close(Duration::from_secs(5)).await.expect("nothing is left");
}

async fn at_full_speed(producer: &Producer, options: &Options, payloads: &Payloads) {
    let mut keys = Keys::new();
    let mut futures = VecDeque::<Delivery>::new();
    let called = Arc::new(AtomicU64::new(0));
    for index in 0..options.records {
        let record = ProducerRecord::new(&options.topic, payloads.get(index));
        let key = options.keys.then(|| keys.key());
        let record = record.key(key.as_ref().map(|key| &key[..]));
        match options.mode {
            Mode::Callback => {
                let called = Arc::clone(&called);
                let count = move |outcome: Result<_, _>| {
                    called.fetch_add(u64::from(outcome.is_ok()), Ordering::Relaxed);
                };
                producer.send_with(record, count).await.expect("it is accepted");
            }
            Mode::Future => {
                if futures.len() == FUTURES
                    && let Some(oldest) = futures.pop_front()
                {
                    oldest.await.expect("it is stored");
                }
                futures.push_back(producer.send(record).await.expect("it is accepted"));
            }
            _ => drop(producer.send(record).await.expect("it is accepted")),
        }
    }
    for future in futures {
        future.await.expect("it is stored");
    }
    if options.mode == Mode::Callback {
        producer.flush().await.expect("this is no callback");
        assert_eq!(called.load(Ordering::Relaxed), options.records, "callbacks");
    }
}

async fn one_at_a_time(producer: &Producer, options: &Options, payloads: &Payloads, meter: &mut Meter) {
    for index in 0..options.records {
        let record = ProducerRecord::new(&options.topic, payloads.get(index));
        let begun = Instant::now();
        producer.send(record).await.expect("it is accepted").await.expect("it is stored");
        meter.latency(begun.elapsed());
    }
}

async fn evenly(producer: &Producer, options: &Options, payloads: &Payloads) {
    let begun = Instant::now();
    for index in 0..options.records {
        Timer::at(begun + options.due(index)).await;
        let record = ProducerRecord::new(&options.topic, payloads.get(index));
        drop(producer.send(record).await.expect("it is accepted"));
    }
}
