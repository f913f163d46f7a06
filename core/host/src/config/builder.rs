//! The builder that both front-ends share: one method per setting, under Kafka's name.

use std::fmt::{self, Debug};
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use felice_core::compression::Compression;
use felice_core::config::{Acks, Spread};
use felice_core::partitioner::Partitioner;
use felice_core::time::Timestamp;

use super::{ConfigError, DnsLookup, SecurityProtocol, Settings, bootstrap, file, properties, shown};
use crate::callback::{Callback, Failures};
use crate::error::{BuildError, ProduceError};
#[cfg(feature = "__tls")]
use crate::tls::Pem;
use crate::warning::Warning;

mod sasl;

/// A front-end's producer: what [`Builder::build`] makes.
pub trait Start: Sized {
    /// Starts a producer with these settings.
    ///
    /// # Errors
    ///
    /// [`BuildError`] where the settings do not fit, or the system has no thread or descriptor left.
    fn start(settings: Settings) -> Result<Self, BuildError>;
}

/// A front-end's producer whose I/O a user may run: what [`Builder::build_with_driver`] makes.
pub trait StartWithDriver: Start {
    /// What does the I/O.
    type Driver;

    /// Makes a producer with these settings, and its I/O.
    ///
    /// # Errors
    ///
    /// [`BuildError`] where the settings do not fit.
    fn start_with_driver(settings: Settings) -> Result<(Self, Self::Driver), BuildError>;
}

/// Settings of a producer on the way to becoming one. Nothing is checked before [`build`](Self::build).
///
/// The methods carry the names of Kafka's settings, and mean the same; the defaults are the Java producer's, except
/// where an edge gateway needs another. Times are rounded down to milliseconds nowhere.
#[must_use = "a builder does nothing before build()"]
pub struct Builder<P> {
    settings: Settings,
    producer: PhantomData<fn() -> P>,
}

impl<P: Start> Builder<P> {
    /// Checks the settings, and starts the producer. It connects when it has something to send: a broker that is away
    /// is no error here.
    ///
    /// # Errors
    ///
    /// [`BuildError::Config`] names the setting, its value and the limit; [`BuildError::Io`] tells of threads and
    /// descriptors that the system does not give.
    pub fn build(self) -> Result<P, BuildError> {
        P::start(self.settings)
    }
}

impl<P: StartWithDriver> Builder<P> {
    /// Checks the settings, and makes the producer and its I/O, which the caller is to run. Until it runs nothing is
    /// sent, and what waits for the network waits; where it is dropped before it has ended, everything that is held
    /// fails, and the producer is closed.
    ///
    /// # Errors
    ///
    /// [`BuildError::Config`] names the setting, its value and the limit.
    pub fn build_with_driver(self) -> Result<(P, P::Driver), BuildError> {
        P::start_with_driver(self.settings)
    }
}

/// Declares a method that sets one field.
macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $type:ty => |$settings:ident| $set:expr;)*) => {
        impl<P> Builder<P> {
            $($(#[$doc])*
            pub fn $name(mut self, $name: $type) -> Self {
                self.settings.origins.forget_method(stringify!($name));
                let $settings = &mut self.settings;
                $set;
                self
            })*
        }
    };
}

mod link;

