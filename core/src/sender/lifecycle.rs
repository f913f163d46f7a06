//! Connections come and go: when one is opened, when it has waited too long, what is lost with it.

use super::Sender;
use super::connection::{Outgoing, Request, State};
use super::retry::backoff;
use crate::error::{Cause, Disconnect};
use crate::event::Event;
use crate::id::{BrokerId, ConnectionId};
use crate::memory::Storage;
use crate::time::{Instant, earliest};
use crate::wire::ApiKey;
use core::time::Duration;

impl<S: Storage> Sender<S> {
    /// Somebody needs the connection: it is opened now, or after its backoff.
    pub(super) fn want_connection(&mut self, slot: u16) {
        let connection = self.connection_mut(slot);
        if connection.is_idle() {
            connection.wanted = true;
            self.try_connect(slot);
        }
    }

    fn try_connect(&mut self, slot: u16) {
        let now = self.now;
        if self.closed {
            return;
        }
        let connection = self.connection_mut(slot);
        if connection.is_idle() && connection.wanted && connection.retry_at <= now {
            connection.state = State::Connecting;
            connection.since = now;
            connection.wanted = false;
            connection.tell_connect = true;
            self.forgive();
        }
    }

    pub(super) fn connected(&mut self, slot: u16) {
        let now = self.now;
        let connection = self.connection_mut(slot);
        if connection.state == State::Connecting {
            connection.state = State::Handshake;
            connection.since = now;
            connection.tell_transmit = true;
            self.prepare_authentication(slot);
        }
    }

    /// The broker's versions are known, and it accepts the client: the connection can be used.
    pub(super) fn ready(&mut self, slot: u16) {
        let now = self.now;
        let connection = self.connection_mut(slot);
        connection.state = State::Ready;
        connection.since = now;
        connection.failures = 0;
        connection.last_cause = None;
        connection.tell_transmit = true;
        self.recheck = true;
    }

    /// The connection is gone, or must go (`tell`: the driver does not know yet). What was in flight may be stored.
    pub(super) fn disconnect(&mut self, slot: u16, cause: Disconnect, tell: bool) {
        let now = self.now;
        let connection = self.connection_mut(slot);
        if connection.is_idle() {
            return;
        }
        let generation = connection.generation;
        let told = !connection.tell_connect;
        let outgoing = connection.outgoing;
        connection.reset(now);
        connection.tell_disconnect = (tell && told).then_some(generation);
        if cause != Disconnect::Idle {
            connection.failures += 1;
            connection.last_cause = Some(cause);
            let failures = connection.failures;
            let (base, max) = (self.config.reconnect_backoff, self.config.reconnect_backoff_max);
            let wait = backoff(base, max, failures, &mut self.random);
            self.connection_mut(slot).retry_at = now + wait;
            self.metadata.last_cause = Some(Cause::Disconnected(cause));
            // Nobody waits for a topic that failed: the next record of it will ask again.
            self.metadata.second_look = false;
            self.refresh_all();
            self.forget_coordinator(slot);
        }
        while let Some(request) = self.connection_mut(slot).requests.pop_front() {
            let unwritten = matches!(outgoing, Outgoing::Produce(cursor)
                if cursor.correlation_id == request.correlation_id && !cursor.begun);
            self.lose(slot, &request, cause, !unwritten);
        }
        self.lose_unanswerable(outgoing, cause);
        self.unlist_connection(slot);
        self.recheck = true;
        self.end_authentication(slot, cause);
    }

    /// A request will not be answered any more.
    fn lose(&mut self, slot: u16, request: &Request, cause: Disconnect, may_be_stored: bool) {
        match request.api {
            ApiKey::ApiVersions | ApiKey::SaslHandshake | ApiKey::SaslAuthenticate => {}
            #[cfg(feature = "transactions")]
            ApiKey::InitProducerId if self.is_transactional() => self.transaction_request_lost(),
            #[cfg(feature = "transactions")]
            ApiKey::FindCoordinator
            | ApiKey::AddPartitionsToTxn
            | ApiKey::AddOffsetsToTxn
            | ApiKey::EndTxn
            | ApiKey::TxnOffsetCommit => self.transaction_request_lost(),
            ApiKey::InitProducerId => self.id_failed(None),
            ApiKey::Metadata => self.metadata_lost(slot),
            ApiKey::DescribeProducers => self.question_failed(request.first),
            ApiKey::Produce => self.lose_batches(request.first, request.correlation_id, cause, may_be_stored),
        }
    }

    /// With acks=0 a request has no entry in the ring: what was being written counts as lost.
    fn lose_unanswerable(&mut self, outgoing: Outgoing, cause: Disconnect) {
        if let (Outgoing::Produce(cursor), true) = (outgoing, self.is_unanswered()) {
            self.lose_batches(cursor.first, cursor.correlation_id, cause, cursor.begun);
        }
    }

    /// The broker says how long it will read nothing, as one does with clients that are over their quota (KIP-219).
    pub(super) fn hold_back(&mut self, slot: u16, throttle_time_ms: i32) {
        let throttle = Duration::from_millis(u64::try_from(throttle_time_ms).unwrap_or(0));
        let until = self.now + throttle;
        self.connection_mut(slot).throttled_until = (!throttle.is_zero()).then_some(until);
    }

