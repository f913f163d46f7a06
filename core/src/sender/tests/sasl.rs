//! Authentication, step by step: PLAIN, brokers that refuse, and connections that end in the middle.

use super::answers::{self, sasl_authenticate, sasl_handshake};
use super::rig::{Request, Rig, TOPIC};
use crate::config::SenderConfig;
use crate::error::{
    AuthenticationError, Cause, Disconnect, ErrorCode, ErrorKind, Failure, Persisted, ProtocolError,
};
use crate::event::TopicView;
use crate::sasl::Credentials;
use crate::sender::{SaslSlot, SaslTables};
use crate::test_storage::{Boxes, table};
use core::time::Duration;
use std::string::String;
use std::vec::Vec;

pub(super) const HANDSHAKE: i16 = 17;
pub(super) const AUTHENTICATE: i16 = 36;

/// Each connection's part of the buffers.
pub(super) const BUFFER_BYTES: usize = 1_024;

pub(super) fn tables(credentials: Credentials) -> SaslTables<Boxes> {
    let mut credentials = Some(credentials);
    SaslTables {
        credentials: table(1, || credentials.take().expect("one")),
        slots: table(6, || SaslSlot::EMPTY),
        buffers: table(6 * BUFFER_BYTES, || 0),
    }
}

pub(super) fn plain() -> Credentials {
    Credentials::plain("alice", "secret").unwrap()
}

/// A rig whose first connection is made, and has asked for the broker's versions.
pub(super) fn connected(credentials: Credentials) -> Rig {
    let mut rig = Rig::new(SenderConfig::default());
    assert!(rig.sender.set_sasl(tables(credentials)));
    rig.turn();
    rig.connect();
    rig
}

/// The same up to where the broker knows the mechanism.
pub(super) fn agreed(credentials: Credentials) -> Rig {
    let mut rig = connected(credentials);
    rig.shake_hands(0);
    let request = rig.request(0, HANDSHAKE);
    rig.answer(0, &request, &sasl_handshake(0, &["PLAIN"]));
    rig
}

/// The mechanism's message in the next request.
pub(super) fn message(rig: &mut Rig, slot: u16) -> (Request, Vec<u8>) {
    let request = rig.request(slot, AUTHENTICATE);
    assert_eq!(request.version, 1);
    let client_id = 2 + "rig".len();
    let bytes = request.body[client_id + 4..].to_vec();
    assert_eq!(request.body[client_id..][..4], (bytes.len() as i32).to_be_bytes());
    (request, bytes)
}

/// PLAIN is done, for so long.
pub(super) fn authenticated(lifetime_ms: i64) -> Rig {
    let mut rig = agreed(plain());
    let (request, bytes) = message(&mut rig, 0);
    assert_eq!(bytes, b"\0alice\0secret");
    rig.answer(0, &request, &sasl_authenticate(0, "", b"", lifetime_ms));
    rig
}

/// Then metadata and a producer id, as without SASL.
pub(super) fn started(lifetime_ms: i64, partitions: usize) -> Rig {
    let mut rig = authenticated(lifetime_ms);
    let request = rig.request(0, 3);
    let leaders: Vec<i32> = std::vec![1; partitions];
    rig.answer(0, &request, &answers::metadata(&[(1, "one", 9092)], &leaders));
    let request = rig.request(0, 22);
    rig.answer(0, &request, &answers::producer_id(7, 0));
    rig
}

pub(super) fn refused(error: AuthenticationError) -> Failure {
    Failure {
        kind: ErrorKind::Authentication(error),
        persisted: Persisted::No,
        attempts: 0,
        last_cause: Some(Cause::Disconnected(Disconnect::Authentication(error))),
    }
}

pub(super) const WRONG: AuthenticationError =
    AuthenticationError::Refused(ErrorCode::SASL_AUTHENTICATION_FAILED);

