//! What whoever counts may look at: the request that is about to leave, and those that have no answer yet.
//!
//! The sender counts nothing itself. A host asks around each write and each read; a device that does not ask has none of
//! this in its program. Looking changes nothing.

use super::Sender;
use super::connection::{Connection, Outgoing};
use crate::batch::Batch;
use crate::id::{BatchId, ConnectionId, TopicPartition};
use crate::index::NONE;
use crate::memory::Storage;
use crate::time::Instant;

/// A batch of a Produce request that is about to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departing {
    /// The batch.
    pub batch: BatchId,
    /// Where it goes.
    pub partition: TopicPartition,
    /// How many records: fewer than the batch has, where it is sent in parts.
    pub records: u32,
    /// Bytes on the wire, header included.
    pub bytes: u32,
    /// When its first record was accepted.
    pub created: Instant,
}

/// A request without its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Kafka's number of the request: 0 is Produce, 3 is Metadata.
    pub api_key: i16,
    /// What tells it from the others of its connection.
    pub correlation_id: i32,
    /// When it was begun.
    pub sent: Instant,
}

impl<S: Storage> Sender<S> {
    /// The request that is being written to a connection, if the socket has taken none of its bytes yet: the batches in it,
    /// which are none for all but Produce.
    pub fn departing(&self, connection: ConnectionId) -> Option<impl Iterator<Item = Departing>> {
        let mut slot = match self.watched(connection)?.outgoing {
            Outgoing::Small { written: 0, .. } => NONE,
            Outgoing::Produce(cursor) if !cursor.begun => cursor.first,
            _ => return None,
        };
        Some(core::iter::from_fn(move || {
            let entry = (slot != NONE).then(|| self.batches.get(slot))?;
            slot = entry.request_next;
            let batch = entry.batch.as_ref()?;
            let Batch { id, partition, created, .. } = *batch;
            let (records, bytes) = (batch.whole().count, batch.bytes());
            Some(Departing { batch: id, partition, records, bytes, created })
        }))
    }

    /// The requests of a connection that have no answer yet, the oldest first. Without `acks` Produce is never among them.
    pub fn asked(&self, connection: ConnectionId) -> impl Iterator<Item = Asked> {
        let requests = self.watched(connection).into_iter().flat_map(|connection| connection.requests.iter());
        requests.map(|request| Asked {
            api_key: request.api.number(),
            correlation_id: request.correlation_id,
            sent: request.sent,
        })
    }

    /// Until when the broker holds the client back (KIP-219).
    #[must_use]
    pub fn throttled_until(&self, connection: ConnectionId) -> Option<Instant> {
        self.watched(connection)?.throttled_until
    }

    /// Kafka's id of the broker at a connection's end; negative for a bootstrap server that no answer has named yet. `None`
    /// for a connection that is gone.
    #[must_use]
    pub fn node_id(&self, connection: ConnectionId) -> Option<i32> {
        self.watched(connection)?;
        Some(self.cluster.brokers()[usize::from(connection.slot)].node_id)
    }

    fn watched(&self, connection: ConnectionId) -> Option<&Connection> {
        self.is_current(connection).then(|| self.connection(connection.slot))
    }
}