    /// Closes what has waited too long or was not used, and opens what is wanted and has waited long enough.
    pub(super) fn watch_connections(&mut self) {
        for slot in 0..self.cluster.brokers().len() as u16 {
            if self.connection(slot).throttled_until.is_some_and(|until| until <= self.now) {
                let connection = self.connection_mut(slot);
                connection.throttled_until = None;
                connection.tell_transmit = true;
                self.recheck = true;
            }
            if let Some((due, cause)) = self.connection_deadline(slot)
                && due <= self.now
            {
                self.disconnect(slot, cause, true);
            }
            self.watch_session(slot);
            if self.connection(slot).wanted && self.connection(slot).retry_at <= self.now {
                if self.has_work() {
                    self.try_connect(slot);
                } else {
                    self.connection_mut(slot).wanted = false;
                }
            }
        }
    }

    /// When a connection must be closed, and why.
    fn connection_deadline(&self, slot: u16) -> Option<(Instant, Disconnect)> {
        let connection = self.connection(slot);
        let config = &self.config;
        let setup = connection.since + config.connection_setup_timeout;
        match connection.state {
            State::Idle => None,
            State::Connecting => Some((setup, Disconnect::ConnectTimeout)),
            State::Handshake => {
                Some((setup.min(connection.since + config.request_timeout), Disconnect::HandshakeTimeout))
            }
            State::Authenticating => match connection.requests.front() {
                Some(request) => Some((request.sent + config.request_timeout, Disconnect::RequestTimeout)),
                None => Some((connection.since + config.request_timeout, self.authentication_timeout(slot))),
            },
            State::Ready => match connection.requests.front() {
                Some(request) => Some((request.sent + config.request_timeout, Disconnect::RequestTimeout)),
                None if !matches!(connection.outgoing, Outgoing::Nothing) => {
                    Some((connection.since + config.request_timeout, Disconnect::RequestTimeout))
                }
                None => Some((connection.since + config.connections_idle_max, Disconnect::Idle)),
            },
        }
    }

    /// A broker that the cluster does not name any more, or names elsewhere, keeps its connection only until what is in
    /// flight there is answered: its slot is needed.
    pub(super) fn close_unlisted(&mut self) {
        for slot in 0..self.cluster.brokers().len() as u16 {
            if self.cluster.is_gone(slot) && !self.connection(slot).is_busy() {
                self.disconnect(slot, Disconnect::Idle, true);
            }
        }
    }

    /// The same where the last thing in flight has its answer, unless somebody else has named it as a leader since, as one
    /// that has not heard of it does. In the middle of a Metadata answer it is not known who is named.
    pub(super) fn close_if_gone(&mut self, slot: u16) {
        if self.cluster.is_gone(slot)
            && !self.connection(slot).is_busy()
            && !self.is_reading_metadata()
            && !self.cluster.leads(slot)
        {
            self.disconnect(slot, Disconnect::Idle, true);
        }
    }

    /// What is known of the brokers is forgotten, and the bootstrap servers are asked who they are (KIP-1102). What was in
    /// flight is sent again.
    pub(super) fn rebootstrap(&mut self) {
        for slot in 0..self.cluster.brokers().len() as u16 {
            self.disconnect(slot, Disconnect::Rebootstrap, true);
            self.cluster.forget_broker(slot);
        }
        self.refresh_all();
    }

    /// Whether anything is held or asked for. If not, nobody needs a connection.
    pub(super) fn has_work(&self) -> bool {
        !self.closed
            && (self.demand
                || self.batches.held > 0
                || self.metadata.asked_for
                || self.metadata.second_look
                || !self.questions.is_empty()
                || self.transaction_has_work())
    }

    /// A broker counts as away while somebody waits for it and the last attempts to reach it have failed. Where nobody
    /// waits nobody tries, so nothing is known: the next record may find out. One that is not named any more takes no records.
    pub(super) fn broker_event(&mut self) -> Option<Event<S::Block>> {
        if self.is_reading_metadata() {
            return None;
        }
        let brokers = self.cluster.brokers_mut().iter_mut().enumerate();
        for (slot, broker) in brokers {
            let connection = &mut broker.connection;
            let sought = connection.wanted || !connection.is_idle();
            let away = connection.failures > 0 && sought && !connection.is_ready();
            let available = broker.node_id >= 0 && broker.listed && !away;
            if core::mem::replace(&mut connection.told_available, available) != available {
                return Some(Event::Broker { broker: BrokerId(slot as u16), available });
            }
        }
        None
    }

    pub(super) fn connection_event(&mut self) -> Option<Event<S::Block>> {
        for slot in 0..self.cluster.brokers().len() as u16 {
            let connection = self.connection_mut(slot);
            if let Some(generation) = connection.tell_disconnect.take() {
                return Some(Event::Disconnect(ConnectionId { slot, generation }));
            }
            let id = ConnectionId { slot, generation: connection.generation };
            if core::mem::take(&mut connection.tell_connect) {
                return Some(Event::Connect(id));
            }
            if core::mem::take(&mut connection.tell_transmit) {
                connection.told_transmit = true;
                return Some(Event::Transmit(id));
            }
        }
        None
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        if self.closed {
            return None;
        }
        let mut next = earliest(self.backoff_at, self.request_timeout());
        if let Some((_, created)) = self.batches.oldest() {
            next = earliest(next, Some(created + self.config.delivery_timeout));
        }
        for slot in 0..self.cluster.brokers().len() as u16 {
            next = earliest(next, self.connection_deadline(slot).map(|(due, _)| due));
            next = earliest(next, self.session_due(slot));
            let connection = self.connection(slot);
            next = earliest(next, connection.throttled_until);
            if connection.wanted {
                next = earliest(next, Some(connection.retry_at));
            }
        }
        next
    }
}
