//! Produce: append batches.

use std::borrow::Cow;

use super::{ApiKey, DecodeError, ErrorCode, Message, Reader, Uuid, Writer, ZERO_UUID};

/// Produce request, versions 3 to 13.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProduceRequest<'a> {
    /// Null for a producer without transactions.
    pub transactional_id: Option<&'a str>,
    /// 0: no answer; 1: the leader's; -1: all replicas'.
    pub acks: i16,
    /// How long the broker may wait for replicas.
    pub timeout_ms: i32,
    /// The batches, by topic.
    pub topics: Vec<TopicProduceData<'a>>,
}

/// The batches of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicProduceData<'a> {
    /// Before version 13; empty from then on.
    pub name: &'a str,
    /// From version 13 on.
    pub topic_id: Uuid,
    /// The batches, by partition.
    pub partitions: Vec<PartitionProduceData<'a>>,
}

/// The batch of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionProduceData<'a> {
    /// The partition.
    pub index: i32,
    /// One record batch.
    pub records: Option<&'a [u8]>,
}

impl<'a> ProduceRequest<'a> {
    /// One batch for one partition, by the topic's name, acks=all.
    pub fn of_batch(topic: &'a str, partition: i32, records: &'a [u8]) -> Self {
        let partitions = vec![PartitionProduceData { index: partition, records: Some(records) }];
        Self {
            transactional_id: None,
            acks: -1,
            timeout_ms: 30_000,
            topics: vec![TopicProduceData { name: topic, topic_id: ZERO_UUID, partitions }],
        }
    }
}

impl<'a> Message<'a> for ProduceRequest<'a> {
    const API_KEY: ApiKey = ApiKey::PRODUCE;

    fn decode(version: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let transactional_id = reader.nullable_string()?;
        let acks = reader.i16()?;
        let timeout_ms = reader.i32()?;
        let topics = reader.array(|reader| {
            let (name, topic_id) = decode_topic_key(version, reader)?;
            let partitions = reader.array(|reader| {
                let data = PartitionProduceData { index: reader.i32()?, records: reader.nullable_bytes()? };
                reader.skip_tagged_fields()?;
                Ok(data)
            })?;
            reader.skip_tagged_fields()?;
            Ok(TopicProduceData { name, topic_id, partitions })
        })?;
        reader.skip_tagged_fields()?;
        Ok(Self { transactional_id, acks, timeout_ms, topics })
    }

    fn encode(&self, version: i16, writer: &mut Writer) {
        writer.nullable_string(self.transactional_id);
        writer.i16(self.acks);
        writer.i32(self.timeout_ms);
        writer.array(&self.topics, |writer, topic| {
            encode_topic_key(version, writer, topic.name, &topic.topic_id);
            writer.array(&topic.partitions, |writer, partition| {
                writer.i32(partition.index);
                writer.nullable_bytes(partition.records);
                writer.no_tagged_fields();
            });
            writer.no_tagged_fields();
        });
        writer.no_tagged_fields();
    }
}

fn decode_topic_key<'a>(version: i16, reader: &mut Reader<'a>) -> Result<(&'a str, Uuid), DecodeError> {
    if version >= 13 { Ok(("", reader.uuid()?)) } else { Ok((reader.string()?, ZERO_UUID)) }
}

fn encode_topic_key(version: i16, writer: &mut Writer, name: &str, topic_id: &Uuid) {
    if version >= 13 {
        writer.uuid(topic_id);
    } else {
        writer.string(name);
    }
}

/// Produce response, versions 3 to 13.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProduceResponse<'a> {
    /// The outcomes, by topic.
    pub responses: Vec<TopicProduceResponse<'a>>,
    /// How long the client must wait before its next request.
    pub throttle_time_ms: i32,
    /// From version 10 on: where the leaders named in the partitions listen (KIP-951).
    pub node_endpoints: Vec<NodeEndpoint<'a>>,
}

/// The outcomes of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicProduceResponse<'a> {
    /// Before version 13; empty from then on.
    pub name: &'a str,
    /// From version 13 on.
    pub topic_id: Uuid,
    /// The outcomes, by partition.
    pub partitions: Vec<PartitionProduceResponse<'a>>,
}

/// The outcome of one batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionProduceResponse<'a> {
    /// The partition.
    pub index: i32,
    /// Its error.
    pub error_code: ErrorCode,
    /// The offset of the batch's first record, or -1.
    pub base_offset: i64,
    /// The broker's time of the append where the topic says so, or -1.
    pub log_append_time_ms: i64,
    /// From version 5 on: the log's first offset, or -1.
    pub log_start_offset: i64,
    /// From version 8 on: which records are to blame.
    pub record_errors: Vec<RecordError<'a>>,
    /// From version 8 on: what is wrong with them.
    pub error_message: Option<Cow<'a, str>>,
    /// From version 10 on: who leads the partition instead (KIP-951).
    pub current_leader: Option<LeaderIdAndEpoch>,
}

/// A record that made its batch fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordError<'a> {
    /// The record's place in the batch.
    pub batch_index: i32,
    /// What is wrong with it.
    pub message: Option<Cow<'a, str>>,
}

