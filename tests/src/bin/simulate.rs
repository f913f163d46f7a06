//! Runs the deterministic simulations: `simulate SEED` prints one run's log, `simulate FIRST..LAST` runs many, and
//! `simulate @FILE` prints the log of the run that a fuzzer's input makes. With `lives blind` or `lives probe` before the
//! seeds it is the lives of a producer with a spool.

use std::process::ExitCode;

use felice_tests::lives::{self, Way};
use felice_tests::simulation::{self, Trace};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["lives", "blind", seeds] => of_lives(Way::Blind, seeds),
        ["lives", "probe", seeds] => of_lives(Way::Probe, seeds),
        [seeds] => of_producers(seeds),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!(
        "usage: simulate SEED | simulate FIRST..LAST | simulate @FILE\n       \
         simulate lives blind|probe SEED | simulate lives blind|probe FIRST..LAST"
    );
    ExitCode::FAILURE
}

fn range(seeds: &str) -> Option<(u64, u64)> {
    seeds.split_once("..").and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)))
}

fn of_producers(seeds: &str) -> ExitCode {
    if let Some((first, last)) = range(seeds) {
        return many(first, last);
    }
    let input = seeds.strip_prefix('@').map(std::fs::read);
    let (report, _) = match (seeds.parse(), input) {
        (Ok(seed), _) => simulation::run(seed, Trace::Printed),
        (_, Some(Ok(input))) => simulation::run_input(&input, Trace::Printed),
        _ => return usage(),
    };
    println!("{report:?}");
    ExitCode::SUCCESS
}

fn of_lives(way: Way, seeds: &str) -> ExitCode {
    let Some((first, last)) = range(seeds) else {
        let Ok(seed) = seeds.parse() else { return usage() };
        println!("{:?}", lives::run(seed, way, Trace::Printed).0);
        return ExitCode::SUCCESS;
    };
    let (mut failed, mut sum) = (0, lives::Report::default());
    for seed in first..last {
        match std::panic::catch_unwind(|| lives::run(seed, way, Trace::Off).0) {
            Ok(report) => sum.add(&report),
            Err(_) => {
                failed += 1;
                eprintln!("seed {seed} failed: `simulate lives {} {seed}` shows how", way.name());
            }
        }
    }
    println!("{} seeds, {failed} failed; {sum:?}", last - first);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn many(first: u64, last: u64) -> ExitCode {
    let mut failed = 0;
    let (mut accepted, mut acknowledged, mut events, mut virtual_us) = (0, 0, 0, 0);
    for seed in first..last {
        match std::panic::catch_unwind(|| simulation::run(seed, Trace::Off)) {
            Ok((report, _)) => {
                accepted += report.accepted;
                acknowledged += report.acknowledged;
                events += report.events;
                virtual_us += report.virtual_us;
            }
            Err(_) => {
                failed += 1;
                eprintln!("seed {seed} failed: `simulate {seed}` shows how");
            }
        }
    }
    println!(
        "{} seeds, {failed} failed; {accepted} records, {acknowledged} acknowledged; {events} events; {} virtual hours",
        last - first,
        virtual_us / 3_600_000_000
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
