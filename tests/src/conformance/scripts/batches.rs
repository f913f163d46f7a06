//! Record batches that a broker takes, and those that it refuses.

use crate::conformance::session::{PRODUCE, batch, now, of_batches};
use crate::conformance::{Script, Session};
use crate::protocol::batch_builder::BatchBuilder;

pub(super) const SCRIPTS: &[Script] = &[
    Script { name: "batch-headers", run: headers },
    Script { name: "batch-counts", run: counts },
    Script { name: "batch-lengths", run: lengths },
    Script { name: "batch-compression", run: compression },
    Script { name: "batch-timestamps", run: timestamps },
    Script { name: "batch-sizes", run: sizes },
];

/// Where a batch's version and length are.
const MAGIC: usize = 16;
const LENGTH: usize = 8;

fn headers(session: &mut Session<'_>) {
    let topic = session.topic(1);
    session.produce("right", &topic, &batch().build());
    session.produce("a wrong CRC", &topic, &batch().wrong_crc().build());
    session.produce("a base offset", &topic, &batch().base_offset(5).build());
    session.produce("partition leader epoch 0", &topic, &batch().partition_leader_epoch(0).build());
    session.produce("partition leader epoch 7", &topic, &batch().partition_leader_epoch(7).build());
    session.produce("the control flag", &topic, &batch().attributes(0x20).build());
    session.produce("the transactional flag", &topic, &batch().attributes(0x10).build());
    session.produce(
        "the transactional flag, numbered",
        &topic,
        &batch().attributes(0x10).producer(900, 0, 0).build(),
    );
    session.produce("log append time", &topic, &batch().attributes(0x08).build());
    let ahead = BatchBuilder::of_values(now() + 70 * 60_000, ["value"]).attributes(0x08).build();
    session.produce("log append time, 70 minutes ahead", &topic, &ahead);
    session.produce("an unknown flag", &topic, &batch().attributes(0x100).build());
    for magic in [0, 1, 3] {
        let mut bytes = batch().build();
        bytes[MAGIC] = magic;
        session.produce(&format!("magic {magic}"), &topic, &bytes);
    }
    session.produce("the next offset", &topic, &batch().build());
}

fn counts(session: &mut Session<'_>) {
    let topic = session.topic(1);
    let three = || BatchBuilder::of_values(now(), ["a", "b", "c"]);
    session.produce("three", &topic, &three().build());
    session.produce("no record", &topic, &BatchBuilder::new(now()).build());
    for count in [0, 1, 2, 4, -1] {
        session.produce(
            &format!("a count of {count} over three"),
            &topic,
            &three().declared_count(count).build(),
        );
        let delta = three().declared_last_offset_delta(2).declared_count(count).build();
        session.produce(&format!("a count of {count} and the last offset delta of three"), &topic, &delta);
    }
    for delta in [0, 1, 3, -1] {
        let batch = three().declared_last_offset_delta(delta).build();
        session.produce(&format!("a last offset delta of {delta}"), &topic, &batch);
    }
    let garbage = batch().raw_records(&[9, 9, 9]).build();
    session.produce("bytes after the last record", &topic, &garbage);
    session.produce(
        "bytes that are no record",
        &topic,
        &BatchBuilder::new(now()).raw_records(&[9]).declared_count(1).build(),
    );
    session.produce("the next offset", &topic, &batch().build());
}

fn lengths(session: &mut Session<'_>) {
    let topic = session.topic(1);
    let right = batch().build();
    let with_length = |change: i32| {
        let mut bytes = right.clone();
        let length = i32::from_be_bytes(bytes[LENGTH..LENGTH + 4].try_into().expect("four bytes"));
        bytes[LENGTH..LENGTH + 4].copy_from_slice(&(length + change).to_be_bytes());
        bytes
    };
    for change in [-1, 1, 1_000, -1_000, i32::MIN / 2] {
        session.produce(&format!("a length that is {change} off"), &topic, &with_length(change));
    }
    for length in [1, 11, 12, 17, 60, right.len() - 1] {
        session.produce(&format!("cut after {length} bytes"), &topic, &right[..length]);
    }
    session.produce("a byte after the batch", &topic, &[&right[..], &[0]].concat());
    session.produce("the beginning of another batch", &topic, &[&right[..], &right[..30]].concat());
    session.produce("the next offset", &topic, &right);
}

