//! The blocking front-end's own promises, against the simulated cluster over TCP: who hears of what, and who waits.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use felice_blocking::{
    Acks, Callback, CloseError, ErrorCode, ErrorKind, FlushError, GetError, PartitionsError, Persisted,
    ProduceError, Producer, ProducerRecord, RecordMetadata, Scratch, SendError, Serialize, SerializeError,
};
use felice_tests::cluster::{Action, ClusterConfig, Fault, TcpCluster};
use felice_tests::protocol::{ApiKey, ErrorCode as Code};

const SECONDS: Duration = Duration::from_secs(20);

fn cluster(partitions: i32) -> TcpCluster {
    let cluster = TcpCluster::start(ClusterConfig::default()).unwrap();
    cluster.with(|cluster| cluster.create_topic("t", partitions));
    cluster
}

fn builder(cluster: &TcpCluster) -> felice_blocking::Builder {
    Producer::builder().bootstrap_servers(&cluster.bootstrap()).linger(Duration::ZERO)
}

/// Nobody listens there.
fn nowhere() -> felice_blocking::Builder {
    Producer::builder().bootstrap_servers("127.0.0.1:1").linger(Duration::ZERO).drop_timeout(Duration::ZERO)
}

fn stored(cluster: &TcpCluster) -> i64 {
    cluster.with(|cluster| cluster.record_count("t"))
}

#[test]
fn each_pattern_of_sending() {
    struct Object(mpsc::Sender<(u64, i64)>);
    impl Callback for Object {
        fn on_completion(&self, token: u64, outcome: Result<RecordMetadata, ProduceError>) {
            self.0.send((token, outcome.unwrap().offset())).unwrap();
        }
    }
    let cluster = cluster(1);
    let (sender, tokens) = mpsc::channel();
    let producer = builder(&cluster).callback(Object(sender)).build().unwrap();
    let record = ProducerRecord::new("t", "value");

    producer.send(record).unwrap();
    assert_eq!(producer.send(record).unwrap().get().unwrap().offset(), 1);
    let (sender, offsets) = mpsc::channel();
    for _ in 0..3 {
        let sender = sender.clone();
        producer.send_with(record, move |outcome| sender.send(outcome.unwrap().offset()).unwrap()).unwrap();
    }
    for token in 70..73 {
        producer.send_with_token(record, token).unwrap();
    }
    let mut kept = producer.try_send(record).unwrap();
    assert_eq!(kept.get_timeout(SECONDS).unwrap().offset(), 8);
    assert_eq!(kept.try_get().unwrap().unwrap().offset(), 8, "a handle may be asked again");
    producer.flush().unwrap();
    assert_eq!(offsets.try_iter().collect::<Vec<_>>(), [2, 3, 4], "flush waits for callbacks, too");
    assert_eq!(tokens.try_iter().collect::<Vec<_>>(), [(70, 5), (71, 6), (72, 7)]);
    assert_eq!(producer.partitions_for("t"), Ok(1));
    producer.close(SECONDS).unwrap();
    assert_eq!(stored(&cluster), 9);
}

#[test]
fn one_send_and_the_end_arrives() {
    let cluster = cluster(4);
    for _ in 0..5 {
        let producer = Producer::builder().bootstrap_servers(&cluster.bootstrap()).build().unwrap();
        producer.send(ProducerRecord::new("t", "last words").key("k")).unwrap();
    }
    assert_eq!(stored(&cluster), 5);
}

