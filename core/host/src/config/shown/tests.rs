use super::super::{Builder, Start, properties};
use super::*;

/// Nothing is started: only the builder is looked at.
struct Nothing;

impl Start for Nothing {
    fn start(_: Settings) -> Result<Self, crate::BuildError> {
        Ok(Self)
    }
}

/// They are for files that are shared with Kafka's clients, and change nothing.
const WITHOUT_EFFECT: [&str; 7] = [
    "compression.lz4.level",
    "retries",
    "sasl.client.callback.handler.class",
    "sasl.login.callback.handler.class",
    "sasl.oauthbearer.jwt.retriever.class",
    "ssl.keystore.type",
    "ssl.truststore.type",
];

/// What a setting is set to here: none of them is its default.
fn value(name: &str) -> &'static str {
    match name {
        "acks" => "1",
        "bootstrap.servers" => "a:1,b:2",
        "client.dns.lookup" => "resolve_canonical_bootstrap_servers_only",
        "compression.type" => "zstd",
        "enable.idempotence" => "false",
        "partitioner" => "consistent_random",
        "partitioner.ignore.keys" | "sasl.oauthbearer.header.urlencode" => "true",
        "security.protocol" => "SASL_SSL",
        "spool.mode" => "overflow",
        "spool.when.full" => "drop.oldest",
        "topic.compression.type" => "a:gzip,b:none",
        name if NUMBERS.iter().any(|end| name.ends_with(end)) => "7",
        _ => "a \\\\ secret",
    }
}

const NUMBERS: [&str; 8] = [".ms", ".max", ".level", ".bytes", ".sec", ".size", ".memory", ".connection"];

#[test]
fn each_setting_is_shown_as_it_was_set_and_no_secret_is() {
    const HIDDEN_ONES: [&str; 9] = [
        "proxy.url",
        "sasl.jaas.config",
        "sasl.oauthbearer.client.credentials.client.id",
        "sasl.oauthbearer.client.credentials.client.secret",
        "sasl.oauthbearer.token.endpoint.url",
        "sasl.password",
        "sasl.username",
        "ssl.key.password",
        "ssl.keystore.key",
    ];
    const TEXTS: [&str; 2] = ["ssl.keystore.certificate.chain", "ssl.truststore.certificates"];
    let names: Vec<&str> = properties::names().filter(|name| !WITHOUT_EFFECT.contains(name)).collect();
    let text: String = names.iter().map(|name| format!("{name}={}\n", value(name))).collect();
    let shown = Builder::<Nothing>::new().properties_text(&text).unwrap().to_string();
    for name in &names {
        let value = match *name {
            name if HIDDEN_ONES.contains(&name) => "[hidden]",
            name if TEXTS.contains(&name) => "[set]",
            name => value(name),
        };
        assert!(shown.lines().any(|line| line == format!("{name}={value}")), "{name}={value}\n{shown}");
    }
    assert_eq!(shown.lines().count(), names.len(), "{shown}");
}

/// What depends on others is shown as it comes out.
#[test]
fn defaults_are_shown_as_they_count() {
    let builder = Builder::<Nothing>::new().bootstrap_servers("k:1").buffer_memory(32 * 1024);
    let shown = builder.to_string();
    for line in ["batch.size=8192", "max.request.size=8192", "enable.idempotence=true", "linger.ms=5"] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
    assert!(!shown.contains("spool.") && !shown.contains("sasl.") && !shown.contains("ssl."), "{shown}");
    // What is shown can be read, and means the same.
    let again = Builder::<Nothing>::new().properties_text(&shown).unwrap();
    assert_eq!(again.to_string(), shown);
    let shown = again.acks(Acks::Leader).partitioner(felice_core::partitioner::Crc32).to_string();
    assert!(shown.contains("enable.idempotence=true"), "it was set\n{shown}");
    assert!(shown.contains("partitioner=[of the program]"), "{shown}");
    let shown = Builder::<Nothing>::new().acks(Acks::None).to_string();
    assert!(shown.contains("enable.idempotence=false"), "{shown}");
}
