//! TLS around one connection: what carries bytes between a socket that never waits and rustls, which has no sockets.
//!
//! What is held here is bounded: plain bytes are taken only when everything before them has left, and at most
//! [`TAKEN_MAX`] of them; of what comes rustls holds one record, in the handshake 64 KiB at most.

use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;

use felice_core::error::{Disconnect, TlsFailure};
use rustls::ClientConnection;

use super::failure;
use super::identity::Identity;
use crate::transport::{ATTEMPTS_MAX, Progress, Socket};
use crate::wire;

/// Plain bytes that are encrypted at once: two of TLS' records.
const TAKEN_MAX: usize = 32 * 1024;

/// A client's side of one connection.
pub(crate) struct Session {
    tls: ClientConnection,
    identity: Arc<Identity>,
    /// Bytes that were taken, and count as written only when the last one has left. See [`write`](Self::write).
    owed: usize,
    /// Whether the broker has said anything inside TLS: then it has taken this client as it is.
    greeted: bool,
}

impl Session {
    pub(super) fn new(mut tls: ClientConnection, identity: Arc<Identity>) -> Self {
        tls.set_buffer_limit(Some(TAKEN_MAX));
        Self { tls, identity, owed: 0, greeted: false }
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// Whether something has not left: it goes before anything else is written.
    pub(crate) fn is_holding(&self) -> bool {
        self.tls.wants_write()
    }

    /// Reads from the socket once, and does what came asks for.
    pub(crate) fn receive<S: Socket>(
        &mut self,
        socket: &mut S,
        closing: bool,
    ) -> Result<Progress, Disconnect> {
        let mut reading = Reading { socket, closing, outcome: Ok((0, Progress::Again)) };
        let read = self.tls.read_tls(&mut reading);
        match reading.outcome {
            Err(cause) => Err(self.broken(cause)),
            Ok((0, progress))
                if read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) =>
            {
                Ok(progress)
            }
            // More than any peer that keeps to the rules can make it hold.
            Ok(_) if read.is_err() => Err(Disconnect::Tls(TlsFailure::Protocol)),
            Ok((_, progress)) => match self.tls.process_new_packets() {
                Ok(_) => Ok(progress),
                Err(error) => {
                    // The broker's log shall tell, too; whether it hears of it changes nothing here.
                    let _ = self.flush_once(reading.socket, &mut true);
                    Err(failure::of(&error, &self.identity))
                }
            },
        }
    }

    /// Reads plain bytes: how many, and whether there may be more.
    pub(crate) fn read<S: Socket>(
        &mut self,
        socket: &mut S,
        buffer: &mut [u8],
        closing: bool,
    ) -> Result<(usize, Progress), Disconnect> {
        // What did not fit into the buffer the last time.
        match self.decrypted(buffer)? {
            0 => {}
            count => return Ok((count, Progress::Again)),
        }
        let progress = self.receive(socket, closing)?;
        let count = self.decrypted(buffer)?;
        let progress = if count == buffer.len() { Progress::Again } else { progress };
        Ok((count, progress))
    }

    fn decrypted(&mut self, buffer: &mut [u8]) -> Result<usize, Disconnect> {
        match self.tls.reader().read(buffer) {
            // The broker has said that it ends here.
            Ok(0) => Err(Disconnect::Closed),
            Ok(count) => {
                self.greeted = true;
                Ok(count)
            }
            Err(_) => Ok(0),
        }
    }

    /// Encrypts as much as is taken, while nothing is held: how many bytes count as written by that. The last one counts
    /// when all of them have left ([`flush`](Self::flush) tells): without `acks` a request is done when it is written, and
    /// a producer may end then.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>]) -> Result<usize, Disconnect> {
        let taken = self.tls.writer().write_vectored(slices).map_err(|_| Disconnect::Failed)?;
        self.owed = taken.min(1);
        taken.checked_sub(1).ok_or(Disconnect::Failed)
    }

    /// Writes what is held: how many plain bytes count now that did not before. `writable` is taken back where an event
    /// will tell when to go on.
    pub(crate) fn flush<S: Socket>(
        &mut self,
        socket: &mut S,
        writable: &mut bool,
    ) -> Result<usize, Disconnect> {
        match self.flush_once(socket, writable) {
            Ok(()) if self.is_holding() => Ok(0),
            Ok(()) => Ok(std::mem::take(&mut self.owed)),
            Err(cause) => Err(self.last_words(socket).unwrap_or_else(|| self.broken(cause))),
        }
    }

    fn flush_once<S: Socket>(&mut self, socket: &mut S, writable: &mut bool) -> Result<(), Disconnect> {
        let mut writing = Writing { socket, writable, outcome: Ok(0) };
        // What there is to know is in the outcome.
        let _ = self.tls.write_tls(&mut writing);
        writing.outcome.map(|_| ())
    }

    /// Says that nothing more comes, if that can be said at once.
    pub(crate) fn close<S: Socket>(&mut self, socket: &mut S, writable: &mut bool) {
        if *writable && !self.is_handshaking() && !self.is_holding() {
            self.tls.send_close_notify();
            let _ = self.flush_once(socket, writable);
        }
    }

    /// The broker takes nothing any more: why, if it has said so before it went.
    fn last_words<S: Socket>(&mut self, socket: &mut S) -> Option<Disconnect> {
        for _ in 0..ATTEMPTS_MAX {
            match self.receive(socket, true) {
                Ok(Progress::Again) => {}
                Ok(Progress::Waits) => return None,
                Err(told) => return Some(told),
            }
        }
        None
    }

    /// What it means that the connection has ended without a word of TLS.
    fn broken(&self, cause: Disconnect) -> Disconnect {
        match cause {
            Disconnect::Closed | Disconnect::Failed if self.is_handshaking() => {
                Disconnect::Tls(TlsFailure::Closed)
            }
            Disconnect::Closed | Disconnect::Failed if !self.greeted && self.identity.is_missing() => {
                Disconnect::Tls(TlsFailure::ClientCertificateMissing)
            }
            cause => cause,
        }
    }
}

/// A socket as rustls wants to read it.
struct Reading<'a, S> {
    socket: &'a mut S,
    closing: bool,
    outcome: Result<(usize, Progress), Disconnect>,
}

impl<S: Socket> Read for Reading<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.outcome = wire::read(self.socket, buffer, self.closing);
        match self.outcome {
            Ok((0, _)) => Err(io::ErrorKind::WouldBlock.into()),
            Ok((count, _)) => Ok(count),
            Err(_) => Err(io::ErrorKind::Other.into()),
        }
    }
}

/// A socket as rustls wants to write it.
struct Writing<'a, S> {
    socket: &'a mut S,
    writable: &'a mut bool,
    outcome: Result<usize, Disconnect>,
}

impl<S: Socket> Write for Writing<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.outcome = wire::write(self.socket, slices, self.writable);
        match self.outcome {
            Ok(0) => Err(io::ErrorKind::WouldBlock.into()),
            Ok(count) => Ok(count),
            Err(_) => Err(io::ErrorKind::Other.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
