//! felice, a Kafka producer for edge gateways: the front-end for async code, on smol.
//!
//! ```no_run
//! use std::time::Duration;
//! use felice_smol::{Producer, ProducerRecord};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! smol::block_on(async {
//!     let producer = Producer::builder()
//!         .bootstrap_servers("127.0.0.1:9092")
//!         .client_id("gateway-7")
//!         .build()?;
//!     let record = ProducerRecord::new("readings", "21.5").key("sensor-7");
//!
//!     producer.send(&record).await?; // fire and forget: drop the handle
//!     let metadata = producer.send(&record).await?.await?; // first await: accepted; second: acknowledged
//!     println!("{metadata}"); // readings-2@41
//!     producer
//!         .send_with(&record, |outcome| match outcome {
//!             Ok(metadata) => println!("{}-{}@{}", metadata.topic(), metadata.partition(), metadata.offset()),
//!             Err(error) => eprintln!("{error}"),
//!         })
//!         .await?;
//!     producer.flush().await?;
//!     producer.close(Duration::from_secs(5)).await?;
//!     Ok(())
//! })
//! # }
//! ```
//!
//! * `send` has two moments. Its result is **acceptance**: a [`SendError`] means that the record was not taken and never
//!   will be sent. The [`Delivery`] is the **outcome**: a future of the [`RecordMetadata`], or of a [`ProduceError`]
//!   that says what happened, whether a retry can help, and whether the record may be in the log all the same.
//! * `send` waits for nothing but memory (`buffer.memory`), and no longer than `max.block.ms`.
//! * Every future may be dropped at any time. Before the `await` of a `send` is over its record was not accepted, and
//!   whoever waits for memory behind it moves up; afterwards the record has exactly one outcome, whoever looks.
//! * One future does the I/O for all brokers, and waits without a timer while nothing is to do. `build` runs it on a
//!   thread of its own; `build_with_driver` hands it out as a [`Driver`], for an executor of yours. There is nothing to
//!   poll beside it. Everything works in any executor: sockets and timers are async-io's, which are smol's.
//! * Dropping the last clone of a [`Producer`] never waits: the driver finishes by itself, for as long as
//!   `drop_timeout`. A process that ends meanwhile takes it along, so at the end of `main` await
//!   [`close`](Producer::close).
//! * Callbacks run on a thread of their own, outside every lock. They may `try_send`; what would wait in them is
//!   refused.

mod delivery;
mod driver;
mod producer;
mod signal;
mod socket;
#[cfg(feature = "transactions")]
mod transaction;

pub use delivery::Delivery;
pub use driver::Driver;
pub use felice_host::surface::*;
pub use producer::{Builder, Producer};
#[cfg(feature = "transactions")]
pub use transaction::{Transaction, TransactionalProducer};