#[test]
fn nothing_else_is_asked_before_the_broker_accepts_the_client() {
    let mut rig = connected(plain());
    let versions = rig.request(0, 18);
    assert_eq!(rig.next_request(0), None, "neither metadata nor a producer id");
    rig.answer(0, &versions, &answers::api_versions());
    let request = rig.request(0, HANDSHAKE);
    assert_eq!(request.body[5..], *b"\0\x05PLAIN");
    assert_eq!(rig.next_request(0), None);
    rig.answer(0, &request, &sasl_handshake(0, &["PLAIN", "SCRAM-SHA-256"]));
    let (request, bytes) = message(&mut rig, 0);
    assert_eq!(bytes, b"\0alice\0secret");
    assert_eq!(rig.next_request(0), None);
    rig.answer(0, &request, &sasl_authenticate(0, "", b"", 0));
    assert!(rig.next_is(0, 3) && !rig.available.contains_key(&1));
    let mut rig = started(0, 1);
    assert!(rig.offer(0, 1));
    let (request, _) = rig.produced(0);
    rig.answer(0, &request, &answers::produce(&[(0, 0, 4)]));
    assert_eq!(rig.outcomes(), [(0, Ok(4))]);
}

/// Byte by byte in both directions it is the same.
#[test]
fn every_answer_may_be_cut_anywhere() {
    let mut rig = Rig::new(SenderConfig::default());
    assert!(rig.sender.set_sasl(tables(plain())));
    (rig.read_limit, rig.write_limit) = (1, [(0, 1)].into());
    rig.turn();
    rig.connect();
    rig.shake_hands(0);
    let request = rig.request(0, HANDSHAKE);
    rig.answer(0, &request, &sasl_handshake(0, &["PLAIN"]));
    let (request, _) = message(&mut rig, 0);
    rig.answer(0, &request, &sasl_authenticate(0, "", b"", 0));
    assert!(rig.next_is(0, 3));
}

#[test]
fn tables_that_are_too_short_are_not_taken() {
    let mut rig = Rig::new(SenderConfig::default());
    let short = |slots, bytes| SaslTables::<Boxes> {
        credentials: table(1, plain),
        slots: table(slots, || SaslSlot::EMPTY),
        buffers: table(bytes, || 0),
    };
    assert!(!rig.sender.set_sasl(short(5, 10_000)));
    assert!(!rig.sender.set_sasl(short(6, 6 * 399)));
    assert!(!rig.sender.set_sasl(short(6, 6 * 70_000)));
    assert!(!rig.sender.set_sasl(SaslTables { credentials: table(0, plain), ..short(6, 10_000) }));
    assert!(rig.sender.set_sasl(short(6, 6 * 400)));
}

/// Wrong credentials fail what waits at once, with the broker's words, and the next attempt is the next record's.
#[test]
fn wrong_credentials_fail_what_waits() {
    let mut rig = agreed(plain());
    let (request, _) = message(&mut rig, 0);
    rig.answer(0, &request, &sasl_authenticate(58, "Invalid username or password\u{7}", b"", 0));
    assert!(rig.connections.is_empty());
    assert_eq!(rig.sender.authentication_words(), "Invalid username or password?");
    // The other plane is told that the topic's records fail, and hands them over.
    assert_eq!(rig.sender.topic_view(TOPIC), TopicView::Failed(ErrorCode::SASL_AUTHENTICATION_FAILED));
    assert!(rig.offer(0, 2));
    assert_eq!(rig.outcomes(), [(0, Err(refused(WRONG)))]);
    assert_eq!(
        super::rig::words(&refused(WRONG)),
        "not authenticated: SASL_AUTHENTICATION_FAILED (58: the broker refused the credentials); sent 0 times; \
         it is not in the log"
    );
    rig.sender.demand(false);
    rig.turn();
    assert_eq!(rig.sender.topic_view(TOPIC), TopicView::Unknown, "the next record may try");
    for _ in 0..100 {
        rig.advance(Duration::from_secs(1));
        assert!(rig.connecting.is_empty(), "nobody tries without a record");
    }
    rig.sender.demand(true);
    rig.turn();
    rig.connect();
    assert!(!rig.offer(0, 1), "it waits for what the broker says");
}

/// With records all the time the broker is tried less and less often.
#[test]
fn wrong_credentials_are_no_hot_loop() {
    let mut rig = agreed(plain());
    let begin = rig.now;
    for attempt in 0..10 {
        if attempt > 0 {
            while rig.connecting.is_empty() {
                rig.advance(Duration::from_millis(1));
            }
            rig.connect();
            rig.shake_hands(0);
            let request = rig.request(0, HANDSHAKE);
            rig.answer(0, &request, &sasl_handshake(0, &["PLAIN"]));
        }
        let (request, _) = message(&mut rig, 0);
        rig.answer(0, &request, &sasl_authenticate(58, "no", b"", 0));
    }
    let passed = rig.now.since(begin);
    assert!(passed > Duration::from_secs(4), "ten attempts in {passed:?}");
}

