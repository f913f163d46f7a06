//! What is appended, what is refused, and what the answer says.

use felice_tests::cluster::{KeepRecords, Reply, TopicConfig};
use felice_tests::protocol::{
    ApiKey, ErrorCode, Uuid,
    batch_builder::BatchBuilder,
    produce::{PartitionProduceData, ProduceRequest, ProduceResponse},
    records,
};

use super::support::{
    NOW_MS, ask, ask_broker, one_topic, only_partition, produce, produce_bytes, reply, three_brokers, values,
};

const HOUR_MS: i64 = 60 * 60 * 1000;

#[track_caller]
fn refused(batch: &BatchBuilder, error_code: ErrorCode) {
    let mut cluster = one_topic();
    let outcome = produce(&mut cluster, batch);
    assert_eq!((outcome.error_code, outcome.base_offset), (error_code, -1));
    assert_eq!(cluster.log("t", 0).next_offset(), 0, "nothing was appended");
}

#[test]
fn records_are_read_back_as_they_were_sent() {
    let mut cluster = one_topic();
    let headers: [(&str, Option<&[u8]>); 2] = [("h", Some(b"1")), ("h", None)];
    let batch = BatchBuilder::new(NOW_MS)
        .record_with(NOW_MS - 5, Some(b"k"), Some(b"v"), &headers)
        .record(None, None)
        .producer(77, 3, 11);
    assert_eq!(produce(&mut cluster, &values(2)).base_offset, 0);
    assert_eq!(produce(&mut cluster, &batch).base_offset, 2);
    let records = cluster.records("t", 0);
    let (first, second) = (&records[2], &records[3]);
    assert_eq!((first.offset, first.timestamp), (2, NOW_MS - 5));
    assert_eq!((first.key.as_deref(), first.value.as_deref()), (Some(&b"k"[..]), Some(&b"v"[..])));
    assert_eq!(first.headers, [("h".to_owned(), Some(b"1".to_vec())), ("h".to_owned(), None)]);
    assert_eq!((first.producer_id, first.producer_epoch, first.sequence), (77, 3, 11));
    assert_eq!((second.offset, second.sequence), (3, 12));
    assert_eq!((&second.key, &second.value), (&None, &None));
    assert_eq!(records[0].sequence, -1);
    let stored = cluster.log("t", 0).batches().next_back().unwrap();
    assert_eq!(
        records::checksum(stored.bytes()),
        stored.header().crc,
        "base offset and epoch are not covered"
    );
}

