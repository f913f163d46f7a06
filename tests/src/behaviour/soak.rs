//! How much and for how long: in the test command as little as shows something, in the soak what nobody waits for.

use std::sync::OnceLock;
use std::time::Duration;

use super::wait_until;

/// How many records each producer of a scenario sends at least: `FELICE_SOAK_RECORDS`, which makes it the soak. Otherwise as
/// many as it takes.
///
/// # Panics
///
/// If it is no number.
pub fn records() -> u64 {
    static RECORDS: OnceLock<u64> = OnceLock::new();
    *RECORDS.get_or_init(|| match std::env::var("FELICE_SOAK_RECORDS") {
        Ok(records) => records.parse().expect("FELICE_SOAK_RECORDS is a number"),
        Err(_) => 0,
    })
}

/// Whether this is the soak.
pub fn is_on() -> bool {
    records() > 0
}

/// Does it once; in the soak three times, each time with a third of the records until then. `heard` counts the outcomes.
pub(super) fn rounds(mut disturb: impl FnMut(), heard: impl Fn() -> u64) {
    let rounds = if is_on() { 3 } else { 1 };
    for round in 1..=rounds {
        disturb();
        until_heard(records() * round / rounds, &heard);
    }
}

/// Waits as long as there are more and more outcomes, until there are so many.
pub(super) fn until_heard(enough: u64, heard: &impl Fn() -> u64) {
    let mut before = heard();
    while before < enough {
        wait_until("records go on", || heard() > before);
        before = heard();
    }
}

/// For how long something is as it must not be: in a test, and in the soak.
pub(crate) fn lasts(seconds: u64, in_the_soak: u64) -> Duration {
    Duration::from_secs(if is_on() { in_the_soak } else { seconds })
}

/// What decides what goes wrong: `FELICE_LINK_SEED`, or another one each time. Print it.
///
/// # Panics
///
/// If it is no number.
pub(crate) fn seed() -> u64 {
    match std::env::var("FELICE_LINK_SEED") {
        Ok(seed) => seed.parse().expect("FELICE_LINK_SEED is a number"),
        Err(_) => {
            let since = std::time::UNIX_EPOCH.elapsed().expect("it is later than 1970");
            since.as_micros() as u64
        }
    }
}
