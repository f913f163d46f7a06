//! The spool's place between the planes: what leaves the accumulator is written first, and its memory is free again; what
//! is read back goes to the sender, in the order in which it was accepted.
//!
//! A batch that was read has a slot of its own behind those of the accumulator, so that the two never meet.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::Waker;

use felice_core::batch::Batch;
use felice_core::error::{ErrorCode, ErrorKind, Failure, Persisted};
use felice_core::event::{Completed, Numbering, ProducerState, TopicView};
use felice_core::id::{BatchId, TopicPartition};
use felice_core::memory::Chain;
use felice_core::spool::{Frame, SpoolPartition};
use felice_core::time::Instant;

use super::carry::Carry;
use super::{Engine, complete};
use crate::callback;
use crate::cell::Outcome;
use crate::config::ConfigError;
use crate::delivery::Entry;
use crate::dispatcher::{self, Done};
use crate::epochs::Epoch;
use crate::shared::State;
use crate::spool::{BATCHES, Begun, Job, Link, Loaded, Word};
use crate::storage::HeapBlock;
use crate::warning::Warning;

/// Batches that may be on their way to the medium: what else is ready waits, and grows.
const BACKLOG_MAX: usize = 32;

/// What is between the planes and the spool's thread.
pub(super) struct Spooling {
    link: Arc<Link>,
    /// The first slot of those for batches that were read.
    base: usize,
    hands: Box<[Option<InHand>]>,
    /// Taken out of the accumulator, in this turn.
    taken: Vec<Batch<HeapBlock>>,
    /// How many are on their way to the medium.
    backlog: usize,
    words: VecDeque<Word>,
    /// Read, and their topics have no id yet; read, and they wait for room at the sender.
    unnamed: VecDeque<Loaded>,
    ready: VecDeque<Batch<HeapBlock>>,
    /// Partitions that the sender has no room for.
    stuck: Vec<TopicPartition>,
    questions: Vec<Question>,
    /// Numberings that begin: told to the thread behind the ends of what was before them.
    numberings: Vec<Numbering>,
    /// Whoever waits for records that are on the medium, by frame.
    entries: BTreeMap<u64, Entry>,
    /// What flushes wait for: frames that are not durable yet, and those that never will be before they are acknowledged.
    epochs: BTreeMap<u64, Epoch>,
    late: BTreeMap<u64, Epoch>,
    drained: bool,
    closing: bool,
    closed: bool,
}

/// A batch that was read from the spool, and is with the sender or about to be.
struct InHand {
    frame: Frame,
    /// Its first records, those that are stored.
    stored: u32,
    /// Some of it has failed in a way that may pass.
    again: bool,
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
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, ConfigError> {
        warnings.extend(begun.warnings);
        for (name, partitions) in begun.topics.into_iter().filter(|(_, partitions)| *partitions > 0) {
            let Ok((topic, _)) = state.topic(&name) else { break };
            let view = TopicView::Known { partitions };
            state.accumulator.handle_topic(topic, view);
            state.topics[usize::from(topic.0)].view = view;
        }
        begun.writer.spawn().map_err(|error| {
            ConfigError::invalid(
                "spool.dir",
                "a thread for it".into(),
                format!("the system has none: {error}"),
            )
        })?;
        Ok(Self::new(begun.link, base, begun.empty))
    }

    fn new(link: Arc<Link>, base: usize, empty: bool) -> Self {
        Self {
            link,
            base,
            hands: (0..BATCHES).map(|_| None).collect(),
            taken: Vec::with_capacity(BACKLOG_MAX),
            backlog: 0,
            words: VecDeque::new(),
            unnamed: VecDeque::new(),
            ready: VecDeque::new(),
            stuck: Vec::new(),
            questions: Vec::new(),
            numberings: Vec::new(),
            entries: BTreeMap::new(),
            epochs: BTreeMap::new(),
            late: BTreeMap::new(),
            drained: empty,
            closing: false,
            closed: false,
        }
    }

    /// Whether another batch may leave the accumulator.
    pub(super) const fn has_room(&self) -> bool {
        self.backlog < BACKLOG_MAX
    }

    /// A batch that has left the accumulator.
    pub(super) fn take(&mut self, batch: Batch<HeapBlock>) {
        self.backlog += 1;
        self.taken.push(batch);
    }

    /// Whether anything waits for a broker.
    pub(super) fn is_wanted(&self) -> bool {
        !(self.ready.is_empty() && self.unnamed.is_empty() && self.questions.is_empty())
    }

    /// The sender may have room for a partition.
    pub(super) fn allow(&mut self, partition: TopicPartition) {
        self.stuck.retain(|stuck| *stuck != partition);
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
            let Some(in_hand) = self.in_hand(numbering.first) else { return false };
            let Frame { partition, sequence, skip, .. } = in_hand.frame;
            let before =
                |other: &InHand| other.frame.partition == partition && other.frame.sequence < sequence;
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
        while let Some(loaded) = self.unnamed.front() {
            let Ok((topic, _)) = state.topic(&loaded.topic) else { return };
            let Some(slot) = self.hands.iter().position(Option::is_none) else { return };
            let Some(Loaded { frame, mut batch, .. }) = self.unnamed.pop_front() else { return };
            batch.id = BatchId::new(self.base + slot, 0);
            batch.partition.topic = topic;
            self.hands[slot] = Some(InHand { frame, stored: 0, again: false });
            self.ready.push_back(batch);
        }
    }

