//! Answers: frames out of a stream of bytes, and what each answer tells.

use super::Sender;
use super::authentication::AuthenticateAnswer;
use super::connection::{Answer, Found, PREFIX_BYTES, Request};
use super::producers::ProducersAnswer;
#[cfg(feature = "transactions")]
use super::transaction::{CoordinatorAnswer, TransactionAnswer};
use crate::error::{Class, Disconnect, ErrorCode, ProtocolError};
use crate::event::Ack;
use crate::id::{TopicId, TopicPartition};
use crate::index::NONE;
use crate::memory::Storage;
use crate::time::Timestamp;
use crate::wire::{ApiKey, Decoder, Field, Item, OLD_BROKERS, Progress, Value};

impl<S: Storage> Sender<S> {
    /// Takes bytes as they come. An error leaves the connection as it is: the caller closes it.
    pub(super) fn received(&mut self, slot: u16, mut input: &[u8]) -> Result<(), ProtocolError> {
        self.connection_mut(slot).since = self.now;
        while !input.is_empty() {
            // The answer is taken out while it is read: what it tells changes everything else.
            let Some(mut answer) = self.connection_mut(slot).answer.take() else {
                self.read_prefix(slot, &mut input)?;
                continue;
            };
            let progress = self.read_answer(slot, &mut answer, &mut input)?;
            if self.connection(slot).is_idle() {
                // The answer was a reason to close it (KIP-1102): what came behind it is not read.
                return Ok(());
            }
            if progress == Progress::More {
                self.connection_mut(slot).answer = Some(answer);
            }
        }
        self.close_if_gone(slot);
        Ok(())
    }

    fn read_answer(
        &mut self,
        slot: u16,
        answer: &mut Answer,
        input: &mut &[u8],
    ) -> Result<Progress, ProtocolError> {
        let Answer { decoder, found } = answer;
        match found {
            Found::ApiVersions(error) => self.read_api_versions(slot, decoder, error, input),
            Found::Metadata => self.read_metadata(slot, decoder, input),
            Found::InitProducerId(answer) => self.read_init_producer_id(slot, decoder, answer, input),
            Found::SaslHandshake(_) | Found::SaslAuthenticate(_) if self.sasl.is_none() => {
                Err(ProtocolError::UnexpectedPartition)
            }
            Found::SaslHandshake(error) => self.read_sasl_handshake(slot, decoder, error, input),
            Found::SaslAuthenticate(answer) => self.read_sasl_authenticate(slot, decoder, answer, input),
            Found::DescribeProducers(answer) => self.read_describe_producers(slot, decoder, answer, input),
            #[cfg(feature = "transactions")]
            Found::FindCoordinator(answer) => self.read_find_coordinator(slot, decoder, answer, input),
            #[cfg(feature = "transactions")]
            Found::Transaction(answer) => self.read_transaction(slot, decoder, answer, input),
            Found::Produce(answer) => self.read_produce(slot, decoder, answer, input),
        }
    }

    /// The frame's length and the correlation id, which says what the rest is.
    fn read_prefix(&mut self, slot: u16, input: &mut &[u8]) -> Result<(), ProtocolError> {
        let prefix = &mut self.connection_mut(slot).prefix;
        let (head, rest) = input.split_at(input.len().min(PREFIX_BYTES - prefix.len()));
        *input = rest;
        // There is room for as much as was missing.
        let _ = prefix.extend_from_slice(head);
        let &[a, b, c, d, e, f, g, h] = prefix.as_slice() else { return Ok(()) };
        prefix.clear();
        let (length, found) = (i32::from_be_bytes([a, b, c, d]), i32::from_be_bytes([e, f, g, h]));
        let Some(body) = u32::try_from(length).ok().and_then(|length| length.checked_sub(4)) else {
            return Err(ProtocolError::InvalidLength(length));
        };
        let request = self.connection(slot).requests.front().copied();
        let expected = request.map(|request| request.correlation_id);
        let Some(request) = request.filter(|request| request.correlation_id == found) else {
            return Err(ProtocolError::UnexpectedCorrelationId { expected, found });
        };
        if self.connection(slot).is_writing(found) {
            // Nobody can answer what was not asked to the end.
            return Err(ProtocolError::UnexpectedCorrelationId { expected: None, found });
        }
        let found = match request.api {
            ApiKey::ApiVersions => Found::ApiVersions(ErrorCode::NONE),
            ApiKey::InitProducerId => Found::InitProducerId(IdAnswer::EMPTY),
            ApiKey::Metadata => Found::Metadata,
            ApiKey::SaslHandshake => Found::SaslHandshake(ErrorCode::NONE),
            ApiKey::SaslAuthenticate => Found::SaslAuthenticate(AuthenticateAnswer::EMPTY),
            ApiKey::DescribeProducers => Found::DescribeProducers(ProducersAnswer::EMPTY),
            #[cfg(feature = "transactions")]
            ApiKey::FindCoordinator => Found::FindCoordinator(CoordinatorAnswer::EMPTY),
            #[cfg(feature = "transactions")]
            ApiKey::AddPartitionsToTxn
            | ApiKey::AddOffsetsToTxn
            | ApiKey::EndTxn
            | ApiKey::TxnOffsetCommit => Found::Transaction(TransactionAnswer::EMPTY),
            ApiKey::Produce => Found::Produce(ProduceAnswer::EMPTY),
        };
        let decoder = Decoder::new(request.api, request.version, body);
        self.connection_mut(slot).answer = Some(Answer { decoder, found });
        Ok(())
    }

