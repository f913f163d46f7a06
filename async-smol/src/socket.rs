//! A socket in async-io's reactor, which tells of an event once: it is asked again whenever the socket had nothing more.

use std::io::{self, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use async_io::Async;
use felice_core::id::ConnectionId;
use felice_host::{Socket, SocketOptions};

use crate::signal::Signal;

/// A socket, and what wakes the driver for it.
pub(crate) struct Stream {
    socket: Async<TcpStream>,
    waker: Waker,
}

impl Socket for Stream {
    type Reactor = Arc<Signal>;

    fn connect(
        signal: &Arc<Signal>,
        id: ConnectionId,
        address: SocketAddr,
        options: &SocketOptions,
    ) -> io::Result<Self> {
        let waker = signal.socket(id);
        let mut stream = Self { socket: Async::new_nonblocking(options.connect(address)?)?, waker };
        // The first poll asks for an event.
        if stream.poll_connected()? {
            stream.waker.wake_by_ref();
        }
        Ok(stream)
    }

    fn poll_connected(&mut self) -> io::Result<bool> {
        // As in `await_more`.
        loop {
            if let Some(error) = self.socket.get_ref().take_error()? {
                return Err(error);
            }
            match self.socket.get_ref().peer_addr() {
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
                Err(error) => return Err(error),
            }
            let Poll::Ready(result) = self.socket.poll_writable(&mut Context::from_waker(&self.waker)) else {
                return Ok(false);
            };
            result?;
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.socket.get_ref().read(buffer);
        if is_not_ready(&result) {
            self.await_more()?;
        }
        result
    }

    fn await_more(&mut self) -> io::Result<()> {
        let mut context = Context::from_waker(&self.waker);
        // Ready is about the past: what is there now is an event of the registration that follows it.
        while let Poll::Ready(result) = self.socket.poll_readable(&mut context) {
            result?;
        }
        Ok(())
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let result = self.socket.get_ref().write_vectored(slices);
        if is_not_ready(&result) {
            // As in `await_more`.
            while let Poll::Ready(result) = self.socket.poll_writable(&mut Context::from_waker(&self.waker)) {
                result?;
            }
        }
        result
    }
}

fn is_not_ready(result: &io::Result<usize>) -> bool {
    matches!(result, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}
