//! The spool's own thread: it alone touches the files, since a sync may take as long as a broker's answer. It never touches
//! a socket, and calls nobody's code.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{io, mem};

use felice_core::batch::Batch;
use felice_core::error::ErrorKind;
use felice_core::event::Numbering;
use felice_core::id::{BatchId, TopicId, TopicPartition};
use felice_core::memory::{Chain, Pool};
use felice_core::spool::{
    AppendError, Counts, Frame, MediumError, NewFrame, Next, Spool, SpoolPartition, TakeError,
};
use felice_core::time::Timestamp;

use super::SpoolPlan;
use super::files::Files;
use super::link::{Job, Link, Loaded, Word};
use crate::clock::Clock;
use crate::metrics::{SpoolLive, SpoolMetrics};
use crate::storage::{Heap, HeapBlock};
use crate::warning::Warning;

/// What failed is tried again after this long.
const RETRY: Duration = Duration::from_secs(1);
/// How far each partition is done is written down at least this often. What is done and not written down is asked about, or
/// sent once more, after a crash.
const CHECKPOINT: Duration = Duration::from_secs(5);
/// It is written down as soon as this where records wait for it.
const SOON: Duration = Duration::from_millis(100);
/// A frame that cannot be read is given up after so many tries.
const READ_ATTEMPTS: u32 = 10;

/// The thread's own.
pub(crate) struct Writer {
    spool: Spool<Heap, Files>,
    link: Arc<Link>,
    pub(super) metrics: Arc<SpoolLive>,
    /// The names of the topics of frames that were read.
    names: Vec<Arc<str>>,
    /// Where frames are read into.
    pool: Pool<HeapBlock>,
    sync: Duration,
    clock: Clock,
    max_age: Option<Duration>,
    words: VecDeque<Word>,
    /// Batches that wait to be written.
    batches: VecDeque<(Batch<HeapBlock>, Arc<str>)>,
    notes: Vec<Numbering>,
    /// Partitions of which nothing is read, and until when; without end until they are released.
    parked: Vec<(SpoolPartition, Option<Instant>)>,
    /// Partitions with frames, of which is told when none is left. In mode `overflow`.
    watched: Option<Vec<SpoolPartition>>,
    /// When what was written is to be made durable, and how far each partition is done to be written down.
    sync_at: Option<Instant>,
    checkpoint_at: Option<Instant>,
    /// When what could not be written is tried again, and what could not be read: a spool that takes no more is read all the
    /// same, for that makes room.
    write_again_at: Option<Instant>,
    read_again_at: Option<Instant>,
    read_attempts: u32,
    /// The last thing that failed: it is told once.
    told: Option<String>,
    damaged: u64,
    dropped: u64,
    forgotten: u64,
    expired: u64,
    /// Records wait until the machine's clock is set.
    waits_for_clock: bool,
    drained: bool,
    gave_up: bool,
    closing: bool,
}

impl Writer {
    pub(crate) fn new(
        spool: Spool<Heap, Files>,
        link: Arc<Link>,
        pool: Pool<HeapBlock>,
        plan: &SpoolPlan,
    ) -> Self {
        let counts = spool.counts();
        let watched = plan.overflow.is_some().then(|| spool.undone().collect());
        Self {
            spool,
            watched,
            link,
            metrics: Arc::default(),
            names: Vec::new(),
            pool,
            sync: plan.sync,
            clock: plan.clock,
            max_age: plan.max_age,
            words: VecDeque::new(),
            batches: VecDeque::new(),
            notes: Vec::new(),
            parked: Vec::new(),
            sync_at: None,
            checkpoint_at: None,
            write_again_at: None,
            read_again_at: None,
            read_attempts: 0,
            told: None,
            damaged: counts.damaged,
            dropped: counts.dropped,
            forgotten: 0,
            expired: counts.expired,
            waits_for_clock: false,
            drained: false,
            gave_up: false,
            closing: false,
        }
    }

    pub(crate) fn spawn(self) -> io::Result<JoinHandle<()>> {
        thread::Builder::new().name("felice-spool".into()).spawn(move || self.run())
    }

    fn run(mut self) {
        let mut jobs = VecDeque::new();
        while !self.closing {
            self.work();
            self.link.say(&mut self.words);
            self.link.take_jobs(&mut jobs, self.due());
            jobs.drain(..).for_each(|job| self.take(job));
        }
        self.work();
        self.end();
    }

