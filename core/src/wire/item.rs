//! What a decoder tells, and to whom.

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
pub(crate) enum Item<'v, F> {
    /// A field was read.
    Value(F, Value<'v>),
    /// An array of so many elements begins; a null one has none, a structure counts as an array of one.
    Start(F, u32),
    /// An element of the array begins.
    Next(F),
    /// All fields of the element were told, the tagged ones too.
    EndOfElement(F),
    /// The array is complete.
    End(F),
}

/// Who is told.
pub(super) trait Sink<F>: FnMut(Item<'_, F>) -> Result<(), ProtocolError> {}

impl<F, S: FnMut(Item<'_, F>) -> Result<(), ProtocolError>> Sink<F> for S {}

/// Whether the answer is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// All bytes of the answer were taken.
    Done,
    /// The input was taken, and more must come.
    More,
}
