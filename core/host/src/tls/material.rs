//! Certificates and keys in PEM, from files or from text, and what is wrong with them. Private keys are wiped from what
//! was read once they are decoded.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use felice_core::error::{StoreFault, TlsFailure};
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use zeroize::Zeroizing;

use super::{PEM_ONLY, Pem};
use crate::config::ConfigError;

/// The most that a file may have: a thousand certificates.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Whom to trust.
#[derive(Debug)]
pub(crate) enum Truststore {
    File(PathBuf),
    Text(Pem),
    #[cfg(feature = "tls-native-roots")]
    Platform,
}

/// Who to be.
#[derive(Debug)]
pub(crate) enum Keystore {
    /// Certificates and key, in one file.
    File(PathBuf),
    Text {
        chain: Pem,
        key: Pem,
    },
}

/// What decrypts a key.
pub(crate) type Password = Option<Zeroizing<String>>;

/// What cannot be used: as an error of the setting, and of a connection.
#[derive(Debug)]
pub(super) struct Refusal {
    setting: &'static str,
    /// What the setting names; no secret.
    value: String,
    limit: String,
    pub(super) failure: TlsFailure,
}

impl From<Refusal> for ConfigError {
    fn from(refusal: Refusal) -> Self {
        Self::invalid(refusal.setting, refusal.value, refusal.limit)
    }
}

const TRUSTSTORE: &str = "ssl.truststore.location";
const TRUSTSTORE_TEXT: &str = "ssl.truststore.certificates";
const KEYSTORE: &str = "ssl.keystore.location";
const KEYSTORE_CHAIN: &str = "ssl.keystore.certificate.chain";
const KEYSTORE_KEY: &str = "ssl.keystore.key";
const NO_CERTIFICATE: &str = "PEM with certificates (-----BEGIN CERTIFICATE-----), and holds none";
const NO_KEY: &str = "PEM with a private key (-----BEGIN PRIVATE KEY-----), and holds none";
const ENCRYPTED: &str = if cfg!(feature = "tls-encrypted-keys") {
    "a key that is not encrypted where ssl.key.password is not set; or decrypt it with `openssl pkey -in FILE -out PLAIN`"
} else {
    "a key that is not encrypted: `openssl pkey -in FILE -out PLAIN` decrypts it; keep it readable for this program only. \
     felice's feature `tls-encrypted-keys` takes ssl.key.password"
};

/// What was read, and not looked at. Files are read at each connection, and mostly say what they said before.
pub(super) struct Raw {
    truststore: RawTruststore,
    keystore: Option<Zeroizing<Vec<u8>>>,
}

enum RawTruststore {
    Pem(Vec<u8>),
    #[cfg(feature = "tls-native-roots")]
    Ders(Vec<CertificateDer<'static>>),
}

impl Raw {
    /// Reads the files: this may block.
    pub(super) fn read(truststore: &Truststore, keystore: Option<&Keystore>) -> Result<Self, Refusal> {
        let truststore = match truststore {
            Truststore::File(path) => RawTruststore::Pem(
                read(path).map_err(|problem| refused(TRUSTSTORE, path, problem, UNREADABLE))?,
            ),
            Truststore::Text(_) => RawTruststore::Pem(Vec::new()),
            #[cfg(feature = "tls-native-roots")]
            Truststore::Platform => RawTruststore::Ders(rustls_native_certs::load_native_certs().certs),
        };
        let keystore = match keystore {
            Some(Keystore::File(path)) => Some(Zeroizing::new(
                read(path).map_err(|problem| refused(KEYSTORE, path, problem, UNREADABLE))?,
            )),
            Some(Keystore::Text { .. }) | None => None,
        };
        Ok(Self { truststore, keystore })
    }

    /// Equal for what is equal.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        match &self.truststore {
            RawTruststore::Pem(bytes) => bytes.hash(&mut hasher),
            #[cfg(feature = "tls-native-roots")]
            RawTruststore::Ders(ders) => ders.iter().for_each(|der| der.as_ref().hash(&mut hasher)),
        }
        self.keystore.as_ref().map(|bytes| bytes.as_slice()).hash(&mut hasher);
        hasher.finish()
    }
}

const UNREADABLE: StoreFault = StoreFault::Unreadable;
const MALFORMED: StoreFault = StoreFault::Malformed;

fn refused(setting: &'static str, path: &Path, limit: String, fault: StoreFault) -> Refusal {
    refusal(setting, path.display().to_string(), limit, fault)
}

