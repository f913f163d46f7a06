//! What went wrong, as values: Kafka's error codes and what each asks for, refusals of a record, failures of an
//! accepted one. Nothing here formats into memory of its own: messages are `Display`.

mod code;
mod proxy;
mod tls;
#[cfg(feature = "transactions")]
mod transaction;

use core::fmt;

use crate::spool::Loss;
pub use code::{Class, ErrorCode};
pub use proxy::ProxyFailure;
pub use tls::{StoreFault, TlsFailure, UtcSeconds};
#[cfg(feature = "transactions")]
pub use transaction::{TransactionCause, TransactionError};

/// Whether a record that failed may be in the log all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persisted {
    /// It is not in the log and never will be.
    No,
    /// It may be: an attempt was sent whose answer never came, or did not tell.
    Possibly,
}

/// Why [`Accumulator::append`](crate::Accumulator::append) did not take a record. Nothing of it was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppendError {
    /// The producer was closed.
    Closed,
    /// Not enough free blocks now; batches were made ready so that some will be. Try again after a recycle.
    NoMemory,
    /// There are free blocks, but not for this partition: it, or what its leader's partitions hold together, has its
    /// share, and the rest is left to others. Try again when
    /// [`Accumulator::has_share`](crate::Accumulator::has_share) says so.
    NoShare {
        /// The partition; none where several were tried, or where it is not known yet: try again after any recycle.
        partition: Option<i32>,
    },
    /// The record cannot be sent at all: `bytes` in a batch of its own, header included, over `max` (`max.request.size`).
    RecordTooLarge {
        /// What the record needs.
        bytes: u64,
        /// The most that fits.
        max: u32,
    },
    /// Every slot for partitions is in use by one that holds records.
    TooManyPartitions {
        /// The slots there are (`partitions.max`).
        max: u32,
    },
    /// The topic has no such partition.
    UnknownPartition {
        /// The partition that was asked for.
        partition: i32,
        /// How many the topic has.
        count: i32,
    },
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => write!(f, "the producer is closed"),
            Self::NoMemory => write!(f, "no free memory (buffer.memory)"),
            Self::NoShare { partition: Some(partition) } => {
                write!(
                    f,
                    "partition {partition}, or its broker, holds its share of the memory (buffer.memory)"
                )
            }
            Self::NoShare { partition: None } => {
                write!(f, "the topic's partitions hold their share of the memory (buffer.memory)")
            }
            Self::RecordTooLarge { bytes, max } => {
                write!(f, "the record needs {bytes} bytes in a batch, the limit is {max} (max.request.size)")
            }
            Self::TooManyPartitions { max } => {
                write!(f, "more than {max} partitions hold records at once (partitions.max)")
            }
            Self::UnknownPartition { partition, count } => {
                write!(f, "partition {partition} does not exist: the topic has {count}")
            }
        }
    }
}

impl core::error::Error for AppendError {}

/// Why a topic could not be interned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TopicError {
    /// Every slot, or the arena of names, is taken.
    TooManyTopics {
        /// The slots there are (`topics.max`).
        max: u32,
    },
    /// Kafka allows 1 to 249 of the characters a-z, A-Z, 0-9, `.`, `_` and `-`, and neither `.` nor `..`.
    InvalidName,
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyTopics { max } => write!(f, "more than {max} topics (topics.max)"),
            Self::InvalidName => write!(
                f,
                "a topic's name has 1 to 249 of the characters a-z, A-Z, 0-9, '.', '_' and '-', and is neither '.' nor '..'"
            ),
        }
    }
}

impl core::error::Error for TopicError {}

/// What a broker sent cannot be an answer to what it was asked: the connection must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The connection is not open.
    NotConnected,
    /// The answer's length is negative or shorter than its own header.
    InvalidLength(i32),
    /// An answer that belongs to no request, or to another one.
    UnexpectedCorrelationId {
        /// The oldest request's.
        expected: Option<i32>,
        /// The answer's.
        found: i32,
    },
    /// A field reaches beyond the answer's end, or has an impossible value.
    Malformed,
    /// An answer about a topic or partition that was not in the request, or twice, or not at all.
    UnexpectedPartition,
    /// The broker offers no version of a request that felice speaks.
    UnsupportedApi {
        /// Kafka's number of the request.
        api_key: i16,
    },
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected => write!(f, "the connection is not open"),
            Self::InvalidLength(length) => write!(f, "an answer of {length} bytes is impossible"),
            Self::UnexpectedCorrelationId { expected: Some(expected), found } => {
                write!(f, "an answer with correlation id {found}, expected was {expected}")
            }
            Self::UnexpectedCorrelationId { expected: None, found } => {
                write!(f, "an answer with correlation id {found} to no request")
            }
            Self::Malformed => write!(f, "an answer that ends within a field or has an impossible value"),
            Self::UnexpectedPartition => {
                write!(f, "an answer whose topics and partitions are not the request's")
            }
            Self::UnsupportedApi { api_key } => {
                write!(
                    f,
                    "the broker offers no version that felice speaks of the request with api key {api_key}"
                )
            }
        }
    }
}

