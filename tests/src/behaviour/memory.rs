//! What a front-end takes from its process: allocations per record, and what ten thousand producers leave behind.

use std::fs;
use std::time::{Duration, Instant};

use felice_core::record::ProducerRecord;
use felice_host::{Builder, Callback, ProduceError, RecordMetadata};

use super::{FrontEnd, Handle, PATIENCE};
use crate::cluster::{ClusterConfig, KeepRecords, TcpCluster};
use crate::kafka::Kafka;

/// How many records go through while allocations are counted.
const RECORDS: u64 = 1_000_000;

/// Of how many bytes each.
const VALUE_BYTES: usize = 100;

/// `max.request.size`: no batch is larger, so they are at least a thousand.
const BATCH_BYTES_MAX: usize = 64 * 1024;
const _: () = assert!(RECORDS as usize * VALUE_BYTES / BATCH_BYTES_MAX >= 1_000);

/// With tokens, queues grow to what the callbacks' thread falls behind, whenever it first does: once for so many records.
const GROWTH: u64 = RECORDS / 10_000;

/// Sends a million records by fire-and-forget, with keys and without, a million with tokens, and some hundred
/// synchronously, to real Kafka: after a warm-up `allocations`, which counts those of the whole process, stays where
/// it is.
pub fn nothing_is_allocated<F: FrontEnd>(kafka: &Kafka, allocations: impl Fn() -> u64) {
    let topic = format!("{}-allocations", F::NAME);
    kafka.oracle().create_topic(&topic, 12);
    let producer: F = Builder::<F>::new()
        .bootstrap_servers(&kafka.bootstrap())
        .max_request_size(BATCH_BYTES_MAX)
        .callback(Acknowledged)
        .build()
        .expect("the settings fit");
    let record = ProducerRecord::new(&topic, &[b'x'; VALUE_BYTES]);
    let keyed = |number: u64| drop(producer.send(&record.key(number)).expect("it waits for memory"));
    let keyless = |_: u64| drop(producer.send(&record).expect("it waits for memory"));
    let token = |number| producer.send_with_token(&record, number).expect("it waits for memory");
    let get = |_: u64| drop(producer.send(&record).expect("there is room").get().expect("it is stored"));
    let patterns: [Pattern<'_>; 4] = [
        ("fire and forget, with a key", RECORDS, 0, &keyed),
        ("fire and forget", RECORDS, 0, &keyless),
        ("with a token", RECORDS, GROWTH, &token),
        ("synchronous", 500, 0, &get),
    ];
    // Every thread, queue and table has met its work once before anything is counted. Fire and forget comes last: what
    // callbacks needed is given back after their flush has returned.
    for (_, records, _, send) in patterns.iter().rev() {
        (0..records / 10).for_each(send);
        producer.flush().expect("this is no callback");
    }
    for (name, records, allowed, send) in patterns {
        let (before, begun) = (allocations(), Instant::now());
        (0..records).for_each(send);
        producer.flush().expect("this is no callback");
        let (took, count) = (begun.elapsed(), allocations() - before);
        println!("{} {name}: {records} records in {took:.2?}, {count} allocations", F::NAME);
        assert!(count <= allowed, "{name}: {count} allocations");
    }
    producer.close(PATIENCE).expect("nothing is left");
}

/// A pattern's name, how many records, how many allocations may be, and how one record is sent.
type Pattern<'s> = (&'s str, u64, u64, &'s dyn Fn(u64));

struct Acknowledged;

impl Callback for Acknowledged {
    fn on_completion(&self, _: u64, outcome: Result<RecordMetadata, ProduceError>) {
        assert!(outcome.is_ok());
    }
}

/// Ten thousand producers, one after the other, each of them dropped, every tenth after a record: resident memory,
/// threads and file descriptors are what they were after the first hundreds.
pub fn ten_thousand_producers_leave_nothing<F: FrontEnd>() {
    const PRODUCERS: u32 = 10_000;
    const WARM_UP: u32 = 500;
    // Beyond what the allocator keeps here and there; a producer's own memory is 1 MiB.
    const SLACK_KB: u64 = 4 * 1024;
    // Each of the simulated brokers lets go of its ends with every 64th connection.
    const SLACK_FILES: usize = 3 * 64;
    let config = ClusterConfig {
        keep_records: KeepRecords::None,
        logged_requests_max: 0,
        auto_create_topics: false,
        ..ClusterConfig::default()
    };
    let cluster = TcpCluster::start(config).expect("the loopback interface has free ports");
    cluster.with(|it| it.create_topic("readings", 3));
    let (bootstrap, begun) = (cluster.bootstrap(), Instant::now());
    let mut before = None;
    for number in 0..PRODUCERS {
        if number == WARM_UP {
            before = Some(Usage::settled(|_| true));
        }
        let producer =
            Builder::<F>::new().bootstrap_servers(&bootstrap).build().expect("there are resources");
        if number % 10 == 0 {
            producer.send(&ProducerRecord::new("readings", number)).expect("there is room");
        }
    }
    let before = before.expect("the warm-up is over");
    // The simulated broker's threads end when they notice that their peers are gone.
    let after = Usage::settled(|usage| usage.threads <= before.threads);
    println!("{}: {PRODUCERS} producers in {:.1?}: {before:?}, {after:?}", F::NAME, begun.elapsed());
    assert_eq!(cluster.with(|it| it.record_count("readings")), i64::from(PRODUCERS / 10));
    assert!(after.threads <= before.threads, "threads are left");
    assert!(after.files <= before.files + SLACK_FILES, "file descriptors are left");
    assert!(after.resident_kb <= before.resident_kb + SLACK_KB, "resident memory has grown");
}

/// What this process uses.
#[derive(Clone, Copy, Debug)]
struct Usage {
    resident_kb: u64,
    threads: u64,
    files: usize,
}

impl Usage {
    fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").expect("this is Linux");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel tells it");
            line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("it is a number")
        };
        let files = fs::read_dir("/proc/self/fd").expect("this is Linux").count();
        Self { resident_kb: field("VmRSS:"), threads: field("Threads:"), files }
    }

    /// Waits until it is as wished, or for some seconds: what it is then.
    fn settled(wish: impl Fn(&Self) -> bool) -> Self {
        let begun = Instant::now();
        loop {
            let usage = Self::now();
            if wish(&usage) || begun.elapsed() > Duration::from_secs(10) {
                return usage;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
