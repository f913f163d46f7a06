//! Idempotence: what the broker remembers of a producer id, and what it does about it.

use crate::conformance::session::{PRODUCE, batch, now, of_batches};
use crate::conformance::{Script, Session};
use crate::protocol::batch_builder::BatchBuilder;

pub(super) const SCRIPTS: &[Script] = &[
    Script { name: "sequence-order", run: order },
    Script { name: "sequence-replays", run: replays },
    Script { name: "sequence-boundaries", run: boundaries },
    Script { name: "sequence-epochs", run: epochs },
    Script { name: "sequence-first", run: first },
    Script { name: "sequence-wrap", run: wrap },
    Script { name: "sequence-values", run: values },
    Script { name: "sequence-acks", run: acks },
];

/// A batch of so many records with its numbers.
pub(super) fn numbered(producer: (i64, i16), base_sequence: i32, count: usize) -> Vec<u8> {
    let values = (0..count).map(|n| format!("value-{n}"));
    BatchBuilder::of_values(now(), values).producer(producer.0, producer.1, base_sequence).build()
}

fn order(session: &mut Session<'_>) {
    let topic = session.topic(2);
    let producer = session.producer("a producer");
    session.produce("sequences 0 and 1", &topic, &numbered(producer, 0, 2));
    session.produce("2", &topic, &numbered(producer, 2, 1));
    session.produce("a gap: 4", &topic, &numbered(producer, 4, 1));
    session.produce("3 after it", &topic, &numbered(producer, 3, 1));
    session.produce("4 again", &topic, &numbered(producer, 4, 1));
    session.produce("back to 0", &topic, &numbered(producer, 0, 1));
    session.produce_to("another partition has its own numbers: 0", &topic, 1, &numbered(producer, 0, 1));
    session.produce_to("and 2 is a gap there", &topic, 1, &numbered(producer, 2, 1));

    // A batch that is refused for another reason leaves the numbers as they were.
    let wrong = batch().producer(producer.0, producer.1, 5).wrong_crc().build();
    session.produce("5 with a wrong CRC", &topic, &wrong);
    session.produce("5", &topic, &numbered(producer, 5, 1));
}

fn replays(session: &mut Session<'_>) {
    let topic = session.topic(1);
    let producer = session.producer("a producer");
    let batches: Vec<Vec<u8>> = (0..7).map(|n| numbered(producer, n * 2, 2)).collect();
    session.produce("the first", &topic, &batches[0]);
    session.produce("the first again", &topic, &batches[0]);
    for (n, batch) in batches.iter().enumerate().skip(1) {
        session.produce(&format!("batch {n}"), &topic, batch);
    }
    for back in 1..=6 {
        session.produce(&format!("the last but {}", back - 1), &topic, &batches[batches.len() - back]);
    }
    session.produce("a replay leaves the next sequence alone", &topic, &numbered(producer, 14, 1));

    let other = session.producer("another producer");
    session.produce("another producer's 0 is not a replay", &topic, &numbered(other, 0, 1));
    session.produce("nor does it end the first's window", &topic, &batches[6]);
    session.exchange("a replay with v7", 7, &of_batches(&topic, -1, &[(0, Some(&batches[6]))]));

    let appended = session.topic_with(1, &[("message.timestamp.type", "LogAppendTime")]);
    session.produce("log append time", &appended, &batches[0]);
    session.produce("log append time, again", &appended, &batches[0]);
}

fn boundaries(session: &mut Session<'_>) {
    let topic = session.topic(1);
    let producer = session.producer("a producer");
    session.produce("0 to 3", &topic, &numbered(producer, 0, 4));
    session.produce("4 to 5", &topic, &numbered(producer, 4, 2));
    session.produce("4 only", &topic, &numbered(producer, 4, 1));
    session.produce("5 only", &topic, &numbered(producer, 5, 1));
    session.produce("4 to 6", &topic, &numbered(producer, 4, 3));
    session.produce("2 to 5", &topic, &numbered(producer, 2, 4));
    session.produce("0 to 5", &topic, &numbered(producer, 0, 6));
    session.produce("5 to 6", &topic, &numbered(producer, 5, 2));
    // The same sequences with other contents are a replay all the same.
    let other =
        BatchBuilder::of_values(now(), ["other", "values"]).producer(producer.0, producer.1, 4).build();
    session.produce("4 to 5 with other values", &topic, &other);
    session.produce("6", &topic, &numbered(producer, 6, 1));
}

