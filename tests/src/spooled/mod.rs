//! The program `spooled-producer`: a producer with a spool that is killed again and again, and what must be in the log
//! then.
//!
//! It sends numbered records to three partitions, and says on standard output up to which one all are durable. Each run has
//! a name of its own, so that the log tells which run a record is from.

pub mod kills;
mod trouble;

use std::collections::BTreeMap;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use felice_core::record::{Header, ProducerRecord};
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
/// names, each `NAME=VALUE`.
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
    /// Sends, and ends when all of it and all that former runs have left is acknowledged.
    fn run<F: FrontEnd>(&self) {
        let builder = Builder::<F>::new().bootstrap_servers(self.bootstrap).spool_dir(self.directory);
        let builder = builder.linger(Duration::ZERO).spool_sync(Duration::from_millis(10)).batch_size(2048);
        // A spool may be full for as long as the cluster is away.
        let builder = builder.max_block(Duration::from_secs(600));
        let builder = builder.on_warning(|warning| eprintln!("{warning}"));
        let properties = self.properties.iter().filter_map(|property| property.split_once('='));
        let builder = builder.properties(properties).expect("these are settings");
        let producer = builder.build().expect("the settings fit");
        let padding = [b'x'; PADDING_MAX];
        let mut group = Vec::with_capacity(GROUP);
        for number in 0..self.records {
            let value = format!("{} {number}", self.run);
            let headers = [Header { key: "padding", value: Some(&padding[..number * 37 % PADDING_MAX]) }];
            let record = ProducerRecord::new(self.topic, &*value).partition(number as i32 % PARTITIONS);
            group.push(producer.send(&record.headers(&headers)).expect("there is room"));
            if group.len() == GROUP || number + 1 == self.records {
                group.drain(..).for_each(|mut handle| handle.spooled().expect("the disk works"));
                say(number + 1);
            }
        }
        producer.close(Duration::from_secs(180)).expect("all of it is acknowledged");
    }
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
    let mut log: Vec<&ReadRecord> = log.iter().collect();
    log.sort_by_key(|record| (record.partition, record.offset));
    let mut found: BTreeMap<(i32, String), usize> = BTreeMap::new();
    for record in &log {
        let value = str::from_utf8(record.value.as_deref().expect("a value")).expect("text");
        let (run, number) = value.split_once(' ').expect("a run and a number");
        let (at, run) = (record.partition, (record.partition, run.to_owned()));
        if let Some(((last, after), _)) = found.last_key_value().filter(|(last, _)| **last > run) {
            panic!("partition {last}: {} stands behind {after}", run.1);
        }
        let count = found.entry(run).or_default();
        let expected = *count * PARTITIONS as usize + at as usize;
        assert_eq!(number, expected.to_string(), "partition {at}, offset {}: {value}", record.offset);
        *count += 1;
    }
    for (run, records) in durable {
        for partition in 0..PARTITIONS {
            let least = (0..*records).filter(|number| *number as i32 % PARTITIONS == partition).count();
            let count = found.get(&(partition, run.clone())).copied().unwrap_or(0);
            assert!(count >= least, "run {run}, partition {partition}: {count} of {least} durable records");
        }
    }
    log.len()
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
