//! The command line: `--name value`, all optional.

use std::env;
use std::str::FromStr;
use std::time::Duration;

/// What a contender does with each record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Sends as fast as it can by the cheapest way that tells of failures, and waits for the end of all.
    Forget,
    /// Keeps each record's handle, and waits for each later.
    Handle,
    /// A callback for each record.
    Callback,
    /// A future for each record, awaited later.
    Future,
    /// One at a time: the next record is sent when the last one has been acknowledged.
    Sync,
    /// `--rate` records a second, evenly.
    Rate,
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Ok(match name {
            "forget" => Self::Forget,
            "handle" => Self::Handle,
            "callback" => Self::Callback,
            "future" => Self::Future,
            "sync" => Self::Sync,
            "rate" => Self::Rate,
            _ => return Err(format!("there is no mode {name}")),
        })
    }
}

/// What is to be done, and with which settings.
#[derive(Clone, Debug)]
pub struct Options {
    /// `host:port`.
    pub bootstrap: String,
    /// It exists, with [`partitions`](Self::partitions) partitions.
    pub topic: String,
    /// How many partitions the topic has.
    pub partitions: i32,
    /// How many records are sent, by all threads together.
    pub records: u64,
    /// Bytes of a value.
    pub size: usize,
    /// Whether each record has a random key.
    pub keys: bool,
    /// What is done with each record.
    pub mode: Mode,
    /// How many threads send.
    pub threads: u64,
    /// Records a second, for [`Mode::Rate`].
    pub rate: u64,
    /// `linger.ms`.
    pub linger_ms: u64,
    /// `batch.size`.
    pub batch_bytes: usize,
    /// `buffer.memory`, or what comes nearest.
    pub buffer_bytes: usize,
    /// `compression.type`: `none`, `lz4` or `zstd`, each with its default level.
    pub compression: String,
}

impl Options {
    /// This process's. Panics with the reason where there is something wrong with them.
    pub fn parse() -> Self {
        let mut options = Self {
            bootstrap: "127.0.0.1:9092".into(),
            topic: "bench".into(),
            partitions: 6,
            records: 100_000,
            size: 100,
            keys: false,
            mode: Mode::Forget,
            threads: 1,
            rate: 100,
            linger_ms: 5,
            batch_bytes: 128 * 1024,
            buffer_bytes: 32 * 1024 * 1024,
            compression: "none".into(),
        };
        let mut arguments = env::args().skip(1);
        while let Some(name) = arguments.next() {
            let value = arguments.next().unwrap_or_else(|| panic!("{name} needs a value"));
            match name.as_str() {
                "--bootstrap" => options.bootstrap = value,
                "--topic" => options.topic = value,
                "--partitions" => options.partitions = number(&name, &value),
                "--records" => options.records = number(&name, &value),
                "--size" => options.size = number(&name, &value),
                "--keys" => options.keys = number(&name, &value),
                "--mode" => options.mode = number(&name, &value),
                "--threads" => options.threads = number(&name, &value),
                "--rate" => options.rate = number(&name, &value),
                "--linger-ms" => options.linger_ms = number(&name, &value),
                "--batch-bytes" => options.batch_bytes = number(&name, &value),
                "--buffer-bytes" => options.buffer_bytes = number(&name, &value),
                "--compression" => options.compression = value,
                _ => panic!("there is no option {name}"),
            }
        }
        let alone = options.mode != Mode::Sync || options.threads == 1;
        assert!(alone, "one thread sends one at a time");
        options
    }

    /// The records that are a thread's to send: threads take turns.
    pub fn turns(&self, thread: u64) -> impl Iterator<Item = u64> + use<> {
        let step = self.threads.try_into().expect("so many threads fit in memory");
        (thread..self.records).step_by(step)
    }

    /// When a record is to be sent after the first, for [`Mode::Rate`].
    pub fn due(&self, index: u64) -> Duration {
        Duration::from_secs_f64(index as f64 / self.rate as f64)
    }

    /// For clients without a partitioner: one partition for about a batch, then the next.
    pub fn sticky_partition(&self, index: u64) -> i32 {
        let records_per_batch = (self.batch_bytes / (self.size + 10)).max(1) as u64;
        ((index / records_per_batch) % self.partitions.unsigned_abs() as u64) as i32
    }

    /// For clients without a limit to their memory: how many records may be under way.
    pub fn window(&self) -> usize {
        (self.buffer_bytes / (self.size + 70)).max(1)
    }
}

fn number<T: FromStr>(name: &str, value: &str) -> T {
    value.parse().unwrap_or_else(|_| panic!("{name} does not take {value:?}"))
}
