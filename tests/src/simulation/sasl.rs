//! Who simulated clients are, how they prove it, and what brokers make of that.

use felice_core::sasl::Credentials;
use felice_core::sender::{SaslSlot, SaslTables};

use super::dice::Dice;
use super::storage::{SimStorage, table};
use crate::cluster::SaslConfig;

const USER: &str = "u=,";
pub(crate) const PASSWORD: &str = "password";
pub(crate) const TOKEN: &str = "header.payload.signature";

/// Bytes for the messages of each connection.
const BUFFER_BYTES: usize = 512;

/// How a client proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// PLAIN.
    Plain,
    /// SCRAM-SHA-256.
    ScramSha256,
    /// SCRAM-SHA-512.
    ScramSha512,
    /// OAUTHBEARER.
    Token,
}

impl Proof {
    pub(crate) const ALL: [Self; 4] = [Self::Plain, Self::ScramSha256, Self::ScramSha512, Self::Token];

    /// Whether the broker has to prove that it knows the password, too.
    pub(crate) fn is_mutual(self) -> bool {
        matches!(self, Self::ScramSha256 | Self::ScramSha512)
    }

    fn credentials(self) -> Credentials {
        match self {
            Self::Plain => Credentials::plain(USER, PASSWORD),
            Self::ScramSha256 => Credentials::scram_sha_256(USER, PASSWORD, [7; 32]),
            Self::ScramSha512 => Credentials::scram_sha_512(USER, PASSWORD, [7; 32]),
            Self::Token => Ok(Credentials::oauth_bearer()),
        }
        .expect("credentials as they should be")
    }

    /// What a sender needs for it.
    pub(crate) fn tables(self, brokers_max: usize) -> SaslTables<SimStorage> {
        SaslTables {
            credentials: table(1, || self.credentials()),
            slots: table(brokers_max, || SaslSlot::EMPTY),
            buffers: table(brokers_max * BUFFER_BYTES, u8::default),
        }
    }
}

/// SASL in a run.
#[derive(Debug, Clone)]
pub(crate) struct SaslPlan {
    /// How long a session lasts, in milliseconds; 0 without an end.
    pub(crate) session_lifetime_ms: i64,
}

impl SaslPlan {
    pub(super) fn new(dice: &mut Dice) -> Self {
        // A broker takes no second authentication within a second, which begins before the end of the first.
        let session_lifetime_ms = if dice.one_in(4) { 0 } else { dice.magnitude(1_300, 20_000) as i64 };
        Self { session_lifetime_ms }
    }

    pub(crate) fn config(&self) -> SaslConfig {
        SaslConfig {
            users: [(USER.to_owned(), PASSWORD.to_owned())].into(),
            token: TOKEN.to_owned(),
            session_lifetime_ms: self.session_lifetime_ms,
            ..SaslConfig::default()
        }
    }
}
