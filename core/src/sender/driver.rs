//! What the driver tells: connections that open and end, bytes that come and go, time that passes. And what it asks: what to do,
//! what to write, when to come back. Nothing here decides anything.

use super::{Address, Sender};
use crate::error::{Disconnect, ProtocolError};
use crate::event::Event;
use crate::id::ConnectionId;
use crate::memory::Storage;
use crate::time::Instant;
use crate::transmit::Transmit;

impl<S: Storage> Sender<S> {
    /// Where a connection goes; `None` for one that is gone.
    #[must_use]
    pub fn address(&self, connection: ConnectionId) -> Option<Address<'_>> {
        let slot = self.cluster.brokers().get(usize::from(connection.slot))?;
        (slot.connection.generation == connection.generation)
            .then(|| Address { host: &slot.host, port: slot.port })
    }

    /// The socket is open.
    pub fn handle_connected(&mut self, now: Instant, connection: ConnectionId) {
        self.advance(now);
        if self.is_current(connection) {
            self.connected(connection.slot);
        }
    }

    /// The socket could not be opened, or is gone.
    pub fn handle_disconnected(&mut self, now: Instant, connection: ConnectionId, cause: Disconnect) {
        self.advance(now);
        if self.is_current(connection) {
            self.disconnect(connection.slot, cause, false);
        }
    }

    /// Bytes from the socket. Takes all of them, or finds them impossible: then `Event::Disconnect` follows.
    ///
    /// # Errors
    /// [`ProtocolError`] says what the broker got wrong. The other connections are not concerned.
    pub fn handle_received(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        input: &[u8],
    ) -> Result<usize, ProtocolError> {
        self.advance(now);
        if !self.is_current(connection) {
            return Err(ProtocolError::NotConnected);
        }
        self.received(connection.slot, input).inspect_err(|&error| {
            self.disconnect(connection.slot, Disconnect::Protocol(error), true);
        })?;
        Ok(input.len())
    }

    /// The socket took so many bytes of what [`poll_transmit`](Self::poll_transmit) handed out.
    pub fn handle_transmitted(&mut self, now: Instant, connection: ConnectionId, bytes: usize) {
        self.advance(now);
        if self.is_current(connection) {
            self.transmitted(connection.slot, bytes);
        }
    }

    /// Time has passed. Call it when [`poll_timeout`](Self::poll_timeout) is due; more often does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        self.expire();
        self.watch_connections();
        self.end_backoffs();
        self.drive_requests();
    }

    /// What is to be written to the connection now: for one attempt, then `handle_transmitted` says how far it came.
    #[must_use]
    pub fn poll_transmit(&mut self, now: Instant, connection: ConnectionId) -> Option<Transmit<'_, S>> {
        self.advance(now);
        if !self.is_current(connection) {
            return None;
        }
        self.connection_mut(connection.slot).told_transmit = false;
        self.begin_request(connection.slot);
        self.outgoing(connection.slot)
    }

    /// The next thing that the driver must do or know.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event<S::Block>> {
        // Who waits is looked through before it is told which brokers are away: looking asks for their connections.
        let told = self
            .batches
            .poll_done()
            .or_else(|| self.ready_event())
            .or_else(|| self.broker_event())
            .or_else(|| self.topic_event())
            .or_else(|| self.compression_event())
            .or_else(|| self.numbering_event());
        #[cfg(feature = "transactions")]
        self.note_outcome(told.as_ref());
        if told.is_some() {
            return told;
        }
        // Last, since looking through those that wait may ask for connections and metadata.
        self.drive_requests();
        let told = self.connection_event().or_else(|| self.token_event()).or_else(|| self.question_event());
        #[cfg(feature = "transactions")]
        // An end that needed no request has changed what is known of topics, and that comes first.
        let told = told.or_else(|| self.topic_event()).or_else(|| self.transaction_event());
        told
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due, unless something happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next_timeout()
    }
}
