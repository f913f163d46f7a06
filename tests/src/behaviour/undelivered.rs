//! `on_undelivered` hears of every failed record whose handle was dropped before anybody saw its outcome: once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use felice_core::error::{ErrorCode, ErrorKind, Persisted};
use felice_core::record::ProducerRecord;
use felice_host::ProduceError;

use super::{FrontEnd, Handle, PATIENCE, Target, Witness, builder};
use crate::cluster::{Cluster, Fault};
use crate::protocol::{ApiKey, ErrorCode as Code};

/// How often the hook heard of each partition.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<BTreeMap<i32, u64>>>);

impl Heard {
    fn hook(&self) -> impl Fn(ProduceError) + Send + Sync + 'static {
        let heard = self.clone();
        move |error| {
            assert_eq!(error.kind(), ErrorKind::Broker(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
            assert_eq!(error.persisted(), Persisted::No);
            let mut heard = heard.0.lock().expect("nobody panics");
            *heard.entry(error.partition().expect("it had one")).or_default() += 1;
        }
    }

    /// Of the partition.
    fn of(&self, partition: i32) -> u64 {
        self.0.lock().expect("nobody panics").get(&partition).copied().unwrap_or(0)
    }
}

/// Handles dropped before the outcome, and after it unobserved: heard of. Observed ones, kept ones, callbacks and
/// tokens: not. Partitions tell the ways apart.
pub fn is_heard_of_once<F: FrontEnd>(target: &Target) {
    const EACH: u64 = 40;
    let topic = format!("{}-undelivered", F::NAME);
    target.create_topic(&topic, 5);
    refuse_all(target);
    let (heard, witness) = (Heard::default(), Witness::default());
    let settings = builder(target).on_undelivered(heard.hook()).callback(witness.clone());
    let producer: F = settings.build().expect("the settings fit");
    let to = |partition| ProducerRecord::new(&topic, "value").partition(partition);
    let send = |partition| producer.send(&to(partition)).expect("there is room");
    let (mut observed, mut unobserved) = (Vec::new(), Vec::new());
    for token in 0..EACH {
        drop(send(0));
        unobserved.push(send(1));
        observed.push(send(2));
        producer.send_with_token(&to(3), token).expect("there is room");
        producer
            .send_with(&to(4), Box::new(|outcome| drop(outcome.expect_err("refused"))))
            .expect("there is room");
    }
    producer.flush().expect("this is no callback");
    let heard_of = || [0, 1, 2, 3, 4].map(|partition| heard.of(partition));
    assert_eq!(heard_of(), [EACH, 0, 0, 0, 0]);
    drop(unobserved);
    for (number, mut handle) in observed.into_iter().enumerate() {
        match number % 3 {
            0 => drop(handle.try_get().expect("flush waited for it").expect_err("refused")),
            1 => drop(handle.get_timeout(PATIENCE).expect_err("refused")),
            _ => drop(handle.get().expect_err("refused")),
        }
    }
    assert_eq!(heard_of(), [EACH, EACH, 0, 0, 0]);
    assert_eq!((witness.failures().len() as u64, producer.failed()), (EACH, 5 * EACH));
    assert_eq!(producer.callback_panics(), 0);
    // What is delivered is nobody's concern.
    target.cluster().with(Cluster::clear_faults);
    drop(send(0));
    producer.close(PATIENCE).expect("nothing is left");
    assert_eq!(heard_of(), [EACH, EACH, 0, 0, 0]);
    assert_eq!(target.read(&topic).len(), 1);
}

/// Handles that race with their outcomes: each record is heard of once, whoever is first.
pub fn races_are_heard_of_once<F: FrontEnd>(target: &Target) {
    const RECORDS: u64 = 20_000;
    let topic = format!("{}-undelivered-races", F::NAME);
    target.create_topic(&topic, 1);
    refuse_all(target);
    let heard = Heard::default();
    let producer: F = builder(target).on_undelivered(heard.hook()).build().expect("the settings fit");
    let record = ProducerRecord::new(&topic, "value");
    let mut observed = 0;
    let mut held = std::collections::VecDeque::new();
    for number in 0..RECORDS {
        held.push_back(producer.send(&record).expect("there is room"));
        // Lengths of the queue that go up and down, so that handles end before, at, and after their outcome.
        while held.len() as u64 > number % 97 {
            let mut handle = held.pop_front().expect("it is not empty");
            if number % 5 == 0 {
                observed += u64::from(handle.try_get().is_some());
            }
        }
    }
    drop(held);
    producer.flush().expect("this is no callback");
    assert_eq!(heard.of(0) + observed, RECORDS);
    assert_eq!(producer.failed(), RECORDS);
    println!("{observed} of {RECORDS} were observed");
}

fn refuse_all(target: &Target) {
    let fault = Fault::error(ApiKey::PRODUCE, Code::TOPIC_AUTHORIZATION_FAILED).times(u32::MAX);
    target.cluster().with(|cluster| cluster.inject(fault));
}
