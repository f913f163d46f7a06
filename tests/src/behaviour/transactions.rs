//! Transactions: whoever reads what is committed sees exactly that, with both protocols; who is fenced hears of it.

use std::collections::BTreeSet;
use std::time::Duration;

use felice_core::record::ProducerRecord;
use felice_host::surface::{
    ErrorKind, GroupMetadata, OffsetToCommit, SendError, TransactionCause, TransactionError,
};
use felice_host::{BuildError, Builder};

use super::{FrontEnd, Handle, NoMetadata, PATIENCE, Target, builder, wait_until};
use crate::cluster::{Action, Cluster, Fault, Release, SupportedVersions};
use crate::protocol::{ApiKey, ErrorCode};

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is committed.
    Commit,
    /// It is aborted.
    Abort,
    /// It is dropped.
    Drop,
}

/// What a front-end adds: it waits here for its futures.
pub trait Transactional: FrontEnd {
    /// What makes transactions.
    type Transactions: Send;

    /// `init_transactions`.
    fn init(&self) -> Result<Self::Transactions, TransactionError>;

    /// `begin`, what the closure does with the transaction as a producer, and an end.
    fn transact(
        transactions: &mut Self::Transactions,
        within: impl FnOnce(&Self, &SendOffsets<'_>),
        end: End,
    ) -> Result<(), TransactionError>;
}

/// `send_offsets`.
pub type SendOffsets<'t> =
    dyn Fn(&GroupMetadata<'_>, &str, &[OffsetToCommit<'_>]) -> Result<(), TransactionError> + 't;

impl Transactional for felice_blocking::Producer {
    type Transactions = felice_blocking::TransactionalProducer;

    fn init(&self) -> Result<Self::Transactions, TransactionError> {
        self.init_transactions()
    }

    fn transact(
        transactions: &mut Self::Transactions,
        within: impl FnOnce(&Self, &SendOffsets<'_>),
        end: End,
    ) -> Result<(), TransactionError> {
        let transaction = transactions.begin()?;
        within(&transaction, &|group, topic, offsets| transaction.send_offsets(group, topic, offsets));
        match end {
            End::Commit => transaction.commit(),
            End::Abort => transaction.abort(),
            End::Drop => Ok(()),
        }
    }
}

impl Transactional for felice_smol::Producer {
    type Transactions = felice_smol::TransactionalProducer;

    fn init(&self) -> Result<Self::Transactions, TransactionError> {
        smol::block_on(self.init_transactions())
    }

