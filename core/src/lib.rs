#![no_std]
#![forbid(unsafe_code)]
//! The no_std, heap-free protocol core of felice, a Kafka producer for edge gateways.

#[cfg(feature = "alloc")]
extern crate alloc;

pub mod accumulator;
pub mod batch;
pub mod checksum;
pub mod config;
pub mod error;
pub mod event;
pub mod id;
pub mod memory;
pub mod partitioner;
pub mod record;
pub mod serializer;
pub mod time;
mod wire;

pub use accumulator::Accumulator;