#[test]
fn handles_that_wait_in_many_threads_all_hear() {
    let cluster = cluster(6);
    let producer = Producer::builder().bootstrap_servers(&cluster.bootstrap()).build().unwrap();
    thread::scope(|scope| {
        for number in 0..8 {
            let producer = producer.clone();
            scope.spawn(move || {
                for round in 0..40_u32 {
                    let record = ProducerRecord::new("t", round).key(number * 1_000 + round);
                    let handles: Vec<_> = (0..10).map(|_| producer.send(record).unwrap()).collect();
                    for handle in handles.into_iter().rev() {
                        handle.get().unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(stored(&cluster), 3_200);
}

#[test]
fn keyed_records_before_the_metadata_keep_their_order_and_their_handles() {
    let cluster = cluster(3);
    cluster.with(|cluster| cluster.inject(Fault::new(ApiKey::METADATA, Action::Delay(200_000))));
    let producer = builder(&cluster).build().unwrap();
    let (sender, called) = mpsc::channel();
    let mut handles = Vec::new();
    for number in 0..200_u32 {
        let key = number % 10;
        handles.push(producer.send(ProducerRecord::new("t", number).key(key)).unwrap());
        let sender = sender.clone();
        let record = ProducerRecord::new("t", number).key(key);
        producer.send_with(record, move |outcome| sender.send(outcome.unwrap()).unwrap()).unwrap();
    }
    producer.flush().unwrap();
    let mut last = std::collections::HashMap::new();
    for mut handle in handles {
        let metadata = handle.try_get().expect("flush has waited for it").unwrap();
        let offset = last.insert(metadata.partition(), metadata.offset());
        assert!(offset.is_none_or(|before| before < metadata.offset()), "{metadata}");
    }
    let mut last = std::collections::HashMap::new();
    let called: Vec<RecordMetadata> = called.try_iter().collect();
    assert_eq!(called.len(), 200);
    for metadata in called {
        let offset = last.insert(metadata.partition(), metadata.offset());
        assert!(offset.is_none_or(|before| before < metadata.offset()), "{metadata}");
    }
    assert_eq!(stored(&cluster), 400);
}

#[test]
fn a_full_buffer_makes_send_wait_and_try_send_refuse() {
    let producer = nowhere().buffer_memory(16 * 1024).max_block(Duration::from_millis(150)).build().unwrap();
    let value = [7_u8; 1_000];
    let record = ProducerRecord::new("t", &value);
    let mut accepted = 0;
    let error = loop {
        match producer.try_send(record) {
            Ok(_) => accepted += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error, SendError::WouldBlock);
    assert!((10..16).contains(&accepted), "{accepted}");
    let begun = Instant::now();
    let error = producer.send(record).unwrap_err();
    assert_eq!(error, SendError::NoMemory { waited: Duration::from_millis(150) });
    assert!(error.is_retriable() && error.to_string().contains("max.block.ms"), "{error}");
    assert!(begun.elapsed() >= Duration::from_millis(150));
    let waiting = producer.clone();
    let send = move || waiting.send(ProducerRecord::new("t", [7_u8; 1_000])).unwrap_err();
    let waits = thread::Builder::new().name("waits".into()).spawn(send).unwrap();
    until_asleep("waits");
    assert_eq!(producer.close(Duration::ZERO), Err(CloseError::Undelivered { records: accepted }));
    assert_eq!(waits.join().unwrap(), SendError::Closed, "closing wakes who waits for memory");
}

/// Until the thread of this name waits for something.
fn until_asleep(name: &str) {
    let begun = Instant::now();
    let asleep = |task: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        stat.contains(&format!("({name}) S"))
    };
    while !std::fs::read_dir("/proc/self/task").unwrap().flatten().any(asleep) {
        assert!(begun.elapsed() < SECONDS, "{name} does not wait");
        thread::yield_now();
    }
}

#[test]
fn more_records_than_memory_go_through() {
    let cluster = cluster(2);
    let producer = builder(&cluster).buffer_memory(16 * 1024).build().unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            let producer = producer.clone();
            scope.spawn(move || {
                for number in 0..500_u32 {
                    producer.send(ProducerRecord::new("t", [0_u8; 300]).key(number)).unwrap();
                }
            });
        }
    });
    producer.close(SECONDS).unwrap();
    assert_eq!(stored(&cluster), 2_000);
}

#[test]
fn every_failed_record_without_a_handle_is_heard_of_once() {
    let cluster = cluster(1);
    cluster.with(|cluster| {
        cluster.inject(Fault::error(ApiKey::PRODUCE, Code::TOPIC_AUTHORIZATION_FAILED).times(1_000));
    });
    let heard = Arc::new(AtomicUsize::new(0));
    let (counter, (sender, late)) = (Arc::clone(&heard), mpsc::channel());
    let sender = Mutex::new(sender);
    let hook = move |error: ProduceError| {
        assert_eq!((error.topic(), error.persisted()), ("t", Persisted::No));
        counter.fetch_add(1, Ordering::Relaxed);
        sender.lock().unwrap().send(thread::current().id()).unwrap();
    };
    let producer = builder(&cluster).on_undelivered(hook).build().unwrap();
    let record = ProducerRecord::new("t", "refused");
    for _ in 0..50 {
        producer.send(record).unwrap();
    }
    let kept: Vec<_> = (0..20).map(|_| producer.send(record).unwrap()).collect();
    let calls = Arc::new(AtomicUsize::new(0));
    for _ in 0..5 {
        let calls = Arc::clone(&calls);
        let callback = move |outcome: Result<RecordMetadata, ProduceError>| {
            assert!(outcome.is_err());
            calls.fetch_add(1, Ordering::Relaxed);
        };
        producer.send_with(record, callback).unwrap();
    }
    producer.flush().unwrap();
    assert_eq!(heard.load(Ordering::Relaxed), 50, "dropped before the outcome, or right behind it");
    assert_eq!(late.try_iter().count(), 50);
    assert_eq!(calls.load(Ordering::Relaxed), 5);
    for (number, mut handle) in kept.into_iter().enumerate() {
        if number < 8 {
            assert!(handle.try_get().unwrap().is_err());
        } else if number < 10 {
            let error = handle.get().unwrap_err();
            let code = ErrorCode::TOPIC_AUTHORIZATION_FAILED;
            assert_eq!(error.produce_error().unwrap().kind(), ErrorKind::Broker(code), "{error}");
        }
    }
    assert_eq!(heard.load(Ordering::Relaxed), 60, "dropped after the outcome, unobserved");
    let here = thread::current().id();
    assert_eq!(late.try_iter().collect::<Vec<_>>(), [here; 10]);
    assert_eq!(producer.failed(), 75);
    producer.close(SECONDS).unwrap();
    assert_eq!(heard.load(Ordering::Relaxed), 60);
}

#[test]
fn callbacks_may_send_panic_and_sleep_but_not_wait() {
    let cluster = cluster(1);
    let producer = builder(&cluster).build().unwrap();
    let (sender, seen) = mpsc::channel();
    let record = ProducerRecord::new("t", "first");
    let inner = producer.clone();
    let report = sender.clone();
    producer
        .send_with(record, move |_| {
            let waiting = inner.send(ProducerRecord::new("t", "from a callback")).unwrap().get();
            report.send(format!("{waiting:?}")).unwrap();
            report.send(format!("{:?}", inner.flush())).unwrap();
            report.send(format!("{:?}", inner.partitions_for("another"))).unwrap();
            thread::sleep(Duration::from_millis(50));
        })
        .unwrap();
    producer.send_with(record, |_| panic!("on purpose")).unwrap();
    producer.send_with(record, move |_| sender.send("last".into()).unwrap()).unwrap();
    producer.flush().unwrap();
    let seen: Vec<String> = seen.try_iter().collect();
    let expected = [
        format!("{:?}", Err::<(), _>(GetError::InCallback)),
        format!("{:?}", Err::<(), _>(FlushError::InCallback)),
        format!("{:?}", Err::<i32, _>(PartitionsError::InCallback)),
        "last".into(),
    ];
    assert_eq!(seen, expected);
    assert_eq!(producer.callback_panics(), 1);

    let inner = producer.clone();
    let (sender, closed) = mpsc::channel();
    producer.send_with(record, move |_| sender.send(inner.close(SECONDS)).unwrap()).unwrap();
    assert_eq!(closed.recv_timeout(SECONDS).unwrap(), Err(CloseError::InCallback));
    assert_eq!(producer.send(record).unwrap_err(), SendError::Closed);
    drop(producer);
    assert_eq!(stored(&cluster), 5);
}

#[test]
fn the_last_clone_may_be_dropped_in_a_callback() {
    let cluster = cluster(1);
    for _ in 0..10 {
        let producer = builder(&cluster).build().unwrap();
        let (sender, done) = mpsc::channel();
        let inner = producer.clone();
        let callback = move |outcome: Result<RecordMetadata, ProduceError>| {
            drop(inner);
            sender.send(outcome.is_ok()).unwrap();
        };
        producer.send_with(ProducerRecord::new("t", "value"), callback).unwrap();
        drop(producer);
        assert_eq!(done.recv_timeout(SECONDS), Ok(true));
    }
}

#[test]
fn dropping_resolves_every_handle_and_runs_every_callback() {
    let calls = Arc::new(AtomicU64::new(0));
    let producer = nowhere().build().unwrap();
    let handles: Vec<_> = (0..30_u32)
        .map(|number| {
            let calls = Arc::clone(&calls);
            let record = ProducerRecord::new("t", number).key(number);
            producer
                .send_with(record, move |outcome| {
                    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Closed);
                    calls.fetch_add(1, Ordering::Relaxed);
                })
                .unwrap();
            producer.send(ProducerRecord::new("t", number)).unwrap()
        })
        .collect();
    drop(producer);
    assert_eq!(calls.load(Ordering::Relaxed), 30);
    for mut handle in handles {
        let error = handle.try_get().expect("resolved").unwrap_err();
        assert_eq!((error.kind(), error.persisted()), (ErrorKind::Closed, Persisted::No), "{error}");
    }
}

/// Fails, panics, or sends another record: as its number says.
struct Odd<'p>(u32, &'p Producer);

impl Serialize for Odd<'_> {
    fn serialize<'a>(&'a self, scratch: &'a mut dyn Scratch) -> Result<Option<&'a [u8]>, SerializeError> {
        match self.0 {
            0 => return Err(SerializeError::new("on purpose")),
            1 => panic!("on purpose"),
            _ => {}
        }
        scratch.write(b"outer ")?;
        self.1.send(ProducerRecord::new("t", 1_u64)).unwrap();
        scratch.write(b"value")?;
        Ok(Some(scratch.bytes()))
    }
}

#[test]
fn a_serializer_may_fail_panic_and_send() {
    let cluster = cluster(1);
    let producer = builder(&cluster).build().unwrap();
    let error = producer.send(ProducerRecord::new("t", Odd(0, &producer))).unwrap_err();
    assert_eq!(error.to_string(), "record not accepted: it could not be serialized: on purpose");
    assert!(!error.is_retriable());
    let panics = || producer.send(ProducerRecord::new("t", Odd(1, &producer)));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).is_err());
    let metadata = producer.send(ProducerRecord::new("t", Odd(2, &producer))).unwrap().get().unwrap();
    assert_eq!((metadata.offset(), metadata.serialized_value_size()), (1, 11));
    assert_eq!(stored(&cluster), 2);
}

