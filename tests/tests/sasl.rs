//! SASL with both front-ends, on a simulated cluster and on real Kafka: each mechanism, what is refused, and sessions
//! that end while records are sent.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use felice_host::Builder;
use felice_host::surface::{
    AuthenticationError, AwsCredentials, BearerToken, ErrorCode, ErrorKind, Persisted, ProducerRecord,
    SecurityProtocol, Warning,
};
use felice_tests::behaviour::{FrontEnd, Handle, NoMetadata};
use felice_tests::cluster::{ClusterConfig, SaslConfig, TcpCluster};
use felice_tests::for_each_front_end;
use felice_tests::kafka::{Door, Kafka, PASSWORD, USER, unsecured_token};
use felice_tests::protocol::ApiKey;
use felice_tests::require_kafka;

const PATIENCE: Duration = Duration::from_secs(30);

/// Wrong credentials are heard of much sooner than this, although records may wait for two minutes.
const AT_ONCE: Duration = Duration::from_secs(20);

/// A builder that knows who it is.
fn with_mechanism<F: FrontEnd>(builder: Builder<F>, mechanism: &str, password: &str) -> Builder<F> {
    match mechanism {
        "PLAIN" => builder.sasl_plain(USER, password),
        "SCRAM-SHA-256" => builder.sasl_scram_sha_256(USER, password),
        "SCRAM-SHA-512" => builder.sasl_scram_sha_512(USER, password),
        _ => builder.sasl_oauth_bearer(|| Ok(BearerToken::new(unsecured_token(600)))),
    }
}

fn at_door<F: FrontEnd>(kafka: &Kafka, door: Door) -> Builder<F> {
    let builder = Builder::<F>::new().bootstrap_servers(&kafka.door(door)).linger(Duration::ZERO);
    let truststore = kafka.certificates().authority().display().to_string();
    let protocol = [("security.protocol", door.protocol())];
    let builder = builder.properties(protocol).expect("a protocol");
    if door == Door::SaslSsl {
        return builder.properties([("ssl.truststore.location", &*truststore)]).expect("a file's name");
    }
    builder
}

/// Why a record failed, which it must at once.
fn refusal<F: FrontEnd>(producer: &F, topic: &str) -> (ErrorKind, String) {
    let begun = Instant::now();
    let outcome = producer.send(&ProducerRecord::new(topic, "x")).expect("it is accepted").get();
    let Err(NoMetadata::Failed(error)) = outcome else { panic!("it failed: {outcome:?}") };
    assert!(begun.elapsed() < AT_ONCE, "after {:?}", begun.elapsed());
    assert_eq!(error.persisted(), Persisted::No);
    let text = error.to_string();
    assert!(!text.contains(PASSWORD), "{text}");
    (error.kind(), text)
}

const WRONG: ErrorKind =
    ErrorKind::Authentication(AuthenticationError::Refused(ErrorCode::SASL_AUTHENTICATION_FAILED));

mod real {
    use super::*;

