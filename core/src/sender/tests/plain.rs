//! When nothing goes wrong.

use super::answers;
use super::rig::{Rig, TOPIC, numbering};
use crate::config::{Acks, SenderConfig};
use crate::event::TopicView;
use crate::id::TopicPartition;
use core::time::Duration;
use std::vec;

#[test]
fn one_batch_all_the_way() {
    let mut rig = Rig::started(SenderConfig::default(), 2);
    assert_eq!(rig.sender.topic_view(TOPIC), TopicView::Known { partitions: 2 });
    assert!(rig.offer(1, 3));
    let (request, sent) = rig.produced(0);
    assert_eq!(sent.len(), 1);
    let (partition, bytes) = &sent[0];
    assert_eq!((*partition, bytes.len(), numbering(bytes)), (1, 61 + 24, (0, 0)));
    assert_eq!(&bytes[61..63], &[1, 0], "the first record comes first");
    rig.answer(0, &request, &answers::produce(&[(1, 0, 40)]));
    assert_eq!(rig.outcomes(), vec![(0, Ok(40))]);
    assert_eq!(rig.recycled.len(), 1);
    assert!(rig.sender.is_idle());
}

#[test]
fn one_in_flight_until_the_first_success_then_five() {
    let mut rig = Rig::started(SenderConfig::default(), 1);
    assert!(rig.offer(0, 1));
    assert!(!rig.offer(0, 1), "the leader has not answered yet");
    let (first, _) = rig.produced(0);
    assert!(rig.ready.is_empty());
    rig.answer(0, &first, &answers::produce(&[(0, 0, 0)]));
    assert_eq!(rig.ready.len(), 1, "who was turned away is told");
    for _ in 0..5 {
        assert!(rig.offer(0, 2));
    }
    assert!(!rig.offer(0, 2));
    let requests: vec::Vec<_> = (0..5).map(|_| rig.produced(0)).collect();
    for (index, (request, sent)) in requests.iter().enumerate() {
        assert_eq!(numbering(&sent[0].1), (0, 1 + 2 * index as i32));
        rig.answer(0, request, &answers::produce(&[(0, 0, 1 + 2 * index as i64)]));
    }
    let offsets: vec::Vec<_> = rig.outcomes().into_iter().map(|(_, offset)| offset.unwrap()).collect();
    assert_eq!(offsets, vec![0, 1, 3, 5, 7, 9]);
}

#[test]
fn batches_of_several_partitions_share_a_request() {
    let mut rig = Rig::started(SenderConfig::default(), 4);
    for partition in 0..4 {
        let key = TopicPartition { topic: TOPIC, partition };
        assert!(rig.sender.reserve(rig.now, key));
        let batch = rig.batch(key, 1);
        rig.sender.enqueue(rig.now, batch);
    }
    rig.turn();
    let (request, sent) = rig.produced(0);
    assert_eq!(sent.iter().map(|(partition, _)| *partition).collect::<vec::Vec<_>>(), vec![0, 1, 2, 3]);
    // The broker may answer in any order.
    rig.answer(0, &request, &answers::produce(&[(2, 0, 2), (0, 0, 0), (3, 0, 3), (1, 0, 1)]));
    assert_eq!(rig.outcomes().len(), 4);
}

#[test]
fn without_acks_a_batch_is_done_when_it_is_written() {
    let config = SenderConfig { acks: Acks::None, idempotence: false, ..SenderConfig::default() };
    let mut rig = Rig::started(config, 1);
    assert!(rig.offer(0, 1));
    assert_eq!(rig.outcomes(), vec![(0, Ok(-1))]);
    let (_, sent) = rig.produced(0);
    assert_eq!(numbering(&sent[0].1), (-1, -1));
    assert_eq!(rig.recycled.len(), 1);
}

#[test]
fn a_broker_that_does_not_know_the_newest_api_versions_is_asked_in_version_0() {
    let mut rig = Rig::new(SenderConfig::default());
    rig.turn();
    rig.connect();
    let request = rig.request(0, 18);
    let (metadata, producer_id) = (rig.request(0, 3), rig.request(0, 22));
    rig.answer(0, &request, &[0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 2]);
    rig.answer(0, &metadata, &answers::metadata(&[(1, "one", 9092)], &[1]));
    rig.answer(0, &producer_id, &answers::producer_id(7, 0));
    assert!(!rig.offer(0, 1), "what the broker takes is not known");
    let request = rig.request(0, 18);
    let mut body = vec![0, 0, 0, 0, 0, 3];
    for (key, max) in [(0_u8, 7_u8), (3, 7), (22, 1)] {
        body.extend_from_slice(&[0, key, 0, 0, 0, max]);
    }
    rig.answer(0, &request, &body);
    assert!(rig.offer(0, 1));
    assert_eq!(rig.produced(0).0.version, 7);
}

