//! The settings: Kafka's names and meanings, checked once, before a thread or a socket exists.

mod bootstrap;
mod builder;
mod error;
mod file;
mod foreign;
mod jaas;
mod librdkafka;
mod link;
#[cfg(feature = "oidc")]
mod oidc;
// All features, since a page is of all settings.
#[cfg(all(
    test,
    feature = "tls",
    feature = "tls-encrypted-keys",
    feature = "oidc",
    feature = "aws-msk-iam",
    feature = "spool"
))]
mod page;
mod properties;
mod sasl;
mod security;
mod shown;
#[cfg(feature = "__tls")]
mod ssl;
mod syntax;
#[cfg(feature = "transactions")]
mod transactions;

use std::sync::Arc;
use std::time::Duration;

use felice_core::compression::Compression;
use felice_core::config::{AccumulatorConfig, Acks, IN_FLIGHT_MAX, SenderConfig, Spread};
use felice_core::id::BatchId;
use felice_core::partitioner::Murmur2;
use felice_core::time::Timestamp;

pub use self::bootstrap::Server;
pub use self::builder::{Builder, Start, StartWithDriver};
pub use self::error::ConfigError;
pub use self::link::DnsLookup;
pub(crate) use self::sasl::Authentication;
pub use self::security::SecurityProtocol;

use crate::callback::Callbacks;
use crate::checksum;
use crate::clock::{self, Clock};
use crate::compression::{self, GZIP_LEVEL, Wanted, ZSTD_LEVEL};
use crate::link::Link;
use crate::shared::Phase;
use crate::spool::{SpoolPlan, SpoolSettings};
use crate::storage::{BLOCK_BYTES_MIN, block_bytes};
use crate::tls::Tls;

/// A partitioner that threads can share.
pub(crate) type SharedPartitioner = Arc<dyn felice_core::partitioner::Partitioner + Send + Sync>;

/// What the builder was told. `None` stands for a default that depends on other settings.
pub struct Settings {
    pub(crate) bootstrap_servers: Vec<String>,
    pub(crate) client_id: String,
    pub(crate) security_protocol: SecurityProtocol,
    pub(crate) sasl: sasl::Sasl,
    #[cfg(feature = "oidc")]
    pub(crate) login: oidc::Login,
    #[cfg(feature = "__tls")]
    pub(crate) ssl: ssl::Ssl,
    pub(crate) link: link::LinkSettings,
    pub(crate) batch_size: Option<usize>,
    pub(crate) linger: Duration,
    pub(crate) buffer_memory: usize,
    pub(crate) max_request_size: Option<usize>,
    pub(crate) max_block: Duration,
    pub(crate) delivery_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) acks: Acks,
    pub(crate) enable_idempotence: Option<bool>,
    pub(crate) max_in_flight: usize,
    pub(crate) retry_backoff: Duration,
    pub(crate) retry_backoff_max: Duration,
    pub(crate) reconnect_backoff: Duration,
    pub(crate) reconnect_backoff_max: Duration,
    pub(crate) connection_setup_timeout: Duration,
    pub(crate) connections_max_idle: Duration,
    pub(crate) metadata_max_age: Duration,
    pub(crate) partitioner: SharedPartitioner,
    /// What it is called where settings are shown.
    pub(crate) partitioner_name: &'static str,
    pub(crate) spread: Spread,
    pub(crate) ignore_keys: bool,
    pub(crate) topics_max: usize,
    pub(crate) partitions_max: usize,
    pub(crate) partitions_known_max: usize,
    pub(crate) brokers_max: usize,
    pub(crate) compression: Compression,
    pub(crate) topic_compression: Vec<(String, Compression)>,
    pub(crate) gzip_level: i32,
    pub(crate) zstd_level: i32,
    pub(crate) drop_timeout: Duration,
    pub(crate) clock_unset_before: Timestamp,
    pub(crate) spool: SpoolSettings,
    #[cfg(feature = "transactions")]
    pub(crate) transactional_id: Option<String>,
    #[cfg(feature = "transactions")]
    pub(crate) transaction_timeout: Duration,
    pub(crate) callbacks: Callbacks,
    pub(crate) origins: file::Origins,
}

