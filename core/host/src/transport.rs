//! One connection: a look-up that is under way, sockets of which one will be connected, a proxy that is spoken to, TLS that
//! shakes hands, or one that is open. The machine hears of a connection when it is open.

use std::io::{self, IoSlice};
use std::net::SocketAddr;

use felice_core::error::{Disconnect, ProxyFailure};
use felice_core::id::ConnectionId;
use felice_core::time::{Instant, earliest};

use crate::engine::Engine;
use crate::proxy::Tunnel;
use crate::race::{Opening, Past, Race};
use crate::resolve::Found;
use crate::socket_options::SocketOptions;
use crate::tls::Session;
use crate::wire::Wire;

/// Pieces handed to one `writev`: with blocks of 1 KiB that is more than a socket usually takes at once.
pub(crate) const SLICES_MAX: usize = 128;

/// How often one socket is read or written before the others have their turn.
pub(crate) const ATTEMPTS_MAX: usize = 16;

/// A front-end's TCP socket, which never waits: its reactor tells the driver when it is ready.
pub trait Socket: Sized {
    /// What tells when sockets are ready, and for which connection.
    type Reactor;

    /// Begins to connect, by [`SocketOptions::connect`]. The driver hears of it when
    /// [`poll_connected`](Self::poll_connected) is worth a try. Several sockets may have the same connection, until one
    /// of them is connected.
    ///
    /// # Errors
    ///
    /// The address cannot be reached, or the system has no socket left.
    fn connect(
        reactor: &Self::Reactor,
        id: ConnectionId,
        address: SocketAddr,
        options: &SocketOptions,
    ) -> io::Result<Self>;

    /// Whether it is connected. It may be asked although nothing has happened.
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
    /// What the socket will be wrapped in.
    tunnel: Option<Box<Tunnel>>,
    session: Option<Box<Session>>,
    /// Until when the proxy may take its time; none where there is none, or none any more.
    proxy_until: Option<Instant>,
    is_proxied: bool,
    /// Where the socket leads to, and whether anything was heard from there.
    peer: Option<SocketAddr>,
    heard: bool,
}

enum State<S> {
    Resolving,
    Connecting(Race<S>),
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
    /// A connection whose addresses are being looked up. A proxy has until then to connect to the broker.
    pub(crate) const fn resolving(id: ConnectionId, proxy_until: Option<Instant>) -> Self {
        Self {
            id,
            state: State::Resolving,
            tunnel: None,
            session: None,
            proxy_until,
            is_proxied: proxy_until.is_some(),
            peer: None,
            heard: false,
        }
    }

    /// The addresses are there: the first is tried.
    pub(crate) fn resolved(
        &mut self,
        found: Found,
        past: &Past,
        opening: &Opening<'_, S::Reactor>,
        now: Instant,
    ) -> Result<(), Disconnect> {
        (self.tunnel, self.session) = (found.tunnel, found.session);
        self.state = State::Connecting(Race::begin(past.order(&found.addresses), opening, now)?);
        Ok(())
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let next = if let State::Connecting(race) = &self.state { race.next_at } else { None };
        earliest(next, self.proxy_until)
    }

    /// An address that has not answered yet gets company; a proxy that has not is given up.
    pub(crate) fn handle_timeout(
        &mut self,
        opening: &Opening<'_, S::Reactor>,
        now: Instant,
    ) -> Result<(), Disconnect> {
        if self.proxy_until.is_some_and(|until| until <= now) {
            return Err(Disconnect::Proxy(ProxyFailure::Timeout));
        }
        match &mut self.state {
            State::Connecting(race) if race.next_at.is_some_and(|at| at <= now) => race.go_on(opening, now),
            _ => Ok(()),
        }
    }

    /// Where the socket led to, and whether anything was heard from there.
    pub(crate) fn past(&self) -> Option<(SocketAddr, bool)> {
        self.peer.map(|peer| (peer, self.heard))
    }

    /// Why it ended, as far as can be told where there is a proxy on the way.
    pub(crate) const fn blame(&self, cause: Disconnect) -> Disconnect {
        match cause {
            Disconnect::Refused if self.is_proxied => Disconnect::Proxy(ProxyFailure::Unreachable),
            Disconnect::Closed | Disconnect::Failed if self.is_proxied => {
                Disconnect::Proxy(ProxyFailure::Ended)
            }
            cause => cause,
        }
    }

    /// A socket can be written, or has failed.
    pub(crate) fn writable(
        &mut self,
        engine: &mut Engine,
        opening: &Opening<'_, S::Reactor>,
        now: Instant,
    ) -> Result<Progress, Disconnect> {
        match &mut self.state {
            State::Resolving => return Ok(Progress::Waits),
            State::Handshake(wire) | State::Open(wire) => wire.writable = true,
            State::Connecting(race) => {
                let Some((peer, socket)) = race.poll(opening, now)? else { return Ok(Progress::Waits) };
                self.peer = Some(peer);
                self.state = State::Handshake(Wire::new(socket, self.tunnel.take(), self.session.take()));
            }
        }
        self.shake(engine, now)
    }

    /// Goes on with the handshakes if there are any, and tells the machine when they are over.
    fn shake(&mut self, engine: &mut Engine, now: Instant) -> Result<Progress, Disconnect> {
        let State::Handshake(wire) = &mut self.state else { return Ok(Progress::Waits) };
        let progress = wire.shake()?;
        if !wire.is_at_proxy() {
            self.proxy_until = None;
        }
        if let Some(progress) = progress {
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
            self.heard |= count > 0;
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
