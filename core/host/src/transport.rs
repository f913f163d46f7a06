//! One connection: a look-up that is under way, a socket that is being connected, or one that is open.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::time::Duration;

use felice_core::error::Disconnect;
use felice_core::id::ConnectionId;
use felice_core::time::Instant;

use crate::engine::Engine;

/// Pieces handed to one `writev`: with blocks of 1 KiB that is more than a socket usually takes at once.
const SLICES_MAX: usize = 128;

/// How often one socket is read or written before the others have their turn.
const ATTEMPTS_MAX: usize = 16;

/// A front-end's TCP socket, which never waits: its reactor tells the driver when it is ready.
pub trait Socket: Sized {
    /// What tells when sockets are ready, and for which connection.
    type Reactor;

    /// Begins to connect. The driver hears of it when [`poll_connected`](Self::poll_connected) is worth a try.
    ///
    /// # Errors
    ///
    /// The address cannot be reached, or the system has no socket left.
    fn connect(reactor: &Self::Reactor, id: ConnectionId, address: SocketAddr) -> io::Result<Self>;

    /// Whether it is connected. From then on what is written leaves at once (`TCP_NODELAY`): batches are gathered
    /// already.
    ///
    /// # Errors
    ///
    /// It will not be connected.
    fn poll_connected(&mut self) -> io::Result<bool>;

    /// Reads what is there. Where nothing is, the driver hears of it when there is something.
    ///
    /// # Errors
    ///
    /// `WouldBlock` where nothing is there; anything else is its end.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Everything that was there has been read, without any `WouldBlock`: the driver wants to hear of more.
    ///
    /// # Errors
    ///
    /// It will not hear of it.
    fn await_more(&mut self) -> io::Result<()>;

    /// Writes what it takes. Where it takes nothing, the driver hears of it when it does.
    ///
    /// # Errors
    ///
    /// `WouldBlock` where it takes nothing; anything else is its end.
    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize>;
}

/// What a socket may be ready for. To say too much costs an attempt, and is no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// There is something to read, or the end.
    pub readable: bool,
    /// It takes bytes, is connected, or has failed.
    pub writable: bool,
    /// The peer has said that it sends no more, and will not be heard of again: it is to be read to the end.
    pub closing: bool,
}

/// A connection's socket, or what there is before it.
pub(crate) struct Transport<S> {
    pub(crate) id: ConnectionId,
    state: State<S>,
    /// Addresses that have not been tried, the next one last.
    addresses: Vec<SocketAddr>,
    /// How long one address may take when there are others, and until when this one may.
    patience: Duration,
    pub(crate) deadline: Option<Instant>,
}

enum State<S> {
    Resolving,
    Connecting(S),
    Open { socket: S, writable: bool },
}

/// Whether there is more to do although no event will tell so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The next event tells.
    Waits,
    /// The socket had its share: it comes back after the others.
    Again,
}

impl<S: Socket> Transport<S> {
    /// A connection whose addresses are being looked up. All of them together may take `patience`.
    pub(crate) const fn resolving(id: ConnectionId, patience: Duration) -> Self {
        Self { id, state: State::Resolving, addresses: Vec::new(), patience, deadline: None }
    }

    /// The addresses are there: the first is tried.
    pub(crate) fn resolved(
        &mut self,
        reactor: &S::Reactor,
        mut addresses: Vec<SocketAddr>,
        now: Instant,
    ) -> Result<(), Disconnect> {
        if addresses.is_empty() {
            return Err(Disconnect::Unresolved);
        }
        addresses.reverse();
        self.patience /= u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        self.addresses = addresses;
        self.connect_next(reactor, now)
    }

    /// Tries the addresses in turn, until one does not fail at once.
    pub(crate) fn connect_next(&mut self, reactor: &S::Reactor, now: Instant) -> Result<(), Disconnect> {
        while let Some(address) = self.addresses.pop() {
            if let Ok(socket) = S::connect(reactor, self.id, address) {
                self.state = State::Connecting(socket);
                self.deadline = (!self.addresses.is_empty()).then(|| now + self.patience);
                return Ok(());
            }
        }
        Err(Disconnect::Refused)
    }

    /// The socket can be written, or has failed. Whether it is open now for the first time.
    pub(crate) fn writable(&mut self, reactor: &S::Reactor, now: Instant) -> Result<bool, Disconnect> {
        let connected = match &mut self.state {
            State::Resolving => return Ok(false),
            State::Open { writable, .. } => {
                *writable = true;
                return Ok(false);
            }
            State::Connecting(socket) => socket
                .poll_connected()
                .and_then(|connected| if connected { socket.await_more().map(|()| true) } else { Ok(false) }),
        };
        match connected {
            Ok(false) => return Ok(false),
            Ok(true) => {}
            Err(_) => return self.connect_next(reactor, now).map(|()| false),
        }
        if let State::Connecting(socket) = std::mem::replace(&mut self.state, State::Resolving) {
            self.state = State::Open { socket, writable: true };
        }
        self.deadline = None;
        Ok(true)
    }

    /// Reads what is there, into the driver's one buffer. `closing`: the peer has said that it sends no more.
    pub(crate) fn read(
        &mut self,
        engine: &mut Engine,
        buffer: &mut [u8],
        now: Instant,
        closing: bool,
    ) -> Result<Progress, Disconnect> {
        let State::Open { socket, .. } = &mut self.state else { return Ok(Progress::Waits) };
        for _ in 0..ATTEMPTS_MAX {
            match socket.read(buffer) {
                Ok(0) => return Err(Disconnect::Closed),
                Ok(count) => {
                    // A protocol error closes the connection in the machine, which then asks for it here.
                    if engine.handle_received(now, self.id, &buffer[..count]).is_err() {
                        return Ok(Progress::Waits);
                    }
                    // The socket is empty: what comes later is an event of its own.
                    if count < buffer.len() && !closing {
                        return socket.await_more().map(|()| Progress::Waits).map_err(|_| Disconnect::Failed);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Progress::Waits),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Disconnect::Failed),
            }
        }
        Ok(Progress::Again)
    }

    /// Writes what the machine has, while the socket takes it.
    pub(crate) fn write(&mut self, engine: &mut Engine, now: Instant) -> Result<Progress, Disconnect> {
        let State::Open { socket, writable } = &mut self.state else { return Ok(Progress::Waits) };
        for _ in 0..ATTEMPTS_MAX {
            if !*writable {
                return Ok(Progress::Waits);
            }
            let Some(transmit) = engine.poll_transmit(now, self.id) else { return Ok(Progress::Waits) };
            let mut chunks: [&[u8]; SLICES_MAX] = [&[]; SLICES_MAX];
            let count = transmit.chunks(&mut chunks);
            let slices = chunks.map(IoSlice::new);
            match socket.write(&slices[..count]) {
                Ok(0) => return Err(Disconnect::Closed),
                Ok(written) => engine.handle_transmitted(now, self.id, written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => *writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Disconnect::Failed),
            }
        }
        Ok(Progress::Again)
    }
}