    fn each_mechanism_at_each_door<F: FrontEnd>() {
        require_kafka!();
        let kafka = Kafka::shared_secured();
        let topic = format!("sasl-{}", F::NAME);
        kafka.oracle().create_topic(&topic, 2);
        let mut expected = Vec::new();
        for door in [Door::SaslPlaintext, Door::SaslSsl] {
            for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] {
                let builder = with_mechanism(at_door::<F>(kafka, door), mechanism, PASSWORD);
                let producer = builder.build().expect("the settings fit");
                for count in 0..10 {
                    let value = format!("{door:?} {mechanism} {count}");
                    let record = ProducerRecord::new(&topic, &*value).key("k");
                    producer.send(&record).expect("it is accepted").get().expect("it is stored");
                    expected.push(value);
                }
                producer.close(PATIENCE).expect("all of it is stored");
            }
        }
        let records = kafka.oracle().read_at_least(&topic, expected.len(), PATIENCE);
        let values: Vec<String> =
            records.iter().map(|record| String::from_utf8(record.value.clone().unwrap()).unwrap()).collect();
        assert_eq!(values, expected, "once, and in order");
    }

    fn wrong_credentials_fail_at_once<F: FrontEnd>() {
        require_kafka!();
        let kafka = Kafka::shared_secured();
        for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
            let builder = with_mechanism(at_door::<F>(kafka, Door::SaslPlaintext), mechanism, "wrong");
            let producer = builder.build().expect("the settings fit");
            let (kind, text) = refusal(&producer, "nowhere");
            assert_eq!(kind, WRONG, "{mechanism}");
            assert!(text.contains("Authentication failed"), "{mechanism}: {text}");
            // The next one tries again, and hears the same.
            assert_eq!(refusal(&producer, "nowhere").0, WRONG);
        }
        let builder = at_door::<F>(kafka, Door::SaslPlaintext)
            .sasl_oauth_bearer(|| Ok(BearerToken::new(unsecured_token(-600))));
        let producer = builder.build().expect("the settings fit");
        let (kind, text) = refusal(&producer, "nowhere");
        assert_eq!(kind, WRONG);
        assert!(text.contains("invalid_token"), "{text}");
    }

    /// A client that means to prove who it is where nobody asks.
    fn a_listener_without_sasl<F: FrontEnd>() {
        require_kafka!();
        let kafka = Kafka::shared_secured();
        let builder = Builder::<F>::new()
            .bootstrap_servers(&kafka.bootstrap())
            .security_protocol(SecurityProtocol::SaslPlaintext)
            .sasl_plain(USER, PASSWORD);
        let producer = builder.build().expect("the settings fit");
        assert_eq!(refusal(&producer, "x").0, ErrorKind::Authentication(AuthenticationError::NoSasl));
    }

    /// Records all the time, five requests in flight, and a session of two seconds.
    fn sessions_end_while_records_are_sent<F: FrontEnd>() {
        require_kafka!();
        let kafka = Kafka::builder().secured().property("connections.max.reauth.ms", "2000").start();
        for mechanism in ["SCRAM-SHA-512", "OAUTHBEARER"] {
            let topic = format!("renewed-{}-{}", F::NAME, mechanism.to_lowercase());
            kafka.oracle().create_topic(&topic, 3);
            let builder = with_mechanism(at_door::<F>(&kafka, Door::SaslPlaintext), mechanism, PASSWORD);
            let producer = builder.build().expect("the settings fit");
            let (begun, mut sent) = (Instant::now(), 0);
            while begun.elapsed() < Duration::from_secs(7) {
                let handles: Vec<_> = (sent..sent + 100)
                    .map(|count: usize| {
                        let (key, value) = ((count % 7).to_string(), count.to_string());
                        producer
                            .send(&ProducerRecord::new(&topic, &*value).key(&*key))
                            .expect("it is accepted")
                    })
                    .collect();
                sent += handles.len();
                for handle in handles {
                    let stored = handle.get().expect("it is stored");
                    assert!(stored.offset() >= 0);
                }
            }
            producer.close(PATIENCE).expect("all of it is stored");
            let records = kafka.oracle().read_at_least(&topic, sent, PATIENCE);
            assert_eq!(records.len(), sent, "each of them once");
            let mut last: BTreeMap<String, i64> = BTreeMap::new();
            for record in records {
                let text = |bytes: &Option<Vec<u8>>| String::from_utf8(bytes.clone().unwrap()).unwrap();
                let number = text(&record.value).parse().unwrap();
                let before = last.insert(text(&record.key), number);
                assert!(before.is_none_or(|before| before < number), "in order");
            }
        }
    }

    for_each_front_end! {
        each_mechanism_at_each_door
        wrong_credentials_fail_at_once
        a_listener_without_sasl
        sessions_end_while_records_are_sent
    }
}

mod simulated {
    use super::*;

    const AWS_ID: &str = "ASIAEXAMPLE";
    const AWS_SECRET: &str = "secret/of+aws";

    fn cluster(session_lifetime_ms: i64) -> TcpCluster {
        let cluster = TcpCluster::start(ClusterConfig::default()).expect("a loopback port is free");
        let sasl = SaslConfig {
            mechanisms: vec!["PLAIN", "SCRAM-SHA-256", "OAUTHBEARER"],
            users: [(USER.to_owned(), PASSWORD.to_owned())].into(),
            token: "token".to_owned(),
            aws: [(AWS_ID.to_owned(), AWS_SECRET.to_owned())].into(),
            session_lifetime_ms,
        };
        cluster.with(|cluster| cluster.set_sasl(Some(sasl)));
        cluster
    }

    fn builder<F: FrontEnd>(cluster: &TcpCluster) -> Builder<F> {
        Builder::<F>::new()
            .bootstrap_servers(&cluster.bootstrap())
            .security_protocol(SecurityProtocol::SaslPlaintext)
            .linger(Duration::ZERO)
    }

    /// The mechanism that the broker has not is named, and so are those that it has.
    fn a_mechanism_that_is_not_offered<F: FrontEnd>() {
        let cluster = cluster(0);
        let producer = builder::<F>(&cluster).sasl_scram_sha_512(USER, PASSWORD).build().unwrap();
        let (kind, text) = refusal(&producer, "topic");
        assert_eq!(kind, ErrorKind::Authentication(AuthenticationError::UnsupportedMechanism));
        assert!(text.contains("the broker offers PLAIN, SCRAM-SHA-256, OAUTHBEARER, AWS_MSK_IAM"), "{text}");
    }

