//! The requests beside Produce: ApiVersions, InitProducerId, Metadata. When each is due, and on which connection.

use super::Sender;
use super::connection::{Buffer, Found, Request, State};
use super::idempotence::IdState;
use super::retry::backoff;
use crate::cluster::{BrokerSlot, HOST_BYTES, TopicState};
use crate::error::{Cause, ErrorCode};
use crate::event::Event;
use crate::id::TopicId;
use crate::memory::Storage;
use crate::time::{Instant, earliest};
use crate::wire::{ApiKey, Header, api_versions, init_producer_id, metadata};

/// The transaction timeout that an InitProducerId request must name; without a transactional id it means nothing.
const TRANSACTION_TIMEOUT_MS: i32 = 60_000;

/// So many answers in a row without news, and one more broker is connected to, to be asked as well.
const UNHELPFUL_MAX: u32 = 3;

/// What is known of the metadata as a whole, and the answer that is being read.
#[derive(Debug)]
pub(crate) struct Metadata {
    /// Some topic is to be asked for.
    pub(crate) needed: bool,
    /// A topic was never asked for, or a user waits: without backoff.
    urgent: bool,
    /// Asked for without records.
    pub(crate) asked_for: bool,
    /// A record was refused because its topic had failed: that is a reason to ask once more.
    pub(crate) second_look: bool,
    /// The connection that the request is in flight on.
    pub(crate) on: Option<u16>,
    /// Whose turn it is to be asked: the one behind the one that was asked last.
    turn: u16,
    retry_at: Instant,
    failures: u32,
    /// What was known when the request was sent: an answer that changes nothing is as good as none.
    revision: u32,
    refreshed_at: Instant,
    pub(crate) last_cause: Option<Cause>,
    /// The element of the answer that is being read.
    pub(crate) host: heapless::String<HOST_BYTES>,
    pub(crate) node_id: i32,
    pub(crate) port: i32,
    pub(crate) topic: Option<TopicId>,
    pub(crate) id: [u8; 16],
    pub(crate) error: ErrorCode,
    pub(crate) partition: i32,
    pub(crate) leader: i32,
    pub(crate) epoch: i32,
    /// The whole answer says to start again from the bootstrap servers (KIP-1102).
    pub(crate) rebootstrap: bool,
}

impl Metadata {
    pub(crate) const fn new() -> Self {
        Self {
            needed: false,
            urgent: false,
            asked_for: false,
            second_look: false,
            on: None,
            turn: 0,
            retry_at: Instant::ZERO,
            failures: 0,
            revision: 0,
            refreshed_at: Instant::ZERO,
            last_cause: None,
            host: heapless::String::new(),
            node_id: -1,
            port: 0,
            topic: None,
            id: [0; 16],
            error: ErrorCode::NONE,
            partition: -1,
            leader: -1,
            epoch: -1,
            rebootstrap: false,
        }
    }
}

impl<S: Storage> Sender<S> {
    /// A topic's metadata is to be asked for: at once when somebody has not asked before, else after a backoff.
    pub(super) fn refresh_topic(&mut self, topic: TopicId, urgent: bool) {
        if let Some(slot) = self.cluster.topic_mut(topic) {
            slot.refresh = true;
            self.metadata.needed = true;
            self.metadata.urgent |= urgent;
        }
    }

    /// A broker is gone: who leads its partitions now?
    pub(super) fn refresh_all(&mut self) {
        for topic in 0..self.cluster.topics().len() as u16 {
            self.refresh_topic(TopicId(topic), false);
        }
    }

    /// Makes sure that what is to be asked has a connection to be asked on.
    pub(super) fn drive_requests(&mut self) {
        self.forgive_when_told();
        self.refresh_by_age();
        self.drive_questions();
        self.drive_transaction();
        if !self.metadata_due() && !self.id_due() {
            return;
        }
        match self.least_loaded() {
            Some(slot) => {
                let connection = self.connection_mut(slot);
                connection.tell_transmit |= connection.can_begin() && !connection.told_transmit;
            }
            None => return self.connect_somewhere(),
        }
        if self.metadata.failures >= UNHELPFUL_MAX {
            self.connect_elsewhere();
        }
    }

