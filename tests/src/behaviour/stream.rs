//! A stream of numbered records to one topic, and the witness of their outcomes.

use std::thread;
use std::time::Duration;

use felice_core::error::{ErrorCode, ErrorKind, Persisted};
use felice_core::record::ProducerRecord;
use felice_host::{Builder, ProduceError};

use super::{FrontEnd, PATIENCE, Target, Witness, builder, soak, wait_until};
use crate::cluster::Fault;

/// Partitions that are led by different brokers.
pub(super) const PARTITIONS: i32 = 3;

/// What is wrong is found out soon.
pub(super) fn impatient<F: FrontEnd>(builder: Builder<F>) -> Builder<F> {
    builder
        .batch_size(300)
        .request_timeout(Duration::from_millis(400))
        .retry_backoff(Duration::from_millis(5))
        .retry_backoff_max(Duration::from_millis(50))
        .reconnect_backoff(Duration::from_millis(5))
        .reconnect_backoff_max(Duration::from_millis(50))
}

/// How many records may have no outcome while something is disturbed: more than fit the requests in flight, and few enough
/// to be read back in a moment.
fn open() -> u64 {
    if soak::is_on() { 3_000 } else { 300 }
}

/// Numbered records to all partitions in turn, and the witness of their outcomes.
pub(super) struct Stream<'t, F> {
    target: &'t Target,
    pub(super) topic: String,
    pub(super) producer: F,
    witness: Witness,
}

impl<'t, F: FrontEnd> Stream<'t, F> {
    /// To a topic of its own.
    pub(super) fn new(
        target: &'t Target,
        name: &str,
        settings: impl FnOnce(Builder<F>) -> Builder<F>,
    ) -> Self {
        let topic = format!("{}-{name}", F::NAME);
        target.create_topic(&topic, PARTITIONS);
        Self::to(target, topic, settings)
    }

    /// To a topic that is there.
    pub(super) fn to(
        target: &'t Target,
        topic: String,
        settings: impl FnOnce(Builder<F>) -> Builder<F>,
    ) -> Self {
        let witness = Witness::default();
        let producer = settings(builder(target)).callback(witness.clone()).build();
        Self { target, topic, producer: producer.expect("the settings fit"), witness }
    }

    /// Sends these, and says which number is next.
    pub(super) fn send(&self, numbers: std::ops::Range<u64>) -> u64 {
        for number in numbers.clone() {
            let partition = (number % PARTITIONS as u64) as i32;
            let record = ProducerRecord::new(&self.topic, Witness::value(number, 20)).partition(partition);
            let sent = self.producer.send_with_token(&record, number);
            sent.unwrap_or_else(|error| panic!("record {number}: {error}"));
        }
        numbers.end
    }

    /// Sends from `number` on until the fault has happened as often as it should, and then some more.
    pub(super) fn through(&self, fault: &Fault, mut number: u64) -> u64 {
        let cluster = self.target.cluster();
        number = self.send(number..number + 50);
        cluster.with(|it| it.inject(fault.clone()));
        wait_until(&format!("{fault:?} happens"), || {
            number = self.send(number..number + 30);
            cluster.with(|it| it.faults_left()) == 0
        });
        self.send(number..number + 100)
    }

    /// Sends while `disturb` runs, and says which number is next. In the soak it runs again until there were records enough.
    pub(super) fn send_during(&self, disturb: impl FnMut() + Send) -> u64
    where
        Self: Sync,
    {
        self.send_while(|| soak::rounds(disturb, || self.heard()))
    }

    /// The same with two streams, of which the second is in a hurry: what it sends may fail.
    pub(super) fn send_both_during(&self, hurried: &Self, disturb: impl FnMut() + Send) -> (u64, u64)
    where
        Self: Sync,
    {
        let mut of_hurried = 0;
        let heard = || self.heard().min(hurried.heard());
        let sent = self.send_while(|| of_hurried = hurried.send_while(|| soak::rounds(disturb, heard)));
        (sent, of_hurried)
    }

    fn send_while(&self, work: impl FnOnce() + Send) -> u64
    where
        Self: Sync,
    {
        let mut sent = 0;
        thread::scope(|scope| {
            let working = scope.spawn(work);
            while !working.is_finished() {
                sent = self.send(sent..sent + 100);
                wait_until("records go on", || self.witness.heard() + open() >= sent);
            }
        });
        sent
    }

    /// How many outcomes there are.
    pub(super) fn heard(&self) -> u64 {
        self.witness.heard()
    }

    /// Waits for so many more outcomes, and for more than there may be without those of one partition.
    pub(super) fn goes_on(&self, outcomes: u64) {
        let enough = self.witness.heard() + outcomes.max(open() + 200);
        wait_until("records go on", || self.witness.heard() >= enough);
    }

    /// Waits until a record has failed as not stored.
    pub(super) fn loses(&self) {
        wait_until("a record has failed as not stored", || {
            self.witness.failures().iter().any(|(_, error)| error.persisted() == Persisted::No)
        });
    }

    /// Waits for all outcomes; the failures.
    pub(super) fn settled(&self, accepted: u64) -> Vec<(u64, ProduceError)> {
        self.producer.flush().expect("this is no callback");
        assert_eq!(self.witness.heard(), accepted, "flush waits for every outcome");
        self.witness.failures()
    }

    /// Checks all that was sent against the log. `failures` is how many may have failed.
    pub(super) fn finish(self, accepted: u64, failures: usize) {
        let failed = self.settled(accepted);
        assert_eq!(failed.len(), failures, "of {accepted}; {:?}", failed.first());
        self.check(accepted, &failed);
    }

    /// The same where records must have failed, since their time was over, or that of those before them while they were under
    /// way together; and some of them as not stored: the log does not hold those.
    pub(super) fn finish_failing(self, accepted: u64) {
        let failed = self.settled(accepted);
        for (number, error) in &failed {
            let behind_one_given_up = error.kind()
                == ErrorKind::Broker(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)
                && error.persisted() == Persisted::Possibly;
            let timed_out = matches!(error.kind(), ErrorKind::DeliveryTimeout(_));
            assert!(timed_out || behind_one_given_up, "record {number}: {error}");
        }
        assert!(failed.iter().any(|(_, error)| error.persisted() == Persisted::No), "{:?}", failed.first());
        self.check(accepted, &failed);
    }

    fn check(self, accepted: u64, failed: &[(u64, ProduceError)]) {
        assert_eq!(self.producer.failed(), failed.len() as u64);
        self.producer.close(PATIENCE).expect("nothing is left");
        self.witness.check(accepted, &self.target.read(&self.topic));
        let unstored = failed.iter().filter(|(_, error)| error.persisted() == Persisted::No).count();
        println!("{}: {accepted} records, {} failures, {unstored} as not stored", self.topic, failed.len());
    }
}
