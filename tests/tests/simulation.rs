//! The deterministic simulation, many seeds.

use felice_tests::simulation::{self, Trace};

#[test]
fn every_seed_keeps_every_promise() {
    for seed in 0..2_000 {
        let run = std::panic::catch_unwind(|| simulation::run(seed, Trace::Off));
        assert!(run.is_ok(), "seed {seed}");
    }
}
