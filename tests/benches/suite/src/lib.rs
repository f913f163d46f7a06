//! What the programs of the benchmark share: Produce requests that were recorded on their way to a broker.

pub mod requests;
