//! A link between clients and brokers, in this process: a TCP proxy that delays and counts, and on demand breaks
//! connections, stands still and splits. It changes no byte.
//!
//! Bytes are delayed, not throttled: any number of them is under way at once, as on a long line. What a [`Link`] counts
//! are [turns](Link::turns): how many answers a client had to wait for, one after the other. Unlike time they do
//! not depend on how busy the machine is.
//!
//! [`disturb`](Link::disturb) begins what a [`Faults`] says; [`hold`](Link::hold) lets nothing through to one broker and
//! back, and resets nothing.
//!
//! A link changes no byte, so brokers must advertise its ports as theirs: real ones by
//! [`KafkaBuilder::behind`](crate::kafka::KafkaBuilder::behind), simulated ones by
//! [`Cluster::set_address`](crate::cluster::Cluster::set_address).
//!
//! ```
//! use std::time::Duration;
//! use felice_tests::cluster::{ClusterConfig, TcpCluster};
//! use felice_tests::proxy::Link;
//!
//! let cluster = TcpCluster::start(ClusterConfig::default())?;
//! let link = Link::new(Duration::from_millis(50));
//! let address = link.route_to(cluster.address(1))?;
//! cluster.with(|it| it.set_address(1, "127.0.0.1", address.port().into()));
//! // Clients that bootstrap from `address` are 100 ms of round trip away.
//! # Ok::<(), std::io::Error>(())
//! ```

mod faults;
mod ledger;
mod line;
mod relay;
mod scanner;

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub use faults::{Faults, Happened};
use ledger::Ledger;
pub use ledger::{ConnectionCounts, Request};
use relay::Relay;

/// A link with any number of routes over it. Dropped, it closes all connections and joins all threads.
#[derive(Debug)]
pub struct Link {
    shared: Arc<Shared>,
    routes: Mutex<Vec<Route>>,
}

/// What all threads of a link share.
#[derive(Debug)]
struct Shared {
    one_way: Mutex<Duration>,
    weather: Mutex<Weather>,
    ledger: Mutex<Ledger>,
    relays: Mutex<Relays>,
    stopping: AtomicBool,
}

/// What goes wrong now.
#[derive(Debug, Default)]
struct Weather {
    faults: Option<Faults>,
    /// How often that has changed.
    changes: u64,
    happened: Happened,
}

/// A port that clients connect to.
#[derive(Debug)]
struct Route {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

/// The connections, and the addresses of routes over which nothing comes through.
#[derive(Debug, Default)]
struct Relays {
    running: Vec<Running>,
    held: BTreeSet<SocketAddr>,
}

/// A connection and the threads that carry its bytes.
#[derive(Debug)]
struct Running {
    route: SocketAddr,
    relay: Arc<Relay>,
    threads: Vec<JoinHandle<()>>,
}

impl Link {
    /// A link without routes: `one_way` is what each direction takes, half of a round trip.
    pub fn new(one_way: Duration) -> Self {
        let shared = Shared {
            one_way: Mutex::new(one_way),
            weather: Mutex::default(),
            ledger: Mutex::default(),
            relays: Mutex::default(),
            stopping: AtomicBool::new(false),
        };
        Self { shared: Arc::new(shared), routes: Mutex::default() }
    }

    /// Opens a loopback port from which connections go to `target`; it stays open as long as the link.
    pub fn route_to(&self, target: SocketAddr) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::clone(&self.shared);
        let accepting = spawn(move || accept(&shared, &listener, address, target))?;
        lock(&self.routes).push(Route { address, accepting });
        Ok(address)
    }

    /// From now on bytes take so long in each direction. Those under way keep theirs.
    pub fn set_one_way(&self, delay: Duration) {
        *lock(&self.shared.one_way) = delay;
    }

    /// From now on this goes wrong, or nothing any more, with all connections that there are and will be.
    pub fn disturb(&self, faults: Option<Faults>) {
        let mut weather = lock(&self.shared.weather);
        weather.faults = faults;
        weather.changes += 1;
    }

    /// How often something went wrong so far.
    pub fn happened(&self) -> Happened {
        lock(&self.shared.weather).happened
    }