    /// Everything lasts, as far as it can be made to. Whoever hears of the end may use the directory.
    fn end(mut self) {
        self.make_durable();
        if self.spool.has_changed()
            && let Err(error) = self.spool.checkpoint()
        {
            self.warn(error.to_string());
        }
        let Self { spool, link, mut words, .. } = self;
        drop(spool);
        words.push_back(Word::Closed);
        link.say(&mut words);
    }

    fn take(&mut self, job: Job) {
        match job {
            Job::Append { batch, topic } => self.batches.push_back((batch, topic)),
            Job::Done { frame, blocks } => {
                self.pool.recycle(blocks);
                self.spool.done(&frame);
            }
            Job::Again { frame, stored, blocks, wait, renounce } => {
                self.pool.recycle(blocks);
                if wait {
                    self.park(frame.partition, Some(Instant::now() + RETRY));
                }
                if renounce {
                    self.spool.renounce(&frame);
                }
                self.spool.put_back(&frame, stored);
            }
            Job::Unread { frame, blocks } => {
                self.pool.recycle(blocks);
                self.spool.unread(&frame);
            }
            Job::Hold(partition) => {
                self.park(partition, None);
                self.words.push_back(Word::Held(partition));
            }
            Job::Release(partition) => self.unpark(|parked, at| parked == partition && at.is_none()),
            Job::Note { partition, base, numbering } => {
                self.spool.note(partition, numbering.producer_id, numbering.producer_epoch, base);
                self.notes.push(numbering);
            }
            Job::Answer { partition, answer } => {
                self.spool.answer(partition, answer);
            }
            Job::Topic { topic, partitions } => self.spool.note_topic(&topic, partitions),
            Job::GiveUp => (self.gave_up, self.write_again_at) = (true, None),
            Job::Close => self.closing = true,
        }
    }

    /// Does everything that can be done now.
    fn work(&mut self) {
        let now = Instant::now();
        for again in [&mut self.write_again_at, &mut self.read_again_at] {
            again.take_if(|at| *at <= now);
        }
        self.unpark(|_, until| until.is_some_and(|until| until <= now));
        self.read_clock();
        self.append(now);
        self.write_notes();
        if self.sync_at.is_some_and(|at| at <= now) {
            self.make_durable();
        }
        self.read();
        self.tell_counts();
        self.keep_checkpoint(now);
        let drained = self.spool.is_empty() && self.batches.is_empty();
        if drained && !mem::replace(&mut self.drained, true) {
            self.words.push_back(Word::Drained);
        }
        self.drained = drained;
    }

    /// What time it is decides when frames were captured whose times count from the machine's begin, and which are too old.
    fn read_clock(&mut self) {
        let began = self.clock.is_set().then(|| self.clock.boot());
        self.spool.set_boot_time(began);
        let now = began.map(|_| self.clock.timestamp().as_millis());
        let oldest = now.zip(self.max_age).map(|(now, age)| now.saturating_sub(age.as_millis() as i64));
        self.spool.drop_older(oldest.map(Timestamp::from_millis));
    }

    fn due(&self) -> Option<Instant> {
        let parked = self.parked.iter().filter_map(|(_, until)| *until).min();
        // Nobody tells when the clock is set.
        let clock = self.spool.waits_for_clock().then(|| Instant::now() + RETRY);
        let again = [self.write_again_at, self.read_again_at];
        [self.sync_at, self.checkpoint_at, parked, clock].into_iter().chain(again).flatten().min()
    }

    fn park(&mut self, partition: SpoolPartition, until: Option<Instant>) {
        self.spool.park(partition);
        self.parked.push((partition, until));
    }

    fn unpark(&mut self, which: impl Fn(SpoolPartition, Option<Instant>) -> bool) {
        let spool = &mut self.spool;
        let unparked = self.parked.extract_if(.., |&mut (partition, until)| which(partition, until));
        unparked.for_each(|(partition, _)| spool.unpark(partition));
        // One may have been parked twice.
        self.parked.iter().for_each(|(partition, _)| spool.park(*partition));
    }

