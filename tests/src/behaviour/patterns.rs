//! Each pattern of sending, read back in all parts.

use std::sync::{Arc, Mutex};

use felice_host::{Callback, ProduceError, RecordMetadata};

use super::sample::producers_ms;
use super::{FrontEnd, Handle, PATIENCE, Sample, Target, builder, producer};
use crate::java::ReadRecord;

/// Fire and forget: the handles are dropped, and all records arrive.
pub fn fire_and_forget<F: FrontEnd>(target: &Target) {
    let (topic, begun) = (new_topic::<F>(target, "fire-and-forget"), producers_ms());
    let producer: F = producer(target);
    let samples = Sample::all_kinds();
    for sample in &samples {
        drop(sample.with_record(&topic, |record| producer.send(record)).expect("there is room"));
    }
    producer.flush().expect("this is no callback");
    let read = target.read(&topic);
    assert_eq!(read.len(), samples.len());
    for sample in &samples {
        let same = |read: &&ReadRecord| (&read.key, &read.value) == (&sample.key, &sample.value);
        sample.check_stored(read.iter().find(same).expect("it is stored"), begun);
    }
    producer.close(PATIENCE).expect("nothing is left");
}

/// Synchronous: each record is stored when `get` returns, where it says.
pub fn synchronous<F: FrontEnd>(target: &Target) {
    let (topic, begun) = (new_topic::<F>(target, "synchronous"), producers_ms());
    let producer: F = producer(target);
    let send = |sample: &Sample| sample.with_record(&topic, |record| producer.send(record));
    let told: Vec<_> = Sample::all_kinds()
        .into_iter()
        .map(|sample| {
            let metadata = send(&sample).expect("there is room").get().expect("it is stored");
            (sample, metadata)
        })
        .collect();
    check(&target.read(&topic), &topic, begun, &told);
}

/// Handles that are kept are resolved after a flush; `get_timeout` and `try_get` say the same, again and again.
pub fn kept_handles<F: FrontEnd>(target: &Target) {
    let (topic, begun) = (new_topic::<F>(target, "kept-handles"), producers_ms());
    let producer: F = producer(target);
    let samples = Sample::all_kinds();
    let send = |sample: &Sample| sample.with_record(&topic, |record| producer.try_send(record));
    let handles: Vec<F::Handle> = samples.iter().map(|sample| send(sample).expect("there is room")).collect();
    producer.flush().expect("this is no callback");
    let told: Vec<_> = samples
        .into_iter()
        .zip(handles)
        .map(|(sample, mut handle)| {
            let metadata = handle.try_get().expect("flush waited for it").expect("it is stored");
            assert_eq!(handle.get_timeout(PATIENCE).as_ref(), Ok(&metadata));
            assert_eq!(handle.try_get(), Some(Ok(metadata.clone())));
            (sample, metadata)
        })
        .collect();
    check(&target.read(&topic), &topic, begun, &told);
}

/// A closure for each record: called once.
pub fn callbacks<F: FrontEnd>(target: &Target) {
    let (topic, begun) = (new_topic::<F>(target, "callbacks"), producers_ms());
    let producer: F = producer(target);
    let heard = Arc::new(Mutex::new(Vec::new()));
    for sample in Sample::all_kinds() {
        let (heard, told_of) = (Arc::clone(&heard), sample.clone());
        let callback = move |outcome: Result<RecordMetadata, ProduceError>| {
            heard.lock().expect("no callback panics").push((told_of, outcome.expect("it is stored")));
        };
        let sent = sample.with_record(&topic, |record| producer.send_with(record, Box::new(callback)));
        sent.expect("there is room");
    }
    producer.flush().expect("this is no callback");
    assert_eq!(producer.callback_panics(), 0);
    check(&target.read(&topic), &topic, begun, &heard.lock().expect("no callback panicked"));
}

/// What an object heard, by token.
#[derive(Clone, Default)]
struct Tokens(Arc<Mutex<Vec<(u64, RecordMetadata)>>>);

impl Callback for Tokens {
    fn on_completion(&self, token: u64, outcome: Result<RecordMetadata, ProduceError>) {
        self.0.lock().expect("no callback panics").push((token, outcome.expect("it is stored")));
    }
}

/// One object for all records: called once for each token.
pub fn tokens<F: FrontEnd>(target: &Target) {
    let (topic, begun) = (new_topic::<F>(target, "tokens"), producers_ms());
    let heard = Tokens::default();
    let producer: F = builder(target).callback(heard.clone()).build().expect("the settings fit");
    let samples = Sample::all_kinds();
    for (token, sample) in samples.iter().enumerate() {
        let sent =
            sample.with_record(&topic, |record| producer.send_with_token(record, u64::MAX - token as u64));
        sent.expect("there is room");
    }
    producer.flush().expect("this is no callback");
    assert_eq!(producer.callback_panics(), 0);
    let heard = heard.0.lock().expect("no callback panicked");
    let told: Vec<_> = heard
        .iter()
        .map(|(token, metadata)| (samples[(u64::MAX - token) as usize].clone(), metadata.clone()))
        .collect();
    check(&target.read(&topic), &topic, begun, &told);
}

fn new_topic<F: FrontEnd>(target: &Target, name: &str) -> String {
    let topic = format!("{}-{name}", F::NAME);
    target.create_topic(&topic, 3);
    topic
}

/// Everything that was told is stored as it was sent, and nothing else is.
fn check(read: &[ReadRecord], topic: &str, begun: i64, told: &[(Sample, RecordMetadata)]) {
    assert_eq!((read.len(), told.len()), (Sample::all_kinds().len(), read.len()));
    for (sample, metadata) in told {
        let place = (metadata.partition(), metadata.offset());
        let stored = read.iter().find(|record| (record.partition, record.offset) == place);
        let stored = stored.unwrap_or_else(|| panic!("nothing is stored at {metadata}"));
        sample.check_stored(stored, begun);
        sample.check_metadata(metadata, topic, stored);
    }
    let mut places: Vec<_> = told.iter().map(|(_, it)| (it.partition(), it.offset())).collect();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), told.len(), "each record has a place of its own");
}
