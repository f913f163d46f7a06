//! A producer with a spool that is cut off and begins anew, again and again: nothing is lost, nothing is stored twice. A
//! failure names its seed; `cargo run --release -p felice-tests --bin simulate lives probe SEED` shows the run.

use felice_tests::lives::{self, Report, Way};
use felice_tests::simulation::Trace;

/// Seeds for each way.
const SEEDS: u64 = 2_000;

fn every_seed(way: Way) -> Report {
    let mut sum = Report::default();
    for seed in 0..SEEDS {
        let run = std::panic::catch_unwind(|| lives::run(seed, way, Trace::Off).0);
        let Ok(report) = run else { panic!("seed {seed}, {way:?}") };
        sum.add(&report);
    }
    println!("{way:?}: {sum:?}");
    sum
}

#[test]
fn blindly() {
    let report = every_seed(Way::Blind);
    shows_something(&report);
}

#[test]
fn behind_what_the_leaders_remember() {
    let report = every_seed(Way::Probe);
    shows_something(&report);
}

/// Where hardly anything goes wrong nothing is shown.
fn shows_something(report: &Report) {
    assert!(report.durable > 10 * SEEDS, "{report:?}");
}

#[test]
fn the_same_seed_gives_the_same_run_byte_for_byte() {
    for seed in (0..100).step_by(7) {
        for way in [Way::Blind, Way::Probe] {
            let run = || lives::run(seed, way, Trace::Kept(String::new()));
            let ((report, trace), (again, trace_again)) = (run(), run());
            let Trace::Kept(lines) = &trace else { panic!("it was kept") };
            assert!(lines.lines().count() > 10, "seed {seed}, {way:?}");
            assert_eq!((report, &trace), (again, &trace_again), "seed {seed}, {way:?}");
        }
    }
}