impl Default for Settings {
    fn default() -> Self {
        let (accumulator, sender) = (AccumulatorConfig::default(), SenderConfig::default());
        Self {
            bootstrap_servers: Vec::new(),
            client_id: "felice".into(),
            security_protocol: SecurityProtocol::Plaintext,
            sasl: sasl::Sasl::default(),
            #[cfg(feature = "oidc")]
            login: oidc::Login::default(),
            #[cfg(feature = "__tls")]
            ssl: ssl::Ssl::default(),
            link: link::LinkSettings::default(),
            batch_size: None,
            linger: accumulator.linger,
            buffer_memory: 1024 * 1024,
            max_request_size: None,
            max_block: Duration::from_secs(60),
            delivery_timeout: sender.delivery_timeout,
            request_timeout: sender.request_timeout,
            acks: Acks::All,
            enable_idempotence: None,
            max_in_flight: sender.in_flight_max.into(),
            retry_backoff: sender.retry_backoff,
            retry_backoff_max: sender.retry_backoff_max,
            reconnect_backoff: sender.reconnect_backoff,
            reconnect_backoff_max: sender.reconnect_backoff_max,
            connection_setup_timeout: sender.connection_setup_timeout,
            connections_max_idle: sender.connections_idle_max,
            metadata_max_age: sender.metadata_age_max,
            partitioner: Arc::new(Murmur2),
            partitioner_name: "murmur2_random",
            spread: Spread::Sticky,
            ignore_keys: false,
            topics_max: 64,
            partitions_max: 1_024,
            partitions_known_max: 4_096,
            brokers_max: 16,
            compression: Compression::None,
            topic_compression: Vec::new(),
            gzip_level: GZIP_LEVEL,
            zstd_level: ZSTD_LEVEL,
            drop_timeout: Duration::from_secs(5),
            clock_unset_before: clock::UNSET_BEFORE,
            spool: SpoolSettings::default(),
            #[cfg(feature = "transactions")]
            transactional_id: None,
            #[cfg(feature = "transactions")]
            transaction_timeout: Duration::from_secs(60),
            callbacks: Callbacks::default(),
            origins: file::Origins::default(),
        }
    }
}

/// The smallest `buffer.memory` that does useful work.
const BUFFER_MEMORY_MIN: usize = 16 * 1024;
/// More blocks than these cannot be told apart: 1 GiB.
const BUFFER_MEMORY_MAX: usize = BatchId::SLOTS_MAX * BLOCK_BYTES_MIN;
/// A clock that says 2100-01-01T00:00Z is set.
const CLOCK_UNSET_MAX: i64 = 4_102_444_800_000;
/// The smallest batch and request that hold a record at all.
const REQUEST_BYTES_MIN: usize = 512;

/// Settings that fit together.
pub(crate) struct Checked {
    pub(crate) settings: Settings,
    pub(crate) servers: Vec<Server>,
    pub(crate) accumulator: AccumulatorConfig,
    pub(crate) sender: SenderConfig,
    pub(crate) authentication: Option<Authentication>,
    pub(crate) codecs: Wanted,
    pub(crate) link: Link,
    pub(crate) spool: Option<SpoolPlan>,
    pub(crate) clock: Clock,
    pub(crate) blocks: usize,
    pub(crate) block_bytes: usize,
}

impl Settings {
    /// Checks every setting, and that they fit together.
    pub(crate) fn check(mut self) -> Result<Checked, ConfigError> {
        let origins = std::mem::take(&mut self.origins);
        self.check_all().map_err(|error| origins.locate(error))
    }

