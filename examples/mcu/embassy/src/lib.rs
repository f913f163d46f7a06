//! A producer as a task of embassy, or of any other executor: felice's state machine over `embedded-io-async`.
//!
//! [`run`] is the task. Whoever has a record calls [`Mailbox::send`], at any place of the same executor. One socket is open
//! at a time, so this is for a cluster of one broker, or behind one address; a device with several has a slot for each.

#![no_std]
#![forbid(unsafe_code)]

mod net;

use core::cell::RefCell;
use core::future::pending;

use embassy_futures::select::{Either, Either4, select, select4};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_sync::signal::Signal;
use embassy_time::Timer;
use embedded_io_async::{Read, Write};
use felice_core::embedded::Static;
use felice_core::error::Disconnect;
use felice_core::event::Completed;
use felice_core::id::{ConnectionId, Ticket};
use felice_core::producer::{Producer, ProducerEvent, SendError};
use felice_core::record::ProducerRecord;
use felice_core::serializer::Serialize;
use felice_core::time::Instant;

pub use net::Tcp;

/// Bytes of a block.
const BLOCK_BYTES: usize = 256;
/// Bytes that are read or written at once.
const BUFFER_BYTES: usize = 512;

/// The longest name of a broker.
type Host = heapless::String<255>;

/// Where sockets come from.
pub trait Dial {
    /// A socket, closed when it is dropped.
    type Socket<'d>: Socket
    where
        Self: 'd;

    /// Connects. It is dropped where that takes longer than `socket.connection.setup.timeout.ms`.
    #[expect(async_fn_in_trait, reason = "one executor, one thread: nobody asks whether it is Send")]
    async fn connect(&mut self, host: &str, port: u16) -> Result<Self::Socket<'_>, Disconnect>;
}

/// A socket whose halves are used at the same time. A read or a write that is dropped has done nothing.
pub trait Socket {
    /// The halves.
    fn split(&mut self) -> (impl Read, impl Write);
}

/// The producer, and word for its task that there is something new.
pub struct Mailbox {
    producer: RefCell<Producer<Static<BLOCK_BYTES>>>,
    news: Signal<NoopRawMutex, ()>,
}

impl Mailbox {
    /// Around a producer that has a bootstrap server, and knows the time.
    pub const fn new(producer: Producer<Static<BLOCK_BYTES>>) -> Self {
        Self { producer: RefCell::new(producer), news: Signal::new() }
    }

    /// Takes a record, or refuses it: see [`Producer::send`].
    ///
    /// # Errors
    ///
    /// [`SendError`]: the record was not taken.
    pub fn send<K: Serialize, V: Serialize>(
        &self,
        record: &ProducerRecord<'_, K, V>,
    ) -> Result<Ticket, SendError> {
        let ticket = self.producer.borrow_mut().send(now(), record)?;
        self.news.signal(());
        Ok(ticket)
    }
}

/// embassy's clock is as monotonic as felice wants it.
fn now() -> Instant {
    Instant::from_micros(embassy_time::Instant::now().as_micros())
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => Timer::at(embassy_time::Instant::from_micros(due.as_micros())).await,
        None => pending().await,
    }
}

/// The task: never ends. `told` hears what became of records.
pub async fn run<D: Dial>(mailbox: &Mailbox, mut dial: D, mut told: impl FnMut(&Completed)) -> ! {
    loop {
        let Some((connection, host, port)) = next_connection(mailbox, &mut told) else {
            let due = mailbox.producer.borrow().poll_timeout();
            select(sleep_until(due), mailbox.news.wait()).await;
            continue;
        };
        let due = mailbox.producer.borrow().poll_timeout();
        let opened = select(dial.connect(&host, port), sleep_until(due)).await;
        let cause = match opened {
            Either::First(Ok(mut socket)) => {
                mailbox.producer.borrow_mut().handle_connected(now(), connection);
                carry(mailbox, connection, &mut socket, &mut told).await
            }
            Either::First(Err(cause)) => Some(cause),
            Either::Second(()) => Some(Disconnect::ConnectTimeout),
        };
        if let Some(cause) = cause {
            mailbox.producer.borrow_mut().handle_disconnected(now(), connection, cause);
        }
    }
}

