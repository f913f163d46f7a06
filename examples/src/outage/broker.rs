//! The broker behind the link: real Apache Kafka where Java can run it, a simulated cluster otherwise.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use felice_tests::behaviour::Target;
use felice_tests::cluster::{ClusterConfig, TcpCluster};
use felice_tests::kafka::{Kafka, KafkaVersion, missing};
use felice_tests::proxy::Link;

/// One broker, and what is between it and the sender.
pub(super) struct Broker {
    pub(super) target: Target,
    pub(super) link: Arc<Link>,
    pub(super) bootstrap: String,
    pub(super) description: String,
}

impl Broker {
    /// It ends with this process.
    pub(super) fn start(simulated: bool) -> io::Result<Self> {
        let version = KafkaVersion::default();
        match missing(&[version]).filter(|_| !simulated) {
            Some(missing) => eprintln!("no real Kafka, since {missing}: a simulated one takes its place"),
            None if !simulated => return Ok(Self::real(version)),
            None => {}
        }
        Self::simulated(version)
    }

    fn real(version: KafkaVersion) -> Self {
        let link = Arc::new(Link::new(Duration::ZERO));
        let kafka = Kafka::builder().version(version).behind(&link).start();
        let (bootstrap, description) =
            (kafka.far_bootstrap(), format!("broker: real, Apache Kafka {}", version.number()));
        Self { target: Target::Far(Box::leak(Box::new(kafka))), link, bootstrap, description }
    }

    fn simulated(version: KafkaVersion) -> io::Result<Self> {
        let link = Arc::new(Link::new(Duration::ZERO));
        let cluster = TcpCluster::start(ClusterConfig::default())?;
        let address = link.route_to(cluster.address(1))?;
        cluster.with(|cluster| cluster.set_address(1, "127.0.0.1", address.port().into()));
        let description = format!("broker: simulated in this program, as Apache Kafka {}", version.number());
        let target = Target::Simulated(cluster, OnceLock::new());
        Ok(Self { target, link, bootstrap: address.to_string(), description })
    }
}
