//! Where the outcome of a batch is kept for its handles, after the batch itself is gone.
//!
//! One cell per batch, shared by the handles of its records; set once; then read without a lock. A finished cell that
//! no handle holds any more is used again for the next batch of its slot, so sending allocates nothing while handles
//! are dropped, and one cell per batch at most while they are kept.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;

use felice_core::error::Failure;
use felice_core::event::Ack;

use crate::callback::Failures;
use crate::fork::Home;

/// What became of some consecutive records of a batch. `base_offset` is the offset of the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) partition: i32,
    pub(crate) first: u32,
    pub(crate) count: u32,
    pub(crate) result: Result<Ack, Failure>,
}

impl Outcome {
    fn covers(&self, index: u32) -> bool {
        index.wrapping_sub(self.first) < self.count
    }

    /// The outcome of the record that is `place` behind the first, as that of a batch of its own.
    pub(crate) fn single(mut self, place: u32) -> Self {
        if let Ok(ack) = &mut self.result
            && ack.base_offset >= 0
        {
            ack.base_offset += i64::from(place);
        }
        Self { first: 0, count: 1, ..self }
    }
}

/// The outcome of a batch's records, and who waits for it.
pub(crate) struct Cell {
    topic: Arc<str>,
    home: Home,
    /// Present where there may be something to say of a failure.
    failures: Option<Arc<Failures>>,
    /// Whether somebody must hear of a failure although its handle was dropped: here, since each dropped handle asks.
    are_heard: bool,
    /// The one outcome of all records: the usual case.
    whole: OnceLock<Outcome>,
    /// The records are durable in the spool.
    spooled: AtomicBool,
    /// The handles of all records before this one were dropped unobserved. With [`TOLD`] it grows no more.
    gone: AtomicU32,
    state: Mutex<State>,
}

/// An outcome came: whoever drops a handle must look for its own under the lock.
const TOLD: u32 = 1 << 31;

#[derive(Default)]
struct State {
    /// The outcomes where a batch was split.
    parts: Vec<Outcome>,
    waiters: Waiters,
    /// Handles that were dropped out of their order.
    dropped: IndexSet,
}

impl Cell {
    pub(crate) fn new(topic: Arc<str>, home: Home, failures: Option<Arc<Failures>>) -> Self {
        Self {
            topic,
            home,
            are_heard: failures.as_ref().is_some_and(|failures| failures.are_heard()),
            failures,
            whole: OnceLock::new(),
            spooled: AtomicBool::new(false),
            gone: AtomicU32::new(0),
            state: Mutex::default(),
        }
    }

    /// Makes a finished cell new. Its capacity is kept.
    pub(crate) fn renew(&mut self, topic: &Arc<str>) {
        if !Arc::ptr_eq(&self.topic, topic) {
            self.topic = Arc::clone(topic);
        }
        self.whole.take();
        // Nobody else has it: `store` is as good as a plain write, and loom's atomics have no other.
        self.gone.store(0, Ordering::Relaxed);
        self.spooled.store(false, Ordering::Relaxed);
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.parts.clear();
        state.waiters.clear();
        state.dropped.clear();
    }

    pub(crate) const fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    /// Whether this is another process: an outcome that is not there will never come.
    pub(crate) fn is_forked(&self) -> bool {
        self.home.is_elsewhere()
    }

    pub(crate) fn failures(&self) -> Option<&Failures> {
        self.failures.as_deref()
    }

    /// Who must hear of a failure although its handle was dropped.
    pub(crate) fn undelivered(&self) -> Option<&Failures> {
        if self.are_heard { self.failures() } else { None }
    }

    /// The outcome of the record `index`, once it is there.
    pub(crate) fn outcome(&self, index: u32) -> Option<Outcome> {
        match self.whole.get() {
            Some(outcome) => Some(*outcome),
            None => self.lock_here()?.part(index),
        }
    }

    /// As [`outcome`](Self::outcome); where it is not there yet, `waker` will be woken. `key` is the handle's own.
    pub(crate) fn outcome_or_wait(
        &self,
        index: u32,
        waker: &Waker,
        key: &mut Option<u32>,
    ) -> Option<Outcome> {
        if let Some(outcome) = self.whole.get() {
            return Some(*outcome);
        }
        let mut state = self.lock_here()?;
        // It may have been set since, and who sets it takes the waiters under this lock.
        if let Some(outcome) = self.whole.get() {
            return Some(*outcome);
        }
        let part = state.part(index);
        if part.is_none() {
            state.waiters.register(waker, key);
        }
        part
    }

    /// Whether the records are durable in the spool; where they are not yet, `waker` will be woken, as it will be for the
    /// outcome.
    pub(crate) fn spooled_or_wait(&self, waker: &Waker, key: &mut Option<u32>) -> bool {
        if self.spooled.load(Ordering::Acquire) {
            return true;
        }
        let Some(mut state) = self.lock_here() else { return false };
        // It is set under this lock.
        let spooled = self.spooled.load(Ordering::Acquire);
        if !spooled {
            state.waiters.register(waker, key);
        }
        spooled
    }

