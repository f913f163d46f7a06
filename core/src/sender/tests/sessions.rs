//! Sessions that end (KIP-368): renewed in time on connections that are used, while records are sent.

use super::answers::{self, sasl_authenticate, sasl_handshake};
use super::rig::{Rig, TOPIC, numbering};
use super::sasl::{AUTHENTICATE, HANDSHAKE, agreed, connected, message, plain, started};
use crate::error::{AuthenticationError, Cause, Disconnect};
use crate::id::TopicPartition;
use crate::sasl::{Credentials, Token};
use core::time::Duration;
use std::vec::Vec;

const MINUTE_MS: i64 = 60_000;

/// A rig with five batches in flight, of which the first comes behind one that was confirmed.
fn five_in_flight() -> (Rig, Vec<super::rig::Request>) {
    let mut rig = started(MINUTE_MS, 1);
    assert!(rig.offer(0, 1));
    let (request, _) = rig.produced(0);
    rig.answer(0, &request, &answers::produce(&[(0, 0, 0)]));
    rig.advance(Duration::from_secs(50));
    for _ in 0..5 {
        assert!(rig.offer(0, 1));
    }
    let requests = (0..5).map(|_| rig.produced(0).0).collect();
    (rig, requests)
}

/// The mechanism once more, on the connection that there is.
fn renew(rig: &mut Rig, lifetime_ms: i64) {
    let request = rig.request(0, HANDSHAKE);
    rig.answer(0, &request, &sasl_handshake(0, &["PLAIN"]));
    let (request, bytes) = message(rig, 0);
    assert_eq!(bytes, b"\0alice\0secret");
    rig.answer(0, &request, &sasl_authenticate(0, "", b"", lifetime_ms));
}

#[test]
fn what_is_in_flight_is_awaited_and_nothing_new_begins() {
    let (mut rig, requests) = five_in_flight();
    rig.advance(Duration::from_secs(8));
    assert_eq!(rig.next_request(0), None, "first the answers");
    assert!(!rig.offer(0, 1), "no new batch");
    for (index, request) in requests.iter().enumerate() {
        assert_eq!(rig.next_request(0), None, "{index} answers of 5");
        rig.answer(0, request, &answers::produce(&[(0, 0, 1 + index as i64)]));
    }
    assert_eq!(rig.outcomes().len(), 6);
    renew(&mut rig, MINUTE_MS);
    assert_eq!(rig.ready.len(), 1, "who was turned away is told");
    for _ in 0..5 {
        assert!(rig.offer(0, 1), "it is the same connection: nothing needs to be confirmed anew");
    }
    assert_eq!(numbering(&rig.produced(0).1[0].1), (0, 6));
    assert!(rig.available[&0], "the broker was never away");
}

/// A batch that waits in the connection's list stays there, and goes first.
#[test]
fn what_waits_for_its_turn_follows() {
    let mut rig = started(MINUTE_MS, 2);
    rig.advance(Duration::from_secs(50));
    rig.write_limit.insert(0, 40);
    for partition in 0..2 {
        let key = TopicPartition { topic: TOPIC, partition };
        assert!(rig.sender.reserve(rig.now, key));
        let batch = rig.batch(key, 1);
        rig.sender.enqueue(rig.now, batch);
    }
    rig.sender.handle_timeout(rig.now + Duration::from_secs(8));
    rig.advance(Duration::from_secs(8));
    renew(&mut rig, 0);
    let (_, sent) = rig.produced(0);
    assert_eq!(sent.len(), 2);
}

/// Between 85 and 95 percent of the session, drawn for each.
#[test]
fn renewals_are_spread() {
    let mut seen = Vec::new();
    for seed in 0..200 {
        let mut rig = agreed(plain());
        for _ in 0..seed {
            let _ = rig.sender.random.below(2);
        }
        let begin = rig.now;
        let (request, _) = message(&mut rig, 0);
        rig.answer(0, &request, &sasl_authenticate(0, "", b"", MINUTE_MS));
        renewed_once(&mut rig);
        let mut at = rig.now;
        while !rig.next_is(0, HANDSHAKE as u8) {
            at = rig.sender.poll_timeout().unwrap();
            // Records all the time: the connection is used.
            rig.sender.connection_mut(0).since = at;
            rig.now = at;
            rig.sender.handle_timeout(at);
            rig.turn();
        }
        let seconds = at.since(begin).as_secs();
        assert!((50..=57).contains(&seconds), "{seconds} s");
        seen.push(seconds);
    }
    seen.sort_unstable();
    seen.dedup();
    assert!(seen.len() >= 5, "{seen:?}");
}

/// Past the questions of the beginning.
fn renewed_once(rig: &mut Rig) {
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata(&[(1, "one", 9092)], &[1]));
    let request = rig.request(0, 22);
    rig.answer(0, &request, &answers::producer_id(7, 0));
}

#[test]
fn an_idle_connection_is_closed_instead() {
    let mut rig = started(MINUTE_MS, 1);
    rig.sender.demand(false);
    rig.advance(Duration::from_secs(58));
    assert_eq!(rig.next_request(0), None);
    assert!(rig.connections.is_empty());
    rig.advance(Duration::from_secs(600));
    assert!(rig.connecting.is_empty());
}