settings! {
    /// `client.id`: a name for the broker's logs and quotas, at most 64 bytes. Default `felice`.
    client_id: &str => |s| s.client_id = client_id.to_owned();
    /// `security.protocol`: how brokers are talked to. Default [`SecurityProtocol::Plaintext`]; what this program was
    /// not built with is refused by `build`.
    security_protocol: SecurityProtocol => |s| s.security_protocol = security_protocol;
    /// `batch.size` in bytes: a batch of this size leaves before its linger is over. It may grow further while it
    /// waits for its turn. Default 16,384; at most `max.request.size`; 0 sends each record as soon as it can.
    batch_size: usize => |s| s.batch_size = Some(batch_size);
    /// `linger.ms`: how long a record waits for others to share its batch. Default 5 ms; up to one tick of the kernel
    /// (4 ms) of it may be missing.
    linger: Duration => |s| s.linger = linger;
    /// `buffer.memory` in bytes: all record memory there is, allocated when the producer is built, in blocks of 1 to
    /// 32 KiB: the more there is for each partition, the longer. Default 1 MiB (Java: 32 MiB); from 16 KiB to 1 GiB.
    buffer_memory: usize => |s| s.buffer_memory = buffer_memory;
    /// `max.request.size` in bytes: the largest batch, so also the largest record. Default: a quarter of
    /// `buffer.memory`, 1 MiB at most; at most half of `buffer.memory`.
    max_request_size: usize => |s| s.max_request_size = Some(max_request_size);
    /// `max.block.ms`: how long `send` waits for memory, and `partitions_for` for metadata. Default 60 s.
    max_block: Duration => |s| s.max_block = max_block;
    /// `delivery.timeout.ms`: a record that is not acknowledged this long after `send` accepted it fails. Default
    /// 120 s; at least `linger.ms` + `request.timeout.ms`.
    delivery_timeout: Duration => |s| s.delivery_timeout = delivery_timeout;
    /// `request.timeout.ms`: an answer that takes longer closes the connection, and the request is sent again. Default
    /// 30 s.
    request_timeout: Duration => |s| s.request_timeout = request_timeout;
    /// `acks`: whose confirmation a record waits for. Default [`Acks::All`]. Anything less turns idempotence off,
    /// unless it was asked for: then it is an error.
    acks: Acks => |s| s.acks = acks;
    /// `enable.idempotence`: the broker recognizes repetitions, so a record is stored once and in order although its
    /// request was sent again. Default true with `acks=all`.
    enable_idempotence: bool => |s| s.enable_idempotence = Some(enable_idempotence);
    /// `max.in.flight.requests.per.connection`. Default 5; 1 to 5 with idempotence, else to 16. Without idempotence
    /// more than 1 can change the order of records when one is sent again.
    max_in_flight_requests_per_connection: usize => |s| s.max_in_flight = max_in_flight_requests_per_connection;
    /// `retry.backoff.ms`: the pause before the first repetition; it doubles each time, with jitter. Default 100 ms.
    retry_backoff: Duration => |s| s.retry_backoff = retry_backoff;
    /// `retry.backoff.max.ms`: the longest pause. Default 1 s.
    retry_backoff_max: Duration => |s| s.retry_backoff_max = retry_backoff_max;
    /// `reconnect.backoff.ms`: the pause before a broker is connected again; it doubles each time, with jitter.
    /// Default 50 ms.
    reconnect_backoff: Duration => |s| s.reconnect_backoff = reconnect_backoff;
    /// `reconnect.backoff.max.ms`: the longest pause. Default 1 s.
    reconnect_backoff_max: Duration => |s| s.reconnect_backoff_max = reconnect_backoff_max;
    /// `socket.connection.setup.timeout.ms`: for the look-up of a name and all of its addresses. Default 10 s.
    socket_connection_setup_timeout: Duration => |s| s.connection_setup_timeout = socket_connection_setup_timeout;
    /// `connections.max.idle.ms`: a connection without a request for so long is closed. Default 9 min.
    connections_max_idle: Duration => |s| s.connections_max_idle = connections_max_idle;
    /// `metadata.max.age.ms`: while records are held, metadata older than this are asked for again. Default 5 min.
    metadata_max_age: Duration => |s| s.metadata_max_age = metadata_max_age;
    /// `partitioner.ignore.keys`: records with a key are spread as those without. Default false.
    partitioner_ignore_keys: bool => |s| s.ignore_keys = partitioner_ignore_keys;
    /// How records without key and partition are spread. Default [`Spread::Sticky`].
    spread: Spread => |s| s.spread = spread;
    /// `topics.max`: how many topics one producer can write to. Default 64.
    topics_max: usize => |s| s.topics_max = topics_max;
    /// `partitions.max`: how many partitions can hold records at once. Default 1,024.
    partitions_max: usize => |s| s.partitions_max = partitions_max;
    /// `partitions.known.max`: how many partitions all topics together can have, 4 bytes each. Default 4,096.
    partitions_known_max: usize => |s| s.partitions_known_max = partitions_known_max;
    /// `brokers.max`: bootstrap servers and brokers together. Default 16.
    brokers_max: usize => |s| s.brokers_max = brokers_max;
    /// `compression.type`: how batches are compressed, as soon as they leave; one that does not shrink is sent as it is.
    /// Default [`Compression::None`]. Each type is a feature of its own (`gzip`, `snappy`, `lz4`, `zstd`), without which
    /// it is refused. With it `max.request.size` more memory is allocated, and a codec's own.
    compression_type: Compression => |s| s.compression = compression_type;
    /// `compression.gzip.level` (KIP-390): 1 to 9, or -1 for the default, 6.
    compression_gzip_level: i32 => |s| s.gzip_level = compression_gzip_level;
    /// `compression.zstd.level` (KIP-390): -131,072 to 22. Default 3. From 10 on the memory grows, to hundreds of MiB.
    compression_zstd_level: i32 => |s| s.zstd_level = compression_zstd_level;
    /// How long dropping the last clone of the producer may take to send what is held. Default 5 s; zero fails what
    /// is held at once.
    drop_timeout: Duration => |s| s.drop_timeout = drop_timeout;
    /// `clock.unset.before.ms`: a wall clock that says an earlier time is not set. Records that are sent meanwhile, without a
    /// time of their own or with one before 2000, are kept by a [spool](Self::spool_dir) until it is, and then have the
    /// time at which they were sent; without a spool they are refused
    /// ([`SendError::ClockNotSet`](crate::SendError::ClockNotSet)). Default 2024-01-01; the date of your program is better.
    /// From 0, where every clock is set, to 2100-01-01.
    clock_unset_before: Timestamp => |s| s.clock_unset_before = clock_unset_before;
}

