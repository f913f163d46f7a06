//! Sending, with futures that are dropped at any moment.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use felice_smol::{
    Callback, CloseError, Delivery, PartitionsError, ProduceError, ProducerRecord, RecordMetadata, SendError,
};
use felice_tests::cluster::{Action, Fault};
use felice_tests::protocol::ApiKey;
use smol::future::poll_once;
use smol::{Executor, LocalExecutor, block_on};

use super::{SECONDS, builder, cluster, is_send, nowhere, random, soon, stored, within};

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
    // The executor has threads, and every future may move between them.
    block_on(is_send(async move {
        producer.send(record).await.unwrap();
        assert_eq!(producer.send(&record).await.unwrap().await.unwrap().offset(), 1);
        let (sender, offsets) = mpsc::channel();
        for _ in 0..3 {
            let sender = sender.clone();
            let callback =
                move |outcome: Result<RecordMetadata, _>| sender.send(outcome.unwrap().offset()).unwrap();
            producer.send_with(record, callback).await.unwrap();
        }
        for token in 70..73 {
            producer.send_with_token(record, token).await.unwrap();
        }
        let mut kept = producer.try_send(record).unwrap();
        assert_eq!(soon(&mut kept).await.unwrap().offset(), 8);
        assert_eq!(kept.try_get().unwrap().unwrap().offset(), 8, "a handle may be asked again");
        assert_eq!(kept.await.unwrap().offset(), 8, "and awaited again");
        soon(producer.flush()).await.unwrap();
        assert_eq!(offsets.try_iter().collect::<Vec<_>>(), [2, 3, 4], "flush waits for callbacks, too");
        assert_eq!(tokens.try_iter().collect::<Vec<_>>(), [(70, 5), (71, 6), (72, 7)]);
        assert_eq!(producer.partitions_for("t").await, Ok(1));
        soon(producer.close(SECONDS)).await.unwrap();
        assert_eq!(producer.send(record).await.unwrap_err(), SendError::Closed);
    }));
    assert_eq!(stored(&cluster), 9);
}

#[test]
fn ten_thousand_deliveries_of_which_half_are_dropped() {
    const COUNT: u64 = 10_000;
    let cluster = cluster(6);
    let producer = builder(&cluster).build().unwrap();
    let (seen, dropped) = (AtomicU64::new(0), AtomicU64::new(0));
    let deliver = async |number: u64, mut delivery: Delivery| {
        let mut seed = number * 0x9e37_79b9 + 1;
        // Half of them are dropped: at once, or after up to 8 ms of waiting.
        if random(&mut seed).is_multiple_of(2) {
            let patience = Duration::from_micros(random(&mut seed) % 8_000);
            let outcome = if patience.is_zero() { None } else { within(patience, &mut delivery).await };
            outcome.into_iter().for_each(|outcome| drop(outcome.unwrap()));
            dropped.fetch_add(1, Ordering::Relaxed);
        } else {
            assert!(delivery.await.unwrap().offset() >= 0);
            seen.fetch_add(1, Ordering::Relaxed);
        }
    };
    let executor = Executor::new();
    let all = async {
        let mut tasks = Vec::new();
        for number in 0..COUNT {
            let delivery = producer.send(ProducerRecord::new("t", number).key(number)).await.unwrap();
            tasks.push(executor.spawn(deliver(number, delivery)));
        }
        for task in tasks {
            task.await;
        }
    };
    thread::scope(|scope| {
        let (stop, stopped) = smol::channel::bounded::<()>(1);
        // Closed at the end: an error.
        scope.spawn(|| block_on(executor.run(async move { stopped.recv().await })));
        block_on(executor.run(soon(all)));
        drop(stop);
    });
    assert_eq!(seen.load(Ordering::Relaxed) + dropped.load(Ordering::Relaxed), COUNT);
    block_on(producer.close(SECONDS)).unwrap();
    assert_eq!(stored(&cluster), COUNT as i64, "dropping a handle takes nothing back");
}

