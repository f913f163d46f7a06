//! The spool's place between the planes: what leaves the accumulator is written first, and its memory is free again; what
//! is read back goes to the sender, in the order in which it was accepted.
//!
//! A batch that was read has a slot of its own behind those of the accumulator, so that the two never meet.

mod detours;
mod shares;
mod turn;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use felice_core::batch::Batch;
use felice_core::error::Persisted;
use felice_core::event::{Numbering, ProducerState, TopicView};
use felice_core::id::{BatchId, BrokerId, TopicPartition};
use felice_core::memory::Chain;
use felice_core::spool::{Frame, SpoolPartition};
use felice_core::time::Instant;

use crate::clock::Clock;
use crate::config::ConfigError;
use crate::delivery::Entry;
use crate::epochs::Epoch;
use crate::shared::State;
use crate::spool::{BATCHES, Begun, Job, Link, Loaded, Word};
use crate::storage::HeapBlock;
use crate::warning::Warning;
use detours::{Detours, Way};
use shares::{HeldUp, Stuck, Why};

/// Batches that may be on their way to the medium: what else is ready waits, and grows.
const BACKLOG_MAX: usize = 32;

/// What is between the planes and the spool's thread.
pub(super) struct Spooling {
    link: Arc<Link>,
    clock: Clock,
    /// The first slot of those for batches that were read.
    base: usize,
    hands: Box<[Option<InHand>]>,
    /// All the blocks that the thread reads into.
    blocks: u32,
    /// Taken out of the accumulator, in this turn.
    taken: Vec<Batch<HeapBlock>>,
    /// How many are on their way to the medium.
    backlog: usize,
    words: VecDeque<Word>,
    /// Read, and their topics have no id yet; read, and they wait for room at the sender.
    unnamed: VecDeque<Come>,
    ready: VecDeque<Batch<HeapBlock>>,
    /// Partitions that the sender has no room for, and those of which nothing is read for that reason.
    stuck: Vec<Stuck>,
    held_up: Vec<HeldUp>,
    questions: Vec<Question>,
    /// Numberings that begin: told to the thread behind the ends of what was before them. Those of what is not spooled are
    /// told to nobody.
    numberings: Vec<Numbering>,
    unspooled: Vec<Numbering>,
    /// How many batches were given to the sender.
    turns: u64,
    /// Whoever waits for records that are on the medium, by frame.
    entries: BTreeMap<u64, Waiting>,
    /// What flushes wait for: frames that are not durable yet, and those that never will be before they are acknowledged.
    epochs: BTreeMap<u64, Epoch>,
    late: BTreeMap<u64, Epoch>,
    /// Which partitions are spooled, where not all are; and those that nothing is left of.
    detours: Option<Detours>,
    cleaned: Vec<(Arc<str>, i32)>,
    drained: bool,
    closing: bool,
    closed: bool,
}

/// Whoever waits for records that are on the medium, and whether they may be in the log: a broker may have taken them, and
/// was not heard.
struct Waiting {
    entry: Entry,
    persisted: Persisted,
}

/// A batch that was read from the spool, and is with the sender or about to be.
struct InHand {
    frame: Frame,
    key: TopicPartition,
    /// Its first records, those that are stored.
    stored: u32,
    /// Some of it has failed in a way that may pass.
    again: bool,
    /// A broker does not take it under the numbers that it has.
    renounce: bool,
    /// Whether those may be in the log.
    persisted: Persisted,
    /// How many were given to the sender before it; none, while it waits for room there.
    turn: Option<u64>,
    /// Who led its partition when it was given to the sender.
    leader: Option<BrokerId>,
    /// The memory that it has.
    blocks: u32,
}

/// What comes from the thread, in this order.
#[expect(clippy::large_enum_variant, reason = "nearly all are frames")]
enum Come {
    Frame(Loaded),
    /// Nothing of a partition comes behind it.
    Held(SpoolPartition),
}

/// How far a broker has a former life's records.
struct Question {
    partition: SpoolPartition,
    topic: Arc<str>,
    index: i32,
    key: Option<TopicPartition>,
    producer_id: i64,
    asked: bool,
}

