//! A producer's own I/O thread: it waits for sockets, for the waker and for the machine's next deadline. One for all
//! brokers; without a deadline it waits without a timer. Both front-ends start it; felice-smol can do without.

mod socket;

use std::io;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::{self, JoinHandle};

use mio::{Events, Poll, Registry, Token};

use crate::engine::Engine;
use crate::network::Network;
use socket::Stream;

/// The waker's token; those of connections begin at 1.
const WAKER: Token = Token(0);
/// Events taken at once: more than there are sockets.
const EVENTS_MAX: usize = 64;

/// What the thread waits with, before it runs.
#[derive(Debug)]
pub struct IoThread {
    poll: Poll,
    registry: Registry,
    waker: Waker,
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

impl IoThread {
    /// A thread that does not run yet.
    ///
    /// # Errors
    ///
    /// The system has no descriptor left.
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let waker = Arc::new(WakePoll(mio::Waker::new(&registry, WAKER)?)).into();
        Ok(Self { poll, registry, waker })
    }

    /// What wakes it.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// The system has no thread left.
    pub fn spawn(self, engine: Engine) -> io::Result<JoinHandle<()>> {
        thread::Builder::new().name("felice-io".into()).spawn(move || self.run(engine))
    }

    /// What it does: until the producer is closed and every record has its outcome. A panic drops the engine, and the
    /// engine then fails what it holds: nobody is left waiting.
    fn run(self, engine: Engine) {
        let Self { mut poll, registry, waker } = self;
        let mut network = Network::<Stream>::new(engine, waker, registry);
        let mut events = Events::with_capacity(EVENTS_MAX);
        loop {
            network.turn();
            if network.is_ended() {
                return;
            }
            // Rounded up to the millisecond by the system, so it is never early.
            if let Err(error) = poll.poll(&mut events, network.poll_timeout())
                && error.kind() != io::ErrorKind::Interrupted
            {
                return;
            }
            for event in &events {
                if let Some(id) = socket::connection(event.token()) {
                    network.handle(id, socket::readiness(event));
                }
            }
        }
    }
}
