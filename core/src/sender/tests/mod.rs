//! The machine under one fake clock: requests and answers as values.

mod adrift;
mod answers;
mod cluster;
mod compression;
mod fates;
mod faults;
mod hostile;
mod ids;
mod lessons;
mod numberings;
mod pieces;
mod plain;
mod producers;
mod refused;
mod resumed;
mod rig;
mod sasl;
#[cfg(feature = "scram")]
mod scram;
mod sessions;
mod stale;
mod tokens;