#[cfg(feature = "spool")]
settings! {
    /// `spool.dir`: a directory of this producer's own. Every batch is written there before it is sent, and stays until a
    /// broker has it, also when the process ends or the power fails; the next producer on the directory goes on with
    /// it. Then no record fails by `delivery.timeout.ms`. Default: none, and records are in memory only.
    spool_dir: impl Into<std::path::PathBuf> => |s| s.spool.directory = Some(spool_dir.into());
    /// `spool.mode`: which records are written there. Default
    /// [`SpoolMode::Always`](crate::surface::SpoolMode::Always).
    spool_mode: crate::surface::SpoolMode => |s| s.spool.mode = spool_mode;
    /// `spool.overflow.ms`: in mode `overflow`, how long after its linger a batch may wait in memory to be sent until it is
    /// written. Default 2 s.
    spool_overflow_after: Duration => |s| s.spool.overflow_after = spool_overflow_after;
    /// `spool.max.age.ms`: records that are older when they are about to be read from the spool, or when it is full, are
    /// dropped: by their time, batch by batch (the newest record of a batch counts), counted and told to `on_warning`. Not what is with a broker, or may be since a
    /// former life. Default: none are; from 1 ms to 100 years.
    spool_max_age: Duration => |s| s.spool.max_age = Some(spool_max_age);
    /// `spool.dedup.header`: the name of one more header that every record gets. Its 16 bytes are the same however often the
    /// record is stored, and no other record's: 8 of this producer's life, then how many records were accepted before, both big-endian. Default: none; 1 to 255 bytes. Only with
    /// [`spool_dir`](Self::spool_dir).
    spool_dedup_header: &str => |s| s.spool.dedup_header = Some(spool_dedup_header.to_owned());
    /// `spool.max.bytes`: how much of the file system the spool may take. Default 64 MiB; from four times
    /// `max.request.size` on. What is written once must have been made room for at first: 16 segments or more.
    spool_max_bytes: u64 => |s| s.spool.bytes = spool_max_bytes;
    /// `spool.sync.ms`: how long after it was written a record is durable at the latest: what is written in that time is
    /// synced together. Default 500 ms; 0 syncs whatever is there at once.
    spool_sync: Duration => |s| s.spool.sync = spool_sync;
    /// `spool.when.full`: what to do when all of it holds records that are not acknowledged. Default
    /// [`WhenFull::RefuseNewest`](felice_core::spool::WhenFull): `send` waits for memory, and then refuses.
    spool_when_full: felice_core::spool::WhenFull => |s| s.spool.when_full = spool_when_full;
    /// `spool.min.free.bytes`: how much of the file system is to be left to others when the spool takes room. Default
    /// 16 MiB. Looked at on Linux only.
    spool_min_free_bytes: u64 => |s| s.spool.free_bytes_min = spool_min_free_bytes;
}

