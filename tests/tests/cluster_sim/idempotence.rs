//! Producer ids, epochs, sequences, and the window of five batches.

use felice_tests::cluster::{Cluster, ClusterConfig};
use felice_tests::protocol::{
    ErrorCode,
    batch_builder::BatchBuilder,
    init_producer_id::{InitProducerIdRequest, InitProducerIdResponse},
    produce::{PartitionProduceResponse, ProduceRequest},
};

use super::support::{NOW_MS, ask, ask_broker, one_topic, only_partition, produce, values};

const OUT_OF_ORDER: ErrorCode = ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER;

/// A batch of `count` records of producer 7.
fn numbered(epoch: i16, sequence: i32, count: usize) -> BatchBuilder {
    values(count).producer(7, epoch, sequence)
}

/// Error and base offset.
fn outcome(cluster: &mut Cluster, batch: &BatchBuilder) -> (ErrorCode, i64) {
    let outcome = produce(cluster, batch);
    (outcome.error_code, outcome.base_offset)
}

#[test]
fn the_last_five_batches_are_known_again_and_an_older_one_is_not() {
    let mut cluster = one_topic();
    for index in 0..6 {
        assert_eq!(
            outcome(&mut cluster, &numbered(0, index * 2, 2)),
            (ErrorCode::NONE, i64::from(index) * 2)
        );
    }
    for index in 1..6 {
        let again: PartitionProduceResponse<'_> = produce(&mut cluster, &numbered(0, index * 2, 2));
        assert_eq!((again.error_code, again.base_offset), (ErrorCode::NONE, i64::from(index) * 2));
        assert_eq!(again.log_append_time_ms, NOW_MS, "a repetition has the batch's timestamp");
    }
    assert_eq!(outcome(&mut cluster, &numbered(0, 0, 2)), (OUT_OF_ORDER, -1));
    assert_eq!(cluster.log("t", 0).next_offset(), 12);
}

#[test]
fn gaps_and_other_boundaries_are_refused() {
    let mut cluster = one_topic();
    assert_eq!(outcome(&mut cluster, &numbered(0, 0, 3)).0, ErrorCode::NONE);
    assert_eq!(outcome(&mut cluster, &numbered(0, 4, 1)).0, OUT_OF_ORDER);
    assert_eq!(outcome(&mut cluster, &numbered(0, 0, 2)).0, OUT_OF_ORDER);
    assert_eq!(outcome(&mut cluster, &numbered(0, 2, 2)).0, OUT_OF_ORDER);
    assert_eq!(outcome(&mut cluster, &numbered(0, 3, 1)), (ErrorCode::NONE, 3));
    assert_eq!(produce(&mut cluster, &numbered(0, 9, 1)).log_start_offset, 0);
}

#[test]
fn where_nothing_is_known_any_first_sequence_and_epoch_is_accepted() {
    let mut cluster = one_topic();
    assert_eq!(outcome(&mut cluster, &numbered(4, 5, 1)).0, ErrorCode::NONE);
    assert_eq!(outcome(&mut cluster, &numbered(4, 0, 1)).0, OUT_OF_ORDER);
    assert_eq!(outcome(&mut cluster, &numbered(4, 6, 1)).0, ErrorCode::NONE);
}

#[test]
fn a_new_epoch_begins_at_zero_and_ends_the_old_one() {
    let mut cluster = one_topic();
    assert_eq!(outcome(&mut cluster, &numbered(0, 0, 1)).0, ErrorCode::NONE);
    assert_eq!(outcome(&mut cluster, &numbered(1, 1, 1)).0, OUT_OF_ORDER);
    assert_eq!(outcome(&mut cluster, &numbered(1, 0, 1)), (ErrorCode::NONE, 1));
    assert_eq!(outcome(&mut cluster, &numbered(0, 1, 1)).0, ErrorCode::INVALID_PRODUCER_EPOCH);
    assert_eq!(outcome(&mut cluster, &numbered(0, 0, 1)).0, ErrorCode::INVALID_PRODUCER_EPOCH);
    assert_eq!(outcome(&mut cluster, &numbered(1, 0, 1)), (ErrorCode::NONE, 1));
}

