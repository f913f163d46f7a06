//! The program `spooled-producer`: a producer with a spool that is killed again and again, and what must be in the log
//! then.
//!
//! It sends numbered records to three partitions, and says on standard output up to which one all are durable. Each run has
//! a name of its own, so that the log tells which run a record is from.

pub mod kills;
pub mod outcomes;
mod trouble;

use std::collections::BTreeMap;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use felice_core::record::{Header, ProducerRecord};
use felice_core::time::Timestamp;
use felice_host::Builder;

use crate::behaviour::{Driven, FrontEnd, Handle};
use crate::java::ReadRecord;

/// Records go to so many partitions, in turn.
pub const PARTITIONS: i32 = 3;

/// So many records are waited for together.
const GROUP: usize = 50;

/// Records have as many bytes of padding, or less.
const PADDING_MAX: usize = 300;

/// The program: bootstrap servers, topic, directory, the run's name, how many records, the front-end, and settings by Kafka's
/// names, each `NAME=VALUE`; the name `age` stands for how old records are, in milliseconds.
pub fn main(arguments: &[String]) -> ExitCode {
    let [bootstrap, topic, directory, run, records, front_end, properties @ ..] = arguments else {
        eprintln!("spooled-producer BOOTSTRAP TOPIC DIRECTORY RUN RECORDS blocking|smol [NAME=VALUE]..");
        return ExitCode::FAILURE;
    };
    let records = records.parse().expect("a number of records");
    let settings = Settings { bootstrap, topic, directory: Path::new(directory), run, records, properties };
    match &**front_end {
        "blocking" => settings.run::<felice_blocking::Producer>(),
        _ => settings.run::<Driven>(),
    }
    ExitCode::SUCCESS
}

struct Settings<'s> {
    bootstrap: &'s str,
    topic: &'s str,
    directory: &'s Path,
    run: &'s str,
    records: usize,
    properties: &'s [String],
}

impl Settings<'_> {
    /// How old records are, where they are not new.
    fn age(&self) -> Option<Duration> {
        let age = self.properties.iter().find_map(|property| property.strip_prefix("age="));
        age.map(|age| Duration::from_millis(age.parse().expect("a number of milliseconds")))
    }

    /// Sends, and ends when all of it and all that former runs have left is acknowledged.
    fn run<F: FrontEnd>(&self) {
        let builder = Builder::<F>::new().bootstrap_servers(self.bootstrap).spool_dir(self.directory);
        let builder = builder.linger(Duration::ZERO).spool_sync(Duration::from_millis(10)).batch_size(2048);
        // A spool may be full for as long as the cluster is away.
        let builder = builder.max_block(Duration::from_secs(600));
        let builder = builder.on_warning(|warning| eprintln!("{warning}"));
        let properties = self.properties.iter().filter_map(|property| property.split_once('='));
        let properties = properties.filter(|(name, _)| *name != "age");
        let builder = builder.properties(properties).expect("these are settings");
        let producer = builder.build().expect("the settings fit");
        let padding = [b'x'; PADDING_MAX];
        let mut group = Vec::with_capacity(GROUP);
        for number in 0..self.records {
            let value = format!("{} {number}", self.run);
            let headers = [Header { key: "padding", value: Some(&padding[..number * 37 % PADDING_MAX]) }];
            let mut record = ProducerRecord::new(self.topic, &*value).partition(number as i32 % PARTITIONS);
            record.timestamp = self.age().map(ago);
            group.push(producer.send(&record.headers(&headers)).expect("there is room"));
            if group.len() == GROUP || number + 1 == self.records {
                group.drain(..).for_each(|mut handle| handle.spooled().expect("the disk works"));
                say(number + 1);
            }
        }
        producer.close(Duration::from_secs(600)).expect("all of it is acknowledged");
    }
}

fn ago(age: Duration) -> Timestamp {
    let now = std::time::UNIX_EPOCH.elapsed().expect("it is later than 1970");
    Timestamp::from_millis((now - age).as_millis() as i64)
}

/// All before this one are durable. Nobody may be listening.
fn say(records: usize) {
    let mut out = stdout().lock();
    let _ = writeln!(out, "{records}").and_then(|()| out.flush());
}

/// What the log must hold: of each run, in each partition, the first records in their order, once, and at least those that
/// were said to be durable; runs in the order of their names. How many there are in all.
///
/// # Panics
///
/// Where it does not.
pub fn check(log: &[ReadRecord], durable: &BTreeMap<String, usize>) -> usize {
    check_runs(log, durable, false)
}

/// The same where only what waits is spooled: behind the records that were said to be durable some may be missing, since they
/// were in memory when the process ended.
///
/// # Panics
///
/// Where it does not.
pub fn check_overflown(log: &[ReadRecord], durable: &BTreeMap<String, usize>) -> usize {
    check_runs(log, durable, true)
}

fn check_runs(log: &[ReadRecord], durable: &BTreeMap<String, usize>, gaps: bool) -> usize {
    let mut log: Vec<&ReadRecord> = log.iter().collect();
    log.sort_by_key(|record| (record.partition, record.offset));
    // By partition and run, the number that is expected next.
    let mut next: BTreeMap<(i32, String), usize> = BTreeMap::new();
    for record in &log {
        let value = str::from_utf8(record.value.as_deref().expect("a value")).expect("text");
        let (run, number) = value.split_once(' ').expect("a run and a number");
        let (run, number): (_, usize) =
            ((record.partition, run.to_owned()), number.parse().expect("a number"));
        if let Some((last, _)) = next.last_key_value().filter(|(last, _)| **last > run) {
            panic!("{value} is in partition {}, behind {} in partition {}", run.0, last.1, last.0);
        }
        let least = durable.get(&run.1).copied().unwrap_or(0);
        let next = next.entry(run).or_insert(record.partition as usize);
        let behind_a_gap =
            gaps && *next >= least && number > *next && (number - *next).is_multiple_of(PARTITIONS as usize);
        let is_next = number == *next || behind_a_gap;
        assert!(is_next, "partition {}, offset {}: {value}, not {next}", record.partition, record.offset);
        *next = number + PARTITIONS as usize;
    }
    for (run, least) in durable {
        for partition in 0..PARTITIONS {
            let next = next.get(&(partition, run.clone())).copied().unwrap_or(partition as usize);
            assert!(
                next >= *least,
                "{run} {next} is not in partition {partition}, and was said to be durable"
            );
        }
    }
    log.len()
}

/// Nobody listens there.
pub const NOWHERE: &str = "127.0.0.1:1";

/// A producer with a spool there, which is quick to make records durable.
pub fn builder<F: FrontEnd>(bootstrap: &str, directory: &Directory) -> Builder<F> {
    let builder = Builder::<F>::new().bootstrap_servers(bootstrap).linger(Duration::ZERO);
    builder.spool_dir(directory.path()).spool_sync(Duration::from_millis(10))
}

/// A directory of its own, gone with this value.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// A name that no other has.
    #[must_use]
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("felice-spool-{}-{count}", std::process::id())))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Default for Directory {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
