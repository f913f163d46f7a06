//! Metadata: what a broker tells of the cluster, and topics that are created by asking for them.

use std::collections::BTreeMap;

use crate::protocol::{
    ErrorCode, Uuid, ZERO_UUID,
    metadata::{
        MetadataBroker, MetadataPartition, MetadataRequest, MetadataRequestTopic, MetadataResponse,
        MetadataTopic,
    },
};

use super::{
    Broker, Cluster, Partition,
    fault::Bend,
    request::{Call, Response},
    topics::Topic,
};

/// The first version that can ask for a topic by its id.
const BY_ID_VERSION: i16 = 12;

/// What a broker last heard of the cluster.
#[derive(Debug)]
pub(super) struct Heard {
    brokers: Vec<Broker>,
    /// Who leads which partition, under which epoch.
    leaders: BTreeMap<(Uuid, usize), (i32, i32)>,
}

impl Cluster {
    /// A broker hears nothing of brokers and leaders that change from now on, as one that the controller does not reach; or hears
    /// all of it again.
    pub fn set_stale(&mut self, broker_id: i32, stale: bool) {
        if !stale {
            self.stale.remove(&broker_id);
            return;
        }
        let mut leaders = BTreeMap::new();
        for topic in self.topics.values() {
            for (index, partition) in topic.partitions.iter().enumerate() {
                leaders.insert((topic.id, index), (partition.leader, partition.leader_epoch));
            }
        }
        self.stale.insert(broker_id, Heard { brokers: self.brokers.clone(), leaders });
    }

    pub(super) fn metadata(&mut self, call: &Call<'_>, request: &MetadataRequest<'_>) -> Response {
        let version = call.header.api_version;
        if let Some(refused) = refuse_all(version, request) {
            return call.respond(&refused);
        }
        let asked = request.topics.as_deref().filter(|topics| version > 0 || !topics.is_empty());
        let missing = self.missing_topics(request, asked.unwrap_or_default());
        let top_level = call.bend.error_code().filter(|code| *code == ErrorCode::REBOOTSTRAP_REQUIRED);
        let mut topics: Vec<MetadataTopic<'_>> = match asked {
            None => {
                self.topics.iter().map(|(name, topic)| self.describe(call.broker_id, name, topic)).collect()
            }
            Some(asked) => {
                without_repetitions(asked).map(|topic| self.describe_asked(call.broker_id, topic)).collect()
            }
        };
        if top_level.is_some() {
            topics.clear();
        } else if let Some(error_code) = call.bend.error_code() {
            topics.iter_mut().for_each(|topic| *topic = fail(topic, error_code));
        }
        let brokers = self.stale.get(&call.broker_id).map_or(&self.brokers, |heard| &heard.brokers);
        let brokers: Vec<_> =
            brokers.iter().filter(|broker| broker.is_listed()).map(describe_broker).collect();
        let reply = call.respond(&MetadataResponse {
            throttle_time_ms: self.throttle_time_ms,
            controller_id: brokers.first().map_or(-1, |broker| broker.node_id),
            brokers,
            cluster_id: Some("felice-simulated-cluster"),
            topics,
            error_code: top_level.unwrap_or(ErrorCode::NONE),
        });
        // A topic is not there yet in the answer to the request that makes it.
        if !matches!(call.bend, Bend::Refuse(_)) && !self.controllerless {
            for name in missing {
                self.create_topic_with(&name, self.config.auto_create_config.clone());
            }
        }
        reply
    }

    /// The topics that this request creates.
    fn missing_topics(
        &self,
        request: &MetadataRequest<'_>,
        asked: &[MetadataRequestTopic<'_>],
    ) -> Vec<String> {
        if !(self.config.auto_create_topics && request.allow_auto_topic_creation) {
            return Vec::new();
        }
        let names = asked.iter().filter_map(|topic| topic.name);
        let missing = names.filter(|name| is_topic_name(name) && !self.topics.contains_key(*name));
        let mut missing: Vec<String> = missing.map(str::to_owned).collect();
        missing.sort();
        missing.dedup();
        missing
    }

    fn is_listed(&self, broker_id: i32) -> bool {
        self.brokers.iter().any(|broker| broker.id() == broker_id && broker.is_listed())
    }

    fn describe_asked<'a>(&'a self, broker_id: i32, asked: &MetadataRequestTopic<'a>) -> MetadataTopic<'a> {
        let error = |error_code| MetadataTopic {
            error_code,
            name: asked.name,
            topic_id: asked.topic_id,
            is_internal: false,
            partitions: Vec::new(),
        };
        let Some(name) = asked.name else {
            let name = self.topic_names.get(&asked.topic_id);
            let topic = name.and_then(|name| Some((name, self.topics.get(name)?)));
            return topic.map_or_else(
                || error(ErrorCode::UNKNOWN_TOPIC_ID),
                |(name, topic)| self.describe(broker_id, name, topic),
            );
        };
        match self.topics.get_key_value(name) {
            Some((name, topic)) => self.describe(broker_id, name, topic),
            None if is_topic_name(name) => error(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
            None => error(ErrorCode::INVALID_TOPIC_EXCEPTION),
        }
    }

    fn describe<'a>(&self, broker_id: i32, name: &'a str, topic: &Topic) -> MetadataTopic<'a> {
        let partitions = topic.partitions.iter().enumerate();
        MetadataTopic {
            error_code: ErrorCode::NONE,
            name: Some(name),
            topic_id: topic.id,
            is_internal: false,
            partitions: partitions
                .map(|(index, partition)| {
                    let led =
                        self.stale.get(&broker_id).and_then(|heard| heard.leaders.get(&(topic.id, index)));
                    let led = led.copied().unwrap_or((partition.leader, partition.leader_epoch));
                    self.describe_partition(index, partition, led)
                })
                .collect(),
        }
    }

    fn describe_partition(
        &self,
        index: usize,
        partition: &Partition,
        (leader, leader_epoch): (i32, i32),
    ) -> MetadataPartition {
        let no_leader = leader == -1;
        MetadataPartition {
            error_code: if no_leader { ErrorCode::LEADER_NOT_AVAILABLE } else { ErrorCode::NONE },
            partition_index: index as i32,
            leader_id: leader,
            leader_epoch,
            replica_nodes: partition.replicas.clone(),
            // The last one in sync is remembered while it is down, but no longer told of.
            isr_nodes: partition.isr.iter().copied().filter(|id| self.is_listed(*id)).collect(),
            offline_replicas: partition.replicas.iter().copied().filter(|id| !self.is_listed(*id)).collect(),
        }
    }
}