fn compression(session: &mut Session<'_>) {
    let topic = session.topic(1);
    let garbage =
        |codec| BatchBuilder::new(now()).attributes(codec).raw_records(b"garbage").declared_count(1).build();
    for (codec, name) in
        [(1, "gzip"), (2, "snappy"), (3, "lz4"), (4, "zstd"), (5, "no codec"), (7, "no codec")]
    {
        session.produce(&format!("garbage, {codec}: {name}"), &topic, &garbage(codec));
    }
    let two = || BatchBuilder::of_values(now(), ["a", "b"]);
    session.produce("gzip", &topic, &two().gzip().build());
    session.produce("gzip, and one record less", &topic, &two().gzip().declared_count(3).build());
    session.produce("gzip, and one record more", &topic, &two().gzip().declared_count(1).build());
    session.produce("gzip, and garbage in it", &topic, &two().raw_records(b"x").gzip().build());
    let ahead =
        BatchBuilder::new(now()).record(None, Some(b"now")).record_with(now() + 70 * 60_000, None, None, &[]);
    session.produce("gzip, one ahead", &topic, &ahead.gzip().build());
    session.produce("gzip, a wrong greatest timestamp", &topic, &two().gzip().max_timestamp(5).build());
    session.produce("zstd", &topic, &two().zstd().build());
    let compacted = session.topic_with(1, &[("cleanup.policy", "compact")]);
    session.produce("gzip, compacted, without a key", &compacted, &two().gzip().build());
    let zstd = garbage(4);
    session.exchange("zstd, v6", 6, &of_batches(&topic, -1, &[(0, Some(&zstd))]));
    session.produce("the next offset", &topic, &batch().build());
}

fn timestamps(session: &mut Session<'_>) {
    const MINUTE: i64 = 60_000;
    let topic = session.topic(1);
    let at = |timestamp| BatchBuilder::of_values(timestamp, ["value"]).build();
    session.produce("50 minutes ahead", &topic, &at(now() + 50 * MINUTE));
    session.produce("70 minutes ahead", &topic, &at(now() + 70 * MINUTE));
    session.produce("1970", &topic, &at(0));
    session.produce("before 1970", &topic, &at(-2));
    session.produce("none", &topic, &at(-1));
    session.produce("the greatest", &topic, &at(i64::MAX));

    let mixed = BatchBuilder::new(now())
        .record(None, Some(b"now"))
        .record_with(now() + 70 * MINUTE, None, Some(b"ahead"), &[])
        .record_with(now() + 90 * MINUTE, None, Some(b"further ahead"), &[])
        .build();
    session.produce("the second and third of three ahead", &topic, &mixed);
    session.exchange(
        "v7, the second and third of three ahead",
        7,
        &of_batches(&topic, -1, &[(0, Some(&mixed))]),
    );
    session.produce("a wrong greatest timestamp", &topic, &batch().max_timestamp(5).build());
    session.produce("the next offset", &topic, &at(now()));

    let appended = session.topic_with(1, &[("message.timestamp.type", "LogAppendTime")]);
    session.produce("log append time", &appended, &at(now()));
    session.produce("log append time, 70 minutes ahead", &appended, &at(now() + 70 * MINUTE));
}

fn sizes(session: &mut Session<'_>) {
    let topic = session.topic(1);
    let of_size = |bytes: usize| BatchBuilder::of_values(now(), [vec![b'x'; bytes]]).build();
    // message.max.bytes is 1048588 by default, and counts the batch with its header.
    let overhead = of_size(1_000_000).len() - 1_000_000;
    session.produce("as large as may be", &topic, &of_size(1_048_588 - overhead));
    session.produce("one byte more", &topic, &of_size(1_048_589 - overhead));
    session.produce("the next offset", &topic, &batch().build());

    let small = session.topic_with(1, &[("max.message.bytes", "200")]);
    session.produce("small enough for the topic", &small, &of_size(100));
    session.produce("too large for the topic", &small, &of_size(200));
    let many = BatchBuilder::of_values(now(), (0..50).map(|n| format!("{n:04}"))).build();
    session.produce("many records, too large for the topic", &small, &many);
    session.exchange("too large, v7", 7, &of_batches(&small, -1, &[(0, Some(&many))]));
    let both = batch().build();
    session.exchange("small again", PRODUCE, &of_batches(&small, -1, &[(0, Some(&both))]));

    let compacted = session.topic_with(1, &[("cleanup.policy", "compact")]);
    session.produce(
        "compacted, with a key",
        &compacted,
        &BatchBuilder::new(now()).record(Some(b"k"), None).build(),
    );
    session.produce("compacted, without a key", &compacted, &batch().build());
}
