//! Runs the deterministic simulation: `simulate SEED` prints one run's log, `simulate FIRST..LAST` runs many, and
//! `simulate @FILE` prints the log of the run that a fuzzer's input makes.

use std::process::ExitCode;

use felice_tests::simulation::{self, Trace};

fn main() -> ExitCode {
    let argument = std::env::args().nth(1).unwrap_or_default();
    let range =
        argument.split_once("..").and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    if let Some((first, last)) = range {
        return many(first, last);
    }
    let input = argument.strip_prefix('@').map(std::fs::read);
    let (report, _) = match (argument.parse(), input) {
        (Ok(seed), _) => simulation::run(seed, Trace::Printed),
        (_, Some(Ok(input))) => simulation::run_input(&input, Trace::Printed),
        _ => {
            eprintln!("usage: simulate SEED | simulate FIRST..LAST | simulate @FILE");
            return ExitCode::FAILURE;
        }
    };
    println!("{report:?}");
    ExitCode::SUCCESS
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
