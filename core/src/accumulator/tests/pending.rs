use super::*;

fn append(accumulator: &mut Accumulator<Boxes>, now: u64, record: &Record<'_>) -> Appended {
    let appended = accumulator.append(at(now), record).unwrap();
    check(accumulator);
    appended
}

fn move_all(accumulator: &mut Accumulator<Boxes>) -> Vec<Reassigned> {
    let mut moved = Vec::new();
    while let Some(reassigned) = accumulator.poll_reassigned() {
        check(accumulator);
        moved.push(reassigned);
    }
    moved
}

#[test]
fn keyed_records_move_to_their_partitions_when_these_are_known() {
    let (mut accumulator, topic) = unknown();
    let tickets: Vec<_> = (0..6_u32)
        .map(|hash| append(&mut accumulator, 5, &record(topic, Placement::Hash(hash), &[hash as u8; 5])))
        .collect();
    assert!(tickets.iter().all(|appended| appended.pending));
    assert!(tickets[0].wake, "the driver has to hear of the topic");
    assert!(!tickets[1].wake);
    assert_eq!(take_all(&mut accumulator, at(500)), []);
    assert_eq!(accumulator.poll_timeout(), Some(at(1005)));
    assert_eq!(accumulator.poll_reassigned(), None);

    accumulator.handle_topic(topic, TopicView::Known { partitions: 2 });
    let moved = move_all(&mut accumulator);
    assert_eq!(moved.len(), 6);
    for (index, reassigned) in moved.iter().enumerate() {
        assert_eq!(reassigned.from, tickets[index].ticket);
        assert_eq!(reassigned.partition, TopicPartition { topic, partition: index as i32 % 2 });
        assert_eq!(reassigned.to.index as usize, index / 2);
    }
    let mut taken = take_all(&mut accumulator, at(500));
    taken.sort_by_key(|(key, _)| key.partition);
    let bytes = |values: [u8; 3]| values.map(|value| std::vec![value; 5]).to_vec();
    assert_eq!(taken[0].1, bytes([0, 2, 4]));
    assert_eq!(taken[1].1, bytes([1, 3, 5]));
    assert_eq!(accumulator.free_blocks(), 100);
}

#[test]
fn the_oldest_with_a_partition_is_named() {
    let (mut accumulator, topic) = unknown();
    append(&mut accumulator, 100, &record(topic, Placement::Hash(0), b"pending"));
    assert_eq!(accumulator.oldest(), None);
    let other = accumulator.topic("other").unwrap();
    append(&mut accumulator, 200, &record(other, Placement::Partition(1), b"older"));
    append(&mut accumulator, 300, &record(other, Placement::Partition(0), b"younger"));
    let (older, younger) =
        (TopicPartition { topic: other, partition: 1 }, TopicPartition { topic: other, partition: 0 });
    assert_eq!(accumulator.oldest(), Some((older, at(200))));
    assert_eq!(accumulator.take(older).unwrap().created, at(200));
    assert_eq!(accumulator.oldest(), Some((younger, at(300))));
    assert!(accumulator.take(younger).is_some());
    assert_eq!(accumulator.oldest(), None);
}

#[test]
fn a_moved_record_keeps_its_delivery_deadline() {
    let (mut accumulator, topic) = unknown();
    append(&mut accumulator, 100, &record(topic, Placement::Hash(0), b"moved"));
    accumulator.handle_topic(topic, TopicView::Known { partitions: 1 });
    let other = accumulator.topic("other").unwrap();
    append(&mut accumulator, 600, &record(other, Placement::Partition(0), b"younger"));
    assert_eq!(move_all(&mut accumulator).len(), 1);
    append(&mut accumulator, 700, &record(topic, Placement::Partition(0), b"same batch"));
    assert!(accumulator.poll_expired(at(1099)).is_none());
    let batch = accumulator.poll_expired(at(1100)).unwrap();
    assert_eq!((batch.created, batch.partition.partition, batch.count), (at(100), 0, 2));
}

#[test]
fn moved_records_expire_in_their_turn() {
    let (mut accumulator, topic) = unknown();
    let other = accumulator.topic("other").unwrap();
    append(&mut accumulator, 0, &record(other, Placement::Partition(0), b"older"));
    append(&mut accumulator, 5, &record(topic, Placement::Hash(0), b"pending"));
    append(&mut accumulator, 6, &record(topic, Placement::Hash(1), b"pending"));
    append(&mut accumulator, 7, &record(other, Placement::Partition(1), b"younger"));
    accumulator.handle_topic(topic, TopicView::Known { partitions: 2 });
    assert_eq!(move_all(&mut accumulator).len(), 2);
    let expired: Vec<_> = core::iter::from_fn(|| accumulator.poll_expired(at(5000)))
        .map(|batch| (batch.created.as_micros(), batch.partition.topic == topic))
        .collect();
    assert_eq!(expired, [(0, false), (5, true), (5, true), (7, false)]);
}

