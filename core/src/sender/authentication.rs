//! SASL on a connection: after the broker's versions are known, and again before the session ends (KIP-368).
//!
//! ```text
//! ApiVersions ─► [token?] ─► SaslHandshake ─► SaslAuthenticate, once or more ─► ready ─┐
//!                   ▲                                                                  │ 85 to 95 % of the session
//!                   └──────────────── what is in flight is awaited ◄───────────────────┘
//! ```
//!
//! Nothing else is asked before the end of it. Credentials that are refused fail what is held, at once, where no broker
//! accepts them; the next attempt follows after a backoff, and only if there is a record that needs it. Nothing here
//! tells a secret to anybody but the broker: buffers are overwritten as soon as their bytes have left.

use zeroize::Zeroize;

use super::Sender;
use super::connection::{Buffer, Request, State};
use super::sasl::TokenState;
use crate::error::{AuthenticationError, Disconnect, ErrorCode, ProtocolError};
use crate::event::Event;
use crate::id::ConnectionId;
use crate::memory::Storage;
use crate::sasl::{CHALLENGE_BYTES_MAX, Exchange, Next, Token, write_harmless};
use crate::time::Instant;
use crate::wire::{ApiKey, Decoder, Field, Header, Item, Progress, Value, sasl as wire};

/// The answer to SaslAuthenticate that is being read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AuthenticateAnswer {
    error: ErrorCode,
    session_lifetime_ms: i64,
}

impl AuthenticateAnswer {
    pub(super) const EMPTY: Self = Self { error: ErrorCode::NONE, session_lifetime_ms: 0 };
}

impl<S: Storage> Sender<S> {
    /// Makes every connection authenticate itself. To be called before the first connection is asked for. False when
    /// there are no credentials, or too few slots or buffers for so many brokers. There with the feature `sasl`.
    #[cfg(feature = "sasl")]
    pub fn set_sasl(&mut self, tables: super::SaslTables<S>) -> bool {
        let slots = tables.slots.as_ref().len();
        let fits = slots >= self.cluster.brokers().len()
            && tables.buffers.as_ref().len() >= slots * super::connection::REQUEST_BYTES
            && tables.buffers.as_ref().len() / slots.max(1) <= usize::from(u16::MAX)
            && !tables.credentials.as_ref().is_empty();
        if fits {
            self.sasl.put(tables);
        }
        fits
    }

    /// What a broker said when it refused the client, or what is wrong with what it said: the latest, at most
    /// [`WORDS_BYTES`](super::WORDS_BYTES), in harmless characters.
    #[must_use]
    pub fn authentication_words(&self) -> &str {
        self.sasl.as_ref().map_or("", |sasl| &sasl.slot(sasl.spoke).words)
    }

    /// The token that [`Event::Token`] asked for; `None` where there is none this time.
    ///
    /// # Errors
    ///
    /// Why it is of no use, with what [`authentication_words`](Self::authentication_words) says now. The connection is
    /// closed, and made anew after a backoff if it is needed.
    pub fn handle_token(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        token: Option<&Token<'_>>,
    ) -> Result<(), AuthenticationError> {
        self.advance(now);
        let slot = connection.slot;
        let current = self.is_current(connection);
        let Some(sasl) =
            self.sasl.as_mut().filter(|sasl| current && sasl.slot(slot).token == TokenState::Asked)
        else {
            return Ok(());
        };
        let host = &self.cluster.brokers()[usize::from(slot)].host;
        if let Err(error) = sasl.keep_token(slot, token, host) {
            self.unauthenticated(slot, error);
            return Err(error);
        }
        if self.connection(slot).is_ready() {
            self.authenticate(slot);
        }
        self.connection_mut(slot).tell_transmit = true;
        Ok(())
    }

