//! What is had anew for each connection, and goes in the client's first message: OAUTHBEARER's token, or credentials
//! that are signed with for AWS_MSK_IAM.

use core::fmt::{self, Write};

#[cfg(feature = "aws-msk-iam")]
use super::msk_iam::{AwsCredentials, Connect};
use super::{CredentialsError, Mechanism, bearer::Bearer};
use crate::error::AuthenticationError;
#[cfg(feature = "aws-msk-iam")]
use crate::time::Timestamp;

/// What a provider gives for one connection.
#[derive(Clone, Copy)]
pub struct Token<'t>(Kind<'t>);

#[derive(Clone, Copy)]
enum Kind<'t> {
    Bearer(Bearer<'t>),
    #[cfg(feature = "aws-msk-iam")]
    Aws(Connect<'t>),
}

impl<'t> Token<'t> {
    /// For OAUTHBEARER: a token, as it goes behind the word `Bearer`, and SASL extensions (KIP-342): names and values.
    ///
    /// # Errors
    ///
    /// [`CredentialsError::InvalidToken`] for one that is empty or has other characters than the visible ones of ASCII;
    /// [`CredentialsError::InvalidExtension`] for a name that is not made of letters, or is `auth`, which is the token's
    /// own, and for a value with other characters than visible ones, blanks and ends of lines.
    pub fn new(token: &'t str, extensions: &'t [(&'t str, &'t str)]) -> Result<Self, CredentialsError> {
        Bearer::new(token, extensions).map(Kind::Bearer).map(Self)
    }

    /// For AWS_MSK_IAM: credentials, and what the wall clock says. The broker takes what is signed with them for 15
    /// minutes from then on, so the clock must not be further off than that.
    #[cfg(feature = "aws-msk-iam")]
    #[must_use]
    pub const fn aws_msk_iam(credentials: AwsCredentials<'t>, now: Timestamp) -> Self {
        Self(Kind::Aws(Connect { credentials, now }))
    }

    /// Writes the message that carries it to this host: its length. What makes it of no use is written to `words`.
    #[cfg_attr(not(feature = "aws-msk-iam"), expect(unused_variables))]
    pub(crate) fn write(
        &self,
        mechanism: Mechanism,
        host: &str,
        out: &mut [u8],
        words: &mut dyn Write,
    ) -> Result<usize, AuthenticationError> {
        let written = match (&self.0, mechanism) {
            (Kind::Bearer(bearer), Mechanism::OauthBearer) => bearer.write(out),
            #[cfg(feature = "aws-msk-iam")]
            (Kind::Aws(connect), Mechanism::AwsMskIam) => connect.write(host, out, words)?,
            // It is another mechanism's.
            _ => return Err(AuthenticationError::NoToken),
        };
        written.ok_or(AuthenticationError::TooLong)
    }
}

impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([hidden])")
    }
}
