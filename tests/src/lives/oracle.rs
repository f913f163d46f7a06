//! What was promised, and whether it was kept: every batch that was accepted, what was said of it, and the logs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use felice_core::spool::{Loss, Lost};
use felice_core::time::Timestamp;

use super::{PARTITIONS, Report, TOPIC};
use crate::cluster::{Cluster, StoredBatch};
use crate::protocol::batch_builder::BatchBuilder;

/// A batch that was accepted.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) partition: usize,
    /// Its place among those of its partition.
    number: u64,
    pub(super) values: Vec<Vec<u8>>,
    /// The encoded records.
    pub(super) records: Vec<u8>,
    /// It was told to be durable.
    durable: bool,
    /// It was given to the sender.
    sent: bool,
    /// Where its records are, as was told; -1 where the broker did not tell.
    told: Vec<Option<i64>>,
    pub(super) timestamp: Timestamp,
    /// It failed for good, or was dropped, as was told.
    failed: bool,
    /// It was put back, and nobody could tell whether it was stored.
    unsure: bool,
    /// The broker has lost what it knew, or what was to be known of it was not written down: it may be there twice.
    loose: bool,
}

/// A record: its batch's place in the partition, its own in the batch.
type Name = (u64, usize);

#[derive(Debug, Default)]
pub(super) struct Oracle {
    batches: Vec<Accepted>,
    by_records: HashMap<Vec<u8>, usize>,
    by_frame: BTreeMap<u64, usize>,
    counts: [u64; PARTITIONS],
    /// What the brokers have lost.
    gone: [BTreeSet<Name>; PARTITIONS],
    pub(super) report: Report,
}

impl Oracle {
    /// A batch comes, with records that are like no other's.
    pub(super) fn accept(
        &mut self,
        partition: usize,
        count: u64,
        padding: usize,
        timestamp: Timestamp,
    ) -> usize {
        let number = self.counts[partition];
        self.counts[partition] += 1;
        let padding = "x".repeat(padding);
        let values: Vec<Vec<u8>> =
            (0..count).map(|index| format!("{partition}/{number}/{index}/{padding}").into_bytes()).collect();
        let records = BatchBuilder::of_values(1, &values).build().split_off(61);
        let id = self.batches.len();
        self.by_records.insert(records.clone(), id);
        let told = vec![None; values.len()];
        let (durable, sent, failed, unsure, loose) = (false, false, false, false, false);
        self.batches.push(Accepted {
            partition,
            number,
            values,
            records,
            durable,
            told,
            timestamp,
            failed,
            sent,
            unsure,
            loose,
        });
        self.report.batches += 1;
        id
    }

    pub(super) fn batch(&self, id: usize) -> &Accepted {
        &self.batches[id]
    }

    /// The batch that has these records: what comes back from a spool is what has gone in.
    pub(super) fn identify(&self, partition: i32, records: &[u8]) -> usize {
        let id = self.by_records.get(records).copied().expect("what comes back was written");
        assert_eq!(self.batches[id].partition, partition as usize, "it comes back in another partition");
        id
    }

    pub(super) fn written(&mut self, id: usize, frame: u64) {
        self.by_frame.insert(frame, id);
    }

    /// The spool has dropped these.
    pub(super) fn lost(&mut self, lost: &Lost) {
        for id in self.by_frame.range(lost.first..lost.end).map(|(_, id)| *id) {
            self.batches[id].failed |= lost.why != Loss::Damaged;
        }
        self.report.dropped += lost.records;
    }

    pub(super) fn durable(&mut self, id: usize) {
        self.batches[id].durable = true;
        self.report.durable += 1;
    }

    /// Some of its records are in the log, as the broker said.
    pub(super) fn acknowledged(&mut self, id: usize, first: u32, count: u32, base_offset: i64) {
        let batch = &mut self.batches[id];
        for (behind, told) in batch.told[first as usize..(first + count) as usize].iter_mut().enumerate() {
            let offset = if base_offset < 0 { -1 } else { base_offset + behind as i64 };
            if let (Some(before), false) = (*told, batch.loose || batch.unsure) {
                assert!(
                    before < 0 || offset < 0 || before == offset,
                    "batch {} of {}: told at {before}, then at {offset}",
                    batch.number,
                    batch.partition
                );
            }
            *told = Some(told.unwrap_or(-1).max(offset));
        }
    }

