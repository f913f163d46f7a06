//! OAUTHBEARER (RFC 7628): a token of the user's, and what else is to be said with it.

use super::{CredentialsError, text::Text};

/// What parts of the message end with.
const END: u8 = 1;

/// What a client says to a server that has refused its token, so that the exchange ends properly.
pub(super) const HEARD: u8 = END;

/// A token and SASL extensions that are fit to be sent.
#[derive(Clone, Copy)]
pub(super) struct Bearer<'t> {
    token: &'t str,
    extensions: &'t [(&'t str, &'t str)],
}

impl<'t> Bearer<'t> {
    pub(super) fn new(
        token: &'t str,
        extensions: &'t [(&'t str, &'t str)],
    ) -> Result<Self, CredentialsError> {
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
    pub(super) fn write(&self, out: &mut [u8]) -> Option<usize> {
        let mut out = Text::new(out);
        out.put(b"n,,\x01auth=Bearer ");
        out.put(self.token.as_bytes());
        for (name, value) in self.extensions {
            [&[END], name.as_bytes(), b"=", value.as_bytes()].into_iter().for_each(|part| out.put(part));
        }
        out.put(&[END, END]);
        out.finish()
    }
}
