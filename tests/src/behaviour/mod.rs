//! The behaviour suite: what every front-end promises, said once, against the simulated cluster over TCP and against
//! real Kafka.
//!
//! A scenario is a function over a [`FrontEnd`] and a [`Target`]. A front-end joins by implementing [`FrontEnd`], and by
//! one test binary that names the scenarios with [`behaviour_tests!`](crate::behaviour_tests). The heavy ones, in
//! [`volume`], [`outage`] and [`memory`], have binaries of their own, since they measure a whole process or stop a broker.

pub mod acks;
mod blocking;
pub mod callbacks;
pub mod compression;
pub mod ending;
pub mod fork;
pub mod fork_tasks;
pub mod keys;
pub mod links;
mod load;
pub mod memory;
pub mod metrics;
pub mod moves;
pub mod order;
pub mod outage;
pub mod patterns;
pub mod recreated;
pub mod refusals;
mod sample;
pub mod serializers;
mod smol;
pub mod soak;
pub mod storm;
mod storm_ledger;
mod stream;
mod tap;
mod target;
pub mod transactions;
pub mod trouble;
pub mod undelivered;
pub mod unreachable;
pub mod versions;
pub mod volume;
mod witness;

use std::fmt::Debug;
use std::time::{Duration, Instant};

use felice_core::record::ProducerRecord;
use felice_core::serializer::Serialize;
use felice_host::{
    Builder, CloseError, FlushError, Metrics, PartitionsError, ProduceError, RecordMetadata, SendError, Start,
};

pub use sample::Sample;
pub use smol::Driven;
pub use target::Target;
pub use witness::{Outcome, Witness};

/// How long anything may take that should take milliseconds, or as long as a broker needs to start: the machine may be busy,
/// and a deadline is no measurement.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// What one record's closure is.
pub type Closure = Box<dyn FnOnce(Result<RecordMetadata, ProduceError>) + Send>;

