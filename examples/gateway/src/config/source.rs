//! One source of the file, checked: where lines come from, how long they may be, and what becomes of them.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::file::{Kind, SourceTable, Unit};
use crate::format::Format;
use crate::mapping::Mapping;
use crate::template::{Field, Template};

/// A source, checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Source {
    /// In logs, in metrics, and as `{source}`.
    pub(crate) name: String,
    pub(crate) input: Input,
    pub(crate) line_bytes_max: usize,
    pub(crate) mapping: Mapping,
}

/// Where lines come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Stdin,
    File { path: PathBuf, position_file: Option<PathBuf> },
    Tcp { address: SocketAddr, connections_max: usize },
    Udp { address: SocketAddr },
}

/// As `max.request.size` with felice's defaults: what is longer could not be sent.
const LINE_BYTES_MAX: usize = 256 * 1024;
const CONNECTIONS_MAX: usize = 256;
/// Enough for any line that a broker would take, and few enough for a machine with little memory.
const LINE_BYTES: std::ops::RangeInclusive<usize> = 1..=1024 * 1024 * 1024;
const CONNECTIONS: std::ops::RangeInclusive<usize> = 1..=65_536;

impl Source {
    pub(super) fn of(place: usize, table: &SourceTable) -> Result<Self, String> {
        let kind = table.kind;
        let name = table.name.clone().unwrap_or_else(|| default_name(table));
        let wrong = |problem: String| format!("[[source]] {} ({name}): {problem}", place + 1);
        let input = Input::of(table).map_err(wrong)?;
        let line_bytes_max =
            within("line_bytes_max", table.line_bytes_max, LINE_BYTES_MAX, LINE_BYTES).map_err(wrong)?;
        let mapping = mapping(kind, table).map_err(wrong)?;
        Ok(Self { name, input, line_bytes_max, mapping })
    }

    /// Whether two of them cannot be at once.
    pub(super) fn clashes(&self, other: &Self) -> bool {
        self.name == other.name
            || match (&self.input, &other.input) {
                (Input::File { path, .. }, Input::File { path: other, .. }) => path == other,
                (one, other) => one == other,
            }
    }
}

impl Input {
    fn of(table: &SourceTable) -> Result<Self, String> {
        let (kind, is_file, is_tcp) = (table.kind, table.kind == Kind::File, table.kind == Kind::Tcp);
        for (name, is_there, fits) in [
            ("path", table.path.is_some(), is_file),
            ("position_file", table.position_file.is_some(), is_file),
            ("address", table.address.is_some(), is_tcp || kind == Kind::Udp),
            ("connections_max", table.connections_max.is_some(), is_tcp),
        ] {
            if is_there && !fits {
                return Err(format!("{name} is not for a source of this type"));
            }
        }
        let address = || table.address.ok_or("address is missing: an IP address and a port".to_owned());
        Ok(match kind {
            Kind::Stdin => Self::Stdin,
            Kind::File => Self::File {
                path: table.path.clone().ok_or("path is missing")?,
                position_file: table.position_file.clone(),
            },
            Kind::Tcp => Self::Tcp {
                address: address()?,
                connections_max: within(
                    "connections_max",
                    table.connections_max,
                    CONNECTIONS_MAX,
                    CONNECTIONS,
                )?,
            },
            Kind::Udp => Self::Udp { address: address()? },
        })
    }
}

fn default_name(table: &SourceTable) -> String {
    match (table.kind, &table.path, table.address) {
        (Kind::Stdin, ..) => "stdin".into(),
        (Kind::File, Some(path), _) => path.display().to_string(),
        (Kind::Tcp, _, Some(address)) => format!("tcp:{address}"),
        (Kind::Udp, _, Some(address)) => format!("udp:{address}"),
        _ => "without a name".into(),
    }
}

fn within(
    name: &str,
    value: Option<usize>,
    default: usize,
    range: std::ops::RangeInclusive<usize>,
) -> Result<usize, String> {
    let value = value.unwrap_or(default);
    if range.contains(&value) {
        return Ok(value);
    }
    Err(format!("{name} = {value} cannot be used: it must be from {} to {}", range.start(), range.end()))
}

fn mapping(kind: Kind, table: &SourceTable) -> Result<Mapping, String> {
    let format = table.format;
    match &table.separator {
        Some(separator) if format != Format::Columns || separator.is_empty() => {
            return Err("separator is for format = \"columns\", and has one character or more".into());
        }
        _ => {}
    }
    let field = |name: &str| match (name, kind) {
        ("peer", Kind::Tcp | Kind::Udp) => Some(Field::Peer),
        ("path", Kind::File) => Some(Field::Path),
        ("offset", Kind::File) => Some(Field::Offset),
        _ => format.field(name),
    };
    let template = |name: &str, text: &str| {
        Template::parse(text, field).map_err(|problem| format!("{name} = {problem}"))
    };
    let optional =
        |name: &str, text: &Option<String>| text.as_deref().map(|text| template(name, text)).transpose();
    let headers = table.headers.iter().map(|(name, text)| Ok((name.clone(), template(name, text)?)));
    let topic = template("topic", &table.topic)?;
    for constant in topic.constant().into_iter().chain(table.unparsed_topic.as_deref()) {
        check_topic(constant)?;
    }
    Ok(Mapping {
        format,
        separator: table.separator.clone().unwrap_or_else(|| ",".into()),
        topic,
        key: optional("key", &table.key)?,
        value: optional("value", &table.value)?,
        headers: headers.collect::<Result<_, String>>()?,
        timestamp: optional("timestamp", &table.timestamp)?,
        unit: table.timestamp_unit.unwrap_or(if format == Format::Influx {
            Unit::Nanos
        } else {
            Unit::Millis
        }),
        unparsed_topic: table.unparsed_topic.clone(),
    })
}

/// What Kafka allows, told here with the setting's name and not with the first line.
fn check_topic(topic: &str) -> Result<(), String> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if (1..=249).contains(&topic.len()) && topic.chars().all(is_allowed) && topic != "." && topic != ".." {
        return Ok(());
    }
    Err(format!(
        "topic = {topic:?} is none: Kafka's have 1 to 249 letters, digits, dots, underscores and hyphens"
    ))
}
