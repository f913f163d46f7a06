//! Every answer that Kafka's own classes write, in every version: what is told, and that cuts change nothing.

extern crate std;

use std::vec::Vec;

use super::{BODY, Told, decode, decode_whole, golden, keep};
use crate::wire::{ApiKey, Decoder, Field, Item, Progress, Value, Versions};

/// Decodes a golden answer: whole, byte by byte, cut in two at every byte, and with every byte of the end missing.
fn check(api: ApiKey, version: i16, expected: Vec<Item<'static>>) {
    let expected: Vec<Told> = expected.into_iter().map(keep).collect();
    let frame = golden("response", &std::format!("{api:?}"), version);
    let body = &frame[BODY..];
    let done = (Ok(Progress::Done), expected);
    assert_eq!(decode_whole(api, version, body), done, "version {version}");
    assert_eq!(decode(api, version, body.len(), body.chunks(1)), done, "version {version}, byte by byte");
    for cut in 0..body.len() {
        let (a, b) = body.split_at(cut);
        assert_eq!(
            decode(api, version, body.len(), [a, b].into_iter()),
            done,
            "version {version}, cut at {cut}"
        );
        let (truncated, told) = decode(api, version, body.len(), core::iter::once(a));
        assert_eq!(truncated, Ok(Progress::More), "version {version}, {cut} bytes");
        assert!(is_beginning(&told, &done.1));
    }
}

/// Whether a part of an answer tells what the whole one tells, up to there.
fn is_beginning(part: &[Told], whole: &[Told]) -> bool {
    match part.split_last() {
        Some((Told::Bytes(_, bytes), before)) => {
            let all = whole.get(before.len());
            whole.starts_with(before) && matches!(all, Some(Told::Bytes(_, all)) if all.starts_with(bytes))
        }
        _ => whole.starts_with(part),
    }
}

#[test]
fn produce_answers() {
    for version in ApiKey::Produce.versions() {
        let mut items = Vec::new();
        let partition = |items: &mut Vec<_>, index, code, base, start| {
            items.extend([
                Item::Next(Field::Partitions),
                Item::Value(Field::PartitionIndex, Value::I32(index)),
                Item::Value(Field::ErrorCode, Value::I16(code)),
                Item::Value(Field::BaseOffset, Value::I64(base)),
                Item::Value(Field::LogAppendTimeMs, Value::I64(-1)),
                Item::Value(Field::LogStartOffset, Value::I64(start)),
            ]);
        };
        let topic = |name, first: u8| match version {
            13.. => Item::Value(Field::TopicId, Value::Uuid(core::array::from_fn(|at| first + at as u8))),
            _ => Item::Value(Field::TopicName, Value::Text(Some(name))),
        };
        let no_errors = |items: &mut Vec<_>| {
            if version >= 8 {
                items.extend([Item::Start(Field::RecordErrors, 0), Item::End(Field::RecordErrors)]);
                items.push(Item::Value(Field::ErrorMessage, Value::Text(None)));
            }
        };
        items.extend([
            Item::Start(Field::Topics, 2),
            Item::Next(Field::Topics),
            topic("readings", 1),
            Item::Start(Field::Partitions, 2),
        ]);
        partition(&mut items, 0, 0, 1_234_567_890_123, 5);
        no_errors(&mut items);
        items.push(Item::EndOfElement(Field::Partitions));
        partition(&mut items, 2, 87, -1, -1);
        if version >= 8 {
            items.extend([
                Item::Start(Field::RecordErrors, 2),
                Item::Next(Field::RecordErrors),
                Item::Value(Field::BatchIndex, Value::I32(4)),
                Item::Value(Field::BatchIndexErrorMessage, Value::Text(Some("no key"))),
                Item::EndOfElement(Field::RecordErrors),
                Item::Next(Field::RecordErrors),
                Item::Value(Field::BatchIndex, Value::I32(6)),
                Item::Value(Field::BatchIndexErrorMessage, Value::Text(None)),
                Item::EndOfElement(Field::RecordErrors),
                Item::End(Field::RecordErrors),
                Item::Value(Field::ErrorMessage, Value::Text(Some("ungültig"))),
            ]);
        }
        items.extend([
            Item::EndOfElement(Field::Partitions),
            Item::End(Field::Partitions),
            Item::EndOfElement(Field::Topics),
            Item::Next(Field::Topics),
            topic("x", 17),
            Item::Start(Field::Partitions, 1),
        ]);
        partition(&mut items, 1, 6, -1, -1);
        no_errors(&mut items);
        if version >= 10 {
            items.extend([
                Item::Start(Field::CurrentLeader, 1),
                Item::Next(Field::CurrentLeader),
                Item::Value(Field::LeaderId, Value::I32(2)),
                Item::Value(Field::LeaderEpoch, Value::I32(41)),
                Item::EndOfElement(Field::CurrentLeader),
                Item::End(Field::CurrentLeader),
            ]);
        }
        items.extend([
            Item::EndOfElement(Field::Partitions),
            Item::End(Field::Partitions),
            Item::EndOfElement(Field::Topics),
            Item::End(Field::Topics),
            Item::Value(Field::ThrottleTimeMs, Value::I32(9)),
        ]);
        if version >= 10 {
            items.extend([
                Item::Start(Field::NodeEndpoints, 1),
                Item::Next(Field::NodeEndpoints),
                Item::Value(Field::NodeId, Value::I32(2)),
                Item::Value(Field::NodeHost, Value::Text(Some("beta"))),
                Item::Value(Field::NodePort, Value::I32(9093)),
                Item::EndOfElement(Field::NodeEndpoints),
                Item::End(Field::NodeEndpoints),
            ]);
        }
        check(ApiKey::Produce, version, items);
    }
}

