//! The blocking front-end against the simulated cluster over TCP: one record all the way.

use std::time::Duration;

use felice_blocking::{Producer, ProducerRecord};
use felice_tests::cluster::{ClusterConfig, TcpCluster};

#[test]
fn one_record_all_the_way() {
    let cluster = TcpCluster::start(ClusterConfig::default()).unwrap();
    cluster.with(|cluster| cluster.create_topic("readings", 3));
    let producer = Producer::builder().bootstrap_servers(&cluster.bootstrap()).build().unwrap();

    let record = ProducerRecord::new("readings", "21.5").key("sensor-7");
    let metadata = producer.send(record).unwrap().get_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!((metadata.topic(), metadata.offset()), ("readings", 0));
    assert_eq!((metadata.serialized_key_size(), metadata.serialized_value_size()), (8, 4));

    let metadata = producer.send(record).unwrap().get().unwrap();
    assert_eq!(metadata.offset(), 1);
    producer.close(Duration::from_secs(5)).unwrap();
    assert_eq!(cluster.with(|cluster| cluster.record_count("readings")), 2);
}
