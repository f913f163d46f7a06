//! Tokens that felice fetches itself, with both front-ends: on real Kafka, and on a simulated cluster where the server of
//! tokens refuses, is away, or is somebody else.

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use felice_host::Builder;
use felice_host::surface::{ProducerRecord, SecurityProtocol, Warning};
use felice_tests::behaviour::{FrontEnd, Handle};
use felice_tests::certificates::Authority;
use felice_tests::cluster::{ClusterConfig, SaslConfig, TcpCluster};
use felice_tests::for_each_front_end;
use felice_tests::kafka::{Door, Kafka, unsecured_token};
use felice_tests::require_kafka;
use felice_tests::tls::{Terminator, VERSIONS, server_config};
use felice_tests::tokens::{CLIENT_ID, CLIENT_SECRET, TokenServer, granted};

const PATIENCE: Duration = Duration::from_secs(60);

fn with_tokens<F: FrontEnd>(bootstrap: &str, url: &str, secret: &str) -> Builder<F> {
    Builder::<F>::new()
        .bootstrap_servers(bootstrap)
        .security_protocol(SecurityProtocol::SaslPlaintext)
        .linger(Duration::ZERO)
        .sasl_oauth_bearer_oidc(url, CLIENT_ID, secret)
}

/// Why there is no token, as it is told; and whether the secret goes as it is.
fn listening<F: FrontEnd>(builder: Builder<F>) -> (Builder<F>, Receiver<String>) {
    let (tell, told) = channel();
    let builder = builder.on_warning(move |warning| {
        let text = match warning {
            Warning::NoToken { reason } => reason.to_string(),
            Warning::ClientSecretInTheClear => CLEAR.to_owned(),
            _ => return,
        };
        let _ = tell.send(text);
    });
    (builder, told)
}

const CLEAR: &str = "in the clear";

mod real {
    use super::*;

    /// Sessions end with their tokens, and these are fetched again: the broker takes each of them.
    fn tokens_are_fetched_and_fetched_again<F: FrontEnd>() {
        require_kafka!();
        let kafka = Kafka::shared_secured();
        let topic = format!("oidc-{}", F::NAME);
        kafka.oracle().create_topic(&topic, 2);
        let server = TokenServer::start(|| granted(&unsecured_token(6), 5));
        let url = server.url();
        let bootstrap = kafka.door(Door::SaslPlaintext);
        let producer = with_tokens::<F>(&bootstrap, &url, CLIENT_SECRET)
            .sasl_oauthbearer_scope("kafka write")
            .build()
            .expect("the settings fit");
        let begun = Instant::now();
        let mut sent = 0;
        while begun.elapsed() < Duration::from_secs(11) {
            let value = sent.to_string();
            let stored = producer.send(&ProducerRecord::new(&topic, &*value).key("k")).unwrap().get();
            stored.expect("it is stored");
            sent += 1;
        }
        producer.close(PATIENCE).expect("all of it is stored");
        let records = kafka.oracle().read_at_least(&topic, sent, PATIENCE);
        let values: Vec<String> =
            records.iter().map(|record| String::from_utf8(record.value.clone().unwrap()).unwrap()).collect();
        assert_eq!(values, (0..sent).map(|count| count.to_string()).collect::<Vec<_>>());
        // One for each life of a token, not one for each record or connection.
        assert!((2..=8).contains(&server.asked()), "asked {} times", server.asked());
    }

    /// Java's own settings, with the older options in the login module.
    fn a_file_of_javas<F: FrontEnd>() {
        require_kafka!();
        let kafka = Kafka::shared_secured();
        let server = TokenServer::start(|| granted(&unsecured_token(600), 600));
        let jaas = format!(
            r#"org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required clientId="{CLIENT_ID}" clientSecret="{CLIENT_SECRET}" scope="write";"#
        );
        let handler = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler";
        let producer = Builder::<F>::new()
            .properties([
                ("bootstrap.servers", &*kafka.door(Door::SaslPlaintext)),
                ("security.protocol", "SASL_PLAINTEXT"),
                ("sasl.mechanism", "OAUTHBEARER"),
                ("sasl.oauthbearer.token.endpoint.url", &server.url()),
                ("sasl.login.callback.handler.class", handler),
                ("sasl.jaas.config", &jaas),
            ])
            .expect("settings of Java's")
            .build()
            .expect("they fit");
        let topic = format!("oidc-java-{}", F::NAME);
        kafka.oracle().create_topic(&topic, 1);
        let stored = producer.send(&ProducerRecord::new(&topic, "x")).unwrap().get().expect("it is stored");
        assert!(stored.offset() >= 0);
        assert_eq!(server.asked(), 1);
    }