#[test]
fn metadata_answers() {
    for version in ApiKey::Metadata.versions() {
        let mut items = Vec::new();
        items.extend([Item::Value(Field::ThrottleTimeMs, Value::I32(3)), Item::Start(Field::Brokers, 2)]);
        for (node, host, port) in [(1, "alpha.example", 9092), (2, "beta", 9093)] {
            items.extend([
                Item::Next(Field::Brokers),
                Item::Value(Field::BrokerNodeId, Value::I32(node)),
                Item::Value(Field::BrokerHost, Value::Text(Some(host))),
                Item::Value(Field::BrokerPort, Value::I32(port)),
                Item::EndOfElement(Field::Brokers),
            ]);
        }
        items.extend([Item::End(Field::Brokers), Item::Start(Field::Topics, 2)]);
        let id = core::array::from_fn(|at| at as u8 + 1);
        for (code, name, id, partitions) in [(0, "readings", id, 2), (3, "x", [0; 16], 0)] {
            items.extend([
                Item::Next(Field::Topics),
                Item::Value(Field::TopicErrorCode, Value::I16(code)),
                Item::Value(Field::TopicName, Value::Text(Some(name))),
            ]);
            if version >= 10 {
                items.push(Item::Value(Field::TopicId, Value::Uuid(id)));
            }
            items.push(Item::Start(Field::Partitions, partitions as u32));
            for partition in 0..partitions {
                items.extend([
                    Item::Next(Field::Partitions),
                    Item::Value(Field::PartitionErrorCode, Value::I16(partition as i16 * 5)),
                    Item::Value(Field::PartitionIndex, Value::I32(partition)),
                    Item::Value(Field::LeaderId, Value::I32(partition + 1)),
                    Item::Value(Field::LeaderEpoch, Value::I32(partition + 40)),
                    Item::EndOfElement(Field::Partitions),
                ]);
            }
            items.extend([Item::End(Field::Partitions), Item::EndOfElement(Field::Topics)]);
        }
        items.push(Item::End(Field::Topics));
        if version >= 13 {
            items.push(Item::Value(Field::ErrorCode, Value::I16(129)));
        }
        check(ApiKey::Metadata, version, items);
    }
}

