//! The launcher itself: what a test expects of a broker that it stops, kills, pauses and restarts, and of the oracle.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use felice_tests::java::{JavaRecord, ReadRecord};
use felice_tests::kafka::{Kafka, console_consumer, console_producer};
use felice_tests::require_kafka;

const PATIENCE: Duration = Duration::from_secs(60);

fn text(text: &str) -> Option<Vec<u8>> {
    Some(text.as_bytes().to_vec())
}

#[test]
fn what_java_sends_java_reads_back() {
    require_kafka!();
    let oracle = Kafka::shared().oracle();
    oracle.create_topic("round-trip", 3);
    let sent = [
        JavaRecord { partition: Some(2), timestamp: Some(1_500_000_000_123), ..JavaRecord::default() },
        JavaRecord {
            partition: Some(0),
            timestamp: Some(0),
            key: Some(vec![0, 255, 10, 13]),
            value: Some((0..=255).collect()),
            headers: vec![
                ("naïve".into(), Some(vec![0, 159])),
                ("naïve".into(), None),
                (String::new(), Some(vec![])),
            ],
        },
        JavaRecord {
            partition: Some(0),
            timestamp: Some(7),
            key: text(""),
            value: text(""),
            headers: vec![],
        },
    ];

    let stored = oracle.produce("round-trip", &sent);
    assert_eq!(
        stored.iter().map(|it| (it.partition, it.offset)).collect::<Vec<_>>(),
        [(2, 0), (0, 0), (0, 1)]
    );

    let mut read = oracle.read("round-trip");
    read.sort_by_key(|record| (record.partition, record.offset));
    let expected = [(&sent[1], 0), (&sent[2], 1), (&sent[0], 0)].map(|(record, offset)| ReadRecord {
        partition: record.partition.expect("each has one"),
        offset,
        timestamp: record.timestamp.expect("each has one"),
        key: record.key.clone(),
        value: record.value.clone(),
        headers: record.headers.clone(),
    });
    assert_eq!(read, expected);
    assert_eq!(oracle.end_offsets("round-trip").into_iter().collect::<Vec<_>>(), [(0, 2), (1, 0), (2, 1)]);
}

#[test]
fn the_partitioner_and_the_producer_agree() {
    require_kafka!();
    let oracle = Kafka::shared().oracle();
    oracle.create_topic("keys", 7);
    let keys: Vec<Vec<u8>> = (0..200_u16).map(|n| n.to_be_bytes().repeat(usize::from(n % 5))).collect();
    let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
    assert_eq!(oracle.partitions_for_keys("keys", &keys), oracle.partitioner_choices(7, &keys));
}

#[test]
fn half_a_million_records_are_read_back_in_seconds() {
    require_kafka!();
    let oracle = Kafka::shared().oracle();
    oracle.create_topic("many", 12);
    let record = |n: u32| JavaRecord {
        key: Some(n.wrapping_mul(2_654_435_761).to_be_bytes().to_vec()),
        value: Some([n.to_be_bytes(); 25].concat()),
        ..JavaRecord::default()
    };
    for chunk in 0..10 {
        let records: Vec<JavaRecord> = (chunk * 50_000..(chunk + 1) * 50_000).map(record).collect();
        oracle.produce("many", &records);
    }

    let start = Instant::now();
    let read = oracle.read_at_least("many", 500_000, PATIENCE);
    let elapsed = start.elapsed();
    assert_eq!(read.len(), 500_000);
    assert!(elapsed < Duration::from_secs(30), "{elapsed:?}");
    println!("500,000 records in {elapsed:?}");
}

#[test]
fn what_kafka_refuses_is_told_in_its_own_words() {
    require_kafka!();
    let oracle = Kafka::shared().oracle();
    let problem = oracle.try_read("never-created").expect_err("there is no such topic");
    assert!(problem.contains("UnknownTopicOrPartition"), "{problem}");
}

#[test]
fn topic_settings_reach_the_broker_and_deleted_topics_go() {
    require_kafka!();
    let oracle = Kafka::shared().oracle();
    oracle.create_topic_with("appended", 1, Some(1), &[("message.timestamp.type", "LogAppendTime")]);
    let record = JavaRecord { timestamp: Some(5), value: text("now"), ..JavaRecord::default() };
    oracle.produce("appended", &[record]);
    assert!(oracle.read("appended")[0].timestamp > 1_500_000_000_000);

    oracle.delete_topic("appended");
    let deadline = Instant::now() + PATIENCE;
    while oracle.try_describe("appended").is_ok() {
        assert!(Instant::now() < deadline, "the topic is still there");
    }
}

#[test]
fn the_console_tools_run() {
    require_kafka!();
    let kafka = Kafka::shared();
    kafka.oracle().create_topic("console", 2);
    let sent = console_producer(
        &kafka.bootstrap(),
        "console",
        &["a:1", "b:2"],
        &["--reader-property", "parse.key=true", "--reader-property", "key.separator=:"],
        PATIENCE,
    );
    assert!(sent.status.success(), "{sent:?}");
    let partition = kafka.oracle().read("console")[0].partition;
    let expected: String = kafka
        .oracle()
        .read("console")
        .iter()
        .filter(|record| record.partition == partition)
        .map(|record| format!("{}\n", String::from_utf8_lossy(record.value.as_deref().unwrap_or_default())))
        .collect();
    let count = expected.lines().count();
    let read = console_consumer(&kafka.bootstrap(), "console", partition, count, &[], PATIENCE);
    assert_eq!((read.stdout.as_str(), read.status.success()), (expected.as_str(), true), "{read:?}");
}

#[test]
fn a_broker_is_paused_stopped_killed_and_restarted() {
    require_kafka!();
    let kafka = Kafka::builder().property("auto.create.topics.enable", "false").start();
    let address = kafka.address(1);
    let oracle = kafka.oracle();
    oracle.create_topic("kept", 1);
    oracle.produce("kept", &[JavaRecord { value: text("kept"), ..JavaRecord::default() }]);

    kafka.pause(1);
    assert!(is_silent(address), "a paused broker answers");
    kafka.resume(1);
    assert_eq!(oracle.end_offsets("kept")[&0], 1);

    kafka.stop(1);
    assert!(TcpStream::connect(address).is_err(), "a stopped broker listens");
    kafka.restart(1);
    assert_eq!((kafka.address(1), oracle.read("kept").len()), (address, 1));

    kafka.kill(1);
    assert!(TcpStream::connect(address).is_err(), "a killed broker listens");
    kafka.restart(1);
    assert_eq!((kafka.address(1), oracle.read("kept").len()), (address, 1));

    // A paused broker can be killed, too.
    kafka.pause(1);
    kafka.kill(1);
    assert!(TcpStream::connect(address).is_err(), "a killed broker listens");
}

/// Whether a request (ApiVersions v0) gets no answer for a while. The connection is made by the kernel in any case.
fn is_silent(address: SocketAddr) -> bool {
    let mut stream = TcpStream::connect(address).expect("the kernel accepts");
    let request = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff];
    std::io::Write::write_all(&mut stream, &request).expect("the kernel takes it");
    stream.set_read_timeout(Some(Duration::from_millis(300))).expect("it is not zero");
    stream.read(&mut [0; 4]).is_err()
}
