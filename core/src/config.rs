//! The planes' settings, under the names of Kafka's own, with units last. Front-ends build them and check the ranges
//! that Kafka checks; nothing here reads a file or an environment.

use core::time::Duration;

use crate::compression::Compression;

/// How a record without key and partition finds its partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spread {
    /// One random partition until `batch.size` bytes went there, then another (KIP-794).
    #[default]
    Sticky,
    /// Each record to the next partition.
    RoundRobin,
}

/// Settings of the data plane.
#[derive(Clone, Copy, Debug)]
pub struct AccumulatorConfig {
    /// Kafka's `batch.size`: a batch of this many bytes is ready.
    pub batch_bytes: u32,
    /// Kafka's `linger.ms`: a batch of this age is ready.
    pub linger: Duration,
    /// Kafka's `max.request.size`: no batch grows beyond, header included.
    pub request_bytes_max: u32,
    /// Kafka's `delivery.timeout.ms`, counted from acceptance.
    pub delivery_timeout: Duration,
    /// Of the blocks, what one partition may hold while others are in use: a share of 256.
    pub partition_share: u16,
    /// How records without key and partition are spread.
    pub spread: Spread,
    /// Randomness from the caller: the first partition, and each next one, come from it.
    pub seed: u64,
}

impl Default for AccumulatorConfig {
    fn default() -> Self {
        Self {
            batch_bytes: 16_384,
            linger: Duration::from_millis(5),
            request_bytes_max: 256 * 1024,
            delivery_timeout: Duration::from_secs(120),
            partition_share: 128,
            spread: Spread::Sticky,
            seed: 1,
        }
    }
}

/// Whose confirmation a record waits for: Kafka's `acks`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acks {
    /// `acks=0`: nobody's. A record is done when it was written to the socket; its offset is not known.
    None,
    /// `acks=1`: the leader's.
    Leader,
    /// `acks=all`: that of every replica in sync.
    #[default]
    All,
}

/// The most Produce requests that one connection can have in flight.
pub const IN_FLIGHT_MAX: usize = 16;

/// Settings of the control plane.
#[derive(Clone, Copy, Debug)]
pub struct SenderConfig {
    /// Kafka's `acks`.
    pub acks: Acks,
    /// Kafka's `enable.idempotence`.
    pub idempotence: bool,
    /// Whether somebody writes down under which numbers batches are sent, to finish them after a restart: before a
    /// partition's numbering is used for the first time it waits until that is done
    /// ([`Event::Numbering`](crate::event::Event::Numbering)). Means nothing without idempotence. There with the feature
    /// `resume`.
    #[cfg(feature = "resume")]
    pub notes_numberings: bool,
    /// Kafka's `max.in.flight.requests.per.connection`: 1 to 5 with idempotence, else to [`IN_FLIGHT_MAX`].
    pub in_flight_max: u8,
    /// Kafka's `max.request.size`.
    pub request_bytes_max: u32,
    /// Kafka's `compression.type`. A type that the codec does not know leaves batches plain.
    pub compression: Compression,
    /// Kafka's `request.timeout.ms`.
    pub request_timeout: Duration,
    /// Kafka's `delivery.timeout.ms`, counted from acceptance.
    pub delivery_timeout: Duration,
    /// Kafka's `retry.backoff.ms`.
    pub retry_backoff: Duration,
    /// Kafka's `retry.backoff.max.ms`.
    pub retry_backoff_max: Duration,
    /// Kafka's `reconnect.backoff.ms`.
    pub reconnect_backoff: Duration,
    /// Kafka's `reconnect.backoff.max.ms`.
    pub reconnect_backoff_max: Duration,
    /// Kafka's `socket.connection.setup.timeout.ms`.
    pub connection_setup_timeout: Duration,
    /// Kafka's `connections.max.idle.ms`.
    pub connections_idle_max: Duration,
    /// Kafka's `metadata.max.age.ms`. While nothing is held nothing is refreshed.
    pub metadata_age_max: Duration,
    /// How long a topic that never was known may stay unknown before its records fail.
    pub unknown_topic_timeout: Duration,
    /// CRC-32C: continues a checksum over more bytes. The host plugs in the processor's own instructions.
    pub crc32c: fn(u32, &[u8]) -> u32,
    /// Randomness from the caller, for the jitter of backoffs.
    pub seed: u64,
}

impl Default for SenderConfig {
    fn default() -> Self {
        Self {
            acks: Acks::All,
            idempotence: true,
            #[cfg(feature = "resume")]
            notes_numberings: false,
            in_flight_max: 5,
            request_bytes_max: 256 * 1024,
            compression: Compression::None,
            request_timeout: Duration::from_secs(30),
            delivery_timeout: Duration::from_secs(120),
            retry_backoff: Duration::from_millis(100),
            retry_backoff_max: Duration::from_secs(1),
            reconnect_backoff: Duration::from_millis(50),
            reconnect_backoff_max: Duration::from_secs(1),
            connection_setup_timeout: Duration::from_secs(10),
            connections_idle_max: Duration::from_secs(540),
            metadata_age_max: Duration::from_secs(300),
            unknown_topic_timeout: Duration::from_secs(10),
            crc32c: crate::checksum::crc32c,
            seed: 1,
        }
    }
}
