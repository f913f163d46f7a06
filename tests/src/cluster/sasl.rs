//! SASL: who may use a connection, and for how long.
//!
//! As on Kafka: before the client is accepted only ApiVersions and SASL are answered, anything else closes the connection,
//! and so does anything but SASL after the session's end; a client that asks again within a second is told that this is not
//! the time for it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use base64ct::{Base64, Encoding};
use hmac::{EagerHash, Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};

use super::{
    Cluster,
    request::{Call, Response},
};
use crate::protocol::{ApiKey, ErrorCode, sasl::*};

/// The mechanisms that are simulated, Amazon's aside.
pub const MECHANISMS: [&str; 4] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];
/// Where there are keys of AWS.
const AMAZONS: &str = "AWS_MSK_IAM";

/// A client must not ask for a new session sooner than this.
const RENEWAL_US_MIN: u64 = 1_000_000;

const SALT: &[u8] = b"the salt of all users";
const ITERATIONS: u32 = 4_096;

/// Who is accepted.
#[derive(Debug, Clone)]
pub struct SaslConfig {
    /// Those of [`MECHANISMS`] that are offered.
    pub mechanisms: Vec<&'static str>,
    /// Names and passwords, for PLAIN and SCRAM.
    pub users: BTreeMap<String, String>,
    /// The token, for OAUTHBEARER.
    pub token: String,
    /// Key ids and secrets of AWS, for AWS_MSK_IAM.
    pub aws: BTreeMap<String, String>,
    /// How long a session lasts, in milliseconds; 0 without an end.
    pub session_lifetime_ms: i64,
}

impl Default for SaslConfig {
    /// Every mechanism is offered, and nobody known.
    fn default() -> Self {
        Self {
            mechanisms: MECHANISMS.to_vec(),
            users: BTreeMap::new(),
            token: String::new(),
            aws: BTreeMap::new(),
            session_lifetime_ms: 0,
        }
    }
}

/// What is known of who uses a connection.
#[derive(Debug, Default)]
pub(crate) struct Session {
    state: State,
    /// When the last authentication of a client that was accepted began.
    renewed_us: Option<u64>,
    accepted: Option<Accepted>,
}

#[derive(Debug, Clone, Copy)]
struct Accepted {
    until_us: Option<u64>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    Agreed(String),
    /// The client's first message without its head, and the server's.
    Challenged {
        mechanism: String,
        user: String,
        bare: String,
        challenge: String,
    },
    /// The token was refused: the client is to say that it has heard.
    Refused,
}

impl Session {
    /// Whether a request is read at all.
    pub(super) fn admits(&self, api_key: ApiKey, now_us: u64) -> bool {
        match self.accepted {
            Some(accepted) => {
                api_key == ApiKey::SASL_HANDSHAKE
                    || api_key == ApiKey::SASL_AUTHENTICATE
                    || accepted.until_us.is_none_or(|until| now_us <= until)
            }
            None => {
                [ApiKey::API_VERSIONS, ApiKey::SASL_HANDSHAKE, ApiKey::SASL_AUTHENTICATE].contains(&api_key)
            }
        }
    }
}

/// What the server says to a message of the client's.
enum Answer {
    Goes(Vec<u8>),
    Ends(Vec<u8>),
    Refuses,
}

impl Cluster {
    /// Makes clients prove who they are from now on; connections that are open stay as they are.
    pub fn set_sasl(&mut self, sasl: Option<SaslConfig>) {
        self.sasl = sasl;
    }

    /// Whether everybody is refused, whatever the credentials.
    pub fn set_refusing_credentials(&mut self, refusing: bool) {
        self.refusing_credentials = refusing;
    }

    pub(super) fn sasl_handshake(
        &self,
        call: &Call<'_>,
        session: &mut Session,
        request: &SaslHandshakeRequest<'_>,
    ) -> Response {
        let mut mechanisms = self.sasl.as_ref().map_or(&[][..], |sasl| &sasl.mechanisms).to_vec();
        if self.sasl.as_ref().is_some_and(|sasl| !sasl.aws.is_empty()) {
            mechanisms.push(AMAZONS);
        }
        let too_soon = session.renewed_us.is_some_and(|at| call.now_us < at + RENEWAL_US_MIN);
        let error_code = match call.bend.error_code() {
            Some(code) => code,
            None if self.sasl.is_none() || too_soon => ErrorCode::ILLEGAL_SASL_STATE,
            None if !mechanisms.contains(&request.mechanism) => ErrorCode::UNSUPPORTED_SASL_MECHANISM,
            None => ErrorCode::NONE,
        };
        if error_code == ErrorCode::NONE {
            session.state = State::Agreed(request.mechanism.to_owned());
            session.renewed_us = session.accepted.map(|_| call.now_us);
        }
        call.respond(&SaslHandshakeResponse { error_code, mechanisms })
    }

