//! Names to addresses, and the files that TLS needs, on a helper thread: the system's look-up can take half a minute, and
//! the driver must not wait.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Waker;
use std::thread;

use felice_core::error::{Disconnect, ProxyFailure};
use felice_core::id::ConnectionId;

use crate::link::Link;
use crate::proxy::Tunnel;
use crate::tls::{Session, Tls};

/// What has become of a look-up.
pub(crate) struct Resolved {
    /// The connection that it is for.
    pub(crate) connection: ConnectionId,
    /// What it begins with, or why it cannot.
    pub(crate) found: Result<Found, Disconnect>,
}

/// What a connection begins with.
pub(crate) struct Found {
    /// All addresses, the broker's or the proxy's, in the system's order; one at least.
    pub(crate) addresses: Vec<SocketAddr>,
    /// What is said to the proxy; none where there is none.
    pub(crate) tunnel: Option<Box<Tunnel>>,
    /// The connection's TLS; none where there is to be none.
    pub(crate) session: Option<Box<Session>>,
}

/// All addresses of a name; none where it has none.
pub(crate) type LookUp = fn(&str, u16) -> Vec<SocketAddr>;

/// The name that an address has; none where it has none.
pub(crate) type LookBack = fn(&IpAddr) -> Option<String>;

/// Looks names up. One thread per look-up: they are rare, and one that hangs must not hold up another.
pub(crate) struct Resolver {
    sender: Sender<Resolved>,
    receiver: Receiver<Resolved>,
    waker: Waker,
    /// How many look-ups there were.
    count: usize,
    pub(crate) with: With,
}

/// What a look-up is done with.
#[derive(Clone)]
pub(crate) struct With {
    link: Arc<Link>,
    pub(crate) look_up: LookUp,
    pub(crate) look_back: LookBack,
}

impl Resolver {
    /// A resolver that wakes the driver when it has found something.
    pub(crate) fn new(waker: Waker, link: Arc<Link>) -> Self {
        let (sender, receiver) = channel();
        let with = With { link, look_up: by_system, look_back: name_of };
        Self { sender, receiver, waker, count: 0, with }
    }

    /// Begins a look-up. [`poll`](Self::poll) will tell its result; where nothing has to be looked up, read or asked it is
    /// there at once.
    pub(crate) fn resolve(&mut self, connection: ConnectionId, host: &str, port: u16) {
        self.count += 1;
        if !self.with.may_wait(host) {
            let _ = self.sender.send(Resolved { connection, found: self.with.find(host, port, self.count) });
            return;
        }
        let (sender, waker, host) = (self.sender.clone(), self.waker.clone(), host.to_owned());
        let (with, count) = (self.with.clone(), self.count);
        let look_up = move || {
            let found = with.find(&host, port, count);
            // Nobody listens any more when the producer was dropped meanwhile.
            if sender.send(Resolved { connection, found }).is_ok() {
                waker.wake();
            }
        };
        if thread::Builder::new().name("felice-resolve".into()).spawn(look_up).is_err() {
            let _ = self.sender.send(Resolved { connection, found: Err(Disconnect::Unresolved) });
        }
    }

    /// A look-up that has ended.
    pub(crate) fn poll(&self) -> Option<Resolved> {
        self.receiver.try_recv().ok()
    }
}

impl With {
    /// Whether [`find`](Self::find) may take its time.
    fn may_wait(&self, host: &str) -> bool {
        let first = self.link.proxy.as_ref().map_or(host, |proxy| &proxy.host);
        first.parse::<IpAddr>().is_err()
            || self.link.mapping.is_some()
            || self.link.tls.as_ref().is_some_and(Tls::reads_files)
    }

    /// What a connection to a broker begins with. `turn` chooses where there are several ways of which it can take one.
    fn find(&self, host: &str, port: u16, turn: usize) -> Result<Found, Disconnect> {
        let mapped = self.link.mapped(host, port)?;
        // Whom a certificate must name: the broker, wherever it is.
        let mut expected = host.to_owned();
        let (addresses, tunnel) = if let Some(proxy) = &self.link.proxy {
            let (host, port) =
                in_turn(&mapped, turn).map_or((host, port), |(host, port)| (host.as_str(), *port));
            let tunnel = proxy.tunnel(host, port).map_err(Disconnect::Proxy)?;
            (self.addresses(&proxy.host, proxy.port), Some(Box::new(tunnel)))
        } else if !mapped.is_empty() {
            (mapped.iter().flat_map(|(host, port)| self.addresses(host, *port)).collect(), None)
        } else if let Some(canonical) = self.canonical(host, port, turn) {
            let addresses = self.addresses(&canonical, port);
            expected = canonical;
            (addresses, None)
        } else {
            (self.addresses(host, port), None)
        };
        match (addresses.is_empty(), &self.link.proxy) {
            (true, Some(_)) => return Err(Disconnect::Proxy(ProxyFailure::Unresolved)),
            (true, None) => return Err(Disconnect::Unresolved),
            (false, _) => {}
        }
        let session = self.link.tls.as_ref().map(|tls| tls.session(&expected).map(Box::new)).transpose();
        Ok(Found { addresses, tunnel, session: session.map_err(Disconnect::Tls)? })
    }

    fn addresses(&self, host: &str, port: u16) -> Vec<SocketAddr> {
        match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => (self.look_up)(host, port),
        }
    }

    /// The name that one of the addresses has, each in its turn; none where the name stands for itself.
    fn canonical(&self, host: &str, port: u16, turn: usize) -> Option<String> {
        if !self.link.is_alias(host, port) {
            return None;
        }
        in_turn(&self.addresses(host, port), turn).and_then(|address| (self.look_back)(&address.ip()))
    }
}

