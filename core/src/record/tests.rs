//! Records against the bytes of Kafka's own classes, and the sizes against the bytes.

use std::borrow::ToOwned;
use std::string::String;
use std::vec::Vec;

use serde_json::Value;

use super::{Header, Placement, ProducerRecord, Record, record_bytes, varint_bytes};
use crate::checksum::{crc32c, crc32c_combine};
use crate::id::TopicId;
use crate::serializer::SerializeError;
use crate::time::Timestamp;

const BATCHES: &str = include_str!("../../../tests/golden/record_batch_v2_java431.jsonl");
const VARINTS: &str = include_str!("../../../tests/golden/varint_crc_java431.tsv");

/// What a batch of format 2 says before its records.
const HEADER_BYTES: usize = 61;
const CHECKED_FROM: usize = 21;

const PLAIN: Record<'_> = Record {
    topic: TopicId(0),
    placement: Placement::Any,
    key: None,
    value: None,
    headers: &[],
    timestamp: Timestamp::from_millis(0),
};

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn encoded(record: &Record<'_>, timestamp_delta: i64, offset_delta: i32) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.encode(record.payload_bytes(), timestamp_delta, offset_delta, |piece| {
        bytes.extend_from_slice(piece);
    });
    let announced = record_bytes(record.payload_bytes(), timestamp_delta, offset_delta);
    assert_eq!(bytes.len() as u64, announced, "{record:?} {timestamp_delta} {offset_delta}");
    bytes
}

/// A text of the golden file; `<len 300 of 'v'>` stands for 300 of them.
fn text(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let Some(repeated) = text.strip_prefix("<len ") else { return Some(text.to_owned()) };
    let (length, rest) = repeated.split_once(" of '").unwrap();
    Some(rest[..1].repeat(length.parse().unwrap()))
}

fn encoded_from_json(record: &Value, base_timestamp: i64, offset_delta: i32) -> Vec<u8> {
    let (key, value) = (text(&record["key"]), text(&record["value"]));
    let owned: Vec<(String, Option<String>)> = record["headers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|header| (text(&header[0]).unwrap(), text(&header[1])))
        .collect();
    let headers: Vec<Header<'_>> = owned
        .iter()
        .map(|(key, value)| Header { key, value: value.as_ref().map(String::as_bytes) })
        .collect();
    let record_of_bytes = Record {
        key: key.as_ref().map(String::as_bytes),
        value: value.as_ref().map(String::as_bytes),
        headers: &headers,
        ..PLAIN
    };
    encoded(&record_of_bytes, record["ts"].as_i64().unwrap() - base_timestamp, offset_delta)
}

#[test]
fn records_are_javas() {
    let mut batches = 0;
    for line in BATCHES.lines() {
        let batch: Value = serde_json::from_str(line).unwrap();
        let name = batch["name"].as_str().unwrap();
        if name.ends_with("decode_only") {
            continue;
        }
        let expected = unhex(batch["hex"].as_str().unwrap());
        let records = batch["records"].as_array().unwrap();
        let base_timestamp = records[0]["ts"].as_i64().unwrap();
        let found: Vec<u8> = (0..)
            .zip(records)
            .flat_map(|(index, record)| encoded_from_json(record, base_timestamp, index))
            .collect();
        assert_eq!(found, expected[HEADER_BYTES..], "{name}");
        let (header, crc) = (&expected[CHECKED_FROM..HEADER_BYTES], batch["crc"].as_u64().unwrap());
        let combined = crc32c_combine(crc32c(0, header), crc32c(0, &found), found.len() as u64);
        assert_eq!(u64::from(combined), crc, "{name}");
        batches += 1;
    }
    assert_eq!(batches, 11);
}

#[test]
fn varint_sizes_are_javas() {
    let mut lines = 0;
    for line in VARINTS.lines().filter(|line| line.starts_with("varint") || line.starts_with("varlong")) {
        let columns: Vec<&str> = line.split('\t').collect();
        assert_eq!(varint_bytes(columns[1].parse().unwrap()) as usize * 2, columns[2].len(), "{line}");
        lines += 1;
    }
    assert_eq!(lines, 28);
}

#[test]
fn the_announced_size_is_the_written_one() {
    let long = [b'x'; 9000];
    let texts =
        [None, Some(&long[..0]), Some(&long[..63]), Some(&long[..64]), Some(&long[..8192]), Some(&long[..])];
    let headers = [Header::null(""), Header::null("n"), Header::new("name", &long[..64])];
    for timestamp_delta in [0, -1, 63, 64, -65, 8191, 8192, 1 << 31, 1 << 34, i64::MAX, i64::MIN] {
        for offset_delta in [0, 63, 64, 8192, i32::MAX] {
            for (key, value) in texts.iter().flat_map(|key| texts.map(|value| (*key, value))) {
                for headers in [&headers[..0], &headers[..2], &headers[..]] {
                    encoded(&Record { key, value, headers, ..PLAIN }, timestamp_delta, offset_delta);
                }
            }
        }
    }
}

#[test]
fn null_and_empty_differ() {
    let empty = Some(&[][..]);
    assert_ne!(encoded(&Record { key: empty, ..PLAIN }, 0, 0), encoded(&PLAIN, 0, 0));
    assert_ne!(encoded(&Record { value: empty, ..PLAIN }, 0, 0), encoded(&PLAIN, 0, 0));
    assert_eq!(encoded(&PLAIN, 0, 0), [12, 0, 0, 0, 1, 1, 0]);
}

#[test]
fn the_builder_keeps_what_was_said_before() {
    let headers = [Header::new("unit", "degC"), Header::new("unit", b"K")];
    let record = ProducerRecord::new("readings", "21.5")
        .partition(3)
        .timestamp(Timestamp::from_millis(5))
        .headers(&headers)
        .key(String::from("sensor-7"));
    assert_eq!((record.topic, record.value, record.partition), ("readings", "21.5", Some(3)));
    assert_eq!((record.timestamp, record.headers), (Some(Timestamp::from_millis(5)), &headers[..]));
    assert_eq!(record.key, "sensor-7");
}

#[test]
fn a_scratch_is_cleared_before_each_record() {
    let (mut key, mut value) = (heapless::Vec::<u8, 8>::new(), heapless::Vec::<u8, 8>::new());
    for number in [1_i64, 2, 3] {
        let record = ProducerRecord::new("t", number).key(-number);
        let bytes = record.serialize(&mut key, &mut value).unwrap();
        assert_eq!(bytes.key, Some(&(-number).to_be_bytes()[..]));
        assert_eq!(bytes.value, Some(&number.to_be_bytes()[..]));
    }
    let text = ProducerRecord::new("t", "longer than eight bytes").key("as is this one");
    assert!(text.serialize(&mut key, &mut value).is_ok(), "text does not pass through the scratch");
    let formatted =
        ProducerRecord::new("t", format_args!("{:09}", 1)).serialize(&mut key, &mut value).map(|_| ());
    assert_eq!(formatted, Err(SerializeError::SCRATCH_FULL));
}
