//! The gateway as a process of its own, between clients of its sources and a simulated cluster, or real Kafka.

mod check;
mod documents;
mod ending;
mod files;
mod harness;
mod measured;
mod reload;
mod sockets;