    pub(super) fn sasl_authenticate(
        &self,
        call: &Call<'_>,
        session: &mut Session,
        request: &SaslAuthenticateRequest<'_>,
    ) -> Response {
        let sasl = self.sasl.as_ref()?;
        if let Some(error_code) = call.bend.error_code() {
            return refusal(call, error_code);
        }
        let answer = match std::mem::take(&mut session.state) {
            State::Idle => return None,
            State::Agreed(mechanism) if mechanism == "PLAIN" => sasl.plain(request.auth_bytes)?,
            State::Agreed(mechanism) if mechanism == "OAUTHBEARER" => {
                let answer = sasl.bearer(request.auth_bytes)?;
                if matches!(answer, Answer::Goes(_)) {
                    session.state = State::Refused;
                }
                answer
            }
            State::Agreed(mechanism) if mechanism == AMAZONS => sasl.signed(request.auth_bytes)?,
            State::Agreed(mechanism) => {
                let (user, bare, challenge) = sasl.challenge(call.now_us, request.auth_bytes)?;
                let answer = Answer::Goes(challenge.clone().into());
                session.state = State::Challenged { mechanism, user, bare, challenge };
                answer
            }
            State::Challenged { mechanism, user, bare, challenge } if mechanism == "SCRAM-SHA-512" => {
                sasl.verify::<Sha512>(&user, &bare, &challenge, request.auth_bytes)?
            }
            State::Challenged { user, bare, challenge, .. } => {
                sasl.verify::<Sha256>(&user, &bare, &challenge, request.auth_bytes)?
            }
            State::Refused => Answer::Refuses,
        };
        let session_lifetime_ms = sasl.session_lifetime_ms;
        let respond = |auth_bytes: &[u8], session_lifetime_ms| {
            call.respond(&SaslAuthenticateResponse {
                error_code: ErrorCode::NONE,
                error_message: None,
                auth_bytes,
                session_lifetime_ms,
            })
        };
        match answer {
            Answer::Goes(bytes) => respond(&bytes, 0),
            Answer::Ends(bytes) if !self.refusing_credentials => {
                let lifetime_us = session_lifetime_ms as u64 * 1_000;
                let until_us = (lifetime_us > 0).then_some(call.now_us + lifetime_us);
                session.accepted = Some(Accepted { until_us });
                respond(&bytes, session_lifetime_ms)
            }
            Answer::Ends(_) | Answer::Refuses => refusal(call, ErrorCode::SASL_AUTHENTICATION_FAILED),
        }
    }
}

/// Kafka closes the connection behind it. The client does so anyway.
fn refusal(call: &Call<'_>, error_code: ErrorCode) -> Response {
    call.respond(&SaslAuthenticateResponse {
        error_code,
        error_message: Some("Authentication failed: these are not the credentials"),
        auth_bytes: &[],
        session_lifetime_ms: 0,
    })
}

impl SaslConfig {
    fn plain(&self, message: &[u8]) -> Option<Answer> {
        let mut parts = str::from_utf8(message).ok()?.split('\0');
        let (actor, user, password) = (parts.next()?, parts.next()?, parts.next()?);
        let known = actor.is_empty() && self.users.get(user).is_some_and(|known| known == password);
        Some(if known { Answer::Ends(Vec::new()) } else { Answer::Refuses })
    }

    fn bearer(&self, message: &[u8]) -> Option<Answer> {
        let message = str::from_utf8(message).ok()?;
        let token = message.strip_prefix("n,,\x01auth=Bearer ")?.strip_suffix("\x01\x01")?;
        let token = token.split('\x01').next()?;
        let refused = br#"{"status":"invalid_token"}"#;
        Some(if token == self.token { Answer::Ends(Vec::new()) } else { Answer::Goes(refused.into()) })
    }

