//! ListOffsets: first and last offsets, offsets by timestamp.

use crate::protocol::{
    ErrorCode,
    list_offsets::{
        EARLIEST, LATEST, ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest,
        ListOffsetsResponse, ListOffsetsTopicResponse, MAX_TIMESTAMP,
    },
};

use super::{
    Cluster, Partition, StoredBatch,
    request::{Call, Response},
};

/// The timestamp that asks for the first offset on the broker's own disks: all of them, here.
const EARLIEST_LOCAL: i64 = -4;

impl Cluster {
    pub(super) fn list_offsets(&self, call: &Call<'_>, request: &ListOffsetsRequest<'_>) -> Response {
        let topics = request.topics.iter().map(|topic| {
            let answer = |asked: &ListOffsetsPartition| self.list_partition_offset(call, topic.name, asked);
            ListOffsetsTopicResponse {
                name: topic.name,
                partitions: topic.partitions.iter().map(answer).collect(),
            }
        });
        let topics = topics.collect();
        call.respond(&ListOffsetsResponse { throttle_time_ms: self.throttle_time_ms, topics })
    }

    fn list_partition_offset(
        &self,
        call: &Call<'_>,
        topic: &str,
        asked: &ListOffsetsPartition,
    ) -> ListOffsetsPartitionResponse {
        let index = asked.partition_index;
        let found = match call.bend.error_code() {
            Some(error_code) => Err(error_code),
            None => self.led_partition(call.broker_id, topic, index, asked.current_leader_epoch),
        };
        let answer = |error_code, timestamp, offset, leader_epoch| ListOffsetsPartitionResponse {
            partition_index: index,
            error_code,
            timestamp,
            offset,
            leader_epoch,
        };
        match found {
            Err(error_code) => answer(error_code, -1, -1, -1),
            Ok(partition) => {
                let (timestamp, offset) = offset_at(partition, asked.timestamp);
                answer(ErrorCode::NONE, timestamp, offset, partition.leader_epoch)
            }
        }
    }

    /// A partition that this broker leads, under an epoch that the client need not learn anew.
    pub(super) fn led_partition(
        &self,
        broker_id: i32,
        topic: &str,
        index: i32,
        current_leader_epoch: i32,
    ) -> Result<&Partition, ErrorCode> {
        let topic = self.topics.get(topic);
        let partition = topic.and_then(|topic| topic.partitions.get(usize::try_from(index).ok()?));
        let partition = partition.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        if current_leader_epoch != -1 && current_leader_epoch < partition.leader_epoch {
            return Err(ErrorCode::FENCED_LEADER_EPOCH);
        }
        if current_leader_epoch > partition.leader_epoch {
            return Err(ErrorCode::UNKNOWN_LEADER_EPOCH);
        }
        if partition.leader != broker_id {
            return Err(ErrorCode::NOT_LEADER_OR_FOLLOWER);
        }
        Ok(partition)
    }
}

/// The timestamp and offset that a question finds, or -1 for both.
fn offset_at(partition: &Partition, timestamp: i64) -> (i64, i64) {
    let log = &partition.log;
    match timestamp {
        LATEST => (-1, log.next_offset()),
        EARLIEST | EARLIEST_LOCAL => (-1, log.start_offset()),
        MAX_TIMESTAMP => {
            let greatest = log.batches().map(|batch| batch.header().max_timestamp).max();
            greatest.and_then(|greatest| first_at(log.batches(), greatest)).unwrap_or((-1, -1))
        }
        _ => first_at(log.batches(), timestamp).unwrap_or((-1, -1)),
    }
}

/// The first record that is not older than `timestamp`. Of a compressed batch it is the first record, unseen.
fn first_at<'a>(mut batches: impl Iterator<Item = &'a StoredBatch>, timestamp: i64) -> Option<(i64, i64)> {
    let batch = batches.find(|batch| batch.header().max_timestamp >= timestamp)?;
    let records = batch.records().unwrap_or_default();
    let record = records.iter().find(|record| record.timestamp >= timestamp);
    let unseen = (batch.header().max_timestamp, batch.base_offset());
    Some(record.map_or(unseen, |record| (record.timestamp, record.offset)))
}
