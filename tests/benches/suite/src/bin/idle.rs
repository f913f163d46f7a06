//! A producer with nothing to do: how often its threads wake up in the minute after its last connection was closed, as
//! the report's waits.

use std::thread;
use std::time::Duration;

use bench_harness::{Meter, Options, Payloads};
use felice_blocking::{Producer, ProducerRecord};

fn main() {
    let options = Options::parse();
    let producer = Producer::builder()
        .bootstrap_servers(&options.bootstrap)
        .connections_max_idle(Duration::from_secs(1))
        .build()
        .expect("the settings fit");
    let payloads = Payloads::new(options.size);
    for index in 0..options.records {
        let record = ProducerRecord::new(&options.topic, payloads.get(index));
        producer.send(record).expect("it is accepted").get().expect("it is stored");
    }
    // Long enough for the connections to be closed as idle: nothing tells when that has happened.
    thread::sleep(Duration::from_secs(5));
    let meter = Meter::start(&options);
    thread::sleep(Duration::from_secs(60));
    // One of them is this thread's own sleep.
    meter.finish(options.records, 0, &options);
}