    /// The records are durable in the spool: all who wait look again.
    pub(crate) fn set_spooled(&self, wakers: &mut Vec<Waker>) {
        let mut state = self.lock();
        self.spooled.store(true, Ordering::Release);
        state.waiters.take(wakers);
    }

    /// The handle with this key waits no more.
    pub(crate) fn forget(&self, key: u32) {
        let waker = self.lock_here().and_then(|mut state| state.waiters.forget(key));
        drop(waker);
    }

    /// The handle of `index` is dropped unobserved. Returns the outcome where it is there already: whoever drops must
    /// report it then, and the cell does otherwise. No lock, where handles are dropped in the order of their records.
    #[inline]
    pub(crate) fn drop_unobserved(&self, index: u32) -> Option<Outcome> {
        match self.gone.compare_exchange(index, index + 1, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => None,
            Err(_) => self.drop_out_of_order(index),
        }
    }

    #[cold]
    fn drop_out_of_order(&self, index: u32) -> Option<Outcome> {
        let mut state = self.lock_here()?;
        let outcome = self.whole.get().copied().or_else(|| state.part(index));
        if outcome.is_none() {
            state.dropped.insert(index);
            // Those that came out of their order are passed, and the next one may be in order again.
            let mut gone = self.gone.load(Ordering::Relaxed);
            while state.dropped.contains(gone) {
                match self.gone.compare_exchange(gone, gone + 1, Ordering::Relaxed, Ordering::Relaxed) {
                    Ok(_) => gone += 1,
                    Err(now) => gone = now,
                }
            }
        }
        outcome
    }

    /// Sets the outcome; moves the wakers of those that wait into `wakers`, to be woken outside every lock. Returns
    /// how many of the records had their handle dropped unobserved before.
    pub(crate) fn complete(&self, outcome: Outcome, whole: bool, wakers: &mut Vec<Waker>) -> u32 {
        let mut state = self.lock();
        if whole {
            // Nobody else sets it: an outcome comes once.
            let _ = self.whole.set(outcome);
        } else {
            state.parts.push(outcome);
        }
        state.waiters.take(wakers);
        let gone = self.gone.fetch_or(TOLD, Ordering::Relaxed) & !TOLD;
        if self.undelivered().is_some() && outcome.result.is_err() {
            let records = outcome.first..outcome.first.saturating_add(outcome.count);
            records.map(|index| u32::from(index < gone || state.dropped.contains(index))).sum()
        } else {
            0
        }
    }

    /// For whoever may be in another process by now.
    fn lock_here(&self) -> Option<MutexGuard<'_, State>> {
        self.home.lock(&self.state)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn part(&self, index: u32) -> Option<Outcome> {
        self.parts.iter().find(|part| part.covers(index)).copied()
    }
}

/// The wakers of those that wait, by key. The first needs no memory: a synchronous send is alone in its batch.
#[derive(Default)]
struct Waiters {
    first: Option<Waker>,
    /// Key 0 belongs to a handle, also while its waker is taken: two with one key would wait with one waker.
    first_owned: bool,
    more: Vec<Option<Waker>>,
}

impl Waiters {
    fn register(&mut self, waker: &Waker, key: &mut Option<u32>) {
        let place = match *key {
            Some(0) => &mut self.first,
            Some(key) if (key as usize) <= self.more.len() => &mut self.more[key as usize - 1],
            _ if !self.first_owned => {
                *key = Some(0);
                self.first_owned = true;
                &mut self.first
            }
            _ => {
                self.more.push(None);
                *key = Some(self.more.len() as u32);
                self.more.last_mut().unwrap_or(&mut self.first)
            }
        };
        match place {
            Some(old) => old.clone_from(waker),
            None => *place = Some(waker.clone()),
        }
    }

    fn forget(&mut self, key: u32) -> Option<Waker> {
        match (key as usize).checked_sub(1) {
            None => {
                self.first_owned = false;
                self.first.take()
            }
            Some(place) => self.more.get_mut(place)?.take(),
        }
    }

    /// Keys stay good: after a split, those whose part is still out register again in their places.
    fn take(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.first.take());
        wakers.extend(self.more.iter_mut().filter_map(Option::take));
    }

    fn clear(&mut self) {
        self.first = None;
        self.first_owned = false;
        self.more.clear();
    }
}

/// Indexes of records, a bit each.
#[derive(Default)]
struct IndexSet {
    words: Vec<u64>,
}

impl IndexSet {
    fn insert(&mut self, index: u32) {
        let word = index as usize / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= 1 << (index % 64);
    }

    fn contains(&self, index: u32) -> bool {
        self.words.get(index as usize / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    fn clear(&mut self) {
        self.words.clear();
    }
}

#[cfg(test)]
#[path = "cell_tests.rs"]
mod tests;
