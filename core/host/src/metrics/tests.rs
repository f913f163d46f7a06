use felice_core::id::{BatchId, TopicId, TopicPartition};
use felice_core::sender::Departing;
use felice_core::time::Instant;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn live(client_id: &str) -> Live {
    Live::new(client_id, (4, 3), 4_096, Instant::ZERO, Some(Arc::default()))
}

fn batch(topic: u16, records: u32, bytes: u32) -> Departing {
    let partition = TopicPartition { topic: TopicId(topic), partition: 0 };
    Departing { batch: BatchId::new(0, 0), partition, records, bytes, created: Instant::ZERO }
}

#[test]
fn what_is_counted_between_two_snapshots_is_their_difference() {
    let live = live("gateway");
    live.name(TopicId(0), &"a".into());
    let now = Instant::ZERO + SECOND;
    live.owned(0, 7);
    live.sent(now, &batch(0, 10, 1_000), Some(2_000));
    live.requested(0, 10);
    live.acknowledged(TopicId(0), 10);
    let before = live.read(now);
    assert_eq!((before.records.record_send_total, before.records.compression_rate_avg()), (10, 0.5));
    assert_eq!(before.per_second(10), 10.0);
    assert_eq!(live.read(Instant::ZERO).per_second(10), 0.0, "no time");

    live.name(TopicId(1), &"b".into());
    let now = now + 4 * SECOND;
    live.sent(now, &batch(1, 5, 300), Some(300));
    live.sent(now, &batch(0, 10, 1_000), None);
    live.requested(0, 15);
    live.produced(0, SECOND, Duration::ZERO);
    live.failed_of(TopicId(1), 5);
    let after = live.read(now);
    let between = after.since(&before);
    let RecordCounters { record_send_total, record_retry_total, record_error_total, byte_total, .. } =
        between.records;
    assert_eq!((record_send_total, record_retry_total, record_error_total, byte_total), (15, 10, 5, 1_300));
    assert_eq!(between.records.compression_rate_avg(), 1.0);
    assert_eq!((between.elapsed, between.per_second(record_send_total)), (4 * SECOND, 3.75));
    let topics: Vec<_> =
        between.topics.iter().map(|topic| (&*topic.topic, topic.records.record_send_total)).collect();
    assert_eq!(topics, [("a", 10), ("b", 5)]);
    assert_eq!((between.nodes[0].node_id, between.nodes[0].requests.request_total), (7, 1));
    assert_eq!((between.batch_size_bytes.count(), between.batch_size_bytes.sum()), (2, 1_300));
    assert_eq!(after.record_queue_time_us.count(), 2, "what is sent again has waited once");
    assert_eq!(live.read(now).since(&after).records, RecordCounters::default());
}

#[test]
fn a_brokers_place_is_counted_anew_for_another_one() {
    let live = live("gateway");
    let node = |live: &Live| live.read(Instant::ZERO).nodes.first().cloned();
    assert_eq!(node(&live), None, "nobody was connected to");
    live.owned(0, -1);
    live.opened(0);
    live.requested(0, 0);
    live.owned(0, 0);
    live.produced(0, SECOND, Duration::ZERO);
    let bootstrap = node(&live).unwrap();
    assert_eq!((bootstrap.node_id, bootstrap.requests.request_total, bootstrap.is_connected), (0, 1, true));
    live.closed(0);
    live.closed(0);
    live.owned(0, 5);
    let other = node(&live).unwrap();
    assert_eq!(
        (other.node_id, other.requests, other.request_latency_count),
        (5, RequestCounters::default(), 0)
    );
    assert_eq!(other.request_latency_us_max, 0);
    let all = live.read(Instant::ZERO).requests;
    assert_eq!((all.request_total, all.connection_creation_total, all.connection_close_total), (1, 1, 1));
}

#[test]
fn beyond_the_tables_only_the_sums_are_counted() {
    let live = live("gateway");
    live.name(TopicId(9), &"x".into());
    live.sent(Instant::ZERO, &batch(9, 3, 100), Some(100));
    live.opened(9);
    let metrics = live.read(Instant::ZERO);
    assert_eq!((metrics.topics.len(), metrics.nodes.len()), (0, 0));
    assert_eq!((metrics.records.record_send_total, metrics.requests.connection_creation_total), (3, 1));
}

#[test]
fn the_text_is_prometheus_own() {
    let live = live("a \"gate\\way\"\n7");
    live.name(TopicId(0), &"readings".into());
    live.sent(Instant::ZERO + Duration::from_micros(1_024), &batch(0, 10, 129), Some(200));
    live.owned(0, -1);
    live.owned(1, 2);
    let text = live.read(Instant::ZERO + SECOND).to_prometheus().to_string();
    let client = r#"client_id="a \"gate\\way\"\n7""#;
    for lines in [
        format!(
            "# HELP felice_record_send_total Records that were sent to a broker, once for each time that they were.\n# TYPE felice_record_send_total counter\nfelice_record_send_total{{{client}}} 10\n"
        ),
        format!("felice_topic_byte_total{{{client},topic=\"readings\"}} 129\n"),
        format!(
            "felice_node_request_total{{{client},node_id=\"-1\"}} 0\nfelice_node_request_total{{{client},node_id=\"2\"}} 0\n"
        ),
        format!(
            "felice_batch_size_bytes_bucket{{{client},le=\"128\"}} 0\nfelice_batch_size_bytes_bucket{{{client},le=\"256\"}} 1\n"
        ),
        format!("felice_record_queue_time_seconds_bucket{{{client},le=\"0.001024\"}} 1\n"),
        format!(
            "felice_record_queue_time_seconds_bucket{{{client},le=\"+Inf\"}} 1\nfelice_record_queue_time_seconds_sum{{{client}}} 0.001024\nfelice_record_queue_time_seconds_count{{{client}}} 1\n"
        ),
        format!("felice_spool_records{{{client}}} 0\n"),
    ] {
        assert!(text.contains(&lines), "{lines}\nis not in\n{text}");
    }
    assert!(!text.contains("metadata_age"), "there is none yet");
}
