//! The scripts, by what they are about.

mod batches;
mod replicas;
mod requests;
mod restart;
mod sequences;
mod topics;
mod versions;

use super::Script;

/// Those for a cluster of three brokers.
pub fn of_three_brokers() -> Vec<Script> {
    replicas::SCRIPTS.to_vec()
}

/// Those for a single broker. The last ones restart it.
pub fn of_one_broker() -> Vec<Script> {
    [
        versions::SCRIPTS,
        requests::SCRIPTS,
        batches::SCRIPTS,
        sequences::SCRIPTS,
        topics::SCRIPTS,
        restart::SCRIPTS,
    ]
    .concat()
}
