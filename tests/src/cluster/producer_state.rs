//! What a partition remembers of producers: epochs, sequences and the last five batches of each.

use std::collections::{HashMap, VecDeque};

use crate::protocol::{
    ErrorCode,
    describe_producers::ActiveProducer,
    records::{BatchHeader, sequence_after},
};

use super::StoredBatch;

/// How many batches of a producer are recognised when they come again.
const REMEMBERED_BATCHES: usize = 5;

/// All producers of one partition.
#[derive(Debug, Default)]
pub(super) struct Producers {
    by_id: HashMap<i64, Producer>,
}

#[derive(Debug)]
struct Producer {
    epoch: i16,
    /// The last batches under that epoch, oldest first; none where a transaction's end has begun it.
    batches: VecDeque<Remembered>,
}

#[derive(Debug)]
struct Remembered {
    first_sequence: i32,
    last_sequence: i32,
    base_offset: i64,
    max_timestamp: i64,
    /// Brokers that were restarted since, and remember only a producer's last batch.
    forgotten_by: Vec<i32>,
}

/// A batch that was appended before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Duplicate {
    pub(super) base_offset: i64,
    pub(super) max_timestamp: i64,
}

impl Producers {
    /// Whether a batch is a repetition, as the broker `leader` remembers; if not, whether it may be appended.
    pub(super) fn check(&self, leader: i32, batch: &BatchHeader) -> Result<Option<Duplicate>, ErrorCode> {
        // Where nothing is known of a producer, any epoch and any first sequence are accepted.
        let Some(producer) = self.by_id.get(&batch.producer_id) else { return Ok(None) };
        if batch.producer_epoch == producer.epoch {
            if let Some(duplicate) = producer.find(leader, batch) {
                return Ok(Some(duplicate));
            }
            // Where only a marker is known the sequences begin.
            let next = producer.batches.back().map_or(0, |last| sequence_after(last.last_sequence, 1));
            let in_sequence = batch.base_sequence == next;
            return if in_sequence { Ok(None) } else { Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER) };
        }
        if batch.producer_epoch < producer.epoch {
            return Err(ErrorCode::INVALID_PRODUCER_EPOCH);
        }
        // A new epoch begins at 0.
        if batch.base_sequence == 0 { Ok(None) } else { Err(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER) }
    }

    /// Remembers a batch that was appended.
    pub(super) fn appended(&mut self, batch: &BatchHeader, base_offset: i64) {
        let empty = || Producer { epoch: batch.producer_epoch, batches: VecDeque::new() };
        let producer = self.by_id.entry(batch.producer_id).or_insert_with(empty);
        if producer.epoch != batch.producer_epoch {
            producer.epoch = batch.producer_epoch;
            producer.batches.clear();
        }
        if producer.batches.len() == REMEMBERED_BATCHES {
            producer.batches.pop_front();
        }
        producer.batches.push_back(Remembered {
            first_sequence: batch.base_sequence,
            last_sequence: batch.last_sequence(),
            base_offset,
            max_timestamp: batch.max_timestamp,
            forgotten_by: Vec::new(),
        });
    }

    /// A transaction of it has ended, under this epoch.
    pub(super) fn ended(&mut self, producer_id: i64, epoch: i16) {
        let producer =
            self.by_id.entry(producer_id).or_insert_with(|| Producer { epoch, batches: VecDeque::new() });
        if producer.epoch != epoch {
            producer.epoch = epoch;
            producer.batches.clear();
        }
    }

    /// What is told of them, by id.
    pub(super) fn active(&self) -> Vec<ActiveProducer> {
        let of = |(id, producer): (&i64, &Producer)| {
            let last = producer.batches.back();
            ActiveProducer {
                producer_id: *id,
                producer_epoch: producer.epoch.into(),
                last_sequence: last.map_or(-1, |last| last.last_sequence),
                last_timestamp: last.map_or(-1, |last| last.max_timestamp),
                coordinator_epoch: -1,
                current_txn_start_offset: -1,
            }
        };
        let mut active: Vec<_> = self.by_id.iter().map(of).collect();
        active.sort_by_key(|producer| producer.producer_id);
        active
    }

    /// What is remembered by whoever reads all of a log.
    pub(super) fn of_log<'b>(batches: impl Iterator<Item = &'b StoredBatch>) -> Self {
        let mut producers = Self::default();
        for header in batches.map(StoredBatch::header).filter(|header| header.is_idempotent()) {
            if header.is_control() {
                producers.ended(header.producer_id, header.producer_epoch);
            } else {
                producers.appended(header, header.base_offset);
            }
        }
        producers
    }

    /// A broker stops: its snapshot holds only the last batch of each producer.
    pub(super) fn forget_all_but_the_last(&mut self, broker_id: i32) {
        for producer in self.by_id.values_mut() {
            let older = producer.batches.len().saturating_sub(1);
            for batch in producer.batches.iter_mut().take(older) {
                if !batch.forgotten_by.contains(&broker_id) {
                    batch.forgotten_by.push(broker_id);
                }
            }
        }
    }

    /// A broker takes the place of another one: it has read all of the log, or has what was left of the other's memory.
    pub(super) fn broker_replaced(&mut self, old: i32, new: i32, has_read: bool) {
        for batch in self.by_id.values_mut().flat_map(|producer| &mut producer.batches) {
            let forgotten = batch.forgotten_by.iter().position(|id| *id == old);
            match forgotten {
                Some(place) if has_read => _ = batch.forgotten_by.swap_remove(place),
                Some(place) => batch.forgotten_by[place] = new,
                None => {}
            }
        }
    }
}

impl Producer {
    /// A remembered batch with exactly these sequences.
    fn find(&self, leader: i32, batch: &BatchHeader) -> Option<Duplicate> {
        let same = |remembered: &&Remembered| {
            remembered.first_sequence == batch.base_sequence
                && remembered.last_sequence == batch.last_sequence()
                && !remembered.forgotten_by.contains(&leader)
        };
        let found = self.batches.iter().find(same)?;
        Some(Duplicate { base_offset: found.base_offset, max_timestamp: found.max_timestamp })
    }
}
