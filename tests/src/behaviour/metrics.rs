//! What a producer counts is what the cluster has seen and the outcomes say, also where much goes wrong; and its text is
//! Prometheus', by a parser of other people's.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use felice_core::compression::Compression;
use felice_core::record::ProducerRecord;
use felice_host::{Metrics, SendError};
use nom_openmetrics::parser::prometheus;
use nom_openmetrics::{Family, MetricDescriptor, MetricType, Sample};

use super::stream::{Stream, impatient};
use super::{FrontEnd, Handle, PATIENCE, Target, Witness, builder, wait_until};
use crate::cluster::{Action, Fault, Offered};
use crate::protocol::{ApiKey, ErrorCode};
use crate::spooled::{self, Directory};

/// What needs escaping in a label, and what a parser may stumble over.
const CLIENT_ID: &str = "a \"gate\\way\",\n} {7=";

/// Everything is acknowledged: also real Kafka's side of it is known.
pub fn of_a_plain_run<F: FrontEnd>(target: &Target) {
    let stream =
        Stream::<F>::new(target, "metrics", |builder| builder.client_id(CLIENT_ID).batch_size(2_000));
    let sent = stream.send(0..5_000);
    stream.settled(sent);
    let metrics = &stream.producer.metrics();
    assert_eq!(outcomes(metrics), [5_000, 5_000, 0]);
    let records = metrics.records;
    let first_sends = records.record_send_total - records.record_retry_total;
    assert_eq!(first_sends, 5_000, "a new topic may have no leader yet: {records:?}");
    assert_eq!((metrics.topics.len(), metrics.topics[0].records), (1, records));
    assert_eq!((&*metrics.topics[0].topic, &*metrics.client_id), (&*stream.topic, CLIENT_ID));
    assert_eq!(records.compression_rate_avg(), 1.0);
    let Metrics { batch_size_bytes, records_per_request, request_latency_us, .. } = metrics;
    assert_eq!(batch_size_bytes.sum(), records.byte_total);
    assert!(batch_size_bytes.quantile(0.0) > 61, "{batch_size_bytes:?}");
    assert_eq!(records_per_request.sum(), records.record_send_total);
    assert_eq!(request_latency_us.count(), records_per_request.count(), "all of them are answered");
    assert!(request_latency_us.quantile(0.0) > 0 && request_latency_us.max() < PATIENCE.as_micros() as u64);
    assert!(metrics.record_queue_time_us.count() <= batch_size_bytes.count());
    assert!(metrics.metadata_age.expect("there is metadata") <= metrics.elapsed);
    assert!(metrics.per_second(5_000) > 5_000.0 / PATIENCE.as_secs_f64());
    check_nodes(metrics, 3);
    check_text(metrics);
    wait_until("all memory is back", || {
        let Metrics { buffer_available_bytes, buffer_total_bytes, .. } = stream.producer.metrics();
        buffer_available_bytes == buffer_total_bytes && buffer_total_bytes > 0
    });
    stream.finish(sent, 0);
}

