//! The simulated cluster against real Kafka: the same requests, the same answers.

use std::time::Duration;

use felice_tests::cluster::{ClusterConfig, TcpCluster};
use felice_tests::conformance::{Difference, Script, scripts};
use felice_tests::kafka::{Kafka, console_consumer, console_producer};
use felice_tests::require_kafka;

const PATIENCE: Duration = Duration::from_secs(60);

fn simulated(brokers: i32) -> TcpCluster {
    TcpCluster::start(ClusterConfig { brokers, ..ClusterConfig::default() }).expect("a loopback port is free")
}

fn compare(scripts: &[Script], kafka: &Kafka, simulated: &TcpCluster) {
    let found: Vec<Difference> = scripts.iter().flat_map(|script| script.compare(kafka, simulated)).collect();
    let told: String = found.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{} answers differ:\n{told}", found.len());
}

#[test]
fn the_simulated_broker_answers_as_kafka_does() {
    require_kafka!();
    compare(&scripts::of_one_broker(), &Kafka::builder().start(), &simulated(1));
}

#[test]
fn three_simulated_brokers_answer_as_kafka_does() {
    require_kafka!();
    compare(&scripts::of_three_brokers(), &Kafka::builder().brokers(3).start(), &simulated(3));
}

/// The other direction: Kafka's own clients find nothing odd about the simulated cluster.
#[test]
fn kafkas_console_tools_work_with_the_simulated_cluster() {
    require_kafka!();
    let simulated = simulated(1);
    simulated.with(|cluster| cluster.create_topic("console", 2));
    let lines = ["a:1", "b:2", "c:3", "d:4"];
    let with_keys = ["--reader-property", "parse.key=true", "--reader-property", "key.separator=:"];
    let sent = console_producer(&simulated.bootstrap(), "console", &lines, &with_keys, PATIENCE);
    assert!(sent.status.success(), "{sent:?}");
    assert_eq!(simulated.with(|cluster| cluster.record_count("console")), 4);

    let mut read: Vec<String> = Vec::new();
    for partition in 0..2 {
        let stored = simulated.with(|cluster| cluster.records("console", partition));
        let shown = ["--formatter-property", "print.key=true", "--formatter-property", "key.separator=:"];
        let output =
            console_consumer(&simulated.bootstrap(), "console", partition, stored.len(), &shown, PATIENCE);
        assert!(output.status.success(), "{output:?}");
        read.extend(output.stdout.lines().map(str::to_owned));
    }
    read.sort();
    assert_eq!(read, lines);
}
