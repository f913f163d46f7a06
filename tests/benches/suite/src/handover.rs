//! What it takes to hand something to another thread and back, where both have to be woken.

use std::thread;
use std::time::Instant;

use std::sync::atomic::{AtomicU32, Ordering};

const ROUNDS: u32 = 5_000;

/// Two hand-overs, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handover {
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

impl Handover {
    /// Measures it: a thread parks until the other one has answered.
    pub(crate) fn measure() -> Self {
        static ASKED: AtomicU32 = AtomicU32::new(0);
        static ANSWERED: AtomicU32 = AtomicU32::new(0);
        let asking = thread::current();
        let answering = thread::spawn(move || {
            for round in 1..=ROUNDS {
                wait_for(&ASKED, round);
                ANSWERED.store(round, Ordering::Release);
                asking.unpark();
            }
        });
        let mut times: Vec<f64> = (1..=ROUNDS)
            .map(|round| {
                let begun = Instant::now();
                ASKED.store(round, Ordering::Release);
                answering.thread().unpark();
                wait_for(&ANSWERED, round);
                begun.elapsed().as_nanos() as f64 / 1e3
            })
            .collect();
        answering.join().expect("it ends");
        times.sort_unstable_by(f64::total_cmp);
        Self { p50_us: times[times.len() / 2], p99_us: times[times.len() * 99 / 100] }
    }
}

fn wait_for(place: &AtomicU32, round: u32) {
    while place.load(Ordering::Acquire) < round {
        thread::park();
    }
}
