//! OIDC: tokens for OAUTHBEARER from a server of tokens, with the credentials of a client (RFC 6749, 4.4; KIP-768).
//!
//! Asked on the thread that calls functions that have tokens, which may wait. Each question has its time and its length;
//! a token is kept for four fifths of its life. What was refused is not asked for again at once: a server of tokens may
//! close the account otherwise. No error and no `Debug` shows a secret or a token.

mod answer;
mod endpoint;
mod http;

use std::fmt;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

pub(crate) use self::endpoint::Endpoint;
pub(crate) use self::http::Times;
use crate::lock::lock;
use crate::tls::Tls;
use crate::token::{BearerToken, TokenError};

/// Of a token's life, for how much it is kept: Kafka's `sasl.login.refresh.window.factor`.
const KEPT_PERCENT: u32 = 80;

/// Whom to ask, as whom, and for what.
pub(crate) struct Oidc {
    pub(crate) endpoint: Endpoint,
    /// The value of `Authorization`.
    pub(crate) authorization: Zeroizing<String>,
    /// The form that is posted.
    pub(crate) form: String,
    /// SASL extensions that go beside each token (KIP-342).
    pub(crate) extensions: Vec<(String, String)>,
    pub(crate) times: Times,
    /// `sasl.login.retry.backoff.ms`: the pause before the first repetition; it doubles each time.
    pub(crate) backoff: Duration,
    /// `sasl.login.retry.backoff.max.ms`: the longest pause, and for how long one call goes on.
    pub(crate) backoff_max: Duration,
    /// Whom to trust, where the endpoint is of `https`.
    pub(crate) tls: Option<Arc<Tls>>,
}

/// What the last answer is good for.
enum Last {
    Token { token: Zeroizing<String>, until: Instant },
    Refused { error: String, until: Instant },
}

/// Why there is no token.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) text: String,
    /// Whether the same question may have another answer soon.
    pub(crate) retriable: bool,
}

impl Failure {
    fn retriable(text: impl Into<String>) -> Self {
        Self { text: text.into(), retriable: true }
    }

    fn last(text: impl Into<String>) -> Self {
        Self { text: text.into(), retriable: false }
    }
}

impl Oidc {
    /// The function that has tokens.
    pub(crate) fn into_function(
        self,
    ) -> impl Fn() -> Result<BearerToken, TokenError> + Send + Sync + 'static {
        let last = Mutex::new(None);
        move || self.token(&mut lock(&last))
    }

    fn token(&self, last: &mut Option<Last>) -> Result<BearerToken, TokenError> {
        let now = Instant::now();
        match last {
            Some(Last::Token { token, until }) if now < *until => return Ok(self.bearer(token)),
            Some(Last::Refused { error, until }) if now < *until => return Err(error.clone().into()),
            _ => *last = None,
        }
        match self.ask_patiently(now) {
            Ok(answer::Token { token, lifetime }) => {
                let bearer = self.bearer(&token);
                // One without an end is good once.
                *last = lifetime.map(|life| Last::Token { token, until: now + life * KEPT_PERCENT / 100 });
                Ok(bearer)
            }
            Err(Failure { text, .. }) => {
                let error = format!("the token endpoint {} {text}", self.endpoint);
                *last =
                    Some(Last::Refused { error: error.clone(), until: Instant::now() + self.backoff_max });
                Err(error.into())
            }
        }
    }

    fn bearer(&self, token: &str) -> BearerToken {
        let extend = |bearer: BearerToken, (name, value): &(String, String)| bearer.extension(name, value);
        self.extensions.iter().fold(BearerToken::new(token), extend)
    }

    /// As Kafka's client does: again and again, with a pause that grows, until the longest one is over.
    fn ask_patiently(&self, begin: Instant) -> Result<answer::Token, Failure> {
        let mut pause = self.backoff;
        loop {
            let failure = match self.ask() {
                Err(failure) if failure.retriable => failure,
                result => return result,
            };
            if begin.elapsed() + pause >= self.backoff_max {
                return Err(failure);
            }
            thread::sleep(pause);
            pause = (pause * 2).min(self.backoff_max);
        }
    }

    fn ask(&self) -> Result<answer::Token, Failure> {
        let tls = self.tls.as_deref();
        let answer = http::post(&self.endpoint, tls, &self.authorization, &self.form, &self.times)?;
        answer::token(answer.status, &answer.body)
    }
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oidc").field("endpoint", &self.endpoint.to_string()).finish_non_exhaustive()
    }
}

/// Who asks (RFC 7617). `urlencode` is `sasl.oauthbearer.header.urlencode`: RFC 6749 asks for it, and few servers do.
pub(crate) fn authorization(id: &str, secret: &str, urlencode: bool) -> Zeroizing<String> {
    let mut plain = Zeroizing::new(String::with_capacity(3 * (id.len() + secret.len()) + 1));
    for (part, end) in [(id, ":"), (secret, "")] {
        if urlencode {
            encode(part, &mut plain);
        } else {
            plain.push_str(part);
        }
        plain.push_str(end);
    }
    Zeroizing::new(format!("Basic {}", *Zeroizing::new(Base64::encode_string(plain.as_bytes()))))
}

/// The form that asks for a token.
pub(crate) fn form(scope: Option<&str>) -> String {
    let mut form = "grant_type=client_credentials".to_owned();
    if let Some(scope) = scope {
        form.push_str("&scope=");
        encode(scope, &mut form);
    }
    form
}

/// As forms are encoded.
fn encode(text: &str, to: &mut String) {
    for byte in text.bytes() {
        match byte {
            b' ' => to.push('+'),
            b'-' | b'.' | b'_' | b'*' => to.push(byte.into()),
            _ if byte.is_ascii_alphanumeric() => to.push(byte.into()),
            _ => to.extend(['%', digit(byte >> 4), digit(byte & 15)]),
        }
    }
}

fn digit(of: u8) -> char {
    char::from_digit(of.into(), 16).unwrap_or_default().to_ascii_uppercase()
}

#[cfg(test)]
mod tests;