/// What the producer asks for while there is no socket.
fn next_connection(
    mailbox: &Mailbox,
    told: &mut impl FnMut(&Completed),
) -> Option<(ConnectionId, Host, u16)> {
    let mut producer = mailbox.producer.borrow_mut();
    while let Some(event) = next_event(&mut producer) {
        match event {
            ProducerEvent::Connect(connection) => {
                if let Some(address) = producer.address(connection)
                    && let Ok(host) = Host::try_from(address.host)
                {
                    return Some((connection, host, address.port));
                }
            }
            ProducerEvent::Completed(completed) => told(&completed),
            _ => {}
        }
    }
    None
}

fn next_event(producer: &mut Producer<Static<BLOCK_BYTES>>) -> Option<ProducerEvent> {
    if producer.poll_timeout().is_some_and(|due| due <= now()) {
        producer.handle_timeout(now());
    }
    producer.poll_event(now())
}

/// Carries bytes both ways until the connection ends. Why it did; nothing where the producer knows already.
async fn carry(
    mailbox: &Mailbox,
    connection: ConnectionId,
    socket: &mut impl Socket,
    told: &mut impl FnMut(&Completed),
) -> Option<Disconnect> {
    let (mut reader, mut writer) = socket.split();
    let (mut input, mut output) = ([0; BUFFER_BYTES], [0; BUFFER_BYTES]);
    let mut transmit = false;
    loop {
        let mut bytes = 0;
        {
            let mut producer = mailbox.producer.borrow_mut();
            while let Some(event) = next_event(&mut producer) {
                match event {
                    ProducerEvent::Transmit(_) => transmit = true,
                    ProducerEvent::Disconnect(_) => return None,
                    ProducerEvent::Completed(completed) => told(&completed),
                    // Another broker: there is one socket only. It is asked for again.
                    ProducerEvent::Connect(other) => {
                        producer.handle_disconnected(now(), other, Disconnect::Refused);
                    }
                    _ => {}
                }
            }
            if transmit {
                bytes = gather(&mut producer, connection, &mut output);
                transmit = bytes > 0;
            }
        }
        let due = mailbox.producer.borrow().poll_timeout();
        let write = async { if bytes > 0 { writer.write(&output[..bytes]).await } else { pending().await } };
        match select4(reader.read(&mut input), write, sleep_until(due), mailbox.news.wait()).await {
            Either4::First(Ok(0)) => return Some(Disconnect::Closed),
            Either4::First(Ok(read)) => {
                let received =
                    mailbox.producer.borrow_mut().handle_received(now(), connection, &input[..read]);
                if let Err(error) = received {
                    return Some(Disconnect::Protocol(error));
                }
            }
            Either4::Second(Ok(written)) => {
                mailbox.producer.borrow_mut().handle_transmitted(now(), connection, written);
            }
            Either4::First(Err(_)) | Either4::Second(Err(_)) => return Some(Disconnect::Failed),
            Either4::Third(()) | Either4::Fourth(()) => {}
        }
    }
}

/// Copies what is to be written next into the buffer: the producer may not be held while somebody waits.
fn gather(
    producer: &mut Producer<Static<BLOCK_BYTES>>,
    connection: ConnectionId,
    buffer: &mut [u8; BUFFER_BYTES],
) -> usize {
    let Some(transmit) = producer.poll_transmit(now(), connection) else { return 0 };
    let mut pieces: [&[u8]; 8] = [&[]; 8];
    let count = transmit.chunks(&mut pieces);
    let mut filled = 0;
    for piece in &pieces[..count] {
        let bytes = piece.len().min(BUFFER_BYTES - filled);
        buffer[filled..filled + bytes].copy_from_slice(&piece[..bytes]);
        filled += bytes;
    }
    filled
}
