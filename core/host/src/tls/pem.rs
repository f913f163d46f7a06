//! PEM as the text of a setting.

use std::fmt;

use zeroize::Zeroizing;

/// What is said of Java's own formats.
pub(crate) const PEM_ONLY: &str = "PEM, which a JKS or PKCS12 file is not: `keytool -importkeystore -deststoretype \
    PKCS12` and then `openssl pkcs12 -nodes` make PEM of it";

/// Text that may be a private key: it is wiped when it is dropped, and never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Pem(Zeroizing<String>);

impl Pem {
    /// Text as it is in a settings file, where PEM often is one long line: each marker gets a line of its own, and so
    /// does whatever blanks have kept apart.
    pub(crate) fn new(text: &str) -> Self {
        const DASHES: &str = "-----";
        let mut lines = Zeroizing::new(String::with_capacity(2 * text.len() + 2));
        for (place, piece) in text.split(DASHES).enumerate() {
            if place % 2 == 1 {
                lines.extend([DASHES, piece, DASHES, "\n"]);
            } else {
                piece.split_whitespace().for_each(|line| lines.extend([line, "\n"]));
            }
        }
        Self(lines)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pem")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &[u8] = b"-----BEGIN CERTIFICATE-----\nMIIB\nABCD\n-----END CERTIFICATE-----\n";

    #[test]
    fn one_line_is_as_good_as_many() {
        for text in [
            "-----BEGIN CERTIFICATE-----\nMIIB\nABCD\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE----- MIIB ABCD -----END CERTIFICATE-----",
            "-----BEGIN CERTIFICATE-----MIIB ABCD-----END CERTIFICATE-----",
            "  -----BEGIN CERTIFICATE-----\r\n  MIIB\r\n\r\n  ABCD\r\n-----END CERTIFICATE-----\r\n",
        ] {
            assert_eq!(Pem::new(text).as_bytes(), LINES, "{text:?}");
        }
    }

    #[test]
    fn it_is_never_shown() {
        assert_eq!(format!("{:?}", Pem::new("secret")), "Pem");
    }
}
