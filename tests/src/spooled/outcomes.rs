//! What a spool cannot prevent, on a real broker: a copy of it is used, the broker has forgotten who sent, the topic is another
//! one. Each has an outcome that is documented, and a warning where records may be stored twice.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use felice_core::record::ProducerRecord;
use felice_host::Builder;
use felice_host::surface::Warning;

use super::{Directory, GROUP, PARTITIONS};
use crate::behaviour::{FrontEnd, Handle, PATIENCE, wait_until};
use crate::java::ReadRecord;
use crate::kafka::Kafka;
use crate::protocol::describe_producers::{DescribeProducersRequest, DescribeProducersResponse};
use crate::protocol::{ApiKey, RequestHeader, decode_response, encode_request};

/// Nobody listens there.
const NOWHERE: &str = "127.0.0.1:1";

/// After how long a broker of [`forgetting`] forgets a producer, by the timestamps of its records.
const FORGETS_AFTER: &str = "3000";

/// So many batches may be sent twice where a broker has forgotten who sent them: those that the sender holds, and as many that
/// are done and not written down.
pub const REPEATED_MAX: usize = 2 * 128;

/// A broker whose memory of producers is short.
pub fn forgetting() -> Kafka {
    let kafka = Kafka::builder().property("producer.id.expiration.ms", FORGETS_AFTER);
    kafka.property("producer.id.expiration.check.interval.ms", "200").start()
}

/// A copy of the directory is made while its producer lives, and used beside it. What was not acknowledged then is stored
/// twice, since the copy does not use the numbers of the other one; all else is stored once.
pub fn a_copy<F: FrontEnd>(kafka: &Kafka) {
    let (topic, directory, copy) = (format!("copied-{}", F::NAME), Directory::new(), Directory::new());
    kafka.oracle().create_topic(&topic, PARTITIONS);
    let (first, warnings_of_first) = begin::<F>(&kafka.bootstrap(), directory.path());
    let send = |producer: &F, run: &str, numbers: std::ops::Range<usize>| -> Vec<F::Handle> {
        numbers.map(|number| send(producer, &topic, run, number)).collect()
    };
    for handle in send(&first, "first", 0..300) {
        handle.get().expect("it is stored");
    }
    kafka.pause(1);
    for mut handle in send(&first, "first", 300..600) {
        handle.spooled().expect("the disk works");
    }
    copy_all(directory.path(), copy.path());
    kafka.resume(1);
    let (second, warnings_of_second) = begin::<F>(&kafka.bootstrap(), copy.path());
    let handles = [send(&first, "first", 600..900), send(&second, "second", 0..300)];
    for handle in handles.into_iter().flatten() {
        handle.get().expect("it is stored");
    }
    first.close(PATIENCE).expect("nothing failed");
    second.close(PATIENCE).expect("nothing failed");
    assert_eq!(*warnings_of_first.lock().unwrap(), []);
    assert_eq!(*warnings_of_second.lock().unwrap(), [Warning::SpoolCopied]);
    let times = times(&kafka.oracle().read(&topic));
    let of = |run: &str, number| times.get(&(run.to_owned(), number)).copied().unwrap_or(0);
    assert!((0..300).all(|number| matches!(of("first", number), 1 | 2)), "{times:?}");
    assert!((300..600).all(|number| of("first", number) == 2), "{times:?}");
    assert!((600..900).all(|number| of("first", number) == 1), "{times:?}");
    assert!((0..300).all(|number| of("second", number) == 1), "{times:?}");
    assert_eq!(times.len(), 1200);
}

/// The process is killed, and the broker has forgotten who sent before the next one begins; it forgets all the time, since
/// the records are old. What was under way goes once more, and that is told.
pub fn a_broker_that_forgets<F: FrontEnd>(kafka: &Kafka, program: &str) {
    let (topic, directory) = (format!("forgotten-{}", F::NAME), Directory::new());
    kafka.oracle().create_topic(&topic, PARTITIONS);
    let old = ["age=86400000", "batch.size=600"];
    let durable = live::<F>(kafka, program, &topic, &directory, 10_000, &old);
    wait_until("the broker has forgotten it", || producers(kafka.address(1), &topic) == 0);
    let (next, warnings) = begin::<F>(&kafka.bootstrap(), directory.path());
    next.close(PATIENCE).expect("nothing failed");
    let log = kafka.oracle().read(&topic);
    let times = times(&log);
    let missing = (0..durable).find(|number| !times.contains_key(&("run".into(), *number)));
    assert_eq!(missing, None, "it was said to be durable");
    let repeated = log.len() - times.len();
    let told = warnings.lock().unwrap().iter().fold(0, |told, warning| {
        let Warning::SpoolForgotten { records } = warning else { panic!("{warning}") };
        told.max(*records as usize)
    });
    println!("{topic}: {} records, {repeated} of them twice, at most {told} were told of", times.len());
    assert!(repeated <= told, "{repeated} are stored twice, {told} were told of");
    assert!(told <= REPEATED_MAX * GROUP.div_ceil(PARTITIONS as usize), "{told}");
    in_order(&log);
}

