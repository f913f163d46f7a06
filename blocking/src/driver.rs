//! The I/O thread: it waits for sockets, for the waker and for the machine's next deadline. One for all brokers;
//! without a deadline it waits without a timer.

use std::io;
use std::sync::Arc;
use std::task::{Wake, Waker};

use felice_host::{Engine, Network};
use mio::{Events, Poll, Registry, Token};

use crate::socket::{self, Stream};

/// The waker's token; those of connections begin at 1.
const WAKER: Token = Token(0);
/// Events taken at once: more than there are sockets.
const EVENTS_MAX: usize = 64;

/// What the thread waits with, before it runs.
pub(crate) struct Driver {
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

impl Driver {
    /// A driver without an engine.
    pub(crate) fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let waker = Arc::new(WakePoll(mio::Waker::new(&registry, WAKER)?)).into();
        Ok(Self { poll, registry, waker })
    }

    /// What wakes it.
    pub(crate) fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// The thread: until the producer is closed and every record has its outcome. A panic drops the engine, and the
    /// engine then fails what it holds: nobody is left waiting.
    pub(crate) fn run(self, engine: Engine) {
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
