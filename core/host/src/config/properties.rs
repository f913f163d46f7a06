//! Settings by Kafka's names, as text.

use std::num::IntErrorKind;
#[cfg(feature = "__tls")]
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use felice_core::compression::Compression;
use felice_core::config::{Acks, Spread};
use felice_core::partitioner::{Crc32, Murmur2};
#[cfg(feature = "spool")]
use felice_core::spool::WhenFull;
use felice_core::time::Timestamp;

use super::sasl::secret;
use super::{
    ConfigError, DnsLookup, SecurityProtocol, Settings, bootstrap, foreign, librdkafka, link, security,
};
#[cfg(feature = "spool")]
use crate::spool::SpoolMode;
#[cfg(feature = "__tls")]
use crate::tls::{PEM_ONLY, Pem};

type Set = fn(&mut Settings, &str) -> Result<(), &'static str>;

const MILLIS: &str = "a whole number of milliseconds, 0 or more";
const NUMBER: &str = "a whole number, 0 or more";
const RETRIES_MIN: u32 = 1_000_000;
const RETRIES: &str = "1000000 or more: a record is sent again until delivery.timeout.ms";
const BOOL: &str = "true or false";

/// Java's classes whose work felice does: files that are shared with Java's clients name them.
#[cfg(feature = "aws-msk-iam")]
const IAM_HANDLER: &str = "software.amazon.msk.auth.iam.IAMClientCallbackHandler";
#[cfg(feature = "oidc")]
const OIDC_HANDLERS: [&str; 2] = [
    "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
    "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerLoginCallbackHandler",
];
#[cfg(feature = "oidc")]
const RETRIEVERS: [&str; 2] = [
    "org.apache.kafka.common.security.oauthbearer.ClientCredentialsJwtRetriever",
    "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever",
];

