//! OAUTHBEARER and AWS_MSK_IAM, step by step: a token is asked for, comes, comes late or does not fit, and is refused.

use super::answers::{sasl_authenticate, sasl_handshake};
use super::sasl::{BUFFER_BYTES, HANDSHAKE, WRONG, connected, message, refused};
use crate::error::{AuthenticationError, Cause, Disconnect};
use crate::sasl::{Credentials, Token};
use core::time::Duration;

/// OAUTHBEARER: the token is asked for while the versions are, and used once.
#[test]
fn a_token_is_asked_for_each_connection() {
    let mut rig = connected(Credentials::oauth_bearer());
    let id = rig.tokens.pop_front().expect("a token is asked for at once");
    let late = Token::new("late", &[]).unwrap();
    rig.shake_hands(0);
    assert_eq!(rig.next_request(0), None, "without it there is nothing to say");
    let extensions = [("logicalCluster", "lkc-1")];
    let token = Token::new("header.body.signature", &extensions).unwrap();
    assert_eq!(rig.sender.handle_token(rig.now, id, Some(&token)), Ok(()));
    assert_eq!(rig.sender.handle_token(rig.now, id, Some(&late)), Ok(()));
    rig.turn();
    let request = rig.request(0, HANDSHAKE);
    rig.answer(0, &request, &sasl_handshake(0, &["OAUTHBEARER"]));
    let (request, bytes) = message(&mut rig, 0);
    assert_eq!(bytes, b"n,,\x01auth=Bearer header.body.signature\x01logicalCluster=lkc-1\x01\x01");
    rig.answer(0, &request, &sasl_authenticate(0, "", b"", 0));
    assert!(rig.next_is(0, 3) && rig.tokens.is_empty());
    rig.break_connection(0);
    assert_eq!(rig.sender.handle_token(rig.now, id, Some(&late)), Ok(()));
    rig.advance(Duration::from_secs(1));
    rig.connect();
    assert_ne!(rig.tokens.pop_front(), Some(id));
}

#[test]
fn a_token_that_does_not_come_or_does_not_fit() {
    // The provider has none; the record waits, and the next attempt asks again.
    let mut rig = connected(Credentials::oauth_bearer());
    let id = rig.tokens.pop_front().unwrap();
    assert_eq!(rig.sender.handle_token(rig.now, id, None), Err(AuthenticationError::NoToken));
    rig.turn();
    assert!(rig.connections.is_empty() && !rig.offer(0, 1));
    assert_eq!(
        rig.sender.metadata.last_cause,
        Some(Cause::Disconnected(Disconnect::Authentication(AuthenticationError::NoToken)))
    );
    rig.advance(Duration::from_secs(1));
    rig.connect();
    // The provider says nothing.
    assert_eq!(rig.tokens.len(), 1);
    rig.shake_hands(0);
    rig.advance(Duration::from_secs(31));
    assert!(rig.connections.is_empty());
    // The token is longer than there is room for, by one, and just fits.
    let most = BUFFER_BYTES - "n,,\x01auth=Bearer \x01\x01".len();
    // Before it there are the request's header, with the client id, and its length.
    let around = 17 + 5;
    let too_long = Some(AuthenticationError::TooLong);
    for (bytes, cause) in [(most + 1, too_long), (most - around + 1, too_long), (most - around, None)] {
        let mut rig = connected(Credentials::oauth_bearer());
        let id = rig.tokens.pop_front().unwrap();
        let text = "t".repeat(bytes);
        let kept = rig.sender.handle_token(rig.now, id, Some(&Token::new(&text, &[]).unwrap()));
        assert_eq!(kept.is_err(), bytes > most);
        rig.turn();
        if !rig.connections.is_empty() {
            rig.shake_hands(0);
            let request = rig.request(0, HANDSHAKE);
            rig.answer(0, &request, &sasl_handshake(0, &["OAUTHBEARER"]));
        }
        let last = rig.sender.metadata.last_cause;
        let expected = cause.map(|error| Cause::Disconnected(Disconnect::Authentication(error)));
        assert_eq!(last, expected, "{bytes}");
    }
}

