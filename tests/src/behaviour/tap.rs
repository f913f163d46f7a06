//! A relay in front of a simulated broker that counts what is in flight, and can hold answers back.
//!
//! The broker itself cannot tell how many requests are in flight: as a real one, it does not read the next request
//! before it has answered the one before.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::{io, thread};

use super::PATIENCE;
use crate::protocol::frame::FrameBuffer;

/// The first two bytes of a Produce request: the API's key.
const PRODUCE: [u8; 2] = [0, 0];

/// A relay. Dropped, it takes no more connections; those that it has end with their peers.
pub(super) struct Tap {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    in_flight: u32,
    most: u32,
    holding: bool,
    ended: bool,
}

impl Tap {
    /// A relay to this broker.
    pub(super) fn new(broker: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if of_thread.lock().ended {
                    return;
                }
                // A refused connection is the client's to find out: its own is closed.
                let _ = relay(client, broker, &of_thread);
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on answers to Produce requests stay here.
    pub(super) fn hold(&self) {
        self.shared.change(|state| state.holding = true);
    }

    /// All answers that were held back go on.
    pub(super) fn release(&self) {
        self.shared.change(|state| state.holding = false);
    }

    /// Waits until so many Produce requests are in flight.
    pub(super) fn wait_for(&self, in_flight: u32) {
        let state = self.shared.lock();
        let waits = |state: &mut State| state.in_flight != in_flight;
        let waited = self.shared.changed.wait_timeout_while(state, PATIENCE, waits);
        let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "{} requests are in flight, not {in_flight}", state.in_flight);
    }

    /// The most Produce requests that were in flight at one time.
    pub(super) fn most(&self) -> u32 {
        self.shared.lock().most
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.shared.change(|state| {
            state.ended = true;
            state.holding = false;
        });
        // The thread waits for a connection: here is one.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn asked(&self) {
        self.change(|state| {
            state.in_flight += 1;
            state.most = state.most.max(state.in_flight);
        });
    }

    /// Waits until answers may pass. It is counted before it passes: the client cannot be quicker.
    fn answered(&self) {
        let waits = |state: &mut State| state.holding;
        let waited = self.changed.wait_while(self.lock(), waits);
        waited.unwrap_or_else(PoisonError::into_inner).in_flight -= 1;
        self.changed.notify_all();
    }
}

fn relay(client: TcpStream, broker: SocketAddr, shared: &Arc<Shared>) -> io::Result<()> {
    let server = TcpStream::connect(broker)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    // Which requests wait for an answer: answers come in their order.
    let waiting = Arc::new(Mutex::new(VecDeque::new()));
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    let (asked, of_asked) = (Arc::clone(shared), Arc::clone(&waiting));
    thread::spawn(move || {
        pump(from_client, to_server, |frame| {
            let produce = frame[..2] == PRODUCE;
            of_asked.lock().unwrap_or_else(PoisonError::into_inner).push_back(produce);
            if produce {
                asked.asked();
            }
        });
    });
    let answered = Arc::clone(shared);
    thread::spawn(move || {
        pump(server, client, |_| {
            let produce = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            if produce == Some(true) {
                answered.answered();
            }
        });
    });
    Ok(())
}

/// Passes on frame by frame, each after a look at it; then ends both directions.
fn pump(mut from: TcpStream, mut to: TcpStream, mut look: impl FnMut(&[u8])) {
    let mut buffer = FrameBuffer::new();
    'open: while let Ok(count @ 1..) = from.read(buffer.space()) {
        buffer.filled(count);
        while let Ok(Some(frame)) = buffer.next_frame() {
            look(frame);
            let length = (frame.len() as u32).to_be_bytes();
            if to.write_all(&[&length, frame].concat()).is_err() {
                break 'open;
            }
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
