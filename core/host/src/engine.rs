//! The carrying between the two planes: what is ready goes to the sender, what is done comes back, and the outcomes go
//! to whoever waits. No sockets: the front-end's driver gets [`Action`]s and says what came of them.
//!
//! One [`Engine`] per producer, owned by its driver. After every call that changes something the driver calls
//! [`turn`](Engine::turn), does what [`poll_action`](Engine::poll_action) asks, and then waits for its sockets, its waker,
//! or [`poll_timeout`](Engine::poll_timeout).

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use felice_core::batch::Batch;
use felice_core::compression::Compression;
use felice_core::error::{Disconnect, ProtocolError};
use felice_core::event::Event;
use felice_core::id::{ConnectionId, TopicId, TopicPartition};
use felice_core::sasl::Token;
use felice_core::sender::{Address, Sender};
use felice_core::time::{Instant, earliest};
use felice_core::transmit::Transmit;

use crate::delivery::{Entry, Table};
use crate::link::Link;
use crate::shared::{Phase, Shared, State};
use crate::storage::{Heap, HeapBlock};
use crate::token::TokenProvider;
use crate::warning::Warning;

mod carry;
mod counting;
mod end;
mod outcome;
#[cfg_attr(not(feature = "spool"), path = "engine/spooling/absent.rs")]
mod spooling;
mod start;

use carry::Carry;
use counting::PlainBytes;
use spooling::Spooling;
pub use start::start;

/// What a driver has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a socket to [`Engine::address`].
    Connect(ConnectionId),
    /// Close the socket, if there still is one. Nothing needs to be said about it.
    Disconnect(ConnectionId),
    /// Ask the user's function for a token, then tell [`Engine::handle_token`].
    Token(ConnectionId),
    /// Write what [`Engine::poll_transmit`] hands out, until there is no more or the socket takes no more.
    Transmit(ConnectionId),
}

/// What was found in the accumulator.
enum Look {
    /// A batch for the sender.
    Batch(Batch<HeapBlock>),
    /// Nothing for it here; there may be more.
    On,
    /// No more is ready.
    Done,
}

/// How many batches leave the accumulator, and how many records change their batch, in one holding of the lock.
const TAKEN_AT_ONCE: usize = 16;
const REASSIGNED_AT_ONCE: usize = 64;
/// How many partitions are looked at in one holding of the lock, those without room included.
const LOOKS_AT_ONCE: usize = 256;

/// The control plane, and what is on its way between the planes.
pub struct Engine {
    shared: Arc<Shared>,
    /// In a place of its own: it is large, and an engine is moved.
    sender: Box<Sender<Heap>>,
    /// Beside each batch that has left the accumulator, whoever waits for it.
    flying: Box<[Entry]>,
    plain_bytes: PlainBytes,
    /// Batches between the planes.
    taken: Vec<Batch<HeapBlock>>,
    /// What the accumulator is to be told.
    carry: VecDeque<Carry>,
    actions: VecDeque<Action>,
    wakers: Vec<Waker>,
    /// Batches that have left the accumulator and are not done.
    out: usize,
    /// Topics that are compressed otherwise than the others.
    compression: Vec<(String, Compression)>,
    /// The names of the topics that the sender knows.
    topics: Vec<Arc<str>>,
    /// Where batches are written before they are sent.
    spooling: Option<Spooling>,
    /// The accumulator's next deadline.
    timeout: Option<Instant>,
    /// When closing gives up; once it has, everything fails.
    deadline: Option<Instant>,
    gave_up: bool,
    ended: bool,
    connection_setup_timeout: Duration,
    /// How brokers are reached.
    pub(crate) link: Arc<Link>,
    /// Where OAUTHBEARER's tokens come from, or what AWS_MSK_IAM signs with.
    pub(crate) token_provider: Option<TokenProvider>,
    /// There was none the last time.
    without_token: bool,
}

impl Engine {
    /// Carries everything that can be carried now.
    pub fn turn(&mut self, now: Instant) {
        if self.sender.poll_timeout().is_some_and(|due| due <= now) {
            self.sender.handle_timeout(now);
        }
        self.hear_spool(now);
        loop {
            self.drain_events(now);
            self.wakers.drain(..).for_each(Waker::wake);
            let more = self.exchange(now);
            self.wakers.drain(..).for_each(Waker::wake);
            let carried = more || !self.taken.is_empty();
            for mut batch in self.taken.drain(..) {
                batch.seal();
                if batch.base_timestamp.as_since_boot().is_some() {
                    // The clock was set since.
                    batch.settle(self.shared.clock().boot());
                }
                self.plain_bytes.note(&batch);
                self.sender.enqueue(now, batch);
            }
            self.feed_spool(now);
            if self.give_up_when_due(now) || carried {
                continue;
            }
            // Only what the exchange itself has caused can be left.
            if !self.drain_events(now) {
                break;
            }
        }
        self.end_when_done(now);
    }

