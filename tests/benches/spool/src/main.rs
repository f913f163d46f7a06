//! What the spool costs: records per second with it and without it, and what the disk itself does, in one run, one after
//! the other; bytes written per byte of record; how long a start takes, and how much memory. `tests/README.md` says how to
//! run it.

mod measured;
mod report;

use std::env;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use felice_tests::kafka::Kafka;

use measured::{Load, Measured, NOWHERE};
use report::{Row, median};

/// Records of 1 KiB, and of 100 bytes: 300 and 200 MB.
const LOADS: [Load; 2] = [Load { records: 300_000, bytes: 1024 }, Load { records: 2_000_000, bytes: 100 }];
/// What a start finds, in MiB.
const HELD: [usize; 2] = [64, 1024];
const PARTITIONS: i32 = 6;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--measure", rest @ ..] => println!("{}", measured::run(rest)),
        [] => compare(5),
        ["--runs", runs] => compare(runs.parse().expect("a number of runs")),
        _ => {
            eprintln!(
                "bench-spool takes --runs N (default: 5); the spool is in the current folder meanwhile"
            );
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn compare(runs: usize) {
    let kafka = Kafka::builder().fast().property("auto.create.topics.enable", "false").start();
    let directory = Scratch::new();
    let mut topics = 0;
    let mut run = |way: &str, bootstrap: &str, load: Load| {
        topics += 1;
        let topic = format!("bench-{topics}");
        kafka.oracle().create_topic(&topic, PARTITIONS);
        let measured = directory.run(way, bootstrap, &topic, load);
        if bootstrap != NOWHERE {
            let stored: i64 = kafka.oracle().end_offsets(&topic).values().sum();
            assert_eq!(stored, load.records as i64, "records in the log");
        }
        kafka.oracle().delete_topic(&topic);
        measured
    };
    // A JVM's first half a minute is not its usual speed.
    run("off", &kafka.bootstrap(), LOADS[0]);
    for load in LOADS {
        let mut rows = [
            Row::new("without a spool", "off"),
            Row::new("with it, every 500 ms synced", "always"),
            Row::new("into it, without a broker", "write"),
            Row::new("this disk: append and fdatasync, as often", "disk"),
        ];
        for _ in 0..runs {
            for row in &mut rows {
                let bootstrap =
                    if matches!(row.way, "write" | "disk") { NOWHERE.into() } else { kafka.bootstrap() };
                row.runs.push(run(row.way, &bootstrap, load));
                directory.clear();
            }
        }
        report::loads(load, &rows);
    }
    drop(kafka);
    report::starts_head();
    for mib in HELD {
        let load = Load { records: (mib << 10) as u64, bytes: 1000 };
        directory.run("write", NOWHERE, "held", load);
        let starts: Vec<Measured> = (0..runs).map(|_| directory.run("open", NOWHERE, "held", load)).collect();
        report::starts(mib, median(&starts, |run| run.seconds), median(&starts, |run| run.peak_kib));
        directory.clear();
    }
}

/// Where spools are made, in the current folder: on the disk that is to be measured.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        Self(env::current_dir().expect("there is one").join(format!("bench-spool-{}", std::process::id())))
    }

    /// One run, in a process of its own.
    fn run(&self, way: &str, bootstrap: &str, topic: &str, load: Load) -> Measured {
        let program = env::current_exe().expect("it runs");
        let mut command = Command::new(program);
        command.args(["--measure", way, bootstrap, topic]).arg(&self.0);
        command.args([load.records.to_string(), load.bytes.to_string()]).stderr(Stdio::inherit());
        let output = command.output().expect("it starts");
        assert!(output.status.success(), "{way}: {}", output.status);
        String::from_utf8_lossy(&output.stdout).parse().expect("numbers")
    }

    fn clear(&self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.clear();
    }
}
