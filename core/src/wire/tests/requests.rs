//! Every request, byte for byte as Kafka's own classes write it.

extern crate std;

use std::vec;
use std::vec::Vec;

use super::{PRIMITIVES, golden, unhex};
use crate::wire::gather::{Gather, Stop};
use crate::wire::write::{Writer, length_len, text_length_len, uvarint_len};
use crate::wire::{
    ApiKey, Full, Header, api_versions, describe_producers, init_producer_id, metadata, produce, sasl,
};

const fn header(version: i16) -> Header<'static> {
    Header { version, correlation_id: 7, client_id: "gateway-7" }
}

/// Encodes into a buffer of exactly the size, and sees every smaller one refused.
fn exact(encode: impl Fn(&mut [u8]) -> Result<usize, Full>) -> Vec<u8> {
    let mut buf = vec![0xee; 1024];
    let len = encode(&mut buf).unwrap();
    assert!(buf[len..].iter().all(|byte| *byte == 0xee), "wrote behind its end");
    buf.truncate(len);
    assert_eq!(encode(&mut buf.clone()), Ok(len));
    for smaller in 0..len {
        assert_eq!(encode(&mut buf.clone()[..smaller]), Err(Full), "{smaller} of {len} bytes");
    }
    buf
}

#[test]
fn api_versions() {
    assert_eq!(exact(|buf| api_versions::encode(buf, header(0))), golden("request", "ApiVersions", 0));
    for version in ApiKey::ApiVersions.versions() {
        // The golden one was written by felice 0.1.0.
        let mut expected = golden("request", "ApiVersions", version);
        expected.truncate(expected.len() - "?0.1.0?".len());
        expected.push(env!("CARGO_PKG_VERSION").len() as u8 + 1);
        expected.extend(env!("CARGO_PKG_VERSION").bytes());
        expected.push(0);
        expected[3] = expected.len() as u8 - 4;
        assert_eq!(exact(|buf| api_versions::encode(buf, header(version))), expected);
    }
}

#[test]
fn metadata() {
    for version in ApiKey::Metadata.versions() {
        let topics = ["readings", "x"].into_iter();
        let frame = exact(|buf| metadata::encode(buf, header(version), topics.clone(), true));
        assert_eq!(frame, golden("request", "Metadata", version), "version {version}");
    }
}

