//! The settings under `ssl.`: which authorities are trusted, who this client is, which versions are spoken. Stores are
//! PEM, in files or in the settings themselves; Java's own formats are refused with what to do.

use std::path::PathBuf;

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

use super::{ConfigError, Settings};
use crate::tls::{Keystore, Password, Pem, Source, Tls, Truststore};

/// What the builder was told.
#[derive(Clone)]
pub(crate) struct Ssl {
    pub(crate) truststore_location: Option<PathBuf>,
    pub(crate) truststore_certificates: Option<Pem>,
    pub(crate) keystore_location: Option<PathBuf>,
    pub(crate) keystore_certificate_chain: Option<Pem>,
    pub(crate) keystore_key: Option<Pem>,
    pub(crate) key_password: Password,
    pub(crate) enabled_protocols: String,
    pub(crate) endpoint_identification_algorithm: String,
}

impl Default for Ssl {
    fn default() -> Self {
        Self {
            truststore_location: None,
            truststore_certificates: None,
            keystore_location: None,
            keystore_certificate_chain: None,
            keystore_key: None,
            key_password: None,
            enabled_protocols: "TLSv1.2,TLSv1.3".into(),
            endpoint_identification_algorithm: "https".into(),
        }
    }
}

const TRUSTSTORE: &str = "ssl.truststore.location";
const TRUSTSTORE_TEXT: &str = "ssl.truststore.certificates";
const KEYSTORE: &str = "ssl.keystore.location";
const CHAIN: &str = "ssl.keystore.certificate.chain";
const KEY: &str = "ssl.keystore.key";
const VERSIONS: &str = "ssl.enabled.protocols";
const IDENTIFICATION: &str = "ssl.endpoint.identification.algorithm";

impl Ssl {
    /// What TLS needs, read and decoded; `None` where the protocol has no TLS.
    pub(super) fn check(settings: &Settings) -> Result<Option<Tls>, ConfigError> {
        let ssl = &settings.ssl;
        if settings.security_protocol.is_tls() {
            return ssl.source(settings.brokers_max).and_then(Tls::new).map(Some);
        }
        match ssl.store() {
            None => Ok(None),
            // Whoever names a store believes that it counts.
            Some(store) => Err(ConfigError::invalid(
                "security.protocol",
                settings.security_protocol.name().to_owned(),
                format!("SSL or SASL_SSL where {store} is set: it is without TLS"),
            )),
        }
    }

    /// The name of a store that is set.
    fn store(&self) -> Option<&'static str> {
        [
            (TRUSTSTORE, self.truststore_location.is_some()),
            (TRUSTSTORE_TEXT, self.truststore_certificates.is_some()),
            (KEYSTORE, self.keystore_location.is_some()),
            (CHAIN, self.keystore_certificate_chain.is_some()),
            (KEY, self.keystore_key.is_some()),
        ]
        .into_iter()
        .find_map(|(name, set)| set.then_some(name))
    }

    fn source(&self, servers: usize) -> Result<Source, ConfigError> {
        let versions = self.versions()?;
        let names = match self.endpoint_identification_algorithm.as_str() {
            "" => false,
            name if name.eq_ignore_ascii_case("https") => true,
            name => {
                let limit = "https, or empty to take any host's certificate".into();
                return Err(ConfigError::invalid(IDENTIFICATION, format!("{name:?}"), limit));
            }
        };
        let (truststore, keystore) = (self.truststore()?, self.keystore()?);
        Ok(Source { truststore, keystore, password: self.key_password.clone(), versions, names, servers })
    }

    fn versions(&self) -> Result<Vec<&'static SupportedProtocolVersion>, ConfigError> {
        let mut versions = Vec::new();
        for name in self.enabled_protocols.split(',').map(str::trim) {
            match name {
                "TLSv1.2" => versions.push(&TLS12),
                "TLSv1.3" => versions.push(&TLS13),
                _ => {
                    let value = format!("{:?}", self.enabled_protocols);
                    return Err(ConfigError::invalid(VERSIONS, value, "TLSv1.2, TLSv1.3 or both".into()));
                }
            }
        }
        Ok(versions)
    }

    /// What TLS to another server than a broker needs: it trusts whom brokers' connections trust, where it is not told
    /// otherwise, shows no certificate, and always wants the host's name.
    #[cfg(feature = "oidc")]
    pub(super) fn trusting(&self, truststore: Option<Truststore>) -> Result<Source, ConfigError> {
        let truststore = truststore.map_or_else(|| self.truststore(), Ok)?;
        let versions = self.versions()?;
        Ok(Source { truststore, keystore: None, password: None, versions, names: true, servers: 1 })
    }

    fn truststore(&self) -> Result<Truststore, ConfigError> {
        match (&self.truststore_location, &self.truststore_certificates) {
            (Some(_), Some(_)) => Err(one_of(TRUSTSTORE_TEXT, TRUSTSTORE)),
            (Some(path), None) => Ok(Truststore::File(path.clone())),
            (None, Some(text)) => Ok(Truststore::Text(text.clone())),
            #[cfg(feature = "tls-native-roots")]
            (None, None) => Ok(Truststore::Platform),
            #[cfg(not(feature = "tls-native-roots"))]
            (None, None) => Err(ConfigError::invalid(
                TRUSTSTORE,
                "(nothing)".into(),
                "a PEM file of the authorities to trust; or set ssl.truststore.certificates, or build with felice's \
                 feature `tls-native-roots`, which takes the platform's"
                    .into(),
            )),
        }
    }

    fn keystore(&self) -> Result<Option<Keystore>, ConfigError> {
        let text = (&self.keystore_certificate_chain, &self.keystore_key);
        match (&self.keystore_location, text) {
            (None, (None, None)) if self.key_password.is_some() => {
                Err(ConfigError::Missing { name: KEYSTORE })
            }
            (None, (None, None)) => Ok(None),
            (Some(path), (None, None)) => Ok(Some(Keystore::File(path.clone()))),
            (None, (Some(chain), Some(key))) => {
                Ok(Some(Keystore::Text { chain: chain.clone(), key: key.clone() }))
            }
            (Some(_), (Some(_), _)) => Err(one_of(CHAIN, KEYSTORE)),
            (Some(_), (None, Some(_))) => Err(one_of(KEY, KEYSTORE)),
            (None, (Some(_), None)) => Err(ConfigError::Missing { name: KEY }),
            (None, (None, Some(_))) => Err(ConfigError::Missing { name: CHAIN }),
        }
    }
}

fn one_of(name: &'static str, other: &str) -> ConfigError {
    ConfigError::invalid(name, "(text)".into(), format!("unset where {other} is set"))
}
