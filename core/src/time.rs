//! The machine's time: a monotonic [`Instant`] that the caller supplies, and the wall clock's [`Timestamp`].
//!
//! The two never mix: timers run on instants, records carry timestamps. Nothing here may read a clock.

use core::fmt;
use core::ops::Add;
use core::time::Duration;

/// A moment on the caller's monotonic clock, in microseconds since a start of the caller's choice.
///
/// The machine only compares instants and adds to them, so the origin does not matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The origin of the caller's clock.
    pub const ZERO: Self = Self(0);

    /// The instant `micros` microseconds after the origin.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the origin.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The time from `earlier` until this instant; zero where `earlier` is the later one.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates: a deadline beyond the clock's end never comes.
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(micros(duration)))
    }
}

/// The microseconds of a duration, at most as many as the clock has. On a 32-bit machine it is 60 bytes, and most of what
/// waits for something asks for it.
#[cfg_attr(target_pointer_width = "32", inline(never))]
pub(crate) const fn micros(duration: Duration) -> u64 {
    let micros = duration.as_secs().saturating_mul(1_000_000);
    micros.saturating_add(duration.subsec_micros() as u64)
}

/// Far from any time of a wall clock: [`Timestamp::since_boot`] counts from here.
const BOOT: i64 = -(1 << 62);
/// Whatever is before this counts from there.
const BOOT_END: i64 = -(1 << 61);

/// The wall clock as Kafka writes it: milliseconds since 1970-01-01T00:00Z. Only records carry it.
///
/// Where the wall clock is not set yet, it is the time since the machine began ([`since_boot`](Self::since_boot)), and must be
/// [settled](Self::settled) before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The timestamp `millis` milliseconds after the epoch of 1970.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch of 1970.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The time `millis` milliseconds after this machine began, while nobody knows when that was.
    ///
    /// ```
    /// use felice_core::time::Timestamp;
    ///
    /// let (captured, began) = (Timestamp::since_boot(5_000), Timestamp::from_millis(1_700_000_000_000));
    /// assert_eq!(captured.as_since_boot(), Some(5_000));
    /// assert_eq!(captured.settled(began), Timestamp::from_millis(1_700_000_005_000));
    /// assert_eq!(began.settled(began), began);
    /// ```
    #[must_use]
    pub const fn since_boot(millis: i64) -> Self {
        Self(BOOT + millis)
    }

    /// Milliseconds since the machine began; `None` for a time of the wall clock.
    #[must_use]
    pub const fn as_since_boot(self) -> Option<i64> {
        if self.0 < BOOT_END { Some(self.0 - BOOT) } else { None }
    }

    /// The same time by the wall clock, of a machine that began at `boot`.
    #[must_use]
    pub const fn settled(self, boot: Self) -> Self {
        match self.as_since_boot() {
            Some(millis) => Self(boot.0.saturating_add(millis)),
            None => self,
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

/// The earlier of two optional deadlines.
#[must_use]
pub fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
