//! The spool under both front-ends: what is accepted while no cluster is there, and what outlives the process.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use felice_core::spool::Area;
use felice_core::spool::inspect::{self, CheckpointBody};
use felice_host::surface::{ErrorCode as Code, ErrorKind, Header, ProducerRecord, SpoolMode, Warning};
use felice_host::{BuildError, Builder, ConfigError, SpoolFiles};
use felice_tests::behaviour::{FrontEnd, Handle, NoMetadata, PATIENCE, Target, wait_until};
use felice_tests::cluster::{Action, Broker, Cluster, Fault};
use felice_tests::for_each_front_end;
use felice_tests::protocol::{ApiKey, ErrorCode};
use felice_tests::require_kafka;
use felice_tests::spooled::outcomes::REPEATED_MAX;
use felice_tests::spooled::{Directory, NOWHERE, PARTITIONS, builder, check};

const PROGRAM: &str = env!("CARGO_BIN_EXE_spooled-producer");

/// Only what is not sent after this long is spooled.
fn overflowing<F: FrontEnd>(bootstrap: &str, directory: &Directory) -> Builder<F> {
    let builder = builder::<F>(bootstrap, directory).spool_mode(SpoolMode::Overflow);
    builder.spool_overflow_after(Duration::from_millis(200))
}

fn send<F: FrontEnd>(producer: &F, topic: &str, number: usize) -> F::Handle {
    let value = format!("run {number}");
    let record = ProducerRecord::new(topic, &*value).partition(number as i32 % PARTITIONS);
    producer.send(&record).expect("there is room")
}

fn delivers<F: FrontEnd>(target: &Target) {
    let (topic, directory) = (format!("spool-delivers-{}", F::NAME), Directory::new());
    target.create_topic(&topic, PARTITIONS);
    let producer = builder::<F>(&target.bootstrap(), &directory).build().expect("the settings fit");
    let handles: Vec<_> = (0..3000).map(|number| send(&producer, &topic, number)).collect();
    for handle in handles {
        assert!(handle.get().expect("it is stored").offset() >= 0);
    }
    producer.flush().expect("it is not another process");
    producer.close(PATIENCE).expect("nothing failed");
    let durable = BTreeMap::from([("run".to_owned(), 3000)]);
    assert_eq!(check(&target.read(&topic), &durable), 3000);
    // The next one has nothing to do.
    let producer = builder::<F>(&target.bootstrap(), &directory).build().expect("the settings fit");
    producer.close(PATIENCE).expect("nothing failed");
    assert_eq!(check(&target.read(&topic), &durable), 3000);
}

fn a_cluster_delivers<F: FrontEnd>() {
    delivers::<F>(&Target::simulated());
}

fn real_kafka_delivers<F: FrontEnd>() {
    require_kafka!();
    delivers::<F>(&Target::real());
}

fn what_was_accepted_without_a_cluster_is_sent_by_the_next_life<F: FrontEnd>() {
    begin_without_a_cluster(builder::<F>);
}

fn what_overflowed_without_a_cluster_is_sent_by_the_next_life<F: FrontEnd>() {
    begin_without_a_cluster(overflowing::<F>);
}

/// More than memory holds, and nobody there: it is accepted, durable, and sent by the next life.
fn begin_without_a_cluster<F: FrontEnd>(builder: fn(&str, &Directory) -> Builder<F>) {
    let (target, directory) = (Target::simulated(), Directory::new());
    target.create_topic("offline", PARTITIONS);
    let producer = builder(NOWHERE, &directory).build().expect("the settings fit");
    let padding = [Header { key: "padding", value: Some(&[b'x'; 1000]) }];
    let mut handles = Vec::new();
    for number in 0..5000 {
        let value = format!("run {number}");
        let record = ProducerRecord::new("offline", &*value).partition(number % PARTITIONS);
        handles.push(producer.send(&record.headers(&padding)).expect("there is room"));
    }
    for handle in &mut handles {
        handle.spooled().expect("the disk works");
    }
    assert!(handles[0].try_get().is_none());
    producer.flush().expect("what is durable is flushed");
    producer.close(Duration::ZERO).expect("what is in the spool has not failed");
    for handle in handles {
        let Err(NoMetadata::Failed(error)) = handle.get() else { panic!("nobody was there") };
        assert_eq!(error.kind(), ErrorKind::Spooled);
    }
    let producer = builder(&target.bootstrap(), &directory).build().expect("the settings fit");
    producer.close(PATIENCE).expect("nothing failed");
    assert_eq!(check(&target.read("offline"), &BTreeMap::from([("run".to_owned(), 5000)])), 5000);
}

