//! Fire and forget, on smol: drop the handle. What fails all the same is heard of in one place.

use std::error::Error;
use std::time::Duration;

use felice_smol::{Producer, ProducerRecord};

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(async {
        let producer = Producer::builder()
            .bootstrap_servers("127.0.0.1:9092")
            .on_undelivered(|error| eprintln!("{error}"))
            .build()?;
        for celsius in [21.5, 21.6, 21.4] {
            let reading = format!("{celsius}");
            producer.send(ProducerRecord::new("readings", reading).key("sensor-7")).await?;
        }
        producer.close(Duration::from_secs(5)).await?; // dropping would not wait, and here the process ends
        Ok(())
    })
}
