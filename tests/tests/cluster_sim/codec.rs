//! Every message in every version: what is encoded is decoded, and encoded again to the same bytes.

use std::borrow::Cow;
use std::fmt::Debug;

use felice_tests::protocol::{
    ApiKey, ErrorCode, Message, RequestHeader,
    api_versions::{ApiVersion, ApiVersionsRequest, ApiVersionsResponse},
    decode_request, decode_response, encode_request, encode_response,
    fetch::{FetchPartitionResponse, FetchRequest, FetchResponse, FetchTopicResponse},
    init_producer_id::{InitProducerIdRequest, InitProducerIdResponse},
    list_offsets::{
        ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest, ListOffsetsResponse,
        ListOffsetsTopic, ListOffsetsTopicResponse,
    },
    metadata::{
        MetadataBroker, MetadataPartition, MetadataRequest, MetadataRequestTopic, MetadataResponse,
        MetadataTopic,
    },
    produce::{
        LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, ProduceRequest, ProduceResponse,
        RecordError, TopicProduceResponse,
    },
};

const ID: [u8; 16] = *b"0123456789abcdef";

/// What older versions leave out is lost; the last version must keep everything.
fn request<'m, M: Message<'m> + PartialEq + Debug>(version: i16, keeps_all: bool, message: &M) {
    let header = RequestHeader { client_id: Some("me"), ..RequestHeader::new(M::API_KEY, version, -7) };
    let frame: &'static [u8] = encode_request(&header, message).leak();
    let (decoded, mut body) = decode_request(&frame[4..]).unwrap();
    assert_eq!(decoded, header);
    let again: M = body.message(version).unwrap();
    assert_eq!(body.finish(), Ok(()), "v{version}");
    assert_eq!(encode_request(&header, &again), frame, "v{version}");
    assert!(!keeps_all || again == *message, "v{version}: {again:?}");
}

/// As for requests; and every cut of the bytes is an error.
fn response<'m, M: Message<'m> + PartialEq + Debug>(version: i16, keeps_all: bool, message: &M) {
    let frame: &'static [u8] = encode_response(-7, version, message).leak();
    assert_eq!(frame.len() - 4, u32::from_be_bytes(frame[..4].try_into().unwrap()) as usize);
    let (correlation_id, again) = decode_response::<M>(version, &frame[4..]).unwrap();
    assert_eq!(correlation_id, -7);
    assert_eq!(encode_response(-7, version, &again), frame, "v{version}");
    assert!(!keeps_all || again == *message, "v{version}: {again:?}");
    for cut in 4..frame.len() {
        assert!(decode_response::<M>(version, &frame[4..cut]).is_err(), "v{version} cut at {cut}");
    }
}

#[test]
fn api_versions() {
    let asked = ApiVersionsRequest { client_software_name: "felice", client_software_version: "0.1" };
    let entry = ApiVersion { api_key: ApiKey::PRODUCE, min_version: 0, max_version: 13 };
    let answer = ApiVersionsResponse {
        error_code: ErrorCode::NONE,
        api_keys: vec![entry; 3],
        throttle_time_ms: 9,
        ..Default::default()
    };
    for version in 0..=4 {
        request(version, version >= 3, &asked);
        response(version, version >= 1, &answer);
    }
    assert_eq!(answer.versions_of(ApiKey::PRODUCE), Some(entry));
    assert_eq!(answer.versions_of(ApiKey::FETCH), None);
}

#[test]
fn metadata() {
    let topics = ["a", "b"].map(|name| MetadataRequestTopic { topic_id: ID, name: Some(name) });
    let asked = MetadataRequest {
        topics: Some(topics.to_vec()),
        allow_auto_topic_creation: false,
        include_cluster_authorized_operations: false,
        include_topic_authorized_operations: true,
    };
    let by_id = MetadataRequestTopic { topic_id: ID, name: None };
    let partition = MetadataPartition {
        error_code: ErrorCode::LEADER_NOT_AVAILABLE,
        partition_index: 5,
        leader_id: -1,
        leader_epoch: 7,
        replica_nodes: vec![1, 2, 3],
        isr_nodes: vec![2],
        offline_replicas: vec![1, 3],
    };
    let topic = MetadataTopic {
        error_code: ErrorCode::NONE,
        name: Some("a"),
        topic_id: ID,
        is_internal: true,
        partitions: vec![partition.clone(), partition],
    };
    let answer = MetadataResponse {
        throttle_time_ms: 1,
        brokers: vec![MetadataBroker { node_id: 1, host: "host", port: 9092, rack: Some("rack") }],
        cluster_id: Some("cluster"),
        controller_id: 1,
        topics: vec![topic.clone(), topic],
        error_code: ErrorCode::REBOOTSTRAP_REQUIRED,
    };
    for version in 0..=13 {
        request(version, version >= 11, &asked);
        request(version, version >= 8, &MetadataRequest { topics: Some(Vec::new()), ..asked.clone() });
        response(version, version >= 13, &answer);
    }
    for version in 1..=13 {
        request(version, version >= 8, &MetadataRequest { topics: None, ..asked.clone() });
    }
    for version in 10..=13 {
        request(version, true, &MetadataRequest { topics: Some(vec![by_id.clone()]), ..asked.clone() });
    }
}

