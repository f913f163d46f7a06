//! Records and settings that are not accepted, and records whose topic or partition does not exist.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use felice_core::error::{ErrorCode, ErrorKind, Persisted};
use felice_core::record::ProducerRecord;
use felice_core::time::Timestamp;
use felice_host::{Builder, PartitionsError, SendError};

use super::{FrontEnd, Handle, NoMetadata, PATIENCE, Target, builder, producer, wait_until};

/// A record over `max.request.size` is refused with both numbers; one of exactly that size is stored.
pub fn a_record_too_large<F: FrontEnd>(target: &Target) {
    let topic = new_topic::<F>(target, "too-large");
    let producer: F = producer(target);
    let send = |bytes: usize| producer.send(&ProducerRecord::new(&topic, vec![b'x'; bytes]).key("key"));
    let refused = send(300_000).err();
    let Some(SendError::RecordTooLarge { bytes, max }) = refused else { panic!("{refused:?}") };
    assert_eq!(max, 256 * 1024, "a quarter of buffer.memory");
    let message = SendError::RecordTooLarge { bytes, max }.to_string();
    assert!(message.contains(&bytes.to_string()) && message.contains("max.request.size"), "{message}");
    assert!(!SendError::RecordTooLarge { bytes, max }.is_retriable());

    let overhead = bytes as usize - 300_000;
    let largest = max as usize - overhead;
    assert!(send(largest + 1).is_err());
    let metadata = send(largest).expect("it fits").get().expect("it is stored");
    assert_eq!(metadata.serialized_value_size() as usize, largest);
    let read = target.read(&topic);
    assert_eq!((read.len(), read[0].value.as_ref().map(Vec::len)), (1, Some(largest)));
}

/// An accepted record for a topic that is not there fails, and says so; records of other topics do not wait for it.
pub fn an_unknown_topic<F: FrontEnd>(target: &Target) {
    let topic = new_topic::<F>(target, "known");
    let missing = format!("{}-missing", F::NAME);
    let producer: F = builder(target).max_block(Duration::from_secs(2)).build().expect("the settings fit");
    let to_missing = ProducerRecord::new(&missing, "value");
    let handles: Vec<F::Handle> = vec![
        producer.send(&to_missing).expect("it is accepted"),
        producer.send(&to_missing.key("key")).expect("it is accepted"),
        producer.send(&to_missing.partition(0)).expect("it is accepted"),
    ];
    for offset in 0..20 {
        let handle = producer.send(&ProducerRecord::new(&topic, "value")).expect("there is room");
        assert_eq!(handle.get().expect("it is stored").offset(), offset);
    }
    let partitions = producer.partitions_for(&missing);
    let refused = matches!(partitions, Err(PartitionsError::Broker(_) | PartitionsError::TimedOut));
    assert!(refused, "{partitions:?}");
    for mut handle in handles {
        let failed = handle.get_timeout(PATIENCE);
        let Err(NoMetadata::Failed(error)) = failed else { panic!("{failed:?}") };
        assert_eq!((error.kind(), error.persisted()), (ErrorKind::UnknownTopic, Persisted::No), "{error}");
        assert!(error.is_retriable() && error.to_string().contains(&missing), "{error}");
    }
    // It is retriable: once there is such a topic, records arrive.
    target.create_topic(&missing, 1);
    wait_until("the topic is found", || producer.send(&to_missing).is_ok_and(|handle| handle.get().is_ok()));
    assert!(!target.read(&missing).is_empty());
}

/// A partition that the topic does not have.
pub fn an_unknown_partition<F: FrontEnd>(target: &Target) {
    let topic = new_topic::<F>(target, "partitions");
    let producer: F = producer(target);
    let record = ProducerRecord::new(&topic, "value");
    // The topic is not known yet, so it cannot be refused.
    let failed = producer.send(&record.partition(1)).expect("it is accepted").get();
    let Err(NoMetadata::Failed(error)) = failed else { panic!("{failed:?}") };
    assert_eq!((error.kind(), error.partition()), (ErrorKind::UnknownPartition, Some(1)), "{error}");
    let refused = producer.send(&record.partition(1)).err();
    assert_eq!(refused, Some(SendError::UnknownPartition { partition: 1, count: 1 }));
    assert!(matches!(producer.send(&record.partition(-1)), Err(SendError::UnknownPartition { .. })));
    assert_eq!(producer.partitions_for(&topic), Ok(1));
    producer.send(&record.partition(0)).expect("there is room").get().expect("it is stored");
    assert_eq!(target.read(&topic).len(), 1);
}

