//! Cutting a byte stream into frames.

use super::DecodeError;

/// The longest frame that is believed: a broker's `socket.request.max.bytes`.
pub const FRAME_BYTES_MAX: usize = 100 * 1024 * 1024;

/// The room that a read finds at least; the buffer grows with longer frames.
const READ_BYTES: usize = 16 * 1024;

/// Collects what comes from a socket and hands out whole frames, without copying them once more.
///
/// ```
/// use felice_tests::protocol::frame::FrameBuffer;
///
/// let mut buffer = FrameBuffer::new();
/// for byte in [0, 0, 0, 2, 7] {
///     buffer.push(&[byte]);
///     assert_eq!(buffer.next_frame(), Ok(None));
/// }
/// buffer.push(&[8]);
/// assert_eq!(buffer.next_frame(), Ok(Some(&[7, 8][..])));
/// ```
#[derive(Debug, Default)]
pub struct FrameBuffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl FrameBuffer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Free room to read into, never empty; tell [`FrameBuffer::filled`] how much of it was used.
    pub fn space(&mut self) -> &mut [u8] {
        if self.bytes.len() - self.end < READ_BYTES {
            self.make_room();
        }
        &mut self.bytes[self.end..]
    }

    /// Moves what is unread to the front, and grows for the frame that has begun.
    fn make_room(&mut self) {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        // Growing with what has come, not with what a length promises: a lie costs its sender the bytes.
        let wanted = (self.end * 2).max(2 * READ_BYTES);
        if self.bytes.len() < wanted {
            self.bytes.resize(wanted, 0);
        }
    }

    /// `count` bytes of [`FrameBuffer::space`] now hold data.
    pub fn filled(&mut self, count: usize) {
        self.end += count;
        assert!(self.end <= self.bytes.len(), "more was filled than there was space");
    }

    /// Copies `bytes` in: for tests without a socket.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let space = self.space();
            let count = space.len().min(bytes.len());
            space[..count].copy_from_slice(&bytes[..count]);
            self.filled(count);
            bytes = &bytes[count..];
        }
    }

    /// The next frame without its length, if all of it is here. An error means that the stream cannot go on.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, DecodeError> {
        let unread = &self.bytes[self.start..self.end];
        let Some((length, rest)) = unread.split_first_chunk::<4>() else { return Ok(None) };
        let length = i32::from_be_bytes(*length);
        let bytes = usize::try_from(length).map_err(|_| DecodeError::InvalidLength(length.into()))?;
        if bytes > FRAME_BYTES_MAX {
            return Err(DecodeError::InvalidLength(length.into()));
        }
        if rest.len() < bytes {
            return Ok(None);
        }
        let begin = self.start + 4;
        self.start = begin + bytes;
        Ok(Some(&self.bytes[begin..self.start]))
    }
}
