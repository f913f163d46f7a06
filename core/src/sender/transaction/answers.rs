//! What coordinators answer: what is asked once more, what aborts the transaction, what ends them all.

use super::{Ask, Joining, Started, State};
use crate::cluster::HOST_BYTES;
use crate::error::{Class, ErrorCode, ProtocolError, TransactionCause, TransactionError};
use crate::id::{TopicId, TopicPartition};
use crate::memory::Storage;
use crate::sender::Sender;
use crate::wire::{Decoder, Field, Item, Progress, Value};

/// What an error code asks for. A worse one comes later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Done,
    /// The same request may succeed later.
    Again,
    /// Another broker is the coordinator.
    Search,
    /// This transaction cannot commit.
    Abort,
    /// No transaction can be made any more.
    Fatal,
}

impl Verdict {
    const fn of(code: ErrorCode, ask: Ask) -> Self {
        match code {
            ErrorCode::NONE => Self::Done,
            ErrorCode::COORDINATOR_NOT_AVAILABLE
            | ErrorCode::NOT_COORDINATOR
            | ErrorCode::REQUEST_TIMED_OUT => Self::Search,
            ErrorCode::PRODUCER_FENCED
            | ErrorCode::INVALID_PRODUCER_EPOCH
            | ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
            | ErrorCode::CLUSTER_AUTHORIZATION_FAILED => Self::Fatal,
            _ => match (code.class(), ask) {
                (Class::Retriable | Class::RetriableRefresh, _) => Self::Again,
                (_, Ask::Partitions | Ask::Group | Ask::GroupCoordinator | Ask::Offsets) => Self::Abort,
                (_, Ask::End) if matches!(code, ErrorCode::TRANSACTION_ABORTABLE) => Self::Abort,
                // The coordinator has forgotten the producer, and with it the transaction.
                (Class::ProducerId | Class::Sequence, Ask::End) => Self::Abort,
                _ => Self::Fatal,
            },
        }
    }
}

