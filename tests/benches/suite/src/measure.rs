//! One run: a fresh topic, a process, its report, and what the broker says of it.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bench_suite::requests::{Produce, Shape, frames, shape};
use felice_tests::kafka::{Kafka, KafkaVersion};
use felice_tests::proxy::Link;

use crate::contenders::own;
use crate::workloads::{WORKLOADS, Workload};

/// What a run reports; see the harness for the units.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Report {
    pub(crate) records: f64,
    pub(crate) seconds: f64,
    pub(crate) cpu_ns: f64,
    pub(crate) waits: f64,
    pub(crate) rss_kib: f64,
    pub(crate) peak_kib: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    /// The broker's CPU, in nanoseconds per record.
    pub(crate) broker_ns: f64,
}

impl Report {
    pub(crate) fn per_second(&self) -> f64 {
        self.records / self.seconds
    }
}

/// The broker, and the link behind which it can be seen what is sent.
pub(crate) struct Bench {
    kafka: Kafka,
    link: Arc<Link>,
    topics: u32,
}

impl Bench {
    pub(crate) fn start() -> Self {
        assert!(felice_tests::kafka::available(&[KafkaVersion::default()]), "this measures real Kafka");
        let link = Arc::new(Link::new(Duration::ZERO));
        let kafka =
            Kafka::builder().fast().behind(&link).property("auto.create.topics.enable", "false").start();
        let bench = Self { kafka, link, topics: 0 };
        // A broker that has just started compiles its own code; what it says of itself settles in some seconds.
        bench.kafka.oracle().create_topic("warm-up", 1);
        bench
    }

    fn topic(&mut self, partitions: i32) -> String {
        self.topics += 1;
        let topic = format!("bench-{:04}", self.topics);
        self.kafka.oracle().create_topic(&topic, partitions);
        topic
    }

    /// Runs a program for a workload. All must be acknowledged, and be in the log.
    pub(crate) fn run(&mut self, command: Command, workload: &Workload) -> Report {
        let topic = self.topic(workload.partitions);
        let bootstrap = self.kafka.bootstrap();
        let before = self.kafka.cpu_time(1);
        let mut report = run(command, workload, workload.records, &bootstrap, &topic);
        report.broker_ns = (self.kafka.cpu_time(1) - before).as_nanos() as f64 / report.records;
        let stored: i64 = self.kafka.oracle().end_offsets(&topic).values().sum();
        assert_eq!(stored as f64, report.records, "records in the log");
        self.kafka.oracle().delete_topic(&topic);
        report
    }

    /// Runs a program that needs no broker.
    pub(crate) fn run_alone(&self, command: Command) -> Report {
        run(command, &WORKLOADS[0], WORKLOADS[0].records, "", "")
    }

    /// What encoding alone takes.
    pub(crate) fn run_floor(&self, workload: &Workload) -> Report {
        let mut command = own("floor");
        command.args(workload.options(workload.records));
        let line = command.output().expect("it was built");
        parse(&String::from_utf8_lossy(&line.stdout))
    }

    /// Runs a program behind the link: what its Produce requests are like. They are written to a file, if one is named.
    pub(crate) fn record(
        &mut self,
        command: Command,
        workload: &Workload,
        records: u64,
        file: Option<&str>,
    ) -> Shape {
        let topic = self.topic(workload.partitions);
        self.link.record();
        run(command, workload, records, &self.kafka.far_bootstrap(), &topic);
        let recorded = self.link.recorded();
        self.kafka.oracle().delete_topic(&topic);
        if let Some(file) = file {
            let mut file = fs::File::create(file).expect("the temporary folder can be written");
            let requests = recorded.iter().flat_map(|stream| frames(stream));
            for request in requests.filter(|frame| Produce::find(frame).is_some()) {
                file.write_all(request).expect("there is room");
            }
        }
        shape(&recorded, records)
    }
}

fn run(mut command: Command, workload: &Workload, records: u64, bootstrap: &str, topic: &str) -> Report {
    command.args(workload.options(records)).args(["--bootstrap", bootstrap, "--topic", topic]);
    let output =
        command.stderr(Stdio::inherit()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", output.status);
    let line = String::from_utf8(output.stdout).expect("it is JSON");
    let report = parse(&line);
    assert_eq!(report.records, records as f64, "{command:?}: {line}");
    report
}

/// A report: all of it acknowledged.
fn parse(line: &str) -> Report {
    let json: serde_json::Value =
        serde_json::from_str(line.trim()).unwrap_or_else(|error| panic!("{line}: {error}"));
    let number = |name: &str| json[name].as_f64().unwrap_or_default();
    assert!(number("acknowledged") >= number("records") && number("failed") == 0.0, "{line}");
    Report {
        records: number("records"),
        seconds: number("seconds"),
        cpu_ns: number("cpu_ns"),
        waits: number("waits"),
        rss_kib: number("rss_kib"),
        peak_kib: number("peak_kib"),
        p50_us: number("p50_us"),
        p99_us: number("p99_us"),
        p999_us: number("p999_us"),
        broker_ns: 0.0,
    }
}
