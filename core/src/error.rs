//! What went wrong, as values: Kafka's error codes and what each asks for, refusals of a record, failures of an
//! accepted one. Nothing here formats into memory of its own: messages are `Display`.

use core::fmt;

/// A Kafka error code, as it came over the wire. Codes that Kafka adds later keep their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub i16);

/// What an error code asks of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// No error.
    None,
    /// The same request may succeed later.
    Retriable,
    /// As `Retriable`, after the metadata is asked for again.
    RetriableRefresh,
    /// The batch is too large: it is split where it has several records.
    Split,
    /// The broker has the batch already; its offset is not known.
    Duplicate,
    /// The numbering does not fit what the broker remembers.
    Sequence,
    /// The producer id or its epoch is not accepted any more.
    ProducerId,
    /// The batch will never be accepted.
    Fatal,
}

macro_rules! error_codes {
    ($($code:literal $konst:ident $class:ident $persisted:ident $advice:literal;)*) => {
        impl ErrorCode {
            $(#[doc = concat!("Kafka's `", stringify!($konst), "`: ", $advice, ".")]
            pub const $konst: Self = Self($code);)*

            /// Kafka's name of the code; `None` for one that this version does not know.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some(stringify!($konst)),)*
                    _ => None,
                }
            }

            /// What the code means for the person who reads it.
            #[must_use]
            pub const fn advice(self) -> &'static str {
                match self.0 {
                    $($code => $advice,)*
                    _ => "an error that this version of felice does not know",
                }
            }

            /// What the code asks for in the answer to a Produce request. An unknown code is fatal for its batch.
            #[must_use]
            pub const fn class(self) -> Class {
                match self.0 {
                    $($code => Class::$class,)*
                    _ => Class::Fatal,
                }
            }

            /// Whether a batch that was answered with this code may be in the log.
            #[must_use]
            pub const fn persisted(self) -> Persisted {
                match self.0 {
                    $($code => Persisted::$persisted,)*
                    _ => Persisted::Possibly,
                }
            }
        }
    };
}

error_codes! {
    -1 UNKNOWN_SERVER_ERROR Fatal Possibly "the broker met an unexpected error; its log says which";
    0 NONE None No "no error";
    2 CORRUPT_MESSAGE Retriable No "the checksum did not fit: bytes were damaged on the way";
    3 UNKNOWN_TOPIC_OR_PARTITION RetriableRefresh No "the topic or partition does not exist, or not on that broker";
    5 LEADER_NOT_AVAILABLE RetriableRefresh No "the partition has no leader at the moment";
    6 NOT_LEADER_OR_FOLLOWER RetriableRefresh No "the partition has moved to another leader";
    7 REQUEST_TIMED_OUT Retriable Possibly "the followers did not confirm in time";
    8 BROKER_NOT_AVAILABLE RetriableRefresh No "the broker is not available";
    9 REPLICA_NOT_AVAILABLE RetriableRefresh No "a replica is not available";
    10 MESSAGE_TOO_LARGE Split No "larger than the topic's max.message.bytes";
    13 NETWORK_EXCEPTION RetriableRefresh Possibly "the connection broke before the answer came";
    14 COORDINATOR_LOAD_IN_PROGRESS Retriable No "the broker is still loading its state";
    15 COORDINATOR_NOT_AVAILABLE Retriable No "the coordinator is not available yet";
    16 NOT_COORDINATOR Retriable No "the coordinator has moved";
    17 INVALID_TOPIC_EXCEPTION Fatal No "the topic's name is not valid";
    18 RECORD_LIST_TOO_LARGE Fatal No "larger than the topic's segment.bytes";
    19 NOT_ENOUGH_REPLICAS Retriable No "fewer replicas in sync than min.insync.replicas";
    20 NOT_ENOUGH_REPLICAS_AFTER_APPEND Retriable Possibly "fewer replicas in sync than min.insync.replicas after the append";
    21 INVALID_REQUIRED_ACKS Fatal No "acks is none of 0, 1 and all";
    29 TOPIC_AUTHORIZATION_FAILED Fatal No "not allowed to write to the topic";
    31 CLUSTER_AUTHORIZATION_FAILED Fatal No "not allowed to write idempotently";
    32 INVALID_TIMESTAMP Fatal No "a timestamp is out of the topic's range: check this machine's clock";
    33 UNSUPPORTED_SASL_MECHANISM Fatal No "the broker does not offer the SASL mechanism";
    34 ILLEGAL_SASL_STATE Fatal No "the connection is not authenticated";
    35 UNSUPPORTED_VERSION Fatal No "the broker does not speak this version of the request";
    42 INVALID_REQUEST Fatal No "the broker finds the request malformed";
    43 UNSUPPORTED_FOR_MESSAGE_FORMAT Fatal No "the topic's message format is too old";
    44 POLICY_VIOLATION Fatal No "a policy of the broker refuses the request";
    45 OUT_OF_ORDER_SEQUENCE_NUMBER Sequence No "the sequence number is not the one that the broker expects";
    46 DUPLICATE_SEQUENCE_NUMBER Duplicate No "the broker has the batch already";
    47 INVALID_PRODUCER_EPOCH ProducerId No "a newer epoch of this producer id has written";
    48 INVALID_TXN_STATE Fatal No "the transaction is in another state";
    49 INVALID_PRODUCER_ID_MAPPING ProducerId No "the producer id is not the transaction's";
    51 CONCURRENT_TRANSACTIONS Retriable No "the previous transaction is still being completed";
    53 TRANSACTIONAL_ID_AUTHORIZATION_FAILED Fatal No "not allowed to use the transactional id";
    54 SECURITY_DISABLED Fatal No "security is disabled on the broker";
    56 KAFKA_STORAGE_ERROR RetriableRefresh Possibly "the broker's disk failed";
    58 SASL_AUTHENTICATION_FAILED Fatal No "the broker refused the credentials";
    59 UNKNOWN_PRODUCER_ID Sequence No "the broker has forgotten the producer id";
    72 LISTENER_NOT_FOUND RetriableRefresh No "the leader has no listener of this name";
    74 FENCED_LEADER_EPOCH RetriableRefresh No "the leader's epoch is older than the broker's";
    75 UNKNOWN_LEADER_EPOCH RetriableRefresh No "the leader's epoch is newer than the broker's";
    76 UNSUPPORTED_COMPRESSION_TYPE Fatal No "the broker does not know the codec";
    87 INVALID_RECORD Fatal No "the broker refuses a record, such as one without a key on a compacted topic";
    89 THROTTLING_QUOTA_EXCEEDED Retriable No "over the quota";
    90 PRODUCER_FENCED Fatal No "a newer producer with the same transactional id has taken over";
    100 UNKNOWN_TOPIC_ID RetriableRefresh No "the topic's id is unknown: it was deleted or recreated";
    103 INCONSISTENT_TOPIC_ID RetriableRefresh No "the topic's id is another one: it was recreated";
    120 TRANSACTION_ABORTABLE Fatal No "the transaction must be aborted";
    129 REBOOTSTRAP_REQUIRED RetriableRefresh No "the client must start again from its bootstrap servers";
}