    pub(super) fn sent(&mut self, id: usize) {
        self.batches[id].sent = true;
    }

    /// The power is gone, and with it perhaps what was sent before it was durable. What stood before that cannot be told by what
    /// a broker says of it: that remembers its last batches only, and they are not known here any more.
    pub(super) fn lose_power(&mut self) {
        let doubtful = |partition: &usize| {
            self.batches.iter().any(|batch| batch.partition == *partition && batch.sent && !batch.durable)
        };
        let doubtful: Vec<usize> = (0..PARTITIONS).filter(doubtful).collect();
        doubtful.into_iter().for_each(|partition| self.loosen(partition));
    }

    pub(super) fn failed(&mut self, id: usize) {
        self.batches[id].failed = true;
        self.report.failed += 1;
    }

    pub(super) fn put_back(&mut self, id: usize, unsure: bool) {
        self.batches[id].unsure |= unsure;
        self.report.put_back += 1;
    }

    /// From here on nobody can tell whether what was accepted up to now is stored.
    pub(super) fn loosen(&mut self, partition: usize) {
        let batches = self.batches.iter_mut().filter(|batch| batch.partition == partition);
        batches.for_each(|batch| batch.loose = true);
        self.report.loosened += 1;
    }

    /// A broker has lost these.
    pub(super) fn lose(&mut self, partition: usize, batches: &[StoredBatch]) {
        self.gone[partition].extend(batches.iter().flat_map(|batch| names(partition, batch)));
        self.loosen(partition);
    }

    /// Nothing is lost, nothing is there twice, everything is in order, and where it was told to be.
    pub(super) fn judge(&self, cluster: &Cluster) {
        for partition in 0..PARTITIONS {
            let log: Vec<Name> = cluster
                .log(TOPIC, partition as i32)
                .batches()
                .flat_map(|batch| names(partition, batch))
                .collect();
            self.judge_log(partition, &log);
        }
    }

    fn judge_log(&self, partition: usize, log: &[Name]) {
        let batches: BTreeMap<u64, &Accepted> = self
            .batches
            .iter()
            .filter(|batch| batch.partition == partition)
            .map(|batch| (batch.number, batch))
            .collect();
        let mut found: BTreeMap<Name, usize> = BTreeMap::new();
        let mut last = None;
        for (offset, &name) in log.iter().enumerate() {
            let batch = batches.get(&name.0).unwrap_or_else(|| panic!("{partition}: {name:?} is nobody's"));
            let before = found.insert(name, offset);
            assert!(
                before.is_none() || batch.loose || batch.unsure,
                "{partition}: {name:?} is at {before:?} and at {offset}"
            );
            if !(batch.loose || batch.unsure) {
                assert!(last.is_none_or(|last| last < name), "{partition}: {name:?} stands behind {last:?}");
                last = Some(name);
            }
        }
        for batch in batches.values() {
            for (index, told) in batch.told.iter().enumerate() {
                let name = (batch.number, index);
                let place = found.get(&name);
                let gone = self.gone[partition].contains(&name);
                if let (Some(told), false) = (told, gone || batch.loose || batch.unsure) {
                    let there = place.is_some_and(|place| *told < 0 || *told == *place as i64);
                    assert!(there, "{partition}: {name:?} was told at {told}, and is at {place:?}");
                }
                let excused = batch.failed || batch.unsure || gone;
                let missing = place.is_none() && batch.durable && !excused;
                assert!(!missing, "{partition}: {name:?} was durable, and is nowhere");
            }
        }
    }
}

/// The records of a stored batch.
fn names(partition: usize, batch: &StoredBatch) -> Vec<Name> {
    let records = batch.records().expect("a stored batch can be read");
    let name = |value: Vec<u8>| {
        let text = String::from_utf8(value).expect("a text");
        let mut parts = text.split('/').map(str::parse);
        let mut next = || parts.next().and_then(Result::ok).expect("a number");
        let (of, number, index): (u64, u64, u64) = (next(), next(), next());
        assert_eq!(of, partition as u64, "{text} is in partition {partition}");
        (number, index as usize)
    };
    records.into_iter().map(|record| name(record.value.expect("a value"))).collect()
}