    fn in_hand(&self, batch: BatchId) -> Option<&InHand> {
        self.hands.get(batch.slot().checked_sub(self.base)?)?.as_ref()
    }

    fn in_hand_mut(&mut self, batch: BatchId) -> Option<&mut InHand> {
        self.hands.get_mut(batch.slot().checked_sub(self.base)?)?.as_mut()
    }

    /// What was not sent yet stays where it is. For a producer that gives up.
    pub(super) fn leave_unsent(&mut self) {
        self.unnamed.clear();
        for batch in self.ready.drain(..) {
            if let Some(hand) =
                batch.id.slot().checked_sub(self.base).and_then(|slot| self.hands.get_mut(slot))
            {
                *hand = None;
            }
        }
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
        std::mem::take(&mut self.entries).into_values()
    }
}

impl Drop for Spooling {
    fn drop(&mut self) {
        self.link.push(Job::Close);
    }
}

impl Engine {
    /// What the spool's thread has to say.
    pub(super) fn hear_spool(&mut self, now: Instant) {
        let Some(spooling) = &mut self.spooling else { return };
        let mut words = std::mem::take(&mut spooling.words);
        spooling.link.take_words(&mut words);
        for word in words.drain(..) {
            self.hear(now, word);
        }
        if let Some(spooling) = &mut self.spooling {
            spooling.words = words;
        }
    }

    fn hear(&mut self, now: Instant, word: Word) {
        let Some(spooling) = &mut self.spooling else { return };
        match word {
            Word::Appended { batch, partition, number, blocks } => {
                self.appended(batch, partition, number, blocks);
            }
            Word::Refused { batch, partition, kind, blocks } => self.refused(batch, partition, kind, blocks),
            Word::Durable(end) => {
                while let Some(first) = spooling.epochs.first_entry().filter(|first| *first.key() < end) {
                    if let Some(entry) = spooling.entries.get(first.key()) {
                        entry.spooled(&mut self.wakers);
                    }
                    self.carry.push_back(Carry::Leave(first.remove()));
                }
            }
            Word::NeverDurable => spooling.late.append(&mut spooling.epochs),
            Word::Loaded(loaded) => spooling.unnamed.push_back(loaded),
            Word::Ask { partition, topic, index, producer_id } => spooling.questions.push(Question {
                partition,
                topic,
                index,
                key: None,
                producer_id,
                asked: false,
            }),
            Word::Noted(numbering) => self.sender.handle_noted(now, numbering),
            Word::Warning(warning) => self.warn(warning),
            Word::Drained => spooling.drained = true,
            Word::Closed => spooling.closed = true,
        }
    }

    /// A batch is written, and its memory free again.
    fn appended(&mut self, batch: BatchId, partition: TopicPartition, number: u64, blocks: Chain<HeapBlock>) {
        let Some(spooling) = &mut self.spooling else { return };
        spooling.backlog -= 1;
        spooling.drained = false;
        self.out = self.out.saturating_sub(1);
        let mut entry = self.flying.get_mut(batch.slot()).map(std::mem::take).unwrap_or_default();
        if let Some(epoch) = entry.epoch.take() {
            spooling.epochs.insert(number, epoch);
        }
        if let Some(awaited) = entry.take_awaited() {
            spooling.entries.insert(number, awaited);
        }
        self.carry.push_back(Carry::Done(Done { batch, partition, blocks, entry }));
    }

    fn refused(
        &mut self,
        batch: BatchId,
        partition: TopicPartition,
        kind: ErrorKind,
        blocks: Chain<HeapBlock>,
    ) {
        if let Some(spooling) = &mut self.spooling {
            spooling.backlog -= 1;
        }
        let records = self.flying.get(batch.slot()).map_or(0, |entry| entry.records);
        let failure = Failure { kind, persisted: Persisted::No, attempts: 0, last_cause: None };
        let (first, count, result) = (0, records, Err(failure));
        self.complete(&Completed { batch, partition, first, count, result });
        self.give_back(batch, partition, blocks);
    }

