//! The scripts, by what they are about.

mod batches;
mod requests;
mod restart;
mod sequences;
mod topics;
mod versions;

use super::Script;

/// All of them, those that restart the broker last.
pub fn all() -> Vec<Script> {
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