#[test]
fn init_producer_id_answers() {
    for version in ApiKey::InitProducerId.versions() {
        check(
            ApiKey::InitProducerId,
            version,
            std::vec![
                Item::Value(Field::ThrottleTimeMs, Value::I32(2)),
                Item::Value(Field::ErrorCode, Value::I16(0)),
                Item::Value(Field::ProducerId, Value::I64(4000)),
                Item::Value(Field::ProducerEpoch, Value::I16(12)),
            ],
        );
    }
}

#[test]
fn describe_producers_answers() {
    let mut items = std::vec![
        Item::Value(Field::ThrottleTimeMs, Value::I32(4)),
        Item::Start(Field::Topics, 1),
        Item::Next(Field::Topics),
        Item::Value(Field::TopicName, Value::Text(Some("readings"))),
        Item::Start(Field::Partitions, 2),
        Item::Next(Field::Partitions),
        Item::Value(Field::PartitionIndex, Value::I32(2)),
        Item::Value(Field::ErrorCode, Value::I16(0)),
        Item::Start(Field::Producers, 2),
    ];
    for (id, epoch, last_sequence) in [(4000, 3, i32::MAX), (4001, 0, 17)] {
        items.extend([
            Item::Next(Field::Producers),
            Item::Value(Field::ProducerId, Value::I64(id)),
            Item::Value(Field::ProducerEpoch, Value::I32(epoch)),
            Item::Value(Field::LastSequence, Value::I32(last_sequence)),
            Item::EndOfElement(Field::Producers),
        ]);
    }
    items.extend([
        Item::End(Field::Producers),
        Item::EndOfElement(Field::Partitions),
        Item::Next(Field::Partitions),
        Item::Value(Field::PartitionIndex, Value::I32(3)),
        Item::Value(Field::ErrorCode, Value::I16(6)),
        Item::Start(Field::Producers, 0),
        Item::End(Field::Producers),
        Item::EndOfElement(Field::Partitions),
        Item::End(Field::Partitions),
        Item::EndOfElement(Field::Topics),
        Item::End(Field::Topics),
    ]);
    check(ApiKey::DescribeProducers, 0, items);
}

#[test]
fn sasl_answers() {
    let mut items =
        std::vec![Item::Value(Field::ErrorCode, Value::I16(33)), Item::Start(Field::Mechanisms, 2)];
    for mechanism in ["PLAIN", "SCRAM-SHA-512"] {
        items.extend([
            Item::Next(Field::Mechanisms),
            Item::Value(Field::Mechanism, Value::Text(Some(mechanism))),
            Item::EndOfElement(Field::Mechanisms),
        ]);
    }
    items.push(Item::End(Field::Mechanisms));
    check(ApiKey::SaslHandshake, 1, items);
    for version in ApiKey::SaslAuthenticate.versions() {
        let mut items = std::vec![
            Item::Value(Field::ErrorCode, Value::I16(58)),
            Item::Value(Field::ErrorMessage, Value::Text(Some("wrong"))),
            Item::Value(Field::AuthBytes, Value::Bytes(b"v=abcd")),
        ];
        if version > 0 {
            items.push(Item::Value(Field::SessionLifetimeMs, Value::I64(3_600_000)));
        }
        check(ApiKey::SaslAuthenticate, version, items);
    }
}

