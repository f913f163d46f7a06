//! The loop that joins a producer with sockets, one step at a time.

use core::borrow::Borrow;
use core::fmt;

use embedded_io::{Error, ErrorKind, Read, ReadReady, Write, WriteReady};

use crate::compression::Compression;
use crate::error::Disconnect;
use crate::event::{Completed, Reassigned};
use crate::id::{ConnectionId, Ticket, TopicId};
use crate::memory::Storage;
use crate::producer::{Producer, ProducerEvent, SendError};
use crate::record::ProducerRecord;
use crate::sender::Address;
use crate::serializer::Serialize;
use crate::time::Instant;

/// The most sockets that a [`Driver`] has a place for.
pub const CONNECTIONS_MAX: usize = 8;

/// Bytes that are written or read at once. What a batch is made of is gathered here, so that a network without a
/// buffer of its own does not send a packet per piece.
const BUFFER_BYTES: usize = 536;

/// Rounds over all sockets before [`Driver::poll`] returns, so that a peer that never stops cannot keep it.
const ROUNDS_MAX: usize = 64;

/// Pieces of a request that are gathered at once.
const PIECES: usize = 8;

/// Where the device's connections come from.
pub trait Network {
    /// A connection. It is closed when it is dropped.
    ///
    /// It must not block: `read` is called only after `read_ready` said so, `write` only after `write_ready`. `flush`
    /// is never called: what was written must leave by itself.
    type Stream: Read + ReadReady + Write + WriteReady;

    /// Begins a connection to a host, which is a name or an address, as the user or a broker wrote it. The connection
    /// need not stand at the return: `write_ready` says no until it does, and fails when it never will.
    ///
    /// # Errors
    ///
    /// [`Disconnect::Unresolved`] for a name without an address, [`Disconnect::Refused`] for anything else.
    fn connect(&mut self, address: Address<'_>) -> Result<Self::Stream, Disconnect>;
}

/// From the address that a broker advertises to the one at which this device reaches it.
pub type AddressMap = fn(Address<'_>) -> Address<'_>;

/// What became of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Records have their outcome.
    Completed(Completed),
    /// A record has another ticket from now on.
    Reassigned(Reassigned),
    /// With OAUTHBEARER or AWS_MSK_IAM: a connection needs a token, which [`Producer::handle_token`] takes.
    Token(ConnectionId),
    /// A broker does not know how a topic's batches are compressed: they go out plain from now on. Comes once for each
    /// topic.
    CompressionRefused {
        /// Whose.
        topic: TopicId,
        /// What was refused.
        compression: Compression,
    },
}

/// A producer with its sockets.
///
/// A device calls [`poll`](Self::poll) in its main loop, whenever [`poll_timeout`](Self::poll_timeout) is due, its
/// network has something, or a record was sent. The producer must have been told the time before
/// ([`Producer::set_clock`]), or that there is none.
///
/// ```
/// use felice_core::embedded::{Driver, Network, Outcome, Static};
/// use felice_core::producer::SendError;
/// use felice_core::record::ProducerRecord;
/// use felice_core::time::Instant;
///
/// fn run<N: Network>(
///     mut driver: Driver<Static<256>, N>,
///     now: fn() -> Instant,
///     measure: fn() -> f32,
///     sleep_until_due_or_interrupted: fn(Option<Instant>),
/// ) -> Result<(), SendError> {
///     loop {
///         let celsius = measure();
///         driver.send(now(), ProducerRecord::new("readings", format_args!("{celsius:.1}")).key("sensor-7"))?;
///         while let Some(outcome) = driver.poll(now()) {
///             if let Outcome::Completed(completed) = outcome
///                 && let Err(failure) = completed.result
///             {
///                 // A lamp, or a counter: `failure` says what happened and whether a retry can help.
///             }
///         }
///         sleep_until_due_or_interrupted(driver.poll_timeout());
///     }
/// }
/// ```
pub struct Driver<S: Storage, N: Network> {
    producer: Producer<S>,
    network: N,
    address_map: AddressMap,
    sockets: [Option<Socket<N::Stream>>; CONNECTIONS_MAX],
    buffer: [u8; BUFFER_BYTES],
    /// The last poll ended with work left.
    cut_short: bool,
}

struct Socket<T> {
    connection: ConnectionId,
    stream: T,
    connected: bool,
    /// The producer has something to send.
    transmit: bool,
}

impl<S: Storage, N: Network> Driver<S, N> {
    /// Joins a producer with a network.
    #[must_use]
    pub fn new(producer: Producer<S>, network: N) -> Self {
        Self {
            producer,
            network,
            address_map: |address| address,
            sockets: [const { None }; CONNECTIONS_MAX],
            buffer: [0; BUFFER_BYTES],
            cut_short: false,
        }
    }