/// Every name, and how its value is read.
const PROPERTIES: &[(&str, Set)] = &[
    ("acks", acks),
    ("bandwidth.max.bytes.per.sec", |s, v| number(v).map(|n| s.link.bandwidth = n)),
    ("batch.size", |s, v| number(v).map(|n| s.batch_size = Some(n))),
    ("bootstrap.servers", |s, v| {
        s.bootstrap_servers = bootstrap::split(v).collect();
        Ok(())
    }),
    ("brokers.max", |s, v| number(v).map(|n| s.brokers_max = n)),
    ("buffer.memory", |s, v| number(v).map(|n| s.buffer_memory = n)),
    ("client.dns.lookup", |s, v| DnsLookup::of(v).map(|lookup| s.link.lookup = lookup).ok_or(link::LOOKUPS)),
    ("client.id", |s, v| {
        v.clone_into(&mut s.client_id);
        Ok(())
    }),
    ("clock.unset.before.ms", |s, v| {
        s.clock_unset_before = Timestamp::from_millis(whole(v).ok_or(MILLIS)?.try_into().unwrap_or(i64::MAX));
        Ok(())
    }),
    ("compression.gzip.level", |s, v| level(v).map(|n| s.gzip_level = n)),
    ("compression.lz4.level", |_, v| only(v == "9", "9, the default: lz4 has no other level here")),
    ("compression.type", |s, v| compression(v).map(|c| s.compression = c)),
    ("compression.zstd.level", |s, v| level(v).map(|n| s.zstd_level = n)),
    ("connections.max.idle.ms", |s, v| millis(v).map(|d| s.connections_max_idle = d)),
    ("delivery.timeout.ms", |s, v| millis(v).map(|d| s.delivery_timeout = d)),
    ("drop.timeout.ms", |s, v| millis(v).map(|d| s.drop_timeout = d)),
    ("enable.idempotence", |s, v| boolean(v).map(|b| s.enable_idempotence = Some(b))),
    ("linger.ms", |s, v| millis(v).map(|d| s.linger = d)),
    ("max.block.ms", |s, v| millis(v).map(|d| s.max_block = d)),
    ("max.in.flight.requests.per.connection", |s, v| number(v).map(|n| s.max_in_flight = n)),
    ("max.request.size", |s, v| number(v).map(|n| s.max_request_size = Some(n))),
    ("metadata.max.age.ms", |s, v| millis(v).map(|d| s.metadata_max_age = d)),
    ("partitioner", partitioner),
    ("partitioner.ignore.keys", |s, v| boolean(v).map(|b| s.ignore_keys = b)),
    ("partitions.known.max", |s, v| number(v).map(|n| s.partitions_known_max = n)),
    ("partitions.max", |s, v| number(v).map(|n| s.partitions_max = n)),
    ("proxy.url", |s, v| {
        s.link.proxy_url = secret(v);
        Ok(())
    }),
    ("receive.buffer.bytes", |s, v| buffer(v).map(|n| s.link.receive_buffer = n)),
    ("reconnect.backoff.max.ms", |s, v| millis(v).map(|d| s.reconnect_backoff_max = d)),
    ("reconnect.backoff.ms", |s, v| millis(v).map(|d| s.reconnect_backoff = d)),
    ("request.timeout.ms", |s, v| millis(v).map(|d| s.request_timeout = d)),
    ("retries", retries),
    ("retry.backoff.max.ms", |s, v| millis(v).map(|d| s.retry_backoff_max = d)),
    ("retry.backoff.ms", |s, v| millis(v).map(|d| s.retry_backoff = d)),
    #[cfg(feature = "aws-msk-iam")]
    ("sasl.client.callback.handler.class", |_, v| only(v == IAM_HANDLER, IAM_HANDLER)),
    ("sasl.jaas.config", |s, v| {
        s.sasl.jaas_config = secret(v);
        Ok(())
    }),
    #[cfg(feature = "oidc")]
    ("sasl.login.callback.handler.class", |_, v| only(OIDC_HANDLERS.contains(&v), OIDC_HANDLERS[0])),
    #[cfg(feature = "oidc")]
    ("sasl.login.connect.timeout.ms", |s, v| millis(v).map(|d| s.login.times.connect = d)),
    #[cfg(feature = "oidc")]
    ("sasl.login.read.timeout.ms", |s, v| millis(v).map(|d| s.login.times.read = d)),
    #[cfg(feature = "oidc")]
    ("sasl.login.retry.backoff.max.ms", |s, v| millis(v).map(|d| s.login.backoff_max = d)),
    #[cfg(feature = "oidc")]
    ("sasl.login.retry.backoff.ms", |s, v| millis(v).map(|d| s.login.backoff = d)),
    ("sasl.mechanism", |s, v| {
        s.sasl.mechanism = (!v.is_empty()).then(|| v.to_owned());
        Ok(())
    }),
    #[cfg(feature = "oidc")]
    ("sasl.oauthbearer.client.credentials.client.id", |s, v| {
        s.sasl.client.client_id = secret(v);
        Ok(())
    }),
    #[cfg(feature = "oidc")]
    ("sasl.oauthbearer.client.credentials.client.secret", |s, v| {
        s.sasl.client.client_secret = secret(v);
        Ok(())
    }),
    #[cfg(feature = "oidc")]
    ("sasl.oauthbearer.header.urlencode", |s, v| boolean(v).map(|b| s.sasl.client.header_urlencode = b)),
    #[cfg(feature = "oidc")]
    ("sasl.oauthbearer.jwt.retriever.class", |_, v| only(RETRIEVERS.contains(&v), RETRIEVERS[0])),
    #[cfg(feature = "oidc")]
    ("sasl.oauthbearer.scope", |s, v| {
        s.sasl.client.scope = Some(v.to_owned());
        Ok(())
    }),
    #[cfg(feature = "oidc")]
    ("sasl.oauthbearer.token.endpoint.url", |s, v| {
        s.sasl.client.endpoint = (!v.is_empty()).then(|| v.to_owned());
        Ok(())
    }),
    ("sasl.password", |s, v| {
        s.sasl.password = secret(v);
        Ok(())
    }),
    ("sasl.username", |s, v| {
        s.sasl.username = secret(v);
        Ok(())
    }),
    ("security.protocol", |s, v| {
        SecurityProtocol::of(v).map(|protocol| s.security_protocol = protocol).ok_or(security::NAMES)
    }),
    ("send.buffer.bytes", |s, v| buffer(v).map(|n| s.link.send_buffer = n)),
    ("socket.connection.setup.timeout.ms", |s, v| millis(v).map(|d| s.connection_setup_timeout = d)),
    ("socket.keepalive.ms", |s, v| millis(v).map(|d| s.link.keepalive = d)),
    ("socket.user.timeout.ms", |s, v| millis(v).map(|d| s.link.user_timeout = d)),
    #[cfg(feature = "spool")]
    ("spool.dedup.header", |s, v| {
        s.spool.dedup_header = (!v.is_empty()).then(|| v.to_owned());
        Ok(())
    }),
    #[cfg(feature = "spool")]
    ("spool.dir", |s, v| {
        s.spool.directory = (!v.is_empty()).then(|| v.into());
        Ok(())
    }),
    #[cfg(feature = "spool")]
    ("spool.max.age.ms", |s, v| millis(v).map(|d| s.spool.max_age = Some(d))),
    #[cfg(feature = "spool")]
    ("spool.max.bytes", |s, v| whole(v).map(|n| s.spool.bytes = n).ok_or(NUMBER)),
    #[cfg(feature = "spool")]
    ("spool.min.free.bytes", |s, v| whole(v).map(|n| s.spool.free_bytes_min = n).ok_or(NUMBER)),
    #[cfg(feature = "spool")]
    ("spool.mode", spool_mode),
    #[cfg(feature = "spool")]
    ("spool.overflow.ms", |s, v| millis(v).map(|d| s.spool.overflow_after = d)),
    #[cfg(feature = "spool")]
    ("spool.sync.ms", |s, v| millis(v).map(|d| s.spool.sync = d)),
    #[cfg(feature = "spool")]
    ("spool.when.full", when_full),
    #[cfg(feature = "__tls")]
    ("ssl.enabled.protocols", |s, v| {
        v.clone_into(&mut s.ssl.enabled_protocols);
        Ok(())
    }),
    #[cfg(feature = "__tls")]
    ("ssl.endpoint.identification.algorithm", |s, v| {
        v.clone_into(&mut s.ssl.endpoint_identification_algorithm);
        Ok(())
    }),
    #[cfg(feature = "tls-encrypted-keys")]
    ("ssl.key.password", |s, v| {
        s.ssl.key_password = secret(v);
        Ok(())
    }),
    #[cfg(feature = "__tls")]
    ("ssl.keystore.certificate.chain", |s, v| pem(&mut s.ssl.keystore_certificate_chain, v)),
    #[cfg(feature = "__tls")]
    ("ssl.keystore.key", |s, v| pem(&mut s.ssl.keystore_key, v)),
    #[cfg(feature = "__tls")]
    ("ssl.keystore.location", |s, v| path(&mut s.ssl.keystore_location, v)),
    #[cfg(feature = "__tls")]
    ("ssl.keystore.type", |_, v| only(v.eq_ignore_ascii_case("PEM"), PEM_ONLY)),
    #[cfg(feature = "__tls")]
    ("ssl.truststore.certificates", |s, v| pem(&mut s.ssl.truststore_certificates, v)),
    #[cfg(feature = "__tls")]
    ("ssl.truststore.location", |s, v| path(&mut s.ssl.truststore_location, v)),
    #[cfg(feature = "__tls")]
    ("ssl.truststore.type", |_, v| only(v.eq_ignore_ascii_case("PEM"), PEM_ONLY)),
    ("topic.compression.type", topic_compression),
    ("topics.max", |s, v| number(v).map(|n| s.topics_max = n)),
    #[cfg(feature = "transactions")]
    ("transaction.timeout.ms", |s, v| millis(v).map(|d| s.transaction_timeout = d)),
    #[cfg(feature = "transactions")]
    ("transactional.id", |s, v| {
        s.transactional_id = (!v.is_empty()).then(|| v.to_owned());
        Ok(())
    }),
];