impl core::error::Error for ProtocolError {}

/// Why a broker and the client did not accept each other (SASL).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthenticationError {
    /// The broker does not offer the mechanism (`sasl.mechanism`).
    UnsupportedMechanism,
    /// The broker's listener has no SASL (`security.protocol`).
    NoSasl,
    /// The broker refused, with this code. [`Sender::authentication_words`](crate::Sender::authentication_words) has what
    /// it said.
    Refused(ErrorCode),
    /// What the broker sent is not what the mechanism says it must be.
    InvalidChallenge,
    /// SCRAM: the broker asks for more rounds than felice computes for anybody, or for so few that it would learn the
    /// password.
    Iterations,
    /// SCRAM: whoever answers does not know the password, so it is not the broker.
    WrongSignature,
    /// OAUTHBEARER, AWS_MSK_IAM: there was no token, or nothing to sign with, or not in time.
    NoToken,
    /// A message does not fit into the memory that there is for it.
    TooLong,
}

impl AuthenticationError {
    /// Whether the credentials or the settings are wrong, so that the same attempt fails again. Otherwise it may be the
    /// broker that is wrong, or an impostor, or the token's provider that is away.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::UnsupportedMechanism | Self::NoSasl | Self::Refused(ErrorCode::SASL_AUTHENTICATION_FAILED)
        )
    }
}

impl fmt::Display for AuthenticationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnsupportedMechanism => {
                write!(f, "the broker does not offer the mechanism (sasl.mechanism)")
            }
            Self::NoSasl => write!(f, "the broker's listener has no SASL (security.protocol)"),
            Self::Refused(code) => code.fmt(f),
            Self::InvalidChallenge => write!(f, "the broker's answer is not what the mechanism asks for"),
            Self::Iterations => {
                let (min, max) = (crate::sasl::ITERATIONS_MIN, crate::sasl::ITERATIONS_MAX);
                write!(
                    f,
                    "the broker asks for fewer or more SCRAM iterations than are allowed: {min} to {max}"
                )
            }
            Self::WrongSignature => {
                write!(f, "the broker could not prove that it knows the password: it may be an impostor")
            }
            Self::NoToken => write!(f, "there was no token, or nothing to sign with"),
            Self::TooLong => write!(f, "a SASL message does not fit into its memory"),
        }
    }
}

impl core::error::Error for AuthenticationError {}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disconnect {
    /// The name has no address, or the look-up failed.
    Unresolved,
    /// Nobody listens there, or the connection could not be made.
    Refused,
    /// The connection was not there within `socket.connection.setup.timeout.ms`, its TLS handshake included.
    ConnectTimeout,
    /// Connected, but the first request, for the broker's versions, had no answer within
    /// `socket.connection.setup.timeout.ms`, or `request.timeout.ms` if that is shorter.
    HandshakeTimeout,
    /// The peer closed it.
    Closed,
    /// The socket failed.
    Failed,
    /// There is a connection, but no TLS, or there is none any more.
    Tls(TlsFailure),
    /// There is a proxy on the way, and no connection through it, or none any more.
    Proxy(ProxyFailure),
    /// What came was no answer.
    Protocol(ProtocolError),
    /// No answer within `request.timeout.ms`.
    RequestTimeout,
    /// A broker asked to start again from the bootstrap servers.
    Rebootstrap,
    /// Idle for `connections.max.idle.ms`, or no longer needed.
    Idle,
    /// Broker and client did not accept each other.
    Authentication(AuthenticationError),
}

impl fmt::Display for Disconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved => write!(f, "the broker's name could not be resolved"),
            Self::Refused => write!(f, "the broker refused the connection"),
            Self::ConnectTimeout => {
                write!(f, "no connection within socket.connection.setup.timeout.ms (with TLS: and handshake)")
            }
            Self::HandshakeTimeout => {
                write!(f, "connected, but whoever listens there does not answer: is it a Kafka broker?")
            }
            Self::Closed => write!(f, "the broker closed the connection"),
            Self::Failed => write!(f, "the connection failed"),
            Self::Tls(failure) => failure.fmt(f),
            Self::Proxy(failure) => failure.fmt(f),
            Self::Protocol(error) => write!(f, "the broker's answer was not understood: {error}"),
            Self::RequestTimeout => write!(f, "no answer within request.timeout.ms"),
            Self::Rebootstrap => write!(f, "a broker asked to start again from the bootstrap servers"),
            Self::Idle => write!(f, "the connection was idle"),
            Self::Authentication(error) => write!(f, "not authenticated: {error}"),
        }
    }
}

