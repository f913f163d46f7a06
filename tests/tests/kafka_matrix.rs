//! Every mechanism behind every door, with every codec, from both front-ends: any two of them meet at least once, and in
//! the soak (`FELICE_SOAK_RECORDS`) all of them do. Kafka's own consumer reads what has arrived.

use std::time::Duration;

use felice_blocking::{BearerToken, Producer as Blocking, ProducerRecord};
use felice_host::Builder;
use felice_smol::Producer as Smol;
use felice_tests::behaviour::{FrontEnd, soak};
use felice_tests::kafka::{Door, Kafka, PASSWORD, USER, unsecured_token};
use felice_tests::require_kafka;

const MECHANISMS: [&str; 5] = ["none", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];
const SECURITIES: [Security; 3] = [Security::Clear, Security::Tls, Security::MutualTls];
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

/// Records by each way: some batches of several kilobytes, which shrink.
const RECORDS: usize = 300;
const PATIENCE: Duration = Duration::from_secs(60);

/// How the way is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Security {
    Clear,
    Tls,
    MutualTls,
}

/// One way into the cluster.
#[derive(Clone, Copy, Debug)]
struct Way {
    mechanism: &'static str,
    security: Security,
    codec: &'static str,
    smol: bool,
}

/// Any two of a mechanism, a door, a codec and a front-end meet in one of these; in the soak all of them.
fn ways() -> Vec<Way> {
    let mut ways = Vec::new();
    for (m, mechanism) in MECHANISMS.into_iter().enumerate() {
        for (c, codec) in CODECS.into_iter().enumerate() {
            for (s, security) in SECURITIES.into_iter().enumerate() {
                for smol in [false, true] {
                    let sum = m + c;
                    if soak::is_on() || (sum % 3 == s && (sum % 2 == 1) == smol) {
                        ways.push(Way { mechanism, security, codec, smol });
                    }
                }
            }
        }
    }
    ways
}

#[test]
fn ways_leave_no_pair_out() {
    let ways = ways();
    for a in MECHANISMS {
        for b in CODECS {
            assert!(ways.iter().any(|way| way.mechanism == a && way.codec == b), "{a} {b}");
        }
        for b in SECURITIES {
            assert!(ways.iter().any(|way| way.mechanism == a && way.security == b), "{a} {b:?}");
        }
    }
    for b in SECURITIES {
        for c in CODECS {
            assert!(ways.iter().any(|way| way.security == b && way.codec == c), "{b:?} {c}");
        }
    }
    for smol in [false, true] {
        let has = |what: &dyn Fn(&Way) -> bool| ways.iter().any(|way| way.smol == smol && what(way));
        assert!(MECHANISMS.iter().all(|it| has(&|way| way.mechanism == *it)));
        assert!(SECURITIES.iter().all(|it| has(&|way| way.security == *it)));
        assert!(CODECS.iter().all(|it| has(&|way| way.codec == *it)));
    }
}

#[test]
fn each_way_leads_into_the_log() {
    require_kafka!();
    let kafka = Kafka::shared_secured();
    for (index, way) in ways().iter().enumerate() {
        let topic = format!("way-{index}");
        kafka.oracle().create_topic(&topic, 1);
        if way.smol {
            send::<Smol>(kafka, way, &topic);
        } else {
            send::<Blocking>(kafka, way, &topic);
        }
        let read = kafka.oracle().read(&topic);
        let values = read.iter().map(|record| record.value.clone().expect("a value"));
        assert!(values.eq((0..RECORDS).map(|index| value(index).into_bytes())), "{way:?}");
    }
}

fn send<F: FrontEnd>(kafka: &Kafka, way: &Way, topic: &str) {
    let mut builder = Builder::<F>::new()
        .bootstrap_servers(&way.door().map_or_else(|| kafka.bootstrap(), |door| kafka.door(door)))
        .properties(way.properties(kafka))
        .expect("names that felice knows");
    if way.mechanism == "OAUTHBEARER" {
        builder = builder.sasl_oauth_bearer(|| Ok(BearerToken::new(unsecured_token(600))));
    }
    let producer = builder.build().unwrap_or_else(|error| panic!("{way:?}: {error}"));
    for index in 0..RECORDS {
        let record = ProducerRecord::new(topic, value(index)).partition(0);
        producer.send(&record).unwrap_or_else(|error| panic!("{way:?}: {error}"));
    }
    producer.flush().expect("this is no callback");
    assert_eq!(producer.failed(), 0, "{way:?}");
    producer.close(PATIENCE).expect("nothing is left");
}

/// Like a gateway's readings: much of it repeats.
fn value(index: usize) -> String {
    format!(r#"{{"sensor":"boiler-{}","celsius":{},"ok":true}}"#, index % 7, 60 + index % 13)
}

impl Way {
    /// A client's settings, as in a file of Kafka's.
    fn properties(self, kafka: &Kafka) -> Vec<(&'static str, String)> {
        let certificates = kafka.certificates();
        let protocol = self.door().map_or("PLAINTEXT", Door::protocol);
        let mut properties = vec![
            ("security.protocol", protocol.to_owned()),
            ("compression.type", self.codec.to_owned()),
            ("batch.size", "4096".to_owned()),
        ];
        if self.security != Security::Clear {
            properties.push(("ssl.truststore.location", certificates.authority().display().to_string()));
        }
        if self.security == Security::MutualTls {
            properties.push(("ssl.keystore.location", certificates.client().display().to_string()));
        }
        if !matches!(self.mechanism, "none" | "OAUTHBEARER") {
            properties.push(("sasl.mechanism", self.mechanism.to_owned()));
            properties.push(("sasl.username", USER.to_owned()));
            properties.push(("sasl.password", PASSWORD.to_owned()));
        }
        properties
    }

    fn door(self) -> Option<Door> {
        match (self.mechanism, self.security) {
            ("none", Security::Clear) => None,
            ("none", Security::Tls) => Some(Door::Ssl),
            ("none", Security::MutualTls) => Some(Door::MutualSsl),
            (_, Security::Clear) => Some(Door::SaslPlaintext),
            (_, Security::Tls | Security::MutualTls) => Some(Door::SaslSsl),
        }
    }
}
