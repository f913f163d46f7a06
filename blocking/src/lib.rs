//! felice, a Kafka producer for edge gateways: the front-end for plain threads, on mio.
//!
//! ```no_run
//! use std::time::Duration;
//! use felice_blocking::{Producer, ProducerRecord};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let producer = Producer::builder()
//!     .bootstrap_servers("127.0.0.1:9092")
//!     .client_id("gateway-7")
//!     .build()?;
//! let record = ProducerRecord::new("readings", "21.5").key("sensor-7");
//!
//! producer.send(&record)?; // fire and forget: drop the handle
//! let metadata = producer.send(&record)?.get()?; // synchronous
//! println!("{metadata}"); // readings-2@41
//! producer.send_with(&record, |outcome| match outcome {
//!     Ok(metadata) => println!("{}-{}@{}", metadata.topic(), metadata.partition(), metadata.offset()),
//!     Err(error) => eprintln!("{error}"),
//! })?;
//! producer.flush()?;
//! producer.close(Duration::from_secs(5))?;
//! # Ok(())
//! # }
//! ```
//!
//! * `send` has two moments. Its result is **acceptance**: a [`SendError`] means that the record was not taken and never
//!   will be sent. The [`Delivery`] is the **outcome**: the [`RecordMetadata`], or a [`ProduceError`] that says what
//!   happened, whether a retry can help, and whether the record may be in the log all the same.
//! * `send` waits for nothing but memory (`buffer.memory`), and no longer than `max.block.ms`.
//! * One background thread serves all brokers, and waits without a timer while nothing is to do. There is nothing to
//!   poll, and nothing to flush before the end: dropping the last clone of a [`Producer`] sends what it can.
//! * Callbacks run on a thread of their own, outside every lock. They may `send`; what would wait in them is refused.

mod delivery;
mod parker;
mod producer;
#[cfg(feature = "transactions")]
mod transaction;

pub use delivery::{Delivery, GetError};
pub use producer::{Builder, Producer};
#[cfg(feature = "transactions")]
pub use transaction::{Transaction, TransactionalProducer};

pub use felice_host::surface::*;