/// The broker says why in a message of the mechanism, is told that it was heard, and then refuses.
#[test]
fn a_token_that_the_broker_refuses() {
    let mut rig = connected(Credentials::oauth_bearer());
    let id = rig.tokens.pop_front().unwrap();
    assert_eq!(rig.sender.handle_token(rig.now, id, Some(&Token::new("expired", &[]).unwrap())), Ok(()));
    rig.turn();
    rig.shake_hands(0);
    let request = rig.request(0, HANDSHAKE);
    rig.answer(0, &request, &sasl_handshake(0, &["OAUTHBEARER"]));
    let (request, _) = message(&mut rig, 0);
    rig.answer(0, &request, &sasl_authenticate(0, "", b"{\"status\":\"invalid_token\"}", 0));
    let (request, bytes) = message(&mut rig, 0);
    assert_eq!(bytes, [1]);
    rig.answer(0, &request, &sasl_authenticate(58, "", b"", 0));
    assert_eq!(rig.sender.authentication_words(), "{\"status\":\"invalid_token\"}");
    assert!(rig.offer(0, 1));
    assert_eq!(rig.outcomes(), [(0, Err(refused(WRONG)))]);
}

/// AWS_MSK_IAM: what is signed names the host of the connection, and is made anew for each session.
#[cfg(feature = "aws-msk-iam")]
#[test]
fn what_is_signed_names_the_connections_host() {
    use crate::sasl::AwsCredentials;
    use crate::time::Timestamp;
    let credentials = AwsCredentials::new("AKIDEXAMPLE", "secret/key", None, Some("eu-west-1")).unwrap();
    let at = |seconds: i64| Token::aws_msk_iam(credentials, Timestamp::from_millis(seconds * 1_000));
    let mut rig = connected(Credentials::aws_msk_iam());
    let id = rig.tokens.pop_front().expect("it is asked for at once");
    assert_eq!(rig.sender.handle_token(rig.now, id, Some(&at(1_440_938_160))), Ok(()));
    rig.turn();
    rig.shake_hands(0);
    let request = rig.request(0, HANDSHAKE);
    assert_eq!(request.body[5..], *b"\0\x0bAWS_MSK_IAM");
    rig.answer(0, &request, &sasl_handshake(0, &["AWS_MSK_IAM"]));
    let said = |bytes: &[u8], key: &str| {
        let said: serde_json::Value = serde_json::from_slice(bytes).unwrap();
        std::string::String::from(said[key].as_str().unwrap())
    };
    let (request, bytes) = message(&mut rig, 0);
    assert_eq!(said(&bytes, "host"), rig.sender.address(id).unwrap().host);
    assert_eq!(said(&bytes, "x-amz-date"), "20150830T123600Z");
    let accepted = br#"{"version":"2020_10_22","request-id":"7b1"}"#;
    rig.answer(0, &request, &sasl_authenticate(0, "", accepted, 10_000));
    let request = rig.request(0, 3);
    rig.answer(0, &request, &super::answers::metadata(&[(1, "one", 9092)], &[1]));
    let request = rig.request(0, 22);
    rig.answer(0, &request, &super::answers::producer_id(7, 0));
    assert!(rig.offer(0, 1));
    rig.advance(Duration::from_millis(9_500));
    let (request, _) = rig.produced(0);
    rig.answer(0, &request, &super::answers::produce(&[(0, 0, 9)]));
    let id = rig.tokens.pop_front().expect("the session is to be renewed");
    assert_eq!(rig.sender.handle_token(rig.now, id, Some(&at(1_440_938_170))), Ok(()));
    rig.turn();
    let request = rig.request(0, HANDSHAKE);
    rig.answer(0, &request, &sasl_handshake(0, &["AWS_MSK_IAM"]));
    let (request, bytes) = message(&mut rig, 0);
    assert_eq!(said(&bytes, "x-amz-date"), "20150830T123610Z");
    // It is not taken any more, and the broker says why.
    rig.answer(0, &request, &sasl_authenticate(58, "[7b2]: Access denied", b"", 0));
    assert_eq!(rig.sender.authentication_words(), "[7b2]: Access denied");
    assert!(rig.connections.is_empty());
}

/// Without a region nothing can be signed: the record waits, and what is missing is said.
#[cfg(feature = "aws-msk-iam")]
#[test]
fn what_cannot_be_signed_says_why() {
    use crate::sasl::AwsCredentials;
    let mut rig = connected(Credentials::aws_msk_iam());
    let id = rig.tokens.pop_front().unwrap();
    let credentials = AwsCredentials::new("AKIDEXAMPLE", "secret/key", None, None).unwrap();
    let token = Token::aws_msk_iam(credentials, crate::time::Timestamp::from_millis(0));
    let kept = rig.sender.handle_token(rig.now, id, Some(&token));
    assert_eq!(kept, Err(AuthenticationError::NoToken));
    rig.turn();
    assert!(rig.connections.is_empty() && !rig.offer(0, 1) && rig.outcomes().is_empty());
    let expected = Cause::Disconnected(Disconnect::Authentication(AuthenticationError::NoToken));
    assert_eq!(rig.sender.metadata.last_cause, Some(expected));
    assert!(rig.sender.authentication_words().starts_with("no AWS region is set"));
}
