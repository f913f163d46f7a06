//! Names to addresses, and the files that TLS needs, on a helper thread: the system's look-up can take half a minute, and
//! the driver must not wait.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Waker;
use std::thread;

use felice_core::error::TlsFailure;
use felice_core::id::ConnectionId;

use crate::tls::{Session, Tls};

/// What a connection begins with.
pub(crate) struct Resolved {
    /// The connection that it is for.
    pub(crate) connection: ConnectionId,
    /// All addresses, in the system's order: they are to be tried in turn. None where the name has none, or the look-up
    /// failed.
    pub(crate) addresses: Vec<SocketAddr>,
    /// The connection's TLS; none where there is to be none.
    pub(crate) session: Result<Option<Box<Session>>, TlsFailure>,
}

/// All addresses of a name; none where it has none.
pub(crate) type LookUp = fn(&str, u16) -> Vec<SocketAddr>;

/// Looks names up. One thread per look-up: they are rare, and one that hangs must not hold up another.
pub(crate) struct Resolver {
    sender: Sender<Resolved>,
    receiver: Receiver<Resolved>,
    waker: Waker,
    tls: Option<Arc<Tls>>,
    pub(crate) look_up: LookUp,
}

impl Resolver {
    /// A resolver that wakes the driver when it has found something.
    pub(crate) fn new(waker: Waker, tls: Option<Arc<Tls>>) -> Self {
        let (sender, receiver) = channel();
        Self { sender, receiver, waker, tls, look_up: by_system }
    }

    /// Begins a look-up. [`poll`](Self::poll) will tell its result; for an address there is none, and without files that
    /// TLS needs it is there at once.
    pub(crate) fn resolve(&self, connection: ConnectionId, host: &str, port: u16) {
        let address = host.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, port));
        let tls = self.tls.clone();
        if let Some(address) = address
            && !tls.as_ref().is_some_and(|tls| tls.reads_files())
        {
            let _ = self.sender.send(Resolved {
                connection,
                addresses: vec![address],
                session: session(tls.as_deref(), host),
            });
            return;
        }
        let (sender, waker, host) = (self.sender.clone(), self.waker.clone(), host.to_owned());
        let look_up = self.look_up;
        let look_up = move || {
            let addresses = address.map_or_else(|| look_up(&host, port), |address| vec![address]);
            let session = session(tls.as_deref(), &host);
            // Nobody listens any more when the producer was dropped meanwhile.
            if sender.send(Resolved { connection, addresses, session }).is_ok() {
                waker.wake();
            }
        };
        if thread::Builder::new().name("felice-resolve".into()).spawn(look_up).is_err() {
            let _ = self.sender.send(Resolved { connection, addresses: Vec::new(), session: Ok(None) });
        }
    }

    /// A look-up that has ended.
    pub(crate) fn poll(&self) -> Option<Resolved> {
        self.receiver.try_recv().ok()
    }
}

fn session(tls: Option<&Tls>, host: &str) -> Result<Option<Box<Session>>, TlsFailure> {
    tls.map(|tls| tls.session(host).map(Box::new)).transpose()
}

/// Nothing is remembered here: what has moved is found by the next attempt.
fn by_system(host: &str, port: u16) -> Vec<SocketAddr> {
    (host, port).to_socket_addrs().map(Iterator::collect).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_there_at_once_and_a_name_later() {
        let resolver = Resolver::new(Waker::noop().clone(), None);
        let id = |slot| ConnectionId { slot, generation: 1 };
        resolver.resolve(id(1), "10.1.2.3", 9092);
        resolver.resolve(id(2), "::1", 9093);
        let first = resolver.poll().unwrap();
        assert_eq!((first.connection, first.addresses), (id(1), vec!["10.1.2.3:9092".parse().unwrap()]));
        assert_eq!(resolver.poll().unwrap().addresses, vec!["[::1]:9093".parse().unwrap()]);

        resolver.resolve(id(3), "localhost", 9094);
        let found = resolver.receiver.recv().unwrap();
        assert!(found.addresses.iter().all(|address| address.port() == 9094 && address.ip().is_loopback()));
        assert!(!found.addresses.is_empty());
    }

    #[test]
    fn a_name_without_an_address_gives_none() {
        let resolver = Resolver::new(Waker::noop().clone(), None);
        resolver.resolve(ConnectionId { slot: 0, generation: 0 }, "nobody.invalid", 1);
        assert!(resolver.receiver.recv().unwrap().addresses.is_empty());
    }
}