    /// From now on nothing comes through over the route with this address: connections are accepted and stay open, and
    /// nobody answers.
    pub fn hold(&self, address: SocketAddr) {
        let mut relays = lock(&self.shared.relays);
        relays.held.insert(address);
        relays.of(address).for_each(|relay| relay.hold(true));
    }

    /// Goes on after [`hold`](Self::hold), with all that was sent meanwhile.
    pub fn release(&self, address: SocketAddr) {
        let mut relays = lock(&self.shared.relays);
        relays.held.remove(&address);
        relays.of(address).for_each(|relay| relay.hold(false));
    }

    /// Whether no byte is under way: what is to arrive of former connections, too, has arrived.
    pub fn is_empty(&self) -> bool {
        lock(&self.shared.relays).running.iter().all(|it| it.relay.is_empty())
    }

    /// How many turns there were so far: the longest chain in which a client waited for an answer before it
    /// asked the next question. Opening a connection is a turn, too. What is pipelined, or goes over several
    /// connections at the same time, shares a turn.
    pub fn turns(&self) -> u32 {
        lock(&self.shared.ledger).turns()
    }

    /// What went over each connection, in the order in which they were opened.
    pub fn connections(&self) -> Vec<ConnectionCounts> {
        lock(&self.shared.ledger).connections()
    }

    /// From now on, what clients send is kept: all of it, byte for byte.
    pub fn record(&self) {
        lock(&self.shared.ledger).record();
    }

    /// What each connection's client has sent since [`record`](Self::record), which is over now.
    pub fn recorded(&self) -> Vec<Vec<u8>> {
        lock(&self.shared.ledger).recorded()
    }

    /// The requests of all connections, in their order; the first [`REQUESTS_KEPT`] of them.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared.ledger).requests().to_vec()
    }
}

/// How many requests a link remembers one by one.
pub const REQUESTS_KEPT: usize = 10_000;

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        for route in std::mem::take(&mut *lock(&self.routes)) {
            // The thread waits for a connection: here is one. If that fails, so has its accept.
            let _ = TcpStream::connect(route.address);
            let _ = route.accepting.join();
        }
        let relays = std::mem::take(&mut *lock(&self.shared.relays));
        for running in relays.running {
            running.relay.cut();
            running.join();
        }
    }
}

impl Relays {
    /// Those over the route with this address.
    fn of(&self, route: SocketAddr) -> impl Iterator<Item = &Relay> {
        self.running.iter().filter(move |it| it.route == route).map(|it| &*it.relay)
    }
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener, route: SocketAddr, target: SocketAddr) {
    for client in listener.incoming().map_while(Result::ok) {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        // A refused connection is the client's to find out: its own is closed.
        let Ok(server) = TcpStream::connect(target) else { continue };
        let Ok(relay) = Relay::new(Arc::clone(shared), client, server) else { continue };
        // Nobody holds the route before its new connection is among the others.
        let mut relays = lock(&shared.relays);
        relay.hold(relays.held.contains(&route));
        let finished: Vec<_> = relays.running.extract_if(.., |it| it.is_finished()).collect();
        relays.running.extend(carry(route, relay));
        drop(relays);
        finished.into_iter().for_each(Running::join);
    }
}

/// Starts the threads of a connection. Without all of them it ends.
fn carry(route: SocketAddr, relay: Relay) -> Option<Running> {
    let mut running = Running { route, relay: Arc::new(relay), threads: Vec::new() };
    for work in [Relay::read_client, Relay::write_server, Relay::read_server, Relay::write_client] {
        let of_thread = Arc::clone(&running.relay);
        match spawn(move || work(&of_thread)) {
            Ok(thread) => running.threads.push(thread),
            Err(_) => {
                running.relay.cut();
                running.join();
                return None;
            }
        }
    }
    Some(running)
}

impl Running {
    fn is_finished(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    fn join(self) {
        for thread in self.threads {
            // A panic was printed by the thread itself.
            let _ = thread.join();
        }
    }
}

fn spawn(run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("slow-link".to_owned()).stack_size(256 * 1024).spawn(run)
}

/// A thread that panics within a lock must not hide its own message behind those of others.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
