//! The two clocks: the monotonic one that drives timers, and the wall clock that stamps records.
//!
//! `send` reads only the coarse ones: 4 ns each where a precise one costs 24 ns, and one tick of the kernel (4 ms) old
//! at most, as long as the machine is given its processors in time. A batch may therefore leave up to 4 ms before its
//! linger is over, never after. The driver reads the precise one, once per turn. Both count from the same origin on
//! Linux, so an instant of `send` is never ahead of the driver's; elsewhere the standard library's clocks stand in for
//! both.

use felice_core::time::{Instant, Timestamp};

/// Where the instants come from: one per producer.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    origin: std::time::Instant,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod os {
    use rustix::time::{ClockId, clock_gettime};

    use super::{Clock, Instant, Timestamp};

    impl Clock {
        /// The system's clocks.
        #[must_use]
        pub const fn new() -> Self {
            Self {}
        }

        /// Now, to the microsecond: 24 ns.
        #[must_use]
        pub fn now(&self) -> Instant {
            instant(ClockId::Monotonic)
        }

        /// Now or up to one tick of the kernel ago: 4 ns.
        #[must_use]
        pub fn coarse(&self) -> Instant {
            instant(ClockId::MonotonicCoarse)
        }

        /// The wall clock now or up to one tick of the kernel ago: 4 ns.
        #[must_use]
        #[inline]
        pub fn timestamp(&self) -> Timestamp {
            let time = clock_gettime(ClockId::RealtimeCoarse);
            Timestamp::from_millis(time.tv_sec * 1_000 + time.tv_nsec / 1_000_000)
        }
    }

    fn instant(clock: ClockId) -> Instant {
        let time = clock_gettime(clock);
        Instant::from_micros((time.tv_sec * 1_000_000 + time.tv_nsec / 1_000).cast_unsigned())
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl Clock {
    /// The system's clocks.
    #[must_use]
    pub fn new() -> Self {
        Self { origin: std::time::Instant::now() }
    }

    /// Now, to the microsecond.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::ZERO + self.origin.elapsed()
    }

    /// The same as [`now`](Self::now): this system has no coarse clock.
    #[must_use]
    pub fn coarse(&self) -> Instant {
        self.now()
    }

    /// The wall clock.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use super::Clock;

    #[test]
    fn the_coarse_clocks_follow_the_precise_ones() {
        let clock = Clock::new();
        for _ in 0..3 {
            let coarse = clock.coarse();
            let now = clock.now();
            assert!(now >= coarse, "the coarse clock is never ahead");
            assert!(now.since(coarse) < Duration::from_millis(100), "{now:?} {coarse:?}");
            let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
            assert!((clock.timestamp().as_millis() - wall).abs() < 100);
            std::thread::sleep(Duration::from_millis(3));
        }
    }
}
