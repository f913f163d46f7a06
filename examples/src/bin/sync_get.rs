//! Synchronous: wait for each record's outcome before the next one.

use std::error::Error;
use std::time::Duration;

use felice_blocking::{Producer, ProducerRecord};

fn main() -> Result<(), Box<dyn Error>> {
    let producer = Producer::builder()
        .bootstrap_servers("127.0.0.1:9092")
        .linger(Duration::ZERO) // nothing else is on its way that a record could wait for
        .build()?;
    for celsius in [21.5, 21.6, 21.4] {
        let reading = format!("{celsius}");
        let metadata = producer.send(ProducerRecord::new("readings", reading).key("sensor-7"))?.get()?;
        println!("{}-{}@{}", metadata.topic(), metadata.partition(), metadata.offset());
    }
    Ok(())
}
