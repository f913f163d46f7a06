//! Answers that no broker of today sends: later ones, broken ones, malicious ones.

extern crate std;

use std::vec;
use std::vec::Vec;

use super::{BODY, GOLDEN, Random, Told, decode, decode_whole, golden, keep, unhex};
use crate::error::ProtocolError;
use crate::wire::{ApiKey, Decoder, Field, Item, Progress, Value};

const MALFORMED: Result<Progress, ProtocolError> = Err(ProtocolError::Malformed);

/// One topic of one letter with one partition, in version 10, with what comes behind the partition's log start offset.
fn partition(behind: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 2, 2, b't', 2];
    body.extend([0; 30]);
    body.extend(behind);
    body
}

/// A Produce answer whose partition's tagged fields are these.
fn tagged(tags: &[u8]) -> Vec<u8> {
    let mut body = partition(&[1, 0]);
    body.extend(tags);
    body.extend([0, 0, 0, 0, 9, 0]);
    body
}

fn produce_result(body: &[u8]) -> Result<Progress, ProtocolError> {
    let whole = decode_whole(ApiKey::Produce, 10, body);
    assert_eq!(decode(ApiKey::Produce, 10, body.len(), body.chunks(1)), whole, "cuts change it");
    whole.0
}

#[test]
fn what_a_later_broker_adds_is_passed_over() {
    let plain = decode_whole(ApiKey::Produce, 10, &tagged(&[0]));
    assert_eq!(plain.0, Ok(Progress::Done));
    // An unknown tag, an empty one, and a large number; tags in the header; bytes behind all tags.
    for tags in [&[1, 7, 2, 1, 2][..], &[1, 7, 0], &[2, 7, 1, 9, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 5]] {
        assert_eq!(decode_whole(ApiKey::Produce, 10, &tagged(tags)), plain);
    }
    let mut header = vec![2, 0, 3, 1, 2, 3, 1, 0];
    header.extend(&tagged(&[0])[1..]);
    header.extend([1, 2, 3]);
    assert_eq!(decode_whole(ApiKey::Produce, 10, &header), plain);
    assert_eq!(decode(ApiKey::Produce, 10, header.len(), header.chunks(1)), plain);
}

/// A tagged field that is known may be longer than what is known of it, and may not be shorter.
#[test]
fn a_tagged_field_ends_where_it_says() {
    let leader = [0, 0, 0, 3, 0, 0, 0, 4, 0];
    let mut exact = vec![1, 0, 9];
    exact.extend(leader);
    let mut longer = vec![1, 0, 11];
    longer.extend(leader);
    longer.extend([0xaa, 0xbb]);
    let expected = decode_whole(ApiKey::Produce, 10, &tagged(&exact));
    assert_eq!(expected.0, Ok(Progress::Done));
    assert!(expected.1.contains(&keep(Item::Value(Field::LeaderEpoch, Value::I32(4)))));
    assert_eq!(decode_whole(ApiKey::Produce, 10, &tagged(&longer)), expected);
    assert_eq!(produce_result(&tagged(&longer)), Ok(Progress::Done));
    for size in 0..9 {
        let mut shorter = vec![1, 0, size];
        shorter.extend(leader);
        assert_eq!(produce_result(&tagged(&shorter)), MALFORMED, "{size} bytes");
    }
    // In version 9 the tag has no meaning.
    let unknown = decode_whole(ApiKey::Produce, 9, &tagged(&[1, 0, 1, 0xff]));
    assert_eq!(unknown, decode_whole(ApiKey::Produce, 9, &tagged(&[0])));
}

/// Nothing is waited for that cannot come.
#[test]
fn lengths_beyond_the_answer_are_refused_at_once() {
    let refused = |length, body: &[u8]| {
        assert_eq!(decode(ApiKey::Metadata, 7, length, core::iter::once(body)).0, MALFORMED, "{body:?}");
    };
    // An array: more elements than bytes, a negative number, the largest.
    for elements in [93_i32, -2, i32::MIN, i32::MAX] {
        let mut body = vec![0; 4];
        body.extend(elements.to_be_bytes());
        refused(100, &body);
    }
    // A host: longer than the answer, negative, longer than a host can be.
    for (length, host) in [(100, 87_i16), (100, -2), (100, i16::MIN), (1000, 256)] {
        let mut body = vec![0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1];
        body.extend(host.to_be_bytes());
        refused(length, &body);
    }
    // An array of numbers that nobody wants: 4 * 2^30 bytes are 0 in 32 bits.
    let mut body = vec![0; 14];
    body.extend([0, 0, 0, 1, 0, 0, 0, 1, b't', 0, 0, 0, 0, 1]);
    body[4..8].copy_from_slice(&[0; 4]);
    let (result, _) = decode(ApiKey::Metadata, 7, 100, core::iter::once(&body[..]));
    assert_eq!(result, Ok(Progress::More));
    body.extend([0; 14]);
    body.extend([0x40, 0, 0, 0]);
    refused(100, &body);
    // A primitive behind the end.
    assert_eq!(decode_whole(ApiKey::InitProducerId, 0, &[0; 15]).0, MALFORMED);
    assert_eq!(decode_whole(ApiKey::InitProducerId, 0, &[0; 16]).0, Ok(Progress::Done));
    assert_eq!(decode(ApiKey::InitProducerId, 0, 0, core::iter::once(&[][..])).0, MALFORMED);
}