#[test]
fn moved_records_do_not_linger_again() {
    let (mut accumulator, topic) = unknown();
    append(&mut accumulator, 0, &record(topic, Placement::Hash(0), b"a"));
    accumulator.handle_topic(topic, TopicView::Known { partitions: 1 });
    assert_eq!(move_all(&mut accumulator).len(), 1);
    assert_eq!(accumulator.poll_timeout(), Some(at(0)));
    assert_eq!(take_all(&mut accumulator, at(0)).len(), 1);
}

#[test]
fn records_for_any_partition_form_batches_that_are_assigned_whole() {
    let (mut accumulator, topic) = unknown();
    let value = [0; 293];
    let tickets: Vec<_> =
        (0..12).map(|_| append(&mut accumulator, 0, &record(topic, Placement::Any, &value))).collect();
    assert!(tickets.iter().all(|appended| !appended.pending), "their tickets stay");
    assert_eq!(accumulator.held_batches(), 2, "they grow past batch.size: nobody can take them yet");
    accumulator.handle_topic(topic, TopicView::Known { partitions: 4 });
    let mut batches = Vec::new();
    while let Some(key) = accumulator.poll_ready(at(0)) {
        batches.push(accumulator.take(key).unwrap());
    }
    let found: Vec<_> = batches.iter().map(|batch| (batch.id, batch.count)).collect();
    assert_eq!(found, [(tickets[0].ticket.batch, 9), (tickets[9].ticket.batch, 3)]);
    assert_ne!(batches[0].partition, batches[1].partition, "one that holds nothing is preferred");
    check(&mut accumulator);
}

#[test]
fn a_chosen_partition_opens_its_batch_before_the_topic_is_known() {
    let (mut accumulator, topic) = unknown();
    let appended = append(&mut accumulator, 0, &record(topic, Placement::Partition(3), b"a"));
    assert!(!appended.pending && appended.wake);
    assert_eq!(accumulator.poll_ready(at(10)), Some(TopicPartition { topic, partition: 3 }));
}

#[test]
fn the_order_of_acceptance_is_kept_however_records_are_placed() {
    let (mut accumulator, topic) = unknown();
    let placements = [
        Placement::Partition(0),
        Placement::Any,
        Placement::Any,
        Placement::Hash(9),
        Placement::Any,
        Placement::Partition(0),
        Placement::Hash(2),
    ];
    for (index, placement) in placements.into_iter().enumerate() {
        append(&mut accumulator, 0, &record(topic, placement, &[index as u8]));
    }
    accumulator.handle_topic(topic, TopicView::Known { partitions: 1 });
    append(&mut accumulator, 0, &record(topic, Placement::Hash(1), &[7]));
    assert_eq!(move_all(&mut accumulator).len(), 5);
    append(&mut accumulator, 0, &record(topic, Placement::Any, &[8]));
    let order: Vec<_> =
        take_all(&mut accumulator, at(10)).into_iter().flat_map(|(_, values)| values).collect();
    assert_eq!(order, (0..9).map(|index| std::vec![index]).collect::<Vec<_>>());
}

#[test]
fn what_comes_while_records_move_goes_behind_them() {
    let (mut accumulator, topic) = unknown();
    for index in 0..4 {
        append(&mut accumulator, 0, &record(topic, Placement::Hash(0), &[index]));
    }
    accumulator.handle_topic(topic, TopicView::Known { partitions: 1 });
    assert!(accumulator.poll_reassigned().is_some());
    let late = append(&mut accumulator, 0, &record(topic, Placement::Hash(0), &[4]));
    assert!(late.pending);
    let explicit = append(&mut accumulator, 0, &record(topic, Placement::Partition(0), &[5]));
    assert!(explicit.pending);
    assert_eq!(move_all(&mut accumulator).len(), 5);
    let taken = take_all(&mut accumulator, at(10));
    assert_eq!(taken[0].1, (0..6).map(|index| std::vec![index]).collect::<Vec<_>>());
    assert!(
        !append(&mut accumulator, 0, &record(topic, Placement::Hash(0), b"x")).pending,
        "the queue is empty"
    );
}

