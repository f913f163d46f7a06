//! TLS servers that show the wrong thing, or ask for one: each gives its own clear error, and nothing is lost once it is
//! mended. With both front-ends, over TCP.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use felice_blocking::Producer as Blocking;
use felice_core::error::{Cause, Disconnect, ErrorKind, StoreFault, TlsFailure, UtcSeconds};
use felice_core::record::ProducerRecord;
use felice_host::{Builder, SecurityProtocol};
use felice_tests::behaviour::{FrontEnd, Handle, NoMetadata, PATIENCE};
use felice_tests::certificates::{Authority, Identity};
use felice_tests::cluster::{ClusterConfig, TcpCluster};
use felice_tests::for_each_front_end;
use felice_tests::tls::{ONLY_12, ONLY_13, Terminator, VERSIONS, server_config};
use time::OffsetDateTime;

const HOSTS: &[&str] = &["127.0.0.1", "localhost"];
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a record that cannot be sent waits: several attempts to connect.
const DELIVERY: Duration = Duration::from_millis(400);

/// A cluster of one broker behind TLS, and the authority of its certificate.
struct Rig {
    authority: Authority,
    server: Terminator,
    cluster: TcpCluster,
}

impl Rig {
    fn new() -> Self {
        let authority = Authority::new("authority");
        let identity = authority.issue("broker", HOSTS);
        Self::showing(authority, &identity)
    }

    fn showing(authority: Authority, identity: &Identity) -> Self {
        let cluster = TcpCluster::start(ClusterConfig::default()).unwrap();
        let server = Terminator::start(cluster.address(1), server_config(identity, None, VERSIONS));
        cluster.with(|cluster| {
            cluster.create_topic("t", 1);
            cluster.set_address(1, "localhost", server.address().port().into());
        });
        Self { authority, server, cluster }
    }

    /// `localhost` may be an address of version 6 first, where nobody listens.
    fn builder<F: FrontEnd>(&self) -> Builder<F> {
        Builder::new()
            .bootstrap_servers(&format!("localhost:{}", self.server.address().port()))
            .security_protocol(SecurityProtocol::Ssl)
            .ssl_truststore_certificates(&self.authority.certificate())
            .linger(Duration::ZERO)
            .reconnect_backoff(Duration::from_millis(5))
            .reconnect_backoff_max(Duration::from_millis(20))
    }

    fn stored(&self) -> Vec<Vec<u8>> {
        let records = self.cluster.with(|cluster| cluster.records("t", 0));
        records.into_iter().map(|record| record.value.unwrap_or_default()).collect()
    }
}

fn send<F: FrontEnd>(producer: &F, value: &str) -> F::Handle {
    producer.send(&ProducerRecord::new("t", value).partition(0)).expect("there is room")
}

fn arrives<F: FrontEnd>(builder: Builder<F>) -> F {
    let producer = builder.build().expect("the settings fit");
    send(&producer, "value").get().unwrap_or_else(|error| panic!("{error:?}"));
    producer
}

/// What a record that fails says.
fn cause<F: FrontEnd>(builder: Builder<F>) -> TlsFailure {
    let settings = builder.request_timeout(DELIVERY / 2).delivery_timeout(DELIVERY);
    let producer = settings.build().expect("the settings fit");
    let failed = send(&producer, "value").get();
    let Err(NoMetadata::Failed(error)) = failed else { panic!("{failed:?}") };
    assert!(matches!(error.kind(), ErrorKind::DeliveryTimeout(_)), "{error}");
    match error.last_cause() {
        Some(Cause::Disconnected(Disconnect::Tls(failure))) => {
            assert!(error.to_string().contains(&failure.to_string()), "{error}");
            failure
        }
        other => panic!("{other:?}: {error}"),
    }
}

/// A file that is gone with this value.
struct Written(PathBuf);

impl Written {
    fn new(content: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let written = Self(std::env::temp_dir().join(format!("felice-tls-{process}-{count}.pem")));
        written.set(content);
        written
    }

