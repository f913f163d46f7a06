//! The three patterns of sending, each measured.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use felice_blocking::{BuildError, FlushError, Producer, ProducerRecord};

use crate::input::Reading;
use crate::progress::Progress;
use crate::tally::Tally;

/// Synchronous sends take a round trip each. On a slow link that is all that fits into a demonstration.
const SYNCHRONOUS_MAX: Duration = Duration::from_secs(3);
/// How often the callbacks' tally is looked at, to draw it.
const LOOK: Duration = Duration::from_millis(10);

type SharedTally = Arc<Mutex<Tally>>;

/// A producer, the topic, and what becomes of records whose handles are dropped.
#[derive(Debug)]
pub struct Patterns<'a> {
    producer: Producer,
    topic: &'a str,
    undelivered: SharedTally,
}

impl<'a> Patterns<'a> {
    /// A producer with its defaults, but for times that a person in front of a screen does not have, and without
    /// linger: a synchronous send has nobody to wait for.
    ///
    /// # Errors
    ///
    /// An address that is none.
    pub fn new(bootstrap: &str, topic: &'a str) -> Result<Self, BuildError> {
        let undelivered = SharedTally::default();
        let lost = Arc::clone(&undelivered);
        let producer = Producer::builder()
            .bootstrap_servers(bootstrap)
            .client_id("felice-quickstart")
            .linger(Duration::ZERO)
            .max_block(Duration::from_secs(15))
            .request_timeout(Duration::from_secs(5))
            .delivery_timeout(Duration::from_secs(15))
            .on_undelivered(move |error| lock(&lost).fail(&error))
            .build()?;
        Ok(Self { producer, topic, undelivered })
    }

    /// The producer.
    #[must_use]
    pub fn producer(&self) -> &Producer {
        &self.producer
    }

    /// Drops every handle. What was accepted and not reported as undelivered after a flush was acknowledged.
    ///
    /// # Errors
    ///
    /// None outside of a callback.
    pub fn fire_and_forget(&self, readings: &[Reading]) -> Result<Tally, FlushError> {
        let mut progress = Progress::begin("fire-and-forget", readings.len());
        let (mut tally, begun) = (Tally::default(), Instant::now());
        for reading in readings {
            tally.records += 1;
            if let Err(error) = self.producer.send(self.record(reading)) {
                tally.fail(&error);
            }
            progress.set(tally.records as usize);
        }
        self.producer.flush()?;
        tally.elapsed = begun.elapsed();
        let undelivered = lock(&self.undelivered);
        tally.failed += undelivered.failed;
        tally.first_error = tally.first_error.or_else(|| undelivered.first_error.clone());
        tally.acknowledged = tally.records - tally.failed;
        progress.end(readings.len(), "handles dropped");
        Ok(tally)
    }

    /// Waits for each record before the next one is sent; ends at the first failure, as a program would, and when the
    /// time is over: `records` says how many of the readings were sent.
    #[must_use]
    pub fn synchronous_get(&self, readings: &[Reading]) -> Tally {
        let mut progress = Progress::begin("sync get", readings.len());
        let (mut tally, begun) = (Tally::default(), Instant::now());
        for reading in readings {
            let sent = Instant::now();
            tally.records += 1;
            match self.producer.send(self.record(reading)) {
                Ok(delivery) => match delivery.get() {
                    Ok(metadata) => tally.acknowledge(sent, &metadata),
                    Err(error) => tally.fail(&error),
                },
                Err(error) => tally.fail(&error),
            }
            progress.set(tally.records as usize);
            if tally.failed > 0 || begun.elapsed() > SYNCHRONOUS_MAX {
                break;
            }
        }
        tally.elapsed = begun.elapsed();
        let in_time = tally.records == readings.len() as u64 || tally.failed > 0;
        progress.end(tally.records as usize, if in_time { "one after the other" } else { "time is up" });
        tally
    }

