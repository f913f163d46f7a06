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
use super::connection::{Buffer, Incoming, Request, State};
use crate::error::{AuthenticationError, Disconnect, ErrorCode, ErrorKind, ProtocolError};
use crate::event::Event;
use crate::id::ConnectionId;
use crate::memory::Storage;
use crate::sasl::{CHALLENGE_BYTES_MAX, Credentials, Exchange, Mechanism, Next, Token, write_harmless};
use crate::time::Instant;
use crate::wire::{ApiKey, Decoder, Header, Item, Progress, Value, sasl as wire};
use core::time::Duration;

/// What of a broker's words is kept.
pub const WORDS_BYTES: usize = 128;

type Words = heapless::String<WORDS_BYTES>;

/// When a connection authenticates again, in percent of its session's length: so much at least, and up to so much more.
const SESSION_PERCENT: u64 = 85;
const SESSION_JITTER_PERCENT: u32 = 10;

/// The memory for SASL, made by whoever owns the memory. Without SASL there is none.
#[derive(Debug)]
pub struct SaslTables<S: Storage> {
    /// Who the client is: one.
    pub credentials: S::Table<Credentials>,
    /// As many as brokers (`brokers.max`).
    pub slots: S::Table<SaslSlot>,
    /// Where messages are written and read, in equal parts for all connections. 1,024 bytes for each are enough for every
    /// user and password, 512 for those of up to 64 bytes; a token must fit, with 128 bytes beside it.
    pub buffers: S::Table<u8>,
}

/// What SASL keeps of a connection.
#[derive(Debug)]
pub struct SaslSlot {
    exchange: Exchange,
    /// SaslHandshake was answered: the mechanism's own messages follow.
    agreed: bool,
    token: TokenState,
    /// How much of the server's message is in the buffer.
    kept: u16,
    session: Option<Session>,
    /// What the broker said when it refused, and what is wrong with it otherwise.
    words: Words,
}

impl SaslSlot {
    /// A slot that no connection uses.
    pub const EMPTY: Self = Self {
        exchange: Exchange::EMPTY,
        agreed: false,
        token: TokenState::None,
        kept: 0,
        session: None,
        words: Words::new(),
    };
}

/// OAUTHBEARER's token for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenState {
    /// None, and none was asked for.
    None,
    /// It is to be asked for.
    Wanted,
    /// The driver was asked.
    Asked,
    /// It is at the buffer's end: so many bytes.
    Here(u16),
}

/// How long the broker accepts what it has accepted.
#[derive(Clone, Copy, Debug)]
struct Session {
    renew_at: Instant,
    end: Instant,
}

/// No broker that can be reached accepts the client: what is held fails.
#[derive(Clone, Copy, Debug)]
struct Refusal {
    error: AuthenticationError,
    /// The other plane has heard of it, and holds nothing.
    told: bool,
}

/// Credentials, and what there is of each connection.
pub(super) struct Sasl<S: Storage> {
    tables: SaslTables<S>,
    refusal: Option<Refusal>,
    /// Whose words were the last.
    spoke: u16,
}

impl<S: Storage> Sasl<S> {
    fn slot(&self, slot: u16) -> &SaslSlot {
        &self.tables.slots.as_ref()[usize::from(slot)]
    }

    fn slot_mut(&mut self, slot: u16) -> &mut SaslSlot {
        &mut self.tables.slots.as_mut()[usize::from(slot)]
    }

    fn mechanism(&self) -> Mechanism {
        self.tables.credentials.as_ref()[0].mechanism()
    }

    /// Bytes of the buffers for each connection.
    fn share(&self) -> usize {
        self.tables.buffers.as_ref().len() / self.tables.slots.as_ref().len()
    }

    pub(super) fn buffer(&self, slot: u16) -> &[u8] {
        let share = self.share();
        &self.tables.buffers.as_ref()[usize::from(slot) * share..][..share]
    }

    pub(super) fn buffer_mut(&mut self, slot: u16) -> &mut [u8] {
        let share = self.share();
        &mut self.tables.buffers.as_mut()[usize::from(slot) * share..][..share]
    }

