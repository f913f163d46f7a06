//! An open socket, and TLS around it where that was asked for. Nothing here waits, and nothing here knows what the bytes
//! mean.

use std::io::{self, IoSlice};

use felice_core::error::Disconnect;

use crate::tls::Session;
use crate::transport::{ATTEMPTS_MAX, Progress, Socket};

/// A socket that is connected, and what is wrapped around its bytes.
pub(crate) struct Wire<S> {
    socket: S,
    /// Whether it may take bytes; if not, an event will tell.
    pub(crate) writable: bool,
    session: Option<Box<Session>>,
}

impl<S: Socket> Wire<S> {
    /// A socket that was connected just now.
    pub(crate) const fn new(socket: S, session: Option<Box<Session>>) -> Self {
        Self { socket, writable: true, session }
    }

    /// Goes on with TLS' handshake, whichever way it stands still. `None`: there is nothing left to shake.
    ///
    /// What the last step of it has to say may still be held: it leaves before anything else is written.
    pub(crate) fn shake(&mut self) -> Result<Option<Progress>, Disconnect> {
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