#[test]
fn what_is_refused_says_why() {
    let cluster = cluster(2);
    let producer = builder(&cluster).build().unwrap();
    let large = vec![0_u8; 300_000];
    let error = producer.send(ProducerRecord::new("t", &large)).unwrap_err();
    assert!(matches!(error, SendError::RecordTooLarge { bytes: 300_001.., max: 262_144 }), "{error:?}");
    assert_eq!(producer.send(ProducerRecord::new("no/topic", "")).unwrap_err(), SendError::InvalidTopic);
    assert_eq!(producer.send_with_token(ProducerRecord::new("t", ""), 1), Err(SendError::NoCallback));
    assert_eq!(producer.partitions_for("t"), Ok(2));
    let error = producer.send(ProducerRecord::new("t", "").partition(2)).unwrap_err();
    assert_eq!(error, SendError::UnknownPartition { partition: 2, count: 2 });
    let error = producer.send(ProducerRecord::new("t", "").partition(-1)).unwrap_err();
    assert!(matches!(error, SendError::UnknownPartition { partition: -1, .. }));
}

#[test]
fn acks_zero_knows_no_offset() {
    let cluster = cluster(1);
    let producer = builder(&cluster).acks(Acks::None).build().unwrap();
    let metadata = producer.send(ProducerRecord::new("t", "value")).unwrap().get().unwrap();
    assert!(!metadata.has_offset());
    producer.close(SECONDS).unwrap();
    assert!(cluster.wait_until(SECONDS, |cluster| cluster.record_count("t") == 1));
}

