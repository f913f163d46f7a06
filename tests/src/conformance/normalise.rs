//! Takes out of an answer what two clusters can never share.
//!
//! Ids that a cluster makes up (of nodes, topics, producers) become small numbers in the order in which they were seen,
//! so that it still shows whether two are the same. Hosts, ports, cluster ids and times become a word. Free text is only
//! compared as there or not there: a client must not read it. Topics and partitions are sorted, since a broker answers
//! in the order of its hash tables.

use std::borrow::Cow;
use std::fmt::Debug;

use crate::protocol::api_versions::ApiVersionsResponse;
use crate::protocol::describe_producers::DescribeProducersResponse;
use crate::protocol::init_producer_id::InitProducerIdResponse;
use crate::protocol::metadata::{MetadataPartition, MetadataResponse};
use crate::protocol::produce::ProduceResponse;
use crate::protocol::{ApiKey, Message, Uuid, ZERO_UUID, decode_response};

/// The APIs of a producer without security; a broker has many more.
const COMPARED_APIS: [ApiKey; 5] = [
    ApiKey::PRODUCE,
    ApiKey::METADATA,
    ApiKey::API_VERSIONS,
    ApiKey::INIT_PRODUCER_ID,
    ApiKey::DESCRIBE_PRODUCERS,
];

/// The ids seen so far in a script.
#[derive(Debug, Default)]
pub(super) struct Seen {
    nodes: Vec<i32>,
    topics: Vec<Uuid>,
    producers: Vec<i64>,
}

/// All fields of an answer, one per line; or why the frame cannot be read.
pub(super) fn describe(api_key: ApiKey, version: i16, frame: &[u8], seen: &mut Seen) -> String {
    match api_key {
        ApiKey::PRODUCE => normalised::<ProduceResponse<'_>>(version, frame, seen),
        ApiKey::METADATA => normalised::<MetadataResponse<'_>>(version, frame, seen),
        ApiKey::API_VERSIONS => normalised::<ApiVersionsResponse>(version, frame, seen),
        ApiKey::DESCRIBE_PRODUCERS => normalised::<DescribeProducersResponse<'_>>(version, frame, seen),
        ApiKey::INIT_PRODUCER_ID => normalised::<InitProducerIdResponse>(version, frame, seen),
        other => panic!("the answers of {other:?} are not compared"),
    }
}

fn normalised<'a, M: Message<'a> + Normalise + Debug>(
    version: i16,
    frame: &'a [u8],
    seen: &mut Seen,
) -> String {
    match decode_response::<M>(version, frame) {
        Ok((_correlation_id, mut answer)) => {
            answer.normalise(seen);
            join_numbers(&format!("{answer:#?}"))
        }
        Err(error) => format!("{error:?} in {frame:02x?}"),
    }
}

/// Puts the numbers of a list, an id's bytes for one, on one line.
fn join_numbers(text: &str) -> String {
    let mut joined = String::new();
    let mut in_list = false;
    for line in text.lines() {
        let is_number = line.trim().trim_end_matches(',').parse::<i64>().is_ok();
        if is_number || in_list {
            joined.push_str(line.trim());
        } else {
            joined.push('\n');
            joined.push_str(line);
        }
        in_list = is_number;
    }
    joined.split_off(1)
}

/// An answer that can be normalised.
trait Normalise {
    /// Takes out what is the cluster's own.
    fn normalise(&mut self, seen: &mut Seen);
}

impl Seen {
    fn node(&mut self, id: &mut i32) {
        if *id != -1 {
            *id = place(&mut self.nodes, *id) as i32;
        }
    }

    /// What stands for a topic's id. Those of the script's own topics are seen as they are created.
    pub(super) fn topic(&mut self, id: Uuid) -> Uuid {
        if id == ZERO_UUID { id } else { (place(&mut self.topics, id) as u128).to_be_bytes() }
    }

    fn producer(&mut self, id: &mut i64) {
        if *id != -1 {
            *id = place(&mut self.producers, *id) as i64;
        }
    }
}

