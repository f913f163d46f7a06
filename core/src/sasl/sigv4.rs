//! AWS Signature Version 4 of a request whose parameters carry the signature (a presigned URL): nothing is sent as HTTP
//! here, but that is what is signed.
//!
//! ```text
//! canonical request: GET, path, parameters in order, `host`, hash of the body
//! string to sign:    algorithm, time, scope, hash of the canonical request
//! key:               hmac(hmac(hmac(hmac("AWS4" + secret, day), region), service), "aws4_request")
//! ```

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::msk_iam::{AwsCredentials, SECRET_ACCESS_KEY_BYTES_MAX};
use crate::time::Timestamp;

pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// What is signed, but for who signs it, where and when.
pub(super) struct Request<'r> {
    pub(super) service: &'r str,
    pub(super) host: &'r str,
    pub(super) path: &'r str,
    /// Parameters that come before those of the signature, encoded, and with `&` behind each.
    pub(super) query: &'r str,
    /// For how many seconds the signature is good.
    pub(super) expires: &'r str,
    /// The hash of the body, or what stands for it.
    pub(super) body: &'r str,
}

/// Who signs, where and when.
pub(super) struct Signer<'s> {
    pub(super) credentials: &'s AwsCredentials<'s>,
    pub(super) region: &'s str,
    pub(super) time: Time,
}

/// `20150830T123600Z`.
pub(super) struct Time([u8; 16]);

type Hash = [u8; 32];
type Hex = [u8; 64];

impl Signer<'_> {
    pub(super) fn signature(&self, request: &Request<'_>) -> Hex {
        let mut canonical = Sha256::new();
        self.canonical(request, &mut |bytes| canonical.update(bytes));
        hex(&self.sign(request.service, &hex(&canonical.finalize().into())))
    }

    /// The signature of a canonical request with this hash.
    fn sign(&self, service: &str, canonical: &Hex) -> Hash {
        let key = self.key(service);
        mac(&*key, |put| {
            [ALGORITHM.as_bytes(), b"\n", self.time.text(), b"\n"].into_iter().for_each(&mut *put);
            self.scope(service, "/", put);
            [b"\n", &canonical[..]].into_iter().for_each(put);
        })
    }

    fn canonical(&self, request: &Request<'_>, put: &mut dyn FnMut(&[u8])) {
        let mut text = |text: &str| put(text.as_bytes());
        ["GET\n", request.path, "\n", request.query].into_iter().for_each(&mut text);
        ["X-Amz-Algorithm=", ALGORITHM, "&X-Amz-Credential="].into_iter().for_each(text);
        encode(self.credentials.access_key_id, put);
        put(b"%2F");
        self.scope(request.service, "%2F", put);
        [b"&X-Amz-Date=", self.time.text(), b"&X-Amz-Expires=", request.expires.as_bytes()]
            .into_iter()
            .for_each(&mut *put);
        if let Some(token) = self.credentials.session_token {
            put(b"&X-Amz-Security-Token=");
            encode(token, put);
        }
        ["&X-Amz-SignedHeaders=host\nhost:", request.host, "\n\nhost\n", request.body]
            .into_iter()
            .for_each(|text| put(text.as_bytes()));
    }

    /// For what the signature counts: day, region, service.
    pub(super) fn scope(&self, service: &str, slash: &str, put: &mut dyn FnMut(&[u8])) {
        let slash = slash.as_bytes();
        [self.time.day(), slash, self.region.as_bytes(), slash, service.as_bytes(), slash, b"aws4_request"]
            .into_iter()
            .for_each(put);
    }

    fn key(&self, service: &str) -> Zeroizing<Hash> {
        const PREFIX: &[u8] = b"AWS4";
        let secret = self.credentials.secret_access_key.as_bytes();
        let mut first = Zeroizing::new([0; PREFIX.len() + SECRET_ACCESS_KEY_BYTES_MAX]);
        let length = PREFIX.len() + secret.len();
        first[..PREFIX.len()].copy_from_slice(PREFIX);
        first[PREFIX.len()..length].copy_from_slice(secret);
        let mut key = Zeroizing::new(mac(&first[..length], |put| put(self.time.day())));
        for part in [self.region, service, "aws4_request"] {
            *key = mac(&*key, |put| put(part.as_bytes()));
        }
        key
    }
}

impl Time {
    /// Of the years 0 to 9999: what is beyond has no such name, and no broker takes it.
    pub(super) fn new(now: Timestamp) -> Self {
        let seconds = now.as_millis().div_euclid(1_000);
        let (year, month, day) = date(seconds.div_euclid(86_400));
        let of_day = seconds.rem_euclid(86_400);
        let mut text = *b"00000000T000000Z";
        let mut digits = |at: usize, count: usize, mut number: i64| {
            for place in text[at..at + count].iter_mut().rev() {
                *place = b'0' + (number.rem_euclid(10)) as u8;
                number = number.div_euclid(10);
            }
        };
        digits(0, 4, year);
        digits(4, 2, month);
        digits(6, 2, day);
        digits(9, 2, of_day / 3_600);
        digits(11, 2, of_day / 60 % 60);
        digits(13, 2, of_day % 60);
        Self(text)
    }

