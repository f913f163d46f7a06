//! A microcontroller sends to real Kafka: the firmware of `examples/mcu`, booted in an emulator, through a restart of its
//! broker and a cut of its link; and what it does without a clock.

mod emulator;

use std::time::SystemTime;

use emulator::Device;
use felice_tests::java::ReadRecord;
use felice_tests::kafka::{Kafka, KafkaVersion};
use felice_tests::require_kafka;

/// Of the stack, in bytes: see `.ci/mcu`.
const STACK_MAX: u32 = 6656;

fn boot(kafka: &Kafka, topic: &str, records: usize, clock: &str) -> Device {
    let port = kafka.address(1).port().to_string();
    Device::boot(&[&port, topic, &records.to_string(), clock])
}

/// What Kafka's consumer has read, as long as it is what the device sends: all of it, in order, once.
fn read(kafka: &Kafka, topic: &str, records: usize) -> Vec<ReadRecord> {
    let read = kafka.oracle().read(topic);
    let values: Vec<String> =
        read.iter().map(|it| String::from_utf8(it.value.clone().unwrap_or_default()).unwrap()).collect();
    let expected: Vec<String> = (0..records).map(|place| format!("{place:0100}")).collect();
    assert_eq!(values, expected);
    read
}

fn millis(time: SystemTime) -> i64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as i64
}

#[test]
fn a_thousand_records_through_a_restart_and_a_cut() {
    const RECORDS: usize = 1000;
    require_kafka!();
    if !emulator::available() {
        return;
    }
    let kafka = Kafka::builder().property("auto.create.topics.enable", "false").start();
    kafka.oracle().create_topic("readings", 1);
    // A device's clock counts seconds.
    let begun = millis(SystemTime::now()) - 1000;

    let mut device = boot(&kafka, "readings", RECORDS, "set");
    device.run_until("records are stored", |it| it.stored >= 200);
    let before = device.connections;
    kafka.restart(1);
    device.run_until("the broker is back", |it| it.stored >= 600);
    assert!(device.connections > before, "the restart was noticed");

    let before = device.connections;
    device.set_link(false);
    device.run_until("the cut is noticed", |it| it.connections > before);
    assert!((device.stored as usize) < RECORDS, "the cut came too late");
    device.set_link(true);
    assert_eq!(device.run_to_the_end().code(), Some(0));
    assert!(device.stack <= STACK_MAX, "{} bytes of stack", device.stack);

    let times = read(&kafka, "readings", RECORDS).into_iter().map(|it| it.timestamp);
    let ended = millis(SystemTime::now()) + 1000;
    assert!(times.is_sorted_by(|a, b| begun <= *a && a <= b && *b <= ended), "by the device's clock");
}

#[test]
fn a_device_without_a_clock_says_so_or_lets_the_broker_tell_the_time() {
    require_kafka!();
    if !emulator::available() {
        return;
    }
    let kafka = Kafka::shared();
    let by_broker = [("message.timestamp.type", "LogAppendTime")];
    kafka.oracle().create_topic("not-set", 1);
    kafka.oracle().create_topic_with("by-broker", 1, None, &by_broker);
    kafka.oracle().create_topic("by-nobody", 1);

    let mut not_set = boot(kafka, "not-set", 10, "unset");
    assert_eq!(not_set.run_to_the_end().code(), Some(3), "nothing is sent");
    assert_eq!(read(kafka, "not-set", 0), []);

    let begun = millis(SystemTime::now()) - 1000;
    for topic in ["by-broker", "by-nobody"] {
        assert_eq!(boot(kafka, topic, 10, "none").run_to_the_end().code(), Some(0));
    }
    let told = read(kafka, "by-broker", 10);
    assert!(told.iter().all(|it| it.timestamp >= begun), "{told:?}");
    let nobody = read(kafka, "by-nobody", 10);
    assert!(nobody.iter().all(|it| it.timestamp == -1), "{nobody:?}");
}

/// The firmware speaks nothing older, and must be understood there.
#[test]
fn the_oldest_kafka_that_it_is_for() {
    const VERSION: KafkaVersion = KafkaVersion::V2_8_2;
    require_kafka!(&[VERSION]);
    if !emulator::available() {
        return;
    }
    let kafka = Kafka::builder().version(VERSION).start();
    kafka.oracle().create_topic("oldest", 1);
    assert_eq!(boot(&kafka, "oldest", 100, "set").run_to_the_end().code(), Some(0));
    read(&kafka, "oldest", 100);
}
