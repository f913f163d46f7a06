//! A broker in memory: it takes whatever it is sent, and answers what it is asked in the oldest versions that the firmware has.
//!
//! It looks at nothing but the head of a request, so that what is counted is felice's work.

use core::cell::{Cell, RefCell};
use core::convert::Infallible;

use embedded_io::{ErrorType, Read, ReadReady, Write, WriteReady};
use felice_core::Address;
use felice_core::embedded::Network;
use felice_core::error::Disconnect;
use static_cell::ConstStaticCell;

/// A request's length, its API and version, its correlation id.
const HEAD_BYTES: usize = 12;

const PRODUCE: i16 = 0;
const METADATA: i16 = 3;
const API_VERSIONS: i16 = 18;

/// Behind the correlation id: no error; Produce 9, Metadata 11, InitProducerId 4; no throttling.
const VERSIONS_ANSWER: &[u8] = b"\0\0\x04\0\0\0\x09\0\x09\0\0\x03\0\x0b\0\x0b\0\0\x16\0\x04\0\x04\0\0\0\0\0\0";
/// Broker 1, `broker:9092`; topic `readings` with one partition, which it leads. Here and below the first byte is the
/// header's: no tagged fields.
const METADATA_ANSWER: &[u8] = b"\0\0\0\0\0\
    \x02\0\0\0\x01\x07broker\0\0\x23\x84\0\0\0\0\0\0\x01\
    \x02\0\0\x09readings0123456789abcdef\0\
    \x02\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\x02\0\0\0\x01\x02\0\0\0\x01\x01\0\
    \0\0\0\0\0\0";
/// Producer id 7, epoch 0.
const ID_ANSWER: &[u8] = b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x07\0\0\0";
/// Stored at offset 0: nobody compares.
const PRODUCE_ANSWER: &[u8] = b"\0\x02\x09readings\x02\0\0\0\0\0\0\
    \0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0";

/// What has come of the request that is being read, and the answers that are due.
struct Memory {
    head: [u8; HEAD_BYTES],
    have: usize,
    /// Bytes of the request that follow its head.
    rest: usize,
    answers: [u8; 512],
    begin: usize,
    end: usize,
}

/// The only broker.
pub struct Broker {
    memory: &'static RefCell<Memory>,
    answering: &'static Cell<bool>,
}

impl Broker {
    /// To be called once.
    pub fn new() -> Self {
        static MEMORY: ConstStaticCell<RefCell<Memory>> = ConstStaticCell::new(RefCell::new(Memory {
            head: [0; HEAD_BYTES],
            have: 0,
            rest: 0,
            answers: [0; 512],
            begin: 0,
            end: 0,
        }));
        static ANSWERING: ConstStaticCell<Cell<bool>> = ConstStaticCell::new(Cell::new(true));
        Self { memory: MEMORY.take(), answering: ANSWERING.take() }
    }

    /// Whether answers are given, or kept until later.
    pub fn answers(&self, given: bool) {
        self.answering.set(given);
    }
}

impl Network for Broker {
    type Stream = Self;

    fn connect(&mut self, _: Address<'_>) -> Result<Self, Disconnect> {
        Ok(Self { memory: self.memory, answering: self.answering })
    }
}

impl Memory {
    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.rest > 0 {
                let passed = self.rest.min(bytes.len());
                self.rest -= passed;
                bytes = &bytes[passed..];
                continue;
            }
            let missing = (HEAD_BYTES - self.have).min(bytes.len());
            self.head[self.have..][..missing].copy_from_slice(&bytes[..missing]);
            self.have += missing;
            bytes = &bytes[missing..];
            if self.have == HEAD_BYTES {
                self.have = 0;
                self.answer();
            }
        }
    }

    fn answer(&mut self) {
        let [a, b, c, d, e, f, _, _, correlation_id @ ..] = self.head;
        self.rest = u32::from_be_bytes([a, b, c, d]) as usize + 4 - HEAD_BYTES;
        let body = match i16::from_be_bytes([e, f]) {
            PRODUCE => PRODUCE_ANSWER,
            METADATA => METADATA_ANSWER,
            API_VERSIONS => VERSIONS_ANSWER,
            _ => ID_ANSWER,
        };
        self.put(&(4 + body.len() as u32).to_be_bytes());
        self.put(&correlation_id);
        self.put(body);
    }

    fn put(&mut self, bytes: &[u8]) {
        self.answers[self.end..][..bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }
}

impl ErrorType for Broker {
    type Error = Infallible;
}

impl WriteReady for Broker {
    fn write_ready(&mut self) -> Result<bool, Infallible> {
        Ok(true)
    }
}

impl Write for Broker {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.memory.borrow_mut().take(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

impl ReadReady for Broker {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        let memory = self.memory.borrow();
        Ok(self.answering.get() && memory.begin < memory.end)
    }
}

impl Read for Broker {
    fn read(&mut self, room: &mut [u8]) -> Result<usize, Infallible> {
        let memory = &mut *self.memory.borrow_mut();
        let bytes = room.len().min(memory.end - memory.begin);
        room[..bytes].copy_from_slice(&memory.answers[memory.begin..][..bytes]);
        memory.begin += bytes;
        if memory.begin == memory.end {
            (memory.begin, memory.end) = (0, 0);
        }
        Ok(bytes)
    }
}
