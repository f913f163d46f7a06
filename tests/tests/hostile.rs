//! Brokers that mean harm, over TCP: every record has its outcome in time, memory does not grow, the other brokers'
//! records go on, and a broker that is good again is used again.

use std::time::{Duration, Instant};

use felice_blocking::{Delivery, GetError, Producer, ProducerRecord};
use felice_tests::cluster::{ClusterConfig, TcpCluster};
use felice_tests::hostile::{Evil, EvilBroker, others_go_on};

const SECONDS: Duration = Duration::from_secs(20);
/// How long a record may take, and how long an answer may.
const DELIVERY: Duration = Duration::from_millis(900);
const REQUEST: Duration = Duration::from_millis(700);
/// What is read of answers without end, at least, and what other tests of this process may need meanwhile.
const FLOOD_BYTES_MIN: u64 = 32 * 1016 * 1024;
const GROWTH_KIB_MAX: usize = 16 * 1024;

fn producer(bootstrap: &str) -> Producer {
    Producer::builder()
        .bootstrap_servers(bootstrap)
        .linger(Duration::ZERO)
        .request_timeout(REQUEST)
        .delivery_timeout(DELIVERY)
        .reconnect_backoff(Duration::from_millis(5))
        .reconnect_backoff_max(Duration::from_millis(20))
        .build()
        .unwrap()
}

/// Resident memory of this process.
fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Every record has its outcome, in time; how many are stored.
fn outcomes(handles: Vec<Delivery>) -> usize {
    let end = Instant::now() + DELIVERY + Duration::from_secs(5);
    let mut stored = 0;
    for mut handle in handles {
        let left = end.saturating_duration_since(Instant::now());
        match handle.get_timeout(left) {
            Ok(_) => stored += 1,
            Err(GetError::TimedOut) => panic!("no outcome in time"),
            Err(_) => {}
        }
    }
    stored
}

/// Answers without end are read for long enough, and whatever was sent has not become memory.
fn check_memory(producer: &Producer, broker: &EvilBroker, evil: Evil, before_kib: usize) {
    let record = ProducerRecord::new("t", "one more");
    let end = Instant::now() + SECONDS;
    if matches!(evil, Evil::HugeFrame | Evil::EndlessBrokers | Evil::EndlessTopics) {
        while broker.flood_bytes() < FLOOD_BYTES_MIN {
            assert!(Instant::now() < end, "only {} bytes were read", broker.flood_bytes());
            assert!(producer.send(record.partition(1)).unwrap().get().is_err());
        }
    }
    let growth = resident_kib().saturating_sub(before_kib);
    assert!(growth < GROWTH_KIB_MAX, "{growth} KiB more");
}

/// The only broker there is means harm, and then does not any more.
fn alone(evil: Evil) {
    let broker = EvilBroker::start(evil).unwrap();
    let before = resident_kib();
    let producer = producer(&broker.address().to_string());
    let handles = (0..100_u32).map(|number| producer.send(ProducerRecord::new("t", number)).unwrap());
    let stored = outcomes(handles.collect());
    assert!(broker.deeds() > 0, "it was asked");
    assert!(stored == 0 || evil == Evil::Mutation, "{stored} records are stored: by whom?");
    check_memory(&producer, &broker, evil, before);
    broker.repent();
    let end = Instant::now() + SECONDS;
    while producer.send(ProducerRecord::new("t", "once more")).unwrap().get().is_err() {
        assert!(Instant::now() < end, "it is not used again");
    }
    producer.close(SECONDS).unwrap();
}

/// One of two brokers means harm. The other one's records do not notice.
fn beside_a_good_one(evil: Evil) {
    let cluster = TcpCluster::start(ClusterConfig { brokers: 2, ..ClusterConfig::default() }).unwrap();
    let broker = EvilBroker::start(evil).unwrap();
    cluster.with(|cluster| {
        cluster.create_topic("t", 2);
        cluster.set_leader("t", 0, 1);
        cluster.set_leader("t", 1, 2);
        cluster.set_address(2, "127.0.0.1", broker.address().port().into());
    });
    let before = resident_kib();
    let producer = producer(&cluster.address(1).to_string());
    let send = |_| producer.send(ProducerRecord::new("t", "value").partition(1)).unwrap();
    let handles: Vec<_> = (0..100).map(send).collect();
    assert!(broker.wait_for_deeds(1, SECONDS), "it is asked");
    let stored = others_go_on(&producer, 0, DELIVERY, REQUEST);
    assert_eq!(outcomes(handles), 0);
    check_memory(&producer, &broker, evil, before);
    producer.close(SECONDS).unwrap();
    assert!(cluster.with(|cluster| cluster.record_count("t")) >= stored);
}

macro_rules! tests {
    ($($name:ident: $evil:ident;)*) => {
        mod alone {
            $(#[test]
            fn $name() {
                super::alone(super::Evil::$evil);
            })*
        }
        mod beside_a_good_one {
            $(#[test]
            fn $name() {
                super::beside_a_good_one(super::Evil::$evil);
            })*
        }
    };
}

tests! {
    noise: Noise;
    frames_of_two_gib: HugeFrame;
    wrong_correlation_ids: WrongIds;
    brokers_without_end: EndlessBrokers;
    topics_without_end: EndlessTopics;
    one_byte_per_second: Trickle;
}

#[test]
fn mutated_answers() {
    alone(Evil::Mutation);
}
