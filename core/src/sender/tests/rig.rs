//! A sender with brokers made of test code: what it writes is taken apart, what they answer is put together by hand.
//!
//! The brokers speak Produce 7, Metadata 7 and InitProducerId 0: plain fields, no tags. The other versions are the
//! wire room's tests.

use super::super::{Sender, SenderTables};
use super::answers;
use crate::batch::append::{Place, append};
use crate::batch::{Batch, Records};
use crate::cluster::{BrokerSlot, TopicSlot};
use crate::compression::tests::Runs;
use crate::config::SenderConfig;
use crate::error::{Disconnect, Failure, ProtocolError};
use crate::event::{Ack, Completed, Event, Numbering, Numbers, ProducerState};
use crate::id::{BatchId, ConnectionId, TopicId, TopicPartition};
use crate::memory::{OpenChain, Pool};
use crate::record::{Placement, Record, record_bytes};
use crate::sender::{InFlightSlot, SenderPartitionSlot};
use crate::test_storage::{BoxBlock, Boxes, table};
use crate::time::{Instant, Timestamp};
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, vec};

pub(super) const TOPIC: TopicId = TopicId(0);
pub(super) const BLOCKS: usize = 64;

/// A request as a broker sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) api: i16,
    pub(super) version: i16,
    pub(super) correlation_id: i32,
    pub(super) body: Vec<u8>,
}

/// A batch in a Produce request: its partition, and its bytes.
pub(super) type Sent = (i32, Vec<u8>);

pub(super) struct Rig {
    pub(super) sender: Sender<Boxes>,
    pub(super) now: Instant,
    pub(super) connections: BTreeMap<u16, ConnectionId>,
    /// Connections that were asked for and not answered by the test.
    pub(super) connecting: VecDeque<ConnectionId>,
    /// Connections that need a token.
    pub(super) tokens: VecDeque<ConnectionId>,
    written: BTreeMap<u16, Vec<u8>>,
    /// Bytes that a socket takes at once; 0 is a socket that is never writable.
    pub(super) write_limit: BTreeMap<u16, usize>,
    /// Bytes that are read at once.
    pub(super) read_limit: usize,
    pub(super) completed: Vec<Completed>,
    pub(super) recycled: Vec<BatchId>,
    /// Numberings that were told.
    pub(super) numberings: Vec<Numbering>,
    /// What leaders remember of producers.
    pub(super) producers: Vec<(i32, i64, ProducerState)>,
    pub(super) ready: Vec<TopicPartition>,
    /// What was told of transactions.
    #[cfg(feature = "transactions")]
    pub(super) ended: Vec<Result<(), crate::error::TransactionError>>,
    /// What was told of brokers.
    pub(super) available: BTreeMap<u16, bool>,
    pub(super) trace: Vec<String>,
    next_slot: usize,
    given: u32,
    back: u32,
}

impl Rig {
    pub(super) fn new(config: SenderConfig) -> Self {
        let tables = SenderTables {
            brokers: table(6, || BrokerSlot::EMPTY),
            topics: table(4, || TopicSlot::EMPTY),
            names: table(256, || 0),
            leaders: table(16, || 0),
            partitions: table(8, || SenderPartitionSlot::EMPTY),
            partition_index: table(16, || 0),
            batches: table(BLOCKS, || InFlightSlot::EMPTY),
            heads: table(512, || 0),
            codec: Runs,
        };
        let mut sender = Sender::new(config, "rig", tables);
        assert!(sender.add_bootstrap("one", 9092));
        sender.demand(true);
        let mut rig = Self {
            sender,
            now: Instant::from_micros(1_000_000),
            connections: BTreeMap::new(),
            connecting: VecDeque::new(),
            tokens: VecDeque::new(),
            written: BTreeMap::new(),
            write_limit: BTreeMap::new(),
            read_limit: usize::MAX,
            completed: Vec::new(),
            recycled: Vec::new(),
            numberings: Vec::new(),
            producers: Vec::new(),
            ready: Vec::new(),
            #[cfg(feature = "transactions")]
            ended: Vec::new(),
            available: BTreeMap::new(),
            trace: Vec::new(),
            next_slot: 0,
            given: 0,
            back: 0,
        };
        rig.sender.add_block(BoxBlock::new(8)).expect("the first spare block");
        assert!(rig.sender.add_topic(rig.now, TOPIC, "t"));
        rig
    }

