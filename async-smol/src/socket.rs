//! A socket in async-io's reactor, which tells of an event once: it is asked again whenever the socket had nothing more.

use std::future::Future;
use std::io::{self, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use async_io::Async;
use felice_core::id::ConnectionId;
use felice_host::Socket;

use crate::signal::Signal;

/// A socket, and what wakes the driver for it.
pub(crate) struct Stream {
    state: State,
    waker: Waker,
}

enum State {
    Connecting(Connecting),
    Open(Async<TcpStream>),
}

type Connecting = Pin<Box<dyn Future<Output = io::Result<Async<TcpStream>>> + Send>>;

impl Socket for Stream {
    type Reactor = Arc<Signal>;

    fn connect(signal: &Arc<Signal>, id: ConnectionId, address: SocketAddr) -> io::Result<Self> {
        let waker = signal.socket(id);
        let mut stream =
            Self { state: State::Connecting(Box::pin(Async::<TcpStream>::connect(address))), waker };
        // The first poll opens the socket.
        if stream.poll_connected()? {
            stream.waker.wake_by_ref();
        }
        Ok(stream)
    }

    fn poll_connected(&mut self) -> io::Result<bool> {
        let State::Connecting(connecting) = &mut self.state else { return Ok(true) };
        let Poll::Ready(stream) = connecting.as_mut().poll(&mut Context::from_waker(&self.waker)) else {
            return Ok(false);
        };
        let stream = stream?;
        // One that refuses has failed: reading will tell.
        let _ = stream.get_ref().set_nodelay(true);
        self.state = State::Open(stream);
        Ok(true)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let result = self.open()?.get_ref().read(buffer);
        if is_not_ready(&result) {
            self.await_more()?;
        }
        result
    }

    fn await_more(&mut self) -> io::Result<()> {
        let (stream, mut context) = (self.open()?, Context::from_waker(&self.waker));
        // Ready is about the past: what is there now is an event of the registration that follows it.
        while let Poll::Ready(result) = stream.poll_readable(&mut context) {
            result?;
        }
        Ok(())
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let stream = self.open()?;
        let result = stream.get_ref().write_vectored(slices);
        if is_not_ready(&result) {
            // As in `await_more`.
            while let Poll::Ready(result) = stream.poll_writable(&mut Context::from_waker(&self.waker)) {
                result?;
            }
        }
        result
    }
}

impl Stream {
    fn open(&self) -> io::Result<&Async<TcpStream>> {
        match &self.state {
            State::Open(stream) => Ok(stream),
            State::Connecting(_) => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

fn is_not_ready(result: &io::Result<usize>) -> bool {
    matches!(result, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}