    /// As whoever rotates certificates does it: in one step.
    fn set(&self, content: &str) {
        let beside = self.0.with_extension("new");
        fs::write(&beside, content).unwrap();
        fs::rename(&beside, &self.0).unwrap();
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

for_each_front_end! {
    records_arrive
    certificates_that_do_not_do
    clients_show_certificates
    versions
    what_is_no_tls
    sessions_are_resumed
    the_truststore_is_mended_while_records_wait
    certificates_change_while_sending
    without_acks_what_is_written_has_left
}

fn records_arrive<F: FrontEnd>() {
    let rig = Rig::new();
    let producer = arrives::<F>(rig.builder());
    let handles: Vec<F::Handle> = (0..500).map(|_| send(&producer, "more")).collect();
    handles.into_iter().for_each(|handle| drop(handle.get().expect("it is stored")));
    assert_eq!(rig.stored().len(), 501);
    producer.close(PATIENCE).unwrap();
    // By its address, too: certificates name addresses, and there is no SNI then.
    let producer = Builder::<F>::new()
        .bootstrap_servers(&rig.server.address().to_string())
        .security_protocol(SecurityProtocol::Ssl)
        .ssl_truststore_certificates(&rig.authority.certificate());
    arrives::<F>(producer);
}

fn certificates_that_do_not_do<F: FrontEnd>() {
    let rig = Rig::new();
    let show = |identity: &Identity| rig.server.set_config(server_config(identity, None, VERSIONS));
    let now = OffsetDateTime::now_utc();
    let seconds = |at: OffsetDateTime| UtcSeconds(at.unix_timestamp().try_into().unwrap());

    let (begin, end) = (now - 2 * DAY, now - DAY);
    show(&rig.authority.issue_for("broker", HOSTS, begin, end));
    let TlsFailure::Expired { not_after, now: at } = cause::<F>(rig.builder()) else { panic!("not expired") };
    assert_eq!(not_after, seconds(end));
    assert!(at >= seconds(now));

    let (begin, end) = (now + DAY, now + 2 * DAY);
    show(&rig.authority.issue_for("broker", HOSTS, begin, end));
    let TlsFailure::NotYetValid { not_before, .. } = cause::<F>(rig.builder()) else {
        panic!("valid already")
    };
    assert_eq!(not_before, seconds(begin));

    show(&rig.authority.issue("broker", &["elsewhere.example"]));
    assert_eq!(cause::<F>(rig.builder()), TlsFailure::WrongHost);
    // That is what is given up with an empty algorithm, and nothing else is.
    arrives::<F>(rig.builder().ssl_endpoint_identification_algorithm(""));

    show(&Authority::new("another").issue("broker", HOSTS));
    assert_eq!(cause::<F>(rig.builder()), TlsFailure::UnknownAuthority);
    let any_host = || rig.builder().ssl_endpoint_identification_algorithm("");
    assert_eq!(cause::<F>(any_host()), TlsFailure::UnknownAuthority);
    show(&rig.authority.issue_for("broker", &["elsewhere.example"], now - 2 * DAY, now - DAY));
    assert!(matches!(cause::<F>(any_host()), TlsFailure::Expired { .. }));
}

fn clients_show_certificates<F: FrontEnd>() {
    let rig = Rig::new();
    let identity = rig.authority.issue("broker", HOSTS);
    let clients = Authority::new("of clients");
    let good = clients.issue("client", &[]);
    let with = |client: &Identity| {
        rig.builder::<F>().ssl_keystore_certificate_chain(&client.certificate).ssl_keystore_key(&client.key)
    };
    for versions in [ONLY_12, ONLY_13] {
        rig.server.set_config(server_config(&identity, Some(&clients), versions));
        assert_eq!(cause::<F>(rig.builder()), TlsFailure::ClientCertificateMissing);
        arrives::<F>(with(&good));
        let file = Written::new(&good.pem());
        arrives::<F>(rig.builder().ssl_keystore_location(&file.0));

        let strange = Authority::new("another").issue("client", &[]);
        assert!(matches!(cause::<F>(with(&strange)), TlsFailure::ClientCertificateRefused(_)));
        let now = OffsetDateTime::now_utc();
        let expired = clients.issue_for("client", &[], now - 2 * DAY, now - DAY);
        let failure = cause::<F>(with(&expired));
        assert_eq!(failure, TlsFailure::ClientCertificateRefused(45), "{failure}");
    }
}

fn versions<F: FrontEnd>() {
    let rig = Rig::new();
    let identity = rig.authority.issue("broker", HOSTS);
    for (versions, good, bad, tls13) in
        [(ONLY_12, "TLSv1.2", "TLSv1.3", 0), (ONLY_13, "TLSv1.3", "TLSv1.2", 2)]
    {
        rig.server.set_config(server_config(&identity, None, versions));
        arrives::<F>(rig.builder().ssl_enabled_protocols(good));
        arrives::<F>(rig.builder());
        assert_eq!(rig.server.handshakes().tls13, tls13);
        assert_eq!(
            cause::<F>(rig.builder().ssl_enabled_protocols(bad)),
            TlsFailure::NoCommonVersion,
            "{bad} before one that speaks {good}"
        );
    }
}

fn what_is_no_tls<F: FrontEnd>() {
    let rig = Rig::new();
    let to = |address: String| {
        Builder::<F>::new()
            .bootstrap_servers(&address)
            .security_protocol(SecurityProtocol::Ssl)
            .ssl_truststore_certificates(&rig.authority.certificate())
            .reconnect_backoff(Duration::from_millis(5))
            .reconnect_backoff_max(Duration::from_millis(20))
    };
    // A listener without TLS takes the greeting for a request of a monstrous length, and closes.
    assert_eq!(cause::<F>(to(rig.cluster.address(1).to_string())), TlsFailure::Closed);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = std::io::Write::write_all(&mut stream, b"SSH-2.0-OpenSSH_9.9\r\n");
            // What the client says is read until it goes.
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
    });
    assert_eq!(cause::<F>(to(address)), TlsFailure::NotTls);
}

