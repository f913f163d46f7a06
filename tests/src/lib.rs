//! A simulated Kafka cluster, a launcher for the real one, and felice's behaviour suite.

pub mod behaviour;
pub mod certificates;
pub mod cluster;
pub mod conformance;
pub mod counting;
pub mod forward;
pub mod fuzzing;
pub mod hostile;
pub mod java;
pub mod kafka;
pub mod lives;
pub mod protocol;
pub mod proxy;
pub mod simulation;
pub mod spooled;
pub mod tls;
pub mod tokens;
pub mod verifiable;
