//! One record, and the end.

use std::error::Error;
use std::time::Duration;

use felice_blocking::{Producer, ProducerRecord};

fn main() -> Result<(), Box<dyn Error>> {
    let builder = Producer::builder().bootstrap_servers("127.0.0.1:9092");
    #[cfg(any(feature = "tls", feature = "tls-aws-lc-rs"))]
    let builder = builder
        .security_protocol(felice_blocking::SecurityProtocol::Ssl)
        .ssl_truststore_location("/etc/gateway/authority.pem");
    let producer = builder.build()?;
    producer.send(ProducerRecord::new("readings", "21.5"))?;
    producer.close(Duration::from_secs(5))?;
    Ok(())
}
