//! Callbacks that panic, take their time, send, and try to wait.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use felice_core::record::ProducerRecord;
use felice_host::{CloseError, FlushError, PartitionsError, SendError};

use super::{FrontEnd, Handle, NoMetadata, PATIENCE, Target, Witness, builder, producer, wait_until};

/// A panic is contained and counted; the callbacks after it run.
pub fn a_panicking_one_is_contained<F: FrontEnd>(target: &Target) {
    let topic = new_topic::<F>(target, "callback-panics");
    let producer: F = producer(target);
    let (sender, called) = channel();
    for number in 0..10 {
        let sender = sender.clone();
        let callback = move |_| {
            sender.send(number).expect("the test waits");
            assert!(number % 2 != 0, "on purpose");
        };
        let record = ProducerRecord::new(&topic, "value");
        producer.send_with(&record, Box::new(callback)).expect("there is room");
    }
    producer.flush().expect("this is no callback");
    assert_eq!(called.try_iter().collect::<Vec<_>>(), (0..10).collect::<Vec<_>>(), "once each, in order");
    assert_eq!(producer.callback_panics(), 5);
    assert_eq!(producer.failed(), 0);
    producer.close(PATIENCE).expect("nothing is left");
}

/// A slow one delays other callbacks, never the network: other records are acknowledged meanwhile.
pub fn a_slow_one_does_not_stop_the_network<F: FrontEnd>(target: &Target) {
    let topic = new_topic::<F>(target, "callback-sleeps");
    let producer: F = producer(target);
    let record = ProducerRecord::new(&topic, "value");
    let (entered, has_entered): (Sender<()>, Receiver<()>) = channel();
    let (leave, may_leave): (Sender<()>, Receiver<()>) = channel();
    let slow = move |_| {
        entered.send(()).expect("the test waits");
        may_leave.recv_timeout(PATIENCE).expect("the network goes on");
    };
    producer.send_with(&record, Box::new(slow)).expect("there is room");
    has_entered.recv_timeout(PATIENCE).expect("the callback runs");
    for offset in 1..=20 {
        let metadata = producer.send(&record).expect("there is room").get().expect("it is stored");
        assert_eq!(metadata.offset(), offset);
    }
    let (sender, called) = channel();
    let after = move |_| sender.send(()).expect("the test waits");
    producer.send_with(&record, Box::new(after)).expect("there is room");
    assert!(called.try_recv().is_err(), "callbacks run one after the other");
    leave.send(()).expect("the callback waits");
    called.recv_timeout(PATIENCE).expect("the next callback runs");
}

/// One may send, and those records' callbacks as well: a chain of a thousand.
pub fn one_may_send<F: FrontEnd>(target: &Target) {
    const CHAIN: u64 = 1_000;
    let topic = new_topic::<F>(target, "callback-sends");
    let witness = Witness::default();
    let producer: F = builder(target).callback(witness.clone()).build().expect("the settings fit");
    link(&producer, &topic, 0, CHAIN);
    wait_until("the chain has been sent", || witness.heard() == CHAIN);
    producer.close(PATIENCE).expect("nothing is left");
    assert_eq!(producer.callback_panics(), 0);
    witness.check(CHAIN, &target.read(&topic));
}

/// Sends record `number` with a token, and, when another is acknowledged, the next.
fn link<F: FrontEnd>(producer: &F, topic: &str, number: u64, end: u64) {
    let record = ProducerRecord::new(topic, Witness::value(number, 8));
    producer.send_with_token(&record, number).expect("a callback does not fill the memory");
    if number + 1 == end {
        return;
    }
    let (next, of_next) = (producer.clone(), topic.to_owned());
    // Null values go to a topic of their own: the log of numbered records stays as it is.
    let other = format!("{topic}-links");
    let record = ProducerRecord::new(&other, ());
    let callback = move |_| link(&next, &of_next, number + 1, end);
    producer.send_with(&record, Box::new(callback)).expect("a callback does not fill the memory");
}

