//! How keys and values become bytes: the [`Serialize`] trait, and the built-in serializers.
//!
//! | type | bytes | Java's serializer |
//! |---|---|---|
//! | `str`, `String`, `heapless::String`, `fmt::Arguments` | the text in UTF-8 | `StringSerializer` |
//! | `[u8]`, `[u8; N]`, `Vec<u8>`, `heapless::Vec<u8, N>` | themselves | `ByteArraySerializer` |
//! | `i16`, `i32`, `i64`, `f32`, `f64` | big-endian | `ShortSerializer` to `DoubleSerializer` |
//! | `i8`, `u8`, `u16`, `u32`, `u64` | big-endian | |
//! | `bool` | one byte, 1 or 0 | `BooleanSerializer` |
//! | `uuid::Uuid` (feature `uuid`) | the text with hyphens, in lower case | `UUIDSerializer` |
//! | `Json<T>` (feature `json`) | compact JSON | |
//! | `()`, `None` | null | `VoidSerializer` |
//!
//! `Some(x)`, `&x`, and with the feature `alloc` `Box` and `Cow`, are what they hold.

use core::fmt;

/// A small memory into which a serializer writes what is not bytes already. The sending thread keeps it.
pub trait Scratch {
    /// Appends bytes.
    ///
    /// # Errors
    ///
    /// [`SerializeError::SCRATCH_FULL`] where they do not fit; what was written before may stay.
    fn write(&mut self, bytes: &[u8]) -> Result<(), SerializeError>;

    /// All that was written since the last [`clear`](Self::clear).
    fn bytes(&self) -> &[u8];

    /// Forgets what was written, and keeps the memory.
    fn clear(&mut self);
}

/// A scratch takes formatted text, so a serializer can `write!` to it.
impl fmt::Write for dyn Scratch + '_ {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

impl<const N: usize> Scratch for heapless::Vec<u8, N> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), SerializeError> {
        self.extend_from_slice(bytes).map_err(|_| SerializeError::SCRATCH_FULL)
    }

    fn bytes(&self) -> &[u8] {
        self
    }

    fn clear(&mut self) {
        self.clear();
    }
}

/// What can be a record's key or value.
///
/// It runs on the thread that sends, outside every lock. A failure is about that one record only.
///
/// ```
/// use core::fmt::Write;
/// use felice_core::record::ProducerRecord;
/// use felice_core::serializer::{Scratch, Serialize, SerializeError};
///
/// struct Celsius(f32);
///
/// impl Serialize for Celsius {
///     fn serialize<'a>(&'a self, scratch: &'a mut dyn Scratch) -> Result<Option<&'a [u8]>, SerializeError> {
///         if self.0 < -273.15 {
///             return Err(SerializeError::new("below absolute zero"));
///         }
///         write!(scratch, "{:.1}", self.0).map_err(|_| SerializeError::SCRATCH_FULL)?;
///         Ok(Some(scratch.bytes()))
///     }
/// }
///
/// let mut scratch = (heapless::Vec::<u8, 64>::new(), heapless::Vec::<u8, 64>::new());
/// let record = ProducerRecord::new("readings", Celsius(21.54)).key(7_i32);
/// let bytes = record.serialize(&mut scratch.0, &mut scratch.1)?;
/// assert_eq!((bytes.key, bytes.value), (Some(&[0, 0, 0, 7][..]), Some(&b"21.5"[..])));
///
/// let impossible = ProducerRecord::new("readings", Celsius(-300.0));
/// let error = impossible.serialize(&mut scratch.0, &mut scratch.1).unwrap_err();
/// assert_eq!(error.to_string(), "below absolute zero");
/// # Ok::<(), SerializeError>(())
/// ```
pub trait Serialize {
    /// The bytes, or `None` for null. The scratch is empty at the call; a type that holds its bytes already returns
    /// them and leaves the scratch alone.
    ///
    /// # Errors
    ///
    /// Whatever the type calls an error, or [`SerializeError::SCRATCH_FULL`]. The record is refused with it.
    fn serialize<'a>(&'a self, scratch: &'a mut dyn Scratch) -> Result<Option<&'a [u8]>, SerializeError>;
}

/// Why a key or a value could not be serialized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SerializeError {
    reason: &'static str,
}

impl SerializeError {
    /// The scratch has a fixed size and the bytes do not fit into it.
    pub const SCRATCH_FULL: Self = Self::new("larger than the scratch memory for serialized keys and values");

    /// An error with this reason, for serializers of your own.
    #[must_use]
    pub const fn new(reason: &'static str) -> Self {
        Self { reason }
    }
}

impl fmt::Display for SerializeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}

impl core::error::Error for SerializeError {}

/// Types that are bytes already.
macro_rules! bytes_already {
    ($([$($generics:tt)*] $type:ty => $bytes:expr;)*) => {
        $(impl<$($generics)*> Serialize for $type {
            #[inline]
            fn serialize<'a>(&'a self, _: &'a mut dyn Scratch) -> Result<Option<&'a [u8]>, SerializeError> {
                let bytes: fn(&$type) -> &[u8] = $bytes;
                Ok(Some(bytes(self)))
            }
        })*
    };
}

