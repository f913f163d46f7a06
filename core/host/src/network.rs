//! What a driver does with its sockets, whatever it waits with: it turns the engine, does what the engine asks, and
//! says what the sockets said. A front-end adds the sockets themselves ([`Socket`]), and how it waits for them.
//!
//! ```text
//! loop { turn; ended? ; wait for sockets, for the waker, or until poll_timeout; handle each socket that is ready }
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use felice_core::error::Disconnect;
use felice_core::id::ConnectionId;
use felice_core::time::{Instant, earliest};

use crate::bandwidth::{Metered, MeteredReactor};
use crate::clock::Clock;
use crate::engine::{Action, Engine};
use crate::link::Link;
use crate::race::{Opening, Past};
use crate::resolve::Resolver;
use crate::token::Tokens;
use crate::transport::{Progress, Readiness, Socket, Transport};

/// Answers are small: this holds a hundred of them.
const BUFFER_BYTES: usize = 16 * 1024;

/// The engine, and the sockets to all brokers.
pub struct Network<S: Socket> {
    engine: Engine,
    link: Arc<Link>,
    resolver: Resolver,
    tokens: Tokens,
    reactor: MeteredReactor<S::Reactor>,
    clock: Clock,
    /// By slot.
    transports: Vec<Option<Transport<Metered<S>>>>,
    /// By slot, what is known of a broker's addresses.
    pasts: Vec<Past>,
    /// Where those begin who wait for bandwidth.
    first: usize,
    /// Connections that had their share and are not done.
    again: VecDeque<ConnectionId>,
    buffer: Box<[u8]>,
}

impl<S: Socket> Network<S> {
    /// No sockets yet. `driver` is woken when a name has been looked up.
    #[must_use]
    pub fn new(engine: Engine, driver: Waker, reactor: S::Reactor) -> Self {
        Self {
            tokens: Tokens::new(engine.token_provider.clone(), driver.clone()),
            resolver: Resolver::new(driver, Arc::clone(&engine.link)),
            link: Arc::clone(&engine.link),
            reactor: MeteredReactor { reactor, bandwidth: engine.link.bandwidth.clone() },
            engine,
            clock: Clock::new(),
            transports: Vec::new(),
            pasts: Vec::new(),
            first: 0,
            again: VecDeque::new(),
            buffer: vec![0; BUFFER_BYTES].into(),
        }
    }

    /// Does everything that can be done now. No socket gets more than its share of it.
    pub fn turn(&mut self) {
        let now = self.clock.now();
        self.fill(now);
        for _ in 0..self.again.len() {
            if let Some(id) = self.again.pop_front() {
                self.read(now, id, true);
                self.write(now, id);
            }
        }
        self.handle_timeouts(now);
        self.engine.turn(now);
        self.act(now);
    }

    /// A socket may be read, or written. What that asks for is done by the next [`turn`](Self::turn).
    pub fn handle(&mut self, id: ConnectionId, ready: Readiness) {
        let now = self.clock.now();
        if ready.writable {
            self.writable(now, id);
        }
        if ready.readable {
            self.read(now, id, ready.closing);
        }
    }