    /// The request at the front has its answer.
    pub(super) fn answered(&mut self, slot: u16) -> Option<Request> {
        let connection = self.connection_mut(slot);
        let request = connection.requests.pop_front()?;
        connection.tell_transmit = true;
        if request.api == ApiKey::Produce {
            connection.produce_in_flight -= 1;
            self.recheck = true;
        }
        Some(request)
    }

    fn read_api_versions(
        &mut self,
        slot: u16,
        decoder: &mut Decoder,
        error: &mut ErrorCode,
        input: &mut &[u8],
    ) -> Result<Progress, ProtocolError> {
        let mut versions = self.connection(slot).versions;
        let progress = decoder.push(input, |item| {
            if let Item::Value(Field::ErrorCode, Value::I16(code)) = item {
                *error = ErrorCode(code);
            }
            versions.handle_item(&item);
            Ok(())
        })?;
        self.connection_mut(slot).versions = versions;
        if progress == Progress::More {
            return Ok(Progress::More);
        }
        let _ = self.answered(slot);
        if *error != ErrorCode::NONE {
            if !OLD_BROKERS || self.connection(slot).fallback {
                return Err(ProtocolError::UnsupportedApi { api_key: ApiKey::ApiVersions.number() });
            }
            self.connection_mut(slot).fallback = true;
            return Ok(Progress::Done);
        }
        let needed = [
            (ApiKey::Produce, true),
            (ApiKey::Metadata, true),
            (ApiKey::InitProducerId, self.config.idempotence),
            (ApiKey::SaslHandshake, self.sasl.is_some()),
            (ApiKey::SaslAuthenticate, self.sasl.is_some()),
        ];
        for (api, needed) in needed {
            if needed && versions.pick(api).is_none() {
                return Err(ProtocolError::UnsupportedApi { api_key: api.number() });
            }
        }
        if self.sasl.is_some() {
            self.authenticate(slot);
        } else {
            self.ready(slot);
        }
        Ok(Progress::Done)
    }

    fn read_init_producer_id(
        &mut self,
        slot: u16,
        decoder: &mut Decoder,
        answer: &mut IdAnswer,
        input: &mut &[u8],
    ) -> Result<Progress, ProtocolError> {
        let progress = decoder.push(input, |item| {
            match item {
                Item::Value(Field::ErrorCode, Value::I16(code)) => answer.error = ErrorCode(code),
                Item::Value(Field::ProducerId, Value::I64(id)) => answer.id = id,
                Item::Value(Field::ProducerEpoch, Value::I16(epoch)) => answer.epoch = epoch,
                _ => {}
            }
            Ok(())
        })?;
        if progress == Progress::More {
            return Ok(Progress::More);
        }
        let _ = self.answered(slot);
        match answer.error {
            ErrorCode::NONE if answer.id < 0 || answer.epoch < 0 => return Err(ProtocolError::Malformed),
            #[cfg(feature = "transactions")]
            code if self.is_transactional() => {
                self.identity_answered(slot, answer.id, answer.epoch, code);
            }
            ErrorCode::NONE => {
                self.idempotence.learn(answer.id, answer.epoch);
                self.recheck = true;
            }
            code => self.id_failed(Some(code)),
        }
        Ok(Progress::Done)
    }

    fn read_produce(
        &mut self,
        slot: u16,
        decoder: &mut Decoder,
        answer: &mut ProduceAnswer,
        input: &mut &[u8],
    ) -> Result<Progress, ProtocolError> {
        if decoder.push(input, |item| self.produce_item(slot, answer, &item))? == Progress::More {
            return Ok(Progress::More);
        }
        match self.answered(slot) {
            Some(request) if request.unanswered > 0 => {
                // Put back, so that closing the connection finds the batches that are missing.
                self.put_back(slot, request);
                Err(ProtocolError::UnexpectedPartition)
            }
            _ => {
                let connection = self.connection(slot);
                if connection.misdirected && connection.produce_in_flight == 0 {
                    self.disconnect(slot, Disconnect::Idle, true);
                }
                Ok(Progress::Done)
            }
        }
    }

