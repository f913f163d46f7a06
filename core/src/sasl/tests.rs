//! Each mechanism against the vectors of its RFC, and against servers that mean harm.

extern crate std;

use std::string::String;
use std::vec::Vec;

use super::*;

struct Client {
    credentials: Credentials,
    exchange: Exchange,
    words: heapless::String<128>,
}

impl Client {
    fn new(mut credentials: Credentials) -> Self {
        let exchange = Exchange::begin(&mut credentials);
        Self { credentials, exchange, words: heapless::String::new() }
    }

    fn message(&mut self, challenge: &[u8], room: usize) -> Result<Vec<u8>, AuthenticationError> {
        let mut out = std::vec![0xee; room];
        let length = self.exchange.message(&mut self.credentials, challenge, 0, &mut out, &mut self.words)?;
        out.truncate(length);
        Ok(out)
    }

    fn answer(&mut self, challenge: &[u8]) -> Result<Next, AuthenticationError> {
        self.exchange.answer(&self.credentials, challenge, &mut self.words)
    }
}

#[test]
fn plain_is_the_vector_of_its_rfc() {
    let mut client = Client::new(Credentials::plain("tim", "tanstaaftanstaaf").unwrap());
    assert_eq!(client.message(b"", 64).unwrap(), b"\0tim\0tanstaaftanstaaf");
    assert_eq!(client.message(b"", 20), Err(AuthenticationError::TooLong));
    assert_eq!(client.answer(b""), Ok(Next::Done));
    assert_eq!(client.answer(b""), Err(AuthenticationError::InvalidChallenge), "it is over");
}

#[test]
fn credentials_have_limits_and_are_never_shown() {
    let secret = "correct horse";
    let shown = std::format!("{:?}", Credentials::plain("alice", secret).unwrap());
    assert!(!shown.contains(secret) && !shown.contains("alice"), "{shown}");
    for (user, password, part) in [
        (String::new(), secret.into(), "user"),
        ("u".repeat(256), secret.into(), "user"),
        ("a\0b".into(), secret.into(), "user"),
        ("alice".into(), String::new(), "password"),
        ("alice".into(), "p".repeat(513), "password"),
        ("alice".into(), "p\0q".into(), "password"),
    ] {
        let error = Credentials::plain(&user, &password).unwrap_err();
        let text = std::format!("{error} {error:?}");
        assert!(text.contains(part) && !text.contains(secret), "{text}");
    }
    assert!(Credentials::plain(&"u".repeat(255), &"p".repeat(512)).is_ok());
}

#[test]
fn a_token_goes_as_its_rfc_says() {
    let token = Token::new("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==", &[("host", "a b"), ("port", "1")]);
    let token = token.unwrap();
    let write = |out: &mut [u8]| token.write(Mechanism::OauthBearer, "host", out, &mut String::new());
    let mut out = [0; 256];
    let length = write(&mut out).unwrap();
    let expected =
        b"n,,\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01host=a b\x01port=1\x01\x01";
    assert_eq!(&out[..length], expected);
    for room in 0..length {
        assert_eq!(write(&mut out[..room]), Err(AuthenticationError::TooLong));
    }
    assert_eq!(std::format!("{token:?}"), "Token([hidden])");
    let other = token.write(Mechanism::Plain, "host", &mut out, &mut String::new());
    assert_eq!(other, Err(AuthenticationError::NoToken), "another mechanism's");
    for token in ["", "a b", "a\x01b", "ä"] {
        assert_eq!(Token::new(token, &[]).unwrap_err(), CredentialsError::InvalidToken);
    }
    for extension in [("", "a"), ("auth", "a"), ("a1", "a"), ("a", ""), ("a", "\x01"), ("a", "ä")] {
        assert_eq!(Token::new("t", &[extension]).unwrap_err(), CredentialsError::InvalidExtension);
    }
}