    fn refresh_by_age(&mut self) {
        if self.has_work() && self.metadata.refreshed_at + self.config.metadata_age_max <= self.now {
            self.metadata.refreshed_at = self.now;
            self.refresh_all();
        }
    }

    fn metadata_due(&self) -> bool {
        let metadata = &self.metadata;
        metadata.needed
            && metadata.on.is_none()
            && self.has_work()
            && (metadata.urgent || metadata.retry_at <= self.now)
    }

    fn id_due(&self) -> bool {
        self.config.idempotence
            && !self.is_transactional()
            && self.idempotence.state == IdState::Missing
            && self.has_work()
            && self.idempotence.retry_at.is_none_or(|at| at <= self.now)
    }

    /// When a request beside Produce is due.
    pub(super) fn request_timeout(&self) -> Option<Instant> {
        if !self.has_work() {
            return None;
        }
        let metadata = &self.metadata;
        let retry = (metadata.needed && metadata.on.is_none()).then_some(metadata.retry_at);
        let id = self.idempotence.retry_at.filter(|_| self.idempotence.state == IdState::Missing);
        let age = Some(metadata.refreshed_at + self.config.metadata_age_max);
        // What is due already waits for a connection, which has a timer of its own.
        let ahead = |at: Option<Instant>| at.filter(|&at| at > self.now);
        let question = ahead(self.questions.next_due());
        #[cfg(feature = "transactions")]
        let question = earliest(question, ahead(self.transaction_due()));
        earliest(earliest(earliest(ahead(retry), ahead(id)), ahead(age)), question)
    }

    /// The connection with the fewest requests in flight, and of several the next in turn: one that has nothing new to
    /// tell must not be asked for ever.
    pub(super) fn least_loaded(&self) -> Option<u16> {
        let load = |slot: &u16| self.connection(*slot).requests.len();
        let count = self.cluster.brokers().len() as u16;
        (self.metadata.turn..count)
            .chain(0..self.metadata.turn.min(count))
            .filter(|&slot| {
                self.connection(slot).is_ready() && self.connection(slot).throttled_until.is_none()
            })
            .min_by_key(load)
    }

    /// Without any connection: opens the one whose backoff ends first, brokers before bootstrap servers that no
    /// answer has named.
    pub(super) fn connect_somewhere(&mut self) {
        let brokers = self.cluster.brokers();
        // Who was not reached before is no hope: where several brokers neither refuse nor answer, one of them is always
        // being connected to.
        let is_hope = |slot: &BrokerSlot| !slot.connection.is_idle() && slot.connection.failures == 0;
        if brokers.iter().any(is_hope) {
            return;
        }
        let candidate = |slot: &u16| {
            let broker = &brokers[usize::from(*slot)];
            (broker.connection.failures, broker.connection.retry_at, !broker.listed)
        };
        let usable = |slot: &u16| brokers[usize::from(*slot)].listed || brokers[usize::from(*slot)].bootstrap;
        if let Some(slot) = (0..brokers.len() as u16).filter(usable).min_by_key(candidate) {
            self.want_connection(slot);
        }
    }

    /// What those tell who are connected does not help, again and again: one more is connected to, if there is one.
    pub(super) fn connect_elsewhere(&mut self) {
        let brokers = self.cluster.brokers();
        if brokers.iter().any(|slot| slot.connection.wanted || slot.connection.is_under_way()) {
            return;
        }
        let candidate = |slot: &u16| {
            let connection = &brokers[usize::from(*slot)].connection;
            (connection.failures, connection.retry_at)
        };
        let idle = |slot: &u16| {
            let broker = &brokers[usize::from(*slot)];
            broker.listed && broker.connection.is_idle()
        };
        if let Some(slot) = (0..brokers.len() as u16).filter(idle).min_by_key(candidate) {
            self.want_connection(slot);
        }
    }

