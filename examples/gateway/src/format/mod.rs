//! What lines are: plain ones, columns, syslog (RFC 5424), Influx line protocol. A line is parsed where it lies, and parsing
//! never changes it: the record's value is the line as it came.

mod influx;
mod syslog;

use std::borrow::Cow;

use serde::Deserialize;

use crate::template::{Field, SyslogField};

pub(crate) use influx::Influx;
pub(crate) use syslog::Syslog;

/// How a source's lines are to be understood.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    /// Any bytes.
    #[default]
    Lines,
    /// Columns with a separator between.
    Columns,
    /// A message of RFC 5424.
    Syslog,
    /// A point of Influx line protocol.
    Influx,
}

impl Format {
    /// The field of this name, where lines of this format have it.
    pub(crate) fn field(self, name: &str) -> Option<Field> {
        let of_format = match self {
            Self::Lines => None,
            Self::Columns => name.parse().ok().filter(|place| *place > 0).map(Field::Column),
            Self::Syslog => syslog_field(name),
            Self::Influx => influx_field(name),
        };
        of_format.or(match name {
            "line" => Some(Field::Line),
            "source" => Some(Field::Source),
            _ => None,
        })
    }
}

fn syslog_field(name: &str) -> Option<Field> {
    Some(Field::Syslog(match name {
        "facility" => SyslogField::Facility,
        "severity" => SyslogField::Severity,
        "host" => SyslogField::Host,
        "app" => SyslogField::App,
        "process" => SyslogField::Process,
        "message_id" => SyslogField::MessageId,
        "data" => SyslogField::Data,
        "message" => SyslogField::Message,
        "timestamp" => return Some(Field::Timestamp),
        _ => return None,
    }))
}

fn influx_field(name: &str) -> Option<Field> {
    match name {
        "measurement" => Some(Field::Measurement),
        "timestamp" => Some(Field::Timestamp),
        _ => match name.split_once('.') {
            Some(("tag", name)) => Some(Field::Tag(name.to_owned())),
            Some(("field", name)) => Some(Field::Value(name.to_owned())),
            _ => None,
        },
    }
}

/// A line that was understood.
#[derive(Debug)]
pub(crate) enum Parsed<'l> {
    Lines,
    Columns(&'l [u8], &'l [u8]),
    Syslog(Syslog<'l>),
    Influx(Influx<'l>),
}

impl<'l> Parsed<'l> {
    /// Understands a line, or says why it is none of this format.
    pub(crate) fn of(format: Format, line: &'l [u8], separator: &'l [u8]) -> Result<Self, &'static str> {
        Ok(match format {
            Format::Lines => Self::Lines,
            Format::Columns => Self::Columns(line, separator),
            Format::Syslog => Self::Syslog(Syslog::parse(line)?),
            Format::Influx => Self::Influx(Influx::parse(line)?),
        })
    }

    /// A field of the line, where it has it.
    pub(crate) fn field(&self, field: &Field) -> Option<Cow<'l, [u8]>> {
        match (self, field) {
            (Self::Columns(line, separator), Field::Column(place)) => {
                column(line, separator, *place).map(Cow::Borrowed)
            }
            (Self::Syslog(message), Field::Syslog(field)) => message.field(*field),
            (Self::Syslog(message), Field::Timestamp) => message.timestamp.map(Cow::Borrowed),
            (Self::Influx(point), field) => point.field(field),
            _ => None,
        }
    }
}

/// A column without the blanks around it, counted from 1.
fn column<'l>(line: &'l [u8], separator: &[u8], place: usize) -> Option<&'l [u8]> {
    let mut rest = line;
    for _ in 1..place {
        let end = rest.windows(separator.len()).position(|window| window == separator)?;
        rest = &rest[end + separator.len()..];
    }
    let end = rest.windows(separator.len()).position(|window| window == separator);
    Some(rest[..end.unwrap_or(rest.len())].trim_ascii())
}

#[test]
fn columns_are_counted_from_one() {
    let line = b"a, b,,\xff";
    let of = |place| column(line, b",", place);
    assert_eq!(
        [of(1), of(2), of(3), of(4), of(5)],
        [Some(&b"a"[..]), Some(b"b"), Some(b""), Some(b"\xff"), None]
    );
    assert_eq!(column(b"a::b", b"::", 2), Some(&b"b"[..]));
}
