//! The two clocks: the monotonic one that drives timers, and the wall clock that stamps records.
//!
//! `send` reads only the coarse ones: 4 ns each where a precise one costs 24 ns, and one tick of the kernel (4 ms) old
//! at most, as long as the machine is given its processors in time. A batch may therefore leave up to 4 ms before its
//! linger is over, never after. The driver reads the precise one, once per turn. Both count from the same origin on
//! Linux, so an instant of `send` is never ahead of the driver's; elsewhere the standard library's clocks stand in for
//! both.
//!
//! A wall clock that says a time before `clock.unset.before.ms` is not set: a machine without a battery begins with 1970. No
//! record gets such a time. It gets the time since the machine began, where there is a spool that keeps it until the
//! clock is set, and is refused where there is none.

use felice_core::time::{Instant, Timestamp};

/// The default of `clock.unset.before.ms`: 2024-01-01T00:00Z. This code is younger.
pub(crate) const UNSET_BEFORE: Timestamp = Timestamp::from_millis(1_704_067_200_000);

/// Where instants and times come from: one per producer.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Before this the wall clock is not set.
    unset_before: Timestamp,
    /// There is a spool that keeps records until it is.
    is_kept: bool,
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    origin: std::time::Instant,
}

impl Clock {
    /// The same clocks, of which the wall clock is set from this time on.
    pub(crate) const fn unset_before(mut self, time: Timestamp) -> Self {
        self.unset_before = time;
        self
    }

    /// The same clocks, for records that are kept until the wall clock is set.
    pub(crate) const fn kept(mut self, is_kept: bool) -> Self {
        self.is_kept = is_kept;
        self
    }

    /// The time of a record that was given one, or was not. `None`: the clock is not set, and nobody keeps the record until
    /// it is.
    #[inline]
    pub(crate) fn stamp(&self, given: Option<Timestamp>) -> Option<Timestamp> {
        let time = given.unwrap_or_else(|| self.timestamp());
        if time >= self.unset_before { Some(time) } else { self.stamp_early(given) }
    }

    /// What the user gives as its time is its time, but for one that can only be from this clock, which is not set.
    #[cold]
    fn stamp_early(&self, given: Option<Timestamp>) -> Option<Timestamp> {
        let own = given.filter(|time| time.as_since_boot().is_none());
        if self.is_set() {
            return Some(own.unwrap_or_else(|| self.timestamp()));
        }
        let captured = self.is_kept.then(|| Timestamp::since_boot(self.since_boot()));
        own.filter(|time| *time >= PLAUSIBLE).or(captured)
    }

    /// Whether the wall clock says a time that it may be.
    pub(crate) fn is_set(&self) -> bool {
        self.timestamp() >= self.unset_before
    }

    /// When the machine began, by the wall clock as it is now.
    pub(crate) fn boot(&self) -> Timestamp {
        Timestamp::from_millis(self.timestamp().as_millis() - self.since_boot())
    }

    /// The same time by the wall clock, as it is now.
    pub(crate) fn settled(&self, time: Timestamp) -> Timestamp {
        if time.as_since_boot().is_some() { time.settled(self.boot()) } else { time }
    }
}

/// A time before 2000-01-01T00:00Z, from a machine whose clock is not set, is that clock's.
const PLAUSIBLE: Timestamp = Timestamp::from_millis(946_684_800_000);

#[cfg(any(target_os = "linux", target_os = "android"))]
mod os {
    use rustix::time::{ClockId, clock_gettime};

    use super::{Clock, Instant, Timestamp};

    impl Clock {
        /// The system's clocks.
        #[must_use]
        pub const fn new() -> Self {
            Self { unset_before: super::UNSET_BEFORE, is_kept: false }
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

    impl Clock {
        /// Milliseconds since the machine began, those in which it slept included.
        #[expect(clippy::unused_self, reason = "as elsewhere")]
        pub(super) fn since_boot(&self) -> i64 {
            let time = clock_gettime(ClockId::Boottime);
            time.tv_sec * 1_000 + time.tv_nsec / 1_000_000
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
        Self { unset_before: UNSET_BEFORE, is_kept: false, origin: std::time::Instant::now() }
    }

    /// Milliseconds since the process asked first: nothing is known of the machine's begin.
    #[expect(clippy::unused_self, reason = "as on Linux")]
    fn since_boot(&self) -> i64 {
        static BEGAN: std::sync::LazyLock<std::time::Instant> =
            std::sync::LazyLock::new(std::time::Instant::now);
        BEGAN.elapsed().as_millis() as i64
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

    use felice_core::time::Timestamp;

    use super::Clock;

    #[test]
    fn a_record_has_the_time_that_it_is_given_unless_that_is_of_a_clock_that_is_not_set() {
        let (set, early, old) =
            (Clock::new(), Timestamp::from_millis(7), Timestamp::from_millis(1_000_000_000_000));
        let unset = set.unset_before(Timestamp::from_millis(i64::MAX));
        for own in [early, old] {
            assert_eq!(set.stamp(Some(own)), Some(own), "the user's own, as it is");
        }
        assert_eq!(unset.kept(true).stamp(Some(old)), Some(old));
        assert_eq!(unset.stamp(Some(old)), Some(old));
        assert_eq!([unset.stamp(Some(early)), unset.stamp(None)], [None, None]);
        for given in [Some(early), None] {
            let captured = unset.kept(true).stamp(given).expect("it is kept");
            let elapsed = unset.since_boot() - captured.as_since_boot().expect("it has no time yet");
            assert!((0..10_000).contains(&elapsed), "{elapsed}");
            let settled = set.settled(captured).as_millis();
            assert!((set.timestamp().as_millis() - settled).abs() < 10_000);
        }
        assert_eq!((unset.is_set(), set.is_set(), set.settled(old)), (false, true, old));
        assert!(set.boot() < set.timestamp());
    }

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
