//! Transactions between those who make them and the driver: what is asked, how far it is, who waits.
//!
//! A record is in the transaction that is open when it is accepted. Between two of them none is accepted ([`Phase::Between`]),
//! so what is sent by another clone meanwhile is refused, and never in the wrong one.

mod error;

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use felice_core::error::{self as core_error, ErrorKind, Failure, TransactionCause};
use felice_core::event::{GroupMetadata, OffsetToCommit};
use felice_core::sender::Sender;
use felice_core::time::Instant;

use crate::callback::in_callback;
use crate::shared::{Phase, Shared, State};
use crate::storage::Heap;
use crate::waiters::Waiters;
pub use error::TransactionError;

/// What the driver is asked to do, in this order.
#[derive(Debug)]
enum Ask {
    Init,
    Begin,
    Commit,
    Abort,
    Offsets(Member, String, Vec<Offset>),
}

/// A consumer group's member, kept.
#[derive(Debug)]
struct Member {
    group_id: String,
    generation_id: i32,
    member_id: String,
    group_instance_id: Option<String>,
}

#[derive(Debug)]
struct Offset {
    partition: i32,
    offset: i64,
    leader_epoch: Option<i32>,
    metadata: String,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The producer has no transactions.
    Absent,
    /// Nobody has asked for anything.
    Fresh,
    /// The driver is at it.
    Busy,
    Idle,
    Open,
    Dead(TransactionCause),
}

/// What the lock guards of transactions.
pub(crate) struct Transactions {
    stage: Stage,
    asks: VecDeque<Ask>,
    /// Somebody has the right to begin transactions.
    claimed: bool,
    /// A commit failed, and nobody has heard of it.
    unheard: Option<TransactionCause>,
    /// The last offsets are not taken yet, or what has come of them.
    offsets: Option<Option<Result<(), TransactionError>>>,
    waiters: Waiters<()>,
}

impl Transactions {
    pub(crate) fn new(is_transactional: bool) -> Self {
        Self {
            stage: if is_transactional { Stage::Fresh } else { Stage::Absent },
            asks: VecDeque::new(),
            claimed: false,
            unheard: None,
            offsets: None,
            waiters: Waiters::default(),
        }
    }

    /// Whether the driver has something to do with the coordinator.
    pub(crate) fn is_busy(&self) -> bool {
        self.stage == Stage::Busy
    }

    pub(crate) fn wake_all(&mut self, wakers: &mut Vec<Waker>) {
        self.waiters.take(wakers, |()| true);
    }
}

impl State {
    /// Carries what was asked to the sender.
    pub(crate) fn ask_transaction(
        &mut self,
        now: Instant,
        sender: &mut Sender<Heap>,
        wakers: &mut Vec<Waker>,
    ) {
        while let Some(ask) = self.transactions.asks.pop_front() {
            // It is asked in the order that the sender has.
            let _ = match ask {
                Ask::Init => sender.init_transactions(now),
                Ask::Begin => sender.begin_transaction(now),
                Ask::Commit => sender.commit_transaction(now),
                Ask::Abort => sender.abort_transaction(now),
                Ask::Offsets(member, topic, offsets) => {
                    let taken = send_offsets(now, sender, &member, &topic, &offsets);
                    if !taken {
                        let error = sender.transaction_error().map(TransactionError::from);
                        let error = error.unwrap_or(TransactionError::OffsetsTooLarge);
                        self.transactions.offsets = Some(Some(Err(error)));
                        self.transactions.wake_all(wakers);
                    }
                    taken
                }
            };
        }
    }

    /// The sender has done what it was asked for, or can do it no more.
    pub(crate) fn hear_transaction(
        &mut self,
        ended: Result<(), core_error::TransactionError>,
        wakers: &mut Vec<Waker>,
    ) {
        let transactions = &mut self.transactions;
        if let Some(offsets) = &mut transactions.offsets {
            *offsets = Some(ended.map_err(TransactionError::from));
        }
        match ended {
            Err(core_error::TransactionError::Fatal(cause)) => {
                transactions.stage = Stage::Dead(cause);
                if self.phase == Phase::Open {
                    self.phase = Phase::Between;
                }
            }
            _ if transactions.stage != Stage::Busy => {}
            Err(core_error::TransactionError::Aborted(cause)) => {
                transactions.unheard = Some(cause);
                transactions.stage = Stage::Idle;
            }
            Ok(()) => transactions.stage = Stage::Idle,
        }
        self.transactions.wake_all(wakers);
    }

