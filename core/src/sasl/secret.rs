//! Memory for secrets: of fixed length, overwritten when it is dropped, and never shown. And the opposite: texts of a
//! server, made harmless so that they can be shown.

use core::fmt::{self, Write};

use zeroize::Zeroize;

/// A secret of at most `N` bytes.
pub(super) struct Secret<const N: usize> {
    bytes: [u8; N],
    length: u16,
}

impl<const N: usize> Secret<N> {
    pub(super) const EMPTY: Self = Self { bytes: [0; N], length: 0 };

    /// `None` where it is too long.
    pub(super) fn new(secret: &[u8]) -> Option<Self> {
        let mut new = Self::EMPTY;
        new.bytes.get_mut(..secret.len())?.copy_from_slice(secret);
        new.length = u16::try_from(secret.len()).ok()?;
        Some(new)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        self.bytes.zeroize();
        self.length.zeroize();
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

/// Writes what a server says as text of which a terminal or a log takes no harm. What does not fit is left out.
pub(crate) fn write_harmless(words: &mut dyn Write, text: &[u8]) {
    for &byte in text {
        let shown = if matches!(byte, b' '..=b'~') { byte.into() } else { '?' };
        if words.write_char(shown).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::format;

    #[test]
    fn a_secret_is_not_shown_and_not_cut() {
        let secret = Secret::<8>::new(b"hunter2!").unwrap();
        assert_eq!(secret.bytes(), b"hunter2!");
        assert_eq!(format!("{secret:?}"), "[hidden]");
        assert!(Secret::<7>::new(b"hunter2!").is_none());
    }

    #[test]
    fn a_servers_words_are_harmless_and_end() {
        let mut words = heapless::String::<12>::new();
        write_harmless(&mut words, "no\x1b[2J \u{fc}\0bcdefgh".as_bytes());
        assert_eq!(words, "no?[2J ???bc");
    }
}
