//! Keys and values whose serializers fail, panic, take their time, or send.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use felice_core::record::ProducerRecord;
use felice_core::serializer::{Scratch, Serialize, SerializeError};
use felice_host::SendError;

use super::{FrontEnd, Handle, PATIENCE, Target, producer};

/// A serializer made of a closure, whose text it then writes in two pieces.
struct With<C>(C, &'static str);

impl<C: Fn() -> Result<(), SerializeError>> Serialize for With<C> {
    fn serialize<'a>(&'a self, scratch: &'a mut dyn Scratch) -> Result<Option<&'a [u8]>, SerializeError> {
        let (first, rest) = self.1.split_at(self.1.len() / 2);
        scratch.write(first.as_bytes())?;
        (self.0)()?;
        scratch.write(rest.as_bytes())?;
        Ok(Some(scratch.bytes()))
    }
}

/// A failure is about that record only, names its reason, and leaves nothing behind.
pub fn a_failing_one_refuses_its_record<F: FrontEnd>(target: &Target) {
    let topic = new_topic::<F>(target, "serializer-fails");
    let producer: F = producer(target);
    let fails = || With(|| Err(SerializeError::new("below absolute zero")), "half of it");
    let expected = SendError::Serialization(SerializeError::new("below absolute zero"));
    for _ in 0..3 {
        let in_value = producer.send(&ProducerRecord::new(&topic, fails()).key("key"));
        assert_eq!(in_value.err(), Some(expected.clone()));
        let in_key = producer.try_send(&ProducerRecord::new(&topic, "value").key(fails()));
        assert_eq!(in_key.err(), Some(expected.clone()));
        let called = Box::new(|outcome| panic!("it was not accepted: {outcome:?}"));
        let with_callback = producer.send_with(&ProducerRecord::new(&topic, fails()), called);
        assert_eq!(with_callback, Err(expected.clone()));
    }
    assert!(!expected.is_retriable() && expected.to_string().contains("below absolute zero"));
    good_record_follows(target, &producer, &topic, &[]);
}

/// A panic is the caller's; the producer is as good as before.
pub fn a_panicking_one_is_the_callers<F: FrontEnd>(target: &Target) {
    let topic = new_topic::<F>(target, "serializer-panics");
    let producer: F = producer(target);
    let panics = || ProducerRecord::new(&topic, With(|| panic!("on purpose"), "half of it")).key("key");
    for _ in 0..3 {
        let sent = catch_unwind(AssertUnwindSafe(|| producer.send(&panics()).map(drop)));
        assert!(sent.is_err(), "the panic reaches the caller");
    }
    good_record_follows(target, &producer, &topic, &[]);
}

/// While one thread is in its serializer, others send, and are acknowledged: it runs outside every lock.
pub fn a_slow_one_holds_nobody_up<F: FrontEnd>(target: &Target) {
    let topic = new_topic::<F>(target, "serializer-sleeps");
    let producer: F = producer(target);
    let (entered, has_entered): (Sender<()>, Receiver<()>) = channel();
    let (leave, may_leave) = channel();
    let (entered, may_leave) = (Mutex::new(entered), Mutex::new(may_leave));
    let waits = move || {
        entered.lock().expect("nobody panics").send(()).expect("the test waits");
        may_leave.lock().expect("nobody panics").recv_timeout(PATIENCE).expect("the others are not held up");
        Ok(())
    };
    let (slow, slow_topic) = (producer.clone(), topic.clone());
    let sleeper = thread::spawn(move || {
        let handle = slow.send(&ProducerRecord::new(&slow_topic, With(waits, "slow")));
        handle.expect("there is room").get().expect("it is stored")
    });
    has_entered.recv_timeout(PATIENCE).expect("the serializer runs");
    let quick = producer.send(&ProducerRecord::new(&topic, "quick")).expect("there is room");
    assert_eq!(quick.get().expect("it is stored").offset(), 0);
    leave.send(()).expect("the serializer waits");
    assert_eq!(sleeper.join().expect("it was sent").offset(), 1);
    good_record_follows(target, &producer, &topic, &["quick", "slow"]);
}

/// A serializer that sends itself: both records arrive, unharmed.
pub fn one_that_sends_is_no_harm<F: FrontEnd>(target: &Target) {
    let topic = new_topic::<F>(target, "serializer-sends");
    let producer: F = producer(target);
    let inner = Arc::new((producer.clone(), topic.clone()));
    let sends = move || {
        let (producer, topic) = &*inner;
        // Its own value comes through the scratch, too.
        let record = ProducerRecord::new(topic, With(|| Ok(()), "inner value")).key(7_u64);
        producer.send(&record).map(drop).map_err(|_| SerializeError::new("the inner record was refused"))
    };
    let outer = producer.send(&ProducerRecord::new(&topic, With(sends, "outer value")).key(8_u64));
    assert_eq!(outer.expect("there is room").get().expect("it is stored").offset(), 1);
    good_record_follows(target, &producer, &topic, &["inner value", "outer value"]);
}

fn new_topic<F: FrontEnd>(target: &Target, name: &str) -> String {
    let topic = format!("{}-{name}", F::NAME);
    target.create_topic(&topic, 1);
    topic
}

/// A record that is sent now is stored, right behind these and nothing else.
fn good_record_follows<F: FrontEnd>(target: &Target, producer: &F, topic: &str, before: &[&str]) {
    let handle = producer.send(&ProducerRecord::new(topic, "good")).expect("there is room");
    handle.get().expect("it is stored");
    let read = target.read(topic);
    let values: Vec<_> = read.iter().map(|it| it.value.as_deref().unwrap_or_default()).collect();
    let expected: Vec<&[u8]> = before.iter().chain(&["good"]).map(|text| text.as_bytes()).collect();
    assert_eq!(values, expected);
}
