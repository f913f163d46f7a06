//! What the core's data plane does for a record, and for a batch that leaves.

use std::hint::black_box;

use felice_core::accumulator::{
    Accumulator, AccumulatorTables, BatchSlot, BrokerSlot, PartitionSlot, TopicSlot,
};
use felice_core::batch::Batch;
use felice_core::config::AccumulatorConfig;
use felice_core::event::TopicView;
use felice_core::id::TopicId;
use felice_core::record::{Placement, Record};
use felice_core::time::Instant;
use felice_host::{Heap, HeapBlock};

use crate::{TIMESTAMP, counted};

const BATCH_BYTES: u32 = 128 * 1024;
const BLOCK_BYTES: usize = 32 * 1024;
const NOW: Instant = Instant::from_micros(1_000_000);

/// Appends to a batch that has a record already; `group` of them fit into one batch.
pub(crate) fn append(times: usize, bytes: usize, group: usize) {
    let mut plane = Plane::new();
    let value = vec![7; bytes];
    let record = plane.record(&value);
    let mut left = times;
    while left > 0 {
        let group = left.min(group);
        plane.append(&record);
        counted(|| {
            for _ in 0..group {
                plane.append(black_box(&record));
            }
        });
        plane.leave(|_| ());
        left -= group;
    }
}

/// Puts a full batch's blocks in order.
pub(crate) fn seal(times: usize) {
    let mut plane = Plane::new();
    let value = [7; 1_000];
    let record = plane.record(&value);
    for _ in 0..times {
        for _ in 0..BATCH_BYTES as usize / (value.len() + 20) {
            plane.append(&record);
        }
        plane.leave(|batch| counted(|| black_box(batch).seal()));
    }
}

/// A data plane that knows one topic.
struct Plane {
    accumulator: Accumulator<Heap>,
    topic: TopicId,
}

impl Plane {
    fn new() -> Self {
        let config = AccumulatorConfig { batch_bytes: BATCH_BYTES, ..AccumulatorConfig::default() };
        let tables = AccumulatorTables {
            topics: table(64, TopicSlot::default),
            names: table(4_096, u8::default),
            partitions: table(1_024, PartitionSlot::default),
            index: table(2_048, u32::default),
            batches: table(512, BatchSlot::default),
            brokers: table(16, BrokerSlot::default),
            leaders: table(4_096, u16::default),
        };
        let mut accumulator = Accumulator::new(config, tables);
        for _ in 0..64 {
            assert!(accumulator.add_block(HeapBlock::new(BLOCK_BYTES)).is_ok());
        }
        let topic = accumulator.topic("readings").expect("a topic's slot");
        accumulator.handle_topic(topic, TopicView::Known { partitions: 6 });
        Self { accumulator, topic }
    }

    fn record<'v>(&self, value: &'v [u8]) -> Record<'v> {
        let (topic, placement) = (self.topic, Placement::Partition(3));
        Record { topic, placement, key: None, value: Some(value), headers: &[], timestamp: TIMESTAMP }
    }

    #[inline]
    fn append(&mut self, record: &Record<'_>) {
        let appended = self.accumulator.append(NOW, record);
        assert!(black_box(appended).is_ok());
    }

    /// The one batch there is leaves, and its memory comes back.
    fn leave(&mut self, seal: impl FnOnce(&mut Batch<HeapBlock>)) {
        self.accumulator.flush();
        let ready = self.accumulator.poll_ready(NOW).expect("a batch");
        let mut batch = self.accumulator.take(ready).expect("a batch");
        assert!(self.accumulator.is_empty(), "all records are in one batch");
        seal(&mut batch);
        batch.seal();
        self.accumulator.recycle(batch.id, ready, batch.into_chain());
    }
}

fn table<T>(length: usize, slot: impl FnMut() -> T) -> Box<[T]> {
    std::iter::repeat_with(slot).take(length).collect()
}