/// Errors that pass and errors that do not, with five requests in flight: all of them arrive, so everything is compared with
/// what the cluster has seen, bytes of the protocol included. Meanwhile somebody takes one snapshot after the other.
pub fn while_requests_are_refused<F: FrontEnd>(target: &Target) {
    let patient = |builder| impatient(builder).request_timeout(Duration::from_secs(60)).client_id(CLIENT_ID);
    let stream = Stream::<F>::new(target, "metrics-refused", patient);
    let codes = [
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::NOT_ENOUGH_REPLICAS,
        ErrorCode::INVALID_RECORD,
        ErrorCode::KAFKA_STORAGE_ERROR,
    ];
    let errors = codes.map(Action::Error).into_iter();
    let actions = errors.chain([Action::ApplyThenError(ErrorCode::REQUEST_TIMED_OUT)]);
    let ended = AtomicBool::new(false);
    let sent = thread::scope(|scope| {
        scope.spawn(|| {
            let mut before = stream.producer.metrics();
            while !ended.load(Ordering::Relaxed) {
                let now = stream.producer.metrics();
                check_growth(&before, &now);
                before = now;
            }
        });
        let mut sent = 0;
        for action in actions {
            let fault = Fault::new(ApiKey::PRODUCE, action).times(3);
            sent = stream.through(&fault, sent);
        }
        ended.store(true, Ordering::Relaxed);
        sent
    });
    let failures = stream.settled(sent).len();
    wait_until("every request has arrived and is answered", || {
        let metrics = stream.producer.metrics();
        let arrived = target.cluster().with(|it| it.requests().total());
        metrics.requests.request_total == arrived && metrics.requests_in_flight == 0
    });
    let metrics = &stream.producer.metrics();
    assert!(failures > 0 && metrics.records.record_retry_total > 0, "{failures} failures, {metrics:?}");
    assert_eq!(outcomes(metrics), [sent, sent - failures as u64, failures as u64]);
    check_offered(target, metrics);
    let bytes: u64 =
        target.cluster().with(|it| it.requests().iter().map(|request| request.bytes as u64 + 4).sum());
    let requests = metrics.requests;
    assert_eq!((requests.outgoing_byte_total, requests.response_total), (bytes, requests.request_total));
    assert_eq!(metrics.request_latency_us.count(), metrics.records_per_request.count());
    assert_eq!(metrics.topics[0].records, metrics.records);
    // What was stored under a wrong name is stored once: each record is sent for the first time once.
    assert_eq!(metrics.records.record_send_total - metrics.records.record_retry_total, sent);
    check_nodes(metrics, 3);
    check_text(metrics);
    stream.finish(sent, failures);
}

/// Silence and closed connections: with one request in flight the cluster has seen all that was sent.
pub fn while_connections_end<F: FrontEnd>(target: &Target) {
    let one = |builder| impatient(builder).max_in_flight_requests_per_connection(1);
    let stream = Stream::<F>::new(target, "metrics-ends", one);
    let mut sent = 0;
    for action in [Action::Close, Action::ApplyThenClose, Action::Drop, Action::ApplyThenDrop] {
        sent = stream.through(&Fault::new(ApiKey::PRODUCE, action).times(2), sent);
    }
    stream.settled(sent);
    let producer = stream.producer.clone();
    let metrics = &producer.metrics();
    assert_eq!(outcomes(metrics), [sent, sent, 0]);
    check_offered(target, metrics);
    assert_eq!(metrics.records.record_send_total - metrics.records.record_retry_total, sent);
    let requests = metrics.requests;
    let unanswered = requests.request_total - requests.response_total;
    assert!(unanswered >= 8, "each fault has an answer less: {requests:?}");
    assert!(requests.connection_close_total >= 8, "and ends a connection: {requests:?}");
    assert!(metrics.request_latency_us.count() <= metrics.records_per_request.count() - 8);
    check_nodes(metrics, 3);
    stream.finish(sent, 0);
    let closed = producer.metrics();
    assert_eq!((closed.connection_count, closed.requests_in_flight), (0, 0));
    assert_eq!(closed.requests.connection_creation_total, closed.requests.connection_close_total);
}

/// What is compressed is told as it was and as it is sent, for each topic.
pub fn of_compressed_batches<F: FrontEnd>(target: &Target) {
    let [plain, packed] = ["plain", "packed"].map(|name| format!("{}-metrics-{name}", F::NAME));
    for topic in [&plain, &packed] {
        target.create_topic(topic, 1);
    }
    let builder = builder(target).topic_compression_type(&packed, Compression::Lz4);
    let producer: F = builder.linger(Duration::from_secs(60)).build().expect("the settings fit");
    for topic in [&plain, &packed] {
        for number in 0..50 {
            drop(
                producer
                    .send(&ProducerRecord::new(topic, Witness::value(number, 200)))
                    .expect("there is room"),
            );
        }
    }
    producer.flush().expect("this is no callback");
    let metrics = producer.metrics();
    let of = |name: &str| {
        metrics.topics.iter().find(|topic| *topic.topic == *name).expect("it was written to").records
    };
    let (plain, packed) = (of(&plain), of(&packed));
    assert_eq!(plain.compression_rate_avg(), 1.0);
    assert_eq!(packed.uncompressed_byte_total, plain.byte_total, "they are the same records");
    assert_eq!(packed.compressed_byte_total, packed.byte_total);
    assert!(packed.compression_rate_avg() < 0.5, "{packed:?}");
    check_offered(target, &metrics);
    check_text(&metrics);
    producer.close(PATIENCE).expect("nothing is left");
}

