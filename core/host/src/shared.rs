//! What the clones of a producer, its handles and its driver share: the data plane behind one short lock.
//!
//! Under the lock are only steps of constant length: no system call, no user code, no waker. Whoever is to be woken is
//! collected and woken after the lock is released.

use std::cell::Cell as Kept;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::Duration;

use felice_core::accumulator::{Accumulator, Appended};
use felice_core::error::AppendError;
use felice_core::event::TopicView;
use felice_core::id::{TopicId, TopicPartition};
use felice_core::record::{Header, Placement, Record};
use felice_core::time::{Instant, Timestamp};

use crate::callback::Callbacks;
use crate::clock::Clock;
use crate::config::SharedPartitioner;
use crate::delivery::{Delivery, Handle, Interest, Sizes, Table};
use crate::dispatcher::Dispatcher;
use crate::error::SendError;
use crate::fork::Home;
use crate::lock::lock;
#[cfg(feature = "spool")]
use crate::mark::Mark;
use crate::memory_queue::{MemoryQueue, Place, Shortage};
use crate::metrics::{Live, Metrics};
use crate::storage::Heap;
#[cfg(feature = "transactions")]
use crate::transaction::Transactions;
use crate::waiters::Waiters;

/// A producer's data plane, and whoever waits at it. Front-ends hold it in an `Arc` and add how their users wait.
pub struct Shared {
    state: Mutex<State>,
    home: Home,
    pub(crate) driver: Waker,
    pub(crate) clock: Clock,
    pub(crate) partitioner: SharedPartitioner,
    pub(crate) ignore_keys: bool,
    pub(crate) max_block: Duration,
    pub(crate) drop_timeout: Duration,
    pub(crate) callbacks: Callbacks,
    pub(crate) dispatcher: Dispatcher,
    /// What is counted, by whoever it happens to.
    pub(crate) metrics: Arc<Live>,
}

/// Whether records are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// They are.
    Open,
    /// Not before a transaction begins.
    #[cfg(feature = "transactions")]
    Between,
    /// No more; what is held may still be acknowledged.
    Closing,
    /// Nothing is held, and the driver is gone.
    Closed,
    /// This is another process than the producer's.
    Forked,
}

/// A topic that was interned, and what is known of it.
pub(crate) struct Topic {
    pub(crate) name: Arc<str>,
    pub(crate) view: TopicView,
    /// Somebody asks for its partitions without sending.
    pub(crate) wanted: bool,
}

/// What the lock guards.
pub(crate) struct State {
    pub(crate) accumulator: Accumulator<Heap>,
    pub(crate) deliveries: Table,
    pub(crate) memory: MemoryQueue,
    pub(crate) topics: Vec<Topic>,
    pub(crate) phase: Phase,
    /// When closing gives up.
    pub(crate) deadline: Option<Instant>,
    /// How many records had failed when the closing began.
    pub(crate) failed_before: u64,
    pub(crate) close_waiters: Waiters<()>,
    pub(crate) topic_waiters: Waiters<()>,
    /// The header that every record gets.
    #[cfg(feature = "spool")]
    pub(crate) mark: Option<Mark>,
    #[cfg(feature = "transactions")]
    pub(crate) transactions: Transactions,
    pub(crate) metrics: Arc<Live>,
}

/// A record whose user code has run: bytes, and a hash.
#[derive(Clone, Copy)]
pub(crate) struct Prepared<'r> {
    pub(crate) topic: &'r str,
    pub(crate) placement: Placement,
    pub(crate) key: Option<&'r [u8]>,
    pub(crate) value: Option<&'r [u8]>,
    pub(crate) headers: &'r [Header<'r>],
    pub(crate) timestamp: Timestamp,
}

impl Prepared<'_> {
    /// The handle of this record.
    #[inline]
    pub(crate) fn delivery(&self, (cell, index): Handle) -> Delivery {
        Delivery::new(cell, index, Sizes::of(self.key, self.value), self.timestamp)
    }
}

/// Why a record is not taken now, or never.
pub(crate) enum Refusal {
    /// It can be when memory comes back.
    Shortage(Shortage),
    /// It is not this waiter's turn.
    Turn,
    /// The caller is told.
    Error(SendError),
}

thread_local! {
    /// Kept by each thread, so that waking allocates nothing.
    static WAKERS: Kept<Vec<Waker>> = const { Kept::new(Vec::new()) };
}

impl Shared {
    pub(crate) fn new(
        state: State,
        driver: Waker,
        clock: Clock,
        metrics: Arc<Live>,
        settings: crate::config::Settings,
    ) -> Self {
        Self {
            state: Mutex::new(state),
            home: Home::here(),
            driver,
            clock,
            partitioner: settings.partitioner,
            ignore_keys: settings.ignore_keys,
            max_block: settings.max_block,
            drop_timeout: settings.drop_timeout,
            callbacks: settings.callbacks,
            dispatcher: Dispatcher::default(),
            metrics,
        }
    }