impl ErrorCode {
    /// Whether the same record may be accepted when it is sent again.
    #[must_use]
    pub const fn is_retriable(self) -> bool {
        matches!(
            self.class(),
            Class::Retriable | Class::RetriableRefresh | Class::Sequence | Class::ProducerId
        )
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({}: {})", self.0, self.advice()),
            None => write!(f, "error {} ({})", self.0, self.advice()),
        }
    }
}

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

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disconnect {
    /// The name has no address, or the look-up failed.
    Unresolved,
    /// Nobody listens there, or the connection could not be made.
    Refused,
    /// The connection was not there within `socket.connection.setup.timeout.ms`.
    ConnectTimeout,
    /// Connected, but the first request, for the broker's versions, had no answer within
    /// `socket.connection.setup.timeout.ms`, or `request.timeout.ms` if that is shorter.
    HandshakeTimeout,
    /// The peer closed it.
    Closed,
    /// The socket failed.
    Failed,
    /// What came was no answer.
    Protocol(ProtocolError),
    /// No answer within `request.timeout.ms`.
    RequestTimeout,
    /// Idle for `connections.max.idle.ms`, or no longer needed.
    Idle,
}

impl fmt::Display for Disconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved => write!(f, "the broker's name could not be resolved"),
            Self::Refused => write!(f, "the broker refused the connection"),
            Self::ConnectTimeout => {
                write!(f, "no connection within socket.connection.setup.timeout.ms")
            }
            Self::HandshakeTimeout => {
                write!(f, "connected, but whoever listens there does not answer: is it a Kafka broker?")
            }
            Self::Closed => write!(f, "the broker closed the connection"),
            Self::Failed => write!(f, "the connection failed"),
            Self::Protocol(error) => write!(f, "the broker's answer was not understood: {error}"),
            Self::RequestTimeout => write!(f, "no answer within request.timeout.ms"),
            Self::Idle => write!(f, "the connection was idle"),
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
            ErrorKind::Closed | ErrorKind::UnknownPartition | ErrorKind::TooManyPartitions => false,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ErrorKind::Broker(code) => write!(f, "the broker refused it: {code}")?,
            ErrorKind::Closed => write!(f, "the producer was closed")?,
            ErrorKind::DeliveryTimeout(stage) => {
                write!(f, "not acknowledged within delivery.timeout.ms, while {stage}")?;
            }
            ErrorKind::UnknownTopic => write!(f, "the topic does not exist")?,
            ErrorKind::UnknownPartition => write!(f, "the topic has no such partition")?,
            ErrorKind::TooManyPartitions => {
                write!(f, "the topic has more partitions than partitions.known.max leaves room for")?;
            }
        }
        write!(f, "; sent {} times", self.attempts)?;
        if let Some(cause) = self.last_cause {
            write!(f, "; before that: {cause}")?;
        }
        match self.persisted {
            Persisted::No => write!(f, "; it is not in the log"),
            Persisted::Possibly => write!(f, "; it may be in the log"),
        }
    }
}

impl core::error::Error for Failure {}