#[test]
fn produce() {
    let asked =
        ProduceRequest { transactional_id: Some("x"), acks: 1, ..ProduceRequest::of_batch("t", 3, b"123") };
    let mut by_id = ProduceRequest::of_batch("", 3, b"123");
    by_id.topics[0].topic_id = ID;
    let mut partition = PartitionProduceResponse::error(3, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    partition.log_start_offset = 17;
    partition.record_errors = vec![RecordError { batch_index: 1, message: Some(Cow::Borrowed("bad")) }];
    partition.error_message = Some(Cow::Borrowed("worse"));
    partition.current_leader = Some(LeaderIdAndEpoch { leader_id: 2, leader_epoch: 9 });
    let topic = TopicProduceResponse { name: "t", topic_id: [0; 16], partitions: vec![partition] };
    let answer = ProduceResponse {
        responses: vec![topic.clone()],
        throttle_time_ms: 5,
        node_endpoints: vec![NodeEndpoint { node_id: 2, host: "host", port: 9093, rack: None }],
    };
    for version in 3..=12 {
        request(version, true, &asked);
        response(version, version >= 10, &answer);
    }
    request(13, true, &by_id);
    let topic = TopicProduceResponse { name: "", topic_id: ID, ..topic };
    response(13, true, &ProduceResponse { responses: vec![topic], ..answer });
}

#[test]
fn init_producer_id() {
    let asked = InitProducerIdRequest {
        transactional_id: None,
        producer_id: 5,
        producer_epoch: 2,
        ..Default::default()
    };
    let answer = InitProducerIdResponse {
        throttle_time_ms: 0,
        error_code: ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        producer_id: 1 << 40,
        producer_epoch: 3,
    };
    for version in 0..=5 {
        request(version, version >= 3, &asked);
        response(version, true, &answer);
    }
}

#[test]
fn list_offsets() {
    let partition = ListOffsetsPartition { partition_index: 1, current_leader_epoch: 4, timestamp: -2 };
    let asked = ListOffsetsRequest {
        replica_id: -1,
        isolation_level: 1,
        topics: vec![ListOffsetsTopic { name: "t", partitions: vec![partition] }],
        timeout_ms: 1000,
    };
    let partition = ListOffsetsPartitionResponse {
        partition_index: 1,
        error_code: ErrorCode::NONE,
        timestamp: 8,
        offset: 9,
        leader_epoch: 4,
    };
    let answer = ListOffsetsResponse {
        throttle_time_ms: 1,
        topics: vec![ListOffsetsTopicResponse { name: "t", partitions: vec![partition; 2] }],
    };
    for version in 1..=11 {
        request(version, version >= 10, &asked);
        response(version, version >= 4, &answer);
    }
}

#[test]
fn fetch() {
    let mut asked = FetchRequest::of_partition("t", 1, 1 << 33);
    asked.topics[0].partitions[0].current_leader_epoch = 3;
    let partition = FetchPartitionResponse {
        partition_index: 1,
        error_code: ErrorCode::NONE,
        high_watermark: 20,
        last_stable_offset: 19,
        log_start_offset: 2,
        aborted: vec![(4, 7)],
        records: vec![b"records"],
    };
    let topic = FetchTopicResponse { name: "t", topic_id: [0; 16], partitions: vec![partition] };
    let mut answer = FetchResponse {
        throttle_time_ms: 3,
        error_code: ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
        session_id: 77,
        responses: vec![topic],
    };
    for version in 4..=12 {
        request(version, version >= 9, &asked);
        response(version, version >= 7, &answer);
    }
    (asked.topics[0].name, asked.topics[0].topic_id) = ("", ID);
    (answer.responses[0].name, answer.responses[0].topic_id) = ("", ID);
    for version in 13..=18 {
        request(version, true, &asked);
        response(version, true, &answer);
    }
}