    /// Begins the connection's next request, if one is due and nothing is being written.
    pub(super) fn begin_request(&mut self, slot: u16) {
        if !self.connection(slot).can_begin() {
            return;
        }
        match self.connection(slot).state {
            State::Idle | State::Connecting => {}
            State::Handshake if !self.connection(slot).has_asked(ApiKey::ApiVersions) => {
                self.begin_api_versions(slot);
            }
            // Without knowing what the broker speaks, which saves a round trip: in the oldest versions that felice has,
            // which every broker knows that felice can use. Others close the connection at it: they are asked once more.
            State::Handshake if self.connection(slot).failures == 0 && self.sasl.is_none() => {
                let _ = self.begin_question(slot);
            }
            State::Handshake => {}
            State::Authenticating => self.begin_authentication(slot),
            State::Ready => {
                if !self.begin_question(slot)
                    && !self.begin_describe_producers(slot)
                    && !self.begin_transaction_request(slot)
                {
                    self.begin_produce(slot);
                }
            }
        }
    }

    /// Begins what must be known before anything can be sent. Metadata first: it may name a broker to connect to
    /// meanwhile.
    fn begin_question(&mut self, slot: u16) -> bool {
        if self.metadata_due() {
            self.begin_metadata(slot);
        } else if self.id_due() {
            self.begin_init_producer_id(slot);
        } else {
            return false;
        }
        true
    }

    /// The version of an API on a connection; `None` when broker and felice have none in common.
    pub(super) fn version(&self, slot: u16, api: ApiKey) -> Option<i16> {
        let connection = self.connection(slot);
        match api {
            ApiKey::ApiVersions if connection.fallback => Some(0),
            ApiKey::ApiVersions => Some(*api.versions().end()),
            _ if connection.state == State::Handshake => Some(*api.versions().start()),
            _ => connection.versions.pick(api),
        }
    }

    fn begin_api_versions(&mut self, slot: u16) {
        self.begin_small(slot, ApiKey::ApiVersions, &mut |_, buffer, header| {
            api_versions::encode(buffer, header).unwrap_or(0)
        });
    }

    fn begin_init_producer_id(&mut self, slot: u16) {
        self.idempotence.state = IdState::Asked;
        self.begin_small(slot, ApiKey::InitProducerId, &mut |_, buffer, header| {
            init_producer_id::encode(buffer, header, None, TRANSACTION_TIMEOUT_MS, -1, -1).unwrap_or(0)
        });
    }

    /// Asks for as many topics as fit into one request; the others follow in the next.
    fn begin_metadata(&mut self, slot: u16) {
        self.metadata.on = Some(slot);
        self.metadata.turn = slot + 1;
        self.metadata.urgent = false;
        self.metadata.revision = self.cluster.revision();
        let mut asked = 0;
        self.begin_small(slot, ApiKey::Metadata, &mut |sender, buffer, header| {
            let mut bytes = 0;
            let cluster = &sender.cluster;
            let wanted = |limit: usize| {
                let topics = (0..cluster.topics().len() as u16).map(TopicId);
                topics
                    .filter(|&topic| cluster.topic(topic).is_some_and(|slot| slot.refresh))
                    .take(limit)
                    .map(|topic| cluster.topic_name(topic))
            };
            while asked < wanted(usize::MAX).count() {
                match metadata::encode(buffer, header, wanted(asked + 1), true) {
                    Ok(length) => bytes = length,
                    Err(_) => {
                        // One too many: the buffer is written again without it.
                        bytes = metadata::encode(buffer, header, wanted(asked), true).unwrap_or(0);
                        break;
                    }
                }
                asked += 1;
            }
            bytes
        });
        let mut left = asked;
        self.metadata.needed = false;
        for slot in self.cluster.topics_mut().iter_mut().filter(|slot| slot.refresh) {
            slot.refresh = left == 0;
            slot.asked = left > 0;
            self.metadata.needed |= left == 0;
            self.metadata.urgent |= left == 0;
            left = left.saturating_sub(1);
        }
    }

