//! Names to addresses, on a helper thread: the system's look-up can take half a minute, and the driver must not wait.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Waker;
use std::thread;

use felice_core::id::ConnectionId;

/// The addresses for a connection: none where the name has none, or the look-up failed.
#[derive(Debug)]
pub struct Resolved {
    /// The connection that they are for.
    pub connection: ConnectionId,
    /// All addresses, in the system's order: they are to be tried in turn.
    pub addresses: Vec<SocketAddr>,
}

/// All addresses of a name; none where it has none.
pub(crate) type LookUp = fn(&str, u16) -> Vec<SocketAddr>;

/// Looks names up. One thread per look-up: they are rare, and one that hangs must not hold up another.
#[derive(Debug)]
pub struct Resolver {
    sender: Sender<Resolved>,
    receiver: Receiver<Resolved>,
    waker: Waker,
    pub(crate) look_up: LookUp,
}

impl Resolver {
    /// A resolver that wakes the driver when it has found something.
    #[must_use]
    pub fn new(waker: Waker) -> Self {
        let (sender, receiver) = channel();
        Self { sender, receiver, waker, look_up: by_system }
    }

    /// Begins a look-up. [`poll`](Self::poll) will tell its result, for an address without any look-up.
    pub fn resolve(&self, connection: ConnectionId, host: &str, port: u16) {
        if let Ok(address) = host.parse::<IpAddr>() {
            let _ = self.sender.send(Resolved { connection, addresses: vec![(address, port).into()] });
            return;
        }
        let (sender, waker, host) = (self.sender.clone(), self.waker.clone(), host.to_owned());
        let look_up = self.look_up;
        let look_up = move || {
            let addresses = look_up(&host, port);
            // Nobody listens any more when the producer was dropped meanwhile.
            if sender.send(Resolved { connection, addresses }).is_ok() {
                waker.wake();
            }
        };
        if thread::Builder::new().name("felice-resolve".into()).spawn(look_up).is_err() {
            let _ = self.sender.send(Resolved { connection, addresses: Vec::new() });
        }
    }

    /// A look-up that has ended.
    #[must_use]
    pub fn poll(&self) -> Option<Resolved> {
        self.receiver.try_recv().ok()
    }
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
        let resolver = Resolver::new(Waker::noop().clone());
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
        let resolver = Resolver::new(Waker::noop().clone());
        resolver.resolve(ConnectionId { slot: 0, generation: 0 }, "nobody.invalid", 1);
        assert!(resolver.receiver.recv().unwrap().addresses.is_empty());
    }
}