    /// Connects to another address than the one that the cluster advertises: for a device behind a NAT, whose brokers
    /// name themselves as their own network sees them. Bootstrap servers are mapped, too.
    #[must_use]
    pub fn with_address_map(mut self, map: AddressMap) -> Self {
        self.address_map = map;
        self
    }

    /// The producer: its clock, its partitioner, `flush`, `close`. Call [`poll`](Self::poll) afterwards.
    pub fn producer(&mut self) -> &mut Producer<S> {
        &mut self.producer
    }

    /// The network, for what else the device does with it.
    pub fn network(&mut self) -> &mut N {
        &mut self.network
    }

    /// Takes a record, or refuses it, at once: see [`Producer::send`]. Call [`poll`](Self::poll) afterwards.
    ///
    /// # Errors
    ///
    /// [`SendError`]: the record was not taken, and nothing of it is kept.
    pub fn send<'a, K: Serialize, V: Serialize>(
        &mut self,
        now: Instant,
        record: impl Borrow<ProducerRecord<'a, K, V>>,
    ) -> Result<Ticket, SendError> {
        self.producer.send(now, record)
    }

    /// Does all that can be done now without waiting. `Some` is news, and there may be more: call again. After `None`
    /// nothing is left to do before [`poll_timeout`](Self::poll_timeout) or word from the network.
    pub fn poll(&mut self, now: Instant) -> Option<Outcome> {
        if self.producer.poll_timeout().is_some_and(|due| due <= now) {
            self.producer.handle_timeout(now);
        }
        self.cut_short = false;
        for _ in 0..ROUNDS_MAX {
            while let Some(event) = self.producer.poll_event(now) {
                match event {
                    ProducerEvent::Connect(connection) => self.connect(now, connection),
                    ProducerEvent::Disconnect(connection) => self.forget(connection),
                    ProducerEvent::Transmit(connection) => self.transmit(now, connection),
                    ProducerEvent::Token(connection) => return Some(Outcome::Token(connection)),
                    ProducerEvent::Completed(completed) => return Some(Outcome::Completed(completed)),
                    ProducerEvent::Reassigned(reassigned) => return Some(Outcome::Reassigned(reassigned)),
                    ProducerEvent::CompressionRefused { topic, compression } => {
                        return Some(Outcome::CompressionRefused { topic, compression });
                    }
                }
            }
            if !self.exchange(now) {
                return None;
            }
        }
        self.cut_short = true;
        None
    }

    /// When [`poll`](Self::poll) is due at the latest; the network may have something before. `None`: only the network
    /// or another record can bring something new.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.cut_short { Some(Instant::ZERO) } else { self.producer.poll_timeout() }
    }

    fn connect(&mut self, now: Instant, connection: ConnectionId) {
        let Some(address) = self.producer.address(connection) else { return };
        let Some(place) = self.sockets.get_mut(usize::from(connection.slot)) else {
            self.producer.handle_disconnected(now, connection, Disconnect::Refused);
            return;
        };
        // A socket that still holds the place is of an earlier generation: it goes before the new one is opened.
        *place = None;
        match self.network.connect((self.address_map)(address)) {
            Ok(stream) => *place = Some(Socket { connection, stream, connected: false, transmit: false }),
            Err(cause) => self.producer.handle_disconnected(now, connection, cause),
        }
    }

    fn forget(&mut self, connection: ConnectionId) {
        if let Some(place) = self.sockets.get_mut(usize::from(connection.slot)) {
            place.take_if(|socket| socket.connection == connection);
        }
    }

    /// Writes at once, as far as the socket takes it; [`exchange`](Self::exchange) goes on.
    fn transmit(&mut self, now: Instant, connection: ConnectionId) {
        let Some(place) = self.sockets.get_mut(usize::from(connection.slot)) else { return };
        let Some(socket) = place else { return };
        socket.transmit = true;
        if let Err(cause) = socket.write(now, &mut self.producer, &mut self.buffer) {
            *place = None;
            self.producer.handle_disconnected(now, connection, cause);
        }
    }

    /// One write and one read for each socket that is ready. False when none was.
    fn exchange(&mut self, now: Instant) -> bool {
        let mut moved = false;
        for place in &mut self.sockets {
            let Some(socket) = place else { continue };
            let connection = socket.connection;
            match socket.step(now, &mut self.producer, &mut self.buffer) {
                Ok(some) => moved |= some,
                Err(cause) => {
                    *place = None;
                    self.producer.handle_disconnected(now, connection, cause);
                    moved = true;
                }
            }
        }
        moved
    }
}