/// The last thing that went wrong before a record failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// A broker answered with this code.
    Broker(ErrorCode),
    /// A connection ended.
    Disconnected(Disconnect),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broker(code) => code.fmt(f),
            Self::Disconnected(disconnect) => disconnect.fmt(f),
        }
    }
}

/// How far a record had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// The topic's metadata was not there.
    Metadata,
    /// The partition had no leader, or there was no connection to it.
    Connection,
    /// It was waiting for its turn.
    Queue,
    /// It was sent, and the answer was awaited.
    InFlight,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Metadata => "waiting for the topic's metadata",
            Self::Connection => "waiting for a connection to the partition's leader",
            Self::Queue => "waiting for its turn",
            Self::InFlight => "waiting for the broker's answer",
        })
    }
}

/// Why an accepted record will not be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No broker that could be reached accepts the client: its credentials, or what it uses of SASL. Later records try
    /// again, after `reconnect.backoff.ms`.
    Authentication(AuthenticationError),
    /// A broker refused it with this code.
    Broker(ErrorCode),
    /// The producer was closed before it was acknowledged.
    Closed,
    /// Not acknowledged within `delivery.timeout.ms`.
    DeliveryTimeout(Stage),
    /// The topic does not exist, and was not created on demand.
    UnknownTopic,
    /// The topic has no such partition.
    UnknownPartition,
    /// The topic has more partitions than there is room for (`partitions.known.max`).
    TooManyPartitions,
    /// The producer was closed, and the record stays in the spool: the next producer there sends it.
    Spooled,
    /// The spool has lost the record: it was dropped, as the settings say, or damaged on the disk.
    SpoolLost(Loss),
    /// The transaction that it belongs to is aborted, or none is open.
    #[cfg(feature = "transactions")]
    TransactionAborted,
}

/// The failure of an accepted record, and all that is known about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What happened.
    pub kind: ErrorKind,
    /// Whether the record may be in the log all the same.
    pub persisted: Persisted,
    /// How often it was sent.
    pub attempts: u32,
    /// The last thing that went wrong before.
    pub last_cause: Option<Cause>,
}

impl Failure {
    /// Whether sending the record again can succeed.
    #[must_use]
    pub const fn is_retriable(&self) -> bool {
        match self.kind {
            ErrorKind::Broker(code) => code.is_retriable(),
            ErrorKind::DeliveryTimeout(_) | ErrorKind::UnknownTopic => true,
            ErrorKind::Authentication(_)
            | ErrorKind::Closed
            | ErrorKind::UnknownPartition
            | ErrorKind::TooManyPartitions
            | ErrorKind::Spooled
            | ErrorKind::SpoolLost(_) => false,
            #[cfg(feature = "transactions")]
            ErrorKind::TransactionAborted => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ErrorKind::Authentication(error) => write!(f, "not authenticated: {error}")?,
            ErrorKind::Broker(code) => write!(f, "the broker refused it: {code}")?,
            ErrorKind::Closed => write!(f, "the producer was closed")?,
            ErrorKind::DeliveryTimeout(stage) => {
                write!(f, "not acknowledged within delivery.timeout.ms, while {stage}")?;
            }
            ErrorKind::UnknownTopic => write!(f, "the topic does not exist")?,
            ErrorKind::UnknownPartition => write!(f, "the topic has no such partition")?,
            ErrorKind::Spooled => {
                write!(f, "not acknowledged yet, and kept in the spool: the next producer there sends it")?;
            }
            ErrorKind::SpoolLost(why) => write!(f, "the spool has lost it: {why}")?,
            #[cfg(feature = "transactions")]
            ErrorKind::TransactionAborted => write!(f, "its transaction is aborted, or none is open")?,
            ErrorKind::TooManyPartitions => {
                write!(f, "the topic has more partitions than partitions.known.max leaves room for")?;
            }
        }
        write!(f, "; sent {} times", self.attempts)?;
        let again = matches!((self.kind, self.last_cause),
            (ErrorKind::Authentication(kind), Some(Cause::Disconnected(Disconnect::Authentication(cause)))) if kind == cause);
        if let Some(cause) = self.last_cause.filter(|_| !again) {
            write!(f, "; before that: {cause}")?;
        }
        match self.persisted {
            Persisted::No => write!(f, "; it is not in the log"),
            Persisted::Possibly => write!(f, "; it may be in the log"),
        }
    }
}

impl core::error::Error for Failure {}