/// A partition's leader as a broker knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaderIdAndEpoch {
    /// The leader's broker id, or -1.
    pub leader_id: i32,
    /// Its epoch.
    pub leader_epoch: i32,
}

/// Where a broker listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeEndpoint<'a> {
    /// The broker's id.
    pub node_id: i32,
    /// Its host name.
    pub host: &'a str,
    /// Its port.
    pub port: i32,
    /// Its rack.
    pub rack: Option<&'a str>,
}

impl PartitionProduceResponse<'_> {
    /// A failed append of which nothing more is known.
    pub fn error(index: i32, error_code: ErrorCode) -> Self {
        Self {
            index,
            error_code,
            base_offset: -1,
            log_append_time_ms: -1,
            log_start_offset: -1,
            record_errors: Vec::new(),
            error_message: None,
            current_leader: None,
        }
    }
}

impl<'a> Message<'a> for ProduceResponse<'a> {
    const API_KEY: ApiKey = ApiKey::PRODUCE;

    fn decode(version: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let responses = reader.array(|reader| {
            let (name, topic_id) = decode_topic_key(version, reader)?;
            let partitions = reader.array(|reader| decode_partition(version, reader))?;
            reader.skip_tagged_fields()?;
            Ok(TopicProduceResponse { name, topic_id, partitions })
        })?;
        let throttle_time_ms = reader.i32()?;
        let mut node_endpoints = Vec::new();
        reader.tagged_fields(|tag, content| {
            if tag == 0 && version >= 10 {
                node_endpoints = content.array(decode_endpoint)?;
            }
            Ok(())
        })?;
        Ok(Self { responses, throttle_time_ms, node_endpoints })
    }

    fn encode(&self, version: i16, writer: &mut Writer) {
        writer.array(&self.responses, |writer, topic| {
            encode_topic_key(version, writer, topic.name, &topic.topic_id);
            writer.array(&topic.partitions, |writer, partition| encode_partition(version, writer, partition));
            writer.no_tagged_fields();
        });
        writer.i32(self.throttle_time_ms);
        if version >= 10 && !self.node_endpoints.is_empty() {
            let content = Writer::tag_content(|writer| writer.array(&self.node_endpoints, encode_endpoint));
            writer.tagged_fields(&[(0, content)]);
        } else {
            writer.no_tagged_fields();
        }
    }
}

fn decode_partition<'a>(
    version: i16,
    reader: &mut Reader<'a>,
) -> Result<PartitionProduceResponse<'a>, DecodeError> {
    let mut partition = PartitionProduceResponse::error(reader.i32()?, ErrorCode(reader.i16()?));
    partition.base_offset = reader.i64()?;
    partition.log_append_time_ms = reader.i64()?;
    if version >= 5 {
        partition.log_start_offset = reader.i64()?;
    }
    if version >= 8 {
        partition.record_errors = reader.array(|reader| {
            let batch_index = reader.i32()?;
            let message = reader.nullable_string()?.map(Cow::Borrowed);
            reader.skip_tagged_fields()?;
            Ok(RecordError { batch_index, message })
        })?;
        partition.error_message = reader.nullable_string()?.map(Cow::Borrowed);
    }
    reader.tagged_fields(|tag, content| {
        if tag == 0 && version >= 10 {
            let leader = LeaderIdAndEpoch { leader_id: content.i32()?, leader_epoch: content.i32()? };
            content.skip_tagged_fields()?;
            partition.current_leader = Some(leader);
        }
        Ok(())
    })?;
    Ok(partition)
}

fn encode_partition(version: i16, writer: &mut Writer, partition: &PartitionProduceResponse<'_>) {
    writer.i32(partition.index);
    writer.i16(partition.error_code.0);
    writer.i64(partition.base_offset);
    writer.i64(partition.log_append_time_ms);
    if version >= 5 {
        writer.i64(partition.log_start_offset);
    }
    if version >= 8 {
        writer.array(&partition.record_errors, |writer, error| {
            writer.i32(error.batch_index);
            writer.nullable_string(error.message.as_deref());
            writer.no_tagged_fields();
        });
        writer.nullable_string(partition.error_message.as_deref());
    }
    match partition.current_leader {
        Some(leader) if version >= 10 => {
            let content = Writer::tag_content(|writer| {
                writer.i32(leader.leader_id);
                writer.i32(leader.leader_epoch);
                writer.no_tagged_fields();
            });
            writer.tagged_fields(&[(0, content)]);
        }
        _ => writer.no_tagged_fields(),
    }
}

fn decode_endpoint<'a>(reader: &mut Reader<'a>) -> Result<NodeEndpoint<'a>, DecodeError> {
    let endpoint = NodeEndpoint {
        node_id: reader.i32()?,
        host: reader.string()?,
        port: reader.i32()?,
        rack: reader.nullable_string()?,
    };
    reader.skip_tagged_fields()?;
    Ok(endpoint)
}

fn encode_endpoint(writer: &mut Writer, endpoint: &NodeEndpoint<'_>) {
    writer.i32(endpoint.node_id);
    writer.string(endpoint.host);
    writer.i32(endpoint.port);
    writer.nullable_string(endpoint.rack);
    writer.no_tagged_fields();
}
