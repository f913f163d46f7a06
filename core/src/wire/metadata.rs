//! Metadata 7 to 13: the brokers, and who leads which partition.
//!
//! | version | request | answer |
//! |---|---|---|
//! | 7 | names of topics, whether to create them | brokers, topics, partitions with their leader's epoch |
//! | 8 | whether to tell authorized operations, of cluster and topics | those of each topic and of the cluster |
//! | 9 | tagged fields | tagged fields |
//! | 10 | a topic's id before its name (zero: asked for by name) | a topic's id |
//! | 11 | nothing about the cluster's operations | nothing about the cluster's operations |
//! | 12 | as 11 | a topic's name may be null, for one that was asked for by id |
//! | 13 | as 11 | an error code of the whole answer, behind all else (KIP-1102) |

use super::schema::{Op, Row};
use super::{ApiKey, Field, Full, Header};

/// The first version that tells topics' ids.
pub(crate) const IDS_SINCE: i16 = 10;

/// The answer.
pub(super) const ANSWER: &[Row] = &[
    Row::new(Op::I32(Field::ThrottleTimeMs)),
    Row::new(Op::Array(
        Field::Brokers,
        &[
            Row::new(Op::I32(Field::BrokerNodeId)),
            Row::new(Op::Name(Field::BrokerHost)),
            Row::new(Op::I32(Field::BrokerPort)),
            RACK,
        ],
    )),
    CLUSTER_ID,
    CONTROLLER_ID,
    Row::new(Op::Array(
        Field::Topics,
        &[
            Row::new(Op::I16(Field::TopicErrorCode)),
            Row::new(Op::Name(Field::TopicName)),
            Row::new(Op::Uuid(Field::TopicId)).since(IDS_SINCE),
            IS_INTERNAL,
            Row::new(Op::Array(Field::Partitions, PARTITION)),
            AUTHORIZED_OPERATIONS.since(8),
        ],
    )),
    AUTHORIZED_OPERATIONS.since(8).until(10),
    Row::new(Op::I16(Field::ErrorCode)).since(13),
];

const PARTITION: &[Row] = &[
    Row::new(Op::I16(Field::PartitionErrorCode)),
    Row::new(Op::I32(Field::PartitionIndex)),
    Row::new(Op::I32(Field::LeaderId)),
    Row::new(Op::I32(Field::LeaderEpoch)),
    REPLICAS,
    IN_SYNC_REPLICAS,
    OFFLINE_REPLICAS,
];

const RACK: Row = Row::new(Op::SkipText);
const CLUSTER_ID: Row = Row::new(Op::SkipText);
const CONTROLLER_ID: Row = Row::new(Op::Skip(4));
const IS_INTERNAL: Row = Row::new(Op::Skip(1));
const AUTHORIZED_OPERATIONS: Row = Row::new(Op::Skip(4));
const REPLICAS: Row = Row::new(Op::SkipInts);
const IN_SYNC_REPLICAS: Row = Row::new(Op::SkipInts);
const OFFLINE_REPLICAS: Row = Row::new(Op::SkipInts);

/// Writes the whole request. No topics ask for the brokers only.
pub(crate) fn encode<'t>(
    buf: &mut [u8],
    header: Header<'_>,
    topics: impl Iterator<Item = &'t str> + Clone,
    allow_auto_topic_creation: bool,
) -> Result<usize, Full> {
    let version = header.version;
    header.frame(ApiKey::Metadata, buf, |writer, flexible| {
        writer.length(flexible, topics.clone().count() as u32);
        for name in topics {
            if version >= IDS_SINCE {
                writer.bytes(&[0; 16]);
            }
            writer.text(flexible, name);
            writer.no_tags(flexible);
        }
        writer.bool(allow_auto_topic_creation);
        if (8..=10).contains(&version) {
            writer.bool(false);
        }
        if version >= 8 {
            writer.bool(false);
        }
        writer.no_tags(flexible);
    })
}
