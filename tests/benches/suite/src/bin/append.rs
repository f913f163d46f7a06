//! How long `try_send` takes while the driver checksums and writes at full load: the time of each record that was
//! accepted, in the report's latencies. Where memory is short the next attempt waits, and does not count.

use std::thread;
use std::time::{Duration, Instant};

use bench_harness::{Meter, Options, Payloads};
use felice_blocking::{Producer, ProducerRecord, SendError};

fn main() {
    let options = Options::parse();
    let producer: Producer = bench_suite::producer(&options);
    assert_eq!(producer.partitions_for(&options.topic), Ok(options.partitions));
    let payloads = Payloads::new(options.size);
    let mut meter = Meter::start(&options);
    for index in 0..options.records {
        let record = ProducerRecord::new(&options.topic, payloads.get(index));
        loop {
            let begun = Instant::now();
            match producer.try_send(record) {
                Ok(handle) => {
                    drop(handle);
                    break meter.latency(begun.elapsed());
                }
                Err(SendError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
                Err(error) => panic!("{error}"),
            }
        }
    }
    producer.flush().expect("this is no callback");
    meter.finish(options.records - producer.failed(), producer.failed(), &options);
}
