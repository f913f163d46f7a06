use super::*;

/// Partition 0 has its share.
const NO_SHARE: AppendError = AppendError::NoShare { partition: Some(0) };

fn append(
    accumulator: &mut Accumulator<Boxes>,
    topic: TopicId,
    partition: i32,
    bytes: usize,
) -> Result<Appended, AppendError> {
    let before = snapshot(accumulator);
    let value = std::vec![1; bytes];
    let result = accumulator.append(at(0), &record(topic, Placement::Partition(partition), &value));
    if result.is_err() {
        assert_eq!(before, snapshot(accumulator), "a refused record leaves nothing behind");
    }
    check(accumulator);
    result
}

fn snapshot(accumulator: &Accumulator<Boxes>) -> (u32, u32, u32, u32, u32) {
    (
        accumulator.free_blocks(),
        accumulator.held_batches(),
        accumulator.out_batches(),
        accumulator.partitions_in_use(),
        held_blocks(accumulator),
    )
}

fn with(blocks: usize, partitions: usize, config: AccumulatorConfig) -> (Accumulator<Boxes>, TopicId) {
    let mut accumulator = accumulator(config, blocks, partitions);
    let topic = accumulator.topic("t").unwrap();
    accumulator.handle_topic(topic, TopicView::Known { partitions: 100 });
    (accumulator, topic)
}

#[test]
fn the_last_block_is_kept_in_reserve() {
    let (mut accumulator, topic) = with(4, 8, config());
    for partition in 0..3 {
        append(&mut accumulator, topic, partition, 10).unwrap();
    }
    assert_eq!(append(&mut accumulator, topic, 3, 10), Err(AppendError::NoMemory));
    assert_eq!(accumulator.free_blocks(), 1);
    assert!(append(&mut accumulator, topic, 0, 10).is_ok(), "what fits into an open block is taken");
}

#[test]
fn a_refused_append_makes_all_that_lingers_ready() {
    let (mut accumulator, topic) = with(4, 8, config());
    for partition in 0..3 {
        append(&mut accumulator, topic, partition, 10).unwrap();
    }
    assert!(accumulator.poll_ready(at(0)).is_none());
    append(&mut accumulator, topic, 3, 10).unwrap_err();
    assert_eq!(accumulator.poll_timeout(), Some(at(0)));
    assert_eq!(take_all(&mut accumulator, at(0)).len(), 3);
    assert!(append(&mut accumulator, topic, 3, 10).is_ok());
    assert!(accumulator.poll_ready(at(0)).is_none(), "only what was held then");
}

#[test]
fn a_record_that_can_never_fit_is_refused_for_good() {
    let (mut accumulator, topic) = with(100, 8, config());
    let alone = 3000 - HEADER_BYTES - 9; // length 2, attributes, deltas, null key, value length 2, no headers
    assert!(append(&mut accumulator, topic, 0, alone).is_ok());
    let refused = append(&mut accumulator, topic, 1, alone + 1);
    assert_eq!(refused, Err(AppendError::RecordTooLarge { bytes: 3001, max: 3000 }));

    let (mut small, topic) = with(4, 8, config());
    let refused = append(&mut small, topic, 0, 300).unwrap_err();
    assert!(
        matches!(refused, AppendError::RecordTooLarge { max, .. } if max == 300 - 13 + 61),
        "{refused:?}"
    );
    assert!(append(&mut small, topic, 0, 270).is_ok(), "all blocks but the reserve");
}

#[test]
fn sizes_beyond_32_bits_are_not_cut() {
    let (mut accumulator, topic) = with(4, 8, AccumulatorConfig { request_bytes_max: u32::MAX, ..config() });
    assert!(append(&mut accumulator, topic, 0, 1_000_000).is_err());
    assert!(append(&mut accumulator, topic, 0, 100).is_ok());
}

#[test]
fn a_partition_holds_its_share_while_others_are_in_use() {
    let (mut accumulator, topic) = with(10, 8, config());
    for _ in 0..6 {
        append(&mut accumulator, topic, 0, 80).unwrap(); // alone it may have more than its half
    }
    append(&mut accumulator, topic, 1, 10).unwrap();
    let mut refused = None;
    for _ in 0..3 {
        refused = append(&mut accumulator, topic, 0, 80).err();
    }
    assert_eq!(refused, Some(NO_SHARE));
    assert!(accumulator.free_blocks() > 1, "the others' half is free");
    assert!(!accumulator.has_share(TopicPartition { topic, partition: 0 }));
    assert!(accumulator.has_share(TopicPartition { topic, partition: 1 }));
    assert!(append(&mut accumulator, topic, 1, 80).is_ok());
    assert!(append(&mut accumulator, topic, 2, 10).is_ok());

    let batch = accumulator.take(TopicPartition { topic, partition: 0 }).unwrap();
    let refused = append(&mut accumulator, topic, 0, 80);
    assert_eq!(refused, Err(NO_SHARE), "what is with the sender counts");
    give_back(&mut accumulator, batch);
    assert!(accumulator.has_share(TopicPartition { topic, partition: 0 }));
    assert!(append(&mut accumulator, topic, 0, 80).is_ok());
}

