//! Three brokers: the wrong one, too few of them, and another leader.

use super::sequences::numbered;
use crate::conformance::session::{METADATA, PRODUCE, batch, of_batches};
use crate::conformance::{Script, Session, Topic};
use crate::protocol::metadata::MetadataRequest;
use crate::protocol::produce::ProduceRequest;

pub(super) const SCRIPTS: &[Script] = &[
    Script { name: "wrong-broker", run: wrong_broker },
    Script { name: "no-replica", run: no_replica },
    Script { name: "too-few-replicas", run: too_few_replicas },
    Script { name: "a-replica-that-stands-still", run: a_replica_that_stands_still },
    Script { name: "another-leader", run: another_leader },
    Script { name: "no-leader", run: no_leader },
];

fn describe(session: &mut Session<'_>, label: &str, topic: &Topic) {
    let request =
        MetadataRequest { allow_auto_topic_creation: false, ..MetadataRequest::of_topics([&*topic.name]) };
    session.exchange(label, METADATA, &request);
}

fn wrong_broker(session: &mut Session<'_>) {
    let topic = session.topic(1);
    let (right, wrong) = (batch().build(), batch().wrong_crc().build());
    describe(session, "by the leader", &topic);
    session.produce("to the leader", &topic, &right);

    let follower = session.replicas(&topic)[1];
    session.connect_to(follower);
    describe(session, "by a follower", &topic);
    for version in [3, 7, 8, 9, 10, 11, 12, 13] {
        let request = of_batches(&topic, -1, &[(0, Some(&right))]);
        session.exchange(&format!("to a follower, v{version}"), version, &request);
    }
    session.produce("to a follower, with a wrong CRC", &topic, &wrong);
    session.produce_to("to a follower, an unknown partition", &topic, 1, &right);
    session.exchange("to a follower, acks=1", PRODUCE, &of_batches(&topic, 1, &[(0, Some(&right))]));
    session.send(PRODUCE, &of_batches(&topic, 0, &[(0, Some(&right))]));
    session.expect_closed("to a follower, acks=0");
}

fn no_replica(session: &mut Session<'_>) {
    let right = batch().build();
    let alone = session.replicated_topic(1, 1, &[]);
    session.produce("to the leader", &alone, &right);
    session.connect_to(session.another_broker());
    session.produce("to a broker without a replica", &alone, &right);
}

fn too_few_replicas(session: &mut Session<'_>) {
    let topic = session.topic_with(1, &[("min.insync.replicas", "3")]);
    let right = batch().build();
    session.produce("with all", &topic, &right);

    let follower = session.replicas(&topic)[1];
    session.stop(follower);
    describe(session, "a follower is down", &topic);
    session.produce("acks=all", &topic, &right);
    session.exchange("acks=all, v7", 7, &of_batches(&topic, -1, &[(0, Some(&right))]));
    session.produce("acks=all with a wrong CRC", &topic, &batch().wrong_crc().build());
    session.exchange("acks=1", PRODUCE, &of_batches(&topic, 1, &[(0, Some(&right))]));
    let (id, epoch) = session.producer("a producer");
    session.produce("acks=all, numbered", &topic, &numbered((id, epoch), 0, 1));

    session.start(follower);
    session.wait_for_replicas(&topic);
    session.produce("with all again: the refused one left no trace", &topic, &numbered((id, epoch), 0, 1));
}

/// The leader has the batch, and says that it waited in vain. Asked again it waits again: it remembers the batch.
fn a_replica_that_stands_still(session: &mut Session<'_>) {
    let topic = session.topic(1);
    let producer = session.producer("a producer");
    session.produce("with all", &topic, &numbered(producer, 0, 1));
    let follower = session.replicas(&topic)[1];
    let (second, third) = (numbered(producer, 1, 1), numbered(producer, 2, 1));
    session.while_paused(follower, |session| {
        let request =
            |batch| ProduceRequest { timeout_ms: 500, ..of_batches(&topic, -1, &[(0, Some(batch))]) };
        session.exchange("acks=all", PRODUCE, &request(&second));
        session.exchange("the same again", PRODUCE, &request(&second));
        session.exchange("acks=1", PRODUCE, &of_batches(&topic, 1, &[(0, Some(&third))]));
        session.exchange("acks=all, v7", 7, &request(&batch().build()));
    });
    session.wait_for_replicas(&topic);
    session.produce("with all again: it was stored the first time", &topic, &second);
    session.produce("the next", &topic, &numbered(producer, 3, 1));
}

fn another_leader(session: &mut Session<'_>) {
    let topic = session.topic(1);
    let producer = session.producer("a producer");
    let batches: Vec<Vec<u8>> = (0..5).map(|n| numbered(producer, n, 1)).collect();
    for (n, batch) in batches.iter().enumerate() {
        session.produce(&format!("batch {n}"), &topic, batch);
    }

    let first = session.broker();
    session.stop(first);
    session.wait_for_topic(&topic.name, 1);
    describe(session, "the leader is down", &topic);
    session.produce("a follower knew the last batch", &topic, &batches[4]);
    session.produce("and the first of the five", &topic, &batches[0]);
    session.produce("the next", &topic, &numbered(producer, 5, 1));
    session.produce("a gap", &topic, &numbered(producer, 7, 1));

    let second = session.broker();
    session.start(first);
    session.wait_for_replicas(&topic);
    session.connect_to(first);
    describe(session, "it is back, and a follower", &topic);
    session.produce("to the leader that was", &topic, &numbered(producer, 6, 1));
    session.connect_to(second);
    session.produce("to the leader that is", &topic, &numbered(producer, 6, 1));
}

fn no_leader(session: &mut Session<'_>) {
    let alone = session.replicated_topic(1, 1, &[]);
    let right = batch().build();
    session.produce("to the leader", &alone, &right);
    let leader = session.broker();
    session.stop(leader);
    describe(session, "the only replica is down", &alone);
    session.produce("to another broker", &alone, &right);
    session.start(leader);
    session.wait_for_topic(&alone.name, 1);
    describe(session, "it is back", &alone);
    session.produce("to the leader again", &alone, &right);
}