    /// Some connection needs a token.
    pub(super) fn token_event(&mut self) -> Option<Event<S::Block>> {
        let slots = self.sasl.as_mut()?.tables.slots.as_mut();
        let slot = slots.iter().position(|slot| slot.token == TokenState::Wanted)? as u16;
        slots[usize::from(slot)].token = TokenState::Asked;
        Some(Event::Token(ConnectionId { slot, generation: self.connection(slot).generation }))
    }

    /// The socket is open: a token can be had while the broker's versions are asked for.
    pub(super) fn prepare_authentication(&mut self, slot: u16) {
        if let Some(sasl) = self.sasl.as_mut()
            && sasl.mechanism().needs_token()
            && sasl.slot(slot).token == TokenState::None
        {
            sasl.slot_mut(slot).token = TokenState::Wanted;
        }
    }

    /// Nothing but SASL is sent from now on, until it is over.
    pub(super) fn authenticate(&mut self, slot: u16) {
        let now = self.now;
        let Some(sasl) = self.sasl.as_mut() else { return };
        let credentials = &mut sasl.tables.credentials.as_mut()[0];
        let exchange = Exchange::begin(credentials);
        let state = sasl.slot_mut(slot);
        state.exchange = exchange;
        state.agreed = false;
        state.kept = 0;
        state.words.clear();
        let connection = self.connection_mut(slot);
        connection.state = State::Authenticating;
        connection.since = now;
        connection.tell_transmit = true;
    }

    /// Begins the next request of an authentication, if it is the client's turn.
    pub(super) fn begin_authentication(&mut self, slot: u16) {
        let Some(sasl) = self.sasl.as_ref() else { return };
        let (state, mechanism) = (sasl.slot(slot), sasl.mechanism());
        let waits = matches!(state.token, TokenState::Wanted | TokenState::Asked);
        if waits || !self.connection(slot).requests.is_empty() {
            return;
        }
        if state.agreed {
            self.begin_message(slot);
        } else {
            self.begin_small(slot, ApiKey::SaslHandshake, &mut |_, buffer, header| {
                wire::encode_handshake(buffer, header, mechanism.name()).unwrap_or(0)
            });
        }
    }

    fn begin_message(&mut self, slot: u16) {
        let now = self.now;
        let Some(version) = self.version(slot, ApiKey::SaslAuthenticate) else { return };
        let correlation_id = self.connection_mut(slot).take_correlation_id();
        let header = Header { version, correlation_id, client_id: &self.client_id };
        let Some(sasl) = self.sasl.as_mut() else { return };
        match sasl.write_message(slot, header) {
            Ok(bytes) => {
                let request = Request {
                    correlation_id,
                    api: ApiKey::SaslAuthenticate,
                    version,
                    sent: now,
                    first: u32::MAX,
                    unanswered: 0,
                };
                self.connection_mut(slot).begin_small(request, Buffer::Sasl, bytes);
            }
            Err(error) => self.unauthenticated(slot, error),
        }
    }

    /// A message has left: nothing of it stays.
    pub(super) fn forget_message(&mut self, slot: u16) {
        if let Some(sasl) = self.sasl.as_mut() {
            sasl.buffer_mut(slot).zeroize();
        }
    }

    pub(super) fn read_sasl_handshake(
        &mut self,
        slot: u16,
        decoder: &mut Decoder,
        error: &mut ErrorCode,
        input: &mut &[u8],
    ) -> Result<Progress, ProtocolError> {
        let progress = decoder.push(input, |item| {
            match item {
                Item::Value(Field::ErrorCode, Value::I16(code)) => *error = ErrorCode(code),
                Item::Value(Field::Mechanism, Value::Text(Some(name))) => {
                    self.keep_mechanism(slot, name);
                }
                _ => {}
            }
            Ok(())
        })?;
        if progress == Progress::More {
            return Ok(progress);
        }
        let _ = self.answered(slot);
        let renews = self.session(slot).is_some();
        match *error {
            ErrorCode::NONE => {
                if let Some(sasl) = self.sasl.as_mut() {
                    sasl.slot_mut(slot).agreed = true;
                    sasl.slot_mut(slot).words.clear();
                }
            }
            ErrorCode::UNSUPPORTED_SASL_MECHANISM => {
                self.unauthenticated(slot, AuthenticationError::UnsupportedMechanism);
            }
            // A broker that had SASL before still has it: it is asked too often.
            ErrorCode::ILLEGAL_SASL_STATE if !renews => {
                self.unauthenticated(slot, AuthenticationError::NoSasl);
            }
            code => self.unauthenticated(slot, AuthenticationError::Refused(code)),
        }
        Ok(Progress::Done)
    }

