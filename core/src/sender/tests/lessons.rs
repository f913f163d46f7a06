//! What other producers were caught at, one test each: they lost records, stored them twice, stood still, or died.

use super::answers;
use super::faults::{reconnect, with_in_flight};
use super::rig::{Rig, TOPIC, numbering};
use crate::config::{Acks, SenderConfig};
use crate::error::{Disconnect, ErrorKind, Persisted, Stage};
use crate::id::TopicPartition;
use core::time::Duration;
use std::vec;
use std::vec::Vec;

const TWO: [(i32, &str, i32); 2] = [(1, "one", 9092), (2, "two", 9093)];
const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn sequences_wrap_in_flight_in_a_batch_and_in_retries() {
    let (mut rig, _) = with_in_flight(0);
    let partition = rig.sender.partitions.find(TopicPartition { topic: TOPIC, partition: 0 }).unwrap();
    rig.sender.partitions.get_mut(partition).next_sequence = i32::MAX - 2;
    assert!((0..3).all(|_| rig.offer(0, 2)));
    let sent: Vec<_> = (0..3).map(|_| rig.produced(0).1.remove(0).1).collect();
    let numbers: Vec<_> = sent.iter().map(|bytes| numbering(bytes)).collect();
    assert_eq!(numbers, [(0, i32::MAX - 2), (0, i32::MAX), (0, 1)], "the second one wraps");
    rig.break_connection(0);
    reconnect(&mut rig);
    // All were stored, and the broker has restarted: it remembers the last.
    for (bytes, error) in sent.iter().zip([45, 45, 0]) {
        let (request, again) = rig.produced(0);
        assert_eq!(again[0].1, *bytes);
        rig.answer(0, &request, &answers::produce(&[(0, error, 9)]));
        rig.advance(Duration::from_secs(2));
    }
    assert_eq!(rig.outcomes(), vec![(1, Ok(-1)), (2, Ok(-1)), (3, Ok(9))]);
    assert!(rig.offer(0, 1));
    assert_eq!(numbering(&rig.produced(0).1[0].1), (0, 3));
}

#[test]
fn a_numbering_that_starts_anew_is_one_partitions_own() {
    let mut rig = Rig::started(SenderConfig::default(), 2);
    for partition in 0..2 {
        assert!(rig.offer(partition, 1));
        let (request, _) = rig.produced(0);
        rig.answer(0, &request, &answers::produce(&[(partition, 0, 0)]));
    }
    assert!(rig.offer(0, 1) && rig.offer(0, 1) && rig.offer(1, 1));
    let (requests, mut sent): (Vec<_>, Vec<_>) = (0..3).map(|_| rig.produced(0)).unzip();
    let unknown = sent.remove(2);
    rig.answer(0, &requests[0], &answers::produce(&[(0, 87, -1)]));
    rig.answer(0, &requests[1], &answers::produce(&[(0, 45, -1)]));
    // What became of the other partition's is not known: under another epoch it would be stored twice.
    rig.break_connection(0);
    rig.advance(Duration::from_secs(2));
    rig.connect();
    rig.shake_hands(0);
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata(&TWO[..1], &[1, 1]));
    rig.advance(Duration::from_secs(2));
    let mut again = Vec::new();
    while rig.next_is(0, 0) {
        let (request, sent) = rig.produced(0);
        let stored: Vec<_> = sent.iter().map(|(partition, _)| (*partition, 0, 5)).collect();
        rig.answer(0, &request, &answers::produce(&stored));
        again.extend(sent);
    }
    again.sort();
    let numbers: Vec<_> = again.iter().map(|(partition, bytes)| (*partition, numbering(bytes))).collect();
    assert_eq!(numbers, [(0, (1, 0)), (1, (0, 1))]);
    assert_eq!(again[1..], unknown, "the same bytes");
    assert!(rig.offer(1, 1));
    assert_eq!(numbering(&rig.produced(0).1[0].1), (0, 2));
}

