//! Real Apache Kafka for tests: one or three brokers on loopback ports, started, paused and killed.
//!
//! Every broker is a process of its own that ends with the test process, however that ends, and takes its folder with
//! it. A test asks first whether Kafka can run here:
//!
//! ```no_run
//! use felice_tests::kafka::Kafka;
//! use felice_tests::require_kafka;
//!
//! #[test]
//! fn speaks_to_a_broker() {
//!     require_kafka!();
//!     let kafka = Kafka::shared();
//!     kafka.oracle().create_topic("readings", 3);
//! }
//! ```

mod cache;
mod console;
mod doors;
mod node;
mod ports;
mod probe;
mod properties;
mod version;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

pub(crate) use cache::installation;
pub use cache::{available, class_path, missing};
pub use console::{ConsoleOutput, console_consumer, console_producer, verifiable_producer};
pub use doors::{Certificates, Door, PASSWORD, USER, unsecured_token};
pub use version::KafkaVersion;

use crate::certificates::Authority;
use crate::java::JavaOracle;
use crate::proxy::Link;
use node::{Node, Ports, State};
use version::Quorum;

/// Returns from the test when real Kafka cannot run here; panics instead where `CI=true`. In the parentheses may be the
/// versions that are needed, a slice; otherwise it is the default one.
#[macro_export]
macro_rules! require_kafka {
    () => {
        $crate::require_kafka!(&[$crate::kafka::KafkaVersion::default()])
    };
    ($versions:expr) => {
        if !$crate::kafka::available($versions) {
            return;
        }
    };
}

/// How a cluster is to be; [`Kafka::builder`] makes one.
#[derive(Clone, Debug)]
pub struct KafkaBuilder {
    version: KafkaVersion,
    brokers: i32,
    properties: BTreeMap<String, String>,
    broker_properties: BTreeMap<i32, BTreeMap<String, String>>,
    link: Option<Arc<Link>>,
    fast: bool,
    secured: bool,
}

/// A broker of a test: small, and soon there.
const SMALL: [&str; 3] = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];
/// One whose speed matters: what Kafka's own start script gives it.
const FAST: [&str; 5] =
    ["-Xmx1g", "-Xms1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35"];

impl KafkaBuilder {
    /// The version of the brokers. One from before KRaft has its ZooKeeper in the same process, and is the only broker.
    pub fn version(mut self, version: KafkaVersion) -> Self {
        self.version = version;
        self
    }

    /// The number of brokers, 1 unless said. Each is a controller, too: of three, one may be down. Then topics have three
    /// replicas, of which two must be in sync, unless properties or the topic say otherwise.
    pub fn brokers(mut self, brokers: i32) -> Self {
        assert!(brokers > 0, "a cluster has at least one broker");
        self.brokers = brokers;
        self
    }

    /// A line of every broker's `server.properties`.
    pub fn property(mut self, name: &str, value: &str) -> Self {
        self.properties.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A line of one broker's `server.properties`.
    pub fn broker_property(mut self, broker: i32, name: &str, value: &str) -> Self {
        let properties = self.broker_properties.entry(broker).or_default();
        properties.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Lets the brokers be as fast as Kafka's start script does, for measurements: tests run them small.
    pub fn fast(mut self) -> Self {
        self.fast = true;
        self
    }

    /// Gives every broker a second listener at the far end of a link: clients that bootstrap from
    /// [`far_bootstrap`](Kafka::far_bootstrap) are told of no other, and the rest goes on as without it.
    pub fn behind(mut self, link: &Arc<Link>) -> Self {
        self.link = Some(Arc::clone(link));
        self
    }

    /// Gives every broker a listener behind each [`Door`], beside the plain one.
    pub fn secured(mut self) -> Self {
        self.secured = true;
        self
    }

    /// Starts the brokers and waits until each of them knows all the others.
    ///
    /// Panics with the end of the log when one does not start.
    pub fn start(self) -> Kafka {
        assert!(
            self.brokers == 1 || self.version.quorum() == Quorum::KRaft,
            "there would be several ZooKeepers"
        );
        let ids: Vec<i32> = (1..=self.brokers).collect();
        let authority = self.secured.then(|| Authority::new("felice's test authority"));
        let ports: Vec<Ports> =
            ids.iter().map(|_| Ports::reserve(self.link.as_deref(), authority.as_ref())).collect();
        let far = ports.iter().filter_map(|it| it.far.as_ref().map(|far| far.advertised)).collect();
        let controllers: Vec<String> = ids
            .iter()
            .zip(&ports)
            .map(|(id, it)| format!("{id}@127.0.0.1:{}", it.controller.number))
            .collect();
        let controllers = controllers.join(",");

        let java_options: &[&str] = if self.fast { &FAST } else { &SMALL };
        let mut nodes: Vec<Node> = ids
            .iter()
            .zip(ports)
            .map(|(&id, ports)| {
                let mut properties = self.properties.clone();
                properties.extend(self.broker_properties.get(&id).cloned().unwrap_or_default());
                Node::new(self.version, id, ports, &controllers, &properties, java_options)
            })
            .collect();
        nodes.iter_mut().for_each(Node::launch);
        for node in &mut nodes {
            node.wait_until_it_works(&ids);
        }
        let addresses = nodes.iter().map(Node::address).collect();
        let certificates = authority.map(|authority| Certificates::new(&nodes[0].folder, authority));
        let nodes = nodes.into_iter().map(Mutex::new).collect();
        Kafka { ids, addresses, far, nodes, link: self.link, certificates, oracle: OnceLock::new() }
    }
}

/// A running cluster. Dropped, it is gone, with all that it stored.
#[derive(Debug)]
pub struct Kafka {
    ids: Vec<i32>,
    addresses: Vec<SocketAddr>,
    far: Vec<SocketAddr>,
    nodes: Vec<Mutex<Node>>,
    link: Option<Arc<Link>>,
    certificates: Option<Certificates>,
    oracle: OnceLock<JavaOracle>,
}

impl Kafka {
    /// A cluster of one's own: one broker with Kafka's defaults, unless changed.
    pub fn builder() -> KafkaBuilder {
        KafkaBuilder {
            version: KafkaVersion::default(),
            brokers: 1,
            properties: BTreeMap::new(),
            broker_properties: BTreeMap::new(),
            link: None,
            fast: false,
            secured: false,
        }
    }

    /// One broker for all tests of a process, started by the first that asks and ended with the process. It is for tests
    /// that only use topics of their own: it must not be stopped or paused. Topics are not created automatically.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Kafka> = OnceLock::new();
        SHARED.get_or_init(|| Self::builder().property("auto.create.topics.enable", "false").start())
    }

    /// Three brokers, as [`shared`](Self::shared) is one. A topic has three replicas there, and two must be in sync.
    pub fn shared_three() -> &'static Self {
        static SHARED: OnceLock<Kafka> = OnceLock::new();
        SHARED
            .get_or_init(|| Self::builder().brokers(3).property("auto.create.topics.enable", "false").start())
    }

