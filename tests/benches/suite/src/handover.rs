//! What it takes to hand something to another thread and back, where both have slept as long as a broker takes to answer:
//! waking a processor that has nothing to do is most of it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const ROUNDS: u32 = 5_000;
/// As long as the other thread is left asleep before it is woken.
const ASLEEP: Duration = Duration::from_micros(200);

/// Two hand-overs, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handover {
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

impl Handover {
    /// Measures it: one thread wakes another, which some time later wakes the first.
    pub(crate) fn measure() -> Self {
        static ASKED: AtomicU32 = AtomicU32::new(0);
        static ANSWERED: AtomicU32 = AtomicU32::new(0);
        let begun = Instant::now();
        let asking = thread::current();
        let answering = thread::spawn(move || {
            let mut woken = Vec::new();
            for round in 1..=ROUNDS {
                wait_for(&ASKED, round);
                let now = begun.elapsed();
                thread::sleep(ASLEEP);
                woken.push((now, begun.elapsed()));
                ANSWERED.store(round, Ordering::Release);
                asking.unpark();
            }
            woken
        });
        let mut own = Vec::new();
        for round in 1..=ROUNDS {
            thread::sleep(ASLEEP);
            let asked = begun.elapsed();
            ASKED.store(round, Ordering::Release);
            answering.thread().unpark();
            wait_for(&ANSWERED, round);
            own.push((asked, begun.elapsed()));
        }
        let woken = answering.join().expect("it ends");
        let mut times: Vec<f64> = own
            .iter()
            .zip(&woken)
            .map(|((asked, heard), (woken, answered))| {
                (*woken - *asked + (*heard - *answered)).as_nanos() as f64 / 1e3
            })
            .collect();
        times.sort_unstable_by(f64::total_cmp);
        Self { p50_us: times[times.len() / 2], p99_us: times[times.len() * 99 / 100] }
    }
}

fn wait_for(place: &AtomicU32, round: u32) {
    while place.load(Ordering::Acquire) < round {
        thread::park();
    }
}
