//! How long `try_send` takes while the driver checksums, compresses and writes at full load: the time of each record that
//! was accepted, in the report's latencies. Where memory is short the next attempt waits, and does not count.

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
    thread::scope(|scope| {
        let of_thread = |thread| {
            let (producer, options, payloads) = (&producer, &options, &payloads);
            scope.spawn(move || append(producer, options, payloads, thread))
        };
        let threads: Vec<_> = (0..options.threads).map(of_thread).collect();
        for thread in threads {
            meter.latencies(&thread.join().expect("it ends"));
        }
    });
    producer.flush().expect("this is no callback");
    meter.finish(options.records - producer.failed(), producer.failed(), &options);
}

/// A thread's part of the records: how many nanoseconds each took.
fn append(producer: &Producer, options: &Options, payloads: &Payloads, thread: u64) -> Vec<u32> {
    // What is written is touched before, so that the kernel has no page to find meanwhile.
    let mut taken = vec![u32::MAX; options.turns(thread).count()];
    for (index, taken) in options.turns(thread).zip(&mut taken) {
        let record = ProducerRecord::new(&options.topic, payloads.get(index));
        loop {
            let begun = Instant::now();
            match producer.try_send(record) {
                Ok(handle) => {
                    drop(handle);
                    *taken = begun.elapsed().as_nanos().try_into().unwrap_or(u32::MAX);
                    break;
                }
                Err(SendError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
                Err(error) => panic!("{error}"),
            }
        }
    }
    taken
}