    /// Gives what was taken to the thread, and what was read to the sender.
    pub(super) fn feed_spool(&mut self, now: Instant) {
        let Some(spooling) = &mut self.spooling else { return };
        for mut batch in spooling.taken.drain(..) {
            batch.seal();
            let topic = self.topics.get(usize::from(batch.partition.topic.0)).map(Arc::clone);
            spooling.link.push(Job::Append { batch, topic: topic.unwrap_or_default() });
        }
        for question in spooling.questions.iter_mut().filter(|question| !question.asked) {
            if let Some(key) = question.key {
                question.asked = self.sender.ask_producer(now, key, question.producer_id);
            }
        }
        for _ in 0..spooling.ready.len() {
            let Some(batch) = spooling.ready.pop_front() else { return };
            let partition = batch.partition;
            if spooling.stuck.contains(&partition) || !self.sender.reserve(now, partition) {
                if !spooling.stuck.contains(&partition) {
                    spooling.stuck.push(partition);
                }
                spooling.ready.push_back(batch);
                continue;
            }
            let frame = spooling.in_hand(batch.id).map(|in_hand| in_hand.frame);
            let mut entry =
                frame.and_then(|frame| spooling.entries.remove(&frame.number)).unwrap_or_default();
            (entry.records, entry.topic) = (batch.first + batch.count, partition.topic.0);
            if let Some(place) = self.flying.get_mut(batch.id.slot()) {
                *place = entry;
            }
            match frame.and_then(|frame| frame.numbers) {
                Some(numbers) => self.sender.resume(now, batch, numbers),
                None => self.sender.enqueue(now, batch),
            }
        }
    }

    /// Some records of a batch that was read have their outcome. Whether it is to be told: what may pass is not.
    pub(super) fn is_final(&mut self, completed: &Completed) -> bool {
        let Some(in_hand) = self.spooling.as_mut().and_then(|spooling| spooling.in_hand_mut(completed.batch))
        else {
            return true;
        };
        match completed.result {
            Ok(_) => in_hand.stored = completed.first + completed.count,
            Err(failure) if may_pass(&failure) => in_hand.again = true,
            Err(failure) => {
                let is_final = !in_hand.again;
                if is_final {
                    self.report_unheard(completed, failure);
                }
                return is_final;
            }
        }
        !in_hand.again
    }

    /// Records failed for good, and whoever sent them has gone, in a former life perhaps.
    fn report_unheard(&self, completed: &Completed, failure: Failure) {
        let heard = self.flying.get(completed.batch.slot()).is_some_and(Entry::is_awaited);
        let failures = self.shared.callbacks.failures.as_deref().filter(|failures| failures.are_heard());
        let topic = self.topics.get(usize::from(completed.partition.topic.0));
        if let (false, Some(failures), Some(topic)) = (heard, failures, topic) {
            let error = callback::error(topic, Some(failures), completed.partition.partition, failure);
            let records = completed.count;
            self.shared.dispatcher.push(&self.shared, dispatcher::Job::Undelivered { error, records });
        }
    }

    /// The sender has done with a batch that was read. False for one that was not.
    pub(super) fn return_to_spool(&mut self, batch: BatchId, blocks: &mut Chain<HeapBlock>) -> bool {
        let Some(spooling) = &mut self.spooling else { return false };
        let hand = batch.slot().checked_sub(spooling.base).and_then(|slot| spooling.hands.get_mut(slot));
        let Some(InHand { frame, stored, again }) = hand.and_then(Option::take) else { return false };
        let blocks = std::mem::take(blocks);
        let mut entry = self.flying.get_mut(batch.slot()).map(std::mem::take).unwrap_or_default();
        if again {
            if let Some(awaited) = entry.take_awaited() {
                spooling.entries.insert(frame.number, awaited);
            }
            spooling.link.push(Job::Again { frame, stored, blocks, wait: !self.gave_up });
        } else {
            let epoch = spooling.epochs.remove(&frame.number).or_else(|| spooling.late.remove(&frame.number));
            self.carry.extend(epoch.map(Carry::Leave));
            spooling.link.push(Job::Done { frame, blocks });
        }
        true
    }

    /// What is in the spool when the producer ends stays there, and whoever waits for it is told so.
    pub(super) fn tell_spooled(&mut self) {
        let Some(spooling) = &mut self.spooling else { return };
        let failure = Failure {
            kind: ErrorKind::Spooled,
            persisted: Persisted::Possibly,
            attempts: 0,
            last_cause: None,
        };
        let entries: Vec<Entry> = spooling.take_entries().collect();
        for mut entry in entries {
            let count = entry.records;
            let outcome = Outcome { partition: -1, first: 0, count, result: Err(failure) };
            if let Some(topic) = self.topics.get(usize::from(entry.topic)) {
                complete(&self.shared, topic, &mut entry, outcome, &mut self.wakers);
            }
        }
        self.wakers.drain(..).for_each(Waker::wake);
    }
}

/// Whether a batch may be taken later that was not taken now: for any reason but that it is what it is.
fn may_pass(failure: &Failure) -> bool {
    match failure.kind {
        ErrorKind::Broker(code) => {
            failure.is_retriable()
                || failure.persisted == Persisted::Possibly
                || matches!(
                    code,
                    ErrorCode::TOPIC_AUTHORIZATION_FAILED
                        | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
                        | ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
                        | ErrorCode::SASL_AUTHENTICATION_FAILED
                )
        }
        _ => true,
    }
}
