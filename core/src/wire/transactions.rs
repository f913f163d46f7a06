//! The requests of transactions, in the versions with tagged fields, which brokers from Kafka 2.8 on have.
//!
//! | request | versions | request | answer |
//! |---|---|---|---|
//! | FindCoordinator | 3 | key, type | throttle time, error code, message, the broker |
//! | | 4 to 6 | type, keys | throttle time, per key the broker, error code, message |
//! | AddPartitionsToTxn | 3 | transactional id, producer id and epoch, topics with their partitions | throttle time, per partition an error code |
//! | AddOffsetsToTxn | 3, 4 | transactional id, producer id and epoch, group | throttle time, error code |
//! | TxnOffsetCommit | 3 to 5 | transactional id, group, producer id and epoch, the group's member, offsets | throttle time, per partition an error code |
//! | EndTxn | 3, 4 | transactional id, producer id and epoch, whether it commits | throttle time, error code |
//! | | 5 | the same | also the producer id and epoch of what follows (KIP-890) |
//!
//! AddPartitionsToTxn from version 4 on is what brokers say to each other. TxnOffsetCommit 5 adds the group by itself.

use super::schema::{Op, Row};
use super::{ApiKey, Field, Full, Header};

/// The first FindCoordinator that asks for several keys.
const KEYS_SINCE: i16 = 4;

/// The last EndTxn after which the epoch stays.
pub(crate) const END_KEEPS_EPOCH_LAST: i16 = 4;

/// The last TxnOffsetCommit before which the group must have been added.
pub(crate) const GROUP_ADDED_BEFORE_LAST: i16 = 4;

/// The answer to FindCoordinator.
pub(super) const FIND_COORDINATOR_ANSWER: &[Row] = &[
    Row::new(Op::I32(Field::ThrottleTimeMs)),
    Row::new(Op::I16(Field::ErrorCode)).until(KEYS_SINCE - 1),
    ERROR_MESSAGE.until(KEYS_SINCE - 1),
    Row::new(Op::I32(Field::NodeId)).until(KEYS_SINCE - 1),
    Row::new(Op::Name(Field::NodeHost)).until(KEYS_SINCE - 1),
    Row::new(Op::I32(Field::NodePort)).until(KEYS_SINCE - 1),
    Row::new(Op::Array(
        Field::Coordinators,
        &[
            KEY,
            Row::new(Op::I32(Field::NodeId)),
            Row::new(Op::Name(Field::NodeHost)),
            Row::new(Op::I32(Field::NodePort)),
            Row::new(Op::I16(Field::ErrorCode)),
            ERROR_MESSAGE,
        ],
    ))
    .since(KEYS_SINCE),
];

/// The answer to AddPartitionsToTxn, and that to TxnOffsetCommit.
pub(super) const PARTITIONS_ANSWER: &[Row] = &[
    Row::new(Op::I32(Field::ThrottleTimeMs)),
    Row::new(Op::Array(
        Field::Topics,
        &[
            Row::new(Op::Name(Field::TopicName)),
            Row::new(Op::Array(
                Field::Partitions,
                &[Row::new(Op::I32(Field::PartitionIndex)), Row::new(Op::I16(Field::ErrorCode))],
            )),
        ],
    )),
];

/// The answer to AddOffsetsToTxn.
pub(super) const ADD_OFFSETS_ANSWER: &[Row] =
    &[Row::new(Op::I32(Field::ThrottleTimeMs)), Row::new(Op::I16(Field::ErrorCode))];

/// The answer to EndTxn.
pub(super) const END_ANSWER: &[Row] = &[
    Row::new(Op::I32(Field::ThrottleTimeMs)),
    Row::new(Op::I16(Field::ErrorCode)),
    Row::new(Op::I64(Field::ProducerId)).since(END_KEEPS_EPOCH_LAST + 1),
    Row::new(Op::I16(Field::ProducerEpoch)).since(END_KEEPS_EPOCH_LAST + 1),
];

const KEY: Row = Row::new(Op::SkipText);
const ERROR_MESSAGE: Row = Row::new(Op::SkipText);

/// Of what a coordinator is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyType {
    /// A consumer group.
    Group = 0,
    /// A transactional id.
    Transaction = 1,
}

