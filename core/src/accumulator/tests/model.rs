//! Random operations against a model that only remembers what was accepted. A failure prints its seed and step.

use std::collections::BTreeMap;

use super::*;
use crate::id::BatchId;

const PARTITIONS: i32 = 6;

/// Small, seeded: xorshift.
struct Dice(u64);

impl Dice {
    fn below(&mut self, count: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % count
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// A record that was accepted and has no outcome yet.
#[derive(Debug)]
struct Accepted {
    number: u32,
    topic: TopicId,
    placement: Placement,
    at: Instant,
}

struct Model {
    accumulator: Accumulator<Boxes>,
    dice: Dice,
    now: u64,
    /// The latest moment that the accumulator was told.
    seen: Instant,
    next: u32,
    views: Vec<TopicView>,
    /// By batch slot, life and index.
    accepted: BTreeMap<(usize, std::string::String, u32), Accepted>,
    outcomes: u32,
    refused: u32,
    moved: u32,
    /// The number of the last record of each partition that was taken.
    last: BTreeMap<TopicPartition, u32>,
    out: Vec<Batch<BoxBlock>>,
    parked: Vec<TopicPartition>,
    /// When the driver sleeps: until when.
    sleeps: Option<Option<Instant>>,
}

fn key(batch: BatchId, index: u32) -> (usize, std::string::String, u32) {
    (batch.slot(), std::format!("{batch:?}"), index)
}

impl Model {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let config = AccumulatorConfig {
            linger: Duration::from_micros(dice.below(3) * 10),
            partition_share: [64, 128, 256][dice.below(3) as usize],
            spread: if dice.one_in(2) { crate::config::Spread::RoundRobin } else { Default::default() },
            seed,
            ..config()
        };
        let blocks = 4 + dice.below(60) as usize;
        let partitions = 1 + dice.below(12) as usize;
        let batches = 3 + dice.below(blocks as u64) as usize;
        let mut accumulator = with_batches(config, blocks, partitions, batches);
        for name in ["a", "b", "c"] {
            accumulator.topic(name).unwrap();
        }
        Self {
            accumulator,
            dice,
            now: 1_000,
            seen: Instant::ZERO,
            next: 0,
            views: std::vec![TopicView::Unknown; 3],
            accepted: BTreeMap::new(),
            outcomes: 0,
            refused: 0,
            moved: 0,
            last: BTreeMap::new(),
            out: Vec::new(),
            parked: Vec::new(),
            sleeps: None,
        }
    }

    fn step(&mut self) {
        match self.dice.below(24) {
            0..=11 => self.append(),
            12..=14 => self.drain(),
            15..=17 => self.recycle(),
            18 => self.allow(),
            19 => self.now += self.dice.below(30),
            20 if self.dice.one_in(6) => self.now += self.dice.below(1500),
            21 if self.dice.one_in(2) => self.handle_topic(),
            21 => self.handle_brokers(),
            22 if self.dice.one_in(8) => {
                self.accumulator.flush();
                self.sleeps = None;
            }
            _ => {
                let _ = self.reassign();
            }
        }
        self.check();
    }

    fn append(&mut self) {
        let topic = TopicId(self.dice.below(3) as u16);
        let placement = match self.dice.below(4) {
            0 => Placement::Any,
            1 => Placement::Partition(self.dice.below(PARTITIONS as u64 + 1) as i32),
            _ => Placement::Hash(self.dice.below(1 << 32) as u32),
        };
        let size = match self.dice.below(20) {
            0 => self.dice.below(3500),
            1..=4 => self.dice.below(300),
            _ => self.dice.below(40),
        };
        let mut value = std::vec![0xab; 4 + size as usize];
        value[..4].copy_from_slice(&self.next.to_be_bytes());
        let timestamp = match self.dice.below(50) {
            0 => Timestamp::from_millis(i64::MAX),
            1 => Timestamp::from_millis(i64::MIN),
            _ => Timestamp::from_millis(1_700_000_000_000 + self.dice.below(100_000) as i64),
        };
        let now = at(self.now - self.dice.below(20));
        self.seen = self.seen.max(now);
        let before = self.counts();
        match self.accumulator.append(now, &Record { timestamp, ..record(topic, placement, &value) }) {
            Ok(Appended { ticket, pending, wake }) => {
                let accepted = Accepted { number: self.next, topic, placement, at: self.seen };
                self.next += 1;
                let other = self.accepted.insert(key(ticket.batch, ticket.index), accepted);
                assert!(other.is_none(), "a ticket names one record");
                let known = matches!(self.views[usize::from(topic.0)], TopicView::Known { .. });
                assert!(!pending || !known || before.4 > 0, "nothing it could stand behind");
                if wake {
                    self.sleeps = None;
                } else if let Some(until) = self.sleeps {
                    let timeout = self.accumulator.poll_timeout();
                    assert!(
                        until.is_some_and(|until| timeout.is_some_and(|timeout| timeout >= until)),
                        "overslept"
                    );
                }
            }
            Err(error) => {
                self.refused += 1;
                assert_eq!(before, self.counts(), "{error:?} left something behind");
                self.sleeps = None;
            }
        }
    }

    fn counts(&self) -> (u32, u32, u32, u32, u32) {
        let accumulator = &self.accumulator;
        (
            accumulator.free_blocks(),
            accumulator.held_batches(),
            accumulator.out_batches(),
            accumulator.partitions_in_use(),
            held_blocks(accumulator),
        )
    }

    fn handle_topic(&mut self) {
        let topic = self.dice.below(3) as usize;
        self.views[topic] = match self.dice.below(8) {
            0 => TopicView::Unknown,
            1 => TopicView::Failed(ErrorCode(29)),
            2 => TopicView::Known { partitions: 1 },
            3 => TopicView::Known { partitions: 1 + self.dice.below(PARTITIONS as u64) as i32 },
            _ => TopicView::Known { partitions: PARTITIONS },
        };
        self.accumulator.handle_topic(TopicId(topic as u16), self.views[topic]);
        self.sleeps = None;
    }

    /// Brokers come and go, and partitions move between them: brokers without a place, and none at all, included.
    fn handle_brokers(&mut self) {
        let broker = BrokerId(self.dice.below(BROKERS as u64 + 1) as u16);
        let available = self.dice.one_in(2);
        self.accumulator.handle_broker(broker, available);
        let topic = TopicId(self.dice.below(3) as u16);
        let first = self.dice.below(PARTITIONS as u64) as i32;
        let dice = &mut self.dice;
        let leaders = (0..4).map(|_| Some(BrokerId(dice.below(BROKERS as u64 + 1) as u16)));
        let leaders = leaders.map(|leader| leader.filter(|leader| leader.0 != 2));
        self.accumulator.handle_leaders(topic, first, leaders);
        self.sleeps = None;
    }

    fn reassign(&mut self) -> Option<()> {
        let Reassigned { from, to, partition } = self.accumulator.poll_reassigned()?;
        let accepted = self.accepted.remove(&key(from.batch, from.index)).expect("it was accepted");
        assert_eq!(accepted.topic, partition.topic);
        if let Placement::Partition(chosen) = accepted.placement {
            assert_eq!(chosen, partition.partition);
        }
        let other = self.accepted.insert(key(to.batch, to.index), accepted);
        assert!(other.is_none(), "a ticket names one record");
        self.moved += 1;
        self.sleeps = None;
        Some(())
    }

    /// All that a driver does under the lock.
    fn drain(&mut self) {
        self.seen = self.seen.max(at(self.now));
        while self.reassign().is_some() {}
        while let Some(batch) = self.accumulator.poll_expired(at(self.now)) {
            self.expired(batch);
        }
        while let Some(partition) = self.accumulator.poll_ready(at(self.now)) {
            assert!(!self.parked.contains(&partition), "it is parked");
            if self.dice.one_in(3) {
                self.parked.push(partition);
                continue;
            }
            let batch = self.accumulator.take(partition).expect("it is ready");
            self.taken(batch);
        }
        let timeout = self.accumulator.poll_timeout();
        assert_eq!(timeout.is_none(), self.accumulator.is_empty());
        assert!(timeout.is_none_or(|timeout| timeout > at(self.now)), "all that was due is gone");
        self.sleeps = Some(timeout);
        let delivery = config().delivery_timeout;
        assert!(
            self.accepted.values().all(|record| record.at + delivery > at(self.now)),
            "not failed in time"
        );
    }

    fn taken(&mut self, mut batch: Batch<BoxBlock>) {
        assert_eq!(batch.first, 0);
        let limit = config().request_bytes_max;
        assert!(batch.bytes() <= limit, "{} bytes", batch.bytes());
        for (index, value) in values(&mut batch).into_iter().enumerate() {
            let number = u32::from_be_bytes(value[..4].try_into().unwrap());
            assert!(value[4..].iter().all(|byte| *byte == 0xab));
            let record = self.accepted.remove(&key(batch.id, index as u32)).expect("one outcome each");
            assert_eq!((record.number, record.topic), (number, batch.partition.topic));
            assert!(record.at >= batch.created, "its delivery timeout runs from acceptance");
            if let Placement::Partition(chosen) = record.placement {
                assert_eq!(chosen, batch.partition.partition);
            }
            let last = self.last.insert(batch.partition, number);
            assert!(last.is_none_or(|last| last < number), "{number} after {last:?}");
            self.outcomes += 1;
        }
        self.out.push(batch);
    }

    fn expired(&mut self, batch: Batch<BoxBlock>) {
        for index in batch.first..batch.first + batch.count {
            let record = self.accepted.remove(&key(batch.id, index)).expect("one outcome each");
            assert_eq!(record.topic, batch.partition.topic);
            self.outcomes += 1;
        }
        let due = batch.created + config().delivery_timeout <= at(self.now);
        let failed = batch.partition.partition == -1
            && matches!(self.views[usize::from(batch.partition.topic.0)], TopicView::Failed(_));
        assert!(due || failed || self.accumulator.is_closed());
        self.out.push(batch);
    }

    fn recycle(&mut self) {
        for _ in 0..self.out.len().min(3) {
            let index = self.dice.below(self.out.len() as u64) as usize;
            let batch = self.out.swap_remove(index);
            give_back(&mut self.accumulator, batch);
            self.sleeps = None;
        }
    }

    fn allow(&mut self) {
        if !self.parked.is_empty() {
            let index = self.dice.below(self.parked.len() as u64) as usize;
            let partition = self.parked.swap_remove(index);
            self.accumulator.allow(partition);
            self.sleeps = None;
        }
    }

    fn check(&mut self) {
        check(&mut self.accumulator);
        // A partition whose slot was evicted is not parked any more.
        let accumulator = &mut self.accumulator;
        self.parked.retain(|key| {
            let slot = accumulator.partitions.find(*key);
            slot != NONE && accumulator.partitions.at(slot).state == partitions::State::Parked
        });
        let out: u32 = self
            .out
            .iter()
            .map(|batch| match &batch.records {
                Records::Open(chain) => chain.blocks(),
                Records::Sealed(chain) => chain.blocks(),
            })
            .sum();
        let accumulator = &self.accumulator;
        assert_eq!(
            accumulator.free_blocks() + held_blocks(accumulator) + out,
            accumulator.total_blocks(),
            "every block is in one place"
        );
        assert_eq!(self.accepted.len() as u32 + self.outcomes, self.next);
        assert!(!accumulator.is_empty() || self.accepted.is_empty());
    }

    /// Closes in the middle of everything; nothing may be left.
    fn end(&mut self) {
        self.accumulator.close();
        for _ in 0..self.dice.below(200) {
            self.step();
        }
        self.accumulator.abandon();
        for _ in 0..2 {
            while let Some(batch) = self.accumulator.poll_expired(at(self.now)) {
                self.expired(batch);
            }
            while !self.out.is_empty() {
                self.recycle();
            }
        }
        self.check();
        assert_eq!((self.outcomes, self.accepted.len()), (self.next, 0), "each record has its outcome");
        assert_eq!(self.accumulator.free_blocks(), self.accumulator.total_blocks());
        assert_eq!(self.accumulator.partitions_in_use(), 0);
    }
}

#[test]
fn every_accepted_record_has_one_outcome_in_order() {
    let (mut outcomes, mut moved, mut refused) = (0, 0, 0);
    for seed in 1..=300 {
        let step = std::cell::Cell::new(0);
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut model = Model::new(seed);
            for now in 0..1500 {
                step.set(now);
                model.step();
            }
            model.end();
            (model.outcomes, model.moved, model.refused)
        }));
        let Ok(counts) = run else { panic!("seed {seed}, step {}", step.get()) };
        outcomes += counts.0;
        moved += counts.1;
        refused += counts.2;
    }
    // The dice must reach the corners, or this proves nothing.
    assert!(outcomes > 50_000 && moved > 5_000 && refused > 5_000, "{outcomes} {moved} {refused}");
}
