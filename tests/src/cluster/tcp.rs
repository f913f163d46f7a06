//! The simulated cluster behind real sockets on the loopback interface.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use super::{Cluster, ClusterConfig, listener::Listener};

/// A [`Cluster`] that listens: one port of 127.0.0.1 per broker, one thread per connection, the wall clock as its
/// time. Dropping it closes everything and joins all threads.
///
/// ```
/// use felice_tests::cluster::{ClusterConfig, TcpCluster};
///
/// let cluster = TcpCluster::start(ClusterConfig { brokers: 3, ..ClusterConfig::default() })?;
/// cluster.with(|cluster| cluster.create_topic("readings", 12));
/// assert_eq!(cluster.bootstrap().split(',').count(), 3);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct TcpCluster {
    shared: Arc<Shared>,
    listeners: Vec<Mutex<Listener>>,
}

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    cluster: Mutex<Cluster>,
    /// Told after every change of the cluster.
    changed: Condvar,
}

impl Shared {
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Cluster) -> T) -> T {
        let result = change(&mut lock(&self.cluster));
        self.changed.notify_all();
        result
    }
}

/// A test that fails within a lock must not hide its own message behind those of others.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Microseconds since 1970.
pub(super) fn now_us() -> u64 {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since_1970.as_micros() as u64
}

impl TcpCluster {
    /// Starts all brokers, each on a free port.
    pub fn start(config: ClusterConfig) -> io::Result<Self> {
        let mut cluster = Cluster::new(config);
        let ids: Vec<i32> = cluster.brokers().iter().map(super::Broker::id).collect();
        let mut listeners = Vec::new();
        for id in ids {
            let listener = Listener::reserve(id)?;
            cluster.set_address(id, "127.0.0.1", listener.address().port().into());
            listeners.push(Mutex::new(listener));
        }
        let shared = Arc::new(Shared { cluster: Mutex::new(cluster), changed: Condvar::new() });
        for listener in &listeners {
            lock(listener).listen(&shared)?;
        }
        Ok(Self { shared, listeners })
    }

    /// The addresses of all brokers, as `bootstrap.servers` wants them.
    pub fn bootstrap(&self) -> String {
        let addresses = self.listeners.iter().map(|listener| lock(listener).address().to_string());
        addresses.collect::<Vec<_>>().join(",")
    }

    /// Where a broker listens, also while it is stopped.
    ///
    /// # Panics
    ///
    /// If there is no such broker.
    pub fn address(&self, broker_id: i32) -> SocketAddr {
        lock(self.listener(broker_id)).address()
    }

    /// Looks at the cluster or changes it. No broker answers meanwhile.
    pub fn with<T>(&self, access: impl FnOnce(&mut Cluster) -> T) -> T {
        self.shared.change(access)
    }

    /// Waits until the cluster is as wished, looking after every request and connection; false when that takes longer than `timeout`.
    pub fn wait_until(&self, timeout: Duration, mut wish: impl FnMut(&Cluster) -> bool) -> bool {
        let guard = lock(&self.shared.cluster);
        let waited = self.shared.changed.wait_timeout_while(guard, timeout, |cluster| !wish(cluster));
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Stops a broker: its partitions move, its connections close, its port refuses new ones.
    ///
    /// # Panics
    ///
    /// If there is no such broker, or its port cannot be kept.
    pub fn stop_broker(&self, broker_id: i32) {
        let mut listener = lock(self.listener(broker_id));
        self.with(|cluster| cluster.stop_broker(broker_id));
        listener.stop().expect("the port of a stopped broker stays reserved");
    }

    /// Starts a stopped broker again, on its port.
    ///
    /// # Panics
    ///
    /// If there is no such broker, or its port cannot be listened on.
    pub fn start_broker(&self, broker_id: i32) {
        let mut listener = lock(self.listener(broker_id));
        self.with(|cluster| cluster.start_broker(broker_id));
        listener.listen(&self.shared).expect("a broker listens on its reserved port");
    }

    /// Closes the connections of a broker that goes on running.
    ///
    /// # Panics
    ///
    /// If there is no such broker.
    pub fn disconnect_clients(&self, broker_id: i32) {
        lock(self.listener(broker_id)).disconnect_clients();
    }

    fn listener(&self, broker_id: i32) -> &Mutex<Listener> {
        let index = usize::try_from(broker_id - 1).ok();
        let listener = index.and_then(|index| self.listeners.get(index));
        listener.unwrap_or_else(|| panic!("no broker has the id {broker_id}"))
    }
}
