//! Settings that librdkafka has under a name of its own, and what does their work here. It is looked at before a
//! setting is called unknown: who comes from librdkafka has a file, and deserves better than the nearest name.

const DEFAULT: &str = "what it says is so here by itself";
const LOGS: &str = "felice writes no logs; `on_warning` and metrics tell what happens";
const OLD: &str = "it is for brokers or ways of librdkafka that felice has not";
const CONSUMER: &str = super::foreign::CONSUMER;
const KEY: &str = "certificate and key are in one PEM file here, ssl.keystore.location, or texts, ssl.keystore.certificate.chain \
                   and ssl.keystore.key";
const OPENSSL: &str = "it is about OpenSSL, and felice has rustls";
const TOKENS: &str = "tokens are a function's of yours (`sasl_oauth_bearer`), or fetched with a client's id and secret \
                      (sasl.oauthbearer.token.endpoint.url)";
const CALLBACK: &str = "functions are given to the builder";
const TRUST: &str = "brokers are always verified; see ssl.endpoint.identification.algorithm for their names";

/// Sorted; what is here under the same name is not in it.
pub(super) const NAMES: &[(&str, &str)] = &[
    ("api.version.fallback.ms", OLD),
    ("api.version.request", DEFAULT),
    ("api.version.request.timeout.ms", "here it is socket.connection.setup.timeout.ms"),
    ("batch.num.messages", "batch.size bounds a batch, in bytes"),
    ("broker.address.family", "both families are tried, and the one that answers first is taken"),
    ("broker.address.ttl", "names are looked up for each connection"),
    ("broker.version.fallback", OLD),
    ("builtin.features", "what is built in are the crate's features"),
    ("compression.codec", "here it is compression.type"),
    ("compression.level", "here it is compression.gzip.level or compression.zstd.level"),
    ("consume.callback.max.messages", CONSUMER),
    ("coordinator.query.interval.ms", CONSUMER),
    ("debug", LOGS),
    ("delivery.report.only.error", "`on_undelivered` hears of failures only"),
    ("enable.auto.offset.store", CONSUMER),
    (
        "enable.gapless.guarantee",
        "records keep their order, and one that fails says whether it may be stored",
    ),
    ("enable.partition.eof", CONSUMER),
    ("enable.random.seed", DEFAULT),
    ("enable.sasl.oauthbearer.unsecure.jwt", TOKENS),
    ("enable.ssl.certificate.verification", TRUST),
    ("enabled_events", CALLBACK),
    ("https.ca.location", "here it is ssl.truststore.location, in sasl.jaas.config"),
    ("https.ca.pem", "here it is ssl.truststore.certificates, in sasl.jaas.config"),
    ("internal.termination.signal", OLD),
    ("log.connection.close", LOGS),
    ("log.queue", LOGS),
    ("log.thread.name", LOGS),
    ("log_level", LOGS),
    ("max.in.flight", "here it is max.in.flight.requests.per.connection"),
    ("message.copy.max.bytes", "every record is copied once, and never again"),
    ("message.max.bytes", "here it is max.request.size"),
    ("message.send.max.retries", "a record is sent again until delivery.timeout.ms"),
    ("message.timeout.ms", "here it is delivery.timeout.ms"),
    ("metadata.broker.list", "here it is bootstrap.servers"),
    ("offset.store.method", CONSUMER),
    ("offset.store.path", CONSUMER),
    ("offset.store.sync.interval.ms", CONSUMER),
    ("plugin.library.paths", "nothing is loaded at run time"),
    ("produce.offset.report", DEFAULT),
    ("queue.buffering.backpressure.threshold", "batches grow by themselves until there is room on the way"),
    ("queue.buffering.max.kbytes", "here it is buffer.memory, in bytes"),
    ("queue.buffering.max.messages", "buffer.memory bounds what is held, in bytes"),
    ("queue.buffering.max.ms", "here it is linger.ms"),
    ("queued.max.messages.kbytes", CONSUMER),
    ("queued.min.messages", CONSUMER),
    ("queuing.strategy", "records keep their order"),
    ("receive.message.max.bytes", "answers are read as they come, in memory that does not grow"),
    ("reconnect.backoff.jitter.ms", "every pause has jitter here"),
    ("request.required.acks", "here it is acks"),
    ("sasl.kerberos.keytab", super::foreign::KERBEROS),
    ("sasl.kerberos.principal", super::foreign::KERBEROS),
    ("sasl.mechanisms", "here it is sasl.mechanism"),
    ("sasl.oauthbearer.assertion.jwt.template.file", TOKENS),
    ("sasl.oauthbearer.assertion.private.key.pem", TOKENS),
    ("sasl.oauthbearer.client.id", "here it is sasl.oauthbearer.client.credentials.client.id"),
    ("sasl.oauthbearer.client.secret", "here it is sasl.oauthbearer.client.credentials.client.secret"),
    ("sasl.oauthbearer.config", TOKENS),
    ("sasl.oauthbearer.extensions", "here they are in sasl.jaas.config: extension_NAME=\"value\""),
    ("sasl.oauthbearer.grant.type", TOKENS),
    ("sasl.oauthbearer.metadata.authentication.type", TOKENS),
    ("sasl.oauthbearer.method", TOKENS),
    ("socket.blocking.max.ms", OLD),
    ("socket.keepalive.enable", "here it is socket.keepalive.ms, the time after which it begins"),
    ("socket.max.fails", "a request without an answer closes its connection"),
    ("socket.nagle.disable", DEFAULT),
    ("socket.receive.buffer.bytes", "here it is receive.buffer.bytes"),
    ("socket.send.buffer.bytes", "here it is send.buffer.bytes"),
    ("socket.timeout.ms", "here it is request.timeout.ms"),
    (
        "ssl.ca.certificate.stores",
        "the platform's authorities are trusted with felice's feature `tls-native-roots`",
    ),
    ("ssl.ca.location", "here it is ssl.truststore.location"),
    ("ssl.ca.pem", "here it is ssl.truststore.certificates"),
    ("ssl.certificate.location", KEY),
    ("ssl.certificate.pem", "here it is ssl.keystore.certificate.chain"),
    ("ssl.crl.location", "felice looks at no lists of revoked certificates"),
    ("ssl.curves.list", OPENSSL),
    ("ssl.engine.id", OPENSSL),
    ("ssl.engine.location", OPENSSL),
    ("ssl.key.location", KEY),
    ("ssl.key.pem", "here it is ssl.keystore.key"),
    ("ssl.providers", OPENSSL),
    ("ssl.sigalgs.list", OPENSSL),
    ("statistics.interval.ms", "`metrics` can be asked at any time"),
    ("sticky.partitioning.linger.ms", "records without key are spread evenly here; see `partitioner`"),
    ("topic.blacklist", CONSUMER),
    ("topic.metadata.propagation.max.ms", "a topic that does not exist fails its records after 10 seconds"),
    ("topic.metadata.refresh.fast.cnt", DEFAULT),
    ("topic.metadata.refresh.fast.interval.ms", "here it is retry.backoff.ms"),
    ("topic.metadata.refresh.interval.ms", "here it is metadata.max.age.ms"),
    ("topic.metadata.refresh.sparse", DEFAULT),
];

