//! Futures of the smol front-end, polled so many times and then dropped, for each number of times, under load: they leave
//! no waker behind, no half of a record, no memory, and pass their turn on.

use std::future::Future;
use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use felice_smol::{Builder, Callback, ProduceError, Producer, ProducerRecord, RecordMetadata, SendError};
use felice_tests::behaviour::PATIENCE;
use felice_tests::cluster::{Action, Cluster, ClusterConfig, Fault, TcpCluster};
use felice_tests::protocol::ApiKey;
use smol::future::{or, yield_now};
use smol::{Timer, block_on};

/// More than any of these futures has await points.
const POLLS: usize = 8;
const ROUNDS: usize = 6;
/// To take a waker along and wake it takes microseconds.
const WAKER_PATIENCE: Duration = Duration::from_secs(10);
const PARTITIONS: i32 = 4;
const MEMORY: usize = 16 * 1024;

#[derive(Default)]
struct Task(AtomicU64);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Polls so many times at most, others running in between, and drops the future. Whoever still has its waker then must
/// be on the way of waking it.
async fn polled<T>(what: &str, times: usize, future: impl Future<Output = T>) -> Option<T> {
    let task = Arc::new(Task::default());
    let waker = Waker::from(Arc::clone(&task));
    let mut result = None;
    {
        let mut future = pin!(future);
        for _ in 0..times {
            if let Poll::Ready(ready) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                result = Some(ready);
                break;
            }
            yield_now().await;
        }
    }
    drop(waker);
    let begun = Instant::now();
    while Arc::strong_count(&task) > 1 {
        assert!(begun.elapsed() < WAKER_PATIENCE, "{what}, dropped after {times} polls, leaves a waker");
        thread::yield_now();
    }
    result
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    or(future, async {
        Timer::after(PATIENCE).await;
        panic!("{what}: not within {PATIENCE:?}")
    })
    .await
}

fn cluster() -> TcpCluster {
    let cluster = TcpCluster::start(ClusterConfig::default()).unwrap();
    cluster.with(|cluster| cluster.create_topic("t", PARTITIONS));
    cluster
}

fn builder(cluster: &TcpCluster) -> Builder {
    let builder = Producer::builder().bootstrap_servers(&cluster.bootstrap());
    builder
        .linger(Duration::ZERO)
        .buffer_memory(MEMORY)
        .max_request_size(MEMORY / 2)
        .drop_timeout(Duration::ZERO)
}

struct Tokens(Arc<AtomicU64>);

