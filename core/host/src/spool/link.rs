//! What the driver and the spool's thread say to each other: two queues behind a lock that neither holds for longer than a
//! move.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Instant;

use felice_core::batch::Batch;
use felice_core::error::ErrorKind;
use felice_core::event::{Numbering, ProducerState};
use felice_core::id::{BatchId, TopicPartition};
use felice_core::memory::Chain;
use felice_core::spool::{Frame, Lost, SpoolPartition};

use crate::storage::HeapBlock;
use crate::warning::Warning;

/// What the thread is to do.
pub(crate) enum Job {
    /// Write a batch.
    Append {
        batch: Batch<HeapBlock>,
        topic: Arc<str>,
    },
    /// A frame's records have their outcome.
    Done {
        frame: Frame,
        blocks: Chain<HeapBlock>,
    },
    /// A frame is to be sent again, but for its first records, after a while.
    Again {
        frame: Frame,
        stored: u32,
        blocks: Chain<HeapBlock>,
        wait: bool,
        /// A broker does not take it under the numbers of a former life.
        renounce: bool,
    },
    /// A frame was not sent: it is to be read again.
    Unread {
        frame: Frame,
        blocks: Chain<HeapBlock>,
    },
    /// Nothing of a partition is to be read, until it is released.
    Hold(SpoolPartition),
    Release(SpoolPartition),
    /// A numbering begins.
    Note {
        partition: SpoolPartition,
        base: u64,
        numbering: Numbering,
    },
    /// How far a broker has the records of a former life.
    Answer {
        partition: SpoolPartition,
        answer: ProducerState,
    },
    /// How many partitions a topic has.
    Topic {
        topic: Arc<str>,
        partitions: i32,
    },
    /// Nobody waits any more: what cannot be written now is refused.
    GiveUp,
    /// Make everything last, and end.
    Close,
}

/// What it has to say.
pub(crate) enum Word {
    /// A batch is written: its frame's number, and its memory.
    Appended { batch: BatchId, partition: TopicPartition, number: u64, blocks: Chain<HeapBlock> },
    /// A batch can never be written.
    Refused { batch: BatchId, partition: TopicPartition, kind: ErrorKind, blocks: Chain<HeapBlock> },
    /// All frames before this number are durable.
    Durable(u64),
    /// None of those that were written up to now will be called durable.
    NeverDurable,
    /// A frame, read.
    Loaded(Loaded),
    /// Frames are lost.
    Lost { lost: Lost, ended: Vec<SpoolPartition> },
    /// A broker is to be asked how far it has a former life's records.
    Ask { partition: SpoolPartition, topic: Arc<str>, index: i32, producer_id: i64 },
    /// Nothing of a partition is read from now on.
    Held(SpoolPartition),
    /// A numbering is written down.
    Noted(Numbering),
    /// Something is not as it should be.
    Warning(Warning),
    /// No frame of a partition is left, and that is written down. In mode `overflow` only.
    Clean { topic: Arc<str>, index: i32 },
    /// No frame is left.
    Drained,
    /// It has ended, and everything lasts.
    Closed,
}

/// A frame that was read, to be sent: its batch has no id yet, and no topic's.
pub(crate) struct Loaded {
    pub(crate) frame: Frame,
    pub(crate) topic: Arc<str>,
    pub(crate) batch: Batch<HeapBlock>,
    /// All that was written of the partition is read with it.
    pub(crate) last: bool,
}

/// The two queues between the driver and the thread.
pub(crate) struct Link {
    queues: Mutex<Queues>,
    news: Condvar,
    driver: Waker,
}

#[derive(Default)]
struct Queues {
    jobs: VecDeque<Job>,
    words: VecDeque<Word>,
}

impl Link {
    pub(crate) fn new(driver: Waker) -> Self {
        Self { queues: Mutex::default(), news: Condvar::new(), driver }
    }

    pub(crate) fn push(&self, job: Job) {
        self.lock().jobs.push_back(job);
        self.news.notify_one();
    }

    /// Everything that it has said, into `words`.
    pub(crate) fn take_words(&self, words: &mut VecDeque<Word>) {
        words.append(&mut self.lock().words);
    }

    /// What is to be done; waits for it, until `due` at the longest.
    pub(super) fn take_jobs(&self, jobs: &mut VecDeque<Job>, due: Option<Instant>) {
        let mut queues = self.lock();
        while queues.jobs.is_empty() {
            let Some(due) = due else {
                queues = self.news.wait(queues).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            queues = self.news.wait_timeout(queues, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        jobs.append(&mut queues.jobs);
    }

    pub(super) fn say(&self, words: &mut VecDeque<Word>) {
        if !words.is_empty() {
            self.lock().words.append(words);
            self.driver.wake_by_ref();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
