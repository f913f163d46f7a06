//! A producer with a spool that is cut off and begins anew, again and again: nothing is lost, nothing is stored twice. A
//! failure names its seed; `cargo run --release -p felice-tests --bin simulate lives probe SEED` shows the run.

use felice_tests::lives::{self, Report, Way};
use felice_tests::simulation::Trace;

/// Seeds for each way. Of the next thousand some stand still or store twice: see `SOAK.md`.
const SEEDS: u64 = 2_000;

fn every_seed(way: Way) -> Report {
    let mut sum = Report::default();
    for seed in 0..SEEDS {
        let run = std::panic::catch_unwind(|| lives::run(seed, way, Trace::Off).0);
        let Ok(report) = run else {
            panic!("seed {seed}: `simulate lives {} {seed}` shows the run", way.name())
        };
        sum.add(&report);
    }
    println!("{way:?}: {sum:?}");
    // Where hardly anything goes wrong, or is finished by another life, nothing is shown.
    assert!(sum.durable > 30 * SEEDS && sum.resumed > 2 * SEEDS && sum.put_back > 0, "{sum:?}");
    assert!(sum.dropped > SEEDS && sum.full > SEEDS / 10 && sum.disk_failed > SEEDS / 10, "{sum:?}");
    assert!(sum.adrift > SEEDS / 10 && sum.ends.iter().all(|count| *count > SEEDS / 10), "{sum:?}");
    sum
}

#[test]
fn blindly() {
    every_seed(Way::Blind);
}

#[test]
fn behind_what_the_leaders_remember() {
    // Hardly anywhere a broker has lost what it knew, so hardly anything is excused.
    assert!(every_seed(Way::Probe).loosened < 3 * SEEDS);
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