#[test]
fn a_refused_token_is_heard_of_and_the_servers_words_are_kept() {
    let begin = || Client::new(Credentials::oauth_bearer());
    let mut client = begin();
    // The token lies at the end of the room.
    let mut out = *b"....token";
    let written = client.exchange.message(&mut client.credentials, b"", 5, &mut out, &mut client.words);
    assert_eq!((written, &out[..5]), (Ok(5), &b"token"[..]));
    assert_eq!(client.answer(b""), Ok(Next::Done));

    let mut client = begin();
    assert_eq!(client.answer(b"{\"status\":\"invalid_token\"}"), Ok(Next::Message));
    assert_eq!(client.words, "{\"status\":\"invalid_token\"}");
    assert_eq!(client.message(b"", 8).unwrap(), [1]);
    assert_eq!(client.answer(b""), Err(AuthenticationError::InvalidChallenge), "first no, then yes");
}

#[cfg(feature = "aws-msk-iam")]
mod msk_iam {
    use super::*;
    use crate::time::Timestamp;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    const HOST: &str = "b-1.gateway.abc123.c2.kafka.us-east-1.amazonaws.com";
    /// 2015-08-30, 12:36:00.
    const NOW: Timestamp = Timestamp::from_millis(1_440_938_160_000);
    /// Of AWS' own examples.
    const SESSION: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

    /// The message, or why there is none.
    fn message(
        session: Option<&str>,
        region: Option<&str>,
        host: &str,
        room: usize,
    ) -> Result<String, (AuthenticationError, String)> {
        let credentials = AwsCredentials::new("AKIDEXAMPLE", SECRET, session, region).unwrap();
        let (mut out, mut words) = (std::vec![0; room], String::new());
        let token = Token::aws_msk_iam(credentials, NOW);
        let written = token.write(Mechanism::AwsMskIam, host, &mut out, &mut words);
        let length = written.map_err(|error| (error, words))?;
        Ok(String::from_utf8(out[..length].to_vec()).unwrap())
    }

    /// The signatures are botocore's (1.44.8, `SigV4QueryAuth`) for the request that Amazon's client for Java signs.
    #[test]
    fn what_is_signed_is_what_amazons_own_clients_sign() {
        for (session, signature) in [
            (None, "648e72f1e0322230a285f881064ca6cbb59c9ccb3b350fc5b85b052695d6cacc"),
            (Some(SESSION), "f3f2077452d4a2c8a6c026157a3b4fc958b682030f133e99d1b5a8bd01d543d9"),
        ] {
            let text = message(session, None, HOST, 1_200).unwrap();
            assert_eq!(message(session, Some("us-east-1"), HOST, 1_200).as_ref(), Ok(&text));
            for room in 0..text.len() {
                let too_long = (AuthenticationError::TooLong, String::new());
                assert_eq!(message(session, None, HOST, room), Err(too_long));
            }
            let mut said: serde_json::Map<_, _> = serde_json::from_str(&text).unwrap();
            if let Some(session) = session {
                assert_eq!(said.remove("x-amz-security-token").unwrap(), session);
            }
            let agent = concat!("felice/", env!("CARGO_PKG_VERSION"));
            let expected = serde_json::json!({
                "version": "2020_10_22",
                "host": HOST,
                "user-agent": agent,
                "action": "kafka-cluster:Connect",
                "x-amz-algorithm": "AWS4-HMAC-SHA256",
                "x-amz-credential": "AKIDEXAMPLE/20150830/us-east-1/kafka-cluster/aws4_request",
                "x-amz-date": "20150830T123600Z",
                "x-amz-signedheaders": "host",
                "x-amz-expires": "900",
                "x-amz-signature": signature,
            });
            assert_eq!(serde_json::Value::Object(said), expected);
        }
    }