    /// As Amazon MSK does: what was signed is put together again from what is said.
    fn signed(&self, message: &[u8]) -> Option<Answer> {
        let said: serde_json::Value = serde_json::from_slice(message).ok()?;
        let field = |name: &str| said[name].as_str();
        let (credential, date) = (field("x-amz-credential")?, field("x-amz-date")?);
        let scope: Vec<&str> = credential.split('/').collect();
        let [id, day, region, service, end] = scope[..] else { return None };
        let encode = |text: &str| text.replace('/', "%2F").replace('+', "%2B").replace('=', "%3D");
        let session = field("x-amz-security-token")
            .map_or(String::new(), |token| format!("&X-Amz-Security-Token={}", encode(token)));
        let query = format!(
            "Action=kafka-cluster%3AConnect&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={}&X-Amz-Date={date}\
             &X-Amz-Expires={}{session}&X-Amz-SignedHeaders=host",
            encode(credential),
            field("x-amz-expires")?
        );
        let body = hex(&Sha256::digest(b""));
        let canonical = format!("GET\n/\n{query}\nhost:{}\n\nhost\n{body}", field("host")?);
        let hash = hex(&Sha256::digest(canonical));
        let signed = format!("AWS4-HMAC-SHA256\n{date}\n{day}/{region}/{service}/{end}\n{hash}");
        let Some(secret) = self.aws.get(id) else { return Some(Answer::Refuses) };
        let key = [day, region, service, end]
            .iter()
            .fold(format!("AWS4{secret}").into_bytes(), |key, part| mac::<Sha256>(&key, part));
        let known = hex(&mac::<Sha256>(&key, &signed)) == field("x-amz-signature")?
            && (service, field("action")?, field("version")?)
                == ("kafka-cluster", "kafka-cluster:Connect", "2020_10_22");
        let accepted = br#"{"version":"2020_10_22","request-id":"7b1f0c52"}"#;
        Some(if known { Answer::Ends(accepted.into()) } else { Answer::Refuses })
    }

    /// The user, the client's first message without its head, and the server's.
    fn challenge(&self, now_us: u64, message: &[u8]) -> Option<(String, String, String)> {
        let bare = str::from_utf8(message).ok()?.strip_prefix("n,,")?;
        let (user, nonce) = bare.strip_prefix("n=")?.split_once(",r=")?;
        let challenge = format!("r={nonce}{now_us},s={},i={ITERATIONS}", base64(SALT));
        Some((user.replace("=2C", ",").replace("=3D", "="), bare.to_owned(), challenge))
    }

    fn verify<D: EagerHash>(
        &self,
        user: &str,
        bare: &str,
        challenge: &str,
        message: &[u8],
    ) -> Option<Answer> {
        let (without_proof, proof) = str::from_utf8(message).ok()?.split_once(",p=")?;
        let nonce = challenge.split(',').next()?;
        if without_proof != format!("c=biws,{nonce}") {
            return None;
        }
        let Some(password) = self.users.get(user) else { return Some(Answer::Refuses) };
        let signed = format!("{bare},{challenge},{without_proof}");
        let salted = salted::<D>(password);
        let stored = D::digest(mac::<D>(&salted, "Client Key"));
        let proof = Base64::decode_vec(proof).ok()?;
        let key: Vec<u8> = proof.iter().zip(mac::<D>(&stored, &signed)).map(|(a, b)| a ^ b).collect();
        let signature = base64(&mac::<D>(&mac::<D>(&salted, "Server Key"), &signed));
        let known = D::digest(key) == stored;
        Some(if known { Answer::Ends(format!("v={signature}").into()) } else { Answer::Refuses })
    }
}

/// The costly part, once for each password and hash: Kafka stores what comes of it, too.
fn salted<D: EagerHash>(password: &str) -> Vec<u8> {
    static KNOWN: Mutex<BTreeMap<(usize, String), Vec<u8>>> = Mutex::new(BTreeMap::new());
    let size = <D as Digest>::output_size();
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let salted = known.entry((size, password.to_owned())).or_insert_with(|| {
        let mut salted = vec![0; size];
        pbkdf2::pbkdf2_hmac::<D>(password.as_bytes(), SALT, ITERATIONS, &mut salted);
        salted
    });
    salted.clone()
}

fn mac<D: EagerHash>(key: &[u8], message: &str) -> Vec<u8> {
    let mut mac = Hmac::<D>::new_from_slice(key).expect("a key of any length is taken");
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn base64(bytes: &[u8]) -> String {
    Base64::encode_string(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
