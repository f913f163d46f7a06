//! Whether librdkafka's consumer reads back what felice has compressed: each type, from real Kafka, byte by byte and in
//! order. Kafka's own consumer does so in the test command.
//!
//! `cargo run --release --bin read-back [records]`, from this folder; `tests/README.md` says what it needs.

use std::time::{Duration, Instant};

use felice_blocking::{Producer, ProducerRecord};
use felice_host::surface::Compression;
use felice_tests::kafka::{Kafka, KafkaVersion};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

const PATIENCE: Duration = Duration::from_secs(60);

fn main() {
    let records: u64 = std::env::args().nth(1).map_or(100_000, |count| count.parse().expect("a number"));
    assert!(felice_tests::kafka::available(&[KafkaVersion::default()]), "this reads from real Kafka");
    let kafka = Kafka::builder().start();
    for compression in Compression::ALL {
        let topic = format!("read-back-{compression}");
        kafka.oracle().create_topic(&topic, 1);
        let sent_bytes = send(&kafka.bootstrap(), &topic, compression, records);
        let begun = Instant::now();
        read(&kafka.bootstrap(), &topic, records);
        println!("{compression}: {records} records, {sent_bytes} bytes, read in {:.1?}", begun.elapsed());
    }
}

/// Half of the values shrink, in stretches: whole batches stay plain among those that do not.
fn value(number: u64) -> Vec<u8> {
    let mut value = format!("{number} ").into_bytes();
    let mut state = number;
    for _ in 0..40 + number % 400 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        value.push(if (number / 300) % 2 == 0 { (state >> 56) as u8 } else { b'a' + (state >> 62) as u8 });
    }
    value
}

/// How many bytes of values were sent.
fn send(bootstrap: &str, topic: &str, compression: Compression, records: u64) -> usize {
    let builder = Producer::builder().bootstrap_servers(bootstrap).compression_type(compression);
    let producer = builder.linger(Duration::from_millis(2)).build().expect("the settings fit");
    let mut bytes = 0;
    for number in 0..records {
        let value = value(number);
        bytes += value.len();
        drop(producer.send(ProducerRecord::new(topic, value).key(number)).expect("there is room"));
    }
    producer.flush().expect("this is no callback");
    assert_eq!(producer.failed(), 0);
    producer.close(PATIENCE).expect("nothing is left");
    bytes
}

/// Reads all, and compares. `check.crcs` makes librdkafka look at checksums, too.
fn read(bootstrap: &str, topic: &str, records: u64) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("group.id", topic)
        .set("check.crcs", "true")
        .create()
        .expect("a consumer");
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(topic, 0, Offset::Beginning).expect("an offset");
    consumer.assign(&from).expect("an assignment");
    let end = Instant::now() + PATIENCE;
    let mut number = 0;
    while number < records {
        assert!(Instant::now() < end, "only {number} records came");
        let Some(message) = consumer.poll(Duration::from_millis(500)) else { continue };
        let message = message.expect("a record");
        assert_eq!(message.offset(), number as i64, "in order, none missing");
        assert_eq!(message.key(), Some(&number.to_be_bytes()[..]), "record {number}");
        assert!(message.payload() == Some(&value(number)[..]), "record {number} is another");
        number += 1;
    }
    assert!(consumer.poll(Duration::from_secs(2)).is_none(), "more than was sent");
}