bytes_already! {
    [] str => |text| text.as_bytes();
    [] [u8] => |bytes| bytes;
    [const N: usize] [u8; N] => |bytes| bytes;
    [const N: usize] heapless::String<N> => |text| text.as_bytes();
    [const N: usize] heapless::Vec<u8, N> => |bytes| bytes;
}

/// Numbers are big-endian, as Java's serializers write them.
macro_rules! big_endian {
    ($($type:ty)*) => {
        $(impl Serialize for $type {
            fn serialize<'a>(&'a self, scratch: &'a mut dyn Scratch) -> Result<Option<&'a [u8]>, SerializeError> {
                written(scratch, &self.to_be_bytes())
            }
        })*
    };
}

big_endian! { i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 }

fn written<'a>(scratch: &'a mut dyn Scratch, bytes: &[u8]) -> Result<Option<&'a [u8]>, SerializeError> {
    scratch.write(bytes)?;
    Ok(Some(scratch.bytes()))
}

impl Serialize for bool {
    fn serialize<'a>(&'a self, scratch: &'a mut dyn Scratch) -> Result<Option<&'a [u8]>, SerializeError> {
        written(scratch, &[u8::from(*self)])
    }
}

/// Formatted text, without a heap: `ProducerRecord::new("readings", format_args!("{celsius:.1}"))`.
impl Serialize for fmt::Arguments<'_> {
    fn serialize<'a>(&'a self, scratch: &'a mut dyn Scratch) -> Result<Option<&'a [u8]>, SerializeError> {
        fmt::Write::write_fmt(scratch, *self).map_err(|_| SerializeError::SCRATCH_FULL)?;
        Ok(Some(scratch.bytes()))
    }
}

/// Null.
impl Serialize for () {
    #[inline]
    fn serialize<'a>(&'a self, _: &'a mut dyn Scratch) -> Result<Option<&'a [u8]>, SerializeError> {
        Ok(None)
    }
}

impl<T: Serialize> Serialize for Option<T> {
    #[inline]
    fn serialize<'a>(&'a self, scratch: &'a mut dyn Scratch) -> Result<Option<&'a [u8]>, SerializeError> {
        match self {
            Some(value) => value.serialize(scratch),
            None => Ok(None),
        }
    }
}

impl<T: Serialize + ?Sized> Serialize for &T {
    #[inline]
    fn serialize<'a>(&'a self, scratch: &'a mut dyn Scratch) -> Result<Option<&'a [u8]>, SerializeError> {
        (**self).serialize(scratch)
    }
}

#[cfg(feature = "alloc")]
mod heap {
    use alloc::borrow::{Cow, ToOwned};
    use alloc::boxed::Box;
    use alloc::string::String;
    use alloc::vec::Vec;

    use super::{Scratch, Serialize, SerializeError};

    /// Grows to the largest key or value and stays so: no allocation per record.
    impl Scratch for Vec<u8> {
        fn write(&mut self, bytes: &[u8]) -> Result<(), SerializeError> {
            self.extend_from_slice(bytes);
            Ok(())
        }

        fn bytes(&self) -> &[u8] {
            self
        }

        fn clear(&mut self) {
            self.clear();
        }
    }

    bytes_already! {
        [] String => |text| text.as_bytes();
        [] Vec<u8> => |bytes| bytes;
    }

    impl<T: Serialize + ?Sized> Serialize for Box<T> {
        fn serialize<'a>(&'a self, scratch: &'a mut dyn Scratch) -> Result<Option<&'a [u8]>, SerializeError> {
            (**self).serialize(scratch)
        }
    }

    impl<T: Serialize + ToOwned + ?Sized> Serialize for Cow<'_, T> {
        fn serialize<'a>(&'a self, scratch: &'a mut dyn Scratch) -> Result<Option<&'a [u8]>, SerializeError> {
            (**self).serialize(scratch)
        }
    }
}

/// Java's `UUIDSerializer` writes the text, not the 16 bytes.
#[cfg(feature = "uuid")]
impl Serialize for uuid::Uuid {
    fn serialize<'a>(&'a self, scratch: &'a mut dyn Scratch) -> Result<Option<&'a [u8]>, SerializeError> {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        written(scratch, self.as_hyphenated().encode_lower(&mut text).as_bytes())
    }
}

/// A key or a value as compact JSON. Unlike every other built-in it allocates once per record, as `serde_json` does
/// without `std`.
///
/// ```
/// use felice_core::record::ProducerRecord;
/// use felice_core::serializer::Json;
///
/// let record = ProducerRecord::new("readings", Json(("sensor-7", 21.5)));
/// let mut scratch = (Vec::new(), Vec::new());
/// let bytes = record.serialize(&mut scratch.0, &mut scratch.1)?;
/// assert_eq!(bytes.value, Some(&br#"["sensor-7",21.5]"#[..]));
/// # Ok::<(), felice_core::serializer::SerializeError>(())
/// ```
#[cfg(feature = "json")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Json<T>(pub T);

#[cfg(feature = "json")]
impl<T: serde::Serialize> Serialize for Json<T> {
    fn serialize<'a>(&'a self, scratch: &'a mut dyn Scratch) -> Result<Option<&'a [u8]>, SerializeError> {
        let json =
            serde_json::to_vec(&self.0).map_err(|_| SerializeError::new("the value has no form in JSON"))?;
        written(scratch, &json)
    }
}

#[cfg(test)]
mod tests;
