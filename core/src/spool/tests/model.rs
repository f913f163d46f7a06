//! What went in, what of it must come out, and what may.

use std::collections::BTreeMap;
use std::string::String;
use std::vec;
use std::vec::Vec;

use super::medium::Ram;
use crate::event::ProducerState;
use crate::id::TopicPartition;
use crate::memory::{Chain, Pool};
use crate::random::Random;
use crate::spool::*;
use crate::test_storage::{BoxBlock, Boxes, table};
use crate::time::Timestamp;

pub(super) const SEGMENTS: usize = 6;
pub(super) const SEGMENT_BYTES: u32 = 4096;
/// So many can be with the sender.
pub(super) const FRAMES: usize = 24;
const BLOCKS: usize = 64;
const BLOCK_BYTES: usize = 256;

pub(super) type TestSpool = Spool<Boxes, Ram>;

pub(super) const CONFIG: SpoolConfig = SpoolConfig {
    segment_bytes: SEGMENT_BYTES,
    when_full: WhenFull::RefuseNewest,
    new_id: [7; 16],
    machine: 1,
    boot: 1,
};

pub(super) fn open_with(medium: Ram, config: SpoolConfig) -> (TestSpool, Recovered) {
    let tables = SpoolTables {
        segments: table(SEGMENTS, SegmentSlot::default),
        topics: table(3, TopicName::default),
        partitions: table(8, || PartitionSlot::EMPTY),
        index: table(16, || 0),
        frames: table(FRAMES, || FrameSlot::EMPTY),
    };
    Spool::open(medium, config, tables).unwrap()
}

/// What is known of a frame that was given to the spool.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    durable: bool,
    done: bool,
    /// Done, and written down.
    forgotten: bool,
    /// Done in a former life that had not written it down, as far as it knew.
    perhaps: bool,
    records: u32,
    /// Of its partition's records, one behind its last.
    end: u64,
}

/// A spool's owner, through several lives.
pub(super) struct Model {
    pub(super) spool: TestSpool,
    pub(super) pool: Pool<BoxBlock>,
    pub(super) random: Random,
    known: Vec<Known>,
    /// Written since the last sync.
    undurable: Vec<usize>,
    in_hand: Vec<(Frame, usize)>,
    /// The last that was read, by partition, in this life.
    last: BTreeMap<(String, i32), usize>,
    parked: Vec<SpoolPartition>,
    /// Frames that were damaged, which only what was not durable may be.
    pub(super) damaged: usize,
}

impl Model {
    pub(super) fn new(seed: u64) -> Self {
        let mut medium = Ram::new(SEGMENTS, SEGMENT_BYTES);
        medium.fault = None;
        Self::on(medium, seed)
    }

    pub(super) fn on(medium: Ram, seed: u64) -> Self {
        let mut pool = Pool::new();
        (0..BLOCKS).for_each(|_| pool.add(BoxBlock::new(BLOCK_BYTES)).unwrap());
        Self {
            spool: open_with(medium, CONFIG).0,
            pool,
            random: Random::new(seed),
            known: Vec::new(),
            undurable: Vec::new(),
            in_hand: Vec::new(),
            last: BTreeMap::new(),
            parked: Vec::new(),
            damaged: 0,
        }
    }

    /// The next life, on what is left of the medium.
    pub(super) fn reopen(&mut self, survive: impl FnOnce(Ram, &mut Random) -> Ram) -> Recovered {
        let medium = survive(self.spool.medium().clone(), &mut self.random);
        let (spool, recovered) = open_with(medium, CONFIG);
        self.spool = spool;
        for known in &mut self.known {
            known.perhaps |= known.done && !known.forgotten;
            known.done = known.forgotten;
        }
        self.in_hand.clear();
        self.undurable.clear();
        self.last.clear();
        self.parked.clear();
        recovered
    }

    fn place(id: usize) -> (&'static str, i32) {
        [("readings", 0), ("readings", 1), ("alarms", 0)][id % 3]
    }

    /// Appends a frame of its own content.
    pub(super) fn append(&mut self, bytes: usize) -> Result<(), AppendError> {
        let id = self.known.len();
        let (topic, partition) = Self::place(id);
        let records = 1 + (id % 4) as u32;
        let frame = NewFrame {
            topic,
            partition,
            records,
            base_timestamp: Timestamp::from_millis(id as i64),
            max_timestamp: Timestamp::from_millis(id as i64 + 1),
        };
        let mut payload = vec![id as u8; bytes.max(8)];
        payload[..8].copy_from_slice(&(id as u64).to_le_bytes());
        self.known.push(Known { records, ..Known::default() });
        let generation = self.spool.generation;
        let appended = self.spool.append(&frame, payload.chunks(100));
        if self.spool.generation > generation {
            self.note_forgotten();
        }
        appended?;
        self.undurable.push(id);
        self.known[id].end = self.partition(id).map_or(0, |slot| slot.next);
        Ok(())
    }

    pub(super) fn sync(&mut self) {
        let written = core::mem::take(&mut self.undurable);
        if self.spool.sync().is_ok() {
            written.into_iter().for_each(|id| self.known[id].durable = true);
        }
    }

