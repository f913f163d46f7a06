//! Primitives into a buffer of fixed size.

/// The buffer is too small for what was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Writes from the beginning of a buffer. What does not fit is remembered and told once, by [`finish`](Self::finish):
/// the encoders stay free of error paths.
pub(crate) struct Writer<'b> {
    buf: &'b mut [u8],
    len: usize,
    full: bool,
}

impl<'b> Writer<'b> {
    /// A writer at the buffer's beginning.
    pub(crate) fn new(buf: &'b mut [u8]) -> Self {
        Self { buf, len: 0, full: false }
    }

    /// Bytes as they are. On a small machine every field of every request is written by it, each in fewer bytes of code.
    #[cfg_attr(target_pointer_width = "32", inline(never))]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        match self.buf.get_mut(self.len..).and_then(|room| room.get_mut(..bytes.len())) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.len += bytes.len();
            }
            None => self.full = true,
        }
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.bytes(&[u8::from(value)]);
    }

    pub(crate) fn i16(&mut self, value: i16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn i32(&mut self, value: i32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.bytes(&value.to_be_bytes());
    }

    /// Seven bits per byte, the lowest first.
    pub(crate) fn uvarint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.bytes(&[value as u8 | 0x80]);
            value >>= 7;
        }
        self.bytes(&[value as u8]);
    }

    /// Goes over bytes that are in their place already.
    pub(crate) fn pass(&mut self, bytes: usize) {
        self.full |= self.buf.len() - self.len < bytes;
        self.len = (self.len + bytes).min(self.buf.len());
    }

    /// The length of a text: two bytes, or one more than it as a varint.
    pub(crate) fn text_length(&mut self, flexible: bool, length: usize) {
        match i16::try_from(length) {
            Ok(length) if !flexible => self.i16(length),
            Ok(length) => self.uvarint(length as u32 + 1),
            // A length that Kafka would read as another one must not get out.
            Err(_) => self.full = true,
        }
    }

    /// The length of an array or of records: four bytes, or one more than it as a varint.
    pub(crate) fn length(&mut self, flexible: bool, length: u32) {
        match i32::try_from(length) {
            Ok(length) if !flexible => self.i32(length),
            Ok(_) => self.uvarint(length + 1),
            Err(_) => self.full = true,
        }
    }

    /// A text with its length.
    pub(crate) fn text(&mut self, flexible: bool, text: &str) {
        self.text_length(flexible, text.len());
        self.bytes(text.as_bytes());
    }

    /// A text that may be null.
    pub(crate) fn nullable_text(&mut self, flexible: bool, text: Option<&str>) {
        match text {
            Some(text) => self.text(flexible, text),
            None if flexible => self.uvarint(0),
            None => self.i16(-1),
        }
    }

    /// The end of a structure: no tagged fields, where the version has them.
    pub(crate) fn no_tags(&mut self, flexible: bool) {
        self.bytes(no_tags(flexible));
    }

    /// Writes over four bytes that are there already.
    pub(crate) fn patch_i32(&mut self, at: usize, value: i32) {
        if let Some(room) = self.buf[..self.len].get_mut(at..at + 4) {
            room.copy_from_slice(&value.to_be_bytes());
        }
    }

    /// How much has been written.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// How much was written in all, if all of it fitted.
    pub(crate) const fn finish(self) -> Result<usize, Full> {
        if self.full { Err(Full) } else { Ok(self.len) }
    }
}

/// An empty section of tagged fields, where the version has them.
pub(crate) const fn no_tags(flexible: bool) -> &'static [u8] {
    if flexible { &[0] } else { &[] }
}

/// The bytes that [`Writer::uvarint`] writes.
pub(crate) const fn uvarint_len(value: u32) -> usize {
    // Seven bits each, and at least one byte for a zero.
    (38 - (value | 1).leading_zeros() as usize) / 7
}

/// The bytes that [`Writer::text_length`] writes.
pub(crate) const fn text_length_len(flexible: bool, length: usize) -> usize {
    if flexible { uvarint_len(length as u32 + 1) } else { 2 }
}

/// The bytes that [`Writer::length`] writes.
pub(crate) const fn length_len(flexible: bool, length: u32) -> usize {
    if flexible { uvarint_len(length.saturating_add(1)) } else { 4 }
}
