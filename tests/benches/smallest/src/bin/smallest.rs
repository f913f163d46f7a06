//! One record, and the end.

use std::error::Error;
use std::time::Duration;

use felice_blocking::{Producer, ProducerRecord, SecurityProtocol};

const TLS: bool = cfg!(any(feature = "tls", feature = "tls-aws-lc-rs"));
const SASL: bool = cfg!(any(feature = "scram", feature = "aws-msk-iam", feature = "oidc"));

/// What a feature brings is used, so that the compiler does not leave it out.
const PROTOCOL: SecurityProtocol = match (TLS, SASL) {
    (false, false) => SecurityProtocol::Plaintext,
    (true, false) => SecurityProtocol::Ssl,
    (false, true) => SecurityProtocol::SaslPlaintext,
    (true, true) => SecurityProtocol::SaslSsl,
};

fn main() -> Result<(), Box<dyn Error>> {
    let builder = Producer::builder().bootstrap_servers("127.0.0.1:9092").security_protocol(PROTOCOL);
    #[cfg(any(feature = "tls", feature = "tls-aws-lc-rs"))]
    let builder = builder.ssl_truststore_location("/etc/gateway/authority.pem");
    #[cfg(feature = "scram")]
    let builder = builder.sasl_scram_sha_512("gateway-7", "secret");
    #[cfg(feature = "aws-msk-iam")]
    let builder = builder.sasl_aws_msk_iam(felice_blocking::AwsCredentials::from_env);
    #[cfg(feature = "oidc")]
    let builder = {
        let scheme = if TLS { "https" } else { "http" };
        builder.sasl_oauth_bearer_oidc(&format!("{scheme}://id.example/token"), "gateway-7", "secret")
    };
    #[cfg(feature = "spool")]
    let builder = builder.spool_dir("/var/lib/gateway/spool");
    let producer = builder.build()?;
    producer.send(ProducerRecord::new("readings", "21.5"))?;
    producer.close(Duration::from_secs(5))?;
    Ok(())
}
