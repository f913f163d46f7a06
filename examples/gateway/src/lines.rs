//! Lines out of bytes as they come. Holds the begin of one line, and never more of it than a line may have.

/// A line without its end (`\n` or `\r\n`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// All of it; whatever bytes it has.
    Whole(&'a [u8]),
    /// Longer than a line may be: how many bytes it had. They were passed over.
    TooLong(u64),
}

/// What is held between lines of a usual length; more is given back.
const KEPT_BYTES: usize = 64 * 1024;

/// The begin of a line whose end has not come yet.
#[derive(Debug)]
pub(crate) struct Lines {
    held: Vec<u8>,
    /// How much of a line that is too long was passed over.
    passed: Option<u64>,
    /// How many bytes have come, up to the end of the last line.
    taken: u64,
    max: usize,
}

impl Lines {
    /// Lines of `max` bytes at most.
    pub(crate) const fn new(max: usize) -> Self {
        Self { held: Vec::new(), passed: None, taken: 0, max }
    }

    /// The same, `begin` bytes from the begin of what they are in.
    pub(crate) const fn starting_at(mut self, begin: u64) -> Self {
        self.taken = begin;
        self
    }

    /// Takes what has come, and gives each line that ends in it, but empty ones, with the place behind its end.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(Line<'_>, u64)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (piece, rest) = (&bytes[..end], &bytes[end + 1..]);
            bytes = rest;
            if self.is_between() {
                self.taken += piece.len() as u64 + 1;
                self.give(piece, &mut each);
            } else {
                self.hold(piece);
                self.taken += 1;
                self.end(&mut each);
            }
        }
        self.hold(bytes);
    }

    /// Nothing more comes: what is held is a line, too.
    pub(crate) fn end(&mut self, mut each: impl FnMut(Line<'_>, u64)) {
        self.taken += self.held();
        if let Some(passed) = self.passed.take() {
            each(Line::TooLong(passed), self.taken);
            return;
        }
        let mut held = std::mem::take(&mut self.held);
        self.give(&held, &mut each);
        held.clear();
        held.shrink_to(KEPT_BYTES);
        self.held = held;
    }

    /// How many bytes of a line without an end have come.
    pub(crate) fn held(&self) -> u64 {
        self.passed.unwrap_or(self.held.len() as u64)
    }

    /// The place behind the last line that was given, or passed over.
    pub(crate) const fn taken(&self) -> u64 {
        self.taken
    }

    /// Forgets what has come of a line without an end.
    pub(crate) fn forget(&mut self) {
        (self.held, self.passed) = (Vec::new(), None);
    }

    fn is_between(&self) -> bool {
        self.held.is_empty() && self.passed.is_none()
    }

    fn give(&self, line: &[u8], each: &mut impl FnMut(Line<'_>, u64)) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > self.max {
            each(Line::TooLong(line.len() as u64), self.taken);
        } else if !line.is_empty() {
            each(Line::Whole(line), self.taken);
        }
    }

    fn hold(&mut self, piece: &[u8]) {
        if let Some(passed) = &mut self.passed {
            *passed += piece.len() as u64;
        } else if self.held.len() + piece.len() > self.max + 1 {
            // One byte more may be that of a `\r\n`.
            self.passed = Some((self.held.len() + piece.len()) as u64);
            self.held = Vec::new();
        } else {
            self.held.extend_from_slice(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every way to cut the bytes in two, and byte by byte, gives the same lines.
    fn lines(bytes: &[u8], max: usize) -> Vec<Result<Vec<u8>, u64>> {
        let of = |pieces: &[&[u8]]| {
            let (mut lines, mut all) = (Lines::new(max), Vec::new());
            let mut take = |line: Line<'_>, place: u64| {
                let before = &bytes[..place as usize];
                assert!(before.ends_with(b"\n") || before.len() == bytes.len());
                match line {
                    Line::Whole(line) => {
                        assert!(before.trim_ascii_end().ends_with(line.trim_ascii_end()));
                        all.push(Ok(line.to_vec()));
                    }
                    Line::TooLong(bytes) => all.push(Err(bytes)),
                }
            };
            for piece in pieces {
                lines.feed(piece, &mut take);
                assert!(lines.held.len() <= max + 1);
            }
            lines.end(&mut take);
            assert_eq!((lines.held(), lines.taken()), (0, bytes.len() as u64));
            all
        };
        let whole = of(&[bytes]);
        for cut in 0..=bytes.len() {
            assert_eq!(of(&[&bytes[..cut], &bytes[cut..]]), whole);
        }
        assert_eq!(of(&bytes.chunks(1).collect::<Vec<_>>()), whole);
        whole
    }

    #[test]
    fn lines_end_with_either_end_and_hold_any_bytes() {
        let ok = |line: &[u8]| Ok(line.to_vec());
        assert_eq!(lines(b"a\nbc\r\n\n\r\nd", 9), [ok(b"a"), ok(b"bc"), ok(b"d")]);
        assert_eq!(lines(b"\xff\xfe\0\n\r\r\n", 9), [ok(b"\xff\xfe\0"), ok(b"\r")]);
    }

    #[test]
    fn what_is_too_long_is_passed_over_and_what_follows_is_not() {
        let ok = |line: &[u8]| Ok(line.to_vec());
        assert_eq!(lines(b"1234\n12345\nabc\n", 4), [ok(b"1234"), Err(5), ok(b"abc")]);
        assert_eq!(lines(b"123456789", 4), [Err(9)]);
        assert_eq!(lines(b"1234\r\nx", 4), [ok(b"1234"), ok(b"x")]);
    }
}
