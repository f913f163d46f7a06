//! What a long way costs: how often felice waits for an answer before it asks the next question.
//!
//! Turns are counted at the link, not taken from a clock: a busy machine may add some (a thread that was not let run
//! asks later), but it never takes any away. So the best of a few runs is what counts.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use felice_blocking::{BearerToken, ProducerRecord};
use felice_host::{Builder, SecurityProtocol};
use felice_tests::behaviour::{FrontEnd, Handle};
use felice_tests::cluster::{ClusterConfig, MECHANISMS, SaslConfig, TcpCluster};
use felice_tests::kafka::Kafka;
use felice_tests::protocol::ApiKey;
use felice_tests::proxy::{Link, Request};
use felice_tests::require_kafka;

type Blocking = felice_blocking::Producer;
type Smol = felice_smol::Producer;

/// How often a run may be repeated that was disturbed.
const RUNS: u32 = 5;
const PATIENCE: Duration = Duration::from_secs(60);
/// Half of 100 ms of round trip.
const NEAR: Duration = Duration::from_millis(50);
/// Half of 300 ms of round trip.
const FAR: Duration = Duration::from_millis(150);

/// 1 MB in records of a usual size.
const RECORDS: usize = 10_000;
const VALUE: [u8; 100] = [b'x'; 100];

/// Real Kafka, one broker, at the far end of a link. Whoever has it is alone with it: turns are counted for all
/// connections together.
struct FarKafka {
    kafka: Kafka,
    link: Arc<Link>,
}

impl FarKafka {
    fn with(one_way: Duration, work: impl FnOnce(&Self)) {
        static FAR_KAFKA: OnceLock<Mutex<FarKafka>> = OnceLock::new();
        let far = FAR_KAFKA.get_or_init(|| {
            let link = Arc::new(Link::new(NEAR));
            let kafka = Kafka::builder().behind(&link).start();
            Mutex::new(Self { kafka, link })
        });
        let far = far.lock().unwrap_or_else(PoisonError::into_inner);
        far.link.set_one_way(one_way);
        work(&far);
    }

    fn create_topic(&self, topic: &str) {
        self.kafka.oracle().create_topic(topic, 1);
    }

    fn producer<P: FrontEnd>(&self) -> P {
        producer(&self.kafka.far_bootstrap())
    }
}

fn producer<P: FrontEnd>(bootstrap: &str) -> P {
    Builder::<P>::new().bootstrap_servers(bootstrap).build().expect("the settings fit")
}

/// Runs until the work took `most` turns or fewer, and says what each run took.
fn assert_turns(link: &Link, most: u32, mut work: impl FnMut()) {
    let mut least = u32::MAX;
    for _ in 0..RUNS {
        let (before, seen, begun) = (link.turns(), link.requests().len(), Instant::now());
        work();
        let turns = link.turns() - before;
        least = least.min(turns);
        println!("{turns} turns in {:?}", begun.elapsed());
        for request in &link.requests()[seen..] {
            println!("  {request:?}");
        }
        if least <= most {
            return;
        }
    }
    panic!("{least} turns, and {most} are enough");
}

/// One send right after `build`, and its outcome.
fn first_record<P: FrontEnd>(topic: &str, build: impl FnOnce() -> P) {
    let producer = build();
    let sent = producer.send(&ProducerRecord::new(topic, "21.5"));
    sent.expect("there is room").get_timeout(PATIENCE).expect("it is stored");
    producer.close(PATIENCE).expect("nothing is left");
}

/// Opening the connection; ApiVersions, Metadata and InitProducerId together; Produce: fewer than that cannot be. Before
/// its leader and a producer id are known, a record cannot be sent, and both are only asked for on a connection.
const FIRST_RECORD: u32 = 3;

fn a_first_record_takes_three_turns<P: FrontEnd>() {
    FarKafka::with(NEAR, |far| {
        let topic = format!("first-{}", P::NAME);
        far.create_topic(&topic);
        assert_turns(&far.link, FIRST_RECORD, || first_record::<P>(&topic, || far.producer()));
    });
}

#[test]
fn a_first_record_takes_three_turns_blocking() {
    require_kafka!();
    a_first_record_takes_three_turns::<Blocking>();
}

#[test]
fn a_first_record_takes_three_turns_smol() {
    require_kafka!();
    a_first_record_takes_three_turns::<Smol>();
}

/// Up to the first record's outcome as above, with as much as a request takes. That tells that the leader knows the
/// numbering: all the rest follows at once.
const COLD_MEGABYTE: u32 = FIRST_RECORD + 1;

fn a_cold_megabyte_takes_four_turns<P: FrontEnd>() {
    FarKafka::with(FAR, |far| {
        let topic = format!("cold-{}", P::NAME);
        far.create_topic(&topic);
        let mut stored = 0;
        assert_turns(&far.link, COLD_MEGABYTE, || {
            let producer: P = far.producer();
            send_megabyte(&producer, &topic);
            producer.close(PATIENCE).expect("nothing is left");
            stored += RECORDS as i64;
        });
        assert_eq!(far.kafka.oracle().end_offsets(&topic)[&0], stored);
    });
}

#[test]
fn a_cold_megabyte_takes_four_turns_blocking() {
    require_kafka!();
    a_cold_megabyte_takes_four_turns::<Blocking>();
}

#[test]
fn a_cold_megabyte_takes_four_turns_smol() {
    require_kafka!();
    a_cold_megabyte_takes_four_turns::<Smol>();
}

