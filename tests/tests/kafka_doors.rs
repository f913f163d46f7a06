//! The doors of a secured cluster open to Kafka's own client, and only with what they ask for: so they are what felice's
//! tests behind them take them for.

use std::fs;
use std::time::Duration;

use felice_tests::kafka::{Door, Kafka, PASSWORD, USER, console_consumer, console_producer};
use felice_tests::require_kafka;

const PATIENCE: Duration = Duration::from_secs(60);

/// A client's properties: how it trusts, who it is.
fn properties(kafka: &Kafka, door: Door, mechanism: &str) -> String {
    let certificates = kafka.certificates();
    let mut lines = vec![format!("security.protocol={}", door.protocol())];
    lines.push("ssl.truststore.type=PEM".to_owned());
    lines.push(format!("ssl.truststore.location={}", certificates.authority().display()));
    if door == Door::MutualSsl {
        lines.push("ssl.keystore.type=PEM".to_owned());
        lines.push(format!("ssl.keystore.location={}", certificates.client().display()));
    }
    if mechanism != "none" {
        let (module, options) = match mechanism {
            "OAUTHBEARER" => {
                ("oauthbearer.OAuthBearerLoginModule", format!(r#"unsecuredLoginStringClaim_sub="{USER}""#))
            }
            _ => ("scram.ScramLoginModule", format!(r#"username="{USER}" password="{PASSWORD}""#)),
        };
        lines.push(format!("sasl.mechanism={mechanism}"));
        lines.push(format!("sasl.jaas.config=org.apache.kafka.common.security.{module} required {options};"));
    }
    lines.join("\n")
}

#[test]
fn each_door_opens_to_kafkas_own_producer() {
    require_kafka!();
    let kafka = Kafka::shared_secured();
    kafka.oracle().create_topic("doors", 1);
    let ways =
        [(Door::MutualSsl, "none"), (Door::SaslPlaintext, "SCRAM-SHA-256"), (Door::SaslSsl, "OAUTHBEARER")];
    for (index, (door, mechanism)) in ways.into_iter().enumerate() {
        let file = kafka.certificates().authority().with_file_name(format!("client-{index}.properties"));
        fs::write(&file, properties(kafka, door, mechanism)).unwrap();
        let file = file.display().to_string();
        let said = console_producer(
            &kafka.door(door),
            "doors",
            &[mechanism],
            &["--command-config", &file],
            PATIENCE,
        );
        assert!(said.status.success(), "{door:?} {mechanism}: {said:?}");
    }
    let read = console_consumer(&kafka.bootstrap(), "doors", 0, ways.len(), &[], PATIENCE);
    let lines: Vec<&str> = read.stdout.lines().collect();
    assert_eq!(lines, ways.map(|(_, mechanism)| mechanism), "{read:?}");
}
