//! The spool under both front-ends, and time: what is dropped for its age, or as the oldest, and who hears of it; records of a
//! clock that is not set; and the header by which a sink knows a record again.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use felice_host::surface::{
    ErrorKind, Header, Loss, Persisted, ProducerRecord, SpoolMode, Timestamp, Warning, WhenFull,
};
use felice_host::{BuildError, Builder, SendError};
use felice_tests::behaviour::{FrontEnd, Handle, NoMetadata, PATIENCE, Target, wait_until};
use felice_tests::for_each_front_end;
use felice_tests::java::ReadRecord;
use felice_tests::spooled::Directory;

/// Nobody listens there.
const NOWHERE: &str = "127.0.0.1:1";
const HOUR: i64 = 3_600_000;

fn builder<F: FrontEnd>(bootstrap: &str, directory: &Directory) -> Builder<F> {
    let builder = Builder::<F>::new().bootstrap_servers(bootstrap).linger(Duration::ZERO);
    builder.spool_dir(directory.path()).spool_sync(Duration::from_millis(10))
}

/// The same, and everything that it warns of.
fn heard<F: FrontEnd>(builder: Builder<F>) -> (F, Arc<Mutex<Vec<Warning>>>) {
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&warnings);
    let builder = builder.on_warning(move |warning| heard.lock().unwrap().push(warning));
    (builder.build().expect("the settings fit"), warnings)
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("this machine's clock is set").as_millis() as i64
}

fn record<'r>(topic: &'r str, value: &'static str) -> ProducerRecord<'r, (), &'static str> {
    ProducerRecord::new(topic, value).partition(0)
}

fn values(log: &[ReadRecord]) -> Vec<String> {
    log.iter()
        .map(|record| String::from_utf8(record.value.clone().expect("a value")).expect("text"))
        .collect()
}

/// A handle of what is dropped as the oldest is told so, and nobody else's is.
fn who_waits_for_what_is_dropped_hears_of_it<F: FrontEnd>() {
    let directory = Directory::new();
    let builder = builder::<F>(NOWHERE, &directory).buffer_memory(65_536).batch_size(2048);
    let builder = builder.spool_max_bytes(256 * 1024).spool_when_full(WhenFull::DropOldest);
    let (producer, warnings) = heard(builder);
    let padding = [Header { key: "padding", value: Some(&[b'x'; 1000]) }];
    let mut handles: Vec<_> = (0..1000)
        .map(|_| producer.send(&record("dropped", "x").headers(&padding)).expect("the oldest make room"))
        .collect();
    producer.flush().expect("all is durable, or dropped");
    let mut dropped = 0;
    wait_until("handles and warnings say the same", || {
        let lost = |handle: &mut F::Handle| match handle.try_get() {
            None => false,
            Some(Err(error)) => {
                assert_eq!(
                    (error.kind(), error.persisted()),
                    (ErrorKind::SpoolLost(Loss::Full), Persisted::No)
                );
                assert!(error.to_string().contains("spool.when.full"), "{error}");
                true
            }
            Some(Ok(metadata)) => panic!("{metadata}"),
        };
        dropped = handles.iter_mut().filter_map(|handle| lost(handle).then_some(())).count() as u64;
        let told = warnings.lock().unwrap().iter().rev().find_map(|warning| match warning {
            Warning::SpoolDropped { records } => Some(*records),
            _ => None,
        });
        dropped > 500 && told == Some(dropped)
    });
    assert_eq!(producer.failed(), dropped);
    let _ = producer.close(Duration::ZERO);
}

/// Nobody makes room, and the producer ends all the same: what found no room failed, and the rest stays.
fn a_producer_ends_although_its_spool_is_full<F: FrontEnd>() {
    let directory = Directory::new();
    let builder =
        builder::<F>(NOWHERE, &directory).buffer_memory(65_536).max_block(Duration::from_millis(300));
    let producer = builder.spool_max_bytes(128 * 1024).build().expect("the settings fit");
    let padding = [Header { key: "padding", value: Some(&[b'x'; 1000]) }];
    let mut handles = Vec::new();
    while let Ok(handle) = producer.send(&record("full", "x").headers(&padding)) {
        handles.push(handle);
    }
    let closed = producer.close(Duration::from_millis(100));
    let kinds = handles.into_iter().map(|handle| match handle.get() {
        Err(NoMetadata::Failed(error)) => error.kind(),
        other => panic!("{other:?}"),
    });
    let (spooled, failed): (Vec<_>, Vec<_>) = kinds.partition(|kind| *kind == ErrorKind::Spooled);
    assert!(!spooled.is_empty() && !failed.is_empty(), "{} {}", spooled.len(), failed.len());
    assert!(failed.iter().all(|kind| *kind == ErrorKind::Closed), "{failed:?}");
    assert!(closed.is_err(), "{} have failed", failed.len());
}

