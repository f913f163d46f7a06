#![no_std]
#![forbid(unsafe_code)]
//! The no_std, heap-free protocol core of felice, a Kafka producer for edge gateways.