    /// Up to a known topic with `partitions` partitions, all led by broker 1 in slot 0, and a producer id.
    pub(super) fn started(config: SenderConfig, partitions: i32) -> Self {
        let mut rig = Self::new(config);
        rig.turn();
        rig.connect();
        rig.shake_hands(0);
        let leaders: Vec<i32> = vec![1; partitions as usize];
        let request = rig.request(0, 3);
        rig.answer(0, &request, &answers::metadata(&[(1, "one", 9092)], &leaders));
        if config.idempotence {
            let request = rig.request(0, 22);
            rig.answer(0, &request, &answers::producer_id(7, 0));
        }
        rig
    }

    /// With a connection that follows on a lost one: nothing is asked before the broker's versions are known.
    pub(super) fn once_lost() -> Self {
        let mut rig = Self::new(SenderConfig::default());
        rig.turn();
        rig.connect();
        rig.break_connection(0);
        rig.advance(Duration::from_secs(1));
        rig.connect();
        rig
    }

    pub(super) fn shake_hands(&mut self, slot: u16) {
        let request = self.request(slot, 18);
        self.answer(slot, &request, &answers::api_versions());
    }

    /// The next connection that was asked for is made.
    pub(super) fn connect(&mut self) -> u16 {
        let id = self.connecting.pop_front().expect("a connection was asked for");
        self.connections.insert(id.slot, id);
        self.written.insert(id.slot, Vec::new());
        self.sender.handle_connected(self.now, id);
        self.turn();
        id.slot
    }

    pub(super) fn break_connection(&mut self, slot: u16) {
        let id = self.connections.remove(&slot).expect("connected");
        self.trace.push(format!("{slot} broken"));
        self.sender.handle_disconnected(self.now, id, Disconnect::Closed);
        self.turn();
    }

    pub(super) fn advance(&mut self, duration: Duration) {
        self.now = self.now + duration;
        self.sender.handle_timeout(self.now);
        self.turn();
    }

    /// Everything that the machine asks for is done, until it asks for nothing.
    pub(super) fn turn(&mut self) {
        while let Some(event) = self.sender.poll_event() {
            match event {
                Event::Connect(id) => {
                    self.trace.push(format!("connect {:?}", self.sender.address(id)));
                    self.connecting.push_back(id);
                }
                Event::Disconnect(id) => {
                    self.trace.push(format!("disconnect {}", id.slot));
                    self.connections.remove(&id.slot);
                    self.connecting.retain(|waiting| *waiting != id);
                }
                Event::Transmit(id) => self.write(id),
                Event::Token(id) => self.tokens.push_back(id),
                Event::Ready(partition) => self.ready.push(partition),
                Event::Topic(topic) => self.trace.push(format!("topic {:?}", self.sender.topic_view(topic))),
                Event::Broker { broker, available } => {
                    self.trace.push(format!("broker {} {available}", broker.0));
                    self.available.insert(broker.0, available);
                }
                Event::CompressionRefused { topic, compression } => {
                    self.trace.push(format!("topic {} plain, not {compression}", topic.0));
                }
                Event::Numbering(numbering) => self.numberings.push(numbering),
                Event::Producer { partition, producer_id, state } => {
                    self.producers.push((partition.partition, producer_id, state));
                }
                #[cfg(feature = "transactions")]
                Event::Transaction(ended) => self.ended.push(ended),
                Event::Completed(completed) => {
                    self.trace.push(format!("{completed:?}"));
                    self.completed.push(completed);
                }
                Event::Recycle { batch, blocks, .. } => {
                    assert!(blocks.blocks() > 0);
                    self.back += blocks.blocks();
                    self.recycled.push(batch);
                }
            }
        }
    }

    fn write(&mut self, id: ConnectionId) {
        let limit = *self.write_limit.get(&id.slot).unwrap_or(&usize::MAX);
        if limit == 0 {
            return;
        }
        loop {
            let Some(transmit) = self.sender.poll_transmit(self.now, id) else { return };
            let mut chunks: [&[u8]; 9] = [&[]; 9];
            let count = transmit.chunks(&mut chunks);
            assert!(count > 0, "a transmit has something to write");
            let all: Vec<u8> = chunks[..count].concat();
            let taken = all.len().min(limit);
            self.written.entry(id.slot).or_default().extend_from_slice(&all[..taken]);
            self.sender.handle_transmitted(self.now, id, taken);
        }
    }