#[cfg(feature = "transactions")]
settings! {
    /// `transactional.id`: who this producer is, across restarts. Records are sent in transactions only then, which begin with
    /// `init_transactions`; another producer that has the same id later fences this one. Default none; 1 to 128 bytes. It
    /// needs `acks=all` and idempotence, and there is no [spool](Self::spool_dir) with it.
    transactional_id: &str => |s| s.transactional_id = Some(transactional_id.to_owned());
    /// `transaction.timeout.ms`: a transaction that takes longer is aborted by its coordinator, and this producer with it
    /// fenced. Default 60 s; brokers allow 15 minutes (`transaction.max.timeout.ms`).
    transaction_timeout: Duration => |s| s.transaction_timeout = transaction_timeout;
}

#[cfg(feature = "oidc")]
settings! {
    /// `sasl.oauthbearer.scope`: what the token of [`sasl_oauth_bearer_oidc`](Self::sasl_oauth_bearer_oidc) is to be good for,
    /// several with blanks between. Default none.
    sasl_oauthbearer_scope: &str => |s| s.sasl.client.scope = Some(sasl_oauthbearer_scope.to_owned());
    /// `sasl.oauthbearer.header.urlencode`: id and secret are encoded as in a form before they go into the header, as
    /// RFC 6749 says; few servers of tokens want it. Default false, as in Kafka.
    sasl_oauthbearer_header_urlencode: bool => |s| s.sasl.client.header_urlencode = sasl_oauthbearer_header_urlencode;
    /// `sasl.login.connect.timeout.ms`: for the connection to the server of tokens, all addresses together. Default 10 s
    /// (Java: without end).
    sasl_login_connect_timeout: Duration => |s| s.login.times.connect = sasl_login_connect_timeout;
    /// `sasl.login.read.timeout.ms`: from then on until its answer is complete. Default 10 s (Java: without end).
    sasl_login_read_timeout: Duration => |s| s.login.times.read = sasl_login_read_timeout;
    /// `sasl.login.retry.backoff.ms`: the pause before the server of tokens is asked again; it doubles each time. Default
    /// 100 ms.
    sasl_login_retry_backoff: Duration => |s| s.login.backoff = sasl_login_retry_backoff;
    /// `sasl.login.retry.backoff.max.ms`: the longest pause, and for how long one connection is waited with. After that,
    /// and where the server of tokens has refused, it is not asked for as long. Default 10 s.
    sasl_login_retry_backoff_max: Duration => |s| s.login.backoff_max = sasl_login_retry_backoff_max;
}