/// Who writes in which transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writes<'a> {
    pub(crate) transactional_id: &'a str,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
}

/// Writes the whole FindCoordinator request.
pub(crate) fn find_coordinator(
    buf: &mut [u8],
    header: Header<'_>,
    key_type: KeyType,
    key: &str,
) -> Result<usize, Full> {
    let version = header.version;
    header.frame(ApiKey::FindCoordinator, buf, |writer, flexible| {
        if version < KEYS_SINCE {
            writer.text(flexible, key);
        }
        writer.bytes(&[key_type as u8]);
        if version >= KEYS_SINCE {
            writer.length(flexible, 1);
            writer.text(flexible, key);
        }
        writer.no_tags(flexible);
    })
}

/// Writes the whole AddPartitionsToTxn request: topics, and for each its partitions.
pub(crate) fn add_partitions<'t, P: Iterator<Item = i32>>(
    buf: &mut [u8],
    header: Header<'_>,
    writes: &Writes<'_>,
    topics: impl Iterator<Item = (&'t str, u32, P)> + Clone,
) -> Result<usize, Full> {
    header.frame(ApiKey::AddPartitionsToTxn, buf, |writer, flexible| {
        writer.text(flexible, writes.transactional_id);
        writer.i64(writes.producer_id);
        writer.i16(writes.producer_epoch);
        writer.length(flexible, topics.clone().count() as u32);
        for (name, count, partitions) in topics {
            writer.text(flexible, name);
            writer.length(flexible, count);
            partitions.for_each(|partition| writer.i32(partition));
            writer.no_tags(flexible);
        }
        writer.no_tags(flexible);
    })
}

/// Writes the whole AddOffsetsToTxn request.
pub(crate) fn add_offsets(
    buf: &mut [u8],
    header: Header<'_>,
    writes: &Writes<'_>,
    group: &str,
) -> Result<usize, Full> {
    header.frame(ApiKey::AddOffsetsToTxn, buf, |writer, flexible| {
        writer.text(flexible, writes.transactional_id);
        writer.i64(writes.producer_id);
        writer.i16(writes.producer_epoch);
        writer.text(flexible, group);
        writer.no_tags(flexible);
    })
}

/// Writes the whole EndTxn request.
pub(crate) fn end(
    buf: &mut [u8],
    header: Header<'_>,
    writes: &Writes<'_>,
    commits: bool,
) -> Result<usize, Full> {
    header.frame(ApiKey::EndTxn, buf, |writer, flexible| {
        writer.text(flexible, writes.transactional_id);
        writer.i64(writes.producer_id);
        writer.i16(writes.producer_epoch);
        writer.bool(commits);
        writer.no_tags(flexible);
    })
}

/// Writes the whole TxnOffsetCommit request. `tail` is what [`offsets`] has written.
pub(crate) fn commit_offsets(
    buf: &mut [u8],
    header: Header<'_>,
    writes: &Writes<'_>,
    group: &str,
    tail: &[u8],
) -> Result<usize, Full> {
    header.frame(ApiKey::TxnOffsetCommit, buf, |writer, flexible| {
        writer.text(flexible, writes.transactional_id);
        writer.text(flexible, group);
        writer.i64(writes.producer_id);
        writer.i16(writes.producer_epoch);
        writer.bytes(tail);
        writer.no_tags(flexible);
    })
}

/// Writes what a TxnOffsetCommit request ends with, which is the same in all versions: the group's member, and a topic's
/// offsets.
pub(crate) fn offsets(
    buf: &mut [u8],
    member: &crate::event::GroupMetadata<'_>,
    topic: &str,
    offsets: &[crate::event::OffsetToCommit<'_>],
) -> Result<usize, Full> {
    let mut writer = super::write::Writer::new(buf);
    writer.i32(member.generation_id);
    writer.text(true, member.member_id);
    writer.nullable_text(true, member.group_instance_id);
    writer.length(true, 1);
    writer.text(true, topic);
    writer.length(true, offsets.len() as u32);
    for offset in offsets {
        writer.i32(offset.partition);
        writer.i64(offset.offset);
        writer.i32(offset.leader_epoch.unwrap_or(-1));
        writer.nullable_text(true, Some(offset.metadata));
        writer.no_tags(true);
    }
    writer.no_tags(true);
    writer.finish()
}
