//! What a partition's leader remembers of a producer (DescribeProducers): after a crash that says how far the log goes.
//!
//! Each question has a place in a short table until its answer is told. It goes to the partition's leader, as records do,
//! and is asked again, after a backoff, for as long as nobody could answer it.

use super::Sender;
use super::connection::Request;
use super::retry::backoff;
use crate::error::{Class, ErrorCode, ErrorKind, ProtocolError};
use crate::event::{Event, ProducerState};
use crate::id::{TopicId, TopicPartition};
use crate::memory::Storage;
use crate::time::{Instant, earliest};
use crate::wire::{ApiKey, Decoder, Field, Item, Progress, Value, describe_producers};

/// So many questions of [`Sender::ask_producer`] may be open at the same time: none without the feature `resume`.
pub const PRODUCERS_ASKED_MAX: usize = if cfg!(feature = "resume") { 16 } else { 0 };

/// Where a question stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// To be asked, from this moment on.
    Due(Instant),
    /// In a request.
    Asked,
    /// The answer is to be told.
    Done(ProducerState),
}

/// What is asked of a partition's leader.
#[derive(Clone, Copy, Debug)]
struct Question {
    partition: TopicPartition,
    producer_id: i64,
    stage: Stage,
    failures: u32,
}

/// The questions that are open.
#[derive(Debug)]
pub(crate) struct Questions {
    slots: [Option<Question>; PRODUCERS_ASKED_MAX],
    open: u8,
}

impl Questions {
    pub(crate) const fn new() -> Self {
        Self { slots: [None; PRODUCERS_ASKED_MAX], open: 0 }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        // The first is known to the compiler, which leaves out what is for questions only.
        PRODUCERS_ASKED_MAX == 0 || self.open == 0
    }

    /// False where every place is taken. What is asked already is not asked twice.
    fn add(&mut self, now: Instant, partition: TopicPartition, producer_id: i64) -> bool {
        let same =
            |question: &Question| (question.partition, question.producer_id) == (partition, producer_id);
        if self.slots.iter().flatten().any(same) {
            return true;
        }
        let Some(place) = self.slots.iter_mut().find(|place| place.is_none()) else { return false };
        *place = Some(Question { partition, producer_id, stage: Stage::Due(now), failures: 0 });
        self.open += 1;
        true
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new();
    }

    fn get(&self, place: u32) -> Option<Question> {
        self.slots.get(place as usize).copied().flatten()
    }

    fn set(&mut self, place: u32, stage: Stage) {
        if let Some(question) = self.slots.get_mut(place as usize).and_then(Option::as_mut) {
            question.stage = stage;
        }
    }

    /// Those that are to be asked now, or will be.
    fn due(&self) -> impl Iterator<Item = (u32, Question, Instant)> {
        self.slots.iter().enumerate().filter_map(|(place, question)| match question {
            Some(question) => match question.stage {
                Stage::Due(at) => Some((place as u32, *question, at)),
                _ => None,
            },
            None => None,
        })
    }

    /// When the next one is to be asked.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due().fold(None, |next, (_, _, at)| earliest(next, Some(at)))
    }

    fn take_done(&mut self) -> Option<(Question, ProducerState)> {
        if self.is_empty() {
            return None;
        }
        for place in &mut self.slots {
            if let Some(question @ Question { stage: Stage::Done(state), .. }) = *place {
                *place = None;
                self.open -= 1;
                return Some((question, state));
            }
        }
        None
    }
}

impl<S: Storage> Sender<S> {
    pub(super) fn ask(&mut self, partition: TopicPartition, producer_id: i64) -> bool {
        if self.closed || self.cluster.topic(partition.topic).is_none() {
            return false;
        }
        let asked = self.questions.add(self.now, partition, producer_id);
        if asked {
            self.refresh_unknown(partition);
        }
        asked
    }

    /// A partition whose leader is not known is asked for at once.
    fn refresh_unknown(&mut self, TopicPartition { topic, partition }: TopicPartition) {
        if self.cluster.leader(topic, partition).is_none() {
            self.refresh_topic(topic, true);
        }
    }

    /// Makes sure that what is to be asked has its leader and a connection to it.
    pub(super) fn drive_questions(&mut self) {
        if self.questions.is_empty() {
            return;
        }
        for place in 0..PRODUCERS_ASKED_MAX as u32 {
            let Some(question) = self.questions.get(place) else { continue };
            if !matches!(question.stage, Stage::Due(at) if at <= self.now) {
                continue;
            }
            let TopicPartition { topic, partition } = question.partition;
            if let Some(code) = self.denial(question.partition) {
                self.questions.set(place, Stage::Done(ProducerState::Denied(code)));
                continue;
            }
            match self.cluster.leader(topic, partition) {
                None => self.refresh_topic(topic, false),
                Some(leader) if !self.connection(leader).is_ready() => self.want_connection(leader),
                Some(leader) if self.version(leader, ApiKey::DescribeProducers).is_none() => {
                    self.questions.set(place, Stage::Done(ProducerState::Unsupported));
                }
                Some(leader) => {
                    let connection = self.connection_mut(leader);
                    connection.tell_transmit |= connection.can_begin() && !connection.told_transmit;
                }
            }
        }
    }