/// Sets one; blanks around the value do not count. Gives back the name.
pub(super) fn set(settings: &mut Settings, name: &str, value: &str) -> Result<&'static str, ConfigError> {
    let Some((known, set)) = PROPERTIES.iter().find(|(known, _)| *known == name) else {
        let name = name.to_owned();
        return Err(match librdkafka::reason(&name).or_else(|| foreign::reason(&name)) {
            Some(reason) => ConfigError::Unsupported { name, reason },
            None => ConfigError::Unknown { nearest: nearest(&name), name },
        });
    };
    let value = value.trim();
    set(settings, value)
        .map_err(|limit| ConfigError::invalid(known, format!("{value:?}"), limit.to_owned()))?;
    Ok(known)
}

fn number(value: &str) -> Result<usize, &'static str> {
    whole(value).map(|number| number.try_into().unwrap_or(usize::MAX)).ok_or(NUMBER)
}

/// A socket's buffer, which is the system's where it is -1.
fn buffer(value: &str) -> Result<Option<usize>, &'static str> {
    if value == "-1" {
        Ok(None)
    } else {
        number(value).map(Some).map_err(|_| "a whole number, 1 or more, or -1")
    }
}

/// A setting with a single value: files that are shared with Kafka's own clients have it.
fn only(is: bool, value: &'static str) -> Result<(), &'static str> {
    if is { Ok(()) } else { Err(value) }
}

/// Repetitions are not counted here. A number that `delivery.timeout.ms` comes before means the same.
fn retries(_: &mut Settings, value: &str) -> Result<(), &'static str> {
    only(value.parse().is_ok_and(|retries: u32| retries >= RETRIES_MIN), RETRIES)
}

