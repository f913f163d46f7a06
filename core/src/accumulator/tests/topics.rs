use super::*;

#[test]
fn a_name_is_interned_once() {
    let mut accumulator = accumulator(config(), 4, 4);
    let first = accumulator.topic("a").unwrap();
    let second = accumulator.topic("b").unwrap();
    assert_ne!(first, second);
    for (name, id) in [("a", first), ("a", first), ("b", second), ("a", first)] {
        assert_eq!(accumulator.topic(name), Ok(id));
        assert_eq!(accumulator.topic_name(id), name);
    }
    assert_eq!(accumulator.topics(), 2);
    assert_eq!(accumulator.topic_name(TopicId(2)), "");
    assert_eq!(accumulator.topic_name(TopicId(u16::MAX)), "");
}

#[test]
fn more_topics_than_slots_or_bytes_for_names_are_refused() {
    let mut four = accumulator(config(), 4, 4);
    for name in ["a", "b", "c", "d"] {
        four.topic(name).unwrap();
    }
    assert_eq!(four.topic("e"), Err(TopicError::TooManyTopics { max: 4 }));
    assert!(four.topic("a").is_ok(), "what is known is still found");

    let mut names = accumulator(config(), 4, 4);
    let long = "x".repeat(60);
    assert!(names.topic(&long).is_ok());
    assert_eq!(names.topic("abcde"), Err(TopicError::TooManyTopics { max: 4 }), "64 bytes for names");
    assert!(names.topic("abcd").is_ok());
}

#[test]
fn names_that_kafka_refuses_are_refused_here() {
    let mut accumulator = accumulator(config(), 4, 4);
    let long = "x".repeat(250);
    for name in ["", ".", "..", "a b", "a/b", "tempé", &long] {
        assert_eq!(accumulator.topic(name), Err(TopicError::InvalidName), "{name:?}");
    }
    assert!(accumulator.topic("A.z_0-9...").is_ok());
    assert_eq!(accumulator.topics(), 1);
}

#[test]
fn a_topic_that_was_never_interned_has_no_partition() {
    let mut accumulator = accumulator(config(), 4, 4);
    for placement in [Placement::Any, Placement::Hash(1), Placement::Partition(0)] {
        let refused = accumulator.append(at(0), &record(TopicId(0), placement, b"x"));
        assert!(matches!(refused, Err(AppendError::UnknownPartition { count: 0, .. })), "{refused:?}");
    }
    accumulator.handle_topic(TopicId(0), TopicView::Known { partitions: 1 });
    assert!(accumulator.is_empty());
}

#[test]
fn thousand_names_in_a_small_table_are_all_found() {
    let mut accumulator = Accumulator::<Boxes>::new(
        config(),
        AccumulatorTables {
            topics: table(1000, TopicSlot::default),
            names: table(9000, || 0),
            partitions: table(1, PartitionSlot::default),
            index: table(2, || 0),
            batches: table(2, BatchSlot::default),
            brokers: table(3, BrokerSlot::default),
            leaders: table(10_000, || 7),
        },
    );
    let names: Vec<_> = (0..1000).map(|topic| std::format!("topic-{topic}")).collect();
    for round in 0..2 {
        for (index, name) in names.iter().enumerate() {
            assert_eq!(accumulator.topic(name), Ok(TopicId(index as u16)), "round {round}");
        }
    }
}

#[test]
fn without_tables_everything_is_refused() {
    let mut accumulator = Accumulator::<Boxes>::new(
        config(),
        AccumulatorTables {
            topics: Box::new([]),
            names: Box::new([]),
            partitions: Box::new([]),
            index: Box::new([]),
            batches: Box::new([]),
            brokers: Box::new([]),
            leaders: Box::new([]),
        },
    );
    assert_eq!(accumulator.topic("a"), Err(TopicError::TooManyTopics { max: 0 }));
    assert_eq!(accumulator.poll_timeout(), None);
    assert!(accumulator.poll_ready(at(1)).is_none() && accumulator.poll_expired(at(1)).is_none());
}
