//! Transactions: where one stands, what its coordinator is to be asked next, and what the answers mean for it.
//!
//! ```text
//!   Uninitialized ─► Initializing ─► Ready ─► Open ─► Ending ──────────────► Ready
//!                                      ▲                 │ (the epoch stays) ─► Renewing ─┐
//!                                      └─────────────────────────────────────────────────┘
//!   any of them ─► Fatal
//! ```
//!
//! The coordinator gives out the epoch, and a numbering is this epoch's: nothing starts anew within a transaction. What would
//! begin another numbering elsewhere fails here, and with it the transaction. With `transaction.version` 2 (KIP-890) each
//! transaction has an epoch of its own, so what is late from an earlier one is refused. With the older protocol the epoch is
//! raised after each transaction in which anything failed, for the same reason (KIP-360), and partitions are added to
//! the transaction before anything is sent to them.
//!
//! One request is asked at a time. Nothing ends before every batch has its outcome.

mod answers;
mod joining;
mod requests;

use super::Sender;
use crate::cluster::HOST_BYTES;
use crate::error::{ErrorCode, ErrorKind, Failure, Persisted, TransactionCause, TransactionError};
use crate::event::{Completed, Event};
use crate::index::NONE;
use crate::memory::Storage;
use crate::time::Instant;
pub(crate) use answers::{CoordinatorAnswer, TransactionAnswer};
pub(crate) use joining::Joining;
pub use requests::OFFSETS_BYTES;
use requests::{Offsets, REQUEST_BYTES};

/// The longest `transactional.id`.
pub const TRANSACTIONAL_ID_BYTES: usize = 128;

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There is no producer id, and nobody has asked for one.
    Uninitialized,
    /// The coordinator is asked for a producer id, and to end what a former producer has left.
    Initializing,
    /// No transaction is open.
    Ready,
    /// Records are sent.
    Open,
    /// It is to be committed, or aborted, once every batch has its outcome.
    Ending {
        commits: bool,
    },
    /// It is over; before that is told the epoch is raised.
    Renewing,
    Fatal(TransactionCause),
}

/// What is asked of a coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    /// Who the transaction's coordinator is.
    Coordinator,
    /// Who the group's coordinator is.
    GroupCoordinator,
    /// A producer id and epoch.
    Identity,
    /// To take partitions in.
    Partitions,
    /// To take a group's offsets in.
    Group,
    /// The group's coordinator, to keep the offsets.
    Offsets,
    /// The end.
    End,
}

/// Whether the coordinator has a transaction to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Started {
    No,
    /// What would have begun it was sent, and had no answer.
    Maybe,
    Yes,
}

/// The one transaction of a producer.
#[derive(Debug)]
pub(crate) struct Transaction {
    /// Empty where the producer is not transactional.
    id: heapless::String<TRANSACTIONAL_ID_BYTES>,
    timeout_ms: i32,
    state: State,
    /// What is to be told of the operation that has ended.
    tell: Option<Result<(), TransactionError>>,
    /// Why it cannot commit.
    failed: Option<TransactionCause>,
    /// Partitions are added by Produce requests, and the epoch is raised by EndTxn.
    v2: bool,
    started: Started,
    /// Partitions that wait to be added.
    joining: u32,
    offsets: Option<Offsets>,
    /// The coordinators' node ids; negative where they are not known.
    coordinator: i32,
    group_coordinator: i32,
    /// Of the coordinator whose name is being read.
    host: heapless::String<HOST_BYTES>,
    asked: Option<Ask>,
    failures: u32,
    retry_at: Option<Instant>,
    buffer: [u8; REQUEST_BYTES],
}

impl Transaction {
    pub(super) const fn new() -> Self {
        Self {
            id: heapless::String::new(),
            timeout_ms: 60_000,
            state: State::Uninitialized,
            tell: None,
            failed: None,
            v2: false,
            started: Started::No,
            joining: 0,
            offsets: None,
            coordinator: -1,
            group_coordinator: -1,
            host: heapless::String::new(),
            asked: None,
            failures: 0,
            retry_at: None,
            buffer: [0; REQUEST_BYTES],
        }
    }

    /// Kafka's `transactional.id`.
    pub(super) fn id(&self) -> Option<&str> {
        (!self.id.is_empty()).then_some(&*self.id)
    }

