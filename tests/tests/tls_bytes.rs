//! TLS byte by byte: felice's own driver over connections that are made up, so that a handshake is cut, stalled and
//! delivered in pieces at every place there is, and every turn of the driver is counted.

use std::sync::Arc;
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use felice_core::config::Acks;
use felice_core::error::{Cause, Disconnect, TlsFailure};
use felice_core::record::ProducerRecord;
use felice_host::{BuildError, Builder, Engine, Network, SecurityProtocol, Sending, Settings, Shared, Start};
use felice_tests::certificates::Authority;
use felice_tests::cluster::{Cluster, ClusterConfig};
use felice_tests::tls::{Broker, Manner, ONLY_12, ONLY_13, Pipe, server_config};
use rustls::SupportedProtocolVersion;

/// How long anything may take that should take milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// Turns in which nothing happens.
const IDLE_TURNS: usize = 3;

/// A producer without a front-end.
struct Made(Arc<Shared>, Engine);

impl Start for Made {
    fn start(settings: Settings) -> Result<Self, BuildError> {
        let (shared, engine) = felice_host::start(settings, Waker::noop().clone())?;
        Ok(Self(shared, engine))
    }
}

/// A producer, its driver, and the broker that it sends to.
struct Rig {
    shared: Arc<Shared>,
    network: Network<Pipe>,
    broker: Broker,
    turns: usize,
    /// Turns after which the driver would not have waited.
    restless: usize,
}

