//! OAUTHBEARER (RFC 7628): a token of the user's, and what else is to be said with it.

use core::fmt;

use super::CredentialsError;

/// What parts of the message end with.
const END: u8 = 1;

/// What a client says to a server that has refused its token, so that the exchange ends properly.
pub(super) const HEARD: u8 = END;

/// What a token's provider gives for one connection.
#[derive(Clone, Copy)]
pub struct Token<'t> {
    token: &'t str,
    extensions: &'t [(&'t str, &'t str)],
}

impl<'t> Token<'t> {
    /// A token, as it goes behind the word `Bearer`, and SASL extensions (KIP-342): names and values.
    ///
    /// # Errors
    ///
    /// [`CredentialsError::InvalidToken`] for one that is empty or has other characters than the visible ones of ASCII;
    /// [`CredentialsError::InvalidExtension`] for a name that is not made of letters, or is `auth`, which is the token's
    /// own, and for a value with other characters than visible ones, blanks and ends of lines.
    pub fn new(token: &'t str, extensions: &'t [(&'t str, &'t str)]) -> Result<Self, CredentialsError> {
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(CredentialsError::InvalidToken);
        }
        for (name, value) in extensions {
            let letters = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphabetic());
            let visible = |byte: u8| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
            if !letters || *name == "auth" || value.is_empty() || !value.bytes().all(visible) {
                return Err(CredentialsError::InvalidExtension);
            }
        }
        Ok(Self { token, extensions })
    }

    /// Writes the message that carries it: its length, or `None` where there is no room.
    pub(crate) fn write(&self, out: &mut [u8]) -> Option<usize> {
        let mut length = 0;
        let mut put = |bytes: &[u8]| {
            out.get_mut(length..length + bytes.len())?.copy_from_slice(bytes);
            length += bytes.len();
            Some(())
        };
        put(b"n,,\x01auth=Bearer ")?;
        put(self.token.as_bytes())?;
        for (name, value) in self.extensions {
            put(&[END])?;
            put(name.as_bytes())?;
            put(b"=")?;
            put(value.as_bytes())?;
        }
        put(&[END, END])?;
        Some(length)
    }
}

impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([hidden])")
    }
}
