//! Text with fields of a line in it: `"{host}.{app}"`. Which fields there are is known when the settings are read.

use std::borrow::Cow;

/// A part of a line, or of where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// The whole line.
    Line,
    /// The source's name.
    Source,
    /// Who sent it: address and port.
    Peer,
    /// The file's name.
    Path,
    /// Where the line begins in the file.
    Offset,
    /// One of `columns`, counted from 1.
    Column(usize),
    /// Of syslog.
    Syslog(SyslogField),
    /// Of Influx: the measurement.
    Measurement,
    /// Of Influx: a tag.
    Tag(String),
    /// Of Influx: a field.
    Value(String),
    /// Of Influx and syslog: the time that the line tells.
    Timestamp,
}

/// What a message of RFC 5424 has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SyslogField {
    Facility,
    Severity,
    Host,
    App,
    Process,
    MessageId,
    Data,
    Message,
}

/// Text, and fields between it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(Field),
}

impl Template {
    /// Reads a template; `field` knows the names. `{{` and `}}` are braces.
    pub(crate) fn parse(text: &str, field: impl Fn(&str) -> Option<Field>) -> Result<Self, String> {
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(place) = rest.find(['{', '}']) {
            plain.push_str(&rest[..place]);
            rest = &rest[place..];
            if let Some(after) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
                plain.push_str(&rest[..1]);
                rest = after;
                continue;
            }
            let name = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
            let Some((name, after)) = name else {
                return Err(format!("{text:?} has a brace alone; {{{{ and }}}} stand for braces"));
            };
            let Some(field) = field(name) else {
                return Err(format!(
                    "{text:?} has the field {{{name}}}, which lines of this format have not"
                ));
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Field(field));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self(parts))
    }

    /// The text, where it has no fields.
    pub(crate) fn constant(&self) -> Option<&str> {
        match &self.0[..] {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Writes it behind what is in `into`. False where a field is not there: nothing is written then.
    pub(crate) fn write<'l>(
        &self,
        into: &mut Vec<u8>,
        field: impl Fn(&Field) -> Option<Cow<'l, [u8]>>,
    ) -> bool {
        let begin = into.len();
        for part in &self.0 {
            match part {
                Part::Text(text) => into.extend_from_slice(text.as_bytes()),
                Part::Field(name) => match field(name) {
                    Some(value) => into.extend_from_slice(&value),
                    None => {
                        into.truncate(begin);
                        return false;
                    }
                },
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Template, String> {
        Template::parse(text, |name| name.parse().ok().map(Field::Column))
    }

    fn written(text: &str) -> Option<String> {
        let mut bytes = b"before ".to_vec();
        let value = |field: &Field| match field {
            Field::Column(place @ 1..=2) => Some(Cow::Owned(format!("c{place}").into_bytes())),
            _ => None,
        };
        let is_whole = parse(text).unwrap().write(&mut bytes, value);
        assert!(bytes.starts_with(b"before ") && (is_whole || bytes.len() == 7));
        is_whole.then(|| String::from_utf8(bytes[7..].to_vec()).unwrap())
    }

    #[test]
    fn text_fields_and_braces() {
        assert_eq!(written("plain").unwrap(), "plain");
        assert_eq!(written("{1}").unwrap(), "c1");
        assert_eq!(written("a{1}-{2}b{{x}}").unwrap(), "ac1-c2b{x}");
        assert_eq!(written("a{1}{3}"), None, "the line has no such field");
        assert_eq!(
            (parse("plain").unwrap().constant(), parse("{1}").unwrap().constant()),
            (Some("plain"), None)
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, why) in [("{host}", "{host}, which"), ("a{1", "brace alone"), ("1}", "brace alone")] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why) && error.contains(text), "{error}");
        }
    }
}