#[test]
fn one_free_block_moves_everything() {
    // Records from tiny to far larger than a block, for partitions of their own, in memory that is full.
    for sizes in [&[1, 1, 1, 1][..], &[250, 3, 90, 400], &[950], &[99, 100, 101, 87, 88]] {
        let mut accumulator = accumulator(config(), 12, 64);
        let topic = accumulator.topic("t").unwrap();
        let mut accepted = 0_u32;
        'full: loop {
            for &size in sizes {
                let value = std::vec![accepted as u8; size];
                let record = record(topic, Placement::Hash(accepted), &value);
                match accumulator.append(at(0), &record) {
                    Ok(_) => accepted += 1,
                    Err(error) => break 'full assert_eq!(error, AppendError::NoMemory),
                }
            }
        }
        accumulator.handle_topic(topic, TopicView::Known { partitions: 50 });
        let mut moved = 0;
        let mut seen = Vec::new();
        for _ in 0..1000 {
            moved += move_all(&mut accumulator).len() as u32;
            // A slow sender: one batch comes back, then moving goes on.
            if let Some(key) = accumulator.poll_ready(at(0)) {
                let mut batch = accumulator.take(key).unwrap();
                seen.extend(values(&mut batch).into_iter().map(|value| value[0]));
                give_back(&mut accumulator, batch);
            }
        }
        assert_eq!(moved, accepted, "sizes {sizes:?}");
        seen.sort_unstable();
        assert_eq!(seen, (0..accepted).map(|index| index as u8).collect::<Vec<_>>());
        assert_eq!(accumulator.free_blocks(), 12);
    }
}

#[test]
fn moving_waits_for_memory_and_goes_on() {
    let mut accumulator = accumulator(config(), 4, 8);
    let topic = accumulator.topic("t").unwrap();
    for hash in 0..8 {
        append(&mut accumulator, 0, &record(topic, Placement::Hash(hash), b"x"));
    }
    accumulator.handle_topic(topic, TopicView::Known { partitions: 8 });
    let first = move_all(&mut accumulator).len();
    assert!((1..8).contains(&first), "{first} moved");
    assert_eq!(accumulator.free_blocks(), 0);
    assert_eq!(take_all(&mut accumulator, at(0)).len(), first);
    let mut moved = first;
    for _ in 0..8 {
        moved += move_all(&mut accumulator).len();
        take_all(&mut accumulator, at(0));
    }
    assert_eq!(moved, 8);
    assert!(accumulator.is_empty());
}

#[test]
fn moving_waits_for_partition_slots_and_batch_slots() {
    for (partitions, batches) in [(1, 20), (8, 3)] {
        let mut accumulator = with_batches(config(), 20, partitions, batches);
        let topic = accumulator.topic("t").unwrap();
        for hash in 0..4 {
            append(&mut accumulator, 0, &record(topic, Placement::Hash(hash), b"x"));
        }
        accumulator.handle_topic(topic, TopicView::Known { partitions: 4 });
        let mut moved = 0;
        for _ in 0..8 {
            moved += move_all(&mut accumulator).len();
            take_all(&mut accumulator, at(0));
        }
        assert_eq!(moved, 4);
        assert!(accumulator.is_empty());
    }
}

#[test]
fn a_record_far_off_in_time_never_outgrows_its_entry() {
    let mut accumulator = accumulator(config(), 6, 8);
    let topic = accumulator.topic("t").unwrap();
    for millis in [0, i64::MAX, i64::MIN, 5] {
        let timestamp = Timestamp::from_millis(millis);
        append(&mut accumulator, 0, &Record { timestamp, ..record(topic, Placement::Hash(0), b"x") });
    }
    accumulator.handle_topic(topic, TopicView::Known { partitions: 1 });
    assert_eq!(move_all(&mut accumulator).len(), 4);
    let count: usize = take_all(&mut accumulator, at(0)).iter().map(|(_, values)| values.len()).sum();
    assert_eq!(count, 4);
}