    /// Gives each record a closure, and waits for all of them at the end.
    #[must_use]
    pub fn callback(&self, readings: &[Reading]) -> Tally {
        let mut progress = Progress::begin("callback", readings.len());
        let (tally, begun) = (SharedTally::default(), Instant::now());
        for reading in readings {
            let (sent, heard) = (Instant::now(), Arc::clone(&tally));
            let accepted = self.producer.send_with(self.record(reading), move |outcome| {
                let mut tally = lock(&heard);
                match outcome {
                    Ok(metadata) => tally.acknowledge(sent, &metadata),
                    Err(error) => tally.fail(&error),
                }
                tally.elapsed = begun.elapsed();
            });
            if let Err(error) = accepted {
                lock(&tally).fail(&error);
            }
            if progress.is_due() {
                progress.set(lock(&tally).outcomes() as usize);
            }
        }
        // Each accepted record has exactly one outcome, so this ends.
        while lock(&tally).outcomes() < readings.len() as u64 {
            thread::sleep(LOOK);
            progress.set(lock(&tally).outcomes() as usize);
        }
        progress.end(readings.len(), "a closure for each");
        let mut tally = std::mem::take(&mut *lock(&tally));
        tally.records = readings.len() as u64;
        tally
    }

    fn record<'r>(&self, reading: &'r Reading) -> ProducerRecord<'r, Option<&'r str>, &'r [u8]>
    where
        'a: 'r,
    {
        ProducerRecord::new(self.topic, reading.value.as_slice()).key(reading.key.as_deref())
    }
}

/// A panic elsewhere does not make the numbers wrong.
fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use felice_tests::cluster::{ClusterConfig, Fault, TcpCluster};
    use felice_tests::protocol::{ApiKey, ErrorCode};

    const TOPIC: &str = "readings";

    fn readings(count: usize) -> Vec<Reading> {
        let reading = |number| Reading { key: Some(format!("sensor-{}", number % 7)), value: vec![b'x'; 50] };
        (0..count).map(reading).collect()
    }

    /// Whatever the pattern, what it counts as acknowledged is what the cluster has appended.
    #[test]
    fn counts_are_true_when_records_fail() {
        let cluster = TcpCluster::start(ClusterConfig::default()).unwrap();
        cluster.with(|cluster| cluster.create_topic(TOPIC, 3));
        let patterns = Patterns::new(&cluster.bootstrap(), TOPIC).unwrap();
        let mut stored = 0;
        let mut check = |tally: &Tally, records: u64| {
            let before = stored;
            stored = cluster.with(|cluster| cluster.record_count(TOPIC)) as u64;
            assert_eq!(tally.acknowledged, stored - before);
            assert!(tally.failed > 0);
            assert_eq!((tally.records, tally.outcomes()), (records, records));
            let error = tally.first_error.as_deref().unwrap_or_default();
            assert!(error.contains("the broker refused it: INVALID_RECORD"), "{error}");
        };
        let refuse_once = || {
            let refuse = Fault::error(ApiKey::PRODUCE, ErrorCode::INVALID_RECORD);
            cluster.with(|cluster| cluster.inject(refuse));
        };
        refuse_once();
        check(&patterns.fire_and_forget(&readings(5_000)).unwrap(), 5_000);
        refuse_once();
        check(&patterns.callback(&readings(5_000)), 5_000);
        refuse_once();
        check(&patterns.synchronous_get(&readings(5)), 1); // ends at the first failure
    }

    #[test]
    fn all_is_seen_where_somebody_looks() {
        let cluster = TcpCluster::start(ClusterConfig::default()).unwrap();
        cluster.with(|cluster| cluster.create_topic(TOPIC, 2));
        let patterns = Patterns::new(&cluster.bootstrap(), TOPIC).unwrap();
        for tally in [patterns.synchronous_get(&readings(20)), patterns.callback(&readings(20))] {
            assert_eq!((tally.acknowledged, tally.latencies.len()), (20, 20));
            let seen: i64 = tally.offsets.values().map(|(first, last)| last - first + 1).sum();
            assert_eq!(seen, 20);
        }
        let forgotten = patterns.fire_and_forget(&readings(20)).unwrap();
        assert_eq!((forgotten.acknowledged, forgotten.latencies.len(), forgotten.offsets.len()), (20, 0, 0));
        assert_eq!(cluster.with(|cluster| cluster.record_count(TOPIC)), 60);
    }
}
