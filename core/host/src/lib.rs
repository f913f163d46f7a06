//! What felice's front-ends share on a machine with `std`: settings, clocks, memory on the heap, the handles' outcomes,
//! callbacks, and the carrying between the two planes of `felice-core`, and the I/O on a thread of its own.
//!
//! ```text
//!  front-end's send ─► Shared::poll_send ─► [lock: Accumulator, table of deliveries, queue for memory]
//!  front-end's driver ─► Engine (owns the Sender) ─► Action: connect, disconnect, transmit
//!                          │ outcome of a batch
//!                          ├─► Cell ─► the handles of its records
//!                          └─► Dispatcher ─► callbacks, on a thread of their own
//! ```
//!
//! A driver is a [`Network`], which holds the engine, and what waits for its sockets: [`IoThread`], or felice-smol's future.
//!
//! A front-end adds how its users wait: everything that waits here is polled with a
//! [`Context`](std::task::Context), so threads and tasks wait in the same queues.

#[cfg(feature = "aws-msk-iam")]
mod aws;
mod bandwidth;
mod callback;
mod cell;
mod checksum;
mod clock;
mod compression;
mod config;
mod delivery;
mod dispatcher;
mod engine;
mod epochs;
mod error;
mod fork;
mod io_thread;
mod link;
mod lock;
#[cfg(feature = "spool")]
mod mark;
mod memory_queue;
mod metrics;
mod network;
mod observers;
#[cfg(feature = "oidc")]
mod oidc;
mod proxy;
mod race;
mod resolve;
mod send;
mod shared;
mod socket_options;
#[cfg_attr(not(feature = "spool"), path = "spool/absent.rs")]
mod spool;
mod storage;
pub mod surface;
#[cfg_attr(not(feature = "__tls"), path = "tls/absent.rs")]
mod tls;
mod token;
#[cfg(feature = "transactions")]
mod transaction;
mod transport;
mod wait;
mod waiters;
mod warning;
mod wire;

#[cfg(feature = "aws-msk-iam")]
pub use aws::AwsCredentials;
pub use callback::{Callback, in_callback};
pub use checksum::{crc32c, seed};
pub use clock::Clock;
pub use compression::{Codecs, Wanted};
pub use config::{
    Builder, ConfigError, DnsLookup, SecurityProtocol, Server, Settings, Start, StartWithDriver,
};
pub use delivery::Delivery;
pub use engine::{Action, Engine, start};
pub use error::{BuildError, CloseError, FlushError, PartitionsError, ProduceError, SendError};
pub use io_thread::IoThread;
pub use metrics::{
    Histogram, Metrics, NodeMetrics, Prometheus, RecordCounters, RequestCounters, SpoolMetrics, TopicMetrics,
};
pub use network::Network;
pub use send::Sending;
pub use shared::Shared;
pub use socket_options::SocketOptions;
#[cfg(feature = "spool")]
pub use spool::{Files as SpoolFiles, file_name as spool_file_name};
pub use storage::{Heap, HeapBlock};
pub use token::{BearerToken, TokenError};
#[cfg(feature = "transactions")]
pub use transaction::{Transacting, TransactionError};
pub use transport::{Readiness, Socket};
pub use wait::{CALLBACK_GRACE, Closing, Flushing, Partitions};
pub use warning::Warning;

/// Where a record was stored. The topic's name is shared, so it is cheap to clone.
pub type RecordMetadata = felice_core::record::RecordMetadata<std::sync::Arc<str>>;
