//! The settings under `sasl.`: how the client proves who it is. What is missing, or contradicts another setting, is
//! refused by name before there is a socket, and no message tells a secret.

use felice_core::sasl::{Credentials, CredentialsError, Mechanism};
use zeroize::Zeroizing;

#[cfg(feature = "oidc")]
use super::oidc;
use super::{ConfigError, Settings, jaas};
#[cfg(feature = "aws-msk-iam")]
use crate::aws::AwsCredentials;
use crate::token::TokenProvider;

/// What the builder was told.
#[derive(Default)]
pub(crate) struct Sasl {
    pub(super) mechanism: Option<String>,
    pub(super) jaas_config: Option<Zeroizing<String>>,
    pub(super) username: Option<Zeroizing<String>>,
    pub(super) password: Option<Zeroizing<String>>,
    pub(super) provider: Option<Provider>,
    /// Who fetches tokens.
    #[cfg(feature = "oidc")]
    pub(super) client: oidc::Client,
}

/// A function, and the mechanism that it is for.
pub(super) struct Provider {
    mechanism: Mechanism,
    function: TokenProvider,
}

/// Who the client is, and where its tokens come from.
pub(crate) struct Authentication {
    /// One; in a place of its own, so that the secret is not copied from stack to stack.
    pub(crate) credentials: Box<[Credentials; 1]>,
    pub(crate) provider: Option<TokenProvider>,
    /// Whether a secret goes to the server of tokens as it is.
    pub(crate) asks_in_the_clear: bool,
    /// Who fetches tokens where there is no function.
    #[cfg(feature = "oidc")]
    client: oidc::Client,
}

const MECHANISM: &str = "sasl.mechanism";
const JAAS: &str = "sasl.jaas.config";
const USERNAME: &str = "sasl.username";
const PASSWORD: &str = "sasl.password";
const PROTOCOL: &str = "security.protocol";

/// What stands for a secret in messages.
pub(super) const HIDDEN: &str = "[hidden]";

/// Where tokens come from.
#[cfg(feature = "oidc")]
const TOKENS: &str = "a function (`sasl_oauth_bearer`), or sasl.oauthbearer.token.endpoint.url";
#[cfg(not(feature = "oidc"))]
const TOKENS: &str = "a function (`sasl_oauth_bearer`); to fetch them needs felice's feature `oidc`";

/// What is taken of a login module for tokens.
#[cfg(feature = "oidc")]
const OPTIONS: &str = oidc::OPTIONS;
#[cfg(not(feature = "oidc"))]
const OPTIONS: &str = "none: tokens come from a function (`sasl_oauth_bearer`)";

const OFFERED: &str = match (cfg!(feature = "scram"), cfg!(feature = "aws-msk-iam")) {
    (true, true) => "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM",
    (true, false) => {
        "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER; AWS_MSK_IAM needs felice's feature `aws-msk-iam`"
    }
    (false, true) => "PLAIN, OAUTHBEARER or AWS_MSK_IAM; SCRAM needs felice's feature `scram`",
    (false, false) => {
        "PLAIN or OAUTHBEARER; SCRAM needs felice's feature `scram`, and AWS_MSK_IAM `aws-msk-iam`"
    }
};

impl Sasl {
    /// Replaces whatever was said before.
    pub(super) fn set_user(&mut self, mechanism: &str, user: &str, password: &str) {
        *self = Self {
            mechanism: Some(mechanism.to_owned()),
            username: Some(Zeroizing::new(user.to_owned())),
            password: Some(Zeroizing::new(password.to_owned())),
            ..Self::default()
        };
    }

    /// The same, with a function that has what each connection needs.
    pub(super) fn set_provider(&mut self, mechanism: Mechanism, function: TokenProvider) {
        *self = Self {
            mechanism: Some(mechanism.name().to_owned()),
            provider: Some(Provider { mechanism, function }),
            ..Self::default()
        };
    }

    /// The same, with tokens that are fetched. What was said of their scope goes on to count.
    #[cfg(feature = "oidc")]
    pub(super) fn set_client(&mut self, endpoint: &str, id: &str, secret: &str) {
        let client = oidc::Client {
            endpoint: Some(endpoint.to_owned()),
            client_id: Some(Zeroizing::new(id.to_owned())),
            client_secret: Some(Zeroizing::new(secret.to_owned())),
            ..std::mem::take(&mut self.client)
        };
        *self = Self { mechanism: Some(Mechanism::OauthBearer.name().to_owned()), client, ..Self::default() };
    }