    /// No record of the open transaction is taken any more.
    fn end_transaction(&mut self, ask: Ask) {
        self.transactions.stage = Stage::Busy;
        self.transactions.asks.push_back(ask);
        if self.phase == Phase::Open {
            self.phase = Phase::Between;
        }
        self.accumulator.flush();
    }

    /// A transaction that is open while the producer is closed, or that nobody has any more, is aborted.
    pub(crate) fn abort_open_transaction(&mut self) {
        if self.transactions.stage == Stage::Open {
            self.end_transaction(Ask::Abort);
        }
    }
}

fn send_offsets(
    now: Instant,
    sender: &mut Sender<Heap>,
    member: &Member,
    topic: &str,
    offsets: &[Offset],
) -> bool {
    let offsets: Vec<_> = offsets
        .iter()
        .map(|offset| OffsetToCommit {
            partition: offset.partition,
            offset: offset.offset,
            leader_epoch: offset.leader_epoch,
            metadata: &offset.metadata,
        })
        .collect();
    let member = GroupMetadata {
        group_id: &member.group_id,
        generation_id: member.generation_id,
        member_id: &member.member_id,
        group_instance_id: member.group_instance_id.as_deref(),
    };
    sender.send_offsets(now, &member, topic, &offsets)
}

/// A step that is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Init,
    Begin,
    Commit,
    Abort,
    Offsets,
}

/// A step of a transaction. Dropping it ends the waiting only: what was asked goes on.
pub struct Transacting<'p> {
    shared: &'p Shared,
    step: Step,
    /// What is asked with it.
    ask: Option<Ask>,
    key: Option<u64>,
}

impl<'p> Transacting<'p> {
    /// Asks for a producer id; whoever had the transactional id is fenced.
    #[must_use]
    pub const fn init(shared: &'p Shared) -> Self {
        Self::new(shared, Step::Init, None)
    }

    /// Begins a transaction, once the one before is over.
    #[must_use]
    pub const fn begin(shared: &'p Shared) -> Self {
        Self::new(shared, Step::Begin, None)
    }

    /// Commits.
    #[must_use]
    pub const fn commit(shared: &'p Shared) -> Self {
        Self::new(shared, Step::Commit, Some(Ask::Commit))
    }

    /// Aborts.
    #[must_use]
    pub const fn abort(shared: &'p Shared) -> Self {
        Self::new(shared, Step::Abort, Some(Ask::Abort))
    }

    /// Commits a group's offsets with the transaction.
    #[must_use]
    pub fn offsets(
        shared: &'p Shared,
        member: &GroupMetadata<'_>,
        topic: &str,
        offsets: &[OffsetToCommit<'_>],
    ) -> Self {
        let member = Member {
            group_id: member.group_id.to_owned(),
            generation_id: member.generation_id,
            member_id: member.member_id.to_owned(),
            group_instance_id: member.group_instance_id.map(str::to_owned),
        };
        let offset = |offset: &OffsetToCommit<'_>| Offset {
            partition: offset.partition,
            offset: offset.offset,
            leader_epoch: offset.leader_epoch,
            metadata: offset.metadata.to_owned(),
        };
        let offsets = offsets.iter().map(offset).collect();
        Self::new(shared, Step::Offsets, Some(Ask::Offsets(member, topic.to_owned(), offsets)))
    }

    const fn new(shared: &'p Shared, step: Step, ask: Option<Ask>) -> Self {
        Self { shared, step, ask, key: None }
    }

    /// Asks for it, and is ready when it is done.
    ///
    /// # Errors
    ///
    /// [`TransactionError`], but `TimedOut`, which is the front-end's.
    pub fn poll(&mut self, context: &Context<'_>) -> Poll<Result<(), TransactionError>> {
        if self.shared.is_forked() {
            return Poll::Ready(Err(TransactionError::Forked));
        }
        if in_callback() {
            return Poll::Ready(Err(TransactionError::InCallback));
        }
        let mut state = self.shared.lock();
        let asked = state.transactions.asks.len();
        let polled = match self.step {
            Step::Init => state.poll_init(),
            Step::Begin => state.poll_begin(),
            Step::Commit | Step::Abort => state.poll_end(&mut self.ask),
            Step::Offsets => state.poll_offsets(&mut self.ask),
        };
        if polled.is_pending() {
            state.transactions.waiters.register(&mut self.key, (), context.waker());
        }
        let wake = state.transactions.asks.len() > asked;
        drop(state);
        if wake {
            self.shared.driver.wake_by_ref();
        }
        polled
    }
}