#[cfg(feature = "__tls")]
settings! {
    /// `ssl.truststore.certificates`: the authorities that are trusted, as PEM. The text's lines may be joined by blanks.
    ssl_truststore_certificates: &str => |s| s.ssl.truststore_certificates = Some(Pem::new(ssl_truststore_certificates));
    /// `ssl.keystore.certificate.chain`: this client's certificate, and those between it and its authority, as PEM. With
    /// it goes [`ssl_keystore_key`](Self::ssl_keystore_key).
    ssl_keystore_certificate_chain: &str =>
        |s| s.ssl.keystore_certificate_chain = Some(Pem::new(ssl_keystore_certificate_chain));
    /// `ssl.keystore.key`: the private key of this client's certificate, as PEM; an encrypted one needs the feature
    /// `tls-encrypted-keys`.
    ssl_keystore_key: &str => |s| s.ssl.keystore_key = Some(Pem::new(ssl_keystore_key));
    /// `ssl.key.password`: what the key of [`ssl_keystore_location`](Self::ssl_keystore_location) or
    /// [`ssl_keystore_key`](Self::ssl_keystore_key) is encrypted with (PKCS #8 with PBES2: AES, and PBKDF2 or scrypt).
    #[cfg(feature = "tls-encrypted-keys")]
    ssl_key_password: &str => |s| s.ssl.key_password = super::sasl::secret(ssl_key_password);
    /// `ssl.enabled.protocols`: `TLSv1.2`, `TLSv1.3`, or both with a comma between. Default both; the newest that the
    /// broker speaks is taken.
    ssl_enabled_protocols: &str => |s| s.ssl.enabled_protocols = ssl_enabled_protocols.to_owned();
    /// `ssl.endpoint.identification.algorithm`: `https`, the default, where the broker's certificate must name the host
    /// that was connected to. Empty takes any host's certificate of a trusted authority: who has one such can then read
    /// and change everything, so it is for an authority that certifies nothing but this cluster.
    ssl_endpoint_identification_algorithm: &str =>
        |s| s.ssl.endpoint_identification_algorithm = ssl_endpoint_identification_algorithm.to_owned();
}

#[cfg(feature = "__tls")]
impl<P> Builder<P> {
    /// `ssl.truststore.location`: a PEM file of the authorities that are trusted. It is read by `build`, and again for
    /// each connection, so that it can be replaced at any time.
    pub fn ssl_truststore_location(mut self, path: impl AsRef<Path>) -> Self {
        self.settings.origins.forget("ssl.truststore.location");
        self.settings.ssl.truststore_location = Some(path.as_ref().to_owned());
        self
    }

    /// `ssl.keystore.location`: a PEM file of this client's certificate, those between it and its authority, and its
    /// private key; an encrypted one needs the feature `tls-encrypted-keys`. It is read by `build`, and again for each connection, so that it can be replaced at
    /// any time.
    pub fn ssl_keystore_location(mut self, path: impl AsRef<Path>) -> Self {
        self.settings.origins.forget("ssl.keystore.location");
        self.settings.ssl.keystore_location = Some(path.as_ref().to_owned());
        self
    }
}

impl<P> Builder<P> {
    /// The defaults.
    pub fn new() -> Self {
        Self { settings: Settings::default(), producer: PhantomData }
    }

    /// Adds to `bootstrap.servers`: `host:port` or `[v6 address]:port`, several with commas between. The only setting
    /// without a default; names are looked up when they are needed, and all of their addresses are tried.
    pub fn bootstrap_servers(mut self, servers: &str) -> Self {
        self.settings.origins.forget("bootstrap.servers");
        self.settings.bootstrap_servers.extend(bootstrap::split(servers));
        self
    }

    /// Compresses one topic otherwise than [`compression_type`](Self::compression_type) says. Said again for a topic, the last word
    /// counts.
    pub fn topic_compression_type(mut self, topic: &str, compression: Compression) -> Self {
        self.settings.origins.forget("topic.compression.type");
        self.settings.topic_compression.retain(|(known, _)| known != topic);
        self.settings.topic_compression.push((topic.to_owned(), compression));
        self
    }

    /// How keys are hashed: [`Murmur2`](felice_core::partitioner::Murmur2), as the Java producer does, is the default;
    /// [`Crc32`](felice_core::partitioner::Crc32) is librdkafka's; or one of your own. It runs on the thread that
    /// sends, outside every lock.
    pub fn partitioner(mut self, partitioner: impl Partitioner + Send + Sync + 'static) -> Self {
        self.settings.origins.forget("partitioner");
        self.settings.partitioner = Arc::new(partitioner);
        self.settings.partitioner_name = "[of the program]";
        self
    }

    /// One object that hears of every record sent with `send_with_token`.
    pub fn callback(mut self, callback: impl Callback + 'static) -> Self {
        self.settings.callbacks.object = Some(Arc::new(callback));
        self
    }