    /// Nothing of the connection is left but what the broker said last.
    fn reset(&mut self, slot: u16) {
        self.buffer_mut(slot).zeroize();
        let words = core::mem::take(&mut self.slot_mut(slot).words);
        *self.slot_mut(slot) = SaslSlot { words, ..SaslSlot::EMPTY };
    }
}

impl<S: Storage> Drop for Sasl<S> {
    /// A table may be in a `static`, which is never dropped.
    fn drop(&mut self) {
        self.tables.buffers.as_mut().zeroize();
        self.tables.credentials.as_mut().fill_with(Credentials::oauth_bearer);
    }
}

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
    /// there are no credentials, or too few slots or buffers for so many brokers.
    pub fn set_sasl(&mut self, tables: SaslTables<S>) -> bool {
        let slots = tables.slots.as_ref().len();
        let fits = slots >= self.cluster.brokers().len()
            && tables.buffers.as_ref().len() >= slots * super::connection::REQUEST_BYTES
            && tables.buffers.as_ref().len() / slots.max(1) <= usize::from(u16::MAX)
            && !tables.credentials.as_ref().is_empty();
        if fits {
            self.sasl = Some(Sasl { tables, refusal: None, spoke: 0 });
        }
        fits
    }

    /// What a broker said when it refused the client, or what is wrong with what it said: the latest, at most
    /// [`WORDS_BYTES`], in harmless characters.
    #[must_use]
    pub fn authentication_words(&self) -> &str {
        self.sasl.as_ref().map_or("", |sasl| &sasl.slot(sasl.spoke).words)
    }

    /// The token that [`Event::Token`] asked for; `None` where there is none this time. The connection is then closed,
    /// and made anew after a backoff if it is needed.
    pub fn handle_token(&mut self, now: Instant, connection: ConnectionId, token: Option<&Token<'_>>) {
        self.advance(now);
        let slot = connection.slot;
        let current = self.is_current(connection);
        let Some(sasl) =
            self.sasl.as_mut().filter(|sasl| current && sasl.slot(slot).token == TokenState::Asked)
        else {
            return;
        };
        let buffer = sasl.buffer_mut(slot);
        let written = token.map(|token| {
            token.write(buffer).inspect(|&bytes| {
                let start = buffer.len() - bytes;
                buffer.copy_within(..bytes, start);
            })
        });
        match written {
            Some(Some(bytes)) => {
                sasl.slot_mut(slot).token = TokenState::Here(bytes as u16);
                if self.connection(slot).is_ready() {
                    self.authenticate(slot);
                }
                self.connection_mut(slot).tell_transmit = true;
            }
            Some(None) => self.unauthenticated(slot, AuthenticationError::TooLong),
            None => self.unauthenticated(slot, AuthenticationError::NoToken),
        }
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
        if let Some(sasl) = &mut self.sasl
            && sasl.mechanism() == Mechanism::OauthBearer
            && sasl.slot(slot).token == TokenState::None
        {
            sasl.slot_mut(slot).token = TokenState::Wanted;
        }
    }

    /// Nothing but SASL is sent from now on, until it is over.
    pub(super) fn authenticate(&mut self, slot: u16) {
        let now = self.now;
        let Some(sasl) = &mut self.sasl else { return };
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
        let Some(sasl) = &self.sasl else { return };
        let (state, mechanism) = (sasl.slot(slot), sasl.mechanism());
        let waits = matches!(state.token, TokenState::Wanted | TokenState::Asked);
        if waits || !self.connection(slot).requests.is_empty() {
            return;
        }
        if state.agreed {
            self.begin_message(slot);
        } else {
            self.begin_small(slot, ApiKey::SaslHandshake, |_, buffer, header| {
                wire::encode_handshake(buffer, header, mechanism.name()).unwrap_or(0)
            });
        }
    }

    fn begin_message(&mut self, slot: u16) {
        let now = self.now;
        let Some(version) = self.version(slot, ApiKey::SaslAuthenticate) else { return };
        let correlation_id = self.connection_mut(slot).take_correlation_id();
        let header = Header { version, correlation_id, client_id: &self.client_id };
        let Some(sasl) = &mut self.sasl else { return };
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
        if let Some(sasl) = &mut self.sasl {
            sasl.buffer_mut(slot).zeroize();
        }
    }

    pub(super) fn read_sasl_handshake(
        &mut self,
        slot: u16,
        mut decoder: Decoder<wire::Handshake>,
        mut error: ErrorCode,
        input: &mut &[u8],
    ) -> Result<Incoming, ProtocolError> {
        let progress = decoder.push(input, |item| {
            match item {
                Item::Value(wire::Handshake::ErrorCode, Value::I16(code)) => error = ErrorCode(code),
                Item::Value(wire::Handshake::Mechanism, Value::Text(Some(name))) => {
                    self.keep_mechanism(slot, name)
                }
                _ => {}
            }
            Ok(())
        })?;
        if progress == Progress::More {
            return Ok(Incoming::SaslHandshake(decoder, error));
        }
        let _ = self.answered(slot);
        let renews = self.session(slot).is_some();
        match error {
            ErrorCode::NONE => {
                if let Some(sasl) = &mut self.sasl {
                    sasl.slot_mut(slot).agreed = true;
                    sasl.slot_mut(slot).words.clear();
                }
            }
            ErrorCode::UNSUPPORTED_SASL_MECHANISM => {
                self.unauthenticated(slot, AuthenticationError::UnsupportedMechanism);
            }
            // A broker that had SASL before still has it: it is asked too often.
            ErrorCode::ILLEGAL_SASL_STATE if !renews => {
                self.unauthenticated(slot, AuthenticationError::NoSasl)
            }
            code => self.unauthenticated(slot, AuthenticationError::Refused(code)),
        }
        Ok(Incoming::START)
    }

    /// A mechanism that the broker has: said where it refuses the one that was asked for.
    fn keep_mechanism(&mut self, slot: u16, name: &str) {
        if let Some(sasl) = &mut self.sasl {
            let words = &mut sasl.slot_mut(slot).words;
            let before = if words.is_empty() { "the broker offers " } else { ", " };
            let _ = words.push_str(before);
            write_harmless(words, name.as_bytes());
        }
    }

    pub(super) fn read_sasl_authenticate(
        &mut self,
        slot: u16,
        mut decoder: Decoder<wire::Authenticate>,
        mut answer: AuthenticateAnswer,
        input: &mut &[u8],
    ) -> Result<Incoming, ProtocolError> {
        use wire::Authenticate as Field;
        let progress = decoder.push(input, |item| {
            match item {
                Item::Value(Field::ErrorCode, Value::I16(code)) => answer.error = ErrorCode(code),
                Item::Value(Field::SessionLifetimeMs, Value::I64(millis)) => {
                    answer.session_lifetime_ms = millis
                }
                Item::Value(Field::ErrorMessage, Value::Text(Some(message))) => {
                    self.keep_words(slot, message)
                }
                Item::Value(Field::AuthBytes, Value::Bytes(piece)) => self.keep_challenge(slot, piece)?,
                _ => {}
            }
            Ok(())
        })?;
        if progress == Progress::More {
            return Ok(Incoming::SaslAuthenticate(decoder, answer));
        }
        let sent = self.answered(slot).map_or(self.now, |request| request.sent);
        let Some(sasl) = &mut self.sasl else { return Ok(Incoming::START) };
        let next = match answer.error {
            ErrorCode::NONE => sasl.take_answer(slot),
            code => Err(AuthenticationError::Refused(code)),
        };
        match next {
            Ok(Next::Message) => {}
            Ok(Next::Done) => self.authenticated(slot, sent, answer.session_lifetime_ms),
            Err(error) => self.unauthenticated(slot, error),
        }
        Ok(Incoming::START)
    }

    fn keep_words(&mut self, slot: u16, message: &str) {
        if let Some(sasl) = &mut self.sasl
            && !message.is_empty()
        {
            let words = &mut sasl.slot_mut(slot).words;
            words.clear();
            write_harmless(words, message.as_bytes());
        }
    }

    /// What has come of the server's message. The request has left completely: its buffer is free.
    fn keep_challenge(&mut self, slot: u16, piece: &[u8]) -> Result<(), ProtocolError> {
        let Some(sasl) = &mut self.sasl else { return Ok(()) };
        let kept = usize::from(sasl.slot(slot).kept);
        let longest = sasl.share().min(CHALLENGE_BYTES_MAX);
        let room = sasl.buffer_mut(slot)[..longest].get_mut(kept..kept + piece.len());
        room.ok_or(ProtocolError::Malformed)?.copy_from_slice(piece);
        sasl.slot_mut(slot).kept += piece.len() as u16;
        Ok(())
    }

    /// The broker accepts the client, for so long. The time counts from when the client's last word left: the broker's
    /// own begins later.
    fn authenticated(&mut self, slot: u16, sent: Instant, session_lifetime_ms: i64) {
        let percent = SESSION_PERCENT + u64::from(self.random.below(SESSION_JITTER_PERCENT + 1));
        let lifetime = u64::try_from(session_lifetime_ms).ok().filter(|millis| *millis > 0);
        let session = lifetime.map(|millis| Session {
            renew_at: sent + Duration::from_micros(millis.saturating_mul(10 * percent)),
            end: sent + Duration::from_millis(millis),
        });
        if let Some(sasl) = &mut self.sasl {
            sasl.buffer_mut(slot).zeroize();
            *sasl.slot_mut(slot) = SaslSlot { session, ..SaslSlot::EMPTY };
        }
        self.forgive();
        self.ready(slot);
    }

    fn unauthenticated(&mut self, slot: u16, error: AuthenticationError) {
        if let Some(sasl) = &mut self.sasl {
            sasl.spoke = slot;
        }
        self.disconnect(slot, Disconnect::Authentication(error), true);
    }

    fn session(&self, slot: u16) -> Option<Session> {
        self.sasl.as_ref().and_then(|sasl| sasl.slot(slot).session)
    }

    /// When something is due on a ready connection: its session is to be renewed, or ends without a token.
    pub(super) fn session_due(&self, slot: u16) -> Option<Instant> {
        let session = self.session(slot).filter(|_| self.connection(slot).is_ready())?;
        let asked = self.sasl.as_ref().is_some_and(|sasl| sasl.slot(slot).token != TokenState::None);
        Some(if asked { session.end } else { session.renew_at })
    }

    /// Renews the session of a connection that is used. One that is not is closed.
    pub(super) fn watch_session(&mut self, slot: u16) {
        let Some(session) = self.session(slot) else { return };
        if self.session_due(slot).is_none_or(|due| due > self.now) {
            return;
        }
        let connection = self.connection(slot);
        let unused = connection.since + session.end.since(session.renew_at) <= self.now;
        if unused && !connection.is_busy() && !connection.has_sendable() {
            self.disconnect(slot, Disconnect::Idle, true);
        } else if session.end <= self.now && self.waits_for_token(slot) {
            self.unauthenticated(slot, AuthenticationError::NoToken);
        } else {
            self.prepare_authentication(slot);
            if !self.waits_for_token(slot) {
                self.authenticate(slot);
            }
        }
    }

    /// Why a connection that does not come to the end of its authentication is closed.
    pub(super) fn authentication_timeout(&self, slot: u16) -> Disconnect {
        if self.waits_for_token(slot) {
            Disconnect::Authentication(AuthenticationError::NoToken)
        } else {
            Disconnect::RequestTimeout
        }
    }

    fn waits_for_token(&self, slot: u16) -> bool {
        let token = self.sasl.as_ref().map(|sasl| sasl.slot(slot).token);
        matches!(token, Some(TokenState::Wanted | TokenState::Asked))
    }

    /// The connection is gone, and with it what was said on it. Where no broker accepts the client, what is held fails.
    pub(super) fn end_authentication(&mut self, slot: u16, cause: Disconnect) {
        let Some(sasl) = &mut self.sasl else { return };
        sasl.reset(slot);
        let Disconnect::Authentication(error) = cause else { return };
        if error.is_final() && !self.is_accepted_somewhere() {
            self.refuse_client(error);
        }
    }

    fn is_accepted_somewhere(&self) -> bool {
        let accepted = |slot: u16| {
            let renews =
                || self.connection(slot).state == State::Authenticating && self.session(slot).is_some();
            self.connection(slot).is_ready() || renews()
        };
        (0..self.cluster.brokers().len() as u16).any(accepted)
    }

    fn refuse_client(&mut self, error: AuthenticationError) {
        if let Some(sasl) = &mut self.sasl {
            sasl.refusal = Some(Refusal { error, told: false });
        }
        self.metadata.asked_for = false;
        self.cluster.mark_all_changed();
        self.fail_everything();
        self.recheck = true;
    }

    /// Why everything fails.
    pub(super) fn refusal(&self) -> Option<ErrorKind> {
        let refusal = self.sasl.as_ref()?.refusal?;
        Some(ErrorKind::Authentication(refusal.error))
    }

    /// The other plane has heard of all that was to be told, and says whether it still holds records.
    pub(super) fn note_demand(&mut self) {
        let told = !self.demand && !self.cluster.has_changed();
        if let Some(Refusal { told: before, .. }) = self.sasl.as_mut().and_then(|sasl| sasl.refusal.as_mut())
        {
            *before = told;
        }
    }

    /// Everything that was held has failed: the next record has an attempt of its own.
    pub(super) fn forgive_when_told(&mut self) {
        let told = self.sasl.as_ref().and_then(|sasl| sasl.refusal).is_some_and(|refusal| refusal.told);
        if told && !self.demand && self.is_idle() {
            self.forgive();
        }
    }

    /// Records do not fail any more, until there is another refusal.
    pub(super) fn forgive(&mut self) {
        if self.sasl.as_mut().and_then(|sasl| sasl.refusal.take()).is_some() {
            self.cluster.mark_all_changed();
            self.recheck = true;
        }
    }
}