    fn transact(
        transactions: &mut Self::Transactions,
        within: impl FnOnce(&Self, &SendOffsets<'_>),
        end: End,
    ) -> Result<(), TransactionError> {
        let transaction = smol::block_on(transactions.begin())?;
        within(&transaction, &|group, topic, offsets| {
            smol::block_on(transaction.send_offsets(group, topic, offsets))
        });
        match end {
            End::Commit => smol::block_on(transaction.commit()),
            End::Abort => smol::block_on(transaction.abort()),
            End::Drop => Ok(()),
        }
    }
}

const PARTITIONS: i32 = 3;

/// A producer with a transactional id, which has time.
pub fn transactional<F: FrontEnd>(target: &Target, id: &str) -> F {
    settings(target, id).build().expect("the settings fit")
}

fn settings<F: FrontEnd>(target: &Target, id: &str) -> Builder<F> {
    builder(target).transactional_id(id).max_block(PATIENCE)
}

/// Sends `count` records with numbers from `first` on to all partitions of a topic.
fn send_all<F: FrontEnd>(producer: &F, topic: &str, first: u32, count: u32) {
    for number in first..first + count {
        let record = ProducerRecord::new(topic, number).partition(number as i32 % PARTITIONS);
        producer.send(&record).expect("a transaction is open");
    }
}

/// The numbers that whoever reads what is committed sees, in the order of each partition.
fn committed(target: &Target, topic: &str) -> BTreeSet<u32> {
    let mut numbers = Vec::new();
    match target {
        Target::Simulated(cluster, _) => cluster.with(|cluster| {
            for partition in 0..PARTITIONS {
                let values = cluster.committed_records(topic, partition);
                numbers.push(values.into_iter().map(|record| record.value).collect::<Vec<_>>());
            }
        }),
        Target::Real(kafka) | Target::Far(kafka) => {
            let records = kafka.oracle().read_committed(topic);
            for partition in 0..PARTITIONS {
                let of_it = records.iter().filter(|record| record.partition == partition);
                numbers.push(of_it.map(|record| record.value.clone()).collect());
            }
        }
    }
    let number = |value: &Option<Vec<u8>>| {
        u32::from_be_bytes(value.as_deref().expect("a value").try_into().expect("four bytes"))
    };
    let mut all = BTreeSet::new();
    for partition in numbers {
        let partition: Vec<u32> = partition.iter().map(number).collect();
        assert!(partition.is_sorted(), "in order: {partition:?}");
        for number in partition {
            assert!(all.insert(number), "{number} is there twice");
        }
    }
    all
}

/// Waits until all is seen that is committed, and sees nothing else: a coordinator answers before its markers are in the logs.
fn check_committed(target: &Target, topic: &str, expected: &BTreeSet<u32>) {
    wait_until("what is committed is seen", || {
        let seen = committed(target, topic);
        assert!(seen.is_subset(expected), "seen, and not committed: {:?}", seen.difference(expected));
        seen == *expected
    });
}

/// Transactions that end in every way, one after the other. Between them are numbers that nobody may see.
pub fn committed_or_not_at_all<F: Transactional>(target: &Target) {
    let topic = format!("{}-transactions", F::NAME);
    target.create_topic(&topic, PARTITIONS);
    let producer: F = transactional(target, &topic);
    let mut transactions = producer.init().expect("nobody is in the way");
    let mut expected = BTreeSet::new();
    let ends =
        [End::Commit, End::Abort, End::Commit, End::Drop, End::Drop, End::Commit, End::Abort, End::Commit];
    for (round, end) in ends.into_iter().enumerate() {
        let first = round as u32 * 1_000;
        // The first of them have nothing to wait for, the others half of a round.
        let count = if round % 2 == 0 { 100 } else { 7 };
        F::transact(&mut transactions, |producer, _| send_all(producer, &topic, first, count), end)
            .unwrap_or_else(|error| panic!("{end:?} {round}: {error}"));
        if end == End::Commit {
            expected.extend(first..first + count);
        }
    }
    // What is empty costs nothing.
    F::transact(&mut transactions, |_, _| {}, End::Commit).expect("nothing is in the way");
    F::transact(&mut transactions, |_, _| {}, End::Abort).expect("nothing is in the way");
    check_committed(target, &topic, &expected);
    producer.close(PATIENCE).expect("nothing is left");
}

/// The same with the older protocol.
pub fn older_protocol<F: Transactional>(target: &Target) {
    for release in [Release::V2_8, Release::V3_7, Release::V3_9] {
        target.cluster().with(|cluster| cluster.set_versions(SupportedVersions::of(release)));
        let before = target.cluster().with(|cluster| cluster.topic_names().count());
        if before > 0 {
            target.cluster().with(|cluster| cluster.delete_topic(&format!("{}-transactions", F::NAME)));
        }
        committed_or_not_at_all::<F>(target);
    }
}

/// Another producer takes the transactional id over in the middle of a transaction.
pub fn fenced<F: Transactional>(target: &Target) {
    let topic = format!("{}-fenced", F::NAME);
    target.create_topic(&topic, PARTITIONS);
    let old: F = transactional(target, &topic);
    let mut olds = old.init().expect("nobody is in the way");
    F::transact(&mut olds, |producer, _| send_all(producer, &topic, 0, 10), End::Commit)
        .expect("it is alone");
    let new: F = transactional(target, &topic);
    let mut news = None;
    let taken_over = |producer: &F, _: &SendOffsets<'_>| {
        send_all(producer, &topic, 1_000, 10);
        producer.flush().expect("this is no callback");
        news = Some(new.init().expect("it takes over"));
    };
    let error = F::transact(&mut olds, taken_over, End::Commit).expect_err("it is fenced");
    assert!(error.is_fenced() && !error.is_abortable(), "{error}");
    let mut news = news.expect("it was made");
    F::transact(&mut news, |producer, _| send_all(producer, &topic, 2_000, 10), End::Commit)
        .expect("it is alone");
    // Whoever is fenced stays so, and hears of it at once.
    let error = F::transact(&mut olds, |_, _| panic!("none begins"), End::Commit).expect_err("for ever");
    assert!(error.is_fenced(), "{error}");
    assert_eq!(old.send(&ProducerRecord::new(&topic, 7)).err(), Some(SendError::NoTransaction));
    check_committed(target, &topic, &(0..10).chain(2_000..2_010).collect());
    for producer in [old, new] {
        producer.close(PATIENCE).expect("nothing is left");
    }
}

/// A transaction in which a record failed does not commit, whoever looks at the record's outcome; the next one does.
pub fn a_failed_record<F: Transactional>(target: &Target) {
    let topic = format!("{}-failed-record", F::NAME);
    target.create_topic_with_message_bytes_max(&topic, PARTITIONS, 1_000);
    let producer: F = transactional(target, &topic);
    let mut transactions = producer.init().expect("nobody is in the way");
    let mut behind = None;
    let too_large = |producer: &F, _: &SendOffsets<'_>| {
        send_all(producer, &topic, 0, 10);
        let large = vec![7; 3_000];
        let failed = producer.send(&ProducerRecord::new(&topic, &large[..])).expect("it is accepted");
        assert!(matches!(failed.get(), Err(NoMetadata::Failed(_))));
        // Nothing more is sent of it.
        behind = Some(producer.send(&ProducerRecord::new(&topic, 11).partition(0)).expect("it is accepted"));
    };
    let error = F::transact(&mut transactions, too_large, End::Commit).expect_err("a record failed");
    let TransactionError::Aborted(TransactionCause::Record(failure)) = error else { panic!("{error}") };
    assert!(matches!(failure.kind, ErrorKind::Broker(code) if code.0 == 10), "{failure}");
    assert!(error.is_abortable());
    let Some(Err(NoMetadata::Failed(failed))) = behind.map(Handle::get) else { panic!("it fails as well") };
    assert_eq!(failed.kind(), ErrorKind::TransactionAborted);
    F::transact(&mut transactions, |producer, _| send_all(producer, &topic, 100, 10), End::Commit)
        .expect("another one begins");
    check_committed(target, &topic, &(100..110).collect());
}

