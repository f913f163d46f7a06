//! Order per partition and one true outcome for each record, with five requests in flight, while things go wrong.

use std::time::Duration;

use felice_core::error::{ErrorKind, Persisted, Stage};
use felice_core::record::ProducerRecord;
use felice_host::Builder;

use super::stream::{PARTITIONS, Stream, impatient};
use super::tap::Tap;
use super::{FrontEnd, Handle, PATIENCE, Target, Witness};
use crate::cluster::{Action, Cluster, Fault};
use crate::protocol::{ApiKey, ErrorCode};

/// Many small batches, in flight at the same time, are stored in order.
pub fn many_batches<F: FrontEnd>(target: &Target) {
    let stream = Stream::<F>::new(target, "many-batches", |builder| builder.batch_size(300));
    let sent = stream.send(0..20_000);
    stream.finish(sent, 0);
}

/// Five requests are in flight on a connection, and never a sixth.
pub fn five_in_flight_and_no_more<F: FrontEnd>(target: &Target) {
    let cluster = target.cluster();
    let tap = Tap::new(cluster.address(1));
    cluster.with(|it| it.set_address(1, "127.0.0.1", tap.address().port().into()));
    let stream = Stream::<F>::new(target, "five-in-flight", |builder| builder.batch_size(300));
    let led_by_1 = |it: &Cluster, partition| it.partition(&stream.topic, partition).leader() == 1;
    let tapped = cluster.with(|it| (0..PARTITIONS).find(|&partition| led_by_1(it, partition)));
    let record = ProducerRecord::new(&stream.topic, Witness::value(0, 20)).partition(tapped.expect("one is"));

    // Until the leader has confirmed a batch of the partition there is one in flight.
    let mut sent = stream.send(0..3);
    stream.settled(sent);
    tap.hold();
    for in_flight in 1..=5 {
        stream.producer.send(&record).expect("there is room");
        tap.wait_for(in_flight);
    }
    (0..20).for_each(|_| drop(stream.producer.send(&record).expect("there is room")));
    // The other brokers' partitions go on meanwhile; so the driver has seen to all that waits.
    for partition in (0..PARTITIONS).filter(|&partition| Some(partition) != tapped) {
        let record = ProducerRecord::new(&stream.topic, Witness::value(0, 20)).partition(partition);
        stream.producer.send(&record).expect("there is room").get().expect("it is stored");
    }
    assert_eq!(tap.most(), 5);
    tap.release();
    sent = stream.send(sent..sent + 10_000);
    stream.settled(sent);
    assert_eq!(tap.most(), 5);
}

/// Each retriable error, silence, and closed connections, before and after the append: nobody hears of any of it.
pub fn what_can_be_repeated_is<F: FrontEnd>(target: &Target) {
    let stream = Stream::<F>::new(target, "repeated", impatient);
    let errors = [
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::LEADER_NOT_AVAILABLE,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::NOT_ENOUGH_REPLICAS,
        ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        ErrorCode::REQUEST_TIMED_OUT,
        ErrorCode::KAFKA_STORAGE_ERROR,
        ErrorCode::FENCED_LEADER_EPOCH,
    ];
    let refused = errors.iter().map(|&code| Action::Error(code));
    let stored_all_the_same = [
        ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        ErrorCode::REQUEST_TIMED_OUT,
        ErrorCode::KAFKA_STORAGE_ERROR,
    ];
    let belied = stored_all_the_same.iter().map(|&code| Action::ApplyThenError(code));
    let silence = [Action::Drop, Action::ApplyThenDrop, Action::Close, Action::ApplyThenClose];
    let mut sent = 0;
    for action in refused.chain(belied).chain(silence) {
        // Once, and several times in a row: the first repetition goes wrong, too.
        for times in [1, 3] {
            sent = stream.through(&Fault::new(ApiKey::PRODUCE, action).times(times), sent);
        }
    }
    // A damaged batch is not repeated for ever, so this one must not have met anything else.
    stream.settled(sent);
    sent = stream.through(&Fault::error(ApiKey::PRODUCE, ErrorCode::CORRUPT_MESSAGE), sent);
    let last = stream.send(sent..sent + 2_000);
    stream.finish(last, 0);
}

