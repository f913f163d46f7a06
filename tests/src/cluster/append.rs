//! Appending one batch to one partition: leader, replicas, the batch itself, its sequence, and then the log.

use std::borrow::Cow;

use crate::protocol::{
    ErrorCode,
    produce::{PartitionProduceData, PartitionProduceResponse, RecordError},
    records::BatchHeader,
};

use super::{
    KeepRecords, Partition, TopicConfig,
    log::Append,
    request::Call,
    topics::Topic,
    validate::{self, Rejection},
};

/// A batch that is in the log.
struct Appended {
    base_offset: i64,
    log_append_time_ms: i64,
}

impl Topic {
    /// Appends a batch, or finds that it is in the log already, or refuses it.
    pub(super) fn append(
        &mut self,
        call: &Call<'_>,
        acks: i16,
        data: &PartitionProduceData<'_>,
        keep: KeepRecords,
    ) -> PartitionProduceResponse<'static> {
        let mut response = PartitionProduceResponse::error(data.index, ErrorCode::NONE);
        let partition = usize::try_from(data.index).ok().and_then(|index| self.partitions.get_mut(index));
        let Some(partition) = partition else {
            response.error_code = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
            return response;
        };
        match partition.append(call, acks, data.records, &self.config, keep) {
            Ok(appended) => {
                response.base_offset = appended.base_offset;
                response.log_append_time_ms = appended.log_append_time_ms;
                response.log_start_offset = partition.log.start_offset();
            }
            Err(rejection) => {
                response.error_code = rejection.error_code;
                if rejection.knows_log_start {
                    response.log_start_offset = partition.log.start_offset();
                }
                response.record_errors = rejection.record_errors.into_iter().map(record_error).collect();
                response.error_message = rejection.message.map(Cow::Borrowed);
            }
        }
        response
    }
}

impl Partition {
    fn append(
        &mut self,
        call: &Call<'_>,
        acks: i16,
        records: Option<&[u8]>,
        topic: &TopicConfig,
        keep: KeepRecords,
    ) -> Result<Appended, Rejection> {
        let bytes = validate::only_batch(call.header.api_version, records)?;
        self.check_state(call.broker_id, acks, topic)?;
        let header = validate::batch(bytes, topic, call.now_ms())?;
        if header.is_idempotent()
            && let Some(duplicate) = self.producers.check(call.broker_id, &header).map_err(Rejection::late)?
        {
            // Kafka gives the batch's timestamp here, whatever the topic's timestamps are.
            let log_append_time_ms = duplicate.max_timestamp;
            return Ok(Appended { base_offset: duplicate.base_offset, log_append_time_ms });
        }
        let log_append_time = topic.log_append_time;
        let base_offset = self.log.append(&Append {
            now_us: call.now_us,
            header,
            bytes,
            leader_epoch: self.leader_epoch,
            log_append_time,
            keep,
        });
        if header.is_transactional() {
            self.transactions.appended(header.producer_id, base_offset);
        }
        let log_append_time_ms = if log_append_time { call.now_ms() } else { -1 };
        if header.is_idempotent() {
            let max_timestamp = if log_append_time { log_append_time_ms } else { header.max_timestamp };
            self.producers.appended(&BatchHeader { max_timestamp, ..header }, base_offset);
        }
        Ok(Appended { base_offset, log_append_time_ms })
    }

    /// Whether this broker may append here at all, with these acks.
    fn check_state(&self, broker_id: i32, acks: i16, topic: &TopicConfig) -> Result<(), Rejection> {
        if !(-1..=1).contains(&acks) {
            return Err(Rejection::bare(ErrorCode::INVALID_REQUIRED_ACKS));
        }
        if self.leader != broker_id {
            return Err(Rejection::bare(ErrorCode::NOT_LEADER_OR_FOLLOWER));
        }
        if acks == -1 && self.isr.len() < topic.min_insync_replicas {
            return Err(Rejection::late(ErrorCode::NOT_ENOUGH_REPLICAS));
        }
        Ok(())
    }
}

fn record_error((batch_index, message): (i32, String)) -> RecordError<'static> {
    RecordError { batch_index, message: Some(Cow::Owned(message)) }
}