    /// The lock.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The lock, for whoever may be in another process by now: `None` where it would wait for a thread of the parent's.
    pub(crate) fn lock_here(&self) -> Option<MutexGuard<'_, State>> {
        self.home.lock(&self.state)
    }

    /// Whether this is another process than the one that built the producer.
    #[must_use]
    pub fn is_forked(&self) -> bool {
        self.home.is_elsewhere()
    }

    /// Wakes the driver, if there is one in this process; else later sends are refused at once.
    pub(crate) fn wake_driver(&self) -> Result<(), SendError> {
        if self.is_forked() {
            if let Some(mut state) = self.lock_here() {
                state.phase = Phase::Forked;
            }
            return Err(SendError::Forked);
        }
        self.driver.wake_by_ref();
        Ok(())
    }

    /// Runs `code` under the lock, then wakes whom it has put into the list.
    pub(crate) fn with<T>(&self, code: impl FnOnce(&mut State, &mut Vec<Waker>) -> T) -> T {
        let mut wakers = WAKERS.try_with(Kept::take).unwrap_or_default();
        let result = code(&mut self.lock(), &mut wakers);
        wakers.drain(..).for_each(Waker::wake);
        let _ = WAKERS.try_with(|kept| kept.set(wakers));
        result
    }

    /// The clock that instants of this producer come from.
    #[must_use]
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// `max.block.ms`.
    #[must_use]
    pub const fn max_block(&self) -> Duration {
        self.max_block
    }

    /// How long dropping the last clone may take.
    #[must_use]
    pub const fn drop_timeout(&self) -> Duration {
        self.drop_timeout
    }

    /// How often the user's callbacks have panicked.
    #[must_use]
    pub fn callback_panics(&self) -> u64 {
        let failures = self.callbacks.failures.as_ref().map_or(0, |failures| failures.panics());
        self.callbacks.panics.load(Ordering::Relaxed) + failures
    }

    /// How many accepted records have failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.metrics.failed()
    }

    /// What was counted so far. It takes no lock.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.metrics.read(self.clock.now())
    }

    /// There was no memory for a record within `max.block.ms`.
    #[must_use]
    #[cold]
    pub fn out_of_memory(&self) -> SendError {
        self.metrics.exhausted();
        SendError::NoMemory { waited: self.max_block }
    }

    /// How many cells for outcomes were allocated after the start: one per batch at most, while handles hold the others.
    #[must_use]
    pub fn cells(&self) -> u64 {
        self.lock().deliveries.cells()
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shared = f.debug_struct("Shared");
        if let Some(state) = self.lock_here() {
            shared.field("phase", &state.phase).field("accumulator", &state.accumulator);
        }
        shared.finish()
    }
}

impl State {
    /// Takes a record, and says whether the driver must be woken. `interest` is taken only then.
    ///
    /// What takes a block waits for its turn, at its `place` in the queue if it has one. A record that fits behind others
    /// takes none, and nothing from those who wait.
    #[inline]
    pub(crate) fn accept(
        &mut self,
        clock: Clock,
        record: &Prepared<'_>,
        interest: &mut Option<Interest>,
        place: Option<&Place>,
    ) -> Result<(Option<Handle>, bool), Refusal> {
        #[cfg(feature = "spool")]
        if self.mark.is_some()
            && let Some(mark) = self.mark.take()
        {
            return self.accept_marked(mark, clock, record, interest, place);
        }
        self.accept_as_it_is(clock, record, interest, place)
    }

    /// The same, with one more header.
    #[cfg(feature = "spool")]
    #[cold]
    fn accept_marked(
        &mut self,
        mut mark: Mark,
        clock: Clock,
        record: &Prepared<'_>,
        interest: &mut Option<Interest>,
        place: Option<&Place>,
    ) -> Result<(Option<Handle>, bool), Refusal> {
        let result = mark.with(record.headers, |headers| {
            self.accept_as_it_is(clock, &Prepared { headers, ..*record }, interest, place)
        });
        if result.is_ok() {
            mark.used();
        }
        self.mark = Some(mark);
        result
    }

    #[inline]
    fn accept_as_it_is(
        &mut self,
        clock: Clock,
        record: &Prepared<'_>,
        interest: &mut Option<Interest>,
        place: Option<&Place>,
    ) -> Result<(Option<Handle>, bool), Refusal> {
        if self.phase != Phase::Open {
            return Err(Refusal::Error(self.ended()));
        }
        let (topic, new) = self.topic(record.topic)?;
        let Prepared { placement, key, value, headers, timestamp, .. } = *record;
        let prepared = record;
        let record = Record { topic, placement, key, value, headers, timestamp };
        let appended = match self.accumulator.append_open(&record) {
            Some(appended) => appended,
            None => self.append(clock, &record, prepared, place)?,
        };
        self.metrics.accepted();
        let name = &self.topics[usize::from(topic.0)].name;
        let Appended { ticket, pending, wake } = appended;
        let wake = wake || new;
        let Some(interest) = interest.take() else { return Ok((None, wake)) };
        let sizes = Sizes::of(key, value);
        Ok((self.deliveries.accept(ticket, pending, (topic, name), interest, sizes, timestamp), wake))
    }