    /// Encodes a request into the connection's buffer and puts it on its way.
    pub(super) fn begin_small(
        &mut self,
        slot: u16,
        api: ApiKey,
        encode: &mut dyn FnMut(&Self, &mut [u8], Header<'_>) -> usize,
    ) {
        let now = self.now;
        let Some(version) = self.version(slot, api) else { return };
        let correlation_id = self.connection_mut(slot).take_correlation_id();
        let mut buffer = self.connection(slot).buffer;
        let header = Header { version, correlation_id, client_id: &self.client_id };
        let bytes = encode(self, &mut buffer, header);
        let connection = self.connection_mut(slot);
        connection.buffer = buffer;
        let request = Request { correlation_id, api, version, sent: now, first: u32::MAX, unanswered: 0 };
        connection.begin_small(request, Buffer::Own, bytes);
    }

    /// No producer id this time: a connection was lost, or the broker said why.
    pub(super) fn id_failed(&mut self, code: Option<ErrorCode>) {
        let idempotence = &mut self.idempotence;
        idempotence.state = IdState::Missing;
        idempotence.failures += 1;
        let failures = idempotence.failures;
        let wait =
            backoff(self.config.retry_backoff, self.config.retry_backoff_max, failures, &mut self.random);
        self.idempotence.retry_at = Some(self.now + wait);
        if let Some(code) = code {
            self.metadata.last_cause = Some(Cause::Broker(code));
            if !code.is_retriable() {
                self.idempotence.denied = Some(code);
                self.fail_everything();
                self.recheck = true;
            }
        }
    }

    /// The request is lost, or its answer was of no use: its topics are asked for again.
    pub(super) fn metadata_lost(&mut self, slot: u16) {
        if self.metadata.on == Some(slot) {
            for topic in self.cluster.topics_mut() {
                topic.refresh |= core::mem::take(&mut topic.asked);
            }
            self.metadata_done();
        }
    }

    /// The answer is complete: what is still missing is asked for after a backoff. It grows until there is news.
    pub(super) fn metadata_done(&mut self) {
        self.metadata.on = None;
        self.metadata.needed = self.cluster.topics().iter().any(|slot| slot.refresh);
        self.metadata.second_look = false;
        self.metadata.asked_for &= self.cluster.topics().iter().any(|slot| slot.state == TopicState::Unknown);
        let news = !self.metadata.needed && self.metadata.revision != self.cluster.revision();
        let in_a_row =
            self.metadata.refreshed_at + self.config.retry_backoff_max.saturating_mul(2) > self.now;
        self.metadata.failures = if news || !in_a_row { 0 } else { self.metadata.failures + 1 };
        let failures = self.metadata.failures.max(1);
        let wait =
            backoff(self.config.retry_backoff, self.config.retry_backoff_max, failures, &mut self.random);
        self.metadata.retry_at = self.now + wait;
        self.metadata.refreshed_at = self.now;
        self.recheck = true;
    }

    /// Not in the middle of an answer: half of it would be told twice.
    pub(super) fn topic_event(&mut self) -> Option<Event<S::Block>> {
        if self.is_reading_metadata() { None } else { self.cluster.take_changed().map(Event::Topic) }
    }

    pub(super) fn is_reading_metadata(&self) -> bool {
        let answer = self.metadata.on.and_then(|slot| self.connection(slot).answer.as_ref());
        answer.is_some_and(|answer| matches!(answer.found, Found::Metadata))
    }
}