/// A topic is deleted and made anew while records wait for it. What was not acknowledged before goes into the new one, once
/// and in order.
pub fn another_topic<F: FrontEnd>(kafka: &Kafka, program: &str) {
    let (topic, directory) = (format!("anew-{}", F::NAME), Directory::new());
    kafka.oracle().create_topic(&topic, PARTITIONS);
    // Killed under way, and then without a cluster.
    let durable = live::<F>(kafka, program, &topic, &directory, 2_000, &[]);
    let (offline, _) = begin::<F>(NOWHERE, directory.path());
    for mut handle in (0..300).map(|number| send(&offline, &topic, "run1", number)).collect::<Vec<_>>() {
        handle.spooled().expect("the disk works");
    }
    offline.close(Duration::ZERO).expect("what is spooled has not failed");
    let before = times(&kafka.oracle().read(&topic));
    kafka.oracle().delete_topic(&topic);
    wait_until("the topic is gone", || kafka.oracle().try_describe(&topic).is_err());
    let (last, _) = begin::<F>(&kafka.bootstrap(), directory.path());
    kafka.oracle().create_topic(&topic, PARTITIONS);
    for handle in (0..300).map(|number| send(&last, &topic, "run2", number)).collect::<Vec<_>>() {
        handle.get().expect("it is stored");
    }
    last.close(PATIENCE).expect("nothing failed");
    let log = kafka.oracle().read(&topic);
    in_order(&log);
    let times = times(&log);
    assert_eq!(log.len(), times.len(), "some are stored twice");
    let is_there = |run: &str, number| times.contains_key(&(run.to_owned(), number));
    assert!((0..300).all(|number| is_there("run1", number) && is_there("run2", number)));
    let is_lost =
        |number: &usize| !is_there("run", *number) && !before.contains_key(&("run".into(), *number));
    assert_eq!((0..durable).find(is_lost), None);
    println!("{topic}: {} records in the old one, {} in the new one", before.len(), times.len());
}

type Warnings = Arc<Mutex<Vec<Warning>>>;

fn begin<F: FrontEnd>(bootstrap: &str, directory: &Path) -> (F, Warnings) {
    let warnings = Warnings::default();
    let heard = Arc::clone(&warnings);
    let builder = Builder::<F>::new().bootstrap_servers(bootstrap).linger(Duration::ZERO);
    let builder = builder.spool_dir(directory).spool_sync(Duration::from_millis(10));
    let builder = builder.on_warning(move |warning| heard.lock().unwrap().push(warning));
    (builder.build().expect("the settings fit"), warnings)
}

fn send<F: FrontEnd>(producer: &F, topic: &str, run: &str, number: usize) -> F::Handle {
    let value = format!("{run} {number}");
    let record = ProducerRecord::new(topic, &*value).partition(number as i32 % PARTITIONS);
    producer.send(&record).expect("there is room")
}

/// A life of the program that is killed once so many records are durable; how many are.
fn live<F: FrontEnd>(
    kafka: &Kafka,
    program: &str,
    topic: &str,
    directory: &Directory,
    records: usize,
    settings: &[&str],
) -> usize {
    let path = directory.path().display().to_string();
    let arguments = [&*kafka.bootstrap(), topic, &path, "run", "1000000000", F::NAME];
    let mut command = Command::new(program);
    command.args(arguments).args(settings).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let said = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut numbers = said.lines().map_while(Result::ok).filter_map(|line| line.parse().ok());
    let enough = numbers.find(|number| *number >= records);
    child.kill().expect("it can be killed");
    child.wait().expect("it was killed");
    numbers.last().or(enough).expect("it sends until it is killed")
}

/// How often each record is stored, by run and number.
fn times(log: &[ReadRecord]) -> BTreeMap<(String, usize), usize> {
    let mut times = BTreeMap::new();
    for record in log {
        *times.entry(name(record)).or_default() += 1;
    }
    times
}

fn name(record: &ReadRecord) -> (String, usize) {
    let value = str::from_utf8(record.value.as_deref().expect("a value")).expect("text");
    let (run, number) = value.split_once(' ').expect("a run and a number");
    (run.to_owned(), number.parse().expect("a number"))
}

/// In each partition no record stands behind a later one, but where it is stored a second time.
fn in_order(log: &[ReadRecord]) {
    for partition in 0..PARTITIONS {
        let mut of_partition: Vec<_> = log.iter().filter(|record| record.partition == partition).collect();
        of_partition.sort_by_key(|record| record.offset);
        let mut newest = None;
        let mut seen = std::collections::BTreeSet::new();
        for record in of_partition {
            let name = name(record);
            assert!(seen.contains(&name) || newest < Some(name.clone()), "{name:?} stands behind {newest:?}");
            newest = newest.max(Some(name.clone()));
            seen.insert(name);
        }
    }
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("it can be made");
    for file in fs::read_dir(from).expect("it is there") {
        let file = file.expect("it can be read");
        fs::copy(file.path(), to.join(file.file_name())).expect("it can be copied");
    }
}

/// How many producers a broker remembers of a topic.
fn producers(broker: SocketAddr, topic: &str) -> usize {
    let request = DescribeProducersRequest::of_partitions(topic, 0..PARTITIONS);
    let header = RequestHeader::new(ApiKey::DESCRIBE_PRODUCERS, 0, 1);
    let mut stream = TcpStream::connect(broker).expect("it listens");
    stream.write_all(&encode_request(&header, &request)).expect("it reads");
    let mut length = [0; 4];
    stream.read_exact(&mut length).expect("it answers");
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut frame).expect("it answers");
    let (_, answer) = decode_response::<DescribeProducersResponse<'_>>(0, &frame).expect("an answer");
    let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|partition| partition.active_producers.len()).sum()
}
