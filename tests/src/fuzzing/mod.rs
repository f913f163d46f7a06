//! What the fuzzer runs: each target takes any bytes, and panics when a promise is broken.
//!
//! The targets are plain functions. `tests/fuzz` gives them to libFuzzer; `tests/fuzz_corpus.rs` runs them over the
//! corpus that lies there, without any tool. The core's decoders are not public, so they are reached as a broker reaches
//! them: through a producer that has asked.

mod answers;
mod compression;
mod input;
mod planes;
mod properties;
mod records;
mod rig;
mod sasl;

use crate::simulation::{self, Trace};

/// A target: its name, which is that of its corpus, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 7] = [
    ("answers", answers::run),
    ("compression", compression::run),
    ("planes", planes::run),
    ("properties", properties::run),
    ("records", records::run),
    ("sasl", sasl::run),
    ("simulation", |input| drop(simulation::run_input(input, Trace::Off))),
];

/// Runs the target of this name.
///
/// # Panics
///
/// If there is none, or the input has broken a promise.
pub fn run(name: &str, input: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target's name");
    target(input);
}
