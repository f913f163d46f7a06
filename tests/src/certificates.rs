//! Certificates for tests: an authority, and what it vouches for. Made anew in each process, valid for a day unless said.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use time::OffsetDateTime;

/// How long before now a certificate is valid, and how long after: clocks in tests agree.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Somebody whose word is taken, if its certificate is trusted.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate with its private key, as PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The key, as PKCS#8.
    pub key: String,
}

impl Identity {
    /// Key and certificate in one text, as Kafka's PEM key stores have them.
    pub fn pem(&self) -> String {
        format!("{}{}", self.key, self.certificate)
    }
}

impl Authority {
    /// A new one of that name.
    pub fn new(name: &str) -> Self {
        let mut params = params(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, key()).expect("the parameters are valid");
        Self { issuer }
    }

    /// Its own certificate, which is to be trusted.
    pub fn certificate(&self) -> String {
        self.issuer.pem()
    }

    /// Vouches for a server or a client, under these host names and addresses.
    pub fn issue(&self, name: &str, hosts: &[&str]) -> Identity {
        let now = OffsetDateTime::now_utc();
        self.issue_for(name, hosts, now - DAY, now + DAY)
    }

    /// The same, for a time of one's own.
    pub fn issue_for(
        &self,
        name: &str,
        hosts: &[&str],
        not_before: OffsetDateTime,
        not_after: OffsetDateTime,
    ) -> Identity {
        let mut params = params(name, hosts);
        (params.not_before, params.not_after) = (not_before, not_after);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = key();
        let certificate = params.signed_by(&key, &self.issuer).expect("the parameters are valid");
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

fn params(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).expect("host names are ASCII");
    params.distinguished_name.push(DnType::CommonName, name);
    let now = OffsetDateTime::now_utc();
    (params.not_before, params.not_after) = (now - DAY, now + DAY);
    params
}

fn key() -> KeyPair {
    KeyPair::generate().expect("the system has randomness")
}
