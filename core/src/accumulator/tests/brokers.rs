//! Several brokers: memory is shared among them, and records without a key go where they can be sent.

use super::*;
use crate::config::Spread;

/// Ten blocks, and a topic whose `leaders` are told; each broker takes records.
fn cluster(leaders: &[u16]) -> (Accumulator<Boxes>, TopicId) {
    with(config(), 10, leaders)
}

fn with(config: AccumulatorConfig, blocks: usize, leaders: &[u16]) -> (Accumulator<Boxes>, TopicId) {
    let mut accumulator = accumulator(config, blocks, 8);
    let topic = accumulator.topic("t").unwrap();
    accumulator.handle_topic(topic, TopicView::Known { partitions: leaders.len() as i32 });
    accumulator.handle_leaders(topic, 0, leaders.iter().map(|leader| Some(BrokerId(*leader))));
    for broker in 0..BROKERS {
        accumulator.handle_broker(BrokerId(broker as u16), true);
    }
    (accumulator, topic)
}

/// Sends records of a block each until one is refused: how many were taken, and the refusal.
fn fill(accumulator: &mut Accumulator<Boxes>, topic: TopicId, partition: i32) -> (u32, AppendError) {
    for taken in 0.. {
        let record = record(topic, Placement::Partition(partition), &[1; 90]);
        if let Err(error) = accumulator.append(at(0), &record) {
            check(accumulator);
            return (taken, error);
        }
    }
    unreachable!()
}

fn append(
    accumulator: &mut Accumulator<Boxes>,
    topic: TopicId,
    partition: i32,
) -> Result<Appended, AppendError> {
    accumulator.append(at(0), &record(topic, Placement::Partition(partition), b"a"))
}

fn no_share(partition: i32) -> AppendError {
    AppendError::NoShare { partition: Some(partition) }
}

#[test]
fn a_broker_leaves_a_share_to_others_in_use() {
    let (mut accumulator, topic) = cluster(&[0, 0, 0, 1]);
    append(&mut accumulator, topic, 3).unwrap();
    append(&mut accumulator, topic, 0).unwrap();
    append(&mut accumulator, topic, 1).unwrap();
    let (taken, refused) = fill(&mut accumulator, topic, 0);
    assert!(taken <= 3 && refused == no_share(0), "{taken}, {refused}");
    assert_eq!(append(&mut accumulator, topic, 2), Err(no_share(2)), "not by another partition either");
    assert!(accumulator.free_blocks() >= 4);
    let (taken, refused) = fill(&mut accumulator, topic, 3);
    assert_eq!((taken, refused), (3, AppendError::NoMemory), "the others' half, and a block in reserve");
}

#[test]
fn a_broker_alone_may_have_everything() {
    let (mut accumulator, topic) = cluster(&[0, 0]);
    append(&mut accumulator, topic, 1).unwrap();
    assert!(accumulator.take(TopicPartition { topic, partition: 1 }).is_some());
    fill(&mut accumulator, topic, 0);
    let (_, refused) = fill(&mut accumulator, topic, 1);
    assert_eq!(refused, AppendError::NoMemory, "two partitions of one broker, half each");
}

#[test]
fn what_is_stuck_leaves_a_share_to_what_could_be_sent_at_once() {
    let (mut accumulator, topic) = cluster(&[0, 0, 1]);
    accumulator.handle_broker(BrokerId(0), false);
    let (taken, refused) = fill(&mut accumulator, topic, 0);
    assert_eq!((taken, refused), (5, no_share(0)), "although nobody else holds anything");
    assert_eq!(append(&mut accumulator, topic, 1), Err(no_share(1)));
    assert!(append(&mut accumulator, topic, 2).is_ok());

    accumulator.handle_broker(BrokerId(0), true);
    let other = TopicPartition { topic, partition: 1 };
    assert!(!accumulator.has_share(other), "its broker still has more than its share");
    let batch = accumulator.take(TopicPartition { topic, partition: 2 }).unwrap();
    give_back(&mut accumulator, batch);
    assert!(accumulator.has_share(other), "there is nobody to leave it to any more");
}