/// A record may be with the sender when it becomes durable, and stay there for as long as no broker answers.
fn what_is_in_flight_is_durable_all_the_same<F: FrontEnd>() {
    let (target, directory) = (Target::simulated(), Directory::new());
    target.create_topic("frozen", 1);
    let builder = builder::<F>(&target.bootstrap(), &directory).spool_sync(Duration::from_millis(300));
    // What was under way when the brokers stood still is sent once more.
    let builder = builder.request_timeout(Duration::from_secs(2));
    let producer = builder.build().expect("the settings fit");
    let send = || producer.send(&ProducerRecord::new("frozen", "x")).expect("there is room");
    send().get().expect("it is stored");
    let freeze = |frozen| {
        target.cluster().with(|cluster| {
            let brokers: Vec<i32> = cluster.brokers().iter().map(Broker::id).collect();
            brokers.iter().for_each(|broker| cluster.set_frozen(*broker, frozen));
        });
    };
    freeze(true);
    let (mut handle, (told, durable)) = (send(), std::sync::mpsc::channel());
    let waiting = thread::spawn(move || {
        let spooled = handle.spooled();
        let _ = told.send(spooled);
        handle
    });
    let spooled = durable.recv_timeout(Duration::from_secs(20));
    freeze(false);
    assert!(matches!(spooled, Ok(Ok(()))), "{spooled:?}");
    waiting.join().expect("it does not panic").get().expect("it is stored");
    producer.close(PATIENCE).expect("nothing failed");
}

/// What a broker that forgets may get twice is what was under way, and as much that is done and not written down.
fn what_is_done_is_soon_written_down<F: FrontEnd>() {
    let (target, directory) = (Target::simulated(), Directory::new());
    target.create_topic("counted", 1);
    let producer = builder::<F>(&target.bootstrap(), &directory).build().expect("the settings fit");
    for number in 0..400 {
        let record = ProducerRecord::new("counted", "x").partition(0);
        assert_eq!(
            producer.send(&record).expect("there is room").get().expect("it is stored").offset(),
            number
        );
    }
    let done = done(&directory);
    assert!(done >= 400 - REPEATED_MAX as u64, "{done} are written down");
    producer.close(PATIENCE).expect("nothing failed");
}

/// How many records of its only partition are done, as the newest checkpoint says.
fn done(directory: &Directory) -> u64 {
    let mut files = SpoolFiles::look(directory.path()).expect("it is there");
    let heads = [0, 1].map(|slot| {
        let length = files.area_bytes(Area::Checkpoint(slot)).expect("it is there") as u32;
        // One of them may be about to be written.
        inspect::checkpoint(&mut files, slot, length).ok().flatten().map(|head| (head.generation, slot, head))
    });
    let newest = heads.into_iter().flatten().max_by_key(|(generation, ..)| *generation);
    let (_, slot, head) = newest.expect("one of them is valid");
    let mut body = CheckpointBody::new(slot, &head);
    (0..head.topics).for_each(|_| assert!(body.next_topic(&mut files).is_some()));
    body.next_partition(&mut files).expect("it was written").done
}

