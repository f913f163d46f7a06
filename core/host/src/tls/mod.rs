//! TLS: who is trusted, who this client is, and what wraps a connection ([`Session`]). rustls does the work.
//!
//! Files are read anew for each connection, on the thread that looks names up, so that a certificate is replaced without
//! a restart. What they hold is decoded again only when it has changed: as long as it is the same, sessions are resumed.
//! Nothing here falls back to less: what cannot be read or verified is an error of its connection, which is tried again.

#[cfg(feature = "tls-encrypted-keys")]
mod encrypted;
mod failure;
mod identity;
mod material;
mod pem;
mod session;
mod verifier;
#[cfg(feature = "oidc")]
mod waiting;

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;

use felice_core::error::TlsFailure;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, SupportedProtocolVersion};

use self::identity::Identity;
pub(crate) use self::material::{Keystore, Password, Truststore};
use self::material::{Raw, Refusal};
pub(crate) use self::pem::{PEM_ONLY, Pem};
pub(crate) use self::session::Session;
use self::verifier::AnyHost;
use crate::config::ConfigError;
use crate::lock::lock;

/// Tickets that rustls keeps for one server.
const TICKETS: usize = 8;

/// What all connections of a producer share.
pub(crate) struct Tls {
    source: Source,
    /// What the files said last.
    current: Mutex<Current>,
}

/// What the settings say.
pub(crate) struct Source {
    pub(crate) truststore: Truststore,
    pub(crate) keystore: Option<Keystore>,
    /// `ssl.key.password`.
    pub(crate) password: Password,
    /// The versions that may be spoken, one at least.
    pub(crate) versions: Vec<&'static SupportedProtocolVersion>,
    /// Whether the certificate must name the host.
    pub(crate) names: bool,
    /// How many servers sessions are kept for.
    pub(crate) servers: usize,
}

#[derive(Clone)]
struct Current {
    fingerprint: u64,
    config: Arc<ClientConfig>,
    identity: Arc<Identity>,
}

impl Tls {
    /// Reads all that the settings name, and finds out whether it can be used. This may block.
    pub(crate) fn new(source: Source) -> Result<Self, ConfigError> {
        let current = Mutex::new(source.decode(&source.read()?)?);
        Ok(Self { source, current })
    }

    /// Whether [`session`](Self::session) reads files, and so may block.
    pub(crate) fn reads_files(&self) -> bool {
        self.source.reads_files()
    }

    /// A new connection's TLS, with what the files say now.
    pub(crate) fn session(&self, host: &str) -> Result<Session, TlsFailure> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| TlsFailure::BadHost)?;
        let Current { config, identity, .. } = self.current().map_err(|refusal| refusal.failure)?;
        let tls = ClientConnection::new(config, name).map_err(|_| TlsFailure::Protocol)?;
        Ok(Session::new(tls, identity))
    }

    fn current(&self) -> Result<Current, Refusal> {
        if !self.reads_files() {
            return Ok(lock(&self.current).clone());
        }
        let raw = self.source.read()?;
        let mut current = lock(&self.current);
        if current.fingerprint != raw.fingerprint() {
            *current = self.source.decode(&raw)?;
        }
        Ok(current.clone())
    }
}

impl Source {
    fn reads_files(&self) -> bool {
        !matches!(self.truststore, Truststore::Text(_)) || matches!(self.keystore, Some(Keystore::File(_)))
    }

    fn read(&self) -> Result<Raw, Refusal> {
        Raw::read(&self.truststore, self.keystore.as_ref())
    }

    /// Sessions of before are not resumed with what is decoded here: they were verified by other means.
    fn decode(&self, raw: &Raw) -> Result<Current, Refusal> {
        let provider = Arc::new(provider());
        let roots = material::roots(&self.truststore, raw)?;
        let keystore = self.keystore.as_ref();
        let key = keystore
            .map(|keystore| material::identity(keystore, &self.password, raw, &provider))
            .transpose()?;
        let identity = Arc::new(Identity::new(key));
        let algorithms = provider.signature_verification_algorithms;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.versions)
            .expect("every provider has ciphers for both versions");
        let builder = match self.names {
            true => builder.with_root_certificates(roots),
            false => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyHost { roots, algorithms }))
            }
        };
        let mut config = builder.with_client_cert_resolver(Arc::clone(&identity) as _);
        config.resumption = Resumption::in_memory_sessions(self.servers * TICKETS);
        Ok(Current { fingerprint: raw.fingerprint(), config: Arc::new(config), identity })
    }
}

#[cfg(feature = "tls-aws-lc-rs")]
use rustls::crypto::aws_lc_rs::default_provider as provider;
#[cfg(not(feature = "tls-aws-lc-rs"))]
use rustls::crypto::ring::default_provider as provider;

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}
