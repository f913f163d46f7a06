//! What the host's spool thread does (`core/host/src/spool/thread.rs`), step by step on the virtual clock: jobs in, words out.

use std::collections::VecDeque;

use felice_core::batch::Batch;
use felice_core::event::{Numbering, ProducerState};
use felice_core::id::{BatchId, TopicId, TopicPartition};
use felice_core::memory::{Chain, Pool};
use felice_core::spool::{AppendError, Frame, MediumError, NewFrame, Next, Spool, SpoolPartition, TakeError};
use felice_core::time::{Instant, Timestamp};

use super::disk::Files;
use super::{Plan, TOPIC, World};
use crate::simulation::storage::{SimBlock, SimStorage};

/// What failed is tried again after this long, in microseconds, as in the host.
const RETRY_US: u64 = 1_000_000;
/// How far each partition is done is written down at least this often.
const CHECKPOINT_US: u64 = 5_000_000;
/// A frame that cannot be read is given up after so many tries.
const READ_ATTEMPTS: u32 = 10;

/// What the thread is to do.
pub(super) enum Job {
    Append(usize),
    Done { frame: Frame, blocks: Chain<SimBlock> },
    Again { frame: Frame, stored: u32, blocks: Chain<SimBlock>, wait: bool, renounce: bool },
    Unread { frame: Frame, blocks: Chain<SimBlock> },
    Hold(SpoolPartition),
    Release(SpoolPartition),
    Note { partition: SpoolPartition, base: u64, numbering: Numbering },
    Answer { partition: SpoolPartition, answer: ProducerState },
    Topic { partitions: i32 },
    Close,
}

/// What it has to say.
pub(super) enum Word {
    Appended { batch: usize, number: u64 },
    Durable(u64),
    NeverDurable,
    Loaded(Loaded),
    Held(SpoolPartition),
    Ask { partition: SpoolPartition, index: i32, producer_id: i64 },
    Noted(Numbering),
    Ended(Vec<SpoolPartition>),
    Drained,
    Closed,
}

/// A frame that was read, and the batch that it is.
pub(super) struct Loaded {
    pub(super) frame: Frame,
    pub(super) accepted: usize,
    pub(super) batch: Batch<SimBlock>,
}

/// The thread's own, and the two queues.
pub(super) struct Writer {
    spool: Spool<SimStorage, Files>,
    pool: Pool<SimBlock>,
    sync_us: u64,
    max_age_us: Option<u64>,
    is_narrow: bool,
    pub(super) jobs: VecDeque<Job>,
    pub(super) words: VecDeque<Word>,
    batches: VecDeque<usize>,
    notes: Vec<Numbering>,
    /// Partitions whose numbering could not be written down, although it is used.
    pub(super) unnoted: Vec<usize>,
    /// Until when; without an end, until they are released.
    parked: Vec<(SpoolPartition, Option<u64>)>,
    sync_at: Option<u64>,
    checkpoint_at: Option<u64>,
    write_again_at: Option<u64>,
    read_again_at: Option<u64>,
    read_attempts: u32,
    drained: bool,
    pub(super) closing: bool,
}

impl Writer {
    pub(super) fn new(spool: Spool<SimStorage, Files>, pool: Pool<SimBlock>, plan: &Plan) -> Self {
        Self {
            spool,
            pool,
            sync_us: plan.sync_us,
            max_age_us: plan.max_age_us,
            is_narrow: plan.is_narrow(),
            jobs: VecDeque::new(),
            words: VecDeque::new(),
            batches: VecDeque::new(),
            notes: Vec::new(),
            unnoted: Vec::new(),
            parked: Vec::new(),
            sync_at: None,
            checkpoint_at: None,
            write_again_at: None,
            read_again_at: None,
            read_attempts: 0,
            drained: false,
            closing: false,
        }
    }

    pub(super) fn spool(&self) -> &Spool<SimStorage, Files> {
        &self.spool
    }

    /// Blocks of the pool that are free, or in a job or a word on the way.
    pub(super) fn blocks(&self) -> u32 {
        let job = |job: &Job| match job {
            Job::Done { blocks, .. } | Job::Again { blocks, .. } | Job::Unread { blocks, .. } => {
                blocks.blocks()
            }
            _ => 0,
        };
        let word = |word: &Word| match word {
            Word::Loaded(loaded) => loaded.batch.chain().map_or(0, Chain::blocks),
            _ => 0,
        };
        self.pool.free() + self.jobs.iter().map(job).sum::<u32>() + self.words.iter().map(word).sum::<u32>()
    }

