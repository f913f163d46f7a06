//! Primitives out of a stream that stops anywhere: what is whole in the input is read there, what is cut is gathered.

use crate::error::ProtocolError;

/// Bytes of a text that are kept; a topic's name has at most 249, a host's 253.
pub(super) const TEXT_BYTES_MAX: usize = 255;

/// Why a step did not come to its end.
pub(super) enum Stop {
    /// The input is used up.
    More,
    /// The answer is none.
    Failed(ProtocolError),
}

impl From<ProtocolError> for Stop {
    fn from(error: ProtocolError) -> Self {
        Self::Failed(error)
    }
}

/// The bytes of one answer, one primitive after the other.
///
/// Positions are counted from the answer's end: `left` goes down to 0, and a structure that ends before the answer does
/// ends where `left` is its `end`. An input must not have more than `left` bytes.
#[derive(Debug)]
pub(super) struct Gather {
    /// Bytes of the answer that have not been taken.
    left: u32,
    /// Bytes of the text, or of what is skipped, that have not been taken.
    rest: u32,
    /// Bytes in the scratch.
    gathered: u8,
    /// The beginning of a primitive or text that the last input cut.
    scratch: [u8; TEXT_BYTES_MAX],
}

impl Gather {
    /// An answer of so many bytes.
    pub(super) const fn new(length: u32) -> Self {
        Self { left: length, rest: 0, gathered: 0, scratch: [0; TEXT_BYTES_MAX] }
    }

    /// Bytes of the answer that have not been taken.
    pub(super) const fn left(&self) -> u32 {
        self.left
    }

    /// Refuses what reaches beyond the end of the structure that it is in: at once, not when its bytes stay away.
    pub(super) fn check(&self, bytes: u64, end: u32) -> Result<(), ProtocolError> {
        if bytes > u64::from(self.left.saturating_sub(end)) { Err(ProtocolError::Malformed) } else { Ok(()) }
    }

    /// Exactly `N` bytes.
    pub(super) fn fixed<const N: usize>(&mut self, input: &mut &[u8], end: u32) -> Result<[u8; N], Stop> {
        let gathered = usize::from(self.gathered);
        if gathered == 0 {
            self.check(N as u64, end)?;
            if let Some((whole, _)) = input.split_first_chunk() {
                self.take(input, N);
                return Ok(*whole);
            }
        }
        let piece = self.take(input, N - gathered);
        self.keep(piece);
        match self.scratch.first_chunk() {
            Some(whole) if usize::from(self.gathered) == N => {
                self.gathered = 0;
                Ok(*whole)
            }
            _ => Err(Stop::More),
        }
    }

    /// An unsigned varint of at most 32 bits.
    pub(super) fn uvarint(&mut self, input: &mut &[u8], end: u32) -> Result<u32, Stop> {
        // Most have one byte.
        if let (0, &[byte @ ..0x80, ..]) = (self.gathered, *input) {
            self.check(1, end)?;
            self.take(input, 1);
            return Ok(byte.into());
        }
        loop {
            self.check(1, end)?;
            let &[byte] = self.take(input, 1) else { return Err(Stop::More) };
            if self.gathered == 4 && byte > 0x0f {
                return Err(ProtocolError::Malformed.into());
            }
            self.keep(&[byte]);
            if byte < 0x80 {
                let bytes = &self.scratch[..usize::from(self.gathered)];
                self.gathered = 0;
                return Ok(bytes.iter().rev().fold(0, |value, byte| value << 7 | u32::from(byte & 0x7f)));
            }
        }
    }

    /// Announces a text, or bytes to be skipped.
    pub(super) fn announce(&mut self, bytes: u64, end: u32) -> Result<(), ProtocolError> {
        self.check(bytes, end)?;
        // At most `left`, as was just checked.
        self.rest = bytes as u32;
        Ok(())
    }

    /// The announced text, as far as it is kept.
    pub(super) fn text<'s, 'i: 's>(&'s mut self, input: &mut &'i [u8]) -> Result<&'s [u8], Stop> {
        let whole = self.gathered == 0 && self.rest as usize <= input.len();
        let piece = self.take(input, self.rest as usize);
        self.rest -= piece.len() as u32;
        if whole {
            return Ok(&piece[..piece.len().min(TEXT_BYTES_MAX)]);
        }
        self.keep(piece);
        if self.rest > 0 {
            return Err(Stop::More);
        }
        let gathered = core::mem::take(&mut self.gathered);
        Ok(&self.scratch[..usize::from(gathered)])
    }

    /// As many of the announced bytes as have come.
    pub(super) fn piece<'i>(&mut self, input: &mut &'i [u8]) -> &'i [u8] {
        let piece = self.take(input, self.rest as usize);
        self.rest -= piece.len() as u32;
        piece
    }

    /// Passes over the announced bytes.
    pub(super) fn skip(&mut self, input: &mut &[u8]) -> Result<(), Stop> {
        let _ = self.piece(input);
        if self.rest > 0 { Err(Stop::More) } else { Ok(()) }
    }

    /// Up to `bytes` of the input.
    fn take<'i>(&mut self, input: &mut &'i [u8], bytes: usize) -> &'i [u8] {
        let (piece, after) = input.split_at(bytes.min(input.len()));
        *input = after;
        self.left -= piece.len() as u32;
        piece
    }

    /// Puts a piece behind what is in the scratch, as far as there is room.
    fn keep(&mut self, piece: &[u8]) {
        let room = &mut self.scratch[usize::from(self.gathered)..];
        let kept = piece.len().min(room.len());
        room[..kept].copy_from_slice(&piece[..kept]);
        // The scratch is as long as a u8 counts.
        self.gathered += kept as u8;
    }
}
