//! What became of one pattern's records.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use felice_blocking::RecordMetadata;

/// Outcomes, counted.
#[derive(Debug, Default)]
pub struct Tally {
    /// Records that were given to `send`.
    pub records: u64,
    /// Records whose outcome is their metadata.
    pub acknowledged: u64,
    /// Records that `send` refused, and records whose outcome is an error.
    pub failed: u64,
    /// From the first `send` to the last outcome.
    pub elapsed: Duration,
    /// From `send` to the outcome, of each acknowledged record; empty where nobody looked.
    pub latencies: Vec<Duration>,
    /// The first and the last offset in each partition; empty where nobody looked.
    pub offsets: BTreeMap<i32, (i64, i64)>,
    /// What the first failure said.
    pub first_error: Option<String>,
}

impl Tally {
    /// A record was stored; it was sent at `sent`.
    pub fn acknowledge(&mut self, sent: Instant, metadata: &RecordMetadata) {
        self.acknowledged += 1;
        self.latencies.push(sent.elapsed());
        if metadata.has_offset() {
            let offset = metadata.offset();
            let (first, last) = self.offsets.entry(metadata.partition()).or_insert((offset, offset));
            (*first, *last) = (offset.min(*first), offset.max(*last));
        }
    }

    /// A record was not accepted, or was not stored.
    pub fn fail(&mut self, error: &impl ToString) {
        self.failed += 1;
        self.first_error.get_or_insert_with(|| error.to_string());
    }

    /// How many outcomes there are.
    #[must_use]
    pub fn outcomes(&self) -> u64 {
        self.acknowledged + self.failed
    }

    /// Acknowledged records per second; `None` where nothing was sent.
    #[must_use]
    pub fn records_per_second(&self) -> Option<f64> {
        (!self.elapsed.is_zero()).then(|| self.acknowledged as f64 / self.elapsed.as_secs_f64())
    }

    /// The latency that `percent` of the records did not exceed (nearest rank); `None` where nobody looked.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Option<Duration> {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100);
        sorted.get(rank.saturating_sub(1)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use felice_blocking::Timestamp;

    fn tally_of(latencies_ms: impl IntoIterator<Item = u64>) -> Tally {
        let latencies = latencies_ms.into_iter().map(Duration::from_millis).collect();
        Tally { latencies, ..Tally::default() }
    }

    #[test]
    fn percentiles_are_latencies_that_occurred() {
        let hundred = tally_of((1..=100).rev());
        assert_eq!(hundred.percentile(50), Some(Duration::from_millis(50)));
        assert_eq!(hundred.percentile(99), Some(Duration::from_millis(99)));
        assert_eq!(hundred.percentile(100), Some(Duration::from_millis(100)));
        let three = tally_of([7, 1, 5]);
        assert_eq!(three.percentile(50), Some(Duration::from_millis(5)));
        assert_eq!(three.percentile(99), Some(Duration::from_millis(7)));
        assert_eq!(three.percentile(0), Some(Duration::from_millis(1)));
        assert_eq!(tally_of([]).percentile(50), None);
    }

    #[test]
    fn offsets_are_kept_per_partition_and_unknown_ones_left_out() {
        let mut tally = Tally::default();
        for (partition, offset) in [(1, 40), (0, 9), (1, 38), (1, 41), (0, -1)] {
            let topic = "readings".into();
            let metadata =
                RecordMetadata::new(topic, partition, offset, Timestamp::from_millis(0), None, None);
            tally.acknowledge(Instant::now(), &metadata);
        }
        tally.fail(&"first");
        tally.fail(&"second");
        assert_eq!((tally.acknowledged, tally.failed, tally.outcomes()), (5, 2, 7));
        assert_eq!(tally.offsets, BTreeMap::from([(0, (9, 9)), (1, (38, 41))]));
        assert_eq!(tally.first_error.as_deref(), Some("first"));
    }

    #[test]
    fn the_rate_counts_what_was_acknowledged() {
        let mut tally =
            Tally { acknowledged: 300, failed: 700, elapsed: Duration::from_millis(500), ..Tally::default() };
        assert_eq!(tally.records_per_second(), Some(600.0));
        tally.elapsed = Duration::ZERO;
        assert_eq!(tally.records_per_second(), None);
    }
}