/// What makes no sense is refused, with the reason.
pub fn wrong_order<F: Transactional>(target: &Target) {
    let topic = format!("{}-wrong-order", F::NAME);
    target.create_topic(&topic, PARTITIONS);
    let plain: F = super::producer(target);
    assert_eq!(plain.init().err(), Some(TransactionError::NotTransactional));
    let producer: F = transactional(target, &topic);
    let record = ProducerRecord::new(&topic, 1);
    assert_eq!(producer.send(&record).err(), Some(SendError::NoTransaction), "not before init_transactions");
    assert_eq!(producer.partitions_for(&topic), Ok(PARTITIONS), "that is no record");
    let mut transactions = producer.init().expect("nobody is in the way");
    assert_eq!(producer.init().err(), Some(TransactionError::Initialized));
    assert_eq!(producer.send(&record).err(), Some(SendError::NoTransaction), "not before begin");
    let clone = producer.clone();
    let sends =
        |_: &F, _: &SendOffsets<'_>| drop(clone.send(&record).expect("it is a clone of the producer"));
    F::transact(&mut transactions, sends, End::Commit).expect("nobody is in the way");
    assert_eq!(producer.send(&record).err(), Some(SendError::NoTransaction), "not behind the end");
    producer.close(PATIENCE).expect("nothing is left");
    let error = F::transact(&mut transactions, |_, _| panic!("none begins"), End::Commit);
    assert_eq!(error, Err(TransactionError::Closed));

    let refused = |builder: Builder<F>| match builder.build() {
        Err(BuildError::Config(error)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let fits = || settings::<F>(target, "id");
    for (builder, name) in [
        (fits().transactional_id(""), "transactional.id"),
        (fits().transactional_id(&"i".repeat(129)), "transactional.id"),
        (fits().transaction_timeout(Duration::ZERO), "transaction.timeout.ms"),
        (fits().enable_idempotence(false), "enable.idempotence"),
        (fits().acks(felice_host::surface::Acks::Leader), "acks"),
        (fits().spool_dir("/nowhere"), "spool.dir"),
    ] {
        let error = refused(builder);
        assert!(error.starts_with(name), "{name}: {error}");
    }
}

/// Coordinators that load, move, answer late or not at all, with both protocols: nothing is lost, nothing is seen too much.
pub fn coordinators_in_trouble<F: Transactional>(target: &Target) {
    for release in [Release::V3_9, Release::V4_3] {
        target.cluster().with(|cluster| cluster.set_versions(SupportedVersions::of(release)));
        let topic = format!("{}-trouble-{release:?}", F::NAME).to_lowercase();
        target.create_topic(&topic, PARTITIONS);
        let producer: F =
            settings(target, &topic).request_timeout(Duration::from_millis(400)).build().expect("they fit");
        let mut transactions = producer.init().expect("nobody is in the way");
        let mut expected = BTreeSet::new();
        let actions = [
            Action::Error(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS),
            Action::Error(ErrorCode::CONCURRENT_TRANSACTIONS),
            Action::Error(ErrorCode::NOT_COORDINATOR),
            Action::Error(ErrorCode::COORDINATOR_NOT_AVAILABLE),
            Action::Close,
            Action::ApplyThenClose,
            Action::ApplyThenDrop,
        ];
        let apis = [
            ApiKey::ADD_PARTITIONS_TO_TXN,
            ApiKey::END_TXN,
            ApiKey::FIND_COORDINATOR,
            ApiKey::INIT_PRODUCER_ID,
        ];
        for (round, action) in actions.into_iter().enumerate() {
            for (place, api) in apis.into_iter().enumerate() {
                let first = (round * 100 + place * 10) as u32;
                target.cluster().with(|cluster| {
                    cluster.inject(Fault::new(api, action));
                    cluster.set_coordinator(1 + (round + place) as i32 % 3);
                });
                let end = if (round + place) % 3 == 2 { End::Abort } else { End::Commit };
                F::transact(&mut transactions, |producer, _| send_all(producer, &topic, first, 6), end)
                    .unwrap_or_else(|error| panic!("{api:?} {action:?} {release:?}: {error}"));
                if end == End::Commit {
                    expected.extend(first..first + 6);
                }
                assert_eq!(committed(target, &topic), expected, "{api:?} {action:?} {release:?}");
                target.cluster().with(Cluster::clear_faults);
            }
        }
        producer.close(PATIENCE).expect("nothing is left");
    }
}

/// What a coordinator will never do: the producer ends, or the transaction does.
pub fn refused_by_coordinators<F: Transactional>(target: &Target) {
    let topic = format!("{}-refused", F::NAME);
    target.create_topic(&topic, PARTITIONS);
    let refuse =
        |api, code| target.cluster().with(|cluster| cluster.inject(Fault::new(api, Action::Error(code))));

    let producer: F = transactional(target, &topic);
    refuse(ApiKey::INIT_PRODUCER_ID, ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    let error = producer.init().err().expect("it is not allowed");
    assert!(
        matches!(error, TransactionError::Fatal(TransactionCause::Broker(code)) if code.0 == 53),
        "{error}"
    );

    let producer: F = transactional(target, &topic);
    let mut transactions = producer.init().expect("it is allowed now");
    refuse(ApiKey::END_TXN, ErrorCode::TRANSACTION_ABORTABLE);
    let error = F::transact(&mut transactions, |producer, _| send_all(producer, &topic, 0, 5), End::Commit)
        .expect_err("the coordinator does not commit");
    assert!(
        matches!(error, TransactionError::Aborted(TransactionCause::Broker(code)) if code.0 == 120),
        "{error}"
    );
    F::transact(&mut transactions, |producer, _| send_all(producer, &topic, 10, 5), End::Commit)
        .expect("another one commits");
    refuse(ApiKey::END_TXN, ErrorCode::PRODUCER_FENCED);
    let error = F::transact(&mut transactions, |producer, _| send_all(producer, &topic, 20, 5), End::Commit)
        .expect_err("it is fenced");
    assert!(error.is_fenced(), "{error}");
    check_committed(target, &topic, &(10..15).collect());

    target.cluster().with(|cluster| cluster.set_versions(SupportedVersions::of(Release::V2_5)));
    let producer: F = transactional(target, "too-old");
    let error = producer.init().err().expect("the cluster is too old");
    assert_eq!(error, TransactionError::Fatal(TransactionCause::Unsupported));
    target.cluster().with(|cluster| cluster.set_versions(SupportedVersions::default()));
}

/// A group's offsets are committed with the transaction, or not at all.
pub fn offsets<F: Transactional>(target: &Target) {
    let topic = format!("{}-offsets", F::NAME);
    let group = format!("{topic}-group");
    target.create_topic(&topic, PARTITIONS);
    let producer: F = transactional(target, &topic);
    let mut transactions = producer.init().expect("nobody is in the way");
    let member =
        GroupMetadata { group_id: &group, generation_id: -1, member_id: "", group_instance_id: None };
    let kept = || match target {
        Target::Simulated(cluster, _) => {
            cluster.with(|cluster| cluster.committed_offset(&group, &topic, 1).unwrap_or(-1))
        }
        Target::Real(kafka) | Target::Far(kafka) => kafka.oracle().group_offset(&group, &topic, 1),
    };
    for (offset, end, expected) in
        [(5, End::Abort, -1), (6, End::Commit, 6), (7, End::Drop, 6), (8, End::Commit, 8)]
    {
        let within = |producer: &F, send_offsets: &SendOffsets<'_>| {
            send_all(producer, &topic, offset as u32 * 10, 3);
            let offsets = [OffsetToCommit { partition: 1, offset, leader_epoch: None, metadata: "x" }];
            send_offsets(&member, &topic, &offsets).expect("it is a group's business");
        };
        F::transact(&mut transactions, within, end).unwrap_or_else(|error| panic!("{end:?}: {error}"));
        wait_until("the group's offsets are as they must be", || kept() == expected);
    }
    let too_large = |_: &F, send_offsets: &SendOffsets<'_>| {
        let metadata = "m".repeat(2_000);
        let offsets = [OffsetToCommit { partition: 1, offset: 9, leader_epoch: None, metadata: &metadata }];
        assert_eq!(send_offsets(&member, &topic, &offsets), Err(TransactionError::OffsetsTooLarge));
    };
    F::transact(&mut transactions, too_large, End::Commit).expect("nothing was sent");
    check_committed(target, &topic, &[60, 61, 62, 80, 81, 82].into());
}

/// A producer that is closed in the middle of a transaction aborts it.
pub fn closed_within<F: Transactional>(target: &Target) {
    let topic = format!("{}-closed-within", F::NAME);
    target.create_topic(&topic, PARTITIONS);
    let producer: F = transactional(target, &topic);
    let mut transactions = producer.init().expect("nobody is in the way");
    let closes = |producer: &F, _: &SendOffsets<'_>| {
        send_all(producer, &topic, 0, 5);
        producer.flush().expect("this is no callback");
        producer.close(PATIENCE).expect("all have their outcome");
    };
    let error = F::transact(&mut transactions, closes, End::Commit);
    assert_eq!(error, Err(TransactionError::Closed));
    check_committed(target, &topic, &BTreeSet::new());
    wait_until("it is aborted", || target.cluster().with(|cluster| !cluster.has_open_transaction(&topic)));
    assert_eq!(target.cluster().with(|cluster| cluster.transactions_ended()), (0, 1));
}

