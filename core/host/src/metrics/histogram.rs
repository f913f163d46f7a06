//! Histograms in fixed memory: buckets that are each an eighth of a power of two wide, 2 KiB for all values below 2^32.

use std::fmt;

use super::live::Count;
use crate::storage::table;

/// Buckets in each power of two.
const PARTS: usize = 1 << PART_BITS;
const PART_BITS: u32 = 3;
/// Larger values than 2 to this are all in the last bucket.
const BITS: u32 = 32;
const BUCKETS: usize = PARTS * (1 + (BITS - PART_BITS) as usize);

/// How often each size of a value was seen. What is told of a value is at most an eighth too large; sum, average and maximum
/// are exact.
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: Box<[u64]>,
    sum: u64,
    max: u64,
}

impl Histogram {
    /// How many values were seen.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together.
    #[must_use]
    pub const fn sum(&self) -> u64 {
        self.sum
    }

    /// Their average; 0 where there are none.
    #[must_use]
    pub fn avg(&self) -> f64 {
        let count = self.count();
        if count == 0 { 0.0 } else { self.sum as f64 / count as f64 }
    }

    /// The largest; 0 where there are none. In the difference of two snapshots at most an eighth too large.
    #[must_use]
    pub const fn max(&self) -> u64 {
        self.max
    }

    /// The value that so large a part of them does not exceed: 0.5 is the median. 0 where there are none.
    #[must_use]
    pub fn quantile(&self, part: f64) -> u64 {
        // What is no part of them is the least, or the largest: the conversion saturates.
        let wanted = ((self.count() as f64 * part).ceil() as u64).max(1);
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        found.filter(|index| index + 1 < BUCKETS).map_or(self.max, |index| bound(index).min(self.max))
    }

    /// How many values were not larger than 2 to so much, which is below 32.
    pub(super) fn up_to_power(&self, exponent: u32) -> u64 {
        let buckets = self.counts.iter().enumerate();
        buckets.take_while(|(index, _)| bound(*index) <= 1 << exponent).map(|(_, count)| count).sum()
    }

    pub(super) fn since(&self, earlier: &Self) -> Self {
        let pairs = self.counts.iter().zip(&earlier.counts);
        let counts: Box<[u64]> = pairs.map(|(now, before)| now.saturating_sub(*before)).collect();
        let largest = counts.iter().rposition(|count| *count > 0);
        let max = largest.map_or(0, |index| if index + 1 == BUCKETS { self.max } else { bound(index) });
        Self { counts, sum: self.sum.saturating_sub(earlier.sum), max: max.min(self.max) }
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (median, count) = (self.quantile(0.5), self.count());
        let mut histogram = f.debug_struct("Histogram");
        histogram.field("count", &count).field("sum", &self.sum).field("median", &median);
        histogram.field("max", &self.max).finish_non_exhaustive()
    }
}

/// One that is being written, by one thread.
pub(crate) struct LiveHistogram {
    counts: Box<[Count]>,
    sum: Count,
    max: Count,
}

impl LiveHistogram {
    pub(super) fn observe(&self, value: u64) {
        self.counts[index(value)].add(1);
        self.sum.add(value);
        self.max.raise(value);
    }

    pub(super) fn read(&self) -> Histogram {
        let counts = self.counts.iter().map(Count::get).collect();
        Histogram { counts, sum: self.sum.get(), max: self.max.get() }
    }
}

impl Default for LiveHistogram {
    fn default() -> Self {
        Self { counts: table(BUCKETS, Count::default), sum: Count::default(), max: Count::default() }
    }
}

/// The bucket of a value: the first whose bound is not below it.
const fn index(value: u64) -> usize {
    let below = value.saturating_sub(1);
    if below < PARTS as u64 {
        return below as usize;
    }
    let shift = below.ilog2() - PART_BITS;
    let index = PARTS * shift as usize + (below >> shift) as usize;
    if index < BUCKETS { index } else { BUCKETS - 1 }
}

/// The largest value of a bucket. Every power of two is one.
const fn bound(index: usize) -> u64 {
    if index < PARTS {
        return index as u64 + 1;
    }
    let (shift, part) = (index / PARTS - 1, index % PARTS);
    ((PARTS + part + 1) as u64) << shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_the_first_bucket_whose_bound_is_not_below_it() {
        let mut before = 0;
        for bucket in 0..BUCKETS {
            assert_eq!([index(before + 1), index(bound(bucket))], [bucket; 2], "{bucket}");
            assert!(bound(bucket) * 8 <= (before + 1) * 9, "an eighth at most: {bucket}");
            before = bound(bucket);
        }
        assert_eq!((before, index(0)), (1 << BITS, 0));
        assert_eq!([index(before + 1), index(u64::MAX)], [BUCKETS - 1; 2]);
    }

    #[test]
    fn what_is_told_of_values_is_true() {
        let live = LiveHistogram::default();
        assert_eq!((live.read().quantile(0.5), live.read().max(), live.read().avg()), (0, 0, 0.0));
        (1..=1_000).for_each(|value| live.observe(value));
        let early = live.read();
        assert_eq!((early.count(), early.sum(), early.max()), (1_000, 500_500, 1_000));
        assert!((early.avg() - 500.5).abs() < 1e-9);
        for (part, value) in [(0.0, 1), (0.5, 500), (0.99, 990), (1.0, 1_000), (f64::NAN, 1), (7.0, 1_000)] {
            let told = early.quantile(part);
            assert!(told >= value && told * 8 <= value * 9, "{part}: {told}");
        }
        let powers = [0, 1, 9, 10, 31].map(|exponent| early.up_to_power(exponent));
        assert_eq!(powers, [1, 2, 512, 1_000, 1_000]);

        live.observe(70);
        live.observe(1 << 40);
        let late = live.read().since(&early);
        assert_eq!((late.count(), late.sum(), late.max()), (2, (1 << 40) + 70, 1 << 40));
        assert_eq!((late.quantile(0.5), late.quantile(1.0), late.up_to_power(26)), (72, 1 << 40, 1));
        assert_eq!(live.read().since(&live.read()).max(), 0);
    }
}