#[test]
fn a_timeout_leaves_the_handle_good() {
    let cluster = cluster(1);
    cluster.with(|cluster| cluster.inject(Fault::new(ApiKey::PRODUCE, Action::Delay(300_000))));
    let producer = builder(&cluster).build().unwrap();
    let mut handle = producer.send(ProducerRecord::new("t", "value")).unwrap();
    for _ in 0..3 {
        assert_eq!(handle.get_timeout(Duration::from_millis(10)).unwrap_err(), GetError::TimedOut);
        assert!(handle.try_get().is_none());
    }
    assert_eq!(handle.get().unwrap().offset(), 0);
}

#[test]
fn every_address_of_a_name_is_tried() {
    let cluster = cluster(1);
    let port = cluster.address(1).port();
    // The name has ::1 as well, where nobody listens.
    let producer = Producer::builder().bootstrap_servers(&format!("localhost:{port}")).build().unwrap();
    producer.send(ProducerRecord::new("t", "value")).unwrap().get_timeout(SECONDS).unwrap();
    let name = Producer::builder()
        .bootstrap_servers(&format!("nobody.invalid:{port},localhost:{port}"))
        .build()
        .unwrap();
    name.send(ProducerRecord::new("t", "value")).unwrap().get_timeout(SECONDS).unwrap();
}

#[test]
fn a_producer_that_comes_and_goes_leaves_nothing() {
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    drop(nowhere().build().unwrap());
    let before = (threads(), files());
    for _ in 0..200 {
        let producer = nowhere().buffer_memory(64 * 1024).build().unwrap();
        producer.send(ProducerRecord::new("t", "never")).unwrap();
    }
    // Other tests run beside this one.
    assert!(threads() < before.0 + 40 && files() < before.1 + 60, "{before:?} {} {}", threads(), files());
}
