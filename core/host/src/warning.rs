//! What is not as the settings say, and goes on all the same. No record fails by it.

use std::fmt;
use std::sync::Arc;

use felice_core::compression::Compression;
use felice_core::sasl::Mechanism;

/// What a producer does otherwise than its settings say. The builder's `on_warning` hears of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// A broker does not know how a topic's batches are compressed (Kafka's error 76): they are sent plain from now on, for
    /// as long as the producer lives. Told once for each topic.
    CompressionRefused {
        /// The topic.
        topic: Arc<str>,
        /// What was refused.
        compression: Compression,
    },
    /// SASL without TLS tells everybody on the way a password, or a token: PLAIN, OAUTHBEARER and AWS_MSK_IAM with
    /// `security.protocol=SASL_PLAINTEXT`. Told once, when the producer starts.
    SecretInTheClear {
        /// The mechanism.
        mechanism: Mechanism,
    },
    /// The server of tokens is asked without TLS (`sasl.oauthbearer.token.endpoint.url` of `http`), which tells everybody
    /// on the way the client's secret. Told once, when the producer starts.
    ClientSecretInTheClear,
    /// OAUTHBEARER has no token, or AWS_MSK_IAM nothing to sign with: connections are tried again, and records wait for
    /// `delivery.timeout.ms`. Told once, and again after there was a token in between.
    NoToken {
        /// What the function says that was asked, or what is wrong with what it gave.
        reason: Arc<str>,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CompressionRefused { topic, compression } => {
                write!(f, "the broker does not know {compression}: {topic} is sent without compression")
            }
            Self::SecretInTheClear { mechanism } => write!(
                f,
                "{} without TLS tells everybody on the way who the client is: use security.protocol=SASL_SSL",
                mechanism.name()
            ),
            Self::ClientSecretInTheClear => {
                f.write_str("tokens are asked for without TLS, which tells everybody on the way the client's secret: use https")
            }
            Self::NoToken { reason } => write!(f, "there is no token, and records wait: {reason}"),
        }
    }
}