#[test]
fn api_versions_answers() {
    for version in [0, 3, 4] {
        let mut items =
            std::vec![Item::Value(Field::ErrorCode, Value::I16(0)), Item::Start(Field::ApiKeys, 5)];
        for (key, min, max) in [(0, 0, 13), (3, 0, 13), (18, 0, 4), (22, 0, 5), (1, 4, 18)] {
            items.extend([
                Item::Next(Field::ApiKeys),
                Item::Value(Field::ApiKey, Value::I16(key)),
                Item::Value(Field::MinVersion, Value::I16(min)),
                Item::Value(Field::MaxVersion, Value::I16(max)),
                Item::EndOfElement(Field::ApiKeys),
            ]);
        }
        items.push(Item::End(Field::ApiKeys));
        if version > 0 {
            items.push(Item::Value(Field::ThrottleTimeMs, Value::I32(1)));
        }
        #[cfg(feature = "transactions")]
        if version > 0 {
            items.extend([Item::Start(Field::FinalizedFeatures, 1), Item::Next(Field::FinalizedFeatures)]);
            items.push(Item::Value(Field::FeatureName, Value::Text(Some("metadata.version"))));
            items.push(Item::Value(Field::FeatureLevel, Value::I16(27)));
            items.push(Item::EndOfElement(Field::FinalizedFeatures));
            items.push(Item::End(Field::FinalizedFeatures));
        }
        check(ApiKey::ApiVersions, version, items);
    }
}

/// Asked in version 4, a broker that does not know it answers in the layout of version 0.
#[test]
fn refused_api_versions_end_at_the_error_code() {
    let body = [0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 3];
    for pieces in [1, 2, 12] {
        let (result, told) = decode(ApiKey::ApiVersions, 4, body.len(), body.chunks(pieces));
        assert_eq!(result, Ok(Progress::Done));
        assert_eq!(told, [keep(Item::Value(Field::ErrorCode, Value::I16(35)))]);
    }
}

/// What an ApiVersions answer of version 0 with these entries leads to.
fn negotiated(entries: &[(i16, i16, i16)]) -> [Option<i16>; 6] {
    let mut body = std::vec![0, 0];
    body.extend((entries.len() as i32).to_be_bytes());
    for (key, min, max) in entries {
        body.extend([key, min, max].into_iter().flat_map(|value| value.to_be_bytes()));
    }
    let mut versions = Versions::new();
    let mut decoder = Decoder::new(ApiKey::ApiVersions, 0, body.len() as u32);
    for mut piece in body.chunks(3) {
        decoder
            .push(&mut piece, |item| {
                versions.handle_item(&item);
                Ok(())
            })
            .unwrap();
    }
    [
        ApiKey::Produce,
        ApiKey::Metadata,
        ApiKey::InitProducerId,
        ApiKey::SaslHandshake,
        ApiKey::SaslAuthenticate,
        ApiKey::DescribeProducers,
    ]
    .map(|api| versions.pick(api))
}

#[test]
fn the_highest_common_version_is_picked() {
    let all = [Some(13), Some(13), Some(5), Some(1), Some(2), Some(0)];
    let kafka_4_3 = [(0, 0, 13), (3, 0, 13), (17, 0, 1), (18, 0, 4), (22, 0, 6), (36, 0, 2), (61, 0, 0)];
    assert_eq!(negotiated(&kafka_4_3), all);
    let kafka_2_1 = [(0, 0, 7), (1, 0, 10), (3, 0, 7), (17, 0, 1), (18, 0, 2), (22, 0, 1), (36, 0, 0)];
    assert_eq!(negotiated(&kafka_2_1), [Some(7), Some(7), Some(1), Some(1), Some(0), None]);
    assert_eq!(negotiated(&[(0, 0, 6), (3, 14, 20), (22, 3, 2), (17, 0, 0), (36, 3, 4)]), [None; 6]);
    assert_eq!(negotiated(&[]), [None; 6]);
    assert_eq!(negotiated(&[(0, i16::MIN, i16::MAX), (0, i16::MAX, i16::MIN)])[0], None);
}

/// It is in every connection's slot.
#[test]
fn the_decoder_is_small() {
    assert!(size_of::<Decoder>() <= 344, "{}", size_of::<Decoder>());
    assert!(size_of::<Versions>() <= if cfg!(feature = "transactions") { 20 } else { 12 });
}
