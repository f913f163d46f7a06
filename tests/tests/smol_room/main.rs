//! The smol front-end's own promises, against the simulated cluster over TCP: what dropping means, and who runs what.

mod driver;
mod ending;
mod sending;

use std::future::Future;
use std::time::Duration;

use felice_smol::Producer;
use felice_tests::cluster::{ClusterConfig, TcpCluster};
use smol::Timer;
use smol::future::or;

/// How long anything may take that should take milliseconds.
pub(crate) const SECONDS: Duration = Duration::from_secs(60);

pub(crate) fn cluster(partitions: i32) -> TcpCluster {
    let cluster = TcpCluster::start(ClusterConfig::default()).unwrap();
    cluster.with(|cluster| cluster.create_topic("t", partitions));
    cluster
}

pub(crate) fn builder(cluster: &TcpCluster) -> felice_smol::Builder {
    Producer::builder().bootstrap_servers(&cluster.bootstrap()).linger(Duration::ZERO)
}

/// Nobody listens there.
pub(crate) fn nowhere() -> felice_smol::Builder {
    Producer::builder().bootstrap_servers("127.0.0.1:1").linger(Duration::ZERO).drop_timeout(Duration::ZERO)
}

pub(crate) fn stored(cluster: &TcpCluster) -> i64 {
    cluster.with(|cluster| cluster.record_count("t"))
}

pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    or(future, async {
        Timer::after(SECONDS).await;
        panic!("not within {SECONDS:?}")
    })
    .await
}

/// `None` where the future is dropped after `patience`.
pub(crate) async fn within<T>(patience: Duration, future: impl Future<Output = T>) -> Option<T> {
    or(async { Some(future.await) }, async {
        Timer::after(patience).await;
        None
    })
    .await
}

/// Marsaglia's xorshift: the same order of things each time.
pub(crate) fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

pub(crate) fn is_send<T: Send>(value: T) -> T {
    value
}

/// How many threads of this process have this name.
pub(crate) fn threads(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let name_of = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).ok();
    tasks.flatten().filter_map(name_of).filter(|comm| comm.trim() == name).count()
}