    #[test]
    fn the_region_is_the_hosts_unless_it_is_set() {
        let region = |region, host| {
            let text = message(None, region, host, 1_000).map_err(|(error, words)| {
                assert_eq!(error, AuthenticationError::NoToken);
                words
            })?;
            let said: serde_json::Value = serde_json::from_str(&text).unwrap();
            let region = said["x-amz-credential"].as_str().unwrap().split('/').nth(2).unwrap();
            Ok::<String, String>(region.into())
        };
        for (host, expected) in [
            (HOST, "us-east-1"),
            ("boot-x.c1.kafka-serverless.eu-west-1.amazonaws.com", "eu-west-1"),
            ("b-2.x.c3.kafka.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ] {
            assert_eq!(region(None, host).as_deref(), Ok(expected));
            assert_eq!(region(Some("eu-north-1"), host).as_deref(), Ok("eu-north-1"));
        }
        assert_eq!(region(Some("eu-north-1"), "kafka.example").as_deref(), Ok("eu-north-1"));
        let words = region(None, "kafka.example").unwrap_err();
        assert_eq!(words, "no AWS region is set, and there is none in the host's name kafka.example");
        // Brokers name each other: such a name must not become another field.
        let hostile = r#"x","action":"\u{7}.us-east-1.amazonaws.com"#;
        for region_set in [None, Some("eu-north-1")] {
            let words = region(region_set, hostile).unwrap_err();
            assert!(words.starts_with("this is no host that can be signed for: x"), "{words}");
        }
    }

    #[test]
    fn credentials_that_are_none_are_named_and_never_shown() {
        let long = "x".repeat(129);
        for (id, secret, session, region, part) in [
            ("", SECRET, None, None, "access key id"),
            ("A/B", SECRET, None, None, "access key id"),
            (&*long, SECRET, None, None, "access key id"),
            ("A", "", None, None, "secret access key"),
            ("A", &*long, None, None, "secret access key"),
            ("A", "a b", None, None, "secret access key"),
            ("A", SECRET, Some(""), None, "session token"),
            ("A", SECRET, Some("a\"b"), None, "session token"),
            ("A", SECRET, None, Some(""), "region"),
            ("A", SECRET, None, Some("eu/west"), "region"),
        ] {
            let error = AwsCredentials::new(id, secret, session, region).unwrap_err();
            assert_eq!(error, CredentialsError::InvalidAwsCredentials { part });
            assert!(std::format!("{error}").contains(part));
        }
        let credentials = AwsCredentials::new("AKIDEXAMPLE", SECRET, Some(SESSION), None).unwrap();
        let token = Token::aws_msk_iam(credentials, NOW);
        assert_eq!(std::format!("{credentials:?} {token:?}"), "AwsCredentials([hidden]) Token([hidden])");
        let bearer = token.write(Mechanism::OauthBearer, HOST, &mut [0; 999], &mut String::new());
        assert_eq!(bearer, Err(AuthenticationError::NoToken));
    }

    #[test]
    fn the_servers_answer_has_a_version() {
        for (answer, next) in [
            (&br#"{"version":"2020_10_22","request-id":"7b1"}"#[..], Ok(Next::Done)),
            (br#"{"version":"2031_01_01","request-id":"7b1"}"#, Err(AuthenticationError::InvalidChallenge)),
            (b"", Err(AuthenticationError::InvalidChallenge)),
        ] {
            let mut client = Client::new(Credentials::aws_msk_iam());
            let mut out = *b"....signed";
            let written =
                client.exchange.message(&mut client.credentials, b"", 6, &mut out, &mut client.words);
            assert_eq!((written, &out[..6]), (Ok(6), &b"signed"[..]));
            assert_eq!(client.answer(answer), next);
            assert_eq!(client.answer(answer), Err(AuthenticationError::InvalidChallenge), "it is over");
        }
    }
}

#[cfg(feature = "scram")]
mod scram {
    use std::borrow::ToOwned;

    use super::*;

    struct Vector {
        mechanism: Mechanism,
        user: &'static str,
        password: &'static str,
        nonce: &'static str,
        messages: [&'static str; 4],
    }

    /// RFC 7677, section 3.
    const SHA_256: Vector = Vector {
        mechanism: Mechanism::ScramSha256,
        user: "user",
        password: "pencil",
        nonce: "rOprNGfwEbeRWgbNEkqO",
        messages: [
            "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        ],
    };

    /// Made with Python's hashlib: the RFCs have none for SHA-512.
    const SHA_512: Vector = Vector {
        mechanism: Mechanism::ScramSha512,
        user: "a,b=ü",
        password: "pässword,=",
        nonce: "fyko+d2lbbFgONRv9qkxdawL",
        messages: [
            "n,,n=a=2Cb=3Dü,r=fyko+d2lbbFgONRv9qkxdawL",
            "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBk=,i=4096",
            "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=zyc3o/EPI09CwwYOt5+oUQsiLWYUA/ITmCnTNMVveHVu3e/xR2OuWrTygqKdf8Dfhp0I2mMU+RyK/fFb+YjfRw==",
            "v=DT+RS83nlOXmMc/KBwmSo/NsWatgOd3HzA6c3UlEbgzo0mEND/fOO3p6NIIM9+iX2OHe0hmfQY+r+mPcqDd3nA==",
        ],
    };

    fn client(vector: &Vector) -> Client {
        let credentials = match vector.mechanism {
            Mechanism::ScramSha512 => Credentials::scram_sha_512(vector.user, vector.password, [7; 32]),
            _ => Credentials::scram_sha_256(vector.user, vector.password, [7; 32]),
        };
        let mut client = Client::new(credentials.unwrap());
        client.exchange.scram.nonce = heapless::Vec::from_slice(vector.nonce.as_bytes()).unwrap();
        client
    }

    /// The client up to where it has the server's first message.
    fn challenged(vector: &Vector, challenge: &str) -> (Client, Result<Vec<u8>, AuthenticationError>) {
        let mut client = client(vector);
        assert_eq!(client.message(b"", 512).unwrap(), vector.messages[0].as_bytes());
        assert_eq!(client.answer(challenge.as_bytes()), Ok(Next::Message));
        let message = client.message(challenge.as_bytes(), 512);
        (client, message)
    }

    #[test]
    fn the_vectors() {
        for vector in [SHA_256, SHA_512] {
            let [first, challenge, last, signature] = vector.messages;
            let (mut client, message) = challenged(&vector, challenge);
            assert_eq!(String::from_utf8(message.unwrap()).unwrap(), last);
            for room in 0..last.len() {
                assert_eq!(client.message(challenge.as_bytes(), room), Err(AuthenticationError::TooLong));
            }
            assert_eq!(client.answer(signature.as_bytes()), Ok(Next::Done));
            assert_eq!(client.answer(signature.as_bytes()), Err(AuthenticationError::InvalidChallenge));
            let mut client = Client::new(client.credentials);
            assert_ne!(
                client.message(b"", 512).unwrap(),
                first.as_bytes(),
                "each run has a nonce of its own"
            );
        }
    }

    /// Each byte of the signature counts, and so does its length.
    #[test]
    fn a_server_that_does_not_know_the_password_is_found_out() {
        for vector in [SHA_256, SHA_512] {
            let [_, challenge, _, signature] = vector.messages;
            let answer = |message: &[u8]| {
                let (mut client, message_written) = challenged(&vector, challenge);
                assert!(message_written.is_ok());
                client.answer(message)
            };
            let text = signature.as_bytes();
            for at in 2..text.len() - 3 {
                let mut wrong = text.to_vec();
                wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
                assert_eq!(answer(&wrong), Err(AuthenticationError::WrongSignature), "{at}");
            }
            for (wrong, error) in [
                ("v=", AuthenticationError::WrongSignature),
                ("v=AAAA", AuthenticationError::WrongSignature),
                ("", AuthenticationError::InvalidChallenge),
                ("v=!", AuthenticationError::InvalidChallenge),
                ("w=AAAA", AuthenticationError::InvalidChallenge),
                (&std::format!("v={}", "A".repeat(400)), AuthenticationError::InvalidChallenge),
            ] {
                assert_eq!(answer(wrong.as_bytes()), Err(error), "{wrong}");
            }
            // What follows on a comma is an extension.
            let extended = std::format!("{signature},x=y");
            assert_eq!(answer(extended.as_bytes()), Ok(Next::Done));
        }
    }

    #[test]
    fn a_refusal_has_its_words() {
        let (mut client, _) = challenged(&SHA_256, SHA_256.messages[1]);
        let refused = AuthenticationError::Refused(crate::error::ErrorCode::SASL_AUTHENTICATION_FAILED);
        assert_eq!(client.answer(b"e=invalid-proof\x07"), Err(refused));
        assert_eq!(client.words, "invalid-proof?");
    }

    #[test]
    fn challenges_that_are_none_are_refused() {
        let nonce = "r=rOprNGfwEbeRWgbNEkqO%x";
        for challenge in [
            "",
            ",",
            "r=",
            nonce,
            &std::format!("{nonce},s=QQ=="),
            &std::format!("{nonce},s=QQ==,i="),
            &std::format!("{nonce},s=QQ==,i=-4096"),
            &std::format!("{nonce},s=QQ==,i=4096x"),
            &std::format!("{nonce},s=,i=4096"),
            &std::format!("{nonce},s=!!,i=4096"),
            &std::format!("{nonce},s={},i=4096", "QUFB".repeat(43)),
            &std::format!("{nonce},i=4096,s=QQ=="),
            // What must be understood comes first, and nobody knows any.
            &std::format!("m=x,{nonce},s=QQ==,i=4096"),
            // Not the client's nonce, or nothing but the client's nonce.
            "r=xOprNGfwEbeRWgbNEkqO%x,s=QQ==,i=4096",
            "r=rOprNGfwEbeRWgbNEkq,s=QQ==,i=4096",
            "r=rOprNGfwEbeRWgbNEkqO,s=QQ==,i=4096",
        ] {
            let (_, message) = challenged(&SHA_256, challenge);
            assert_eq!(message, Err(AuthenticationError::InvalidChallenge), "{challenge}");
        }
        let (_, message) = challenged(&SHA_256, &std::format!("{nonce},s=QQ==,i=4096,x=y"));
        assert!(message.is_ok(), "extensions are passed over");
    }

    /// Neither as few that the password is as good as told, nor as many that the client is busy for long.
    #[test]
    fn the_number_of_iterations_has_limits() {
        for (iterations, fits) in [
            ("0", false),
            ("1", false),
            ("4095", false),
            ("4096", true),
            ("65536", true),
            ("65537", false),
            ("4294967295", false),
            ("4294971392", false),
            ("99999999999999999999", false),
        ] {
            let challenge = std::format!("r=rOprNGfwEbeRWgbNEkqO%x,s=QQ==,i={iterations}");
            let (client, message) = challenged(&SHA_256, &challenge);
            assert_eq!(message.is_ok(), fits, "{iterations}");
            if !fits {
                assert_eq!(message, Err(AuthenticationError::Iterations));
                assert!(client.words.ends_with("allowed are 4096 to 65536"), "{}", client.words);
            }
        }
    }

    /// The costly part is done once for all brokers, and again where the salt or the rounds are others.
    #[test]
    fn keys_are_remembered_for_the_last_salt() {
        let [_, challenge, last, _] = SHA_256.messages;
        let (mut client, _) = challenged(&SHA_256, challenge);
        for (other, same) in [
            (challenge.to_owned(), true),
            (challenge.replace("i=4096", "i=4097"), false),
            (challenge.replace("s=W", "s=X"), false),
            (challenge.to_owned(), true),
        ] {
            let message = String::from_utf8(client.message(other.as_bytes(), 512).unwrap()).unwrap();
            assert_eq!(message == last, same, "{other}");
        }
    }
}