    pub(super) const fn text(&self) -> &[u8] {
        &self.0
    }

    fn day(&self) -> &[u8] {
        &self.0[..8]
    }
}

/// Year, month and day, of days since the epoch of 1970. Years begin with March here, so that the day that may be missing
/// is their last.
const fn date(days: i64) -> (i64, i64, i64) {
    const DAYS_TO_1970: i64 = 719_468;
    const DAYS_OF_400_YEARS: i64 = 146_097;
    let days = days.saturating_add(DAYS_TO_1970);
    let of_era = days.rem_euclid(DAYS_OF_400_YEARS);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = days.div_euclid(DAYS_OF_400_YEARS) * 400 + year_of_era;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

/// As AWS encodes parameters: all but what never means anything.
fn encode(text: &str, put: &mut dyn FnMut(&[u8])) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            put(&[byte]);
        } else {
            let [high, low] = [byte >> 4, byte & 15].map(|digit| digit_of(digit, b'A'));
            put(&[b'%', high, low]);
        }
    }
}

fn hex(hash: &Hash) -> Hex {
    let mut hex = [0; 64];
    for (two, byte) in hex.chunks_exact_mut(2).zip(hash) {
        two.copy_from_slice(&[byte >> 4, byte & 15].map(|digit| digit_of(digit, b'a')));
    }
    hex
}

const fn digit_of(digit: u8, ten: u8) -> u8 {
    if digit < 10 { b'0' + digit } else { ten + digit - 10 }
}

/// The HMAC of what `write` puts into it.
fn mac(key: &[u8], write: impl Fn(&mut dyn FnMut(&[u8]))) -> Hash {
    let mut hash = [0; 32];
    // A key of any length is taken.
    if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) {
        write(&mut |bytes| mac.update(bytes));
        hash = mac.finalize().into_bytes().into();
    }
    hash
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::String;

    use super::*;

    fn signer<'s>(credentials: &'s AwsCredentials<'s>, region: &'s str, seconds: i64) -> Signer<'s> {
        Signer { credentials, region, time: Time::new(Timestamp::from_millis(seconds * 1_000 + 999)) }
    }

    fn shown(hex: &Hex) -> String {
        String::from_utf8(hex.to_vec()).unwrap()
    }

    /// From AWS' pages on Signature Version 4.
    #[test]
    fn the_published_vectors_of_keys_and_signatures() {
        const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let credentials = AwsCredentials::new("AKIDEXAMPLE", SECRET, None, None).unwrap();
        for (seconds, key) in [
            (1_329_264_000, "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d"),
            (1_440_938_160, "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"),
        ] {
            let signer = signer(&credentials, "us-east-1", seconds);
            assert_eq!(shown(&hex(&signer.key("iam"))), key);
        }
        let canonical = b"f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59";
        let signature = signer(&credentials, "us-east-1", 1_440_938_160).sign("iam", canonical);
        assert_eq!(
            shown(&hex(&signature)),
            "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        );
    }

    /// From S3's page on authentication by query parameters.
    #[test]
    fn the_published_vector_of_a_presigned_request() {
        const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        let credentials = AwsCredentials::new("AKIAIOSFODNN7EXAMPLE", SECRET, None, None).unwrap();
        let request = Request {
            service: "s3",
            host: "examplebucket.s3.amazonaws.com",
            path: "/test.txt",
            query: "",
            expires: "86400",
            body: "UNSIGNED-PAYLOAD",
        };
        let signature = signer(&credentials, "us-east-1", 1_369_353_600).signature(&request);
        assert_eq!(shown(&signature), "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
    }

    #[test]
    fn times_have_their_names() {
        for (seconds, name) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (951_868_800, "20000301T000000Z"),
            (1_440_938_160, "20150830T123600Z"),
            (1_711_843_200, "20240331T000000Z"),
            (1_725_062_400, "20240831T000000Z"),
            (1_735_689_599, "20241231T235959Z"),
            (4_107_542_400, "21000301T000000Z"),
            (-1, "19691231T235959Z"),
        ] {
            let time = Time::new(Timestamp::from_millis(seconds * 1_000));
            assert_eq!(str::from_utf8(time.text()).unwrap(), name);
        }
        for millis in [i64::MIN, i64::MAX] {
            assert!(str::from_utf8(Time::new(Timestamp::from_millis(millis)).text()).is_ok());
        }
    }
}