/// The answer to a request that makes no sense as a whole: it names no broker at all. That is so for a topic with
/// neither name nor id, and for an id in a version that cannot ask for one.
fn refuse_all<'a>(version: i16, request: &MetadataRequest<'a>) -> Option<MetadataResponse<'a>> {
    let asked = request.topics.as_deref().unwrap_or_default();
    let nameless = || asked.iter().filter(|topic| topic.name.is_none());
    let (error_code, name) = if nameless().any(|topic| topic.topic_id == ZERO_UUID) {
        (ErrorCode::UNKNOWN_SERVER_ERROR, Some(""))
    } else if version < BY_ID_VERSION && nameless().next().is_some() {
        (ErrorCode::INVALID_REQUEST, None)
    } else {
        return None;
    };
    let refused = |topic: &MetadataRequestTopic<'a>| MetadataTopic {
        error_code,
        name: topic.name.or(name),
        topic_id: topic.topic_id,
        is_internal: false,
        partitions: Vec::new(),
    };
    let topics = asked.iter().map(refused).collect();
    Some(MetadataResponse { controller_id: -1, topics, ..MetadataResponse::default() })
}

/// A topic that is asked for twice is described once.
fn without_repetitions<'r, 'a>(
    asked: &'r [MetadataRequestTopic<'a>],
) -> impl Iterator<Item = &'r MetadataRequestTopic<'a>> {
    asked.iter().enumerate().filter(|(index, topic)| !asked[..*index].contains(topic)).map(|(_, topic)| topic)
}

fn describe_broker(broker: &Broker) -> MetadataBroker<'_> {
    MetadataBroker { node_id: broker.id(), host: broker.host(), port: broker.port(), rack: None }
}

fn fail<'a>(topic: &MetadataTopic<'a>, error_code: ErrorCode) -> MetadataTopic<'a> {
    MetadataTopic { error_code, topic_id: ZERO_UUID, partitions: Vec::new(), ..topic.clone() }
}

/// What Kafka allows as a topic's name.
pub(super) fn is_topic_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=249).contains(&name.len()) && name != "." && name != ".." && name.bytes().all(allowed)
}
