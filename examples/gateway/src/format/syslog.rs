//! Syslog messages of RFC 5424, one in a line or datagram. Lengths are not limited here; what is not as the RFC says is
//! refused with the part that is wrong.

use std::borrow::Cow;

use crate::template::SyslogField;

/// A message, in its parts; `-` is none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Syslog<'l> {
    priority: u8,
    pub(crate) timestamp: Option<&'l [u8]>,
    host: Option<&'l [u8]>,
    app: Option<&'l [u8]>,
    process: Option<&'l [u8]>,
    message_id: Option<&'l [u8]>,
    data: Option<&'l [u8]>,
    message: Option<&'l [u8]>,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// Facility 23, severity 7.
const PRIORITY_MAX: u8 = 191;

impl<'l> Syslog<'l> {
    pub(crate) fn parse(line: &'l [u8]) -> Result<Self, &'static str> {
        let rest = line.strip_prefix(b"<").ok_or("a message of RFC 5424 begins with <priority>")?;
        let end = rest.iter().take(4).position(|byte| *byte == b'>').ok_or("the priority has no end")?;
        let priority = str::from_utf8(&rest[..end]).ok().and_then(|text| text.parse().ok());
        let priority = priority.filter(|priority| *priority <= PRIORITY_MAX);
        let priority = priority.ok_or("the priority is not a number from 0 to 191")?;
        let rest = rest[end + 1..].strip_prefix(b"1 ").ok_or("the version behind the priority is not 1")?;
        let mut words = rest;
        let mut word = || -> Result<Option<&'l [u8]>, &'static str> {
            let end = words.iter().position(|byte| *byte == b' ').ok_or("the header is incomplete")?;
            let (word, rest) = (&words[..end], &words[end + 1..]);
            words = rest;
            Ok(present(word))
        };
        let [timestamp, host, app, process, message_id] = [word()?, word()?, word()?, word()?, word()?];
        let (data, message) = split_data(words)?;
        let message = message.map(|message| message.strip_prefix(BYTE_ORDER_MARK).unwrap_or(message));
        Ok(Self { priority, timestamp, host, app, process, message_id, data: present(data), message })
    }

    pub(crate) fn field(&self, field: SyslogField) -> Option<Cow<'l, [u8]>> {
        let number = |number: u8| Some(Cow::Owned(number.to_string().into_bytes()));
        match field {
            SyslogField::Facility => number(self.priority / 8),
            SyslogField::Severity => number(self.priority % 8),
            SyslogField::Host => self.host.map(Cow::Borrowed),
            SyslogField::App => self.app.map(Cow::Borrowed),
            SyslogField::Process => self.process.map(Cow::Borrowed),
            SyslogField::MessageId => self.message_id.map(Cow::Borrowed),
            SyslogField::Data => self.data.map(Cow::Borrowed),
            SyslogField::Message => self.message.map(Cow::Borrowed),
        }
    }
}

fn present(word: &[u8]) -> Option<&[u8]> {
    (word != b"-").then_some(word)
}

/// The structured data (`-`, or elements in brackets), and the message behind it.
fn split_data(rest: &[u8]) -> Result<(&[u8], Option<&[u8]>), &'static str> {
    let mut end = usize::from(rest.first() == Some(&b'-'));
    while end == 0 || rest.get(end) == Some(&b'[') {
        if rest.get(end) != Some(&b'[') {
            return Err("there is no structured data, and no - in its place");
        }
        end += element(&rest[end..]).ok_or("the structured data has no end")?;
        if rest.get(end) != Some(&b'[') {
            break;
        }
    }
    match rest.get(end) {
        None => Ok((rest, None)),
        Some(b' ') => Ok((&rest[..end], Some(&rest[end + 1..]))),
        Some(_) => Err("there is no blank behind the structured data"),
    }
}

/// How long an element in brackets is: a `]` in quotes is none.
fn element(bytes: &[u8]) -> Option<usize> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (place, byte) in bytes.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b']' if !is_quoted => return Some(place + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(message: &Syslog<'_>, field: SyslogField) -> String {
        message.field(field).map_or("none".into(), |value| String::from_utf8_lossy(&value).into_owned())
    }

    #[test]
    fn the_examples_of_the_rfc() {
        let message = Syslog::parse(
            b"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xef\xbb\xbf'su root' failed",
        );
        let message = message.unwrap();
        let all = [SyslogField::Facility, SyslogField::Severity, SyslogField::Host, SyslogField::App];
        assert_eq!(all.map(|field| text(&message, field)), ["4", "2", "mymachine.example.com", "su"]);
        let all = [SyslogField::Process, SyslogField::MessageId, SyslogField::Data, SyslogField::Message];
        assert_eq!(all.map(|field| text(&message, field)), ["none", "ID47", "none", "'su root' failed"]);
        assert_eq!(message.timestamp, Some(&b"2003-10-11T22:14:15.003Z"[..]));

        let line = br#"<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 evntslog 8710 - [a@1 b="x \] \" y"][c@1] all"#;
        let message = Syslog::parse(line).unwrap();
        assert_eq!(text(&message, SyslogField::Data), r#"[a@1 b="x \] \" y"][c@1]"#);
        assert_eq!(
            [SyslogField::Process, SyslogField::Message].map(|field| text(&message, field)),
            ["8710", "all"]
        );
        assert_eq!(Syslog::parse(b"<0>1 - - - - - [a]").unwrap().message, None);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, why) in [
            (&b"plain"[..], "<priority>"),
            (b"<1", "no end"),
            (b"<192>1 - - - - - -", "0 to 191"),
            (b"<>1 - - - - - -", "0 to 191"),
            (b"<13>Feb  5 17:32:18 host app: old", "version"),
            (b"<13>1 - - - -", "incomplete"),
            (b"<13>1 - - - - - ", "structured data"),
            (b"<13>1 - - - - - [a b=\"]\"", "no end"),
            (b"<13>1 - - - - - [a]x", "no blank"),
        ] {
            let error = Syslog::parse(line).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