    /// Who the client is; `None` where the protocol has no SASL.
    pub(super) fn check(settings: &mut Settings) -> Result<Option<Authentication>, ConfigError> {
        let protocol = settings.security_protocol;
        let sasl = std::mem::take(&mut settings.sasl);
        if protocol.is_sasl() {
            return sasl.authentication().map(Some);
        }
        match sasl.first_set() {
            None => Ok(None),
            // Whoever names a user believes that it counts.
            Some(name) => Err(ConfigError::invalid(
                PROTOCOL,
                protocol.name().to_owned(),
                format!("SASL_SSL or SASL_PLAINTEXT where {name} is set: it is without SASL"),
            )),
        }
    }

    /// The name of a setting that is set.
    fn first_set(&self) -> Option<&'static str> {
        [
            (MECHANISM, self.mechanism.is_some()),
            (JAAS, self.jaas_config.is_some()),
            (USERNAME, self.username.is_some()),
            (PASSWORD, self.password.is_some()),
        ]
        .into_iter()
        .find_map(|(name, set)| set.then_some(name))
        .or_else(|| self.first_of_client())
    }

    #[cfg(feature = "oidc")]
    fn first_of_client(&self) -> Option<&'static str> {
        self.client.first_set()
    }

    #[cfg(not(feature = "oidc"))]
    #[expect(clippy::unused_self, reason = "with the feature it is used")]
    const fn first_of_client(&self) -> Option<&'static str> {
        None
    }

    fn authentication(mut self) -> Result<Authentication, ConfigError> {
        // Kafka's default, which is refused by its name.
        let mechanism = self.mechanism.take().unwrap_or_else(|| "GSSAPI".into());
        self.take_jaas(&mechanism)?;
        if mechanism != "OAUTHBEARER" && self.fetches() {
            let limit = "OAUTHBEARER where sasl.oauthbearer.token.endpoint.url is set".to_owned();
            return Err(ConfigError::invalid(MECHANISM, mechanism, limit));
        }
        let credentials = match mechanism.as_str() {
            "PLAIN" => self.of_user(&mechanism, Credentials::plain)?,
            #[cfg(feature = "scram")]
            "SCRAM-SHA-256" | "SCRAM-SHA-512" => {
                let entropy = entropy(&mechanism)?;
                let make = if mechanism == "SCRAM-SHA-256" {
                    Credentials::scram_sha_256
                } else {
                    Credentials::scram_sha_512
                };
                self.of_user(&mechanism, |user, password| make(user, password, entropy))?
            }
            "OAUTHBEARER" => {
                self.refuse_user(Mechanism::OauthBearer)?;
                if self.provider.is_some() == self.fetches() {
                    let limit = format!("set with one way to have tokens: {TOKENS}");
                    return Err(ConfigError::invalid(MECHANISM, mechanism, limit));
                }
                Credentials::oauth_bearer()
            }
            #[cfg(feature = "aws-msk-iam")]
            "AWS_MSK_IAM" => {
                self.refuse_user(Mechanism::AwsMskIam)?;
                self.provider.get_or_insert_with(Provider::of_environment);
                Credentials::aws_msk_iam()
            }
            "GSSAPI" => {
                let limit = format!("{OFFERED}: felice has no Kerberos");
                return Err(ConfigError::invalid(MECHANISM, mechanism, limit));
            }
            _ => return Err(ConfigError::invalid(MECHANISM, mechanism, OFFERED.to_owned())),
        };
        let provider = self.provider.map(|provider| provider.function);
        Ok(Authentication {
            credentials: Box::new([credentials]),
            provider,
            asks_in_the_clear: false,
            #[cfg(feature = "oidc")]
            client: self.client,
        })
    }

    /// User and password of the login module, which must be the mechanism's.
    fn take_jaas(&mut self, mechanism: &str) -> Result<(), ConfigError> {
        let refused = |limit: String| Err(ConfigError::invalid(JAAS, HIDDEN.to_owned(), limit));
        let Some(config) = self.jaas_config.take() else { return Ok(()) };
        if self.username.is_some() || self.password.is_some() {
            return refused(format!(
                "left out where {USERNAME} and {PASSWORD} are set: both tell who the client is"
            ));
        }
        let module = match jaas::parse(&config) {
            Ok(module) => module,
            Err(limit) => return refused(format!("a login module with its options: {limit}")),
        };
        let fitting = match mechanism {
            "PLAIN" => "PlainLoginModule",
            "OAUTHBEARER" => "OAuthBearerLoginModule",
            "AWS_MSK_IAM" => "IAMLoginModule",
            _ if mechanism.starts_with("SCRAM-") => "ScramLoginModule",
            // The mechanism itself is refused.
            _ => return Ok(()),
        };
        if module.class != fitting {
            return refused(format!("of a {fitting}, as {MECHANISM} = {mechanism} is"));
        }
        if mechanism == "OAUTHBEARER" {
            for (name, value) in module.options {
                if !self.take_option(&name, value) {
                    return refused(format!("without other options than {OPTIONS}"));
                }
            }
        } else if !module.options.is_empty() && mechanism == "AWS_MSK_IAM" {
            return refused(
                "without options: keys come from the environment (AWS_ACCESS_KEY_ID), or from a function \
                 (`sasl_aws_msk_iam`)"
                    .to_owned(),
            );
        }
        (self.username, self.password) = (module.username, module.password);
        Ok(())
    }

    /// An option of the login module for tokens. Whether it is known.
    #[cfg(feature = "oidc")]
    fn take_option(&mut self, name: &str, value: jaas::Value) -> bool {
        self.fetches() && self.client.take_option(name, value)
    }

    #[cfg(not(feature = "oidc"))]
    fn take_option(&mut self, _: &str, value: jaas::Value) -> bool {
        drop(value);
        false
    }

    /// Whether felice is to fetch tokens itself.
    const fn fetches(&self) -> bool {
        #[cfg(feature = "oidc")]
        return self.client.endpoint.is_some();
        #[cfg(not(feature = "oidc"))]
        false
    }

    fn of_user(
        &self,
        mechanism: &str,
        make: impl FnOnce(&str, &str) -> Result<Credentials, CredentialsError>,
    ) -> Result<Credentials, ConfigError> {
        if let Some(provider) = &self.provider {
            return Err(provider.another(mechanism));
        }
        let user = self.username.as_ref().ok_or(ConfigError::Missing { name: USERNAME })?;
        let password = self.password.as_ref().ok_or(ConfigError::Missing { name: PASSWORD })?;
        make(user, password).map_err(|error| {
            let name =
                if matches!(error, CredentialsError::InvalidUser { .. }) { USERNAME } else { PASSWORD };
            ConfigError::invalid(name, HIDDEN.to_owned(), error.to_string())
        })
    }

    /// A function says who the client is, and it must be this mechanism's.
    fn refuse_user(&self, mechanism: Mechanism) -> Result<(), ConfigError> {
        if self.username.is_some() || self.password.is_some() {
            let limit = "PLAIN or SCRAM where sasl.username or sasl.password is set";
            return Err(ConfigError::invalid(MECHANISM, mechanism.name().to_owned(), limit.to_owned()));
        }
        match &self.provider {
            Some(provider) if provider.mechanism != mechanism => Err(provider.another(mechanism.name())),
            _ => Ok(()),
        }
    }
}

