//! One run, in a process of its own: how long it took, what it wrote, and how much memory it had.

use std::fmt;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

use felice_blocking::{Producer, ProducerRecord};
use rustix::fs::{Advice, FallocateFlags, fadvise, fallocate};

use crate::PARTITIONS;

/// Nobody listens there.
pub(crate) const NOWHERE: &str = "127.0.0.1:1";
const SYNC: Duration = Duration::from_millis(500);
/// As the spool gathers what it writes.
const WRITE_BYTES: usize = 256 * 1024;
const PATIENCE: Duration = Duration::from_secs(300);

/// So many records of so many bytes.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) records: u64,
    pub(crate) bytes: usize,
}

/// What a run took.
pub(crate) struct Measured {
    pub(crate) seconds: f64,
    /// Bytes that the system has written, or is to write, for this process.
    pub(crate) written: f64,
    pub(crate) peak_kib: f64,
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.seconds, self.written, self.peak_kib)
    }
}

impl FromStr for Measured {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let numbers: Vec<f64> = line.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        let [seconds, written, peak_kib] = numbers[..] else { return Err(line.to_owned()) };
        Ok(Self { seconds, written, peak_kib })
    }
}

/// The run that a command line asks for.
pub(crate) fn run(arguments: &[&str]) -> Measured {
    let [way, bootstrap, topic, directory, records, bytes] = arguments else { panic!("{arguments:?}") };
    let load = Load { records: records.parse().expect("a number"), bytes: bytes.parse().expect("a number") };
    let directory = Path::new(directory);
    let begun = Instant::now();
    let seconds = match *way {
        "off" => send(bootstrap, topic, None, load),
        "always" | "write" => send(bootstrap, topic, Some(directory), load),
        "disk" => append(directory, load),
        _ => open(directory),
    };
    eprintln!("{way}, {} bytes: {seconds:.2} s of {:.2}", load.bytes, begun.elapsed().as_secs_f64());
    Measured { seconds, written: written(), peak_kib: peak_kib() }
}

fn producer(bootstrap: &str, directory: Option<&Path>) -> Producer {
    let mut builder = Producer::builder().bootstrap_servers(bootstrap).buffer_memory(32 << 20);
    builder = builder.batch_size(128 << 10);
    if let Some(directory) = directory {
        builder = builder.spool_dir(directory).spool_max_bytes(2 << 30).spool_sync(SYNC);
    }
    builder.build().expect("the settings fit")
}

/// From the first record until all are acknowledged; without a broker, until all are durable.
fn send(bootstrap: &str, topic: &str, directory: Option<&Path>, load: Load) -> f64 {
    let producer = producer(bootstrap, directory);
    let value = value(load.bytes);
    let begun = Instant::now();
    for number in 0..load.records {
        let record = ProducerRecord::new(topic, &value[..]).partition((number % PARTITIONS as u64) as i32);
        producer.send(&record).expect("there is room, or will be");
    }
    producer.flush().expect("it is not another process");
    let durable = begun.elapsed();
    let patience = if bootstrap == NOWHERE { Duration::ZERO } else { PATIENCE };
    producer.close(patience).expect("nothing failed");
    if bootstrap == NOWHERE { durable.as_secs_f64() } else { begun.elapsed().as_secs_f64() }
}

/// What can be had of the disk: as many bytes, in room that was taken before, synced as often.
fn append(directory: &Path, load: Load) -> f64 {
    fs::create_dir_all(directory).expect("the folder can be written");
    let mut file = File::create(directory.join("append")).expect("the folder can be written");
    let mut left = load.records as usize * load.bytes;
    fallocate(&file, FallocateFlags::empty(), 0, left as u64).expect("there is room");
    file.sync_all().expect("the disk works");
    let piece = value(WRITE_BYTES);
    let begun = Instant::now();
    let mut synced = begun;
    while left > 0 {
        let count = left.min(piece.len());
        file.write_all(&piece[..count]).expect("the disk works");
        left -= count;
        if synced.elapsed() >= SYNC || left == 0 {
            file.sync_data().expect("the disk works");
            synced = Instant::now();
        }
    }
    begun.elapsed().as_secs_f64()
}

/// A start on what is there, none of which is in the system's cache.
fn open(directory: &Path) -> f64 {
    for entry in fs::read_dir(directory).expect("it is there") {
        let file = File::open(entry.expect("it is there").path()).expect("it can be read");
        file.sync_all().expect("the disk works");
        fadvise(&file, 0, None, Advice::DontNeed).expect("the system listens");
    }
    let begun = Instant::now();
    let producer = producer(NOWHERE, Some(directory));
    let seconds = begun.elapsed().as_secs_f64();
    producer.close(Duration::ZERO).expect("nothing was sent");
    seconds
}

/// Bytes that do not repeat soon.
fn value(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let random = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..bytes).map(random).collect()
}

fn written() -> f64 {
    number("/proc/self/io", "write_bytes:")
}

fn peak_kib() -> f64 {
    number("/proc/self/status", "VmHWM:")
}

fn number(file: &str, name: &str) -> f64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
}
