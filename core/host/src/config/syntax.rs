//! The syntax of `java.util.Properties`, as Kafka's own tools read their files.

use std::iter::Peekable;
use std::str::Chars;

/// A name and its value, and the line where they begin; lines are counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) line: usize,
    pub(super) name: String,
    pub(super) value: String,
}

/// A `\u` that stands for no character: the only thing that this syntax refuses.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadEscape {
    pub(super) line: usize,
}

/// All entries, in the order of the text. Of those with the same name the last one counts.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, BadEscape> {
    let entry = |(line, text): (usize, String)| {
        let (name, value) = split(&text);
        let unescape = |text| unescape(text).ok_or(BadEscape { line });
        Ok(Entry { line, name: unescape(name)?, value: unescape(value)? })
    };
    logical_lines(text).into_iter().map(entry).collect()
}

const BLANK: [char; 3] = [' ', '\t', '\x0c'];

/// Lines without comments and empty ones; those that end in a backslash are joined with the next, whose leading blanks
/// do not count.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let (mut begun, mut joined) = (0, String::new());
    let mut rest = physical_lines(text).peekable();
    while let Some((number, line)) = rest.next() {
        let line = line.trim_start_matches(BLANK);
        if joined.is_empty() {
            // Only here: what follows a backslash is no comment, and an empty line there ends the entry.
            if line.is_empty() || line.starts_with(['#', '!']) {
                continue;
            }
            begun = number;
        }
        let backslashes = line.len() - line.trim_end_matches('\\').len();
        let continued = backslashes % 2 == 1;
        joined.push_str(&line[..line.len() - usize::from(continued)]);
        if !continued || rest.peek().is_none() {
            lines.push((begun, std::mem::take(&mut joined)));
        }
    }
    // The next line was one of blanks, or a comment after nothing but a backslash.
    if !joined.is_empty() {
        lines.push((begun, joined));
    }
    lines
}

/// Lines as they are, which end with `\n`, `\r` or both.
pub(super) fn physical_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = text;
    let mut number = 0;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        number += 1;
        let (line, after) = rest.split_at(rest.find(['\n', '\r']).unwrap_or(rest.len()));
        rest = after.strip_prefix("\r\n").or_else(|| after.get(1..)).unwrap_or_default();
        Some((number, line))
    })
}

/// The name ends at the first blank, `=` or `:` that is not escaped; one `=` or `:` with blanks around it is neither of
/// the name nor of the value.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.find(|c: char| {
        let ends = !escaped && (BLANK.contains(&c) || c == '=' || c == ':');
        escaped = c == '\\' && !escaped;
        ends
    });
    let (name, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start_matches(BLANK);
    (name, rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start_matches(BLANK))
}

/// `\t`, `\n`, `\r`, `\f` and `\uXXXX`; before any other character a backslash means nothing.
fn unescape(text: &str) -> Option<String> {
    let mut unescaped = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        unescaped.push(match c {
            '\\' => match chars.next()? {
                't' => '\t',
                'n' => '\n',
                'r' => '\r',
                'f' => '\x0c',
                'u' => unicode(&mut chars)?,
                other => other,
            },
            plain => plain,
        });
    }
    Some(unescaped)
}

/// The character after `\u`: four hexadecimal digits, or twice as many, with another `\u` between, where Java's
/// characters are too small.
fn unicode(chars: &mut Peekable<Chars<'_>>) -> Option<char> {
    let unit = code_unit(chars)?;
    if !(0xd800..0xdc00).contains(&unit) {
        return char::from_u32(unit.into());
    }
    let second = (chars.next()? == '\\' && chars.next()? == 'u').then(|| code_unit(chars))??;
    char::decode_utf16([unit, second]).next()?.ok()
}

fn code_unit(chars: &mut Peekable<Chars<'_>>) -> Option<u16> {
    (0..4).try_fold(0, |unit, _| Some(unit << 4 | chars.next()?.to_digit(16)? as u16))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// What Java made of some texts; `tests/java/PropertiesGolden.java` writes it.
    const GOLDEN: &str = include_str!("../../../../tests/golden/properties_java17.tsv");

    fn unhex(hex: &str) -> String {
        let byte = |place| u8::from_str_radix(&hex[place..place + 2], 16).unwrap();
        String::from_utf8((0..hex.len()).step_by(2).map(byte).collect()).unwrap()
    }

    #[test]
    fn java_reads_the_same() {
        let mut refused = 0;
        for line in GOLDEN.lines() {
            let mut cells = line.split('\t');
            let text = unhex(cells.next().unwrap());
            let cells: Vec<&str> = cells.collect();
            let read = parse(&text);
            if cells == ["refused"] {
                refused += 1;
                assert!(read.is_err(), "{text:?}: {read:?}");
                continue;
            }
            let expected: BTreeMap<_, _> =
                cells.chunks(2).map(|entry| (unhex(entry[0]), unhex(entry[1]))).collect();
            let read: BTreeMap<_, _> =
                read.unwrap().into_iter().map(|entry| (entry.name, entry.value)).collect();
            assert_eq!(read, expected, "{text:?}");
        }
        assert!(GOLDEN.lines().count() > 400 && refused > 50);
    }

    #[test]
    fn entries_know_their_line() {
        let text = "# one\n\na=1\\\n  2\r\nb=3\rc=4\\\n\\\n\\u12\n";
        assert_eq!(parse(text), Err(BadEscape { line: 6 }));
        let lines: Vec<usize> =
            parse(text.trim_end_matches("\\u12\n")).unwrap().iter().map(|entry| entry.line).collect();
        assert_eq!(lines, [3, 5, 6]);
    }

    /// Whatever the text, it is read or refused, and a line is named that the text has.
    #[test]
    fn no_text_does_harm() {
        let pieces = [
            "\\", "\\u", "d83d", "\n", "\r", "=", " ", "#", "é", "😀", "\0", "a", "\\\\", "\u{feff}", "\\\n",
        ];
        let mut state = 431_u32;
        let mut random = |below: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize % below
        };
        for _ in 0..50_000 {
            let text: String = (0..random(20)).map(|_| pieces[random(pieces.len())]).collect();
            let lines = physical_lines(&text).count();
            match parse(&text) {
                Ok(entries) => assert!(entries.iter().all(|entry| (1..=lines).contains(&entry.line))),
                Err(BadEscape { line }) => assert!((1..=lines).contains(&line)),
            }
        }
    }
}
