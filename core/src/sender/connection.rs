//! One connection: its state, what is being written, which requests are in flight, what is being read.
//!
//! A connection knows bytes and requests, not batches: who is in a Produce request is the room `produce`'s business.

use super::authentication::AuthenticateAnswer;
use super::producers::ProducersAnswer;
use super::receive::{IdAnswer, ProduceAnswer};
#[cfg(feature = "transactions")]
use super::transaction::{CoordinatorAnswer, TransactionAnswer};
use crate::config::IN_FLIGHT_MAX;
use crate::error::{Disconnect, ErrorCode};
use crate::index::NONE;
use crate::time::Instant;
use crate::wire::{ApiKey, Decoder, Versions};

/// Room for every request but Produce: a Metadata request for one topic with the longest name fits.
pub(crate) const REQUEST_BYTES: usize = 400;

/// The most requests that a connection has without an answer: Produce, and one each of what keeps it going.
pub const REQUESTS_MAX: usize = IN_FLIGHT_MAX + if cfg!(feature = "transactions") { 5 } else { 4 };

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No socket.
    Idle,
    /// The driver was told to open a socket.
    Connecting,
    /// Connected, the broker's versions are not known yet. What can be asked without them may be in flight already.
    Handshake,
    /// SASL has the connection for itself. The last answers to what was sent before may still come.
    Authenticating,
    Ready,
}

/// A request without its answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) correlation_id: i32,
    pub(crate) api: ApiKey,
    pub(crate) version: i16,
    /// When the first byte was handed to the socket, or was about to be.
    pub(crate) sent: Instant,
    /// Produce: the first batch, and how many have no answer yet. DescribeProducers: the question's place.
    pub(crate) first: u32,
    pub(crate) unanswered: u32,
}

/// What is being written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outgoing {
    Nothing,
    /// A request that lies in one piece in a buffer.
    Small {
        buffer: Buffer,
        bytes: u16,
        written: u16,
    },
    /// A Produce request, piece by piece from its batches' blocks.
    Produce(ProduceCursor),
}

/// Where a small request lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Buffer {
    /// In the connection.
    Own,
    /// With what SASL keeps: it may be longer, and is a secret.
    Sasl,
    /// With the transaction: it may be longer, and there is one at a time.
    #[cfg(feature = "transactions")]
    Transaction,
}

/// How far a Produce request has been written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProduceCursor {
    pub(crate) correlation_id: i32,
    pub(crate) version: i16,
    pub(crate) topics: u32,
    /// The frame's length without its own four bytes.
    pub(crate) frame_bytes: u32,
    /// The section that is being written: the head, a batch, the tail.
    pub(crate) section: Section,
    /// Bytes of the section that have been written.
    pub(crate) written: u32,
    /// With acks=0 there is no answer: the batches are done when they are written.
    pub(crate) first: u32,
    /// Whether any byte was written.
    pub(crate) begun: bool,
}

/// A part of a Produce request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Head,
    Batch(u32),
    Tail,
}

/// An answer that is being read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) decoder: Decoder,
    pub(crate) found: Found,
}

/// Which answer it is, and what of it counts only when more has come.
#[derive(Debug)]
pub(crate) enum Found {
    ApiVersions(ErrorCode),
    Metadata,
    InitProducerId(IdAnswer),
    SaslHandshake(ErrorCode),
    SaslAuthenticate(AuthenticateAnswer),
    DescribeProducers(ProducersAnswer),
    #[cfg(feature = "transactions")]
    FindCoordinator(CoordinatorAnswer),
    #[cfg(feature = "transactions")]
    Transaction(TransactionAnswer),
    Produce(ProduceAnswer),
}

/// A frame's length and the correlation id.
pub(crate) const PREFIX_BYTES: usize = 8;

/// The connection to a broker; without a socket most of the time on a quiet gateway.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) generation: u16,
    pub(crate) state: State,
    /// Since when it is in this state; for a ready one, when it was last used.
    pub(crate) since: Instant,
    /// Somebody waits for it: it is connected again after the backoff.
    pub(crate) wanted: bool,
    pub(crate) failures: u32,
    pub(crate) retry_at: Instant,
    pub(crate) last_cause: Option<Disconnect>,
    pub(crate) versions: Versions,
    /// The broker did not know the newest ApiVersions request.
    pub(crate) fallback: bool,
    pub(crate) next_correlation_id: i32,
    pub(crate) outgoing: Outgoing,
    pub(crate) buffer: [u8; REQUEST_BYTES],
    pub(crate) requests: heapless::Deque<Request, REQUESTS_MAX>,
    /// The broker holds the client back (KIP-219): it reads nothing until then, so nothing is sent.
    pub(crate) throttled_until: Option<Instant>,
    /// Whoever is at its end may not be the broker that it was meant for: it is made anew once no batch is in flight.
    pub(crate) misdirected: bool,
    /// Produce requests in flight, the one being written included.
    pub(crate) produce_in_flight: u8,
    /// What stands before an answer, as far as it has come.
    pub(crate) prefix: heapless::Vec<u8, PREFIX_BYTES>,
    pub(crate) answer: Option<Answer>,
    /// Partitions that have a batch to send here, and the bytes of those batches.
    pub(crate) sendable_first: u32,
    pub(crate) sendable_last: u32,
    pub(crate) sendable_bytes: u32,
    /// Events that are due.
    pub(crate) tell_connect: bool,
    pub(crate) tell_disconnect: Option<u16>,
    pub(crate) tell_transmit: bool,
    /// What the accumulator was told of the broker.
    pub(crate) told_available: bool,
    /// The driver was told, and has not asked yet what there is to write.
    pub(crate) told_transmit: bool,
}