    fn append(&mut self, now: Instant) {
        while self.write_again_at.is_none()
            && let Some((batch, topic)) = self.batches.pop_front()
        {
            let new = NewFrame {
                topic: &topic,
                partition: batch.partition.partition,
                records: batch.count,
                base_timestamp: batch.base_timestamp,
                max_timestamp: batch.max_timestamp,
            };
            let pieces = batch.chain().into_iter().flat_map(Chain::pieces);
            let result = self.spool.append(&new, pieces);
            self.tell_lost();
            let (id, partition) = (batch.id, batch.partition);
            match result {
                Ok(number) => {
                    self.watch(&topic, partition.partition);
                    let blocks = batch.into_chain();
                    self.words.push_back(Word::Appended { batch: id, partition, number, blocks });
                    self.sync_at.get_or_insert(now + self.sync);
                }
                Err(AppendError::Full | AppendError::Medium(_)) if self.gave_up => {
                    let (kind, blocks) = (ErrorKind::Closed, batch.into_chain());
                    self.words.push_back(Word::Refused { batch: id, partition, kind, blocks });
                }
                Err(AppendError::Full | AppendError::Medium(_)) => {
                    self.warn(result.err().map(|error| error.to_string()).unwrap_or_default());
                    self.batches.push_front((batch, topic));
                    self.write_again_at = Some(now + RETRY);
                }
                Err(AppendError::TooLarge { .. } | AppendError::TooManyPartitions) => {
                    let (kind, blocks) = (ErrorKind::TooManyPartitions, batch.into_chain());
                    self.words.push_back(Word::Refused { batch: id, partition, kind, blocks });
                }
            }
        }
        if self.write_again_at.or(self.read_again_at).is_none() {
            self.told = None;
        }
    }

    /// Nothing is sent under a numbering that is not written down.
    fn write_notes(&mut self) {
        if self.notes.is_empty() {
            return;
        }
        if let Err(error) = self.checkpoint() {
            // Records that wait for ever are worse than records that are sent twice after a crash, and it is told.
            self.warn(error.to_string());
        }
        self.words.extend(self.notes.drain(..).map(Word::Noted));
    }

    fn make_durable(&mut self) {
        self.sync_at = None;
        match self.spool.sync() {
            Ok(number) => self.words.push_back(Word::Durable(number)),
            Err(error) => {
                self.words.push_back(Word::NeverDurable);
                self.warn(error.to_string());
            }
        }
    }

    fn read(&mut self) {
        if self.spool.is_checkpoint_due()
            && let Err(error) = self.checkpoint()
        {
            self.warn(error.to_string());
        }
        while self.read_again_at.is_none() {
            match self.spool.poll_next() {
                Ok(Next::Nothing) => break,
                Ok(Next::Ask { partition, producer_id }) => {
                    let (topic, index) = self.spool.partition(partition);
                    let topic = topic.into();
                    self.words.push_back(Word::Ask { partition, topic, index, producer_id });
                }
                Ok(Next::Frame { .. }) => match self.spool.take(&mut self.pool) {
                    Ok((frame, blocks)) => {
                        self.read_attempts = 0;
                        self.loaded(frame, blocks);
                    }
                    Err(TakeError::NoMemory) => break,
                    Err(TakeError::Wait) => {}
                    Err(TakeError::Damaged | TakeError::TooOld) => self.tell_lost(),
                    Err(TakeError::Medium(error)) => self.read_failed(&error.to_string()),
                },
                Err(error) => self.read_failed(&error.to_string()),
            }
        }
    }

    fn loaded(&mut self, mut frame: Frame, blocks: Chain<HeapBlock>) {
        let (topic, index) = self.name(frame.partition);
        let id = BatchId::new(0, 0);
        let partition = TopicPartition { topic: TopicId(0), partition: index };
        let (base, max) = (frame.base_timestamp, frame.max_timestamp);
        // The sender does not end it by its age.
        let created = felice_core::time::Instant::ZERO;
        let mut batch = Batch::restore(id, partition, created, blocks, frame.records, base, max);
        if frame.skip > 0 && !batch.skip_first(frame.skip, &mut self.pool) {
            // No block is free to begin with: all of it goes once more, and a broker that has a part of it says so.
            let skipped = mem::take(&mut frame.skip);
            if let Some(numbers) = &mut frame.numbers {
                numbers.base_sequence = numbers.base_sequence.wrapping_sub_unsigned(skipped) & i32::MAX;
            }
        }
        let last = self.spool.is_read(frame.partition);
        self.words.push_back(Word::Loaded(Loaded { frame, topic, batch, last }));
    }

