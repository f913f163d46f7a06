//! A broker of one node at the other end of a loop: it speaks the oldest versions that felice does, checks each batch
//! as a broker would, and keeps the records.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::string::String;
use std::vec::Vec;

use embedded_io::{ErrorKind, ErrorType, Read, ReadReady, Write, WriteReady};

use crate::checksum::crc32c;
use crate::compression::tests::expand;
use crate::embedded::Network;
use crate::error::Disconnect;
use crate::sender::Address;

/// A record as the broker stored it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) timestamp: i64,
}

/// The broker, and how its network misbehaves.
#[derive(Debug)]
pub(super) struct Broker {
    pub(super) partitions: i32,
    /// The address it advertises, and the one at which it is.
    pub(super) advertised: (&'static str, i32),
    pub(super) listens: (&'static str, u16),
    pub(super) refused: u32,
    /// The most bytes that a read or a write moves.
    pub(super) piece: usize,
    /// After each write the socket is not ready once.
    pub(super) choppy: bool,
    /// Sockets that are open.
    pub(super) open: u32,
    /// Polls that a new connection takes until it stands.
    pub(super) delay: u32,
    /// So many Produce requests are stored, and their answers lost with the connection.
    pub(super) answers_lost: u32,
    /// Answers nothing.
    pub(super) silent: bool,
    /// Its first answer never ends.
    pub(super) endless: bool,
    /// What a client must say first (PLAIN), and whether one has.
    pub(super) password: Option<&'static [u8]>,
    pub(super) accepted: bool,
    pub(super) produce_requests: u32,
    /// Batches that came compressed.
    pub(super) compressed: u32,
    pub(super) log: BTreeMap<(String, i32), Vec<Stored>>,
    sequences: BTreeMap<(String, i32), i32>,
}

impl Broker {
    pub(super) fn new() -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self {
            partitions: 1,
            advertised: ("broker", 9092),
            listens: ("broker", 9092),
            refused: 0,
            piece: usize::MAX,
            choppy: false,
            open: 0,
            delay: 0,
            answers_lost: 0,
            silent: false,
            endless: false,
            password: None,
            accepted: false,
            produce_requests: 0,
            compressed: 0,
            log: BTreeMap::new(),
            sequences: BTreeMap::new(),
        }))
    }

    /// The values of a partition, as text.
    pub(super) fn values(&self, topic: &str, partition: i32) -> Vec<String> {
        let records = self.log.get(&(topic.into(), partition)).map_or(&[][..], Vec::as_slice);
        records.iter().map(|record| String::from_utf8(record.value.clone().unwrap()).unwrap()).collect()
    }

    /// The answer to a request, or `None` where the connection breaks instead.
    fn answer(&mut self, request: &[u8]) -> Option<Vec<u8>> {
        let mut input = Input(request);
        let (api, version, correlation) = (input.i16(), input.i16(), input.i32());
        input.text();
        let mut out = Vec::new();
        out.extend(correlation.to_be_bytes());
        match (api, version) {
            (17, 1) => out.extend(b"\0\0\0\0\0\x01\0\x05PLAIN"),
            (36, 0) => {
                let length = input.i32() as usize;
                self.accepted = self.password == Some(input.take(length));
                let error: i16 = if self.accepted { 0 } else { 58 };
                out.extend(error.to_be_bytes());
                out.extend([0xff, 0xff, 0, 0, 0, 0]);
            }
            (18, 3..) => out.extend(API_VERSIONS),
            _ if self.password.is_some() && !self.accepted => return None,
            (3, 7) => self.metadata(&mut input, &mut out),
            (22, 0 | 1) => out.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 77, 0, 0]),
            (0, 7) => self.produce(&mut input, &mut out)?,
            other => panic!("a request that was not offered: {other:?}"),
        }
        let mut frame = (out.len() as i32).to_be_bytes().to_vec();
        frame.extend(out);
        Some(frame)
    }

    fn metadata(&self, input: &mut Input<'_>, out: &mut Vec<u8>) {
        let topics: Vec<String> = (0..input.i32()).map(|_| input.text().unwrap()).collect();
        let (host, port) = self.advertised;
        out.extend([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 5]);
        put_text(out, host);
        out.extend(port.to_be_bytes());
        out.extend([0xff, 0xff, 0xff, 0xff, 0, 0, 0, 5]);
        out.extend((topics.len() as i32).to_be_bytes());
        for topic in &topics {
            out.extend([0, 0]);
            put_text(out, topic);
            out.push(0);
            out.extend(self.partitions.to_be_bytes());
            for partition in 0..self.partitions {
                out.extend([0, 0]);
                out.extend(partition.to_be_bytes());
                out.extend([0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            }
        }
    }

    fn produce(&mut self, input: &mut Input<'_>, out: &mut Vec<u8>) -> Option<()> {
        self.produce_requests += 1;
        assert_eq!((input.text(), input.i16()), (None, -1), "no transaction, acks=all");
        input.i32();
        let topics = input.i32();
        out.extend(topics.to_be_bytes());
        for _ in 0..topics {
            let topic = input.text().unwrap();
            put_text(out, &topic);
            let partitions = input.i32();
            out.extend(partitions.to_be_bytes());
            for _ in 0..partitions {
                let partition = input.i32();
                let bytes = input.i32() as usize;
                let offset = self.store((topic.clone(), partition), input.take(bytes));
                out.extend(partition.to_be_bytes());
                out.extend([0, 0]);
                out.extend(offset.to_be_bytes());
                out.extend([0xff; 8]);
                out.extend([0; 8]);
            }
        }
        out.extend([0; 4]);
        assert!(input.0.is_empty(), "{} bytes behind the request", input.0.len());
        let lost = self.answers_lost > 0;
        self.answers_lost -= u32::from(lost);
        (!lost).then_some(())
    }

    /// Stores a batch once, and returns the offset of its first record.
    fn store(&mut self, partition: (String, i32), batch: &[u8]) -> i64 {
        let log = self.log.entry(partition.clone()).or_default();
        let mut input = Input(batch);
        let plain = if batch[22] & 7 == 0 { batch[61..].to_vec() } else { expand(&batch[61..]) };
        self.compressed += u32::from(batch[22] & 7 != 0);
        assert_eq!((input.take(8), input.i32() as usize), (&[0; 8][..], batch.len() - 12));
        input.take(5);
        assert_eq!(input.i32() as u32, crc32c(0, &batch[21..]), "the checksum");
        input.take(6);
        let base_timestamp = input.i64();
        input.take(8 + 8 + 2);
        let (sequence, count) = (input.i32(), input.i32());
        let expected = self.sequences.entry(partition).or_default();
        if sequence < *expected {
            return i64::from(sequence);
        }
        assert_eq!(sequence, *expected, "the sequence");
        *expected += count;
        let offset = log.len() as i64;
        let mut input = Input(&plain);
        for index in 0..count {
            input.varint();
            input.take(1);
            let timestamp = base_timestamp + input.varint();
            assert_eq!(input.varint(), i64::from(index));
            let (key, value) = (input.nullable(), input.nullable());
            assert_eq!(input.varint(), 0, "no headers");
            log.push(Stored { key, value, timestamp });
        }
        offset
    }
}

/// ApiVersions v3: Produce to 7, Metadata to 7, ApiVersions to 3, InitProducerId to 1, SaslHandshake 1, SaslAuthenticate 0.
const API_VERSIONS: [u8; 50] = [
    0, 0, 7, 0, 0, 0, 3, 0, 7, 0, 0, 3, 0, 0, 0, 7, 0, 0, 18, 0, 0, 0, 3, 0, 0, 22, 0, 0, 0, 1, 0, 0, 17, 0,
    0, 0, 1, 0, 0, 36, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as i16).to_be_bytes());
    out.extend(text.as_bytes());
}

struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, bytes: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(bytes);
        self.0 = rest;
        taken
    }

    fn i16(&mut self) -> i16 {
        i16::from_be_bytes(self.take(2).try_into().unwrap())
    }

    fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.take(4).try_into().unwrap())
    }

    fn i64(&mut self) -> i64 {
        i64::from_be_bytes(self.take(8).try_into().unwrap())
    }

    fn text(&mut self) -> Option<String> {
        let bytes = usize::try_from(self.i16()).ok()?;
        Some(String::from_utf8(self.take(bytes).to_vec()).unwrap())
    }

    fn varint(&mut self) -> i64 {
        let mut value = 0_u64;
        for shift in (0..).step_by(7) {
            let byte = self.take(1)[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
    }

    fn nullable(&mut self) -> Option<Vec<u8>> {
        let bytes = usize::try_from(self.varint()).ok()?;
        Some(self.take(bytes).to_vec())
    }
}

/// The network: every connection ends at the broker.
pub(super) struct Loop(pub(super) Rc<RefCell<Broker>>);

impl Network for Loop {
    type Stream = Stream;

    fn connect(&mut self, address: Address<'_>) -> Result<Stream, Disconnect> {
        let mut broker = self.0.borrow_mut();
        if (address.host, address.port) != broker.listens {
            return Err(Disconnect::Unresolved);
        }
        if broker.refused > 0 {
            broker.refused -= 1;
            return Err(Disconnect::Refused);
        }
        let delay = broker.delay;
        broker.open += 1;
        Ok(Stream {
            broker: self.0.clone(),
            delay,
            sent: Vec::new(),
            answers: VecDeque::new(),
            broken: false,
            full: false,
        })
    }
}

pub(super) struct Stream {
    broker: Rc<RefCell<Broker>>,
    delay: u32,
    sent: Vec<u8>,
    answers: VecDeque<u8>,
    broken: bool,
    /// Takes no more for now.
    full: bool,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.broker.borrow_mut().open -= 1;
    }
}

