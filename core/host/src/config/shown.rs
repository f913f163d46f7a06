//! The settings as they count, as text: a line for each, by Kafka's names, defaults that depend on others included. It is
//! for logs: no secret may be in it, and nothing is checked.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use felice_core::compression::Compression;
use felice_core::config::{Acks, Spread};
#[cfg(feature = "spool")]
use felice_core::spool::WhenFull;

use super::sasl::HIDDEN;
use super::{DnsLookup, Settings};
#[cfg(feature = "spool")]
use crate::spool::SpoolMode;

/// Writes lines, escaped as in a properties file.
struct Lines<'a, 'b>(&'a mut Formatter<'b>);

impl Lines<'_, '_> {
    fn line(&mut self, name: &str, value: impl Display) -> fmt::Result {
        let value = value.to_string().replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
        writeln!(self.0, "{name}={value}")
    }

    fn millis(&mut self, name: &str, value: Duration) -> fmt::Result {
        self.line(name, value.as_millis())
    }

    /// Nothing where it is not set.
    fn set(&mut self, name: &str, value: Option<impl Display>) -> fmt::Result {
        value.map_or(Ok(()), |value| self.line(name, value))
    }

    fn secret<T>(&mut self, name: &str, value: &Option<T>) -> fmt::Result {
        self.set(name, value.as_ref().map(|_| HIDDEN))
    }
}

pub(super) fn show(settings: &Settings, f: &mut Formatter<'_>) -> fmt::Result {
    let lines = &mut Lines(f);
    records(settings, lines)?;
    connections(settings, lines)?;
    limits(settings, lines)?;
    #[cfg(feature = "transactions")]
    transactions(settings, lines)?;
    who(settings, lines)?;
    #[cfg(feature = "oidc")]
    tokens(settings, lines)?;
    #[cfg(feature = "__tls")]
    tls(settings, lines)?;
    #[cfg(feature = "spool")]
    spool(settings, lines)?;
    Ok(())
}

fn records(s: &Settings, lines: &mut Lines<'_, '_>) -> fmt::Result {
    let (batch, request) = s.sizes();
    lines.line("bootstrap.servers", s.bootstrap_servers.join(","))?;
    lines.line("client.id", &s.client_id)?;
    lines.line(
        "acks",
        match s.acks {
            Acks::None => "0",
            Acks::Leader => "1",
            Acks::All => "all",
        },
    )?;
    lines.line("enable.idempotence", s.enable_idempotence.unwrap_or(s.acks == Acks::All))?;
    lines.line("max.in.flight.requests.per.connection", s.max_in_flight)?;
    lines.line("batch.size", batch)?;
    lines.millis("linger.ms", s.linger)?;
    lines.line("max.request.size", request)?;
    lines.line("buffer.memory", s.buffer_memory)?;
    lines.millis("max.block.ms", s.max_block)?;
    lines.millis("delivery.timeout.ms", s.delivery_timeout)?;
    lines.millis("request.timeout.ms", s.request_timeout)?;
    lines.line("partitioner", partitioner(s))?;
    lines.line("partitioner.ignore.keys", s.ignore_keys)?;
    lines.line("compression.type", s.compression)?;
    lines.line("compression.gzip.level", s.gzip_level)?;
    lines.line("compression.zstd.level", s.zstd_level)?;
    let topics: Vec<String> = s.topic_compression.iter().map(of_topic).collect();
    lines.set("topic.compression.type", (!topics.is_empty()).then(|| topics.join(",")))?;
    lines.line("clock.unset.before.ms", s.clock_unset_before.as_millis())
}

fn of_topic((topic, compression): &(String, Compression)) -> String {
    format!("{topic}:{compression}")
}

fn partitioner(s: &Settings) -> &'static str {
    if s.spread == Spread::RoundRobin && s.ignore_keys { "round_robin" } else { s.partitioner_name }
}

fn connections(s: &Settings, lines: &mut Lines<'_, '_>) -> fmt::Result {
    lines.line("security.protocol", s.security_protocol.name())?;
    lines.millis("retry.backoff.ms", s.retry_backoff)?;
    lines.millis("retry.backoff.max.ms", s.retry_backoff_max)?;
    lines.millis("reconnect.backoff.ms", s.reconnect_backoff)?;
    lines.millis("reconnect.backoff.max.ms", s.reconnect_backoff_max)?;
    lines.millis("socket.connection.setup.timeout.ms", s.connection_setup_timeout)?;
    lines.millis("connections.max.idle.ms", s.connections_max_idle)?;
    lines.millis("metadata.max.age.ms", s.metadata_max_age)?;
    lines.line(
        "client.dns.lookup",
        match s.link.lookup {
            DnsLookup::UseAllDnsIps => "use_all_dns_ips",
            DnsLookup::ResolveCanonicalBootstrapServersOnly => "resolve_canonical_bootstrap_servers_only",
        },
    )?;
    lines.set("send.buffer.bytes", s.link.send_buffer)?;
    lines.set("receive.buffer.bytes", s.link.receive_buffer)?;
    lines.millis("socket.keepalive.ms", s.link.keepalive)?;
    lines.millis("socket.user.timeout.ms", s.link.user_timeout)?;
    lines.line("bandwidth.max.bytes.per.sec", s.link.bandwidth)?;
    lines.secret("proxy.url", &s.link.proxy_url)
}

