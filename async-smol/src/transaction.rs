//! Transactions: all records of one are seen, or none.

use std::ops::Deref;
use std::task::Context;

use felice_host::{Transacting, TransactionError};

use crate::producer::{Producer, within};
use crate::{GroupMetadata, OffsetToCommit};

/// A producer that has its `transactional.id` to itself: it makes transactions, one after the other.
///
/// ```no_run
/// use felice_smol::{Producer, ProducerRecord};
///
/// # async fn order() -> Result<(), Box<dyn std::error::Error>> {
/// let producer = Producer::builder().bootstrap_servers("127.0.0.1:9092").transactional_id("press-7").build()?;
/// let mut transactions = producer.init_transactions().await?;
/// let transaction = transactions.begin().await?;
/// transaction.send(ProducerRecord::new("orders", "42")).await?;
/// transaction.send(ProducerRecord::new("stock", "-1")).await?;
/// transaction.commit().await?; // both, or an error and neither
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
    /// Dropping the future ends the waiting only.
    ///
    /// # Errors
    ///
    /// [`TransactionError`]: `NotTransactional` and `Initialized` where it makes no sense, `Fatal` where the brokers refuse, or
    /// are older than Kafka 2.8.
    pub async fn init_transactions(&self) -> Result<TransactionalProducer, TransactionError> {
        self.transact(Transacting::init(self.shared())).await?;
        Ok(TransactionalProducer { producer: self.clone() })
    }

    async fn transact(&self, mut step: Transacting<'_>) -> Result<(), TransactionError> {
        let shared = self.shared();
        let poll = |context: &Context<'_>| step.poll(context);
        within(shared.max_block(), poll).await.unwrap_or_else(|| Err(shared.transaction_timed_out()))
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
    pub async fn begin(&mut self) -> Result<Transaction<'_>, TransactionError> {
        self.producer.transact(Transacting::begin(self.producer.shared())).await?;
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
    /// Dropping the future once it was polled ends the waiting only, as after `TimedOut`; before, it aborts.
    ///
    /// # Errors
    ///
    /// [`TransactionError`]: `Aborted` where nothing of it will be seen, `Fatal` where this producer is at its end: then it is
    /// not committed either, but for a coordinator that could not tell any more.
    pub async fn commit(self) -> Result<(), TransactionError> {
        self.producer.transact(Transacting::commit(self.producer.shared())).await
    }

    /// Aborts it: what was not sent fails at once. Waits until it is aborted, `max.block.ms` at most.
    ///
    /// # Errors
    ///
    /// [`TransactionError`]: `Fatal` where this producer is at its end.
    pub async fn abort(self) -> Result<(), TransactionError> {
        self.producer.transact(Transacting::abort(self.producer.shared())).await
    }

    /// Commits how far a consumer group has read a topic, with the transaction (KIP-447): Kafka's
    /// `sendOffsetsToTransaction`. `group` is the consumer's group metadata, each offset that of the record that is to be read
    /// next. Waits until the group's coordinator has them, `max.block.ms` at most. All of it must fit in a request: some
    /// forty partitions with short names; more are committed by several calls.
    ///
    /// # Errors
    ///
    /// [`TransactionError`]: `OffsetsTooLarge`, `Aborted` where the transaction can only be aborted, `Fatal`.
    pub async fn send_offsets(
        &self,
        group: &GroupMetadata<'_>,
        topic: &str,
        offsets: &[OffsetToCommit<'_>],
    ) -> Result<(), TransactionError> {
        self.producer.transact(Transacting::offsets(self.producer.shared(), group, topic, offsets)).await
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