/// What is too old is not sent, whoever spooled it; what is younger is, and in order.
fn what_is_too_old_is_dropped<F: FrontEnd>() {
    let (target, directory) = (Target::simulated(), Directory::new());
    target.create_topic("aged", 1);
    let old = Timestamp::from_millis(now() - 48 * HOUR);
    let producer = builder::<F>(NOWHERE, &directory).build().expect("the settings fit");
    for value in ["young", "old", "also young"] {
        let record = record("aged", value);
        let record = if value == "old" { record.timestamp(old) } else { record };
        producer.send(&record).expect("there is room").spooled().expect("the disk works");
    }
    producer.close(Duration::ZERO).expect("what is in the spool has not failed");

    let builder = builder::<F>(&target.bootstrap(), &directory).spool_max_age(Duration::from_hours(24));
    let (producer, warnings) = heard(builder);
    let Err(NoMetadata::Failed(error)) =
        producer.send(&record("aged", "x").timestamp(old)).expect("there is room").get()
    else {
        panic!("it is too old");
    };
    assert_eq!((error.kind(), error.persisted()), (ErrorKind::SpoolLost(Loss::Age), Persisted::No));
    assert!(error.to_string().contains("spool.max.age.ms"), "{error}");
    producer.send(&record("aged", "new")).expect("there is room").get().expect("it is stored");
    wait_until("the warning is told", || {
        warnings.lock().unwrap().last() == Some(&Warning::SpoolExpired { records: 2 })
    });
    assert_eq!(producer.failed(), 2);
    let _ = producer.close(PATIENCE);
    assert_eq!(values(&target.read("aged")), ["young", "also young", "new"]);
}

/// As README tells a sink: of a partition, what is not greater than the last one of the same life was there before.
fn known_again(log: &[ReadRecord]) -> Vec<String> {
    let mut last = BTreeMap::new();
    let mut log: Vec<_> = log.to_vec();
    log.sort_by_key(|record| (record.partition, record.offset));
    let new = log.into_iter().filter(|record| {
        let header = record.headers.iter().find(|(name, _)| name == "id").expect("each has it");
        let (life, number) = header.1.as_ref().expect("a value").split_at(8);
        let number = u64::from_be_bytes(number.try_into().expect("16 bytes"));
        let before = last.insert((record.partition, life.to_vec()), number);
        if before.is_some_and(|before| before >= number) {
            last.insert((record.partition, life.to_vec()), before.unwrap_or_default());
            return false;
        }
        true
    });
    let mut values = values(&new.collect::<Vec<_>>());
    values.sort_unstable();
    values
}

/// A directory that was copied is sent twice; by their headers the records are known again.
fn a_sink_knows_a_record_again<F: FrontEnd>() {
    let (target, directory, copy) = (Target::simulated(), Directory::new(), Directory::new());
    target.create_topic("marked", 3);
    let own = [Header::new("unit", "degC")];
    for life in 0..2 {
        let producer =
            builder::<F>(NOWHERE, &directory).spool_dedup_header("id").build().expect("the settings fit");
        for number in 0..200 {
            let value = format!("{life} {number}");
            let record = ProducerRecord::new("marked", &*value).partition(number % 3).headers(&own);
            producer.send(&record).expect("there is room");
        }
        producer.flush().expect("all of it is durable");
        producer.close(Duration::ZERO).expect("what is in the spool has not failed");
    }
    fs::create_dir_all(copy.path()).expect("it can be made");
    for file in fs::read_dir(directory.path()).expect("it is there").map(|file| file.expect("it can be read"))
    {
        fs::copy(file.path(), copy.path().join(file.file_name())).expect("there is room");
    }
    for directory in [&directory, &copy] {
        let producer = builder::<F>(&target.bootstrap(), directory).build().expect("the settings fit");
        producer.close(PATIENCE).expect("nothing failed");
    }
    let log = target.read("marked");
    assert_eq!(log.len(), 800);
    assert!(log.iter().all(|record| record.headers.len() == 2 && record.headers[0].0 == "unit"));
    let mut expected: Vec<_> =
        (0..2).flat_map(|life| (0..200).map(move |number| format!("{life} {number}"))).collect();
    expected.sort_unstable();
    assert_eq!(known_again(&log), expected);
    let marks: std::collections::BTreeSet<_> = log.iter().map(|record| record.headers[1].clone()).collect();
    assert_eq!(marks.len(), 400, "no two records have the same one");
}

