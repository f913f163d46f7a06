//! TLS to real Kafka: both front-ends through the listener with TLS and the one that asks for certificates, with either
//! version, read back by Kafka's own consumer; and what its listeners say to those who are wrong there.

use std::time::Duration;

use felice_blocking::Producer as Blocking;
use felice_core::error::{Cause, Disconnect, TlsFailure};
use felice_core::record::ProducerRecord;
use felice_host::{Builder, SecurityProtocol};
use felice_tests::behaviour::Driven as Smol;
use felice_tests::behaviour::{FrontEnd, Handle, NoMetadata, PATIENCE};
use felice_tests::certificates::Authority;
use felice_tests::kafka::{Door, Kafka, console_consumer};
use felice_tests::require_kafka;

/// How many records go each way.
const RECORDS: usize = 200;
/// How long a record that cannot be sent waits.
const DELIVERY: Duration = Duration::from_secs(3);

fn builder<F: FrontEnd>(kafka: &Kafka, door: Door) -> Builder<F> {
    let builder = Builder::new()
        .bootstrap_servers(&kafka.door(door))
        .security_protocol(SecurityProtocol::Ssl)
        .ssl_truststore_location(kafka.certificates().authority());
    match door {
        Door::MutualSsl => builder.ssl_keystore_location(kafka.certificates().client()),
        _ => builder,
    }
}

/// Sends, and says what was sent in which order.
fn pass<F: FrontEnd>(kafka: &Kafka, door: Door, versions: &str) -> Vec<String> {
    let producer: F = builder(kafka, door).ssl_enabled_protocols(versions).build().expect("the settings fit");
    let values: Vec<String> =
        (0..RECORDS).map(|place| format!("{}-{door:?}-{versions}-{place}", F::NAME)).collect();
    let send = |value: &String| producer.send(&ProducerRecord::new("tls", value.as_str()).partition(0));
    let handles: Vec<F::Handle> = values.iter().map(|value| send(value).expect("there is room")).collect();
    handles.into_iter().for_each(|handle| drop(handle.get().expect("it is stored")));
    producer.close(PATIENCE).expect("nothing is left");
    values
}

/// Why a record was not sent.
fn cause<F: FrontEnd>(builder: Builder<F>) -> Cause {
    let builder = builder.request_timeout(DELIVERY / 2).delivery_timeout(DELIVERY);
    let producer = builder.build().expect("the settings fit");
    let failed = producer.send(&ProducerRecord::new("tls", "value")).expect("there is room").get();
    let Err(NoMetadata::Failed(error)) = failed else { panic!("{failed:?}") };
    error.last_cause().expect("something went wrong")
}

#[test]
fn kafkas_doors() {
    require_kafka!();
    let kafka = Kafka::shared_secured();
    kafka.oracle().create_topic("tls", 1);
    let mut sent = Vec::new();
    for door in [Door::Ssl, Door::MutualSsl] {
        for versions in ["TLSv1.2", "TLSv1.3"] {
            sent.extend(pass::<Blocking>(kafka, door, versions));
            sent.extend(pass::<Smol>(kafka, door, versions));
        }
    }
    let read = console_consumer(&kafka.bootstrap(), "tls", 0, sent.len(), &[], PATIENCE);
    let lines: Vec<&str> = read.stdout.lines().collect();
    assert_eq!(lines, sent, "{:?}", read.status);

    let tls = |failure| Cause::Disconnected(Disconnect::Tls(failure));
    for versions in ["TLSv1.2", "TLSv1.3"] {
        // Nobody, before a door that asks who one is; and somebody whom it does not know.
        let to_mutual = || {
            Builder::<Smol>::new()
                .bootstrap_servers(&kafka.door(Door::MutualSsl))
                .security_protocol(SecurityProtocol::Ssl)
                .ssl_truststore_location(kafka.certificates().authority())
                .ssl_enabled_protocols(versions)
        };
        assert_eq!(cause(to_mutual()), tls(TlsFailure::ClientCertificateMissing), "{versions}");
        let stranger = Authority::new("another").issue("stranger", &[]);
        let refused = cause(
            to_mutual().ssl_keystore_certificate_chain(&stranger.certificate).ssl_keystore_key(&stranger.key),
        );
        let Cause::Disconnected(Disconnect::Tls(TlsFailure::ClientCertificateRefused(_))) = refused else {
            panic!("{versions}: {refused:?}")
        };
    }
    let another = Authority::new("another").certificate();
    let unknown = Builder::<Blocking>::new()
        .bootstrap_servers(&kafka.door(Door::Ssl))
        .security_protocol(SecurityProtocol::Ssl)
        .ssl_truststore_certificates(&another);
    assert_eq!(cause(unknown), tls(TlsFailure::UnknownAuthority));
    let to_plain = Builder::<Blocking>::new()
        .bootstrap_servers(&kafka.bootstrap())
        .security_protocol(SecurityProtocol::Ssl)
        .ssl_truststore_location(kafka.certificates().authority());
    assert_eq!(cause(to_plain), tls(TlsFailure::Closed));
    let plain_to_tls = Builder::<Blocking>::new().bootstrap_servers(&kafka.door(Door::Ssl));
    assert_eq!(cause(plain_to_tls), Cause::Disconnected(Disconnect::Closed));
}