impl Provider {
    /// The function is there, and another mechanism is set.
    fn another(&self, mechanism: &str) -> ConfigError {
        let limit = format!("{}, as the function that is set is for", self.mechanism.name());
        ConfigError::invalid(MECHANISM, mechanism.to_owned(), limit)
    }

    /// Where nobody says otherwise, as Amazon's own client begins.
    #[cfg(feature = "aws-msk-iam")]
    fn of_environment() -> Self {
        Self {
            mechanism: Mechanism::AwsMskIam,
            function: crate::token::aws_provider(AwsCredentials::from_env),
        }
    }
}

impl Authentication {
    pub(crate) fn mechanism(&self) -> Mechanism {
        self.credentials[0].mechanism()
    }

    /// Where tokens are to be fetched: checks whatever is needed for it, files included.
    #[cfg(feature = "oidc")]
    pub(super) fn with_tokens(mut self, settings: &Settings) -> Result<Self, ConfigError> {
        if self.mechanism() != Mechanism::OauthBearer || self.provider.is_some() {
            return Ok(self);
        }
        settings.login.check()?;
        let client = std::mem::take(&mut self.client);
        self.asks_in_the_clear = !client.is_inside_tls();
        self.provider = Some(client.function(settings)?);
        Ok(self)
    }

    /// Bytes of each connection's buffer: every user and password, token, or session of AWS', fits.
    pub(crate) fn buffer_bytes(&self) -> usize {
        match self.mechanism() {
            Mechanism::OauthBearer => 8 * 1024,
            #[cfg(feature = "aws-msk-iam")]
            Mechanism::AwsMskIam => 8 * 1024,
            _ => 1_024,
        }
    }
}

/// What nobody can guess, from the operating system.
#[cfg(feature = "scram")]
fn entropy(mechanism: &str) -> Result<[u8; 32], ConfigError> {
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy).map_err(|error| {
        let limit = format!("PLAIN or OAUTHBEARER: the system has no randomness ({error})");
        ConfigError::invalid(MECHANISM, mechanism.to_owned(), limit)
    })?;
    Ok(entropy)
}

/// A copy that is overwritten when it is dropped.
pub(super) fn secret(value: &str) -> Option<Zeroizing<String>> {
    Some(Zeroizing::new(value.to_owned()))
}

#[cfg(test)]
mod tests;
