//! Answers: frames out of a stream of bytes, and what each answer tells.

use super::Sender;
use super::connection::{Incoming, Request};
use crate::cluster::TopicState;
use crate::error::{Cause, Class, Disconnect, ErrorCode, ProtocolError};
use crate::event::Ack;
use crate::id::{TopicId, TopicPartition};
use crate::index::NONE;
use crate::memory::Storage;
use crate::time::Timestamp;
use crate::wire::{
    ApiKey, Decoder, Item, Progress, Value, api_versions, init_producer_id, metadata, produce,
};

impl<S: Storage> Sender<S> {
    /// Takes bytes as they come. An error leaves the connection as it is: the caller closes it.
    pub(super) fn received(&mut self, slot: u16, mut input: &[u8]) -> Result<(), ProtocolError> {
        self.connection_mut(slot).since = self.now;
        while !input.is_empty() {
            // The decoder is taken out while it reads: what it finds changes everything else.
            let incoming = core::mem::replace(&mut self.connection_mut(slot).incoming, Incoming::START);
            let next = match incoming {
                Incoming::Prefix { bytes, have } => self.read_prefix(slot, bytes, have, &mut input)?,
                Incoming::ApiVersions(decoder, error) => {
                    self.read_api_versions(slot, decoder, error, &mut input)?
                }
                Incoming::Metadata(decoder) => self.read_metadata(slot, decoder, &mut input)?,
                Incoming::InitProducerId(decoder, answer) => {
                    self.read_init_producer_id(slot, decoder, answer, &mut input)?
                }
                Incoming::Produce(decoder, answer) => self.read_produce(slot, decoder, answer, &mut input)?,
            };
            if self.connection(slot).is_idle() {
                // The answer was a reason to close it (KIP-1102): what came behind it is not read.
                return Ok(());
            }
            self.connection_mut(slot).incoming = next;
        }
        Ok(())
    }

    /// The frame's length and the correlation id, which says what the rest is.
    fn read_prefix(
        &self,
        slot: u16,
        mut bytes: [u8; 8],
        have: u8,
        input: &mut &[u8],
    ) -> Result<Incoming, ProtocolError> {
        let missing = 8 - usize::from(have);
        let (head, rest) = input.split_at(missing.min(input.len()));
        bytes[usize::from(have)..][..head.len()].copy_from_slice(head);
        *input = rest;
        if head.len() < missing {
            return Ok(Incoming::Prefix { bytes, have: have + head.len() as u8 });
        }
        let [a, b, c, d, e, f, g, h] = bytes;
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
        let version = request.version;
        Ok(match request.api {
            ApiKey::ApiVersions => Incoming::ApiVersions(Decoder::new(version, body), ErrorCode::NONE),
            ApiKey::InitProducerId => Incoming::InitProducerId(Decoder::new(version, body), IdAnswer::EMPTY),
            ApiKey::Metadata => Incoming::Metadata(Decoder::new(version, body)),
            ApiKey::Produce => Incoming::Produce(Decoder::new(version, body), ProduceAnswer::EMPTY),
        })
    }

    /// The request at the front has its answer.
    fn answered(&mut self, slot: u16) -> Option<Request> {
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
        mut decoder: Decoder<api_versions::Field>,
        mut error: ErrorCode,
        input: &mut &[u8],
    ) -> Result<Incoming, ProtocolError> {
        let mut versions = self.connection(slot).versions;
        let progress = decoder.push(input, |item| {
            if let Item::Value(api_versions::Field::ErrorCode, Value::I16(code)) = item {
                error = ErrorCode(code);
            }
            versions.handle_item(&item);
            Ok(())
        })?;
        self.connection_mut(slot).versions = versions;
        if progress == Progress::More {
            return Ok(Incoming::ApiVersions(decoder, error));
        }
        let _ = self.answered(slot);
        if error != ErrorCode::NONE {
            if self.connection(slot).fallback {
                return Err(ProtocolError::UnsupportedApi { api_key: ApiKey::ApiVersions.number() });
            }
            self.connection_mut(slot).fallback = true;
            return Ok(Incoming::START);
        }
        for api in [ApiKey::Produce, ApiKey::Metadata, ApiKey::InitProducerId] {
            let needed = api != ApiKey::InitProducerId || self.config.idempotence;
            if needed && versions.pick(api).is_none() {
                return Err(ProtocolError::UnsupportedApi { api_key: api.number() });
            }
        }
        self.ready(slot);
        Ok(Incoming::START)
    }