#[test]
fn a_send_that_is_cancelled_passes_its_turn_on() {
    let cluster = cluster(1);
    cluster.with(|cluster| cluster.inject(Fault::new(ApiKey::PRODUCE, Action::Delay(1_500_000))));
    let producer = builder(&cluster).buffer_memory(16 * 1024).build().unwrap();
    let value = [7_u8; 1_000];
    let record = ProducerRecord::new("t", &value);
    let mut accepted = 0;
    while producer.try_send(record).is_ok() {
        accepted += 1;
    }
    let executor = LocalExecutor::new();
    block_on(executor.run(async {
        let mut first = Box::pin(producer.send(record));
        let mut second = Box::pin(producer.send_with(record, |_| panic!("never accepted")));
        assert!(poll_once(&mut first).await.is_none() && poll_once(&mut second).await.is_none());
        let third = executor.spawn(producer.send(record));
        let cancelled = executor.spawn(within(Duration::from_millis(50), second));
        assert!(within(Duration::from_millis(50), first).await.is_none(), "cancelled by a timer");
        assert!(cancelled.await.is_none());
        assert_eq!(producer.try_send(record).unwrap_err(), SendError::WouldBlock, "the third has its turn");
        soon(soon(third).await.unwrap()).await.unwrap();
        soon(producer.close(SECONDS)).await.unwrap();
    }));
    assert_eq!((stored(&cluster), producer.callback_panics()), (accepted + 1, 0));
}

#[test]
fn cancelling_at_random_serves_everybody_else() {
    let cluster = cluster(2);
    let producer = builder(&cluster).buffer_memory(16 * 1024).build().unwrap();
    let executor = LocalExecutor::new();
    let accepted = block_on(executor.run(soon(async {
        let mut tasks = Vec::new();
        for number in 0..2_000_u64 {
            let producer = &producer;
            tasks.push(executor.spawn(async move {
                let mut seed = number * 0x9e37_79b9 + 1;
                let record = ProducerRecord::new("t", [0_u8; 500]).key(number);
                if random(&mut seed).is_multiple_of(2) {
                    let patience = Duration::from_micros(random(&mut seed) % 20_000);
                    within(patience, producer.send(record)).await.is_some_and(|sent| sent.is_ok())
                } else {
                    producer.send(record).await.unwrap();
                    true
                }
            }));
        }
        let mut accepted = 0;
        for task in tasks {
            accepted += i64::from(task.await);
        }
        producer.close(SECONDS).await.unwrap();
        accepted
    })));
    assert!(accepted >= 900, "those that were not cancelled: {accepted}");
    assert_eq!(stored(&cluster), accepted, "accepted is sent; cancelled is not");
}

#[test]
fn max_block_bounds_the_wait_for_memory() {
    let producer = nowhere().buffer_memory(16 * 1024).max_block(Duration::from_millis(150)).build().unwrap();
    let value = [7_u8; 1_000];
    let record = ProducerRecord::new("t", &value);
    let mut held = 0;
    while producer.try_send(record).is_ok() {
        held += 1;
    }
    let begun = Instant::now();
    let error = block_on(producer.send(record)).unwrap_err();
    assert_eq!(error, SendError::NoMemory { waited: Duration::from_millis(150) });
    assert!(begun.elapsed() >= Duration::from_millis(150));
    assert_eq!(block_on(producer.partitions_for("t")), Err(PartitionsError::TimedOut));
    let mut waits = pin!(producer.send(record));
    block_on(poll_fn(|context| {
        assert!(waits.as_mut().poll(context).is_pending(), "it waits for memory");
        Poll::Ready(())
    }));
    let closed = block_on(producer.close(Duration::ZERO));
    assert_eq!(closed, Err(CloseError::Undelivered { records: held }));
    assert_eq!(block_on(waits).unwrap_err(), SendError::Closed, "closing wakes who waits for memory");
}

#[test]
fn a_delivery_may_change_its_task() {
    let cluster = cluster(1);
    cluster.with(|cluster| cluster.inject(Fault::new(ApiKey::PRODUCE, Action::Delay(1_000_000))));
    let producer = builder(&cluster).build().unwrap();
    let mut delivery = block_on(producer.send(ProducerRecord::new("t", "value"))).unwrap();
    for _ in 0..3 {
        assert!(block_on(within(Duration::from_millis(10), &mut delivery)).is_none());
        assert!(delivery.try_get().is_none());
    }
    // Polled here, and ready elsewhere.
    block_on(poll_fn(|context| {
        assert!(Pin::new(&mut delivery).poll(context).is_pending());
        Poll::Ready(())
    }));
    assert_eq!(thread::spawn(move || block_on(delivery)).join().unwrap().unwrap().offset(), 0);
}
