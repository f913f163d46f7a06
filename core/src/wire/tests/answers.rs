//! Every answer that Kafka's own classes write, in every version: what is told, and that cuts change nothing.

extern crate std;

use core::fmt::Debug;
use std::vec::Vec;

use super::{BODY, Told, decode, decode_whole, golden, keep};
use crate::wire::schema::Layout;
use crate::wire::{ApiKey, Decoder, Item, Progress, Value, Versions};
use crate::wire::{api_versions, describe_producers, init_producer_id, metadata, produce, sasl};

/// Decodes a golden answer: whole, byte by byte, cut in two at every byte, and with every byte of the end missing.
fn check<F: Layout + Debug + PartialEq>(api: &str, version: i16, expected: Vec<Item<'static, F>>) {
    let expected: Vec<Told<F>> = expected.into_iter().map(keep).collect();
    let frame = golden("response", api, version);
    let body = &frame[BODY..];
    let done = (Ok(Progress::Done), expected);
    assert_eq!(decode_whole::<F>(version, body), done, "version {version}");
    assert_eq!(decode::<F>(version, body.len(), body.chunks(1)), done, "version {version}, byte by byte");
    for cut in 0..body.len() {
        let (a, b) = body.split_at(cut);
        assert_eq!(
            decode::<F>(version, body.len(), [a, b].into_iter()),
            done,
            "version {version}, cut at {cut}"
        );
        let (truncated, told) = decode::<F>(version, body.len(), core::iter::once(a));
        assert_eq!(truncated, Ok(Progress::More), "version {version}, {cut} bytes");
        assert!(is_beginning(&told, &done.1));
    }
}

/// Whether a part of an answer tells what the whole one tells, up to there.
fn is_beginning<F: PartialEq>(part: &[Told<F>], whole: &[Told<F>]) -> bool {
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
    use produce::Field as F;
    for version in ApiKey::Produce.versions() {
        let mut items = Vec::new();
        let partition = |items: &mut Vec<_>, index, code, base, start| {
            items.extend([
                Item::Next(F::Partitions),
                Item::Value(F::PartitionIndex, Value::I32(index)),
                Item::Value(F::ErrorCode, Value::I16(code)),
                Item::Value(F::BaseOffset, Value::I64(base)),
                Item::Value(F::LogAppendTimeMs, Value::I64(-1)),
                Item::Value(F::LogStartOffset, Value::I64(start)),
            ]);
        };
        let topic = |name, first: u8| match version {
            13.. => Item::Value(F::TopicId, Value::Uuid(core::array::from_fn(|at| first + at as u8))),
            _ => Item::Value(F::TopicName, Value::Text(Some(name))),
        };
        let no_errors = |items: &mut Vec<_>| {
            if version >= 8 {
                items.extend([Item::Start(F::RecordErrors, 0), Item::End(F::RecordErrors)]);
                items.push(Item::Value(F::ErrorMessage, Value::Text(None)));
            }
        };
        items.extend([
            Item::Start(F::Topics, 2),
            Item::Next(F::Topics),
            topic("readings", 1),
            Item::Start(F::Partitions, 2),
        ]);
        partition(&mut items, 0, 0, 1_234_567_890_123, 5);
        no_errors(&mut items);
        items.push(Item::EndOfElement(F::Partitions));
        partition(&mut items, 2, 87, -1, -1);
        if version >= 8 {
            items.extend([
                Item::Start(F::RecordErrors, 2),
                Item::Next(F::RecordErrors),
                Item::Value(F::BatchIndex, Value::I32(4)),
                Item::Value(F::BatchIndexErrorMessage, Value::Text(Some("no key"))),
                Item::EndOfElement(F::RecordErrors),
                Item::Next(F::RecordErrors),
                Item::Value(F::BatchIndex, Value::I32(6)),
                Item::Value(F::BatchIndexErrorMessage, Value::Text(None)),
                Item::EndOfElement(F::RecordErrors),
                Item::End(F::RecordErrors),
                Item::Value(F::ErrorMessage, Value::Text(Some("ungültig"))),
            ]);
        }
        items.extend([
            Item::EndOfElement(F::Partitions),
            Item::End(F::Partitions),
            Item::EndOfElement(F::Topics),
            Item::Next(F::Topics),
            topic("x", 17),
            Item::Start(F::Partitions, 1),
        ]);
        partition(&mut items, 1, 6, -1, -1);
        no_errors(&mut items);
        if version >= 10 {
            items.extend([
                Item::Start(F::CurrentLeader, 1),
                Item::Next(F::CurrentLeader),
                Item::Value(F::LeaderId, Value::I32(2)),
                Item::Value(F::LeaderEpoch, Value::I32(41)),
                Item::EndOfElement(F::CurrentLeader),
                Item::End(F::CurrentLeader),
            ]);
        }
        items.extend([
            Item::EndOfElement(F::Partitions),
            Item::End(F::Partitions),
            Item::EndOfElement(F::Topics),
            Item::End(F::Topics),
            Item::Value(F::ThrottleTimeMs, Value::I32(9)),
        ]);
        if version >= 10 {
            items.extend([
                Item::Start(F::NodeEndpoints, 1),
                Item::Next(F::NodeEndpoints),
                Item::Value(F::NodeId, Value::I32(2)),
                Item::Value(F::NodeHost, Value::Text(Some("beta"))),
                Item::Value(F::NodePort, Value::I32(9093)),
                Item::EndOfElement(F::NodeEndpoints),
                Item::End(F::NodeEndpoints),
            ]);
        }
        check("Produce", version, items);
    }
}