    pub(super) const fn buffer(&self) -> &[u8] {
        &self.buffer
    }
}

impl<S: Storage> Sender<S> {
    /// Makes the producer a transactional one: Kafka's `transactional.id`, and its `transaction.timeout.ms`, after which the
    /// coordinator aborts a transaction by itself. It needs idempotence, and `acks=all`.
    ///
    /// False where the id is empty or longer than [`TRANSACTIONAL_ID_BYTES`], or the settings do not fit.
    #[must_use]
    pub fn set_transactional_id(&mut self, id: &str, timeout: core::time::Duration) -> bool {
        let Ok(id) = heapless::String::try_from(id) else { return false };
        if id.is_empty() || !self.config.idempotence || self.config.acks != crate::config::Acks::All {
            return false;
        }
        self.transaction.id = id;
        self.idempotence.transactional = true;
        self.transaction.timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        true
    }

    /// Asks for a producer id: once, before anything else. Whoever had the transactional id before is fenced, and what it has
    /// left open is aborted. [`Event::Transaction`] tells when that is done. False where it was asked for before.
    #[must_use]
    pub fn init_transactions(&mut self, now: Instant) -> bool {
        self.move_on(now, State::Uninitialized, State::Initializing)
    }

    /// Begins a transaction, which costs nothing. False where none may begin: another one is open, or ends.
    #[must_use]
    pub fn begin_transaction(&mut self, now: Instant) -> bool {
        if !self.move_on(now, State::Ready, State::Open) {
            return false;
        }
        let transaction = &mut self.transaction;
        (transaction.failed, transaction.started, transaction.joining) = (None, Started::No, 0);
        self.forget_joined();
        self.recheck = true;
        true
    }

    /// Commits the transaction once every record of it has its outcome, or aborts it where one has failed:
    /// [`Event::Transaction`] tells which. No more records are to be handed over. False where none is open.
    #[must_use]
    pub fn commit_transaction(&mut self, now: Instant) -> bool {
        let commits = self.transaction.failed.is_none();
        self.move_on(now, State::Open, State::Ending { commits })
    }

    /// Aborts the transaction. What was not sent fails at once; what was, as soon as it is answered. [`Event::Transaction`]
    /// tells when it is done. False where none is open.
    #[must_use]
    pub fn abort_transaction(&mut self, now: Instant) -> bool {
        if !self.move_on(now, State::Open, State::Ending { commits: false }) {
            return false;
        }
        self.fail_unsent();
        true
    }

    /// Why no transaction can be made any more, or the present one cannot commit.
    #[must_use]
    pub const fn transaction_error(&self) -> Option<TransactionError> {
        match (self.transaction.state, self.transaction.failed) {
            (State::Fatal(cause), _) => Some(TransactionError::Fatal(cause)),
            (State::Open | State::Ending { .. }, Some(cause)) => Some(TransactionError::Aborted(cause)),
            _ => None,
        }
    }

    fn move_on(&mut self, now: Instant, from: State, to: State) -> bool {
        self.advance(now);
        let may = self.is_transactional() && !self.closed && self.transaction.state == from;
        if may {
            self.transaction.state = to;
        }
        may
    }

    pub(super) fn is_transactional(&self) -> bool {
        !self.transaction.id.is_empty()
    }

    /// Why records fail at once: there is no transaction for them.
    pub(super) fn transaction_verdict(&self) -> Option<ErrorKind> {
        if !self.is_transactional() {
            return None;
        }
        match (self.transaction.state, self.transaction.failed) {
            (State::Open | State::Ending { commits: true }, None) => None,
            (State::Fatal(TransactionCause::Broker(code)), _) => Some(ErrorKind::Broker(code)),
            _ => Some(ErrorKind::TransactionAborted),
        }
    }

    /// Whether all that is held fails, also what waits for its topic. Not between two transactions: what comes then may belong
    /// to the next one.
    pub(super) const fn transaction_fails_all(&self) -> bool {
        match self.transaction.state {
            State::Fatal(_) | State::Ending { commits: false } => true,
            _ => self.transaction.failed.is_some(),
        }
    }

    /// Whether there is anything to ask a coordinator for, now or soon.
    pub(super) fn transaction_has_work(&self) -> bool {
        let transaction = &self.transaction;
        match transaction.state {
            State::Uninitialized | State::Ready | State::Fatal(_) => false,
            State::Open => transaction.joining > 0 || transaction.offsets.is_some(),
            State::Initializing | State::Ending { .. } | State::Renewing => true,
        }
    }

