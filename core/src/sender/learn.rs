//! What a Metadata answer tells, item by item: brokers, topics, who leads. What is not known for good is asked for again.

use super::Sender;
use crate::cluster::TopicState;
use crate::error::{Cause, Class, ErrorCode, ProtocolError};
use crate::id::TopicId;
use crate::memory::Storage;
use crate::wire::{ApiKey, Decoder, Field, Item, Progress, Value, metadata};

impl<S: Storage> Sender<S> {
    pub(super) fn read_metadata(
        &mut self,
        slot: u16,
        decoder: &mut Decoder,
        input: &mut &[u8],
    ) -> Result<Progress, ProtocolError> {
        let read = |item: Item<'_>| {
            if let Item::Value(Field::ThrottleTimeMs, Value::I32(throttle_time_ms)) = item {
                self.hold_back(slot, throttle_time_ms);
            }
            self.metadata_item(&item)
        };
        if decoder.push(input, read)? == Progress::More {
            return Ok(Progress::More);
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
        Ok(Progress::Done)
    }

    fn metadata_item(&mut self, item: &Item<'_>) -> Result<(), ProtocolError> {
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
}