/// The place of `value` among those seen, from 1.
fn place<T: PartialEq>(seen: &mut Vec<T>, value: T) -> usize {
    let known = seen.iter().position(|it| *it == value);
    let index = known.unwrap_or_else(|| {
        seen.push(value);
        seen.len() - 1
    });
    index + 1
}

fn text(message: &mut Option<Cow<'_, str>>) {
    if let Some(message) = message {
        *message = Cow::Borrowed("a text");
    }
}

impl Normalise for ApiVersionsResponse {
    fn normalise(&mut self, _: &mut Seen) {
        self.api_keys.retain(|entry| COMPARED_APIS.contains(&entry.api_key));
        self.api_keys.sort_by_key(|entry| entry.api_key);
    }
}

impl Normalise for MetadataResponse<'_> {
    fn normalise(&mut self, seen: &mut Seen) {
        for topic in &mut self.topics {
            topic.topic_id = seen.topic(topic.topic_id);
            topic.partitions.sort_by_key(|partition| partition.partition_index);
            topic.partitions.iter_mut().for_each(|partition| partition.normalise(seen));
        }
        self.topics.sort_by_key(|topic| (topic.name, topic.topic_id));
        // After the partitions: which broker leads is what tells them apart.
        for broker in &mut self.brokers {
            seen.node(&mut broker.node_id);
            broker.host = "a host";
            broker.port = 0;
        }
        self.brokers.sort_by_key(|broker| broker.node_id);
        self.cluster_id = self.cluster_id.map(|_| "a cluster");
        // Any broker, by chance: with KRaft, the client only thinks that it is the controller.
        self.controller_id = self.controller_id.min(0);
    }
}

impl Normalise for MetadataPartition {
    fn normalise(&mut self, seen: &mut Seen) {
        // The order of the replicas is that of preference; that of the others is nobody's business.
        self.replica_nodes.iter_mut().for_each(|node| seen.node(node));
        seen.node(&mut self.leader_id);
        for nodes in [&mut self.isr_nodes, &mut self.offline_replicas] {
            nodes.iter_mut().for_each(|node| seen.node(node));
            nodes.sort_unstable();
        }
    }
}

impl Normalise for InitProducerIdResponse {
    fn normalise(&mut self, seen: &mut Seen) {
        seen.producer(&mut self.producer_id);
    }
}

impl Normalise for DescribeProducersResponse<'_> {
    fn normalise(&mut self, seen: &mut Seen) {
        for partition in self.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            text(&mut partition.error_message);
            for producer in &mut partition.active_producers {
                seen.producer(&mut producer.producer_id);
                // A time of day becomes 0, -1 stays.
                producer.last_timestamp = producer.last_timestamp.min(0);
            }
            partition.active_producers.sort_by_key(|producer| producer.producer_id);
        }
        for topic in &mut self.topics {
            topic.partitions.sort_by_key(|partition| partition.partition_index);
        }
        self.topics.sort_by_key(|topic| topic.name);
    }
}

impl Normalise for ProduceResponse<'_> {
    fn normalise(&mut self, seen: &mut Seen) {
        for topic in &mut self.responses {
            topic.topic_id = seen.topic(topic.topic_id);
            for partition in &mut topic.partitions {
                // A time of day becomes 0, -1 stays.
                partition.log_append_time_ms = partition.log_append_time_ms.min(0);
                text(&mut partition.error_message);
                partition.record_errors.iter_mut().for_each(|error| text(&mut error.message));
                if let Some(leader) = &mut partition.current_leader {
                    seen.node(&mut leader.leader_id);
                }
            }
        }
        for topic in &mut self.responses {
            topic.partitions.sort_by_key(|partition| partition.index);
        }
        self.responses.sort_by_key(|topic| (topic.name, topic.topic_id));
        for endpoint in &mut self.node_endpoints {
            seen.node(&mut endpoint.node_id);
            endpoint.host = "a host";
            endpoint.port = 0;
        }
    }
}
