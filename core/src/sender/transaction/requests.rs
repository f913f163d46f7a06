//! What the coordinators are asked, one request at a time.

use core::time::Duration;

use super::{Ask, Joining, Started, State, TRANSACTIONAL_ID_BYTES, Transaction};
use crate::error::TransactionCause;
use crate::event::{GroupMetadata, OffsetToCommit};
use crate::id::TopicId;
use crate::index::NONE;
use crate::memory::Storage;
use crate::sender::connection::{Buffer, Request};
use crate::sender::retry::backoff;
use crate::sender::{CLIENT_ID_BYTES, Sender};
use crate::time::Instant;
use crate::wire::{ApiKey, Header, init_producer_id, transactions};
use transactions::{KeyType, Writes};

/// The longest name of a consumer group, which Kafka does not limit.
const GROUP_BYTES: usize = 255;
/// The most bytes that one call's offsets have as a part of the request.
pub const OFFSETS_BYTES: usize = 1024;
/// Room for the largest request: for offsets, with the longest names.
pub(super) const REQUEST_BYTES: usize =
    64 + CLIENT_ID_BYTES + TRANSACTIONAL_ID_BYTES + GROUP_BYTES + OFFSETS_BYTES;
/// So many partitions are added at once at the most.
const PARTITIONS_MAX: u32 = 64;
/// The first InitProducerId that tells fencing from other errors, of Kafka 2.8; so old are the others that are needed.
const IDENTITY_SINCE: i16 = 4;
/// The coordinator is about to have made an end of the last transaction: that is soon.
const CONCURRENT_BACKOFF: Duration = Duration::from_millis(20);

/// A consumer group's offsets that are to be committed with the transaction.
#[derive(Debug)]
pub(super) struct Offsets {
    group: heapless::String<GROUP_BYTES>,
    tail: heapless::Vec<u8, OFFSETS_BYTES>,
    /// The group belongs to the transaction.
    pub(super) added: bool,
}

/// Whom to ask.
enum Whom {
    Anybody,
    Broker(u16),
}

