//! DescribeProducers 0 (KIP-664, since Kafka 2.8): which producers a partition's leader remembers, and the last sequence of
//! each.
//!
//! | version | request | answer |
//! |---|---|---|
//! | 0 | topics by name, their partitions; tagged fields | per partition an error code, a message, and its producers; tagged fields |
//!
//! An answer lists every producer of a partition, however many they are: whoever asks keeps the one that it looks for.

use super::schema::{Layout, Op, Row};
use super::{ApiKey, Full, Header};

/// The fields of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    ThrottleTimeMs,
    Topics,
    TopicName,
    Partitions,
    PartitionIndex,
    ErrorCode,
    Producers,
    ProducerId,
    /// 32 bits here, 16 everywhere else.
    ProducerEpoch,
    LastSequence,
}

impl Layout for Field {
    const API: ApiKey = ApiKey::DescribeProducers;
    const ROWS: &'static [Row<Self>] = &[
        Row::new(Op::I32(Self::ThrottleTimeMs)),
        Row::new(Op::Array(
            Self::Topics,
            &[
                Row::new(Op::Name(Self::TopicName)),
                Row::new(Op::Array(
                    Self::Partitions,
                    &[
                        Row::new(Op::I32(Self::PartitionIndex)),
                        Row::new(Op::I16(Self::ErrorCode)),
                        ERROR_MESSAGE,
                        Row::new(Op::Array(
                            Self::Producers,
                            &[
                                Row::new(Op::I64(Self::ProducerId)),
                                Row::new(Op::I32(Self::ProducerEpoch)),
                                Row::new(Op::I32(Self::LastSequence)),
                                LAST_TIMESTAMP_AND_TRANSACTION,
                            ],
                        )),
                    ],
                )),
            ],
        )),
    ];
}

const ERROR_MESSAGE: Row<Field> = Row::new(Op::SkipText);
/// The last timestamp, the coordinator's epoch, and where the current transaction begins.
const LAST_TIMESTAMP_AND_TRANSACTION: Row<Field> = Row::new(Op::Skip(8 + 4 + 8));

/// Writes the whole request, for one partition.
pub(crate) fn encode(buf: &mut [u8], header: Header<'_>, topic: &str, partition: i32) -> Result<usize, Full> {
    header.frame(ApiKey::DescribeProducers, buf, |writer, flexible| {
        writer.length(flexible, 1);
        writer.text(flexible, topic);
        writer.length(flexible, 1);
        writer.i32(partition);
        writer.no_tags(flexible);
        writer.no_tags(flexible);
    })
}