    fn append(
        &mut self,
        clock: Clock,
        record: &Record<'_>,
        prepared: &Prepared<'_>,
        place: Option<&Place>,
    ) -> Result<Appended, Refusal> {
        match place {
            None if self.memory.is_open() || self.has_room(prepared) => {}
            None => return Err(Refusal::Shortage(Shortage::Memory { blocks: self.blocks_of(prepared) })),
            Some(place) if self.memory.is_turn(place, self.accumulator.room()) => {}
            Some(_) => return Err(Refusal::Turn),
        }
        let appended = self.accumulator.append(clock.coarse(), record);
        self.tell_available();
        appended.map_err(|error| refusal(error, record.topic, || self.blocks_of(prepared)))
    }

    /// Why no record is taken any more.
    pub(crate) fn ended(&self) -> SendError {
        match self.phase {
            Phase::Forked => SendError::Forked,
            #[cfg(feature = "transactions")]
            Phase::Between => SendError::NoTransaction,
            Phase::Open | Phase::Closing | Phase::Closed => SendError::Closed,
        }
    }

    /// Whether the end has begun.
    pub(crate) const fn is_ended(&self) -> bool {
        matches!(self.phase, Phase::Closing | Phase::Closed | Phase::Forked)
    }

    /// Whether all that is held belongs to a transaction that is to end.
    pub(crate) const fn is_ending_transaction(&self) -> bool {
        #[cfg(feature = "transactions")]
        return matches!(self.phase, Phase::Between);
        #[cfg(not(feature = "transactions"))]
        false
    }

    /// The topic's id, and whether it is new: then its metadata is to be asked for.
    #[inline]
    pub(crate) fn topic(&mut self, name: &str) -> Result<(TopicId, bool), Refusal> {
        let topic = self.accumulator.topic(name).map_err(|error| Refusal::Error(error.into()))?;
        let new = usize::from(topic.0) >= self.topics.len();
        if new {
            self.topics.push(Topic { name: name.into(), view: TopicView::Unknown, wanted: false });
        }
        Ok((topic, new))
    }

    /// A waiter waits on.
    pub(crate) fn stay(&mut self, place: &Place, waker: &Waker, shortage: Shortage, wakers: &mut Vec<Waker>) {
        let (accumulator, room) = (&self.accumulator, self.accumulator.room());
        self.memory.stay(place, waker, shortage, room, |partition| accumulator.has_share(partition), wakers);
    }

    /// A waiter leaves.
    pub(crate) fn leave(&mut self, place: &Place, wakers: &mut Vec<Waker>) {
        let (accumulator, room) = (&self.accumulator, self.accumulator.room());
        self.memory.leave(place, room, |partition| accumulator.has_share(partition), wakers);
    }

    /// Memory came back, or shares have changed.
    pub(crate) fn freed(&mut self, wakers: &mut Vec<Waker>) {
        let (accumulator, room) = (&self.accumulator, self.accumulator.room());
        self.memory.freed(room, |partition| accumulator.has_share(partition), wakers);
    }

    /// How much memory is free has changed.
    pub(crate) fn tell_available(&self) {
        let blocks = u64::from(self.accumulator.free_blocks());
        self.metrics.buffer_available(blocks * u64::from(self.accumulator.block_bytes()));
    }

    /// Whether there is room for a newcomer beside those who wait.
    #[cold]
    fn has_room(&self, record: &Prepared<'_>) -> bool {
        self.memory.has_room(self.accumulator.room(), self.blocks_of(record))
    }

    /// The most blocks that a record takes.
    pub(crate) fn blocks_of(&self, record: &Prepared<'_>) -> u32 {
        /// Lengths and deltas beside a record's own bytes, and beside each header's.
        const AROUND: usize = 64;
        let bytes = |bytes: Option<&[u8]>| AROUND + bytes.map_or(0, <[u8]>::len);
        let headers: usize = record.headers.iter().map(|header| header.key.len() + bytes(header.value)).sum();
        let all = bytes(record.key) + bytes(record.value) + headers;
        u32::try_from(all.div_ceil(self.accumulator.block_bytes().max(1) as usize)).unwrap_or(u32::MAX)
    }
}

#[cold]
fn refusal(error: AppendError, topic: TopicId, blocks: impl FnOnce() -> u32) -> Refusal {
    Refusal::Error(match error {
        AppendError::NoMemory => return Refusal::Shortage(Shortage::Memory { blocks: blocks() }),
        AppendError::NoShare { partition } => {
            let partition = partition.map(|partition| TopicPartition { topic, partition });
            return Refusal::Shortage(Shortage::Share(partition));
        }
        AppendError::RecordTooLarge { bytes, max } => SendError::RecordTooLarge { bytes, max },
        AppendError::TooManyPartitions { max } => SendError::TooManyPartitions { max },
        AppendError::UnknownPartition { partition, count } => {
            SendError::UnknownPartition { partition, count }
        }
        _ => SendError::Closed,
    })
}