    fn put_back(&mut self, slot: u16, request: Request) {
        let connection = self.connection_mut(slot);
        connection.produce_in_flight += 1;
        let _ = connection.requests.push_front(request);
    }

    fn produce_item(
        &mut self,
        slot: u16,
        answer: &mut ProduceAnswer,
        item: &Item<'_>,
    ) -> Result<(), ProtocolError> {
        match *item {
            Item::Value(Field::ThrottleTimeMs, Value::I32(throttle_time_ms)) => {
                self.hold_back(slot, throttle_time_ms);
            }
            Item::Value(Field::TopicName, Value::Text(name)) => {
                answer.topic = name.and_then(|name| self.cluster.topic_of_name(name));
            }
            Item::Value(Field::TopicId, Value::Uuid(id)) => answer.topic = self.cluster.topic_of_id(id),
            Item::Value(Field::PartitionIndex, Value::I32(index)) => answer.partition = index,
            Item::Next(Field::Partitions) => answer.leader = None,
            Item::Value(Field::LeaderId, Value::I32(leader)) => answer.leader = Some((leader, -1)),
            Item::Value(Field::LeaderEpoch, Value::I32(epoch)) => {
                answer.leader = answer.leader.map(|(leader, _)| (leader, epoch));
            }
            Item::Value(Field::ErrorCode, Value::I16(code)) => answer.error = ErrorCode(code),
            Item::Value(Field::BaseOffset, Value::I64(offset)) => answer.base_offset = offset,
            Item::Value(Field::LogAppendTimeMs, Value::I64(millis)) => answer.log_append_time = millis,
            Item::EndOfElement(Field::Partitions) => return self.produce_partition(slot, answer),
            _ => {}
        }
        Ok(())
    }

    /// A batch has its answer: the request holds only those that have none, so that none is lost with it twice.
    fn leave_request(&mut self, slot: u16, batch: u32) {
        let (previous, next) = {
            let entry = self.batches.get(batch);
            (entry.request_previous, entry.request_next)
        };
        if next != NONE {
            self.batches.get_mut(next).request_previous = previous;
        }
        if previous != NONE {
            self.batches.get_mut(previous).request_next = next;
        }
        if let Some(request) = self.connection_mut(slot).requests.front_mut() {
            request.unanswered -= 1;
            if previous == NONE {
                request.first = next;
            }
        }
    }

    /// A partition's part of the answer is complete: its oldest batch in flight must be the one in this request.
    fn produce_partition(&mut self, slot: u16, answer: &ProduceAnswer) -> Result<(), ProtocolError> {
        let topic = answer.topic.ok_or(ProtocolError::UnexpectedPartition)?;
        let key = TopicPartition { topic, partition: answer.partition };
        let partition = self.partitions.find(key).ok_or(ProtocolError::UnexpectedPartition)?;
        let request = *self.connection(slot).requests.front().ok_or(ProtocolError::UnexpectedPartition)?;
        let batch = self.oldest_in_flight(partition);
        let fits = batch != NONE
            && self.partitions.get(partition).broker == slot
            && self.batches.get(batch).correlation_id == request.correlation_id;
        if !fits {
            return Err(ProtocolError::UnexpectedPartition);
        }
        self.leave_request(slot, batch);
        let log_append_time =
            (answer.log_append_time >= 0).then(|| Timestamp::from_millis(answer.log_append_time));
        self.settle(partition, batch, answer.error, Ack { base_offset: answer.base_offset, log_append_time });
        if let Some((leader, epoch)) = answer.leader
            && answer.error.class() == Class::RetriableRefresh
        {
            self.follow_hint(partition, leader, epoch);
        }
        Ok(())
    }
}

/// The part of a Produce answer that is being read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProduceAnswer {
    topic: Option<TopicId>,
    partition: i32,
    error: ErrorCode,
    base_offset: i64,
    log_append_time: i64,
    /// Who leads now, and its epoch (KIP-951).
    leader: Option<(i32, i32)>,
}

impl ProduceAnswer {
    const EMPTY: Self = Self {
        topic: None,
        partition: -1,
        error: ErrorCode::NONE,
        base_offset: -1,
        log_append_time: -1,
        leader: None,
    };
}

/// The InitProducerId answer that is being read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IdAnswer {
    error: ErrorCode,
    id: i64,
    epoch: i16,
}

impl IdAnswer {
    const EMPTY: Self = Self { error: ErrorCode::NONE, id: -1, epoch: -1 };
}