    /// A mechanism that the broker has: said where it refuses the one that was asked for.
    fn keep_mechanism(&mut self, slot: u16, name: &str) {
        if let Some(sasl) = self.sasl.as_mut() {
            let words = &mut sasl.slot_mut(slot).words;
            let before = if words.is_empty() { "the broker offers " } else { ", " };
            let _ = words.push_str(before);
            write_harmless(words, name.as_bytes());
        }
    }

    pub(super) fn read_sasl_authenticate(
        &mut self,
        slot: u16,
        decoder: &mut Decoder,
        answer: &mut AuthenticateAnswer,
        input: &mut &[u8],
    ) -> Result<Progress, ProtocolError> {
        let progress = decoder.push(input, |item| {
            match item {
                Item::Value(Field::ErrorCode, Value::I16(code)) => answer.error = ErrorCode(code),
                Item::Value(Field::SessionLifetimeMs, Value::I64(millis)) => {
                    answer.session_lifetime_ms = millis;
                }
                Item::Value(Field::ErrorMessage, Value::Text(Some(message))) => {
                    self.keep_words(slot, message);
                }
                Item::Value(Field::AuthBytes, Value::Bytes(piece)) => self.keep_challenge(slot, piece)?,
                _ => {}
            }
            Ok(())
        })?;
        if progress == Progress::More {
            return Ok(progress);
        }
        let sent = self.answered(slot).map_or(self.now, |request| request.sent);
        let Some(sasl) = self.sasl.as_mut() else { return Ok(Progress::Done) };
        let next = match answer.error {
            ErrorCode::NONE => sasl.take_answer(slot),
            code => Err(AuthenticationError::Refused(code)),
        };
        match next {
            Ok(Next::Message) => {}
            Ok(Next::Done) => self.authenticated(slot, sent, answer.session_lifetime_ms),
            Err(error) => self.unauthenticated(slot, error),
        }
        Ok(Progress::Done)
    }

    fn keep_words(&mut self, slot: u16, message: &str) {
        if let Some(sasl) = self.sasl.as_mut()
            && !message.is_empty()
        {
            let words = &mut sasl.slot_mut(slot).words;
            words.clear();
            write_harmless(words, message.as_bytes());
        }
    }

    /// What has come of the server's message. The request has left completely: its buffer is free.
    fn keep_challenge(&mut self, slot: u16, piece: &[u8]) -> Result<(), ProtocolError> {
        let Some(sasl) = self.sasl.as_mut() else { return Ok(()) };
        let kept = usize::from(sasl.slot(slot).kept);
        let longest = sasl.share().min(CHALLENGE_BYTES_MAX);
        let room = sasl.buffer_mut(slot)[..longest].get_mut(kept..kept + piece.len());
        room.ok_or(ProtocolError::Malformed)?.copy_from_slice(piece);
        sasl.slot_mut(slot).kept += piece.len() as u16;
        Ok(())
    }

    pub(super) fn unauthenticated(&mut self, slot: u16, error: AuthenticationError) {
        if let Some(sasl) = self.sasl.as_mut() {
            sasl.spoke = slot;
        }
        self.disconnect(slot, Disconnect::Authentication(error), true);
    }
}