impl Rig {
    fn new(authority: &Authority, versions: &[&'static SupportedProtocolVersion], manner: Manner) -> Self {
        Self::with(authority, versions, manner, |builder| builder)
    }

    fn with(
        authority: &Authority,
        versions: &[&'static SupportedProtocolVersion],
        manner: Manner,
        set: impl FnOnce(Builder<Made>) -> Builder<Made>,
    ) -> Self {
        let mut cluster = Cluster::new(ClusterConfig::default());
        cluster.set_address(1, "127.0.0.1", 9092);
        cluster.create_topic("t", 1);
        let config = server_config(&authority.issue("broker", &["127.0.0.1"]), None, versions);
        let broker = Broker::new(cluster, config, manner);
        let builder = Builder::new()
            .bootstrap_servers("127.0.0.1:9092")
            .security_protocol(SecurityProtocol::Ssl)
            .ssl_truststore_certificates(&authority.certificate())
            .linger(Duration::ZERO)
            .reconnect_backoff(Duration::ZERO)
            .reconnect_backoff_max(Duration::from_millis(1))
            .retry_backoff(Duration::ZERO)
            .retry_backoff_max(Duration::from_millis(1));
        let Made(shared, engine) = set(builder).build().unwrap();
        let network = Network::new(engine, Waker::noop().clone(), broker.clone());
        Self { shared, network, broker, turns: 0, restless: 0 }
    }

    /// What a front-end's loop does once: turn, wait, handle. False where nothing is to be done and nothing is under way.
    fn turn(&mut self) -> bool {
        self.network.turn();
        self.turns += 1;
        let before = self.broker.moved_by_all();
        let told = self.broker.step();
        let happened = !told.is_empty() || self.broker.moved_by_all() > before;
        for (id, ready) in told {
            self.network.handle(id, ready);
        }
        let restless = self.network.poll_timeout() == Some(Duration::ZERO);
        self.restless += usize::from(restless);
        happened || restless
    }

    /// Sends a record, and turns until it has its outcome.
    fn send(&mut self, value: &[u8]) {
        let record = ProducerRecord::new("t", value).partition(0);
        let accepted = Sending::handle(&self.shared).attempt(&record);
        let mut delivery = Sending::delivery(accepted).unwrap();
        let begun = Instant::now();
        let mut idle = 0;
        loop {
            let happened = self.turn();
            if let Some(outcome) = delivery.try_get() {
                outcome.unwrap_or_else(|error| panic!("{error}"));
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{:?}", self.network);
            idle = if happened { 0 } else { idle + 1 };
            if !happened {
                // Backoffs take a millisecond or two. Where a wake-up was lost the next deadline is a request's.
                let wait = self.network.poll_timeout().expect("a record waits for something");
                assert!(
                    idle < IDLE_TURNS || wait < Duration::from_millis(100),
                    "nobody is woken for {wait:?}"
                );
                thread::sleep(wait.min(Duration::from_millis(5)));
            }
        }
    }

    fn stored(&self) -> Vec<Vec<u8>> {
        let records = self.broker.with(|cluster| cluster.records("t", 0));
        records.into_iter().map(|record| record.value.unwrap_or_default()).collect()
    }
}

/// Every version with every kind of event.
fn each(check: impl Fn(&[&'static SupportedProtocolVersion], bool)) {
    for versions in [ONLY_12, ONLY_13] {
        for once in [false, true] {
            check(versions, once);
        }
    }
}

#[test]
fn a_handshake_that_breaks_after_any_byte_is_begun_again() {
    let authority = Authority::new("authority");
    for versions in [ONLY_12, ONLY_13] {
        let mut passed = false;
        let mut cut = 0;
        // The handshake, and all that follows until the record is stored.
        while !passed {
            cut += 1;
            let manner = Manner { cut: Some(cut), once: cut % 2 == 0, ..Manner::default() };
            let mut rig = Rig::new(&authority, versions, manner);
            rig.send(b"value");
            assert_eq!(rig.stored(), [b"value"], "cut after {cut}");
            passed = rig.broker.connections() == 1;
        }
        assert!(cut > 1_000, "a handshake alone has more than {cut} bytes");
    }
}

#[test]
fn one_byte_at_a_time_is_enough_and_costs_no_empty_turn() {
    let authority = Authority::new("authority");
    each(|versions, once| {
        for (piece, room) in [(1, 1), (1, usize::MAX), (3, 2), (100, 7)] {
            let manner = Manner { piece, room, once, ..Manner::default() };
            let mut rig = Rig::new(&authority, versions, manner);
            rig.send(&[b'x'; 2_000]);
            assert_eq!(rig.stored(), [[b'x'; 2_000]]);
            let moved = rig.broker.moved(0);
            assert_eq!(rig.broker.connections(), 1);
            assert!(rig.restless < 20, "{} of {} turns without waiting: {manner:?}", rig.restless, rig.turns);
            assert!(
                rig.turns <= moved / piece.min(room) + 20,
                "{} turns for {moved} bytes: {manner:?}",
                rig.turns
            );
        }
    });
}

#[test]
fn a_handshake_that_stands_still_is_given_up_in_time_and_nothing_spins_meanwhile() {
    let authority = Authority::new("authority");
    let setup = Duration::from_millis(40);
    each(|versions, once| {
        for stall in [1, 100, 400, 700, 1_000] {
            let manner = Manner { stall: Some(stall), once, ..Manner::default() };
            let mut rig = Rig::with(&authority, versions, manner, |builder| {
                builder.socket_connection_setup_timeout(setup)
            });
            rig.send(b"value");
            assert_eq!(rig.broker.connections(), 2, "stalled after {stall}");
            assert_eq!(rig.stored(), [b"value"]);
            assert!(rig.restless < 20, "{} of {} turns without waiting", rig.restless, rig.turns);
            // It waits 5 ms at most at a time.
            assert!(rig.turns < 60, "{} turns, stalled after {stall}", rig.turns);
        }
    });
}

/// One that is read in several pieces although it has come at once.
#[test]
fn a_large_certificate_passes() {
    let authority = Authority::new("authority");
    let hosts: Vec<String> = (0..400).map(|place| format!("broker-{place}.example")).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).chain(["127.0.0.1"]).collect();
    let identity = authority.issue("broker", &hosts);
    each(|versions, once| {
        let mut rig = Rig::new(&authority, versions, Manner { once, ..Manner::default() });
        rig.broker.set_config(server_config(&identity, None, versions));
        rig.send(b"value");
        assert!(rig.broker.moved(0) > 8_000);
        assert_eq!(rig.broker.connections(), 1);
    });
}

#[test]
fn large_records_pass_in_both_manners() {
    let authority = Authority::new("authority");
    each(|versions, once| {
        for room in [usize::MAX, 10_000, 333] {
            let manner = Manner { room, once, ..Manner::default() };
            let mut rig = Rig::new(&authority, versions, manner);
            let value: Vec<u8> = (0..200_000_u32).map(|it| ((it * 31) >> 3) as u8).collect();
            rig.send(&value);
            rig.send(b"and a small one");
            assert_eq!(rig.stored(), [&value[..], b"and a small one"]);
            assert_eq!(rig.broker.connections(), 1);
        }
    });
}

/// With `acks=0` a record is done when it is written, and the process may end then: nothing of it may still be held.
#[test]
fn without_acks_what_counts_as_written_has_left() {
    let authority = Authority::new("authority");
    each(|versions, once| {
        for room in [usize::MAX, 333] {
            let manner = Manner { room, once, ..Manner::default() };
            let mut rig = Rig::with(&authority, versions, manner, |builder| builder.acks(Acks::None));
            rig.send(&[b'x'; 5_000]);
            let Rig { network, broker, .. } = rig;
            drop(network);
            let mut moved = 0;
            while broker.moved_by_all() > moved {
                moved = broker.moved_by_all();
                broker.step();
            }
            assert_eq!(broker.with(|cluster| cluster.record_count("t")), 1, "with room for {room} bytes");
        }
    });
}

/// How a record that fails within some milliseconds ends.
fn fails(rig: &mut Rig) -> Option<Cause> {
    let accepted = Sending::handle(&rig.shared).attempt(&ProducerRecord::new("t", "value"));
    let mut delivery = Sending::delivery(accepted).unwrap();
    loop {
        let happened = rig.turn();
        if let Some(outcome) = delivery.try_get() {
            return outcome.unwrap_err().last_cause();
        }
        if !happened {
            thread::sleep(rig.network.poll_timeout().unwrap_or_default().min(Duration::from_millis(5)));
        }
    }
}

/// One attempt to connect, and not much time.
fn once_only(builder: Builder<Made>) -> Builder<Made> {
    builder
        .request_timeout(Duration::from_millis(200))
        .delivery_timeout(Duration::from_millis(300))
        .reconnect_backoff(Duration::from_secs(10))
        .reconnect_backoff_max(Duration::from_secs(10))
}

#[test]
fn a_connection_that_ends_in_the_handshake_says_so() {
    let authority = Authority::new("authority");
    each(|versions, once| {
        let manner = Manner { cut: Some(300), once, ..Manner::default() };
        let cause = fails(&mut Rig::with(&authority, versions, manner, once_only));
        assert_eq!(cause, Some(Cause::Disconnected(Disconnect::Tls(TlsFailure::Closed))));
    });
}

/// A broker that refuses a client without a certificate may be gone before its alert is: at whatever byte the connection
/// ends, that is what it means once the handshake looks complete to the client. Where nobody asked for a certificate it
/// never does.
#[test]
fn a_missing_client_certificate_is_guessed_where_the_broker_goes_without_a_word() {
    let authority = Authority::new("authority");
    let identity = authority.issue("broker", &["127.0.0.1"]);
    let cause = |clients: Option<&Authority>, cut: usize| {
        let manner = Manner { cut: Some(cut), ..Manner::default() };
        let mut rig = Rig::with(&authority, ONLY_13, manner, once_only);
        rig.broker.set_config(server_config(&identity, clients, ONLY_13));
        fails(&mut rig)
    };
    let missing = Some(Cause::Disconnected(Disconnect::Tls(TlsFailure::ClientCertificateMissing)));
    let in_handshake = Some(Cause::Disconnected(Disconnect::Tls(TlsFailure::Closed)));
    let causes: Vec<_> = (900..2_000).step_by(10).map(|cut| cause(Some(&authority), cut)).collect();
    let guessed = causes.iter().position(|cause| *cause == missing).expect("the handshake is over somewhere");
    assert!(guessed > 0 && causes[..guessed].iter().all(|cause| *cause == in_handshake), "{causes:?}");
    assert!(causes[guessed..].iter().all(|cause| *cause == missing), "{causes:?}");
    for cut in (900..2_000).step_by(100) {
        assert_ne!(cause(None, cut), missing, "nobody asked for one");
    }
}

/// With TLS 1.3 the broker refuses a client when that has written already, and what is written then meets nobody: what the
/// broker has said is read all the same.
#[test]
fn the_last_words_of_a_broker_that_is_gone_are_heard() {
    let authority = Authority::new("authority");
    let identity = authority.issue("broker", &["127.0.0.1"]);
    let stranger = Authority::new("another").issue("stranger", &[]);
    each(|versions, once| {
        for room in [7, 60, usize::MAX] {
            let mut rig =
                Rig::with(&authority, versions, Manner { room, once, ..Manner::default() }, |builder| {
                    once_only(builder)
                        .ssl_keystore_certificate_chain(&stranger.certificate)
                        .ssl_keystore_key(&stranger.key)
                });
            rig.broker.set_config(server_config(&identity, Some(&authority), versions));
            let cause = fails(&mut rig);
            let Some(Cause::Disconnected(Disconnect::Tls(TlsFailure::ClientCertificateRefused(_)))) = cause
            else {
                panic!("{cause:?} with room for {room} bytes")
            };
        }
    });
}
