//! The machine under one fake clock: requests and answers as values.

mod adrift;
mod answers;
mod cluster;
mod compression;
mod fates;
mod faults;
mod hostile;
mod ids;
mod left_out;
mod lessons;
#[cfg(feature = "resume")]
mod numberings;
mod pieces;
mod plain;
#[cfg(feature = "resume")]
mod producers;
mod refused;
#[cfg(feature = "resume")]
mod resumed;
mod rig;
#[cfg(feature = "sasl")]
mod sasl;
#[cfg(feature = "scram")]
mod scram;
#[cfg(feature = "sasl")]
mod sessions;
mod stale;
#[cfg(feature = "sasl")]
mod tokens;
#[cfg(feature = "transactions")]
mod transactions;
#[cfg(feature = "resume")]
mod withdrawn;