#[test]
fn varints_that_do_not_end_are_refused() {
    for body in [
        &[0xff, 0xff, 0xff, 0xff, 0x10][..],
        &[0x80, 0x80, 0x80, 0x80, 0x80, 0],
        // More tags than a structure can have, and than there are bytes for.
        &[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0],
        &[0x80, 0x80, 0x04, 0, 0, 0],
        &[0xff, 0x01, 0, 0, 0, 0],
        &[0, 0xff, 0xff, 0xff, 0xff, 0x0f],
        &[0, 0x80],
    ] {
        assert_eq!(produce_result(body), MALFORMED, "{body:?}");
    }
}

#[test]
fn null_arrays_are_empty_and_null_names_are_told() {
    let expected = |throttle| {
        [
            Item::Start(Field::Topics, 0),
            Item::End(Field::Topics),
            Item::Value(Field::ThrottleTimeMs, Value::I32(throttle)),
        ]
        .map(keep)
    };
    let (result, told) = decode_whole(ApiKey::Produce, 8, &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1]);
    assert_eq!((result, &told[..]), (Ok(Progress::Done), &expected(1)[..]));
    let (result, told) = decode_whole(ApiKey::Produce, 9, &[0, 0, 0, 0, 0, 2, 0]);
    assert_eq!((result, &told[..]), (Ok(Progress::Done), &expected(2)[..]));
    let (_, told) = decode_whole(ApiKey::Produce, 9, &[0, 2, 0, 1, 0, 0, 0, 0, 2, 0]);
    assert_eq!(told[2], keep(Item::Value(Field::TopicName, Value::Text(None))));
}

/// A message is told as far as it is readable and fits; the rest of it is passed over.
#[test]
fn messages_are_cut_and_names_are_not() {
    let message = |text: &[u8]| {
        let mut behind = vec![1];
        let length = text.len() as u32 + 1;
        assert!((128..16_384).contains(&length));
        behind.extend([length as u8 | 0x80, (length >> 7) as u8]);
        behind.extend(text);
        behind.extend([0, 0, 0, 0, 0, 9, 0]);
        let body = partition(&behind);
        let whole = decode_whole(ApiKey::Produce, 10, &body);
        for pieces in [1, 7, 250] {
            assert_eq!(decode(ApiKey::Produce, 10, body.len(), body.chunks(pieces)), whole);
        }
        assert_eq!(whole.0, Ok(Progress::Done));
        let text = whole.1.into_iter().find_map(|told| match told {
            Told::Text(Field::ErrorMessage, text) => Some(text),
            _ => None,
        });
        text.unwrap()
    };
    assert_eq!(message(&[b'a'; 255]), "a".repeat(255));
    assert_eq!(message(&[b'a'; 300]), "a".repeat(255));
    // A character of two bytes across the border.
    assert_eq!(message("ü".repeat(150).as_bytes()), "ü".repeat(127));
    let mut broken = vec![b'a'; 200];
    broken[9] = 0xff;
    assert_eq!(message(&broken), "a".repeat(9));

    let mut name = partition(&[1, 0, 0, 0, 0, 0, 0, 9, 0]);
    assert_eq!(produce_result(&name), Ok(Progress::Done));
    name[3] = 0xff;
    assert_eq!(produce_result(&name), MALFORMED);
}

#[test]
fn the_next_frame_is_left_alone() {
    let mut frame = golden("response", "InitProducerId", 5).split_off(BODY);
    let length = frame.len() as u32;
    frame.extend([1, 2, 3]);
    let mut decoder = Decoder::new(ApiKey::InitProducerId, 5, length);
    let mut input = &frame[..];
    assert_eq!(decoder.push(&mut input, |_| Ok(())), Ok(Progress::Done));
    assert_eq!(input, [1, 2, 3]);
    assert_eq!(decoder.push(&mut input, |_| panic!("told twice")), Ok(Progress::Done));
    assert_eq!(input, [1, 2, 3]);
}

