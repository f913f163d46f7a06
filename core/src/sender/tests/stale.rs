//! A broker that never hears of anything: it answers, and what it says is old. Others know better, and are asked.

use super::answers;
use super::cluster::{TWO, led_by_two};
use super::rig::Rig;
use crate::config::SenderConfig;
use crate::error::ErrorCode;
use core::time::Duration;
use std::vec;

/// Rounds of a question, an answer and a backoff: more than enough to ask everybody.
const ROUNDS: usize = 12;

const DENIED: i16 = ErrorCode::NOT_LEADER_OR_FOLLOWER.0;

/// Broker 1, in slot 0, denies that it leads, and says for ever that it does. Whether broker 2, in slot 1, is asked.
fn second_is_asked(rig: &mut Rig) -> bool {
    for _ in 0..ROUNDS {
        while !rig.connecting.is_empty() {
            let slot = rig.connect();
            rig.shake_hands(slot);
        }
        if rig.next_is(1, 3) {
            return true;
        }
        while let Some(request) = rig.next_request(0) {
            match request.api {
                0 => rig.answer(0, &request, &answers::produce(&[(0, DENIED, -1)])),
                _ => rig.answer(0, &request, &answers::metadata_with(&TWO, &[1], 0, 0)),
            }
        }
        rig.advance(Duration::from_secs(1));
    }
    false
}

#[test]
fn who_has_nothing_new_to_tell_is_not_asked_again_and_again_while_others_are_connected() {
    let mut rig = led_by_two();
    rig.offer(0, 1);
    let (request, _) = rig.produced(1);
    rig.answer(1, &request, &answers::produce(&[(0, DENIED, -1)]));
    for _ in 0..ROUNDS {
        rig.advance(Duration::from_secs(1));
        if rig.next_is(1, 3) {
            let request = rig.request(1, 3);
            rig.answer(1, &request, &answers::metadata_with(&TWO, &[1], 0, 9));
            let (request, _) = rig.produced(0);
            rig.answer(0, &request, &answers::produce(&[(0, 0, 3)]));
            assert_eq!(rig.outcomes(), vec![(0, Ok(3))]);
            return;
        }
        while let Some(request) = rig.next_request(0) {
            rig.answer(0, &request, &answers::metadata_with(&TWO, &[2], 0, 0));
        }
        while let Some(request) = rig.next_request(1) {
            rig.answer(1, &request, &answers::produce(&[(0, DENIED, -1)]));
        }
    }
    panic!("broker 2 was never asked: {:#?}", rig.trace);
}

#[test]
fn where_the_only_connection_is_to_who_has_nothing_new_to_tell_another_one_is_made() {
    let mut rig = Rig::new(SenderConfig::default());
    rig.turn();
    rig.connect();
    rig.shake_hands(0);
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata_with(&TWO, &[1], 0, 0));
    let request = rig.request(0, 22);
    rig.answer(0, &request, &answers::producer_id(7, 0));
    assert!(rig.offer(0, 1));
    assert!(second_is_asked(&mut rig), "broker 2 was never asked: {:#?}", rig.trace);
    while rig.next_is(1, 3) {
        let request = rig.request(1, 3);
        rig.answer(1, &request, &answers::metadata_with(&TWO, &[2], 0, 9));
        rig.advance(Duration::from_secs(1));
    }
    let (request, _) = rig.produced(1);
    rig.answer(1, &request, &answers::produce(&[(0, 0, 3)]));
    assert_eq!(rig.outcomes(), vec![(0, Ok(3))]);
}

#[test]
fn where_the_only_connection_is_to_who_knows_of_no_leader_another_one_is_made() {
    let mut rig = Rig::new(SenderConfig::default());
    rig.turn();
    rig.connect();
    rig.shake_hands(0);
    for _ in 0..ROUNDS {
        while let Some(request) = rig.next_request(0) {
            match request.api {
                22 => rig.answer(0, &request, &answers::producer_id(7, 0)),
                _ => rig.answer(0, &request, &answers::metadata_with(&TWO, &[-1], 0, 0)),
            }
        }
        assert!(!rig.offer(0, 1), "nobody leads");
        if !rig.connecting.is_empty() {
            assert_eq!(rig.connect(), 1, "it is broker 2's");
            return;
        }
        rig.advance(Duration::from_secs(1));
    }
    panic!("broker 2 was never asked: {:#?}", rig.trace);
}