    pub(super) fn checkpoint(&mut self) {
        if self.spool.checkpoint().is_ok() {
            self.note_forgotten();
        }
    }

    /// What is done is written down as far as the spool says.
    fn note_forgotten(&mut self) {
        for id in 0..self.known.len() {
            let known = self.known[id];
            let slot = self.partition(id);
            self.known[id].forgotten |= known.done && slot.is_some_and(|slot| known.end <= slot.done);
        }
    }

    fn partition(&self, id: usize) -> Option<PartitionSlot> {
        let partitions = &self.spool.partitions;
        let (topic, partition) = Self::place(id);
        let key = TopicPartition { topic: partitions.find_topic(topic)?, partition };
        Some(*partitions.get(partitions.find(key)?))
    }

    /// Reads what is next. Whether there was anything.
    pub(super) fn read(&mut self) -> bool {
        match self.spool.poll_next() {
            Err(_) => true,
            Ok(Next::Nothing) => false,
            Ok(Next::Ask { partition, .. }) => {
                self.spool.answer(partition, ProducerState::Unknown);
                true
            }
            Ok(Next::Frame { .. }) => match self.spool.take(&mut self.pool) {
                Ok((frame, chain)) => {
                    self.check(&frame, chain);
                    true
                }
                Err(TakeError::NoMemory) => false,
                Err(TakeError::Medium(_) | TakeError::Wait) => true,
                Err(TakeError::TooOld) => true,
                Err(TakeError::Damaged) => {
                    self.damaged += 1;
                    true
                }
            },
        }
    }

    fn check(&mut self, frame: &Frame, chain: Chain<BoxBlock>) {
        let bytes: Vec<u8> = chain.pieces().flatten().copied().collect();
        self.pool.recycle(chain);
        let id = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        assert!(bytes[8..].iter().all(|byte| *byte == id as u8), "{frame:?}");
        let (topic, partition) = self.spool.partition(frame.partition);
        assert_eq!((topic, partition), Self::place(id));
        let known = self.known[id];
        assert_eq!((frame.records, frame.base_timestamp), (known.records, Timestamp::from_millis(id as i64)));
        assert!(!known.forgotten, "{id} is done, and that was written down");
        let last = self.last.insert((topic.into(), partition), id);
        assert!(last.is_none_or(|last| last < id), "{id} after {last:?}");
        self.in_hand.push((*frame, id));
    }

    /// One that is with the sender has its outcome: the first of its partition, or any.
    pub(super) fn finish(&mut self, in_order: bool) {
        let count = self.in_hand.len() as u32;
        if count > 0 {
            let mut at = self.random.below(count) as usize;
            if in_order {
                let partition = self.in_hand[at].0.partition;
                at = self.in_hand.iter().position(|(frame, _)| frame.partition == partition).unwrap();
            }
            let (frame, id) = self.in_hand.remove(at);
            self.known[id].done = true;
            self.spool.done(&frame);
        }
    }

    /// One that is with the sender, and all of its partition behind it, are to be sent again.
    pub(super) fn put_back(&mut self) {
        let count = self.in_hand.len() as u32;
        if count > 0 {
            let (frame, id) = self.in_hand[self.random.below(count) as usize];
            let again = self.in_hand.extract_if(.., |(other, _)| {
                other.partition == frame.partition && other.sequence >= frame.sequence
            });
            again.for_each(|(frame, _)| self.spool.put_back(&frame, 0));
            let (topic, partition) = Self::place(id);
            self.last.remove(&(topic.into(), partition));
        }
    }

    pub(super) fn park(&mut self) {
        if let Some((frame, _)) = self.in_hand.first() {
            self.spool.park(frame.partition);
            self.parked.push(frame.partition);
        }
    }

    pub(super) fn unpark(&mut self) {
        self.parked.drain(..).for_each(|partition| self.spool.unpark(partition));
    }

    /// Reads and finishes everything; what must be there was there. How many frames came.
    pub(super) fn drain(&mut self) -> usize {
        self.unpark();
        let mut read = self.in_hand.iter().map(|(_, id)| *id).collect::<Vec<_>>();
        loop {
            let before = self.in_hand.len();
            if !self.read() && self.in_hand.is_empty() {
                break;
            }
            read.extend(self.in_hand[before..].iter().map(|(_, id)| *id));
            if self.in_hand.len() == before || before > 8 {
                self.finish(true);
            }
        }
        for (id, known) in self.known.iter().enumerate() {
            let missing = known.durable && !known.done && !known.perhaps;
            assert!(!missing, "{id} was durable, and is lost");
        }
        assert!(self.spool.is_empty(), "{:?}", self.spool);
        read.len()
    }

    /// A run of so many steps; what fails is left to the next step, as an owner would.
    pub(super) fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            match self.random.below(16) {
                0..6 => {
                    let bytes = self.random.below(900) as usize;
                    let _ = self.append(bytes);
                }
                6 | 7 => self.sync(),
                8 => self.checkpoint(),
                9..12 => {
                    self.read();
                }
                12 | 13 => self.finish(true),
                14 => match self.random.below(3) {
                    0 => self.park(),
                    1 => self.unpark(),
                    _ => self.put_back(),
                },
                _ => self.finish(false),
            }
        }
    }
}
