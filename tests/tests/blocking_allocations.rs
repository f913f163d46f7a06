//! Sending allocates nothing: every allocation of the process is counted, over all of its threads, while a million
//! records go through a real socket to a simulated broker in a process of its own.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use felice_blocking::{Callback, ProduceError, Producer, ProducerRecord, RecordMetadata};
use felice_tests::counting::{Counting, allocations};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Broker {
    child: Child,
    /// Kept open: what the process still prints must not fail it.
    _output: BufReader<ChildStdout>,
    bootstrap: String,
}

impl Broker {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_simulated_broker"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let bootstrap = output
            .by_ref()
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("bootstrap ").map(str::to_owned))
            .expect("the broker says where it is");
        Self { child, _output: output, bootstrap }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

struct Ignore;

impl Callback for Ignore {
    fn on_completion(&self, _: u64, outcome: Result<RecordMetadata, ProduceError>) {
        assert!(outcome.is_ok());
    }
}

/// Nanoseconds that all threads of this process have spent on a processor: the machine may be busy with other things.
fn cpu() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let spent = |task: std::io::Result<std::fs::DirEntry>| {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    tasks.filter_map(spent).sum()
}

/// Sends `records` in the way of `send`, and tells the allocations.
fn measure(producer: &Producer, name: &str, records: u64, mut send: impl FnMut(u64)) -> u64 {
    // Looking at the processor's time allocates: it stays outside.
    let (spent, begun) = (cpu(), Instant::now());
    let before = allocations();
    (0..records).for_each(&mut send);
    producer.flush().unwrap();
    let allocations = allocations() - before;
    let wall = begun.elapsed().as_nanos() / u128::from(records);
    let cpu = (cpu() - spent) / records;
    println!("{name}: {allocations} allocations; a record {wall} ns, {cpu} ns of processor time");
    allocations
}

#[test]
fn a_million_records_allocate_nothing() {
    let broker = Broker::start();
    let producer = Producer::builder().bootstrap_servers(&broker.bootstrap).callback(Ignore).build().unwrap();
    let value = [b'x'; 100];
    let keyless = ProducerRecord::new("t", &value);
    let fire = |_| drop(producer.send(keyless).unwrap());
    let keyed = |number| drop(producer.send(keyless.key(number)).unwrap());
    let wait = |_| drop(producer.send(keyless).unwrap().get().unwrap());
    let token = |number| producer.send_with_token(keyless, number).unwrap();

    let records = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
    measure(&producer, "warm-up", records / 2, fire);
    measure(&producer, "warm-up, keyed", records / 2, keyed);
    // A record that has to wait is kept in a scratch of the thread's: this one has grown, too, before it counts.
    while producer.try_send(keyless.key(1_u64)).is_ok() {}
    measure(&producer, "warm-up, synchronous", 200, wait);
    measure(&producer, "warm-up, with a token", records / 2, token);
    let counts = [
        measure(&producer, "fire and forget", records, fire),
        measure(&producer, "fire and forget, keyed", records, keyed),
        measure(&producer, "synchronous", 500, wait),
    ];
    assert_eq!(counts, [0; 3], "fire and forget, keyed, synchronous");
    // Lists of callbacks grow with the most records that ever were held at once, which the warm-up need not have met.
    let tokens = measure(&producer, "with a token", records, token);
    assert!(tokens < records / 1_000, "{tokens}");
    producer.close(Duration::from_secs(10)).unwrap();
}
