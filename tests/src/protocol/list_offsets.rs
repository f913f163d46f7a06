//! ListOffsets: first and last offsets, offsets by timestamp.

use super::{ApiKey, DecodeError, ErrorCode, Message, Reader, Writer};

/// The timestamp that asks for the offset after the last record.
pub const LATEST: i64 = -1;
/// The timestamp that asks for the log's first offset.
pub const EARLIEST: i64 = -2;
/// The timestamp that asks for the record with the greatest timestamp.
pub const MAX_TIMESTAMP: i64 = -3;

/// ListOffsets request, versions 1 to 11.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListOffsetsRequest<'a> {
    /// -1 for a client.
    pub replica_id: i32,
    /// From version 2 on.
    pub isolation_level: i8,
    /// What is asked, by topic.
    pub topics: Vec<ListOffsetsTopic<'a>>,
    /// From version 10 on.
    pub timeout_ms: i32,
}

/// What is asked of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListOffsetsTopic<'a> {
    /// The topic.
    pub name: &'a str,
    /// What is asked, by partition.
    pub partitions: Vec<ListOffsetsPartition>,
}

/// What is asked of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListOffsetsPartition {
    /// The partition.
    pub partition_index: i32,
    /// From version 4 on: the leader epoch that the client knows, or -1.
    pub current_leader_epoch: i32,
    /// A timestamp, or one of the special ones.
    pub timestamp: i64,
}

impl<'a> Message<'a> for ListOffsetsRequest<'a> {
    const API_KEY: ApiKey = ApiKey::LIST_OFFSETS;

    fn decode(version: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let replica_id = reader.i32()?;
        let isolation_level = if version >= 2 { reader.i8()? } else { 0 };
        let topics = reader.array(|reader| {
            let name = reader.string()?;
            let partitions = reader.array(|reader| {
                let partition = ListOffsetsPartition {
                    partition_index: reader.i32()?,
                    current_leader_epoch: if version >= 4 { reader.i32()? } else { -1 },
                    timestamp: reader.i64()?,
                };
                reader.skip_tagged_fields()?;
                Ok(partition)
            })?;
            reader.skip_tagged_fields()?;
            Ok(ListOffsetsTopic { name, partitions })
        })?;
        let timeout_ms = if version >= 10 { reader.i32()? } else { 0 };
        reader.skip_tagged_fields()?;
        Ok(Self { replica_id, isolation_level, topics, timeout_ms })
    }

    fn encode(&self, version: i16, writer: &mut Writer) {
        writer.i32(self.replica_id);
        if version >= 2 {
            writer.i8(self.isolation_level);
        }
        writer.array(&self.topics, |writer, topic| {
            writer.string(topic.name);
            writer.array(&topic.partitions, |writer, partition| {
                writer.i32(partition.partition_index);
                if version >= 4 {
                    writer.i32(partition.current_leader_epoch);
                }
                writer.i64(partition.timestamp);
                writer.no_tagged_fields();
            });
            writer.no_tagged_fields();
        });
        if version >= 10 {
            writer.i32(self.timeout_ms);
        }
        writer.no_tagged_fields();
    }
}

/// ListOffsets response, versions 1 to 11.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListOffsetsResponse<'a> {
    /// From version 2 on.
    pub throttle_time_ms: i32,
    /// The answers, by topic.
    pub topics: Vec<ListOffsetsTopicResponse<'a>>,
}

/// The answers of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListOffsetsTopicResponse<'a> {
    /// The topic.
    pub name: &'a str,
    /// The answers, by partition.
    pub partitions: Vec<ListOffsetsPartitionResponse>,
}

/// The answer of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListOffsetsPartitionResponse {
    /// The partition.
    pub partition_index: i32,
    /// Its error.
    pub error_code: ErrorCode,
    /// The timestamp of the record found, or -1.
    pub timestamp: i64,
    /// The offset found, or -1.
    pub offset: i64,
    /// From version 4 on.
    pub leader_epoch: i32,
}

impl<'a> Message<'a> for ListOffsetsResponse<'a> {
    const API_KEY: ApiKey = ApiKey::LIST_OFFSETS;

    fn decode(version: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let throttle_time_ms = if version >= 2 { reader.i32()? } else { 0 };
        let topics = reader.array(|reader| {
            let name = reader.string()?;
            let partitions = reader.array(|reader| {
                let partition = ListOffsetsPartitionResponse {
                    partition_index: reader.i32()?,
                    error_code: ErrorCode(reader.i16()?),
                    timestamp: reader.i64()?,
                    offset: reader.i64()?,
                    leader_epoch: if version >= 4 { reader.i32()? } else { -1 },
                };
                reader.skip_tagged_fields()?;
                Ok(partition)
            })?;
            reader.skip_tagged_fields()?;
            Ok(ListOffsetsTopicResponse { name, partitions })
        })?;
        reader.skip_tagged_fields()?;
        Ok(Self { throttle_time_ms, topics })
    }

    fn encode(&self, version: i16, writer: &mut Writer) {
        if version >= 2 {
            writer.i32(self.throttle_time_ms);
        }
        writer.array(&self.topics, |writer, topic| {
            writer.string(topic.name);
            writer.array(&topic.partitions, |writer, partition| {
                writer.i32(partition.partition_index);
                writer.i16(partition.error_code.0);
                writer.i64(partition.timestamp);
                writer.i64(partition.offset);
                if version >= 4 {
                    writer.i32(partition.leader_epoch);
                }
                writer.no_tagged_fields();
            });
            writer.no_tagged_fields();
        });
        writer.no_tagged_fields();
    }
}
