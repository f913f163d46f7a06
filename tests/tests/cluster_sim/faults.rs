//! Faults on order.

use felice_tests::cluster::{Action, Cluster, Fault, Reply};
use felice_tests::protocol::{
    ApiKey, ErrorCode,
    api_versions::{ApiVersionsRequest, ApiVersionsResponse},
    fetch::{FetchRequest, FetchResponse},
    init_producer_id::{InitProducerIdRequest, InitProducerIdResponse},
    list_offsets::{ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic},
    metadata::{MetadataRequest, MetadataResponse},
    produce::{PartitionProduceData, ProduceRequest, ProduceResponse},
};

use super::support::{
    ask, decode, one_topic, produce, reply, request_frame, requests, three_brokers, values,
};

const STORAGE: ErrorCode = ErrorCode::KAFKA_STORAGE_ERROR;

/// What one Produce request of one record gets, and how many records are in the log then.
fn produce_reply(cluster: &mut Cluster) -> (Reply, i64) {
    let batch = values(1).build();
    let reply = reply(cluster, 9, &ProduceRequest::of_batch("t", 0, &batch));
    (reply, cluster.log("t", 0).next_offset())
}

#[test]
fn errors_come_in_order_and_as_often_as_wanted() {
    let mut cluster = one_topic();
    cluster.inject(Fault::error(ApiKey::PRODUCE, STORAGE).times(2));
    cluster.inject(Fault::error(ApiKey::PRODUCE, ErrorCode::REQUEST_TIMED_OUT));
    cluster.inject(Fault::error(ApiKey::METADATA, ErrorCode::LEADER_NOT_AVAILABLE));
    assert_eq!(cluster.faults_left(), 4);
    let codes: Vec<_> = (0..4).map(|_| produce(&mut cluster, &values(1)).error_code).collect();
    assert_eq!(codes, [STORAGE, STORAGE, ErrorCode::REQUEST_TIMED_OUT, ErrorCode::NONE]);
    assert_eq!((cluster.faults_left(), cluster.log("t", 0).next_offset()), (1, 1));
    cluster.clear_faults();
    assert_eq!(cluster.faults_left(), 0);
    assert_eq!(requests(&cluster, ApiKey::PRODUCE), 4);
}

#[test]
fn an_applied_request_can_be_answered_with_an_error() {
    let mut cluster = one_topic();
    cluster.inject(Fault::new(ApiKey::PRODUCE, Action::ApplyThenError(ErrorCode::REQUEST_TIMED_OUT)));
    let batch = values(1).producer(7, 0, 0);
    let outcome = produce(&mut cluster, &batch);
    assert_eq!((outcome.error_code, outcome.base_offset), (ErrorCode::REQUEST_TIMED_OUT, -1));
    assert_eq!(cluster.log("t", 0).next_offset(), 1);
    let again = produce(&mut cluster, &batch);
    assert_eq!((again.error_code, again.base_offset), (ErrorCode::NONE, 0), "it is known again");
}

#[test]
fn silence_closing_and_delay_apply_or_do_not() {
    for (action, expected, appended) in [
        (Action::Drop, Some(Reply::Stall), 0),
        (Action::ApplyThenDrop, Some(Reply::Stall), 1),
        (Action::Close, Some(Reply::Close), 0),
        (Action::ApplyThenClose, Some(Reply::Close), 1),
        (Action::Delay(250), None, 1),
    ] {
        let mut cluster = one_topic();
        cluster.inject(Fault::new(ApiKey::PRODUCE, action));
        let (reply, records) = produce_reply(&mut cluster);
        assert_eq!(records, appended, "{action:?}");
        match (reply, expected) {
            (Reply::Response { delay_us, .. }, None) => assert_eq!(delay_us, 250),
            (reply, expected) => assert_eq!(Some(reply), expected, "{action:?}"),
        }
        assert!(matches!(produce_reply(&mut cluster).0, Reply::Response { delay_us: 0, .. }));
    }
}

#[test]
fn a_fault_can_be_for_one_broker() {
    let mut cluster = three_brokers();
    cluster.inject(Fault::new(ApiKey::METADATA, Action::Close).on_broker(2));
    let frame = request_frame(9, &MetadataRequest::all());
    assert!(matches!(cluster.handle_request(0, 1, &frame), Reply::Response { .. }));
    assert_eq!(cluster.handle_request(0, 2, &frame), Reply::Close);
    assert!(matches!(cluster.handle_request(0, 2, &frame), Reply::Response { .. }));
}

