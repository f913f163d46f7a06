//! What AWS_MSK_IAM signs with: keys of the user's, or those of the environment. Nothing else is looked for: no profile,
//! no metadata of an instance, no role to assume; a function of the user's may have them from an SDK.

use std::{env, fmt};

use felice_core::sasl::{self, CredentialsError, Token};
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::token::TokenError;

/// A key of AWS, with the session's token where it is temporary. Overwritten when it is dropped; never shown.
///
/// ```
/// use felice_host::AwsCredentials;
///
/// let credentials = AwsCredentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI").region("eu-west-1");
/// ```
pub struct AwsCredentials {
    access_key_id: Zeroizing<String>,
    secret_access_key: Zeroizing<String>,
    session_token: Option<Zeroizing<String>>,
    region: Option<String>,
}

impl AwsCredentials {
    /// A user's key: its id (1 to 128 letters and digits) and its secret (1 to 128 visible characters of ASCII).
    #[must_use]
    pub fn new(access_key_id: impl Into<String>, secret_access_key: impl Into<String>) -> Self {
        Self {
            access_key_id: Zeroizing::new(access_key_id.into()),
            secret_access_key: Zeroizing::new(secret_access_key.into()),
            session_token: None,
            region: None,
        }
    }

    /// With the session's token: keys that begin with `ASIA` need it. 7,000 characters at the most.
    #[must_use]
    pub fn session_token(mut self, token: impl Into<String>) -> Self {
        self.session_token = Some(Zeroizing::new(token.into()));
        self
    }

    /// With the cluster's region. Where it is not said, it is taken from the broker's name, which Amazon's own have
    /// (`b-1.name.c2.kafka.eu-west-1.amazonaws.com`).
    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Those of the environment, under the names that AWS' own tools have: `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, and where they are set `AWS_SESSION_TOKEN` and `AWS_REGION` (or `AWS_DEFAULT_REGION`).
    ///
    /// # Errors
    ///
    /// The name of the variable that is missing.
    pub fn from_env() -> Result<Self, TokenError> {
        Self::from_variables(|name| env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, TokenError> {
        let needed = |name: &str| {
            variable(name).ok_or_else(|| TokenError::from(format!("the environment has no {name}")))
        };
        let mut new = Self::new(needed("AWS_ACCESS_KEY_ID")?, needed("AWS_SECRET_ACCESS_KEY")?);
        new.session_token = variable("AWS_SESSION_TOKEN").map(Zeroizing::new);
        new.region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
        Ok(new)
    }

    /// What the core signs with, now.
    pub(crate) fn token(&self) -> Result<Token<'_>, CredentialsError> {
        let session = self.session_token.as_ref().map(|token| token.as_str());
        let region = self.region.as_deref();
        let credentials =
            sasl::AwsCredentials::new(&self.access_key_id, &self.secret_access_key, session, region)?;
        Ok(Token::aws_msk_iam(credentials, Clock::new().timestamp()))
    }
}

impl fmt::Debug for AwsCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AwsCredentials([hidden])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environments_names_are_aws_own() {
        let with = |set: &'static [(&str, &str)]| {
            AwsCredentials::from_variables(move |name| {
                set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            })
        };
        let error = |set| with(set).unwrap_err().to_string();
        assert_eq!(error(&[]), "the environment has no AWS_ACCESS_KEY_ID");
        assert_eq!(error(&[("AWS_ACCESS_KEY_ID", "A")]), "the environment has no AWS_SECRET_ACCESS_KEY");
        const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "geheim")];
        let found = with(&KEYS).unwrap();
        assert!(found.session_token.is_none() && found.region.is_none() && found.token().is_ok());
        let found = with(&[
            KEYS[0],
            KEYS[1],
            ("AWS_SESSION_TOKEN", "t"),
            ("AWS_REGION", "eu-west-1"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
        ]);
        let found = found.unwrap();
        assert_eq!(
            (found.session_token.as_ref().unwrap().as_str(), found.region.as_deref()),
            ("t", Some("eu-west-1"))
        );
        let found = with(&[KEYS[0], KEYS[1], ("AWS_DEFAULT_REGION", "us-east-1")]).unwrap();
        assert_eq!(found.region.as_deref(), Some("us-east-1"));
        assert_eq!(format!("{found:?}"), "AwsCredentials([hidden])");
        assert!(AwsCredentials::new("A", "with blanks").token().is_err());
    }
}