/// A clock that is two hours ahead: the broker refuses the record, and felice says which clock is to be looked at. What
/// comes after it is stored, and so is what says that it is 1970.
pub fn a_clock_that_is_wrong<F: FrontEnd>(target: &Target) {
    let topic = new_topic::<F>(target, "clock");
    let producer: F = producer(target);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is later than 1970");
    let ahead = Timestamp::from_millis((now + Duration::from_secs(7_200)).as_millis() as i64);
    let record = ProducerRecord::new(&topic, "value");
    let failed = producer.send(&record.timestamp(ahead)).expect("there is room").get();
    let Err(NoMetadata::Failed(error)) = failed else { panic!("{failed:?}") };
    let told = (error.kind(), error.persisted());
    assert_eq!(told, (ErrorKind::Broker(ErrorCode::INVALID_TIMESTAMP), Persisted::No), "{error}");
    assert!(!error.is_retriable() && error.to_string().contains("this machine's clock"), "{error}");
    for (offset, timestamp) in [None, Some(Timestamp::from_millis(0))].into_iter().enumerate() {
        let stamped = timestamp.map_or(record, |timestamp| record.timestamp(timestamp));
        let metadata = producer.send(&stamped).expect("there is room").get().expect("it is stored");
        assert_eq!(metadata.offset(), offset as i64);
    }
}

/// After `close`, by any clone, nothing is accepted.
pub fn a_closed_producer<F: FrontEnd>(target: &Target) {
    let topic = new_topic::<F>(target, "closed");
    let producer: F = producer(target);
    let record = ProducerRecord::new(&topic, "value");
    producer.send(&record).expect("there is room");
    producer.clone().close(PATIENCE).expect("nothing is left");
    assert_eq!(producer.send(&record).err(), Some(SendError::Closed));
    assert_eq!(producer.try_send(&record).err(), Some(SendError::Closed));
    let called = Box::new(|outcome| panic!("it was not accepted: {outcome:?}"));
    assert_eq!(producer.send_with(&record, called), Err(SendError::Closed));
    assert_eq!(producer.partitions_for("not-known-yet"), Err(PartitionsError::Closed));
    assert_eq!(producer.flush(), Ok(()), "nothing is left to wait for");
    producer.close(PATIENCE).expect("closing again is no harm");
    assert!(!SendError::Closed.is_retriable());
    assert_eq!(target.read(&topic).len(), 1);
}

/// A full buffer: `try_send` refuses at once, `send` after `max.block.ms`; both accept again when there is room.
pub fn a_full_buffer<F: FrontEnd>(target: &Target) {
    const MAX_BLOCK: Duration = Duration::from_millis(300);
    let topic = new_topic::<F>(target, "full");
    let cluster = target.cluster();
    (1..=3).for_each(|broker| cluster.stop_broker(broker));
    let builder = builder(target).buffer_memory(64 * 1024).max_block(MAX_BLOCK);
    let producer: F = builder.build().expect("the settings fit");
    let record = ProducerRecord::new(&topic, [0_u8; 1_000]);
    let refused = loop {
        let begun = Instant::now();
        if let Err(error) = producer.try_send(&record) {
            assert!(begun.elapsed() < MAX_BLOCK, "try_send never waits");
            break error;
        }
    };
    assert_eq!(refused, SendError::WouldBlock);
    let begun = Instant::now();
    let refused = producer.send(&record).err();
    assert_eq!(refused, Some(SendError::NoMemory { waited: MAX_BLOCK }));
    assert!(begun.elapsed() >= MAX_BLOCK);
    assert!(SendError::WouldBlock.is_retriable() && SendError::NoMemory { waited: MAX_BLOCK }.is_retriable());
    (1..=3).for_each(|broker| cluster.start_broker(broker));
    wait_until("there is room again", || producer.send(&record).is_ok());
    producer.close(PATIENCE).expect("nothing is left");
}

