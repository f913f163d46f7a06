//! What SASL keeps: the client's credentials, and what there is of each connection. In tables of the caller's, so that
//! without SASL there is nothing.

use zeroize::Zeroize;

use crate::error::AuthenticationError;
use crate::memory::Storage;
use crate::sasl::{CHALLENGE_BYTES_MAX, Credentials, Exchange, Mechanism, Next, Token};
use crate::time::Instant;
use crate::wire::{Header, sasl as wire};

/// What of a broker's words is kept.
pub const WORDS_BYTES: usize = 128;

type Words = heapless::String<WORDS_BYTES>;

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
    pub(super) exchange: Exchange,
    /// SaslHandshake was answered: the mechanism's own messages follow.
    pub(super) agreed: bool,
    pub(super) token: TokenState,
    /// How much of the server's message is in the buffer.
    pub(super) kept: u16,
    pub(super) session: Option<Session>,
    /// What the broker said when it refused, and what is wrong with it otherwise.
    pub(super) words: Words,
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

/// OAUTHBEARER's token for a connection, or what AWS_MSK_IAM has signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenState {
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
pub(super) struct Session {
    pub(super) renew_at: Instant,
    pub(super) end: Instant,
}

/// No broker that can be reached accepts the client: what is held fails.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    pub(super) error: AuthenticationError,
    /// The other plane has heard of it, and holds nothing.
    pub(super) told: bool,
}

/// Credentials, and what there is of each connection.
pub(super) struct Sasl<S: Storage> {
    pub(super) tables: SaslTables<S>,
    pub(super) refusal: Option<Refusal>,
    /// Whose words were the last.
    pub(super) spoke: u16,
}

/// Where SASL is kept, if it is used. Without the feature `sasl` there is no place for it, so that the compiler sees that there
/// is none, and leaves out what is for SASL only.
pub(super) struct Place<S: Storage>([Option<Sasl<S>>; cfg!(feature = "sasl") as usize]);

impl<S: Storage> Place<S> {
    pub(super) const EMPTY: Self = Self([const { None }; _]);

    #[cfg(feature = "sasl")]
    pub(super) fn put(&mut self, tables: SaslTables<S>) {
        self.0 = [Some(Sasl { tables, refusal: None, spoke: 0 })];
    }

    pub(super) fn is_none(&self) -> bool {
        self.as_ref().is_none()
    }

    pub(super) fn is_some(&self) -> bool {
        self.as_ref().is_some()
    }

    pub(super) fn as_ref(&self) -> Option<&Sasl<S>> {
        self.0.first()?.as_ref()
    }

    pub(super) fn as_mut(&mut self) -> Option<&mut Sasl<S>> {
        self.0.first_mut()?.as_mut()
    }
}

impl<S: Storage> Sasl<S> {
    pub(super) fn slot(&self, slot: u16) -> &SaslSlot {
        &self.tables.slots.as_ref()[usize::from(slot)]
    }

    pub(super) fn slot_mut(&mut self, slot: u16) -> &mut SaslSlot {
        &mut self.tables.slots.as_mut()[usize::from(slot)]
    }

    pub(super) fn mechanism(&self) -> Mechanism {
        self.tables.credentials.as_ref()[0].mechanism()
    }

    /// Bytes of the buffers for each connection.
    pub(super) fn share(&self) -> usize {
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

    /// A token for the connection to this host waits at the buffer's end until it can be sent.
    pub(super) fn keep_token(
        &mut self,
        slot: u16,
        token: Option<&Token<'_>>,
        host: &str,
    ) -> Result<(), AuthenticationError> {
        let (share, mechanism) = (self.share(), self.mechanism());
        let SaslTables { slots, buffers, .. } = &mut self.tables;
        let state = &mut slots.as_mut()[usize::from(slot)];
        let buffer = &mut buffers.as_mut()[usize::from(slot) * share..][..share];
        state.words.clear();
        let token = token.ok_or(AuthenticationError::NoToken)?;
        let bytes = token.write(mechanism, host, buffer, &mut state.words)?;
        buffer.copy_within(..bytes, share - bytes);
        state.token = TokenState::Here(bytes as u16);
        Ok(())
    }

    /// Writes the request with the client's next message: how long it is.
    pub(super) fn write_message(
        &mut self,
        slot: u16,
        header: Header<'_>,
    ) -> Result<usize, AuthenticationError> {
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
    pub(super) fn take_answer(&mut self, slot: u16) -> Result<Next, AuthenticationError> {
        let share = self.share();
        let SaslTables { credentials, slots, buffers } = &mut self.tables;
        let state = &mut slots.as_mut()[usize::from(slot)];
        let challenge = &buffers.as_ref()[usize::from(slot) * share..][..usize::from(state.kept)];
        state.exchange.answer(&credentials.as_ref()[0], challenge, &mut state.words)
    }

    /// Nothing of the connection is left but what the broker said last.
    pub(super) fn reset(&mut self, slot: u16) {
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
