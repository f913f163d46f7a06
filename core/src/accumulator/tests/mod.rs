//! The data plane, one scenario each, and a seeded model of all of it.

extern crate std;

mod brokers;
mod limits;
mod model;
mod pending;
mod ready;
mod topics;

use core::time::Duration;
use std::boxed::Box;
use std::vec::Vec;

use super::brokers::Load;
use super::*;
use crate::batch::{Batch, Records};
use crate::error::{AppendError, ErrorCode};
use crate::event::{Reassigned, TopicView};
use crate::id::BrokerId;
use crate::record::{Placement, Record};
use crate::test_storage::{BoxBlock, Boxes, table};
use crate::time::Timestamp;

/// Brokers that the data plane has a place for.
const BROKERS: usize = 3;

/// Batches of 1000 bytes in blocks of 100, a linger of 10 us, a delivery timeout of 1000 us.
fn config() -> AccumulatorConfig {
    AccumulatorConfig {
        batch_bytes: 1000,
        linger: Duration::from_micros(10),
        request_bytes_max: 3000,
        delivery_timeout: Duration::from_micros(1000),
        ..AccumulatorConfig::default()
    }
}

fn accumulator(config: AccumulatorConfig, blocks: usize, partitions: usize) -> Accumulator<Boxes> {
    with_batches(config, blocks, partitions, blocks)
}

fn with_batches(
    config: AccumulatorConfig,
    blocks: usize,
    partitions: usize,
    batches: usize,
) -> Accumulator<Boxes> {
    let mut accumulator = Accumulator::new(
        config,
        AccumulatorTables {
            topics: table(4, TopicSlot::default),
            names: table(64, || 0xff),
            partitions: table(partitions, PartitionSlot::default),
            index: table(partitions * 2, || 7),
            batches: table(batches, BatchSlot::default),
            brokers: table(BROKERS, BrokerSlot::default),
            leaders: table(10_000, || 7),
        },
    );
    for _ in 0..blocks {
        assert!(accumulator.add_block(BoxBlock::new(100)).is_ok());
    }
    accumulator
}

/// With a topic of so many partitions.
fn known(partitions: i32) -> (Accumulator<Boxes>, TopicId) {
    let (mut accumulator, topic) = unknown();
    accumulator.handle_topic(topic, TopicView::Known { partitions });
    (accumulator, topic)
}

/// With a topic of which nothing is known.
fn unknown() -> (Accumulator<Boxes>, TopicId) {
    let mut accumulator = accumulator(config(), 100, 8);
    let topic = accumulator.topic("readings").unwrap();
    (accumulator, topic)
}

fn at(micros: u64) -> Instant {
    Instant::from_micros(micros)
}

fn record(topic: TopicId, placement: Placement, value: &[u8]) -> Record<'_> {
    let key = if let Placement::Hash(_) = placement { Some(&b"key"[..]) } else { None };
    let timestamp = Timestamp::from_millis(1_700_000_000_000);
    Record { topic, placement, key, value: Some(value), headers: &[], timestamp }
}

/// The values of a batch's records, found by an independent reading of its bytes.
fn values(batch: &mut Batch<BoxBlock>) -> Vec<Vec<u8>> {
    batch.seal();
    let bytes: Vec<u8> = batch.chain().unwrap().pieces().flatten().copied().collect();
    let mut rest = &bytes[..];
    let mut values = Vec::new();
    for index in 0..batch.count {
        let length = varint(&mut rest) as usize;
        let (mut body, behind) = rest.split_at(length);
        rest = behind;
        assert_eq!(body[0], 0, "attributes");
        body = &body[1..];
        let _timestamp_delta = varint(&mut body);
        assert_eq!(varint(&mut body), i64::from(index), "offset delta");
        let _key = bytes_of(&mut body);
        values.push(bytes_of(&mut body).unwrap());
        assert_eq!(body, [0], "no headers");
    }
    assert!(rest.is_empty(), "{} bytes behind the last record", rest.len());
    values
}

fn varint(bytes: &mut &[u8]) -> i64 {
    let (mut zigzag, mut shift) = (0_u64, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        zigzag |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
        }
    }
}

fn bytes_of(bytes: &mut &[u8]) -> Option<Vec<u8>> {
    let length = usize::try_from(varint(bytes)).ok()?;
    let (value, rest) = bytes.split_at(length);
    *bytes = rest;
    Some(value.to_vec())
}

fn give_back(accumulator: &mut Accumulator<Boxes>, batch: Batch<BoxBlock>) {
    let (id, partition) = (batch.id, batch.partition);
    accumulator.recycle(id, partition, batch.into_chain());
}

