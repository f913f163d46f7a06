//! Settings of Kafka's own clients that felice has not, and why: whoever brings a file along deserves a better answer than
//! the nearest name.

const SERIALIZERS: &str = "records bring their own serializers here: `Serialize`";
pub(super) const KERBEROS: &str = "felice has no Kerberos; see `sasl.mechanism`";
#[cfg(not(feature = "oidc"))]
const TOKENS: &str =
    "a function of yours has the tokens (`sasl_oauth_bearer`); felice fetches them with its feature `oidc`";
#[cfg(feature = "oidc")]
const LIFE: &str = "a token is kept for four fifths of its life, and asked for when one is needed";
#[cfg(feature = "oidc")]
const ASSERTIONS: &str = "felice asks for tokens with a client's id and secret only; see `sasl_oauth_bearer`";
#[cfg(feature = "oidc")]
const VERIFIERS: &str = "it is about who verifies tokens, which is the broker";
#[cfg(not(feature = "__tls"))]
const NO_TLS: &str = "this program was built without felice's feature `tls`";
#[cfg(feature = "__tls")]
const PASSWORD: &str =
    "a PEM file of certificates has no password, and the password of an encrypted key is ssl.key.password";
#[cfg(all(feature = "__tls", not(feature = "tls-encrypted-keys")))]
const KEY_PASSWORD: &str = "encrypted keys need felice's feature `tls-encrypted-keys`; `openssl pkey -in FILE -out PLAIN` \
    decrypts one; keep it readable for this program only";
#[cfg(feature = "__tls")]
const CIPHERS: &str = "what is old or weak is not built in";
#[cfg(not(feature = "transactions"))]
const TRANSACTIONS: &str = "this program was built without felice's feature `transactions`";
#[cfg(feature = "transactions")]
const TWO_PHASES: &str = "felice takes no part in what others commit in two phases";
const JAVA: &str = "it is about Java's own machinery";
const METADATA: &str =
    "metadata are asked for while records are held, and from the bootstrap servers again by themselves";
const SPREAD: &str = "records without key are spread evenly here; see `partitioner`";
pub(super) const CONSUMER: &str = "it is a consumer's, and felice only sends";

/// Whole names, or beginnings that end with a dot.
const FOREIGN: &[(&str, &str)] = &[
    ("allow.auto.create.topics", CONSUMER),
    ("auto.", CONSUMER),
    ("check.crcs", CONSUMER),
    ("client.rack", CONSUMER),
    ("config.providers", JAVA),
    ("default.api.timeout.ms", CONSUMER),
    ("enable.auto.commit", CONSUMER),
    ("enable.metrics.push", JAVA),
    ("exclude.internal.topics", CONSUMER),
    ("fetch.", CONSUMER),
    ("group.", CONSUMER),
    ("heartbeat.interval.ms", CONSUMER),
    ("interceptor.classes", JAVA),
    ("internal.", CONSUMER),
    ("isolation.level", CONSUMER),
    ("key.deserializer", CONSUMER),
    ("key.serializer", SERIALIZERS),
    ("max.partition.fetch.bytes", CONSUMER),
    ("max.poll.", CONSUMER),
    ("metadata.max.idle.ms", METADATA),
    ("metadata.recovery.", METADATA),
    ("metric.reporters", JAVA),
    ("metrics.", JAVA),
    ("partition.assignment.strategy", CONSUMER),
    ("partitioner.adaptive.partitioning.enable", SPREAD),
    ("partitioner.availability.timeout.ms", SPREAD),
    ("partitioner.class", "it names a Java class; see `partitioner`"),
    #[cfg(not(feature = "aws-msk-iam"))]
    ("sasl.client.callback.handler.class", JAVA),
    ("sasl.kerberos.", KERBEROS),
    #[cfg(not(feature = "oidc"))]
    ("sasl.login.", TOKENS),
    #[cfg(feature = "oidc")]
    ("sasl.login.class", JAVA),
    #[cfg(feature = "oidc")]
    ("sasl.login.refresh.", LIFE),
    #[cfg(not(feature = "oidc"))]
    ("sasl.oauthbearer.", TOKENS),
    #[cfg(feature = "oidc")]
    ("sasl.oauthbearer.assertion.", ASSERTIONS),
    #[cfg(feature = "oidc")]
    ("sasl.oauthbearer.clock.skew.seconds", VERIFIERS),
    #[cfg(feature = "oidc")]
    ("sasl.oauthbearer.expected.", VERIFIERS),
    #[cfg(feature = "oidc")]
    ("sasl.oauthbearer.jwks.", VERIFIERS),
    #[cfg(feature = "oidc")]
    ("sasl.oauthbearer.jwt.validator.class", VERIFIERS),
    #[cfg(feature = "oidc")]
    ("sasl.oauthbearer.scope.claim.name", VERIFIERS),
    #[cfg(feature = "oidc")]
    ("sasl.oauthbearer.sub.claim.name", VERIFIERS),
    ("security.providers", JAVA),
    ("session.timeout.ms", CONSUMER),
    ("share.", CONSUMER),
    ("socket.connection.setup.timeout.max.ms", "socket.connection.setup.timeout.ms does not grow here"),
    #[cfg(not(feature = "__tls"))]
    ("ssl.", NO_TLS),
    #[cfg(feature = "__tls")]
    ("ssl.cipher.suites", CIPHERS),
    #[cfg(feature = "__tls")]
    ("ssl.engine.factory.class", JAVA),
    #[cfg(all(feature = "__tls", not(feature = "tls-encrypted-keys")))]
    ("ssl.key.password", KEY_PASSWORD),
    #[cfg(feature = "__tls")]
    ("ssl.keymanager.algorithm", JAVA),
    #[cfg(feature = "__tls")]
    ("ssl.keystore.password", PASSWORD),
    #[cfg(feature = "__tls")]
    ("ssl.protocol", "ssl.enabled.protocols says which versions are spoken, and the newest one is"),
    #[cfg(feature = "__tls")]
    ("ssl.provider", JAVA),
    #[cfg(feature = "__tls")]
    ("ssl.secure.random.implementation", JAVA),
    #[cfg(feature = "__tls")]
    ("ssl.trustmanager.algorithm", JAVA),
    #[cfg(feature = "__tls")]
    ("ssl.truststore.password", PASSWORD),
    #[cfg(not(feature = "transactions"))]
    ("transaction.", TRANSACTIONS),
    #[cfg(feature = "transactions")]
    ("transaction.two.phase.commit.enable", TWO_PHASES),
    #[cfg(not(feature = "transactions"))]
    ("transactional.id", TRANSACTIONS),
    ("value.deserializer", CONSUMER),
    ("value.serializer", SERIALIZERS),
];

