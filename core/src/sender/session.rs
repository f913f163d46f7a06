//! Sessions that are renewed before their end (KIP-368), and what follows where no broker accepts the client: what is held
//! fails, at once, and the next record has an attempt of its own.

use super::Sender;
use super::connection::State;
use super::sasl::{Refusal, SaslSlot, Session, TokenState};
use crate::error::{AuthenticationError, Disconnect, ErrorKind};
use crate::memory::Storage;
use crate::time::Instant;
use core::time::Duration;

/// When a connection authenticates again, in percent of its session's length: so much at least, and up to so much more.
const SESSION_PERCENT: u64 = 85;
const SESSION_JITTER_PERCENT: u32 = 10;

impl<S: Storage> Sender<S> {
    /// The broker accepts the client, for so long. The time counts from when the client's last word left: the broker's
    /// own begins later.
    pub(super) fn authenticated(&mut self, slot: u16, sent: Instant, session_lifetime_ms: i64) {
        let percent = SESSION_PERCENT + u64::from(self.random.below(SESSION_JITTER_PERCENT + 1));
        let lifetime = u64::try_from(session_lifetime_ms).ok().filter(|millis| *millis > 0);
        let session = lifetime.map(|millis| Session {
            renew_at: sent + Duration::from_micros(millis.saturating_mul(10 * percent)),
            end: sent + Duration::from_millis(millis),
        });
        if let Some(sasl) = self.sasl.as_mut() {
            *sasl.slot_mut(slot) = SaslSlot { session, ..SaslSlot::EMPTY };
        }
        self.forgive();
        self.ready(slot);
    }

    pub(super) fn session(&self, slot: u16) -> Option<Session> {
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
        let Some(sasl) = self.sasl.as_mut() else { return };
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
        if let Some(sasl) = self.sasl.as_mut() {
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
