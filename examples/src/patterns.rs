//! The three patterns of sending, each measured.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use felice_blocking::{BuildError, FlushError, ProducerRecord};
use felice_host::Builder;

use crate::front_end::{FrontEnd, Record};
use crate::input::Reading;
use crate::progress::Progress;
use crate::tally::Tally;

/// Synchronous sends take a round trip each. On a slow link that is all that fits into a demonstration.
const SYNCHRONOUS_MAX: Duration = Duration::from_secs(3);

type SharedTally = Arc<Mutex<Tally>>;

/// A producer, the topic, and what becomes of records whose handles are dropped.
#[derive(Debug)]
pub struct Patterns<'a, F> {
    producer: F,
    topic: &'a str,
    undelivered: SharedTally,
}

impl<'a, F: FrontEnd> Patterns<'a, F> {
    /// A producer with its defaults, but for times that a person in front of a screen does not have, and without
    /// linger: a synchronous send has nobody to wait for.
    ///
    /// # Errors
    ///
    /// An address that is none.
    pub fn new(bootstrap: &str, topic: &'a str) -> Result<Self, BuildError> {
        let undelivered = SharedTally::default();
        let lost = Arc::clone(&undelivered);
        let producer = Builder::<F>::new()
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
    pub fn producer(&self) -> &F {
        &self.producer
    }

    /// Drops every handle. What was accepted and not reported as undelivered after a flush was acknowledged.
    ///
    /// # Errors
    ///
    /// None outside of a callback.
    pub async fn fire_and_forget(&self, readings: &[Reading]) -> Result<Tally, FlushError> {
        let mut progress = Progress::begin("fire-and-forget", readings.len());
        let (mut tally, begun) = (Tally::default(), Instant::now());
        for reading in readings {
            tally.records += 1;
            if let Err(error) = self.producer.forget(self.record(reading)).await {
                tally.fail(&error);
            }
            progress.set(tally.records as usize);
        }
        self.producer.flush().await?;
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
    pub async fn synchronous_get(&self, readings: &[Reading]) -> Tally {
        let mut progress = Progress::begin("sync get", readings.len());
        let (mut tally, begun) = (Tally::default(), Instant::now());
        for reading in readings {
            let sent = Instant::now();
            tally.records += 1;
            match self.producer.deliver(self.record(reading)).await {
                Ok(metadata) => tally.acknowledge(sent, &metadata),
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
    ///
    /// # Errors
    ///
    /// None outside of a callback.
    pub async fn callback(&self, readings: &[Reading]) -> Result<Tally, FlushError> {
        let mut progress = Progress::begin("callback", readings.len());
        let (tally, begun) = (SharedTally::default(), Instant::now());
        for reading in readings {
            let (sent, heard) = (Instant::now(), Arc::clone(&tally));
            let accepted = self.producer.call_back(self.record(reading), move |outcome| {
                let mut tally = lock(&heard);
                match outcome {
                    Ok(metadata) => tally.acknowledge(sent, &metadata),
                    Err(error) => tally.fail(&error),
                }
                tally.elapsed = begun.elapsed();
            });
            if let Err(error) = accepted.await {
                lock(&tally).fail(&error);
            }
            if progress.is_due() {
                progress.set(lock(&tally).outcomes() as usize);
            }
        }
        self.producer.flush().await?; // waits for the callbacks, too
        progress.end(readings.len(), "a closure for each");
        let mut tally = std::mem::take(&mut *lock(&tally));
        tally.records = readings.len() as u64;
        Ok(tally)
    }

    fn record<'r>(&self, reading: &'r Reading) -> Record<'r>
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
    use smol::block_on;

    const TOPIC: &str = "readings";

    fn readings(count: usize) -> Vec<Reading> {
        let reading = |number| Reading { key: Some(format!("sensor-{}", number % 7)), value: vec![b'x'; 50] };
        (0..count).map(reading).collect()
    }

    #[test]
    fn counts_are_true_when_records_fail() {
        block_on(count_failures::<felice_blocking::Producer>());
        block_on(count_failures::<felice_smol::Producer>());
    }

    /// Whatever the pattern, what it counts as acknowledged is what the cluster has appended.
    async fn count_failures<F: FrontEnd>() {
        let cluster = TcpCluster::start(ClusterConfig::default()).unwrap();
        cluster.with(|cluster| cluster.create_topic(TOPIC, 3));
        let patterns = Patterns::<F>::new(&cluster.bootstrap(), TOPIC).unwrap();
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
        check(&patterns.fire_and_forget(&readings(5_000)).await.unwrap(), 5_000);
        refuse_once();
        check(&patterns.callback(&readings(5_000)).await.unwrap(), 5_000);
        refuse_once();
        check(&patterns.synchronous_get(&readings(5)).await, 1); // ends at the first failure
    }

    #[test]
    fn all_is_seen_where_somebody_looks() {
        block_on(look::<felice_blocking::Producer>());
        block_on(look::<felice_smol::Producer>());
    }

    async fn look<F: FrontEnd>() {
        let cluster = TcpCluster::start(ClusterConfig::default()).unwrap();
        cluster.with(|cluster| cluster.create_topic(TOPIC, 2));
        let patterns = Patterns::<F>::new(&cluster.bootstrap(), TOPIC).unwrap();
        let called = patterns.callback(&readings(20)).await.unwrap();
        for tally in [called, patterns.synchronous_get(&readings(20)).await] {
            assert_eq!((tally.acknowledged, tally.latencies.len()), (20, 20));
            let seen: i64 = tally.offsets.values().map(|(first, last)| last - first + 1).sum();
            assert_eq!(seen, 20);
        }
        let forgotten = patterns.fire_and_forget(&readings(20)).await.unwrap();
        assert_eq!((forgotten.acknowledged, forgotten.latencies.len(), forgotten.offsets.len()), (20, 0, 0));
        assert_eq!(cluster.with(|cluster| cluster.record_count(TOPIC)), 60);
    }
}