/// While brokers answer nothing is written. What they do not take in time is; it is sent in its order when they are back,
/// and then again nothing is written.
fn only_what_waits_overflows<F: FrontEnd>() {
    let (target, directory) = (Target::simulated(), Directory::new());
    target.create_topic("overflow", PARTITIONS);
    let builder = overflowing::<F>(&target.bootstrap(), &directory).batch_size(1024);
    let producer = builder.build().expect("the settings fit");
    let mut number = 0;
    let mut next = || {
        number += 1;
        send(&producer, "overflow", number - 1)
    };
    for _ in 0..20 {
        let handles: Vec<_> = (0..50).map(|_| next()).collect();
        handles.into_iter().for_each(|handle| assert!(handle.get().is_ok()));
    }
    assert!(segments(&directory).is_empty(), "nothing is written");
    for _ in 0..3 {
        let brokers: Vec<i32> =
            target.cluster().with(|cluster| cluster.brokers().iter().map(Broker::id).collect());
        brokers.iter().for_each(|broker| target.cluster().stop_broker(*broker));
        let mut handles: Vec<_> = (0..2000).map(|_| next()).collect();
        // As many as may be under way to three leaders stay in memory.
        for handle in &mut handles[1500..] {
            handle.spooled().expect("the disk works");
        }
        brokers.iter().for_each(|broker| target.cluster().start_broker(*broker));
        // Some are accepted while the others are on their way.
        handles.extend((0..500).map(|_| next()));
        handles.into_iter().for_each(|handle| assert!(handle.get().is_ok()));
        wait_until("nothing is written again", || {
            let before = segments(&directory);
            let handles: Vec<_> = (0..50).map(|_| next()).collect();
            handles.into_iter().for_each(|handle| assert!(handle.get().is_ok()));
            segments(&directory) == before
        });
    }
    producer.close(PATIENCE).expect("nothing failed");
    let sent = BTreeMap::from([("run".to_owned(), number)]);
    assert_eq!(check(&target.read("overflow"), &sent), number);
}

/// What is in the segments.
fn segments(directory: &Directory) -> Vec<Vec<u8>> {
    let files =
        fs::read_dir(directory.path()).expect("it is there").map(|file| file.expect("it can be read"));
    let mut segments: Vec<_> = files.map(|file| file.path()).collect();
    segments
        .retain(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("segment")));
    segments.sort();
    segments.iter().map(|path| fs::read(path).expect("it can be read")).collect()
}

/// What the last life knew of a topic is enough to choose partitions.
fn without_a_cluster_records_have_their_partitions<F: FrontEnd>() {
    let (target, directory) = (Target::simulated(), Directory::new());
    target.create_topic("known", PARTITIONS);
    let producer = builder::<F>(&target.bootstrap(), &directory).build().expect("the settings fit");
    let sent = producer.send(&ProducerRecord::new("known", "0").key("k")).expect("there is room");
    let partition = sent.get().expect("it is stored").partition();
    producer.close(PATIENCE).expect("nothing failed");

    let producer = builder::<F>(NOWHERE, &directory).build().expect("the settings fit");
    let mut handle = producer.send(&ProducerRecord::new("known", "1").key("k")).expect("there is room");
    handle.spooled().expect("the disk works");
    producer.close(Duration::ZERO).expect("what is in the spool has not failed");

    let producer = builder::<F>(&target.bootstrap(), &directory).build().expect("the settings fit");
    producer.close(PATIENCE).expect("nothing failed");
    let log = target.read("known");
    let found: Vec<_> = log.iter().map(|record| (record.partition, record.offset)).collect();
    assert_eq!(found, [(partition, 0), (partition, 1)]);
}

fn a_directory_is_used_by_one_producer<F: FrontEnd>() {
    let directory = Directory::new();
    let first = builder::<F>(NOWHERE, &directory).build().expect("the settings fit");
    let second = builder::<F>(NOWHERE, &directory).build();
    let Err(BuildError::Config(error @ ConfigError::Invalid { name: "spool.dir", .. })) = second else {
        panic!("{second:?}");
    };
    assert!(error.to_string().contains("no other producer"), "{error}");
    first.close(Duration::ZERO).expect("nothing was sent");
    builder::<F>(NOWHERE, &directory).build().expect("it is free again").close(Duration::ZERO).expect("so");
}

