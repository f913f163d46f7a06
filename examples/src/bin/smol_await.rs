//! Synchronous, on smol: await each record's outcome before the next one.

use std::error::Error;
use std::time::Duration;

use felice_smol::{Producer, ProducerRecord};

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(async {
        let producer = Producer::builder()
            .bootstrap_servers("127.0.0.1:9092")
            .linger(Duration::ZERO) // nothing else is on its way that a record could wait for
            .build()?;
        for celsius in [21.5, 21.6, 21.4] {
            let record = ProducerRecord::new("readings", format!("{celsius}")).key("sensor-7");
            let metadata = producer.send(record).await?.await?; // first await: accepted; second: acknowledged
            println!("{}-{}@{}", metadata.topic(), metadata.partition(), metadata.offset());
        }
        Ok(())
    })
}