/// A broker's throttling is told as long as it is.
pub fn of_a_broker_that_holds_back<F: FrontEnd>(target: &Target) {
    let stream = Stream::<F>::new(target, "metrics-throttled", |builder| builder);
    let mut sent = stream.send(0..3);
    stream.settled(sent);
    let before = stream.producer.metrics();
    assert_eq!(
        (before.produce_throttle_time_us.max(), before.produce_throttle_time_us.count() > 0),
        (0, true)
    );
    target.cluster().with(|it| it.set_throttle_time_ms(20));
    sent = stream.send(sent..sent + 3);
    stream.settled(sent);
    let since = stream.producer.metrics().since(&before);
    assert_eq!(since.records.record_send_total, 3);
    let throttled = since.produce_throttle_time_us;
    assert!(throttled.count() > 0, "{throttled:?}");
    assert_eq!((throttled.sum(), throttled.avg()), (20_000 * throttled.count(), 20_000.0));
    target.cluster().with(|it| it.set_throttle_time_ms(0));
    stream.finish(sent, 0);
}

/// Memory that is taken, and records that find none.
pub fn of_memory_that_is_short<F: FrontEnd>(target: &Target) {
    let topic = format!("{}-metrics-short", F::NAME);
    target.create_topic(&topic, 1);
    (1..=3).for_each(|broker| target.cluster().stop_broker(broker));
    let builder = builder(target).buffer_memory(64 * 1024).max_block(Duration::from_millis(20));
    let producer: F = builder.build().expect("the settings fit");
    let fresh = producer.metrics();
    assert_eq!(fresh.buffer_available_bytes, fresh.buffer_total_bytes);
    let record = ProducerRecord::new(&topic, [0_u8; 1_000]);
    let (mut handles, mut available) = (Vec::new(), fresh.buffer_total_bytes);
    let refused = loop {
        match producer.send(&record) {
            Ok(handle) => handles.push(handle),
            Err(error) => break error,
        }
        let now = producer.metrics().buffer_available_bytes;
        assert!(now <= available, "it only gets less");
        available = now;
    };
    assert!(matches!(refused, SendError::NoMemory { .. }), "{refused}");
    let metrics = producer.metrics();
    let free = metrics.buffer_total_bytes - handles.len() as u64 * 1_000;
    assert!(metrics.buffer_available_bytes < free, "{metrics:?}");
    assert_eq!((metrics.record_accepted_total, metrics.buffer_exhausted_total), (handles.len() as u64, 1));
    (1..=3).for_each(|broker| target.cluster().start_broker(broker));
    handles.into_iter().for_each(|handle| drop(handle.get().expect("the brokers are back")));
    wait_until("all memory is back", || {
        producer.metrics().buffer_available_bytes == fresh.buffer_total_bytes
    });
    producer.close(PATIENCE).expect("nothing is left");
}

