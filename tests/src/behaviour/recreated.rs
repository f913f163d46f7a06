//! A topic of real Kafka is deleted under load, and created again: other offsets, another id, the same name. Records may
//! fail then, since nobody can say any more what became of them; what is said of each is true all the same.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use felice_core::error::Persisted;
use felice_core::record::ProducerRecord;
use felice_host::{ProduceError, RecordMetadata};

use super::{FrontEnd, PATIENCE, Target, Witness, producer, soak, wait_until};
use crate::java::ReadRecord;

const PARTITIONS: i32 = 3;

/// By number. A [`Witness`] is for one log only; here are two.
type Outcomes = Arc<Mutex<Vec<Option<Result<RecordMetadata, ProduceError>>>>>;

/// Deletes it, creates it, and goes on until records arrive again.
pub fn topic_recreated<F: FrontEnd>(target: &Target) {
    let (topic, oracle) = (format!("{}-recreated", F::NAME), target.kafka().oracle());
    oracle.create_topic(&topic, PARTITIONS);
    let (producer, outcomes) = (producer::<F>(target), Outcomes::default());
    let mut sent = 0;
    let mut send = |count: u64| {
        (sent..sent + count).for_each(|number| send_one(&producer, &topic, number, &outcomes));
        sent += count;
        let open = || count_of(&outcomes, Option::is_none);
        wait_until("records go on", || open() <= 300);
        sent
    };
    send(1_000);
    thread::scope(|scope| {
        let disturbing = scope.spawn(|| {
            oracle.delete_topic(&topic);
            wait_until("the topic is gone", || oracle.try_describe(&topic).is_err());
            oracle.create_topic(&topic, PARTITIONS);
        });
        while !disturbing.is_finished() {
            send(100);
        }
    });
    let recreated = send(0);
    wait_until("records arrive again", || {
        let number = send(100) - 1;
        wait_until("it has an outcome", || outcome(&outcomes, number).is_some());
        outcome(&outcomes, number).is_some_and(|outcome| outcome.is_ok())
    });
    let sent = send(soak::records().max(1_000));
    producer.close(PATIENCE).expect("it sends what is left");

    let failed = |outcome: &Option<Result<_, _>>| matches!(outcome, Some(Err(_)));
    println!("{topic}: {sent} records, {} failed", count_of(&outcomes, failed));
    check(&outcomes, recreated, &target.read(&topic));
}

fn send_one<F: FrontEnd>(producer: &F, topic: &str, number: u64, outcomes: &Outcomes) {
    let place = number as usize;
    outcomes.lock().unwrap_or_else(PoisonError::into_inner).resize(place + 1, None);
    let outcomes = Arc::clone(outcomes);
    let record = ProducerRecord::new(topic, Witness::value(number, 20));
    let told = move |outcome| {
        let before = outcomes.lock().unwrap_or_else(PoisonError::into_inner)[place].replace(outcome);
        assert!(before.is_none(), "record {number} had the outcome {before:?} already");
    };
    let sent = producer.send_with(&record.partition((number % PARTITIONS as u64) as i32), Box::new(told));
    sent.unwrap_or_else(|error| panic!("record {number}: {error}"));
}

/// Of the records from `recreated` on, and of the failed ones, what was said is what the new log holds. It holds none
/// twice, and none before an earlier one of its partition.
fn check(outcomes: &Outcomes, recreated: u64, stored: &[ReadRecord]) {
    let outcomes = outcomes.lock().unwrap_or_else(PoisonError::into_inner);
    let mut places = vec![None; outcomes.len()];
    let mut before = None;
    for record in stored {
        let number = Witness::number(record.value.as_deref().expect("numbered records have a value"));
        assert!(before < Some((record.partition, number)), "record {number} is stored after {before:?}");
        before = Some((record.partition, number));
        places[number as usize] = Some((record.partition, record.offset));
    }
    for (number, outcome) in outcomes.iter().enumerate() {
        match outcome.as_ref().expect("closing gives each record its outcome") {
            Ok(metadata) if number as u64 >= recreated => {
                assert_eq!(
                    places[number],
                    Some((metadata.partition(), metadata.offset())),
                    "record {number}"
                );
            }
            // Acknowledged by a log that is gone, or by this one.
            Ok(metadata) => {
                let told = (metadata.partition(), metadata.offset());
                assert!(places[number].is_none_or(|place| place == told), "record {number}");
            }
            Err(error) if error.persisted() == Persisted::No => {
                assert_eq!(places[number], None, "record {number} is stored, but: {error}");
            }
            Err(_) => {}
        }
    }
}

fn outcome(outcomes: &Outcomes, number: u64) -> Option<Result<RecordMetadata, ProduceError>> {
    outcomes.lock().unwrap_or_else(PoisonError::into_inner)[number as usize].clone()
}

fn count_of(
    outcomes: &Outcomes,
    which: impl Fn(&Option<Result<RecordMetadata, ProduceError>>) -> bool,
) -> usize {
    outcomes.lock().unwrap_or_else(PoisonError::into_inner).iter().filter(|it| which(it)).count()
}
