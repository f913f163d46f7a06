use super::*;

fn partition(topic: TopicId, partition: i32) -> TopicPartition {
    TopicPartition { topic, partition }
}

fn append(accumulator: &mut Accumulator<Boxes>, now: u64, record: &Record<'_>) -> Appended {
    accumulator.append(at(now), record).unwrap()
}

#[test]
fn a_batch_is_ready_when_its_linger_ends() {
    let (mut accumulator, topic) = known(4);
    append(&mut accumulator, 100, &record(topic, Placement::Partition(1), b"a"));
    append(&mut accumulator, 105, &record(topic, Placement::Partition(2), b"b"));
    append(&mut accumulator, 109, &record(topic, Placement::Partition(1), b"c"));
    assert_eq!(accumulator.poll_timeout(), Some(at(110)));
    assert_eq!(take_all(&mut accumulator, at(109)), []);
    assert_eq!(
        take_all(&mut accumulator, at(110)),
        [(partition(topic, 1), [b"a", b"c"].map(|v| v.to_vec()).to_vec())]
    );
    assert_eq!(accumulator.poll_timeout(), Some(at(115)));
    assert_eq!(take_all(&mut accumulator, at(115)).len(), 1);
    assert_eq!(accumulator.poll_timeout(), None);
    assert!(accumulator.is_empty());
    assert_eq!(accumulator.free_blocks(), 100);
}

#[test]
fn a_batch_is_ready_when_another_record_like_the_last_would_pass_batch_size() {
    let (mut accumulator, topic) = known(1);
    let value = [7; 293]; // 300 bytes as a record: 61 + 3 x 300 <= 1000 < 61 + 4 x 300
    let mut sizes = Vec::new();
    for expected in [false, false, true] {
        let appended = append(&mut accumulator, 0, &record(topic, Placement::Any, &value));
        sizes.push(appended.wake);
        assert_eq!(accumulator.poll_ready(at(0)).is_some(), expected);
    }
    assert_eq!(sizes, [true, false, true]);
}

#[test]
fn a_batch_grows_past_its_size_and_linger_until_it_is_taken() {
    let (mut accumulator, topic) = known(1);
    let value = [7; 293];
    for _ in 0..9 {
        append(&mut accumulator, 0, &record(topic, Placement::Any, &value));
    }
    assert_eq!(accumulator.held_batches(), 1, "61 + 9 x 301 <= 3000");
    let key = accumulator.poll_ready(at(500)).unwrap();
    let tickets: Vec<_> = (0..2)
        .map(|_| append(&mut accumulator, 500, &record(topic, Placement::Any, &value)).ticket)
        .collect();
    assert_eq!(accumulator.held_batches(), 2, "the tenth and the eleventh stand in a second batch");
    assert_eq!([tickets[0].index, tickets[1].index], [0, 1]);
    let batch = accumulator.take(key).unwrap();
    assert_eq!(batch.count, 9);
    assert!(batch.bytes() <= 3000);
    assert_eq!(accumulator.poll_ready(at(500)), Some(key), "what stood behind a full batch is ready");
    let second = accumulator.take(key).unwrap();
    assert_eq!((second.id, second.count), (tickets[0].batch, 2));
    check(&mut accumulator);
}

#[test]
fn a_partition_is_named_once_until_it_is_taken_or_allowed() {
    let (mut accumulator, topic) = known(1);
    append(&mut accumulator, 0, &record(topic, Placement::Any, b"a"));
    let key = accumulator.poll_ready(at(10)).unwrap();
    assert_eq!(accumulator.poll_ready(at(20)), None);
    append(&mut accumulator, 20, &record(topic, Placement::Any, b"b"));
    assert_eq!(accumulator.poll_ready(at(900)), None);
    accumulator.allow(key);
    accumulator.allow(key);
    assert_eq!(accumulator.poll_ready(at(20)), Some(key));
    assert_eq!(accumulator.take(key).unwrap().count, 2);
    assert!(accumulator.take(key).is_none());
    assert_eq!(accumulator.poll_ready(at(999)), None);
}

