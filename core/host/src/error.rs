//! What can go wrong, as one small enum per operation. Every message is written for the person on call.

use std::sync::Arc;
use std::time::Duration;
use std::{error, fmt, io};

use felice_core::error::{AppendError, Cause, ErrorKind, Failure, Persisted, TopicError};
use felice_core::serializer::SerializeError;

use crate::config::ConfigError;

/// What all of them say in a process that the producer does not work in.
pub(crate) const FORKED: &str = "the producer was built in another process; after fork() build a new one";

/// Why a record was not accepted. Nothing of it was kept, and it never will be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// This machine's clock is not set yet (`clock.unset.before.ms`), the record has no time of its own, and there is no spool
    /// to keep it until the clock is set. With a time of 1970 the broker would acknowledge the record, and delete it.
    ClockNotSet,
    /// The producer is closed, or its I/O thread has died.
    Closed,
    /// The producer was built in another process: after `fork` it works in the parent only. Looked for where a `send`
    /// wakes the I/O thread, or would wait; a few records may be accepted before, and are never sent.
    Forked,
    /// The topic's name is not one that Kafka allows.
    InvalidTopic,
    /// No callback object was given to the builder, so a token has nobody to go to.
    NoCallback,
    /// `send` waited `waited` (`max.block.ms`) for memory. Either the broker is slower than this producer, or it is
    /// away: the records held say which.
    NoMemory {
        /// How long it waited.
        waited: Duration,
    },
    /// The producer has a `transactional.id`, and no transaction is open.
    #[cfg(feature = "transactions")]
    NoTransaction,
    /// The record cannot be sent at all: it needs `bytes` in a batch of its own, over `max` (`max.request.size`).
    RecordTooLarge {
        /// What the record needs.
        bytes: u64,
        /// The most that fits.
        max: u32,
    },
    /// The key or the value could not be serialized.
    Serialization(SerializeError),
    /// More partitions hold records at once than `partitions.max` allows.
    TooManyPartitions {
        /// The limit.
        max: u32,
    },
    /// More topics than `topics.max` allows.
    TooManyTopics {
        /// The limit.
        max: u32,
    },
    /// The topic has no such partition.
    UnknownPartition {
        /// The partition that was asked for.
        partition: i32,
        /// How many the topic has; 0 where that is not known.
        count: i32,
    },
    /// `try_send`, or a `send` in a callback, would have to wait for memory.
    WouldBlock,
}

impl SendError {
    /// Whether sending the record again, later, can succeed without any change to it or to the settings.
    #[must_use]
    pub const fn is_retriable(&self) -> bool {
        matches!(
            self,
            Self::NoMemory { .. } | Self::WouldBlock | Self::TooManyPartitions { .. } | Self::ClockNotSet
        )
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("record not accepted: ")?;
        match self {
            Self::ClockNotSet => f.write_str(
                "the machine's clock is not set (clock.unset.before.ms), and without a spool nothing can wait for it",
            ),
            Self::Closed => f.write_str("the producer is closed"),
            Self::Forked => f.write_str(FORKED),
            Self::InvalidTopic => TopicError::InvalidName.fmt(f),
            Self::NoCallback => f.write_str(
                "send_with_token needs an object that hears of it: give the builder one (callback)",
            ),
            Self::NoMemory { waited } => write!(
                f,
                "no free memory within {} ms (max.block.ms): buffer.memory is full of records that are not acknowledged yet",
                waited.as_millis()
            ),
            #[cfg(feature = "transactions")]
            Self::NoTransaction => f.write_str(
                "no transaction is open, and the producer has a transactional.id: begin one first",
            ),
            Self::RecordTooLarge { bytes, max } => {
                AppendError::RecordTooLarge { bytes: *bytes, max: *max }.fmt(f)
            }
            Self::Serialization(error) => write!(f, "it could not be serialized: {error}"),
            Self::TooManyPartitions { max } => AppendError::TooManyPartitions { max: *max }.fmt(f),
            Self::TooManyTopics { max } => TopicError::TooManyTopics { max: *max }.fmt(f),
            Self::UnknownPartition { partition, count } if *partition < 0 || *count == 0 => {
                write!(f, "partition {partition} does not exist")
            }
            Self::UnknownPartition { partition, count } => {
                AppendError::UnknownPartition { partition: *partition, count: *count }.fmt(f)
            }
            Self::WouldBlock => f.write_str("it would have to wait for memory (buffer.memory)"),
        }
    }
}

impl error::Error for SendError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Serialization(error) => Some(error),
            _ => None,
        }
    }
}

impl From<SerializeError> for SendError {
    fn from(error: SerializeError) -> Self {
        Self::Serialization(error)
    }
}

impl From<TopicError> for SendError {
    fn from(error: TopicError) -> Self {
        match error {
            TopicError::TooManyTopics { max } => Self::TooManyTopics { max },
            _ => Self::InvalidTopic,
        }
    }
}

/// The failure of an accepted record: what happened, and whether the record may be in the log all the same.
///
/// It is cheap to clone: the topic's name is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProduceError {
    topic: Arc<str>,
    partition: i32,
    failure: Failure,
    forked: bool,
    words: Option<Arc<str>>,
}

