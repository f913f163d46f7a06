//! Answers by hand, in the layouts of the versions that the rig's brokers speak.

use super::rig::Sent;
use std::vec::Vec;

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as i16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// ApiVersions 3: what the brokers speak.
pub(super) fn api_versions() -> Vec<u8> {
    api_versions_up_to(7, 7)
}

/// The same with other highest versions of Produce and Metadata.
pub(super) fn api_versions_up_to(produce: i16, metadata: i16) -> Vec<u8> {
    api_versions_of(&[(0, produce), (3, metadata), (17, 1), (18, 4), (22, 0), (36, 1)])
}

/// The same of brokers that tell what they remember of producers.
pub(super) fn api_versions_with_producers() -> Vec<u8> {
    api_versions_of(&[(0, 7), (3, 7), (18, 4), (22, 0), (61, 0)])
}

/// The same of brokers that make transactions: their newest EndTxn, and the level of `transaction.version`.
#[cfg(feature = "transactions")]
pub(super) fn api_versions_with_transactions(end: i16, level: u8) -> Vec<u8> {
    let newest = [(0, 7), (3, 7), (10, 4), (18, 4), (22, 4), (24, 5), (25, 4), (26, end), (28, end)];
    let mut out = api_versions_of(&newest);
    let last = out.pop();
    debug_assert_eq!(last, Some(0), "no tagged fields");
    let name = "transaction.version";
    out.extend([1, 2, 1 + 1 + name.len() as u8 + 2 + 2 + 1, 2, name.len() as u8 + 1]);
    out.extend(name.as_bytes());
    out.extend([0, level, 0, 0, 0]);
    out
}

fn api_versions_of(highest: &[(i16, i16)]) -> Vec<u8> {
    let mut out = std::vec![0, 0, highest.len() as u8 + 1];
    for (key, max) in highest {
        out.extend_from_slice(&key.to_be_bytes());
        out.extend_from_slice(&0_i16.to_be_bytes());
        out.extend_from_slice(&max.to_be_bytes());
        out.push(0);
    }
    out.extend_from_slice(&[0, 0, 0, 0, 0]);
    out
}

/// SaslHandshake 1.
pub(super) fn sasl_handshake(error: i16, mechanisms: &[&str]) -> Vec<u8> {
    let mut out = error.to_be_bytes().to_vec();
    out.extend_from_slice(&(mechanisms.len() as i32).to_be_bytes());
    mechanisms.iter().for_each(|mechanism| text(&mut out, mechanism));
    out
}

/// SaslAuthenticate 1.
pub(super) fn sasl_authenticate(error: i16, message: &str, bytes: &[u8], lifetime_ms: i64) -> Vec<u8> {
    let mut out = error.to_be_bytes().to_vec();
    text(&mut out, message);
    out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
    out.extend_from_slice(bytes);
    out.extend_from_slice(&lifetime_ms.to_be_bytes());
    out
}

/// InitProducerId 0.
pub(super) fn producer_id(id: i64, error: i16) -> Vec<u8> {
    let mut out = std::vec![0; 4];
    out.extend_from_slice(&error.to_be_bytes());
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(&0_i16.to_be_bytes());
    out
}

/// Metadata 7: brokers, and the leader of each partition of topic `t`; -1 for none.
pub(super) fn metadata(brokers: &[(i32, &str, i32)], leaders: &[i32]) -> Vec<u8> {
    metadata_with(brokers, leaders, 0, 0)
}

pub(super) fn metadata_with(
    brokers: &[(i32, &str, i32)],
    leaders: &[i32],
    error: i16,
    epoch: i32,
) -> Vec<u8> {
    let mut out = std::vec![0; 4];
    out.extend_from_slice(&(brokers.len() as i32).to_be_bytes());
    for (node, host, port) in brokers {
        out.extend_from_slice(&node.to_be_bytes());
        text(&mut out, host);
        out.extend_from_slice(&port.to_be_bytes());
        out.extend_from_slice(&(-1_i16).to_be_bytes());
    }
    out.extend_from_slice(&(-1_i16).to_be_bytes());
    out.extend_from_slice(&1_i32.to_be_bytes());
    out.extend_from_slice(&1_i32.to_be_bytes());
    out.extend_from_slice(&error.to_be_bytes());
    text(&mut out, "t");
    out.push(0);
    out.extend_from_slice(&(leaders.len() as i32).to_be_bytes());
    for (index, leader) in leaders.iter().enumerate() {
        let error: i16 = if *leader < 0 { 5 } else { 0 };
        out.extend_from_slice(&error.to_be_bytes());
        for number in [index as i32, *leader, epoch, 0, 0, 0] {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }
    out
}

/// DescribeProducers 0: an error, or producers with id, epoch, and last sequence.
pub(super) fn producers(partition: i32, error: i16, producers: &[(i64, i32, i32)]) -> Vec<u8> {
    producers_of(&[(partition, error, producers)])
}

/// A partition's part of such an answer.
type Remembered<'a> = (i32, i16, &'a [(i64, i32, i32)]);

