//! Lines that somebody else wrote: from a file, or from standard input.

use std::io::{self, BufRead, Read};

/// What becomes a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The record's key; lines of a file have none.
    pub key: Option<String>,
    /// The record's value.
    pub value: Vec<u8>,
}

/// Longer lines are refused: a file without line ends must not fill the memory.
const LINE_BYTES_MAX: u64 = 1024 * 1024;

/// Up to `count` lines, without their ends. Empty ones are skipped; bytes that are not UTF-8 stay as they are.
///
/// # Errors
///
/// What reading reports, and a line of more than 1 MiB.
pub fn lines(mut input: impl BufRead, count: usize) -> io::Result<Vec<Reading>> {
    let mut readings = Vec::new();
    let mut number = 0_u64;
    while readings.len() < count {
        number += 1;
        let mut line = Vec::new();
        if input.by_ref().take(LINE_BYTES_MAX + 2).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if line.len() as u64 > LINE_BYTES_MAX {
            return Err(io::Error::other(format!("line {number} is longer than 1 MiB")));
        }
        if !line.is_empty() {
            readings.push(Reading { key: None, value: line });
        }
    }
    Ok(readings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8], count: usize) -> Vec<Vec<u8>> {
        lines(input, count).unwrap().into_iter().map(|reading| reading.value).collect()
    }

    #[test]
    fn line_ends_are_taken_off_and_empty_lines_skipped() {
        assert_eq!(read(b"one\r\n\ntwo\n\xff\nlast", 10), [&b"one"[..], b"two", b"\xff", b"last"]);
        assert_eq!(read(b"one\ntwo\nthree\n", 2), [b"one", b"two"]);
        assert!(read(b"", 2).is_empty());
    }

    #[test]
    fn a_line_may_have_a_mebibyte_and_no_more() {
        let mut input = vec![b'x'; LINE_BYTES_MAX as usize];
        input.extend(b"\r\n");
        assert_eq!(read(&input, 9)[0].len(), LINE_BYTES_MAX as usize);
        input.insert(0, b'x');
        input.splice(0..0, *b"first\n");
        assert_eq!(lines(&input[..], 9).unwrap_err().to_string(), "line 2 is longer than 1 MiB");
    }
}