/// Takes what is ready, as a sender with room for everything.
fn take_all(accumulator: &mut Accumulator<Boxes>, now: Instant) -> Vec<(TopicPartition, Vec<Vec<u8>>)> {
    let mut taken = Vec::new();
    while let Some(partition) = accumulator.poll_ready(now) {
        let mut batch = accumulator.take(partition).expect("what is ready can be taken");
        assert_eq!(batch.partition, partition);
        taken.push((partition, values(&mut batch)));
        give_back(accumulator, batch);
    }
    check(accumulator);
    taken
}

/// What must hold whatever was called: every block is in one place, and what is counted is there.
fn check(accumulator: &mut Accumulator<Boxes>) {
    let slots = accumulator.batches.slots_mut().len() as u32;
    let mut held_blocks = accumulator.cursor.as_ref().map_or(0, Cursor::blocks);
    let mut by_partition = std::collections::BTreeMap::new();
    let mut by_topic = std::collections::BTreeMap::new();
    let (mut held, mut out) = (0, 0);
    for slot in 0..slots {
        let batch = accumulator.batches.at(slot);
        let Some(is_out) = accumulator.batches.is_out(slot) else {
            assert_eq!(batch.chain.blocks(), 0, "a free slot holds no block");
            continue;
        };
        let moving =
            accumulator.cursor.as_ref().filter(|cursor| cursor.batch() == slot).map_or(0, Cursor::blocks);
        let blocks = if is_out { batch.blocks_out } else { batch.chain.blocks() + moving };
        if is_out {
            out += 1;
        } else {
            held += 1;
            held_blocks += batch.chain.blocks();
        }
        match batch.owner {
            Owner::Partition(owner) => {
                let (sum, outs) = by_partition.entry(owner).or_insert((0, 0));
                *sum += blocks;
                *outs += u32::from(is_out);
            }
            Owner::Topic(topic) => *by_topic.entry(topic).or_insert(0) += blocks,
        }
    }
    assert_eq!((accumulator.held_batches(), accumulator.out_batches()), (held, out));
    assert_eq!(accumulator.batches.free_count() + held + out, slots);
    assert!(accumulator.free_blocks() + held_blocks <= accumulator.total_blocks());
    assert_eq!(
        accumulator.partitions_in_use() as usize,
        by_partition.len(),
        "no idle partition keeps its slot"
    );
    for (slot, (blocks, outs)) in by_partition {
        let partition = accumulator.partitions.at(slot);
        assert_eq!((partition.blocks, partition.out), (blocks, outs));
        let (key, empty, state) = (partition.key, partition.queue.is_empty(), partition.state);
        assert_eq!(accumulator.partitions.find(key), slot, "the index finds it");
        use partitions::State::{Idle, Parked};
        assert!(if empty { matches!(state, Idle | Parked) } else { state != Idle }, "{state:?}");
    }
    let mut queues = 0;
    for topic in 0..accumulator.topics() {
        let blocks = by_topic.get(&topic).copied().unwrap_or(0);
        assert_eq!(accumulator.topics.at(TopicId(topic)).blocks, blocks);
        queues += u32::from(blocks > 0);
    }
    assert_eq!(accumulator.queues, queues);
    let waiting = by_topic.values().sum();
    check_brokers(accumulator, waiting, queues);
}

/// What is counted with a broker is what its partitions hold; topics' queues count with nobody.
fn check_brokers(accumulator: &Accumulator<Boxes>, waiting: u32, queues: u32) {
    let mut loads = [(0, 0); BROKERS];
    let mut stuck = (waiting, queues);
    for slot in 0..accumulator.partitions.max() {
        let partition = accumulator.partitions.at(slot);
        if partition.state == partitions::State::Free {
            continue;
        }
        let PartitionSlot { key, broker, blocks, .. } = *partition;
        assert_eq!(broker, accumulator.leader(key.topic, key.partition), "it counts with its leader");
        let broker = usize::from(broker);
        if broker < BROKERS {
            loads[broker] = (loads[broker].0 + blocks, loads[broker].1 + 1);
        }
        if !accumulator.brokers.is_available(partition.broker) {
            stuck = (stuck.0 + blocks, stuck.1 + 1);
        }
    }
    for (broker, (blocks, users)) in loads.into_iter().enumerate() {
        assert_eq!(accumulator.brokers.load(broker as u16), Load { blocks, users }, "broker {broker}");
    }
    assert_eq!(accumulator.brokers.load(NOBODY), Load { blocks: stuck.0, users: stuck.1 });
}

/// Blocks that are held here, wherever.
fn held_blocks(accumulator: &Accumulator<Boxes>) -> u32 {
    let slots = accumulator.batches.slots().len() as u32;
    let moving = accumulator.cursor.as_ref().map_or(0, Cursor::blocks);
    (0..slots).map(|slot| accumulator.batches.at(slot).chain.blocks()).sum::<u32>() + moving
}