fn sessions_are_resumed<F: FrontEnd>() {
    let rig = Rig::new();
    let identity = rig.authority.issue("broker", HOSTS);
    let trusted = Written::new(&rig.authority.certificate());
    for versions in [ONLY_12, ONLY_13] {
        rig.server.set_config(server_config(&identity, None, versions));
        let producer = Builder::<F>::new()
            .bootstrap_servers(&format!("localhost:{}", rig.server.address().port()))
            .security_protocol(SecurityProtocol::Ssl)
            .ssl_truststore_location(&trusted.0)
            .linger(Duration::ZERO)
            .reconnect_backoff(Duration::ZERO);
        let producer = arrives::<F>(producer);
        let before = rig.server.handshakes();
        rig.server.disconnect_clients();
        send(&producer, "again").get().expect("it is stored");
        let after = rig.server.handshakes();
        assert!(after.resumed > before.resumed, "{after:?}");
        assert_eq!(after.full, before.full, "the files have not changed");
        // Other bytes in the file, so all is verified anew.
        trusted.set(&format!("{}{}", rig.authority.certificate(), Authority::new("more").certificate()));
        rig.server.disconnect_clients();
        send(&producer, "once more").get().expect("it is stored");
        assert!(rig.server.handshakes().full > after.full);
    }
}

fn the_truststore_is_mended_while_records_wait<F: FrontEnd>() {
    let rig = Rig::new();
    let trusted = Written::new(&Authority::new("another").certificate());
    let producer = Builder::<F>::new()
        .bootstrap_servers(&format!("localhost:{}", rig.server.address().port()))
        .security_protocol(SecurityProtocol::Ssl)
        .ssl_truststore_location(&trusted.0)
        .reconnect_backoff(Duration::from_millis(5))
        .reconnect_backoff_max(Duration::from_millis(20))
        .build()
        .unwrap();
    let handles: Vec<F::Handle> = (0..50).map(|place| send::<F>(&producer, &place.to_string())).collect();
    assert!(rig.server.wait_until(PATIENCE, |it| it.failed >= 2), "it tries, and tries again");
    // Not even a file, for a while: that is an error of the connection, not of the producer.
    fs::remove_file(&trusted.0).unwrap();
    let failing = Builder::<F>::new()
        .bootstrap_servers("127.0.0.1:1")
        .security_protocol(SecurityProtocol::Ssl)
        .ssl_truststore_location(&trusted.0)
        .build();
    let said = failing.expect_err("there is no file").to_string();
    assert!(said.contains("ssl.truststore.location") && said.contains("No such file"), "{said}");
    trusted.set(&rig.authority.certificate());
    handles.into_iter().for_each(|handle| drop(handle.get().expect("it is stored")));
    let expected: Vec<Vec<u8>> = (0..50).map(|place| place.to_string().into_bytes()).collect();
    assert_eq!(rig.stored(), expected);
}