impl Callback for Tokens {
    fn on_completion(&self, _: u64, outcome: Result<RecordMetadata, ProduceError>) {
        outcome.unwrap();
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Each kind of future once, dropped after so many polls. How many records were accepted: silently, and with a callback.
async fn drop_each(producer: &Producer, times: usize, called: &Arc<AtomicU64>) -> (i64, u64) {
    let (mut silent, mut heard) = (0, 0);
    let record = ProducerRecord::new("t", [7_u8; 700]);
    if let Some(delivery) = polled("send", times, producer.send(record)).await {
        silent += 1;
        if let Some(outcome) = polled("a delivery", times, delivery.unwrap()).await {
            outcome.unwrap();
        }
    }
    let kept = Arc::new(());
    let (called, held) = (Arc::clone(called), Arc::clone(&kept));
    let callback = move |outcome: Result<RecordMetadata, ProduceError>| {
        outcome.unwrap();
        drop(held);
        called.fetch_add(1, Ordering::Relaxed);
    };
    match polled("send_with", times, producer.send_with(record, callback)).await {
        Some(sent) => {
            sent.unwrap();
            heard += 1;
        }
        None => assert_eq!(Arc::strong_count(&kept), 1, "the closure went with the future"),
    }
    if let Some(sent) = polled("send_with_token", times, producer.send_with_token(record, 1)).await {
        sent.unwrap();
        heard += 1;
    }
    if let Some(flushed) = polled("flush", times, producer.flush()).await {
        flushed.unwrap();
    }
    let unknown = format!("unknown-{times}");
    if let Some(partitions) = polled("partitions_for", times, producer.partitions_for(&unknown)).await {
        partitions.unwrap();
    }
    (silent, heard)
}

/// How large two records can be that hold all memory at once: where a block is missing the second one does not fit.
fn fills(cluster: &TcpCluster, producer: &Producer, bytes: usize) -> bool {
    cluster.with(|cluster| cluster.inject(Fault::new(ApiKey::PRODUCE, Action::Delay(50_000)).times(2)));
    let value = vec![7_u8; bytes];
    let sent =
        [0, 1].map(|partition| producer.try_send(ProducerRecord::new("t", &value).partition(partition)));
    block_on(soon("flush", producer.flush())).unwrap();
    cluster.with(Cluster::clear_faults);
    sent.iter().all(Result::is_ok)
}

/// Also when the test fails: nobody would see why otherwise.
struct Stop<'s>(&'s AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn after_any_number_of_polls() {
    let cluster = cluster();
    let called = Arc::new(AtomicU64::new(0));
    let producer = builder(&cluster).callback(Tokens(Arc::clone(&called))).build().unwrap();
    assert_eq!(block_on(soon("partitions_for", producer.partitions_for("t"))), Ok(PARTITIONS));
    let most = (1_000..MEMORY / 2).rev().step_by(250).find(|bytes| fills(&cluster, &producer, *bytes));
    let most = most.expect("records of 1,000 bytes fit");
    let before = cluster.with(|cluster| cluster.record_count("t"));

    let stop = AtomicBool::new(false);
    let (mut silent, mut heard, mut dropped) = (0, 0, 0);
    let load = || {
        let mut accepted = 0;
        while !stop.load(Ordering::Relaxed) {
            match block_on(soon("the turn for memory", producer.send(ProducerRecord::new("t", [1_u8; 900]))))
            {
                Ok(_) => accepted += 1,
                Err(error) => panic!("{error}"),
            }
        }
        accepted
    };
    let loaded: i64 = thread::scope(|scope| {
        let loads = [(); 4].map(|()| scope.spawn(load));
        let stopping = Stop(&stop);
        for times in (0..ROUNDS).flat_map(|_| 0..POLLS) {
            let (more_silent, more_heard) = block_on(drop_each(&producer, times, &called));
            silent += more_silent;
            heard += more_heard;
            dropped += 3 - more_silent - more_heard as i64;
        }
        drop(stopping);
        loads.map(|load| load.join().unwrap()).iter().sum()
    });
    block_on(soon("flush", producer.flush())).unwrap();
    println!("{silent} + {heard} records accepted, {dropped} taken back, beside {loaded}");
    assert!(dropped >= ROUNDS as i64 * 3, "some were dropped while they waited");
    assert_eq!(called.load(Ordering::Relaxed), heard, "callbacks of accepted records only");
    let stored = cluster.with(|cluster| cluster.record_count("t")) - before;
    assert_eq!(stored, silent + heard as i64 + loaded, "what was accepted, and nothing else");
    assert!(fills(&cluster, &producer, most), "all memory is back: two records of {most} bytes fit again");
    block_on(soon("close", producer.close(PATIENCE))).unwrap();
}

#[test]
fn a_close_and_a_driver_after_any_number_of_polls() {
    let cluster = cluster();
    for times in 0..POLLS {
        let producer = builder(&cluster).build().unwrap();
        let delivery = block_on(producer.send(ProducerRecord::new("t", "held"))).unwrap();
        let closed = block_on(polled("close", times, producer.close(PATIENCE)));
        assert!(closed.is_none_or(|closed| closed.is_ok()));
        if times > 0 {
            let late = producer.try_send(ProducerRecord::new("t", "late"));
            assert_eq!(late.unwrap_err(), SendError::Closed, "it goes on without its future");
        }
        block_on(soon("the outcome", delivery)).unwrap();

        let (producer, driver) = builder(&cluster).build_with_driver().unwrap();
        let delivery = producer.try_send(ProducerRecord::new("t", "held")).unwrap();
        assert!(block_on(polled("the driver", times, driver)).is_none());
        // Stored meanwhile, or failed with its driver: one or the other.
        let _ = block_on(soon("the outcome", delivery));
        assert_eq!(block_on(producer.send(ProducerRecord::new("t", "late"))).unwrap_err(), SendError::Closed);
        block_on(soon("flush", producer.flush())).unwrap();
    }
}

/// Nobody would take the waker along: it must be gone with its future.
#[test]
fn while_nothing_comes_of_it() {
    // It takes connections, and never answers.
    let broker = TcpListener::bind("127.0.0.1:0").unwrap();
    let bootstrap = broker.local_addr().unwrap().to_string();
    let producer =
        Producer::builder().bootstrap_servers(&bootstrap).drop_timeout(Duration::ZERO).build().unwrap();
    for times in 1..POLLS {
        let delivery = producer.try_send(ProducerRecord::new("t", "held")).unwrap();
        assert!(block_on(polled("a delivery", times, delivery)).is_none());
        assert!(block_on(polled("flush", times, producer.flush())).is_none());
        assert!(block_on(polled("partitions_for", times, producer.partitions_for("t"))).is_none());
    }
    assert!(block_on(polled("close", 1, producer.close(PATIENCE))).is_none());
}
