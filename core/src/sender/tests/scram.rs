//! SCRAM on connections, with a server of test code: what is accepted, who is found out, and what is remembered.

use super::answers::{sasl_authenticate, sasl_handshake};
use super::rig::Rig;
use super::sasl::{HANDSHAKE, agreed, message};
use crate::error::{AuthenticationError, Cause, Disconnect};
use crate::sasl::Credentials;
use core::time::Duration;
use std::borrow::ToOwned;
use std::format;
use std::string::String;
use std::vec::Vec;

use base64ct::{Base64, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

const SALT: &[u8] = b"a salt of some length";

fn mac(key: &[u8], message: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn base64(bytes: &[u8]) -> String {
    let mut buffer = [0; 256];
    Base64::encode(bytes, &mut buffer).unwrap().into()
}

fn alice() -> Credentials {
    Credentials::scram_sha_256("alice", "secret", [3; 32]).unwrap()
}

/// A server that knows the password, up to its first message: that, and what it has heard.
fn challenge(rig: &mut Rig, iterations: u32) -> (String, String) {
    let (request, first) = message(rig, 0);
    let first = String::from_utf8(first).unwrap();
    let bare = first.strip_prefix("n,,").expect("no channel binding").to_owned();
    let nonce = bare.strip_prefix("n=alice,r=").expect("the user's name");
    let challenge = format!("r={nonce}+servers,s={},i={iterations}", base64(SALT));
    rig.answer(0, &request, &sasl_authenticate(0, "", challenge.as_bytes(), 0));
    (bare, challenge)
}

/// The server's last message: whether the client knows the password, and what proves that the server does.
fn verify(password: &str, bare: &str, challenge: &str, last: &str) -> Option<String> {
    let (without_proof, proof) = last.split_once(",p=").expect("a proof");
    let signed = format!("{bare},{challenge},{without_proof}");
    let mut salted = [0; 32];
    let iterations = challenge.split_once("i=").unwrap().1.parse().unwrap();
    pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), SALT, iterations, &mut salted);
    let stored = Sha256::digest(mac(&salted, "Client Key"));
    let mut buffer = [0; 64];
    let proof = Base64::decode(proof, &mut buffer).unwrap();
    let key: Vec<u8> = proof.iter().zip(mac(&stored, &signed)).map(|(a, b)| a ^ b).collect();
    let signature = mac(&mac(&salted, "Server Key"), &signed);
    (Sha256::digest(key) == stored).then(|| format!("v={}", base64(&signature)))
}

#[test]
fn both_sides_prove_that_they_know_the_password() {
    let mut rig = agreed(alice());
    for round in 0..3 {
        let (bare, challenge) = challenge(&mut rig, 4_096);
        let (request, last) = message(&mut rig, 0);
        let last = String::from_utf8(last).unwrap();
        assert_eq!(verify("another", &bare, &challenge, &last), None);
        let signature = verify("secret", &bare, &challenge, &last).expect("the proof is right");
        rig.answer(0, &request, &sasl_authenticate(0, "", signature.as_bytes(), 0));
        assert!(rig.next_is(0, 3), "round {round}");
        rig.break_connection(0);
        rig.advance(Duration::from_secs(3));
        rig.connect();
        rig.shake_hands(0);
        let request = rig.request(0, HANDSHAKE);
        rig.answer(0, &request, &sasl_handshake(0, &["SCRAM-SHA-256"]));
    }
}

/// Whoever answers is an impostor, or asks for more than anybody should: records wait, in case that another one answers.
#[test]
fn hostile_servers() {
    let ended = |rig: &Rig, error| {
        assert!(rig.connections.is_empty(), "{error:?}");
        let cause = Cause::Disconnected(Disconnect::Authentication(error));
        assert_eq!(rig.sender.metadata.last_cause, Some(cause));
    };
    let mut rig = agreed(alice());
    let _ = challenge(&mut rig, 4_096);
    let (request, _) = message(&mut rig, 0);
    let wrong = format!("v={}", base64(&[7; 32]));
    rig.answer(0, &request, &sasl_authenticate(0, "", wrong.as_bytes(), 0));
    ended(&rig, AuthenticationError::WrongSignature);
    assert!(!rig.offer(0, 1) && rig.outcomes().is_empty());

    for iterations in [1, 4_095, 65_537, u32::MAX] {
        let mut rig = agreed(alice());
        let _ = challenge(&mut rig, iterations);
        ended(&rig, AuthenticationError::Iterations);
        let words = format!("{iterations} iterations, allowed are 4096 to 65536");
        assert_eq!(rig.sender.authentication_words(), words);
    }

    // The server is content at once, and has proved nothing.
    let mut rig = agreed(alice());
    let (request, _) = message(&mut rig, 0);
    rig.answer(0, &request, &sasl_authenticate(0, "", b"", 0));
    ended(&rig, AuthenticationError::InvalidChallenge);
    let mut rig = agreed(alice());
    let _ = challenge(&mut rig, 4_096);
    let (request, _) = message(&mut rig, 0);
    rig.answer(0, &request, &sasl_authenticate(0, "", b"", 0));
    ended(&rig, AuthenticationError::InvalidChallenge);
}

/// Kafka says it in the answer's error; others in the mechanism's own words.
#[test]
fn a_wrong_password() {
    let wrong = super::sasl::WRONG;
    for (error, message_of_request, bytes) in
        [(58, "Authentication failed", &b""[..]), (0, "", b"e=invalid-proof")]
    {
        let mut rig = agreed(alice());
        let _ = challenge(&mut rig, 4_096);
        let (request, _) = message(&mut rig, 0);
        rig.answer(0, &request, &sasl_authenticate(error, message_of_request, bytes, 0));
        assert!(["Authentication failed", "invalid-proof"].contains(&rig.sender.authentication_words()));
        assert!(rig.offer(0, 1));
        let [(0, Err(failure))] = rig.outcomes()[..] else { panic!("it fails") };
        assert_eq!(failure.kind, crate::error::ErrorKind::Authentication(wrong));
    }
}

/// A buffer that is too small for what this server says: neither a panic nor a message that is cut.
#[test]
fn a_message_that_does_not_fit() {
    let user = "u=,".repeat(85);
    let credentials = Credentials::scram_sha_256(&user, "secret", [3; 32]).unwrap();
    let mut rig = Rig::new(crate::config::SenderConfig::default());
    let mut tables = super::sasl::tables(credentials);
    tables.buffers = crate::test_storage::table(6 * 400, || 0);
    assert!(rig.sender.set_sasl(tables));
    rig.turn();
    rig.connect();
    rig.shake_hands(0);
    let request = rig.request(0, HANDSHAKE);
    rig.answer(0, &request, &sasl_handshake(0, &[]));
    assert!(rig.connections.is_empty());
    let cause = Cause::Disconnected(Disconnect::Authentication(AuthenticationError::TooLong));
    assert_eq!(rig.sender.metadata.last_cause, Some(cause));
}