#[test]
fn all_that_is_stuck_counts_together() {
    let (mut accumulator, topic) = cluster(&[0, 1, 2, 2]);
    accumulator.handle_broker(BrokerId(0), false);
    accumulator.handle_leaders(topic, 1, [None].into_iter());
    let unknown = accumulator.topic("unknown").unwrap();
    for _ in 0..2 {
        append(&mut accumulator, topic, 0).unwrap();
        append(&mut accumulator, topic, 1).unwrap();
        accumulator.append(at(0), &record(unknown, Placement::Hash(7), &[1; 90])).unwrap();
    }
    check(&mut accumulator);
    let refused = accumulator.append(at(0), &record(unknown, Placement::Hash(7), &[1; 90]));
    assert_eq!(refused, Err(AppendError::NoShare { partition: None }));
    assert!(append(&mut accumulator, topic, 3).is_ok());
}

#[test]
fn where_nothing_can_be_sent_all_memory_holds_records() {
    let (mut accumulator, topic) = cluster(&[0, 1, 2]);
    for broker in 0..BROKERS as u16 {
        accumulator.handle_broker(BrokerId(broker), false);
    }
    for partition in [0, 1, 2] {
        append(&mut accumulator, topic, partition).unwrap();
    }
    fill(&mut accumulator, topic, 0);
    let (_, refused) = fill(&mut accumulator, topic, 1);
    assert_eq!(refused, AppendError::NoMemory);
    assert_eq!(accumulator.free_blocks(), 1);
}

#[test]
fn what_a_partition_holds_moves_with_its_leader() {
    let (mut accumulator, topic) = cluster(&[0, 0, 1]);
    for partition in 0..3 {
        append(&mut accumulator, topic, partition).unwrap();
    }
    let batch = accumulator.take(TopicPartition { topic, partition: 0 }).unwrap();
    accumulator.handle_leaders(topic, 0, [Some(BrokerId(1)), None].into_iter());
    check(&mut accumulator);
    give_back(&mut accumulator, batch);
    check(&mut accumulator);
    accumulator.handle_topic(topic, TopicView::Known { partitions: 5 });
    accumulator.handle_leaders(topic, 3, [Some(BrokerId(2)), Some(BrokerId(99))].into_iter());
    append(&mut accumulator, topic, 3).unwrap();
    append(&mut accumulator, topic, 4).unwrap();
    check(&mut accumulator);
    assert_eq!(accumulator.leader(topic, 1), NOBODY, "a longer table keeps what it had");
    assert_eq!(accumulator.leader(topic, 0), 1);
    assert_eq!(accumulator.leader(topic, 4), NOBODY, "a broker without a place is nobody");
}

#[test]
fn a_stuck_partition_that_is_refused_does_not_end_others_linger() {
    let (mut accumulator, topic) = cluster(&[0, 1]);
    accumulator.handle_broker(BrokerId(0), false);
    append(&mut accumulator, topic, 1).unwrap();
    fill(&mut accumulator, topic, 0);
    while let Some(partition) = accumulator.poll_ready(at(0)) {
        assert_eq!(partition.partition, 0);
    }
    append(&mut accumulator, topic, 0).unwrap_err();
    assert_eq!(accumulator.poll_ready(at(0)), None);
    assert_eq!(accumulator.poll_ready(at(10)), Some(TopicPartition { topic, partition: 1 }));
}

/// How many of `records` records without a key go to each partition, if every batch is sent at once.
fn spread(accumulator: &mut Accumulator<Boxes>, topic: TopicId, records: u32) -> Vec<usize> {
    let mut counts = std::vec![0; 6];
    for _ in 0..records {
        accumulator.append(at(0), &record(topic, Placement::Any, &[1; 480])).unwrap();
        accumulator.flush();
        for (partition, values) in take_all(accumulator, at(0)) {
            counts[partition.partition as usize] += values.len();
        }
    }
    counts
}

