//! The fuzzer's targets over the corpus that `tests/fuzz` keeps, and over bytes at random: without any tool.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use felice_tests::fuzzing::TARGETS;

/// Inputs at random, for each target.
const RANDOM: u64 = 500;

fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

#[test]
fn the_corpus_breaks_no_promise() {
    for (name, target) in TARGETS {
        let inputs = corpus(name);
        assert!(inputs.len() >= 10, "{name}: a corpus of {}", inputs.len());
        for (path, input) in inputs {
            let run = catch_unwind(AssertUnwindSafe(|| target(&input)));
            assert!(run.is_ok(), "{}", path.display());
        }
    }
}

#[test]
fn bytes_at_random_break_no_promise() {
    for (name, target) in TARGETS {
        for seed in 0..RANDOM {
            let input = random(seed);
            let run = catch_unwind(AssertUnwindSafe(|| target(&input)));
            assert!(run.is_ok(), "{name}, seed {seed}: {input:?}");
        }
    }
}

/// Up to 2,000 bytes of a xorshift.
fn random(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 16
    };
    let length = next() % 2_000;
    (0..length).map(|_| next() as u8).collect()
}