    /// The next thing to do.
    #[must_use]
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`turn`](Self::turn) is due although nothing else happens. `None`: no timer is needed.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let deadline = self.deadline.filter(|_| !self.gave_up);
        let deadline = earliest(deadline, self.spooling.as_ref().and_then(Spooling::poll_timeout));
        earliest(earliest(self.timeout, self.sender.poll_timeout()), deadline)
    }

    /// Whether the producer is closed and everything has its outcome: the driver ends.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        self.ended
    }

    /// `socket.connection.setup.timeout.ms`: the machine gives a connection up after it.
    #[must_use]
    pub const fn connection_setup_timeout(&self) -> Duration {
        self.connection_setup_timeout
    }

    /// Where a connection goes; `None` for one that is no longer wanted.
    #[must_use]
    pub fn address(&self, connection: ConnectionId) -> Option<Address<'_>> {
        self.sender.address(connection)
    }

    /// The socket is open.
    pub fn handle_connected(&mut self, now: Instant, connection: ConnectionId) {
        self.count_opened(connection);
        self.sender.handle_connected(now, connection);
    }

    /// The socket could not be opened, or is gone.
    pub fn handle_disconnected(&mut self, now: Instant, connection: ConnectionId, cause: Disconnect) {
        if self.sender.node_id(connection).is_some() {
            self.shared.metrics.closed(connection.slot);
        }
        self.sender.handle_disconnected(now, connection, cause);
    }

    /// The token that [`Action::Token`] asked for, or why there is none this time.
    pub fn handle_token(&mut self, now: Instant, connection: ConnectionId, token: Result<&Token<'_>, &str>) {
        let used = self.sender.handle_token(now, connection, token.ok());
        // Of those that follow on each other only the first is told.
        if let Err(error) = used
            && !std::mem::replace(&mut self.without_token, true)
        {
            let words = token.err().unwrap_or_else(|| self.sender.authentication_words());
            let reason = if words.is_empty() { error.to_string() } else { words.to_owned() };
            self.warn(Warning::NoToken { reason: reason.into() });
        }
        self.without_token = used.is_err();
    }

    /// Bytes from the socket.
    ///
    /// # Errors
    ///
    /// [`ProtocolError`] where they cannot be an answer: [`Action::Disconnect`] follows.
    pub fn handle_received(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        input: &[u8],
    ) -> Result<(), ProtocolError> {
        let before = self.asked(connection);
        let read = self.read(now, connection, input);
        self.count_incoming(now, connection, input.len(), &before, &read);
        read
    }

    fn read(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        mut input: &[u8],
    ) -> Result<(), ProtocolError> {
        while !input.is_empty() {
            let taken = self.sender.handle_received(now, connection, input)?;
            input = input.get(taken..).unwrap_or_default();
            if taken == 0 && !self.drain_events(now) {
                break;
            }
        }
        Ok(())
    }

    /// What is to be written now: for one attempt, then [`handle_transmitted`](Self::handle_transmitted).
    #[must_use]
    pub fn poll_transmit(&mut self, now: Instant, connection: ConnectionId) -> Option<Transmit<'_, Heap>> {
        self.sender.poll_transmit(now, connection)
    }

    /// The socket took so many bytes.
    pub fn handle_transmitted(&mut self, now: Instant, connection: ConnectionId, bytes: usize) {
        self.count_outgoing(now, connection, bytes);
        self.sender.handle_transmitted(now, connection, bytes);
        self.count_in_flight(connection);
    }

    /// Sorts the sender's events. Whether there were any.
    fn drain_events(&mut self, now: Instant) -> bool {
        let mut any = false;
        while let Some(event) = self.sender.poll_event() {
            any = true;
            match event {
                Event::Connect(connection) => self.actions.push_back(Action::Connect(connection)),
                Event::Disconnect(connection) => {
                    self.shared.metrics.closed(connection.slot);
                    self.actions.push_back(Action::Disconnect(connection));
                }
                Event::Transmit(connection) => self.actions.push_back(Action::Transmit(connection)),
                Event::Token(connection) => self.actions.push_back(Action::Token(connection)),
                Event::Ready(partition) => self.ready(partition),
                Event::Topic(topic) => self.learn(topic),
                Event::Broker { broker, available } => {
                    self.carry.push_back(Carry::Broker(broker, available));
                }
                Event::CompressionRefused { topic, compression } => {
                    if let Some(topic) = self.topics.get(usize::from(topic.0)).map(Arc::clone) {
                        self.warn(Warning::CompressionRefused { topic, compression });
                    }
                }
                Event::Numbering(numbering) => {
                    if let Some(spooling) = &mut self.spooling {
                        spooling.note(numbering);
                    }
                }
                Event::Producer { partition, state, .. } => {
                    if let Some(spooling) = &mut self.spooling {
                        spooling.answer(partition, state);
                    }
                }
                Event::Completed(completed) => {
                    if self.is_final(now, &completed) {
                        self.complete(&completed);
                    }
                }
                Event::Recycle { batch, partition, mut blocks } => {
                    if !self.return_to_spool(batch, &mut blocks) {
                        self.give_back(batch, partition, blocks);
                    }
                }
                #[cfg(feature = "transactions")]
                Event::Transaction(ended) => {
                    self.shared.lock().hear_transaction(ended, &mut self.wakers);
                }
                #[cfg(not(feature = "transactions"))]
                #[allow(unreachable_patterns, reason = "another crate may have turned the core's feature on")]
                _ => debug_assert!(false, "nobody can have asked for transactions"),
            }
        }
        if let Some(spooling) = &mut self.spooling {
            spooling.tell_numberings();
        }
        any
    }

    fn ready(&mut self, partition: TopicPartition) {
        self.carry.push_back(Carry::Ready(partition));
        if let Some(spooling) = &mut self.spooling {
            spooling.allow(partition);
        }
    }

    fn learn(&mut self, topic: TopicId) {
        self.carry.push_back(Carry::Topic(topic));
        if let (Some(spooling), Some(name)) = (&self.spooling, self.topics.get(usize::from(topic.0))) {
            spooling.note_topic(name, self.sender.topic_view(topic));
        }
    }

    /// One holding of the lock. Whether there was too much for it.
    fn exchange(&mut self, now: Instant) -> bool {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        if let Some(spooling) = &mut self.spooling {
            spooling.name(&mut state);
        }
        self.mirror_topics(now, &mut state);
        #[cfg(feature = "transactions")]
        state.ask_transaction(now, &mut self.sender, &mut self.wakers);
        for _ in 0..self.carry.len() {
            let Some(carry) = self.carry.pop_front() else { break };
            self.carry.extend(state.apply(carry, &self.sender, &mut self.wakers));
        }
        let mut moved = 0;
        while moved < REASSIGNED_AT_ONCE
            && let Some(reassigned) = state.accumulator.poll_reassigned()
        {
            moved += 1;
            state.deliveries.reassign(&reassigned, &mut self.wakers);
        }
        if state.phase == Phase::Closing || state.is_ending_transaction() {
            // Also what has found its partition only now does not linger.
            state.accumulator.flush();
        }
        state.tell_available();
        let more =
            moved == REASSIGNED_AT_ONCE || !self.take_batches(now, &mut state) || !self.carry.is_empty();
        let late = self.spooling.as_ref().and_then(|spooling| spooling.late(&state, self.deadline));
        self.timeout = earliest(state.accumulator.poll_timeout(), late.map(|(_, at)| at));
        self.deadline = state.deadline;
        let wanted = self.spooling.as_ref().is_some_and(Spooling::is_wanted);
        self.sender.demand(wanted || !state.accumulator.is_empty());
        more
    }

    /// Takes what must fail, and what the sender has room for. Whether that was all.
    fn take_batches(&mut self, now: Instant, state: &mut State) -> bool {
        let mut looks = LOOKS_AT_ONCE;
        while self.taken.len() < TAKEN_AT_ONCE && looks > 0 {
            looks -= 1;
            let found = match state.accumulator.poll_expired(now) {
                Some(batch) => Look::Batch(batch),
                None => self.look(now, state),
            };
            let batch = match found {
                Look::Batch(batch) => batch,
                Look::On => continue,
                Look::Done => return true,
            };
            fly(&mut self.flying, &mut state.deliveries, &batch);
            self.out += 1;
            self.taken.push(batch);
        }
        false
    }

    /// The next batch for the sender, where all go there.
    fn look_for_ready(&mut self, now: Instant, state: &mut State) -> Look {
        match state.accumulator.poll_ready(now) {
            Some(partition) => self.take_direct(now, state, partition),
            None => Look::Done,
        }
    }

    /// Takes a partition's batch for the sender, if that has room for it.
    fn take_direct(&mut self, now: Instant, state: &mut State, partition: TopicPartition) -> Look {
        if !self.sender.reserve(now, partition) {
            return Look::On;
        }
        state.accumulator.take(partition).map_or(Look::On, Look::Batch)
    }

    /// The sender must know a topic before it is asked for room for its partitions.
    fn mirror_topics(&mut self, now: Instant, state: &mut State) {
        for (index, topic) in state.topics.iter_mut().enumerate().skip(self.topics.len()) {
            self.sender.add_topic(now, TopicId(index as u16), &topic.name);
            if let Some((_, compression)) = self.compression.iter().find(|(name, _)| **name == *topic.name) {
                self.sender.set_compression(TopicId(index as u16), *compression);
            }
            self.shared.metrics.name(TopicId(index as u16), &topic.name);
            self.topics.push(Arc::clone(&topic.name));
        }
        if state.topic_waiters.is_empty() {
            return;
        }
        for (index, topic) in state.topics.iter_mut().enumerate() {
            if std::mem::take(&mut topic.wanted) {
                self.sender.want_topic(now, TopicId(index as u16));
            }
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("sender", &self.sender).field("out", &self.out).finish_non_exhaustive()
    }
}

/// Whoever waits for a batch goes with it.
fn fly(flying: &mut [Entry], deliveries: &mut Table, batch: &Batch<HeapBlock>) {
    let slot = batch.id.slot();
    if let Some(place) = flying.get_mut(slot) {
        *place = deliveries.take(slot, batch.first + batch.count);
    }
}

#[cfg(test)]
mod tests;
