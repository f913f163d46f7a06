//! The listeners of a secured cluster beside the plain one: TLS, SASL, and both.
//!
//! The brokers themselves, the tools and the oracle go on through the plain listener, so a test's judge does not depend
//! on what is tested.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use base64ct::{Base64UrlUnpadded, Encoding};
use time::OffsetDateTime;

use super::ports::Port;
use crate::certificates::{Authority, Identity};

/// Files in a broker's folder.
const IDENTITY: &str = "broker.pem";
const AUTHORITY: &str = "authority.pem";
const CLIENT: &str = "client.pem";

/// A secured way into a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// TLS; whoever has a certificate may show it.
    Ssl,
    /// TLS, for those only who show a certificate of the cluster's authority.
    MutualSsl,
    /// SASL in the clear.
    SaslPlaintext,
    /// SASL over TLS.
    SaslSsl,
}

/// Who may pass the doors that ask for a password, under every mechanism.
pub const USER: &str = "gateway-7";
/// That user's password. The format of Kafka's SCRAM users has no room for a comma.
pub const PASSWORD: &str = "a=secret word";

/// The user's token without a signature, which Kafka takes where nobody configures how tokens are to be verified. It is
/// good for so many seconds from now on.
pub fn unsecured_token(seconds: i64) -> String {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let (issued, expires) = (now.min(now + seconds) - 10, now + seconds);
    let payload = format!(r#"{{"sub":"{USER}","iat":{issued},"exp":{expires}}}"#);
    let encode = |text: &str| Base64UrlUnpadded::encode_string(text.as_bytes());
    format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode(&payload))
}

impl Door {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ssl, Self::MutualSsl, Self::SaslPlaintext, Self::SaslSsl];

    /// The listener's name.
    const fn listener(self) -> &'static str {
        match self {
            Self::Ssl => "TLS",
            Self::MutualSsl => "MUTUAL",
            Self::SaslPlaintext => "SASL",
            Self::SaslSsl => "SASLTLS",
        }
    }

    /// Kafka's `security.protocol`.
    pub const fn protocol(self) -> &'static str {
        match self {
            Self::Ssl | Self::MutualSsl => "SSL",
            Self::SaslPlaintext => "SASL_PLAINTEXT",
            Self::SaslSsl => "SASL_SSL",
        }
    }
}

/// One broker's ports for the doors, and who it is.
#[derive(Debug)]
pub(crate) struct Doors {
    ports: BTreeMap<Door, Port>,
    identity: Identity,
    trusted: String,
}

impl Doors {
    /// A broker's, which the authority vouches for.
    pub(crate) fn reserve(authority: &Authority) -> Self {
        let ports = Door::ALL.map(|door| (door, Port::reserve())).into();
        let identity = authority.issue("broker", &["localhost", "127.0.0.1"]);
        Self { ports, identity, trusted: authority.certificate() }
    }

    /// Writes what the broker reads into its folder.
    pub(crate) fn write(&self, folder: &Path) {
        write(folder, IDENTITY, &self.identity.pem());
        write(folder, AUTHORITY, &self.trusted);
    }

    pub(crate) fn port(&self, door: Door) -> u16 {
        self.ports[&door].number
    }

    /// What is added to lists that the plain listener begins.
    pub(crate) fn listeners(&self) -> [(&'static str, String); 3] {
        let each = |part: &dyn Fn(Door) -> String| Door::ALL.map(|door| format!(",{}", part(door))).concat();
        let addresses = each(&|door| format!("{}://127.0.0.1:{}", door.listener(), self.port(door)));
        let protocols = each(&|door| format!("{}:{}", door.listener(), door.protocol()));
        [
            ("listeners", addresses.clone()),
            ("advertised.listeners", addresses),
            ("listener.security.protocol.map", protocols),
        ]
    }

    /// What the doors ask for, of a broker with this folder.
    pub(crate) fn properties(folder: &Path) -> BTreeMap<String, String> {
        let mechanisms = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER";
        let mut properties: BTreeMap<String, String> = [
            ("inter.broker.listener.name", "PLAINTEXT".to_owned()),
            ("ssl.keystore.type", "PEM".to_owned()),
            ("ssl.keystore.location", folder.join(IDENTITY).display().to_string()),
            ("ssl.truststore.type", "PEM".to_owned()),
            ("ssl.truststore.location", folder.join(AUTHORITY).display().to_string()),
            ("listener.name.tls.ssl.client.auth", "requested".to_owned()),
            ("listener.name.mutual.ssl.client.auth", "required".to_owned()),
            ("listener.name.sasltls.ssl.client.auth", "requested".to_owned()),
            ("sasl.enabled.mechanisms", mechanisms.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let plain = format!(r#"required user_{USER}="{PASSWORD}""#);
        let modules = [
            ("plain", "plain.PlainLoginModule", plain.as_str()),
            ("scram-sha-256", "scram.ScramLoginModule", "required"),
            ("scram-sha-512", "scram.ScramLoginModule", "required"),
            (
                "oauthbearer",
                "oauthbearer.OAuthBearerLoginModule",
                r#"required unsecuredLoginStringClaim_sub="broker""#,
            ),
        ];
        for listener in [Door::SaslPlaintext, Door::SaslSsl].map(Door::listener) {
            let listener = listener.to_lowercase();
            for (mechanism, class, options) in modules {
                let name = format!("listener.name.{listener}.{mechanism}.sasl.jaas.config");
                let value = format!("org.apache.kafka.common.security.{class} {options};");
                properties.insert(name, value);
            }
        }
        properties
    }
}

/// What the storage is formatted with, so that SCRAM knows the user from the first moment on.
pub(crate) fn scram_users() -> Vec<String> {
    ["SCRAM-SHA-256", "SCRAM-SHA-512"]
        .iter()
        .flat_map(|mechanism| {
            ["--add-scram".to_owned(), format!("{mechanism}=[name={USER},password={PASSWORD}]")]
        })
        .collect()
}

/// A secured cluster's authority, and the files that clients need. They are gone with the first broker's folder.
#[derive(Debug)]
pub struct Certificates {
    folder: PathBuf,
    authority: Authority,
}

impl Certificates {
    /// In the folder of a broker, which has the authority's certificate already.
    pub(crate) fn new(folder: &Path, authority: Authority) -> Self {
        write(folder, CLIENT, &authority.issue("client", &[]).pem());
        Self { folder: folder.to_owned(), authority }
    }

    /// The authority, to issue more.
    pub const fn issuer(&self) -> &Authority {
        &self.authority
    }

    /// A PEM file with the authority's certificate: `ssl.truststore.location`.
    pub fn authority(&self) -> PathBuf {
        self.folder.join(AUTHORITY)
    }

    /// A PEM file with key and certificate of a client: `ssl.keystore.location`.
    pub fn client(&self) -> PathBuf {
        self.folder.join(CLIENT)
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).expect("the temporary folder can be written");
}