/// What is on the medium is told while it is there.
pub fn of_a_spool<F: FrontEnd>(target: &Target) {
    let directory = Directory::new();
    let topic = format!("{}-metrics-spool", F::NAME);
    target.create_topic(&topic, 3);
    (1..=3).for_each(|broker| target.cluster().stop_broker(broker));
    let builder = spooled::builder::<F>(&target.bootstrap(), &directory);
    let producer = builder.build().expect("the settings fit");
    let empty = producer.metrics().spool.expect("there is a spool");
    assert_eq!((empty.records, empty.bytes), (0, 0));
    let send = |number| {
        let record = ProducerRecord::new(&topic, Witness::value(number, 100)).partition((number % 3) as i32);
        producer.send(&record).expect("there is room")
    };
    let handles: Vec<_> = (0..500).map(send).collect();
    producer.flush().expect("this is no callback");
    let metrics = producer.metrics();
    let spool = metrics.spool.expect("there is a spool");
    assert_eq!((spool.records, outcomes(&metrics)), (500, [500, 0, 0]));
    assert!(spool.bytes > 50_000, "{spool:?}");
    assert!(metrics.to_prometheus().to_string().contains("felice_spool_records{client_id=\"felice\"} 500\n"));
    (1..=3).for_each(|broker| target.cluster().start_broker(broker));
    handles.into_iter().for_each(|handle| drop(handle.get().expect("the brokers are back")));
    wait_until("the spool is empty", || {
        let spool = producer.metrics().spool.expect("there is a spool");
        (spool.records, spool.bytes) == (0, 0)
    });
    let metrics = producer.metrics();
    assert_eq!(outcomes(&metrics), [500, 500, 0]);
    assert_eq!(metrics.spool.map(|spool| spool.record_dropped_total + spool.record_expired_total), Some(0));
    producer.close(PATIENCE).expect("nothing is left");
}

/// Accepted, acknowledged, failed.
fn outcomes(metrics: &Metrics) -> [u64; 3] {
    let records = metrics.records;
    [metrics.record_accepted_total, records.record_acknowledged_total, records.record_error_total]
}

/// What was sent is what the cluster was offered, request by request.
fn check_offered(target: &Target, metrics: &Metrics) {
    let (offered, requests) =
        target.cluster().with(|it| (it.requests().offered(), it.requests().count(ApiKey::PRODUCE)));
    let told = Offered {
        batches: metrics.batch_size_bytes.count(),
        records: metrics.records.record_send_total,
        bytes: metrics.records.byte_total,
    };
    assert_eq!((told, metrics.records_per_request.count()), (offered, requests));
    assert_eq!(metrics.batch_size_bytes.sum(), offered.bytes);
}

/// Brokers are named, and what was counted of them is all that was counted.
fn check_nodes(metrics: &Metrics, brokers: i32) {
    let mut ids: Vec<i32> = metrics.nodes.iter().map(|node| node.node_id).collect();
    ids.sort_unstable();
    assert!(ids.iter().all(|id| (0..=brokers).contains(id)), "{ids:?}");
    let sum = |of: fn(&felice_host::NodeMetrics) -> u64| metrics.nodes.iter().map(of).sum::<u64>();
    let requests = metrics.requests;
    assert_eq!(sum(|node| node.requests.request_total), requests.request_total);
    assert_eq!(sum(|node| node.requests.incoming_byte_total), requests.incoming_byte_total);
    assert_eq!(sum(|node| node.request_latency_us_total), metrics.request_latency_us.sum());
    let open = requests.connection_creation_total - requests.connection_close_total;
    assert_eq!((sum(|node| node.is_connected.into()), metrics.connection_count), (open, open));
}

/// Counters never go back.
fn check_growth(before: &Metrics, now: &Metrics) {
    let counters = |metrics: &Metrics| {
        let mut counters = outcomes(metrics).to_vec();
        let records = metrics.records;
        counters.extend([records.record_send_total, records.byte_total, records.record_retry_total]);
        counters.extend([metrics.requests.request_total, metrics.requests.incoming_byte_total]);
        counters.extend([metrics.request_latency_us.count(), metrics.batch_size_bytes.sum()]);
        counters
    };
    let (before, now) = (counters(before), counters(now));
    assert!(before.iter().zip(&now).all(|(before, now)| before <= now), "{before:?} {now:?}");
}