impl<S: Storage> Sasl<S> {
    /// Writes the request with the client's next message: how long it is.
    fn write_message(&mut self, slot: u16, header: Header<'_>) -> Result<usize, AuthenticationError> {
        let share = self.share();
        let SaslTables { credentials, slots, buffers } = &mut self.tables;
        let credentials = &mut credentials.as_mut()[0];
        let state = &mut slots.as_mut()[usize::from(slot)];
        let buffer = &mut buffers.as_mut()[usize::from(slot) * share..][..share];
        // The answer is where the next request is to be.
        let mut challenge = [0; CHALLENGE_BYTES_MAX];
        let challenge = &mut challenge[..usize::from(state.kept)];
        challenge.copy_from_slice(&buffer[..challenge.len()]);
        let token = if let TokenState::Here(bytes) = state.token { bytes.into() } else { 0 };
        let mut result = Err(AuthenticationError::TooLong);
        let written = wire::encode_authenticate(buffer, header, |room| {
            result = state.exchange.message(credentials, challenge, token, room, &mut state.words);
            result.ok()
        });
        state.token = TokenState::None;
        state.kept = 0;
        result.and(written.map_err(|_| AuthenticationError::TooLong))
    }

    /// The server's message is complete.
    fn take_answer(&mut self, slot: u16) -> Result<Next, AuthenticationError> {
        let share = self.share();
        let SaslTables { credentials, slots, buffers } = &mut self.tables;
        let state = &mut slots.as_mut()[usize::from(slot)];
        let challenge = &buffers.as_ref()[usize::from(slot) * share..][..usize::from(state.kept)];
        state.exchange.answer(&credentials.as_ref()[0], challenge, &mut state.words)
    }
}