/// What a leader remembers of producers, for each of some partitions.
pub(super) fn producers_of(partitions: &[Remembered<'_>]) -> Vec<u8> {
    let length = |out: &mut Vec<u8>, elements: usize| {
        let mut rest = elements + 1;
        while rest >= 0x80 {
            out.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        out.push(rest as u8);
    };
    let mut out = std::vec![0, 0, 0, 0, 0, 2, 2, b't'];
    length(&mut out, partitions.len());
    for (partition, error, producers) in partitions {
        out.extend_from_slice(&partition.to_be_bytes());
        out.extend_from_slice(&error.to_be_bytes());
        out.extend_from_slice(&[4, b's', b'o', b'.']);
        length(&mut out, producers.len());
        for (id, epoch, last_sequence) in *producers {
            out.extend_from_slice(&id.to_be_bytes());
            out.extend_from_slice(&epoch.to_be_bytes());
            out.extend_from_slice(&last_sequence.to_be_bytes());
            out.extend_from_slice(&[0; 8 + 4 + 8]);
            out.push(0);
        }
        out.push(0);
    }
    out.extend_from_slice(&[0, 0]);
    out
}

/// Produce 7: per partition an error code and a base offset.
pub(super) fn produce(partitions: &[(i32, i16, i64)]) -> Vec<u8> {
    let mut out = 1_i32.to_be_bytes().to_vec();
    text(&mut out, "t");
    out.extend_from_slice(&(partitions.len() as i32).to_be_bytes());
    for (index, error, offset) in partitions {
        out.extend_from_slice(&index.to_be_bytes());
        out.extend_from_slice(&error.to_be_bytes());
        out.extend_from_slice(&offset.to_be_bytes());
        out.extend_from_slice(&(-1_i64).to_be_bytes());
        out.extend_from_slice(&0_i64.to_be_bytes());
    }
    out.extend_from_slice(&0_i32.to_be_bytes());
    out
}

/// The same from a broker that reads nothing more for so long.
pub(super) fn produce_throttled(partitions: &[(i32, i16, i64)], throttle_time_ms: i32) -> Vec<u8> {
    let mut out = produce(partitions);
    let end = out.len() - 4;
    out[end..].copy_from_slice(&throttle_time_ms.to_be_bytes());
    out
}

/// Metadata 12: broker 1, and topic `t` with an id and one partition, led under epoch 1.
pub(super) fn metadata_with_id(id: u8) -> Vec<u8> {
    metadata_with_id_and_epoch(id, 1)
}

/// The same under another epoch.
pub(super) fn metadata_with_id_and_epoch(id: u8, epoch: u8) -> Vec<u8> {
    let mut out = std::vec![0, 0, 0, 0, 0, 2, 0, 0, 0, 1, 4, b'o', b'n', b'e', 0, 0, 0x23, 0x84, 0, 0];
    out.extend_from_slice(&[0, 0, 0, 0, 1, 2, 0, 0, 2, b't']);
    out.extend_from_slice(&[id; 16]);
    out.extend_from_slice(&[0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, epoch, 1, 1, 1, 0]);
    out.extend_from_slice(&[0, 0, 0, 0, 0, 0]);
    out
}

/// Produce 13: an error and a base offset for partition 0 of the topic with this id.
pub(super) fn produce_by_id(id: u8, error: i16, offset: i64) -> Vec<u8> {
    let mut out = std::vec![0, 2];
    out.extend_from_slice(&[id; 16]);
    out.extend_from_slice(&[2, 0, 0, 0, 0]);
    out.extend_from_slice(&error.to_be_bytes());
    for number in [offset, -1, 0] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    out.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 0]);
    out
}

/// Produce 10: one partition's error, and who leads it now.
pub(super) fn produce_hint(error: i16, leader: i32, epoch: i32) -> Vec<u8> {
    let mut out = std::vec![0, 2, 2, b't', 2, 0, 0, 0, 0];
    out.extend_from_slice(&error.to_be_bytes());
    for number in [-1_i64, -1, 0] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    out.extend_from_slice(&[1, 0, 1, 0, 9]);
    out.extend_from_slice(&leader.to_be_bytes());
    out.extend_from_slice(&epoch.to_be_bytes());
    out.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0]);
    out
}

/// Metadata 13 that says nothing but to start again.
pub(super) fn rebootstrap() -> Vec<u8> {
    let mut out = std::vec![0; 5];
    out.extend_from_slice(&[1, 0, 0xFF, 0xFF, 0xFF, 0xFF, 1]);
    out.extend_from_slice(&129_i16.to_be_bytes());
    out.push(0);
    out
}

/// Takes a Produce 7 request apart, behind the correlation id. It must end where it ends.
pub(super) fn parse_produce(mut body: &[u8]) -> Vec<Sent> {
    let mut take = |count: usize| {
        let (head, rest) = body.split_at(count);
        body = rest;
        head
    };
    let int = |bytes: &[u8]| bytes.iter().fold(0_i64, |value, byte| value << 8 | i64::from(*byte));
    let client = int(take(2)) as usize;
    take(client);
    assert_eq!(take(2), [0xFF, 0xFF], "no transactional id");
    take(2 + 4);
    let mut sent = Vec::new();
    for _ in 0..int(take(4)) {
        let name = int(take(2)) as usize;
        assert_eq!(take(name), b"t");
        for _ in 0..int(take(4)) {
            let index = int(take(4)) as i32;
            let bytes = int(take(4)) as usize;
            sent.push((index, take(bytes).to_vec()));
        }
    }
    assert!(body.is_empty(), "{} bytes too many", body.len());
    sent
}