impl ErrorType for Stream {
    type Error = ErrorKind;
}

impl WriteReady for Stream {
    fn write_ready(&mut self) -> Result<bool, ErrorKind> {
        self.delay = self.delay.saturating_sub(1);
        Ok(self.delay == 0 && !core::mem::take(&mut self.full))
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, ErrorKind> {
        if self.broken {
            return Err(ErrorKind::BrokenPipe);
        }
        assert!(self.delay == 0 && !self.full && !bytes.is_empty(), "written to before it was ready");
        let mut broker = self.broker.borrow_mut();
        self.full = broker.choppy;
        let count = bytes.len().min(broker.piece);
        self.sent.extend(&bytes[..count]);
        while let Some((length, rest)) = self.sent.split_first_chunk::<4>() {
            let length = u32::from_be_bytes(*length) as usize;
            let Some(request) = rest.get(..length) else { break };
            match broker.answer(request) {
                Some(answer) if !broker.silent => self.answers.extend(answer),
                Some(_) => {}
                None => self.broken = true,
            }
            self.sent.drain(..4 + length);
        }
        Ok(count)
    }

    fn flush(&mut self) -> Result<(), ErrorKind> {
        panic!("flush may block");
    }
}

impl ReadReady for Stream {
    fn read_ready(&mut self) -> Result<bool, ErrorKind> {
        let endless = self.broker.borrow().endless;
        Ok(self.broken || endless || !self.answers.is_empty())
    }
}

impl Read for Stream {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize, ErrorKind> {
        let broker = self.broker.borrow();
        if broker.endless {
            // The answer to the request with the id 0 begins, of 2^31-1 bytes.
            bytes.fill(0);
            if self.answers.is_empty() {
                bytes[..4].copy_from_slice(&i32::MAX.to_be_bytes());
            }
            self.answers.push_back(0);
            return Ok(bytes.len());
        }
        let count = bytes.len().min(broker.piece).min(self.answers.len());
        for (byte, answer) in bytes.iter_mut().zip(self.answers.drain(..count)) {
            *byte = answer;
        }
        Ok(count)
    }
}
