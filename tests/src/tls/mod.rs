//! TLS before simulated brokers: a server of its own in this process, which hands on what it decrypts, counts its
//! handshakes, and shows whatever certificate it is told to.

mod pipe;
mod server;

use std::sync::Arc;

pub use pipe::{Broker, Manner, Pipe};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
pub use server::{Handshakes, Terminator};

use crate::certificates::{Authority, Identity};

/// Both versions that there are.
pub const VERSIONS: &[&SupportedProtocolVersion] = &[&TLS12, &TLS13];
/// The older one only.
pub const ONLY_12: &[&SupportedProtocolVersion] = &[&TLS12];
/// The newer one only.
pub const ONLY_13: &[&SupportedProtocolVersion] = &[&TLS13];

/// A server that shows this certificate, and with `clients` asks for one of that authority.
///
/// # Panics
///
/// Where these do not fit together.
pub fn server_config(
    identity: &Identity,
    clients: Option<&Authority>,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .expect("the provider has ciphers for these");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(certificate(&authority.certificate())).expect("it is an authority's");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("there is an authority"))
        }
    };
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("it is a key");
    let config = builder.with_single_cert(vec![certificate(&identity.certificate)], key);
    Arc::new(config.expect("the key is the certificate's"))
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("it is a certificate")
}