impl<S: Storage> Sender<S> {
    pub(in crate::sender) fn read_find_coordinator(
        &mut self,
        slot: u16,
        decoder: &mut Decoder,
        answer: &mut CoordinatorAnswer,
        input: &mut &[u8],
    ) -> Result<Progress, ProtocolError> {
        let read = |item: Item<'_>| {
            self.throttle_by(slot, &item);
            answer.handle_item(&item, &mut self.transaction.host)
        };
        if decoder.push(input, read)? == Progress::More {
            return Ok(Progress::More);
        }
        let Some(ask @ (Ask::Coordinator | Ask::GroupCoordinator)) = self.transaction.asked else {
            return Err(ProtocolError::UnexpectedPartition);
        };
        let code = answer.error.ok_or(ProtocolError::UnexpectedPartition)?;
        let _ = self.answered(slot);
        match Verdict::of(code, ask) {
            Verdict::Done => {
                let port = u16::try_from(answer.port).map_err(|_| ProtocolError::Malformed)?;
                if answer.node_id < 0 {
                    return Err(ProtocolError::Malformed);
                }
                if self.cluster.list_broker(answer.node_id, &self.transaction.host, port).is_none() {
                    // Every slot is taken by others, until the metadata names who is needed no more.
                    self.ask_again(false);
                    return Ok(Progress::Done);
                }
                match ask {
                    Ask::Coordinator => self.transaction.coordinator = answer.node_id,
                    _ => self.transaction.group_coordinator = answer.node_id,
                }
                self.coordinator_answered();
            }
            verdict => self.coordinator_refused(verdict, code),
        }
        Ok(Progress::Done)
    }

    /// The answer to InitProducerId.
    pub(in crate::sender) fn identity_answered(&mut self, slot: u16, id: i64, epoch: i16, code: ErrorCode) {
        match Verdict::of(code, Ask::Identity) {
            Verdict::Done => {
                self.transaction.v2 = self.connection(slot).versions.has_transactions_v2();
                self.adopt_identity(id, epoch);
                self.coordinator_answered();
                self.tell_end();
            }
            verdict => self.coordinator_refused(verdict, code),
        }
    }

    /// The answer to any of the others.
    pub(in crate::sender) fn read_transaction(
        &mut self,
        slot: u16,
        decoder: &mut Decoder,
        answer: &mut TransactionAnswer,
        input: &mut &[u8],
    ) -> Result<Progress, ProtocolError> {
        let ask = self.transaction.asked.ok_or(ProtocolError::UnexpectedPartition)?;
        let read = |item: Item<'_>| {
            self.throttle_by(slot, &item);
            match item {
                Item::Value(Field::TopicName, Value::Text(name)) => {
                    answer.topic = name.and_then(|name| self.cluster.topic_of_name(name));
                }
                Item::Value(Field::PartitionIndex, Value::I32(index)) => answer.partition = index,
                Item::Value(Field::ErrorCode, Value::I16(code)) => answer.hear(ErrorCode(code), ask),
                Item::Value(Field::ProducerId, Value::I64(id)) => answer.id = id,
                Item::Value(Field::ProducerEpoch, Value::I16(epoch)) => answer.epoch = epoch,
                Item::EndOfElement(Field::Partitions) if ask == Ask::Partitions => {
                    return self.partition_answered(answer);
                }
                _ => {}
            }
            Ok(())
        };
        if decoder.push(input, read)? == Progress::More {
            return Ok(Progress::More);
        }
        let (code, verdict) = answer.worst.ok_or(ProtocolError::UnexpectedPartition)?;
        if ask == Ask::End && verdict == Verdict::Done && self.transaction.v2 && answer.id < 0 {
            return Err(ProtocolError::Malformed);
        }
        let _ = self.answered(slot);
        if ask == Ask::Partitions {
            self.unchoose_joining();
        }
        match (verdict, ask) {
            (Verdict::Done, Ask::End) => self.end_answered(answer.id, answer.epoch),
            (Verdict::Done, _) => self.taken(ask),
            _ => self.coordinator_refused(verdict, code),
        }
        Ok(Progress::Done)
    }

    fn throttle_by(&mut self, slot: u16, item: &Item<'_>) {
        if let Item::Value(Field::ThrottleTimeMs, Value::I32(throttle_time_ms)) = *item {
            self.hold_back(slot, throttle_time_ms);
        }
    }

    /// A partition's part of the answer to AddPartitionsToTxn.
    fn partition_answered(&mut self, answer: &TransactionAnswer) -> Result<(), ProtocolError> {
        let topic = answer.topic.ok_or(ProtocolError::UnexpectedPartition)?;
        let key = TopicPartition { topic, partition: answer.partition };
        let partition = self.partitions.find(key).ok_or(ProtocolError::UnexpectedPartition)?;
        if self.partitions.get(partition).joining != Joining::Asked {
            return Err(ProtocolError::UnexpectedPartition);
        }
        if answer.last == ErrorCode::NONE {
            self.joined(partition);
        }
        Ok(())
    }

    /// The coordinator has taken in what it was to take in.
    fn taken(&mut self, ask: Ask) {
        self.transaction.started = Started::Yes;
        match (ask, &mut self.transaction.offsets) {
            (Ask::Group, Some(offsets)) => offsets.added = true,
            (Ask::Offsets, offsets @ Some(_)) => {
                *offsets = None;
                if self.transaction.state == State::Open {
                    self.transaction.tell = Some(Ok(()));
                }
            }
            _ => {}
        }
        self.coordinator_answered();
    }

    fn end_answered(&mut self, id: i64, epoch: i16) {
        self.coordinator_answered();
        if self.transaction.v2 {
            self.adopt_identity(id, epoch);
        }
        self.transaction_ended();
    }

    /// It has answered as it was hoped.
    fn coordinator_answered(&mut self) {
        let transaction = &mut self.transaction;
        (transaction.asked, transaction.failures, transaction.retry_at) = (None, 0, None);
    }

    fn coordinator_refused(&mut self, verdict: Verdict, code: ErrorCode) {
        let Some(ask) = self.transaction.asked else { return };
        match verdict {
            Verdict::Done | Verdict::Again => {
                self.ask_again(code == ErrorCode::CONCURRENT_TRANSACTIONS);
            }
            Verdict::Search => {
                match ask {
                    Ask::Offsets | Ask::GroupCoordinator => self.transaction.group_coordinator = -1,
                    _ => self.transaction.coordinator = -1,
                }
                self.ask_again(false);
            }
            Verdict::Abort if ask == Ask::End => self.nothing_to_end(code),
            Verdict::Abort => {
                self.coordinator_answered();
                let cause = TransactionCause::Broker(code);
                let tells = self.transaction.offsets.is_some() && self.transaction.state == State::Open;
                self.transaction_fails(cause);
                if tells {
                    self.transaction.tell = Some(Err(TransactionError::Aborted(cause)));
                }
            }
            Verdict::Fatal if ask == Ask::End && self.may_have_none(code) => self.nothing_to_end(code),
            Verdict::Fatal => {
                self.coordinator_answered();
                self.transaction_dies(TransactionCause::Broker(code));
            }
        }
    }

    /// Nobody knows whether the coordinator has begun a transaction, and it says that it has not.
    fn may_have_none(&self, code: ErrorCode) -> bool {
        let aborts = self.transaction.state == State::Ending { commits: false };
        aborts && code == ErrorCode::INVALID_TXN_STATE && self.transaction.started == Started::Maybe
    }

    /// The coordinator does not commit, or has nothing to abort.
    fn nothing_to_end(&mut self, code: ErrorCode) {
        self.coordinator_answered();
        if self.transaction.state == (State::Ending { commits: true }) {
            self.transaction_fails(TransactionCause::Broker(code));
            if code != ErrorCode::TRANSACTION_ABORTABLE {
                self.transaction.started = Started::No;
            }
        } else if code == ErrorCode::TRANSACTION_ABORTABLE {
            self.transaction_dies(TransactionCause::Broker(code));
        } else {
            self.transaction.started = Started::No;
            if !self.transaction.v2 {
                // What would have begun it may still be on its way.
                self.transaction.state = State::Renewing;
            }
        }
    }
}

