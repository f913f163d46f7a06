//! A line becomes a record: topic, key, value, headers and capture time, by templates.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use felice_blocking::{Header, ProducerRecord, Timestamp};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::config::Unit;
use crate::format::{Format, Parsed};
use crate::template::{Field, Template};

/// What becomes of a source's lines.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mapping {
    pub(crate) format: Format,
    pub(crate) separator: String,
    pub(crate) topic: Template,
    pub(crate) key: Option<Template>,
    pub(crate) value: Option<Template>,
    pub(crate) headers: Vec<(String, Template)>,
    pub(crate) timestamp: Option<Template>,
    pub(crate) unit: Unit,
    pub(crate) unparsed_topic: Option<String>,
}

/// Where a line came from.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Origin<'o> {
    pub(crate) source: &'o str,
    pub(crate) peer: &'o str,
    pub(crate) path: &'o [u8],
    /// The place in the file behind the line's end.
    pub(crate) offset: u64,
}

/// What a line has become.
pub(crate) type Record<'r> = ProducerRecord<'r, Option<&'r [u8]>, &'r [u8]>;

/// Memory that one thread's lines share.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    bytes: Vec<u8>,
    topic: Vec<u8>,
}

/// How a line was told to be mapped, beside the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mapped {
    AsTold,
    /// It is none of its format, and goes to `unparsed_topic` as it is.
    Unparsed,
    /// The time that it tells is none, or one that Kafka would not take: it has that of its arrival.
    WithoutTime,
}

/// The header of a line that goes to `unparsed_topic`: why.
const PROBLEM: &str = "gateway-problem";
/// A broker refuses a batch of which one record is an hour ahead, and others would go with it.
const AHEAD_MAX_MS: i64 = 30 * 60 * 1000;
/// 2000-01-01: what is before was told by a clock that is not set.
const TIME_MIN_MS: i64 = 946_684_800_000;

impl Mapping {
    /// Makes a record of a line, and gives it to `send`.
    ///
    /// # Errors
    ///
    /// Why the line is none of its format, where there is no topic for such.
    pub(crate) fn record<R>(
        &self,
        line: &[u8],
        origin: Origin<'_>,
        scratch: &mut Scratch,
        send: impl FnOnce(&Record<'_>, Mapped) -> R,
    ) -> Result<R, &'static str> {
        let mapped = Parsed::of(self.format, line, self.separator.as_bytes()).and_then(|parsed| {
            scratch.topic.clear();
            let is_whole = self.topic.write(&mut scratch.topic, |name| field(&parsed, line, origin, name));
            if is_whole { Ok(parsed) } else { Err("it has not the fields of which the topic is made") }
        });
        match (mapped, &self.unparsed_topic) {
            (Ok(parsed), _) => self.parsed(line, &parsed, origin, scratch, send),
            (Err(problem), Some(topic)) => {
                let headers = [Header::new(PROBLEM, problem)];
                let record = ProducerRecord::new(topic, line).key(None).headers(&headers);
                Ok(send(&record, Mapped::Unparsed))
            }
            (Err(problem), None) => Err(problem),
        }
    }

    fn parsed<R>(
        &self,
        line: &[u8],
        parsed: &Parsed<'_>,
        origin: Origin<'_>,
        scratch: &mut Scratch,
        send: impl FnOnce(&Record<'_>, Mapped) -> R,
    ) -> Result<R, &'static str> {
        let bytes = &mut scratch.bytes;
        bytes.clear();
        // Where each part ends; one that is not there is as long as nothing.
        let mut write = |template: &Template| {
            let begin = bytes.len();
            template.write(bytes, |name| field(parsed, line, origin, name)).then_some(begin..bytes.len())
        };
        let key = self.key.as_ref().map(&mut write);
        let value = self.value.as_ref().map(&mut write);
        let headers: Vec<_> = self.headers.iter().map(|(name, template)| (name, write(template))).collect();
        let time = self.timestamp.as_ref().map(&mut write);
        let time = time.map(|range| range.and_then(|range| told(&bytes[range], self.unit)));

        let topic = str::from_utf8(&scratch.topic).map_err(|_| "its topic is no UTF-8")?;
        let headers: Vec<Header<'_>> = headers
            .iter()
            .filter_map(|(name, range)| Some(Header::new(name, bytes.get(range.clone()?)?)))
            .collect();
        let part = |range: Option<std::ops::Range<usize>>| range.map(|range| &bytes[range]);
        let value = match value {
            Some(range) => part(range).ok_or("it has not the fields of which the value is made")?,
            None => line,
        };
        let record = ProducerRecord::new(topic, value).key(key.and_then(part)).headers(&headers);
        Ok(match time {
            Some(Some(time)) => send(&record.timestamp(time), Mapped::AsTold),
            Some(None) => send(&record, Mapped::WithoutTime),
            None => send(&record, Mapped::AsTold),
        })
    }
}

fn field<'l>(parsed: &Parsed<'l>, line: &'l [u8], origin: Origin<'l>, name: &Field) -> Option<Cow<'l, [u8]>> {
    match name {
        Field::Line => Some(Cow::Borrowed(line)),
        Field::Source => Some(Cow::Borrowed(origin.source.as_bytes())),
        Field::Peer => Some(Cow::Borrowed(origin.peer.as_bytes())),
        Field::Path => Some(Cow::Borrowed(origin.path)),
        Field::Offset => Some(Cow::Owned(origin.offset.to_string().into_bytes())),
        _ => parsed.field(name),
    }
}

/// The time that a line tells, where it is one that Kafka takes.
fn told(text: &[u8], unit: Unit) -> Option<Timestamp> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    let millis = millis(str::from_utf8(text).ok()?, unit)?;
    (TIME_MIN_MS..=now + AHEAD_MAX_MS).contains(&millis).then(|| Timestamp::from_millis(millis))
}

/// Milliseconds since 1970 of a number or of a time as RFC 3339 writes it.
fn millis(text: &str, unit: Unit) -> Option<i64> {
    if let Ok(number) = text.parse::<i64>() {
        return match unit {
            Unit::Seconds => number.checked_mul(1000),
            Unit::Millis => Some(number),
            Unit::Micros => Some(number.div_euclid(1000)),
            Unit::Nanos => Some(number.div_euclid(1_000_000)),
        };
    }
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_numbers_or_rfc_3339() {
        let all = [Unit::Seconds, Unit::Millis, Unit::Micros, Unit::Nanos];
        let numbers = ["1700000000", "1700000000123", "1700000000123456", "1700000000123456789"];
        let read: Vec<_> = all.iter().zip(numbers).map(|(unit, text)| millis(text, *unit).unwrap()).collect();
        assert_eq!(read, [1_700_000_000_000, 1_700_000_000_123, 1_700_000_000_123, 1_700_000_000_123]);
        assert_eq!(millis("2023-11-14T23:13:20.123456+01:00", Unit::Millis), Some(1_700_000_000_123));
        assert_eq!([millis("soon", Unit::Millis), millis("9223372036854775807", Unit::Seconds)], [None; 2]);
    }

    #[test]
    fn a_time_that_would_fail_a_batch_is_not_taken() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let told = |seconds: i64| told(seconds.to_string().as_bytes(), Unit::Seconds).is_some();
        assert!(told(now) && told(now + 1700) && told(946_684_800));
        assert!(!told(now + 1900) && !told(946_684_799) && !told(0));
    }
}
