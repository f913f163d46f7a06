//! The settings under `sasl.`: how the client proves who it is. What is missing, or contradicts another setting, is
//! refused by name before there is a socket, and no message tells a secret.

use felice_core::sasl::{Credentials, CredentialsError, Mechanism};
use zeroize::Zeroizing;

use super::{ConfigError, Settings, jaas};
use crate::token::TokenProvider;

/// What the builder was told.
#[derive(Default)]
pub(crate) struct Sasl {
    pub(super) mechanism: Option<String>,
    pub(super) jaas_config: Option<Zeroizing<String>>,
    pub(super) username: Option<Zeroizing<String>>,
    pub(super) password: Option<Zeroizing<String>>,
    pub(super) provider: Option<TokenProvider>,
}

/// Who the client is, and where its tokens come from.
pub(crate) struct Authentication {
    /// One; in a place of its own, so that the secret is not copied from stack to stack.
    pub(crate) credentials: Box<[Credentials; 1]>,
    pub(crate) provider: Option<TokenProvider>,
}

const MECHANISM: &str = "sasl.mechanism";
const JAAS: &str = "sasl.jaas.config";
const USERNAME: &str = "sasl.username";
const PASSWORD: &str = "sasl.password";
const PROTOCOL: &str = "security.protocol";

/// What stands for a secret in messages.
const HIDDEN: &str = "[hidden]";

const OFFERED: &str = if cfg!(feature = "scram") {
    "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER"
} else {
    "PLAIN or OAUTHBEARER; SCRAM needs felice's feature `scram`"
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

    /// The same, with tokens.
    pub(super) fn set_provider(&mut self, provider: TokenProvider) {
        *self = Self {
            mechanism: Some(Mechanism::OauthBearer.name().to_owned()),
            provider: Some(provider),
            ..Self::default()
        };
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
    }

    fn authentication(mut self) -> Result<Authentication, ConfigError> {
        // Kafka's default, which is refused by its name.
        let mechanism = self.mechanism.take().unwrap_or_else(|| "GSSAPI".into());
        self.take_jaas(&mechanism)?;
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
                self.refuse_user(&mechanism)?;
                Credentials::oauth_bearer()
            }
            "GSSAPI" => {
                let limit = format!("{OFFERED}: felice has no Kerberos");
                return Err(ConfigError::invalid(MECHANISM, mechanism, limit));
            }
            _ => return Err(ConfigError::invalid(MECHANISM, mechanism, OFFERED.to_owned())),
        };
        Ok(Authentication { credentials: Box::new([credentials]), provider: self.provider })
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
            _ if mechanism.starts_with("SCRAM-") => "ScramLoginModule",
            // The mechanism itself is refused.
            _ => return Ok(()),
        };
        if module.class != fitting {
            return refused(format!("of a {fitting}, as {MECHANISM} = {mechanism} is"));
        }
        if module.others && mechanism == "OAUTHBEARER" {
            return refused("without options: tokens come from a function (`sasl_oauth_bearer`)".to_owned());
        }
        (self.username, self.password) = (module.username, module.password);
        Ok(())
    }

    fn of_user(
        &self,
        mechanism: &str,
        make: impl FnOnce(&str, &str) -> Result<Credentials, CredentialsError>,
    ) -> Result<Credentials, ConfigError> {
        if self.provider.is_some() {
            let limit = "OAUTHBEARER where tokens come from a function (`sasl_oauth_bearer`)".to_owned();
            return Err(ConfigError::invalid(MECHANISM, mechanism.to_owned(), limit));
        }
        let user = self.username.as_ref().ok_or(ConfigError::Missing { name: USERNAME })?;
        let password = self.password.as_ref().ok_or(ConfigError::Missing { name: PASSWORD })?;
        make(user, password).map_err(|error| {
            let name =
                if matches!(error, CredentialsError::InvalidUser { .. }) { USERNAME } else { PASSWORD };
            ConfigError::invalid(name, HIDDEN.to_owned(), error.to_string())
        })
    }

    fn refuse_user(&self, mechanism: &str) -> Result<(), ConfigError> {
        let refused =
            |limit: &str| Err(ConfigError::invalid(MECHANISM, mechanism.to_owned(), limit.to_owned()));
        if self.username.is_some() || self.password.is_some() {
            return refused(
                "PLAIN or SCRAM where sasl.username or sasl.password is set: a token says who the client is",
            );
        }
        if self.provider.is_none() {
            return refused("set with a function that has tokens (`sasl_oauth_bearer`): a file has none");
        }
        Ok(())
    }
}

impl Authentication {
    pub(crate) fn mechanism(&self) -> Mechanism {
        self.credentials[0].mechanism()
    }