impl Spooling {
    /// Starts the spool's thread. What the last life knew of topics is known: without a cluster, too, a record has its
    /// partition. `base` is the first slot behind those of the accumulator.
    pub(super) fn begin(
        begun: Begun,
        state: &mut State,
        base: usize,
        linger: Duration,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, ConfigError> {
        warnings.extend(begun.warnings);
        for (name, partitions) in begun.topics.into_iter().filter(|(_, partitions)| *partitions > 0) {
            let Ok((topic, _)) = state.topic(&name) else { break };
            let view = TopicView::Known { partitions };
            state.accumulator.handle_topic(topic, view);
            state.topics[usize::from(topic.0)].view = view;
        }
        let mut detours = begun.overflow.map(|after| Detours::new(linger + after));
        for (name, partition) in begun.undone {
            let Ok((topic, _)) = state.topic(&name) else { break };
            detours.iter_mut().for_each(|detours| detours.begin(TopicPartition { topic, partition }));
        }
        begun.writer.spawn().map_err(|error| {
            ConfigError::invalid(
                "spool.dir",
                "a thread for it".into(),
                format!("the system has none: {error}"),
            )
        })?;
        Ok(Self {
            link: begun.link,
            clock: begun.clock,
            blocks: begun.blocks,
            base,
            hands: (0..BATCHES).map(|_| None).collect(),
            taken: Vec::with_capacity(BACKLOG_MAX),
            backlog: 0,
            words: VecDeque::new(),
            unnamed: VecDeque::new(),
            ready: VecDeque::new(),
            stuck: Vec::new(),
            held_up: Vec::new(),
            questions: Vec::new(),
            numberings: Vec::new(),
            unspooled: Vec::new(),
            turns: 0,
            entries: BTreeMap::new(),
            epochs: BTreeMap::new(),
            late: BTreeMap::new(),
            detours,
            cleaned: Vec::new(),
            drained: begun.empty,
            closing: false,
            closed: false,
        })
    }

    /// Whether another batch may go to the medium.
    const fn has_room(&self) -> bool {
        self.backlog < BACKLOG_MAX
    }

    /// A batch that has left the accumulator.
    fn take(&mut self, batch: Batch<HeapBlock>) {
        self.backlog += 1;
        if let Some(detours) = &mut self.detours {
            detours.took(batch.partition);
        }
        self.taken.push(batch);
    }

    /// Whether it is to be looked for what is ready: where all of it goes to the medium, there must be room on the way.
    const fn takes_ready(&self) -> bool {
        self.detours.is_some() || self.has_room()
    }

    /// Where a batch goes that is ready.
    fn way(&mut self, partition: TopicPartition) -> Way {
        let room = self.has_room();
        let Some(detours) = &mut self.detours else { return Way::Detour };
        if detours.way(partition) == Way::Direct && !self.clock.is_set() {
            // Only on the medium can a record wait for its time.
            detours.begin(partition);
        }
        let way = detours.way(partition);
        if way == Way::Detour && !room {
            detours.set_aside(partition);
            return Way::Wait;
        }
        way
    }

    /// The next partition that takes the detour, and when: its oldest batch is late then.
    pub(super) fn late(&self, state: &State, deadline: Option<Instant>) -> Option<(TopicPartition, Instant)> {
        let detours = self.detours.as_ref().filter(|_| self.has_room())?;
        let (partition, created) = state.accumulator.oldest()?;
        Some((partition, detours.late_at(created, deadline)))
    }

    /// It has arrived at the medium, or was refused.
    fn arrived(&mut self, partition: TopicPartition, written: bool) {
        self.backlog -= 1;
        self.drained &= !written;
        if let Some(detours) = &mut self.detours {
            detours.arrived(partition, written);
        }
    }

    /// Whether anything waits for a broker.
    pub(super) fn is_wanted(&self) -> bool {
        let waits = self.ready.is_empty() && self.unnamed.is_empty() && self.held_up.is_empty();
        !(waits && self.questions.is_empty())
    }

    /// The sender may have room for a partition.
    pub(super) fn allow(&mut self, partition: TopicPartition) {
        self.unstick(partition, Why::NoRoom);
        self.release(partition);
    }

    /// How many partitions a topic has, for a life that begins without a cluster.
    pub(super) fn note_topic(&self, topic: &Arc<str>, view: TopicView) {
        if let TopicView::Known { partitions } = view {
            self.link.push(Job::Topic { topic: Arc::clone(topic), partitions });
        }
    }

    pub(super) fn note(&mut self, numbering: Numbering) {
        self.numberings.push(numbering);
    }

    /// Tells the thread of numberings before which everything has come back.
    pub(super) fn tell_numberings(&mut self) {
        let mut numberings = std::mem::take(&mut self.numberings);
        numberings.retain(|&numbering| {
            let Some(in_hand) = self.in_hand(numbering.first) else {
                self.unspooled.extend((numbering.first.slot() < self.base).then_some(numbering));
                return false;
            };
            let Frame { partition, sequence, skip, .. } = in_hand.frame;
            // What was put back and read again stands behind it, wherever it stood before.
            let before = |other: &InHand| {
                other.frame.partition == partition && other.turn.is_some() && other.turn < in_hand.turn
            };
            let waits = self.hands.iter().flatten().any(before);
            if !waits {
                self.link.push(Job::Note { partition, base: sequence + u64::from(skip), numbering });
            }
            waits
        });
        self.numberings = numberings;
    }

    pub(super) fn answer(&mut self, partition: TopicPartition, state: ProducerState) {
        let answered = self.questions.extract_if(.., |question| question.key == Some(partition));
        let link = &self.link;
        answered.for_each(|question| {
            link.push(Job::Answer { partition: question.partition, answer: state });
        });
    }

    /// Gives what was read and has an unknown topic its ids, under the lock.
    pub(super) fn name(&mut self, state: &mut State) {
        for question in self.questions.iter_mut().filter(|question| question.key.is_none()) {
            if let Ok((topic, _)) = state.topic(&question.topic) {
                question.key = Some(TopicPartition { topic, partition: question.index });
            }
        }
        self.name_frames(state);
        let room = self.has_room();
        let Some(detours) = &mut self.detours else { return };
        for (name, partition) in self.cleaned.drain(..) {
            if let Ok((topic, _)) = state.topic(&name) {
                detours.cleaned(TopicPartition { topic, partition });
            }
        }
        detours.take_ready(room).for_each(|partition| state.accumulator.allow(partition));
    }

    fn name_frames(&mut self, state: &mut State) {
        while let Some(come) = self.unnamed.front() {
            let topic = match come {
                Come::Frame(loaded) => state.topic(&loaded.topic).ok().map(|(topic, _)| topic),
                Come::Held(partition) => {
                    let partition = *partition;
                    self.unnamed.pop_front();
                    self.held(partition);
                    continue;
                }
            };
            let (Some(topic), Some(slot)) = (topic, self.hands.iter().position(Option::is_none)) else {
                return;
            };
            let Some(Come::Frame(Loaded { frame, mut batch, last, .. })) = self.unnamed.pop_front() else {
                return;
            };
            batch.id = BatchId::new(self.base + slot, 0);
            batch.partition.topic = topic;
            let blocks = batch.chain().map_or(0, Chain::blocks);
            if let Some(detours) = &mut self.detours {
                detours.read(batch.partition, last);
            }
            self.hands[slot] = Some(InHand {
                frame,
                key: batch.partition,
                stored: 0,
                again: false,
                renounce: false,
                persisted: Persisted::No,
                turn: None,
                leader: None,
                blocks,
            });
            if self.is_held_up(batch.partition) {
                self.hand_back(batch, Why::NoRoom);
            } else {
                self.ready.push_back(batch);
            }
        }
    }

    /// Nothing follows any more on what was read last of these partitions: what would have is lost. Those of which that is with
    /// the sender.
    fn end_resumed(&mut self, ended: &[SpoolPartition]) -> Vec<TopicPartition> {
        let mut with_sender = Vec::new();
        for partition in ended {
            let come = self.unnamed.iter_mut().filter_map(|come| match come {
                Come::Frame(loaded) => Some((&mut loaded.frame, None)),
                Come::Held(_) => None,
            });
            let in_hand = self.hands.iter_mut().flatten();
            let in_hand = in_hand.map(|hand| (&mut hand.frame, hand.turn.map(|_| hand.key)));
            let of_partition = come.chain(in_hand).filter(|(frame, _)| frame.partition == *partition);
            if let Some((frame, key)) = of_partition.max_by_key(|(frame, _)| frame.sequence)
                && let Some(numbers) = frame.numbers.as_mut().filter(|numbers| numbers.more)
            {
                numbers.more = false;
                with_sender.extend(key);
            }
        }
        with_sender
    }

    fn in_hand(&self, batch: BatchId) -> Option<&InHand> {
        self.hands.get(batch.slot().checked_sub(self.base)?)?.as_ref()
    }

    fn in_hand_mut(&mut self, batch: BatchId) -> Option<&mut InHand> {
        self.hands.get_mut(batch.slot().checked_sub(self.base)?)?.as_mut()
    }

    /// What was not sent yet stays where it is. For a producer that gives up: what finds no room on the medium fails.
    pub(super) fn leave_unsent(&mut self) {
        self.link.push(Job::GiveUp);
        self.unnamed.clear();
        for batch in self.ready.drain(..) {
            take_hand(&mut self.hands, self.base, batch.id);
        }
        self.link.push(Job::GiveUp);
    }

    /// Whether the thread has ended; it is told to, once there is nothing left for it to do.
    pub(super) fn end(&mut self, gave_up: bool) -> bool {
        let settled = self.backlog == 0 && self.hands.iter().all(Option::is_none);
        if settled && (gave_up || (self.drained && self.unnamed.is_empty())) && !self.closing {
            self.closing = true;
            self.link.push(Job::Close);
        }
        self.closed
    }

    /// The handles and callbacks of records that stay in the spool.
    pub(super) fn take_entries(&mut self) -> impl Iterator<Item = Entry> {
        std::mem::take(&mut self.entries).into_values().map(|waiting| waiting.entry)
    }
}

/// The batch is with nobody any more; nothing, where it was not read from the spool.
fn take_hand(hands: &mut [Option<InHand>], base: usize, batch: BatchId) -> Option<InHand> {
    hands.get_mut(batch.slot().checked_sub(base)?)?.take()
}

impl Drop for Spooling {
    fn drop(&mut self) {
        self.link.push(Job::Close);
    }
}
