//! The I/O thread: it waits for sockets, for the waker and for the machine's next deadline, and does what the machine
//! asks. One for all brokers; without a deadline it waits without a timer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;
use std::{io, mem};

use felice_core::error::Disconnect;
use felice_core::id::ConnectionId;
use felice_core::time::{Instant, earliest};
use felice_host::{Action, Clock, Engine, Resolver};
use mio::{Events, Poll, Token};

use crate::transport::{self, Progress, Transport};

/// The waker's token; those of connections begin at 1.
const WAKER: Token = Token(0);
/// Events taken at once: more than there are sockets.
const EVENTS_MAX: usize = 64;
/// Answers are small: this holds a hundred of them.
const BUFFER_BYTES: usize = 16 * 1024;

/// The sockets, before and after the thread runs.
pub(crate) struct Driver {
    poll: Poll,
    events: Events,
    clock: Clock,
    /// By slot.
    transports: Vec<Option<Transport>>,
    /// Connections that had their share and are not done.
    again: VecDeque<ConnectionId>,
    buffer: Box<[u8]>,
}

struct WakePoll(mio::Waker);

impl Wake for WakePoll {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // It fails only when the counter is full: then the poll is awake already.
        let _ = self.0.wake();
    }
}

impl Driver {
    /// A driver without sockets, and what wakes it.
    pub(crate) fn new() -> io::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        let waker = Arc::new(WakePoll(mio::Waker::new(poll.registry(), WAKER)?));
        let driver = Self {
            poll,
            events: Events::with_capacity(EVENTS_MAX),
            clock: Clock::new(),
            transports: Vec::new(),
            again: VecDeque::new(),
            buffer: vec![0; BUFFER_BYTES].into(),
        };
        Ok((driver, waker.into()))
    }

    /// The thread: until the producer is closed and every record has its outcome. A panic drops the engine, and the
    /// engine then fails what it holds: nobody is left waiting.
    pub(crate) fn run(mut self, mut engine: Engine, waker: Waker) {
        let resolver = Resolver::new(waker);
        loop {
            let now = self.clock.now();
            engine.turn(now);
            self.act(&mut engine, &resolver, now);
            if engine.is_ended() {
                return;
            }
            let timeout = self.timeout(&engine);
            if let Err(error) = self.poll.poll(&mut self.events, timeout)
                && error.kind() != io::ErrorKind::Interrupted
            {
                return;
            }
            self.handle_events(&mut engine);
            self.handle_deadlines(&mut engine);
        }
    }

    /// How long to wait for events: rounded up to the millisecond by the system, so it is never early.
    fn timeout(&self, engine: &Engine) -> Option<Duration> {
        if !self.again.is_empty() {
            return Some(Duration::ZERO);
        }
        let connecting = self.transports.iter().flatten().filter_map(|transport| transport.deadline).min();
        let due = earliest(engine.poll_timeout(), connecting)?;
        Some(due.since(self.clock.now()))
    }

    /// Does what the machine asks, until it asks for nothing more.
    fn act(&mut self, engine: &mut Engine, resolver: &Resolver, now: Instant) {
        loop {
            // A plain address is found at once, without any wake-up.
            let mut acted = self.handle_resolved(engine, resolver, now);
            while let Some(action) = engine.poll_action() {
                acted = true;
                match action {
                    Action::Connect(id) => self.connect(engine, resolver, id),
                    Action::Disconnect(id) => drop(self.take(id)),
                    Action::Transmit(id) => self.write(engine, now, id),
                }
            }
            if !acted {
                return;
            }
            engine.turn(now);
        }
    }

    fn connect(&mut self, engine: &Engine, resolver: &Resolver, id: ConnectionId) {
        let Some(address) = engine.address(id) else { return };
        let slot = usize::from(id.slot);
        if slot >= self.transports.len() {
            self.transports.resize_with(slot + 1, || None);
        }
        self.transports[slot] = Some(Transport::resolving(id, engine.connection_setup_timeout()));
        resolver.resolve(id, address.host, address.port);
    }

    fn handle_events(&mut self, engine: &mut Engine) {
        let now = self.clock.now();
        let events = mem::replace(&mut self.events, Events::with_capacity(0));
        for event in &events {
            let Some(id) = transport::connection(event.token()) else { continue };
            if event.is_writable() || event.is_error() {
                self.writable(engine, now, id);
            }
            if event.is_readable() || event.is_read_closed() {
                self.read(engine, now, id, event.is_read_closed());
            }
        }
        self.events = events;
        for _ in 0..self.again.len() {
            if let Some(id) = self.again.pop_front() {
                self.read(engine, now, id, true);
                self.write(engine, now, id);
            }
        }
    }

    /// Connects to what was looked up. Whether there was anything.
    fn handle_resolved(&mut self, engine: &mut Engine, resolver: &Resolver, now: Instant) -> bool {
        let mut any = false;
        while let Some(resolved) = resolver.poll() {
            any = true;
            let Some(transport) = find(&mut self.transports, resolved.connection) else { continue };
            if let Err(cause) = transport.resolved(self.poll.registry(), resolved.addresses, now) {
                self.disconnected(engine, now, resolved.connection, cause);
            }
        }
        any
    }

    /// An address that does not answer in its share of the time makes room for the next one.
    fn handle_deadlines(&mut self, engine: &mut Engine) {
        let now = self.clock.now();
        for slot in 0..self.transports.len() {
            let Some(transport) = &mut self.transports[slot] else { continue };
            if transport.deadline.is_some_and(|deadline| deadline <= now) {
                let id = transport.id;
                if let Err(cause) = transport.connect_next(self.poll.registry(), now) {
                    self.disconnected(engine, now, id, cause);
                }
            }
        }
    }

    fn writable(&mut self, engine: &mut Engine, now: Instant, id: ConnectionId) {
        let Some(transport) = find(&mut self.transports, id) else { return };
        match transport.writable(self.poll.registry(), now) {
            Ok(true) => engine.handle_connected(now, id),
            Ok(false) => self.write(engine, now, id),
            Err(cause) => self.disconnected(engine, now, id, cause),
        }
    }

    fn read(&mut self, engine: &mut Engine, now: Instant, id: ConnectionId, closing: bool) {
        let Some(transport) = find(&mut self.transports, id) else { return };
        let progress = transport.read(engine, &mut self.buffer, now, closing);
        self.progress(engine, now, id, progress);
    }

    fn write(&mut self, engine: &mut Engine, now: Instant, id: ConnectionId) {
        let Some(transport) = find(&mut self.transports, id) else { return };
        let progress = transport.write(engine, now);
        self.progress(engine, now, id, progress);
    }

    fn progress(
        &mut self,
        engine: &mut Engine,
        now: Instant,
        id: ConnectionId,
        progress: Result<Progress, Disconnect>,
    ) {
        match progress {
            Ok(Progress::Waits) => {}
            Ok(Progress::Again) if self.again.contains(&id) => {}
            Ok(Progress::Again) => self.again.push_back(id),
            Err(cause) => self.disconnected(engine, now, id, cause),
        }
    }

    fn disconnected(&mut self, engine: &mut Engine, now: Instant, id: ConnectionId, cause: Disconnect) {
        drop(self.take(id));
        engine.handle_disconnected(now, id, cause);
    }

    /// Dropping a socket takes it out of the poll, too.
    fn take(&mut self, id: ConnectionId) -> Option<Transport> {
        let place = self.transports.get_mut(usize::from(id.slot))?;
        place.take_if(|transport| transport.id == id)
    }
}

/// The connection's transport, unless it is one of another generation.
fn find(transports: &mut [Option<Transport>], id: ConnectionId) -> Option<&mut Transport> {
    transports.get_mut(usize::from(id.slot))?.as_mut().filter(|transport| transport.id == id)
}