    fn check_all(mut self) -> Result<Checked, ConfigError> {
        self.security_protocol.check()?;
        let authentication = sasl::Sasl::check(&mut self)?;
        let servers = bootstrap::parse(&self.bootstrap_servers)?;
        let mut link = self.link.check(&servers)?;
        self.check_limits()?;
        let (batch_bytes, request_bytes_max) = self.check_sizes()?;
        self.check_times()?;
        link.bandwidth =
            self.link.check_bandwidth(self.brokers_max, request_bytes_max, self.request_timeout)?;
        let idempotence = self.check_idempotence()?;
        #[cfg(feature = "transactions")]
        self.check_transactions(idempotence)?;
        let codecs = self.check_compression(request_bytes_max)?;
        let accumulator = AccumulatorConfig {
            batch_bytes,
            linger: self.linger,
            request_bytes_max,
            delivery_timeout: self.delivery_timeout,
            spread: self.spread,
            seed: checksum::seed(),
            ..AccumulatorConfig::default()
        };
        let sender = SenderConfig {
            acks: self.acks,
            idempotence,
            in_flight_max: self.max_in_flight as u8,
            request_bytes_max,
            compression: self.compression,
            request_timeout: self.request_timeout,
            delivery_timeout: self.delivery_timeout,
            retry_backoff: self.retry_backoff,
            retry_backoff_max: self.retry_backoff_max,
            reconnect_backoff: self.reconnect_backoff,
            reconnect_backoff_max: self.reconnect_backoff_max,
            connection_setup_timeout: self.connection_setup_timeout,
            connections_idle_max: self.connections_max_idle,
            metadata_age_max: self.metadata_max_age,
            crc32c: checksum::crc32c,
            seed: checksum::seed(),
            ..SenderConfig::default()
        };
        let block_bytes = block_bytes(self.buffer_memory, batch_bytes as usize, self.partitions_max);
        let blocks = self.buffer_memory / block_bytes;
        let tables = (self.topics_max, self.partitions_max);
        let memory = (self.buffer_memory, block_bytes);
        let clock = Clock::new().unset_before(self.clock_unset_before);
        let spool = self.spool.plan(tables, request_bytes_max, memory, idempotence, clock)?;
        // Last, since it reads files.
        link.tls = self.check_tls()?;
        #[cfg(feature = "oidc")]
        let authentication =
            authentication.map(|authentication| authentication.with_tokens(&self)).transpose()?;
        Ok(Checked {
            settings: self,
            servers,
            accumulator,
            sender,
            authentication,
            codecs,
            link,
            spool,
            clock,
            blocks,
            block_bytes,
        })
    }

    /// Where a transactional producer begins.
    pub(crate) const fn first_phase(&self) -> Phase {
        #[cfg(feature = "transactions")]
        if self.transactional_id.is_some() {
            return Phase::Between;
        }
        Phase::Open
    }

    #[cfg(feature = "__tls")]
    fn check_tls(&self) -> Result<Option<Tls>, ConfigError> {
        ssl::Ssl::check(self)
    }

    #[cfg(not(feature = "__tls"))]
    #[expect(clippy::unnecessary_wraps, reason = "with TLS it may fail")]
    const fn check_tls(&self) -> Result<Option<Tls>, ConfigError> {
        Ok(None)
    }

    fn check_limits(&self) -> Result<(), ConfigError> {
        within("topics.max", self.topics_max, 1, u16::MAX.into())?;
        within("partitions.max", self.partitions_max, 1, 1 << 20)?;
        within("partitions.known.max", self.partitions_known_max, 1, 1 << 24)?;
        within("brokers.max", self.brokers_max, 1, 1_000)?;
        if self.bootstrap_servers.len() > self.brokers_max {
            return Err(ConfigError::invalid(
                "bootstrap.servers",
                format!("{} addresses", self.bootstrap_servers.len()),
                format!("at most brokers.max = {}", self.brokers_max),
            ));
        }
        let unset_before = self.clock_unset_before.as_millis();
        if !(0..=CLOCK_UNSET_MAX).contains(&unset_before) {
            let range = format!("0 to {CLOCK_UNSET_MAX} (2100-01-01)");
            return Err(ConfigError::invalid("clock.unset.before.ms", unset_before.to_string(), range));
        }
        let longest = felice_core::sender::CLIENT_ID_BYTES;
        if self.client_id.len() > longest {
            let limit = format!("at most {longest} bytes");
            return Err(ConfigError::invalid("client.id", format!("{:?}", self.client_id), limit));
        }
        Ok(())
    }

    /// The largest batch that is not grown on purpose, and the largest request.
    fn sizes(&self) -> (usize, usize) {
        let request = self.max_request_size.unwrap_or((self.buffer_memory / 4).min(1024 * 1024));
        (self.batch_size.unwrap_or(16_384.min(request)), request)
    }

    fn check_sizes(&self) -> Result<(u32, u32), ConfigError> {
        within("buffer.memory", self.buffer_memory, BUFFER_MEMORY_MIN, BUFFER_MEMORY_MAX)?;
        let (batch, request) = self.sizes();
        within("max.request.size", request, REQUEST_BYTES_MIN, self.buffer_memory / 2).map_err(|error| {
            error.because("half of buffer.memory: that much one partition may hold while others need memory")
        })?;
        within("batch.size", batch, 0, request).map_err(|error| error.because("max.request.size"))?;
        Ok((batch as u32, request as u32))
    }