    fn read_init_producer_id(
        &mut self,
        slot: u16,
        mut decoder: Decoder<init_producer_id::Field>,
        mut answer: IdAnswer,
        input: &mut &[u8],
    ) -> Result<Incoming, ProtocolError> {
        use init_producer_id::Field;
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
            return Ok(Incoming::InitProducerId(decoder, answer));
        }
        let _ = self.answered(slot);
        match answer.error {
            ErrorCode::NONE if answer.id < 0 || answer.epoch < 0 => return Err(ProtocolError::Malformed),
            ErrorCode::NONE => {
                self.idempotence.learn(answer.id, answer.epoch);
                self.recheck = true;
            }
            code => self.id_failed(Some(code)),
        }
        Ok(Incoming::START)
    }

    fn read_metadata(
        &mut self,
        slot: u16,
        mut decoder: Decoder<metadata::Field>,
        input: &mut &[u8],
    ) -> Result<Incoming, ProtocolError> {
        let read = |item: Item<'_, metadata::Field>| {
            if let Item::Value(metadata::Field::ThrottleTimeMs, Value::I32(throttle_time_ms)) = item {
                self.hold_back(slot, throttle_time_ms);
            }
            self.metadata_item(&item)
        };
        if decoder.push(input, read)? == Progress::More {
            return Ok(Incoming::Metadata(decoder));
        }
        let answered = self.answered(slot);
        for topic in self.cluster.topics_mut() {
            topic.refresh |= core::mem::take(&mut topic.asked);
        }
        let version = answered.map_or(0, |request| request.version);
        if version < metadata::IDS_SINCE && self.version(slot, ApiKey::Metadata) >= Some(metadata::IDS_SINCE)
        {
            // It was asked before the broker's versions were known. The ids follow.
            self.cluster.refresh_without_id();
        }
        self.metadata_done();
        self.close_unlisted();
        if core::mem::take(&mut self.metadata.rebootstrap) {
            self.rebootstrap();
        }
        Ok(Incoming::START)
    }

    fn metadata_item(&mut self, item: &Item<'_, metadata::Field>) -> Result<(), ProtocolError> {
        use metadata::Field;
        let scratch = &mut self.metadata;
        match *item {
            // An answer to a bad request names no broker at all: that says nothing about those that are known.
            Item::Start(Field::Brokers, 1..) => self.cluster.unlist_brokers(),
            Item::Value(Field::BrokerNodeId, Value::I32(node_id)) => scratch.node_id = node_id,
            Item::Value(Field::BrokerPort, Value::I32(port)) => scratch.port = port,
            Item::Value(Field::BrokerHost, Value::Text(host)) => {
                scratch.host.clear();
                scratch.host.push_str(host.unwrap_or("")).map_err(|_| ProtocolError::Malformed)?;
            }
            Item::EndOfElement(Field::Brokers) => {
                let port = u16::try_from(scratch.port).map_err(|_| ProtocolError::Malformed)?;
                // More brokers than slots: those that lead our partitions may be among the others.
                let _ = self.cluster.list_broker(scratch.node_id, &scratch.host, port);
            }
            Item::Next(Field::Topics) => scratch.id = [0; 16],
            Item::Value(Field::TopicId, Value::Uuid(id)) => scratch.id = id,
            Item::Value(Field::TopicErrorCode, Value::I16(code)) => scratch.error = ErrorCode(code),
            Item::Value(Field::TopicName, Value::Text(name)) => {
                scratch.topic = name.and_then(|name| self.cluster.topic_of_name(name));
            }
            Item::Start(Field::Partitions, count) => self.metadata_partitions(count)?,
            Item::Value(Field::PartitionIndex, Value::I32(index)) => scratch.partition = index,
            Item::Value(Field::LeaderId, Value::I32(leader)) => scratch.leader = leader,
            Item::Value(Field::LeaderEpoch, Value::I32(epoch)) => scratch.epoch = epoch,
            Item::EndOfElement(Field::Partitions) => {
                if let Some(topic) = scratch.topic {
                    let leader = self.cluster.broker_of_node(scratch.leader);
                    self.cluster.set_leader(topic, scratch.partition, leader, scratch.epoch);
                }
            }
            Item::EndOfElement(Field::Topics) => self.metadata_topic(),
            Item::Value(Field::ErrorCode, Value::I16(code)) => {
                scratch.rebootstrap = ErrorCode(code) == ErrorCode::REBOOTSTRAP_REQUIRED;
            }
            _ => {}
        }
        Ok(())
    }

    /// How many partitions a topic has comes before the first of them, and behind its id.
    fn metadata_partitions(&mut self, count: u32) -> Result<(), ProtocolError> {
        let (Some(topic), ErrorCode::NONE) = (self.metadata.topic, self.metadata.error) else {
            return Ok(());
        };
        let count = i32::try_from(count).map_err(|_| ProtocolError::Malformed)?;
        self.identify_topic(topic);
        if count == 0 {
            self.metadata.error = ErrorCode::LEADER_NOT_AVAILABLE;
        } else if !self.cluster.set_partitions(topic, count)
            && let Some(slot) = self.cluster.topic_mut(topic)
        {
            slot.state = TopicState::Failed(ErrorCode::NONE);
            self.cluster.mark_changed(topic);
        }
        Ok(())
    }

    /// A topic's part of the answer is complete.
    fn metadata_topic(&mut self) {
        let (now, code) = (self.now, self.metadata.error);
        let timeout = self.config.unknown_topic_timeout;
        let Some(topic) = self.metadata.topic.take() else { return };
        let Some(slot) = self.cluster.topic_mut(topic) else { return };
        slot.asked = false;
        if code == ErrorCode::NONE {
            return;
        }
        self.metadata.last_cause = Some(Cause::Broker(code));
        let since = *slot.unknown_since.get_or_insert(now);
        let retriable = matches!(code.class(), Class::Retriable | Class::RetriableRefresh);
        // A topic that was known may be unknown to a broker that has just started. One that never was, fails in time.
        let known = matches!(slot.state, TopicState::Known { .. });
        if retriable && (known || since + timeout > now) {
            slot.refresh = true;
        } else if slot.state != TopicState::Failed(code) {
            slot.state = TopicState::Failed(code);
            self.cluster.mark_changed(topic);
        }
    }

    /// A topic's id is known: it may tell that the topic is another one than before. The first id tells nothing of what
    /// was sent before it was known.
    fn identify_topic(&mut self, topic: TopicId) {
        let Some(before) = self.cluster.set_id(topic, self.metadata.id) else { return };
        self.cluster.forget_epochs(topic);
        for partition in self.partitions.of_topic(topic) {
            if before == [0; 16] {
                partition.suspect();
            } else {
                partition.begin_anew();
            }
        }
    }

    fn read_produce(
        &mut self,
        slot: u16,
        mut decoder: Decoder<produce::Field>,
        mut answer: ProduceAnswer,
        input: &mut &[u8],
    ) -> Result<Incoming, ProtocolError> {
        if decoder.push(input, |item| self.produce_item(slot, &mut answer, &item))? == Progress::More {
            return Ok(Incoming::Produce(decoder, answer));
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
                Ok(Incoming::START)
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
        item: &Item<'_, produce::Field>,
    ) -> Result<(), ProtocolError> {
        use produce::Field;
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
