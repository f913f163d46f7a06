//! Where callbacks run: on a thread of their own, made when the first one is due, so that a slow one delays other
//! callbacks and never the network.
//!
//! A batch whose callbacks have not run yet keeps its memory. So callbacks that are slower than the records come hold
//! up `send` in the end, and the queue here stays as small as `buffer.memory` makes it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use felice_core::id::{BatchId, TopicPartition};
use felice_core::memory::Chain;

use crate::callback::Call;
use crate::delivery::Entry;
use crate::error::ProduceError;
use crate::observers::Observers;
use crate::shared::Shared;
use crate::storage::HeapBlock;
use crate::warning::Warning;

/// What is to be done, in order.
pub(crate) enum Job {
    /// Callbacks of some records of a batch.
    Call(Call),
    /// Records failed whose handles were dropped before.
    Undelivered { error: ProduceError, records: u32 },
    /// Something is not as the settings say.
    Warning(Warning),
    /// A batch is done.
    Done(Done),
}

/// A batch that is done, on its way back to the accumulator.
pub(crate) struct Done {
    pub(crate) batch: BatchId,
    pub(crate) partition: TopicPartition,
    pub(crate) blocks: Chain<HeapBlock>,
    pub(crate) entry: Entry,
}

/// The queue of jobs, and the thread that does them.
#[derive(Default)]
pub(crate) struct Dispatcher {
    queue: Mutex<Queue>,
    news: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    thread: Option<JoinHandle<()>>,
    started: bool,
    waiting: bool,
    ended: bool,
}

impl Dispatcher {
    /// Adds a job. Where the system gives no thread it is done at once, by the caller.
    pub(crate) fn push(&self, shared: &Arc<Shared>, job: Job) {
        let mut queue = self.lock();
        if !queue.started {
            let thread = thread::Builder::new().name("felice-callbacks".into());
            let this = Arc::clone(shared);
            queue.thread = thread.spawn(move || this.dispatcher.run(&this)).ok();
            queue.started = queue.thread.is_some();
        }
        if !queue.started {
            drop(queue);
            return perform(shared, job, &mut Observers::default());
        }
        queue.jobs.push_back(job);
        let waiting = std::mem::take(&mut queue.waiting);
        drop(queue);
        if waiting {
            self.news.notify_one();
        }
    }

    /// No job comes any more: the thread ends when it has done the last one.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.news.notify_one();
    }

    /// The thread, for whoever waits for its end.
    pub(crate) fn thread(&self) -> Option<JoinHandle<()>> {
        self.lock().thread.take()
    }

    fn run(&self, shared: &Arc<Shared>) {
        // The list of callbacks that was emptied last: its memory goes back with its batch.
        let mut spare = Observers::default();
        while let Some(job) = self.next() {
            perform(shared, job, &mut spare);
        }
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if queue.ended {
                return None;
            }
            queue.waiting = true;
            queue = self.news.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn perform(shared: &Shared, job: Job, spare: &mut Observers) {
    match job {
        Job::Call(mut call) => {
            shared.callbacks.run(&mut call);
            *spare = call.registered;
        }
        Job::Undelivered { error, records } => {
            if let Some(failures) = &shared.callbacks.failures {
                failures.report(&error, records);
            }
        }
        Job::Warning(warning) => shared.callbacks.warn(warning),
        Job::Done(mut done) => {
            if done.entry.registered.is_blank() {
                done.entry.registered = std::mem::take(spare);
            }
            shared.with(|state, wakers| state.recycle(done, wakers));
        }
    }
}
