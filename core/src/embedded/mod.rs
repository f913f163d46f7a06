//! A producer for devices: one thread, no operating system, no heap, any network.
//!
//! [`Memory`] is all memory in one `static`; [`Driver`] joins the producer that lives in it with the device's
//! [`Network`] over the traits of `embedded-io`. Neither ever blocks.

mod driver;
mod memory;
#[cfg(feature = "sasl")]
mod sasl;
mod tables;
#[cfg(test)]
mod tests;

pub use driver::{AddressMap, CONNECTIONS_MAX, Driver, Network, Outcome};
pub use memory::{Memory, Node, Static, StaticBlock};
#[cfg(feature = "sasl")]
pub use sasl::SaslMemory;
pub use tables::{KNOWN_PER_PARTITION, NAME_BYTES, Tables};