    /// Bytes of each connection's buffer: every user and password, or every token, fits.
    pub(crate) fn buffer_bytes(&self) -> usize {
        match self.mechanism() {
            Mechanism::OauthBearer => 8 * 1024,
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
mod tests {
    use super::super::SecurityProtocol;
    use super::*;
    use crate::token::BearerToken;

    const PLAIN: &str = r#"org.apache.kafka.common.security.plain.PlainLoginModule required username="alice" password="geheim";"#;

    fn settings(sasl: Sasl, security_protocol: SecurityProtocol) -> Settings {
        Settings { sasl, security_protocol, ..Settings::default() }
    }

    fn check(sasl: Sasl) -> Result<Option<Authentication>, ConfigError> {
        Sasl::check(&mut settings(sasl, SecurityProtocol::SaslPlaintext))
    }

    fn of_jaas(mechanism: &str, config: &str) -> Sasl {
        Sasl { mechanism: Some(mechanism.into()), jaas_config: secret(config), ..Sasl::default() }
    }

    /// What is wrong, and that no secret is told.
    fn error(sasl: Sasl) -> String {
        let Err(error) = check(sasl) else { panic!("it is taken") };
        let text = format!("{error} {error:?}");
        assert!(!text.contains("geheim") && !text.contains("alice"), "{text}");
        error.to_string()
    }

    #[test]
    fn each_mechanism_is_taken_in_javas_way_and_in_librdkafkas() {
        let mechanisms: &[&str] =
            if cfg!(feature = "scram") { &["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] } else { &["PLAIN"] };
        for mechanism in mechanisms {
            let module = if *mechanism == "PLAIN" { "PlainLoginModule" } else { "ScramLoginModule" };
            let config = PLAIN.replace("PlainLoginModule", module);
            let found = check(of_jaas(mechanism, &config)).unwrap().unwrap();
            assert_eq!(found.mechanism().name(), *mechanism);
            let mut sasl = Sasl::default();
            sasl.set_user(mechanism, "alice", "geheim");
            assert_eq!(check(sasl).unwrap().unwrap().mechanism().name(), *mechanism);
        }
        let mut sasl = Sasl::default();
        sasl.set_provider(crate::token::provider(|| Ok(BearerToken::new("t"))));
        sasl.jaas_config =
            secret("org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required ;");
        assert!(check(sasl).unwrap().unwrap().provider.is_some());
    }

    #[test]
    fn what_is_missing_or_contradicts_is_refused_by_name() {
        let user = |mechanism: &str| {
            let mut sasl = Sasl::default();
            sasl.set_user(mechanism, "alice", "geheim");
            sasl
        };
        for (sasl, words) in [
            (Sasl::default(), &["sasl.mechanism = GSSAPI", "Kerberos"][..]),
            (user("GSSAPI"), &["sasl.mechanism = GSSAPI", "Kerberos"]),
            (user("PLIAN"), &["sasl.mechanism = PLIAN", "PLAIN"]),
            (user("OAUTHBEARER"), &["sasl.mechanism = OAUTHBEARER", "sasl.username"]),
            (Sasl { username: None, ..user("PLAIN") }, &["sasl.username is missing"]),
            (Sasl { password: None, ..user("PLAIN") }, &["sasl.password is missing"]),
            (Sasl { username: secret(&"u".repeat(256)), ..user("PLAIN") }, &["sasl.username", "256 bytes"]),
            (Sasl { password: secret(""), ..user("PLAIN") }, &["sasl.password", "0 bytes"]),
            (Sasl { jaas_config: secret(PLAIN), ..user("PLAIN") }, &["sasl.jaas.config", "sasl.username"]),
            (of_jaas("PLAIN", "alice geheim"), &["sasl.jaas.config", "control flag"]),
            (
                of_jaas("PLAIN", &PLAIN.replace("Plain", "Scram")),
                &["sasl.jaas.config", "PlainLoginModule", "sasl.mechanism = PLAIN"],
            ),
            (
                of_jaas(
                    "OAUTHBEARER",
                    r#"OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="x";"#,
                ),
                &["sasl.jaas.config", "sasl_oauth_bearer"],
            ),
            (of_jaas("OAUTHBEARER", "OAuthBearerLoginModule required;"), &["sasl_oauth_bearer"]),
        ] {
            let error = error(sasl);
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        }
        #[cfg(not(feature = "scram"))]
        assert!(error(user("SCRAM-SHA-256")).contains("feature `scram`"));
    }

    #[test]
    fn a_user_without_sasl_is_a_mistake() {
        let mut sasl = Sasl::default();
        sasl.set_user("PLAIN", "alice", "geheim");
        let result = Sasl::check(&mut settings(sasl, SecurityProtocol::Ssl));
        let Err(error) = result else { panic!("it is taken") };
        let error = error.to_string();
        assert!(error.starts_with("security.protocol = SSL ") && error.contains("sasl.mechanism"), "{error}");
        assert!(matches!(Sasl::check(&mut Settings::default()), Ok(None)));
    }
}
