//! What may stand in the file, as serde reads it. Nothing is checked here that serde does not check.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use crate::format::Format;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(default)]
    pub(super) pattern: Pattern,
    #[serde(default = "drain_timeout_ms")]
    pub(super) drain_timeout_ms: u64,
    pub(super) listen: Option<SocketAddr>,
    pub(super) producer: toml::Table,
    #[serde(default)]
    pub(super) source: Vec<SourceTable>,
}

const fn drain_timeout_ms() -> u64 {
    10_000
}

/// How lines are sent.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Pattern {
    /// Handles are dropped; failures are told in one place.
    FireAndForget,
    /// A source waits for each line until it is durable in the spool, or without one acknowledged.
    Synchronous,
    /// A callback hears of each outcome, and counts it for its source.
    #[default]
    Asynchronous,
}

/// One `[[source]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SourceTable {
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    pub(super) name: Option<String>,
    pub(super) path: Option<PathBuf>,
    pub(super) position_file: Option<PathBuf>,
    pub(super) address: Option<SocketAddr>,
    pub(super) connections_max: Option<usize>,
    pub(super) line_bytes_max: Option<usize>,
    #[serde(default)]
    pub(super) format: Format,
    pub(super) separator: Option<String>,
    pub(super) topic: String,
    pub(super) key: Option<String>,
    pub(super) value: Option<String>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    pub(super) timestamp: Option<String>,
    pub(super) timestamp_unit: Option<Unit>,
    pub(super) unparsed_topic: Option<String>,
}

/// Where lines come from.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Stdin,
    File,
    Tcp,
    Udp,
}

/// What numbers count that are times since 1970.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub(crate) enum Unit {
    #[serde(rename = "s")]
    Seconds,
    #[serde(rename = "ms")]
    Millis,
    #[serde(rename = "us")]
    Micros,
    #[serde(rename = "ns")]
    Nanos,
}