fn certificates_change_while_sending<F: FrontEnd>() {
    let rig = Rig::new();
    let trusted = Written::new(&rig.authority.certificate());
    let clients = Authority::new("of clients");
    let shown = Written::new(&clients.issue("client", &[]).pem());
    let identity = rig.authority.issue("broker", HOSTS);
    rig.server.set_config(server_config(&identity, Some(&clients), VERSIONS));
    let producer = arrives::<F>(
        Builder::new()
            .bootstrap_servers(&format!("localhost:{}", rig.server.address().port()))
            .security_protocol(SecurityProtocol::Ssl)
            .ssl_truststore_location(&trusted.0)
            .ssl_keystore_location(&shown.0)
            .reconnect_backoff(Duration::from_millis(1))
            .reconnect_backoff_max(Duration::from_millis(5)),
    );
    let mut expected = vec![b"value".to_vec()];
    for round in 0..5 {
        let (authority, clients) = (Authority::new("next"), Authority::new("next of clients"));
        let identity = authority.issue("broker", HOSTS);
        let handles: Vec<F::Handle> = (0..50)
            .map(|place| {
                if place == 25 {
                    // The broker is first, and then this machine, one file after the other.
                    rig.server.set_config(server_config(&identity, Some(&clients), VERSIONS));
                    rig.server.disconnect_clients();
                    shown.set(&clients.issue("client", &[]).pem());
                    trusted.set(&authority.certificate());
                }
                let value = format!("{round}-{place}");
                expected.push(value.clone().into_bytes());
                send(&producer, &value)
            })
            .collect();
        handles.into_iter().for_each(|handle| drop(handle.get().expect("it is stored")));
    }
    assert_eq!(rig.stored(), expected, "in order, and once");
}

/// With `acks=0` a record is done when it is written: nothing of it may still be held when the producer ends.
fn without_acks_what_is_written_has_left<F: FrontEnd>() {
    let rig = Rig::new();
    let producer = rig.builder::<F>().acks(felice_core::config::Acks::None).build().unwrap();
    let value = "x".repeat(30_000);
    for _ in 0..100 {
        drop(send(&producer, &value));
    }
    producer.close(PATIENCE).unwrap();
    let all = rig.cluster.wait_until(PATIENCE, |cluster| cluster.record_count("t") == 100);
    assert!(all, "{} of 100", rig.stored().len());
}

#[test]
fn a_file_that_is_broken_at_the_moment_is_named_by_the_error() {
    let rig = Rig::new();
    let (trusted, shown) =
        (Written::new(&rig.authority.certificate()), Written::new(&rig.authority.issue("c", &[]).pem()));
    let builder = || {
        Builder::<Blocking>::new()
            .bootstrap_servers(&format!("localhost:{}", rig.server.address().port()))
            .security_protocol(SecurityProtocol::Ssl)
            .ssl_truststore_location(&trusted.0)
            .ssl_keystore_location(&shown.0)
            .request_timeout(DELIVERY / 2)
            .delivery_timeout(DELIVERY)
            .linger(Duration::ZERO)
            .reconnect_backoff(Duration::from_millis(5))
            .reconnect_backoff_max(Duration::from_millis(20))
    };
    let another = rig.authority.issue("another", &[]);
    let mixed = format!("{}{}", another.key, rig.authority.issue("c", &[]).certificate);
    for (file, content, failure) in [
        (&trusted, "nothing of use", TlsFailure::Truststore(StoreFault::Malformed)),
        (&shown, "nothing of use", TlsFailure::Keystore(StoreFault::Malformed)),
        (&shown, &mixed, TlsFailure::Keystore(StoreFault::Mismatch)),
    ] {
        let before = fs::read_to_string(&file.0).unwrap();
        let producer = builder().build().unwrap();
        file.set(content);
        let failed = Handle::get(send(&producer, "value"));
        let Err(NoMetadata::Failed(error)) = failed else { panic!("{failed:?}") };
        assert_eq!(error.last_cause(), Some(Cause::Disconnected(Disconnect::Tls(failure))), "{error}");
        // Mended, the same producer goes on.
        file.set(&before);
        send(&producer, "value").get().expect("it is stored");
    }
}
