//! AWS_MSK_IAM, the mechanism of Amazon MSK: one message, a JSON object that is signed for one host with AWS
//! credentials. Anybody who has it is taken for the client for 15 minutes, so it goes inside TLS.
//!
//! ```text
//! client: {"version":"2020_10_22","host":"..","action":"kafka-cluster:Connect","x-amz-credential":"..",..}
//! server: {"version":"2020_10_22","request-id":".."}
//! ```
//!
//! By Amazon's description of it in their client for Java. Nobody has run it on AWS yet.

use core::fmt::{self, Write};

use super::sigv4::{ALGORITHM, Request, Signer, Time};
use super::{CredentialsError, text::Text, write_harmless};
use crate::error::AuthenticationError;
use crate::time::Timestamp;

/// The longest access key id, which is AWS' limit.
pub const ACCESS_KEY_ID_BYTES_MAX: usize = 128;

/// The longest secret access key: those of AWS have 40.
pub const SECRET_ACCESS_KEY_BYTES_MAX: usize = 128;

/// The longest name of a region.
pub const REGION_BYTES_MAX: usize = 64;

const VERSION: &str = "2020_10_22";
const SERVICE: &str = "kafka-cluster";
const USER_AGENT: &str = concat!("felice/", env!("CARGO_PKG_VERSION"));

/// The most that a broker takes: 15 minutes.
const EXPIRES_SECONDS: &str = "900";

/// The SHA-256 of nothing.
const EMPTY_BODY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// With what AWS_MSK_IAM signs: a user's or a role's keys. Never shown.
#[derive(Clone, Copy)]
pub struct AwsCredentials<'c> {
    pub(super) access_key_id: &'c str,
    pub(super) secret_access_key: &'c str,
    pub(super) session_token: Option<&'c str>,
    region: Option<&'c str>,
}

impl<'c> AwsCredentials<'c> {
    /// Keys, with the session's token where they are temporary. Without a region it is taken from the name of the broker,
    /// which Amazon's own have (`b-1.name.c2.kafka.eu-west-1.amazonaws.com`).
    ///
    /// # Errors
    ///
    /// [`CredentialsError::InvalidAwsCredentials`] names the part that is empty, too long, or has characters that none of
    /// AWS' has.
    pub fn new(
        access_key_id: &'c str,
        secret_access_key: &'c str,
        session_token: Option<&'c str>,
        region: Option<&'c str>,
    ) -> Result<Self, CredentialsError> {
        let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        // None of them has a quote or a backslash: nothing needs to be escaped.
        let visible = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        let of_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        check("access key id", access_key_id, ACCESS_KEY_ID_BYTES_MAX, word)?;
        check("secret access key", secret_access_key, SECRET_ACCESS_KEY_BYTES_MAX, visible)?;
        check("session token", session_token.unwrap_or("-"), usize::MAX, visible)?;
        check("region", region.unwrap_or("-"), REGION_BYTES_MAX, of_name)?;
        Ok(Self { access_key_id, secret_access_key, session_token, region })
    }
}

fn check(
    part: &'static str,
    text: &str,
    longest: usize,
    fits: impl Fn(u8) -> bool,
) -> Result<(), CredentialsError> {
    if (1..=longest).contains(&text.len()) && text.bytes().all(fits) {
        return Ok(());
    }
    Err(CredentialsError::InvalidAwsCredentials { part })
}

impl fmt::Debug for AwsCredentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AwsCredentials([hidden])")
    }
}

/// Credentials at a moment.
#[derive(Clone, Copy)]
pub(super) struct Connect<'c> {
    pub(super) credentials: AwsCredentials<'c>,
    pub(super) now: Timestamp,
}

impl Connect<'_> {
    /// Writes the message for this host: its length, or `None` where there is no room. A host that cannot be signed for is
    /// told in `words`.
    pub(super) fn write(
        &self,
        host: &str,
        out: &mut [u8],
        words: &mut dyn Write,
    ) -> Result<Option<usize>, AuthenticationError> {
        let mut refused = |why: &str| {
            let _ = words.write_str(why);
            write_harmless(words, host.as_bytes());
            Err(AuthenticationError::NoToken)
        };
        if !is_plain(host) {
            return refused("this is no host that can be signed for: ");
        }
        let Some(region) = self.credentials.region.or_else(|| region_of(host)) else {
            return refused("no AWS region is set, and there is none in the host's name ");
        };
        let signer = Signer { credentials: &self.credentials, region, time: Time::new(self.now) };
        let signature = signer.signature(&Request {
            service: SERVICE,
            host,
            path: "/",
            query: "Action=kafka-cluster%3AConnect&",
            expires: EXPIRES_SECONDS,
            body: EMPTY_BODY,
        });
        Ok(payload(&signer, host, &signature, out))
    }
}

fn payload(signer: &Signer<'_>, host: &str, signature: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut out = Text::new(out);
    let mut put = |bytes: &[u8]| out.put(bytes);
    let text = |put: &mut dyn FnMut(&[u8]), parts: &[&str]| {
        parts.iter().for_each(|part| put(part.as_bytes()));
    };
    text(&mut put, &[r#"{"version":""#, VERSION, r#"","host":""#, host]);
    text(&mut put, &[r#"","user-agent":""#, USER_AGENT, r#"","action":"kafka-cluster:Connect"#]);
    text(&mut put, &[r#"","x-amz-algorithm":""#, ALGORITHM]);
    text(&mut put, &[r#"","x-amz-credential":""#, signer.credentials.access_key_id, "/"]);
    signer.scope(SERVICE, "/", &mut put);
    text(&mut put, &[r#"","x-amz-date":""#]);
    put(signer.time.text());
    if let Some(token) = signer.credentials.session_token {
        text(&mut put, &[r#"","x-amz-security-token":""#, token]);
    }
    text(&mut put, &[r#"","x-amz-signedheaders":"host","x-amz-expires":""#, EXPIRES_SECONDS]);
    text(&mut put, &[r#"","x-amz-signature":""#]);
    put(signature);
    put(br#""}"#);
    out.finish()
}

/// Whether it means nothing else in JSON, and on a line of its own, than it does by itself: brokers name each other.
fn is_plain(host: &str) -> bool {
    host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':'))
}

/// What is before `.amazonaws.`.
fn region_of(host: &str) -> Option<&str> {
    let (before, _) = host.split_once(".amazonaws.")?;
    before.rsplit_once('.').map(|(_, region)| region)
}

/// Whether the server's message is one of the version that is spoken here: it says nothing else that counts.
pub(super) fn is_acceptance(message: &[u8]) -> bool {
    message.windows(VERSION.len()).any(|part| part == VERSION.as_bytes())
}
