//! The settings under `sasl.oauthbearer.` and `sasl.login.`: tokens that felice fetches itself. Kafka's names, and the
//! older ones in `sasl.jaas.config`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::sasl::HIDDEN;
use super::{ConfigError, Settings, jaas};
use crate::oidc::{Endpoint, Oidc, Times, authorization, form};
use crate::tls::Tls;
use crate::token::{self, TokenProvider};

/// What the builder was told of the server of tokens.
#[derive(Default)]
pub(crate) struct Client {
    pub(super) endpoint: Option<String>,
    pub(super) client_id: Option<Zeroizing<String>>,
    pub(super) client_secret: Option<Zeroizing<String>>,
    pub(super) scope: Option<String>,
    pub(super) header_urlencode: bool,
    pub(super) extensions: Vec<(String, String)>,
    /// Of its authority, where it is not that of the brokers.
    pub(super) truststore_location: Option<PathBuf>,
    pub(super) truststore_certificates: Option<Zeroizing<String>>,
}

/// How long the server of tokens is waited for.
pub(crate) struct Login {
    pub(super) times: Times,
    pub(super) backoff: Duration,
    pub(super) backoff_max: Duration,
}

impl Default for Login {
    fn default() -> Self {
        let seconds = Duration::from_secs(10);
        let times = Times { connect: seconds, read: seconds };
        Self { times, backoff: Duration::from_millis(100), backoff_max: seconds }
    }
}

pub(super) const ENDPOINT: &str = "sasl.oauthbearer.token.endpoint.url";
const CLIENT_ID: &str = "sasl.oauthbearer.client.credentials.client.id";
const CLIENT_SECRET: &str = "sasl.oauthbearer.client.credentials.client.secret";
const SCOPE: &str = "sasl.oauthbearer.scope";

/// What is taken of the login module's options.
pub(super) const OPTIONS: &str = "clientId, clientSecret, scope, extension_NAME, ssl.truststore.location and ssl.truststore.certificates, \
     beside sasl.oauthbearer.token.endpoint.url";

/// The longest id, secret or scope.
const TEXT_BYTES_MAX: usize = 2_048;

impl Client {
    /// The name of a setting that is set.
    pub(super) fn first_set(&self) -> Option<&'static str> {
        [
            (ENDPOINT, self.endpoint.is_some()),
            (CLIENT_ID, self.client_id.is_some()),
            (CLIENT_SECRET, self.client_secret.is_some()),
            (SCOPE, self.scope.is_some()),
        ]
        .into_iter()
        .find_map(|(name, set)| set.then_some(name))
    }

    /// Takes an option of the login module, where no setting says the same. Whether it is known.
    pub(super) fn take_option(&mut self, name: &str, value: jaas::Value) -> bool {
        match name {
            "clientId" => drop(self.client_id.get_or_insert(value)),
            "clientSecret" => drop(self.client_secret.get_or_insert(value)),
            "scope" => drop(self.scope.get_or_insert_with(|| value.to_string())),
            "ssl.truststore.location" => self.truststore_location = Some(value.as_str().into()),
            "ssl.truststore.certificates" => self.truststore_certificates = Some(value),
            _ => match name.strip_prefix("extension_") {
                Some(name) => self.extensions.push((name.to_owned(), value.to_string())),
                None => return false,
            },
        }
        true
    }

    /// Whether nobody on the way hears the secret.
    pub(super) fn is_inside_tls(&self) -> bool {
        self.endpoint
            .as_deref()
            .and_then(|url| Endpoint::parse(url).ok())
            .is_some_and(|endpoint| endpoint.https)
    }

    /// The function that has tokens. This reads files where the endpoint is of `https`.
    pub(super) fn function(self, settings: &Settings) -> Result<TokenProvider, ConfigError> {
        let url = self.endpoint.as_deref().ok_or(ConfigError::Missing { name: ENDPOINT })?;
        let endpoint = Endpoint::parse(url)
            .map_err(|limit| ConfigError::invalid(ENDPOINT, format!("{url:?}"), limit.to_owned()))?;
        let id = text(CLIENT_ID, self.client_id.as_ref().map(|id| id.as_str()))?;
        if id.contains(':') && !self.header_urlencode {
            let limit = "without a colon, unless sasl.oauthbearer.header.urlencode is true".to_owned();
            return Err(ConfigError::invalid(CLIENT_ID, HIDDEN.to_owned(), limit));
        }
        let secret = text(CLIENT_SECRET, self.client_secret.as_ref().map(|secret| secret.as_str()))?;
        let scope = self.scope.as_deref().map(str::trim).filter(|scope| !scope.is_empty());
        let scope = scope.map(|scope| text(SCOPE, Some(scope))).transpose()?;
        let Login { times, backoff, backoff_max } = settings.login;
        let oidc = Oidc {
            authorization: authorization(id, secret, self.header_urlencode),
            form: form(scope),
            times,
            backoff,
            backoff_max,
            tls: if endpoint.https { Some(Arc::new(self.tls(settings)?)) } else { None },
            endpoint,
            extensions: self.extensions,
        };
        Ok(token::provider(oidc.into_function()))
    }

    #[cfg(feature = "__tls")]
    fn tls(&self, settings: &Settings) -> Result<Tls, ConfigError> {
        use crate::tls::{Pem, Truststore};
        let own = match (&self.truststore_location, &self.truststore_certificates) {
            (Some(path), _) => Some(Truststore::File(path.clone())),
            (None, Some(text)) => Some(Truststore::Text(Pem::new(text))),
            (None, None) => None,
        };
        Tls::new(settings.ssl.trusting(own)?)
    }

    #[cfg(not(feature = "__tls"))]
    fn tls(&self, _: &Settings) -> Result<Tls, ConfigError> {
        let limit = "of http://, since this program was built without felice's feature `tls`".to_owned();
        Err(ConfigError::invalid(ENDPOINT, self.endpoint.clone().unwrap_or_default(), limit))
    }
}