#[test]
fn metadata_answers() {
    use metadata::Field as F;
    for version in ApiKey::Metadata.versions() {
        let mut items = Vec::new();
        items.extend([Item::Value(F::ThrottleTimeMs, Value::I32(3)), Item::Start(F::Brokers, 2)]);
        for (node, host, port) in [(1, "alpha.example", 9092), (2, "beta", 9093)] {
            items.extend([
                Item::Next(F::Brokers),
                Item::Value(F::BrokerNodeId, Value::I32(node)),
                Item::Value(F::BrokerHost, Value::Text(Some(host))),
                Item::Value(F::BrokerPort, Value::I32(port)),
                Item::EndOfElement(F::Brokers),
            ]);
        }
        items.extend([Item::End(F::Brokers), Item::Start(F::Topics, 2)]);
        let id = core::array::from_fn(|at| at as u8 + 1);
        for (code, name, id, partitions) in [(0, "readings", id, 2), (3, "x", [0; 16], 0)] {
            items.extend([
                Item::Next(F::Topics),
                Item::Value(F::TopicErrorCode, Value::I16(code)),
                Item::Value(F::TopicName, Value::Text(Some(name))),
            ]);
            if version >= 10 {
                items.push(Item::Value(F::TopicId, Value::Uuid(id)));
            }
            items.push(Item::Start(F::Partitions, partitions as u32));
            for partition in 0..partitions {
                items.extend([
                    Item::Next(F::Partitions),
                    Item::Value(F::PartitionErrorCode, Value::I16(partition as i16 * 5)),
                    Item::Value(F::PartitionIndex, Value::I32(partition)),
                    Item::Value(F::LeaderId, Value::I32(partition + 1)),
                    Item::Value(F::LeaderEpoch, Value::I32(partition + 40)),
                    Item::EndOfElement(F::Partitions),
                ]);
            }
            items.extend([Item::End(F::Partitions), Item::EndOfElement(F::Topics)]);
        }
        items.push(Item::End(F::Topics));
        if version >= 13 {
            items.push(Item::Value(F::ErrorCode, Value::I16(129)));
        }
        check("Metadata", version, items);
    }
}

#[test]
fn init_producer_id_answers() {
    use init_producer_id::Field as F;
    for version in ApiKey::InitProducerId.versions() {
        check(
            "InitProducerId",
            version,
            std::vec![
                Item::Value(F::ThrottleTimeMs, Value::I32(2)),
                Item::Value(F::ErrorCode, Value::I16(0)),
                Item::Value(F::ProducerId, Value::I64(4000)),
                Item::Value(F::ProducerEpoch, Value::I16(12)),
            ],
        );
    }
}

