//! Any sequence of operations on the data plane, against a model that only remembers what was accepted: one outcome per
//! record, in order, in time; no block lost.

use std::collections::BTreeMap;
use std::time::Duration;

use felice_core::accumulator::{self, Accumulator, AccumulatorTables, BatchSlot};
use felice_core::batch::Batch;
use felice_core::config::{AccumulatorConfig, Spread};
use felice_core::error::ErrorCode;
use felice_core::event::TopicView;
use felice_core::id::{BrokerId, Ticket, TopicId, TopicPartition};
use felice_core::record::{Placement, Record};
use felice_core::time::{Instant, Timestamp};

use super::input::Input;
use crate::protocol::records;
use crate::simulation::storage::{SimBlock, SimStorage, table};

const STEPS_MAX: u32 = 2_000;
const TOPICS: usize = 3;
const PARTITIONS: usize = 6;
const BROKERS: usize = 3;
const REQUEST_BYTES_MAX: u32 = 2_000;
const DELIVERY_TIMEOUT: Duration = Duration::from_micros(1_000);

/// A record that was accepted and has no outcome yet.
struct Accepted {
    number: u32,
    topic: TopicId,
    placement: Placement,
    at: Instant,
}

struct Model {
    accumulator: Accumulator<SimStorage>,
    now: u64,
    /// The latest moment that the accumulator was told.
    seen: Instant,
    next: u32,
    outcomes: u32,
    views: [TopicView; TOPICS],
    accepted: std::collections::HashMap<Ticket, Accepted>,
    /// The number of each partition's last record that was taken.
    last: BTreeMap<TopicPartition, u32>,
    out: Vec<Batch<SimBlock>>,
    parked: Vec<TopicPartition>,
}

pub(super) fn run(input: &[u8]) {
    let input = &mut Input::new(input);
    let mut model = Model::new(input);
    for _ in 0..STEPS_MAX {
        if input.is_over() {
            break;
        }
        model.step(input);
        model.check();
    }
    model.end(input);
}

impl Model {
    fn new(input: &mut Input<'_>) -> Self {
        let config = AccumulatorConfig {
            batch_bytes: input.pick(&[61, 200, 700]),
            linger: Duration::from_micros(input.pick(&[0, 10, 200])),
            request_bytes_max: REQUEST_BYTES_MAX,
            delivery_timeout: DELIVERY_TIMEOUT,
            partition_share: input.pick(&[64, 128, 256]),
            spread: input.pick(&[Spread::Sticky, Spread::RoundRobin]),
            seed: 1,
        };
        let (block_bytes, blocks) = (input.pick(&[64, 100, 256]), 4 + input.below(60));
        let (partitions, batches) = (1 + input.below(12), 3 + input.below(blocks));
        let tables = AccumulatorTables {
            topics: table(TOPICS, accumulator::TopicSlot::default),
            names: table(TOPICS, u8::default),
            partitions: table(partitions, accumulator::PartitionSlot::default),
            index: table(partitions * 2, u32::default),
            batches: table(batches, BatchSlot::default),
            brokers: table(BROKERS, accumulator::BrokerSlot::default),
            leaders: table(TOPICS * PARTITIONS, u16::default),
        };
        let mut accumulator = Accumulator::new(config, tables);
        for _ in 0..blocks {
            assert!(accumulator.add_block(SimBlock::new(block_bytes)).is_ok());
        }
        for name in ["a", "b", "c"] {
            accumulator.topic(name).expect("there is room for each");
        }
        Self {
            accumulator,
            now: 1_000,
            seen: Instant::ZERO,
            next: 0,
            outcomes: 0,
            views: [TopicView::Unknown; TOPICS],
            accepted: Default::default(),
            last: BTreeMap::new(),
            out: Vec::new(),
            parked: Vec::new(),
        }
    }

    fn now(&self) -> Instant {
        Instant::from_micros(self.now)
    }

    fn step(&mut self, input: &mut Input<'_>) {
        match input.below(16) {
            0..=4 => self.append(input),
            5 | 6 => self.drain(input),
            7 | 8 => self.recycle(input),
            9 => self.allow(input),
            10 => self.now += input.below(30) as u64,
            11 => self.now += input.below(1_500) as u64,
            12 => self.handle_topic(input),
            13 => self.handle_brokers(input),
            14 if input.one_in(8) => self.accumulator.close(),
            14 => self.accumulator.flush(),
            _ => drop(self.reassign()),
        }
    }

