//! What a decoder tells, and to whom.

use super::Field;
use crate::error::ProtocolError;

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'v> {
    I16(i16),
    I32(i32),
    I64(i64),
    Uuid([u8; 16]),
    /// Names come whole. A message is told as far as it is UTF-8 and fits into 255 bytes.
    Text(Option<&'v str>),
    /// A piece of bytes, never empty; more pieces of the same field may follow.
    Bytes(&'v [u8]),
}

/// What the decoder tells. The fields of an element come between its `Next` and its `EndOfElement`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item<'v> {
    /// A field was read.
    Value(Field, Value<'v>),
    /// An array of so many elements begins; a null one has none, a structure counts as an array of one.
    Start(Field, u32),
    /// An element of the array begins.
    Next(Field),
    /// All fields of the element were told, the tagged ones too.
    EndOfElement(Field),
    /// The array is complete.
    End(Field),
}

/// Who is told. It is a pointer, so that the decoder is there once and not once for each answer.
pub(super) type Sink<'s> = &'s mut dyn FnMut(Item<'_>) -> Result<(), ProtocolError>;

/// Whether the answer is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// All bytes of the answer were taken.
    Done,
    /// The input was taken, and more must come.
    More,
}