impl Connection {
    pub(crate) const EMPTY: Self = Self {
        generation: 0,
        state: State::Idle,
        since: Instant::ZERO,
        wanted: false,
        failures: 0,
        retry_at: Instant::ZERO,
        last_cause: None,
        versions: Versions::new(),
        fallback: false,
        next_correlation_id: 0,
        outgoing: Outgoing::Nothing,
        buffer: [0; REQUEST_BYTES],
        requests: heapless::Deque::new(),
        throttled_until: None,
        misdirected: false,
        produce_in_flight: 0,
        prefix: heapless::Vec::new(),
        answer: None,
        sendable_first: NONE,
        sendable_last: NONE,
        sendable_bytes: 0,
        tell_connect: false,
        tell_disconnect: None,
        tell_transmit: false,
        told_available: false,
        told_transmit: false,
    };

    pub(crate) const fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    pub(crate) const fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready)
    }

    /// Whether it is being made.
    pub(crate) const fn is_under_way(&self) -> bool {
        matches!(self.state, State::Connecting | State::Handshake)
    }

    /// Whether a request of this kind waits for its answer.
    pub(crate) fn has_asked(&self, api: ApiKey) -> bool {
        self.requests.iter().any(|request| request.api == api)
    }

    /// Whether a request may be begun: the one before is written, the ring has room for it, and the broker reads.
    pub(crate) fn can_begin(&self) -> bool {
        matches!(self.outgoing, Outgoing::Nothing)
            && !self.requests.is_full()
            && self.throttled_until.is_none()
    }

    /// Whether the request has not left completely.
    pub(crate) fn is_writing(&self, correlation_id: i32) -> bool {
        match self.outgoing {
            Outgoing::Nothing => false,
            Outgoing::Small { .. } => {
                self.requests.back().is_some_and(|request| request.correlation_id == correlation_id)
            }
            // With acks=0 it is not among the requests: nobody answers it.
            Outgoing::Produce(cursor) => cursor.correlation_id == correlation_id,
        }
    }

    /// The id of the next request.
    pub(crate) const fn take_correlation_id(&mut self) -> i32 {
        let id = self.next_correlation_id;
        self.next_correlation_id = if id == i32::MAX { 0 } else { id + 1 };
        id
    }

    /// Puts an encoded request of `bytes` bytes, which is in the buffer, on its way.
    pub(crate) fn begin_small(&mut self, request: Request, buffer: Buffer, bytes: usize) {
        self.outgoing = Outgoing::Small { buffer, bytes: bytes as u16, written: 0 };
        self.since = request.sent;
        // `can_begin` was asked before: the ring has room.
        let _ = self.requests.push_back(request);
    }

    /// It leads to another broker from now on, of which nothing is known.
    pub(crate) fn forget_failures(&mut self) {
        self.failures = 0;
        self.retry_at = Instant::ZERO;
        self.last_cause = None;
        self.wanted = false;
    }

    /// Whether a batch waits to be sent here.
    pub(crate) const fn has_sendable(&self) -> bool {
        self.sendable_first != NONE
    }

    /// Whether something is asked, or being asked.
    pub(crate) fn is_busy(&self) -> bool {
        !self.requests.is_empty() || !matches!(self.outgoing, Outgoing::Nothing)
    }

    /// The socket is gone, or not wanted any more: everything about it is forgotten but its failures, and the requests
    /// without an answer, which the caller takes.
    pub(crate) fn reset(&mut self, now: Instant) {
        self.generation = self.generation.wrapping_add(1);
        self.state = State::Idle;
        self.since = now;
        self.fallback = false;
        self.versions = Versions::new();
        self.outgoing = Outgoing::Nothing;
        self.throttled_until = None;
        self.misdirected = false;
        self.produce_in_flight = 0;
        self.prefix.clear();
        self.answer = None;
        self.tell_connect = false;
        self.tell_transmit = false;
        self.told_transmit = false;
    }
}
