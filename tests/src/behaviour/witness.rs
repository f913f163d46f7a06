//! Numbered records, and who heard what of them: shows that each has exactly one outcome, and that it is the true one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use felice_core::error::Persisted;
use felice_host::{Callback, ProduceError, RecordMetadata};

use crate::java::ReadRecord;

/// Partition and offset, or the error.
pub type Outcome = Result<(i32, i64), ProduceError>;

/// A callback object whose tokens are the numbers of records. Clones share what they saw.
#[derive(Clone, Debug, Default)]
pub struct Witness(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// By number.
    outcomes: Vec<Option<Outcome>>,
    heard: u64,
    /// What must not be: a second outcome, or one before that of an earlier record of the partition.
    wrongs: Vec<String>,
    /// The last offset of each partition.
    last: BTreeMap<i32, i64>,
}

impl Callback for Witness {
    fn on_completion(&self, token: u64, outcome: Result<RecordMetadata, ProduceError>) {
        self.saw(token, outcome);
    }
}

impl Witness {
    /// The value of the record with this number: of so many bytes, at least 8.
    pub fn value(number: u64, bytes: usize) -> Vec<u8> {
        let mut value = number.to_be_bytes().to_vec();
        value.resize(bytes.max(8), b'.');
        value
    }

    /// The number in a value.
    ///
    /// # Panics
    ///
    /// If it is shorter than one.
    pub fn number(value: &[u8]) -> u64 {
        u64::from_be_bytes(value[..8].try_into().expect("eight bytes"))
    }

    /// The record has an outcome.
    pub fn saw(&self, number: u64, outcome: Result<RecordMetadata, ProduceError>) {
        let mut seen = self.lock();
        let place = number as usize;
        if place >= seen.outcomes.len() {
            seen.outcomes.resize(place + 1, None);
        }
        let outcome = outcome.map(|metadata| (metadata.partition(), metadata.offset()));
        if let Ok((partition, offset @ 0..)) = outcome {
            let before = seen.last.insert(partition, offset);
            if before.is_some_and(|before| before >= offset) {
                seen.wrongs.push(format!("{partition}@{offset} was told after {before:?}"));
            }
        }
        if let Some(first) = seen.outcomes[place].replace(outcome) {
            seen.wrongs.push(format!("record {number} had the outcome {first:?} already"));
        }
        seen.heard += 1;
    }

    /// How many outcomes there are.
    pub fn heard(&self) -> u64 {
        self.lock().heard
    }

    /// The failures.
    pub fn failures(&self) -> Vec<(u64, ProduceError)> {
        let seen = self.lock();
        let failure = |(number, outcome): (usize, &Option<Outcome>)| match outcome {
            Some(Err(error)) => Some((number as u64, error.clone())),
            _ => None,
        };
        seen.outcomes.iter().enumerate().filter_map(failure).collect()
    }

    /// Checks the outcomes of the records `0..accepted` against what the topic holds, which is sorted by partition and
    /// offset: one outcome each; in order per partition; acknowledged ones stored once, and where it was said.
    ///
    /// # Panics
    ///
    /// If anything is not as it must be: that is its purpose.
    pub fn check(&self, accepted: u64, stored: &[ReadRecord]) {
        let seen = self.lock();
        assert!(seen.wrongs.is_empty(), "{:?}", &seen.wrongs[..seen.wrongs.len().min(5)]);
        assert_eq!(seen.heard, accepted, "each accepted record has an outcome");
        let places = places(stored);
        for (number, outcome) in seen.outcomes.iter().enumerate() {
            let place = places.get(number).copied().flatten();
            match outcome {
                None => panic!("record {number} has no outcome"),
                Some(Ok((partition, -1))) => {
                    assert_eq!(place.map(|place| place.0), Some(*partition), "record {number}");
                }
                Some(Ok(told)) => assert_eq!(place, Some(*told), "record {number}"),
                Some(Err(error)) if error.persisted() == Persisted::No => {
                    assert_eq!(place, None, "record {number} is stored, but: {error}");
                }
                Some(Err(_)) => {}
            }
        }
        assert!(places.len() <= accepted as usize, "a record is stored that never was accepted");
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Partition and offset by number. Each number once, and ascending in each partition.
fn places(stored: &[ReadRecord]) -> Vec<Option<(i32, i64)>> {
    let mut places: Vec<Option<(i32, i64)>> = Vec::new();
    let mut before: Option<(i32, u64)> = None;
    for record in stored {
        let number = Witness::number(record.value.as_deref().expect("numbered records have a value"));
        let place = (record.partition, record.offset);
        if number as usize >= places.len() {
            places.resize(number as usize + 1, None);
        }
        let first = places[number as usize].replace(place);
        assert_eq!(first, None, "record {number} is stored twice: also at {place:?}");
        if let Some((partition, earlier)) = before
            && partition == record.partition
        {
            assert!(earlier < number, "record {number} at {place:?} is stored after record {earlier}");
        }
        before = Some((record.partition, number));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(numbers: &[(i32, i64, u64)]) -> Vec<ReadRecord> {
        let record = |&(partition, offset, number): &(i32, i64, u64)| ReadRecord {
            partition,
            offset,
            timestamp: 0,
            key: None,
            value: Some(Witness::value(number, 8)),
            headers: Vec::new(),
        };
        numbers.iter().map(record).collect()
    }

    fn acknowledged(numbers: &[(i32, i64, u64)]) -> Witness {
        let witness = Witness::default();
        for &(partition, offset, number) in numbers {
            let timestamp = felice_core::time::Timestamp::from_millis(0);
            witness.saw(
                number,
                Ok(RecordMetadata::new("t".into(), partition, offset, timestamp, None, Some(8))),
            );
        }
        witness
    }

    const RIGHT: [(i32, i64, u64); 4] = [(0, 0, 0), (0, 1, 2), (1, 0, 1), (1, 1, 3)];

    #[test]
    fn what_is_right_passes() {
        acknowledged(&RIGHT).check(4, &stored(&RIGHT));
    }

    #[test]
    #[should_panic(expected = "is stored after record 2")]
    fn two_records_that_changed_places_are_found() {
        acknowledged(&RIGHT).check(4, &stored(&[(0, 0, 2), (0, 1, 0), (1, 0, 1), (1, 1, 3)]));
    }

    #[test]
    #[should_panic(expected = "is stored twice")]
    fn a_record_stored_twice_is_found() {
        acknowledged(&RIGHT).check(4, &stored(&[(0, 0, 0), (0, 1, 2), (0, 2, 2), (1, 0, 1), (1, 1, 3)]));
    }

    #[test]
    #[should_panic(expected = "record 3")]
    fn a_lost_record_is_found() {
        acknowledged(&RIGHT).check(4, &stored(&RIGHT[..3]));
    }

    #[test]
    #[should_panic(expected = "each accepted record has an outcome")]
    fn a_missing_outcome_is_found() {
        acknowledged(&RIGHT[..3]).check(4, &stored(&RIGHT));
    }

    #[test]
    #[should_panic(expected = "had the outcome")]
    fn a_second_outcome_is_found() {
        let twice = [&RIGHT[..], &RIGHT[3..]].concat();
        acknowledged(&twice).check(4, &stored(&RIGHT));
    }
}
