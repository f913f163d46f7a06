//! API keys and error codes, with the names that Kafka gives them.

use std::fmt;

/// Makes associated constants of a newtype over `i16`, and a `Debug` that prints their names.
macro_rules! names {
    ($type:ident { $($(#[$doc:meta])* $name:ident = $code:literal,)* }) => {
        impl $type {
            $($(#[$doc])* pub const $name: Self = Self($code);)*

            /// Kafka's name, where it is one of the constants.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self.name() {
                    Some(name) => write!(f, "{name}({})", self.0),
                    None => write!(f, "{}({})", stringify!($type), self.0),
                }
            }
        }
    };
}

/// Which API a request is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiKey(pub i16);

names!(ApiKey {
    /// Append batches.
    PRODUCE = 0,
    /// Read batches.
    FETCH = 1,
    /// First and last offsets, offsets by timestamp.
    LIST_OFFSETS = 2,
    /// Brokers, topics, partitions, leaders.
    METADATA = 3,
    /// Who coordinates a transaction, or a group.
    FIND_COORDINATOR = 10,
    /// Which SASL mechanism.
    SASL_HANDSHAKE = 17,
    /// Which versions a broker speaks.
    API_VERSIONS = 18,
    /// A producer id and epoch.
    INIT_PRODUCER_ID = 22,
    /// Partitions that belong to a transaction.
    ADD_PARTITIONS_TO_TXN = 24,
    /// A group whose offsets belong to a transaction.
    ADD_OFFSETS_TO_TXN = 25,
    /// The end of a transaction.
    END_TXN = 26,
    /// Offsets that belong to a transaction.
    TXN_OFFSET_COMMIT = 28,
    /// A SASL mechanism's message.
    SASL_AUTHENTICATE = 36,
    /// What partitions remember of producers.
    DESCRIBE_PRODUCERS = 61,
});

impl ApiKey {
    /// Whether this version has compact lengths and tagged fields.
    pub fn is_flexible(self, version: i16) -> bool {
        let first_flexible = match self {
            Self::PRODUCE | Self::METADATA => 9,
            Self::FETCH => 12,
            Self::LIST_OFFSETS => 6,
            Self::API_VERSIONS => 3,
            Self::INIT_PRODUCER_ID | Self::SASL_AUTHENTICATE => 2,
            Self::FIND_COORDINATOR
            | Self::ADD_PARTITIONS_TO_TXN
            | Self::ADD_OFFSETS_TO_TXN
            | Self::END_TXN
            | Self::TXN_OFFSET_COMMIT => 3,
            Self::DESCRIBE_PRODUCERS => 0,
            _ => i16::MAX,
        };
        version >= first_flexible
    }
}

/// An error code in a response; 0 is success.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ErrorCode(pub i16);

names!(ErrorCode {
    /// The broker does not have the SASL mechanism.
    UNSUPPORTED_SASL_MECHANISM = 33,
    /// This is not the time for SASL.
    ILLEGAL_SASL_STATE = 34,
    /// The credentials are refused.
    SASL_AUTHENTICATION_FAILED = 58,
    /// Something the broker has no name for; also garbage in a compressed batch.
    UNKNOWN_SERVER_ERROR = -1,
    /// Success.
    NONE = 0,
    /// The offset is outside of the log.
    OFFSET_OUT_OF_RANGE = 1,
    /// A wrong checksum.
    CORRUPT_MESSAGE = 2,
    /// No such topic or partition.
    UNKNOWN_TOPIC_OR_PARTITION = 3,
    /// The partition has no leader at present.
    LEADER_NOT_AVAILABLE = 5,
    /// Another broker leads the partition.
    NOT_LEADER_OR_FOLLOWER = 6,
    /// The replicas did not answer in time; the batch may be in the log.
    REQUEST_TIMED_OUT = 7,
    /// A replica is not there.
    REPLICA_NOT_AVAILABLE = 9,
    /// The batch is larger than `max.message.bytes`.
    MESSAGE_TOO_LARGE = 10,
    /// The broker lost the connection that it needed.
    NETWORK_EXCEPTION = 13,
    /// The coordinator is starting.
    COORDINATOR_LOAD_IN_PROGRESS = 14,
    /// There is no coordinator at present.
    COORDINATOR_NOT_AVAILABLE = 15,
    /// Another broker coordinates.
    NOT_COORDINATOR = 16,
    /// A topic name that is not allowed.
    INVALID_TOPIC_EXCEPTION = 17,
    /// The batch is larger than a segment.
    RECORD_LIST_TOO_LARGE = 18,
    /// Fewer replicas in sync than `min.insync.replicas`; not appended.
    NOT_ENOUGH_REPLICAS = 19,
    /// Fewer replicas in sync than `min.insync.replicas`, found out after the append.
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20,
    /// acks is none of 0, 1, -1.
    INVALID_REQUIRED_ACKS = 21,
    /// Not allowed to write to the topic.
    TOPIC_AUTHORIZATION_FAILED = 29,
    /// Not allowed on this cluster.
    CLUSTER_AUTHORIZATION_FAILED = 31,
    /// A timestamp outside of what the topic accepts.
    INVALID_TIMESTAMP = 32,
    /// A version that the broker does not speak.
    UNSUPPORTED_VERSION = 35,
    /// The request makes no sense.
    INVALID_REQUEST = 42,
    /// A policy of the broker refuses it.
    POLICY_VIOLATION = 44,
    /// A sequence that does not follow the last one.
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45,
    /// A sequence that was appended before.
    DUPLICATE_SEQUENCE_NUMBER = 46,
    /// An epoch that is over.
    INVALID_PRODUCER_EPOCH = 47,
    /// The transaction is in another state.
    INVALID_TXN_STATE = 48,
    /// The producer id is not the transactional id's.
    INVALID_PRODUCER_ID_MAPPING = 49,
    /// The last transaction is not over.
    CONCURRENT_TRANSACTIONS = 51,
    /// Not allowed to use the transactional id.
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53,
    /// Nothing of the request was done, since a part of it cannot be.
    OPERATION_NOT_ATTEMPTED = 55,
    /// The disk of the broker failed.
    KAFKA_STORAGE_ERROR = 56,
    /// The broker knows nothing of this producer id.
    UNKNOWN_PRODUCER_ID = 59,
    /// The fetch session does not exist.
    FETCH_SESSION_ID_NOT_FOUND = 70,
    /// The client's leader epoch is older than the broker's.
    FENCED_LEADER_EPOCH = 74,
    /// The client's leader epoch is newer than the broker's.
    UNKNOWN_LEADER_EPOCH = 75,
    /// The codec needs a newer version of the request.
    UNSUPPORTED_COMPRESSION_TYPE = 76,
    /// A batch or a record that breaks a rule.
    INVALID_RECORD = 87,
    /// Another producer has taken the transactional id over.
    PRODUCER_FENCED = 90,
    /// No topic has this id.
    UNKNOWN_TOPIC_ID = 100,
    /// The topic has another id than the request says.
    INCONSISTENT_TOPIC_ID = 103,
    /// The transaction can only be aborted.
    TRANSACTION_ABORTABLE = 120,
    /// The client must begin again at its bootstrap servers.
    REBOOTSTRAP_REQUIRED = 129,
});
