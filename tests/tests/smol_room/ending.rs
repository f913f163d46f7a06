//! The end: dropped, closed, in a callback, many times.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use felice_smol::{CloseError, ErrorKind, FlushError, PartitionsError, Persisted, ProducerRecord, SendError};
use felice_tests::cluster::{Action, Fault};
use felice_tests::protocol::ApiKey;
use smol::block_on;

use super::{SECONDS, builder, cluster, nowhere, soon, threads, within};

#[test]
fn dropping_the_last_clone_delivers_and_waits_for_nothing() {
    let cluster = cluster(4);
    cluster.with(|cluster| cluster.inject(Fault::new(ApiKey::PRODUCE, Action::Delay(2_000_000)).times(5)));
    let mut longest = Duration::ZERO;
    for _ in 0..5 {
        // Nothing would leave by itself for a minute.
        let linger = Duration::from_secs(60);
        let producer = builder(&cluster).linger(linger).build().unwrap();
        block_on(producer.send(ProducerRecord::new("t", "last words").key("k"))).unwrap();
        let begun = Instant::now();
        drop(producer);
        longest = longest.max(begun.elapsed());
    }
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    assert!(cluster.wait_until(SECONDS, |cluster| cluster.record_count("t") == 5));

    let producer = nowhere().drop_timeout(Duration::from_millis(200)).build().unwrap();
    let kept = block_on(producer.send(ProducerRecord::new("t", "never"))).unwrap();
    let begun = Instant::now();
    drop(producer);
    let error = block_on(soon(kept)).unwrap_err();
    assert_eq!((error.kind(), error.persisted()), (ErrorKind::Closed, Persisted::No), "{error}");
    assert!(begun.elapsed() >= Duration::from_millis(200));
}

#[test]
fn a_close_that_is_dropped_goes_on() {
    let cluster = cluster(1);
    cluster.with(|cluster| cluster.inject(Fault::new(ApiKey::PRODUCE, Action::Delay(1_000_000))));
    let producer = builder(&cluster).build().unwrap();
    block_on(async {
        let delivery = producer.send(ProducerRecord::new("t", "value")).await.unwrap();
        assert!(within(Duration::from_millis(20), producer.flush()).await.is_none());
        assert!(within(Duration::from_millis(20), producer.close(SECONDS)).await.is_none());
        assert_eq!(producer.send(ProducerRecord::new("t", "late")).await.unwrap_err(), SendError::Closed);
        soon(producer.close(SECONDS)).await.unwrap();
        assert_eq!(delivery.await.unwrap().offset(), 0);
    });
}

#[test]
fn in_a_callback_nothing_waits_for_itself() {
    let cluster = cluster(1);
    let producer = builder(&cluster).build().unwrap();
    let (inner, (sender, told)) = (producer.clone(), mpsc::channel());
    let callback = move |_| {
        block_on(async {
            let delivery = inner.send(ProducerRecord::new("t", "inner")).await.unwrap();
            let offset = delivery.await.unwrap().offset();
            let (flushed, partitions) = (inner.flush().await, inner.partitions_for("unknown").await);
            sender.send((offset, flushed, partitions, inner.close(SECONDS).await)).unwrap();
        });
    };
    block_on(producer.send_with(ProducerRecord::new("t", "outer"), callback)).unwrap();
    let (offset, flushed, partitions, closed) = told.recv_timeout(SECONDS).unwrap();
    assert_eq!((offset, flushed), (1, Err(FlushError::InCallback)));
    assert_eq!((partitions, closed), (Err(PartitionsError::InCallback), Err(CloseError::InCallback)));
    block_on(soon(producer.close(SECONDS))).unwrap();
    assert_eq!(producer.callback_panics(), 0);
}

#[test]
fn producers_that_come_and_go_leave_nothing() {
    let files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let files_before = files();
    let all: Arc<AtomicU64> = Arc::default();
    for _ in 0..200 {
        let heard = Arc::clone(&all);
        let count = move |_| {
            heard.fetch_add(1, Ordering::Relaxed);
        };
        let producer = nowhere().buffer_memory(64 * 1024).on_undelivered(count).build().unwrap();
        block_on(producer.send(ProducerRecord::new("t", "never"))).unwrap();
    }
    let begun = Instant::now();
    while all.load(Ordering::Relaxed) < 200 || threads("felice-io") > 20 || files() > files_before + 60 {
        assert!(begun.elapsed() < SECONDS, "{all:?} {} {}", threads("felice-io"), files());
        thread::sleep(Duration::from_millis(5));
    }
}