    /// A partition's topic, and its index there.
    fn name(&mut self, partition: SpoolPartition) -> (Arc<str>, i32) {
        let (topic, index) = self.spool.partition(partition);
        let known = self.names.iter().find(|name| ***name == *topic).map(Arc::clone);
        let topic = known.unwrap_or_else(|| {
            self.names.push(topic.into());
            Arc::clone(&self.names[self.names.len() - 1])
        });
        (topic, index)
    }

    /// Something of a partition was written.
    fn watch(&mut self, topic: &str, index: i32) {
        let Some(watched) = &mut self.watched else { return };
        let partition = self.spool.find(topic, index);
        watched.extend(partition.filter(|partition| !watched.contains(partition)));
    }

    /// Writes down how far each partition is, and tells of which nothing is left.
    fn checkpoint(&mut self) -> Result<(), MediumError> {
        self.spool.checkpoint()?;
        let spool = &self.spool;
        let clean = self
            .watched
            .iter_mut()
            .flat_map(|watched| watched.extract_if(.., |&mut partition| spool.is_done(partition)));
        let clean: Vec<SpoolPartition> = clean.collect();
        for partition in clean {
            let (topic, index) = self.name(partition);
            self.words.push_back(Word::Clean { topic, index });
        }
        Ok(())
    }

    fn read_failed(&mut self, error: &str) {
        self.warn(error.to_owned());
        self.read_attempts += 1;
        if self.read_attempts == READ_ATTEMPTS {
            self.read_attempts = 0;
            self.spool.abandon();
            self.tell_lost();
        } else {
            self.read_again_at = Some(Instant::now() + RETRY);
        }
    }

    fn tell_lost(&mut self) {
        if let Some(lost) = self.spool.poll_lost() {
            self.words.push_back(Word::Lost { lost, ended: self.spool.ended().collect() });
        }
    }

    fn tell_counts(&mut self) {
        let (counts, records) = (self.spool.counts(), self.spool.forgotten());
        if records > mem::replace(&mut self.forgotten, records) {
            self.words.push_back(Word::Warning(Warning::SpoolForgotten { records }));
        }
        if counts.damaged > mem::replace(&mut self.damaged, counts.damaged) {
            self.words.push_back(Word::Warning(Warning::SpoolDamaged { frames: counts.damaged }));
        }
        if counts.dropped > mem::replace(&mut self.dropped, counts.dropped) {
            self.words.push_back(Word::Warning(Warning::SpoolDropped { records: counts.dropped }));
        }
        if counts.expired > mem::replace(&mut self.expired, counts.expired) {
            self.words.push_back(Word::Warning(Warning::SpoolExpired { records: counts.expired }));
        }
        let waits = self.spool.waits_for_clock();
        if waits && !mem::replace(&mut self.waits_for_clock, waits) {
            self.words.push_back(Word::Warning(Warning::ClockNotSet));
        }
        self.waits_for_clock = waits;
        self.metrics.tell(self.measured());
    }

    /// What is on the medium, and what has happened to it.
    pub(super) fn measured(&self) -> SpoolMetrics {
        let Counts { dropped, expired, damaged, .. } = self.spool.counts();
        SpoolMetrics {
            bytes: self.spool.bytes(),
            records: self.spool.records(),
            record_dropped_total: dropped,
            record_expired_total: expired,
            batch_damaged_total: damaged,
        }
    }

    fn keep_checkpoint(&mut self, now: Instant) {
        let clean = self.watched.iter().flatten().any(|&partition| self.spool.is_done(partition));
        if clean {
            // Records wait for it.
            self.checkpoint_at = Some(self.checkpoint_at.map_or(now, |at| at.min(now + SOON)));
        }
        match self.checkpoint_at {
            None if self.spool.has_changed() => self.checkpoint_at = Some(now + CHECKPOINT),
            Some(at) if at <= now => {
                self.checkpoint_at = None;
                if (clean || self.spool.has_changed())
                    && let Err(error) = self.checkpoint()
                {
                    self.warn(error.to_string());
                    self.checkpoint_at = Some(now + CHECKPOINT);
                }
            }
            _ => {}
        }
    }

    /// Once for each thing that goes wrong, until it is right again.
    fn warn(&mut self, problem: String) {
        if self.told.as_ref() != Some(&problem) {
            self.told = Some(problem.clone());
            self.words.push_back(Word::Warning(Warning::SpoolFailing { problem: problem.into() }));
        }
    }
}
