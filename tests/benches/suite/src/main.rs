//! felice beside its peers, the floor and the broker's own limit: one broker, alternated runs, medians. Prints Markdown,
//! and writes it with a picture into a folder. `tests/README.md` says how to run it.

mod contenders;
mod goals;
mod handover;
mod measure;
mod plot;
mod report;
mod workloads;

use std::process::Command;
use std::{env, fs};

use contenders::{CONTENDERS, own};
use goals::{FLOOR, REPLAY, Results};
use handover::Handover;
use measure::{Bench, Report};
use report::Row;
use workloads::{APPEND_ZSTD, WORKLOADS, Workload};

/// How the command line wants it.
struct Plan {
    runs: usize,
    pairs: usize,
    only: Option<Vec<String>>,
    out: String,
}

impl Plan {
    fn has(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only.iter().any(|wanted| wanted == name))
    }
}

fn main() {
    let plan = plan();
    contenders::build();
    let mut bench = Bench::start();
    let replay = format!("{}/felice-replay-{}", env::temp_dir().display(), std::process::id());
    warm_up(&mut bench);
    let mut results = Results {
        rows: Vec::new(),
        pairs: Vec::new(),
        handover: Handover::measure(),
        empty_kib: bench.run_alone(own("empty")).peak_kib,
        append: None,
        append_zstd: None,
        idle: None,
    };
    let mut text = machine();
    for workload in WORKLOADS {
        if !plan.has(workload.name) {
            continue;
        }
        let rows = measure(&mut bench, &workload, &plan, &replay);
        let table = report::table(&workload, &rows);
        println!("{table}");
        text.push_str(&table);
        results.rows.push((workload.name, rows));
    }
    if plan.pairs > 0 {
        results.pairs = pairs(&mut bench, plan.pairs, &replay);
    }
    if plan.has("append") {
        results.append = Some(bench.run(own("append"), &WORKLOADS[0]));
        results.append_zstd = Some(bench.run(own("append"), &APPEND_ZSTD));
    }
    if plan.only.is_none() {
        results.idle = Some(bench.run(own("idle"), &Workload { records: 10, ..WORKLOADS[0] }));
    }
    let _ = fs::remove_file(&replay);
    let goals = goals::table(&results);
    println!("{goals}");
    text.push_str(&goals);
    write(&plan, &text, &results);
}

fn plan() -> Plan {
    let mut plan = Plan { runs: 5, pairs: 9, only: None, out: "..".into() };
    let mut arguments = env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().unwrap_or_else(|| panic!("{name} needs a value"));
        match name.as_str() {
            "--runs" => plan.runs = value.parse().expect("a number of runs"),
            "--pairs" => plan.pairs = value.parse().expect("a number of pairs"),
            "--only" => plan.only = Some(value.split(',').map(str::to_owned).collect()),
            "--out" => plan.out = value,
            _ => panic!("there is no option {name}"),
        }
    }
    plan
}

/// A JVM's first half a minute is not its usual speed: the broker's is not to be the first contender's.
fn warm_up(bench: &mut Bench) {
    for workload in WORKLOADS.iter().filter(|workload| ["small", "large", "sync"].contains(&workload.name)) {
        bench.run(CONTENDERS[0].command(), workload);
    }
}

/// All runs of a workload.
fn measure(bench: &mut Bench, workload: &Workload, plan: &Plan, replay: &str) -> Vec<Row> {
    let row = |name: &str, note, is_async, is_felice, is_limit| {
        let name = name.to_owned();
        Row { name, note, is_async, is_felice, is_limit, runs: Vec::new(), shape: None }
    };
    let able: Vec<_> = CONTENDERS
        .iter()
        .filter(|contender| contender.can(workload.mode) && (contender.is_felice() || !workload.own))
        .filter(|contender| workload.threads == 1 || contender.has_threads)
        .collect();
    let mut rows: Vec<Row> =
        able.iter().map(|it| row(it.name, it.note, it.is_async, it.is_felice(), false)).collect();
    let with_limits = matches!(workload.name, "small" | "large" | "sync");
    if with_limits {
        bench.record(CONTENDERS[0].command(), workload, workload.records, Some(replay));
        rows.push(row(REPLAY, "five in flight on a raw socket", false, false, true));
        rows.push(row(FLOOR, "one thread, one buffer in the cache", false, false, true));
    }
    // A minute each: once is enough.
    let runs = if workload.mode == "rate" { 1 } else { plan.runs };
    for run in 0..runs {
        for (contender, row) in able.iter().zip(&mut rows) {
            eprintln!("{} {run} {}", workload.name, row.name);
            row.runs.push(bench.run(contender.command(), workload));
        }
        if with_limits {
            let replayed = bench.run(replaying(replay), workload);
            let encoded = if workload.mode == "sync" { Report::default() } else { bench.run_floor(workload) };
            let [.., replays, floors] = &mut rows[..] else { continue };
            replays.runs.push(replayed);
            floors.runs.push(Report {
                cpu_ns: encoded.cpu_ns + replayed.cpu_ns,
                records: encoded.records,
                seconds: encoded.seconds,
                peak_kib: encoded.peak_kib,
                ..Report::default()
            });
        }
    }
    if workload.mode == "sync" {
        rows.pop();
    } else {
        for (contender, row) in able.iter().zip(&mut rows) {
            let records = workload.records.min(1_000_000);
            row.shape = Some(bench.record(contender.command(), workload, records, None));
        }
    }
    rows
}

/// felice and the replay of what it has sent, in turns.
fn pairs(bench: &mut Bench, pairs: usize, replay: &str) -> Vec<(f64, f64)> {
    let workload = Workload { records: 2_000_000, ..WORKLOADS[0] };
    bench.record(CONTENDERS[0].command(), &workload, workload.records, Some(replay));
    let pair = |_| {
        let felice = bench.run(CONTENDERS[0].command(), &workload).per_second();
        (felice, bench.run(replaying(replay), &workload).per_second())
    };
    (0..pairs).map(pair).collect()
}

fn replaying(file: &str) -> Command {
    let mut command = own("replay");
    command.env("REPLAY", file);
    command
}

/// The date, and what this ran on.
fn machine() -> String {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{}, commit {}; {cores} × {}, Linux {}, shared with the broker (Kafka 4.3.1, one, on the same machine); \
         acks=all, idempotent where the client can, default levels of compression.\n",
        said("date", &["-u", "+%Y-%m-%d"]),
        said("git", &["rev-parse", "--short", "HEAD"]),
        cpu.trim_start_matches([' ', '\t', ':']),
        said("uname", &["-r"]),
    )
}

fn write(plan: &Plan, text: &str, results: &Results) {
    fs::write(format!("{}/RESULTS.md", plan.out), format!("# Benchmark\n\n{text}"))
        .expect("the folder is there");
    let groups: Vec<(&str, &[Row])> = [("small", "100 B"), ("large", "1 KiB")]
        .iter()
        .filter_map(|(name, title)| {
            let (_, rows) = results.rows.iter().find(|(at, _)| at == name)?;
            Some((*title, &rows[..]))
        })
        .collect();
    let caption = text.lines().next().unwrap_or_default().split("; acks").next().unwrap_or_default();
    fs::write(format!("{}/results.svg", plan.out), plot::svg(&groups, caption)).expect("the folder is there");
}
