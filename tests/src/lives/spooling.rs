//! What is between the spool's thread and the sender, as in the host's engine (`core/host/src/engine/spooling.rs`, and
//! `turn.rs` there): the same queues, in the same order.

use std::collections::{BTreeMap, VecDeque};

use felice_core::batch::Batch;
use felice_core::error::{ErrorKind, Persisted};
use felice_core::event::{Completed, Numbering, ProducerState};
use felice_core::id::{BatchId, TopicId, TopicPartition};
use felice_core::memory::Chain;
use felice_core::sender::Sender;
use felice_core::spool::{Frame, SpoolPartition, may_pass, refuses_numbers};
use felice_core::time::Instant;

use super::World;
use super::writer::{Job, Loaded, Word};
use crate::simulation::storage::{SimBlock, SimStorage};

/// Batches that may be on their way to the medium.
const BACKLOG_MAX: usize = 32;

/// A batch that was read from the spool, and is with the sender or about to be.
struct InHand {
    frame: Frame,
    key: TopicPartition,
    accepted: usize,
    blocks: u32,
    /// Its first records, those that are stored.
    stored: u32,
    /// Some of it has failed in a way that may pass.
    again: bool,
    renounce: bool,
    /// How many were given to the sender before it; none, while it waits for room there.
    turn: Option<u64>,
}

/// How far a broker has a former life's records.
struct Question {
    partition: SpoolPartition,
    key: TopicPartition,
    producer_id: i64,
    asked: bool,
}

/// A partition of which nothing goes to the sender before what has failed is back, and is read again.
struct HeldUp {
    key: TopicPartition,
    partition: SpoolPartition,
    held: bool,
    released: bool,
}

/// What comes from the thread, in this order.
enum Come {
    Frame(Loaded),
    Held(SpoolPartition),
}

pub(super) struct Spooling {
    hands: Vec<Option<InHand>>,
    backlog: usize,
    unnamed: VecDeque<Come>,
    ready: VecDeque<Batch<SimBlock>>,
    stuck: Vec<TopicPartition>,
    held_up: Vec<HeldUp>,
    questions: Vec<Question>,
    numberings: Vec<Numbering>,
    turns: u64,
    /// Frames that are not durable yet.
    epochs: BTreeMap<u64, usize>,
    drained: bool,
    pub(super) closed: bool,
}

