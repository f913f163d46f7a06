//! Fire and forget: drop the handle. What fails all the same is heard of in one place.

use std::error::Error;
use std::time::Duration;

use felice_blocking::{Producer, ProducerRecord};

fn main() -> Result<(), Box<dyn Error>> {
    let producer = Producer::builder()
        .bootstrap_servers("127.0.0.1:9092")
        .on_undelivered(|error| eprintln!("{error}"))
        .build()?;
    for celsius in [21.5, 21.6, 21.4] {
        let reading = format!("{celsius}");
        producer.send(ProducerRecord::new("readings", reading).key("sensor-7"))?;
    }
    producer.close(Duration::from_secs(5))?; // sends what is held, and says how many records failed
    Ok(())
}
