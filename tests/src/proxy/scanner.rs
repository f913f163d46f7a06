//! Where frames begin and end in a stream of bytes that is passed on as it comes.

/// The bytes of a frame's length.
const LENGTH_BYTES: usize = 4;

/// Looks at a stream of frames; of each it keeps the first `HEAD` bytes, length included.
#[derive(Debug)]
pub(super) struct Scanner<const HEAD: usize> {
    head: [u8; HEAD],
    have: usize,
    /// Bytes of the frame behind its head that have not come.
    left: usize,
    /// What came is no frame: nothing more is looked at.
    lost: bool,
}

/// What a scanner found.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Mark<const HEAD: usize> {
    /// A frame's first bytes, and how many it has in all.
    Begin([u8; HEAD], usize),
    /// The frame is complete.
    End,
}

impl<const HEAD: usize> Scanner<HEAD> {
    pub(super) const fn new() -> Self {
        Self { head: [0; HEAD], have: 0, left: 0, lost: false }
    }

    /// The next mark in `bytes`, which are used up to there; `None` when all are.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Option<Mark<HEAD>> {
        if self.lost {
            *bytes = &[];
            return None;
        }
        if self.have < HEAD {
            let count = bytes.len().min(HEAD - self.have);
            self.head[self.have..][..count].copy_from_slice(&bytes[..count]);
            self.have += count;
            *bytes = &bytes[count..];
            return if self.have == HEAD { self.begin(bytes) } else { None };
        }
        let count = bytes.len().min(self.left);
        self.left -= count;
        *bytes = &bytes[count..];
        if self.left > 0 {
            return None;
        }
        self.have = 0;
        Some(Mark::End)
    }

    fn begin(&mut self, rest: &mut &[u8]) -> Option<Mark<HEAD>> {
        let mut length = [0; LENGTH_BYTES];
        length.copy_from_slice(&self.head[..LENGTH_BYTES]);
        let frame = usize::try_from(i32::from_be_bytes(length)).ok().map(|length| length + LENGTH_BYTES);
        match frame.filter(|&frame| frame >= HEAD) {
            Some(frame) => {
                self.left = frame - HEAD;
                Some(Mark::Begin(self.head, frame))
            }
            None => {
                self.lost = true;
                *rest = &[];
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(pieces: &[&[u8]]) -> Vec<Mark<6>> {
        let mut scanner = Scanner::new();
        let mut marks = Vec::new();
        for piece in pieces {
            let mut rest = *piece;
            while let Some(mark) = scanner.next(&mut rest) {
                marks.push(mark);
            }
            assert!(rest.is_empty());
        }
        marks
    }

    #[test]
    fn frames_are_found_however_the_stream_is_cut() {
        let stream = [0, 0, 0, 4, 1, 2, 3, 4, 0, 0, 0, 2, 5, 6];
        let wanted = vec![
            Mark::Begin([0, 0, 0, 4, 1, 2], 8),
            Mark::End,
            Mark::Begin([0, 0, 0, 2, 5, 6], 6),
            Mark::End,
        ];
        for size in 1..=stream.len() {
            assert_eq!(marks(&stream.chunks(size).collect::<Vec<_>>()), wanted, "pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_frame_ends_the_looking() {
        assert_eq!(
            marks(&[b"GET / HTTP/1.1".map(|byte| byte | 0x80).as_slice(), &[0, 0, 0, 2, 5, 6]]),
            vec![]
        );
        assert_eq!(marks(&[&[0, 0, 0, 1, 5, 6, 7]]), vec![]);
    }
}
