//! Produce: the batches of a request, and the answers to them.

use crate::protocol::{
    ErrorCode,
    produce::{
        LeaderIdAndEpoch, NodeEndpoint, PartitionProduceData, PartitionProduceResponse, ProduceRequest,
        ProduceResponse, TopicProduceData, TopicProduceResponse,
    },
};

use super::{
    Cluster, Reply,
    fault::Bend,
    request::{Call, Response},
};

/// The first version that names topics by id.
const BY_ID_VERSION: i16 = 13;
/// The first version whose answers name another leader.
const LEADER_HINT_VERSION: i16 = 10;

impl Cluster {
    pub(super) fn produce(&mut self, call: &Call<'_>, request: &ProduceRequest<'_>) -> Response {
        let refusal = self.refuse_transactional(call, request);
        let mut waits = false;
        // Kafka groups the outcomes of partitions anew, so a topic without any is not heard of again.
        let topics = request.topics.iter().filter(|topic| !topic.partitions.is_empty()).map(|topic| {
            let mut outcome = |partition: &PartitionProduceData<'_>| match refusal {
                Some(error_code) => PartitionProduceResponse::error(partition.index, error_code),
                None => {
                    let (outcome, in_vain) = self.produce_partition(call, request.acks, topic, partition);
                    waits |= in_vain;
                    outcome
                }
            };
            let partitions = topic.partitions.iter().map(&mut outcome).collect();
            TopicProduceResponse { name: topic.name, topic_id: topic.topic_id, partitions }
        });
        let responses: Vec<_> = topics.collect();
        let outcomes = || responses.iter().flat_map(|topic| &topic.partitions);
        if request.acks == 0 {
            // Nobody waits for an answer: a closed connection is the only way to say that something went wrong.
            let failed = outcomes().any(|outcome| outcome.error_code != ErrorCode::NONE);
            return Some(if failed { Reply::Close } else { Reply::Nothing });
        }
        let mut leaders: Vec<_> = outcomes().filter_map(|outcome| outcome.current_leader).collect();
        leaders.sort_by_key(|leader| leader.leader_id);
        leaders.dedup_by_key(|leader| leader.leader_id);
        let node_endpoints = leaders.iter().filter_map(|leader| self.endpoint(leader.leader_id)).collect();
        let throttle_time_ms = self.throttle_time_ms;
        let mut reply = call.respond(&ProduceResponse { responses, throttle_time_ms, node_endpoints });
        if let (Some(Reply::Response { delay_us, .. }), true) = (&mut reply, waits) {
            *delay_us = u64::try_from(request.timeout_ms).unwrap_or(0) * 1_000;
        }
        reply
    }

    /// The outcome, and whether the leader waits in vain for its followers before it tells.
    fn produce_partition(
        &mut self,
        call: &Call<'_>,
        acks: i16,
        topic: &TopicProduceData<'_>,
        data: &PartitionProduceData<'_>,
    ) -> (PartitionProduceResponse<'static>, bool) {
        let error = |error_code| PartitionProduceResponse::error(data.index, error_code);
        let by_id = call.header.api_version >= BY_ID_VERSION;
        let name =
            if by_id { self.topic_names.get(&topic.topic_id).map(String::as_str) } else { Some(topic.name) };
        let Some(name) = name else { return (error(ErrorCode::UNKNOWN_TOPIC_ID), false) };
        let bend = match call.bend {
            Bend::No => self.faults.take_of_partition(call.broker_id, name, data.index).into(),
            of_request => of_request,
        };
        let topic = self.topics.get_mut(name);
        let mut response = match (bend, topic) {
            (Bend::Refuse(error_code), _) => error(error_code),
            (_, None) => error(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            (_, Some(topic)) => topic.append(call, acks, data, self.config.keep_records),
        };
        let stored = response.error_code == ErrorCode::NONE;
        let waits = acks == -1 && stored && !self.is_confirmed(name, data.index);
        if waits {
            response.error_code = ErrorCode::REQUEST_TIMED_OUT;
        }
        if let Bend::Belie(error_code) = bend {
            response = error(error_code);
        }
        let wrong_broker = response.error_code == ErrorCode::NOT_LEADER_OR_FOLLOWER;
        if wrong_broker && self.config.leader_hints && call.header.api_version >= LEADER_HINT_VERSION {
            response.current_leader = self.leader_of(name, data.index);
        }
        (response, waits)
    }

    /// Whether everybody in sync confirms what the leader has. Where one does not, the leader waits in vain.
    fn is_confirmed(&self, topic: &str, index: i32) -> bool {
        self.partition(topic, index).isr.iter().all(|id| self.confirms(*id))
    }

    fn leader_of(&self, topic: &str, index: i32) -> Option<LeaderIdAndEpoch> {
        let partition = self.topics.get(topic)?.partitions.get(usize::try_from(index).ok()?)?;
        Some(LeaderIdAndEpoch { leader_id: partition.leader, leader_epoch: partition.leader_epoch })
    }

    fn endpoint(&self, broker_id: i32) -> Option<NodeEndpoint<'_>> {
        let broker = self.brokers.iter().find(|broker| broker.id() == broker_id && broker.is_up())?;
        Some(NodeEndpoint { node_id: broker_id, host: broker.host(), port: broker.port(), rack: None })
    }
}