    fn check_times(&self) -> Result<(), ConfigError> {
        let longest = Duration::from_millis(i32::MAX as u64);
        let times = [
            ("linger.ms", self.linger, Duration::ZERO),
            ("request.timeout.ms", self.request_timeout, Duration::from_millis(1)),
            ("delivery.timeout.ms", self.delivery_timeout, Duration::from_millis(1)),
            ("retry.backoff.ms", self.retry_backoff, Duration::ZERO),
            ("reconnect.backoff.ms", self.reconnect_backoff, Duration::ZERO),
            ("socket.connection.setup.timeout.ms", self.connection_setup_timeout, Duration::from_millis(1)),
        ];
        for (name, value, least) in times {
            if value < least || value > longest {
                let range = format!("{} to {} ms", least.as_millis(), longest.as_millis());
                return Err(ConfigError::invalid(name, millis(value), range));
            }
        }
        let whole = self.linger + self.request_timeout;
        if self.delivery_timeout < whole {
            return Err(ConfigError::invalid(
                "delivery.timeout.ms",
                millis(self.delivery_timeout),
                format!("at least linger.ms + request.timeout.ms = {}", millis(whole)),
            ));
        }
        not_below("retry.backoff.max.ms", self.retry_backoff_max, "retry.backoff.ms", self.retry_backoff)?;
        let (least, most) = (self.reconnect_backoff, self.reconnect_backoff_max);
        not_below("reconnect.backoff.max.ms", most, "reconnect.backoff.ms", least)
    }

    /// Which codecs are needed, if they are there, and their levels.
    fn check_compression(&self, bytes_max: u32) -> Result<Wanted, ConfigError> {
        compiled_in("compression.type", None, self.compression)?;
        for (topic, wanted) in &self.topic_compression {
            compiled_in("topic.compression.type", Some(topic), *wanted)?;
        }
        let level = self.gzip_level;
        if level != GZIP_LEVEL && !(1..=9).contains(&level) {
            return Err(ConfigError::invalid(
                "compression.gzip.level",
                level.to_string(),
                "1 to 9, or -1".into(),
            ));
        }
        let (level, levels) = (self.zstd_level, compression::ZSTD_LEVELS);
        if !levels.contains(&level) {
            let range = format!("{} to {}", levels.start(), levels.end());
            return Err(ConfigError::invalid("compression.zstd.level", level.to_string(), range));
        }
        let types =
            self.topic_compression.iter().map(|(_, wanted)| *wanted).chain([self.compression]).collect();
        Ok(Wanted { types, gzip_level: self.gzip_level, zstd_level: self.zstd_level, bytes_max })
    }

    /// Whether the producer numbers its batches. As in Kafka it does unless `acks` is not `all`; asked for in so many
    /// words, it refuses settings that contradict it.
    fn check_idempotence(&self) -> Result<bool, ConfigError> {
        const NAME: &str = "max.in.flight.requests.per.connection";
        within(NAME, self.max_in_flight, 1, IN_FLIGHT_MAX)?;
        match self.enable_idempotence {
            Some(true) if self.acks != Acks::All => {
                let acks = if self.acks == Acks::None { "0" } else { "1" };
                Err(ConfigError::invalid("acks", acks.into(), "all, with enable.idempotence=true".into()))
            }
            Some(false) => Ok(false),
            None if self.acks != Acks::All => Ok(false),
            _ if self.max_in_flight > 5 => Err(ConfigError::invalid(
                NAME,
                self.max_in_flight.to_string(),
                "1 to 5 with idempotence; enable.idempotence=false allows more, and records may change their order"
                    .into(),
            )),
            _ => Ok(true),
        }
    }
}

/// A type that is not compiled in is refused, with the feature that has it.
fn compiled_in(name: &'static str, topic: Option<&str>, wanted: Compression) -> Result<(), ConfigError> {
    if compression::AVAILABLE.contains(&wanted) {
        return Ok(());
    }
    let names: Vec<&str> = compression::AVAILABLE.iter().map(|available| available.name()).collect();
    let value = topic.map_or(wanted.to_string(), |topic| format!("{topic}:{wanted}"));
    let limit = format!("{}; {wanted} is the crate's feature {:?}", names.join(" or "), wanted.name());
    Err(ConfigError::invalid(name, value, limit))
}

fn within(name: &'static str, value: usize, least: usize, most: usize) -> Result<(), ConfigError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::invalid(name, value.to_string(), format!("{least} to {most}")))
}

fn not_below(name: &'static str, value: Duration, other: &str, least: Duration) -> Result<(), ConfigError> {
    if value >= least {
        return Ok(());
    }
    Err(ConfigError::invalid(name, millis(value), format!("at least {other} = {}", millis(least))))
}

fn millis(duration: Duration) -> String {
    format!("{} ms", duration.as_millis())
}

#[cfg(test)]
mod tests;