#[test]
fn an_error_of_the_sink_ends_the_decoding() {
    let body = tagged(&[0]);
    let mut decoder = Decoder::new(ApiKey::Produce, 10, body.len() as u32);
    let mut input = &body[..];
    let result = decoder.push(&mut input, |item| match item {
        Item::Value(Field::PartitionIndex, _) => Err(ProtocolError::UnexpectedPartition),
        _ => Ok(()),
    });
    assert_eq!(result, Err(ProtocolError::UnexpectedPartition));
    assert_eq!(decoder.push(&mut input, |_| Ok(())), MALFORMED);
}

/// Whole and in pieces, the outcome is the same, it comes, and it is not larger than the input allows.
fn survive(
    api: ApiKey,
    version: i16,
    length: usize,
    body: &[u8],
    piece: usize,
) -> Result<Progress, ProtocolError> {
    let body = &body[..body.len().min(length)];
    let whole = decode(api, version, length, core::iter::once(body));
    assert!(whole.1.len() <= 16 * body.len() + 16, "{} items from {} bytes", whole.1.len(), body.len());
    if !body.is_empty() {
        let pieces = decode(api, version, length, body.chunks(piece));
        assert_eq!(pieces, whole, "version {version}, length {length}, pieces of {piece}, {body:?}");
    }
    whole.0
}

fn mutate(random: &mut Random, body: &mut Vec<u8>) {
    const BYTES: [u8; 8] = [0, 1, 2, 0x7f, 0x80, 0xff, 0x0f, 0x10];
    for _ in 0..=random.below(4) {
        let at = random.below(body.len());
        match random.below(5) {
            0 => body[at] ^= 1 << random.below(8),
            1 => body[at] = BYTES[random.below(BYTES.len())],
            2 => body[at] = random.next() as u8,
            3 => body.insert(at, random.next() as u8),
            _ if body.len() > 1 => drop(body.remove(at)),
            _ => {}
        }
    }
}

#[test]
fn mutated_answers_never_panic() {
    const APIS: &[ApiKey] = &[
        ApiKey::Produce,
        ApiKey::Metadata,
        ApiKey::SaslHandshake,
        ApiKey::ApiVersions,
        ApiKey::InitProducerId,
        ApiKey::SaslAuthenticate,
        ApiKey::DescribeProducers,
        #[cfg(feature = "transactions")]
        ApiKey::FindCoordinator,
        #[cfg(feature = "transactions")]
        ApiKey::AddPartitionsToTxn,
        #[cfg(feature = "transactions")]
        ApiKey::AddOffsetsToTxn,
        #[cfg(feature = "transactions")]
        ApiKey::EndTxn,
        #[cfg(feature = "transactions")]
        ApiKey::TxnOffsetCommit,
    ];
    let frames: Vec<(ApiKey, i16, Vec<u8>)> = GOLDEN
        .lines()
        .filter_map(|line| line.strip_prefix("response\t"))
        .filter_map(|line| {
            let mut columns = line.split('\t');
            let name = columns.next().unwrap();
            // Those of transactions are there with the feature.
            let api = *APIS.iter().find(|api| std::format!("{api:?}") == name)?;
            let version = columns.next().unwrap().parse().unwrap();
            Some((api, version, unhex(columns.next().unwrap()).split_off(BODY)))
        })
        .collect();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut done, mut more, mut failed) = (0, 0, 0);
    for _ in 0..200_000 {
        let (api, version, body) = &frames[random.below(frames.len())];
        let mut body = body.clone();
        mutate(&mut random, &mut body);
        // Now and then the layout of another version, or a length that the frame does not have.
        let version = if random.below(8) == 0 { random.below(14) as i16 } else { *version };
        let length = if random.below(8) == 0 { random.below(400) } else { body.len() };
        let piece = 1 + random.below(40);
        let result = survive(*api, version, length, &body, piece);
        match result {
            Ok(Progress::Done) => done += 1,
            Ok(Progress::More) => more += 1,
            Err(_) => failed += 1,
        }
    }
    // Mutations that are always noticed, or never, would test little.
    assert!(done > 20_000 && more > 5_000 && failed > 20_000, "{done} done, {more} more, {failed} failed");
}