    /// Hears of every failed record whose handle was dropped before anybody saw its outcome: once for each, outside
    /// every lock. It runs on the thread that serves the callbacks, or on the one that drops such a handle after the
    /// record has failed. It may `send` (as `try_send` does); a panic in it is contained and counted.
    pub fn on_undelivered(mut self, hook: impl Fn(ProduceError) + Send + Sync + 'static) -> Self {
        self.settings.callbacks.failures = Some(Arc::new(Failures::new(Box::new(hook))));
        self
    }

    /// Hears of what the producer does otherwise than its settings say, where no record fails by it: once for each
    /// [`Warning`], outside every lock, on the thread that serves the callbacks. A panic in it is contained and counted.
    pub fn on_warning(mut self, hook: impl Fn(Warning) + Send + Sync + 'static) -> Self {
        self.settings.callbacks.warning = Some(Box::new(hook));
        self
    }

    /// Takes settings by Kafka's own names, with values as in a properties file. Times are in milliseconds. What was set
    /// before is replaced.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Unknown`] names the nearest setting there is; [`ConfigError::Unsupported`] tells why felice has not
    /// what Kafka's clients have; [`ConfigError::Invalid`] tells of a value that cannot be read. What does not fit
    /// together is found by [`build`](Self::build).
    pub fn properties<N, V>(
        mut self,
        properties: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, ConfigError>
    where
        N: AsRef<str>,
        V: AsRef<str>,
    {
        for (name, value) in properties {
            let set = properties::set(&mut self.settings, name.as_ref(), value.as_ref())?;
            self.settings.origins.forget(set);
        }
        Ok(self)
    }

    /// Takes all settings of a properties file, as [`properties`](Self::properties) does. It is written as for Kafka's
    /// own tools (comments, continued lines, escapes; of several lines with the same name the last one counts), in
    /// UTF-8, where Java would read ISO-8859-1. At most 64 KiB.
    ///
    /// # Errors
    ///
    /// [`ConfigError::File`] tells why it cannot be read; [`ConfigError::InFile`] names file and line, and what is wrong
    /// there. So does [`build`](Self::build) where a setting of the file is out of its range or does not fit the others.
    pub fn properties_file(mut self, path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        file::apply(&mut self.settings, path.as_ref())?;
        Ok(self)
    }

    /// Takes all settings of a text, which is written as a file for [`properties_file`](Self::properties_file).
    ///
    /// # Errors
    ///
    /// [`ConfigError::InFile`] names the line of `properties`, as it calls the text, and what is wrong there. So does
    /// [`build`](Self::build) where a setting of the text is out of its range or does not fit the others.
    pub fn properties_text(mut self, text: &str) -> Result<Self, ConfigError> {
        file::apply_text(&mut self.settings, text)?;
        Ok(self)
    }
}

impl<P> Default for Builder<P> {
    fn default() -> Self {
        Self::new()
    }
}

/// The settings as they would count, a line for each, by Kafka's names and with values as [`properties`](Builder::properties)
/// takes them: for logs. Secrets are `[hidden]`, what belongs to a feature that is not used is left out, and nothing is
/// checked.
///
/// ```
/// # struct Producer;
/// # impl felice_host::Start for Producer {
/// #     fn start(_: felice_host::Settings) -> Result<Self, felice_host::BuildError> { Ok(Self) }
/// # }
/// let builder = felice_host::Builder::<Producer>::new().bootstrap_servers("kafka:9092").buffer_memory(32 * 1024);
/// let shown = builder.to_string();
/// assert!(shown.contains("bootstrap.servers=kafka:9092\n") && shown.contains("max.request.size=8192\n"));
/// ```
impl<P> fmt::Display for Builder<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        shown::show(&self.settings, f)
    }
}

impl<P> Debug for Builder<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { bootstrap_servers, client_id, .. } = &self.settings;
        f.debug_struct("Builder")
            .field("bootstrap_servers", bootstrap_servers)
            .field("client_id", client_id)
            .finish_non_exhaustive()
    }
}