impl Drop for Transacting<'_> {
    fn drop(&mut self) {
        let forget = |key| self.shared.lock_here()?.transactions.waiters.forget(key);
        let waker = self.key.and_then(forget);
        drop(waker);
    }
}

impl State {
    /// Why nothing is done any more.
    const fn transactions_over(&self) -> Option<TransactionError> {
        match (self.transactions.stage, self.phase) {
            (_, Phase::Closed) => Some(TransactionError::Closed),
            (Stage::Absent, _) => Some(TransactionError::NotTransactional),
            (Stage::Dead(TransactionCause::Record(Failure { kind: ErrorKind::Closed, .. })), _) => {
                Some(TransactionError::Closed)
            }
            (Stage::Dead(cause), _) => Some(TransactionError::Fatal(cause)),
            _ => None,
        }
    }

    fn poll_init(&mut self) -> Poll<Result<(), TransactionError>> {
        if let Some(error) = self.transactions_over() {
            return Poll::Ready(Err(error));
        }
        if self.transactions.claimed {
            return Poll::Ready(Err(TransactionError::Initialized));
        }
        match self.transactions.stage {
            Stage::Fresh => {
                self.transactions.stage = Stage::Busy;
                self.transactions.asks.push_back(Ask::Init);
                Poll::Pending
            }
            Stage::Idle => {
                self.transactions.claimed = true;
                Poll::Ready(Ok(()))
            }
            _ => Poll::Pending,
        }
    }

    fn poll_begin(&mut self) -> Poll<Result<(), TransactionError>> {
        if let Some(error) = self.transactions_over() {
            return Poll::Ready(Err(error));
        }
        // One that nobody has ended, since it was forgotten.
        self.abort_open_transaction();
        if self.transactions.stage != Stage::Idle {
            return Poll::Pending;
        }
        if let Some(cause) = self.transactions.unheard.take() {
            return Poll::Ready(Err(TransactionError::Aborted(cause)));
        }
        if self.phase != Phase::Between {
            return Poll::Ready(Err(TransactionError::Closed));
        }
        (self.transactions.stage, self.phase) = (Stage::Open, Phase::Open);
        self.transactions.offsets = None;
        self.transactions.asks.push_back(Ask::Begin);
        Poll::Ready(Ok(()))
    }

    fn poll_end(&mut self, ask: &mut Option<Ask>) -> Poll<Result<(), TransactionError>> {
        if let Some(error) = self.transactions_over() {
            return Poll::Ready(Err(error));
        }
        if let Some(ask) = ask.take() {
            if self.transactions.stage != Stage::Open {
                // Whoever closes the producer has aborted it.
                return Poll::Ready(Err(TransactionError::Closed));
            }
            self.end_transaction(ask);
        }
        if self.transactions.stage != Stage::Idle {
            return Poll::Pending;
        }
        let failed = self.transactions.unheard.take();
        Poll::Ready(failed.map_or(Ok(()), |cause| Err(TransactionError::Aborted(cause))))
    }

    fn poll_offsets(&mut self, ask: &mut Option<Ask>) -> Poll<Result<(), TransactionError>> {
        if let Some(error) = self.transactions_over() {
            return Poll::Ready(Err(error));
        }
        let transactions = &mut self.transactions;
        match (&transactions.offsets, ask.take()) {
            (None, Some(ask)) if transactions.stage == Stage::Open => {
                transactions.offsets = Some(None);
                transactions.asks.push_back(ask);
                Poll::Pending
            }
            // Those of a call that was given up come first.
            (Some(Some(_)), Some(next)) => {
                transactions.offsets = Some(None);
                transactions.asks.push_back(next);
                Poll::Pending
            }
            (_, waits @ Some(_)) => {
                *ask = waits;
                Poll::Pending
            }
            (Some(Some(result)), None) => {
                let result = result.clone();
                transactions.offsets = None;
                Poll::Ready(result)
            }
            (_, None) => Poll::Pending,
        }
    }
}

impl Shared {
    /// Nobody has the transaction any more: it is aborted, without waiting for that.
    pub fn drop_transaction(&self) {
        if let Some(mut state) = self.lock_here() {
            state.abort_open_transaction();
            drop(state);
            // In another process there is nobody to wake.
            let _ = self.wake_driver();
        }
    }

    /// A step was not done in time.
    #[must_use]
    pub const fn transaction_timed_out(&self) -> TransactionError {
        TransactionError::TimedOut { waited: self.max_block }
    }
}