/// A producer that is warm sends the first of it as it comes, and all that came meanwhile when the first answers are
/// there. A turn more is for a sending thread that was held up.
const WARM_MEGABYTE: u32 = 3;

fn a_warm_megabyte_takes_three_turns<P: FrontEnd>() {
    FarKafka::with(FAR, |far| {
        let topic = format!("warm-{}", P::NAME);
        far.create_topic(&topic);
        let producer: P = far.producer();
        let record = ProducerRecord::new(&topic, &VALUE[..]);
        let warmed_up = producer.send(&record).expect("there is room").get_timeout(PATIENCE);
        warmed_up.expect("it is stored");
        let mut stored = 1;
        assert_turns(&far.link, WARM_MEGABYTE, || {
            send_megabyte(&producer, &topic);
            stored += RECORDS as i64;
        });
        producer.close(PATIENCE).expect("nothing is left");
        assert_eq!(far.kafka.oracle().end_offsets(&topic)[&0], stored);
    });
}

fn send_megabyte<P: FrontEnd>(producer: &P, topic: &str) {
    let record = ProducerRecord::new(topic, &VALUE[..]);
    for _ in 0..RECORDS {
        producer.send(&record).expect("there is room");
    }
    producer.flush().expect("this is no callback");
    assert_eq!(producer.failed(), 0);
}

#[test]
fn a_warm_megabyte_takes_three_turns_blocking() {
    require_kafka!();
    a_warm_megabyte_takes_three_turns::<Blocking>();
}

#[test]
fn a_warm_megabyte_takes_three_turns_smol() {
    require_kafka!();
    a_warm_megabyte_takes_three_turns::<Smol>();
}

/// Simulated brokers at the far end of a link.
fn far_cluster(brokers: i32) -> (TcpCluster, Link) {
    let config = ClusterConfig { brokers, auto_create_topics: false, ..ClusterConfig::default() };
    let cluster = TcpCluster::start(config).expect("the loopback interface has free ports");
    let link = Link::new(NEAR);
    for id in 1..=brokers {
        let address = link.route_to(cluster.address(id)).expect("the loopback interface has free ports");
        cluster.with(|it| it.set_address(id, "127.0.0.1", address.port().into()));
    }
    (cluster, link)
}

fn address(cluster: &TcpCluster, broker: i32) -> String {
    cluster.with(|it| format!("127.0.0.1:{}", it.broker(broker).port()))
}

#[test]
fn a_leader_elsewhere_takes_a_connection_and_its_versions_more() {
    let (cluster, link) = far_cluster(2);
    cluster.with(|it| it.create_topic("elsewhere", 1));
    let leader = cluster.with(|it| it.partition("elsewhere", 0).leader());
    let bootstrap = address(&cluster, 3 - leader);
    assert_turns(&link, 5, || first_record::<Blocking>("elsewhere", || producer(&bootstrap)));
}

#[test]
fn a_broker_of_kafka_2_1_is_asked_for_its_versions_twice() {
    let (cluster, link) = far_cluster(1);
    cluster.with(|it| {
        it.create_topic("old", 1);
        for (api, newest) in [
            (ApiKey::API_VERSIONS, 2),
            (ApiKey::METADATA, 7),
            (ApiKey::INIT_PRODUCER_ID, 1),
            (ApiKey::PRODUCE, 7),
        ] {
            it.set_api_versions(api, 0, newest);
        }
    });
    let bootstrap = address(&cluster, 1);
    assert_turns(&link, 4, || first_record::<Blocking>("old", || producer(&bootstrap)));
    assert_eq!(link.connections().len(), 1, "nothing that it closes the connection at");
}

#[test]
fn a_broker_that_does_not_know_the_oldest_versions_closes_once_and_is_asked_in_turn() {
    let (cluster, link) = far_cluster(1);
    cluster.with(|it| {
        it.create_topic("new", 1);
        it.set_api_versions(ApiKey::METADATA, 8, 13);
    });
    let bootstrap = address(&cluster, 1);
    first_record::<Blocking>("new", || producer(&bootstrap));
    let metadata = |connection| {
        let of = |request: &&Request| request.connection == connection && request.api_key == 3;
        link.requests().iter().filter(of).map(|request| request.api_version).collect::<Vec<_>>()
    };
    assert_eq!((metadata(0), metadata(1)), (vec![7], vec![13]));
}

/// Who proves who it is asks nothing else before: the connection, the versions, the mechanism, its messages; then
/// metadata and producer id, and the record.
#[test]
fn each_message_of_sasl_takes_a_turn() {
    let (cluster, link) = far_cluster(1);
    cluster.with(|it| {
        it.create_topic("proved", 1);
        it.set_sasl(Some(SaslConfig {
            mechanisms: MECHANISMS.to_vec(),
            users: [("gateway-7".to_owned(), "secret".to_owned())].into(),
            token: "token".to_owned(),
            aws: Default::default(),
            session_lifetime_ms: 0,
        }));
    });
    let bootstrap = address(&cluster, 1);
    let builder = || {
        let builder = Builder::<Blocking>::new().bootstrap_servers(&bootstrap);
        builder.security_protocol(SecurityProtocol::SaslPlaintext)
    };
    let first = |builder: Builder<Blocking>| {
        first_record("proved", || builder.build().expect("the settings fit"));
    };
    assert_turns(&link, 6, || first(builder().sasl_plain("gateway-7", "secret")));
    assert_turns(&link, 7, || first(builder().sasl_scram_sha_256("gateway-7", "secret")));
    assert_turns(&link, 6, || first(builder().sasl_oauth_bearer(|| Ok(BearerToken::new("token")))));
}
