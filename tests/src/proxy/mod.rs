//! A slow link between clients and brokers, in this process: a TCP proxy that delays, counts, and changes no byte.
//!
//! Bytes are delayed, not throttled: any number of them is under way at once, as on a long line. What a [`Link`] counts
//! are [turns](Link::turns): how many answers a client had to wait for, one after the other. Unlike time they do
//! not depend on how busy the machine is.
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

mod ledger;
mod line;
mod relay;
mod scanner;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ledger::Ledger;
pub use ledger::{ConnectionCounts, Request};
use relay::Relay;

/// A slow link with any number of routes over it. Dropped, it closes all connections and joins all threads.
#[derive(Debug)]
pub struct Link {
    shared: Arc<Shared>,
    routes: Mutex<Vec<Route>>,
}

/// What all threads of a link share.
#[derive(Debug)]
struct Shared {
    one_way: Mutex<Duration>,
    ledger: Mutex<Ledger>,
    relays: Mutex<Vec<Running>>,
    stopping: AtomicBool,
}

/// A port that clients connect to.
#[derive(Debug)]
struct Route {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

/// A connection and the threads that carry its bytes.
#[derive(Debug)]
struct Running {
    relay: Arc<Relay>,
    threads: Vec<JoinHandle<()>>,
}

impl Link {
    /// A link without routes: `one_way` is what each direction takes, half of a round trip.
    pub fn new(one_way: Duration) -> Self {
        let shared = Shared {
            one_way: Mutex::new(one_way),
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
        let accepting = spawn(move || accept(&shared, &listener, target))?;
        lock(&self.routes).push(Route { address, accepting });
        Ok(address)
    }

    /// From now on bytes take so long in each direction. Those under way keep theirs.
    pub fn set_one_way(&self, delay: Duration) {
        *lock(&self.shared.one_way) = delay;
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
        for running in std::mem::take(&mut *lock(&self.shared.relays)) {
            running.relay.cut();
            running.join();
        }
    }
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener, target: SocketAddr) {
    for client in listener.incoming().map_while(Result::ok) {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        // A refused connection is the client's to find out: its own is closed.
        if let Ok(server) = TcpStream::connect(target)
            && let Ok(running) = carry(shared, client, server)
        {
            let mut relays = lock(&shared.relays);
            let finished: Vec<_> = relays.extract_if(.., |it| it.is_finished()).collect();
            relays.push(running);
            drop(relays);
            finished.into_iter().for_each(Running::join);
        }
    }
}

/// Starts the threads of a connection.
fn carry(shared: &Arc<Shared>, client: TcpStream, server: TcpStream) -> io::Result<Running> {
    let relay = Arc::new(Relay::new(Arc::clone(shared), client, server)?);
    let mut running = Running { relay: Arc::clone(&relay), threads: Vec::new() };
    for work in [Relay::read_client, Relay::write_server, Relay::read_server, Relay::write_client] {
        let of_thread = Arc::clone(&relay);
        match spawn(move || work(&of_thread)) {
            Ok(thread) => running.threads.push(thread),
            Err(error) => {
                relay.cut();
                running.join();
                return Err(error);
            }
        }
    }
    Ok(running)
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
