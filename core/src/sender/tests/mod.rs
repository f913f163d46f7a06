//! The machine under one fake clock: requests and answers as values.

mod answers;
mod cluster;
mod fates;
mod faults;
mod hostile;
mod pieces;
mod plain;
mod rig;