#[test]
fn describe_producers_answers() {
    use describe_producers::Field as F;
    let mut items = std::vec![
        Item::Value(F::ThrottleTimeMs, Value::I32(4)),
        Item::Start(F::Topics, 1),
        Item::Next(F::Topics),
        Item::Value(F::TopicName, Value::Text(Some("readings"))),
        Item::Start(F::Partitions, 2),
        Item::Next(F::Partitions),
        Item::Value(F::PartitionIndex, Value::I32(2)),
        Item::Value(F::ErrorCode, Value::I16(0)),
        Item::Start(F::Producers, 2),
    ];
    for (id, epoch, last_sequence) in [(4000, 3, i32::MAX), (4001, 0, 17)] {
        items.extend([
            Item::Next(F::Producers),
            Item::Value(F::ProducerId, Value::I64(id)),
            Item::Value(F::ProducerEpoch, Value::I32(epoch)),
            Item::Value(F::LastSequence, Value::I32(last_sequence)),
            Item::EndOfElement(F::Producers),
        ]);
    }
    items.extend([
        Item::End(F::Producers),
        Item::EndOfElement(F::Partitions),
        Item::Next(F::Partitions),
        Item::Value(F::PartitionIndex, Value::I32(3)),
        Item::Value(F::ErrorCode, Value::I16(6)),
        Item::Start(F::Producers, 0),
        Item::End(F::Producers),
        Item::EndOfElement(F::Partitions),
        Item::End(F::Partitions),
        Item::EndOfElement(F::Topics),
        Item::End(F::Topics),
    ]);
    check("DescribeProducers", 0, items);
}

#[test]
fn sasl_answers() {
    use sasl::{Authenticate as A, Handshake as H};
    let mut items = std::vec![Item::Value(H::ErrorCode, Value::I16(33)), Item::Start(H::Mechanisms, 2)];
    for mechanism in ["PLAIN", "SCRAM-SHA-512"] {
        items.extend([
            Item::Next(H::Mechanisms),
            Item::Value(H::Mechanism, Value::Text(Some(mechanism))),
            Item::EndOfElement(H::Mechanisms),
        ]);
    }
    items.push(Item::End(H::Mechanisms));
    check("SaslHandshake", 1, items);
    for version in ApiKey::SaslAuthenticate.versions() {
        let mut items = std::vec![
            Item::Value(A::ErrorCode, Value::I16(58)),
            Item::Value(A::ErrorMessage, Value::Text(Some("wrong"))),
            Item::Value(A::AuthBytes, Value::Bytes(b"v=abcd")),
        ];
        if version > 0 {
            items.push(Item::Value(A::SessionLifetimeMs, Value::I64(3_600_000)));
        }
        check("SaslAuthenticate", version, items);
    }
}

#[test]
fn api_versions_answers() {
    use api_versions::Field as F;
    for version in [0, 3, 4] {
        let mut items = std::vec![Item::Value(F::ErrorCode, Value::I16(0)), Item::Start(F::ApiKeys, 5)];
        for (key, min, max) in [(0, 0, 13), (3, 0, 13), (18, 0, 4), (22, 0, 5), (1, 4, 18)] {
            items.extend([
                Item::Next(F::ApiKeys),
                Item::Value(F::ApiKey, Value::I16(key)),
                Item::Value(F::MinVersion, Value::I16(min)),
                Item::Value(F::MaxVersion, Value::I16(max)),
                Item::EndOfElement(F::ApiKeys),
            ]);
        }
        items.push(Item::End(F::ApiKeys));
        if version > 0 {
            items.push(Item::Value(F::ThrottleTimeMs, Value::I32(1)));
        }
        check("ApiVersions", version, items);
    }
}

/// Asked in version 4, a broker that does not know it answers in the layout of version 0.
#[test]
fn refused_api_versions_end_at_the_error_code() {
    let body = [0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 3];
    for pieces in [1, 2, 12] {
        let (result, told) = decode::<api_versions::Field>(4, body.len(), body.chunks(pieces));
        assert_eq!(result, Ok(Progress::Done));
        assert_eq!(told, [keep(Item::Value(api_versions::Field::ErrorCode, Value::I16(35)))]);
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
    let mut decoder = Decoder::<api_versions::Field>::new(0, body.len() as u32);
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
    assert!(size_of::<Decoder<produce::Field>>() <= 344, "{}", size_of::<Decoder<produce::Field>>());
    assert!(size_of::<Versions>() <= 12);
}