#[test]
fn what_follows_a_batch_that_was_given_up_never_takes_its_numbers() {
    let (delivery_timeout, request_timeout) = (Duration::from_secs(20), Duration::from_secs(60));
    for is_stored in [true, false] {
        let mut rig =
            Rig::started(SenderConfig { delivery_timeout, request_timeout, ..SenderConfig::default() }, 1);
        assert!(rig.offer(0, 1));
        let (request, _) = rig.produced(0);
        rig.answer(0, &request, &answers::produce(&[(0, 0, 0)]));
        assert!(rig.offer(0, 2));
        assert_eq!(numbering(&rig.produced(0).1[0].1), (0, 1));
        rig.advance(delivery_timeout);
        assert_eq!(rig.outcomes()[1].1.unwrap_err().persisted, Persisted::Possibly);
        rig.break_connection(0);
        reconnect(&mut rig);
        assert!(rig.offer(0, 1));
        let (mut request, sent) = rig.produced(0);
        assert_eq!(numbering(&sent[0].1), (0, 3));
        if !is_stored {
            // A hole: the broker refuses what stands behind it.
            rig.answer(0, &request, &answers::produce(&[(0, 45, -1)]));
            rig.advance(Duration::from_secs(2));
            let (again, sent) = rig.produced(0);
            assert_eq!(numbering(&sent[0].1), (1, 0));
            request = again;
        }
        rig.answer(0, &request, &answers::produce(&[(0, 0, 3)]));
        assert_eq!(rig.outcomes(), vec![(2, Ok(3))]);
    }
}

#[test]
fn an_identity_that_is_refused_is_replaced() {
    let (mut rig, requests) = with_in_flight(1);
    rig.answer(0, &requests[0].0, &answers::produce(&[(0, 47, -1)]));
    rig.advance(Duration::from_secs(2));
    let request = rig.request(0, 22);
    rig.answer(0, &request, &answers::producer_id(8, 0));
    rig.advance(Duration::from_secs(2));
    let (request, sent) = rig.produced(0);
    assert_eq!((&sent[0].1[43..51], numbering(&sent[0].1)), (&8_i64.to_be_bytes()[..], (0, 0)));
    rig.answer(0, &request, &answers::produce(&[(0, 0, 1)]));
    assert_eq!(rig.outcomes(), vec![(1, Ok(1))]);
    // Nobody can tell any more what became of one whose first answer was lost.
    assert!(rig.offer(0, 1));
    let _ = rig.produced(0);
    rig.break_connection(0);
    reconnect(&mut rig);
    let (request, _) = rig.produced(0);
    rig.answer(0, &request, &answers::produce(&[(0, 47, -1)]));
    assert_eq!(rig.outcomes()[0].1.unwrap_err().persisted, Persisted::Possibly);
}

#[test]
fn without_acks_a_connection_that_closes_makes_it_ask_who_leads() {
    let config = SenderConfig { acks: Acks::None, idempotence: false, ..SenderConfig::default() };
    let mut rig = Rig::started(config, 1);
    assert!(rig.offer(0, 1));
    let _ = rig.produced(0);
    // Closing is all that a broker can say that does not lead any more.
    rig.break_connection(0);
    rig.advance(Duration::from_secs(1));
    rig.connect();
    rig.shake_hands(0);
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata_with(&TWO, &[2], 0, 1));
    assert!(!rig.offer(0, 1));
    let slot = rig.connect();
    rig.shake_hands(slot);
    assert!(rig.offer(0, 1));
    assert_eq!((slot, rig.produced(slot).1.len()), (1, 1));
}

#[test]
fn who_refuses_is_tried_less_and_less_often() {
    let mut rig = Rig::new(SenderConfig::default());
    rig.turn();
    let mut attempts = Vec::new();
    for tick in 0..3_000 {
        while let Some(id) = rig.connecting.pop_front() {
            attempts.push(tick);
            rig.sender.handle_disconnected(rig.now, id, Disconnect::Refused);
            rig.turn();
        }
        rig.advance(Duration::from_millis(10));
    }
    assert!((20..=45).contains(&attempts.len()), "in 30 seconds: {attempts:?}");
}

/// Brokers that the bootstrap server names, with a batch for each, and all connections lost.
fn cut_off_from_all() -> Rig {
    let mut rig = Rig::new(SenderConfig::default());
    rig.turn();
    rig.connect();
    rig.shake_hands(0);
    let request = rig.request(0, 3);
    let inner = [(1, "inner-1", 9093), (2, "inner-2", 9094)];
    rig.answer(0, &request, &answers::metadata(&inner, &[1, 2]));
    let request = rig.request(0, 22);
    rig.answer(0, &request, &answers::producer_id(7, 0));
    for partition in 0..2 {
        assert!(!rig.offer(partition, 1));
        let slot = rig.connect();
        rig.shake_hands(slot);
        assert!(rig.offer(partition, 1));
    }
    rig.break_connection(0);
    rig.break_connection(1);
    rig.advance(Duration::from_secs(5));
    rig.break_connection(2);
    rig
}

