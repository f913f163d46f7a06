//! The requests of transactions, byte for byte as Kafka's own classes write them, and their answers.

extern crate std;

use std::vec;
use std::vec::Vec;

use super::{BODY, GOLDEN, Told, decode, decode_whole, golden, unhex};
use crate::event::{GroupMetadata, OffsetToCommit};
use crate::wire::transactions::{self, KeyType, Writes};
use crate::wire::{ApiKey, Field, Full, Header, Item, Progress, Value, Versions, init_producer_id, produce};

const WRITES: Writes<'static> = Writes { transactional_id: "line-3", producer_id: 4000, producer_epoch: 12 };

const fn header(version: i16) -> Header<'static> {
    Header { version, correlation_id: 7, client_id: "gateway-7" }
}

/// The last frame of its kind: those of transactions stand behind the others.
fn last_golden(kind: &str, api: &str, version: i16) -> Vec<u8> {
    let prefix = std::format!("{kind}\t{api}\t{version}\t");
    let mut lines = GOLDEN.lines().filter_map(|line| line.strip_prefix(&*prefix));
    unhex(lines.next_back().expect("no such golden frame"))
}

/// Encodes into a buffer of exactly the size, and sees every smaller one refused.
fn check(api: ApiKey, encode: impl Fn(&mut [u8], Header<'_>) -> Result<usize, Full>) {
    for version in api.versions() {
        let expected = golden("request", &std::format!("{api:?}"), version);
        let mut buf = vec![0; expected.len()];
        assert_eq!(encode(&mut buf, header(version)), Ok(expected.len()), "version {version}");
        assert_eq!(buf, expected, "version {version}");
        for smaller in 0..expected.len() {
            assert_eq!(encode(&mut buf[..smaller], header(version)), Err(Full));
        }
    }
}

#[test]
fn requests() {
    check(ApiKey::FindCoordinator, |buf, header| {
        transactions::find_coordinator(buf, header, KeyType::Transaction, "line-3")
    });
    let topics = [("readings", &[0, 2][..]), ("x", &[1])];
    check(ApiKey::AddPartitionsToTxn, |buf, header| {
        let topics = topics.iter().map(|(name, all)| (*name, all.len() as u32, all.iter().copied()));
        transactions::add_partitions(buf, header, &WRITES, topics)
    });
    check(ApiKey::AddOffsetsToTxn, |buf, header| transactions::add_offsets(buf, header, &WRITES, "press"));
    check(ApiKey::EndTxn, |buf, header| transactions::end(buf, header, &WRITES, true));
    let member =
        GroupMetadata { group_id: "press", generation_id: 9, member_id: "m-1", group_instance_id: None };
    let offsets = [
        OffsetToCommit { partition: 0, offset: 1_234_567_890_123, leader_epoch: Some(7), metadata: "done" },
        OffsetToCommit { partition: 2, offset: 5, leader_epoch: None, metadata: "" },
    ];
    let mut tail = [0; 256];
    let bytes = transactions::offsets(&mut tail, &member, "readings", &offsets).unwrap();
    assert_eq!(transactions::offsets(&mut [0; 256][..bytes - 1], &member, "readings", &offsets), Err(Full));
    check(ApiKey::TxnOffsetCommit, |buf, header| {
        transactions::commit_offsets(buf, header, &WRITES, "press", &tail[..bytes])
    });
}

#[test]
fn a_transactional_id_in_other_requests() {
    for version in [9, 13] {
        let expected = last_golden("request", "Produce", version);
        let mut buf = [0; 256];
        let frame_bytes = expected.len() as u32;
        let head =
            produce::head_of(&mut buf, header(version), Some("line-3"), -1, 30_000, 2, frame_bytes).unwrap();
        assert_eq!(buf[..head], expected[..head], "version {version}");
        let without = produce::head_len(&header(version), 2);
        assert_eq!(without + produce::transactional_id_len(version, "line-3"), head);
    }
    for (version, bytes) in [(8, 200), (9, 201), (9, 127)] {
        let id = "i".repeat(bytes);
        let mut buf = [0; 512];
        let head = produce::head_of(&mut buf, header(version), Some(&id), -1, 0, 1, 600).unwrap();
        assert_eq!(
            produce::head_len(&header(version), 1) + produce::transactional_id_len(version, &id),
            head
        );
    }
    let mut buf = [0; 256];
    let bytes = init_producer_id::encode(&mut buf, header(4), Some("line-3"), 60_000, 4_000, 12).unwrap();
    assert_eq!(buf[bytes - 22..bytes - 15], *b"\x07line-3");
    assert_eq!(buf[bytes - 15..bytes], [0, 0, 0xea, 0x60, 0, 0, 0, 0, 0, 0, 0x0f, 0xa0, 0, 12, 0]);
}

/// The fields of an answer, however it is cut.
fn told(api: ApiKey, version: i16) -> Vec<Told> {
    let frame = golden("response", &std::format!("{api:?}"), version);
    let body = &frame[BODY..];
    let (result, told) = decode_whole(api, version, body);
    assert_eq!(result, Ok(Progress::Done));
    assert_eq!(decode(api, version, body.len(), body.chunks(1)), (result, told.clone()), "byte by byte");
    told.into_iter().filter(|told| matches!(told, Told::Text(..) | Told::Item(Item::Value(..)))).collect()
}

#[test]
fn answers() {
    let value = |field, value| Told::Item(Item::Value(field, value));
    let throttle = || value(Field::ThrottleTimeMs, Value::I32(2));
    for version in ApiKey::FindCoordinator.versions() {
        let mut expected = vec![
            value(Field::NodeId, Value::I32(3)),
            Told::Text(Field::NodeHost, "gamma".into()),
            value(Field::NodePort, Value::I32(9094)),
        ];
        let place = if version < 4 { 0 } else { 3 };
        expected.insert(place, value(Field::ErrorCode, Value::I16(15)));
        expected.insert(0, throttle());
        assert_eq!(told(ApiKey::FindCoordinator, version), expected, "version {version}");
    }
    for (api, version) in [3, 4, 5]
        .map(|version| (ApiKey::TxnOffsetCommit, version))
        .into_iter()
        .chain([(ApiKey::AddPartitionsToTxn, 3)])
    {
        let expected = [
            throttle(),
            Told::Text(Field::TopicName, "readings".into()),
            value(Field::PartitionIndex, Value::I32(0)),
            value(Field::ErrorCode, Value::I16(0)),
            value(Field::PartitionIndex, Value::I32(2)),
            value(Field::ErrorCode, Value::I16(50)),
        ];
        assert_eq!(told(api, version), expected);
    }
    for version in ApiKey::AddOffsetsToTxn.versions() {
        assert_eq!(
            told(ApiKey::AddOffsetsToTxn, version),
            [throttle(), value(Field::ErrorCode, Value::I16(51))]
        );
    }
    for version in ApiKey::EndTxn.versions() {
        let mut expected = vec![throttle(), value(Field::ErrorCode, Value::I16(0))];
        if version >= 5 {
            expected.push(value(Field::ProducerId, Value::I64(4001)));
            expected.push(value(Field::ProducerEpoch, Value::I16(13)));
        }
        assert_eq!(told(ApiKey::EndTxn, version), expected, "version {version}");
    }
}

#[test]
fn the_cluster_says_which_protocol_it_has() {
    for (frame, v2) in
        [(golden("response", "ApiVersions", 4), false), (last_golden("response", "ApiVersions", 4), true)]
    {
        let mut versions = Versions::new();
        let mut decoder = crate::wire::Decoder::new(ApiKey::ApiVersions, 4, (frame.len() - BODY) as u32);
        for mut byte in frame[BODY..].chunks(1) {
            let progress = decoder.push(&mut byte, |item| {
                versions.handle_item(&item);
                Ok(())
            });
            assert!(progress.is_ok());
        }
        assert_eq!(versions.has_transactions_v2(), v2);
        assert_eq!(versions.pick(ApiKey::InitProducerId), Some(5));
    }
}
