//! A batch's bytes against those of Kafka's Java classes.

extern crate std;

use std::string::String;
use std::vec::Vec;

use super::append::{Place, append};
use super::*;
use crate::checksum::crc32c;
use crate::compression::tests::Runs;
use crate::id::TopicId;
use crate::memory::Pool;
use crate::record::{Header, Placement, Record, record_bytes};
use crate::test_storage::BoxBlock;

const GOLDEN: &str = include_str!("../../../tests/golden/record_batch_v2_java431.jsonl");

/// A record of the golden file.
struct Expected {
    timestamp: i64,
    key: Option<String>,
    value: Option<String>,
    headers: Vec<(String, Option<String>)>,
}

/// Just enough of JSON for a file that we wrote ourselves: no escapes, no spaces.
struct Json<'a>(&'a str);

impl<'a> Json<'a> {
    fn skip(&mut self, text: &str) {
        self.0 = self.0.strip_prefix(text).unwrap_or_else(|| panic!("{text:?} expected at {:.40}", self.0));
    }

    fn try_skip(&mut self, text: &str) -> bool {
        self.0.strip_prefix(text).map(|rest| self.0 = rest).is_some()
    }

    fn until(&mut self, end: &str) -> &'a str {
        let (found, rest) = self.0.split_once(end).unwrap();
        self.0 = rest;
        found
    }

    fn number(&mut self, name: &str) -> i64 {
        self.skip("\"");
        self.skip(name);
        self.skip("\":");
        self.until(",").parse().unwrap()
    }

    /// A string, or null; `<len 3 of 'x'>` stands for `xxx`.
    fn text(&mut self) -> Option<String> {
        if self.try_skip("null") {
            return None;
        }
        self.skip("\"");
        let text = self.until("\"");
        match text.strip_prefix("<len ").and_then(|text| text.strip_suffix("'>")?.split_once(" of '")) {
            Some((length, letter)) => Some(letter.repeat(length.parse().unwrap())),
            None => Some(text.into()),
        }
    }

    fn record(&mut self) -> Expected {
        self.skip("{");
        let timestamp = self.number("ts");
        self.skip("\"key\":");
        let key = self.text();
        self.skip(",\"value\":");
        let value = self.text();
        self.skip(",\"headers\":[");
        let mut headers = Vec::new();
        while !self.try_skip("]") {
            self.try_skip(",");
            self.skip("[");
            let name = self.text().unwrap();
            self.skip(",");
            headers.push((name, self.text()));
            self.skip("]");
        }
        self.skip("}");
        Expected { timestamp, key, value, headers }
    }
}

fn batch(records: &[Expected], block_bytes: usize) -> Batch<BoxBlock> {
    batch_with_base(records, block_bytes, records[0].timestamp)
}

/// The same with timestamps that count from `base`.
fn batch_with_base(records: &[Expected], block_bytes: usize, base: i64) -> Batch<BoxBlock> {
    let mut pool = Pool::new();
    for _ in 0..(2_000 + records.len() * 250) / block_bytes + 2 {
        assert!(pool.add(BoxBlock::new(block_bytes)).is_ok());
    }
    let mut chain = OpenChain::new();
    for (index, expected) in records.iter().enumerate() {
        let headers: Vec<_> = expected
            .headers
            .iter()
            .map(|(key, value)| Header { key, value: value.as_deref().map(str::as_bytes) })
            .collect();
        let record = Record {
            topic: TopicId(0),
            placement: Placement::Any,
            key: expected.key.as_deref().map(str::as_bytes),
            value: expected.value.as_deref().map(str::as_bytes),
            headers: &headers,
            timestamp: Timestamp::from_millis(expected.timestamp),
        };
        let payload = record.payload_bytes();
        let timestamp_delta = expected.timestamp - base;
        let offset_delta = index as i32;
        let bytes = record_bytes(payload, timestamp_delta, offset_delta) as u32;
        let before = chain.bytes();
        append(&mut chain, &mut pool, &record, Place { payload, timestamp_delta, offset_delta, bytes });
        assert_eq!(chain.bytes() - before, bytes, "the size is known before");
    }
    let max = records.iter().map(|record| record.timestamp).max().unwrap();
    Batch {
        id: BatchId::new(0, 0),
        partition: TopicPartition { topic: TopicId(0), partition: 0 },
        first: 0,
        count: records.len() as u32,
        base_timestamp: Timestamp::from_millis(base),
        max_timestamp: Timestamp::from_millis(max),
        created: Instant::ZERO,
        records: Records::Open(chain),
        part: None,
        compressed: None,
    }
}