#[test]
fn a_fault_can_be_for_one_partition_of_a_request() {
    let mut cluster = one_topic();
    cluster.create_topic("u", 2);
    cluster.inject(Fault::error(ApiKey::PRODUCE, STORAGE).on_partition("u", 1));
    let batch = values(1).build();
    let mut request = ProduceRequest::of_batch("u", 0, &batch);
    request.topics[0].partitions.push(PartitionProduceData { index: 1, records: Some(&batch) });
    let mut codes = || -> Vec<ErrorCode> {
        let response: ProduceResponse<'_> = ask(&mut cluster, 9, &request);
        response.responses[0].partitions.iter().map(|one| one.error_code).collect()
    };
    assert_eq!(codes(), [ErrorCode::NONE, STORAGE]);
    assert_eq!(codes(), [ErrorCode::NONE, ErrorCode::NONE]);
    assert_eq!(cluster.log("u", 1).next_offset(), 1);
}

#[test]
fn every_api_has_its_place_for_an_error() {
    let mut cluster = one_topic();
    let code = ErrorCode::CLUSTER_AUTHORIZATION_FAILED;
    for api_key in [0, 1, 2, 3, 18, 22] {
        cluster.inject(Fault::error(ApiKey(api_key), code));
    }
    assert_eq!(produce(&mut cluster, &values(1)).error_code, code);
    let fetched: FetchResponse<'_> = ask(&mut cluster, 12, &FetchRequest::of_partition("t", 0, 0));
    assert_eq!(fetched.responses[0].partitions[0].error_code, code);
    let partition = ListOffsetsPartition { partition_index: 0, current_leader_epoch: -1, timestamp: -1 };
    let topics = vec![ListOffsetsTopic { name: "t", partitions: vec![partition] }];
    let request = ListOffsetsRequest { replica_id: -1, isolation_level: 0, topics, timeout_ms: 0 };
    let listed: ListOffsetsResponse<'_> = ask(&mut cluster, 7, &request);
    assert_eq!(listed.topics[0].partitions[0].error_code, code);
    let metadata: MetadataResponse<'_> = ask(&mut cluster, 9, &MetadataRequest::all());
    assert_eq!(metadata.topics[0].error_code, code);
    let versions: ApiVersionsResponse = ask(&mut cluster, 0, &ApiVersionsRequest::default());
    assert_eq!(versions.error_code, code);
    let ids: InitProducerIdResponse = ask(&mut cluster, 4, &InitProducerIdRequest::default());
    assert_eq!((ids.error_code, ids.producer_id, cluster.producer_ids_given()), (code, -1, 0));
    assert_eq!(cluster.faults_left(), 0);
}

#[test]
fn two_errors_have_a_place_of_their_own() {
    let mut cluster = one_topic();
    cluster.inject(Fault::error(ApiKey::METADATA, ErrorCode::REBOOTSTRAP_REQUIRED));
    let response: MetadataResponse<'_> = ask(&mut cluster, 13, &MetadataRequest::all());
    assert_eq!((response.error_code, response.topics.len()), (ErrorCode::REBOOTSTRAP_REQUIRED, 0));
    cluster.inject(Fault::error(ApiKey::API_VERSIONS, ErrorCode::UNSUPPORTED_VERSION));
    let Reply::Response { frame, .. } = reply(&mut cluster, 4, &ApiVersionsRequest::default()) else {
        panic!()
    };
    let response: ApiVersionsResponse = decode(0, frame);
    assert_eq!((response.error_code, response.api_keys.len()), (ErrorCode::UNSUPPORTED_VERSION, 1));
}

#[test]
fn a_failed_write_without_acks_closes_the_connection() {
    let mut cluster = one_topic();
    cluster.inject(Fault::error(ApiKey::PRODUCE, STORAGE));
    let batch = values(1).build();
    let request = ProduceRequest { acks: 0, ..ProduceRequest::of_batch("t", 0, &batch) };
    assert_eq!(reply(&mut cluster, 9, &request), Reply::Close);
    assert_eq!(reply(&mut cluster, 9, &request), Reply::Nothing);
}

#[test]
fn the_throttle_time_is_in_every_answer() {
    let mut cluster = one_topic();
    cluster.set_throttle_time_ms(123);
    let response: MetadataResponse<'_> = ask(&mut cluster, 9, &MetadataRequest::all());
    assert_eq!(response.throttle_time_ms, 123);
    let batch = values(1).build();
    let response: ProduceResponse<'_> = ask(&mut cluster, 9, &ProduceRequest::of_batch("t", 0, &batch));
    assert_eq!(response.throttle_time_ms, 123);
}