#[test]
fn two_answers_to_wait_for_from_connected_to_stored() {
    let mut rig = Rig::new(SenderConfig::default());
    rig.turn();
    rig.connect();
    let asked = [rig.request(0, 18), rig.request(0, 3), rig.request(0, 22)];
    assert_eq!(asked.each_ref().map(|request| request.version), [4, 7, 0], "the oldest of what is not known");
    rig.answer(0, &asked[0], &answers::api_versions_up_to(12, 13));
    rig.answer(0, &asked[1], &answers::metadata(&[(1, "one", 9092)], &[1]));
    rig.answer(0, &asked[2], &answers::producer_id(7, 0));
    assert!(rig.offer(0, 1));
    assert_eq!(rig.request(0, 0).version, 12, "the newest of what is");
}

#[test]
fn a_broker_that_closes_at_unannounced_requests_is_asked_for_its_versions_first() {
    let mut rig = Rig::once_lost();
    let request = rig.request(0, 18);
    assert_eq!(rig.next_request(0), None);
    rig.answer(0, &request, &answers::api_versions());
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata(&[(1, "one", 9092)], &[1]));
    let request = rig.request(0, 22);
    rig.answer(0, &request, &answers::producer_id(7, 0));
    assert!(rig.offer(0, 1));
}

#[test]
fn a_leader_elsewhere_gets_a_connection_of_its_own() {
    let mut rig = Rig::new(SenderConfig::default());
    rig.turn();
    rig.connect();
    rig.shake_hands(0);
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata(&[(1, "one", 9092), (2, "two", 9093)], &[2]));
    let request = rig.request(0, 22);
    rig.answer(0, &request, &answers::producer_id(7, 0));
    assert!(!rig.offer(0, 1), "not connected to the leader");
    let slot = rig.connect();
    assert_ne!(slot, 0);
    rig.shake_hands(slot);
    assert_eq!(rig.ready.len(), 1);
    assert!(rig.offer(0, 1));
    let (request, _) = rig.produced(slot);
    rig.answer(slot, &request, &answers::produce(&[(0, 0, 5)]));
    assert_eq!(rig.outcomes(), vec![(0, Ok(5))]);
}

#[test]
fn idle_connections_close_and_then_no_timer_is_armed() {
    let mut rig = Rig::started(SenderConfig::default(), 1);
    assert!(rig.offer(0, 1));
    let (request, _) = rig.produced(0);
    rig.answer(0, &request, &answers::produce(&[(0, 0, 0)]));
    rig.sender.demand(false);
    rig.turn();
    let due = rig.sender.poll_timeout().expect("the connection closes when it is idle");
    rig.advance(due.since(rig.now));
    assert!(rig.trace.iter().any(|line| line == "disconnect 0"), "{:?}", rig.trace);
    assert_eq!(rig.sender.poll_timeout(), None);
    rig.advance(Duration::from_secs(10_000));
    assert!(rig.connecting.is_empty());
    rig.sender.demand(true);
    assert!(!rig.offer(0, 1));
    assert_eq!(rig.connecting.len(), 1, "the next record connects again");
}

#[test]
fn an_event_that_nobody_follows_is_not_told_for_ever() {
    let mut rig = Rig::new(SenderConfig::default());
    rig.turn();
    rig.connect();
    let request = rig.request(0, 18);
    let id = rig.connections[&0];
    let body = answers::api_versions();
    let mut frame = (body.len() as i32 + 4).to_be_bytes().to_vec();
    frame.extend_from_slice(&request.correlation_id.to_be_bytes());
    frame.extend_from_slice(&body);
    rig.sender.handle_received(rig.now, id, &frame).unwrap();
    let events = core::iter::from_fn(|| rig.sender.poll_event()).take(100).count();
    assert!(events < 5, "{events} events");
}
