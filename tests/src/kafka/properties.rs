//! A broker's `server.properties`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use super::doors::Doors;
use super::node::Ports;
use super::version::Quorum;

/// Where a broker stores records, in its folder.
pub(crate) const STORAGE: &str = "storage";

/// The names that are put in are ours; overrides have any.
type Properties<'a> = BTreeMap<&'a str, String>;

/// The file's text. `controllers` are all the cluster's, `id@host:port`.
pub(crate) fn server_properties(
    quorum: Quorum,
    id: i32,
    ports: &Ports,
    controllers: &str,
    folder: &Path,
    overrides: &BTreeMap<String, String>,
) -> String {
    let mut properties = common(controllers.split(',').count());
    properties.insert("log.dirs", folder.join(STORAGE).display().to_string());
    properties.extend(match quorum {
        Quorum::KRaft => kraft(id, ports, controllers),
        Quorum::ZooKeeper => zookeeper(id, ports),
    });
    let mut more = Vec::new();
    if let Some(far) = &ports.far {
        let listener = far.listener.number;
        more.extend([
            ("listeners", format!(",FAR://127.0.0.1:{listener}")),
            ("advertised.listeners", format!(",FAR://{}", far.advertised)),
            ("listener.security.protocol.map", ",FAR:PLAINTEXT".to_owned()),
        ]);
    }
    more.extend(ports.doors.iter().flat_map(Doors::listeners));
    for (name, value) in more {
        properties.entry(name).or_default().push_str(&value);
    }
    let secured = ports.doors.as_ref().map(|_| Doors::properties(folder)).unwrap_or_default();
    let given = secured.iter().chain(overrides);
    properties.extend(given.map(|(name, value)| (name.as_str(), value.clone())));
    properties.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = writeln!(text, "{name}={value}");
        text
    })
}

fn common(cluster_size: usize) -> Properties<'static> {
    BTreeMap::from([
        // What is written survives the loss of one broker of three, and with one lost it can still be written.
        ("default.replication.factor", cluster_size.min(3).to_string()),
        ("min.insync.replicas", cluster_size.div_ceil(2).min(2).to_string()),
        // Internal topics with a replica on each broker, and few partitions: they would be most of a start's work.
        ("offsets.topic.replication.factor", cluster_size.to_string()),
        ("offsets.topic.num.partitions", "1".to_owned()),
        ("transaction.state.log.replication.factor", cluster_size.to_string()),
        ("transaction.state.log.min.isr", "1".to_owned()),
        ("transaction.state.log.num.partitions", "1".to_owned()),
        // A small machine, and tests that do not wait for others.
        ("num.network.threads", "2".to_owned()),
        ("num.io.threads", "2".to_owned()),
        ("background.threads", "2".to_owned()),
        ("log.cleaner.enable", "false".to_owned()),
        ("group.initial.rebalance.delay.ms", "0".to_owned()),
    ])
}

/// A broker that is a controller, too.
fn kraft(id: i32, ports: &Ports, controllers: &str) -> Properties<'static> {
    let (listener, controller) = (ports.listener.number, ports.controller.number);
    BTreeMap::from([
        ("process.roles", "broker,controller".to_owned()),
        ("node.id", id.to_string()),
        ("listeners", format!("PLAINTEXT://127.0.0.1:{listener},CONTROLLER://127.0.0.1:{controller}")),
        ("advertised.listeners", format!("PLAINTEXT://127.0.0.1:{listener}")),
        ("controller.listener.names", "CONTROLLER".to_owned()),
        ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned()),
        ("controller.quorum.voters", controllers.to_owned()),
    ])
}

/// A broker with a ZooKeeper beside it.
fn zookeeper(id: i32, ports: &Ports) -> Properties<'static> {
    let (listener, zookeeper) = (ports.listener.number, ports.controller.number);
    BTreeMap::from([
        ("broker.id", id.to_string()),
        ("listeners", format!("PLAINTEXT://127.0.0.1:{listener}")),
        ("advertised.listeners", format!("PLAINTEXT://127.0.0.1:{listener}")),
        ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT".to_owned()),
        ("zookeeper.connect", format!("127.0.0.1:{zookeeper}")),
    ])
}
