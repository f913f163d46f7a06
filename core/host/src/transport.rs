//! One connection: a look-up that is under way, a socket that is being connected, TLS that shakes hands, or one that is
//! open. The machine hears of a connection when it is open.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::time::Duration;

use felice_core::error::Disconnect;
use felice_core::id::ConnectionId;
use felice_core::time::Instant;

use crate::engine::Engine;
use crate::resolve::Resolved;
use crate::tls::Session;
use crate::wire::Wire;

/// Pieces handed to one `writev`: with blocks of 1 KiB that is more than a socket usually takes at once.
const SLICES_MAX: usize = 128;

/// How often one socket is read or written before the others have their turn.
pub(crate) const ATTEMPTS_MAX: usize = 16;

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
    /// The connection's TLS, until there is a socket for it.
    session: Option<Box<Session>>,
    /// Addresses that have not been tried, the next one last.
    addresses: Vec<SocketAddr>,
    /// How long one address may take when there are others, and until when this one may.
    patience: Duration,
    pub(crate) deadline: Option<Instant>,
}

enum State<S> {
    Resolving,
    Connecting(S),
    Handshake(Wire<S>),
    Open(Wire<S>),
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
        Self { id, state: State::Resolving, session: None, addresses: Vec::new(), patience, deadline: None }
    }

    /// The addresses are there: the first is tried.
    pub(crate) fn resolved(
        &mut self,
        reactor: &S::Reactor,
        resolved: Resolved,
        now: Instant,
    ) -> Result<(), Disconnect> {
        let mut addresses = resolved.addresses;
        if addresses.is_empty() {
            return Err(Disconnect::Unresolved);
        }
        self.session = resolved.session.map_err(Disconnect::Tls)?;
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

    /// The socket can be written, or has failed.
    pub(crate) fn writable(
        &mut self,
        engine: &mut Engine,
        reactor: &S::Reactor,
        now: Instant,
    ) -> Result<Progress, Disconnect> {
        match &mut self.state {
            State::Resolving => return Ok(Progress::Waits),
            State::Handshake(wire) | State::Open(wire) => wire.writable = true,
            State::Connecting(socket) => {
                let connected = socket.poll_connected().and_then(|connected| {
                    if connected { socket.await_more().map(|()| true) } else { Ok(false) }
                });
                match connected {
                    Ok(false) => return Ok(Progress::Waits),
                    Ok(true) => self.connected(),
                    Err(_) => return self.connect_next(reactor, now).map(|()| Progress::Waits),
                }
            }
        }
        self.shake(engine, now)
    }

    fn connected(&mut self) {
        if let State::Connecting(socket) = std::mem::replace(&mut self.state, State::Resolving) {
            self.state = State::Handshake(Wire::new(socket, self.session.take()));
        }
        self.deadline = None;
    }

    /// Goes on with the handshake if there is one, and tells the machine when it is over.
    fn shake(&mut self, engine: &mut Engine, now: Instant) -> Result<Progress, Disconnect> {
        let State::Handshake(wire) = &mut self.state else { return Ok(Progress::Waits) };
        if let Some(progress) = wire.shake()? {
            return Ok(progress);
        }
        if let State::Handshake(wire) = std::mem::replace(&mut self.state, State::Resolving) {
            self.state = State::Open(wire);
        }
        engine.handle_connected(now, self.id);
        Ok(Progress::Waits)
    }

    /// Reads what is there, into the driver's one buffer. `closing`: the peer has said that it sends no more.
    pub(crate) fn read(
        &mut self,
        engine: &mut Engine,
        buffer: &mut [u8],
        now: Instant,
        closing: bool,
    ) -> Result<Progress, Disconnect> {
        let progress = self.shake(engine, now)?;
        let State::Open(wire) = &mut self.state else { return Ok(progress) };
        for _ in 0..ATTEMPTS_MAX {
            let (count, progress) = wire.read(buffer, closing)?;
            // A protocol error closes the connection in the machine, which then asks for it here.
            if count > 0 && engine.handle_received(now, self.id, &buffer[..count]).is_err() {
                return Ok(Progress::Waits);
            }
            if progress == Progress::Waits {
                return Ok(progress);
            }
        }
        Ok(Progress::Again)
    }

    /// Writes what the machine has, while the socket takes it.
    pub(crate) fn write(&mut self, engine: &mut Engine, now: Instant) -> Result<Progress, Disconnect> {
        let State::Open(wire) = &mut self.state else { return Ok(Progress::Waits) };
        for _ in 0..ATTEMPTS_MAX {
            if !wire.writable {
                return Ok(Progress::Waits);
            }
            let written = if wire.is_holding() {
                wire.flush()?
            } else {
                let Some(transmit) = engine.poll_transmit(now, self.id) else { return Ok(Progress::Waits) };
                let mut chunks: [&[u8]; SLICES_MAX] = [&[]; SLICES_MAX];
                let count = transmit.chunks(&mut chunks);
                let slices = chunks.map(IoSlice::new);
                wire.write(&slices[..count])?
            };
            if written > 0 {
                engine.handle_transmitted(now, self.id, written);
            }
        }
        Ok(Progress::Again)
    }

    /// It is not needed any more.
    pub(crate) fn close(&mut self) {
        if let State::Open(wire) = &mut self.state {
            wire.close();
        }
    }
}