#[test]
fn when_no_known_broker_can_be_reached_the_bootstrap_servers_are_asked() {
    let mut rig = cut_off_from_all();
    let mut asked = Vec::new();
    for second in 0..120 {
        // The brokers neither refuse nor answer: somebody is always being connected to. The bootstrap server refuses.
        while let Some(at) = rig.connecting.iter().position(|id| id.slot == 0) {
            asked.push(second);
            let id = rig.connecting.remove(at).unwrap();
            rig.sender.handle_disconnected(rig.now, id, Disconnect::Refused);
            rig.turn();
        }
        rig.advance(Duration::from_secs(1));
    }
    let gaps: Vec<_> = asked.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(asked.len() > 5 && asked[0] < 15 && gaps.iter().all(|&gap| gap < 25), "{asked:?}");
}

#[test]
fn an_idle_connection_that_leads_nowhere_costs_one_request_timeout() {
    let (mut rig, _) = with_in_flight(0);
    rig.sender.demand(false);
    rig.advance(Duration::from_secs(200));
    // Somebody on the way has forgotten the connection, and tells nobody.
    rig.sender.demand(true);
    assert!(rig.offer(0, 2));
    let (_, sent) = rig.produced(0);
    rig.advance(Duration::from_millis(29_999));
    assert!(rig.connections.contains_key(&0));
    rig.advance(Duration::from_millis(1));
    assert!(!rig.connections.contains_key(&0) && rig.outcomes().is_empty());
    reconnect(&mut rig);
    let (request, again) = rig.produced(0);
    assert_eq!(again, sent, "the same bytes");
    rig.answer(0, &request, &answers::produce(&[(0, 0, 1)]));
    assert_eq!(rig.outcomes(), vec![(1, Ok(1))]);
}

#[test]
fn timeouts_of_days_are_days() {
    let config =
        SenderConfig { request_timeout: 20 * DAY, delivery_timeout: 30 * DAY, ..SenderConfig::default() };
    let mut rig = Rig::started(config, 1);
    assert!(rig.offer(0, 1));
    let second = Duration::from_secs(1);
    rig.advance(20 * DAY - second);
    assert!(rig.connections.contains_key(&0));
    rig.advance(second);
    assert!(!rig.connections.contains_key(&0));
    rig.connecting.clear();
    rig.advance(10 * DAY - second);
    assert_eq!(rig.outcomes(), vec![]);
    rig.advance(second);
    assert_eq!(rig.outcomes()[0].1.unwrap_err().kind, ErrorKind::DeliveryTimeout(Stage::InFlight));
}

#[test]
fn timeouts_without_end_are_never_over() {
    let never = Duration::MAX;
    let config = SenderConfig {
        request_timeout: never,
        delivery_timeout: never,
        connection_setup_timeout: never,
        connections_idle_max: never,
        metadata_age_max: never,
        retry_backoff_max: never,
        reconnect_backoff_max: never,
        ..SenderConfig::default()
    };
    let mut rig = Rig::started(config, 1);
    assert!(rig.offer(0, 1));
    let (request, _) = rig.produced(0);
    rig.advance(100_000 * DAY);
    rig.answer(0, &request, &answers::produce(&[(0, 19, -1)]));
    rig.advance(Duration::from_secs(1));
    let (request, _) = rig.produced(0);
    rig.answer(0, &request, &answers::produce(&[(0, 0, 0)]));
    assert_eq!(rig.outcomes(), vec![(0, Ok(0))]);
}

#[test]
fn what_was_never_sent_does_not_time_out_in_flight() {
    let mut rig = Rig::started(SenderConfig::default(), 1);
    rig.write_limit.insert(0, 0);
    assert!(rig.offer(0, 1));
    rig.advance(SenderConfig::default().delivery_timeout);
    let failure = rig.outcomes()[0].1.unwrap_err();
    assert_eq!((failure.kind, failure.attempts), (ErrorKind::DeliveryTimeout(Stage::Queue), 0));
}
