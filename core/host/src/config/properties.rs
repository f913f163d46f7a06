//! Settings by Kafka's names, as text.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use felice_core::config::{Acks, Spread};
use felice_core::partitioner::{Crc32, Murmur2};

use super::{ConfigError, Settings, bootstrap};

type Set = fn(&mut Settings, &str) -> Result<(), &'static str>;

const MILLIS: &str = "a whole number of milliseconds";
const NUMBER: &str = "a whole number";
const BOOL: &str = "true or false";

/// Every name, and how its value is read.
const PROPERTIES: &[(&str, Set)] = &[
    ("acks", acks),
    ("batch.size", |s, v| number(v).map(|n| s.batch_size = Some(n))),
    ("bootstrap.servers", |s, v| {
        s.bootstrap_servers.extend(bootstrap::split(v));
        Ok(())
    }),
    ("brokers.max", |s, v| number(v).map(|n| s.brokers_max = n)),
    ("buffer.memory", |s, v| number(v).map(|n| s.buffer_memory = n)),
    ("client.id", |s, v| {
        v.clone_into(&mut s.client_id);
        Ok(())
    }),
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
    ("reconnect.backoff.max.ms", |s, v| millis(v).map(|d| s.reconnect_backoff_max = d)),
    ("reconnect.backoff.ms", |s, v| millis(v).map(|d| s.reconnect_backoff = d)),
    ("request.timeout.ms", |s, v| millis(v).map(|d| s.request_timeout = d)),
    ("retry.backoff.max.ms", |s, v| millis(v).map(|d| s.retry_backoff_max = d)),
    ("retry.backoff.ms", |s, v| millis(v).map(|d| s.retry_backoff = d)),
    ("socket.connection.setup.timeout.ms", |s, v| millis(v).map(|d| s.connection_setup_timeout = d)),
    ("topics.max", |s, v| number(v).map(|n| s.topics_max = n)),
];

/// Sets one.
pub(super) fn set(settings: &mut Settings, name: &str, value: &str) -> Result<(), ConfigError> {
    let Some((name, set)) = PROPERTIES.iter().find(|(known, _)| *known == name) else {
        return Err(ConfigError::Unknown { name: name.to_owned(), nearest: nearest(name) });
    };
    set(settings, value).map_err(|limit| ConfigError::invalid(name, format!("{value:?}"), limit.to_owned()))
}

fn number<T: FromStr>(value: &str) -> Result<T, &'static str> {
    value.parse().map_err(|_| NUMBER)
}

fn millis(value: &str) -> Result<Duration, &'static str> {
    value.parse().map(Duration::from_millis).map_err(|_| MILLIS)
}

fn boolean(value: &str) -> Result<bool, &'static str> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(BOOL),
    }
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

/// librdkafka's names, and the simple names of Java's classes.
fn partitioner(settings: &mut Settings, value: &str) -> Result<(), &'static str> {
    match value {
        "murmur2_random" => settings.partitioner = Arc::new(Murmur2),
        "consistent_random" => settings.partitioner = Arc::new(Crc32),
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
