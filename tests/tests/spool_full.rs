//! A spool that takes no more, and one whose size has changed, under both front-ends.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use felice_host::Builder;
use felice_host::surface::{ErrorKind, Header, ProducerRecord};
use felice_tests::behaviour::{FrontEnd, Handle, NoMetadata, PATIENCE, Target};
use felice_tests::cluster::Broker;
use felice_tests::for_each_front_end;
use felice_tests::spooled::{Directory, NOWHERE, PARTITIONS, builder, check};

/// Sends to nobody until the spool and the memory are full.
fn fill<F: FrontEnd>(producer: &F, topic: &str, padding: usize) -> Vec<F::Handle> {
    let padding = vec![b'x'; padding];
    let padding = [Header { key: "padding", value: Some(&padding) }];
    let mut handles = Vec::new();
    loop {
        let number = handles.len() as i32;
        let value = format!("run {number}");
        let record = ProducerRecord::new(topic, &*value).partition(number % PARTITIONS);
        match producer.send(&record.headers(&padding)) {
            Ok(handle) => handles.push(handle),
            Err(error) => {
                assert!(error.to_string().contains("max.block.ms"), "{error}");
                return handles;
            }
        }
    }
}

fn small<F: FrontEnd>(bootstrap: &str, directory: &Directory) -> Builder<F> {
    let builder = builder::<F>(bootstrap, directory).buffer_memory(65_536);
    // A disk may stand still for a while before the spool is full.
    builder.spool_max_bytes(256 * 1024).max_block(Duration::from_secs(2))
}

/// A full spool makes `send` wait, and goes on when the cluster is back: also where a segment has more frames than the sender
/// takes, and more of them wait in memory than there is room for when one is free.
fn a_full_spool_refuses_and_recovers<F: FrontEnd>() {
    for (batch, memory, padding) in [(16_384, 65_536, 1000), (300, 262_144, 0)] {
        let (target, directory) = (Target::simulated(), Directory::new());
        target.create_topic("full", PARTITIONS);
        let brokers: Vec<i32> =
            target.cluster().with(|cluster| cluster.brokers().iter().map(Broker::id).collect());
        brokers.iter().for_each(|broker| target.cluster().stop_broker(*broker));
        let builder = small::<F>(&target.bootstrap(), &directory).max_request_size(16_384);
        let producer = builder.buffer_memory(memory).batch_size(batch).build().expect("the settings fit");
        let handles = fill(&producer, "full", padding);
        assert!(handles.len() > 200, "{}", handles.len());
        brokers.iter().for_each(|broker| target.cluster().start_broker(*broker));
        let number = handles.len();
        for mut handle in handles {
            handle.get_timeout(PATIENCE).expect("the cluster is back");
        }
        producer.close(PATIENCE).expect("nothing failed");
        assert_eq!(check(&target.read("full"), &BTreeMap::from([("run".to_owned(), number)])), number);
    }
}

/// What is in a full spool when the producer ends stays there, and what has found no room has failed.
fn a_full_spool_can_be_closed<F: FrontEnd>() {
    let (target, directory) = (Target::simulated(), Directory::new());
    target.create_topic("full", PARTITIONS);
    // Room for many more than memory holds, however batches fill the segments.
    let builder = |bootstrap: &str| small::<F>(bootstrap, &directory).spool_max_bytes(384 * 1024);
    let producer = builder(NOWHERE).build().expect("the settings fit");
    let handles = fill(&producer, "full", 1000);
    let (told, ended) = std::sync::mpsc::channel();
    thread::spawn(move || told.send(producer.close(Duration::from_millis(200))));
    let closed = ended.recv_timeout(Duration::from_secs(30)).expect("it ends");
    assert!(closed.is_err(), "some have failed");
    let mut spooled = 0;
    for handle in handles {
        let Err(NoMetadata::Failed(error)) = handle.get() else { panic!("nobody was there") };
        match error.kind() {
            ErrorKind::Spooled => spooled += 1,
            kind => assert_eq!(kind, ErrorKind::Closed),
        }
    }
    assert!(spooled > 200, "{spooled}");
    let producer = builder(&target.bootstrap()).build().expect("the settings fit");
    producer.close(PATIENCE).expect("nothing failed");
    assert_eq!(check(&target.read("full"), &BTreeMap::new()), spooled);
}

/// The next life has another size: what the last one has written is read all the same.
fn a_spool_of_another_size_is_read<F: FrontEnd>() {
    let (target, directory) = (Target::simulated(), Directory::new());
    target.create_topic("size", PARTITIONS);
    let sizes = [1 << 20, 1 << 18, 1 << 19];
    for (life, bytes) in sizes.into_iter().enumerate() {
        let producer = small::<F>(NOWHERE, &directory).spool_max_bytes(bytes).build();
        let producer = producer.expect("the settings fit");
        let padding = [Header { key: "padding", value: Some(&[b'x'; 1000]) }];
        for number in 0..200 {
            let value = format!("run{life} {number}");
            let record = ProducerRecord::new("size", &*value).partition(number % PARTITIONS);
            producer
                .send(&record.headers(&padding))
                .expect("there is room")
                .spooled()
                .expect("the disk works");
        }
        producer.close(Duration::ZERO).expect("what is spooled has not failed");
    }
    let producer = small::<F>(&target.bootstrap(), &directory).build().expect("the settings fit");
    producer.close(PATIENCE).expect("nothing failed");
    let durable = (0..sizes.len()).map(|life| (format!("run{life}"), 200)).collect();
    assert_eq!(check(&target.read("size"), &durable), 600);
}

/// Small frames, of which many are in a segment: more than are read ahead must be acknowledged until there is room.
fn a_full_spool_is_read_although_nothing_can_be_written<F: FrontEnd>() {
    let (target, directory) = (Target::simulated(), Directory::new());
    target.create_topic("small", 1);
    let brokers: Vec<i32> =
        target.cluster().with(|cluster| cluster.brokers().iter().map(Broker::id).collect());
    brokers.iter().for_each(|broker| target.cluster().stop_broker(*broker));
    let builder = builder::<F>(&target.bootstrap(), &directory).buffer_memory(32 * 1024);
    let builder = builder.spool_max_bytes(64 * 1024).spool_sync(Duration::ZERO).max_block(Duration::ZERO);
    let producer = builder.build().expect("the settings fit");
    let value = "x".repeat(200);
    let send = || producer.send(&ProducerRecord::new("small", &*value).partition(0));
    let mut handles = Vec::new();
    // Each in a frame of its own, but for the last ones.
    while let Ok(mut handle) = send() {
        if handles.len() < 150 {
            handle.spooled().expect("the disk works");
        }
        handles.push(handle);
    }
    brokers.iter().for_each(|broker| target.cluster().start_broker(*broker));
    for mut handle in handles {
        handle.get_timeout(PATIENCE).expect("the cluster is back");
    }
    producer.close(PATIENCE).expect("nothing failed");
}

for_each_front_end! {
    a_full_spool_refuses_and_recovers
    a_full_spool_is_read_although_nothing_can_be_written
    a_full_spool_can_be_closed
    a_spool_of_another_size_is_read
}
