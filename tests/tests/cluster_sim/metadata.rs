//! What a broker tells of the cluster.

use felice_tests::cluster::{Cluster, ClusterConfig, TopicConfig};
use felice_tests::protocol::{
    ErrorCode, ZERO_UUID,
    metadata::{MetadataRequest, MetadataRequestTopic, MetadataResponse},
};

use super::support::{ask, three_brokers};

fn metadata(cluster: &mut Cluster, version: i16, request: &MetadataRequest<'_>) -> MetadataResponse<'static> {
    ask(cluster, version, request)
}

#[test]
fn brokers_leaders_and_epochs_are_told_in_every_version() {
    let mut cluster = three_brokers();
    cluster.set_address(2, "broker-two", 1234);
    cluster.set_leader("t", 1, 3);
    for version in 0..=13 {
        let response = metadata(&mut cluster, version, &MetadataRequest::of_topics(["t"]));
        let brokers: Vec<_> = response.brokers.iter().map(|one| (one.node_id, one.host, one.port)).collect();
        assert_eq!(brokers, [(1, "127.0.0.1", 9092), (2, "broker-two", 1234), (3, "127.0.0.1", 9094)]);
        let topic = &response.topics[0];
        assert_eq!((topic.error_code, topic.name), (ErrorCode::NONE, Some("t")));
        assert_eq!(topic.topic_id, if version >= 10 { cluster.topic_id("t").unwrap() } else { ZERO_UUID });
        let leaders: Vec<_> = topic.partitions.iter().map(|one| (one.leader_id, one.leader_epoch)).collect();
        let epoch = |epoch| if version >= 7 { epoch } else { -1 };
        assert_eq!(leaders, [(1, epoch(0)), (3, epoch(1)), (3, epoch(0))], "v{version}");
    }
}

#[test]
fn null_asks_for_all_topics_and_an_empty_list_does_in_version_0_only() {
    let mut cluster = three_brokers();
    cluster.create_topic("u", 1);
    let names = |response: MetadataResponse<'static>| -> Vec<_> {
        response.topics.iter().map(|topic| topic.name.unwrap()).collect()
    };
    let empty = MetadataRequest::of_topics([]);
    assert_eq!(names(metadata(&mut cluster, 0, &empty)), ["t", "u"]);
    assert!(names(metadata(&mut cluster, 1, &empty)).is_empty());
    assert!(names(metadata(&mut cluster, 12, &empty)).is_empty());
    assert_eq!(names(metadata(&mut cluster, 1, &MetadataRequest::all())), ["t", "u"]);
    assert_eq!(names(metadata(&mut cluster, 12, &MetadataRequest::all())), ["t", "u"]);
}

#[test]
fn a_missing_topic_is_created_for_the_next_request() {
    let auto_create_config = TopicConfig::with_partitions(4);
    let mut cluster = Cluster::new(ClusterConfig { auto_create_config, ..ClusterConfig::default() });
    let request = MetadataRequest::of_topics(["new"]);
    let first = metadata(&mut cluster, 9, &request);
    assert_eq!(first.topics[0].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    let second = metadata(&mut cluster, 9, &request);
    assert_eq!((second.topics[0].error_code, second.topics[0].partitions.len()), (ErrorCode::NONE, 4));
}

#[test]
fn nothing_is_created_where_client_or_cluster_forbid_it() {
    let forbidden =
        MetadataRequest { allow_auto_topic_creation: false, ..MetadataRequest::of_topics(["new"]) };
    let mut cluster = Cluster::new(ClusterConfig::default());
    let mut strict = Cluster::new(ClusterConfig { auto_create_topics: false, ..ClusterConfig::default() });
    for _ in 0..2 {
        let response = metadata(&mut cluster, 9, &forbidden);
        assert_eq!(response.topics[0].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        let response = metadata(&mut strict, 9, &MetadataRequest::of_topics(["new"]));
        assert_eq!(response.topics[0].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
    assert_eq!(cluster.topic_names().count() + strict.topic_names().count(), 0);
    // Before version 4 a client cannot forbid it.
    metadata(&mut cluster, 3, &forbidden);
    assert_eq!(cluster.topic_names().collect::<Vec<_>>(), ["new"]);
}

#[test]
fn names_that_are_not_allowed_are_refused() {
    let mut cluster = three_brokers();
    let too_long = "x".repeat(250);
    for name in ["", ".", "..", "a b", "a/b", "ä", &too_long] {
        let response = metadata(&mut cluster, 9, &MetadataRequest::of_topics([name]));
        assert_eq!(response.topics[0].error_code, ErrorCode::INVALID_TOPIC_EXCEPTION, "{name:?}");
    }
    assert_eq!(cluster.topic_names().count(), 1);
}

#[test]
fn topics_are_found_by_id_from_version_12_on() {
    let mut cluster = three_brokers();
    let by_id = |topic_id| MetadataRequest {
        topics: Some(vec![MetadataRequestTopic { topic_id, name: None }]),
        ..MetadataRequest::all()
    };
    let id = cluster.topic_id("t").unwrap();
    let response = metadata(&mut cluster, 12, &by_id(id));
    assert_eq!((response.topics[0].name, response.topics[0].partitions.len()), (Some("t"), 3));
    let response = metadata(&mut cluster, 12, &by_id([9; 16]));
    let topic = &response.topics[0];
    assert_eq!((topic.error_code, topic.name, topic.topic_id), (ErrorCode::UNKNOWN_TOPIC_ID, None, [9; 16]));
}
