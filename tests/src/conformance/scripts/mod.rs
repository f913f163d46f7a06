//! The scripts, by what they are about.

mod batches;
mod producers;
mod replicas;
mod requests;
mod restart;
mod sequences;
mod topics;
mod versions;

use super::Script;

/// Those for a cluster of three brokers.
pub fn of_three_brokers() -> Vec<Script> {
    [replicas::SCRIPTS, producers::OF_THREE_BROKERS].concat()
}

/// Those for a single broker. The last ones restart it.
pub fn of_one_broker() -> Vec<Script> {
    [
        versions::SCRIPTS,
        requests::SCRIPTS,
        batches::SCRIPTS,
        sequences::SCRIPTS,
        topics::SCRIPTS,
        producers::SCRIPTS,
        restart::SCRIPTS,
    ]
    .concat()
}