    /// Once the credentials are right, the same producer sends.
    fn credentials_that_become_right<F: FrontEnd>() {
        let cluster = cluster(0);
        cluster.with(|cluster| cluster.set_refusing_credentials(true));
        let producer = builder::<F>(&cluster).sasl_plain(USER, PASSWORD).build().unwrap();
        for _ in 0..3 {
            assert_eq!(refusal(&producer, "topic").0, WRONG);
        }
        assert!(producer.partitions_for("other").is_err());
        let attempts = cluster.with(|cluster| cluster.requests().count(ApiKey::SASL_HANDSHAKE));
        assert!(attempts < 20, "{attempts} attempts");
        cluster.with(|cluster| cluster.set_refusing_credentials(false));
        let stored = producer.send(&ProducerRecord::new("topic", "x")).unwrap().get().unwrap();
        assert_eq!(stored.offset(), 0);
    }

    /// The function without a token makes records wait, and is asked again.
    fn tokens_that_come_late<F: FrontEnd>() {
        let cluster = cluster(0);
        let calls = std::sync::atomic::AtomicU32::new(0);
        let tokens = move || match calls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => Err("the server of tokens is away".into()),
            1 => panic!("a bug in the function"),
            _ => Ok(BearerToken::new("token").extension("name", "value")),
        };
        let producer = builder::<F>(&cluster).sasl_oauth_bearer(tokens).build().unwrap();
        let stored = producer.send(&ProducerRecord::new("topic", "x")).unwrap().get().unwrap();
        assert_eq!(stored.offset(), 0);
    }

    /// The host is signed for that the connection is to; a session of AWS goes along, and a secret never does.
    fn keys_of_aws<F: FrontEnd>() {
        let cluster = cluster(0);
        let with = |secret: &'static str| {
            let credentials = move || {
                let credentials = AwsCredentials::new(AWS_ID, secret);
                Ok(credentials.session_token("of//a+session==").region("eu-west-1"))
            };
            builder::<F>(&cluster).sasl_aws_msk_iam(credentials).build().unwrap()
        };
        let stored = with(AWS_SECRET).send(&ProducerRecord::new("topic", "x")).unwrap().get().unwrap();
        assert_eq!(stored.offset(), 0);
        let (kind, text) = refusal(&with("another"), "topic");
        assert_eq!(kind, WRONG);
        assert!(text.contains("these are not the credentials") && !text.contains("another"), "{text}");
    }

    /// What keeps a token from being had is told, once, and records wait.
    fn what_is_missing_for_a_token_is_told<F: FrontEnd>() {
        let cluster = cluster(0);
        let (tell, told) = std::sync::mpsc::channel();
        let region = std::sync::Arc::new(std::sync::Mutex::new(None));
        let set = std::sync::Arc::clone(&region);
        let credentials = move || {
            let credentials = AwsCredentials::new(AWS_ID, AWS_SECRET);
            Ok(match *set.lock().unwrap() {
                None => credentials,
                Some(region) => credentials.region(region),
            })
        };
        let producer = builder::<F>(&cluster)
            .sasl_aws_msk_iam(credentials)
            .on_warning(move |warning| {
                let _ = tell.send(warning);
            })
            .build()
            .unwrap();
        let sent = producer.send(&ProducerRecord::new("topic", "x")).unwrap();
        let clear = told.recv_timeout(PATIENCE).unwrap();
        assert!(matches!(clear, Warning::SecretInTheClear { .. }), "{clear}");
        let Warning::NoToken { reason } = told.recv_timeout(PATIENCE).unwrap() else { panic!("not told") };
        assert!(
            reason.starts_with("no AWS region is set, and there is none in the host's name 127"),
            "{reason}"
        );
        *region.lock().unwrap() = Some("eu-west-1");
        assert_eq!(sent.get().unwrap().offset(), 0);
        assert!(told.try_recv().is_err(), "once");
    }

    /// A session is renewed on the connection that there is.
    fn sessions_are_renewed<F: FrontEnd>() {
        let cluster = cluster(1_500);
        let producer = builder::<F>(&cluster).sasl_scram_sha_256(USER, PASSWORD).build().unwrap();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(4) {
            producer.send(&ProducerRecord::new("topic", "x")).unwrap().get().expect("it is stored");
        }
        let (handshakes, versions) = cluster.with(|cluster| {
            let count = |api| cluster.requests().count(api);
            (count(ApiKey::SASL_HANDSHAKE), count(ApiKey::API_VERSIONS))
        });
        // One ApiVersions for each connection.
        assert!(handshakes >= versions + 2, "{handshakes} handshakes on {versions} connections");
    }

    for_each_front_end! {
        a_mechanism_that_is_not_offered
        credentials_that_become_right
        tokens_that_come_late
        keys_of_aws
        what_is_missing_for_a_token_is_told
        sessions_are_renewed
    }
}
