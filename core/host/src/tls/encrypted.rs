//! Private keys that are encrypted (PKCS #8 with PBES2, as OpenSSL and Java write them): decrypted with
//! `ssl.key.password`, each time that a keystore is read. The pkcs8 crate knows ciphers and derivations.

use base64ct::{Base64, Encoding};
use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::Zeroizing;

const NOT_READ: &str = "an encrypted key as `openssl pkcs8 -topk8 -v2 aes-256-cbc` writes it (PKCS #8 with PBES2: AES, and \
    PBKDF2 or scrypt)";
const WRONG: &str = "encrypted with ssl.key.password, and is with another one";

/// The key that this PEM text holds encrypted, or what is wrong with it.
pub(super) fn decrypt(pem: &[u8], password: &str) -> Result<PrivateKeyDer<'static>, &'static str> {
    let der = der(pem).ok_or(NOT_READ)?;
    let encrypted = EncryptedPrivateKeyInfoRef::try_from(der.as_slice()).map_err(|_| NOT_READ)?;
    let plain = encrypted.decrypt(password).map_err(|_| WRONG)?;
    Ok(PrivatePkcs8KeyDer::from(plain.as_bytes().to_vec()).into())
}

/// What is between the marks.
fn der(pem: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
    const END: &str = "-----END ENCRYPTED PRIVATE KEY-----";
    let (_, rest) = str::from_utf8(pem).ok()?.split_once(BEGIN)?;
    let (text, _) = rest.split_once(END)?;
    let mut lines = Zeroizing::new(String::with_capacity(text.len()));
    lines.extend(text.split_ascii_whitespace());
    Base64::decode_vec(&lines).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject;

    use super::*;

    /// Made by OpenSSL 3.0.19; the password is `geheim`.
    const PLAIN: &str = include_str!("testdata/plain.pem");
    const ENCRYPTED: [&str; 3] = [
        include_str!("testdata/aes-256-cbc-pbkdf2-sha256.pem"),
        include_str!("testdata/aes-128-cbc-pbkdf2-sha512.pem"),
        include_str!("testdata/aes-256-cbc-scrypt.pem"),
    ];
    const DES: &str = include_str!("testdata/des-pbes1.pem");

    #[test]
    fn what_openssl_has_encrypted() {
        let plain = PrivateKeyDer::from_pem_slice(PLAIN.as_bytes()).unwrap();
        for encrypted in ENCRYPTED {
            assert_eq!(decrypt(encrypted.as_bytes(), "geheim").unwrap().secret_der(), plain.secret_der());
            let one_line = super::super::Pem::new(&encrypted.replace('\n', " "));
            assert!(decrypt(one_line.as_bytes(), "geheim").is_ok(), "as text of a setting");
            assert_eq!(decrypt(encrypted.as_bytes(), "Geheim").unwrap_err(), WRONG);
            assert_eq!(decrypt(encrypted.as_bytes(), "").unwrap_err(), WRONG);
            let cut = &encrypted[..encrypted.len() - 60];
            assert_eq!(decrypt(cut.as_bytes(), "geheim").unwrap_err(), NOT_READ);
            let body = encrypted.replace("MI", "MA");
            assert_eq!(decrypt(body.as_bytes(), "geheim").unwrap_err(), NOT_READ);
        }
        for none in [DES, PLAIN, ""] {
            assert_eq!(decrypt(none.as_bytes(), "geheim").unwrap_err(), NOT_READ);
        }
    }
}