    /// How long to wait for sockets and the waker before the next [`turn`](Self::turn). `None`: no timer is needed.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Duration> {
        if !self.again.is_empty() {
            return Some(Duration::ZERO);
        }
        let connecting = self.transports.iter().flatten().filter_map(Transport::poll_timeout).min();
        let bandwidth = self.link.bandwidth.as_ref().and_then(|bandwidth| bandwidth.poll_timeout());
        let due = earliest(earliest(self.engine.poll_timeout(), connecting), bandwidth)?;
        Some(due.since(self.clock.now()))
    }

    /// Whether the producer is closed and every record has its outcome: the driver ends.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        self.engine.is_ended()
    }

    /// Where there is bandwidth again those write on who have waited for it, another one first each time. No event tells
    /// them.
    fn fill(&mut self, now: Instant) {
        if !self.link.bandwidth.as_ref().is_some_and(|bandwidth| bandwidth.fill(now)) {
            return;
        }
        self.first = self.first.wrapping_add(1);
        for place in 0..self.transports.len() {
            let slot = (self.first + place) % self.transports.len();
            if let Some(transport) = &self.transports[slot] {
                self.writable(now, transport.id);
            }
        }
    }

    /// Does what the machine asks, until it asks for nothing more.
    fn act(&mut self, now: Instant) {
        loop {
            // A plain address is found at once, without any wake-up.
            let mut acted = self.handle_resolved(now);
            acted |= self.tokens.poll(|id, token| self.engine.handle_token(now, id, token));
            while let Some(action) = self.engine.poll_action() {
                acted = true;
                match action {
                    Action::Connect(id) => self.connect(now, id),
                    Action::Disconnect(id) => self.close(id),
                    Action::Transmit(id) => self.write(now, id),
                    Action::Token(id) => self.tokens.ask(id),
                }
            }
            if !acted {
                return;
            }
            self.engine.turn(now);
        }
    }

    fn connect(&mut self, now: Instant, id: ConnectionId) {
        let Some(address) = self.engine.address(id) else { return };
        let slot = usize::from(id.slot);
        if slot >= self.transports.len() {
            self.transports.resize_with(slot + 1, || None);
            self.pasts.resize_with(slot + 1, Past::default);
            // Once, and not when a busy connection waits for its next share.
            self.again.reserve(slot + 1);
        }
        // A tenth is left for what comes behind the proxy; then it is not the broker's fault.
        let patience = self.engine.connection_setup_timeout() * 9 / 10;
        let proxy_until = self.link.proxy.is_some().then(|| now + patience);
        self.transports[slot] = Some(Transport::resolving(id, proxy_until));
        self.resolver.resolve(id, address.host, address.port);
    }

    /// Connects to what was looked up. Whether there was anything.
    fn handle_resolved(&mut self, now: Instant) -> bool {
        let mut any = false;
        while let Some(resolved) = self.resolver.poll() {
            any = true;
            let id = resolved.connection;
            let Some(transport) = find(&mut self.transports, id) else { continue };
            let opening = Opening { reactor: &self.reactor, id, options: &self.link.sockets };
            let past = &self.pasts[usize::from(id.slot)];
            let begun = resolved.found.and_then(|found| transport.resolved(found, past, &opening, now));
            if let Err(cause) = begun {
                self.disconnected(now, id, cause);
            }
        }
        any
    }

    /// Where no address has answered yet the next one is tried, too.
    fn handle_timeouts(&mut self, now: Instant) {
        for slot in 0..self.transports.len() {
            let Some(transport) = &mut self.transports[slot] else { continue };
            if transport.poll_timeout().is_some_and(|due| due <= now) {
                let id = transport.id;
                let opening = Opening { reactor: &self.reactor, id, options: &self.link.sockets };
                if let Err(cause) = transport.handle_timeout(&opening, now) {
                    self.disconnected(now, id, cause);
                }
            }
        }
    }

    fn writable(&mut self, now: Instant, id: ConnectionId) {
        let Some(transport) = find(&mut self.transports, id) else { return };
        let opening = Opening { reactor: &self.reactor, id, options: &self.link.sockets };
        let progress = transport.writable(&mut self.engine, &opening, now);
        self.progress(now, id, progress);
        self.write(now, id);
    }

    fn read(&mut self, now: Instant, id: ConnectionId, closing: bool) {
        let Some(transport) = find(&mut self.transports, id) else { return };
        let progress = transport.read(&mut self.engine, &mut self.buffer, now, closing);
        self.progress(now, id, progress);
    }

    fn write(&mut self, now: Instant, id: ConnectionId) {
        let Some(transport) = find(&mut self.transports, id) else { return };
        let progress = transport.write(&mut self.engine, now);
        self.progress(now, id, progress);
    }

    fn progress(&mut self, now: Instant, id: ConnectionId, progress: Result<Progress, Disconnect>) {
        match progress {
            Ok(Progress::Waits) => {}
            Ok(Progress::Again) if self.again.contains(&id) => {}
            Ok(Progress::Again) => self.again.push_back(id),
            Err(cause) => self.disconnected(now, id, cause),
        }
    }

    /// The machine does not need it any more.
    fn close(&mut self, id: ConnectionId) {
        if let Some(mut transport) = self.take(id) {
            transport.close();
        }
    }

    fn disconnected(&mut self, now: Instant, id: ConnectionId, cause: Disconnect) {
        let cause = self.take(id).map_or(cause, |transport| transport.blame(cause));
        self.engine.handle_disconnected(now, id, cause);
    }

    /// Dropping a socket takes it away from whatever waits for it, too.
    fn take(&mut self, id: ConnectionId) -> Option<Transport<Metered<S>>> {
        let slot = usize::from(id.slot);
        let transport = self.transports.get_mut(slot)?.take_if(|transport| transport.id == id)?;
        if let Some((peer, heard)) = transport.past() {
            self.pasts[slot].note(peer, heard);
        }
        Some(transport)
    }
}

impl<S: Socket> std::fmt::Debug for Network<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network").field("engine", &self.engine).finish_non_exhaustive()
    }
}

/// The connection's transport, unless it is one of another generation.
fn find<S>(transports: &mut [Option<Transport<S>>], id: ConnectionId) -> Option<&mut Transport<S>> {
    transports.get_mut(usize::from(id.slot))?.as_mut().filter(|transport| transport.id == id)
}

#[cfg(test)]
mod tests;
