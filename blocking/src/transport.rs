//! One connection: a look-up that is under way, a socket that is being connected, or one that is open.

use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use felice_core::error::Disconnect;
use felice_core::id::ConnectionId;
use felice_core::time::Instant;
use felice_host::Engine;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

/// Pieces handed to one `writev`: with blocks of 1 KiB that is more than a socket usually takes at once.
const SLICES_MAX: usize = 128;

/// How often one socket is read or written before the others have their turn.
const ATTEMPTS_MAX: usize = 16;

/// A connection's socket, or what there is before it.
pub(crate) struct Transport {
    pub(crate) id: ConnectionId,
    state: State,
    /// Addresses that have not been tried, the next one last.
    addresses: Vec<SocketAddr>,
    /// How long one address may take when there are others, and until when this one may.
    patience: Duration,
    pub(crate) deadline: Option<Instant>,
}

enum State {
    Resolving,
    Connecting(TcpStream),
    Open { stream: TcpStream, writable: bool },
}

/// Whether there is more to do although no event will tell so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The next event tells.
    Waits,
    /// The socket had its share: it comes back after the others.
    Again,
}

impl Transport {
    /// A connection whose addresses are being looked up. All of them together may take `patience`.
    pub(crate) const fn resolving(id: ConnectionId, patience: Duration) -> Self {
        Self { id, state: State::Resolving, addresses: Vec::new(), patience, deadline: None }
    }

    /// The addresses are there: the first is tried.
    pub(crate) fn resolved(
        &mut self,
        registry: &Registry,
        mut addresses: Vec<SocketAddr>,
        now: Instant,
    ) -> Result<(), Disconnect> {
        if addresses.is_empty() {
            return Err(Disconnect::Unresolved);
        }
        addresses.reverse();
        self.patience /= u32::try_from(addresses.len()).unwrap_or(u32::MAX);
        self.addresses = addresses;
        self.connect_next(registry, now)
    }

    /// Tries the addresses in turn, until one does not fail at once.
    pub(crate) fn connect_next(&mut self, registry: &Registry, now: Instant) -> Result<(), Disconnect> {
        while let Some(address) = self.addresses.pop() {
            let Ok(mut stream) = TcpStream::connect(address) else { continue };
            let token = token(self.id);
            if registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE).is_err() {
                continue;
            }
            self.state = State::Connecting(stream);
            self.deadline = (!self.addresses.is_empty()).then(|| now + self.patience);
            return Ok(());
        }
        Err(Disconnect::Refused)
    }

    /// The socket can be written, or has failed. Whether it is open now for the first time.
    pub(crate) fn writable(&mut self, registry: &Registry, now: Instant) -> Result<bool, Disconnect> {
        let stream = match &mut self.state {
            State::Resolving => return Ok(false),
            State::Open { writable, .. } => {
                *writable = true;
                return Ok(false);
            }
            State::Connecting(stream) => stream,
        };
        let connected = match stream.take_error() {
            Ok(None) => match stream.peer_addr() {
                Ok(_) => true,
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(false),
                Err(_) => false,
            },
            _ => false,
        };
        if !connected {
            return self.connect_next(registry, now).map(|()| false);
        }
        // Batches are gathered already: what is written is to leave.
        let _ = stream.set_nodelay(true);
        if let State::Connecting(stream) = std::mem::replace(&mut self.state, State::Resolving) {
            self.state = State::Open { stream, writable: true };
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
        let State::Open { stream, .. } = &mut self.state else { return Ok(Progress::Waits) };
        for _ in 0..ATTEMPTS_MAX {
            match stream.read(buffer) {
                Ok(0) => return Err(Disconnect::Closed),
                Ok(count) => {
                    // A protocol error closes the connection in the machine, which then asks for it here.
                    if engine.handle_received(now, self.id, &buffer[..count]).is_err() {
                        return Ok(Progress::Waits);
                    }
                    // The socket is empty: what comes later is an event of its own.
                    if count < buffer.len() && !closing {
                        return Ok(Progress::Waits);
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
        let State::Open { stream, writable } = &mut self.state else { return Ok(Progress::Waits) };
        for _ in 0..ATTEMPTS_MAX {
            if !*writable {
                return Ok(Progress::Waits);
            }
            let Some(transmit) = engine.poll_transmit(now, self.id) else { return Ok(Progress::Waits) };
            let mut chunks: [&[u8]; SLICES_MAX] = [&[]; SLICES_MAX];
            let count = transmit.chunks(&mut chunks);
            let slices = chunks.map(IoSlice::new);
            match stream.write_vectored(&slices[..count]) {
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

/// An event's token names the connection with its generation, so that a late one about an old socket is known.
pub(crate) fn token(id: ConnectionId) -> Token {
    Token(1 + (usize::from(id.slot) | usize::from(id.generation) << 16))
}

/// Slot and generation; `None` for the waker's.
pub(crate) fn connection(token: Token) -> Option<ConnectionId> {
    let number = token.0.checked_sub(1)?;
    Some(ConnectionId { slot: number as u16, generation: (number >> 16) as u16 })
}
