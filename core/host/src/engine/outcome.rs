//! Outcomes on their way to whoever waits for them: handles at once, callbacks and hooks by their thread.

use std::sync::Arc;
use std::task::Waker;

use felice_core::error::ErrorKind;
use felice_core::event::Completed;
use felice_core::id::{BatchId, TopicPartition};
use felice_core::memory::Chain;

use super::Engine;
use super::carry::Carry;
use crate::callback::{self, Call};
use crate::cell::Outcome;
use crate::delivery::Entry;
use crate::dispatcher::{Done, Job};
use crate::shared::Shared;
use crate::storage::HeapBlock;
use crate::warning::Warning;

impl Engine {
    /// A batch's memory goes back to the accumulator.
    pub(super) fn give_back(&mut self, batch: BatchId, partition: TopicPartition, blocks: Chain<HeapBlock>) {
        let entry = self.flying.get_mut(batch.slot()).map(std::mem::take).unwrap_or_default();
        self.out = self.out.saturating_sub(1);
        let routed = entry.routed;
        let done = Done { batch, partition, blocks, entry };
        if routed {
            // Behind its callbacks.
            self.shared.dispatcher.push(&self.shared, Job::Done(done));
        } else {
            self.carry.push_back(Carry::Done(done));
        }
    }

    /// Tells the user on the callbacks' thread, if there is somebody to tell.
    pub(super) fn warn(&self, warning: Warning) {
        if self.shared.callbacks.warning.is_some() {
            self.shared.dispatcher.push(&self.shared, Job::Warning(warning));
        }
    }

    /// Some records of a batch have their outcome.
    pub(super) fn complete(&mut self, completed: &Completed) {
        let Completed { batch, partition, first, count, result } = *completed;
        let live = &self.shared.metrics;
        if let Err(failure) = result {
            live.failed_of(partition.topic, count);
            if let (ErrorKind::Authentication(_), Some(failures)) =
                (failure.kind, &self.shared.callbacks.failures)
            {
                failures.set_words(self.sender.authentication_words());
            }
        } else {
            live.acknowledged(partition.topic, count);
        }
        let outcome = Outcome { partition: partition.partition, first, count, result };
        let Some(topic) = self.topics.get(usize::from(partition.topic.0)) else { return };
        if let Some(entry) = self.flying.get_mut(batch.slot()) {
            complete(&self.shared, topic, entry, outcome, &mut self.wakers);
        }
    }
}

/// Tells the handles; what is left to tell goes to the callbacks' thread.
pub(super) fn complete(
    shared: &Arc<Shared>,
    topic: &Arc<str>,
    entry: &mut Entry,
    outcome: Outcome,
    wakers: &mut Vec<Waker>,
) {
    let dropped = entry.complete(outcome, wakers);
    if entry.registered.has_callbacks() {
        entry.routed = true;
        let call = Call { topic: Arc::clone(topic), outcome, registered: entry.observers(&outcome) };
        shared.dispatcher.push(shared, Job::Call(call));
    }
    if dropped > 0
        && let Err(failure) = outcome.result
    {
        entry.routed = true;
        let failures = shared.callbacks.failures.as_deref();
        let error = callback::error(topic, failures, outcome.partition, failure);
        shared.dispatcher.push(shared, Job::Undelivered { error, records: dropped });
    }
}
