//! Kafka's own Java clients as the oracle: what they read back, and where they put a key, is what counts.
//!
//! One JVM ([`JavaOracle`]) answers many questions, since starting one costs a second. It ends when its standard input
//! closes, so it never outlives the test process.

mod pipe;
mod topics;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::kafka::{KafkaVersion, installation};
use pipe::Pipe;
pub use topics::PartitionState;

/// How long a read-back may take; 500,000 records take two seconds.
const READ_PATIENCE: Duration = Duration::from_secs(120);

/// How often the end offsets are asked for while a test waits for records.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A record as Kafka's consumer gave it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReadRecord {
    /// The partition it was read from.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// The key, if it has one.
    pub key: Option<Vec<u8>>,
    /// The value, if it has one.
    pub value: Option<Vec<u8>>,
    /// Names and values in their order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// A record for Java's producer to send; `Default` is one with nothing in it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct JavaRecord {
    /// The partition, or the partitioner's choice.
    pub partition: Option<i32>,
    /// Milliseconds since 1970, or the time of sending.
    pub timestamp: Option<i64>,
    /// The key, if it has one.
    pub key: Option<Vec<u8>>,
    /// The value, if it has one.
    pub value: Option<Vec<u8>>,
    /// Names and values in their order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

/// Where Java's producer was told that a record is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct JavaMetadata {
    /// The partition.
    pub partition: i32,
    /// The offset there.
    pub offset: i64,
    /// Milliseconds since 1970.
    pub timestamp: i64,
}

/// A JVM with Kafka's admin client, consumer and producer for one cluster. Threads take turns.
///
/// Methods panic with Java's own words when Kafka refuses; the `try_` ones give them back.
#[derive(Debug)]
pub struct JavaOracle {
    process: Child,
    pipe: Mutex<Option<Pipe>>,
    log: PathBuf,
}