#[test]
fn what_is_left_of_a_batch_that_moves_expires_with_the_right_tickets() {
    let (mut accumulator, topic) = unknown();
    let tickets: Vec<_> = (0..5)
        .map(|index| append(&mut accumulator, 0, &record(topic, Placement::Hash(0), &[index; 50])).ticket)
        .collect();
    accumulator.handle_topic(topic, TopicView::Known { partitions: 1 });
    let moved: Vec<_> = (0..2).map(|_| accumulator.poll_reassigned().unwrap()).collect();
    let expired: Vec<_> = core::iter::from_fn(|| accumulator.poll_expired(at(1000))).collect();
    let rest = expired.iter().find(|batch| batch.partition.partition == -1).unwrap();
    assert_eq!((rest.id, rest.first, rest.count), (tickets[0].batch, 2, 3));
    let whole = expired.iter().find(|batch| batch.partition.partition == 0).unwrap();
    assert_eq!((whole.id, whole.first, whole.count), (moved[0].to.batch, 0, 2));
    assert_eq!(accumulator.poll_reassigned(), None);
    check(&mut accumulator);
    for batch in expired {
        give_back(&mut accumulator, batch);
    }
    check(&mut accumulator);
    assert_eq!(accumulator.free_blocks(), 100);
}

#[test]
fn a_failed_topic_hands_over_all_it_holds() {
    let (mut accumulator, topic) = unknown();
    append(&mut accumulator, 0, &record(topic, Placement::Partition(1), b"lingers"));
    append(&mut accumulator, 0, &record(topic, Placement::Partition(2), b"parked"));
    assert!(accumulator.poll_ready(at(10)).is_some() && accumulator.poll_ready(at(10)).is_some());
    append(&mut accumulator, 10, &record(topic, Placement::Partition(3), b"lingers"));
    append(&mut accumulator, 10, &record(topic, Placement::Any, b"unassigned"));
    append(&mut accumulator, 10, &record(topic, Placement::Hash(1), b"pending"));
    assert!(accumulator.poll_expired(at(11)).is_none());
    accumulator.handle_topic(topic, TopicView::Failed(ErrorCode(29)));
    assert_eq!(accumulator.poll_timeout(), Some(at(11)));
    assert_eq!(take_all(&mut accumulator, at(11)).len(), 3);
    for _ in 0..2 {
        let batch = accumulator.poll_expired(at(11)).unwrap();
        assert_eq!((batch.partition, batch.count), (TopicPartition { topic, partition: -1 }, 1));
        give_back(&mut accumulator, batch);
    }
    assert!(accumulator.is_empty());

    for placement in [Placement::Any, Placement::Hash(7), Placement::Partition(0)] {
        let appended = accumulator.append(at(11), &record(topic, placement, b"later")).unwrap();
        assert!(appended.wake, "accepted, and handed over at once");
        let batch = accumulator.poll_expired(at(11)).or_else(|| {
            let key = accumulator.poll_ready(at(11))?;
            accumulator.take(key)
        });
        give_back(&mut accumulator, batch.unwrap());
        assert!(accumulator.poll_ready(at(11)).is_none());
        check(&mut accumulator);
    }
}

#[test]
fn a_topic_that_fails_while_its_records_move() {
    let (mut accumulator, topic) = unknown();
    for index in 0..4 {
        append(&mut accumulator, 0, &record(topic, Placement::Hash(index), &[0; 60]));
    }
    accumulator.handle_topic(topic, TopicView::Known { partitions: 4 });
    assert!(accumulator.poll_reassigned().is_some());
    accumulator.handle_topic(topic, TopicView::Failed(ErrorCode(3)));
    check(&mut accumulator);
    assert_eq!(accumulator.poll_reassigned(), None);
    let rest = accumulator.poll_expired(at(0)).unwrap();
    assert_eq!((rest.first, rest.count), (1, 3));
    assert_eq!(take_all(&mut accumulator, at(0)).len(), 1);
    give_back(&mut accumulator, rest);
    assert_eq!(accumulator.free_blocks(), 100);
    accumulator.handle_topic(topic, TopicView::Known { partitions: 4 });
    assert!(!append(&mut accumulator, 0, &record(topic, Placement::Hash(1), b"x")).pending, "it works again");
}

#[test]
fn a_stopped_move_goes_on_when_the_topic_comes_back() {
    let (mut accumulator, topic) = unknown();
    for index in 0..4 {
        append(&mut accumulator, 0, &record(topic, Placement::Hash(0), &[index; 60]));
    }
    accumulator.handle_topic(topic, TopicView::Known { partitions: 1 });
    assert!(accumulator.poll_reassigned().is_some());
    accumulator.handle_topic(topic, TopicView::Unknown);
    append(&mut accumulator, 0, &record(topic, Placement::Hash(0), &[4; 60]));
    move_all(&mut accumulator);
    accumulator.handle_topic(topic, TopicView::Known { partitions: 1 });
    move_all(&mut accumulator);
    let order: Vec<_> =
        take_all(&mut accumulator, at(0)).into_iter().flat_map(|(_, v)| v).map(|v| v[0]).collect();
    assert_eq!(order, [0, 1, 2, 3, 4]);
}

