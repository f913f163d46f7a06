//! Brokers that stop and start, and what becomes of their partitions.

use felice_tests::cluster::{Cluster, ClusterConfig, Reply, TopicConfig};
use felice_tests::protocol::{
    ErrorCode,
    batch_builder::BatchBuilder,
    metadata::{MetadataRequest, MetadataResponse},
    produce::{ProduceRequest, ProduceResponse},
};

use super::support::{NOW_MS, PRODUCE_VERSION, ask, ask_broker, produce_bytes, reply, three_brokers};

#[test]
fn a_stopped_broker_answers_nothing_and_is_not_told_of() {
    let mut cluster = three_brokers();
    cluster.stop_broker(1);
    assert_eq!(reply(&mut cluster, 9, &MetadataRequest::all()), Reply::Close);
    let response: MetadataResponse<'_> = ask_broker(&mut cluster, 2, 9, &MetadataRequest::all());
    assert_eq!(response.brokers.iter().map(|broker| broker.node_id).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(response.controller_id, 2);
    let partition = &response.topics[0].partitions[0];
    assert_eq!((partition.leader_id, partition.leader_epoch), (2, 1));
    assert_eq!((&partition.isr_nodes[..], &partition.offline_replicas[..]), (&[2, 3][..], &[1][..]));
    assert_eq!(reply(&mut cluster, 9, &MetadataRequest::all()), Reply::Close);
    cluster.start_broker(1);
    let response: MetadataResponse<'_> = ask(&mut cluster, 9, &MetadataRequest::all());
    let partition = &response.topics[0].partitions[0];
    assert_eq!((partition.leader_id, partition.leader_epoch), (2, 1), "the leader stays where it went");
    assert_eq!(partition.isr_nodes, [2, 3, 1]);
}

#[test]
fn a_partition_without_other_replicas_waits_for_its_broker() {
    let mut cluster = Cluster::new(ClusterConfig { brokers: 2, ..ClusterConfig::default() });
    cluster.create_topic_with("t", TopicConfig { replication_factor: 1, ..TopicConfig::default() });
    cluster.stop_broker(1);
    assert_eq!((cluster.partition("t", 0).leader(), cluster.partition("t", 0).leader_epoch()), (-1, 1));
    let response: MetadataResponse<'_> = ask_broker(&mut cluster, 2, 9, &MetadataRequest::all());
    assert_eq!(response.topics[0].partitions[0].error_code, ErrorCode::LEADER_NOT_AVAILABLE);
    cluster.start_broker(1);
    assert_eq!((cluster.partition("t", 0).leader(), cluster.partition("t", 0).leader_epoch()), (1, 2));
}

#[test]
fn a_replica_out_of_sync_does_not_become_leader() {
    let mut cluster = Cluster::new(ClusterConfig { brokers: 2, ..ClusterConfig::default() });
    cluster.create_topic("t", 1);
    cluster.stop_broker(2);
    cluster.stop_broker(1);
    cluster.start_broker(2);
    assert_eq!(cluster.partition("t", 0).leader(), -1);
    cluster.start_broker(1);
    assert_eq!(cluster.partition("t", 0).leader(), 1);
}

#[test]
fn leaders_go_round_the_brokers() {
    let mut cluster = Cluster::new(ClusterConfig { brokers: 3, ..ClusterConfig::default() });
    cluster.create_topic_with("t", TopicConfig { replication_factor: 2, ..TopicConfig::with_partitions(4) });
    cluster.add_partitions("t", 2);
    let leaders: Vec<_> = (0..6).map(|index| cluster.partition("t", index).leader()).collect();
    assert_eq!(leaders, [1, 2, 3, 1, 2, 3]);
    assert_eq!(cluster.partition("t", 2).replicas(), [3, 1]);
    assert_eq!(cluster.partition_count("t"), 6);
}

/// Sends two batches of one producer, replaces broker 1 by broker 9, and sends the first one again.
fn repeated_at_the_new_one(stops_first: bool) -> (ErrorCode, i64) {
    let mut cluster = Cluster::new(ClusterConfig { brokers: 2, ..ClusterConfig::default() });
    cluster.create_topic_with("t", TopicConfig { replication_factor: 1, ..TopicConfig::default() });
    let batch = |sequence| BatchBuilder::of_values(NOW_MS, ["v"]).producer(7, 0, sequence).build();
    for sequence in [0, 1] {
        assert_eq!(
            produce_bytes(&mut cluster, PRODUCE_VERSION, &batch(sequence)).error_code,
            ErrorCode::NONE
        );
    }
    cluster.set_stale(2, true);
    if stops_first {
        cluster.stop_broker(1);
    }
    cluster.replace_broker(1, 9);
    cluster.start_broker(9);
    let named = |cluster: &mut Cluster, broker_id| {
        let response: MetadataResponse<'_> = ask_broker(cluster, broker_id, 9, &MetadataRequest::all());
        let brokers: Vec<i32> = response.brokers.iter().map(|broker| broker.node_id).collect();
        (brokers, response.topics[0].partitions[0].leader_id)
    };
    assert_eq!(named(&mut cluster, 9), (vec![9, 2], 9));
    assert_eq!(named(&mut cluster, 2), (vec![1, 2], 1), "who has not heard of it names the old one");
    assert_eq!(cluster.partition("t", 0).replicas(), [9]);
    assert!(!cluster.is_up(1));
    let first = batch(0);
    let request = ProduceRequest::of_batch("t", 0, &first);
    let response: ProduceResponse<'_> = ask_broker(&mut cluster, 9, PRODUCE_VERSION, &request);
    let partition = &response.responses[0].partitions[0];
    (partition.error_code, partition.base_offset)
}

#[test]
fn who_takes_over_from_a_broker_remembers_what_the_log_tells_and_with_its_disk_the_last_batch() {
    assert_eq!(repeated_at_the_new_one(false), (ErrorCode::NONE, 0));
    assert_eq!(repeated_at_the_new_one(true).0, ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
}
