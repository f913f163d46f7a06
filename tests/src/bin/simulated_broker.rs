//! A simulated broker in a process of its own, for tests that count what their own process does. It ends with its
//! standard input.

use std::io::{Write, stdin, stdout};

use felice_tests::cluster::{ClusterConfig, KeepRecords, TcpCluster};

fn main() -> std::io::Result<()> {
    let config = ClusterConfig { keep_records: KeepRecords::None, ..ClusterConfig::default() };
    let cluster = TcpCluster::start(config)?;
    cluster.with(|cluster| cluster.create_topic("t", 6));
    println!("bootstrap {}", cluster.bootstrap());
    stdout().flush()?;
    let _ = stdin().lines().count();
    Ok(())
}
