//! Who this client says that it is, when a broker asks: its certificate and key, or nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;

/// A certificate with its key, and whether brokers ask for one. Its `Debug` shows no key.
pub(super) struct Identity {
    key: Option<Arc<CertifiedKey>>,
    asked: AtomicBool,
}

impl Identity {
    pub(super) fn new(key: Option<CertifiedKey>) -> Self {
        Self { key: key.map(Arc::new), asked: AtomicBool::new(false) }
    }

    /// Whether a broker has asked for it. One may ask and go on without.
    pub(super) fn is_asked_for(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Whether a broker has asked, and there is none.
    pub(super) fn is_missing(&self) -> bool {
        self.key.is_none() && self.is_asked_for()
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.key.clone()
    }

    fn has_certs(&self) -> bool {
        self.key.is_some()
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("has_key", &self.key.is_some()).finish_non_exhaustive()
    }
}