/// No topics are an empty array, which asks for brokers, not a null one, which asks for all topics.
#[test]
fn metadata_without_topics_asks_for_no_topics() {
    for (version, empty) in [(8, &[0, 0, 0, 0][..]), (13, &[1])] {
        let frame = exact(|buf| metadata::encode(buf, header(version), core::iter::empty(), false));
        let array = header(version).len(ApiKey::Metadata);
        assert_eq!(frame[array..][..empty.len()], *empty);
        assert!(frame[array + empty.len()..].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn init_producer_id() {
    for version in ApiKey::InitProducerId.versions() {
        let frame = exact(|buf| init_producer_id::encode(buf, header(version), None, 60_000, -1, -1));
        assert_eq!(frame, golden("request", "InitProducerId", version), "version {version}");
    }
}

#[test]
fn describe_producers() {
    let frame = exact(|buf| describe_producers::encode(buf, header(0), "readings", 2));
    assert_eq!(frame, golden("request", "DescribeProducers", 0));
}

#[test]
fn sasl() {
    let frame = exact(|buf| sasl::encode_handshake(buf, header(1), "SCRAM-SHA-256"));
    assert_eq!(frame, golden("request", "SaslHandshake", 1));
    let message = b"\0alice\0secret";
    let write = |buf: &mut [u8]| {
        buf.get_mut(..message.len())?.copy_from_slice(message);
        Some(message.len())
    };
    for version in ApiKey::SaslAuthenticate.versions() {
        let mut buf = [0xee; 256];
        let length = sasl::encode_authenticate(&mut buf, header(version), write).unwrap();
        assert_eq!(buf[..length], golden("request", "SaslAuthenticate", version), "version {version}");
        for smaller in 0..length {
            assert_eq!(sasl::encode_authenticate(&mut buf[..smaller], header(version), write), Err(Full));
        }
        let nothing = sasl::encode_authenticate(&mut buf, header(version), |_| None);
        assert_eq!(nothing, Err(Full), "what has no message is not sent");
    }
}

/// A partition's index and its records.
type Partition<'a> = (i32, &'a [u8]);

/// A topic as the version names it: by its name, or by the id that the golden frames have for it.
fn named(version: i16, name: &str) -> Vec<u8> {
    let first: u8 = if name == "readings" { 1 } else { 17 };
    if produce::has_ids(version) { (first..first + 16).collect() } else { name.into() }
}

/// The pieces in the order that `produce` documents, and their lengths added up as the sender does.
fn produce_frame(version: i16, topics: &[(&str, &[Partition<'_>])]) -> Vec<u8> {
    let tail = produce::tail(version);
    let count = topics.len() as u32;
    let mut bytes = produce::head_len(&header(version), count) + tail.len();
    for (name, partitions) in topics {
        bytes += produce::topic_head_len(version, name.len()) + named(version, name).len() + tail.len();
        bytes += produce::partitions_head_len(version, partitions.len() as u32);
        for (_, records) in *partitions {
            bytes += produce::partition_head_len(version, records.len() as u32) + records.len() + tail.len();
        }
    }
    let mut frame = exact(|buf| produce::head(buf, header(version), -1, 30_000, count, bytes as u32));
    for (name, partitions) in topics {
        frame.extend(exact(|buf| produce::topic_head(buf, version, name.len())));
        frame.extend(named(version, name));
        frame.extend(exact(|buf| produce::partitions_head(buf, version, partitions.len() as u32)));
        for (index, records) in *partitions {
            frame.extend(exact(|buf| produce::partition_head(buf, version, *index, records.len() as u32)));
            frame.extend(*records);
            frame.extend(tail);
        }
        frame.extend(tail);
    }
    frame.extend(tail);
    assert_eq!(frame.len(), bytes, "the lengths are not the pieces'");
    frame
}

#[test]
fn produce() {
    let (short, long) = ([0xab; 3], [0xab; 200]);
    for version in ApiKey::Produce.versions() {
        let readings: &[Partition<'_>] = &[(0, &short), (2, &long)];
        let frame = produce_frame(version, &[("readings", readings), ("x", &[(1, &short)])]);
        assert_eq!(frame, golden("request", "Produce", version), "version {version}");
    }
}

/// Lengths across the borders at which a varint grows.
#[test]
fn produce_lengths_are_the_pieces() {
    for version in [8, 9] {
        for n in [0, 1, 126, 127, 128, 16_382, 16_383, 16_384, 2_097_150, 2_097_151, i32::MAX as u32] {
            let mut buf = [0; 64];
            let head = produce::head(&mut buf, header(version), 1, 0, n, n).unwrap();
            assert_eq!(head, produce::head_len(&header(version), n), "{n}");
            let partitions = produce::partitions_head(&mut buf, version, n).unwrap();
            assert_eq!(partitions, produce::partitions_head_len(version, n), "{n}");
            let partition = produce::partition_head(&mut buf, version, 3, n).unwrap();
            assert_eq!(partition, produce::partition_head_len(version, n), "{n}");
        }
        for n in [0, 1, 126, 127, 128, 249, 32_767] {
            let mut buf = [0; 64];
            let topic = produce::topic_head(&mut buf, version, n).unwrap();
            assert_eq!(topic, produce::topic_head_len(version, n), "{n}");
        }
    }
}

/// A length that Kafka would read as a negative one is refused, however large the buffer is.
#[test]
fn impossible_lengths_do_not_get_out() {
    let mut buf = [0; 64];
    for version in [8, 9] {
        assert_eq!(produce::partition_head(&mut buf, version, 0, 1 << 31), Err(Full));
        assert_eq!(produce::partition_head(&mut buf, version, 0, u32::MAX), Err(Full));
        assert_eq!(produce::topic_head(&mut buf, version, 1 << 15), Err(Full));
        assert_eq!(produce::head(&mut buf, header(version), 1, 0, 1, u32::MAX), Err(Full));
        assert!(length_len(true, u32::MAX) > 0 && text_length_len(true, 1 << 15) == 3);
    }
}

#[test]
fn unsigned_varints_are_javas() {
    let mut lines = 0;
    for line in PRIMITIVES.lines().filter_map(|line| line.strip_prefix("uvarint\t")) {
        let (value, hex) = line.split_once('\t').unwrap();
        let value = value.parse::<i32>().unwrap().cast_unsigned();
        let bytes = unhex(hex);
        assert_eq!(
            exact(|buf| {
                let mut writer = Writer::new(buf);
                writer.uvarint(value);
                writer.finish()
            }),
            bytes
        );
        assert_eq!(uvarint_len(value), bytes.len());
        let mut gather = Gather::new(bytes.len() as u32);
        assert!(matches!(gather.uvarint(&mut &bytes[..], 0), Ok(read) if read == value), "{line}");
        lines += 1;
    }
    assert_eq!(lines, 10);
}

/// A varint may be longer than it needs to be, but not have more than 32 bits; whole and byte by byte.
#[test]
fn unsigned_varints_have_32_bits() {
    let read = |bytes: &[u8], pieces| {
        let mut gather = Gather::new(bytes.len() as u32);
        for mut piece in bytes.chunks(pieces) {
            match gather.uvarint(&mut piece, 0) {
                Err(Stop::More) => {}
                Err(Stop::Failed(_)) => return None,
                Ok(value) => return Some(value),
            }
        }
        None
    };
    for pieces in [1, 2, 6] {
        assert_eq!(read(&[0x85, 0x80, 0x80, 0x80, 0], pieces), Some(5));
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x0f], pieces), Some(u32::MAX));
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x10], pieces), None);
        assert_eq!(read(&[0x85, 0x80, 0x80, 0x80, 0x80, 0], pieces), None);
    }
}