fn refusal(setting: &'static str, value: String, limit: String, fault: StoreFault) -> Refusal {
    let of_truststore = setting == TRUSTSTORE || setting == TRUSTSTORE_TEXT;
    let failure = if of_truststore { TlsFailure::Truststore(fault) } else { TlsFailure::Keystore(fault) };
    Refusal { setting, value, limit, failure }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let unreadable = |error| format!("a file that can be read: {error}");
    let length = fs::metadata(path).map_err(unreadable)?.len();
    if length > FILE_BYTES_MAX {
        return Err(format!("a file of at most {FILE_BYTES_MAX} bytes, and has {length}"));
    }
    fs::read(path).map_err(unreadable)
}

/// What an error shows of text: the text itself may be a key.
const TEXT: &str = "(text)";

/// The authorities.
pub(super) fn roots(truststore: &Truststore, raw: &Raw) -> Result<RootCertStore, Refusal> {
    let mut roots = RootCertStore::empty();
    let (setting, value) = match truststore {
        Truststore::File(path) => (TRUSTSTORE, path.display().to_string()),
        Truststore::Text(_) => (TRUSTSTORE_TEXT, TEXT.to_owned()),
        #[cfg(feature = "tls-native-roots")]
        Truststore::Platform => (TRUSTSTORE, "(the platform's)".to_owned()),
    };
    let malformed = |limit: String| refusal(setting, value.clone(), limit, MALFORMED);
    let pem = match (&raw.truststore, truststore) {
        #[cfg(feature = "tls-native-roots")]
        (RawTruststore::Ders(ders), _) => {
            // A platform has some that nobody can use any more.
            let (usable, _) = roots.add_parsable_certificates(ders.iter().cloned());
            return match usable {
                0 => Err(malformed("set: the platform has no authorities (see SSL_CERT_FILE)".into())),
                _ => Ok(roots),
            };
        }
        (RawTruststore::Pem(_), Truststore::Text(text)) => text.as_bytes(),
        (RawTruststore::Pem(bytes), _) => bytes,
    };
    for certificate in certificates(pem).map_err(malformed)? {
        roots.add(certificate).map_err(|error| {
            malformed(format!("PEM with certificates of authorities, and one is none: {error}"))
        })?;
    }
    Ok(roots)
}

/// The client's certificate, what leads from it to its authority, and its key.
pub(super) fn identity(
    keystore: &Keystore,
    password: &Password,
    raw: &Raw,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, Refusal> {
    let ((of_chain, chain), (of_key, key), value) = match keystore {
        Keystore::File(path) => {
            let bytes = raw.keystore.as_ref().map_or(&[][..], |bytes| bytes.as_slice());
            ((KEYSTORE, bytes), (KEYSTORE, bytes), path.display().to_string())
        }
        Keystore::Text { chain, key } => {
            ((KEYSTORE_CHAIN, chain.as_bytes()), (KEYSTORE_KEY, key.as_bytes()), TEXT.to_owned())
        }
    };
    let malformed = |setting, limit: &str| refusal(setting, value.clone(), limit.to_owned(), MALFORMED);
    let chain = certificates(chain).map_err(|limit| malformed(of_chain, &limit))?;
    let key = private_key(key, password).map_err(|limit| malformed(of_key, limit))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            let limit = "the key of the certificate, and is another one's";
            refusal(of_key, value.clone(), limit.to_owned(), StoreFault::Mismatch)
        }
        _ => malformed(of_key, "an RSA (2048 bits or more), ECDSA (P-256, P-384, P-521) or Ed25519 key"),
    })
}

fn private_key(pem: &[u8], password: &Password) -> Result<PrivateKeyDer<'static>, &'static str> {
    match password {
        _ if !is_encrypted(pem) => PrivateKeyDer::from_pem_slice(pem).map_err(|_| NO_KEY),
        #[cfg(feature = "tls-encrypted-keys")]
        Some(password) => super::encrypted::decrypt(pem, password),
        _ => Err(ENCRYPTED),
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => {
            // The first bytes of a JKS file, and of PKCS #12's ASN.1.
            let javas = pem.starts_with(&[0xfe, 0xed, 0xfe, 0xed]) || pem.starts_with(&[0x30, 0x82]);
            Err(if javas { PEM_ONLY } else { NO_CERTIFICATE }.to_owned())
        }
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(format!("PEM: {error}")),
    }
}

/// Both ways of saying so: PKCS #8's, and OpenSSL's own of old.
fn is_encrypted(pem: &[u8]) -> bool {
    let contains = |text: &[u8]| pem.windows(text.len()).any(|window| window == text);
    contains(b"BEGIN ENCRYPTED PRIVATE KEY") || contains(b"Proc-Type: 4,ENCRYPTED")
}
