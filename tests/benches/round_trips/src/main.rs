//! How long producers take over a slow link to real Kafka, one broker: for a first record right after they were made, and
//! for a megabyte in records of 100 bytes to one partition, from a cold start and warmed up. All with their defaults, and
//! idempotent; medians, and the fewest turns (waits for an answer before the next question).
//!
//! `cargo run --release [runs]`, from this folder; `tests/README.md` says what it needs.

mod felice;
mod java;
mod librdkafka;

use std::sync::Arc;
use std::time::Duration;

use felice_tests::kafka::{Kafka, KafkaVersion};
use felice_tests::proxy::Link;

const RECORDS: usize = 10_000;
const VALUE_BYTES: usize = 100;

/// What is measured.
#[derive(Clone, Copy, Debug)]
enum Task {
    /// From before the producer is made to the outcome of one record.
    First,
    /// From before the producer is made to the last of many outcomes.
    Cold,
    /// The same many, by a producer that has stored a record before.
    Warm,
}

impl Task {
    const ALL: [(Self, &str, Duration); 3] = [
        (Self::First, "first record, 100 ms", Duration::from_millis(50)),
        (Self::Cold, "cold 1 MB, 300 ms", Duration::from_millis(150)),
        (Self::Warm, "warm 1 MB, 300 ms", Duration::from_millis(150)),
    ];
}

/// What a run took.
struct Run {
    time: Duration,
    turns: u32,
}

/// A producer that can be measured: makes one, does the task, and ends it.
trait Peer {
    fn name(&self) -> &'static str;
    fn run(&mut self, task: Task, topic: &str, link: &Link) -> Run;
}

fn main() {
    let runs: usize = std::env::args().nth(1).map_or(5, |runs| runs.parse().expect("a number of runs"));
    assert!(felice_tests::kafka::available(&[KafkaVersion::default()]), "this measures real Kafka");
    let link = Arc::new(Link::new(Duration::ZERO));
    let kafka = Kafka::builder().behind(&link).start();
    let bootstrap = kafka.far_bootstrap();
    let mut peers: Vec<Box<dyn Peer>> = vec![
        Box::new(felice::Felice::<felice_blocking::Producer>::new(&bootstrap)),
        Box::new(felice::Felice::<felice_smol::Producer>::new(&bootstrap)),
        Box::new(java::Java::start(&bootstrap)),
        Box::new(librdkafka::Librdkafka::new(&bootstrap)),
    ];

    println!(
        "| {:20} | {:15} | {:>8} | {:>8} | {:>8} | {:>5} |",
        "task", "producer", "median", "least", "most", "turns"
    );
    println!("|---|---|--:|--:|--:|--:|");
    for (task, name, one_way) in Task::ALL {
        for peer in &mut peers {
            let topic = format!("{task:?}-{}", peer.name());
            kafka.oracle().create_topic(&topic, 1);
            // Neither a broker's first producer id nor a JVM's first classes are the link's: a first run is not counted.
            link.set_one_way(Duration::ZERO);
            peer.run(task, &topic, &link);
            link.set_one_way(one_way);
            let measured = (0..runs).map(|_| peer.run(task, &topic, &link)).collect();
            print(name, peer.name(), measured);
        }
    }
}

fn print(task: &str, peer: &str, mut runs: Vec<Run>) {
    runs.sort_by_key(|run| run.time);
    let turns = runs.iter().map(|run| run.turns).min().unwrap_or_default();
    let [median, least, most] =
        [runs.len() / 2, 0, runs.len() - 1].map(|run| format!("{:.3} s", runs[run].time.as_secs_f64()));
    println!("| {task:20} | {peer:15} | {median:>8} | {least:>8} | {most:>8} | {turns:>5} |");
}