    fn append(&mut self, input: &mut Input<'_>) {
        let topic = TopicId(input.below(TOPICS) as u16);
        let placement = match input.below(4) {
            0 => Placement::Any,
            1 => Placement::Partition(input.below(PARTITIONS + 2) as i32 - 1),
            _ => Placement::Hash(input.word().into()),
        };
        let length = if input.one_in(8) { input.below(2_500) } else { input.below(120) };
        let mut value = self.next.to_be_bytes().to_vec();
        value.resize(4 + length, 0xab);
        let timestamp = input.pick(&[1_700_000_000_000, 0, i64::MAX, i64::MIN, 1_700_000_000_999]);
        // Whoever waits for a lock comes with a clock that is a little late.
        let now = Instant::from_micros(self.now - input.below(20) as u64);
        self.seen = self.seen.max(now);
        let before = self.counts();
        let timestamp = Timestamp::from_millis(timestamp);
        let record = Record { topic, placement, key: None, value: Some(&value), headers: &[], timestamp };
        match self.accumulator.append(now, &record) {
            Ok(appended) => {
                let accepted = Accepted { number: self.next, topic, placement, at: self.seen };
                self.next += 1;
                let other = self.accepted.insert(appended.ticket, accepted);
                assert!(other.is_none(), "a ticket names one record");
            }
            Err(error) => assert_eq!(before, self.counts(), "{error:?} left something behind"),
        }
    }

    fn counts(&self) -> [u32; 4] {
        let accumulator = &self.accumulator;
        [
            accumulator.free_blocks(),
            accumulator.held_batches(),
            accumulator.out_batches(),
            accumulator.partitions_in_use(),
        ]
    }

    fn handle_topic(&mut self, input: &mut Input<'_>) {
        let topic = input.below(TOPICS);
        self.views[topic] = match input.below(8) {
            0 => TopicView::Unknown,
            1 => TopicView::Failed(ErrorCode(29)),
            2 => TopicView::Known { partitions: 1 },
            3 => TopicView::Known { partitions: 1 + input.below(PARTITIONS) as i32 },
            _ => TopicView::Known { partitions: PARTITIONS as i32 },
        };
        self.accumulator.handle_topic(TopicId(topic as u16), self.views[topic]);
        if input.one_in(4) {
            let bytes_max = input.pick(&[u32::MAX, 300, 62]);
            self.accumulator.limit_batches(TopicId(topic as u16), bytes_max);
        }
    }

    /// Brokers come and go, and partitions move between them: brokers without a place, and none at all, included.
    fn handle_brokers(&mut self, input: &mut Input<'_>) {
        let broker = |input: &mut Input<'_>| BrokerId(input.below(BROKERS + 2) as u16);
        self.accumulator.handle_broker(broker(input), input.one_in(2));
        let (topic, first) = (TopicId(input.below(TOPICS) as u16), input.below(PARTITIONS) as i32);
        let leaders: Vec<_> = (0..4).map(|_| (!input.one_in(4)).then(|| broker(input))).collect();
        self.accumulator.handle_leaders(topic, first, leaders.into_iter());
    }

    /// A record moves to its partition. Whether there was one.
    fn reassign(&mut self) -> bool {
        let Some(reassigned) = self.accumulator.poll_reassigned() else { return false };
        let accepted = self.accepted.remove(&reassigned.from).expect("what moves was accepted");
        assert_eq!(accepted.topic, reassigned.partition.topic);
        if let Placement::Partition(chosen) = accepted.placement {
            assert_eq!(chosen, reassigned.partition.partition);
        }
        let other = self.accepted.insert(reassigned.to, accepted);
        assert!(other.is_none(), "a ticket names one record");
        true
    }