impl Spooling {
    pub(super) fn new(hands: usize, drained: bool) -> Self {
        Self {
            hands: (0..hands).map(|_| None).collect(),
            backlog: 0,
            unnamed: VecDeque::new(),
            ready: VecDeque::new(),
            stuck: Vec::new(),
            held_up: Vec::new(),
            questions: Vec::new(),
            numberings: Vec::new(),
            turns: 0,
            epochs: BTreeMap::new(),
            drained,
            closed: false,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.backlog < BACKLOG_MAX
    }

    pub(super) fn take(&mut self) {
        self.backlog += 1;
    }

    pub(super) fn is_wanted(&self) -> bool {
        let waits = self.ready.is_empty() && self.unnamed.is_empty() && self.held_up.is_empty();
        !(waits && self.questions.is_empty())
    }

    /// Nothing is on its way to the medium or with the sender, and nothing is left there.
    pub(super) fn is_done(&self) -> bool {
        self.is_settled() && self.drained && self.unnamed.is_empty() && self.epochs.is_empty()
    }

    pub(super) fn is_settled(&self) -> bool {
        self.backlog == 0 && self.hands.iter().all(Option::is_none)
    }

    /// Blocks of what was read, wherever it is.
    pub(super) fn blocks(&self) -> u32 {
        let hands = self.hands.iter().flatten().map(|in_hand| in_hand.blocks);
        let unnamed = self.unnamed.iter().map(|come| match come {
            Come::Frame(loaded) => loaded.batch.chain().map_or(0, Chain::blocks),
            Come::Held(_) => 0,
        });
        hands.chain(unnamed).sum()
    }

    pub(super) fn allow(&mut self, partition: TopicPartition) {
        self.stuck.retain(|stuck| *stuck != partition);
    }

    pub(super) fn note(&mut self, numbering: Numbering) {
        self.numberings.push(numbering);
    }

    pub(super) fn hear(&mut self, world: &mut World, sender: &mut Sender<SimStorage>, word: Word) {
        match word {
            Word::Appended { batch, number } => {
                self.backlog -= 1;
                self.drained = false;
                self.epochs.insert(number, batch);
            }
            Word::Durable(end) => {
                while let Some(first) = self.epochs.first_entry().filter(|first| *first.key() < end) {
                    world.oracle.durable(first.remove());
                }
            }
            Word::NeverDurable => self.epochs.clear(),
            Word::Loaded(loaded) => self.unnamed.push_back(Come::Frame(loaded)),
            Word::Held(partition) => self.unnamed.push_back(Come::Held(partition)),
            Word::Ask { partition, index, producer_id } => {
                let key = TopicPartition { topic: TopicId(0), partition: index };
                self.questions.push(Question { partition, key, producer_id, asked: false });
            }
            Word::Noted(numbering) => sender.handle_noted(Instant::from_micros(world.now_us), numbering),
            Word::Ended(ended) => {
                let now = Instant::from_micros(world.now_us);
                self.end_resumed(&ended).into_iter().for_each(|partition| sender.end_resumed(now, partition));
            }
            Word::Drained => self.drained = true,
            Word::Closed => self.closed = true,
        }
    }

    /// Tells the thread of numberings before which everything has come back.
    pub(super) fn tell_numberings(&mut self, jobs: &mut VecDeque<Job>) {
        let mut numberings = std::mem::take(&mut self.numberings);
        numberings.retain(|&numbering| {
            let Some(in_hand) = self.hands[numbering.first.slot()].as_ref() else { return false };
            let Frame { partition, sequence, skip, .. } = in_hand.frame;
            let before = |other: &InHand| {
                other.frame.partition == partition && other.turn.is_some() && other.turn < in_hand.turn
            };
            let waits = self.hands.iter().flatten().any(before);
            if !waits {
                jobs.push_back(Job::Note { partition, base: sequence + u64::from(skip), numbering });
            }
            waits
        });
        self.numberings = numberings;
    }

    pub(super) fn answer(
        &mut self,
        partition: TopicPartition,
        answer: ProducerState,
        jobs: &mut VecDeque<Job>,
    ) {
        let answered = self.questions.extract_if(.., |question| question.key == partition);
        jobs.extend(answered.map(|question| Job::Answer { partition: question.partition, answer }));
    }

    /// Nothing follows any more on what was read last of these partitions.
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

    /// Gives what was read its place; what would overtake goes back.
    pub(super) fn name(&mut self, jobs: &mut VecDeque<Job>) {
        while let Some(come) = self.unnamed.front() {
            if let Come::Held(partition) = *come {
                self.unnamed.pop_front();
                let held = self.held_up.iter_mut().filter(|held_up| held_up.partition == partition);
                held.for_each(|held_up| held_up.held = true);
                self.go_on(jobs);
                continue;
            }
            let Some(slot) = self.hands.iter().position(Option::is_none) else { return };
            let Some(Come::Frame(Loaded { frame, accepted, mut batch })) = self.unnamed.pop_front() else {
                return;
            };
            batch.id = BatchId::new(slot, 0);
            let blocks = batch.chain().map_or(0, Chain::blocks);
            self.hands[slot] = Some(InHand {
                frame,
                key: batch.partition,
                accepted,
                blocks,
                stored: 0,
                again: false,
                renounce: false,
                turn: None,
            });
            self.ready.push_back(batch);
        }
        for _ in 0..self.ready.len() {
            let Some(batch) = self.ready.pop_front() else { return };
            if self.held_up.iter().any(|held_up| held_up.key == batch.partition) {
                let InHand { frame, .. } = self.hands[batch.id.slot()].take().expect("it is in a hand");
                jobs.push_back(Job::Unread { frame, blocks: batch.into_chain() });
            } else {
                self.ready.push_back(batch);
            }
        }
    }

    /// A batch has failed in a way that may pass: nothing of its partition goes on before all of that is back.
    fn call_back(&mut self, key: TopicPartition, partition: SpoolPartition, jobs: &mut VecDeque<Job>) {
        match self.held_up.iter_mut().find(|held_up| held_up.key == key) {
            Some(held_up) => held_up.released = false,
            None => {
                self.held_up.push(HeldUp { key, partition, held: false, released: false });
                jobs.push_back(Job::Hold(partition));
            }
        }
    }

    fn came_back(&mut self, key: TopicPartition, jobs: &mut VecDeque<Job>) {
        let is_out = |hand: &InHand| hand.key == key && hand.turn.is_some();
        if !self.hands.iter().flatten().any(is_out) {
            let back = self.held_up.iter_mut().filter(|held_up| held_up.key == key);
            back.for_each(|held_up| held_up.released = true);
            self.go_on(jobs);
        }
    }

    fn go_on(&mut self, jobs: &mut VecDeque<Job>) {
        let on = self.held_up.extract_if(.., |held_up| held_up.held && held_up.released);
        jobs.extend(on.map(|held_up| Job::Release(held_up.partition)));
    }

    /// Gives what was read to the sender.
    pub(super) fn feed(&mut self, world: &mut World, sender: &mut Sender<SimStorage>) {
        let now = Instant::from_micros(world.now_us);
        for question in self.questions.iter_mut().filter(|question| !question.asked) {
            question.asked = sender.ask_producer(now, question.key, question.producer_id);
        }
        for _ in 0..self.ready.len() {
            let Some(batch) = self.ready.pop_front() else { return };
            let partition = batch.partition;
            if self.stuck.contains(&partition) || !sender.reserve(now, partition) {
                if !self.stuck.contains(&partition) {
                    self.stuck.push(partition);
                }
                self.ready.push_back(batch);
                continue;
            }
            self.turns += 1;
            let in_hand = self.hands[batch.id.slot()].as_mut().expect("it is in a hand");
            in_hand.turn = Some(self.turns);
            world.say(format_args!("to the sender: batch {}", in_hand.accepted));
            let frame = in_hand.frame;
            world.oracle.sent(in_hand.accepted);
            world.oracle.report.resumed += u64::from(frame.numbers.is_some());
            match (frame.numbers, frame.apart) {
                (numbers, true) => sender.enqueue_apart(now, batch, numbers),
                (Some(numbers), false) => sender.resume(now, batch, numbers),
                (None, false) => sender.enqueue(now, batch),
            }
        }
    }

    /// Some records of a batch have their outcome. The partition that is to be withdrawn, if one is.
    pub(super) fn completed(
        &mut self,
        world: &mut World,
        completed: &Completed,
        jobs: &mut VecDeque<Job>,
    ) -> Option<TopicPartition> {
        let Completed { first, count, result, .. } = *completed;
        let in_hand = self.hands[completed.batch.slot()].as_mut().expect("it is in a hand");
        world.say(format_args!("batch {}: {first}+{count}, {result:?}", in_hand.accepted));
        match result {
            Ok(ack) => {
                in_hand.stored = first + count;
                world.oracle.acknowledged(in_hand.accepted, first, count, ack.base_offset);
            }
            Err(failure) if may_pass(&failure) => {
                let is_first = !std::mem::replace(&mut in_hand.again, true);
                in_hand.renounce |= refuses_numbers(&failure);
                world.oracle.put_back(in_hand.accepted, failure.persisted == Persisted::Possibly);
                if is_first && failure.kind != ErrorKind::Spooled {
                    let (key, partition) = (in_hand.key, in_hand.frame.partition);
                    self.call_back(key, partition, jobs);
                    return Some(key);
                }
            }
            Err(_) if in_hand.again => {}
            Err(_) => world.oracle.failed(in_hand.accepted),
        }
        None
    }

    /// The sender has done with a batch.
    pub(super) fn returned(
        &mut self,
        batch: BatchId,
        blocks: Chain<SimBlock>,
        wait: bool,
        jobs: &mut VecDeque<Job>,
    ) {
        let in_hand = self.hands[batch.slot()].take().expect("it is in a hand");
        let InHand { frame, key, stored, again, renounce, .. } = in_hand;
        jobs.push_back(if again {
            Job::Again { frame, stored, blocks, wait, renounce }
        } else {
            self.epochs.remove(&frame.number);
            Job::Done { frame, blocks }
        });
        self.came_back(key, jobs);
    }

    /// What was not sent yet stays where it is. For a producer that gives up.
    pub(super) fn leave_unsent(&mut self) {
        self.unnamed.clear();
        for batch in self.ready.drain(..) {
            self.hands[batch.id.slot()] = None;
        }
    }
}
