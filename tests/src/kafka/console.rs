//! Kafka's console producer and console consumer, and the verifiable producer of its system tests: its own clients, as a
//! user starts them.

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::cache::installation;
use super::version::KafkaVersion;

/// What a console tool said, and how it ended.
#[derive(Debug)]
pub struct ConsoleOutput {
    /// Its exit status.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// Sends each line as a record, `kafka-console-producer.sh` with `arguments` added to it.
///
/// Panics when it has not ended after `patience`.
pub fn console_producer(
    bootstrap: &str,
    topic: &str,
    lines: &[&str],
    arguments: &[&str],
    patience: Duration,
) -> ConsoleOutput {
    let mut all = vec!["--bootstrap-server", bootstrap, "--topic", topic];
    all.extend(arguments);
    let input = lines.iter().map(|line| format!("{line}\n")).collect();
    run("org.apache.kafka.tools.ConsoleProducer", &all, input, patience)
}

/// Prints `count` records of one partition from its beginning, `kafka-console-consumer.sh` with `arguments` added to it.
///
/// Panics when it has not ended after `patience`.
pub fn console_consumer(
    bootstrap: &str,
    topic: &str,
    partition: i32,
    count: usize,
    arguments: &[&str],
    patience: Duration,
) -> ConsoleOutput {
    let (partition, count) = (partition.to_string(), count.to_string());
    let mut all = vec!["--bootstrap-server", bootstrap, "--topic", topic, "--partition", &partition];
    all.extend(["--offset", "earliest", "--max-messages", &count]);
    all.extend(arguments);
    run("org.apache.kafka.tools.consumer.ConsoleConsumer", &all, String::new(), patience)
}

/// Runs the producer of Kafka's system tests, `kafka-verifiable-producer.sh`.
///
/// Panics when it has not ended after `patience`.
pub fn verifiable_producer(arguments: &[&str], patience: Duration) -> ConsoleOutput {
    run("org.apache.kafka.tools.VerifiableProducer", arguments, String::new(), patience)
}

fn run(class: &str, arguments: &[&str], input: String, patience: Duration) -> ConsoleOutput {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let installation = installation(KafkaVersion::default());
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let log = installation.logs.join(format!("felice-console-{}-{count}.log", std::process::id()));
    let mut command = installation.java("128m", &log);
    command.arg(class).args(arguments);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("there is a `java`");

    let mut stdin = child.stdin.take().expect("it is a pipe");
    // On threads, since each of the pipes may be full while the other side waits for another. The input is closed when
    // it is written, and a tool that ends before has its reasons on standard error.
    let writer = thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let stdout = read_to_end(child.stdout.take().expect("it is a pipe"));
    let stderr = read_to_end(child.stderr.take().expect("it is a pipe"));
    let status = wait(&mut child, patience);
    writer.join().expect("the writer does not panic");
    let [stdout, stderr] = [stdout, stderr].map(|reader| reader.join().expect("the reader does not panic"));
    match status {
        Some(status) => {
            let _ = fs::remove_file(&log);
            ConsoleOutput { status, stdout, stderr }
        }
        None => {
            panic!("{class} did not end in {patience:?}; it said\n{stdout}\n{stderr}\nsee {}", log.display())
        }
    }
}

fn read_to_end(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes); // A killed tool's output is worth as much as there is.
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The status, or none if the child had to be killed.
fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(20));
    }
    child.kill().expect("the child is ours");
    child.wait().expect("the child is ours");
    None
}
