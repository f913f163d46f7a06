//! What the programs of the benchmark share: a producer with a contender's options, and Produce requests that were recorded
//! on their way to a broker.

pub mod requests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bench_harness::Options;
use felice_host::surface::Compression;
use felice_host::{Builder, Start};

fn compression(name: &str) -> Compression {
    let known = Compression::ALL.into_iter().find(|known| known.name() == name);
    known.unwrap_or_else(|| panic!("felice has no {name}"))
}

/// A producer of either front-end; it says what its first failure was.
pub fn producer<P: Start>(options: &Options) -> P {
    let told = AtomicBool::new(false);
    Builder::new()
        .bootstrap_servers(&options.bootstrap)
        .linger(Duration::from_millis(options.linger_ms))
        .batch_size(options.batch_bytes)
        .compression_type(compression(&options.compression))
        .buffer_memory(options.buffer_bytes)
        .partitions_max(1_024.max(options.partitions as usize))
        .partitions_known_max(4_096.max(options.partitions as usize))
        .on_undelivered(move |error| {
            if !told.swap(true, Ordering::Relaxed) {
                eprintln!("{error}");
            }
        })
        .build()
        .expect("the settings fit")
}