/// The coordinator is killed in the middle of transactions, each time another broker where there are several, and started again.
pub fn coordinator_killed<F: Transactional>(target: &Target) {
    const STATE: &str = "__transaction_state";
    let kafka = target.kafka();
    let topic = format!("{}-coordinator-killed", F::NAME);
    target.create_topic(&topic, PARTITIONS);
    let producer: F = settings(target, &topic)
        .request_timeout(Duration::from_secs(5))
        .transaction_timeout(PATIENCE)
        .build()
        .expect("the settings fit");
    let mut transactions = producer.init().expect("nobody is in the way");
    let mut expected = BTreeSet::new();
    let mut down = None;
    for round in 0..7 {
        let first = round * 100;
        let end = if round % 4 == 2 { End::Abort } else { End::Commit };
        let within = |producer: &F, _: &SendOffsets<'_>| {
            send_all(producer, &topic, first, 30);
            if round % 4 == 1 || round == 6 {
                producer.flush().expect("this is no callback");
                let coordinator = kafka.oracle().leader(STATE, 0).expect("somebody coordinates");
                println!("{topic}, round {round}: killing broker {coordinator}");
                kafka.kill(coordinator);
                if kafka.broker_ids().len() == 1 {
                    kafka.restart(coordinator);
                } else {
                    down = Some(coordinator);
                }
            }
            send_all(producer, &topic, first + 30, 30);
        };
        F::transact(&mut transactions, within, end).unwrap_or_else(|error| panic!("round {round}: {error}"));
        if end == End::Commit {
            expected.extend(first..first + 60);
        }
        if let Some(broker) = down.take() {
            kafka.restart(broker);
        }
    }
    check_committed(target, &topic, &expected);
    producer.close(PATIENCE).expect("nothing is left");
}