impl Login {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        const MAX: Duration = Duration::from_millis(i32::MAX as u64);
        let least = Duration::from_millis(1);
        for (name, value) in [
            ("sasl.login.connect.timeout.ms", self.times.connect),
            ("sasl.login.read.timeout.ms", self.times.read),
            ("sasl.login.retry.backoff.ms", self.backoff),
            ("sasl.login.retry.backoff.max.ms", self.backoff_max),
        ] {
            if value < least || value > MAX {
                let range = format!("{} to {} ms", least.as_millis(), MAX.as_millis());
                return Err(ConfigError::invalid(name, super::millis(value), range));
            }
        }
        let (most, least) = (self.backoff_max, self.backoff);
        super::not_below("sasl.login.retry.backoff.max.ms", most, "sasl.login.retry.backoff.ms", least)
    }
}

/// A text that can go into a header or a form.
fn text<'t>(name: &'static str, value: Option<&'t str>) -> Result<&'t str, ConfigError> {
    let value = value.ok_or(ConfigError::Missing { name })?;
    if (1..=TEXT_BYTES_MAX).contains(&value.len()) && !value.chars().any(char::is_control) {
        return Ok(value);
    }
    let limit = format!("1 to {TEXT_BYTES_MAX} bytes of text without control characters");
    Err(ConfigError::invalid(name, HIDDEN.to_owned(), limit))
}

#[cfg(test)]
mod tests {
    use super::super::{SecurityProtocol, properties};
    use super::*;

    const URL: (&str, &str) = (ENDPOINT, "http://id.example/token");
    const ID: (&str, &str) = (CLIENT_ID, "gateway-7");
    const SECRET: (&str, &str) = (CLIENT_SECRET, "geheim");
    const MODULE: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required";

    /// What is wrong with settings, if anything is. No message tells the secret.
    fn check(given: &[(&str, &str)]) -> Result<bool, String> {
        let mut settings = Settings {
            bootstrap_servers: vec!["a:1".into()],
            security_protocol: SecurityProtocol::SaslPlaintext,
            ..Settings::default()
        };
        let given = [&[("sasl.mechanism", "OAUTHBEARER")], given].concat();
        let set =
            given.iter().try_for_each(|(name, value)| properties::set(&mut settings, name, value).map(drop));
        let checked = set.and_then(|()| settings.check());
        checked.map(|checked| checked.authentication.unwrap().provider.is_some()).map_err(|error| {
            let text = format!("{error} {error:?}");
            assert!(!text.contains("geheim"), "{text}");
            error.to_string()
        })
    }