    /// All that a driver does under the lock.
    fn drain(&mut self, input: &mut Input<'_>) {
        let now = self.now();
        self.seen = self.seen.max(now);
        while self.reassign() {}
        while let Some(batch) = self.accumulator.poll_expired(now) {
            self.expired(batch);
        }
        while let Some(partition) = self.accumulator.poll_ready(now) {
            if input.one_in(3) {
                self.parked.push(partition);
                continue;
            }
            let batch = self.accumulator.take(partition).expect("it is ready");
            self.taken(batch);
        }
        let timeout = self.accumulator.poll_timeout();
        assert_eq!(timeout.is_none(), self.accumulator.is_empty());
        assert!(timeout.is_none_or(|timeout| timeout > now), "all that was due is gone");
        let late = self.accepted.values().any(|record| record.at + DELIVERY_TIMEOUT <= now);
        assert!(!late, "not failed in time");
    }

    fn taken(&mut self, mut batch: Batch<SimBlock>) {
        assert_eq!(batch.first, 0);
        assert!(batch.bytes() <= REQUEST_BYTES_MAX, "{} bytes", batch.bytes());
        batch.seal();
        let mut bytes = batch.header(0, -1, -1, -1, felice_core::checksum::crc32c).to_vec();
        bytes.extend(batch.chain().expect("it is sealed").pieces().flatten());
        let stored = records::decode(&bytes).expect("a batch as Kafka reads it");
        assert_eq!(stored.len(), batch.count as usize);
        for (index, stored) in stored.iter().enumerate() {
            let value = stored.value.as_deref().unwrap_or_default();
            let (number, filler) = value.split_first_chunk().expect("the record's number");
            let number = u32::from_be_bytes(*number);
            assert!(filler.iter().all(|byte| *byte == 0xab));
            let ticket = Ticket { batch: batch.id, index: index as u32 };
            let record = self.accepted.remove(&ticket).expect("one outcome each");
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

    fn expired(&mut self, mut batch: Batch<SimBlock>) {
        for index in batch.first..batch.first + batch.count {
            let ticket = Ticket { batch: batch.id, index };
            let record = self.accepted.remove(&ticket).expect("one outcome each");
            assert_eq!(record.topic, batch.partition.topic);
            self.outcomes += 1;
        }
        let due = batch.created + DELIVERY_TIMEOUT <= self.now();
        let topic = usize::from(batch.partition.topic.0);
        let failed = batch.partition.partition == -1 && matches!(self.views[topic], TopicView::Failed(_));
        assert!(due || failed || self.accumulator.is_closed(), "failed without a reason");
        batch.seal();
        self.out.push(batch);
    }

    /// Some batches come back from the sender, in any order.
    fn recycle(&mut self, input: &mut Input<'_>) {
        for _ in 0..self.out.len().min(3) {
            let batch = self.out.swap_remove(input.below(self.out.len()));
            self.accumulator.recycle(batch.id, batch.partition, batch.into_chain());
        }
    }

    fn allow(&mut self, input: &mut Input<'_>) {
        if !self.parked.is_empty() {
            let partition = self.parked.swap_remove(input.below(self.parked.len()));
            self.accumulator.allow(partition);
        }
    }

    fn check(&self) {
        let out: u32 =
            self.out.iter().map(|batch| batch.chain().map_or(0, felice_core::memory::Chain::blocks)).sum();
        let accumulator = &self.accumulator;
        let there = accumulator.free_blocks() + out;
        assert!(there <= accumulator.total_blocks(), "more blocks than there are");
        if accumulator.is_empty() {
            assert_eq!(there, accumulator.total_blocks(), "a block is lost");
            assert!(self.accepted.is_empty(), "records without an outcome");
        }
        assert_eq!(accumulator.out_batches() as usize, self.out.len());
        assert_eq!(self.accepted.len() as u32 + self.outcomes, self.next);
    }

    /// Gives up in the middle of everything; nothing may be left.
    fn end(&mut self, input: &mut Input<'_>) {
        self.accumulator.abandon();
        while let Some(batch) = self.accumulator.poll_expired(self.now()) {
            self.expired(batch);
        }
        while !self.out.is_empty() {
            self.recycle(input);
        }
        self.check();
        assert_eq!((self.outcomes, self.accepted.len()), (self.next, 0), "each record has its outcome");
        assert_eq!(self.accumulator.free_blocks(), self.accumulator.total_blocks());
        assert_eq!(self.accumulator.partitions_in_use(), 0);
    }
}