fn limits(s: &Settings, lines: &mut Lines<'_, '_>) -> fmt::Result {
    lines.line("topics.max", s.topics_max)?;
    lines.line("partitions.max", s.partitions_max)?;
    lines.line("partitions.known.max", s.partitions_known_max)?;
    lines.line("brokers.max", s.brokers_max)?;
    lines.millis("drop.timeout.ms", s.drop_timeout)
}

#[cfg(feature = "transactions")]
fn transactions(s: &Settings, lines: &mut Lines<'_, '_>) -> fmt::Result {
    lines.set("transactional.id", s.transactional_id.as_ref())?;
    lines.millis("transaction.timeout.ms", s.transaction_timeout)
}

fn who(s: &Settings, lines: &mut Lines<'_, '_>) -> fmt::Result {
    lines.set("sasl.mechanism", s.sasl.mechanism.as_ref())?;
    lines.secret("sasl.jaas.config", &s.sasl.jaas_config)?;
    lines.secret("sasl.username", &s.sasl.username)?;
    lines.secret("sasl.password", &s.sasl.password)
}

#[cfg(feature = "oidc")]
fn tokens(s: &Settings, lines: &mut Lines<'_, '_>) -> fmt::Result {
    let client = &s.sasl.client;
    if client.endpoint.is_none() {
        return Ok(());
    }
    // Some have a secret in it.
    lines.secret("sasl.oauthbearer.token.endpoint.url", &client.endpoint)?;
    lines.secret("sasl.oauthbearer.client.credentials.client.id", &client.client_id)?;
    lines.secret("sasl.oauthbearer.client.credentials.client.secret", &client.client_secret)?;
    lines.set("sasl.oauthbearer.scope", client.scope.as_ref())?;
    lines.line("sasl.oauthbearer.header.urlencode", client.header_urlencode)?;
    lines.millis("sasl.login.connect.timeout.ms", s.login.times.connect)?;
    lines.millis("sasl.login.read.timeout.ms", s.login.times.read)?;
    lines.millis("sasl.login.retry.backoff.ms", s.login.backoff)?;
    lines.millis("sasl.login.retry.backoff.max.ms", s.login.backoff_max)
}

#[cfg(feature = "__tls")]
fn tls(s: &Settings, lines: &mut Lines<'_, '_>) -> fmt::Result {
    if !s.security_protocol.is_tls() {
        return Ok(());
    }
    let ssl = &s.ssl;
    lines.line("ssl.enabled.protocols", &ssl.enabled_protocols)?;
    lines.line("ssl.endpoint.identification.algorithm", &ssl.endpoint_identification_algorithm)?;
    lines.set("ssl.truststore.location", ssl.truststore_location.as_ref().map(|path| path.display()))?;
    lines.set("ssl.truststore.certificates", ssl.truststore_certificates.as_ref().map(|_| "[set]"))?;
    lines.set("ssl.keystore.location", ssl.keystore_location.as_ref().map(|path| path.display()))?;
    lines.set("ssl.keystore.certificate.chain", ssl.keystore_certificate_chain.as_ref().map(|_| "[set]"))?;
    lines.secret("ssl.keystore.key", &ssl.keystore_key)?;
    lines.secret("ssl.key.password", &ssl.key_password)
}

#[cfg(feature = "spool")]
fn spool(s: &Settings, lines: &mut Lines<'_, '_>) -> fmt::Result {
    let Some(directory) = &s.spool.directory else { return Ok(()) };
    lines.line("spool.dir", directory.display())?;
    lines.line(
        "spool.mode",
        match s.spool.mode {
            SpoolMode::Always => "always",
            SpoolMode::Overflow => "overflow",
        },
    )?;
    lines.millis("spool.overflow.ms", s.spool.overflow_after)?;
    lines.line("spool.max.bytes", s.spool.bytes)?;
    lines.line("spool.min.free.bytes", s.spool.free_bytes_min)?;
    lines.millis("spool.sync.ms", s.spool.sync)?;
    lines.set("spool.max.age.ms", s.spool.max_age.map(|age| age.as_millis()))?;
    lines.set("spool.dedup.header", s.spool.dedup_header.as_ref())?;
    lines.line(
        "spool.when.full",
        match s.spool.when_full {
            WhenFull::RefuseNewest => "refuse.newest",
            WhenFull::DropOldest => "drop.oldest",
        },
    )
}

#[cfg(test)]
mod tests;
