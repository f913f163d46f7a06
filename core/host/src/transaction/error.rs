//! Why a step of a transaction did not succeed, as both front-ends tell it.

use std::time::Duration;
use std::{error, fmt};

use felice_core::error::{self as core_error, TransactionCause};
use felice_core::sender::OFFSETS_BYTES;

/// Why a step of a transaction did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransactionError {
    /// The transaction is aborted: nobody who reads what is committed sees anything of it. Begin another one, and do the same
    /// again.
    Aborted(TransactionCause),
    /// This producer makes no transactions any more. Where [`is_fenced`](Self::is_fenced) another one has taken its place, or a
    /// transaction took longer than `transaction.timeout.ms`.
    Fatal(TransactionCause),
    /// The producer is closed, or was before this was done. What was to be committed may be.
    Closed,
    /// The producer was built in another process.
    Forked,
    /// It would have to wait, and callbacks must not. The transaction is aborted.
    InCallback,
    /// `init_transactions` has succeeded before.
    Initialized,
    /// The producer has no `transactional.id`.
    NotTransactional,
    /// Offsets, with the names of group, member and topic, are longer than a request has room for. Nothing of them was sent.
    OffsetsTooLarge,
    /// Not done within `waited` (`max.block.ms`). It goes on: the same call waits for it again, or the next `begin`, which tells where a commit has
    /// failed after all.
    TimedOut {
        /// How long it waited.
        waited: Duration,
    },
}

impl TransactionError {
    /// Whether another producer with the same transactional id has taken over. A transaction that took longer than
    /// `transaction.timeout.ms` looks the same.
    #[must_use]
    pub const fn is_fenced(&self) -> bool {
        match self {
            Self::Fatal(cause) => core_error::TransactionError::Fatal(*cause).is_fenced(),
            _ => false,
        }
    }

    /// Whether the same may be done again, in another transaction of this producer.
    #[must_use]
    pub const fn is_abortable(&self) -> bool {
        matches!(self, Self::Aborted(_) | Self::InCallback | Self::OffsetsTooLarge)
    }
}

impl From<core_error::TransactionError> for TransactionError {
    fn from(error: core_error::TransactionError) -> Self {
        match error {
            core_error::TransactionError::Aborted(cause) => Self::Aborted(cause),
            core_error::TransactionError::Fatal(cause) => Self::Fatal(cause),
        }
    }
}

impl fmt::Display for TransactionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aborted(cause) => core_error::TransactionError::Aborted(*cause).fmt(f),
            Self::Fatal(cause) => core_error::TransactionError::Fatal(*cause).fmt(f),
            Self::Closed => f.write_str("the producer is closed; what was to be committed may be"),
            Self::Forked => f.write_str(crate::error::FORKED),
            Self::InCallback => {
                f.write_str("a transaction cannot be waited for in a callback; it is aborted")
            }
            Self::Initialized => f.write_str("init_transactions has succeeded before"),
            Self::NotTransactional => f.write_str("the producer has no transactional.id"),
            Self::OffsetsTooLarge => {
                write!(f, "the offsets need more than {OFFSETS_BYTES} bytes in a request")
            }
            Self::TimedOut { waited } => {
                write!(f, "not done within {} ms (max.block.ms); it goes on", waited.as_millis())
            }
        }
    }
}

impl error::Error for TransactionError {}
