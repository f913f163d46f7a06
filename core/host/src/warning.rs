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
    /// There is a spool, or should be, that does not do what it is for. Told once for each thing that goes wrong.
    SpoolFailing {
        /// What goes wrong, in words. Records wait in memory meanwhile, and it is tried again.
        problem: Arc<str>,
    },
    /// What a spool held was damaged on its medium. Told whenever more of it is found.
    SpoolDamaged {
        /// How many batches since the spool was made. Their records are lost.
        frames: u64,
    },
    /// A spool was full, and dropped its oldest records (`spool.when.full=drop.oldest`). Told whenever it does.
    SpoolDropped {
        /// How many records since the spool was made.
        records: u64,
    },
    /// Brokers know nothing of what a former life of the producer may have sent: it was long ago by the times of the records
    /// (`producer.id.expiration.ms`), or the topic was made anew. It is sent again. Told whenever there is more of it.
    SpoolForgotten {
        /// How many records since the producer began; so many may be stored twice, at most.
        records: u64,
    },
    /// Records in a spool were older than `spool.max.age.ms`, and were dropped. Told whenever some are.
    SpoolExpired {
        /// How many records since the spool was made.
        records: u64,
    },
    /// This machine's clock is not set (`clock.unset.before.ms`): records wait in the spool until it is. Told whenever some
    /// begin to.
    ClockNotSet,
    /// A spool's directory is a copy, or was moved: what was under way when it was copied may be stored twice.
    SpoolCopied,
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
            Self::SpoolFailing { problem } => write!(f, "the spool does not work: {problem}"),
            Self::SpoolDamaged { frames } => {
                write!(f, "{frames} batches of the spool were damaged on its medium; their records are lost")
            }
            Self::SpoolDropped { records } => {
                write!(f, "the spool was full and has dropped its oldest {records} records")
            }
            Self::SpoolForgotten { records } => write!(
                f,
                "brokers have forgotten what was under way when the producer ended: up to {records} records may be stored twice"
            ),
            Self::SpoolExpired { records } => {
                write!(f, "the spool has dropped {records} records for their age (spool.max.age.ms)")
            }
            Self::ClockNotSet => f.write_str(
                "the machine's clock is not set: records wait in the spool until it is (clock.unset.before.ms)",
            ),
            Self::SpoolCopied => f.write_str(
                "the spool is a copy of another one, or was moved: what was under way may be stored twice",
            ),
        }
    }
}