fn millis(value: &str) -> Result<Duration, &'static str> {
    whole(value).map(Duration::from_millis).ok_or(MILLIS)
}

/// What is too large for any number is too large for every setting that has a limit, which says so later.
fn whole(value: &str) -> Option<u64> {
    match value.parse::<u64>() {
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => Some(u64::MAX),
        number => number.ok(),
    }
}

fn boolean(value: &str) -> Result<bool, &'static str> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(BOOL),
    }
}

/// A file: nothing where the setting is empty, as in Kafka.
#[cfg(feature = "__tls")]
#[expect(clippy::unnecessary_wraps, reason = "as all others")]
fn path(place: &mut Option<PathBuf>, value: &str) -> Result<(), &'static str> {
    *place = (!value.is_empty()).then(|| value.into());
    Ok(())
}

#[cfg(feature = "__tls")]
#[expect(clippy::unnecessary_wraps, reason = "as all others")]
fn pem(place: &mut Option<Pem>, value: &str) -> Result<(), &'static str> {
    *place = (!value.is_empty()).then(|| Pem::new(value));
    Ok(())
}

fn acks(settings: &mut Settings, value: &str) -> Result<(), &'static str> {
    settings.acks = match value {
        "0" => Acks::None,
        "1" => Acks::Leader,
        "all" | "-1" => Acks::All,
        _ => return Err("0, 1 or all"),
    };
    Ok(())
}

fn level(value: &str) -> Result<i32, &'static str> {
    value.parse().map_err(|_| "a whole number")
}

fn compression(value: &str) -> Result<Compression, &'static str> {
    let known = Compression::ALL.into_iter().find(|known| known.name() == value);
    known.ok_or("none, gzip, snappy, lz4 or zstd")
}

/// As Kafka writes maps: `topic:type`, several with commas between.
fn topic_compression(settings: &mut Settings, value: &str) -> Result<(), &'static str> {
    settings.topic_compression.clear();
    for pair in value.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (topic, name) = pair.split_once(':').ok_or("topic:type, several with commas between")?;
        settings.topic_compression.push((topic.trim().to_owned(), compression(name.trim())?));
    }
    Ok(())
}

#[cfg(feature = "spool")]
fn spool_mode(settings: &mut Settings, value: &str) -> Result<(), &'static str> {
    settings.spool.mode = match value {
        "always" => SpoolMode::Always,
        "overflow" => SpoolMode::Overflow,
        _ => return Err("always or overflow"),
    };
    Ok(())
}

#[cfg(feature = "spool")]
fn when_full(settings: &mut Settings, value: &str) -> Result<(), &'static str> {
    settings.spool.when_full = match value {
        "refuse.newest" => WhenFull::RefuseNewest,
        "drop.oldest" => WhenFull::DropOldest,
        _ => return Err("refuse.newest or drop.oldest"),
    };
    Ok(())
}

/// librdkafka's names, and the simple names of Java's classes.
fn partitioner(settings: &mut Settings, value: &str) -> Result<(), &'static str> {
    match value {
        "murmur2_random" => {
            settings.partitioner = Arc::new(Murmur2);
            settings.partitioner_name = "murmur2_random";
        }
        "consistent_random" => {
            settings.partitioner = Arc::new(Crc32);
            settings.partitioner_name = "consistent_random";
        }
        "round_robin" => {
            settings.spread = Spread::RoundRobin;
            settings.ignore_keys = true;
        }
        _ => return Err("murmur2_random (Java's), consistent_random (librdkafka's) or round_robin"),
    }
    Ok(())
}

/// The known name with the fewest letters to change.
fn nearest(name: &str) -> &'static str {
    let names = PROPERTIES.iter().map(|(known, _)| *known);
    names.min_by_key(|known| distance(name.as_bytes(), known.as_bytes())).unwrap_or_default()
}

/// How many letters must be changed, put in or taken out (Levenshtein).
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    PROPERTIES.iter().map(|(name, _)| *name)
}

#[cfg(test)]
pub(super) fn knows(name: &str) -> bool {
    PROPERTIES.iter().any(|(known, _)| *known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_its_own_nearest_and_they_are_sorted() {
        for (name, _) in PROPERTIES {
            assert_eq!(nearest(name), *name);
        }
        assert!(PROPERTIES.is_sorted_by_key(|(name, _)| *name));
        assert_eq!(nearest("linger"), "linger.ms");
        assert_eq!(nearest("batch_size"), "batch.size");
        assert_eq!(nearest("metadata.broker.list"), "metadata.max.age.ms");
    }
}
