//! Brokers that are replaced by others under other ids: their slots go on to those, but not before what is in flight there
//! has its answer.

use super::answers;
use super::cluster::{TWO, led_by_two};
use super::rig::{Rig, TOPIC};
use crate::config::SenderConfig;
use crate::error::Disconnect;
use core::time::Duration;
use std::vec;
use std::vec::Vec;

/// Asks for the metadata, on whichever connection, and answers so.
fn learn(rig: &mut Rig, answer: &[u8]) {
    rig.sender.want_topic(rig.now, TOPIC);
    rig.turn();
    let slot = *rig.connections.keys().find(|slot| rig.next_is(**slot, 3)).expect("somebody is asked");
    let request = rig.request(slot, 3);
    rig.answer(slot, &request, answer);
}

/// Broker 1 and five new ones, more than there are slots beside broker 2's; the last one leads.
fn five_new() -> Vec<u8> {
    let new = [(1, "one", 9092), (3, "c", 1), (4, "d", 1), (5, "e", 1), (6, "f", 1), (7, "g", 1)];
    answers::metadata_with(&new, &[7], 0, 9)
}

/// A broker is replaced a hundred times, by one under a new id that listens at `host`.
fn replaced_a_hundred_times(host: impl Fn(i32) -> std::string::String) {
    let mut rig = Rig::started(SenderConfig::default(), 1);
    for id in 2..=101 {
        rig.advance(Duration::from_secs(1));
        learn(&mut rig, &answers::metadata_with(&[(id, &host(id), 9092)], &[id], 0, id));
        assert!(!rig.offer(0, 1), "broker {id} is not connected yet");
        let slot = rig.connect();
        rig.shake_hands(slot);
        assert!(rig.offer(0, 1));
        let (request, _) = rig.produced(slot);
        rig.answer(slot, &request, &answers::produce(&[(0, 0, id.into())]));
        assert!(rig.connections.len() <= 2, "the bootstrap server's, and that to broker {id}");
        let available = rig.available.values().filter(|available| **available).count();
        assert_eq!(available, 1, "broker {id} alone takes records");
    }
    assert_eq!(rig.outcomes().len(), 100);
}

#[test]
fn a_hundred_ids_at_one_address_need_no_more_slots_than_two() {
    replaced_a_hundred_times(|_| "one".into());
}

#[test]
fn a_hundred_ids_at_addresses_of_their_own_need_no_more_slots_than_two() {
    replaced_a_hundred_times(|id| std::format!("machine-{id}"));
}

#[test]
fn a_slot_with_a_batch_in_flight_is_kept_until_its_answer() {
    let mut rig = led_by_two();
    assert!(rig.offer(0, 1));
    let (request, _) = rig.produced(1);
    learn(&mut rig, &five_new());
    assert!(rig.connections.contains_key(&1));
    assert!(!rig.offer(0, 1), "nowhere: there is no slot for broker 7");
    assert!(rig.connecting.is_empty());
    rig.answer(1, &request, &answers::produce(&[(0, 0, 4)]));
    assert_eq!(rig.outcomes(), vec![(0, Ok(4))]);
    assert!(!rig.connections.contains_key(&1), "then nobody needs it");
    rig.advance(Duration::from_secs(1));
    let request = rig.request(0, 3);
    rig.answer(0, &request, &five_new());
    assert_eq!(rig.connect(), 1, "now there is one");
    rig.shake_hands(1);
    assert!(rig.offer(0, 1));
}

#[test]
fn two_in_flight_to_a_broker_that_is_gone_are_both_waited_for() {
    let mut rig = led_by_two();
    assert!(rig.offer(0, 1));
    let (request, _) = rig.produced(1);
    rig.answer(1, &request, &answers::produce(&[(0, 0, 0)]));
    let requests = [(); 2].map(|()| {
        assert!(rig.offer(0, 1));
        rig.produced(1).0
    });
    learn(&mut rig, &answers::metadata_with(&TWO[..1], &[1], 0, 9));
    for (offset, request) in (1..).zip(&requests) {
        rig.answer(1, request, &answers::produce(&[(0, 0, offset)]));
    }
    assert_eq!(rig.outcomes(), vec![(0, Ok(0)), (1, Ok(1)), (2, Ok(2))]);
    assert!(!rig.connections.contains_key(&1));
}

#[test]
fn who_gets_the_slot_of_a_broker_that_was_not_reached_is_tried_at_once() {
    let mut rig = led_by_two();
    assert!(rig.offer(0, 1));
    rig.break_connection(1);
    for _ in 0..6 {
        rig.advance(Duration::from_secs(2));
        let id = rig.connecting.pop_front().expect("it is tried again");
        rig.sender.handle_disconnected(rig.now, id, Disconnect::Refused);
        rig.turn();
    }
    let request = rig.request(0, 3);
    rig.answer(0, &request, &five_new());
    assert_eq!(rig.connect(), 1, "broker 7, without broker 2's backoff");
    assert!(rig.available[&1]);
}

#[test]
fn a_broker_that_is_not_named_any_more_takes_no_records() {
    let mut rig = led_by_two();
    assert!(rig.available[&1]);
    learn(&mut rig, &answers::metadata_with(&TWO[..1], &[1], 0, 5));
    assert_eq!((rig.available[&0], rig.available[&1]), (true, false));
}

#[test]
fn where_topics_have_no_ids_a_leader_that_is_gone_gives_way_to_any_word() {
    let mut rig = led_by_two();
    learn(&mut rig, &answers::metadata_with(&TWO, &[2], 0, 9));
    assert!(rig.offer(0, 1));
    // The topic is made anew where nobody sees it, and broker 2 is gone for good.
    rig.break_connection(1);
    rig.advance(Duration::from_secs(1));
    let id = rig.connecting.pop_front().expect("broker 2 is sought");
    rig.sender.handle_disconnected(rig.now, id, Disconnect::Refused);
    rig.turn();
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata_with(&TWO, &[1], 0, 0));
    rig.advance(Duration::from_secs(1));
    assert!(!rig.next_is(0, 0), "an older word, as long as broker 2 is named");
    rig.connecting.clear();
    if rig.next_is(0, 3) {
        let request = rig.request(0, 3);
        rig.answer(0, &request, &answers::metadata_with(&TWO[..1], &[1], 0, 0));
    } else {
        learn(&mut rig, &answers::metadata_with(&TWO[..1], &[1], 0, 0));
    }
    rig.advance(Duration::from_secs(1));
    let (request, _) = rig.produced(0);
    rig.answer(0, &request, &answers::produce(&[(0, 0, 0)]));
    assert_eq!(rig.outcomes(), vec![(0, Ok(0))]);
}
