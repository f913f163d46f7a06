//! Writing primitives: the mirror of [`Reader`](super::Reader).

use super::Uuid;

/// Appends fields to a growing buffer.
///
/// As with the reader, [`Writer::set_flexible`] chooses the layout, and the same calls write both.
#[derive(Debug, Clone, Default)]
pub struct Writer {
    bytes: Vec<u8>,
    flexible: bool,
}

impl Writer {
    /// An empty writer, in the layout without compact lengths.
    pub fn new() -> Self {
        Self::default()
    }

    /// Chooses between the flexible layout and the old one for what follows.
    pub fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    /// What was written so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Begins a frame: room for its length, which [`Writer::into_frame`] fills in.
    pub fn frame() -> Self {
        Self { bytes: vec![0; 4], flexible: false }
    }

    /// Ends what [`Writer::frame`] began: the whole frame, its length in front.
    pub fn into_frame(mut self) -> Vec<u8> {
        let length = (self.bytes.len() - 4) as i32;
        self.bytes[..4].copy_from_slice(&length.to_be_bytes());
        self.bytes
    }

    /// Bytes as they are, without a length.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// One byte, signed.
    pub fn i8(&mut self, value: i8) {
        self.raw(&value.to_be_bytes());
    }

    /// One byte, 0 or 1.
    pub fn bool(&mut self, value: bool) {
        self.i8(value.into());
    }

    /// Two bytes, big-endian.
    pub fn i16(&mut self, value: i16) {
        self.raw(&value.to_be_bytes());
    }

    /// Four bytes, big-endian.
    pub fn i32(&mut self, value: i32) {
        self.raw(&value.to_be_bytes());
    }

    /// Four bytes, big-endian, without a sign.
    pub fn u32(&mut self, value: u32) {
        self.raw(&value.to_be_bytes());
    }

    /// Eight bytes, big-endian.
    pub fn i64(&mut self, value: i64) {
        self.raw(&value.to_be_bytes());
    }

    /// Sixteen bytes.
    pub fn uuid(&mut self, value: &Uuid) {
        self.raw(value);
    }

    /// Seven bits per byte.
    pub fn unsigned_varint(&mut self, value: u32) {
        self.base128(value.into());
    }

    /// A zigzag varint of 32 bits.
    pub fn varint(&mut self, value: i32) {
        self.base128((((value << 1) ^ (value >> 31)) as u32).into());
    }

    /// A zigzag varint of 64 bits.
    pub fn varlong(&mut self, value: i64) {
        self.base128(((value << 1) ^ (value >> 63)) as u64);
    }

    fn base128(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// The length in front of a compact field: one more than the length, 0 for null.
    fn compact_length(&mut self, length: Option<usize>) {
        self.unsigned_varint(length.map_or(0, |length| length as u32 + 1));
    }

    fn long_length(&mut self, length: Option<usize>) {
        if self.flexible {
            self.compact_length(length);
        } else {
            self.i32(length.map_or(-1, |length| length as i32));
        }
    }

    /// A string, or null.
    pub fn nullable_string(&mut self, value: Option<&str>) {
        if self.flexible {
            self.compact_length(value.map(str::len));
        } else {
            self.i16(value.map_or(-1, |value| value.len() as i16));
        }
        self.raw(value.unwrap_or_default().as_bytes());
    }

    /// A string.
    pub fn string(&mut self, value: &str) {
        self.nullable_string(Some(value));
    }

    /// Bytes with their length, or null.
    pub fn nullable_bytes(&mut self, value: Option<&[u8]>) {
        self.long_length(value.map(<[u8]>::len));
        self.raw(value.unwrap_or_default());
    }

    /// Bytes in pieces, with the length of all of them.
    pub fn bytes_of_pieces(&mut self, pieces: &[&[u8]]) {
        self.long_length(Some(pieces.iter().map(|piece| piece.len()).sum()));
        for piece in pieces {
            self.raw(piece);
        }
    }

    /// An array, or null.
    pub fn nullable_array<T>(&mut self, elements: Option<&[T]>, mut element: impl FnMut(&mut Self, &T)) {
        self.long_length(elements.map(<[T]>::len));
        for value in elements.unwrap_or_default() {
            element(self, value);
        }
    }

    /// An array.
    pub fn array<T>(&mut self, elements: &[T], element: impl FnMut(&mut Self, &T)) {
        self.nullable_array(Some(elements), element);
    }

    /// The tagged fields at the end of a structure, in the order of their tags; nothing in the old layout.
    pub fn tagged_fields(&mut self, fields: &[(u32, Self)]) {
        if !self.flexible {
            return;
        }
        self.unsigned_varint(fields.len() as u32);
        for (tag, content) in fields {
            self.unsigned_varint(*tag);
            self.unsigned_varint(content.bytes.len() as u32);
            self.raw(&content.bytes);
        }
    }

    /// The end of a structure without tagged fields.
    pub fn no_tagged_fields(&mut self) {
        self.tagged_fields(&[]);
    }

    /// A tagged field's content, to be given to [`Writer::tagged_fields`].
    pub fn tag_content(write: impl FnOnce(&mut Self)) -> Self {
        let mut content = Self { bytes: Vec::new(), flexible: true };
        write(&mut content);
        content
    }
}