#[test]
fn a_topic_that_fails_and_comes_back_before_it_was_drained() {
    let (mut accumulator, topic) = unknown();
    for index in 0..4 {
        append(&mut accumulator, 0, &record(topic, Placement::Hash(0), &[index; 60]));
    }
    accumulator.handle_topic(topic, TopicView::Known { partitions: 1 });
    assert!(accumulator.poll_reassigned().is_some());
    accumulator.handle_topic(topic, TopicView::Failed(ErrorCode(3)));
    accumulator.handle_topic(topic, TopicView::Known { partitions: 1 });
    move_all(&mut accumulator);
    let mut outcomes: usize = take_all(&mut accumulator, at(0)).iter().map(|(_, values)| values.len()).sum();
    while let Some(batch) = accumulator.poll_expired(at(2000)) {
        outcomes += batch.count as usize;
        give_back(&mut accumulator, batch);
    }
    assert_eq!(outcomes, 4, "each record has one outcome");
    assert!(accumulator.is_empty());
}

#[test]
fn flush_and_close_while_the_topic_is_unknown() {
    let (mut accumulator, topic) = unknown();
    append(&mut accumulator, 0, &record(topic, Placement::Any, b"a"));
    append(&mut accumulator, 0, &record(topic, Placement::Hash(0), b"b"));
    accumulator.flush();
    accumulator.close();
    assert_eq!(take_all(&mut accumulator, at(0)), []);
    assert!(!accumulator.is_empty());
    accumulator.handle_topic(topic, TopicView::Known { partitions: 1 });
    assert_eq!(move_all(&mut accumulator).len(), 1);
    assert_eq!(take_all(&mut accumulator, at(0)).len(), 1);
    assert!(accumulator.is_empty());
}

#[test]
fn a_known_topic_without_partitions_is_an_unknown_one() {
    let (mut accumulator, topic) = unknown();
    accumulator.handle_topic(topic, TopicView::Known { partitions: 0 });
    assert!(append(&mut accumulator, 0, &record(topic, Placement::Hash(0), b"b")).pending);
    accumulator.handle_topic(topic, TopicView::Known { partitions: -5 });
    assert_eq!(accumulator.poll_reassigned(), None);
}

#[test]
fn topics_do_not_wait_for_each_other() {
    let (mut accumulator, first) = unknown();
    let second = accumulator.topic("second").unwrap();
    append(&mut accumulator, 0, &record(first, Placement::Hash(0), b"a"));
    append(&mut accumulator, 0, &record(second, Placement::Hash(0), b"b"));
    append(&mut accumulator, 0, &record(second, Placement::Hash(0), b"c"));
    accumulator.handle_topic(second, TopicView::Known { partitions: 1 });
    assert_eq!(move_all(&mut accumulator).len(), 2);
    accumulator.handle_topic(first, TopicView::Known { partitions: 1 });
    assert_eq!(move_all(&mut accumulator).len(), 1);
    assert_eq!(take_all(&mut accumulator, at(0)).len(), 2);
}

#[test]
fn moved_or_not_a_record_has_the_same_bytes() {
    let bytes = |placement, is_known_first: bool| {
        let (mut accumulator, topic) = unknown();
        let view = TopicView::Known { partitions: 1 };
        if is_known_first {
            accumulator.handle_topic(topic, view);
        }
        let headers = [crate::record::Header::new("unit", "degC"), crate::record::Header::null("n")];
        let base = record(topic, placement, b"value");
        let timestamp = Timestamp::from_millis(1_699_999_000_000);
        append(&mut accumulator, 0, &Record { headers: &headers, ..base });
        append(&mut accumulator, 0, &Record { value: None, timestamp, ..base });
        append(&mut accumulator, 0, &Record { key: None, value: None, ..base });
        append(&mut accumulator, 0, &Record { key: Some(b""), value: Some(b""), ..base });
        append(&mut accumulator, 0, &Record { key: Some(&[7; 70]), value: Some(&[9; 300]), ..base });
        accumulator.handle_topic(topic, view);
        assert_eq!(move_all(&mut accumulator).len(), if is_known_first { 0 } else { 5 });
        let mut batch = accumulator.take(TopicPartition { topic, partition: 0 }).unwrap();
        batch.seal();
        batch.chain().unwrap().pieces().flatten().copied().collect::<Vec<_>>()
    };
    assert_eq!(bytes(Placement::Hash(4), false), bytes(Placement::Hash(4), true));
}
