//! Reading primitives: big-endian integers, varints, strings and arrays in both layouts, tagged fields.

use std::fmt;

use super::{Message, Uuid};

/// Why bytes could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// The bytes ended within a field.
    Truncated,
    /// A length that is negative where it may not be, or beyond the end.
    InvalidLength(i64),
    /// A variable-length integer of too many bytes.
    InvalidVarint,
    /// A string that is not UTF-8.
    InvalidUtf8,
    /// An API key or version that this codec does not know.
    Unsupported {
        /// The API's key.
        api_key: i16,
        /// The version asked for.
        version: i16,
    },
    /// A batch whose magic is not 2.
    InvalidMagic(i8),
    /// A batch's records are not what this codec writes.
    Compressed(u8),
    /// Bytes were left over after the last field.
    TrailingBytes(usize),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the bytes end within a field"),
            Self::InvalidLength(length) => write!(f, "impossible length {length}"),
            Self::InvalidVarint => f.write_str("a varint of too many bytes"),
            Self::InvalidUtf8 => f.write_str("a string is not UTF-8"),
            Self::Unsupported { api_key, version } => write!(f, "api key {api_key} v{version} is not known"),
            Self::InvalidMagic(magic) => write!(f, "magic {magic} instead of 2"),
            Self::Compressed(codec) => write!(f, "records that codec {codec} has not written"),
            Self::TrailingBytes(count) => write!(f, "{count} bytes after the last field"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// Reads fields from the front of a slice; what it returns borrows from the slice.
///
/// In a flexible version, lengths are compact and tagged fields exist; the header says which, and
/// [`Reader::set_flexible`] remembers it, so that a message reads both layouts with the same calls.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    flexible: bool,
}

impl<'a> Reader<'a> {
    /// A reader at the front of `bytes`, in the layout without compact lengths.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, flexible: false }
    }

    /// Chooses between the flexible layout and the old one for what follows.
    pub fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    /// The bytes that are not read yet.
    pub fn remaining(&self) -> &'a [u8] {
        self.bytes
    }

    /// An error unless everything was read.
    pub fn finish(&self) -> Result<(), DecodeError> {
        if self.bytes.is_empty() { Ok(()) } else { Err(DecodeError::TrailingBytes(self.bytes.len())) }
    }

    /// The body of a message.
    pub fn message<M: Message<'a>>(&mut self, version: i16) -> Result<M, DecodeError> {
        M::decode(version, self)
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or(DecodeError::Truncated)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array_of<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.bytes.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.bytes = rest;
        Ok(*taken)
    }

    /// One byte, signed.
    pub fn i8(&mut self) -> Result<i8, DecodeError> {
        Ok(i8::from_be_bytes(self.array_of()?))
    }

    /// One byte; anything but 0 is true.
    pub fn bool(&mut self) -> Result<bool, DecodeError> {
        Ok(self.i8()? != 0)
    }

    /// Two bytes, big-endian.
    pub fn i16(&mut self) -> Result<i16, DecodeError> {
        Ok(i16::from_be_bytes(self.array_of()?))
    }

    /// Four bytes, big-endian.
    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        Ok(i32::from_be_bytes(self.array_of()?))
    }

    /// Four bytes, big-endian, without a sign.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array_of()?))
    }

    /// Eight bytes, big-endian.
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        Ok(i64::from_be_bytes(self.array_of()?))
    }

    /// Sixteen bytes.
    pub fn uuid(&mut self) -> Result<Uuid, DecodeError> {
        self.array_of()
    }

    /// Seven bits per byte, at most five bytes.
    pub fn unsigned_varint(&mut self) -> Result<u32, DecodeError> {
        let value = self.base128(5)?;
        u32::try_from(value).map_err(|_| DecodeError::InvalidVarint)
    }

    /// A zigzag varint of 32 bits.
    pub fn varint(&mut self) -> Result<i32, DecodeError> {
        let value = self.unsigned_varint()?;
        Ok((value >> 1) as i32 ^ -((value & 1) as i32))
    }

    /// A zigzag varint of 64 bits.
    pub fn varlong(&mut self) -> Result<i64, DecodeError> {
        let value = self.base128(10)?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn base128(&mut self, bytes_max: u32) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for index in 0..bytes_max {
            let [byte] = self.array_of()?;
            // The tenth byte has room for one bit only.
            if index == 9 && byte > 1 {
                return Err(DecodeError::InvalidVarint);
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::InvalidVarint)
    }

    /// The length in front of a string (two bytes in the old layout); `None` is null.
    fn string_length(&mut self) -> Result<Option<usize>, DecodeError> {
        if self.flexible {
            return Ok((self.unsigned_varint()? as usize).checked_sub(1));
        }
        checked_length(self.i16()?.into())
    }

    /// The length in front of bytes or an array (four bytes in the old layout); `None` is null.
    fn long_length(&mut self) -> Result<Option<usize>, DecodeError> {
        if self.flexible {
            return Ok((self.unsigned_varint()? as usize).checked_sub(1));
        }
        checked_length(self.i32()?.into())
    }

    /// A string, or null.
    pub fn nullable_string(&mut self) -> Result<Option<&'a str>, DecodeError> {
        let Some(length) = self.string_length()? else { return Ok(None) };
        std::str::from_utf8(self.take(length)?).map(Some).map_err(|_| DecodeError::InvalidUtf8)
    }

    /// A string that may not be null.
    pub fn string(&mut self) -> Result<&'a str, DecodeError> {
        self.nullable_string()?.ok_or(DecodeError::InvalidLength(-1))
    }

    /// Bytes with their length, or null.
    pub fn nullable_bytes(&mut self) -> Result<Option<&'a [u8]>, DecodeError> {
        let Some(length) = self.long_length()? else { return Ok(None) };
        self.take(length).map(Some)
    }

    /// An array of `element`s, or null.
    pub fn nullable_array<T>(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(length) = self.long_length()? else { return Ok(None) };
        // Every element takes at least one byte, so a length beyond the end is a lie: nothing is reserved for it.
        if length > self.bytes.len() {
            return Err(DecodeError::InvalidLength(length as i64));
        }
        let mut elements = Vec::with_capacity(length.min(64));
        for _ in 0..length {
            elements.push(element(self)?);
        }
        Ok(Some(elements))
    }

    /// An array of `element`s that may not be null.
    pub fn array<T>(
        &mut self,
        element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        self.nullable_array(element)?.ok_or(DecodeError::InvalidLength(-1))
    }

    /// The tagged fields at the end of a structure; none in the old layout. `field` gets each tag and its content.
    pub fn tagged_fields(
        &mut self,
        mut field: impl FnMut(u32, &mut Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        if !self.flexible {
            return Ok(());
        }
        for _ in 0..self.unsigned_varint()? {
            let tag = self.unsigned_varint()?;
            let length = self.unsigned_varint()? as usize;
            let mut content = Self { bytes: self.take(length)?, flexible: true };
            field(tag, &mut content)?;
        }
        Ok(())
    }

    /// Steps over the tagged fields.
    pub fn skip_tagged_fields(&mut self) -> Result<(), DecodeError> {
        self.tagged_fields(|_, _| Ok(()))
    }
}

/// -1 is null; anything else below zero is an error.
fn checked_length(length: i64) -> Result<Option<usize>, DecodeError> {
    match length {
        -1 => Ok(None),
        0.. => Ok(Some(length as usize)),
        _ => Err(DecodeError::InvalidLength(length)),
    }
}
