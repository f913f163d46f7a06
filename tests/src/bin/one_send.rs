//! Sends one record and ends. `one_send BOOTSTRAP TOPIC`: the behaviour suite looks whether it arrives.

use std::error::Error;

use felice_blocking::{Producer, ProducerRecord};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(bootstrap), Some(topic)) = (arguments.next(), arguments.next()) else {
        return Err("usage: one_send BOOTSTRAP TOPIC".into());
    };
    let producer = Producer::builder().bootstrap_servers(&bootstrap).build()?;
    producer.send(ProducerRecord::new(&topic, std::process::id().to_string()))?;
    Ok(())
}