#[test]
fn allowing_what_holds_nothing_does_nothing() {
    let (mut accumulator, topic) = known(1);
    accumulator.allow(partition(topic, 0));
    append(&mut accumulator, 0, &record(topic, Placement::Any, b"a"));
    let key = accumulator.poll_ready(at(10)).unwrap();
    let expired = accumulator.poll_expired(at(1000)).unwrap();
    accumulator.allow(key);
    check(&mut accumulator);
    give_back(&mut accumulator, expired);
    check(&mut accumulator);
    assert_eq!(accumulator.partitions_in_use(), 0);
}

#[test]
fn a_parked_partition_stays_parked_when_its_batch_expires() {
    let (mut accumulator, topic) = known(1);
    append(&mut accumulator, 0, &record(topic, Placement::Any, b"a"));
    let key = accumulator.poll_ready(at(10)).unwrap();
    let expired = accumulator.poll_expired(at(1000)).unwrap();
    append(&mut accumulator, 1000, &record(topic, Placement::Any, b"b"));
    assert_eq!(accumulator.poll_ready(at(1500)), None, "the sender still owes its word");
    accumulator.allow(key);
    assert_eq!(accumulator.poll_ready(at(1500)), Some(key));
    give_back(&mut accumulator, expired);
    check(&mut accumulator);
}

#[test]
fn flush_makes_ready_what_is_held_and_nothing_that_comes_later() {
    let (mut accumulator, topic) = known(4);
    append(&mut accumulator, 0, &record(topic, Placement::Partition(0), b"a"));
    append(&mut accumulator, 0, &record(topic, Placement::Partition(1), b"b"));
    accumulator.flush();
    append(&mut accumulator, 0, &record(topic, Placement::Partition(2), b"c"));
    assert_eq!(accumulator.poll_timeout(), Some(at(0)));
    assert_eq!(take_all(&mut accumulator, at(0)).len(), 2);
    assert_eq!(accumulator.poll_timeout(), Some(at(10)));
    assert_eq!(take_all(&mut accumulator, at(10)).len(), 1);
}

#[test]
fn close_takes_no_record_and_hands_over_all() {
    let (mut accumulator, topic) = known(1);
    append(&mut accumulator, 0, &record(topic, Placement::Any, b"a"));
    accumulator.close();
    assert!(accumulator.is_closed());
    assert_eq!(accumulator.append(at(0), &record(topic, Placement::Any, b"b")), Err(AppendError::Closed));
    assert_eq!(take_all(&mut accumulator, at(0)).len(), 1);
    assert!(accumulator.is_empty());
}

#[test]
fn without_linger_a_record_is_ready_at_once() {
    let mut accumulator = accumulator(AccumulatorConfig { linger: Duration::ZERO, ..config() }, 10, 4);
    let topic = accumulator.topic("t").unwrap();
    accumulator.handle_topic(topic, TopicView::Known { partitions: 1 });
    assert!(append(&mut accumulator, 5, &record(topic, Placement::Any, b"a")).wake);
    assert!(!append(&mut accumulator, 5, &record(topic, Placement::Any, b"b")).wake, "said already");
    assert_eq!(take_all(&mut accumulator, at(5)).len(), 1);
    assert!(append(&mut accumulator, 5, &record(topic, Placement::Any, b"c")).wake);
}