    /// Why nobody will answer: what is known of the topic says so.
    fn denial(&self, partition: TopicPartition) -> Option<ErrorCode> {
        match self.verdict(partition)? {
            ErrorKind::Broker(code) => Some(code),
            ErrorKind::UnknownTopic | ErrorKind::UnknownPartition | ErrorKind::TooManyPartitions => {
                Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)
            }
            _ => None,
        }
    }

    /// Begins a request for a question that is this broker's to answer. False where there is none.
    pub(super) fn begin_describe_producers(&mut self, slot: u16) -> bool {
        if self.questions.is_empty() || self.version(slot, ApiKey::DescribeProducers).is_none() {
            return false;
        }
        let mine = |partition: TopicPartition| {
            self.cluster.leader(partition.topic, partition.partition) == Some(slot)
        };
        let next = self.questions.due().find(|(_, question, at)| *at <= self.now && mine(question.partition));
        let Some((place, Question { partition, .. }, _)) = next else { return false };
        self.questions.set(place, Stage::Asked);
        self.begin_small(slot, ApiKey::DescribeProducers, &mut |sender, buffer, header| {
            let topic = sender.cluster.topic_name(partition.topic);
            describe_producers::encode(buffer, header, topic, partition.partition).unwrap_or(0)
        });
        if let Some(request) = self.connection_mut(slot).requests.back_mut() {
            request.first = place;
        }
        true
    }

    /// The answer will not come, or was of no use: it is asked again after a backoff.
    pub(super) fn question_failed(&mut self, place: u32) {
        let Some(question) = self.questions.slots.get_mut(place as usize).and_then(Option::as_mut) else {
            return;
        };
        question.failures += 1;
        let failures = question.failures;
        let wait =
            backoff(self.config.retry_backoff, self.config.retry_backoff_max, failures, &mut self.random);
        self.questions.set(place, Stage::Due(self.now + wait));
    }

    pub(super) fn read_describe_producers(
        &mut self,
        slot: u16,
        decoder: &mut Decoder,
        answer: &mut ProducersAnswer,
        input: &mut &[u8],
    ) -> Result<Progress, ProtocolError> {
        let request = *self.connection(slot).requests.front().ok_or(ProtocolError::UnexpectedPartition)?;
        let question = self.questions.get(request.first).ok_or(ProtocolError::UnexpectedPartition)?;
        let read = |item: Item<'_>| {
            if let Item::Value(Field::ThrottleTimeMs, Value::I32(throttle_time_ms)) = item {
                self.hold_back(slot, throttle_time_ms);
            }
            if let Item::Value(Field::TopicName, Value::Text(name)) = item {
                answer.topic = name.and_then(|name| self.cluster.topic_of_name(name));
            }
            answer.handle_item(&question, &item)
        };
        if decoder.push(input, read)? == Progress::More {
            return Ok(Progress::More);
        }
        let state = answer.state()?;
        let Some(Request { first: place, .. }) = self.answered(slot) else { return Ok(Progress::Done) };
        self.question_answered(place, question.partition, state);
        Ok(Progress::Done)
    }

    fn question_answered(&mut self, place: u32, partition: TopicPartition, state: ProducerState) {
        let ProducerState::Denied(code) = state else {
            return self.questions.set(place, Stage::Done(state));
        };
        match code.class() {
            Class::Retriable => self.question_failed(place),
            Class::RetriableRefresh => {
                self.cluster.doubt_leader(partition.topic, partition.partition);
                self.refresh_topic(partition.topic, false);
                self.question_failed(place);
            }
            _ => self.questions.set(place, Stage::Done(state)),
        }
    }

    pub(super) fn question_event(&mut self) -> Option<Event<S::Block>> {
        let (Question { partition, producer_id, .. }, state) = self.questions.take_done()?;
        Some(Event::Producer { partition, producer_id, state })
    }
}

/// The DescribeProducers answer that is being read: of all producers the one that was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProducersAnswer {
    topic: Option<TopicId>,
    partition: i32,
    error: ErrorCode,
    /// The producer that is being read.
    producer_id: i64,
    producer_epoch: i32,
    last_sequence: i32,
    /// The one that was asked for.
    found: Option<(i32, i32)>,
    /// The partition was in the answer.
    complete: bool,
}

impl ProducersAnswer {
    pub(crate) const EMPTY: Self = Self {
        topic: None,
        partition: -1,
        error: ErrorCode::NONE,
        producer_id: -1,
        producer_epoch: -1,
        last_sequence: -1,
        found: None,
        complete: false,
    };

    fn handle_item(&mut self, question: &Question, item: &Item<'_>) -> Result<(), ProtocolError> {
        match *item {
            Item::Value(Field::PartitionIndex, Value::I32(index)) => self.partition = index,
            Item::Value(Field::ErrorCode, Value::I16(code)) => self.error = ErrorCode(code),
            Item::Value(Field::ProducerId, Value::I64(id)) => self.producer_id = id,
            Item::Value(Field::ProducerEpoch, Value::I32(epoch)) => self.producer_epoch = epoch,
            Item::Value(Field::LastSequence, Value::I32(sequence)) => self.last_sequence = sequence,
            Item::EndOfElement(Field::Producers) if self.producer_id == question.producer_id => {
                self.found = Some((self.producer_epoch, self.last_sequence));
            }
            Item::EndOfElement(Field::Partitions) => {
                let TopicPartition { topic, partition } = question.partition;
                if self.complete || (self.topic, self.partition) != (Some(topic), partition) {
                    return Err(ProtocolError::UnexpectedPartition);
                }
                self.complete = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn state(&self) -> Result<ProducerState, ProtocolError> {
        if !self.complete {
            return Err(ProtocolError::UnexpectedPartition);
        }
        Ok(match (self.error, self.found) {
            (ErrorCode::NONE, None) => ProducerState::Unknown,
            (ErrorCode::NONE, Some((epoch, last_sequence))) => ProducerState::Active {
                producer_epoch: i16::try_from(epoch).map_err(|_| ProtocolError::Malformed)?,
                last_sequence,
            },
            (code, _) => ProducerState::Denied(code),
        })
    }
}