/// What would wait in a callback is refused, and does no harm.
pub fn one_must_not_wait<F: FrontEnd>(target: &Target) {
    let topic = new_topic::<F>(target, "callback-waits");
    let producer: F = producer(target);
    let (sender, refusals) = channel();
    let (inner, of_inner) = (producer.clone(), topic.clone());
    let callback = move |_| {
        let handle = inner.send(&ProducerRecord::new(&of_inner, "inner"));
        let gotten = handle.expect("there is room").get_timeout(PATIENCE);
        let handle = inner.send(&ProducerRecord::new(&of_inner, "inner"));
        let got = handle.expect("there is room").get();
        sender
            .send((gotten, got, inner.flush(), inner.partitions_for("not-known-yet")))
            .expect("the test waits");
    };
    producer.send_with(&ProducerRecord::new(&topic, "value"), Box::new(callback)).expect("there is room");
    let (gotten, got, flushed, partitions) = refusals.recv_timeout(PATIENCE).expect("the callback returns");
    assert_eq!((gotten, got), (Err(NoMetadata::InCallback), Err(NoMetadata::InCallback)));
    assert_eq!(flushed, Err(FlushError::InCallback));
    assert_eq!(partitions, Err(PartitionsError::InCallback));

    let (sender, refusals) = channel();
    let inner = producer.clone();
    let closes = move |_| sender.send(inner.close(PATIENCE)).expect("the test waits");
    producer.send_with(&ProducerRecord::new(&topic, "value"), Box::new(closes)).expect("there is room");
    assert_eq!(refusals.recv_timeout(PATIENCE), Ok(Err(CloseError::InCallback)));
    assert_eq!(producer.callback_panics(), 0);
    // The closing has begun all the same.
    let refused = producer.send(&ProducerRecord::new(&topic, "late")).err();
    assert_eq!(refused, Some(SendError::Closed));
    producer.close(PATIENCE).expect("nothing is left");
    assert_eq!(target.read(&topic).len(), 4);
}

/// `send` in a callback never waits for memory: a full buffer refuses it.
pub fn send_in_one_does_not_wait_for_memory<F: FrontEnd>(target: &Target) {
    let topic = new_topic::<F>(target, "callback-full");
    let producer: F =
        builder(target).buffer_memory(16 * 1024).max_block(PATIENCE).build().expect("the settings fit");
    let (entered, has_entered) = channel();
    let (full, is_full): (Sender<()>, Receiver<()>) = channel();
    let (sender, refusals) = channel();
    let (inner, of_inner) = (producer.clone(), topic.clone());
    let callback = move |_| {
        entered.send(()).expect("the test waits");
        is_full.recv_timeout(PATIENCE).expect("the buffer is filled");
        sender
            .send(inner.send(&ProducerRecord::new(&of_inner, [0_u8; 1_000])).err())
            .expect("the test waits");
    };
    producer.send_with(&ProducerRecord::new(&topic, "value"), Box::new(callback)).expect("there is room");
    has_entered.recv_timeout(PATIENCE).expect("the callback runs");
    let cluster = target.cluster();
    (1..=3).for_each(|broker| cluster.stop_broker(broker));
    let fill = || producer.try_send(&ProducerRecord::new(&topic, [0_u8; 1_000]));
    let accepted = (0..).take_while(|_| fill().is_ok()).count();
    assert!((1..16).contains(&accepted), "{accepted} KB fit into 16");
    full.send(()).expect("the callback waits");
    let refused = refusals.recv_timeout(Duration::from_secs(5)).expect("it does not wait");
    assert_eq!(refused, Some(SendError::WouldBlock));
    (1..=3).for_each(|broker| cluster.start_broker(broker));
    producer.flush().expect("this is no callback");
    assert_eq!(target.read(&topic).len(), 1 + accepted);
}

/// One partition, and a topic beside it.
fn new_topic<F: FrontEnd>(target: &Target, name: &str) -> String {
    let topic = format!("{}-{name}", F::NAME);
    target.create_topic(&topic, 1);
    target.create_topic(&format!("{topic}-links"), 1);
    topic
}
