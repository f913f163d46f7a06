//! Order per partition and one true outcome for each record, with five requests in flight, while things go wrong.

use std::thread;
use std::time::Duration;

use felice_core::error::{ErrorKind, Persisted, Stage};
use felice_core::record::ProducerRecord;
use felice_host::Builder;

use super::tap::Tap;
use super::{FrontEnd, Handle, PATIENCE, Target, Witness, builder, wait_until};
use crate::cluster::{Action, Cluster, Fault};
use crate::protocol::{ApiKey, ErrorCode};

/// Partitions that are led by different brokers, where there are three.
const PARTITIONS: i32 = 3;

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
    let mut sent = 0;
    thread::scope(|scope| {
        let disturbing = scope.spawn(disturb);
        while !disturbing.is_finished() {
            sent = stream.send(sent..sent + 100);
        }
    });
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

/// What is wrong is found out soon.
fn impatient<F: FrontEnd>(builder: Builder<F>) -> Builder<F> {
    builder
        .batch_size(300)
        .request_timeout(Duration::from_millis(400))
        .retry_backoff(Duration::from_millis(5))
        .retry_backoff_max(Duration::from_millis(50))
        .reconnect_backoff(Duration::from_millis(5))
        .reconnect_backoff_max(Duration::from_millis(50))
}

/// Numbered records to all partitions in turn, and the witness of their outcomes.
struct Stream<'t, F> {
    target: &'t Target,
    topic: String,
    producer: F,
    witness: Witness,
}

impl<'t, F: FrontEnd> Stream<'t, F> {
    fn new(target: &'t Target, name: &str, settings: impl FnOnce(Builder<F>) -> Builder<F>) -> Self {
        let topic = format!("{}-{name}", F::NAME);
        target.create_topic(&topic, PARTITIONS);
        let witness = Witness::default();
        let producer = settings(builder(target)).callback(witness.clone()).build();
        Self { target, topic, producer: producer.expect("the settings fit"), witness }
    }

    /// Sends these, and says which number is next.
    fn send(&self, numbers: std::ops::Range<u64>) -> u64 {
        for number in numbers.clone() {
            let partition = (number % PARTITIONS as u64) as i32;
            let record = ProducerRecord::new(&self.topic, Witness::value(number, 20)).partition(partition);
            let sent = self.producer.send_with_token(&record, number);
            sent.unwrap_or_else(|error| panic!("record {number}: {error}"));
        }
        numbers.end
    }

    /// Sends from `number` on until the fault has happened as often as it should, and then some more.
    fn through(&self, fault: &Fault, mut number: u64) -> u64 {
        let cluster = self.target.cluster();
        number = self.send(number..number + 50);
        cluster.with(|it| it.inject(fault.clone()));
        wait_until(&format!("{fault:?} happens"), || {
            number = self.send(number..number + 30);
            cluster.with(|it| it.faults_left()) == 0
        });
        self.send(number..number + 100)
    }

    /// Waits for all outcomes; the failures.
    fn settled(&self, accepted: u64) -> Vec<(u64, felice_host::ProduceError)> {
        self.producer.flush().expect("this is no callback");
        assert_eq!(self.witness.heard(), accepted, "flush waits for every outcome");
        self.witness.failures()
    }

    /// Checks all that was sent against the log. `failures` is how many may have failed.
    fn finish(self, accepted: u64, failures: usize) {
        let failed = self.settled(accepted);
        assert_eq!(failed.len(), failures, "of {accepted}; {:?}", failed.first());
        assert_eq!(self.producer.failed(), failures as u64);
        self.producer.close(PATIENCE).expect("nothing is left");
        self.witness.check(accepted, &self.target.read(&self.topic));
        println!("{}: {accepted} records, {failures} failures", self.topic);
    }
}