/// A spool that cannot be is told of, and records are sent from memory.
fn without_a_directory_there_is_memory<F: FrontEnd>() {
    let (target, directory) = (Target::simulated(), Directory::new());
    target.create_topic("memory", 1);
    fs::write(directory.path(), "a file").expect("it can be written");
    let warnings = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&warnings);
    let builder = builder::<F>(&target.bootstrap(), &directory);
    let builder = builder.on_warning(move |warning| heard.lock().unwrap().push(warning));
    let producer = builder.build().expect("it starts all the same");
    let mut handle = producer.send(&ProducerRecord::new("memory", "x")).expect("there is room");
    handle.spooled().expect("it is acknowledged");
    producer.close(PATIENCE).expect("nothing failed");
    wait_until("the warning is told", || !warnings.lock().unwrap().is_empty());
    let warnings = warnings.lock().unwrap();
    let [Warning::SpoolFailing { problem }] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(problem.contains("memory only"), "{problem}");
    fs::remove_file(directory.path()).expect("it was there");
}

/// What may pass is tried again; what never will fails, and what stands behind it goes on.
fn what_may_pass_is_tried_again_and_what_may_not_fails<F: FrontEnd>() {
    let (target, directory) = (Target::simulated(), Directory::new());
    target.create_topic("refused", 1);
    let refuse = |code, times| {
        let fault = Fault::error(ApiKey::PRODUCE, code).times(times);
        target.cluster().with(|cluster| cluster.inject(fault));
    };
    let undelivered = Arc::new(Mutex::new(0));
    let heard = Arc::clone(&undelivered);
    let builder = builder::<F>(&target.bootstrap(), &directory);
    let builder = builder.on_undelivered(move |_| *heard.lock().unwrap() += 1);
    let producer = builder.build().expect("the settings fit");
    let send = |value| producer.send(&ProducerRecord::new("refused", value)).expect("there is room");
    refuse(ErrorCode::TOPIC_AUTHORIZATION_FAILED, 2);
    assert_eq!(send("allowed later").get().expect("it is tried again").offset(), 0);
    refuse(ErrorCode::INVALID_TIMESTAMP, 1);
    let Err(NoMetadata::Failed(error)) = send("never").get() else { panic!("it was refused") };
    assert_eq!(error.kind(), ErrorKind::Broker(Code::INVALID_TIMESTAMP));
    refuse(ErrorCode::INVALID_TIMESTAMP, 1);
    drop(send("never, and nobody waits"));
    wait_until("somebody hears of it", || *undelivered.lock().unwrap() == 1);
    assert_eq!(send("goes on").get().expect("it is stored").offset(), 1);
    producer.close(PATIENCE).expect("nothing failed since");
    assert_eq!(target.read("refused").len(), 2);
}

