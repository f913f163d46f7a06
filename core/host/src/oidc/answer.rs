//! What a server of tokens answers: a token and its life (RFC 6749, 5.1), or an error with its words (5.2).

use std::time::Duration;

use serde_json::Value;
use zeroize::Zeroizing;

use super::Failure;

/// The longest token, as in [`BearerToken`](crate::BearerToken).
const TOKEN_BYTES_MAX: usize = 8_000;
/// What of a server's words is told.
const WORDS_BYTES_MAX: usize = 200;
/// The longest life that is believed.
const LIFETIME_MAX: Duration = Duration::from_secs(24 * 3_600);

/// A token, and for how long it is good, where that is said.
pub(super) struct Token {
    pub(super) token: Zeroizing<String>,
    pub(super) lifetime: Option<Duration>,
}

pub(super) fn token(status: u16, body: &[u8]) -> Result<Token, Failure> {
    if !matches!(status, 200 | 201) {
        let text = format!("answered {status}{}", words(body));
        return Err(Failure { text, retriable: is_retriable(status) });
    }
    let Ok(Value::Object(mut said)) = serde_json::from_slice(body) else {
        return Err(Failure::last("answered what is no JSON object"));
    };
    let Some(Value::String(token)) = said.remove("access_token") else {
        return Err(Failure::last("answered without an access_token"));
    };
    let token = Zeroizing::new(token);
    if token.is_empty() || token.len() > TOKEN_BYTES_MAX || !token.bytes().all(|byte| byte.is_ascii_graphic())
    {
        let limit =
            format!("answered an access_token that is not of 1 to {TOKEN_BYTES_MAX} visible characters");
        return Err(Failure::last(limit));
    }
    Ok(Token { token, lifetime: said.get("expires_in").and_then(lifetime) })
}

/// Seconds; some servers write them as text.
fn lifetime(value: &Value) -> Option<Duration> {
    let seconds = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
    // What has no life, or none that is a number, is good once.
    let seconds = Some(seconds).filter(|seconds| *seconds > 0.0)?;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(LIFETIME_MAX).min(LIFETIME_MAX))
}

/// The codes that Kafka's client takes for lasting are those that are the client's fault, but for the ones that say
/// "later".
const fn is_retriable(status: u16) -> bool {
    !matches!(status, 400..=407 | 409..=424 | 426..=428 | 430..=499 | 501 | 505)
}

/// The error and its description, in harmless characters.
fn words(body: &[u8]) -> String {
    let Ok(Value::Object(said)) = serde_json::from_slice(body) else { return String::new() };
    let parts: Vec<&str> =
        ["error", "error_description"].iter().filter_map(|name| said.get(*name)?.as_str()).collect();
    let words: String = parts.join(" - ").chars().take(WORDS_BYTES_MAX).collect();
    let words = words.replace(|c: char| !matches!(c, ' '..='~'), "?");
    if words.is_empty() { words } else { format!(": {words}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: u16, body: &str) -> Failure {
        match token(status, body.as_bytes()) {
            Ok(_) => panic!("{body} is taken"),
            Err(failure) => failure,
        }
    }

    #[test]
    fn a_token_and_its_life() {
        let seconds = Duration::from_secs;
        for (rest, lifetime) in [
            ("", None),
            (r#","expires_in":300"#, Some(seconds(300))),
            (r#","expires_in":"300","token_type":"Bearer""#, Some(seconds(300))),
            (r#","expires_in":1e300"#, Some(LIFETIME_MAX)),
            (r#","expires_in":0"#, None),
            (r#","expires_in":-5"#, None),
            (r#","expires_in":"NaN""#, None),
            (r#","expires_in":null"#, None),
        ] {
            let body = format!(r#"{{"access_token":"a.b.c"{rest}}}"#);
            for status in [200, 201] {
                let found = token(status, body.as_bytes()).unwrap();
                assert_eq!((found.token.as_str(), found.lifetime), ("a.b.c", lifetime), "{rest}");
            }
        }
    }

    #[test]
    fn what_is_no_token_says_why() {
        let long = format!(r#"{{"access_token":"{}"}}"#, "x".repeat(8_001));
        let deep = "[".repeat(60_000);
        for (status, body, text, retriable) in [
            (200, "", "no JSON object", false),
            (200, "[]", "no JSON object", false),
            (200, &*deep, "no JSON object", false),
            (200, "<html>", "no JSON object", false),
            (200, "{}", "without an access_token", false),
            (200, r#"{"access_token":7}"#, "without an access_token", false),
            (200, r#"{"access_token":""}"#, "1 to 8000", false),
            (200, r#"{"access_token":"a b"}"#, "1 to 8000", false),
            (200, &*long, "1 to 8000", false),
            (401, r#"{"error":"invalid_client"}"#, "answered 401: invalid_client", false),
            (400, r#"{"error":"a","error_description":"b\u001b[2J"}"#, "answered 400: a - b?[2J", false),
            (404, "<html>", "answered 404", false),
            (408, "", "answered 408", true),
            (429, "", "answered 429", true),
            (302, "", "answered 302", true),
            (500, r#"{"error":7}"#, "answered 500", true),
            (503, "", "answered 503", true),
            (501, "", "answered 501", false),
        ] {
            let failure = failure(status, body);
            assert!(failure.text.contains(text), "{failure:?}");
            assert_eq!(failure.retriable, retriable, "{failure:?}");
        }
        let many = failure(400, &format!(r#"{{"error":"{}"}}"#, "x".repeat(5_000)));
        assert_eq!(many.text.len(), "answered 400: ".len() + WORDS_BYTES_MAX);
    }
}
