//! Why a transaction did not commit: what can be done again, and what cannot.

use core::fmt;

use super::{ErrorCode, Failure};

/// Why a transaction, or the whole of what a transactional producer does, has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionError {
    /// The transaction is aborted: nobody who reads what is committed will see anything of it. Another one may begin, and do
    /// the same again.
    Aborted(TransactionCause),
    /// This producer can make no transactions any more. Where another one with the same transactional id has taken over
    /// (`PRODUCER_FENCED`, `INVALID_PRODUCER_EPOCH`) it is not to be replaced; else a new one may be made.
    Fatal(TransactionCause),
}

impl TransactionError {
    /// What has happened.
    #[must_use]
    pub const fn cause(&self) -> TransactionCause {
        match self {
            Self::Aborted(cause) | Self::Fatal(cause) => *cause,
        }
    }

    /// Whether another producer with the same transactional id has taken over, or the transaction took longer than
    /// `transaction.timeout.ms`, which looks the same.
    #[must_use]
    pub const fn is_fenced(&self) -> bool {
        matches!(
            self,
            Self::Fatal(TransactionCause::Broker(
                ErrorCode::PRODUCER_FENCED | ErrorCode::INVALID_PRODUCER_EPOCH
            ))
        )
    }
}

/// What has happened to a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransactionCause {
    /// A broker answered with this code.
    Broker(ErrorCode),
    /// A record of it failed, which was the first one.
    Record(Failure),
    /// It writes to more partitions than there is room for (`partitions.max`).
    TooManyPartitions,
    /// The cluster is older than Kafka 2.8.
    Unsupported,
}

/// Codes that only coordinators answer with: their names, and what they mean.
const fn of_coordinators(code: ErrorCode) -> Option<(&'static str, &'static str)> {
    Some(match code.0 {
        22 => (
            "ILLEGAL_GENERATION",
            "the consumer group has begun another generation: who owns what has changed",
        ),
        25 => ("UNKNOWN_MEMBER_ID", "the consumer is no member of its group any more"),
        30 => ("GROUP_AUTHORIZATION_FAILED", "not allowed to use the consumer group"),
        50 => (
            "INVALID_TRANSACTION_TIMEOUT",
            "transaction.timeout.ms is over the brokers' transaction.max.timeout.ms",
        ),
        82 => ("FENCED_INSTANCE_ID", "another consumer has taken the group.instance.id over"),
        _ => return None,
    })
}

impl fmt::Display for TransactionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aborted(cause) => write!(f, "the transaction is aborted: {cause}"),
            Self::Fatal(cause) => write!(f, "this producer can make no transactions any more: {cause}"),
        }
    }
}

impl core::error::Error for TransactionError {}

impl fmt::Display for TransactionCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broker(code) => match of_coordinators(*code) {
                Some((name, advice)) => write!(f, "{name} ({}: {advice})", code.0),
                None => code.fmt(f),
            },
            Self::Record(failure) => write!(f, "a record failed: {failure}"),
            Self::TooManyPartitions => {
                write!(f, "it writes to more partitions than partitions.max leaves room for")
            }
            Self::Unsupported => write!(f, "transactions need Kafka 2.8 or newer"),
        }
    }
}