#[test]
fn sequences_wrap_from_the_greatest_to_zero() {
    let mut cluster = one_topic();
    assert_eq!(outcome(&mut cluster, &numbered(0, i32::MAX - 1, 1)).0, ErrorCode::NONE);
    assert_eq!(outcome(&mut cluster, &numbered(0, i32::MAX, 3)), (ErrorCode::NONE, 1));
    assert_eq!(outcome(&mut cluster, &numbered(0, i32::MAX, 3)), (ErrorCode::NONE, 1));
    assert_eq!(outcome(&mut cluster, &numbered(0, 2, 1)), (ErrorCode::NONE, 4));
    let sequences: Vec<i32> = cluster.records("t", 0).iter().map(|record| record.sequence).collect();
    assert_eq!(sequences, [i32::MAX - 1, i32::MAX, 0, 1, 2]);
}

#[test]
fn producers_and_partitions_are_apart() {
    let mut cluster = Cluster::new(ClusterConfig::default());
    cluster.create_topic("t", 2);
    assert_eq!(outcome(&mut cluster, &numbered(0, 0, 1)).0, ErrorCode::NONE);
    assert_eq!(outcome(&mut cluster, &values(1).producer(8, 0, 0)), (ErrorCode::NONE, 1));
    let batch = numbered(0, 0, 1).build();
    let other = only_partition(ask(&mut cluster, 9, &ProduceRequest::of_batch("t", 1, &batch)));
    assert_eq!((other.error_code, other.base_offset), (ErrorCode::NONE, 0));
}

#[test]
fn a_refused_batch_leaves_no_trace_in_the_sequences() {
    let mut cluster = one_topic();
    assert_eq!(outcome(&mut cluster, &numbered(0, 0, 1).wrong_crc()).0, ErrorCode::CORRUPT_MESSAGE);
    assert_eq!(outcome(&mut cluster, &numbered(0, 5, 1)), (ErrorCode::NONE, 0));
}

#[test]
fn a_broker_that_was_restarted_remembers_one_batch() {
    let mut cluster = one_topic();
    for index in 0..3 {
        outcome(&mut cluster, &numbered(0, index, 1));
    }
    cluster.stop_broker(1);
    cluster.start_broker(1);
    assert_eq!(outcome(&mut cluster, &numbered(0, 2, 1)), (ErrorCode::NONE, 2));
    assert_eq!(outcome(&mut cluster, &numbered(0, 1, 1)).0, OUT_OF_ORDER);
    assert_eq!(outcome(&mut cluster, &numbered(0, 3, 1)), (ErrorCode::NONE, 3));
}

#[test]
fn a_follower_that_takes_over_remembers_all_five() {
    let mut cluster = Cluster::new(ClusterConfig { brokers: 2, ..ClusterConfig::default() });
    cluster.create_topic("t", 1);
    for index in 0..3 {
        outcome(&mut cluster, &numbered(0, index, 1));
    }
    cluster.stop_broker(1);
    let batch = numbered(0, 0, 1).build();
    let request = ProduceRequest::of_batch("t", 0, &batch);
    let at_follower = only_partition(ask_broker(&mut cluster, 2, 9, &request));
    assert_eq!((at_follower.error_code, at_follower.base_offset), (ErrorCode::NONE, 0));
    cluster.start_broker(1);
    cluster.set_leader("t", 0, 1);
    assert_eq!(only_partition(ask(&mut cluster, 9, &request)).error_code, OUT_OF_ORDER);
}

#[test]
fn every_init_producer_id_gives_a_new_id() {
    let mut cluster = one_topic();
    for version in 0..=5 {
        let response: InitProducerIdResponse = ask(&mut cluster, version, &InitProducerIdRequest::default());
        assert_eq!((response.error_code, response.producer_epoch), (ErrorCode::NONE, 0));
        assert_eq!(response.producer_id, 1000 + i64::from(version));
    }
    let next_epoch = InitProducerIdRequest { producer_id: 1000, producer_epoch: 0, ..Default::default() };
    let response: InitProducerIdResponse = ask(&mut cluster, 3, &next_epoch);
    assert_eq!((response.error_code, response.producer_id), (ErrorCode::NONE, 1006));
    let half = InitProducerIdRequest { producer_id: 1000, ..Default::default() };
    let response: InitProducerIdResponse = ask(&mut cluster, 3, &half);
    assert_eq!((response.error_code, response.producer_id), (ErrorCode::INVALID_REQUEST, -1));
    assert_eq!(cluster.producer_ids_given(), 7);
}
