//! How a producer ends: dropped, closed, or with its process.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use felice_core::error::{ErrorKind, Persisted};
use felice_core::record::ProducerRecord;
use felice_host::{Builder, CloseError, ProduceError, RecordMetadata};

use super::{FrontEnd, Handle, PATIENCE, Target, Witness, builder, producer, wait_until};
use crate::cluster::{Action, Fault};
use crate::protocol::{ApiKey, ErrorCode as Code};

/// A program that sends one record and ends: the record is there when it has ended. `program` takes the bootstrap
/// servers and the topic, and sends its own process id.
pub fn one_send_and_the_end_of_main<F: FrontEnd>(target: &Target, program: &Path) {
    let topic = format!("{}-end-of-main", F::NAME);
    target.create_topic(&topic, 3);
    for rounds in 1..=3 {
        let mut child =
            Command::new(program).args([&target.bootstrap(), &topic]).spawn().expect("it is built");
        assert!(child.wait().expect("it is a child").success());
        let read = target.read(&topic);
        assert_eq!(read.len(), rounds);
        let sent = Some(child.id().to_string().into_bytes());
        assert_eq!(read.iter().filter(|record| record.value == sent).count(), 1);
    }
}

/// Dropping the last clone sends what is held, resolves every handle and runs every callback before it returns.
pub fn dropping_delivers<F: FrontEnd>(target: &Target) {
    let topic = new_topic::<F>(target, "dropped");
    let witness = Witness::default();
    let producer: F = builder(target)
        // Nothing would leave by itself before the delivery timeout.
        .linger(Duration::from_secs(60))
        .callback(witness.clone())
        .build()
        .expect("the settings fit");
    let calls = Arc::new(AtomicU64::new(0));
    let mut handles = Vec::new();
    for number in (0..300).step_by(3) {
        let value = |number| ProducerRecord::new(&topic, Witness::value(number, 8));
        handles.push((number, producer.send(&value(number)).expect("there is room")));
        let (witness, calls) = (witness.clone(), Arc::clone(&calls));
        let callback = move |outcome: Result<RecordMetadata, ProduceError>| {
            calls.fetch_add(1, Ordering::Relaxed);
            witness.saw(number + 1, outcome);
        };
        producer.send_with(&value(number + 1), Box::new(callback)).expect("there is room");
        producer.send_with_token(&value(number + 2), number + 2).expect("there is room");
    }
    drop(producer.clone());
    assert_eq!(witness.heard(), 0, "a clone is left");
    drop(producer);
    assert_eq!(calls.load(Ordering::Relaxed), 100);
    let heard_after: Vec<_> =
        handles.iter_mut().map(|(number, handle)| (*number, handle.try_get().expect("resolved"))).collect();
    let stored = target.read(&topic);
    assert_eq!(stored.len(), 300);
    for (number, outcome) in heard_after {
        let metadata = outcome.expect("it is stored");
        let value = Some(Witness::value(number, 8));
        let told = (metadata.partition(), metadata.offset(), &value);
        let here = stored.iter().filter(|it| (it.partition, it.offset, &it.value) == told);
        assert_eq!(here.count(), 1, "{metadata}");
    }
    assert_eq!(witness.heard(), 200);
    assert!(witness.failures().is_empty());
}

/// Where nobody answers, it gives up after `drop_timeout`, and every record fails: none may be in the log.
pub fn dropping_gives_up<F: FrontEnd>(_: &Target) {
    for drop_timeout in [Duration::ZERO, Duration::from_millis(400)] {
        let witness = Witness::default();
        let heard = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&heard);
        let producer = Builder::<F>::new()
            .bootstrap_servers("127.0.0.1:1")
            .drop_timeout(drop_timeout)
            .callback(witness.clone())
            .on_undelivered(move |_| {
                count.fetch_add(1, Ordering::Relaxed);
            })
            .build()
            .expect("the settings fit");
        let record = ProducerRecord::new("readings", "value");
        let mut handles = Vec::new();
        for number in 0..50 {
            handles.push(producer.send(&record.key(number)).expect("there is room"));
            producer.send_with_token(&record, number).expect("there is room");
            drop(producer.send(&record.partition(2)).expect("there is room"));
        }
        let begun = Instant::now();
        drop(producer);
        let took = begun.elapsed();
        assert!(took >= drop_timeout && took < drop_timeout + Duration::from_secs(10), "{took:?}");
        for mut handle in handles {
            let error = handle.try_get().expect("resolved").expect_err("nobody answered");
            assert_eq!((error.kind(), error.persisted()), (ErrorKind::Closed, Persisted::No), "{error}");
        }
        assert_eq!((witness.heard(), witness.failures().len()), (50, 50));
        assert_eq!(heard.load(Ordering::Relaxed), 50, "those whose handles were dropped");
    }
}