/// Why felice has no setting of this name; `None` if Kafka has none either.
pub(super) fn reason(name: &str) -> Option<&'static str> {
    let is = |known: &str| name == known || (known.ends_with('.') && name.starts_with(known));
    FOREIGN.iter().find(|(known, _)| is(known)).map(|(_, reason)| *reason)
}

#[cfg(test)]
mod tests {
    use super::super::properties;
    use super::*;

    /// The settings of Kafka's own clients; `tests/java/ConfigGolden.java` writes it.
    const GOLDEN: &str = include_str!("../../../../tests/golden/config_java431.tsv");

    #[test]
    fn each_of_kafkas_settings_is_taken_or_explained() {
        let (mut taken, mut explained) = (0, 0);
        for line in GOLDEN.lines() {
            let cells: Vec<&str> = line.split('\t').collect();
            let name = cells[1];
            match (properties::knows(name), reason(name)) {
                (true, None) => taken += 1,
                (false, Some(reason)) => {
                    explained += 1;
                    assert_eq!(reason == CONSUMER, cells[0] == "consumer", "{name}");
                }
                (true, Some(_)) => panic!("{name} is taken, and said not to be"),
                (false, None) => panic!("{name} is neither taken nor explained"),
            }
        }
        let tls = if cfg!(feature = "__tls") { 9 } else { 0 };
        let oidc = if cfg!(feature = "oidc") { 11 } else { 0 };
        let more = tls
            + oidc
            + usize::from(cfg!(all(feature = "__tls", feature = "tls-encrypted-keys")))
            + usize::from(cfg!(feature = "aws-msk-iam"))
            + if cfg!(feature = "transactions") { 2 } else { 0 };
        assert_eq!((taken, explained), (31 + more, 109 - more));
    }

    #[test]
    fn each_reason_is_about_a_setting_that_kafka_has() {
        for (known, _) in FOREIGN {
            let names = || GOLDEN.lines().filter_map(|line| line.split('\t').nth(1));
            assert!(
                names().any(|name| name == *known || (known.ends_with('.') && name.starts_with(known))),
                "{known}"
            );
        }
        assert!(FOREIGN.is_sorted_by_key(|(name, _)| *name));
    }
}