impl JavaOracle {
    /// Starts the JVM. That the cluster answers is seen at the first question.
    pub fn start(bootstrap: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let installation = installation(KafkaVersion::default());
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let log = installation.logs.join(format!("felice-oracle-{}-{count}.log", std::process::id()));
        let mut command = installation.java("256m", &log);
        command.args(["Oracle", bootstrap]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("there is a `java`");
        let pipe = Pipe::new(&mut process);
        Self { process, pipe: Mutex::new(Some(pipe)), log }
    }

    /// The end offset of each partition.
    pub fn end_offsets(&self, topic: &str) -> BTreeMap<i32, i64> {
        self.try_end_offsets(topic).unwrap_or_else(|problem| self.fail("get the end offsets", &problem))
    }

    /// As [`end_offsets`](Self::end_offsets), with Java's words when a leader does not know that it is one.
    pub fn try_end_offsets(&self, topic: &str) -> Result<BTreeMap<i32, i64>, String> {
        let offsets = self.ask(b'e', |pipe| pipe.write_text(topic));
        let offsets = offsets.each(|pipe| (pipe.read_i32(), pipe.read_i64()));
        offsets.map(|offsets| offsets.into_iter().collect())
    }

    /// All records of a topic up to the end that it has now, aborted ones too, as the consumer gives them: in order
    /// within a partition, the partitions in any order.
    pub fn read(&self, topic: &str) -> Vec<ReadRecord> {
        self.try_read(topic).unwrap_or_else(|problem| self.fail("read the topic", &problem))
    }

    /// What a consumer with `isolation.level=read_committed` reads of a topic, up to where the first open transaction begins.
    pub fn read_committed(&self, topic: &str) -> Vec<ReadRecord> {
        self.read_by(b'R', topic).unwrap_or_else(|problem| self.fail("read what is committed", &problem))
    }

    /// The offset of a partition that a consumer group has committed; -1 where it has none.
    pub fn group_offset(&self, group: &str, topic: &str, partition: i32) -> i64 {
        let answer = self.ask(b'o', |pipe| {
            pipe.write_text(group);
            pipe.write_text(topic);
            pipe.write_i32(partition);
        });
        let offsets = answer.each(Pipe::read_i64);
        offsets.unwrap_or_else(|problem| self.fail("tell a group's offset", &problem))[0]
    }

    /// As [`read`](Self::read), with Java's words when it fails.
    pub fn try_read(&self, topic: &str) -> Result<Vec<ReadRecord>, String> {
        self.read_by(b'r', topic)
    }

    fn read_by(&self, command: u8, topic: &str) -> Result<Vec<ReadRecord>, String> {
        let answer = self.ask(command, |pipe| {
            pipe.write_text(topic);
            pipe.write_i64(READ_PATIENCE.as_millis() as i64);
        });
        answer.each(|pipe| ReadRecord {
            partition: pipe.read_i32(),
            offset: pipe.read_i64(),
            timestamp: pipe.read_i64(),
            key: pipe.read_bytes(),
            value: pipe.read_bytes(),
            headers: (0..pipe.read_i32()).map(|_| (pipe.read_text(), pipe.read_bytes())).collect(),
        })
    }

    /// Waits until the end offsets of a topic come to `count`, then reads it. It may give more than that.
    ///
    /// Panics when they do not come to it within `patience`.
    pub fn read_at_least(&self, topic: &str, count: usize, patience: Duration) -> Vec<ReadRecord> {
        let stored = || self.end_offsets(topic).values().sum::<i64>() >= count as i64;
        self.wait_until(patience, &format!("{topic} holds {count} records"), stored);
        self.read(topic)
    }

    /// Sends records with Java's producer and its defaults; where each of them went, in their order.
    pub fn produce(&self, topic: &str, records: &[JavaRecord]) -> Vec<JavaMetadata> {
        let answer = self.ask(b'p', |pipe| {
            pipe.write_text(topic);
            pipe.write_count(records.len());
            for record in records {
                pipe.write_i32(record.partition.unwrap_or(-1));
                pipe.write_i64(record.timestamp.unwrap_or(-1));
                pipe.write_bytes(record.key.as_deref());
                pipe.write_bytes(record.value.as_deref());
                pipe.write_count(record.headers.len());
                for (name, value) in &record.headers {
                    pipe.write_text(name);
                    pipe.write_bytes(value.as_deref());
                }
            }
        });
        let metadata = answer.each(|pipe| JavaMetadata {
            partition: pipe.read_i32(),
            offset: pipe.read_i64(),
            timestamp: pipe.read_i64(),
        });
        metadata.unwrap_or_else(|problem| self.fail("produce", &problem))
    }

    /// The partition that Java's producer stores a record with each key in: it sends one for each.
    pub fn partitions_for_keys(&self, topic: &str, keys: &[&[u8]]) -> Vec<i32> {
        let record = |key: &&[u8]| JavaRecord { key: Some(key.to_vec()), ..JavaRecord::default() };
        let records: Vec<JavaRecord> = keys.iter().map(record).collect();
        self.produce(topic, &records).iter().map(|metadata| metadata.partition).collect()
    }

    /// The partition that Java's partitioner chooses for each key in a topic of so many; nothing is sent.
    pub fn partitioner_choices(&self, partitions: i32, keys: &[&[u8]]) -> Vec<i32> {
        let choices = self.ask(b'k', |pipe| {
            pipe.write_i32(partitions);
            pipe.write_count(keys.len());
            keys.iter().for_each(|key| pipe.write_bytes(Some(key)));
        });
        choices.each(Pipe::read_i32).unwrap_or_else(|problem| self.fail("choose partitions", &problem))
    }

    /// The node id of the controller that leads the others.
    pub fn controller(&self) -> i32 {
        let leader = self.ask(b'q', |_| {}).each(Pipe::read_i32);
        leader.unwrap_or_else(|problem| self.fail("describe the quorum", &problem)).remove(0)
    }

    /// Lets clients with this id produce so many bytes per second to each broker.
    pub fn limit(&self, client_id: &str, bytes_per_second: i64) {
        let asked = self.ask(b'u', |pipe| {
            pipe.write_text(client_id);
            pipe.write_i64(bytes_per_second);
        });
        asked.done(self, "set the quota");
    }

    /// Sends a request; the answer holds the pipe until it is read.
    fn ask(&self, command: u8, arguments: impl FnOnce(&mut Pipe)) -> pipe::Answer<'_> {
        let mut turn = self.pipe.lock().unwrap_or_else(PoisonError::into_inner);
        let pipe = turn.as_mut().expect("the pipe is there until the oracle is dropped");
        pipe.write_u8(command);
        arguments(pipe);
        pipe.flush();
        pipe::Answer::new(turn)
    }

    fn wait_until(&self, patience: Duration, what: &str, mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + patience;
        while !condition() {
            if Instant::now() > deadline {
                self.fail(&format!("wait until {what}"), &format!("not within {patience:?}"));
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    fn fail(&self, what: &str, problem: &str) -> ! {
        panic!("Java could not {what}: {problem}; see {}", self.log.display())
    }
}

impl Drop for JavaOracle {
    fn drop(&mut self) {
        *self.pipe.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let _ = self.process.wait();
        if !thread::panicking() {
            let _ = fs::remove_file(&self.log);
        }
    }
}
