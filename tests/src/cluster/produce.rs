//! Produce: from the batches of a request to the logs.

use std::borrow::Cow;

use crate::protocol::{
    ErrorCode, Uuid,
    produce::{
        LeaderIdAndEpoch, NodeEndpoint, PartitionProduceData, PartitionProduceResponse, ProduceRequest,
        ProduceResponse, RecordError, TopicProduceData, TopicProduceResponse,
    },
    records::BatchHeader,
};

use super::{
    Cluster, KeepRecords, Reply,
    fault::Bend,
    log::Append,
    request::{Call, Response},
    topics::Topic,
    validate::{self, Rejection},
};

/// The first version that names topics by id.
const BY_ID_VERSION: i16 = 13;
/// The first version whose answers name another leader.
const LEADER_HINT_VERSION: i16 = 10;

impl Cluster {
    pub(super) fn produce(&mut self, call: &Call<'_>, request: &ProduceRequest<'_>) -> Response {
        let refusal = refuse_all(request);
        let mut node_endpoints = Vec::new();
        let topics = request.topics.iter();
        let responses: Vec<_> = topics
            .map(|topic| self.produce_topic(call, request.acks, refusal, topic, &mut node_endpoints))
            .collect();
        if request.acks == 0 {
            let mut partitions = responses.iter().flat_map(|topic| &topic.partitions);
            let failed = partitions.any(|partition| partition.error_code != ErrorCode::NONE);
            // Nobody waits for an answer: a closed connection is the only way to say that something went wrong.
            return Some(if failed { Reply::Close } else { Reply::Nothing });
        }
        let node_endpoints = node_endpoints.into_iter().filter_map(|id| self.endpoint(id)).collect();
        call.respond(&ProduceResponse { responses, throttle_time_ms: self.throttle_time_ms, node_endpoints })
    }

    fn produce_topic<'a>(
        &mut self,
        call: &Call<'_>,
        acks: i16,
        refusal: Option<ErrorCode>,
        data: &TopicProduceData<'a>,
        node_endpoints: &mut Vec<i32>,
    ) -> TopicProduceResponse<'a> {
        let version = call.header.api_version;
        let mut partitions = Vec::with_capacity(data.partitions.len());
        for partition in &data.partitions {
            let name = if version >= BY_ID_VERSION {
                self.topic_names.get(&data.topic_id).map(String::as_str)
            } else {
                Some(data.name)
            };
            let bend =
                name.and_then(|name| self.faults.take_of_partition(call.broker_id, name, partition.index));
            let bend = if call.bend == Bend::No { bend.map_or(Bend::No, Bend::from) } else { call.bend };
            let topic = name.and_then(|name| self.topics.get_mut(name));
            let unknown = if version >= BY_ID_VERSION {
                ErrorCode::UNKNOWN_TOPIC_ID
            } else {
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            };
            let outcome = match (bend, refusal, topic) {
                (Bend::Refuse(error_code), ..) => Err(Rejection::bare(error_code)),
                (_, Some(error_code), _) => Err(Rejection::bare(error_code)),
                (_, _, None) => Err(Rejection::bare(unknown)),
                (_, _, Some(topic)) => topic.produce(call, acks, partition, self.config.keep_records),
            };
            let mut response = self.describe_outcome(name, partition.index, outcome);
            if let Bend::Belie(error_code) = bend {
                response = PartitionProduceResponse::error(partition.index, error_code);
            }
            self.hint_leader(call, name, &mut response, node_endpoints);
            partitions.push(response);
        }
        let (name, topic_id): (&str, Uuid) = (data.name, data.topic_id);
        TopicProduceResponse { name, topic_id, partitions }
    }

    fn describe_outcome(
        &self,
        topic: Option<&str>,
        index: i32,
        outcome: Result<Appended, Rejection>,
    ) -> PartitionProduceResponse<'static> {
        let log_start_offset = topic
            .and_then(|name| self.topics.get(name)?.partitions.get(usize::try_from(index).ok()?))
            .map_or(-1, |partition| partition.log.start_offset());
        let mut response = PartitionProduceResponse::error(index, ErrorCode::NONE);
        match outcome {
            Ok(appended) => {
                response.base_offset = appended.base_offset;
                response.log_append_time_ms = appended.log_append_time_ms;
                response.log_start_offset = log_start_offset;
            }
            Err(rejection) => {
                response.error_code = rejection.error_code;
                response.log_start_offset = if rejection.knows_log_start { log_start_offset } else { -1 };
                let error =
                    |(batch_index, message)| RecordError { batch_index, message: Some(Cow::Owned(message)) };
                response.record_errors = rejection.record_errors.into_iter().map(error).collect();
                response.error_message = rejection.message.map(Cow::Borrowed);
            }
        }
        response
    }

    /// Names the leader in the answer to a client that asked the wrong broker (KIP-951).
    fn hint_leader(
        &self,
        call: &Call<'_>,
        topic: Option<&str>,
        response: &mut PartitionProduceResponse<'_>,
        node_endpoints: &mut Vec<i32>,
    ) {
        let wrong_broker = response.error_code == ErrorCode::NOT_LEADER_OR_FOLLOWER;
        if !(self.config.leader_hints && wrong_broker && call.header.api_version >= LEADER_HINT_VERSION) {
            return;
        }
        let topic = topic.and_then(|name| self.topics.get(name));
        let index = usize::try_from(response.index).ok();
        let Some(partition) = topic.zip(index).and_then(|(topic, index)| topic.partitions.get(index)) else {
            return;
        };
        let (leader_id, leader_epoch) = (partition.leader, partition.leader_epoch);
        response.current_leader = Some(LeaderIdAndEpoch { leader_id, leader_epoch });
        if !node_endpoints.contains(&leader_id) {
            node_endpoints.push(leader_id);
        }
    }

    fn endpoint(&self, broker_id: i32) -> Option<NodeEndpoint<'_>> {
        let broker = self.brokers.iter().find(|broker| broker.id() == broker_id && broker.is_up())?;
        Some(NodeEndpoint { node_id: broker_id, host: broker.host(), port: broker.port(), rack: None })
    }
}