/// Threads that wait for memory go on as it comes back, and lose nothing.
pub fn waiting_for_memory<F: FrontEnd>(target: &Target) {
    const THREADS: u64 = 4;
    let topic = new_topic::<F>(target, "waits");
    let witness = super::Witness::default();
    let builder = builder(target).buffer_memory(16 * 1024).callback(witness.clone());
    let producer: F = builder.build().expect("the settings fit");
    thread::scope(|scope| {
        for part in 0..THREADS {
            let (producer, topic) = (&producer, &topic);
            scope.spawn(move || {
                for number in (0..4_000).filter(|number| number % THREADS == part) {
                    let value = super::Witness::value(number, 200);
                    let record = ProducerRecord::new(topic, value);
                    producer.send_with_token(&record, number).expect("it waits for memory");
                }
            });
        }
    });
    producer.close(PATIENCE).expect("nothing is left");
    assert_eq!(witness.heard(), 4_000);
    let mut numbers: Vec<u64> = target
        .read(&topic)
        .iter()
        .map(|record| super::Witness::number(record.value.as_deref().expect("it has a value")))
        .collect();
    for part in 0..THREADS {
        let of_thread: Vec<u64> = numbers.iter().copied().filter(|number| number % THREADS == part).collect();
        assert!(of_thread.is_sorted(), "what one thread sends stays in its order");
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (0..4_000).collect::<Vec<_>>());
}

/// Settings that cannot work are refused when the producer is built, by Kafka's name and with the reason.
pub fn invalid_settings<F: FrontEnd>(target: &Target) {
    let valid = || vec![("bootstrap.servers", target.bootstrap())];
    let build = |settings: Vec<(&str, String)>| Builder::<F>::new().properties(settings)?.build();
    build(valid()).expect("these are fine").close(PATIENCE).expect("nothing is left");
    for (name, value, reason) in [
        ("bootstrap.servers", "", "bootstrap.servers"),
        ("bootstrap.servers", "no-port", "host:port"),
        ("linger", "5", "linger.ms"),
        ("group.id", "readers", "group.id"),
        ("linger.ms", "soon", "linger.ms"),
        ("linger.ms", "-1", "linger.ms"),
        ("acks", "2", "acks"),
        ("buffer.memory", "1000", "buffer.memory"),
        ("max.request.size", "2000000", "max.request.size"),
        ("max.in.flight.requests.per.connection", "6", "max.in.flight.requests.per.connection"),
        ("max.in.flight.requests.per.connection", "0", "max.in.flight.requests.per.connection"),
        ("delivery.timeout.ms", "20000", "request.timeout.ms"),
        ("enable.idempotence", "perhaps", "enable.idempotence"),
    ] {
        let settings = if name == "bootstrap.servers" { Vec::new() } else { valid() };
        let settings = settings.into_iter().chain([(name, value.to_owned())]).collect();
        let message = match build(settings) {
            Err(error) => error.to_string(),
            Ok(producer) => panic!("{name}={value} was accepted: {producer:?}"),
        };
        assert!(message.contains(name) && message.contains(reason), "{name}={value}: {message}");
    }
    let contradiction = [("enable.idempotence", "true".to_owned()), ("acks", "1".to_owned())];
    let message = build(valid().into_iter().chain(contradiction).collect()).map(drop);
    let message = message.expect_err("idempotence needs all").to_string();
    assert!(message.contains("acks") && message.contains("idempotence"), "{message}");
}

/// One partition.
fn new_topic<F: FrontEnd>(target: &Target, name: &str) -> String {
    let topic = format!("{}-{name}", F::NAME);
    target.create_topic(&topic, 1);
    topic
}
