//! Callback, on smol: go on at once; each outcome comes to a closure, exactly once, in order per partition.

use std::error::Error;
use std::time::Duration;

use felice_smol::{Producer, ProducerRecord};

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(async {
        let producer = Producer::builder().bootstrap_servers("127.0.0.1:9092").build()?;
        for celsius in [21.5, 21.6, 21.4] {
            let record = ProducerRecord::new("readings", format!("{celsius}")).key("sensor-7");
            let sending = producer.send_with(record, move |outcome| match outcome {
                Ok(metadata) => println!("{celsius} is at {metadata}"),
                Err(error) => eprintln!("{celsius}: {error}, persisted: {:?}", error.persisted()),
            });
            sending.await?; // waits for memory only
        }
        producer.close(Duration::from_secs(5)).await?;
        Ok(())
    })
}