/// The clock is set while records wait: they are sent then, with the time at which they were captured.
fn records_wait_for_the_clock_in<F: FrontEnd>(mode: SpoolMode) {
    let (target, directory) = (Target::simulated(), Directory::new());
    target.create_topic("early", 1);
    let set_at = now() + 3_000;
    let builder = builder::<F>(&target.bootstrap(), &directory).spool_mode(mode);
    let (producer, warnings) = heard(builder.clock_unset_before(Timestamp::from_millis(set_at)));
    let before = now();
    let own = Timestamp::from_millis(before - HOUR);
    let first = producer.send(&record("early", "captured")).expect("there is room");
    let others = [
        producer
            .send(&record("early", "of 1970").timestamp(Timestamp::from_millis(7)))
            .expect("there is room"),
        producer.send(&record("early", "its own").timestamp(own)).expect("there is room"),
    ];
    let after = now();
    let metadata = first.get().expect("it is sent when the clock is set");
    assert!(now() >= set_at, "not before");
    // Clocks are read one after the other, and the coarse one is a tick old.
    let near = |millis: i64| (before - 100..=after + 100).contains(&millis);
    assert!(near(metadata.timestamp().as_millis()), "{before} {after} {metadata:?}");
    for handle in others {
        handle.get().expect("it is stored");
    }
    producer.send(&record("early", "later")).expect("there is room").get().expect("the clock is set");
    wait_until("it is told", || warnings.lock().unwrap().contains(&Warning::ClockNotSet));
    producer.close(PATIENCE).expect("nothing failed");
    let log = target.read("early");
    assert_eq!(values(&log), ["captured", "of 1970", "its own", "later"]);
    let times: Vec<i64> = log.iter().map(|record| record.timestamp).collect();
    assert!(near(times[0]) && near(times[1]) && times[3] >= set_at, "{before} {after} {times:?}");
    assert_eq!(times[2], own.as_millis());
}

fn records_wait_for_the_clock<F: FrontEnd>() {
    records_wait_for_the_clock_in::<F>(SpoolMode::Always);
}

fn records_wait_for_the_clock_where_only_what_must_is_spooled<F: FrontEnd>() {
    records_wait_for_the_clock_in::<F>(SpoolMode::Overflow);
}

/// The process ends before the clock is set. The machine does not.
fn a_later_life_sets_the_times<F: FrontEnd>() {
    let (target, directory) = (Target::simulated(), Directory::new());
    target.create_topic("later", 1);
    let unset = Timestamp::from_millis(now() + 24 * HOUR);
    let producer = builder::<F>(&target.bootstrap(), &directory)
        .clock_unset_before(unset)
        .build()
        .expect("the settings fit");
    let before = now();
    let mut handle = producer.send(&record("later", "captured")).expect("there is room");
    handle.spooled().expect("the disk works");
    let after = now();
    producer.close(Duration::ZERO).expect("what is in the spool has not failed");
    assert_eq!(target.read("later").len(), 0);
    let producer = builder::<F>(&target.bootstrap(), &directory).build().expect("the settings fit");
    producer.close(PATIENCE).expect("nothing failed");
    let [stored] = &target.read("later")[..] else { panic!("one was sent") };
    assert!(
        (before - 100..=after + 100).contains(&stored.timestamp),
        "{before} {after} {}",
        stored.timestamp
    );
}

fn without_a_spool_a_record_without_a_time_is_refused<F: FrontEnd>() {
    let target = Target::simulated();
    target.create_topic("refused", 1);
    let builder = Builder::<F>::new().bootstrap_servers(&target.bootstrap()).linger(Duration::ZERO);
    let unset = Timestamp::from_millis(now() + 24 * HOUR);
    let producer = builder.clock_unset_before(unset).build().expect("the settings fit");
    for record in [record("refused", "x"), record("refused", "x").timestamp(Timestamp::from_millis(7))] {
        let refused = producer.send(&record).err().expect("the clock is not set");
        assert_eq!((&refused, refused.is_retriable()), (&SendError::ClockNotSet, true));
    }
    let own = Timestamp::from_millis(now());
    let stored = producer
        .send(&record("refused", "x").timestamp(own))
        .expect("it has a time")
        .get()
        .expect("it is stored");
    assert_eq!(stored.timestamp(), own);
    producer.close(PATIENCE).expect("nothing failed");
}

fn what_makes_no_sense_is_refused<F: FrontEnd>() {
    let directory = Directory::new();
    let with = |name: &str, value: &str| {
        let builder = builder::<F>(NOWHERE, &directory).properties([(name, value)]).expect("it can be read");
        builder.build().err().map(|error| error.to_string()).unwrap_or_default()
    };
    let long = "x".repeat(256);
    for (name, value, limit) in [
        ("spool.max.age.ms", "0", "1 to 3155760000000"),
        ("spool.max.age.ms", "99999999999999999999", "1 to 3155760000000"),
        ("spool.dedup.header", &*long, "1 to 255 bytes"),
        ("clock.unset.before.ms", "99999999999999", "0 to 4102444800000"),
    ] {
        let error = with(name, value);
        assert!(error.contains(name) && error.contains(limit), "{name}: {error}");
    }
    for (name, value) in [("spool.max.age.ms", "1"), ("spool.dedup.header", "id")] {
        let builder = Builder::<F>::new().bootstrap_servers(NOWHERE);
        let built = builder.properties([(name, value)]).expect("it can be read").build();
        let Err(BuildError::Config(error)) = built else { panic!("{name} without a spool") };
        assert!(error.to_string().contains("spool.dir"), "{error}");
    }
}

for_each_front_end! {
    who_waits_for_what_is_dropped_hears_of_it
    a_producer_ends_although_its_spool_is_full
    what_is_too_old_is_dropped
    a_sink_knows_a_record_again
    records_wait_for_the_clock
    records_wait_for_the_clock_where_only_what_must_is_spooled
    a_later_life_sets_the_times
    without_a_spool_a_record_without_a_time_is_refused
    what_makes_no_sense_is_refused
}
