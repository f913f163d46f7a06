//! Who the client is: the mechanism, and what it needs.

use core::fmt;

use super::secret::Secret;

/// The longest user name.
pub const USER_BYTES_MAX: usize = 255;

/// The longest password: that of Azure Event Hubs, which is a whole connection string, has about 200.
pub const PASSWORD_BYTES_MAX: usize = 512;

/// Kafka's `sasl.mechanism`, of those that felice has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mechanism {
    /// User and password as they are: everybody on the way can read them, unless TLS is around them.
    Plain,
    /// Each side proves that it knows the password, with SHA-256.
    #[cfg(feature = "scram")]
    ScramSha256,
    /// The same with SHA-512.
    #[cfg(feature = "scram")]
    ScramSha512,
    /// A token of the user's.
    OauthBearer,
    /// What is signed with AWS credentials, for Amazon MSK.
    #[cfg(feature = "aws-msk-iam")]
    AwsMskIam,
}

impl Mechanism {
    /// Kafka's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            #[cfg(feature = "scram")]
            Self::ScramSha256 => "SCRAM-SHA-256",
            #[cfg(feature = "scram")]
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::OauthBearer => "OAUTHBEARER",
            #[cfg(feature = "aws-msk-iam")]
            Self::AwsMskIam => "AWS_MSK_IAM",
        }
    }

    /// Whether each authentication needs a [`Token`](super::Token) of its own.
    pub(crate) const fn needs_token(self) -> bool {
        match self {
            Self::OauthBearer => true,
            #[cfg(feature = "aws-msk-iam")]
            Self::AwsMskIam => true,
            _ => false,
        }
    }
}

/// Why credentials cannot be used. It never tells them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The user's name is empty, longer than [`USER_BYTES_MAX`], or has a zero byte.
    InvalidUser {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The password is empty, longer than [`PASSWORD_BYTES_MAX`], or has a zero byte.
    InvalidPassword {
        /// Its length in bytes.
        bytes: usize,
    },
    /// The token is empty, or has other characters than the visible ones of ASCII.
    InvalidToken,
    /// An extension beside a token has a name or a value that RFC 7628 does not allow.
    InvalidExtension,
    /// A part of AWS credentials is empty, too long, or has characters that none of AWS' has.
    #[cfg(feature = "aws-msk-iam")]
    InvalidAwsCredentials {
        /// Which one.
        part: &'static str,
    },
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidUser { bytes } => {
                write!(
                    f,
                    "the user name has {bytes} bytes: 1 to {USER_BYTES_MAX} are allowed, none of them zero"
                )
            }
            Self::InvalidPassword { bytes } => write!(
                f,
                "the password has {bytes} bytes: 1 to {PASSWORD_BYTES_MAX} are allowed, none of them zero"
            ),
            Self::InvalidToken => write!(f, "the token is empty, or has other characters than visible ASCII"),
            Self::InvalidExtension => write!(f, "a SASL extension has a name or a value that is not allowed"),
            #[cfg(feature = "aws-msk-iam")]
            Self::InvalidAwsCredentials { part } => {
                write!(f, "the AWS {part} is empty, too long, or has characters that are not allowed")
            }
        }
    }
}

impl core::error::Error for CredentialsError {}

/// A mechanism and what it needs. Overwritten when it is dropped; never shown.
pub struct Credentials {
    mechanism: Mechanism,
    user: Secret<USER_BYTES_MAX>,
    password: Secret<PASSWORD_BYTES_MAX>,
    #[cfg(feature = "scram")]
    pub(super) scram: super::scram::Keys,
}

impl Credentials {
    /// PLAIN. Nothing hides the password from who can read the connection: use it inside TLS.
    ///
    /// # Errors
    ///
    /// [`CredentialsError`]: a name or password that is empty, too long, or has a zero byte.
    pub fn plain(user: &str, password: &str) -> Result<Self, CredentialsError> {
        Self::new(Mechanism::Plain, user, password)
    }

    /// SCRAM-SHA-256. `entropy` is 32 bytes that nobody can guess, and that are never used for another producer: what
    /// the client says to be sure that the server's answer is new comes from them.
    ///
    /// # Errors
    ///
    /// As [`plain`](Self::plain).
    #[cfg(feature = "scram")]
    pub fn scram_sha_256(user: &str, password: &str, entropy: [u8; 32]) -> Result<Self, CredentialsError> {
        let mut new = Self::new(Mechanism::ScramSha256, user, password)?;
        new.scram.seed(entropy);
        Ok(new)
    }

    /// SCRAM-SHA-512: as [`scram_sha_256`](Self::scram_sha_256).
    ///
    /// # Errors
    ///
    /// As [`plain`](Self::plain).
    #[cfg(feature = "scram")]
    pub fn scram_sha_512(user: &str, password: &str, entropy: [u8; 32]) -> Result<Self, CredentialsError> {
        let mut new = Self::new(Mechanism::ScramSha512, user, password)?;
        new.scram.seed(entropy);
        Ok(new)
    }

    /// OAUTHBEARER: [`Event::Token`](crate::event::Event::Token) asks for a token each time that one is needed.
    #[must_use]
    pub const fn oauth_bearer() -> Self {
        Self::of_tokens(Mechanism::OauthBearer)
    }

    /// AWS_MSK_IAM: [`Event::Token`](crate::event::Event::Token) asks for credentials and the time whenever something is
    /// to be signed: [`Token::aws_msk_iam`](super::Token::aws_msk_iam).
    #[cfg(feature = "aws-msk-iam")]
    #[must_use]
    pub const fn aws_msk_iam() -> Self {
        Self::of_tokens(Mechanism::AwsMskIam)
    }

    const fn of_tokens(mechanism: Mechanism) -> Self {
        Self {
            mechanism,
            user: Secret::EMPTY,
            password: Secret::EMPTY,
            #[cfg(feature = "scram")]
            scram: super::scram::Keys::EMPTY,
        }
    }

    fn new(mechanism: Mechanism, user: &str, password: &str) -> Result<Self, CredentialsError> {
        let usable = |text: &str| !text.is_empty() && !text.bytes().any(|byte| byte == 0);
        let invalid_user = CredentialsError::InvalidUser { bytes: user.len() };
        let invalid_password = CredentialsError::InvalidPassword { bytes: password.len() };
        if !usable(user) {
            return Err(invalid_user);
        }
        if !usable(password) {
            return Err(invalid_password);
        }
        Ok(Self {
            mechanism,
            user: Secret::new(user.as_bytes()).ok_or(invalid_user)?,
            password: Secret::new(password.as_bytes()).ok_or(invalid_password)?,
            #[cfg(feature = "scram")]
            scram: super::scram::Keys::EMPTY,
        })
    }

    /// The mechanism.
    #[must_use]
    pub const fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    #[cfg(feature = "scram")]
    pub(super) fn user(&self) -> &[u8] {
        self.user.bytes()
    }

    #[cfg(feature = "scram")]
    pub(super) fn password(&self) -> &[u8] {
        self.password.bytes()
    }

    /// PLAIN's only message: nobody to act for, the user, the password.
    pub(super) fn write_plain(&self, out: &mut [u8]) -> Option<usize> {
        let (user, password) = (self.user.bytes(), self.password.bytes());
        let length = 2 + user.len() + password.len();
        let out = out.get_mut(..length)?;
        out[0] = 0;
        out[1..][..user.len()].copy_from_slice(user);
        out[1 + user.len()] = 0;
        out[2 + user.len()..].copy_from_slice(password);
        Some(length)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("mechanism", &self.mechanism).finish_non_exhaustive()
    }
}