    /// A record has failed: the transaction cannot commit.
    pub(super) fn note_outcome(&mut self, event: Option<&Event<S::Block>>) {
        if let Some(Event::Completed(Completed { result: Err(failure), .. })) = event
            && self.is_transactional()
        {
            match failure.kind {
                ErrorKind::Broker(
                    code @ (ErrorCode::PRODUCER_FENCED
                    | ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
                    | ErrorCode::CLUSTER_AUTHORIZATION_FAILED),
                ) => self.transaction_dies(TransactionCause::Broker(code)),
                _ => self.transaction_fails(TransactionCause::Record(*failure)),
            }
        }
    }

    /// It cannot commit any more. What was not sent of it is not sent.
    fn transaction_fails(&mut self, cause: TransactionCause) {
        let (State::Open | State::Ending { commits: true }, None) =
            (self.transaction.state, self.transaction.failed)
        else {
            // What is to be aborted may fail.
            return;
        };
        self.transaction.failed = Some(cause);
        if let State::Ending { commits } = &mut self.transaction.state {
            *commits = false;
        }
        self.fail_unsent();
    }

    /// No transaction will be made any more.
    fn transaction_dies(&mut self, cause: TransactionCause) {
        if matches!(self.transaction.state, State::Fatal(_)) {
            return;
        }
        let waits = !matches!(self.transaction.state, State::Uninitialized | State::Ready | State::Open);
        self.transaction.state = State::Fatal(cause);
        if waits {
            self.transaction.tell = Some(Err(TransactionError::Fatal(cause)));
        }
        self.fail_unsent();
    }

    /// What of the transaction is not in flight fails, and so does what still comes.
    fn fail_unsent(&mut self) {
        let kind = self.transaction_verdict().unwrap_or(ErrorKind::TransactionAborted);
        self.transaction.offsets = None;
        for partition in 0..self.partitions.used() {
            if self.partitions.get(partition).first != NONE {
                self.fail_queued(partition, kind);
                self.proceed(partition);
            }
        }
        self.cluster.mark_all_changed();
        self.recheck = true;
    }

    /// Every slot for partitions belongs to the transaction: it is too large.
    pub(super) fn overfills_transaction(&mut self) -> bool {
        if self.is_transactional() {
            self.transaction_fails(TransactionCause::TooManyPartitions);
        }
        self.transaction_verdict().is_some()
    }

    /// The broker has made an end of it.
    fn transaction_ended(&mut self) {
        let transaction = &self.transaction;
        let aborts = !matches!(transaction.state, State::Ending { commits: true });
        // Something may still be on its way that was sent under this epoch, or the numbers of a partition have a hole.
        let is_new = transaction.started == Started::No && transaction.failed.is_none();
        let renews = !transaction.v2 && ((aborts && !is_new) || self.partitions.is_mostly_pinned());
        self.transaction.state = if renews { State::Renewing } else { State::Ready };
        self.recheck = true;
        if !renews {
            self.tell_end();
        }
    }

    fn tell_end(&mut self) {
        let failed = self.transaction.failed.take();
        self.transaction.state = State::Ready;
        // Before that is told: the topics of what comes next have not failed.
        self.cluster.mark_all_changed();
        self.transaction.tell = Some(failed.map_or(Ok(()), |cause| Err(TransactionError::Aborted(cause))));
    }

    /// A producer id and epoch that everything is numbered under from now on.
    fn adopt_identity(&mut self, id: i64, epoch: i16) {
        self.idempotence.learn(id, epoch);
        self.partitions.unpin_all();
        self.recheck = true;
    }

    pub(super) fn transaction_event(&mut self) -> Option<Event<S::Block>> {
        if self.cluster.has_changed() { None } else { self.transaction.tell.take().map(Event::Transaction) }
    }

    /// What was not committed when the producer is closed never will be.
    pub(super) fn close_transaction(&mut self) {
        let failure = Failure {
            kind: ErrorKind::Closed,
            persisted: Persisted::Possibly,
            attempts: 0,
            last_cause: self.metadata.last_cause,
        };
        if self.is_transactional() {
            self.transaction_dies(TransactionCause::Record(failure));
        }
    }
}
