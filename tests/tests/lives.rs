//! A producer that is cut off and begins anew, again and again: nothing is lost, nothing is stored twice.

use felice_tests::lives::{self, Report, Way};

/// Seeds for each way.
const SEEDS: u64 = 2_000;

fn every_seed(way: Way) -> Report {
    let mut sum = Report::default();
    for seed in 0..SEEDS {
        let run = std::panic::catch_unwind(|| lives::run(seed, way));
        let Ok(report) = run else { panic!("seed {seed}, {way:?}") };
        sum.batches += report.batches;
        sum.resumed += report.resumed;
        sum.somewhere += report.somewhere;
        sum.spared += report.spared;
        sum.adrift += report.adrift;
    }
    println!("{way:?}: {sum:?}");
    sum
}

#[test]
fn blindly() {
    let report = every_seed(Way::Blind);
    // Where hardly anything is resumed, nothing is shown.
    assert!(report.resumed > SEEDS && report.somewhere > SEEDS / 20 && report.adrift > SEEDS / 20);
}

#[test]
fn behind_what_the_leaders_remember() {
    let report = every_seed(Way::Probe);
    assert!(report.resumed > SEEDS && report.spared > SEEDS / 20 && report.adrift > SEEDS / 20);
}
