//! Backoff between attempts: exponential, with jitter (KIP-580). The randomness comes from the caller's seed.

use core::time::Duration;

/// Kafka's jitter: a backoff is up to this many percent shorter or longer.
const JITTER_PERCENT: u64 = 20;

/// A small generator of randomness (xorshift64*), good for jitter and nothing else.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(if seed == 0 { 0x9E37_79B9_7F4A_7C15 } else { seed })
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // The bias of the remainder is far below what a jitter would show.
        self.next() % bound.max(1)
    }
}

/// The wait before the next attempt after `failures` that came one after the other.
pub(crate) fn backoff(base: Duration, max: Duration, failures: u32, random: &mut Random) -> Duration {
    let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let doubled = micros(base).saturating_mul(1 << failures.saturating_sub(1).min(20));
    let wait = doubled.min(micros(max));
    let spread = wait / 100 * JITTER_PERCENT;
    Duration::from_micros(wait - spread + random.below(2 * spread + 1))
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
