//! Points of Influx line protocol: `measurement,tag=value field=value timestamp`. It looks for what is asked, and keeps no
//! list of what a point has.

use std::borrow::Cow;

use crate::template::Field;

/// A point, in its three parts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Influx<'l> {
    measurement: &'l [u8],
    tags: &'l [u8],
    fields: &'l [u8],
    timestamp: Option<&'l [u8]>,
}

impl<'l> Influx<'l> {
    pub(crate) fn parse(line: &'l [u8]) -> Result<Self, &'static str> {
        if line.first() == Some(&b'#') {
            return Err("it is a comment");
        }
        let (series, rest) = split(line, b' ').ok_or("a point has no fields")?;
        let (fields, timestamp) =
            split(rest, b' ').map_or((rest, None), |(fields, time)| (fields, Some(time)));
        let (measurement, tags) = split(series, b',').unwrap_or((series, b""));
        if measurement.is_empty() {
            return Err("a point has no measurement");
        }
        let are_pairs =
            |list| pairs(list).all(|pair| split(pair, b'=').is_some_and(|(name, _)| !name.is_empty()));
        if fields.is_empty() || !are_pairs(fields) || !are_pairs(tags) {
            return Err("tags and fields are name=value, with commas between");
        }
        let timestamp = timestamp.map(<[u8]>::trim_ascii).filter(|time| !time.is_empty());
        if timestamp
            .is_some_and(|time| str::from_utf8(time).ok().and_then(|time| time.parse::<i64>().ok()).is_none())
        {
            return Err("the time of a point is no number");
        }
        Ok(Self { measurement, tags, fields, timestamp })
    }

    pub(crate) fn field(&self, field: &Field) -> Option<Cow<'l, [u8]>> {
        match field {
            Field::Measurement => Some(plain(self.measurement)),
            Field::Tag(name) => value(self.tags, name).map(plain),
            Field::Value(name) => value(self.fields, name).map(unquoted),
            Field::Timestamp => self.timestamp.map(Cow::Borrowed),
            _ => None,
        }
    }
}

/// Cut at the first such byte that is neither escaped nor in quotes.
fn split(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let (mut is_quoted, mut is_escaped, mut is_value) = (false, false, false);
    for (place, byte) in bytes.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            // Only a field's value is quoted, and it begins with the quote.
            b'"' if is_quoted || is_value => is_quoted = !is_quoted,
            byte if *byte == at && !is_quoted => return Some((&bytes[..place], &bytes[place + 1..])),
            _ => {}
        }
        is_value = *byte == b'=' && !is_escaped && !is_quoted;
    }
    None
}

/// What has commas between.
fn pairs(mut list: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if list.is_empty() {
            return None;
        }
        let (pair, rest) = split(list, b',').unwrap_or((list, b""));
        list = rest;
        Some(pair)
    })
}

fn value<'l>(list: &'l [u8], name: &str) -> Option<&'l [u8]> {
    pairs(list)
        .filter_map(|pair| split(pair, b'='))
        .find(|(of, _)| plain(of) == name.as_bytes())
        .map(|(_, value)| value)
}

/// Without escapes.
fn plain(bytes: &[u8]) -> Cow<'_, [u8]> {
    if !bytes.contains(&b'\\') {
        return Cow::Borrowed(bytes);
    }
    let mut is_escaped = false;
    let kept = bytes.iter().filter(|byte| {
        is_escaped = **byte == b'\\' && !is_escaped;
        !is_escaped
    });
    Cow::Owned(kept.copied().collect())
}

fn unquoted(bytes: &[u8]) -> Cow<'_, [u8]> {
    let inside = bytes.strip_prefix(b"\"").and_then(|bytes| bytes.strip_suffix(b"\""));
    inside.map_or(Cow::Borrowed(bytes), plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(line: &str, field: &Field) -> Option<String> {
        let point = Influx::parse(line.as_bytes()).unwrap();
        point.field(field).map(|value| String::from_utf8(value.into_owned()).unwrap())
    }

    #[test]
    fn parts_of_a_point() {
        let line = r#"cpu\ load,host=a\,b,zone=c idle=98.5,note="x, \"y\" =z",n=1i 1700000000000000000"#;
        let tag = |name: &str| get(line, &Field::Tag(name.into()));
        let value = |name: &str| get(line, &Field::Value(name.into()));
        assert_eq!(get(line, &Field::Measurement).unwrap(), "cpu load");
        assert_eq!([tag("host"), tag("zone"), tag("idle")], [Some("a,b".into()), Some("c".into()), None]);
        assert_eq!([value("idle"), value("n")], [Some("98.5".into()), Some("1i".into())]);
        assert_eq!(value("note").unwrap(), r#"x, "y" =z"#);
        assert_eq!(get(line, &Field::Timestamp).unwrap(), "1700000000000000000");
        assert_eq!(get("m v=1", &Field::Timestamp), None);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, why) in [
            ("cpu", "no fields"),
            (",a=b c=1", "no measurement"),
            ("cpu,a c=1", "name=value"),
            ("cpu c", "name=value"),
            ("cpu c=1 soon", "no number"),
            ("# cpu c=1", "comment"),
        ] {
            let error = Influx::parse(line.as_bytes()).unwrap_err();
            assert!(error.contains(why), "{line}: {error}");
        }
    }
}