/// The text as others read it: each family once, with its help and type before its samples, and with the snapshot's values.
fn check_text(metrics: &Metrics) {
    let text = metrics.to_prometheus().to_string();
    let (rest, families) = prometheus(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(rest, "");
    let mut values = BTreeMap::new();
    for family in &families {
        let (name, kind) = described(family);
        let is_counter = matches!(kind, MetricType::Counter);
        assert_eq!(is_counter, name.ends_with("_total"), "{name}: {kind}");
        assert!(name.starts_with("felice_"), "{name}");
        for sample in &family.samples {
            assert!(sample.name().starts_with(name), "{} in {name}", sample.name());
            let labels: Vec<_> =
                sample.labels().iter().map(|label| (label.name, label.value.as_str())).collect();
            assert_eq!(labels[0], ("client_id", &*metrics.client_id), "{name}");
            let labels: Vec<_> = labels[1..].iter().map(|(name, value)| format!("{name}={value}")).collect();
            let key = format!("{}{labels:?}", sample.name());
            assert!(values.insert(key.clone(), sample.number()).is_none(), "{key} is there twice");
        }
        if matches!(kind, MetricType::Histogram) {
            check_buckets(name, &family.samples);
        }
    }
    let topic = &metrics.topics[0];
    let (records, requests) = (metrics.records, metrics.requests);
    for (key, value) in [
        ("felice_record_send_total[]".to_owned(), records.record_send_total as f64),
        ("felice_record_error_total[]".to_owned(), records.record_error_total as f64),
        ("felice_outgoing_byte_total[]".to_owned(), requests.outgoing_byte_total as f64),
        ("felice_connections[]".to_owned(), metrics.connection_count as f64),
        (format!("felice_topic_byte_total[\"topic={}\"]", topic.topic), topic.records.byte_total as f64),
        ("felice_batch_size_bytes_sum[]".to_owned(), metrics.batch_size_bytes.sum() as f64),
        ("felice_request_latency_seconds_sum[]".to_owned(), metrics.request_latency_us.sum() as f64 / 1e6),
    ] {
        let found = values.get(&key).unwrap_or_else(|| panic!("no {key} in\n{text}"));
        assert!((found - value).abs() < 1e-9, "{key}: {found}, not {value}");
    }
    let all = families.iter().map(|family| family.samples.len()).sum::<usize>();
    assert_eq!(all, text.lines().filter(|line| !line.starts_with('#')).count());
}

/// A family's name and type: HELP and TYPE are there once each, before the samples.
fn described<'f>(family: &'f Family<'_>) -> (&'f str, &'f MetricType<'f>) {
    match &family.descriptors[..] {
        [MetricDescriptor::Help { metric, help }, MetricDescriptor::Type { metric: name, r#type }] => {
            assert_eq!((metric, help.is_empty()), (name, false));
            (name, r#type)
        }
        other => panic!("{other:?}"),
    }
}

/// Buckets grow, the last one is all of it, and what there is of it is told.
fn check_buckets(name: &str, samples: &[Sample<'_>]) {
    let (buckets, rest) = samples.split_at(samples.len() - 2);
    let bound = |sample: &Sample<'_>| {
        let bound = sample.labels().iter().find(|label| label.name == "le").expect("a bucket has a bound");
        bound.value.parse::<f64>().expect("it is a number")
    };
    assert!(buckets.iter().all(|sample| sample.name() == format!("{name}_bucket")), "{name}");
    for pair in buckets.windows(2) {
        assert!(bound(&pair[0]) < bound(&pair[1]) && pair[0].number() <= pair[1].number(), "{pair:?}");
    }
    let last = buckets.last().expect("there are buckets");
    assert!(bound(last).is_infinite(), "{last:?}");
    let [sum, count] = rest else { panic!("{rest:?}") };
    let names = [format!("{name}_sum"), format!("{name}_count")];
    assert_eq!([sum.name(), count.name()], [&*names[0], &*names[1]]);
    assert_eq!(count.number(), last.number());
}
