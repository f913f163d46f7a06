//! What the front-ends show beside their own types: a user of theirs names no other crate.

pub use felice_core::compression::Compression;
pub use felice_core::config::{Acks, Spread};
#[cfg(feature = "transactions")]
pub use felice_core::error::TransactionCause;
pub use felice_core::error::{
    AuthenticationError, Cause, Disconnect, ErrorCode, ErrorKind, Persisted, ProxyFailure, Stage,
};
#[cfg(feature = "transactions")]
pub use felice_core::event::{GroupMetadata, OffsetToCommit};
pub use felice_core::partitioner::{self, Partitioner};
pub use felice_core::record::{Header, ProducerRecord};
#[cfg(feature = "json")]
pub use felice_core::serializer::Json;
pub use felice_core::serializer::{Scratch, Serialize, SerializeError};
pub use felice_core::spool::Loss;
#[cfg(feature = "spool")]
pub use felice_core::spool::WhenFull;
pub use felice_core::time::Timestamp;

pub use crate::RecordMetadata;
#[cfg(feature = "aws-msk-iam")]
pub use crate::aws::AwsCredentials;
pub use crate::callback::Callback;
pub use crate::config::{ConfigError, DnsLookup, SecurityProtocol};
pub use crate::error::{BuildError, CloseError, FlushError, PartitionsError, ProduceError, SendError};
pub use crate::metrics::{
    Histogram, Metrics, NodeMetrics, Prometheus, RecordCounters, RequestCounters, SpoolMetrics, TopicMetrics,
};
#[cfg(feature = "spool")]
pub use crate::spool::SpoolMode;
pub use crate::token::{BearerToken, TokenError};
#[cfg(feature = "transactions")]
pub use crate::transaction::TransactionError;
pub use crate::warning::Warning;
