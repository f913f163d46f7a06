//! Does one operation many times, to be counted by callgrind: `instructions OPERATION TIMES`.
//!
//! Callgrind collects within [`counted`] only, so what leads up to an operation, and the cluster that answers, do not
//! count. `.ci/guards` runs each operation once and twice as often: the difference is free of whatever happens once.
//! Timestamps, sizes and places are fixed, and the engine's time stands still.

mod data_plane;
mod producer;

use std::process::ExitCode;

use felice_core::time::Timestamp;

/// Every record's.
const TIMESTAMP: Timestamp = Timestamp::from_millis(1_759_999_999_000);

/// An operation's name, and what does it so many times.
type Operation = (&'static str, fn(usize));

const OPERATIONS: [Operation; 9] = [
    ("append-100", |times| data_plane::append(times, 100, 1_000)),
    ("append-1024", |times| data_plane::append(times, 1_024, 100)),
    ("seal", data_plane::seal),
    ("send", producer::send),
    ("request", producer::request),
    ("answer", producer::answer),
    ("round", producer::round),
    ("among-6", |times| producer::among(6, times)),
    ("among-100000", |times| producer::among(100_000, times)),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [name, times] = &arguments[..]
        && let Some((_, operation)) = OPERATIONS.iter().find(|(known, _)| known == name)
        && let Ok(times) = times.parse()
    {
        operation(times);
        return ExitCode::SUCCESS;
    }
    let names: Vec<_> = OPERATIONS.iter().map(|(name, _)| *name).collect();
    eprintln!("usage: instructions {} TIMES", names.join("|"));
    ExitCode::FAILURE
}

/// Runs what counts. Callgrind knows it by its name, and begins and ends there; one must not run within another.
#[inline(never)]
fn counted<T>(code: impl FnOnce() -> T) -> T {
    code()
}

/// Runs what counts, or does not.
fn counted_if<T>(counts: bool, code: impl FnOnce() -> T) -> T {
    if counts { counted(code) } else { code() }
}
