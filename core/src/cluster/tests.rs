//! The tables of brokers, topics and leaders.

extern crate std;
use super::*;
use crate::test_storage::{Boxes, table};

fn cluster() -> Cluster<Boxes> {
    Cluster::new(
        table(4, || BrokerSlot::EMPTY),
        table(3, || TopicSlot::EMPTY),
        table(64, || 0),
        table(10, || 0),
    )
}

#[test]
fn a_bootstrap_server_becomes_the_broker_that_it_is() {
    let mut cluster = cluster();
    assert!(cluster.add_bootstrap("a", 1));
    assert!(cluster.add_bootstrap("b", 2));
    assert_eq!(cluster.list_broker(7, "b", 2), Some(1));
    assert_eq!(cluster.list_broker(8, "c", 3), Some(2));
    assert_eq!(cluster.broker_of_node(7), Some(1));
    assert_eq!(cluster.list_broker(7, "d", 4), Some(3), "a broker that moved gets another slot");
    assert_eq!(cluster.broker_of_node(7), Some(3));
    assert!(cluster.brokers()[1].node_id < 0);
    assert_eq!(cluster.list_broker(9, "e", 5), None, "all slots are taken");
}

#[test]
fn leaders_move_with_growing_topics() {
    let mut cluster = cluster();
    for (index, name) in ["one", "two", "three"].iter().enumerate() {
        assert!(cluster.add_topic(TopicId(index as u16), name));
    }
    assert!(cluster.set_partitions(TopicId(0), 2));
    assert!(cluster.set_partitions(TopicId(1), 3));
    assert!(cluster.set_partitions(TopicId(2), 1));
    for (topic, count) in [(0, 2), (1, 3), (2, 1)] {
        for partition in 0..count {
            cluster.set_leader(TopicId(topic), partition, Some(topic * 3 + partition as u16), 1);
        }
    }
    assert!(cluster.set_partitions(TopicId(0), 5));
    assert!(!cluster.set_partitions(TopicId(2), 3), "ten leaders is all there is room for");
    for (topic, count) in [(0, 2), (1, 3), (2, 1)] {
        for partition in 0..count {
            assert_eq!(
                cluster.leader(TopicId(topic), partition),
                Some(topic * 3 + partition as u16),
                "{topic}-{partition}"
            );
        }
    }
    assert_eq!(cluster.leader(TopicId(0), 4), None);
    assert_eq!(cluster.topic_of_name("two"), Some(TopicId(1)));
    assert_eq!(cluster.topic_of_name("tw"), None);
}

#[test]
fn answers_under_the_id_before_are_still_the_topics() {
    let mut cluster = cluster();
    cluster.add_topic(TopicId(0), "t");
    assert_eq!(cluster.topic_of_id([0; 16]), None, "no id is nobody's");
    assert_eq!(cluster.set_id(TopicId(0), [5; 16]), Some([0; 16]), "none was known");
    assert_eq!(cluster.set_id(TopicId(0), [0; 16]), None);
    assert_eq!(cluster.set_id(TopicId(0), [6; 16]), Some([5; 16]));
    assert_eq!(cluster.set_id(TopicId(0), [6; 16]), None);
    for (id, topic) in [(5, Some(TopicId(0))), (6, Some(TopicId(0))), (0, None), (7, None)] {
        assert_eq!(cluster.topic_of_id([id; 16]), topic);
    }
}

#[test]
fn an_older_leader_epoch_is_not_believed() {
    let mut cluster = cluster();
    cluster.add_topic(TopicId(0), "t");
    cluster.set_partitions(TopicId(0), 1);
    for (slot, host) in ["a", "b", "c"].into_iter().enumerate() {
        assert_eq!(cluster.list_broker(slot as i32, host, 1), Some(slot as u16));
    }
    cluster.set_leader(TopicId(0), 0, Some(1), 70_000);
    cluster.set_leader(TopicId(0), 0, Some(2), 69_999);
    assert_eq!(cluster.leader(TopicId(0), 0), Some(1));
    cluster.set_leader(TopicId(0), 0, None, 70_001);
    assert_eq!(cluster.leader(TopicId(0), 0), None);
}

#[test]
fn epochs_that_begin_anew_are_believed() {
    for id in [[0; 16], [5; 16]] {
        let mut cluster = cluster();
        cluster.add_topic(TopicId(0), "t");
        cluster.set_id(TopicId(0), id);
        cluster.set_partitions(TopicId(0), 1);
        cluster.set_leader(TopicId(0), 0, Some(1), 9);
        cluster.doubt_leader(TopicId(0), 0);
        cluster.set_leader(TopicId(0), 0, Some(2), 0);
        let without_id = id == [0; 16];
        assert_eq!(cluster.leader(TopicId(0), 0), without_id.then_some(2), "an id would tell another topic");
        cluster.forget_epochs(TopicId(0));
        cluster.set_leader(TopicId(0), 0, Some(3), 0);
        assert_eq!(cluster.leader(TopicId(0), 0), Some(3));
    }
}