impl ProduceError {
    pub(crate) const fn new(topic: Arc<str>, partition: i32, failure: Failure) -> Self {
        Self { topic, partition, failure, forked: false, words: None }
    }

    /// The same, with what a broker said.
    pub(crate) fn with_words(self, words: Option<Arc<str>>) -> Self {
        Self { words: words.filter(|words| !words.is_empty()), ..self }
    }

    /// That of a record without an outcome, in a process that never will know it: the parent may have stored it.
    pub(crate) const fn forked(topic: Arc<str>) -> Self {
        let failure = Failure {
            kind: ErrorKind::Closed,
            persisted: Persisted::Possibly,
            attempts: 0,
            last_cause: None,
        };
        Self { topic, partition: -1, failure, forked: true, words: None }
    }

    /// The topic's name.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The partition; `None` where the record failed before it had one.
    #[must_use]
    pub const fn partition(&self) -> Option<i32> {
        if self.partition < 0 { None } else { Some(self.partition) }
    }

    /// What happened.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.failure.kind
    }

    /// Whether the record may be in the log all the same. Where it is `Possibly`, sending it again can store it twice.
    #[must_use]
    pub const fn persisted(&self) -> Persisted {
        self.failure.persisted
    }

    /// How often the record was sent.
    #[must_use]
    pub const fn attempts(&self) -> u32 {
        self.failure.attempts
    }

    /// The last thing that went wrong before the record failed.
    #[must_use]
    pub const fn last_cause(&self) -> Option<Cause> {
        self.failure.last_cause
    }

    /// What the broker said that did not accept the client, where [`kind`](Self::kind) is
    /// [`ErrorKind::Authentication`]: at most 128 characters, none of which does harm.
    #[must_use]
    pub fn broker_words(&self) -> Option<&str> {
        self.words.as_deref()
    }

    /// Whether sending the record again can succeed.
    #[must_use]
    pub const fn is_retriable(&self) -> bool {
        self.failure.is_retriable()
    }
}

impl fmt::Display for ProduceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.partition() {
            _ if self.forked => {
                return write!(f, "the outcome of a record for {} is not known here: {FORKED}", self.topic);
            }
            Some(partition) => write!(f, "record for {}-{partition} failed: ", self.topic)?,
            None => write!(f, "record for {} failed: ", self.topic)?,
        }
        self.failure.fmt(f)?;
        match &self.words {
            Some(words) => write!(f, "; the broker's words: {words:?}"),
            None => Ok(()),
        }
    }
}

impl error::Error for ProduceError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.failure)
    }
}

/// Why a producer could not be built.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// A setting is missing, unknown, out of range, or does not fit another one.
    Config(ConfigError),
    /// The operating system refused a thread or a file descriptor.
    Io(io::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Io(error) => write!(f, "no resources for a producer: {error}"),
        }
    }
}

impl error::Error for BuildError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Config(error) => Some(error),
            Self::Io(error) => Some(error),
        }
    }
}

impl From<ConfigError> for BuildError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<io::Error> for BuildError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Why `close` did not end well. The producer is closed, or closing, all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseError {
    /// This many records were not acknowledged in time, or failed meanwhile: their handles and callbacks say which.
    Undelivered {
        /// How many.
        records: u64,
    },
    /// `close` would wait for the very callback that called it. The closing has begun and goes on without it.
    InCallback,
    /// The producer was built in another process: that one's goes on, and nothing happened here.
    Forked,
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undelivered { records } => write!(f, "closed, but {records} records failed"),
            Self::InCallback => f.write_str("close cannot wait in a callback; the closing has begun"),
            Self::Forked => f.write_str(FORKED),
        }
    }
}

impl error::Error for CloseError {}

/// Why `flush` did not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FlushError {
    /// `flush` would wait for the very callback that called it. All that is held is on its way.
    InCallback,
    /// The producer was built in another process: nothing is sent from here.
    Forked,
}

impl fmt::Display for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InCallback => "flush cannot wait in a callback; all that is held is on its way",
            Self::Forked => FORKED,
        })
    }
}

impl error::Error for FlushError {}

/// Why a topic's partitions could not be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartitionsError {
    /// The producer is closed.
    Closed,
    /// The cluster refuses the topic with this code.
    Broker(felice_core::error::ErrorCode),
    /// It would have to wait, and callbacks must not.
    InCallback,
    /// No answer within `max.block.ms`.
    TimedOut,
    /// The name is not valid, or `topics.max` is reached.
    Topic(TopicError),
    /// The producer was built in another process.
    Forked,
}

impl fmt::Display for PartitionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the producer is closed"),
            Self::Broker(code) => write!(f, "the cluster refuses the topic: {code}"),
            Self::InCallback => f.write_str("the topic's metadata cannot be awaited in a callback"),
            Self::TimedOut => f.write_str("the topic's metadata did not come within max.block.ms"),
            Self::Topic(error) => error.fmt(f),
            Self::Forked => f.write_str(FORKED),
        }
    }
}

impl error::Error for PartitionsError {}