#[test]
fn one_that_holds_nothing_may_have_a_record_beyond_its_share() {
    let (mut accumulator, topic) = with(10, 8, config());
    append(&mut accumulator, topic, 1, 10).unwrap();
    append(&mut accumulator, topic, 2, 10).unwrap();
    assert!(append(&mut accumulator, topic, 0, 650).is_ok());
    assert_eq!(append(&mut accumulator, topic, 0, 100), Err(NO_SHARE));
}

#[test]
fn the_share_counts_queues_of_unknown_topics() {
    let (mut accumulator, topic) = with(10, 8, config());
    let other = accumulator.topic("other").unwrap();
    append(&mut accumulator, topic, 0, 10).unwrap();
    let value = [0; 80];
    let mut taken = 0;
    while accumulator.append(at(0), &record(other, Placement::Hash(1), &value)).is_ok() {
        taken += 1;
        check(&mut accumulator);
    }
    assert!((4..=5).contains(&taken), "{taken}");
    assert!(append(&mut accumulator, topic, 1, 80).is_ok());
}

#[test]
fn any_partition_means_one_that_has_a_place() {
    let (mut accumulator, topic) = with(10, 8, config());
    accumulator.handle_topic(topic, TopicView::Known { partitions: 2 });
    append(&mut accumulator, topic, 0, 450).unwrap();
    append(&mut accumulator, topic, 1, 10).unwrap();
    for _ in 0..2 {
        let value = [0; 120];
        accumulator.append(at(0), &record(topic, Placement::Any, &value)).unwrap();
    }
    let batch = accumulator.take(TopicPartition { topic, partition: 1 }).unwrap();
    assert_eq!(batch.count, 3, "partition 0 has its share");
}

#[test]
fn partitions_are_evicted_when_idle() {
    let (mut accumulator, topic) = with(100, 2, config());
    append(&mut accumulator, topic, 0, 10).unwrap();
    append(&mut accumulator, topic, 1, 10).unwrap();
    assert_eq!(append(&mut accumulator, topic, 2, 10), Err(AppendError::TooManyPartitions { max: 2 }));
    assert!(append(&mut accumulator, topic, 1, 10).is_ok());
    let batch = accumulator.take(TopicPartition { topic, partition: 0 }).unwrap();
    assert_eq!(append(&mut accumulator, topic, 2, 10), Err(AppendError::TooManyPartitions { max: 2 }), "out");
    give_back(&mut accumulator, batch);
    assert!(append(&mut accumulator, topic, 2, 10).is_ok());
}

#[test]
fn any_partition_finds_one_in_use_when_slots_are_short() {
    let (mut accumulator, topic) = with(100, 1, config());
    accumulator.append(at(0), &record(topic, Placement::Any, b"a")).unwrap();
    let value = [0; 990];
    for _ in 0..20 {
        // Each fills a batch, so another partition is drawn, for which there is no slot.
        match accumulator.append(at(0), &record(topic, Placement::Any, &value)) {
            Ok(_) | Err(AppendError::TooManyPartitions { max: 1 }) => {}
            other => panic!("{other:?}"),
        }
        take_all(&mut accumulator, at(0));
    }
    assert_eq!(accumulator.partitions_in_use(), 0);
}

#[test]
fn batch_slots_are_a_limit_too() {
    let mut accumulator = with_batches(config(), 10, 8, 3);
    let topic = accumulator.topic("t").unwrap();
    accumulator.handle_topic(topic, TopicView::Known { partitions: 100 });
    append(&mut accumulator, topic, 0, 10).unwrap();
    append(&mut accumulator, topic, 1, 10).unwrap();
    assert_eq!(append(&mut accumulator, topic, 2, 10), Err(AppendError::NoMemory), "one is kept for moving");
    assert!(append(&mut accumulator, topic, 1, 10).is_ok());
}