/// The same for one partition of requests that carry several.
pub fn one_partition_of_a_request_fails<F: FrontEnd>(target: &Target) {
    let stream = Stream::<F>::new(target, "one-partition", impatient);
    let mut sent = 0;
    for partition in 0..PARTITIONS {
        for action in [
            Action::Error(ErrorCode::NOT_ENOUGH_REPLICAS),
            Action::Error(ErrorCode::NOT_LEADER_OR_FOLLOWER),
            Action::ApplyThenError(ErrorCode::REQUEST_TIMED_OUT),
        ] {
            let fault = Fault::new(ApiKey::PRODUCE, action).on_partition(&stream.topic, partition).times(2);
            sent = stream.through(&fault, sent);
        }
    }
    stream.finish(sent, 0);
}

/// Leaders move, connections close, brokers stop and start, again and again under load.
pub fn leaders_move<F: FrontEnd>(target: &Target) {
    let stream = Stream::<F>::new(target, "leaders-move", impatient);
    let cluster = target.cluster();
    // Only what happens while requests are on their way shows anything.
    let under_load = || {
        let arrived = |it: &Cluster| it.requests().count(ApiKey::PRODUCE);
        let enough = cluster.with(|it| arrived(it)) + 10;
        assert!(cluster.wait_until(PATIENCE, |it| arrived(it) >= enough), "requests go on");
    };
    let disturb = || {
        for round in 0..30 {
            let broker = 1 + round % 3;
            under_load();
            cluster.with(|it| it.set_leader(&stream.topic, round % PARTITIONS, 1 + (round + 1) % 3));
            under_load();
            cluster.disconnect_clients(broker);
            under_load();
            cluster.stop_broker(broker);
            under_load();
            cluster.start_broker(broker);
        }
    };
    let sent = stream.send_during(disturb);
    stream.finish(sent, 0);
}

/// Batches that the broker refuses for good fail, with the truth about the log; what comes after them goes on in order.
pub fn refused_batches<F: FrontEnd>(target: &Target) {
    let stream = Stream::<F>::new(target, "refused-batches", impatient);
    let mut sent = 0;
    for action in [
        Action::Error(ErrorCode::INVALID_RECORD),
        Action::Error(ErrorCode::TOPIC_AUTHORIZATION_FAILED),
        Action::Error(ErrorCode::INVALID_TIMESTAMP),
        Action::Error(ErrorCode::UNKNOWN_SERVER_ERROR),
        Action::ApplyThenError(ErrorCode::UNKNOWN_SERVER_ERROR),
    ] {
        sent = stream.through(&Fault::new(ApiKey::PRODUCE, action).times(2), sent);
    }
    let failures = stream.settled(sent);
    assert!(failures.iter().all(|(_, error)| matches!(error.kind(), ErrorKind::Broker(_))), "{failures:?}");
    let failed = failures.len();
    assert!(failed >= 10, "each refused request had a record");
    stream.finish(sent, failed);
}

/// An answer that never comes ends with the delivery timeout, which says that the record may be stored; what follows
/// goes on in order.
pub fn an_answer_that_never_comes<F: FrontEnd>(target: &Target) {
    let timeouts = |builder: Builder<F>| {
        builder.request_timeout(Duration::from_millis(200)).delivery_timeout(Duration::from_millis(900))
    };
    let stream = Stream::<F>::new(target, "never-answered", timeouts);
    let cluster = target.cluster();
    let mut sent = stream.send(0..300);
    stream.settled(sent);
    for action in [Action::Drop, Action::ApplyThenDrop] {
        cluster.with(|it| it.inject(Fault::new(ApiKey::PRODUCE, action).times(u32::MAX)));
        let before = sent;
        sent = stream.send(sent..sent + 300);
        let failures = stream.settled(sent);
        let of_these = || failures.iter().filter(|(number, _)| *number >= before);
        assert_eq!(of_these().count(), 300, "none of them was answered");
        for (_, error) in of_these() {
            assert!(matches!(error.kind(), ErrorKind::DeliveryTimeout(_)), "{error}");
            if error.kind() == ErrorKind::DeliveryTimeout(Stage::InFlight) {
                assert_eq!(error.persisted(), Persisted::Possibly, "{error}");
            }
            assert!(error.is_retriable() && error.to_string().contains("delivery.timeout.ms"), "{error}");
        }
        assert!(
            of_these().any(|(_, error)| error.persisted() == Persisted::Possibly && error.attempts() > 0)
        );
        cluster.with(Cluster::clear_faults);
        sent = stream.send(sent..sent + 300);
        let failed = stream.settled(sent).len();
        assert!(failed <= sent as usize - 600, "what followed was stored: {failed} of {sent} failed");
    }
    let failed = stream.settled(sent).len();
    stream.finish(sent, failed);
}
