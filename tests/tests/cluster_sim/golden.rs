//! The codec against bytes that Kafka's own Java classes made.

use felice_tests::protocol::{
    DecodeError, Reader, Writer,
    batch_builder::BatchBuilder,
    records::{self, BatchHeader, Record},
};

use super::json::Json;

const BATCHES: &str = include_str!("../../golden/record_batch_v2_java431.jsonl");
const VARINTS: &str = include_str!("../../golden/varint_crc_java431.tsv");

fn bytes_of_hex(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().map(|digit| digit.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Long fields are written `<len 130 of 'a'>`.
fn long_field(text: &str) -> Vec<u8> {
    let Some(rest) = text.strip_prefix("<len ") else { return text.as_bytes().to_vec() };
    let (length, char) = rest.strip_suffix("'>").unwrap().split_once(" of '").unwrap();
    char.repeat(length.parse().unwrap()).into_bytes()
}

fn expected(vector: &Json) -> Vec<Record> {
    let (producer_id, base_sequence) = (vector.field("pid").number(), vector.field("seq").number() as i32);
    let record = |(index, record): (usize, &Json)| Record {
        offset: index as i64,
        timestamp: record.field("ts").number(),
        key: record.field("key").text().map(long_field),
        value: record.field("value").text().map(long_field),
        headers: record.field("headers").list().iter().map(header).collect(),
        producer_id,
        producer_epoch: vector.field("epoch").number() as i16,
        sequence: if base_sequence < 0 { -1 } else { base_sequence + index as i32 },
    };
    vector.field("records").list().iter().enumerate().map(record).collect()
}

fn header(pair: &Json) -> (String, Option<Vec<u8>>) {
    let [name, value] = pair.list() else { panic!("{pair:?} is no pair") };
    (name.text().unwrap().to_owned(), value.text().map(long_field))
}

fn rebuild(vector: &Json, records: &[Record]) -> Vec<u8> {
    let mut batch = BatchBuilder::new(records[0].timestamp);
    for record in records {
        let headers: Vec<_> =
            record.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        batch = batch.record_with(record.timestamp, record.key.as_deref(), record.value.as_deref(), &headers);
    }
    let transactional = *vector.field("txn") == Json::Bool(true);
    let first = &records[0];
    batch
        .producer(first.producer_id, first.producer_epoch, first.sequence)
        .attributes(if transactional { 0x10 } else { 0 })
        .build()
}

#[test]
fn batches_of_java_are_decoded_and_rebuilt_byte_for_byte() {
    let mut plain = 0;
    let mut compressed = 0;
    for line in BATCHES.lines() {
        let vector = Json::parse(line);
        let name = vector.field("name").text().unwrap();
        let bytes = bytes_of_hex(vector.field("hex").text().unwrap());
        let header = BatchHeader::decode(&bytes).unwrap();
        assert_eq!(bytes.len() as i64, vector.field("size").number(), "{name}");
        assert_eq!(i64::from(header.crc), vector.field("crc").number(), "{name}");
        assert_eq!(records::checksum(&bytes), header.crc, "{name}");
        assert_eq!(header.record_count as usize, vector.field("records").list().len(), "{name}");
        if header.codec() == 0 {
            plain += 1;
            assert_eq!(records::decode(&bytes).unwrap(), expected(&vector), "{name}");
            assert_eq!(rebuild(&vector, &expected(&vector)), bytes, "{name}");
        } else {
            compressed += 1;
            assert_eq!(records::decode(&bytes).unwrap(), expected(&vector), "{name}");
        }
    }
    assert_eq!((plain, compressed), (11, 4));
}

#[test]
fn varints_of_java_are_read_and_written() {
    let mut checked = 0;
    for line in VARINTS.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [kind, value, hex] = fields[..] else { panic!("{line:?} has not three fields") };
        if kind == "crc32c" {
            continue;
        }
        let (value, bytes) = (value.parse::<i64>().unwrap(), bytes_of_hex(hex));
        let (mut reader, mut writer) = (Reader::new(&bytes), Writer::new());
        let read = match kind {
            "varint" => {
                writer.varint(value as i32);
                i64::from(reader.varint().unwrap())
            }
            "varlong" => {
                writer.varlong(value);
                reader.varlong().unwrap()
            }
            "uvarint" => {
                writer.unsigned_varint(value as u32);
                i64::from(reader.unsigned_varint().unwrap() as i32)
            }
            other => panic!("{other} is no kind of varint"),
        };
        assert_eq!(read, value, "{line}");
        assert_eq!(reader.finish(), Ok(()), "{line}");
        assert_eq!(writer.as_bytes(), bytes, "{line}");
        checked += 1;
    }
    assert!(checked > 30, "only {checked} lines");
}

#[test]
fn varints_of_too_many_bytes_are_refused() {
    let mut too_long = Reader::new(&[0xff; 11]);
    assert_eq!(too_long.clone().varlong(), Err(DecodeError::InvalidVarint));
    assert_eq!(too_long.varint(), Err(DecodeError::InvalidVarint));
    // The fifth byte holds bits that 32 have no room for.
    assert_eq!(
        Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x1f]).unsigned_varint(),
        Err(DecodeError::InvalidVarint)
    );
    assert_eq!(Reader::new(&[0x80, 0x80]).varint(), Err(DecodeError::Truncated));
}
