#![no_std]
#![forbid(unsafe_code)]
//! The no_std, heap-free protocol core of felice, a Kafka producer for edge gateways.

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod accumulator;
pub mod batch;
pub mod checksum;
mod cluster;
pub mod compression;
pub mod config;
pub mod embedded;
pub mod error;
pub mod event;
pub mod id;
mod index;
pub mod memory;
pub mod partitioner;
pub mod producer;
mod random;
pub mod record;
pub mod sasl;
pub mod sender;
pub mod serializer;
mod spans;
pub mod spool;
#[cfg(test)]
mod test_storage;
pub mod time;
pub mod transmit;
mod wire;

pub use accumulator::Accumulator;
pub use cluster::{BrokerSlot, TopicSlot};
pub use sender::{Address, HEADS_BYTES_MIN, PRODUCERS_ASKED_MAX, SaslSlot, SaslTables, Sender, SenderTables};
pub use transmit::Transmit;