impl<S: Storage> Sender<S> {
    /// Commits a consumer group's offsets of one topic with the transaction, as the group's member. Before the end, or the next
    /// offsets, [`Event::Transaction`](crate::event::Event::Transaction) tells that they are taken.
    ///
    /// False where no transaction is open, the last offsets are not taken yet, or they do not fit
    /// ([`OFFSETS_BYTES`], a group's name of 255 bytes).
    #[must_use]
    pub fn send_offsets(
        &mut self,
        now: Instant,
        member: &GroupMetadata<'_>,
        topic: &str,
        offsets: &[OffsetToCommit<'_>],
    ) -> bool {
        self.advance(now);
        if self.transaction.state != State::Open || self.transaction.offsets.is_some() {
            return false;
        }
        let Ok(group) = heapless::String::try_from(member.group_id) else { return false };
        let mut tail = heapless::Vec::new();
        let _ = tail.resize(OFFSETS_BYTES, 0);
        let Ok(bytes) = transactions::offsets(&mut tail, member, topic, offsets) else { return false };
        tail.truncate(bytes);
        self.transaction.group_coordinator = -1;
        self.transaction.offsets = Some(Offsets { group, tail, added: false });
        true
    }

    /// Makes sure that what is to be asked has somebody to be asked, and ends what needs no request.
    pub(in crate::sender) fn drive_transaction(&mut self) {
        if !self.is_transactional() || self.transaction.asked.is_some() {
            return;
        }
        if self.is_over_unasked() {
            return self.transaction_ended();
        }
        if self.transaction.retry_at.is_some_and(|at| at > self.now) {
            return;
        }
        match self.next_ask().and_then(|ask| self.whom(ask)) {
            None => {}
            Some(Whom::Anybody) => match self.least_loaded() {
                Some(slot) => self.tell_transmit(slot),
                None => self.connect_somewhere(),
            },
            Some(Whom::Broker(slot)) if self.connection(slot).is_ready() => self.tell_transmit(slot),
            Some(Whom::Broker(slot)) => self.want_connection(slot),
        }
    }

    fn tell_transmit(&mut self, slot: u16) {
        let connection = self.connection_mut(slot);
        connection.tell_transmit |= connection.can_begin() && !connection.told_transmit;
    }

    /// The coordinator has nothing to end.
    fn is_over_unasked(&self) -> bool {
        let Transaction { state, started, .. } = self.transaction;
        matches!(state, State::Ending { .. }) && started == Started::No && self.is_settled()
    }

    /// Every batch has its outcome, and every partition its place.
    const fn is_settled(&self) -> bool {
        self.batches.held == 0 && !self.demand && self.transaction.offsets.is_none()
    }

    /// What is to be asked next.
    fn next_ask(&self) -> Option<Ask> {
        let transaction = &self.transaction;
        let ask = match transaction.state {
            State::Uninitialized | State::Ready | State::Fatal(_) => return None,
            State::Initializing | State::Renewing => Ask::Identity,
            State::Open | State::Ending { commits: true } if transaction.joining > 0 => Ask::Partitions,
            State::Open | State::Ending { commits: true } if let Some(offsets) = &transaction.offsets => {
                match (offsets.added || transaction.v2, transaction.group_coordinator) {
                    (false, _) => Ask::Group,
                    (true, -1) => return Some(Ask::GroupCoordinator),
                    (true, _) => return Some(Ask::Offsets),
                }
            }
            State::Ending { .. } if self.is_settled() => Ask::End,
            State::Open | State::Ending { .. } => return None,
        };
        Some(if transaction.coordinator < 0 { Ask::Coordinator } else { ask })
    }

    /// Who is to be asked; nobody where that is not known any more.
    fn whom(&mut self, ask: Ask) -> Option<Whom> {
        let node = match ask {
            Ask::Coordinator | Ask::GroupCoordinator => return Some(Whom::Anybody),
            Ask::Offsets => &mut self.transaction.group_coordinator,
            _ => &mut self.transaction.coordinator,
        };
        match self.cluster.broker_of_node(*node) {
            Some(slot) => Some(Whom::Broker(slot)),
            None => {
                *node = -1;
                // It is looked for with the next turn.
                self.transaction.retry_at = Some(self.now);
                None
            }
        }
    }

    /// When the next request is due that waits for its backoff.
    pub(in crate::sender) fn transaction_due(&self) -> Option<Instant> {
        self.transaction.retry_at.filter(|_| self.transaction_has_work() && self.transaction.asked.is_none())
    }

    /// Begins what this broker is to be asked. False where that is nothing.
    pub(in crate::sender) fn begin_transaction_request(&mut self, slot: u16) -> bool {
        if !self.is_transactional()
            || self.transaction.asked.is_some()
            || self.transaction.retry_at.is_some_and(|at| at > self.now)
        {
            return false;
        }
        let Some(ask) = self.next_ask() else { return false };
        match self.whom(ask) {
            Some(Whom::Anybody) => {}
            Some(Whom::Broker(broker)) if broker == slot => {}
            _ => return false,
        }
        self.ask_coordinator(slot, ask)
    }

    fn ask_coordinator(&mut self, slot: u16, ask: Ask) -> bool {
        let Some(version) = self.version_of(slot, ask) else {
            self.transaction_dies(TransactionCause::Unsupported);
            return false;
        };
        if ask == Ask::Partitions && self.choose_joining(PARTITIONS_MAX) == 0 {
            self.unchoose_joining();
            return false;
        }
        let correlation_id = self.connection_mut(slot).take_correlation_id();
        let mut limit = PARTITIONS_MAX;
        let bytes = loop {
            let mut buffer = self.transaction.buffer;
            let header = Header { version, correlation_id, client_id: &self.client_id };
            let written = self.write_ask(ask, &mut buffer, header);
            self.transaction.buffer = buffer;
            limit /= 2;
            match written {
                Ok(bytes) => break bytes,
                // Fewer partitions, then. One fits always, and so does all else.
                Err(_) if limit > 0 => {
                    self.unchoose_joining();
                    let _ = self.choose_joining(limit);
                }
                Err(_) => return false,
            }
        };
        self.transaction.asked = Some(ask);
        if ask == Ask::Offsets {
            // With the newer protocol that begins it.
            self.transaction.started = Started::Yes;
        }
        self.transaction.retry_at = None;
        let api = api_of(ask);
        let request = Request { correlation_id, api, version, sent: self.now, first: NONE, unanswered: 0 };
        self.connection_mut(slot).begin_small(request, Buffer::Transaction, bytes);
        true
    }

    /// The version to ask in: it says which protocol the transaction has.
    fn version_of(&self, slot: u16, ask: Ask) -> Option<i16> {
        let version = self.version(slot, api_of(ask))?;
        match ask {
            Ask::Identity => (version >= IDENTITY_SINCE).then_some(version),
            Ask::Offsets if !self.transaction.v2 => Some(version.min(transactions::GROUP_ADDED_BEFORE_LAST)),
            Ask::End if !self.transaction.v2 => Some(version.min(transactions::END_KEEPS_EPOCH_LAST)),
            _ => Some(version),
        }
    }

    fn write_ask(&self, ask: Ask, buffer: &mut [u8], header: Header<'_>) -> Result<usize, crate::wire::Full> {
        let transaction = &self.transaction;
        let (producer_id, producer_epoch) = self.idempotence.identity();
        let id = &*transaction.id;
        let writes = Writes { transactional_id: id, producer_id, producer_epoch };
        let group = transaction.offsets.as_ref();
        let name = group.map_or("", |offsets| &offsets.group);
        match ask {
            Ask::Coordinator => transactions::find_coordinator(buffer, header, KeyType::Transaction, id),
            Ask::GroupCoordinator => transactions::find_coordinator(buffer, header, KeyType::Group, name),
            Ask::Identity => {
                let timeout_ms = transaction.timeout_ms;
                init_producer_id::encode(buffer, header, Some(id), timeout_ms, producer_id, producer_epoch)
            }
            Ask::Partitions => {
                let topics = (0..self.cluster.topics().len() as u16).map(TopicId).filter_map(|topic| {
                    let count = self.asked_of(topic).count() as u32;
                    (count > 0).then(|| (self.cluster.topic_name(topic), count, self.asked_of(topic)))
                });
                transactions::add_partitions(buffer, header, &writes, topics)
            }
            Ask::Group => transactions::add_offsets(buffer, header, &writes, name),
            Ask::Offsets => {
                let tail = group.map_or(&[][..], |offsets| &offsets.tail);
                transactions::commit_offsets(buffer, header, &writes, name, tail)
            }
            Ask::End => {
                let commits = matches!(transaction.state, State::Ending { commits: true });
                transactions::end(buffer, header, &writes, commits)
            }
        }
    }

    /// The partitions of a topic that are asked for.
    fn asked_of(&self, topic: TopicId) -> impl Iterator<Item = i32> {
        let slots = (0..self.partitions.used()).map(|slot| self.partitions.get(slot));
        slots
            .filter(move |slot| slot.joining == Joining::Asked && slot.key.topic == topic)
            .map(|slot| slot.key.partition)
    }

    /// No answer will come, or it says that it is to be asked once more.
    pub(super) fn ask_again(&mut self, soon: bool) {
        let transaction = &mut self.transaction;
        transaction.asked = None;
        transaction.failures += 1;
        let failures = transaction.failures;
        let base = self.config.retry_backoff;
        let base = if soon { base.min(CONCURRENT_BACKOFF) } else { base };
        let wait = backoff(base, self.config.retry_backoff_max, failures, &mut self.random);
        self.transaction.retry_at = Some(self.now + wait);
    }

    /// This broker is not reached: where it was a coordinator, another one may be by now.
    pub(in crate::sender) fn forget_coordinator(&mut self, slot: u16) {
        let transaction = &mut self.transaction;
        for node in [&mut transaction.coordinator, &mut transaction.group_coordinator] {
            if self.cluster.broker_of_node(*node) == Some(slot) {
                *node = -1;
            }
        }
    }

    /// The connection is gone with the request: another broker may be the coordinator by now.
    pub(in crate::sender) fn transaction_request_lost(&mut self) {
        match self.transaction.asked {
            Some(Ask::Offsets) => self.transaction.group_coordinator = -1,
            Some(Ask::Partitions | Ask::Group) => {
                self.transaction.started = self.transaction.started.max(Started::Maybe);
                self.transaction.coordinator = -1;
                self.unchoose_joining();
            }
            _ => self.transaction.coordinator = -1,
        }
        self.ask_again(false);
    }
}

const fn api_of(ask: Ask) -> ApiKey {
    match ask {
        Ask::Coordinator | Ask::GroupCoordinator => ApiKey::FindCoordinator,
        Ask::Identity => ApiKey::InitProducerId,
        Ask::Partitions => ApiKey::AddPartitionsToTxn,
        Ask::Group => ApiKey::AddOffsetsToTxn,
        Ask::Offsets => ApiKey::TxnOffsetCommit,
        Ask::End => ApiKey::EndTxn,
    }
}