fn epochs(session: &mut Session<'_>) {
    let topic = session.topic(4);
    let (id, epoch) = session.producer("a producer");
    session.produce("epoch 0, sequence 0", &topic, &numbered((id, epoch), 0, 1));
    session.produce("epoch 1, sequence 1", &topic, &numbered((id, epoch + 1), 1, 1));
    session.produce("epoch 1, sequence 0", &topic, &numbered((id, epoch + 1), 0, 1));
    session.produce("epoch 1, sequence 0, again", &topic, &numbered((id, epoch + 1), 0, 1));
    session.produce("epoch 0, sequence 1", &topic, &numbered((id, epoch), 1, 1));
    session.produce("epoch 0, sequence 0, a replay of an old epoch", &topic, &numbered((id, epoch), 0, 1));
    session.produce("epoch 1, sequence 1", &topic, &numbered((id, epoch + 1), 1, 1));
    session.produce("epoch 3, sequence 0: one is left out", &topic, &numbered((id, epoch + 3), 0, 1));
    session.produce("epoch 2, sequence 0", &topic, &numbered((id, epoch + 2), 0, 1));

    session.produce_to(
        "a partition never written: epoch 1, sequence 5",
        &topic,
        1,
        &numbered((id, epoch + 1), 5, 1),
    );
    session.produce_to("and its old epoch", &topic, 1, &numbered((id, epoch), 0, 1));
    session.produce_to("the greatest epoch", &topic, 2, &numbered((id, i16::MAX), 0, 1));
    session.produce_to("and then epoch 0", &topic, 2, &numbered((id, 0), 0, 1));

    // The window of the old epoch does not answer for the new one.
    for n in 0..3 {
        session.produce_to(&format!("old epoch, {n}"), &topic, 3, &numbered((id, epoch), n, 1));
    }
    session.produce_to("new epoch, 0", &topic, 3, &numbered((id, epoch + 1), 0, 1));
    session.produce_to("new epoch, 2: sent once in the old one", &topic, 3, &numbered((id, epoch + 1), 2, 1));
}

fn first(session: &mut Session<'_>) {
    let topic = session.topic(3);
    let producer = session.producer("a producer");
    session.produce("never written: 5", &topic, &numbered(producer, 5, 1));
    session.produce("then 0", &topic, &numbered(producer, 0, 1));
    session.produce("then 6", &topic, &numbered(producer, 6, 1));
    session.produce("and 0 still", &topic, &numbered(producer, 0, 1));

    session.produce_to("a producer id that nobody gave out: 9", &topic, 1, &numbered((987_654, 2), 9, 1));
    session.produce_to("and then 10", &topic, 1, &numbered((987_654, 2), 10, 1));
    session.produce_to("and then 12", &topic, 1, &numbered((987_654, 2), 12, 1));

    // Written by others is still never written by this one.
    session.produce_to("a batch without numbers", &topic, 2, &batch().build());
    session.produce_to("then 3", &topic, 2, &numbered(producer, 3, 1));
}

fn wrap(session: &mut Session<'_>) {
    let topic = session.topic(2);
    let producer = session.producer("a producer");
    session.produce("up to the last sequence", &topic, &numbered(producer, i32::MAX, 1));
    session.produce("0 follows", &topic, &numbered(producer, 0, 1));
    session.produce("1 follows", &topic, &numbered(producer, 1, 1));
    session.produce("the last sequence, again", &topic, &numbered(producer, i32::MAX, 1));

    session.produce_to("across the end", &topic, 1, &numbered(producer, i32::MAX - 1, 4));
    session.produce_to("across the end, again", &topic, 1, &numbered(producer, i32::MAX - 1, 4));
    session.produce_to("2 follows", &topic, 1, &numbered(producer, 2, 1));
}

fn values(session: &mut Session<'_>) {
    let topic = session.topic(5);
    let (id, epoch) = session.producer("a producer");
    session.produce_to("no sequence", &topic, 0, &numbered((id, epoch), -1, 1));
    session.produce_to("a negative sequence", &topic, 1, &numbered((id, epoch), -2, 1));
    session.produce_to("no epoch", &topic, 2, &numbered((id, -1), 0, 1));
    session.produce_to("no id", &topic, 3, &numbered((-1, 0), 0, 1));
    session.produce_to("a negative id", &topic, 3, &numbered((-2, 0), 0, 1));
    session.produce_to("id 0", &topic, 4, &numbered((0, 0), 0, 1));
}

fn acks(session: &mut Session<'_>) {
    let topic = session.topic(1);
    let producer = session.producer("a producer");
    let batches: Vec<Vec<u8>> = (0..3).map(|n| numbered(producer, n, 1)).collect();
    session.exchange("acks=1 with numbers", PRODUCE, &of_batches(&topic, 1, &[(0, Some(&batches[0]))]));
    session.send(PRODUCE, &of_batches(&topic, 0, &[(0, Some(&batches[1]))]));
    session.produce("acks=0 with numbers counted", &topic, &batches[2]);
    session.exchange("acks=1, again", PRODUCE, &of_batches(&topic, 1, &[(0, Some(&batches[0]))]));

    // A replay is a success: the connection stays. A gap is not.
    session.send(PRODUCE, &of_batches(&topic, 0, &[(0, Some(&batches[0]))]));
    session.produce("acks=0, a replay", &topic, &batches[2]);
    let gap = numbered(producer, 9, 1);
    session.send(PRODUCE, &of_batches(&topic, 0, &[(0, Some(&gap))]));
    session.expect_closed("acks=0, a gap");
}