fn in_turn<T>(list: &[T], turn: usize) -> Option<&T> {
    list.get(turn.checked_rem(list.len())?)
}

/// Nothing is remembered here: what has moved is found by the next attempt.
fn by_system(host: &str, port: u16) -> Vec<SocketAddr> {
    (host, port).to_socket_addrs().map(Iterator::collect).unwrap_or_default()
}

fn name_of(address: &IpAddr) -> Option<String> {
    dns_lookup::lookup_addr(address).ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Server;

    const ID: ConnectionId = ConnectionId { slot: 0, generation: 0 };

    fn resolver(link: Link) -> Resolver {
        Resolver::new(Waker::noop().clone(), Arc::new(link))
    }

    fn next(resolver: &Resolver) -> Resolved {
        resolver.receiver.recv_timeout(Duration::from_secs(60)).expect("a look-up ends")
    }

    fn addresses(resolved: Resolved) -> Vec<SocketAddr> {
        resolved.found.map(|found| found.addresses).unwrap_or_else(|cause| panic!("{cause}"))
    }

    #[test]
    fn an_address_is_there_at_once_and_a_name_later() {
        let mut resolver = resolver(Link::default());
        let id = |slot| ConnectionId { slot, generation: 1 };
        resolver.resolve(id(1), "10.1.2.3", 9092);
        resolver.resolve(id(2), "::1", 9093);
        let first = resolver.poll().unwrap();
        assert_eq!(first.connection, id(1));
        assert_eq!(addresses(first), ["10.1.2.3:9092".parse().unwrap()]);
        assert_eq!(addresses(resolver.poll().unwrap()), ["[::1]:9093".parse().unwrap()]);

        resolver.resolve(id(3), "localhost", 9094);
        let found = addresses(next(&resolver));
        assert!(found.iter().all(|address| address.port() == 9094 && address.ip().is_loopback()));
        assert!(!found.is_empty());
    }

    #[test]
    fn a_name_without_an_address_gives_none() {
        let mut resolver = resolver(Link::default());
        resolver.resolve(ID, "nobody.invalid", 1);
        assert_eq!(next(&resolver).found.err(), Some(Disconnect::Unresolved));
    }

    #[test]
    fn a_broker_is_where_the_mapping_says() {
        let mapping = |host: &str, port| match (host, port) {
            ("10.9.9.9", 9092) => vec![("127.0.0.1".to_owned(), 19_092), ("::1".to_owned(), 1)],
            ("127.0.0.7", _) => panic!("on purpose"),
            _ => Vec::new(),
        };
        let mut resolver = resolver(Link { mapping: Some(Arc::new(mapping)), ..Link::default() });
        let mut found = |host| {
            resolver.resolve(ID, host, 9092);
            next(&resolver).found.map(|found| found.addresses)
        };
        assert_eq!(
            found("10.9.9.9").ok(),
            Some(vec!["127.0.0.1:19092".parse().unwrap(), "[::1]:1".parse().unwrap()])
        );
        assert_eq!(found("10.9.9.8").ok(), Some(vec!["10.9.9.8:9092".parse().unwrap()]));
        assert_eq!(found("127.0.0.7").err(), Some(Disconnect::Unresolved));
    }

    #[test]
    fn an_alias_stands_for_the_names_of_its_addresses_in_turn() {
        let alias = Server { host: "alias".into(), port: 1 };
        let mut resolver = resolver(Link { aliases: vec![alias], ..Link::default() });
        resolver.with.look_up = |host, port| match host {
            "alias" => vec![([10, 0, 0, 1], port).into(), ([10, 0, 0, 2], port).into()],
            "one" => vec![([10, 1, 1, 1], port).into()],
            "two" => vec![([10, 2, 2, 2], port).into(), ([10, 2, 2, 3], port).into()],
            _ => Vec::new(),
        };
        resolver.with.look_back = |address| match address.to_string().as_str() {
            "10.0.0.1" => Some("one".to_owned()),
            "10.0.0.2" => Some("two".to_owned()),
            _ => None,
        };
        let mut found = |host, port| {
            resolver.resolve(ID, host, port);
            addresses(next(&resolver)).len()
        };
        let mut both = [found("alias", 1), found("alias", 1)];
        both.sort_unstable();
        assert_eq!(both, [1, 2], "each name once");
        // A broker of the same name, but at another port, is no bootstrap server.
        assert_eq!(found("alias", 2), 2);
    }

    #[test]
    fn a_proxy_is_looked_up_and_the_broker_is_not() {
        let proxy = crate::proxy::Proxy::parse("socks5://proxy:1080").unwrap();
        let mut resolver = resolver(Link { proxy: Some(proxy), ..Link::default() });
        resolver.with.look_up = |host, port| match host {
            "proxy" => vec![([10, 0, 0, 9], port).into()],
            other => panic!("{other} is the proxy's to look up"),
        };
        resolver.resolve(ID, "kafka", 9092);
        let found = next(&resolver).found.unwrap_or_else(|cause| panic!("{cause}"));
        assert_eq!(found.addresses, ["10.0.0.9:1080".parse().unwrap()]);
        assert!(found.tunnel.is_some());
        resolver.with.look_up = |_, _| Vec::new();
        resolver.resolve(ID, "kafka", 9092);
        let cause = next(&resolver).found.err();
        assert_eq!(cause, Some(Disconnect::Proxy(ProxyFailure::Unresolved)));
    }
}