/// The broker says no to the second time: what is in the log stays, and the connection is made anew where others accept.
#[test]
fn a_session_that_is_not_renewed() {
    let (mut rig, requests) = five_in_flight();
    rig.advance(Duration::from_secs(8));
    for (index, request) in requests.iter().enumerate() {
        rig.answer(0, request, &answers::produce(&[(0, 0, 1 + index as i64)]));
    }
    let _ = rig.outcomes();
    let request = rig.request(0, HANDSHAKE);
    // Asked too often, a broker says that this is not the time for it. That is no reason to fail anything.
    rig.answer(0, &request, &sasl_handshake(34, &[]));
    assert!(rig.connections.is_empty());
    assert!(!rig.offer(0, 1) && rig.outcomes().is_empty());
    rig.advance(Duration::from_secs(1));
    rig.connect();
    rig.shake_hands(0);
    renew(&mut rig, 0);
    assert!(rig.offer(0, 1));
}

/// Wherever the connection ends, what was in flight is sent again.
#[test]
fn the_connection_ends_in_the_middle_of_a_renewal() {
    for step in 0..8 {
        let (mut rig, requests) = five_in_flight();
        rig.advance(Duration::from_secs(8));
        for (index, request) in requests.iter().enumerate().take(step) {
            rig.answer(0, request, &answers::produce(&[(0, 0, 1 + index as i64)]));
        }
        if step > 5 {
            let request = rig.request(0, HANDSHAKE);
            rig.answer(0, &request, &sasl_handshake(0, &["PLAIN"]));
        }
        if step > 6 {
            let _ = rig.request(0, AUTHENTICATE);
        }
        rig.break_connection(0);
        let done = rig.outcomes().len();
        assert_eq!(done, 1 + step.min(5));
        rig.advance(Duration::from_secs(1));
        rig.connect();
        rig.shake_hands(0);
        renew(&mut rig, 0);
        while rig.next_is(0, 3) {
            let request = rig.request(0, 3);
            rig.answer(0, &request, &answers::metadata(&[(1, "one", 9092)], &[1]));
        }
        for offset in done..6 {
            rig.advance(Duration::from_secs(1));
            let (request, sent) = rig.produced(0);
            assert_eq!(numbering(&sent[0].1), (0, offset as i32), "step {step}");
            rig.answer(0, &request, &answers::produce(&[(0, 0, offset as i64)]));
        }
        assert_eq!(rig.outcomes().len(), 6 - done, "step {step}");
    }
}

/// The next token is had before the connection stands still for it.
#[test]
fn a_token_is_there_before_the_renewal_begins() {
    let token = Token::new("t", &[]).unwrap();
    let begin = || {
        let mut rig = connected(Credentials::oauth_bearer());
        let id = rig.tokens.pop_front().unwrap();
        assert_eq!(rig.sender.handle_token(rig.now, id, Some(&token)), Ok(()));
        rig.turn();
        rig.shake_hands(0);
        let request = rig.request(0, HANDSHAKE);
        rig.answer(0, &request, &sasl_handshake(0, &["OAUTHBEARER"]));
        let (request, _) = message(&mut rig, 0);
        rig.answer(0, &request, &sasl_authenticate(0, "", b"", MINUTE_MS));
        renewed_once(&mut rig);
        rig.advance(Duration::from_secs(50));
        while rig.tokens.is_empty() {
            assert!(rig.offer(0, 1));
            let (request, _) = rig.produced(0);
            rig.answer(0, &request, &answers::produce(&[(0, 0, 0)]));
            rig.advance(Duration::from_secs(1));
        }
        (rig, id)
    };
    let (mut rig, id) = begin();
    assert_eq!(rig.tokens, [id]);
    assert!(rig.offer(0, 1), "until it is there records are sent");
    let (request, _) = rig.produced(0);
    assert_eq!(rig.sender.handle_token(rig.now, id, Some(&token)), Ok(()));
    rig.turn();
    assert!(!rig.offer(0, 1));
    rig.answer(0, &request, &answers::produce(&[(0, 0, 1)]));
    let request = rig.request(0, HANDSHAKE);
    rig.answer(0, &request, &sasl_handshake(0, &["OAUTHBEARER"]));
    let (request, _) = message(&mut rig, 0);
    rig.answer(0, &request, &sasl_authenticate(0, "", b"", MINUTE_MS));
    assert!(rig.offer(0, 1));

    // It does not come, and the session ends.
    let (mut rig, _) = begin();
    assert!(!rig.connections.is_empty() && rig.offer(0, 1));
    rig.advance(Duration::from_secs(9));
    assert!(rig.connections.is_empty());
    let no_token = Cause::Disconnected(Disconnect::Authentication(AuthenticationError::NoToken));
    assert_eq!(rig.sender.metadata.last_cause, Some(no_token));
}

#[test]
fn without_a_session_nothing_is_renewed() {
    let mut rig = agreed(plain());
    let (request, _) = message(&mut rig, 0);
    rig.answer(0, &request, &sasl_authenticate(0, "", b"", 0));
    renewed_once(&mut rig);
    for _ in 0..50 {
        rig.advance(Duration::from_secs(10));
        assert!(!rig.next_is(0, HANDSHAKE as u8));
        while rig.next_is(0, 3) {
            let request = rig.request(0, 3);
            rig.answer(0, &request, &answers::metadata(&[(1, "one", 9092)], &[1]));
        }
    }
}
