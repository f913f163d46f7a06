//! Kafka's error codes: their names, what each asks of a producer, and whether the batch may be stored all the same.

use core::fmt;

use super::Persisted;

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
    /// The broker does not know the codec: the batch is sent plain.
    Compression,
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
    45 OUT_OF_ORDER_SEQUENCE_NUMBER Sequence No "the broker expects another sequence number: it or its log has forgotten what this producer sent before, as after a crash, an unclean election, or when the topic was made anew";
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
    76 UNSUPPORTED_COMPRESSION_TYPE Compression No "the broker does not know the codec";
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