/// A broker that refuses what others accept is a broker that cannot be reached.
#[test]
fn one_broker_that_refuses_does_not_fail_what_others_take() {
    let mut rig = authenticated(0);
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata(&[(1, "one", 9092), (2, "two", 9092)], &[1, 2]));
    let request = rig.request(0, 22);
    rig.answer(0, &request, &answers::producer_id(7, 0));
    assert!(!rig.offer(1, 1));
    let two = rig.connect();
    rig.shake_hands(two);
    let request = rig.request(two, HANDSHAKE);
    rig.answer(two, &request, &sasl_handshake(0, &["PLAIN"]));
    let (request, _) = message(&mut rig, two);
    rig.answer(two, &request, &sasl_authenticate(58, "not here", b"", 0));
    assert!(rig.outcomes().is_empty());
    assert!(!rig.offer(1, 1), "it goes on waiting");
    assert!(rig.offer(0, 1));
    let (request, _) = rig.produced(0);
    rig.answer(0, &request, &answers::produce(&[(0, 0, 9)]));
    assert_eq!(rig.outcomes(), [(0, Ok(9))]);
}

/// What the broker has instead is said.
#[test]
fn a_mechanism_that_the_broker_has_not() {
    let mut rig = connected(plain());
    rig.shake_hands(0);
    let request = rig.request(0, HANDSHAKE);
    rig.answer(0, &request, &sasl_handshake(33, &["SCRAM-SHA-256", "OAUTHBEARER"]));
    assert_eq!(rig.sender.authentication_words(), "the broker offers SCRAM-SHA-256, OAUTHBEARER");
    assert!(rig.offer(0, 1));
    assert_eq!(rig.outcomes(), [(0, Err(refused(AuthenticationError::UnsupportedMechanism)))]);

    let many: Vec<String> = (0..1_000).map(|at| std::format!("MECHANISM-{at}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let mut rig = connected(plain());
    rig.shake_hands(0);
    let request = rig.request(0, HANDSHAKE);
    rig.answer(0, &request, &sasl_handshake(33, &many));
    assert_eq!(rig.sender.authentication_words().len(), 128, "as far as there is room");
}

#[test]
fn a_listener_without_sasl() {
    let mut rig = connected(plain());
    rig.shake_hands(0);
    let request = rig.request(0, HANDSHAKE);
    rig.answer(0, &request, &sasl_handshake(34, &[]));
    assert!(rig.offer(0, 1));
    assert_eq!(rig.outcomes(), [(0, Err(refused(AuthenticationError::NoSasl)))]);
}

/// A broker too old for SASL, or none.
#[test]
fn a_broker_that_does_not_know_the_requests() {
    let mut rig = connected(plain());
    let request = rig.request(0, 18);
    let mut versions = answers::api_versions();
    let handshake = versions.windows(2).position(|key| key == [0, 17]).unwrap();
    versions[handshake + 1] = 99;
    let unsupported = Err(ProtocolError::UnsupportedApi { api_key: 17 });
    assert_eq!(rig.try_answer(0, &request, &versions), unsupported);
}

/// What is no message of a mechanism closes the connection: the bytes have a limit, and so has the session.
#[test]
fn huge_challenges_and_mad_lifetimes() {
    for (bytes, fits) in [(512, true), (513, false), (100_000, false)] {
        let mut rig = agreed(plain());
        let (request, _) = message(&mut rig, 0);
        let answer = sasl_authenticate(0, "", &std::vec![7; bytes], 0);
        assert_eq!(rig.try_answer(0, &request, &answer).is_ok(), fits, "{bytes}");
        rig.turn();
        assert_eq!(rig.connections.is_empty(), !fits);
    }
    for lifetime_ms in [i64::MIN, -1, 0, i64::MAX] {
        let mut rig = started(lifetime_ms, 1);
        rig.advance(Duration::from_secs(100));
        assert!(rig.offer(0, 1), "{lifetime_ms}");
    }
}

/// An answer before the question has left is nobody's.
#[test]
fn an_answer_that_comes_too_early() {
    let mut rig = connected(plain());
    rig.shake_hands(0);
    let request = rig.request(0, HANDSHAKE);
    rig.write_limit.insert(0, 0);
    rig.answer(0, &request, &sasl_handshake(0, &["PLAIN"]));
    let next = Request { correlation_id: request.correlation_id + 1, ..request };
    assert!(rig.try_answer(0, &next, &sasl_authenticate(0, "", b"", 0)).is_err());
}

/// Wherever the connection ends, the next one begins at the beginning, and records that wait go on waiting.
#[test]
fn the_connection_ends_after_every_step() {
    for step in 0..4 {
        let mut rig = connected(plain());
        if step > 0 {
            rig.shake_hands(0);
        }
        if step > 1 {
            let request = rig.request(0, HANDSHAKE);
            rig.answer(0, &request, &sasl_handshake(0, &["PLAIN"]));
        }
        if step > 2 {
            let _ = message(&mut rig, 0);
        }
        rig.break_connection(0);
        assert!(!rig.offer(0, 1) && rig.outcomes().is_empty(), "step {step}");
        rig.advance(Duration::from_secs(1));
        rig.connect();
        rig.shake_hands(0);
        let request = rig.request(0, HANDSHAKE);
        rig.answer(0, &request, &sasl_handshake(0, &["PLAIN"]));
        let (request, bytes) = message(&mut rig, 0);
        assert_eq!(bytes, b"\0alice\0secret");
        rig.answer(0, &request, &sasl_authenticate(0, "", b"", 0));
        assert!(rig.next_is(0, 3), "step {step}");
    }
}

/// A broker that is silent in the middle is given up after `request.timeout.ms`.
#[test]
fn a_broker_that_is_silent_in_the_middle() {
    for step in 0..2 {
        let mut rig = connected(plain());
        rig.shake_hands(0);
        if step > 0 {
            let request = rig.request(0, HANDSHAKE);
            rig.answer(0, &request, &sasl_handshake(0, &["PLAIN"]));
        }
        rig.advance(Duration::from_secs(29));
        assert!(!rig.connections.is_empty());
        rig.advance(Duration::from_secs(2));
        assert!(rig.connections.is_empty());
    }
}

/// What was asked for without records hears of the refusal, and asks no more.
#[test]
fn a_topic_that_is_wanted_without_records() {
    let mut rig = agreed(plain());
    rig.sender.demand(false);
    rig.sender.want_topic(rig.now, TOPIC);
    let (request, _) = message(&mut rig, 0);
    rig.trace.clear();
    rig.answer(0, &request, &sasl_authenticate(58, "no", b"", 0));
    assert!(rig.trace.iter().any(|line| line.starts_with("topic Failed")), "{:?}", rig.trace);
    // Before the other plane has said what it holds, everything fails that comes.
    rig.turn();
    assert!(matches!(rig.sender.topic_view(TOPIC), TopicView::Failed { .. }));
    // It says that it holds nothing.
    rig.sender.demand(false);
    rig.turn();
    rig.advance(Duration::from_secs(10));
    assert!(rig.connecting.is_empty());
}

/// Neither a password nor a token stays in memory that is not the credentials' own.
#[test]
fn what_was_sent_is_overwritten() {
    let mut rig = agreed(plain());
    let secret = |rig: &Rig| {
        let buffer = rig.sender.sasl.as_ref().unwrap().buffer(0);
        buffer.windows(6).any(|bytes| bytes == b"secret")
    };
    assert!(!secret(&rig), "it has left");
    let (request, _) = message(&mut rig, 0);
    rig.answer(0, &request, &sasl_authenticate(0, "", b"", 0));
    assert!(!secret(&rig));
    // Nothing of it has left, and the connection ends.
    let mut rig = connected(plain());
    rig.shake_hands(0);
    let request = rig.request(0, HANDSHAKE);
    rig.write_limit.insert(0, 0);
    rig.answer(0, &request, &sasl_handshake(0, &["PLAIN"]));
    let id = rig.connections[&0];
    assert!(rig.sender.poll_transmit(rig.now, id).is_some());
    assert!(secret(&rig));
    rig.break_connection(0);
    assert!(!secret(&rig));
}