/// What does the work of librdkafka's setting of this name; `None` where it has none, or it has the same name here.
pub(super) fn reason(name: &str) -> Option<&'static str> {
    let place = NAMES.binary_search_by_key(&name, |(known, _)| known).ok()?;
    Some(NAMES[place].1)
}

#[cfg(test)]
mod tests {
    use super::super::{foreign, properties};
    use super::*;

    /// Who has it (`P`, `C` or `*`), name and default of each of librdkafka's settings that is no function.
    const GOLDEN: &str = include_str!("../../../../tests/golden/config_librdkafka212.tsv");

    #[test]
    fn each_of_librdkafkas_settings_is_taken_or_explained() {
        let mut names = Vec::new();
        for line in GOLDEN.lines() {
            let mut cells = line.split('\t');
            let (who, name) = (cells.next().unwrap(), cells.next().unwrap());
            let explained = reason(name).or_else(|| foreign::reason(name));
            assert!(properties::knows(name) != explained.is_some(), "{name}: {explained:?}");
            assert!(who != "C" || explained == Some(CONSUMER), "{name}: {explained:?}");
            names.push(name);
        }
        assert_eq!(names.len(), 164);
        assert!(NAMES.iter().all(|(name, _)| names.contains(name)));
        assert!(NAMES.is_sorted_by_key(|(name, _)| *name));
    }

    /// Where a reason names a setting of felice's, there is one.
    #[test]
    fn what_is_named_is_there() {
        for (name, reason) in NAMES {
            let Some(named) = reason.strip_prefix("here it is ") else { continue };
            let named = named.split([' ', ',']).next().unwrap();
            assert!(properties::knows(named) || foreign::reason(named).is_some(), "{name}: {named}");
        }
    }
}
