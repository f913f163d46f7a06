//! DescribeProducers: what a partition's replicas remember of producers.

use crate::protocol::{
    ErrorCode,
    describe_producers::{
        DescribeProducersPartition, DescribeProducersRequest, DescribeProducersResponse,
        DescribeProducersTopicResponse,
    },
};

use super::{
    Cluster, Partition,
    metadata::is_topic_name,
    request::{Call, Response},
};

impl Cluster {
    pub(super) fn describe_producers(
        &self,
        call: &Call<'_>,
        request: &DescribeProducersRequest<'_>,
    ) -> Response {
        let topics = request.topics.iter().map(|topic| {
            let answer = |index: &i32| self.producers_of(call, topic.name, *index);
            DescribeProducersTopicResponse {
                name: topic.name,
                partitions: topic.partition_indexes.iter().map(answer).collect(),
            }
        });
        let topics = topics.collect();
        call.respond(&DescribeProducersResponse { throttle_time_ms: self.throttle_time_ms, topics })
    }

    fn producers_of(&self, call: &Call<'_>, topic: &str, index: i32) -> DescribeProducersPartition<'static> {
        let found = match call.bend.error_code() {
            Some(error_code) => Err(error_code),
            None => self.replica(call.broker_id, topic, index),
        };
        let is_topics = found.is_err() && !self.topics.contains_key(topic);
        DescribeProducersPartition {
            partition_index: index,
            error_code: found.map_or_else(|error_code| error_code, |_| ErrorCode::NONE),
            error_message: is_topics.then(|| "it has no such topic".into()),
            active_producers: found.map_or_else(|_| Vec::new(), |partition| partition.producers.active()),
        }
    }

    /// A partition of which this broker has a replica: followers tell what they remember, too.
    fn replica(&self, broker_id: i32, topic: &str, index: i32) -> Result<&Partition, ErrorCode> {
        let Some(found) = self.topics.get(topic) else {
            let exists = is_topic_name(topic);
            return Err(if exists {
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            } else {
                ErrorCode::INVALID_TOPIC_EXCEPTION
            });
        };
        let partition = usize::try_from(index).ok().and_then(|index| found.partitions.get(index));
        let partition = partition.ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let has_replica = partition.replicas().contains(&broker_id);
        if has_replica { Ok(partition) } else { Err(ErrorCode::NOT_LEADER_OR_FOLLOWER) }
    }
}
