//! Fetch: read batches, as far as a consumer without a group needs it.

use super::{ApiKey, DecodeError, ErrorCode, Message, Reader, Uuid, Writer, ZERO_UUID};

/// Fetch request, versions 4 to 18. What only replicas say is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchRequest<'a> {
    /// How long the broker may wait for `min_bytes`.
    pub max_wait_ms: i32,
    /// Fewer bytes than these are worth waiting for more.
    pub min_bytes: i32,
    /// About how many bytes the response may have.
    pub max_bytes: i32,
    /// 0: all records; 1: those of finished transactions.
    pub isolation_level: i8,
    /// From version 7 on: 0 for none.
    pub session_id: i32,
    /// From version 7 on: -1 for no session, 0 to ask for one.
    pub session_epoch: i32,
    /// What is asked, by topic.
    pub topics: Vec<FetchTopic<'a>>,
}

/// What is asked of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchTopic<'a> {
    /// Before version 13; empty from then on.
    pub name: &'a str,
    /// From version 13 on.
    pub topic_id: Uuid,
    /// What is asked, by partition.
    pub partitions: Vec<FetchPartition>,
}

/// What is asked of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchPartition {
    /// The partition.
    pub partition: i32,
    /// From version 9 on: the leader epoch that the client knows, or -1.
    pub current_leader_epoch: i32,
    /// The first offset wanted.
    pub fetch_offset: i64,
    /// About how many bytes of this partition the response may have.
    pub partition_max_bytes: i32,
}

impl<'a> FetchRequest<'a> {
    /// All of one partition from `offset` on, by the topic's name, without waiting.
    pub fn of_partition(name: &'a str, partition: i32, fetch_offset: i64) -> Self {
        let partitions = vec![FetchPartition {
            partition,
            current_leader_epoch: -1,
            fetch_offset,
            partition_max_bytes: i32::MAX,
        }];
        Self {
            max_wait_ms: 0,
            min_bytes: 0,
            max_bytes: i32::MAX,
            isolation_level: 0,
            session_id: 0,
            session_epoch: -1,
            topics: vec![FetchTopic { name, topic_id: ZERO_UUID, partitions }],
        }
    }
}

impl<'a> Message<'a> for FetchRequest<'a> {
    const API_KEY: ApiKey = ApiKey::FETCH;

    fn decode(version: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        if version < 15 {
            reader.i32()?;
        }
        let max_wait_ms = reader.i32()?;
        let min_bytes = reader.i32()?;
        let max_bytes = reader.i32()?;
        let isolation_level = reader.i8()?;
        let (session_id, session_epoch) = if version >= 7 { (reader.i32()?, reader.i32()?) } else { (0, -1) };
        let topics = reader.array(|reader| {
            let (name, topic_id) = decode_topic_key(version, reader)?;
            let partitions = reader.array(|reader| decode_request_partition(version, reader))?;
            reader.skip_tagged_fields()?;
            Ok(FetchTopic { name, topic_id, partitions })
        })?;
        if version >= 7 {
            // Topics to forget in a session.
            reader.array(|reader| {
                decode_topic_key(version, reader)?;
                reader.array(Reader::i32)?;
                reader.skip_tagged_fields()
            })?;
        }
        if version >= 11 {
            reader.string()?;
        }
        reader.skip_tagged_fields()?;
        Ok(Self { max_wait_ms, min_bytes, max_bytes, isolation_level, session_id, session_epoch, topics })
    }

    fn encode(&self, version: i16, writer: &mut Writer) {
        if version < 15 {
            writer.i32(-1);
        }
        writer.i32(self.max_wait_ms);
        writer.i32(self.min_bytes);
        writer.i32(self.max_bytes);
        writer.i8(self.isolation_level);
        if version >= 7 {
            writer.i32(self.session_id);
            writer.i32(self.session_epoch);
        }
        writer.array(&self.topics, |writer, topic| {
            encode_topic_key(version, writer, topic.name, &topic.topic_id);
            writer.array(&topic.partitions, |writer, partition| {
                encode_request_partition(version, writer, partition);
            });
            writer.no_tagged_fields();
        });
        if version >= 7 {
            writer.array::<()>(&[], |_, ()| {});
        }
        if version >= 11 {
            writer.string("");
        }
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

fn decode_request_partition(version: i16, reader: &mut Reader<'_>) -> Result<FetchPartition, DecodeError> {
    let partition = reader.i32()?;
    let current_leader_epoch = if version >= 9 { reader.i32()? } else { -1 };
    let fetch_offset = reader.i64()?;
    if version >= 12 {
        reader.i32()?; // the epoch of the last record fetched
    }
    if version >= 5 {
        reader.i64()?; // a replica's log start offset
    }
    let partition_max_bytes = reader.i32()?;
    reader.skip_tagged_fields()?;
    Ok(FetchPartition { partition, current_leader_epoch, fetch_offset, partition_max_bytes })
}

fn encode_request_partition(version: i16, writer: &mut Writer, partition: &FetchPartition) {
    writer.i32(partition.partition);
    if version >= 9 {
        writer.i32(partition.current_leader_epoch);
    }
    writer.i64(partition.fetch_offset);
    if version >= 12 {
        writer.i32(-1);
    }
    if version >= 5 {
        writer.i64(-1);
    }
    writer.i32(partition.partition_max_bytes);
    writer.no_tagged_fields();
}

/// Fetch response, versions 4 to 18.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FetchResponse<'a> {
    /// How long the client must wait before its next request.
    pub throttle_time_ms: i32,
    /// From version 7 on: the error of the whole request.
    pub error_code: ErrorCode,
    /// From version 7 on: 0 for no session.
    pub session_id: i32,
    /// What was found, by topic.
    pub responses: Vec<FetchTopicResponse<'a>>,
}

