//! How much and for how long: in the test command as little as shows something, in the soak what nobody waits for.

use std::sync::OnceLock;
use std::time::Duration;

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

/// For how long something is as it must not be: in a test, and in the soak.
pub(super) fn lasts(seconds: u64, in_the_soak: u64) -> Duration {
    Duration::from_secs(if is_on() { in_the_soak } else { seconds })
}

/// What decides what goes wrong: `FELICE_LINK_SEED`, or another one each time. Print it.
///
/// # Panics
///
/// If it is no number.
pub(super) fn seed() -> u64 {
    match std::env::var("FELICE_LINK_SEED") {
        Ok(seed) => seed.parse().expect("FELICE_LINK_SEED is a number"),
        Err(_) => {
            let since = std::time::UNIX_EPOCH.elapsed().expect("it is later than 1970");
            since.as_micros() as u64
        }
    }
}
