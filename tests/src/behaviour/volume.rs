//! Half a million records through real Kafka: through one broker, undisturbed and with the broker stopped and started in
//! the middle; and through three, of which the one that leads half of the partitions is killed.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use felice_core::record::ProducerRecord;
use felice_host::Builder;

use super::{FrontEnd, PATIENCE, Witness, wait_until};
use crate::kafka::Kafka;

/// How many records.
pub const RECORDS: u64 = 500_000;

/// Of how many bytes each.
const VALUE_BYTES: usize = 100;

/// To how many partitions.
const PARTITIONS: i32 = 12;

/// All are acknowledged, stored once, and in order in each partition.
pub fn undisturbed<F: FrontEnd>(kafka: &Kafka) {
    let run = Run::<F>::new(kafka, "undisturbed");
    run.send(0..RECORDS);
    run.finish();
}

/// The same while the broker is stopped as an operator does it, and started again: records are sent before, while it
/// goes, while it is away, and after. Nobody hears of it.
///
/// The broker remembers only the last batch of each partition over a restart, so batches of unknown fate are the rule
/// here: those that it stored on its way out without having answered.
pub fn broker_restarted<F: FrontEnd>(kafka: &Kafka) {
    let run = Run::<F>::new(kafka, "broker-restarted");
    run.send(0..RECORDS / 3);
    let (down, is_down) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            let begun = Instant::now();
            kafka.stop(1);
            println!("the broker took {:.2?} to stop", begun.elapsed());
            down.send(()).expect("the sending thread waits for it");
            kafka.restart(1);
            println!("the broker works again after {:.2?}", begun.elapsed());
        });
        run.send(RECORDS / 3..RECORDS / 3 * 2);
        is_down.recv_timeout(PATIENCE).expect("the broker stops");
        println!("{} of {} outcomes before the broker was down", run.witness.heard(), RECORDS / 3 * 2);
        run.send(RECORDS / 3 * 2..RECORDS);
    });
    run.finish();
}

/// The same on three brokers, one of which leads half of the partitions. It is killed at once (SIGKILL), the others take
/// over when Kafka has noticed, and it is started again: records are sent in each of these phases. Nobody hears of it.
pub fn leader_of_half_killed<F: FrontEnd>(kafka: &Kafka) {
    const VICTIM: i32 = 1;
    let topic = format!("{}-leader-killed", F::NAME);
    let replicas = |partition| match partition {
        0..6 => [VICTIM, 2 + partition % 2, 3 - partition % 2],
        6..9 => [2, 3, VICTIM],
        _ => [3, VICTIM, 2],
    };
    let oracle = kafka.oracle();
    oracle.create_topic_on(&topic, &(0..PARTITIONS).map(replicas).collect::<Vec<_>>(), &[]);
    let led_by_victim = || {
        oracle.describe(&topic).iter().filter(|it| it.leader.is_none_or(|leader| leader == VICTIM)).count()
    };
    assert_eq!(led_by_victim(), PARTITIONS as usize / 2);

    let run = Run::<F>::to(kafka, topic.clone());
    run.send(0..RECORDS / 3);
    let (taken_over, is_taken_over) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || {
            let begun = Instant::now();
            kafka.kill(VICTIM);
            wait_until("the others lead", || led_by_victim() == 0);
            println!("the others lead after {:.2?}", begun.elapsed());
            taken_over.send(()).expect("the sending thread waits for it");
            kafka.restart(VICTIM);
            println!("the broker works again after {:.2?}", begun.elapsed());
        });
        run.send(RECORDS / 3..RECORDS / 3 * 2);
        is_taken_over.recv_timeout(PATIENCE).expect("the others take over");
        run.send(RECORDS / 3 * 2..RECORDS);
    });
    run.finish();
}

/// A producer and what is heard of its numbered records.
struct Run<'k, F> {
    kafka: &'k Kafka,
    topic: String,
    producer: F,
    witness: Witness,
    begun: Instant,
    seed: u64,
}

impl<'k, F: FrontEnd> Run<'k, F> {
    fn new(kafka: &'k Kafka, name: &str) -> Self {
        let topic = format!("{}-{name}", F::NAME);
        kafka.oracle().create_topic(&topic, PARTITIONS);
        Self::to(kafka, topic)
    }

    /// To a topic that is there.
    fn to(kafka: &'k Kafka, topic: String) -> Self {
        let witness = Witness::default();
        let producer = Builder::<F>::new()
            .bootstrap_servers(&kafka.bootstrap())
            .callback(witness.clone())
            .build()
            .expect("the settings fit");
        let seed = u64::from(std::process::id()) << 32 | 0x5eed;
        println!("{topic}: seed {seed:#x}");
        Self { kafka, topic, producer, witness, begun: Instant::now(), seed }
    }

    fn send(&self, numbers: std::ops::Range<u64>) {
        for number in numbers {
            let value = Witness::value(number, VALUE_BYTES);
            let record = ProducerRecord::new(&self.topic, value).key(key(self.seed, number));
            let sent = self.producer.send_with_token(&record, number);
            sent.unwrap_or_else(|error| panic!("record {number}: {error}"));
        }
        println!("{}: sent after {:.2?}", self.topic, self.begun.elapsed());
    }

    fn finish(self) {
        self.producer.flush().expect("this is no callback");
        println!("{}: acknowledged after {:.2?}", self.topic, self.begun.elapsed());
        let failures = self.witness.failures();
        assert!(failures.is_empty(), "{} failed, the first: {:?}", failures.len(), failures.first());
        self.producer.close(Duration::from_secs(5)).expect("nothing is left");

        let mut stored = self.kafka.oracle().read(&self.topic);
        stored.sort_by_key(|record| (record.partition, record.offset));
        assert_eq!(stored.len() as u64, RECORDS, "records stored");
        self.witness.check(RECORDS, &stored);
        for record in &stored {
            let number = Witness::number(record.value.as_deref().expect("it has a value"));
            assert_eq!(record.key, Some(key(self.seed, number).to_be_bytes().to_vec()));
        }
        println!("{}: read back and compared after {:.2?}", self.topic, self.begun.elapsed());
    }
}

/// The number's random key (splitmix64).
fn key(seed: u64, number: u64) -> u64 {
    let mut key = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    key = (key ^ key >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    key = (key ^ key >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    key ^ key >> 31
}
