//! SCRAM (RFC 5802) with SHA-256 and SHA-512, without channel binding: neither side learns the password from the other,
//! and each proves that it knows it.
//!
//! ```text
//! client: n,,n=user,r=NONCE
//! server: r=NONCE+,s=salt,i=rounds
//! client: c=biws,r=NONCE+,p=proof
//! server: v=signature
//! ```
//!
//! What is costly, the hashing of the password, is remembered for the last salt: all brokers of a cluster have the same.

use core::fmt::Write;

use base64ct::{Base64, Encoding};
use hmac::{EagerHash, Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};
use zeroize::Zeroize;

use super::secret::write_harmless;
use super::text::Text;
use super::{Credentials, ITERATIONS_MAX, ITERATIONS_MIN, Mechanism};
use crate::error::AuthenticationError;

/// A hash, or what comes out of one: of SHA-256 only the first half is used.
const HASH_BYTES: usize = 64;

type Hash = [u8; HASH_BYTES];

/// How the last message begins: the client has no channel binding (`n,,` in Base64), and then the nonce.
const WITHOUT_BINDING: &[u8] = b"c=biws,r=";

/// 18 bytes that nobody can guess, as text.
const NONCE_BYTES: usize = 24;

/// The longest salt that is taken: Kafka's have 26 bytes.
const SALT_BYTES_MAX: usize = 128;

/// What is made of a password, for the last salt and number of rounds; and where nonces come from.
pub(super) struct Keys {
    entropy: [u8; 32],
    /// How many nonces there were.
    nonces: u64,
    salt: [u8; SALT_BYTES_MAX],
    salt_bytes: u8,
    iterations: u32,
    client: Hash,
    server: Hash,
}

impl Keys {
    pub(super) const EMPTY: Self = Self {
        entropy: [0; 32],
        nonces: 0,
        salt: [0; SALT_BYTES_MAX],
        salt_bytes: 0,
        iterations: 0,
        client: [0; HASH_BYTES],
        server: [0; HASH_BYTES],
    };

    pub(super) const fn seed(&mut self, entropy: [u8; 32]) {
        self.entropy = entropy;
    }

    /// One that there never was, and that nobody can guess.
    fn nonce(&mut self) -> [u8; NONCE_BYTES] {
        self.nonces += 1;
        let hash = hmac::<Sha256>(&self.entropy, |put| put(&self.nonces.to_be_bytes()));
        let mut nonce = [0; NONCE_BYTES];
        // 18 bytes are exactly 24 characters.
        let _ = Base64::encode(&hash[..NONCE_BYTES / 4 * 3], &mut nonce);
        nonce
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.entropy.zeroize();
        self.client.zeroize();
        self.server.zeroize();
    }
}

/// One run: the client's nonce, and what the server must know.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) nonce: heapless::Vec<u8, NONCE_BYTES>,
    signature: Hash,
}

/// What a server's first message says.
struct Challenge<'c> {
    /// The client's nonce, and the server's behind it.
    nonce: &'c [u8],
    salt: &'c [u8],
    iterations: u32,
}

impl Exchange {
    pub(super) const EMPTY: Self = Self { nonce: heapless::Vec::new(), signature: [0; HASH_BYTES] };

    /// A run with a nonce of its own.
    pub(super) fn begin(credentials: &mut Credentials) -> Self {
        Self { nonce: credentials.scram.nonce().into(), ..Self::EMPTY }
    }

    /// `n,,n=user,r=nonce`. `None` where there is no room.
    pub(super) fn client_first(&self, credentials: &Credentials, out: &mut [u8]) -> Option<usize> {
        let mut out = Text::new(out);
        out.put(b"n,,");
        self.bare(credentials, &mut |bytes| out.put(bytes));
        out.finish()
    }

    /// The part of the first message that is signed. In the user's name two characters are escaped.
    fn bare(&self, credentials: &Credentials, put: &mut dyn FnMut(&[u8])) {
        put(b"n=");
        for byte in credentials.user() {
            match byte {
                b',' => put(b"=2C"),
                b'=' => put(b"=3D"),
                _ => put(core::slice::from_ref(byte)),
            }
        }
        put(b",r=");
        put(&self.nonce);
    }

    /// `c=biws,r=nonce,p=proof`, for the server's first message. `None` where there is no room.
    pub(super) fn client_final(
        &mut self,
        credentials: &mut Credentials,
        challenge: &[u8],
        out: &mut [u8],
        words: &mut dyn Write,
    ) -> Result<Option<usize>, AuthenticationError> {
        match credentials.mechanism() {
            Mechanism::ScramSha512 => self.prove::<Sha512>(credentials, challenge, out, words),
            _ => self.prove::<Sha256>(credentials, challenge, out, words),
        }
    }

