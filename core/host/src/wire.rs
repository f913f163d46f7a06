//! A socket that is connected, through a proxy and with TLS around it where that was asked for. Nothing here waits, and
//! nothing here knows what the bytes mean.

use std::io::{self, IoSlice};

use felice_core::error::{Disconnect, ProxyFailure};

use crate::proxy::Tunnel;
use crate::tls::Session;
use crate::transport::{ATTEMPTS_MAX, Progress, Socket};

/// What is read of a proxy's answer at once.
const ANSWER_BYTES: usize = 512;

/// A socket that is connected, and what is wrapped around its bytes.
pub(crate) struct Wire<S> {
    socket: S,
    /// Whether it may take bytes; if not, an event will tell.
    pub(crate) writable: bool,
    /// What is still to be said to the proxy.
    tunnel: Option<Box<Tunnel>>,
    session: Option<Box<Session>>,
}

impl<S: Socket> Wire<S> {
    /// A socket that was connected just now.
    pub(crate) const fn new(socket: S, tunnel: Option<Box<Tunnel>>, session: Option<Box<Session>>) -> Self {
        Self { socket, writable: true, tunnel, session }
    }

    /// Whether it ends at the proxy, so far.
    pub(crate) const fn is_at_proxy(&self) -> bool {
        self.tunnel.is_some()
    }

    /// Goes on with what comes first, whichever way it stands still: the proxy, then TLS' handshake. `None`: nothing is
    /// left of that.
    ///
    /// What the last step of TLS has to say may still be held: it leaves before anything else is written.
    pub(crate) fn shake(&mut self) -> Result<Option<Progress>, Disconnect> {
        if let Some(progress) = self.shake_proxy()? {
            return Ok(Some(progress));
        }
        let mut progress = Progress::Again;
        for _ in 0..ATTEMPTS_MAX {
            let Some(session) = &mut self.session else { return Ok(None) };
            if session.is_holding() && self.writable {
                session.flush(&mut self.socket, &mut self.writable)?;
                continue;
            }
            if !session.is_handshaking() {
                return Ok(None);
            }
            if progress == Progress::Waits {
                return Ok(Some(progress));
            }
            // To the end of what is there: then no event is missed.
            progress = session.receive(&mut self.socket, true)?;
        }
        Ok(Some(Progress::Again))
    }

    fn shake_proxy(&mut self) -> Result<Option<Progress>, Disconnect> {
        let mut progress = Progress::Again;
        for _ in 0..ATTEMPTS_MAX {
            let Some(tunnel) = &mut self.tunnel else { return Ok(None) };
            if !tunnel.unsent().is_empty() && self.writable {
                let slices = [IoSlice::new(tunnel.unsent())];
                let sent = write(&mut self.socket, &slices, &mut self.writable).map_err(at_proxy)?;
                tunnel.handle_sent(sent);
                continue;
            }
            if tunnel.wanted() == 0 {
                self.tunnel = None;
                self.socket.await_more().map_err(|_| Disconnect::Failed)?;
                return Ok(None);
            }
            if progress == Progress::Waits {
                return Ok(Some(progress));
            }
            let mut answer = [0; ANSWER_BYTES];
            let room = &mut answer[..tunnel.wanted().min(ANSWER_BYTES)];
            // To the end of what is there: then no event is missed.
            let (count, then) = read(&mut self.socket, room, true).map_err(at_proxy)?;
            tunnel.handle_received(&answer[..count]).map_err(Disconnect::Proxy)?;
            progress = then;
        }
        Ok(Some(Progress::Again))
    }

    /// Reads what is there: how many bytes, and whether there may be more. `closing`: the peer has said that it sends no
    /// more.
    pub(crate) fn read(&mut self, buffer: &mut [u8], closing: bool) -> Result<(usize, Progress), Disconnect> {
        match &mut self.session {
            Some(session) => session.read(&mut self.socket, buffer, closing),
            None => read(&mut self.socket, buffer, closing),
        }
    }

    /// Writes what is taken: how many bytes of it.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>]) -> Result<usize, Disconnect> {
        match &mut self.session {
            Some(session) => session.write(slices),
            None => write(&mut self.socket, slices, &mut self.writable),
        }
    }

    /// Whether TLS holds bytes that have not left.
    pub(crate) fn is_holding(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_holding())
    }

    /// Writes what TLS holds: how many bytes of what was written before count now.
    pub(crate) fn flush(&mut self) -> Result<usize, Disconnect> {
        match &mut self.session {
            Some(session) => session.flush(&mut self.socket, &mut self.writable),
            None => Ok(0),
        }
    }

    /// The connection is not needed any more: the peer is told so if that can be done at once.
    pub(crate) fn close(&mut self) {
        if let Some(session) = &mut self.session {
            session.close(&mut self.socket, &mut self.writable);
        }
    }
}

/// What it means that a socket has ended before the proxy had answered.
const fn at_proxy(_: Disconnect) -> Disconnect {
    Disconnect::Proxy(ProxyFailure::Closed)
}

/// One attempt to read a socket.
pub(crate) fn read<S: Socket>(
    socket: &mut S,
    buffer: &mut [u8],
    closing: bool,
) -> Result<(usize, Progress), Disconnect> {
    match socket.read(buffer) {
        Ok(0) => Err(Disconnect::Closed),
        // The socket is empty: what comes later is an event of its own.
        Ok(count) if count < buffer.len() && !closing => {
            socket.await_more().map(|()| (count, Progress::Waits)).map_err(|_| Disconnect::Failed)
        }
        Ok(count) => Ok((count, Progress::Again)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok((0, Progress::Waits)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok((0, Progress::Again)),
        Err(_) => Err(Disconnect::Failed),
    }
}

/// One attempt to write a socket. `writable` is taken back where an event will tell that it takes more.
pub(crate) fn write<S: Socket>(
    socket: &mut S,
    slices: &[IoSlice<'_>],
    writable: &mut bool,
) -> Result<usize, Disconnect> {
    match socket.write(slices) {
        Ok(0) => Err(Disconnect::Closed),
        Ok(written) => Ok(written),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            *writable = false;
            Ok(0)
        }
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
        Err(_) => Err(Disconnect::Failed),
    }
}
