//! Backoff between attempts: exponential, with jitter (KIP-580). The randomness comes from the caller's seed.

use crate::random::Random;
use crate::time::micros;
use core::time::Duration;

/// Kafka's jitter: a backoff is up to this many percent shorter or longer.
const JITTER_PERCENT: u64 = 20;

/// The wait before the next attempt after `failures` that came one after the other.
pub(crate) fn backoff(base: Duration, max: Duration, failures: u32, random: &mut Random) -> Duration {
    let doubled = micros(base).saturating_mul(1 << failures.saturating_sub(1).min(20));
    let wait = doubled.min(micros(max));
    let spread = wait / 100 * JITTER_PERCENT;
    // A backoff of more than 35 minutes has a jitter of 35 minutes.
    let jitter = random.below(u32::try_from(2 * spread + 1).unwrap_or(u32::MAX));
    Duration::from_micros(wait - spread + u64::from(jitter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_maximum_within_the_jitter() {
        let (base, max) = (Duration::from_millis(100), Duration::from_millis(1_000));
        let mut random = Random::new(7);
        for (failures, expected) in [(1, 100), (2, 200), (3, 400), (4, 800), (5, 1_000), (90, 1_000)] {
            for _ in 0..100 {
                let wait = backoff(base, max, failures, &mut random).as_millis() as u64;
                assert!((expected * 8 / 10..=expected * 12 / 10).contains(&wait), "{failures}: {wait} ms");
            }
        }
        assert_eq!(backoff(Duration::ZERO, Duration::ZERO, 3, &mut random), Duration::ZERO);
    }
}
