//! A gateway's process: started with a file of settings, listened to, signalled, and ended with the test.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use felice_tests::behaviour::Target;
use felice_tests::cluster::Cluster;
use felice_tests::java::ReadRecord;
use felice_tests::spooled::Directory;
use rustix::process::{Pid, Signal, kill_process};

/// So long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const TOPIC: &str = "lines";

/// A directory of a test's own, with its file of settings, and a cluster.
pub(crate) struct Place {
    pub(crate) target: Target,
    directory: Directory,
}

impl Place {
    /// With a simulated cluster that has the topic, with one partition.
    pub(crate) fn new() -> Self {
        let target = Target::simulated();
        target.create_topic(TOPIC, 1);
        Self::at(target)
    }

    pub(crate) fn at(target: Target) -> Self {
        let directory = Directory::new();
        fs::create_dir_all(directory.path()).unwrap();
        Self { target, directory }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes the file of settings: `top`, a producer with a spool and `producer`, and these sources.
    pub(crate) fn settings(&self, top: &str, producer: &str, sources: &[&str]) -> PathBuf {
        let sources: String = sources.iter().map(|source| format!("[[source]]\n{source}\n")).collect();
        let text = format!(
            "listen = \"127.0.0.1:0\"\n{top}\n[producer]\nbootstrap.servers = \"{}\"\nspool.dir = \"{}\"\nspool.sync.ms = 20\n{producer}\n{sources}",
            self.target.bootstrap(),
            self.path("spool").display(),
        );
        let path = self.path("gateway.toml");
        fs::write(&path, text).unwrap();
        path
    }

    /// Waits until the topic has so many records, and gives them.
    pub(crate) fn arrived(&self, topic: &str, count: usize) -> Vec<ReadRecord> {
        let of = |cluster: &Cluster| {
            (0..cluster.partition_count(topic)).map(|it| cluster.records(topic, it).len()).sum::<usize>()
        };
        match &self.target {
            Target::Simulated(cluster, _) => {
                cluster.wait_until(PATIENCE, |cluster| of(cluster) >= count);
            }
            _ => {
                let begun = Instant::now();
                while self.target.read(topic).len() < count && begun.elapsed() < PATIENCE {}
            }
        }
        let records = self.target.read(topic);
        assert!(records.len() >= count, "{} of {count} records", records.len());
        records
    }
}

/// All values, as text.
pub(crate) fn values(records: &[ReadRecord]) -> Vec<String> {
    let value = |record: &ReadRecord| String::from_utf8(record.value.clone().unwrap()).unwrap();
    records.iter().map(value).collect()
}

/// The process.
pub(crate) struct Gateway {
    process: Child,
    pub(crate) input: Option<ChildStdin>,
    lines: Receiver<String>,
    /// What it has logged so far.
    pub(crate) log: Vec<String>,
}

impl Gateway {
    pub(crate) fn run(settings: &Path) -> Self {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_gateway")).arg("run").arg(settings))
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (heard, lines) = channel();
        let log = BufReader::new(process.stderr.take().unwrap());
        std::thread::spawn(move || log.lines().map_while(Result::ok).try_for_each(|line| heard.send(line)));
        let input = process.stdin.take();
        Self { process, input, lines, log: Vec::new() }
    }

    /// Waits for a line of the log with all of these parts, and gives it.
    pub(crate) fn hear(&mut self, parts: &[&str]) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("it does not say {parts:?}, but {:#?}", self.log);
            };
            self.log.push(line.clone());
            if parts.iter().all(|part| line.contains(part)) {
                return line;
            }
        }
    }

    /// Where a source listens, or with `event=serving` and no name where metrics are.
    pub(crate) fn address(&mut self, parts: &[&str]) -> SocketAddr {
        let line = self.hear(parts);
        let address = line.split("address=").nth(1).unwrap();
        address.split_whitespace().next().unwrap().trim_matches('"').parse().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Without a chance to do anything about it.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Waits for its end, and gives its exit status.
    pub(crate) fn end(mut self) -> (i32, Vec<String>) {
        let deadline = Instant::now() + PATIENCE;
        // The log ends with the process.
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            self.log.push(line);
        }
        assert!(Instant::now() < deadline, "it does not end: {:#?}", self.log);
        let code = self.process.wait().unwrap().code();
        (code.unwrap_or(-1), std::mem::take(&mut self.log))
    }

    /// Asks it to end, and checks that it does well.
    pub(crate) fn finish(self) -> Vec<String> {
        self.signal(Signal::TERM);
        let (code, log) = self.end();
        assert_eq!(code, 0, "{log:#?}");
        log
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What is served: status and body.
pub(crate) fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: gateway\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

/// A number of the metrics: the first line that begins so.
pub(crate) fn metric(address: SocketAddr, name: &str) -> f64 {
    let (status, body) = get(address, "/metrics");
    assert_eq!(status, 200, "{body}");
    let line = body.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} in {body}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Asks until the number is as wished.
pub(crate) fn wait_for_metric(address: SocketAddr, name: &str, is_so: impl Fn(f64) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so(metric(address, name)) {
        assert!(Instant::now() < deadline, "{name}: {}", metric(address, name));
        std::thread::yield_now();
    }
}