/// A front-end, as the suite sees it. An asynchronous one waits here for its futures.
pub trait FrontEnd: Start + Clone + Debug + Send + Sync + 'static {
    /// How tests name it, and its topics.
    const NAME: &'static str;

    /// Its handle of an accepted record.
    type Handle: Handle;

    /// `send`.
    fn send<K, V>(&self, record: &ProducerRecord<'_, K, V>) -> Result<Self::Handle, SendError>
    where
        K: Serialize + Sync,
        V: Serialize + Sync;

    /// `try_send`.
    fn try_send<K, V>(&self, record: &ProducerRecord<'_, K, V>) -> Result<Self::Handle, SendError>
    where
        K: Serialize + Sync,
        V: Serialize + Sync;

    /// `send_with`.
    fn send_with<K, V>(&self, record: &ProducerRecord<'_, K, V>, callback: Closure) -> Result<(), SendError>
    where
        K: Serialize + Sync,
        V: Serialize + Sync;

    /// `send_with_token`.
    fn send_with_token<K, V>(&self, record: &ProducerRecord<'_, K, V>, token: u64) -> Result<(), SendError>
    where
        K: Serialize + Sync,
        V: Serialize + Sync;

    /// `flush`.
    fn flush(&self) -> Result<(), FlushError>;

    /// `close`.
    fn close(&self, timeout: Duration) -> Result<(), CloseError>;

    /// `partitions_for`.
    fn partitions_for(&self, topic: &str) -> Result<i32, PartitionsError>;

    /// How many accepted records have failed.
    fn failed(&self) -> u64;

    /// How often callbacks have panicked.
    fn callback_panics(&self) -> u64;

    /// What it has counted.
    fn metrics(&self) -> Metrics;
}

/// A front-end's handle of an accepted record.
pub trait Handle: Send + 'static {
    /// Waits for the outcome.
    fn get(self) -> Result<RecordMetadata, NoMetadata>;

    /// Waits for the outcome for so long.
    fn get_timeout(&mut self, timeout: Duration) -> Result<RecordMetadata, NoMetadata>;

    /// Waits until the record is durable in the spool, or acknowledged.
    fn spooled(&mut self) -> Result<(), NoMetadata>;

    /// The outcome, if it is there.
    fn try_get(&mut self) -> Option<Result<RecordMetadata, ProduceError>>;
}

/// Why there is no metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoMetadata {
    /// The record failed.
    Failed(ProduceError),
    /// Waiting in a callback was refused.
    InCallback,
    /// Not yet.
    TimedOut,
    /// This is another process.
    Forked,
}

/// A builder for a target, with what the suite wants of all: no linger, so that nothing waits for company.
pub fn builder<F: FrontEnd>(target: &Target) -> Builder<F> {
    Builder::<F>::new().bootstrap_servers(&target.bootstrap()).linger(Duration::ZERO)
}

/// A producer for a target.
pub fn producer<F: FrontEnd>(target: &Target) -> F {
    builder(target).build().expect("the settings fit")
}

/// Asks again until the condition holds; panics when that takes longer than [`PATIENCE`].
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Where a scenario runs, and for how long it did.
pub mod on {
    use std::time::Instant;

    use super::Target;

    /// A simulated cluster of the scenario's own.
    pub fn simulated(name: &str, scenario: impl FnOnce(&Target)) {
        timed(name, "simulated", &Target::simulated(), scenario);
    }

    /// Real Kafka. Says loudly that nothing ran where that cannot be.
    pub fn real(name: &str, scenario: impl FnOnce(&Target)) {
        crate::require_kafka!();
        timed(name, "real", &Target::real(), scenario);
    }

    /// A cluster that several scenarios share.
    pub fn target(name: &str, target: &Target, scenario: impl FnOnce(&Target)) {
        timed(name, "given", target, scenario);
    }

    fn timed(name: &str, kind: &str, target: &Target, scenario: impl FnOnce(&Target)) {
        let begun = Instant::now();
        scenario(target);
        println!("{name} on the {kind} cluster: {:.2?}", begun.elapsed());
    }
}

/// Makes the tests `scenario::simulated` and `scenario::real` for a front-end.
#[macro_export]
macro_rules! behaviour_tests {
    ($front_end:ident: $($room:ident::$scenario:ident on [$($target:ident),*];)*) => {
        $(mod $scenario {
            $(#[test]
            fn $target() {
                let scenario = $crate::behaviour::$room::$scenario::<super::$front_end>;
                $crate::behaviour::on::$target(stringify!($scenario), scenario);
            })*
        })*
    };
}

/// Makes a test of each of these functions for each front-end: of smol's with its I/O as a task, since on a thread it is
/// the other one's.
#[macro_export]
macro_rules! for_each_front_end {
    ($($test:ident)*) => {
        mod blocking {
            $(#[test]
            fn $test() {
                super::$test::<felice_blocking::Producer>();
            })*
        }
        mod smol {
            $(#[test]
            fn $test() {
                super::$test::<$crate::behaviour::Driven>();
            })*
        }
    };
}

/// Makes the tests of what every front-end promises. What only one promises is in that one's own file.
#[macro_export]
macro_rules! behaviour_of_every_front_end {
    ($front_end:ident) => {
        $crate::behaviour_tests! { $front_end:
            patterns::fire_and_forget on [simulated, real];
            patterns::synchronous on [simulated, real];
            patterns::kept_handles on [simulated, real];
            patterns::callbacks on [simulated, real];
            patterns::tokens on [simulated, real];

            acks::each_setting_stores_every_record on [simulated, real];

            keys::keys_land_where_java_puts_them on [simulated, real];
            keys::null_keys_are_spread on [simulated, real];

            compression::each_type_is_read_back on [simulated, real];
            compression::topics_differ on [simulated];
            compression::too_large_for_the_topic on [simulated, real];
            compression::a_type_that_is_refused on [simulated];

            order::many_batches on [simulated, real];
            order::five_in_flight_and_no_more on [simulated];
            order::what_can_be_repeated_is on [simulated];
            order::one_partition_of_a_request_fails on [simulated];
            order::leaders_move on [simulated];
            order::refused_batches on [simulated];
            order::an_answer_that_never_comes on [simulated];

            moves::leaders_are_moved on [real];
            moves::partitions_are_reassigned on [real];

            serializers::a_failing_one_refuses_its_record on [simulated, real];
            serializers::a_panicking_one_is_the_callers on [simulated, real];
            serializers::a_slow_one_holds_nobody_up on [simulated, real];
            serializers::one_that_sends_is_no_harm on [simulated, real];

            callbacks::a_panicking_one_is_contained on [simulated, real];
            callbacks::a_slow_one_does_not_stop_the_network on [simulated, real];
            callbacks::one_may_send on [simulated, real];
            callbacks::send_in_one_does_not_wait_for_memory on [simulated];

            refusals::a_record_too_large on [simulated, real];
            refusals::an_unknown_topic on [simulated, real];
            refusals::an_unknown_partition on [simulated, real];
            refusals::a_clock_that_is_wrong on [simulated, real];
            refusals::a_closed_producer on [simulated, real];
            refusals::a_full_buffer on [simulated];
            refusals::waiting_for_memory on [simulated, real];
            refusals::invalid_settings on [simulated];

            unreachable::unresolvable on [simulated];
            unreachable::refusing on [simulated];
            unreachable::silent on [simulated];
            unreachable::swallowing on [simulated];
            unreachable::one_of_many_works on [simulated, real];

            ending::close_says_how_many_failed on [simulated];
            ending::flush_waits_for_all on [simulated, real];
            ending::times_without_end on [simulated];
            ending::partitions_are_known on [simulated];

            metrics::of_a_plain_run on [simulated, real];
            metrics::while_requests_are_refused on [simulated];
            metrics::while_connections_end on [simulated];
            metrics::of_compressed_batches on [simulated];
            metrics::of_a_broker_that_holds_back on [simulated];
            metrics::of_memory_that_is_short on [simulated];
            metrics::of_a_spool on [simulated];

            undelivered::is_heard_of_once on [simulated];
            undelivered::races_are_heard_of_once on [simulated];
        }
    };
}