#[test]
fn partitions_beyond_the_known_are_refused() {
    let (mut accumulator, topic) = with(100, 8, config());
    append(&mut accumulator, topic, 50, 10).unwrap();
    accumulator.handle_topic(topic, TopicView::Known { partitions: 3 });
    for partition in [-1, 3, 50, i32::MAX, i32::MIN] {
        let refused = append(&mut accumulator, topic, partition, 10);
        assert_eq!(refused, Err(AppendError::UnknownPartition { partition, count: 3 }));
    }
    assert!(append(&mut accumulator, topic, 2, 10).is_ok());
    let taken = take_all(&mut accumulator, at(10));
    assert_eq!(taken.len(), 2, "what is held already is handed over as usual");

    let unknown = accumulator.topic("unknown").unwrap();
    let refused = append(&mut accumulator, unknown, -2, 10);
    assert_eq!(refused, Err(AppendError::UnknownPartition { partition: -2, count: 0 }));
}

#[test]
fn blocks_of_another_length_are_handed_back() {
    let mut accumulator = accumulator(config(), 2, 2);
    assert!(accumulator.add_block(BoxBlock::new(99)).is_err());
    assert!(accumulator.add_block(BoxBlock::new(0)).is_err());
    assert_eq!((accumulator.total_blocks(), accumulator.block_bytes()), (2, 100));
}

#[test]
fn the_index_finds_every_partition_after_many_came_and_went() {
    let mut accumulator = with_batches(config(), 100, 40, 100);
    let topic = accumulator.topic("t").unwrap();
    accumulator.handle_topic(topic, TopicView::Known { partitions: 10_000 });
    let mut next = 0_i32;
    for round in 0..200 {
        while accumulator.partitions_in_use() < 40 {
            append(&mut accumulator, topic, next.wrapping_mul(7919) % 9973, 1).unwrap();
            next += 1;
        }
        for slot in (0..40).filter(|slot| (slot + round) % 3 == 0) {
            let key = accumulator.partitions.at(slot).key;
            if let Some(batch) = accumulator.take(key) {
                give_back(&mut accumulator, batch);
            }
        }
        check(&mut accumulator);
    }
}

#[test]
fn sticky_is_uniform_and_switches_after_a_batch() {
    let (mut accumulator, topic) = with(100, 8, config());
    accumulator.handle_topic(topic, TopicView::Known { partitions: 5 });
    let value = [0; 91]; // 98 bytes as a record, 9 to a batch
    let mut runs = Vec::new();
    for _ in 0..9000 {
        accumulator.append(at(0), &record(topic, Placement::Any, &value)).unwrap();
        for (key, values) in take_all(&mut accumulator, at(0)) {
            runs.push((key.partition, values.len()));
            assert!(accumulator.is_empty(), "nothing was put behind a full batch");
        }
    }
    assert!(runs.iter().all(|(_, records)| *records == 9), "each choice makes one full batch");
    for partition in 0..5 {
        let count = runs.iter().filter(|(chosen, _)| *chosen == partition).count();
        assert!((150..250).contains(&count), "{count} of 1000 to partition {partition}");
    }
}

#[test]
fn the_same_seed_makes_the_same_choices() {
    let choices = |seed| {
        let (mut accumulator, topic) = with(100, 8, AccumulatorConfig { seed, ..config() });
        (0..20)
            .map(|_| {
                accumulator.append(at(0), &record(topic, Placement::Any, &[0; 990])).unwrap();
                take_all(&mut accumulator, at(0))[0].0.partition
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(choices(7), choices(7));
    assert_ne!(choices(7), choices(8));
}

#[test]
fn round_robin_goes_to_each_partition_in_turn() {
    let config = AccumulatorConfig { spread: crate::config::Spread::RoundRobin, ..config() };
    let (mut accumulator, topic) = with(100, 8, config);
    accumulator.handle_topic(topic, TopicView::Known { partitions: 4 });
    for _ in 0..12 {
        accumulator.append(at(0), &record(topic, Placement::Any, b"a")).unwrap();
    }
    let mut taken = take_all(&mut accumulator, at(10));
    taken.sort_by_key(|(key, _)| key.partition);
    let counts: Vec<_> = taken.iter().map(|(key, values)| (key.partition, values.len())).collect();
    assert_eq!(counts, [(0, 3), (1, 3), (2, 3), (3, 3)]);
}

#[test]
fn batches_end_where_the_broker_has_shown_to_take_no_more() {
    let (mut accumulator, topic) = with(100, 8, config());
    accumulator.limit_batches(topic, 400);
    for _ in 0..20 {
        append(&mut accumulator, topic, 0, 90).unwrap();
    }
    accumulator.flush();
    let taken = take_all(&mut accumulator, at(0));
    let counts: Vec<usize> = taken.iter().map(|(_, values)| values.len()).collect();
    assert_eq!(counts, [3, 3, 3, 3, 3, 3, 2], "three records of 98 bytes and a header fit into 400");
    append(&mut accumulator, topic, 0, 1_000).expect("one record may be larger: the broker decides");
}