#[test]
fn batches_are_those_of_kafka_byte_for_byte() {
    let mut checked = 0;
    for line in GOLDEN.lines().filter(|line| !line.contains("_decode_only")) {
        let mut json = Json(line);
        json.skip("{\"name\":");
        let name = json.text().unwrap();
        json.skip(",");
        let (id, epoch, sequence) = (json.number("pid"), json.number("epoch"), json.number("seq"));
        json.skip("\"txn\":");
        let attributes = if json.until(",") == "true" { 0x10 } else { 0 };
        let (size, crc) = (json.number("size"), json.number("crc"));
        json.skip("\"records\":[");
        let mut records = Vec::new();
        while !json.try_skip("]") {
            json.try_skip(",");
            records.push(json.record());
        }
        json.skip(",\"hex\":\"");
        let hex = json.until("\"");
        // Blocks that every record straddles, some, and none.
        for block_bytes in [1, 7, 64, 4096] {
            let mut batch = batch(&records, block_bytes);
            assert_eq!(i64::from(batch.bytes()), size, "{name}");
            batch.seal();
            let header = batch.header(attributes, id, epoch as i16, sequence as i32, crc32c);
            let stamped = u32::from_be_bytes(header[17..21].try_into().unwrap());
            assert_eq!(i64::from(stamped), crc, "{name}");
            let pieces = batch.chain().unwrap().pieces();
            let bytes = header.iter().chain(pieces.flatten());
            let found: String = bytes.map(|byte| std::format!("{byte:02x}")).collect();
            assert_eq!(found, hex, "{name} in blocks of {block_bytes}");
        }
        checked += 1;
    }
    assert_eq!(checked, 11);
}

#[test]
fn a_batch_gives_its_blocks_back_sealed_or_not() {
    let record = || Expected { timestamp: 0, key: None, value: Some("x".repeat(100)), headers: Vec::new() };
    let open = batch(&[record(), record()], 10);
    assert!(open.chain().is_none());
    let blocks = open.into_chain().blocks();
    let mut sealed = batch(&[record(), record()], 10);
    sealed.seal();
    sealed.seal();
    assert_eq!(sealed.into_chain().blocks(), blocks);
}

#[test]
fn a_part_has_a_record_at_least_and_the_latest_time_of_its_own() {
    let record =
        |timestamp| Expected { timestamp, key: None, value: Some("x".repeat(10)), headers: Vec::new() };
    let mut batch = batch(&[record(1_000), record(400), record(1_200)], 7);
    batch.seal();
    assert_eq!(batch.front(1).count, 1);
    let part = batch.front(u32::MAX);
    assert_eq!((part.count, part.max_timestamp), (2, Timestamp::from_millis(1_000)));
}

/// What a spool keeps of a batch is enough to send the same bytes again.
#[test]
fn a_restored_batch_is_the_same() {
    let record = |timestamp| Expected {
        timestamp,
        key: Some("key".into()),
        value: Some("x".repeat(100)),
        headers: Vec::new(),
    };
    let records = [record(1_000), record(400), record(1_200)];
    let mut original = batch(&records, 64);
    original.seal();
    let header = original.header(original.attributes(), 7, 1, 5, crc32c);
    let (id, partition, created) = (original.id, original.partition, original.created);
    let (base, max) = (original.base_timestamp, original.max_timestamp);
    let restored: Batch<BoxBlock> =
        Batch::restore(id, partition, created, original.into_chain(), 3, base, max);
    assert_eq!(restored.header(restored.attributes(), 7, 1, 5, crc32c), header);
    let restored = restored.compressed_by(Compression::Zstd, 999);
    assert_eq!((restored.attributes(), restored.plain_bytes()), (Compression::Zstd as i16, 999));
    assert_eq!(restored.compressed_by(Compression::None, 0).attributes(), 0);
}