    for_each_front_end! {
        tokens_are_fetched_and_fetched_again
        a_file_of_javas
    }
}

mod simulated {
    use super::*;

    fn cluster() -> TcpCluster {
        let cluster = TcpCluster::start(ClusterConfig::default()).expect("a loopback port is free");
        let sasl = SaslConfig { token: "token".to_owned(), ..SaslConfig::default() };
        cluster.with(|cluster| cluster.set_sasl(Some(sasl)));
        cluster
    }

    /// It is told with the server's words, the secret is not; and the server is left in peace.
    fn a_wrong_secret<F: FrontEnd>() {
        let (cluster, server) = (cluster(), TokenServer::start(|| granted("token", 600)));
        let (builder, told) =
            listening(with_tokens::<F>(&cluster.bootstrap(), &server.url(), "wrong:secret"));
        let producer = builder
            .linger(Duration::ZERO)
            .request_timeout(Duration::from_secs(1))
            .delivery_timeout(Duration::from_secs(3))
            .build()
            .unwrap();
        let outcome = producer.send(&ProducerRecord::new("topic", "x")).unwrap().get();
        let text = format!("{outcome:?}");
        assert!(outcome.is_err() && text.contains("NoToken") && !text.contains("wrong:secret"), "{text}");
        assert_eq!(told.recv_timeout(PATIENCE).as_deref(), Ok(CLEAR));
        let reason = told.recv_timeout(PATIENCE).unwrap();
        assert_eq!(reason, format!("the token endpoint {} answered 401: invalid_client", server.url()));
        assert!(told.try_recv().is_err(), "told once");
        assert_eq!(server.asked(), 1, "in three seconds");
    }

    /// Records wait for a server that is away for a while.
    fn a_server_that_comes_late<F: FrontEnd>() {
        let cluster = cluster();
        let mut answers =
            [(503, String::new()), (200, "<html>".to_owned()), granted("token", 600)].into_iter();
        let server = TokenServer::start(move || answers.next().expect("that is enough"));
        let (builder, told) = listening(with_tokens::<F>(&cluster.bootstrap(), &server.url(), CLIENT_SECRET));
        let producer = builder.sasl_login_retry_backoff_max(Duration::from_millis(500)).build().unwrap();
        let stored = producer.send(&ProducerRecord::new("topic", "x")).unwrap().get().unwrap();
        assert_eq!(stored.offset(), 0);
        assert_eq!(told.recv_timeout(PATIENCE).as_deref(), Ok(CLEAR));
        assert!(told.recv_timeout(PATIENCE).unwrap().ends_with("answered what is no JSON object"));
        assert_eq!(server.asked(), 3);
    }

    /// Inside TLS nobody else can be the server of tokens: who is not vouched for hears no secret.
    fn a_server_inside_tls<F: FrontEnd>() {
        let (cluster, server) = (cluster(), TokenServer::start(|| granted("token", 600)));
        let (ours, others) = (Authority::new("ours"), Authority::new("others"));
        let before = |identity| Terminator::start(server.address(), server_config(&identity, None, VERSIONS));
        let jaas = |trusted: &Authority| {
            format!(
                r#"OAuthBearerLoginModule required ssl.truststore.certificates="{}";"#,
                trusted.certificate().replace('\n', " ")
            )
        };
        let send = |at: &Terminator| {
            let url = format!("https://localhost:{}/oauth2/token", at.address().port());
            let (builder, told) = listening(with_tokens::<F>(&cluster.bootstrap(), &url, CLIENT_SECRET));
            let producer = builder
                .properties([("sasl.jaas.config", &*jaas(&ours)), ("sasl.login.retry.backoff.max.ms", "100")])
                .unwrap()
                .request_timeout(Duration::from_secs(1))
                .delivery_timeout(Duration::from_secs(2))
                .build()
                .unwrap();
            let outcome = producer.send(&ProducerRecord::new("topic", "x")).unwrap().get();
            (outcome.is_ok(), told.try_recv().ok())
        };
        let good = before(ours.issue("tokens", &["localhost"]));
        assert_eq!(send(&good), (true, None));
        assert_eq!(server.asked(), 1);
        for (identity, why) in [
            (others.issue("tokens", &["localhost"]), "none of the authorities"),
            (ours.issue("tokens", &["another.example"]), "for other hosts"),
        ] {
            let bad = before(identity);
            let (sent, told) = send(&bad);
            let told = told.expect("it is told");
            assert!(!sent && told.contains(why), "{told}");
        }
        assert_eq!(server.asked(), 1, "nothing got through");
    }

    for_each_front_end! {
        a_wrong_secret
        a_server_that_comes_late
        a_server_inside_tls
    }
}