    /// One secured broker, as [`shared`](Self::shared) is a plain one.
    pub fn shared_secured() -> &'static Self {
        static SHARED: OnceLock<Kafka> = OnceLock::new();
        SHARED
            .get_or_init(|| Self::builder().secured().property("auto.create.topics.enable", "false").start())
    }

    /// The node ids, from 1.
    pub fn broker_ids(&self) -> &[i32] {
        &self.ids
    }

    /// Where clients reach a broker; it stays the same over restarts.
    pub fn address(&self, broker: i32) -> SocketAddr {
        self.addresses[self.index(broker)]
    }

    /// All addresses, as `bootstrap.servers` wants them.
    pub fn bootstrap(&self) -> String {
        joined(&self.addresses)
    }

    /// All addresses over the link that the cluster is [`behind`](KafkaBuilder::behind); empty without one.
    pub fn far_bootstrap(&self) -> String {
        joined(&self.far)
    }

    /// Where clients reach a broker over the link.
    ///
    /// # Panics
    ///
    /// If the cluster is behind none.
    pub fn far_address(&self, broker: i32) -> SocketAddr {
        self.far[self.index(broker)]
    }

    /// The link that the cluster is [`behind`](KafkaBuilder::behind).
    ///
    /// # Panics
    ///
    /// If it is behind none.
    pub fn link(&self) -> &Link {
        self.link.as_deref().expect("the cluster is behind a link")
    }

    /// All addresses behind a door of a [`secured`](KafkaBuilder::secured) cluster.
    ///
    /// # Panics
    ///
    /// If it is not secured.
    pub fn door(&self, door: Door) -> String {
        let ports = self.ids.iter().map(|&id| self.node(id).door(door));
        joined(&ports.map(|port| (Ipv4Addr::LOCALHOST, port).into()).collect::<Vec<_>>())
    }

    /// The certificates of a [`secured`](KafkaBuilder::secured) cluster.
    ///
    /// # Panics
    ///
    /// If it is not secured.
    pub fn certificates(&self) -> &Certificates {
        self.certificates.as_ref().expect("the cluster is secured")
    }

    /// Kafka's own clients for this cluster, started at the first call.
    pub fn oracle(&self) -> &JavaOracle {
        self.oracle.get_or_init(|| JavaOracle::start(&self.bootstrap()))
    }

    /// Ends a broker as an operator does (SIGTERM): it hands over its partitions, writes all to disk, and leaves.
    pub fn stop(&self, broker: i32) {
        self.node(broker).end("TERM");
    }

    /// Ends a broker at once (SIGKILL). It is let in again, and its partitions move, when its session has expired:
    /// `broker.session.timeout.ms`, 9 s unless set.
    pub fn kill(&self, broker: i32) {
        self.node(broker).end("KILL");
    }

    /// Freezes a broker (SIGSTOP): its sockets stay open, and nothing answers.
    pub fn pause(&self, broker: i32) {
        self.node(broker).pause();
    }

    /// Goes on after [`pause`](Self::pause).
    pub fn resume(&self, broker: i32) {
        self.node(broker).resume();
    }

    /// Starts a broker again on its port and its storage, and waits until it works; stops it before if it runs.
    pub fn restart(&self, broker: i32) {
        let mut node = self.node(broker);
        if node.state != State::Down {
            node.end("TERM");
        }
        node.launch();
        node.wait_until_it_works(&[broker]);
    }

    /// How much processor time a running broker has used so far, to 10 ms.
    pub fn cpu_time(&self, broker: i32) -> Duration {
        self.node(broker).cpu_time()
    }

    fn index(&self, broker: i32) -> usize {
        self.ids.iter().position(|&id| id == broker).unwrap_or_else(|| panic!("there is no broker {broker}"))
    }

    fn node(&self, broker: i32) -> MutexGuard<'_, Node> {
        self.nodes[self.index(broker)].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn joined(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}