    /// The next request on a connection.
    pub(super) fn next_request(&mut self, slot: u16) -> Option<Request> {
        let written = self.written.get_mut(&slot)?;
        let length = i32::from_be_bytes(written.get(..4)?.try_into().unwrap()) as usize;
        if written.len() < 4 + length {
            return None;
        }
        let frame: Vec<u8> = written.drain(..4 + length).skip(4).collect();
        let api = i16::from_be_bytes([frame[0], frame[1]]);
        let version = i16::from_be_bytes([frame[2], frame[3]]);
        let correlation_id = i32::from_be_bytes(frame[4..8].try_into().unwrap());
        self.trace.push(format!("{slot} <- api {api} {:?}", &frame[8..]));
        Some(Request { api, version, correlation_id, body: frame[8..].to_vec() })
    }

    pub(super) fn request(&mut self, slot: u16, api: i16) -> Request {
        let request = self.next_request(slot).unwrap_or_else(|| panic!("a request with api key {api}"));
        assert_eq!(request.api, api);
        request
    }

    pub(super) fn try_answer(
        &mut self,
        slot: u16,
        request: &Request,
        body: &[u8],
    ) -> Result<(), ProtocolError> {
        let mut frame = (body.len() as i32 + 4).to_be_bytes().to_vec();
        frame.extend_from_slice(&request.correlation_id.to_be_bytes());
        frame.extend_from_slice(body);
        let id = self.connections[&slot];
        for piece in frame.chunks(self.read_limit.min(frame.len())) {
            let taken = self.sender.handle_received(self.now, id, piece);
            assert_eq!(taken?, piece.len());
            self.turn();
        }
        Ok(())
    }

    pub(super) fn answer(&mut self, slot: u16, request: &Request, body: &[u8]) {
        self.try_answer(slot, request, body).expect("a proper answer");
    }

    /// The batches of the next Produce request.
    pub(super) fn produced(&mut self, slot: u16) -> (Request, Vec<Sent>) {
        let request = self.request(slot, 0);
        let sent = answers::parse_produce(&request.body);
        (request, sent)
    }

    /// Offers a batch of `count` records to the sender, as the driver does. False when it must wait.
    pub(super) fn offer(&mut self, partition: i32, count: u32) -> bool {
        self.offer_apart(partition, count, false)
    }

    /// The same, of a batch before which records are missing, or not.
    pub(super) fn offer_apart(&mut self, partition: i32, count: u32, apart: bool) -> bool {
        let key = TopicPartition { topic: TOPIC, partition };
        if !self.sender.reserve(self.now, key) {
            self.turn();
            return false;
        }
        let batch = self.batch(key, count);
        if apart {
            self.sender.enqueue_apart(self.now, batch, None);
        } else {
            self.sender.enqueue(self.now, batch);
        }
        self.turn();
        true
    }

    /// Connected, with producer id 7 and a leader for the partition, by metadata that has no ids although the broker tells some.
    pub(super) fn before_topic_id(config: SenderConfig) -> Self {
        let mut rig = Self::new(config);
        rig.turn();
        rig.connect();
        let request = rig.request(0, 18);
        rig.answer(0, &request, &answers::api_versions_up_to(7, 12));
        let request = rig.request(0, 3);
        rig.answer(0, &request, &answers::metadata(&[(1, "one", 9092)], &[1]));
        let request = rig.request(0, 22);
        rig.answer(0, &request, &answers::producer_id(7, 0));
        rig
    }

    /// Hands over a batch of a former life, as the driver does. False when it must wait.
    pub(super) fn resume(&mut self, partition: i32, count: u32, numbers: Numbers) -> bool {
        let key = TopicPartition { topic: TOPIC, partition };
        if !self.sender.reserve(self.now, key) {
            self.turn();
            return false;
        }
        let batch = self.batch(key, count);
        self.sender.resume(self.now, batch, numbers);
        self.turn();
        true
    }