#[test]
fn the_first_records_of_a_batch_are_skipped() {
    let record = |index: i64| Expected {
        timestamp: 1_000 + index,
        key: None,
        value: Some("x".repeat(10 + index as usize)),
        headers: Vec::new(),
    };
    let records: Vec<Expected> = (0..200).map(record).collect();
    for (skipped, block_bytes) in [(1, 7), (63, 64), (64, 64), (130, 4096), (199, 7)] {
        let mut part = batch(&records, block_bytes);
        part.seal();
        let blocks = part.chain().unwrap().blocks();
        let mut pool = Pool::new();
        assert!(!part.skip_first(skipped, &mut pool), "without a block to begin with");
        assert!(pool.add(BoxBlock::new(block_bytes)).is_ok());
        assert!(part.skip_first(0, &mut pool) && part.count == 200);
        for too_many in [200, 201, u32::MAX] {
            assert!(!part.skip_first(too_many, &mut pool));
        }
        assert!(part.skip_first(skipped, &mut pool));
        assert_eq!((part.first, part.count), (skipped, 200 - skipped));
        assert_eq!(part.chain().unwrap().blocks() + pool.free(), blocks + 1, "no block is lost");
        // As if the rest had been a batch of its own, but for the base that its times count from.
        let rest = &records[skipped as usize..];
        let mut expected = batch_with_base(rest, block_bytes, 1_000);
        expected.seal();
        let bytes = |batch: &Batch<BoxBlock>| -> Vec<u8> {
            batch.chain().unwrap().pieces().flatten().copied().collect()
        };
        assert!(bytes(&part) == bytes(&expected), "{skipped} skipped in blocks of {block_bytes}");
    }
}

#[test]
fn what_is_no_batch_of_plain_records_is_left_as_it_is() {
    let record = || Expected { timestamp: 0, key: None, value: Some("x".repeat(10)), headers: Vec::new() };
    let mut pool = Pool::new();
    assert!(pool.add(BoxBlock::new(64)).is_ok());
    let mut open = batch(&[record(), record(), record()], 64);
    assert!(!open.skip_first(1, &mut pool));
    open.seal();
    let whole = open.bytes();
    let mut compressed = open.compressed_by(Compression::Lz4, 50);
    assert!(!compressed.skip_first(1, &mut pool));
    let mut damaged = compressed.compressed_by(Compression::None, 0);
    damaged.count = 4;
    assert!(!damaged.skip_first(1, &mut pool), "there are only three records");
    assert_eq!((damaged.bytes(), damaged.first, pool.free()), (whole, 0, 1));
}

/// It came compressed: there may be no blocks for more. What its neighbours need is not taken for it.
#[test]
fn a_batch_without_blocks_for_its_plain_records_stays_compressed() {
    let record = || Expected { timestamp: 0, key: None, value: Some("x".repeat(200)), headers: Vec::new() };
    let mut packed = batch(&[record(), record(), record()], 16);
    packed.seal();
    let (mut reserve, mut surplus) = (Pool::new(), Chain::new());
    for _ in 0..100 {
        assert!(reserve.add(BoxBlock::new(16)).is_ok());
    }
    packed.compress(&mut Runs, Compression::Lz4, &mut reserve, &mut surplus);
    assert_eq!((packed.attributes(), reserve.free()), (Compression::Lz4 as i16, 100));
    let bytes = packed.bytes();
    let mut nothing = Chain::new();
    assert!(packed.decompress(&mut Runs, &mut reserve, &mut nothing).is_err());
    assert_eq!((packed.bytes(), reserve.free(), nothing.blocks()), (bytes, 100, 0));
    assert!(packed.decompress(&mut Runs, &mut reserve, &mut surplus).is_ok());
    assert_eq!(reserve.free(), 100);
}