impl<T: Read + ReadReady + Write + WriteReady> Socket<T> {
    /// Whether anything moved; an error ends the connection.
    fn step<S: Storage>(
        &mut self,
        now: Instant,
        producer: &mut Producer<S>,
        buffer: &mut [u8],
    ) -> Result<bool, Disconnect> {
        if !self.connected {
            if !self.stream.write_ready().map_err(|_| Disconnect::Refused)? {
                return Ok(false);
            }
            self.connected = true;
            producer.handle_connected(now, self.connection);
            return Ok(true);
        }
        let mut written = false;
        // To the end of what is to be sent, or of the socket's room: a round of all sockets for each piece costs more.
        while self.write(now, producer, buffer)? {
            written = true;
        }
        Ok(self.read(now, producer, buffer)? || written)
    }

    fn write<S: Storage>(
        &mut self,
        now: Instant,
        producer: &mut Producer<S>,
        buffer: &mut [u8],
    ) -> Result<bool, Disconnect> {
        if !self.transmit {
            return Ok(false);
        }
        let Some(transmit) = producer.poll_transmit(now, self.connection) else {
            self.transmit = false;
            return Ok(false);
        };
        if !self.stream.write_ready().map_err(|error| cause(error.kind()))? {
            return Ok(false);
        }
        let mut pieces: [&[u8]; PIECES] = [&[]; PIECES];
        let count = transmit.chunks(&mut pieces);
        let written = match pieces[..count].first() {
            Some(first) if first.len() >= buffer.len() => self.stream.write(first),
            _ => {
                let gathered = gather(&pieces[..count], buffer);
                self.stream.write(&buffer[..gathered])
            }
        };
        let written = written.map_err(|error| cause(error.kind()))?;
        producer.handle_transmitted(now, self.connection, written);
        Ok(written > 0)
    }

    fn read<S: Storage>(
        &mut self,
        now: Instant,
        producer: &mut Producer<S>,
        buffer: &mut [u8],
    ) -> Result<bool, Disconnect> {
        if !self.stream.read_ready().map_err(|error| cause(error.kind()))? {
            return Ok(false);
        }
        match self.stream.read(buffer).map_err(|error| cause(error.kind()))? {
            0 => Err(Disconnect::Closed),
            count => {
                producer
                    .handle_received(now, self.connection, &buffer[..count])
                    .map_err(Disconnect::Protocol)?;
                Ok(true)
            }
        }
    }
}

/// Copies as much of the pieces as fits and returns how much that was.
fn gather(pieces: &[&[u8]], buffer: &mut [u8]) -> usize {
    let mut filled = 0;
    for piece in pieces {
        let count = piece.len().min(buffer.len() - filled);
        buffer[filled..filled + count].copy_from_slice(&piece[..count]);
        filled += count;
    }
    filled
}

const fn cause(kind: ErrorKind) -> Disconnect {
    match kind {
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            Disconnect::Closed
        }
        _ => Disconnect::Failed,
    }
}

impl<S: Storage, N: Network> fmt::Debug for Driver<S, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = self.sockets.iter().flatten().filter(|socket| socket.connected).count();
        f.debug_struct("Driver")
            .field("producer", &self.producer)
            .field("open", &open)
            .finish_non_exhaustive()
    }
}
