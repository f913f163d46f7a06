//! What partitions tell of the producers that they remember.

use super::sequences::numbered;
use crate::conformance::session::{Topic, batch};
use crate::conformance::{Script, Session};
use crate::protocol::describe_producers::{DescribeProducersRequest, DescribeProducersTopic};

/// The last one restarts the broker.
pub(super) const SCRIPTS: &[Script] = &[
    Script { name: "producers", run: producers },
    Script { name: "producers-of-nothing", run: of_nothing },
    Script { name: "producers-after-restart", run: after_restart },
];

pub(super) const OF_THREE_BROKERS: &[Script] = &[Script { name: "producers-elsewhere", run: elsewhere }];

fn describe(session: &mut Session<'_>, label: &str, topic: &Topic, partitions: &[i32]) {
    let partitions = partitions.iter().copied();
    session.exchange(label, 0, &DescribeProducersRequest::of_partitions(&topic.name, partitions));
}

fn producers(session: &mut Session<'_>) {
    let topic = session.topic(2);
    let (id, epoch) = session.producer("a producer");
    let (other, _) = session.producer("another producer");
    describe(session, "nobody has written", &topic, &[0, 1]);
    session.produce("a batch without numbers", &topic, &batch().build());
    describe(session, "nobody who is remembered", &topic, &[0]);
    session.produce("a batch", &topic, &numbered((id, epoch), 0, 3));
    describe(session, "it and its last sequence", &topic, &[0]);
    describe(session, "not in the other partition", &topic, &[1]);
    session.produce("the next", &topic, &numbered((id, epoch), 3, 2));
    session.produce("one more time", &topic, &numbered((id, epoch), 3, 2));
    session.produce("one that does not fit", &topic, &numbered((id, epoch), 9, 2));
    describe(session, "the last that was stored", &topic, &[0]);
    session.produce("another one's", &topic, &numbered((other, 0), 7, 1));
    describe(session, "both", &topic, &[0, 1]);
    session.produce("the next epoch", &topic, &numbered((id, epoch + 1), 0, 1));
    describe(session, "the newest epoch", &topic, &[0]);
    session.produce("to the end of the numbers", &topic, &numbered((other, 1), 0, 1));
    describe(session, "one epoch each", &topic, &[1, 0]);
}

fn of_nothing(session: &mut Session<'_>) {
    let topic = session.topic(1);
    describe(session, "a partition that is not there", &topic, &[1]);
    describe(session, "a negative partition", &topic, &[-1]);
    describe(session, "one that is there, and one that is not", &topic, &[0, 7]);
    describe(session, "no partition", &topic, &[]);
    for (label, name) in [("a topic that is not there", "felice-nowhere"), ("a name that none has", "a b")] {
        session.exchange(label, 0, &DescribeProducersRequest::of_partitions(name, [0]));
    }
    session.exchange("no topic", 0, &DescribeProducersRequest { topics: Vec::new() });
    let name = &*topic.name;
    let twice = || DescribeProducersTopic { name, partition_indexes: vec![0, 0] };
    session.exchange("twice", 0, &DescribeProducersRequest { topics: vec![twice(), twice()] });
    session.exchange(
        "the topic is not made by asking",
        0,
        &DescribeProducersRequest::of_partitions(name, [0]),
    );
}

fn after_restart(session: &mut Session<'_>) {
    let topic = session.topic(1);
    let (id, epoch) = session.producer("a producer");
    for n in 0..3 {
        session.produce(&format!("batch {n}"), &topic, &numbered((id, epoch), n * 2, 2));
    }
    session.restart(&topic, 1);
    describe(session, "it is remembered", &topic, &[0]);
    session.produce("the next", &topic, &numbered((id, epoch), 6, 1));
    describe(session, "and so is the next", &topic, &[0]);
}

fn elsewhere(session: &mut Session<'_>) {
    let topic = session.topic(1);
    let leader = session.broker();
    let (id, epoch) = session.producer("a producer");
    session.produce("a batch", &topic, &numbered((id, epoch), 0, 3));
    describe(session, "the leader", &topic, &[0]);
    for replica in session.replicas(&topic) {
        if replica != leader {
            session.connect_to(replica);
            describe(session, "a follower", &topic, &[0]);
        }
    }
    let alone = session.replicated_topic(1, 1, &[]);
    session.connect_to(session.another_broker());
    describe(session, "a broker without a replica", &alone, &[0]);
}