/// A broker that is away has a part of what is read from the spool, and no more: the others' records go on.
fn a_broker_that_is_away_holds_up_only_its_own<F: FrontEnd>() {
    let (target, directory) = (Target::simulated(), Directory::new());
    target.create_topic("apart", PARTITIONS);
    let builder = builder::<F>(&target.bootstrap(), &directory).batch_size(1024).buffer_memory(1 << 20);
    let builder = builder.request_timeout(Duration::from_secs(2));
    let producer = builder.build().expect("the settings fit");
    let padding = [Header { key: "padding", value: Some(&[b'x'; 1000]) }];
    let mut number = 0;
    let mut send_all = |count| -> Vec<F::Handle> {
        let mut next = || {
            let value = format!("run {number}");
            let record = ProducerRecord::new("apart", &*value).partition(number % PARTITIONS);
            number += 1;
            producer.send(&record.headers(&padding)).expect("there is room")
        };
        (0..count).map(|_| next()).collect()
    };
    send_all(PARTITIONS).into_iter().for_each(|handle| assert!(handle.get().is_ok()));
    let leader = |at| target.cluster().with(|cluster| cluster.partition("apart", at).leader());
    let away = leader(0);
    let silent = Fault::new(ApiKey::PRODUCE, Action::Drop).on_broker(away).times(1_000_000);
    target.cluster().with(|cluster| cluster.inject(silent));
    let (mut of_others, mut own) = (Vec::new(), Vec::new());
    for (at, handle) in send_all(400 * PARTITIONS).into_iter().enumerate() {
        if leader(at as i32 % PARTITIONS) == away { own.push(handle) } else { of_others.push(handle) }
    }
    assert!(of_others.len() >= 400 && own.len() >= 400);
    for handle in &mut of_others {
        let sent = handle.get_timeout(Duration::from_secs(20));
        assert!(sent.is_ok(), "{sent:?}");
    }
    target.cluster().with(Cluster::clear_faults);
    own.into_iter().for_each(|handle| assert!(handle.get().is_ok()));
    producer.close(PATIENCE).expect("nothing failed");
    let sent = BTreeMap::from([("run".to_owned(), number as usize)]);
    assert_eq!(check(&target.read("apart"), &sent), number as usize);
}

/// A broker that is away has a part, and gets no largest batch besides: what is left has room for another's largest. What is
/// behind the one that waits is no faster, were it smaller.
fn the_largest_has_room_beside_a_broker_that_is_away<F: FrontEnd>() {
    const LARGEST: usize = 255 * 1024;
    let (target, directory) = (Target::simulated(), Directory::new());
    target.create_topic("large", PARTITIONS);
    let builder = builder::<F>(&target.bootstrap(), &directory).batch_size(1024).buffer_memory(1 << 20);
    let producer = builder.request_timeout(Duration::from_secs(60)).build().expect("the settings fit");
    let send = |partition, bytes| {
        let value = "x".repeat(bytes);
        let record = ProducerRecord::new("large", &*value).partition(partition);
        let mut handle = producer.send(&record).expect("there is room");
        handle.spooled().expect("the disk works");
        handle
    };
    let leader = |at| target.cluster().with(|cluster| cluster.partition("large", at).leader());
    let other = (1..PARTITIONS).find(|&at| leader(at) != leader(0)).expect("there are several brokers");
    send(0, 1).get().expect("it is stored");
    let silent = Fault::new(ApiKey::PRODUCE, Action::Drop).on_broker(leader(0)).times(1_000_000);
    target.cluster().with(|cluster| cluster.inject(silent));
    let own = [5_000, LARGEST, 2].map(|bytes| send(0, bytes));
    let sent = send(other, LARGEST).get_timeout(Duration::from_secs(20));
    assert!(sent.is_ok(), "{sent:?}");
    target.cluster().with(Cluster::clear_faults);
    target.cluster().stop_broker(leader(0));
    target.cluster().start_broker(leader(0));
    own.into_iter().for_each(|handle| assert!(handle.get().is_ok()));
    producer.close(PATIENCE).expect("nothing failed");
    let log = target.read("large");
    let bytes = log.iter().filter(|record| record.partition == 0);
    let bytes: Vec<usize> = bytes.map(|record| record.value.as_ref().map_or(0, Vec::len)).collect();
    assert_eq!(bytes, [1, 5_000, LARGEST, 2]);
}

