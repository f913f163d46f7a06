//! A socket of mio's. Its events name its connection.

use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;

use felice_core::id::ConnectionId;
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::socket_options::SocketOptions;
use crate::transport::{Readiness, Socket};

/// One that is registered for as long as it lives.
pub(super) struct Stream(TcpStream);

impl Socket for Stream {
    type Reactor = Registry;

    fn connect(
        registry: &Registry,
        id: ConnectionId,
        address: SocketAddr,
        options: &SocketOptions,
    ) -> io::Result<Self> {
        let mut stream = TcpStream::from_std(options.connect(address)?);
        registry.register(&mut stream, token(id), Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self(stream))
    }

    fn poll_connected(&mut self) -> io::Result<bool> {
        if let Some(error) = self.0.take_error()? {
            return Err(error);
        }
        match self.0.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }

    /// Events tell of every change: nothing is to be asked for.
    fn await_more(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(slices)
    }
}

/// What an event says.
pub(super) fn readiness(event: &Event) -> Readiness {
    Readiness {
        readable: event.is_readable() || event.is_read_closed(),
        writable: event.is_writable() || event.is_error(),
        closing: event.is_read_closed(),
    }
}

/// An event's token names the connection with its generation, so that a late one about an old socket is known. Token 0
/// is the waker's.
fn token(id: ConnectionId) -> Token {
    Token(1 + (usize::from(id.slot) | usize::from(id.generation) << 16))
}

/// Slot and generation; `None` for the waker's.
pub(super) fn connection(token: Token) -> Option<ConnectionId> {
    let number = token.0.checked_sub(1)?;
    Some(ConnectionId { slot: number as u16, generation: (number >> 16) as u16 })
}