#[test]
fn wake_is_said_once_until_ready_was_drained() {
    let (mut accumulator, topic) = known(8);
    let value = [0; 600];
    assert!(
        append(&mut accumulator, 0, &record(topic, Placement::Partition(0), b"a")).wake,
        "a first deadline"
    );
    assert!(!append(&mut accumulator, 1, &record(topic, Placement::Partition(1), b"a")).wake);
    assert!(
        !append(&mut accumulator, 1, &record(topic, Placement::Partition(1), &value)).wake,
        "not drained yet"
    );
    assert_eq!(take_all(&mut accumulator, at(1)).len(), 1);
    assert!(
        !append(&mut accumulator, 2, &record(topic, Placement::Partition(2), b"a")).wake,
        "no earlier deadline"
    );
    assert!(append(&mut accumulator, 2, &record(topic, Placement::Partition(3), &value)).wake, "full");
    assert!(!append(&mut accumulator, 2, &record(topic, Placement::Partition(4), &value)).wake);
}

#[test]
fn now_may_go_backwards() {
    let (mut accumulator, topic) = known(4);
    append(&mut accumulator, 100, &record(topic, Placement::Partition(0), b"a"));
    append(&mut accumulator, 50, &record(topic, Placement::Partition(1), b"b"));
    assert_eq!(accumulator.poll_timeout(), Some(at(110)));
    assert_eq!(take_all(&mut accumulator, at(0)), []);
    assert_eq!(take_all(&mut accumulator, at(110)).len(), 2, "the second was accepted at 100 as well");
    append(&mut accumulator, 0, &record(topic, Placement::Partition(0), b"a"));
    assert_eq!(accumulator.poll_timeout(), Some(at(120)));
}

#[test]
fn batches_expire_oldest_first_wherever_they_are() {
    let (mut accumulator, topic) = known(4);
    let other = accumulator.topic("other").unwrap();
    append(&mut accumulator, 0, &record(topic, Placement::Partition(0), b"open"));
    append(&mut accumulator, 1, &record(other, Placement::Any, b"unassigned"));
    append(&mut accumulator, 2, &record(other, Placement::Hash(3), b"pending"));
    append(&mut accumulator, 3, &record(topic, Placement::Partition(1), &[0; 600]));
    assert!(accumulator.poll_expired(at(999)).is_none());
    let mut expired = Vec::new();
    while let Some(batch) = accumulator.poll_expired(at(1003)) {
        expired.push((batch.created, batch.partition));
        give_back(&mut accumulator, batch);
    }
    let expected = [(0, topic, 0), (1, other, -1), (2, other, -1), (3, topic, 1)];
    assert_eq!(expired, expected.map(|(created, topic, number)| (at(created), partition(topic, number))));
    assert!(accumulator.is_empty());
    check(&mut accumulator);
}

#[test]
fn an_open_batch_expires_behind_a_closed_one() {
    let (mut accumulator, topic) = known(1);
    let first = append(&mut accumulator, 0, &record(topic, Placement::Any, &[0; 2000])).ticket;
    let second = append(&mut accumulator, 1, &record(topic, Placement::Any, &[0; 2000])).ticket;
    assert_ne!(first.batch, second.batch);
    assert_eq!(accumulator.poll_timeout(), Some(at(1)), "ready");
    assert_eq!(accumulator.poll_expired(at(1000)).unwrap().id, first.batch);
    assert!(accumulator.poll_expired(at(1000)).is_none());
    assert_eq!(accumulator.poll_expired(at(1001)).unwrap().id, second.batch);
    assert_eq!(accumulator.poll_ready(at(1001)), None);
    check(&mut accumulator);
}

#[test]
fn after_abandon_all_is_handed_over_to_fail() {
    let (mut accumulator, topic) = known(4);
    let other = accumulator.topic("other").unwrap();
    append(&mut accumulator, 0, &record(topic, Placement::Partition(0), b"a"));
    append(&mut accumulator, 0, &record(other, Placement::Any, b"b"));
    append(&mut accumulator, 0, &record(other, Placement::Hash(0), b"c"));
    accumulator.close();
    assert!(accumulator.poll_expired(at(0)).is_none());
    accumulator.abandon();
    assert_eq!(accumulator.poll_timeout(), Some(at(0)));
    for _ in 0..3 {
        let batch = accumulator.poll_expired(at(0)).unwrap();
        give_back(&mut accumulator, batch);
    }
    assert!(accumulator.is_empty() && accumulator.poll_expired(at(0)).is_none());
    assert_eq!(accumulator.poll_timeout(), None);
    check(&mut accumulator);
}

