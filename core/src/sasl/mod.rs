//! SASL: how a client proves who it is, as messages that go to and fro. Small state machines without a heap, a clock, or
//! randomness of their own.
//!
//! | mechanism | messages | specified in |
//! |---|---|---|
//! | PLAIN | user and password, as they are | RFC 4616 |
//! | SCRAM-SHA-256, SCRAM-SHA-512 | each side proves that it knows the password, which nobody sees (feature `scram`) | RFC 5802, RFC 7677 |
//! | OAUTHBEARER | a token of the user's, asked for each time | RFC 7628 |
//! | AWS_MSK_IAM | what is signed with AWS credentials, asked for each time (feature `aws-msk-iam`) | Amazon's client |
//!
//! Names and passwords are their UTF-8 bytes, as with Kafka's own client: nothing is normalized (no SASLprep).
//!
//! Secrets live in memory of fixed length that is overwritten when it is dropped, and are in no `Debug`, error or trace.
//! Copies that the compiler makes when a value is moved are not: make credentials once, where they stay.
//!
//! What the server sends is hostile until the exchange is over: lengths, numbers and texts are checked, and how often
//! a password is hashed has a limit ([`ITERATIONS_MAX`]).

mod bearer;
mod credentials;
#[cfg(feature = "aws-msk-iam")]
mod msk_iam;
#[cfg(feature = "scram")]
mod scram;
mod secret;
#[cfg(feature = "aws-msk-iam")]
mod sigv4;
#[cfg(test)]
mod tests;
mod text;
mod token;

pub use credentials::{Credentials, CredentialsError, Mechanism, PASSWORD_BYTES_MAX, USER_BYTES_MAX};
#[cfg(feature = "aws-msk-iam")]
pub use msk_iam::{ACCESS_KEY_ID_BYTES_MAX, AwsCredentials, REGION_BYTES_MAX, SECRET_ACCESS_KEY_BYTES_MAX};
pub(crate) use secret::write_harmless;
pub use token::Token;

use core::fmt::Write;

use crate::error::AuthenticationError;

/// The longest message of a server that is taken in. Kafka's own have 110 bytes.
pub const CHALLENGE_BYTES_MAX: usize = 512;

/// SCRAM: the least number of rounds that protects a password (RFC 7677).
pub const ITERATIONS_MIN: u32 = 4_096;

/// SCRAM: the most rounds that are computed for a server, four times of what Kafka allows. A thousand take about half
/// a millisecond on a server, and a tenth of a second or more on a microcontroller.
pub const ITERATIONS_MAX: u32 = 65_536;

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The client's: [`Exchange::message`] has one more.
    Message,
    /// Nobody's: the server accepts the client, and the client the server.
    Done,
}

/// One run of a mechanism.
#[derive(Debug)]
pub(crate) struct Exchange {
    step: Step,
    #[cfg(feature = "scram")]
    scram: scram::Exchange,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    First,
    /// The server has said something that is to be answered: SCRAM's challenge, or why it refuses a token.
    Second,
    Over,
}

impl Exchange {
    pub(crate) const EMPTY: Self = Self {
        step: Step::Over,
        #[cfg(feature = "scram")]
        scram: scram::Exchange::EMPTY,
    };

    /// A new run.
    #[cfg_attr(not(feature = "scram"), expect(unused_variables))]
    pub(crate) fn begin(credentials: &mut Credentials) -> Self {
        Self {
            step: Step::First,
            #[cfg(feature = "scram")]
            scram: scram::Exchange::begin(credentials),
        }
    }

    /// Writes the client's next message, and returns its length. `challenge` is what the server has said before. A message
    /// that was made of a [`Token`] is the last `token` bytes of `out`. Words that are worth telling are written to `words`.
    #[cfg_attr(not(feature = "scram"), expect(unused_variables))]
    pub(crate) fn message(
        &mut self,
        credentials: &mut Credentials,
        challenge: &[u8],
        token: usize,
        out: &mut [u8],
        words: &mut dyn Write,
    ) -> Result<usize, AuthenticationError> {
        let length = match (credentials.mechanism(), self.step) {
            (Mechanism::Plain, _) => credentials.write_plain(out),
            (Mechanism::OauthBearer, Step::First) => take_token(token, out),
            (Mechanism::OauthBearer, _) => out.first_mut().map(|byte| {
                *byte = bearer::HEARD;
                1
            }),
            #[cfg(feature = "aws-msk-iam")]
            (Mechanism::AwsMskIam, _) => take_token(token, out),
            #[cfg(feature = "scram")]
            (Mechanism::ScramSha256 | Mechanism::ScramSha512, Step::First) => {
                self.scram.client_first(credentials, out)
            }
            #[cfg(feature = "scram")]
            (Mechanism::ScramSha256 | Mechanism::ScramSha512, _) => {
                self.scram.client_final(credentials, challenge, out, words)?
            }
        };
        length.ok_or(AuthenticationError::TooLong)
    }

    /// Takes in what the server answered. Words that are worth telling are written to `words`.
    pub(crate) fn answer(
        &mut self,
        credentials: &Credentials,
        challenge: &[u8],
        words: &mut dyn Write,
    ) -> Result<Next, AuthenticationError> {
        match (credentials.mechanism(), self.step) {
            (_, Step::Over) => return Err(AuthenticationError::InvalidChallenge),
            (Mechanism::Plain, _) => {}
            (Mechanism::OauthBearer, Step::First) if challenge.is_empty() => {}
            (Mechanism::OauthBearer, Step::First) => {
                write_harmless(words, challenge);
                self.step = Step::Second;
                return Ok(Next::Message);
            }
            // It was to say no, and says yes.
            (Mechanism::OauthBearer, _) => return Err(AuthenticationError::InvalidChallenge),
            #[cfg(feature = "aws-msk-iam")]
            (Mechanism::AwsMskIam, _) if msk_iam::is_acceptance(challenge) => {}
            #[cfg(feature = "aws-msk-iam")]
            (Mechanism::AwsMskIam, _) => return Err(AuthenticationError::InvalidChallenge),
            #[cfg(feature = "scram")]
            (Mechanism::ScramSha256 | Mechanism::ScramSha512, Step::First) => {
                self.step = Step::Second;
                return Ok(Next::Message);
            }
            #[cfg(feature = "scram")]
            (Mechanism::ScramSha256 | Mechanism::ScramSha512, _) => {
                self.scram.server_final(credentials.mechanism(), challenge, words)?;
            }
        }
        self.step = Step::Over;
        Ok(Next::Done)
    }
}

/// The message that is at the end of the buffer goes to where messages begin.
fn take_token(token: usize, out: &mut [u8]) -> Option<usize> {
    let start = out.len().checked_sub(token)?;
    out.copy_within(start.., 0);
    Some(token)
}
