//! One record, and the end.

use std::error::Error;
use std::time::Duration;

use felice_blocking::{Producer, ProducerRecord};

fn main() -> Result<(), Box<dyn Error>> {
    let producer = Producer::builder().bootstrap_servers("127.0.0.1:9092").build()?;
    producer.send(ProducerRecord::new("readings", "21.5"))?;
    producer.close(Duration::from_secs(5))?;
    Ok(())
}