#[test]
fn what_is_malformed_is_refused() {
    refused(&values(1).wrong_crc(), ErrorCode::CORRUPT_MESSAGE);
    refused(&values(2).declared_count(3), ErrorCode::INVALID_RECORD);
    refused(&values(2).declared_count(1), ErrorCode::INVALID_RECORD);
    refused(&values(2).declared_last_offset_delta(0), ErrorCode::INVALID_RECORD);
    refused(&values(0), ErrorCode::INVALID_RECORD);
    refused(&values(1).base_offset(1), ErrorCode::INVALID_RECORD);
    refused(&values(1).attributes(0x20), ErrorCode::INVALID_RECORD);
    refused(&values(1).producer(7, 0, -1), ErrorCode::INVALID_RECORD);
    refused(&values(1).raw_records(b"x"), ErrorCode::INVALID_RECORD);
    refused(&values(1).attributes(0x10), ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    refused(&BatchBuilder::of_values(NOW_MS, [vec![0; 1_100_000]]), ErrorCode::MESSAGE_TOO_LARGE);
}

#[test]
fn what_only_looks_odd_is_accepted() {
    let mut cluster = one_topic();
    for batch in [
        values(1).partition_leader_epoch(0),
        values(1).partition_leader_epoch(77),
        values(1).max_timestamp(5),
        BatchBuilder::of_values(0, ["1970"]),
        BatchBuilder::of_values(-1, ["no timestamp"]),
        BatchBuilder::of_values(NOW_MS + HOUR_MS, ["an hour ahead"]),
    ] {
        assert_eq!(produce(&mut cluster, &batch).error_code, ErrorCode::NONE, "{batch:?}");
    }
}

#[test]
fn one_partition_takes_one_batch() {
    let mut cluster = one_topic();
    let two = [values(1).build(), values(1).build()].concat();
    assert_eq!(produce_bytes(&mut cluster, 9, &two).error_code, ErrorCode::INVALID_RECORD);
    assert_eq!(produce_bytes(&mut cluster, 9, &[]).error_code, ErrorCode::INVALID_RECORD);
    assert_eq!(
        produce_bytes(&mut cluster, 9, &values(1).build()[..60]).error_code,
        ErrorCode::INVALID_RECORD
    );
    let mut request = ProduceRequest::of_batch("t", 0, &[]);
    request.topics[0].partitions[0].records = None;
    assert_eq!(only_partition(ask(&mut cluster, 9, &request)).error_code, ErrorCode::INVALID_RECORD);
    assert_eq!(cluster.log("t", 0).next_offset(), 0);
}

#[test]
fn a_timestamp_more_than_an_hour_ahead_fails_the_batch_and_names_the_record() {
    let mut cluster = one_topic();
    let batch = values(2).record_with(NOW_MS + HOUR_MS + 1, None, Some(b"late"), &[]);
    let outcome = produce(&mut cluster, &batch);
    assert_eq!(outcome.error_code, ErrorCode::INVALID_TIMESTAMP);
    assert_eq!(outcome.record_errors.iter().map(|error| error.batch_index).collect::<Vec<_>>(), [2]);
    assert!(outcome.error_message.is_some());
    assert_eq!((outcome.log_start_offset, cluster.log("t", 0).next_offset()), (0, 0));
    cluster.configure_topic("t", |config| config.log_append_time = true);
    assert_eq!(produce(&mut cluster, &batch).error_code, ErrorCode::NONE);
}

#[test]
fn log_append_time_replaces_the_timestamps() {
    let mut cluster = one_topic();
    cluster.configure_topic("t", |config| config.log_append_time = true);
    let outcome = produce(&mut cluster, &BatchBuilder::of_values(5, ["a", "b"]));
    assert_eq!(outcome.log_append_time_ms, NOW_MS);
    assert!(cluster.records("t", 0).iter().all(|record| record.timestamp == NOW_MS));
    let stored = cluster.log("t", 0).batches().next().unwrap();
    assert_eq!(records::checksum(stored.bytes()), stored.header().crc);
}

#[test]
fn a_compacted_topic_wants_keys() {
    let mut cluster = one_topic();
    cluster.configure_topic("t", |config| config.compacted = true);
    let outcome = produce(&mut cluster, &values(0).record(Some(b"k"), None).record(None, Some(b"v")));
    assert_eq!((outcome.error_code, outcome.record_errors[0].batch_index), (ErrorCode::INVALID_RECORD, 1));
    assert_eq!(produce(&mut cluster, &values(0).record(Some(b"k"), None)).error_code, ErrorCode::NONE);
}

#[test]
fn the_largest_batch_is_the_topics() {
    let mut cluster = one_topic();
    let batch = values(3);
    cluster.configure_topic("t", |config| config.max_message_bytes = batch.build().len());
    assert_eq!(produce(&mut cluster, &batch).error_code, ErrorCode::NONE);
    cluster.configure_topic("t", |config| config.max_message_bytes -= 1);
    assert_eq!(produce(&mut cluster, &batch).error_code, ErrorCode::MESSAGE_TOO_LARGE);
}

#[test]
fn zstd_needs_version_7() {
    let mut cluster = one_topic();
    let zstd = values(3).zstd().build();
    let outcome = produce_bytes(&mut cluster, 6, &zstd);
    assert_eq!(outcome.error_code, ErrorCode::UNSUPPORTED_COMPRESSION_TYPE);
    assert_eq!(produce_bytes(&mut cluster, 7, &zstd).error_code, ErrorCode::NONE);
    assert_eq!(cluster.log("t", 0).next_offset(), 3);
}

#[test]
fn acks_decide_about_the_answer() {
    let mut cluster = one_topic();
    let (good, bad) = (values(1).build(), values(1).wrong_crc().build());
    let with_acks = |acks, batch| ProduceRequest { acks, ..ProduceRequest::of_batch("t", 0, batch) };
    assert_eq!(reply(&mut cluster, 9, &with_acks(0, &good)), Reply::Nothing);
    assert_eq!(cluster.log("t", 0).next_offset(), 1);
    assert_eq!(reply(&mut cluster, 9, &with_acks(0, &bad)), Reply::Close);
    assert_eq!(only_partition(ask(&mut cluster, 9, &with_acks(1, &good))).base_offset, 1);
    let outcome = only_partition(ask(&mut cluster, 9, &with_acks(2, &good)));
    assert_eq!(outcome.error_code, ErrorCode::INVALID_REQUIRED_ACKS);
    assert_eq!(cluster.log("t", 0).next_offset(), 2);
}

#[test]
fn too_few_replicas_in_sync_refuse_acks_all_only() {
    let mut cluster = three_brokers();
    cluster.configure_topic("t", |config| config.min_insync_replicas = 2);
    cluster.set_isr("t", 0, &[1]);
    let batch = values(1).build();
    assert_eq!(produce_bytes(&mut cluster, 9, &batch).error_code, ErrorCode::NOT_ENOUGH_REPLICAS);
    let one = ProduceRequest { acks: 1, ..ProduceRequest::of_batch("t", 0, &batch) };
    assert_eq!(only_partition(ask(&mut cluster, 9, &one)).error_code, ErrorCode::NONE);
    cluster.set_isr("t", 0, &[1, 3]);
    assert_eq!(produce_bytes(&mut cluster, 9, &batch).error_code, ErrorCode::NONE);
}

#[test]
fn only_the_leader_appends_and_others_name_it_from_version_10_on() {
    let mut cluster = three_brokers();
    cluster.set_leader("t", 0, 3);
    let batch = values(1).build();
    for version in 3..=12 {
        let request = ProduceRequest::of_batch("t", 0, &batch);
        let response: ProduceResponse<'_> = ask_broker(&mut cluster, 2, version, &request);
        let hints = response.node_endpoints.iter().map(|endpoint| (endpoint.node_id, endpoint.port));
        let expected: &[_] = if version >= 10 { &[(3, 9094)] } else { &[] };
        assert_eq!(hints.collect::<Vec<_>>(), expected, "v{version}");
        let outcome = only_partition(response);
        assert_eq!(outcome.error_code, ErrorCode::NOT_LEADER_OR_FOLLOWER);
        let hint = outcome.current_leader.map(|leader| (leader.leader_id, leader.leader_epoch));
        assert_eq!(hint, (version >= 10).then_some((3, 1)), "v{version}");
    }
}

#[test]
fn unknown_topics_partitions_and_ids_have_their_errors() {
    let mut cluster = one_topic();
    let batch = values(1).build();
    let unknown = ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    let outcome = only_partition(ask(&mut cluster, 9, &ProduceRequest::of_batch("nope", 0, &batch)));
    assert_eq!(outcome.error_code, unknown);
    for index in [-1, 1, i32::MAX] {
        let outcome = only_partition(ask(&mut cluster, 9, &ProduceRequest::of_batch("t", index, &batch)));
        assert_eq!((outcome.index, outcome.error_code), (index, unknown));
    }
    let by_id = |id: Uuid| {
        let mut request = ProduceRequest::of_batch("", 0, &batch);
        request.topics[0].topic_id = id;
        request
    };
    let old_id = cluster.topic_id("t").unwrap();
    cluster.delete_topic("t");
    let new_id = cluster.create_topic("t", 1);
    assert_ne!(old_id, new_id);
    let outcome = only_partition(ask(&mut cluster, 13, &by_id(old_id)));
    assert_eq!(outcome.error_code, ErrorCode::UNKNOWN_TOPIC_ID);
    assert_eq!(only_partition(ask(&mut cluster, 13, &by_id(new_id))).error_code, ErrorCode::NONE);
}

#[test]
fn one_request_has_as_many_outcomes_as_partitions() {
    let mut cluster = three_brokers();
    let (good, bad) = (values(2).build(), values(1).wrong_crc().build());
    let mut request = ProduceRequest::of_batch("t", 0, &good);
    request.topics[0].partitions.push(PartitionProduceData { index: 2, records: Some(&good) });
    request.topics[0].partitions.push(PartitionProduceData { index: 0, records: Some(&bad) });
    let response: ProduceResponse<'_> = ask(&mut cluster, 8, &request);
    let outcomes = response.responses[0].partitions.iter().map(|one| (one.index, one.error_code));
    let (ok, wrong_broker) = (ErrorCode::NONE, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    assert_eq!(outcomes.collect::<Vec<_>>(), [(0, ok), (2, wrong_broker), (0, ErrorCode::CORRUPT_MESSAGE)]);
}

#[test]
fn what_is_kept_is_bounded_and_the_log_start_moves() {
    let mut cluster = one_topic();
    cluster.set_keep_records(KeepRecords::Last(5));
    for _ in 0..10 {
        produce(&mut cluster, &values(3));
    }
    let log = cluster.log("t", 0);
    assert_eq!((log.start_offset(), log.next_offset(), log.appended_batches()), (24, 30, 10));
    assert_eq!(cluster.records("t", 0).len(), 6);
    assert_eq!(cluster.record_count("t"), 30);
    cluster.set_keep_records(KeepRecords::None);
    let outcome = produce(&mut cluster, &values(3));
    assert_eq!((outcome.base_offset, outcome.log_start_offset), (30, 33));
    assert_eq!(cluster.log("t", 0).batches().len(), 0);
}

#[test]
fn the_request_log_remembers_the_last_requests() {
    let mut cluster = one_topic();
    cluster.create_topic_with("u", TopicConfig::with_partitions(2));
    produce(&mut cluster, &values(1));
    let request = cluster.requests().of(ApiKey::PRODUCE).next().unwrap();
    assert_eq!((request.broker_id, request.api_version, request.correlation_id), (1, 9, 42));
    assert_eq!(request.client_id.as_deref(), Some("test"));
    assert_eq!((cluster.requests().count(ApiKey::PRODUCE), cluster.requests().total()), (1, 1));
}
