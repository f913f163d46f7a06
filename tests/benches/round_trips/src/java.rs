//! Kafka's own Java producer, in one JVM for all runs.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use felice_tests::kafka::class_path;
use felice_tests::proxy::Link;

use crate::{Peer, Run, Task};

pub(crate) struct Java {
    process: Child,
    tasks: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Java {
    pub(crate) fn start(bootstrap: &str) -> Self {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/RoundTrips.java");
        let mut command = Command::new("java");
        command.args(["-Xmx512m", "-XX:+UseSerialGC", "-cp", &class_path(), source, bootstrap]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("there is a `java`");
        let tasks = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().expect("the output is a pipe"));
        Self { process, tasks, answers }
    }

    /// Says a line, and gives the one that answers it.
    fn ask(&mut self, line: &str) -> String {
        let tasks = self.tasks.as_mut().expect("open until it is dropped");
        writeln!(tasks, "{line}").expect("Java reads");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("Java answers");
        answer.trim().to_owned()
    }
}

impl Peer for Java {
    fn name(&self) -> &'static str {
        "Java"
    }

    fn run(&mut self, task: Task, topic: &str, link: &Link) -> Run {
        if let Task::Warm = task {
            self.ask(&format!("warm {topic}"));
        }
        let before = link.turns();
        let records = if let Task::First = task { 1 } else { crate::RECORDS };
        let nanos = self.ask(&format!("send {topic} {records}"));
        let turns = link.turns() - before;
        self.ask("close");
        Run { time: Duration::from_nanos(nanos.parse().expect("Java's nanoseconds")), turns }
    }
}

impl Drop for Java {
    fn drop(&mut self) {
        self.tasks = None;
        let _ = self.process.wait();
    }
}
