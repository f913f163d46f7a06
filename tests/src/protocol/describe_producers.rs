//! DescribeProducers: what a partition's leader remembers of producers.

use std::borrow::Cow;

use super::{ApiKey, DecodeError, ErrorCode, Message, Reader, Writer};

/// DescribeProducers request, version 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeProducersRequest<'a> {
    /// The topics.
    pub topics: Vec<DescribeProducersTopic<'a>>,
}

/// A topic whose partitions are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeProducersTopic<'a> {
    /// Its name.
    pub name: &'a str,
    /// The partitions.
    pub partition_indexes: Vec<i32>,
}

impl<'a> DescribeProducersRequest<'a> {
    /// For partitions of one topic.
    pub fn of_partitions(name: &'a str, partitions: impl IntoIterator<Item = i32>) -> Self {
        let partition_indexes = partitions.into_iter().collect();
        Self { topics: vec![DescribeProducersTopic { name, partition_indexes }] }
    }
}

impl<'a> Message<'a> for DescribeProducersRequest<'a> {
    const API_KEY: ApiKey = ApiKey::DESCRIBE_PRODUCERS;

    fn decode(_: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let topics = reader.array(|reader| {
            let name = reader.string()?;
            let partition_indexes = reader.array(Reader::i32)?;
            reader.skip_tagged_fields()?;
            Ok(DescribeProducersTopic { name, partition_indexes })
        })?;
        reader.skip_tagged_fields()?;
        Ok(Self { topics })
    }

    fn encode(&self, _: i16, writer: &mut Writer) {
        writer.array(&self.topics, |writer, topic| {
            writer.string(topic.name);
            writer.array(&topic.partition_indexes, |writer, index| writer.i32(*index));
            writer.no_tagged_fields();
        });
        writer.no_tagged_fields();
    }
}

/// DescribeProducers response, version 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeProducersResponse<'a> {
    /// How long the client must wait before its next request.
    pub throttle_time_ms: i32,
    /// The topics.
    pub topics: Vec<DescribeProducersTopicResponse<'a>>,
}

/// A topic's part of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeProducersTopicResponse<'a> {
    /// Its name.
    pub name: &'a str,
    /// The partitions.
    pub partitions: Vec<DescribeProducersPartition<'a>>,
}

/// A partition's part of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeProducersPartition<'a> {
    /// Which.
    pub partition_index: i32,
    /// Why nothing is told.
    pub error_code: ErrorCode,
    /// The same for people.
    pub error_message: Option<Cow<'a, str>>,
    /// The producers that are remembered.
    pub active_producers: Vec<ActiveProducer>,
}

/// What is remembered of a producer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveProducer {
    /// Its id.
    pub producer_id: i64,
    /// The epoch that it wrote under last.
    pub producer_epoch: i32,
    /// The sequence of its last record.
    pub last_sequence: i32,
    /// The timestamp of its last batch: the largest of its records'.
    pub last_timestamp: i64,
    /// The coordinator's epoch, -1 without transactions.
    pub coordinator_epoch: i32,
    /// Where its transaction begins, -1 without one.
    pub current_txn_start_offset: i64,
}

impl<'a> Message<'a> for DescribeProducersResponse<'a> {
    const API_KEY: ApiKey = ApiKey::DESCRIBE_PRODUCERS;

    fn decode(_: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let response = Self {
            throttle_time_ms: reader.i32()?,
            topics: reader.array(|reader| {
                let name = reader.string()?;
                let partitions = reader.array(decode_partition)?;
                reader.skip_tagged_fields()?;
                Ok(DescribeProducersTopicResponse { name, partitions })
            })?,
        };
        reader.skip_tagged_fields()?;
        Ok(response)
    }

    fn encode(&self, _: i16, writer: &mut Writer) {
        writer.i32(self.throttle_time_ms);
        writer.array(&self.topics, |writer, topic| {
            writer.string(topic.name);
            writer.array(&topic.partitions, encode_partition);
            writer.no_tagged_fields();
        });
        writer.no_tagged_fields();
    }
}

fn decode_partition<'a>(reader: &mut Reader<'a>) -> Result<DescribeProducersPartition<'a>, DecodeError> {
    let partition = DescribeProducersPartition {
        partition_index: reader.i32()?,
        error_code: ErrorCode(reader.i16()?),
        error_message: reader.nullable_string()?.map(Cow::Borrowed),
        active_producers: reader.array(|reader| {
            let producer = ActiveProducer {
                producer_id: reader.i64()?,
                producer_epoch: reader.i32()?,
                last_sequence: reader.i32()?,
                last_timestamp: reader.i64()?,
                coordinator_epoch: reader.i32()?,
                current_txn_start_offset: reader.i64()?,
            };
            reader.skip_tagged_fields()?;
            Ok(producer)
        })?,
    };
    reader.skip_tagged_fields()?;
    Ok(partition)
}

fn encode_partition(writer: &mut Writer, partition: &DescribeProducersPartition<'_>) {
    writer.i32(partition.partition_index);
    writer.i16(partition.error_code.0);
    writer.nullable_string(partition.error_message.as_deref());
    writer.array(&partition.active_producers, |writer, producer| {
        writer.i64(producer.producer_id);
        writer.i32(producer.producer_epoch);
        writer.i32(producer.last_sequence);
        writer.i64(producer.last_timestamp);
        writer.i32(producer.coordinator_epoch);
        writer.i64(producer.current_txn_start_offset);
        writer.no_tagged_fields();
    });
    writer.no_tagged_fields();
}
