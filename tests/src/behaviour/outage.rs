//! One of three brokers is gone for a while, and comes back. The records for the other two go on as before, although
//! those for the one that is gone fill what memory they can; those arrive afterwards, or fail in time, truly.
//!
//! Topics have one replica here: nobody takes over, so the partitions of the broker have no leader until it is back.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use felice_host::Builder;

use super::load::{Load, PARTITIONS};
use super::{FrontEnd, wait_until};
use crate::kafka::Kafka;

/// The broker that goes.
const VICTIM: i32 = 1;
/// Its place where something is counted for each broker.
const VICTIM_INDEX: usize = VICTIM as usize - 1;

/// For how long records are counted before.
const BEFORE: Duration = Duration::from_secs(4);

/// How the broker goes.
#[derive(Clone, Copy, Debug)]
pub enum Gone {
    /// SIGKILL: nobody listens.
    Killed,
    /// SIGSTOP: connections stay open, new ones are taken, and nothing answers.
    Paused,
}

/// How long it is gone, in the eyes of `delivery.timeout.ms`.
#[derive(Clone, Copy, Debug)]
pub enum Timeout {
    /// It is back before: no record fails.
    Later,
    /// Records fail while it is gone.
    Sooner,
}

/// One run.
#[derive(Clone, Copy, Debug)]
pub struct Outage {
    /// How.
    pub gone: Gone,
    /// For how long.
    pub lasts: Duration,
    /// Whether records for it fail meanwhile.
    pub timeout: Timeout,
}

impl Outage {
    /// Two loads of a front-end: one thread for each broker, which names the partitions; and a single thread that leaves
    /// the choice to the sticky partitioner, and so would stop for good at the first full batch nobody takes.
    pub fn loads<F: FrontEnd>(&self, kafka: &Kafka) -> [Load; 2] {
        let name =
            |kind: &str| format!("{}-{kind}-{:?}-{:?}", F::NAME, self.gone, self.timeout).to_lowercase();
        [(name("chosen"), 3), (name("sticky"), 1)].map(|(topic, threads)| {
            let replicas: Vec<[i32; 1]> = (0..PARTITIONS).map(|partition| [1 + partition % 3]).collect();
            kafka.oracle().create_topic_on(&topic, &replicas, &[("min.insync.replicas", "1")]);
            let settings = Builder::<F>::new().bootstrap_servers(&kafka.bootstrap()).buffer_memory(1 << 20);
            Load::new(
                topic,
                threads,
                match self.timeout {
                    Timeout::Later => settings.delivery_timeout(self.lasts + Duration::from_secs(120)),
                    Timeout::Sooner => {
                        settings.delivery_timeout(self.lasts / 2).request_timeout(self.lasts / 3)
                    }
                },
            )
        })
    }

    /// Runs all loads at once while the broker goes and comes back, then checks what was said of each record. How much of
    /// its rate at the other two brokers each load kept meanwhile, in percent.
    ///
    /// # Panics
    ///
    /// If anything that was said of a record is not true.
    pub fn run(&self, kafka: &Kafka, loads: &[Load]) -> Vec<u64> {
        println!("{self:?}");
        let stop = &AtomicBool::new(false);
        let rates = thread::scope(|scope| {
            let _stops = SetOnDrop(stop);
            for load in loads {
                (0..load.threads()).for_each(|lane| drop(scope.spawn(move || load.send(lane, stop))));
            }
            self.disturb(kafka, loads)
        });
        for load in loads {
            load.finish(kafka, |broker| broker == VICTIM && matches!(self.timeout, Timeout::Sooner));
        }
        rates.iter().map(|(before, during)| during * 100 / before.max(&1)).collect()
    }

    /// The broker goes and comes back. What each load had acknowledged by the other two per second, before and during.
    fn disturb(&self, kafka: &Kafka, loads: &[Load]) -> Vec<(u64, u64)> {
        wait_until("all brokers are in use", || {
            loads.iter().all(|load| load.acked().iter().all(|&acked| acked > 500))
        });
        let before = measure(loads, BEFORE, || {});
        let during = measure(loads, self.lasts, || match self.gone {
            Gone::Killed => kafka.kill(VICTIM),
            Gone::Paused => kafka.pause(VICTIM),
        });
        let begun = Instant::now();
        match self.gone {
            Gone::Killed => kafka.restart(VICTIM),
            Gone::Paused => kafka.resume(VICTIM),
        }
        println!("the broker works again after {:.2?}", begun.elapsed());
        let back: Vec<_> = loads.iter().map(Load::acked).collect();
        wait_until("its records arrive", || {
            loads.iter().zip(&back).all(|(load, back)| load.acked()[VICTIM_INDEX] > back[VICTIM_INDEX] + 500)
        });
        println!("its records arrive after {:.2?}", begun.elapsed());
        let of_others = |rates: &[u64; 3]| rates.iter().sum::<u64>() - rates[VICTIM_INDEX];
        let rates = loads.iter().zip(before.iter().zip(&during)).map(|(load, (before, during))| {
            println!("{}: acknowledged per second by each broker: {before:?}, then {during:?}", load.topic());
            (of_others(before), of_others(during))
        });
        rates.collect()
    }
}

/// What each broker acknowledges per second from when `begin` is called.
fn measure(loads: &[Load], lasts: Duration, begin: impl FnOnce()) -> Vec<[u64; 3]> {
    let (begun, first) = (Instant::now(), loads.iter().map(Load::acked).collect::<Vec<_>>());
    begin();
    thread::sleep(lasts.saturating_sub(begun.elapsed()));
    let millis = begun.elapsed().as_millis() as u64;
    let rates = loads.iter().zip(first).map(|(load, first)| {
        let last = load.acked();
        [0, 1, 2].map(|broker| (last[broker] - first[broker]) * 1_000 / millis)
    });
    rates.collect()
}

/// Threads that send end with the scope, also when it panics.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
