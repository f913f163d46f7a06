//! What the engine counts: it looks at the sender around each write and each read, and tells the producer's numbers.

use felice_core::batch::Batch;
use felice_core::error::ProtocolError;
use felice_core::id::{BatchId, ConnectionId};
use felice_core::sender::{Asked, REQUESTS_MAX};
use felice_core::time::Instant;

use super::Engine;
use crate::storage::HeapBlock;

/// Kafka's numbers of requests.
const PRODUCE: i16 = 0;
const METADATA: i16 = 3;

/// The requests of a connection that have no answer.
type Requests = heapless::Vec<Asked, REQUESTS_MAX>;

impl Engine {
    /// The socket has taken bytes: with its first one a request counts as sent.
    pub(super) fn count_outgoing(&mut self, now: Instant, connection: ConnectionId, bytes: usize) {
        let (live, place) = (&self.shared.metrics, connection.slot);
        live.outgoing(place, bytes);
        let Some(departing) = self.sender.departing(connection) else { return };
        let mut records = 0;
        for batch in departing {
            records += u64::from(batch.records);
            live.sent(now, &batch, self.plain_bytes.take(batch.batch));
        }
        live.requested(place, records);
    }

    /// Requests without an answer, before anything is read.
    pub(super) fn asked(&self, connection: ConnectionId) -> Requests {
        self.sender.asked(connection).collect()
    }

    /// Bytes were read, and `before` was asked until then.
    pub(super) fn count_incoming(
        &self,
        now: Instant,
        connection: ConnectionId,
        bytes: usize,
        before: &Requests,
        read: &Result<(), ProtocolError>,
    ) {
        let (live, place) = (&self.shared.metrics, connection.slot);
        live.incoming(place, bytes);
        if let (Err(_), _) | (_, None) = (read, self.sender.node_id(connection)) {
            // What was asked is lost, and not answered.
            return;
        }
        let next = self.sender.asked(connection).next().map(|request| request.correlation_id);
        let throttle = self.sender.throttled_until(connection).unwrap_or(now).since(now);
        for request in before.iter().take_while(|request| Some(request.correlation_id) != next) {
            live.answered(place);
            match request.api_key {
                PRODUCE => live.produced(place, now.since(request.sent), throttle),
                METADATA => live.refreshed(now),
                _ => {}
            }
        }
        self.count_in_flight(connection);
    }

    /// Who is at a connection's end, and how much it owes.
    pub(super) fn count_in_flight(&self, connection: ConnectionId) {
        let (live, place) = (&self.shared.metrics, connection.slot);
        if let Some(node_id) = self.sender.node_id(connection) {
            live.owned(place, node_id);
            live.in_flight(place, self.sender.asked(connection).count());
        }
    }

    /// A socket was opened that is still wanted.
    pub(super) fn count_opened(&self, connection: ConnectionId) {
        if let Some(node_id) = self.sender.node_id(connection) {
            self.shared.metrics.owned(connection.slot, node_id);
            self.shared.metrics.opened(connection.slot);
        }
    }
}

/// How long each batch was before the sender compressed it, until it is sent for the first time.
pub(super) struct PlainBytes(Box<[u32]>);

impl PlainBytes {
    /// For so many batches.
    pub(super) fn new(batches: usize) -> Self {
        Self(crate::storage::table(batches, u32::default))
    }

    /// A batch is about to be given to the sender.
    pub(super) fn note(&mut self, batch: &Batch<HeapBlock>) {
        if let Some(place) = self.0.get_mut(batch.id.slot()) {
            *place = batch.bytes();
        }
    }

    /// `None` for one that was sent before.
    fn take(&mut self, batch: BatchId) -> Option<u32> {
        self.0.get_mut(batch.slot()).map(std::mem::take).filter(|bytes| *bytes > 0)
    }
}
