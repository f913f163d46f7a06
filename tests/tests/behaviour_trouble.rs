//! What a real cluster of three brokers goes through, each once, the front-ends in turn. One test on one cluster: most of
//! the time is its start.

use felice_blocking::Producer as Blocking;
use felice_smol::Producer as Smol;
use felice_tests::behaviour::{on, recreated, trouble};
use felice_tests::require_kafka;

#[test]
fn a_cluster_in_trouble() {
    require_kafka!();
    let cluster = trouble::cluster();
    on::target("rolling_restart", &cluster, trouble::rolling_restart::<Blocking>);
    on::target("controller_failover", &cluster, trouble::controller_failover::<Smol>);
    on::target("too_few_in_sync", &cluster, trouble::too_few_in_sync::<Smol>);
    on::target("a_quota", &cluster, trouble::a_quota::<Blocking>);
    on::target("topic_recreated", &cluster, recreated::topic_recreated::<Smol>);
    on::target("closed_when_idle", &cluster, trouble::closed_when_idle::<Smol>);
}

#[test]
#[ignore = "killed together, replicas of Kafka 4.3.1 may come back by an unclean election that cuts off their logs' ends"]
fn all_brokers_down() {
    require_kafka!();
    on::target("all_brokers_down", &trouble::cluster(), trouble::all_brokers_down::<Blocking>);
}