    pub(super) fn blocks_given(&self) -> u32 {
        self.pool.total()
    }

    /// Takes so many jobs, and does everything that can be done now.
    pub(super) fn run(&mut self, world: &mut World, jobs: usize) {
        for _ in 0..jobs {
            let Some(job) = self.jobs.pop_front() else { break };
            self.take(world, job);
        }
        self.work(world);
        if self.closing {
            self.end(world);
        }
    }

    fn end(&mut self, world: &mut World) {
        self.make_durable(world);
        if self.spool.has_changed() {
            self.checkpoint(world);
        }
        self.words.push_back(Word::Closed);
    }

    fn take(&mut self, world: &mut World, job: Job) {
        match job {
            Job::Append(batch) => self.batches.push_back(batch),
            Job::Done { frame, blocks } => {
                self.pool.recycle(blocks);
                self.spool.done(&frame);
            }
            Job::Again { frame, stored, blocks, wait, renounce } => {
                self.pool.recycle(blocks);
                if wait {
                    self.park(frame.partition, Some(world.now_us + RETRY_US));
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
            Job::Release(partition) => self.unpark(|parked, until| parked == partition && until.is_none()),
            Job::Note { partition, base, numbering } => {
                self.spool.note(partition, numbering.producer_id, numbering.producer_epoch, base);
                self.notes.push(numbering);
            }
            Job::Answer { partition, answer } => self.spool.answer(partition, answer),
            Job::Topic { partitions } => self.spool.note_topic(TOPIC, partitions),
            Job::Close => self.closing = true,
        }
    }

    fn work(&mut self, world: &mut World) {
        let now = world.now_us;
        for at in [&mut self.write_again_at, &mut self.read_again_at] {
            at.take_if(|at| *at <= now);
        }
        self.unpark(|_, until| until.is_some_and(|until| until <= now));
        let oldest = self.max_age_us.map(|age| world.wall().as_millis() - age as i64 / 1_000);
        self.spool.drop_older(oldest.map(Timestamp::from_millis));
        self.append(world);
        self.write_notes(world);
        if self.sync_at.is_some_and(|at| at <= now) {
            self.make_durable(world);
        }
        self.read(world);
        self.keep_checkpoint(world);
        let drained = self.spool.is_empty() && self.batches.is_empty();
        if drained && !std::mem::replace(&mut self.drained, true) {
            self.words.push_back(Word::Drained);
        }
        self.drained = drained;
    }

    fn park(&mut self, partition: SpoolPartition, until: Option<u64>) {
        self.spool.park(partition);
        self.parked.push((partition, until));
    }

    fn unpark(&mut self, which: impl Fn(SpoolPartition, Option<u64>) -> bool) {
        let spool = &mut self.spool;
        let unparked = self.parked.extract_if(.., |&mut (partition, until)| which(partition, until));
        unparked.for_each(|(partition, _)| spool.unpark(partition));
        // One may have been parked twice.
        self.parked.iter().for_each(|(partition, _)| spool.park(*partition));
    }

    fn append(&mut self, world: &mut World) {
        while self.write_again_at.is_none()
            && let Some(batch) = self.batches.pop_front()
        {
            let accepted = world.oracle.batch(batch);
            let new = NewFrame {
                topic: TOPIC,
                partition: accepted.partition as i32,
                records: accepted.values.len() as u32,
                base_timestamp: accepted.timestamp,
                max_timestamp: accepted.timestamp,
            };
            let result = self.spool.append(&new, accepted.records.chunks(100));
            self.tell_lost(world);
            match result {
                Ok(number) => {
                    world.oracle.written(batch, number);
                    world.say(format_args!("spool: batch {batch} is frame {number}"));
                    self.words.push_back(Word::Appended { batch, number });
                    self.sync_at.get_or_insert(world.now_us + self.sync_us);
                }
                Err(error @ (AppendError::Full | AppendError::Medium(_))) => {
                    world.say(format_args!("spool: batch {batch} waits: {error}"));
                    world.oracle.report.full += u64::from(error == AppendError::Full);
                    self.batches.push_front(batch);
                    self.write_again_at = Some(world.now_us + RETRY_US);
                }
                Err(error) => panic!("batch {batch} can never be written: {error}"),
            }
        }
    }

    /// Nothing is sent under a numbering that is not written down; where that fails it is sent all the same.
    fn write_notes(&mut self, world: &mut World) {
        if self.notes.is_empty() {
            return;
        }
        if !self.checkpoint(world) {
            let partitions = self.notes.iter().map(|note| note.partition.partition as usize);
            self.unnoted.extend(partitions);
        }
        self.words.extend(self.notes.drain(..).map(Word::Noted));
    }

    fn checkpoint(&mut self, world: &mut World) -> bool {
        let result = self.spool.checkpoint();
        world.say(format_args!("spool: checkpoint, {result:?}"));
        if result.is_ok() {
            self.unnoted.clear();
        }
        result.is_ok()
    }

    fn make_durable(&mut self, world: &mut World) {
        self.sync_at = None;
        let result = self.spool.sync();
        world.say(format_args!("spool: durable up to {result:?}"));
        self.words.push_back(result.map_or(Word::NeverDurable, Word::Durable));
    }

    fn read(&mut self, world: &mut World) {
        if self.spool.is_checkpoint_due() {
            self.checkpoint(world);
        }
        while self.read_again_at.is_none() {
            match self.spool.poll_next() {
                Ok(Next::Nothing) => break,
                Ok(Next::Ask { partition, producer_id }) => {
                    let (_, index) = self.spool.partition(partition);
                    world.say(format_args!("spool: what of producer {producer_id} is in {index}?"));
                    self.words.push_back(Word::Ask { partition, index, producer_id });
                }
                Ok(Next::Frame { .. }) => match self.spool.take(&mut self.pool) {
                    Ok((frame, blocks)) => {
                        self.read_attempts = 0;
                        self.loaded(world, frame, blocks);
                    }
                    Err(TakeError::NoMemory) => break,
                    Err(TakeError::Wait) => {}
                    Err(TakeError::Damaged | TakeError::TooOld) => self.tell_lost(world),
                    Err(TakeError::Medium(error)) => self.read_failed(world, &error),
                },
                Err(error) => self.read_failed(world, &error),
            }
        }
    }

    fn loaded(&mut self, world: &mut World, mut frame: Frame, blocks: Chain<SimBlock>) {
        let (_, index) = self.spool.partition(frame.partition);
        let records: Vec<u8> = blocks.pieces().flatten().copied().collect();
        let accepted = world.oracle.identify(index, &records);
        world.say(format_args!("spool: batch {accepted} is read, {frame:?}"));
        if self.is_narrow && frame.numbers.is_some_and(|numbers| !numbers.more) {
            world.oracle.loosen(index as usize);
        }
        let partition = TopicPartition { topic: TopicId(0), partition: index };
        let (base, max) = (frame.base_timestamp, frame.max_timestamp);
        let id = BatchId::new(0, 0);
        let mut batch = Batch::restore(id, partition, Instant::ZERO, blocks, frame.records, base, max);
        if frame.skip > 0 && !batch.skip_first(frame.skip, &mut self.pool) {
            let skipped = std::mem::take(&mut frame.skip);
            if let Some(numbers) = &mut frame.numbers {
                numbers.base_sequence = numbers.base_sequence.wrapping_sub_unsigned(skipped) & i32::MAX;
            }
        }
        self.words.push_back(Word::Loaded(Loaded { frame, accepted, batch }));
    }

    fn read_failed(&mut self, world: &mut World, error: &MediumError) {
        world.say(format_args!("spool: reading failed: {error}"));
        self.read_attempts += 1;
        if self.read_attempts == READ_ATTEMPTS {
            self.read_attempts = 0;
            self.spool.abandon();
            self.tell_lost(world);
        } else {
            self.read_again_at = Some(world.now_us + RETRY_US);
        }
    }

    /// What the spool has lost is lost, whether or not anybody hears of it.
    fn tell_lost(&mut self, world: &mut World) {
        if let Some(lost) = self.spool.poll_lost() {
            let ended = self.spool.ended().collect();
            self.words.push_back(Word::Ended(ended));
            world.say(format_args!("spool: {lost:?}"));
            world.oracle.lost(&lost);
        }
    }

    fn keep_checkpoint(&mut self, world: &mut World) {
        match self.checkpoint_at {
            None if self.spool.has_changed() => self.checkpoint_at = Some(world.now_us + CHECKPOINT_US),
            Some(at) if at <= world.now_us => {
                self.checkpoint_at = None;
                if self.spool.has_changed() && !self.checkpoint(world) {
                    self.checkpoint_at = Some(world.now_us + CHECKPOINT_US);
                }
            }
            _ => {}
        }
    }
}
