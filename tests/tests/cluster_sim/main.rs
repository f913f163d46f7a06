//! The simulated cluster by itself: its codec, its rules, its faults, its sockets.

mod brokers;
mod codec;
mod connection;
mod faults;
mod golden;
mod hostile;
mod idempotence;
mod json;
mod metadata;
mod produce;
mod reading;
mod support;
mod tcp;
mod versions;