/// The FindCoordinator answer that is being read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CoordinatorAnswer {
    node_id: i32,
    port: i32,
    error: Option<ErrorCode>,
}

impl CoordinatorAnswer {
    pub(in crate::sender) const EMPTY: Self = Self { node_id: -1, port: 0, error: None };

    fn handle_item(
        &mut self,
        item: &Item<'_>,
        found: &mut heapless::String<HOST_BYTES>,
    ) -> Result<(), ProtocolError> {
        match *item {
            Item::Start(Field::Coordinators, count) if count != 1 => {
                return Err(ProtocolError::UnexpectedPartition);
            }
            Item::Value(Field::NodeId, Value::I32(node_id)) => self.node_id = node_id,
            Item::Value(Field::NodePort, Value::I32(port)) => self.port = port,
            Item::Value(Field::NodeHost, Value::Text(host)) => {
                found.clear();
                found.push_str(host.unwrap_or("")).map_err(|_| ProtocolError::Malformed)?;
            }
            Item::Value(Field::ErrorCode, Value::I16(code)) => self.error = Some(ErrorCode(code)),
            _ => {}
        }
        Ok(())
    }
}

/// Another answer that is being read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TransactionAnswer {
    topic: Option<TopicId>,
    partition: i32,
    last: ErrorCode,
    /// The worst of all codes in it, and what it asks for.
    worst: Option<(ErrorCode, Verdict)>,
    id: i64,
    epoch: i16,
}

impl TransactionAnswer {
    pub(in crate::sender) const EMPTY: Self =
        Self { topic: None, partition: -1, last: ErrorCode::NONE, worst: None, id: -1, epoch: -1 };

    fn hear(&mut self, code: ErrorCode, ask: Ask) {
        self.last = code;
        let verdict = Verdict::of(code, ask);
        if self.worst.is_none_or(|(_, worst)| worst < verdict) {
            self.worst = Some((code, verdict));
        }
    }
}
