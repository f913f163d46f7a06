//! How a signal reaches the thread that sends, and how that thread waits.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Shorter waits are not worth their system call: what is left out of one is in the next.
const WAIT_MIN: Duration = Duration::from_millis(2);

/// Whether the program was asked to end, and by which signal.
#[derive(Default)]
pub(super) struct Stop {
    signal: Mutex<Option<i32>>,
    asked: Condvar,
}

impl Stop {
    /// Listens for SIGTERM and SIGINT, from now on: one that comes before [`Listening::then`] is not lost.
    pub(super) fn listen() -> io::Result<Listening> {
        Ok(Listening { signals: Signals::new([SIGINT, SIGTERM])?, stop: Arc::default() })
    }

    /// The signal, if there was one.
    pub(super) fn signal(&self) -> Option<i32> {
        *self.lock()
    }

    /// Waits until a moment, or for ever; less, if a signal comes.
    pub(super) fn wait_until(&self, moment: Option<Instant>) {
        let mut signal = self.lock();
        while signal.is_none() {
            let Some(moment) = moment else {
                signal = self.asked.wait(signal).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = moment.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            signal = self.asked.wait_timeout(signal, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<i32>> {
        self.signal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Signals, with nobody yet who does something about them.
pub(super) struct Listening {
    signals: Signals,
    stop: Arc<Stop>,
}

impl Listening {
    /// At the first signal, tells whoever looks at the value that this gives, and then calls `end` on a thread of its own.
    pub(super) fn then(self, end: impl FnOnce() + Send + 'static) -> io::Result<Arc<Stop>> {
        let Self { mut signals, stop } = self;
        let told = Arc::clone(&stop);
        thread::Builder::new().name("signals".into()).spawn(move || {
            let signal = signals.forever().next();
            *told.lock() = signal;
            told.asked.notify_all();
            end();
        })?;
        Ok(stop)
    }
}

/// So many records in a second, more or less; whoever is late makes up for it.
pub(super) struct Pace {
    begun: Instant,
    per_second: i32,
}

impl Pace {
    /// From now on. Negative is as fast as it goes; zero is a first record, and then no more.
    pub(super) fn new(per_second: i32) -> Self {
        Self { begun: Instant::now(), per_second }
    }

    /// Waits until the next record is due, after so many.
    pub(super) fn wait(&self, sent: u64, stop: &Stop) {
        match self.per_second {
            ..0 => {}
            0 => stop.wait_until(None),
            _ => {
                let due = self.due(sent);
                if due > Instant::now() + WAIT_MIN {
                    stop.wait_until(Some(due));
                }
            }
        }
    }

    /// When the record after so many is to be sent, whenever those were.
    fn due(&self, sent: u64) -> Instant {
        self.begun + Duration::from_secs_f64(sent as f64 / f64::from(self.per_second))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_kept_and_lost_time_made_up_for() {
        let (stop, pace) = (Stop::default(), Pace::new(1_000));
        (1..=50).for_each(|sent| pace.wait(sent, &stop));
        assert!(pace.begun.elapsed() >= Duration::from_millis(50) - WAIT_MIN);
        assert_eq!(pace.due(2_500) - pace.begun, Duration::from_millis(2_500));
        Pace::new(-1).wait(u64::MAX, &stop);
    }

    #[test]
    fn a_signal_ends_every_wait() {
        let stop = Stop { signal: Mutex::new(Some(SIGTERM)), ..Stop::default() };
        Pace::new(0).wait(1, &stop);
        Pace::new(1).wait(1_000, &stop);
        assert_eq!(stop.signal(), Some(15));
    }
}
