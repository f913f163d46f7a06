//! How a producer ends: closed by its user, given up at the deadline, or dropped by a driver that has died.

use std::sync::Arc;
use std::task::Waker;

use felice_core::error::{ErrorKind, Failure, Persisted};
use felice_core::id::{BatchId, TopicId, TopicPartition};
use felice_core::memory::Chain;
use felice_core::time::Instant;

use super::Engine;
use super::outcome::complete;
use super::spooling::Spooling;
use crate::cell::Outcome;
use crate::delivery::Entry;
use crate::dispatcher::{Done, Job};
use crate::shared::{Phase, State};

impl Engine {
    /// At the deadline of the closing everything that is held fails. Whether that was just now.
    pub(super) fn give_up_when_due(&mut self, now: Instant) -> bool {
        if self.gave_up || self.deadline.is_none_or(|deadline| now < deadline) {
            return false;
        }
        self.gave_up = true;
        self.shared.lock().accumulator.abandon();
        if let Some(spooling) = &mut self.spooling {
            spooling.leave_unsent();
        }
        self.sender.close(now);
        true
    }

    /// When the producer is closing and nothing is held any more, all who wait for that are woken.
    pub(super) fn end_when_done(&mut self, now: Instant) {
        if self.ended || self.out > 0 || self.deadline.is_none() {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let empty = {
            let state = shared.lock();
            state.phase == Phase::Closing && state.accumulator.is_empty() && !self.ends_transaction(&state)
        };
        let gave_up = self.gave_up;
        if !empty || self.spooling.as_mut().is_some_and(|spooling| !spooling.end(gave_up)) {
            return;
        }
        self.tell_spooled();
        // The connections, too, before anybody hears of the end.
        self.sender.close(now);
        self.drain_events(now);
        shared.with(State::end);
        self.ended = true;
        shared.dispatcher.end();
    }

    /// Whether a transaction is being ended, and there is time for it.
    #[cfg(feature = "transactions")]
    fn ends_transaction(&self, state: &State) -> bool {
        state.transactions.is_busy() && !self.gave_up
    }

    #[cfg(not(feature = "transactions"))]
    #[expect(clippy::unused_self, reason = "with transactions it looks")]
    const fn ends_transaction(&self, _: &State) -> bool {
        false
    }

    /// What a driver that has died leaves behind: every record fails, and may have been stored.
    fn abort(&mut self) {
        let shared = Arc::clone(&self.shared);
        let held = shared.with(|state, wakers| {
            state.end(wakers);
            state.deliveries.take_all()
        });
        // Topics that the driver has not seen have no batch with it, but may have one that is open.
        let names: Vec<Arc<str>> = shared.lock().topics.iter().map(|topic| Arc::clone(&topic.name)).collect();
        let flying = self.flying.iter_mut().map(std::mem::take).filter(|entry| entry.epoch.is_some());
        let mut wakers = Vec::new();
        let spooled: Vec<Entry> = self.spooling.iter_mut().flat_map(Spooling::take_entries).collect();
        for mut entry in held.into_iter().chain(flying).chain(spooled) {
            let records = entry.records;
            shared.metrics.failed_of(TopicId(entry.topic), records);
            if let Some(topic) = names.get(usize::from(entry.topic)) {
                complete(&shared, topic, &mut entry, aborted(records), &mut wakers);
            }
            shared.dispatcher.push(&shared, Job::Done(forgotten(entry)));
        }
        shared.metrics.closed_all();
        wakers.into_iter().for_each(Waker::wake);
        shared.dispatcher.end();
    }
}

impl State {
    /// Nothing is taken, and nobody carries any more.
    fn end(&mut self, wakers: &mut Vec<Waker>) {
        self.phase = Phase::Closed;
        self.accumulator.close();
        self.memory.wake_all(wakers);
        self.close_waiters.take(wakers, |()| true);
        self.topic_waiters.take(wakers, |()| true);
        #[cfg(feature = "transactions")]
        self.transactions.wake_all(wakers);
    }
}

/// A producer must not be left waiting for a driver that is gone.
impl Drop for Engine {
    fn drop(&mut self) {
        if !self.ended {
            self.abort();
        }
    }
}

/// The outcome of every record of a batch whose driver has died.
const fn aborted(records: u32) -> Outcome {
    let failure =
        Failure { kind: ErrorKind::Closed, persisted: Persisted::Possibly, attempts: 0, last_cause: None };
    Outcome { partition: -1, first: 0, count: records, result: Err(failure) }
}

/// A batch that nobody will recycle: its memory went with the driver.
fn forgotten(entry: Entry) -> Done {
    let partition = TopicPartition { topic: TopicId(0), partition: -1 };
    let batch = BatchId::new(BatchId::SLOTS_MAX - 1, u16::MAX);
    Done { batch, partition, blocks: Chain::new(), entry }
}
