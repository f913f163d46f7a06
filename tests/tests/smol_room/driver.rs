//! Who runs the I/O, and what it does when there is nothing to do.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use felice_smol::{
    CloseError, Driver, ErrorKind, PartitionsError, Persisted, ProduceError, Producer, ProducerRecord,
    SendError,
};
use smol::future::poll_once;
use smol::{LocalExecutor, Timer, block_on};

use super::{SECONDS, builder, cluster, is_send, nowhere, soon, stored, threads};

#[test]
fn everything_on_one_thread() {
    let cluster = cluster(3);
    let begun = (threads("felice-io"), thread::current().id());
    let (producer, driver) = builder(&cluster).buffer_memory(64 * 1024).build_with_driver().unwrap();
    let executor = LocalExecutor::new();
    block_on(executor.run(soon(async {
        let driver = executor.spawn(driver);
        let mut tasks = Vec::new();
        for number in 0..2_000_u64 {
            let producer = producer.clone();
            tasks.push(executor.spawn(async move {
                let record = ProducerRecord::new("t", [1_u8; 100]).key(number);
                producer.send(record).await.unwrap().await.unwrap();
                thread::current().id()
            }));
        }
        for task in tasks {
            assert_eq!(task.await, begun.1);
        }
        producer.close(SECONDS).await.unwrap();
        driver.await;
    })));
    assert_eq!(stored(&cluster), 2_000);
}

/// Counts how often a driver is polled.
async fn counted(driver: Driver, polls: &AtomicU64) {
    let mut driver = pin!(driver);
    poll_fn(|context| {
        polls.fetch_add(1, Ordering::Relaxed);
        driver.as_mut().poll(context)
    })
    .await;
}

#[test]
fn an_idle_driver_is_not_polled_and_a_busy_one_gives_way() {
    let cluster = cluster(1);
    let (producer, driver) = builder(&cluster)
        .linger(Duration::from_millis(5))
        .connections_max_idle(SECONDS)
        .build_with_driver()
        .unwrap();
    let polls = AtomicU64::new(0);
    let executor = LocalExecutor::new();
    let count = || polls.load(Ordering::Relaxed);
    block_on(executor.run(soon(async {
        let driver = executor.spawn(counted(driver, &polls));
        Timer::after(Duration::from_millis(100)).await;
        assert!(count() <= 1, "nothing to do yet: {}", count());
        for _ in 0..3 {
            producer.send(ProducerRecord::new("t", "value")).await.unwrap().await.unwrap();
        }
        let before = count();
        println!("connecting and 3 records: {before} polls");
        assert!(before < 60, "{before}");
        Timer::after(Duration::from_millis(700)).await;
        assert!(count() - before <= 2, "{} polls of an idle driver", count() - before);
        producer.close(SECONDS).await.unwrap();
        driver.await;
    })));
}

#[test]
fn one_producer_of_each_front_end_in_one_process() {
    let cluster = cluster(4);
    let blocking =
        felice_blocking::Producer::builder().bootstrap_servers(&cluster.bootstrap()).build().unwrap();
    let smol = builder(&cluster).build().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..3_000_u64 {
                let delivery = blocking.send(ProducerRecord::new("t", number).key(number)).unwrap();
                if number.is_multiple_of(100) {
                    delivery.get().unwrap();
                }
            }
            blocking.close(SECONDS).unwrap();
        });
        block_on(async {
            for number in 0..3_000_u64 {
                let delivery = smol.send(ProducerRecord::new("t", number).key(number)).await.unwrap();
                if number.is_multiple_of(100) {
                    soon(delivery).await.unwrap();
                }
            }
            smol.close(SECONDS).await.unwrap();
        });
    });
    assert_eq!(stored(&cluster), 6_000);
}

#[test]
fn every_address_of_a_name_is_tried() {
    let cluster = cluster(1);
    let port = cluster.address(1).port();
    for servers in [format!("localhost:{port}"), format!("nobody.invalid:{port},localhost:{port}")] {
        // The name may have ::1 as well, where nobody listens.
        let producer = Producer::builder().bootstrap_servers(&servers).build().unwrap();
        block_on(soon(async {
            producer.send(ProducerRecord::new("t", "value")).await.unwrap().await.unwrap();
        }));
    }
}

#[test]
fn the_drivers_end_is_the_end_of_everything_that_waits() {
    let (producer, driver) = nowhere().build_with_driver().unwrap();
    let (sender, heard) = mpsc::channel();
    block_on(async {
        let delivery = producer.send(ProducerRecord::new("t", "value").key("k")).await.unwrap();
        let callback =
            move |outcome: Result<_, ProduceError>| sender.send(outcome.unwrap_err().kind()).unwrap();
        producer.send_with(ProducerRecord::new("t", "value"), callback).await.unwrap();
        let mut driver = Box::pin(is_send(driver));
        assert!(poll_once(&mut driver).await.is_none());
        drop(driver);
        let error = soon(delivery).await.unwrap_err();
        assert_eq!((error.kind(), error.persisted()), (ErrorKind::Closed, Persisted::Possibly), "{error}");
        assert_eq!(heard.recv_timeout(SECONDS), Ok(ErrorKind::Closed));
        assert_eq!(producer.send(ProducerRecord::new("t", "")).await.unwrap_err(), SendError::Closed);
        soon(producer.flush()).await.unwrap();
        assert_eq!(producer.partitions_for("t").await, Err(PartitionsError::Closed));
        let closed = soon(producer.close(SECONDS)).await;
        assert_eq!(closed, Err(CloseError::Undelivered { records: 2 }));
    });
    assert_eq!(producer.failed(), 2);
}

#[test]
fn a_request_that_is_larger_than_the_kernels_buffers() {
    const PARTITIONS: i32 = 24;
    let cluster = cluster(PARTITIONS);
    let producer = builder(&cluster)
        .buffer_memory(64 * 1024 * 1024)
        .max_request_size(32 * 1024 * 1024)
        .max_in_flight_requests_per_connection(1)
        .build()
        .unwrap();
    let value = vec![7_u8; 900_000];
    block_on(soon(async {
        let send = |partition| producer.try_send(ProducerRecord::new("t", &value).partition(partition));
        send(0).unwrap().await.unwrap();
        // While the broker is at the first one, the others gather: no answer to anything comes before all 20 MB of
        // them are written.
        let rest: Vec<_> = (0..PARTITIONS).map(|partition| send(partition).unwrap()).collect();
        for delivery in rest {
            delivery.await.unwrap();
        }
        producer.close(SECONDS).await.unwrap();
    }));
    assert_eq!(stored(&cluster), 1 + i64::from(PARTITIONS));
}