/// `close` sends what is held; when its time is over it says how many records failed.
pub fn close_says_how_many_failed<F: FrontEnd>(target: &Target) {
    let topic = new_topic::<F>(target, "close-counts");
    let cluster = target.cluster();
    let witness = Witness::default();
    let producer: F = builder(target).callback(witness.clone()).build().expect("the settings fit");
    let send = |number| {
        let record = ProducerRecord::new(&topic, Witness::value(number, 8)).partition(0);
        producer.send_with_token(&record, number).expect("there is room");
    };
    (0..10).for_each(send);
    producer.flush().expect("this is no callback");
    // The log takes the next request, and nobody says so.
    cluster.with(|it| it.inject(Fault::new(ApiKey::PRODUCE, Action::ApplyThenDrop)));
    send(10);
    assert!(cluster.wait_until(PATIENCE, |it| it.faults_left() == 0));
    (11..30).for_each(send);
    let begun = Instant::now();
    let closed = producer.close(Duration::from_millis(300));
    assert_eq!(closed, Err(CloseError::Undelivered { records: 20 }));
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(producer.failed(), 20);
    assert_eq!(producer.close(PATIENCE), closed, "the count stays");
    let failures = witness.failures();
    assert!(failures.iter().all(|(_, error)| error.kind() == ErrorKind::Closed));
    let uncertain = |(_, error): &&(u64, ProduceError)| error.persisted() == Persisted::Possibly;
    assert!(failures.iter().filter(uncertain).any(|(number, _)| *number == 10), "{:?}", failures[0]);
    witness.check(30, &target.read(&topic));
}

/// `flush` returns when all that was accepted before has its outcome, without closing anything, whatever the linger.
pub fn flush_waits_for_all<F: FrontEnd>(target: &Target) {
    let topic = new_topic::<F>(target, "flushed");
    let producer: F = builder(target).linger(PATIENCE).build().expect("the settings fit");
    let begun = Instant::now();
    for round in 1..=5 {
        let record = ProducerRecord::new(&topic, "value");
        let handles: Vec<F::Handle> =
            (0..100).map(|_| producer.send(&record).expect("there is room")).collect();
        producer.flush().expect("this is no callback");
        for mut handle in handles {
            handle.try_get().expect("flush waited for it").expect("it is stored");
        }
        assert_eq!(target.read(&topic).len(), round * 100);
    }
    assert!(begun.elapsed() < PATIENCE, "it does not wait for the linger");
    producer.close(PATIENCE).expect("nothing is left");
}

/// Times without end are waited for, not computed with: nothing overflows, nothing is over at once.
pub fn times_without_end<F: FrontEnd>(target: &Target) {
    let topic = new_topic::<F>(target, "without-end");
    let never = Duration::MAX;
    let producer: F = builder(target)
        .buffer_memory(16 * 1024)
        .max_block(never)
        .metadata_max_age(never)
        .connections_max_idle(never)
        .retry_backoff_max(never)
        .reconnect_backoff_max(never)
        .drop_timeout(never)
        .build()
        .expect("the settings fit");
    let record = ProducerRecord::new(&topic, [0_u8; 1_000]);
    target.cluster().with(|it| it.inject(Fault::error(ApiKey::PRODUCE, Code::NOT_ENOUGH_REPLICAS).times(2)));
    let mut handle = producer.send(&record).expect("there is room");
    handle.get_timeout(never).expect("it is stored");
    for _ in 0..100 {
        producer.send(&record).expect("it waits for memory");
    }
    assert_eq!(producer.partitions_for(&topic), Ok(3));
    producer.flush().expect("this is no callback");
    producer.send(&record).expect("there is room");
    producer.close(never).expect("nothing is left");
    assert_eq!(target.read(&topic).len(), 102);
}

/// The number of partitions, and a topic that grows: after a while records go to the new ones.
pub fn partitions_are_known<F: FrontEnd>(target: &Target) {
    let topic = new_topic::<F>(target, "partitions-for");
    let producer: F =
        builder(target).metadata_max_age(Duration::from_millis(100)).build().expect("the settings fit");
    assert_eq!(producer.partitions_for(&topic), Ok(3));
    assert_eq!(producer.partitions_for(&topic), Ok(3));
    target.cluster().with(|it| it.add_partitions(&topic, 2));
    // Metadata are refreshed while records are held: something must go on.
    wait_until("the new partitions are known", || {
        producer
            .send(&ProducerRecord::new(&topic, "value"))
            .expect("there is room")
            .get()
            .expect("it is stored");
        producer.partitions_for(&topic) == Ok(5)
    });
    let record = ProducerRecord::new(&topic, "value").partition(4);
    producer.send(&record).expect("there is room").get().expect("it is stored");
}

/// A few records right after the start, and the end: nothing waits for a flush or for company.
pub fn short_lives<F: FrontEnd>(target: &Target) {
    let topic = new_topic::<F>(target, "short-lives");
    for _ in 0..20 {
        let producer: F = producer(target);
        for _ in 0..3 {
            drop(producer.send(&ProducerRecord::new(&topic, "value")).expect("there is room"));
        }
        drop(producer);
    }
    assert_eq!(target.read(&topic).len(), 60);
}

fn new_topic<F: FrontEnd>(target: &Target, name: &str) -> String {
    let topic = format!("{}-{name}", F::NAME);
    target.create_topic(&topic, 3);
    topic
}
