//! Fetch: reading back, for consumers that choose their partitions themselves.

use crate::protocol::{
    ErrorCode,
    fetch::{FetchPartition, FetchPartitionResponse, FetchRequest, FetchResponse, FetchTopicResponse},
};

use super::{
    Cluster, Reply,
    request::{Call, Response},
};

/// The first version that names topics by id.
const BY_ID_VERSION: i16 = 13;

impl Cluster {
    pub(super) fn fetch(&self, call: &Call<'_>, request: &FetchRequest<'_>) -> Response {
        // Sessions are never given out, so a client that has one is mistaken.
        if request.session_id != 0 {
            let error_code = ErrorCode::FETCH_SESSION_ID_NOT_FOUND;
            return call.respond(&FetchResponse { error_code, ..FetchResponse::default() });
        }
        let mut budget = request.max_bytes.max(0) as usize;
        let mut found_bytes = 0;
        let topics = request.topics.iter().map(|asked| {
            let partitions = asked.partitions.iter().map(|partition| {
                let name = if call.header.api_version >= BY_ID_VERSION {
                    self.topic_names.get(&asked.topic_id).map(String::as_str)
                } else {
                    Some(asked.name)
                };
                let response = match call.bend.error_code() {
                    Some(error_code) => empty(partition.partition, error_code),
                    None => self.fetch_partition(call, name, partition, (budget, request.isolation_level)),
                };
                let bytes: usize = response.records.iter().map(|batch| batch.len()).sum();
                budget = budget.saturating_sub(bytes);
                found_bytes += bytes;
                response
            });
            let partitions: Vec<_> = partitions.collect();
            FetchTopicResponse { name: asked.name, topic_id: asked.topic_id, partitions }
        });
        let responses: Vec<_> = topics.collect();
        let failed =
            responses.iter().flat_map(|topic| &topic.partitions).any(|one| one.error_code != ErrorCode::NONE);
        let throttle_time_ms = self.throttle_time_ms;
        let reply = call.respond(&FetchResponse { throttle_time_ms, responses, ..FetchResponse::default() });
        // Too little was found: the client is willing to wait, and the answer comes when its patience ends.
        let wait = !failed && found_bytes < request.min_bytes.max(0) as usize;
        match reply {
            Some(Reply::Response { frame, .. }) if wait => {
                Some(Reply::Response { frame, delay_us: request.max_wait_ms.max(0) as u64 * 1000 })
            }
            reply => reply,
        }
    }

    fn fetch_partition(
        &self,
        call: &Call<'_>,
        topic: Option<&str>,
        asked: &FetchPartition,
        (budget, isolation_level): (usize, i8),
    ) -> FetchPartitionResponse<'_> {
        let index = asked.partition;
        let error = |error_code| empty(index, error_code);
        let Some(topic) = topic else { return error(ErrorCode::UNKNOWN_TOPIC_ID) };
        let partition = match self.led_partition(call.broker_id, topic, index, asked.current_leader_epoch) {
            Ok(partition) => partition,
            Err(error_code) => return error(error_code),
        };
        let log = &partition.log;
        let mut response = FetchPartitionResponse {
            high_watermark: log.next_offset(),
            last_stable_offset: partition.last_stable_offset(),
            log_start_offset: log.start_offset(),
            ..error(ErrorCode::NONE)
        };
        if !(log.start_offset()..=log.next_offset()).contains(&asked.fetch_offset) {
            response.error_code = ErrorCode::OFFSET_OUT_OF_RANGE;
            return response;
        }
        let mut room = budget.min(asked.partition_max_bytes.max(0) as usize);
        let end = if isolation_level == 1 { partition.last_stable_offset() } else { i64::MAX };
        if isolation_level == 1 {
            response.aborted = partition.aborted_from(asked.fetch_offset);
        }
        for batch in log.batches_from(asked.fetch_offset).take_while(|batch| batch.base_offset() < end) {
            // The first batch is sent whatever its size, or a consumer could never pass it.
            if batch.bytes().len() > room && !(response.records.is_empty() && budget > 0) {
                break;
            }
            room = room.saturating_sub(batch.bytes().len());
            response.records.push(batch.bytes());
        }
        response
    }
}

fn empty(partition_index: i32, error_code: ErrorCode) -> FetchPartitionResponse<'static> {
    FetchPartitionResponse {
        partition_index,
        error_code,
        high_watermark: -1,
        last_stable_offset: -1,
        log_start_offset: -1,
        aborted: Vec::new(),
        records: Vec::new(),
    }
}
