//! Transactions: all records of one are seen, or none.

use std::ops::Deref;

use felice_host::{Transacting, TransactionError};

use crate::parker;
use crate::producer::{Producer, after};
use crate::{GroupMetadata, OffsetToCommit};

/// A producer that has its `transactional.id` to itself: it makes transactions, one after the other.
///
/// ```no_run
/// use felice_blocking::{Producer, ProducerRecord};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let producer = Producer::builder().bootstrap_servers("127.0.0.1:9092").transactional_id("press-7").build()?;
/// let mut transactions = producer.init_transactions()?;
/// let transaction = transactions.begin()?;
/// transaction.send(ProducerRecord::new("orders", "42"))?;
/// transaction.send(ProducerRecord::new("stock", "-1"))?;
/// transaction.commit()?; // both, or an error and neither
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TransactionalProducer {
    producer: Producer,
}

/// A transaction that is open. It is a [`Producer`] meanwhile: what is sent belongs to it, also by other clones of the
/// producer.
///
/// A second one while it is open, and a second end, do not compile:
///
/// ```compile_fail,E0499
/// # fn twice(mut transactions: felice_blocking::TransactionalProducer) -> Result<(), felice_blocking::TransactionError> {
/// let first = transactions.begin()?;
/// let second = transactions.begin()?;
/// first.commit()
/// # }
/// ```
///
/// ```compile_fail,E0382
/// # fn twice(mut transactions: felice_blocking::TransactionalProducer) -> Result<(), felice_blocking::TransactionError> {
/// let transaction = transactions.begin()?;
/// transaction.commit()?;
/// transaction.abort()
/// # }
/// ```
///
/// Dropping it aborts it, in the background: nothing waits for that but the next [`begin`](TransactionalProducer::begin).
#[derive(Debug)]
#[must_use = "dropping it aborts it"]
pub struct Transaction<'p> {
    producer: &'p Producer,
}

impl Producer {
    /// Takes the transactional id over (`transactional.id`): what a former producer has left open is aborted, and whoever still
    /// has it is fenced. Waits for the coordinator, `max.block.ms` at most, and may be called again where that was too
    /// short. Succeeds once.
    ///
    /// # Errors
    ///
    /// [`TransactionError`]: `NotTransactional` and `Initialized` where it makes no sense, `Fatal` where the brokers refuse, or
    /// are older than Kafka 2.8.
    pub fn init_transactions(&self) -> Result<TransactionalProducer, TransactionError> {
        self.transact(Transacting::init(self.shared()))?;
        Ok(TransactionalProducer { producer: self.clone() })
    }

    fn transact(&self, mut step: Transacting<'_>) -> Result<(), TransactionError> {
        let shared = self.shared();
        parker::wait(after(shared.max_block()), |context| step.poll(context))
            .unwrap_or_else(|| Err(shared.transaction_timed_out()))
    }
}

impl TransactionalProducer {
    /// Begins a transaction. It asks nobody, but waits for the end of the one before where that was dropped, or timed out:
    /// `max.block.ms` at most.
    ///
    /// # Errors
    ///
    /// [`TransactionError`]: `Aborted` where the one before was to be committed, nobody has heard yet that it was not; the next
    /// call then begins.
    pub fn begin(&mut self) -> Result<Transaction<'_>, TransactionError> {
        self.producer.transact(Transacting::begin(self.producer.shared()))?;
        Ok(Transaction { producer: &self.producer })
    }

    /// The producer. Between transactions it refuses every record ([`SendError::NoTransaction`](crate::SendError)).
    #[must_use]
    pub const fn producer(&self) -> &Producer {
        &self.producer
    }
}

impl Transaction<'_> {
    /// Sends what is held, waits until every record has its outcome, and commits. Where one has failed the transaction is
    /// aborted, and the error says which. It waits `max.block.ms` at most: after `TimedOut` it goes on, and
    /// [`begin`](TransactionalProducer::begin) waits for it. Callbacks of its records may come a little later.
    ///
    /// # Errors
    ///
    /// [`TransactionError`]: `Aborted` where nothing of it will be seen, `Fatal` where this producer is at its end: then it is
    /// not committed either, but for a coordinator that could not tell any more.
    pub fn commit(self) -> Result<(), TransactionError> {
        self.producer.transact(Transacting::commit(self.producer.shared()))
    }

    /// Aborts it: what was not sent fails at once. Waits until it is aborted, `max.block.ms` at most.
    ///
    /// # Errors
    ///
    /// [`TransactionError`]: `Fatal` where this producer is at its end.
    pub fn abort(self) -> Result<(), TransactionError> {
        self.producer.transact(Transacting::abort(self.producer.shared()))
    }

    /// Commits how far a consumer group has read a topic, with the transaction (KIP-447): Kafka's
    /// `sendOffsetsToTransaction`. `group` is the consumer's group metadata, each offset that of the record that is to be read
    /// next. Waits until the group's coordinator has them, `max.block.ms` at most. All of it must fit in a request: some
    /// forty partitions with short names; more are committed by several calls.
    ///
    /// # Errors
    ///
    /// [`TransactionError`]: `OffsetsTooLarge`, `Aborted` where the transaction can only be aborted, `Fatal`.
    pub fn send_offsets(
        &self,
        group: &GroupMetadata<'_>,
        topic: &str,
        offsets: &[OffsetToCommit<'_>],
    ) -> Result<(), TransactionError> {
        self.producer.transact(Transacting::offsets(self.producer.shared(), group, topic, offsets))
    }
}

impl Deref for Transaction<'_> {
    type Target = Producer;

    fn deref(&self) -> &Producer {
        self.producer
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        self.producer.shared().drop_transaction();
    }
}