/// What was found in one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchTopicResponse<'a> {
    /// Before version 13; empty from then on.
    pub name: &'a str,
    /// From version 13 on.
    pub topic_id: Uuid,
    /// What was found, by partition.
    pub partitions: Vec<FetchPartitionResponse<'a>>,
}

/// What was found in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchPartitionResponse<'a> {
    /// The partition.
    pub partition_index: i32,
    /// Its error.
    pub error_code: ErrorCode,
    /// The offset after the last record that all replicas have.
    pub high_watermark: i64,
    /// The offset after the last record of finished transactions.
    pub last_stable_offset: i64,
    /// From version 5 on: the log's first offset.
    pub log_start_offset: i64,
    /// Producer ids and first offsets of aborted transactions, for whoever asks for those that are finished.
    pub aborted: Vec<(i64, i64)>,
    /// Batches, in pieces that follow each other; a decoded response has one piece, or none for null.
    pub records: Vec<&'a [u8]>,
}

impl<'a> Message<'a> for FetchResponse<'a> {
    const API_KEY: ApiKey = ApiKey::FETCH;

    fn decode(version: i16, reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let throttle_time_ms = reader.i32()?;
        let (error_code, session_id) =
            if version >= 7 { (ErrorCode(reader.i16()?), reader.i32()?) } else { (ErrorCode::NONE, 0) };
        let responses = reader.array(|reader| {
            let (name, topic_id) = decode_topic_key(version, reader)?;
            let partitions = reader.array(|reader| decode_response_partition(version, reader))?;
            reader.skip_tagged_fields()?;
            Ok(FetchTopicResponse { name, topic_id, partitions })
        })?;
        reader.skip_tagged_fields()?;
        Ok(Self { throttle_time_ms, error_code, session_id, responses })
    }

    fn encode(&self, version: i16, writer: &mut Writer) {
        writer.i32(self.throttle_time_ms);
        if version >= 7 {
            writer.i16(self.error_code.0);
            writer.i32(self.session_id);
        }
        writer.array(&self.responses, |writer, topic| {
            encode_topic_key(version, writer, topic.name, &topic.topic_id);
            writer.array(&topic.partitions, |writer, partition| {
                encode_response_partition(version, writer, partition);
            });
            writer.no_tagged_fields();
        });
        writer.no_tagged_fields();
    }
}

fn decode_response_partition<'a>(
    version: i16,
    reader: &mut Reader<'a>,
) -> Result<FetchPartitionResponse<'a>, DecodeError> {
    let partition_index = reader.i32()?;
    let error_code = ErrorCode(reader.i16()?);
    let high_watermark = reader.i64()?;
    let last_stable_offset = reader.i64()?;
    let log_start_offset = if version >= 5 { reader.i64()? } else { -1 };
    let aborted = reader.nullable_array(|reader| {
        let aborted = (reader.i64()?, reader.i64()?);
        reader.skip_tagged_fields()?;
        Ok(aborted)
    })?;
    if version >= 11 {
        reader.i32()?;
    }
    let records = reader.nullable_bytes()?.into_iter().collect();
    reader.skip_tagged_fields()?;
    Ok(FetchPartitionResponse {
        partition_index,
        error_code,
        high_watermark,
        last_stable_offset,
        log_start_offset,
        aborted: aborted.unwrap_or_default(),
        records,
    })
}

fn encode_response_partition(version: i16, writer: &mut Writer, partition: &FetchPartitionResponse<'_>) {
    writer.i32(partition.partition_index);
    writer.i16(partition.error_code.0);
    writer.i64(partition.high_watermark);
    writer.i64(partition.last_stable_offset);
    if version >= 5 {
        writer.i64(partition.log_start_offset);
    }
    let aborted = Some(&*partition.aborted).filter(|aborted| !aborted.is_empty());
    writer.nullable_array(aborted, |writer, (producer_id, first_offset)| {
        writer.i64(*producer_id);
        writer.i64(*first_offset);
        writer.no_tagged_fields();
    });
    if version >= 11 {
        writer.i32(-1); // the replica to read from instead
    }
    writer.bytes_of_pieces(&partition.records);
    writer.no_tagged_fields();
}