#[test]
fn records_without_a_key_go_around_partitions_that_cannot_be_sent_to() {
    for spread_by in [Spread::Sticky, Spread::RoundRobin] {
        let config = AccumulatorConfig { spread: spread_by, ..config() };
        let (mut accumulator, topic) = with(config, 100, &[0, 1, 2, 0, 1, 2]);
        accumulator.handle_broker(BrokerId(1), false);
        accumulator.handle_leaders(topic, 5, [None].into_iter());
        let counts = spread(&mut accumulator, topic, 3_000);
        assert_eq!((counts[1], counts[4], counts[5]), (0, 0, 0), "{counts:?}");
        assert!([0, 2, 3].iter().all(|partition| counts[*partition] > 600), "{counts:?}");

        accumulator.handle_broker(BrokerId(1), true);
        let counts = spread(&mut accumulator, topic, 3_000);
        assert!(counts[..5].iter().all(|count| *count > 400), "{counts:?}");

        for broker in 0..BROKERS as u16 {
            accumulator.handle_broker(BrokerId(broker), false);
        }
        let counts = spread(&mut accumulator, topic, 3_000);
        assert!(counts.iter().all(|count| *count > 300), "nobody is better than the others: {counts:?}");
    }
}

#[test]
fn the_present_choice_is_over_when_its_broker_is_away() {
    for round in 0..20 {
        let (mut accumulator, topic) = with(AccumulatorConfig { seed: round, ..config() }, 100, &[0, 1]);
        let any = record(topic, Placement::Any, b"a");
        accumulator.append(at(0), &any).unwrap();
        let chosen = accumulator.partitions.at(0).key.partition;
        accumulator.handle_broker(BrokerId(chosen as u16), false);
        accumulator.append(at(0), &any).unwrap();
        accumulator.flush();
        let taken = take_all(&mut accumulator, at(0));
        assert_eq!(taken.len(), 2, "one record on each");
    }
}

#[test]
fn a_partition_whose_batches_are_slow_to_come_back_gets_fewer() {
    let (mut accumulator, topic) = with(config(), 100, &[0, 1, 2, 0, 1, 2]);
    let mut slow = std::collections::VecDeque::new();
    let mut counts = [0; 6];
    for _ in 0..3_000 {
        accumulator.append(at(0), &record(topic, Placement::Any, &[1; 480])).unwrap();
        accumulator.flush();
        while let Some(partition) = accumulator.poll_ready(at(0)) {
            let batch = accumulator.take(partition).unwrap();
            counts[partition.partition as usize] += batch.count;
            if partition.partition == 3 {
                slow.push_back(batch);
            } else {
                give_back(&mut accumulator, batch);
            }
        }
        if slow.len() > 2 {
            give_back(&mut accumulator, slow.pop_front().unwrap());
        }
        check(&mut accumulator);
    }
    let fast: u32 = counts.iter().sum::<u32>() - counts[3];
    assert!(counts[3] < fast / 10, "{counts:?}");
}

#[test]
fn without_room_for_leaders_partitions_are_used_all_the_same() {
    let tables = AccumulatorTables {
        topics: table(1, TopicSlot::default),
        names: table(8, || 0),
        partitions: table(8, PartitionSlot::default),
        index: table(16, || 0),
        batches: table(8, BatchSlot::default),
        brokers: table(1, BrokerSlot::default),
        leaders: table(2, || 0),
    };
    let mut accumulator = Accumulator::<Boxes>::new(config(), tables);
    for _ in 0..10 {
        accumulator.add_block(BoxBlock::new(100)).unwrap();
    }
    let topic = accumulator.topic("t").unwrap();
    accumulator.handle_topic(topic, TopicView::Known { partitions: 6 });
    accumulator.handle_leaders(topic, 0, [Some(BrokerId(0)); 6].into_iter());
    accumulator.handle_broker(BrokerId(0), true);
    assert!(append(&mut accumulator, topic, 5).is_ok());
    assert!(accumulator.append(at(0), &record(topic, Placement::Any, b"a")).is_ok());
    assert_eq!(accumulator.leader(topic, 0), NOBODY);
}