    fn prove<D: EagerHash>(
        &mut self,
        credentials: &mut Credentials,
        message: &[u8],
        out: &mut [u8],
        words: &mut dyn Write,
    ) -> Result<Option<usize>, AuthenticationError> {
        let challenge = Challenge::parse(message, words)?;
        // One that is not longer has nothing of the server's: somebody plays back what the client has said.
        if !challenge.nonce.starts_with(&self.nonce) || challenge.nonce.len() == self.nonce.len() {
            return Err(AuthenticationError::InvalidChallenge);
        }
        derive::<D>(credentials, &challenge)?;
        // Both sides' first messages, and this one without its proof.
        let signed = |put: &mut dyn FnMut(&[u8])| {
            self.bare(credentials, put);
            [b",", message, b",", WITHOUT_BINDING, challenge.nonce].into_iter().for_each(put);
        };
        let (size, keys): (usize, &Keys) = (<D as Digest>::output_size(), &credentials.scram);
        let mut stored = [0; HASH_BYTES];
        stored[..size].copy_from_slice(&D::digest(&keys.client[..size]));
        let mut proof = hmac::<D>(&stored[..size], signed);
        proof.iter_mut().zip(&keys.client).for_each(|(byte, key)| *byte ^= key);
        let signature = hmac::<D>(&keys.server[..size], signed);
        self.signature = signature;
        let mut encoded = [0; HASH_BYTES.div_ceil(3) * 4];
        let encoded = Base64::encode(&proof[..size], &mut encoded).unwrap_or_default();
        let mut out = Text::new(out);
        [WITHOUT_BINDING, challenge.nonce, b",p=", encoded.as_bytes()]
            .into_iter()
            .for_each(|part| out.put(part));
        Ok(out.finish())
    }

    /// `v=signature`: the server must know the password, too. `e=` says why it refuses.
    pub(super) fn server_final(
        &self,
        mechanism: Mechanism,
        message: &[u8],
        words: &mut dyn Write,
    ) -> Result<(), AuthenticationError> {
        if let Some(error) = message.strip_prefix(b"e=") {
            write_harmless(words, error);
            return Err(AuthenticationError::Refused(crate::error::ErrorCode::SASL_AUTHENTICATION_FAILED));
        }
        let size = if mechanism == Mechanism::ScramSha512 { 64 } else { 32 };
        let encoded = message.strip_prefix(b"v=").ok_or(AuthenticationError::InvalidChallenge)?;
        let encoded = encoded.split(|byte| *byte == b',').next().unwrap_or_default();
        let mut decoded = [0; HASH_BYTES];
        let signature =
            Base64::decode(encoded, &mut decoded).map_err(|_| AuthenticationError::InvalidChallenge)?;
        // In constant time: nothing is learned from how much of it is right.
        let wrong = signature.iter().zip(&self.signature).fold(0, |wrong, (a, b)| wrong | (a ^ b));
        if signature.len() == size && core::hint::black_box(wrong) == 0 {
            Ok(())
        } else {
            Err(AuthenticationError::WrongSignature)
        }
    }
}

impl<'c> Challenge<'c> {
    /// `r=nonce,s=salt,i=rounds`; what follows is passed over, and what must be understood is not there yet.
    fn parse(message: &'c [u8], words: &mut dyn Write) -> Result<Self, AuthenticationError> {
        const INVALID: AuthenticationError = AuthenticationError::InvalidChallenge;
        let mut parts = message.split(|byte| *byte == b',');
        let mut part = |name: &[u8]| parts.next().and_then(|part| part.strip_prefix(name)).ok_or(INVALID);
        let (nonce, salt, iterations) = (part(b"r=")?, part(b"s=")?, part(b"i=")?);
        if iterations.is_empty() || !iterations.iter().all(u8::is_ascii_digit) {
            return Err(INVALID);
        }
        let count = iterations
            .iter()
            .fold(0_u32, |count, digit| count.saturating_mul(10).saturating_add(u32::from(digit - b'0')));
        if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&count) {
            let _ = write!(words, "{count} iterations, allowed are {ITERATIONS_MIN} to {ITERATIONS_MAX}");
            return Err(AuthenticationError::Iterations);
        }
        Ok(Self { nonce, salt, iterations: count })
    }
}

/// Makes the keys for this salt, unless they are there.
fn derive<D: EagerHash>(
    credentials: &mut Credentials,
    challenge: &Challenge<'_>,
) -> Result<(), AuthenticationError> {
    let mut salt = [0; SALT_BYTES_MAX];
    let salt = match Base64::decode(challenge.salt, &mut salt) {
        Ok(salt) if !salt.is_empty() => salt,
        _ => return Err(AuthenticationError::InvalidChallenge),
    };
    let keys = &credentials.scram;
    if keys.iterations == challenge.iterations && keys.salt[..usize::from(keys.salt_bytes)] == *salt {
        return Ok(());
    }
    let mut salted = [0; HASH_BYTES];
    let salted = &mut salted[..<D as Digest>::output_size()];
    pbkdf2::pbkdf2_hmac::<D>(credentials.password(), salt, challenge.iterations, salted);
    let keys = &mut credentials.scram;
    keys.client = hmac::<D>(salted, |put| put(b"Client Key"));
    keys.server = hmac::<D>(salted, |put| put(b"Server Key"));
    keys.salt[..salt.len()].copy_from_slice(salt);
    keys.salt_bytes = salt.len() as u8;
    keys.iterations = challenge.iterations;
    salted.zeroize();
    Ok(())
}

/// The HMAC of what `write` puts into it.
fn hmac<D: EagerHash>(key: &[u8], write: impl Fn(&mut dyn FnMut(&[u8]))) -> Hash {
    let mut hash = [0; HASH_BYTES];
    // A key of any length is taken.
    if let Ok(mut mac) = Hmac::<D>::new_from_slice(key) {
        write(&mut |bytes| mac.update(bytes));
        let tag = mac.finalize().into_bytes();
        hash[..tag.len()].copy_from_slice(&tag);
    }
    hash
}