#[test]
fn ids_are_not_reused_while_a_batch_is_out() {
    let (mut accumulator, topic) = known(1);
    let first = append(&mut accumulator, 0, &record(topic, Placement::Any, b"a")).ticket;
    let batch = accumulator.take(partition(topic, 0)).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..300 {
        let ticket = append(&mut accumulator, 0, &record(topic, Placement::Any, b"b")).ticket;
        assert_ne!(ticket.batch.slot(), first.batch.slot());
        assert!(seen.insert(std::format!("{:?}", ticket.batch)));
        let batch = accumulator.take(partition(topic, 0)).unwrap();
        give_back(&mut accumulator, batch);
    }
    give_back(&mut accumulator, batch);
    check(&mut accumulator);
}

#[test]
fn a_late_word_about_a_recycled_batch_changes_nothing() {
    let (mut accumulator, topic) = known(1);
    append(&mut accumulator, 0, &record(topic, Placement::Any, b"a"));
    let batch = accumulator.take(partition(topic, 0)).unwrap();
    let (id, key) = (batch.id, batch.partition);
    give_back(&mut accumulator, batch);
    accumulator.recycle(id, key, Default::default());
    append(&mut accumulator, 0, &record(topic, Placement::Any, b"b"));
    accumulator.recycle(id, key, Default::default());
    check(&mut accumulator);
    assert_eq!((accumulator.held_batches(), accumulator.out_batches()), (1, 0));
}

#[test]
fn base_and_largest_timestamp_are_kept() {
    let (mut accumulator, topic) = known(1);
    for millis in [500, 900, -3] {
        let timestamp = Timestamp::from_millis(millis);
        append(&mut accumulator, 0, &Record { timestamp, ..record(topic, Placement::Any, b"a") });
    }
    let batch = accumulator.take(partition(topic, 0)).unwrap();
    let millis = [batch.base_timestamp, batch.max_timestamp].map(Timestamp::as_millis);
    assert_eq!(millis, [500, 900]);
    assert!(matches!(batch.records, Records::Open(_)));
}

#[test]
fn a_delivery_timeout_without_end_is_never_over() {
    let config = AccumulatorConfig { delivery_timeout: Duration::MAX, ..config() };
    let mut accumulator = accumulator(config, 100, 8);
    let topic = accumulator.topic("readings").unwrap();
    accumulator.handle_topic(topic, TopicView::Known { partitions: 1 });
    append(&mut accumulator, 1_000, &record(topic, Placement::Any, b"a"));
    let end_of_time = at(u64::MAX - 1);
    assert!(accumulator.poll_expired(end_of_time).is_none());
    assert_eq!(take_all(&mut accumulator, end_of_time).len(), 1);
}

/// A batch has one first timestamp, which may be shifted when the clock is set: not with it records that had a clock.
#[test]
fn times_of_a_clock_that_is_not_set_have_batches_of_their_own() {
    let (mut accumulator, topic) = known(1);
    let (wall, boot) = (Timestamp::from_millis(1_800_000_000_000), Timestamp::since_boot(5));
    let early = Timestamp::from_millis(0);
    for timestamp in [boot, Timestamp::since_boot(90_000_000), wall, early, boot] {
        let record = Record { timestamp, ..record(topic, Placement::Partition(0), b"a") };
        append(&mut accumulator, 0, &record);
    }
    let mut batches = Vec::new();
    while let Some(batch) = accumulator.poll_ready(at(500)).and_then(|key| accumulator.take(key)) {
        batches.push((batch.count, batch.base_timestamp));
        accumulator.recycle(batch.id, batch.partition, batch.into_chain());
    }
    assert_eq!(batches, [(2, boot), (2, wall), (1, boot)]);
}
