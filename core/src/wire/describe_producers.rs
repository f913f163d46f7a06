//! DescribeProducers 0 (KIP-664, since Kafka 2.8): which producers a partition's leader remembers, and the last sequence of
//! each.
//!
//! | version | request | answer |
//! |---|---|---|
//! | 0 | topics by name, their partitions; tagged fields | per partition an error code, a message, and its producers; tagged fields |
//!
//! An answer lists every producer of a partition, however many they are: whoever asks keeps the one that it looks for.

use super::schema::{Op, Row};
use super::{ApiKey, Field, Full, Header};

/// The answer.
pub(super) const ANSWER: &[Row] = &[
    Row::new(Op::I32(Field::ThrottleTimeMs)),
    Row::new(Op::Array(
        Field::Topics,
        &[
            Row::new(Op::Name(Field::TopicName)),
            Row::new(Op::Array(
                Field::Partitions,
                &[
                    Row::new(Op::I32(Field::PartitionIndex)),
                    Row::new(Op::I16(Field::ErrorCode)),
                    ERROR_MESSAGE,
                    Row::new(Op::Array(
                        Field::Producers,
                        &[
                            Row::new(Op::I64(Field::ProducerId)),
                            Row::new(Op::I32(Field::ProducerEpoch)),
                            Row::new(Op::I32(Field::LastSequence)),
                            LAST_TIMESTAMP_AND_TRANSACTION,
                        ],
                    )),
                ],
            )),
        ],
    )),
];

const ERROR_MESSAGE: Row = Row::new(Op::SkipText);
/// The last timestamp, the coordinator's epoch, and where the current transaction begins.
const LAST_TIMESTAMP_AND_TRANSACTION: Row = Row::new(Op::Skip(8 + 4 + 8));

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