/// What makes every partition of a request fail.
fn refuse_all(request: &ProduceRequest<'_>) -> Option<ErrorCode> {
    let mut partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
    let transactional = |partition: &PartitionProduceData<'_>| {
        BatchHeader::decode(partition.records.unwrap_or_default())
            .is_ok_and(|header| header.is_transactional())
    };
    if request.transactional_id.is_none() && partitions.any(transactional) {
        Some(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    } else if !(-1..=1).contains(&request.acks) {
        Some(ErrorCode::INVALID_REQUIRED_ACKS)
    } else {
        None
    }
}

/// A batch that is in the log.
struct Appended {
    base_offset: i64,
    log_append_time_ms: i64,
}

impl Topic {
    /// Appends one batch, or finds it in the log already.
    fn produce(
        &mut self,
        call: &Call<'_>,
        acks: i16,
        data: &PartitionProduceData<'_>,
        keep: KeepRecords,
    ) -> Result<Appended, Rejection> {
        let partition = usize::try_from(data.index).ok().and_then(|index| self.partitions.get_mut(index));
        let partition = partition.ok_or_else(|| Rejection::bare(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))?;
        let bytes = validate::only_batch(call.header.api_version, data.records)?;
        if partition.leader != call.broker_id {
            return Err(Rejection::bare(ErrorCode::NOT_LEADER_OR_FOLLOWER));
        }
        if acks == -1 && partition.isr.len() < self.config.min_insync_replicas {
            return Err(Rejection::bare(ErrorCode::NOT_ENOUGH_REPLICAS));
        }
        let header = validate::batch(bytes, &self.config, call.now_ms())?;
        if header.is_idempotent() {
            let known = partition.producers.check(call.broker_id, &header).map_err(Rejection::late)?;
            if let Some(duplicate) = known {
                // Kafka gives the batch's timestamp here, whatever the topic's timestamps are.
                return Ok(Appended {
                    base_offset: duplicate.base_offset,
                    log_append_time_ms: duplicate.max_timestamp,
                });
            }
        }
        let log_append_time = self.config.log_append_time;
        let base_offset = partition.log.append(&Append {
            now_us: call.now_us,
            header,
            bytes,
            leader_epoch: partition.leader_epoch,
            log_append_time,
            keep,
        });
        let log_append_time_ms = if log_append_time { call.now_ms() } else { -1 };
        if header.is_idempotent() {
            let max_timestamp = if log_append_time { log_append_time_ms } else { header.max_timestamp };
            partition.producers.appended(&BatchHeader { max_timestamp, ..header }, base_offset);
        }
        Ok(Appended { base_offset, log_append_time_ms })
    }
}
