//! Brokers that mean harm to a client that says who it is, over TCP and with both front-ends: a clear error in time,
//! neither memory nor attempts without end, the other broker's records go on, and a broker that is good again is used
//! again.

use std::time::{Duration, Instant};

use felice_core::error::{AuthenticationError, Cause, Disconnect, ErrorKind, ProtocolError};
use felice_host::Builder;
use felice_host::surface::{ProducerRecord, SecurityProtocol};
use felice_tests::behaviour::{FrontEnd, Handle, NoMetadata};
use felice_tests::cluster::{ClusterConfig, SaslConfig, TcpCluster};
use felice_tests::for_each_front_end;
use felice_tests::hostile::{Evil, EvilBroker, others_go_on};

const SECONDS: Duration = Duration::from_secs(20);
/// How long a record may take, and how long an answer may.
const DELIVERY: Duration = Duration::from_millis(1_200);
const REQUEST: Duration = Duration::from_millis(500);
const BACKOFF: Duration = Duration::from_millis(50);
/// Connections that there may be in a delivery timeout, each after a backoff with its jitter; and requests of each.
const DEEDS_MAX: u64 = 2 * (2 + DELIVERY.as_millis() as u64 / 40);
const GROWTH_KIB_MAX: usize = 16 * 1024;

const USER: &str = "gateway-7";
const PASSWORD: &str = "a password that is nobody's business";

fn sasl() -> SaslConfig {
    SaslConfig { users: [(USER.to_owned(), PASSWORD.to_owned())].into(), ..SaslConfig::default() }
}

fn evil(evil: Evil) -> EvilBroker {
    let broker = EvilBroker::start(evil).expect("a loopback port is free");
    broker.demand_sasl(sasl());
    broker
}

fn producer<F: FrontEnd>(bootstrap: &str) -> F {
    Builder::<F>::new()
        .bootstrap_servers(bootstrap)
        .security_protocol(SecurityProtocol::SaslPlaintext)
        .sasl_scram_sha_256(USER, PASSWORD)
        .linger(Duration::ZERO)
        .request_timeout(REQUEST)
        .delivery_timeout(DELIVERY)
        .reconnect_backoff(BACKOFF)
        .reconnect_backoff_max(BACKOFF)
        .build()
        .expect("the settings fit")
}

/// Resident memory of this process.
fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// The only broker there is means harm, and then does not any more.
fn alone<F: FrontEnd>(deed: Evil, is_cause: impl Fn(Disconnect) -> bool, words: &str) {
    let (broker, before_kib) = (evil(deed), resident_kib());
    let producer = producer::<F>(&broker.address().to_string());
    let begun = Instant::now();
    let handles: Vec<F::Handle> = (0..20_u32)
        .map(|number| producer.send(&ProducerRecord::new("t", number)).expect("there is room"))
        .collect();
    for handle in handles {
        let Err(NoMetadata::Failed(error)) = handle.get() else { panic!("{deed:?}: it is stored: by whom?") };
        assert!(matches!(error.kind(), ErrorKind::DeliveryTimeout(_)), "{error}");
        let Some(Cause::Disconnected(cause)) = error.last_cause() else { panic!("{deed:?}: {error}") };
        assert!(is_cause(cause), "{deed:?}: {cause:?}");
        assert!(error.to_string().contains(words), "{deed:?}: {error}");
        assert!(!error.to_string().contains(PASSWORD), "{error}");
    }
    assert!(begun.elapsed() < DELIVERY + Duration::from_secs(5), "after {:?}", begun.elapsed());
    let deeds = broker.deeds();
    assert!((1..DEEDS_MAX).contains(&deeds), "{deed:?}: {deeds} attempts in {DELIVERY:?}");
    let growth = resident_kib().saturating_sub(before_kib);
    assert!(growth < GROWTH_KIB_MAX, "{deed:?}: {growth} KiB more");
    broker.repent();
    let end = Instant::now() + SECONDS;
    while producer.send(&ProducerRecord::new("t", "once more")).expect("there is room").get().is_err() {
        assert!(Instant::now() < end, "{deed:?}: it is not used again");
    }
    producer.close(SECONDS).expect("nothing is left");
}

/// One of two brokers means harm. The other one's records do not notice.
fn beside_a_good_one<F: FrontEnd>(deed: Evil) {
    let cluster = TcpCluster::start(ClusterConfig { brokers: 2, ..ClusterConfig::default() }).unwrap();
    let broker = evil(deed);
    cluster.with(|cluster| {
        cluster.set_sasl(Some(sasl()));
        cluster.create_topic("t", 2);
        cluster.set_leader("t", 0, 1);
        cluster.set_leader("t", 1, 2);
        cluster.set_address(2, "127.0.0.1", broker.address().port().into());
    });
    let producer = producer::<F>(&cluster.address(1).to_string());
    let record = ProducerRecord::new("t", "value").partition(1);
    let send = |_| producer.send(&record).expect("there is room");
    let failing: Vec<F::Handle> = (0..20).map(send).collect();
    assert!(broker.wait_for_deeds(1, SECONDS), "{deed:?}: it is asked");
    others_go_on(&producer, 0, DELIVERY, REQUEST);
    assert!(failing.into_iter().all(|handle| handle.get().is_err()), "{deed:?}: one is stored: by whom?");
    producer.close(SECONDS).expect("nothing is left");
}

fn is_nonsense(cause: Disconnect) -> bool {
    matches!(cause, Disconnect::Protocol(_))
}

fn rounds_by_the_billion<F: FrontEnd>() {
    let cause = Disconnect::Authentication(AuthenticationError::Iterations);
    let words = "SCRAM iterations than are allowed: 4096 to 65536";
    alone::<F>(Evil::Iterations, |it| it == cause, words);
    beside_a_good_one::<F>(Evil::Iterations);
}

fn a_challenge_of_two_gib<F: FrontEnd>() {
    let cause = Disconnect::Protocol(ProtocolError::Malformed);
    alone::<F>(Evil::HugeChallenge, |it| it == cause, "");
    beside_a_good_one::<F>(Evil::HugeChallenge);
}

fn a_frame_of_two_gib<F: FrontEnd>() {
    // What follows on a short answer is read, and leads nowhere, until the answer's time is over.
    alone::<F>(Evil::HugeFrame, |it| it == Disconnect::RequestTimeout, "");
    beside_a_good_one::<F>(Evil::HugeFrame);
}

/// Whoever answers has the challenge from somewhere, but not the password.
fn an_impostor<F: FrontEnd>() {
    let cause = Disconnect::Authentication(AuthenticationError::WrongSignature);
    alone::<F>(Evil::WrongSignature, |it| it == cause, "it may be an impostor");
    beside_a_good_one::<F>(Evil::WrongSignature);
}

fn noise<F: FrontEnd>() {
    alone::<F>(Evil::Noise, is_nonsense, "");
    beside_a_good_one::<F>(Evil::Noise);
}

fn one_byte_per_second<F: FrontEnd>() {
    alone::<F>(Evil::Trickle, |it| it == Disconnect::RequestTimeout, "");
    beside_a_good_one::<F>(Evil::Trickle);
}

fn who_hangs_up_in_the_middle<F: FrontEnd>() {
    alone::<F>(Evil::HangUp, |it| it == Disconnect::Closed, "");
    beside_a_good_one::<F>(Evil::HangUp);
}

for_each_front_end! {
    rounds_by_the_billion
    a_challenge_of_two_gib
    a_frame_of_two_gib
    an_impostor
    noise
    one_byte_per_second
    who_hangs_up_in_the_middle
}