/// One of several under way is refused for a while, and could be read again before the others have their answers: they come
/// back, and nothing overtakes it.
fn nothing_overtakes_what_is_refused_for_a_while<F: FrontEnd>() {
    let (target, directory) = (Target::simulated(), Directory::new());
    target.create_topic("held", 1);
    let producer = builder::<F>(&target.bootstrap(), &directory).build().expect("the settings fit");
    let send = |number: i32| {
        let value = number.to_string();
        producer.send(&ProducerRecord::new("held", &*value)).expect("there is room")
    };
    send(0).get().expect("it is stored");
    target.cluster().with(|cluster| {
        // Until the others have come.
        cluster.inject(Fault::new(ApiKey::PRODUCE, Action::Delay(1_000_000)));
        cluster.inject(Fault::error(ApiKey::PRODUCE, ErrorCode::TOPIC_AUTHORIZATION_FAILED));
        // For longer than it takes until a frame that was refused is read again.
        cluster.inject(Fault::new(ApiKey::PRODUCE, Action::Delay(2_000_000)));
    });
    let mut handles = Vec::new();
    for number in 1..=10 {
        // Each in a batch of its own.
        handles.push(send(number));
        handles.last_mut().expect("it was put there").spooled().expect("the disk works");
    }
    for mut handle in handles {
        handle.get_timeout(Duration::from_secs(30)).expect("it is stored");
    }
    assert_eq!(target.cluster().with(|cluster| cluster.faults_left()), 0);
    producer.close(PATIENCE).expect("nothing failed");
    let mut stored: Vec<i32> = Vec::new();
    for record in target.read("held") {
        stored.push(String::from_utf8(record.value.expect("a value")).unwrap().parse().unwrap());
    }
    assert_eq!(stored, (0..=10).collect::<Vec<_>>());
}

/// Killed again and again while it sends: each record that was said to be durable is in the log, once, in order.
fn survive_kills(target: &Target, front_end: &str, kills: usize) {
    let (topic, directory) = (format!("killed-{front_end}"), Directory::new());
    target.create_topic(&topic, PARTITIONS);
    let run = |name: &str, records: &str| {
        let (bootstrap, path) = (target.bootstrap(), directory.path().display().to_string());
        let arguments = [&*bootstrap, &topic, &path, name, records, front_end];
        Command::new(PROGRAM).args(arguments).stdout(Stdio::piped()).spawn().expect("it starts")
    };
    let mut durable = BTreeMap::new();
    for kill in 0..kills {
        let name = format!("run{kill}");
        let mut child = run(&name, "1000000");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut last = 0;
        for _ in 0..1 + 7 * kill % 40 {
            last = lines.next().expect("it goes on").expect("text").parse().expect("a number");
        }
        child.kill().expect("it runs");
        child.wait().expect("it was killed");
        for line in lines.map_while(Result::ok) {
            last = line.parse().unwrap_or(last);
        }
        durable.insert(name, last);
    }
    let name = format!("run{kills}");
    let mut child = run(&name, "100");
    assert!(child.wait().expect("it ends").success());
    durable.insert(name, 100);
    let count = check(&target.read(&topic), &durable);
    assert!(count >= durable.values().sum());
    println!("{count} records in {kills} lives");
}

fn kills_on_the_simulated_cluster<F: FrontEnd>() {
    let target = Target::simulated();
    survive_kills(&target, F::NAME, 6);
}

fn kills_on_real_kafka<F: FrontEnd>() {
    require_kafka!();
    survive_kills(&Target::real(), F::NAME, 5);
}

for_each_front_end! {
    a_cluster_delivers
    real_kafka_delivers
    what_was_accepted_without_a_cluster_is_sent_by_the_next_life
    what_overflowed_without_a_cluster_is_sent_by_the_next_life
    only_what_waits_overflows
    what_is_in_flight_is_durable_all_the_same
    what_is_done_is_soon_written_down
    without_a_cluster_records_have_their_partitions
    a_directory_is_used_by_one_producer
    without_a_directory_there_is_memory
    what_may_pass_is_tried_again_and_what_may_not_fails
    nothing_overtakes_what_is_refused_for_a_while
    a_broker_that_is_away_holds_up_only_its_own
    the_largest_has_room_beside_a_broker_that_is_away
    kills_on_the_simulated_cluster
    kills_on_real_kafka
}
