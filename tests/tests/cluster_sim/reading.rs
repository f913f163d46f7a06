//! Fetch and ListOffsets.

use felice_tests::cluster::{Cluster, KeepRecords, Reply};
use felice_tests::protocol::{
    ErrorCode,
    batch_builder::BatchBuilder,
    fetch::{FetchPartitionResponse, FetchRequest, FetchResponse},
    list_offsets::{EARLIEST, LATEST, ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse},
    list_offsets::{ListOffsetsTopic, MAX_TIMESTAMP},
    records,
};

use super::support::{NOW_MS, ask, one_topic, produce, reply, three_brokers, values};

fn fetch(
    cluster: &mut Cluster,
    version: i16,
    change: impl FnOnce(&mut FetchRequest<'_>),
) -> FetchPartitionResponse<'static> {
    let mut request = FetchRequest::of_partition("t", 0, 0);
    request.topics[0].topic_id = cluster.topic_id("t").unwrap();
    change(&mut request);
    let response: FetchResponse<'_> = ask(cluster, version, &request);
    assert_eq!((response.error_code, response.session_id), (ErrorCode::NONE, 0));
    response.responses.into_iter().next().unwrap().partitions.remove(0)
}

fn offsets(response: &FetchPartitionResponse<'_>) -> Vec<i64> {
    let records = response.records.iter().flat_map(|bytes| records::decode(bytes).unwrap());
    records.map(|record| record.offset).collect()
}

/// Three batches: offsets 0 and 1, 2 and 3, 4 and 5.
fn three_batches() -> Cluster {
    let mut cluster = one_topic();
    for number in 0..3 {
        produce(&mut cluster, &BatchBuilder::of_values(NOW_MS + number * 10, ["a", "b"]));
    }
    cluster
}

#[test]
fn every_version_reads_what_was_written() {
    let mut cluster = three_batches();
    for version in 4..=18 {
        let response = fetch(&mut cluster, version, |_| {});
        assert_eq!(offsets(&response), [0, 1, 2, 3, 4, 5], "v{version}");
        assert_eq!((response.high_watermark, response.last_stable_offset), (6, 6));
    }
}

#[test]
fn reading_begins_with_the_batch_that_holds_the_offset() {
    let mut cluster = three_batches();
    let mut from =
        |offset| fetch(&mut cluster, 12, |request| request.topics[0].partitions[0].fetch_offset = offset);
    assert_eq!(offsets(&from(3)), [2, 3, 4, 5]);
    assert_eq!(offsets(&from(4)), [4, 5]);
    assert_eq!((from(6).error_code, offsets(&from(6)).len()), (ErrorCode::NONE, 0));
    assert_eq!(from(7).error_code, ErrorCode::OFFSET_OUT_OF_RANGE);
    assert_eq!(from(-1).error_code, ErrorCode::OFFSET_OUT_OF_RANGE);
}

#[test]
fn limits_hold_but_for_the_first_batch() {
    let mut cluster = three_batches();
    let batch = cluster.log("t", 0).batches().next().unwrap().bytes().len() as i32;
    let mut limited = |bytes| offsets(&fetch(&mut cluster, 12, |request| request.max_bytes = bytes)).len();
    assert_eq!(limited(batch * 2), 4);
    assert_eq!(limited(batch * 2 - 1), 2);
    assert_eq!(limited(1), 2);
    let one = fetch(&mut cluster, 12, |request| request.topics[0].partitions[0].partition_max_bytes = batch);
    assert_eq!(offsets(&one), [0, 1]);
}

#[test]
fn an_empty_answer_waits_as_long_as_the_client_allows() {
    let mut cluster = one_topic();
    let waiting = FetchRequest { max_wait_ms: 500, min_bytes: 1, ..FetchRequest::of_partition("t", 0, 0) };
    let delay = |reply| match reply {
        Reply::Response { delay_us, .. } => delay_us,
        other => panic!("{other:?}"),
    };
    assert_eq!(delay(reply(&mut cluster, 12, &waiting)), 500_000);
    let unknown = FetchRequest { max_wait_ms: 500, min_bytes: 1, ..FetchRequest::of_partition("t", 9, 0) };
    assert_eq!(delay(reply(&mut cluster, 12, &unknown)), 0);
    produce(&mut cluster, &values(1));
    assert_eq!(delay(reply(&mut cluster, 12, &waiting)), 0);
}

#[test]
fn wrong_brokers_epochs_and_sessions_are_refused() {
    let mut cluster = three_brokers();
    cluster.set_leader("t", 0, 1);
    let mut with_epoch = |epoch| {
        fetch(&mut cluster, 12, |request| request.topics[0].partitions[0].current_leader_epoch = epoch)
            .error_code
    };
    assert_eq!(with_epoch(0), ErrorCode::FENCED_LEADER_EPOCH);
    assert_eq!(with_epoch(1), ErrorCode::NONE);
    assert_eq!(with_epoch(2), ErrorCode::UNKNOWN_LEADER_EPOCH);
    cluster.set_leader("t", 0, 2);
    assert_eq!(fetch(&mut cluster, 12, |_| {}).error_code, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    let unknown_id = fetch(&mut cluster, 13, |request| request.topics[0].topic_id = [9; 16]);
    assert_eq!(unknown_id.error_code, ErrorCode::UNKNOWN_TOPIC_ID);
    let session = FetchRequest { session_id: 5, ..FetchRequest::of_partition("t", 0, 0) };
    let response: FetchResponse<'_> = ask(&mut cluster, 12, &session);
    assert_eq!(response.error_code, ErrorCode::FETCH_SESSION_ID_NOT_FOUND);
}

#[test]
fn offsets_are_found_by_place_and_by_time() {
    let mut cluster = three_batches();
    let mut find = |version, timestamp| {
        let partition = ListOffsetsPartition { partition_index: 0, current_leader_epoch: 0, timestamp };
        let topics = vec![ListOffsetsTopic { name: "t", partitions: vec![partition] }];
        let request = ListOffsetsRequest { replica_id: -1, isolation_level: 0, topics, timeout_ms: 0 };
        let response: ListOffsetsResponse<'_> = ask(&mut cluster, version, &request);
        let found = response.topics[0].partitions[0];
        assert_eq!(found.error_code, ErrorCode::NONE);
        (found.timestamp, found.offset)
    };
    for version in 1..=11 {
        assert_eq!(find(version, EARLIEST), (-1, 0));
        assert_eq!(find(version, LATEST), (-1, 6));
        assert_eq!(find(version, NOW_MS + 1), (NOW_MS + 10, 2));
        assert_eq!(find(version, NOW_MS + 21), (-1, -1));
        assert_eq!(find(version, MAX_TIMESTAMP), (NOW_MS + 20, 4));
    }
    cluster.set_keep_records(KeepRecords::Last(1));
    produce(&mut cluster, &values(1));
    let partition =
        ListOffsetsPartition { partition_index: 0, current_leader_epoch: -1, timestamp: EARLIEST };
    let topics = vec![ListOffsetsTopic { name: "t", partitions: vec![partition] }];
    let request = ListOffsetsRequest { replica_id: -1, isolation_level: 0, topics, timeout_ms: 0 };
    let response: ListOffsetsResponse<'_> = ask(&mut cluster, 7, &request);
    assert_eq!(response.topics[0].partitions[0].offset, 6);
}