    #[test]
    fn kafkas_names_and_the_older_ones() {
        assert_eq!(check(&[URL, ID, SECRET]), Ok(true));
        let jaas = format!(
            r#"{MODULE} clientId="i" clientSecret="geheim" scope="s" extension_logicalCluster="l"
                ssl.truststore.location="/nowhere";"#
        );
        assert_eq!(check(&[URL, ("sasl.jaas.config", &jaas)]), Ok(true), "no file is read for http");
        let shared = [
            URL,
            ID,
            SECRET,
            ("sasl.oauthbearer.scope", " write "),
            ("sasl.oauthbearer.header.urlencode", "true"),
            ("sasl.login.connect.timeout.ms", "1000"),
            ("sasl.login.read.timeout.ms", "1000"),
            ("sasl.login.retry.backoff.ms", "50"),
            ("sasl.login.retry.backoff.max.ms", "50"),
            (
                "sasl.login.callback.handler.class",
                "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
            ),
            (
                "sasl.oauthbearer.jwt.retriever.class",
                "org.apache.kafka.common.security.oauthbearer.DefaultJwtRetriever",
            ),
            ("sasl.jaas.config", &format!("{MODULE} ;")),
        ];
        assert_eq!(check(&shared), Ok(true));
    }

    #[test]
    fn what_is_missing_or_does_not_fit_is_named() {
        let long = "x".repeat(2_049);
        let option = format!(r#"{MODULE} unsecuredLoginStringClaim_sub="geheim";"#);
        for (given, words) in [
            (&[][..], &["sasl.mechanism = OAUTHBEARER", ENDPOINT][..]),
            (&[URL, SECRET], &["client.id is missing"]),
            (&[URL, ID], &["client.secret is missing"]),
            (&[ID, SECRET], &[ENDPOINT]),
            (&[(ENDPOINT, "id.example"), ID, SECRET], &[ENDPOINT, "id.example", "http:// or https://"]),
            (&[URL, (CLIENT_ID, "a:b"), SECRET], &[CLIENT_ID, "colon"]),
            (&[URL, (CLIENT_ID, ""), SECRET], &[CLIENT_ID, "1 to 2048"]),
            (&[URL, ID, (CLIENT_SECRET, "geheim\r\nHost: other")], &[CLIENT_SECRET, "control characters"]),
            (&[URL, ID, SECRET, (SCOPE, &long)], &[SCOPE, "1 to 2048"]),
            (&[URL, ID, SECRET, ("sasl.username", "alice")], &["sasl.username"]),
            (
                &[URL, ID, SECRET, ("sasl.mechanism", "PLAIN")],
                &["sasl.mechanism = PLAIN", "OAUTHBEARER", ENDPOINT],
            ),
            (&[URL, ("sasl.jaas.config", &option)], &["sasl.jaas.config", "clientSecret"]),
            (&[("sasl.jaas.config", &option)], &["sasl.jaas.config", "clientSecret"]),
            (
                &[URL, ID, SECRET, ("sasl.login.read.timeout.ms", "0")],
                &["sasl.login.read.timeout.ms = 0 ms", "1 to"],
            ),
            (
                &[URL, ID, SECRET, ("sasl.login.retry.backoff.ms", "20000")],
                &["sasl.login.retry.backoff.max.ms = 10000 ms", "at least"],
            ),
            (&[URL, ID, SECRET, ("security.protocol", "PLAINTEXT")], &["security.protocol = PLAINTEXT"]),
            (
                &[ID, ("security.protocol", "PLAINTEXT"), ("sasl.mechanism", "")],
                &["security.protocol", CLIENT_ID],
            ),
        ] {
            let error = check(given).unwrap_err();
            assert!(words.iter().all(|word| error.contains(word)), "{given:?}: {error}");
        }
    }

    /// An endpoint inside TLS has authorities of its own, or those of the brokers; without TLS it is refused.
    #[test]
    fn an_endpoint_inside_tls_needs_somebody_to_trust() {
        let url = (ENDPOINT, "https://id.example/token");
        let error = check(&[url, ID, SECRET]).unwrap_err();
        if cfg!(not(feature = "__tls")) {
            assert!(error.starts_with(ENDPOINT) && error.contains("feature `tls`"), "{error}");
        } else if cfg!(not(feature = "tls-native-roots")) {
            assert!(error.starts_with("ssl.truststore.location = (nothing)"), "{error}");
            let jaas = format!(r#"{MODULE} ssl.truststore.location="/nowhere";"#);
            let error = check(&[url, ID, SECRET, ("sasl.jaas.config", &jaas)]).unwrap_err();
            assert!(error.starts_with("ssl.truststore.location = /nowhere"), "{error}");
        }
    }
}
