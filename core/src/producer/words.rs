//! What a [`Producer`](super::Producer) says: what it asks for, what became of records, and why one was not accepted.

use core::fmt;

use crate::compression::Compression;
use crate::error::{AppendError, TopicError};
use crate::event::{Completed, Reassigned};
use crate::id::{ConnectionId, TopicId};
use crate::serializer::SerializeError;

/// What a [`Producer`](super::Producer) asks for or reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProducerEvent {
    /// Open a socket to [`Producer::address`](super::Producer::address), then say `handle_connected` or `handle_disconnected`.
    Connect(ConnectionId),
    /// Close the socket. It is forgotten already: nothing more needs to be said about it.
    Disconnect(ConnectionId),
    /// The connection has something to send: ask `poll_transmit` now, and again when its socket has room, until `None`.
    Transmit(ConnectionId),
    /// The connection needs a token for OAUTHBEARER, or what AWS_MSK_IAM signs with: tell [`Producer::handle_token`](super::Producer::handle_token).
    Token(ConnectionId),
    /// Records have their outcome.
    Completed(Completed),
    /// A broker does not know how a topic's batches are compressed: they go out plain from now on. Comes once for each
    /// topic.
    CompressionRefused {
        /// Whose.
        topic: TopicId,
        /// What was refused.
        compression: Compression,
    },
    /// A record has another ticket from now on. Always comes before the outcome under the new one.
    Reassigned(Reassigned),
}

/// Why a record was not accepted. Nothing of it was kept, and it never will be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The record has no timestamp, and no clock was set that could give it one: see
    /// [`Producer::set_clock`](super::Producer::set_clock) and
    /// [`Producer::allow_unset_clock`](super::Producer::allow_unset_clock).
    ClockNotSet,
    /// The key or the value could not be serialized.
    Serialize(SerializeError),
    /// The topic could not be taken.
    Topic(TopicError),
    /// The accumulator did not take it.
    Append(AppendError),
}

impl SendError {
    /// Whether the same record can be accepted later, when others have their outcome: memory, or a place for its
    /// partition, was missing.
    #[must_use]
    pub const fn is_retriable(&self) -> bool {
        use AppendError::{NoMemory, NoShare, TooManyPartitions};
        matches!(self, Self::Append(NoMemory | NoShare { .. } | TooManyPartitions { .. }))
    }
}

impl From<SerializeError> for SendError {
    fn from(error: SerializeError) -> Self {
        Self::Serialize(error)
    }
}

impl From<TopicError> for SendError {
    fn from(error: TopicError) -> Self {
        Self::Topic(error)
    }
}

impl From<AppendError> for SendError {
    fn from(error: AppendError) -> Self {
        Self::Append(error)
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClockNotSet => {
                write!(
                    f,
                    "the record has no timestamp, and the clock is not set (set_clock, allow_unset_clock)"
                )
            }
            Self::Serialize(error) => write!(f, "not serialized: {error}"),
            Self::Topic(error) => error.fmt(f),
            Self::Append(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for SendError {}
