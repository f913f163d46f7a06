//! SaslHandshake 1 and SaslAuthenticate 0 to 2: which mechanism, and the mechanism's own messages.
//!
//! | request | version | request | answer |
//! |---|---|---|---|
//! | SaslHandshake | 1 | the mechanism's name | error code, the mechanisms that the broker offers |
//! | SaslAuthenticate | 0 | bytes | error code, a message, bytes |
//! | | 1 | as 0 | also how long the session lasts (KIP-368) |
//! | | 2 | tagged fields | tagged fields |
//!
//! What the bytes mean is the mechanism's business.

use super::schema::{Op, Row};
use super::write::length_len;
use super::{ApiKey, Field, Full, Header};

/// The answer to SaslHandshake.
pub(super) const HANDSHAKE_ANSWER: &[Row] = &[
    Row::new(Op::I16(Field::ErrorCode)),
    // An array of texts is one of structures with nothing but a text, where there are no tagged fields.
    Row::new(Op::Array(Field::Mechanisms, &[Row::new(Op::Message(Field::Mechanism))])),
];

/// The answer to SaslAuthenticate.
pub(super) const AUTHENTICATE_ANSWER: &[Row] = &[
    Row::new(Op::I16(Field::ErrorCode)),
    Row::new(Op::Message(Field::ErrorMessage)),
    Row::new(Op::Bytes(Field::AuthBytes)),
    Row::new(Op::I64(Field::SessionLifetimeMs)).since(1),
];

/// Writes the whole request that begins an authentication.
pub(crate) fn encode_handshake(buf: &mut [u8], header: Header<'_>, mechanism: &str) -> Result<usize, Full> {
    header.frame(ApiKey::SaslHandshake, buf, |writer, flexible| writer.text(flexible, mechanism))
}

/// Writes the whole request around a mechanism's message, which `write` puts into the buffer. It gives back the
/// message's length; `None` where there is no room for it. Of the buffer up to four bytes may stay unused.
pub(crate) fn encode_authenticate(
    buf: &mut [u8],
    header: Header<'_>,
    write: impl FnOnce(&mut [u8]) -> Option<usize>,
) -> Result<usize, Full> {
    /// What a length has at the most.
    const LENGTH_BYTES_MAX: usize = 5;
    let flexible = ApiKey::SaslAuthenticate.is_flexible(header.version);
    let before = header.len(ApiKey::SaslAuthenticate);
    let room = buf.get_mut(before + LENGTH_BYTES_MAX..).ok_or(Full)?;
    let length = write(room).ok_or(Full)?;
    // Only now it is known where it begins.
    let start = before + LENGTH_BYTES_MAX;
    buf.copy_within(start..start + length, before + length_len(flexible, length as u32));
    header.frame(ApiKey::SaslAuthenticate, buf, |writer, flexible| {
        writer.length(flexible, length as u32);
        writer.pass(length);
        writer.no_tags(flexible);
    })
}