    pub(super) fn batch(&mut self, partition: TopicPartition, count: u32) -> Batch<BoxBlock> {
        let id = BatchId::new(self.next_slot % BLOCKS, 0);
        self.next_slot += 1;
        let mut chain = OpenChain::new();
        for index in 0..count {
            chain.push(BoxBlock::new(8));
            self.given += 1;
            assert_eq!(chain.write(&[self.next_slot as u8, index as u8, 0, 0, 0, 0, 0, 0]), 8);
        }
        Batch {
            id,
            partition,
            first: 0,
            count,
            base_timestamp: Timestamp::from_millis(1),
            max_timestamp: Timestamp::from_millis(1),
            created: self.now,
            records: Records::Open(chain),
            part: None,
            compressed: None,
        }
    }

    /// A batch of real records without key, each with a value.
    pub(super) fn records(&mut self, partition: TopicPartition, values: &[Vec<u8>]) -> Batch<BoxBlock> {
        let mut batch = self.batch(partition, 0);
        let mut pool = Pool::new();
        for _ in 0..values.len() * 32 {
            pool.add(BoxBlock::new(8)).expect("blocks of one length");
        }
        let mut chain = OpenChain::new();
        for (index, value) in values.iter().enumerate() {
            let record = Record {
                topic: TOPIC,
                placement: Placement::Any,
                key: None,
                value: Some(value),
                headers: &[],
                timestamp: Timestamp::from_millis(1 + index as i64),
            };
            let (payload, delta) = (record.payload_bytes(), index as i64);
            let bytes = record_bytes(payload, delta, index as i32) as u32;
            let place = Place { payload, timestamp_delta: delta, offset_delta: index as i32, bytes };
            append(&mut chain, &mut pool, &record, place);
        }
        self.given += chain.blocks();
        batch.count = values.len() as u32;
        batch.records = Records::Open(chain);
        batch
    }

    /// Blocks that went to the sender and blocks that came back, so far.
    pub(super) const fn blocks_given(&self) -> (u32, u32) {
        (self.given, self.back)
    }

    pub(super) const fn blocks_back(&self) -> u32 {
        self.back
    }

    /// Whether the next request on a connection is of this API.
    pub(super) fn next_is(&self, slot: u16, api: u8) -> bool {
        self.written.get(&slot).is_some_and(|written| written.get(4..6) == Some(&[0, api]))
    }

    /// The outcomes since the last call: the batch's slot, and its offset or failure.
    pub(super) fn outcomes(&mut self) -> Vec<(usize, Result<i64, Failure>)> {
        let offset = |result: Result<Ack, Failure>| result.map(|ack| ack.base_offset);
        self.completed.drain(..).map(|done| (done.batch.slot(), offset(done.result))).collect()
    }
}

/// Producer epoch and base sequence of a batch.
pub(super) fn numbering(batch: &[u8]) -> (i16, i32) {
    let epoch = i16::from_be_bytes(batch[51..53].try_into().unwrap());
    (epoch, i32::from_be_bytes(batch[53..57].try_into().unwrap()))
}

/// A word about a failure, for comparing.
pub(super) fn words(failure: &Failure) -> String {
    failure.to_string()
}

/// The values of records in wire format, whose deltas must count from 0.
pub(super) fn decode_values(mut bytes: &[u8], count: i32) -> Vec<Vec<u8>> {
    let varint = |bytes: &mut &[u8]| {
        let (mut zigzag, mut shift) = (0_u64, 0);
        loop {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            zigzag |= u64::from(byte & 0x7F) << shift;
            shift += 7;
            if byte < 0x80 {
                return (zigzag >> 1) as i64 ^ -((zigzag & 1) as i64);
            }
        }
    };
    let mut values = Vec::new();
    for index in 0..count {
        let length = varint(&mut bytes) as usize;
        let (mut record, rest) = bytes.split_at(length);
        bytes = rest;
        record = &record[1..];
        let _timestamp = varint(&mut record);
        assert_eq!(varint(&mut record), i64::from(index), "offset deltas count from 0");
        assert_eq!(varint(&mut record), -1);
        let length = varint(&mut record) as usize;
        assert_eq!(record[length..], [0], "no headers");
        values.push(record[..length].to_vec());
    }
    assert!(bytes.is_empty());
    values
}
