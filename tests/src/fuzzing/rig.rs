//! A producer on a virtual clock, a cluster that can answer it, and the count of what was promised. Who writes between
//! the two is the target.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use felice_core::accumulator::{self, AccumulatorTables, BatchSlot};
use felice_core::compression::Compression;
use felice_core::config::{AccumulatorConfig, Acks, SenderConfig};
use felice_core::error::{Disconnect, Failure};
use felice_core::event::Completed;
use felice_core::id::{ConnectionId, Ticket};
use felice_core::producer::{Producer, ProducerEvent, Scratches, SendError};
use felice_core::record::ProducerRecord;
use felice_core::sender::{self, InFlightSlot};
use felice_core::time::Instant;
use felice_core::{Accumulator, BrokerSlot, Sender, SenderTables, TopicSlot};
use felice_host::{Codecs, Wanted};

use super::input::Input;
use crate::cluster::{Cluster, ClusterConfig, Release, Reply, Session, SupportedVersions};
use crate::protocol::sasl::SaslAuthenticateResponse;
use crate::protocol::{ApiKey, decode_request, decode_response};
use crate::simulation::sasl::{PASSWORD, Proof, SaslPlan};
use crate::simulation::storage::{SimBlock, SimStorage, table};

pub(super) const BROKERS: i32 = 2;
const TOPICS_MAX: usize = 4;
const KNOWN_MAX: usize = 32;
const BROKERS_MAX: usize = 4;
const PARTITIONS_MAX: usize = 8;
/// The wall clock of the brokers at the beginning, in microseconds since 1970.
const EPOCH_US: u64 = 1_760_000_000_000_000;
/// More events than this at one moment are a busy loop.
const EVENTS_MAX: u32 = 20_000;

const RELEASES: [Release; 8] = [
    Release::V4_3,
    Release::V4_0,
    Release::V3_9,
    Release::V3_7,
    Release::V2_8,
    Release::V2_5,
    Release::V2_4,
    Release::V2_1,
];

/// A connection that is open.
pub(super) struct Link {
    connection: ConnectionId,
    broker_id: i32,
    /// What was written and is not a whole request.
    written: Vec<u8>,
    requests: VecDeque<Vec<u8>>,
    /// What the broker knows of the client.
    session: Session,
    /// The client has begun to say who it is.
    presented: bool,
    /// What shows that the broker knows the password, and what has come from it since the client asked.
    signature: Option<Vec<u8>>,
    heard: Vec<u8>,
}

impl Link {
    /// The broker's proper answer to a request. Of SCRAM the last one has the signature.
    fn note_answer(&mut self, request: &[u8], frame: &[u8]) {
        let Ok((header, _)) = decode_request(request) else { return };
        if header.api_key == ApiKey::SASL_AUTHENTICATE {
            let answer = decode_response(header.api_version, &frame[4..]);
            let (_, answer): (_, SaslAuthenticateResponse<'_>) = answer.expect("it was just encoded");
            self.signature = answer.auth_bytes.starts_with(b"v=").then(|| answer.auth_bytes.to_vec());
        }
    }

    fn has_heard_signature(&self) -> bool {
        self.signature.as_ref().is_some_and(|signature| contains(&self.heard, signature))
    }

    /// Nothing is asked of a broker that has not heard who asks, or could not prove what it has to prove; and no
    /// password is seen that is not to be seen.
    fn check_proof(&mut self, proof: Proof, request: &[u8]) {
        let api = ApiKey(i16::from_be_bytes([request[0], request[1]]));
        match api {
            ApiKey::API_VERSIONS => {}
            ApiKey::SASL_HANDSHAKE => {
                self.signature = None;
                self.heard.clear();
            }
            ApiKey::SASL_AUTHENTICATE => self.presented = true,
            _ => {
                assert!(self.presented, "{api:?} before anybody has said who asks");
                assert!(!proof.is_mutual() || self.has_heard_signature(), "{api:?} to an impostor");
            }
        }
        let seen = contains(request, PASSWORD.as_bytes());
        assert!(
            !seen || (proof, api) == (Proof::Plain, ApiKey::SASL_AUTHENTICATE),
            "{api:?} has the password"
        );
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|bytes| bytes == part)
}

/// See the [module](self).
pub(super) struct Rig {
    pub(super) producer: Producer<SimStorage>,
    pub(super) cluster: Cluster,
    pub(super) links: BTreeMap<u16, Link>,
    pub(super) connecting: Vec<ConnectionId>,
    /// Connections that a token was asked for, the oldest first. Some of them are gone.
    pub(super) tokens: VecDeque<ConnectionId>,
    /// How clients prove who they are, if they must.
    proof: Option<Proof>,
    /// Whether the settings keep the order of records: numbered, or one request at a time.
    pub(super) ordered: bool,
    /// Sockets take a few bytes at a time.
    pub(super) slow: bool,
    now: u64,
    blocks: u32,
    open: HashMap<Ticket, u64>,
    /// By the record's number: its partition, and its offset or failure.
    pub(super) outcomes: BTreeMap<u64, (i32, Result<i64, Failure>)>,
    pub(super) accepted: u64,
}

impl Rig {
    /// Settings, sizes and versions are the input's.
    pub(super) fn new(input: &mut Input<'_>) -> Self {
        let mut cluster = Cluster::new(ClusterConfig {
            brokers: BROKERS,
            auto_create_topics: false,
            leader_hints: !input.one_in(4),
            ..ClusterConfig::default()
        });
        let mut versions = SupportedVersions::of(input.pick(&RELEASES));
        for (api, least, most) in
            [(ApiKey::PRODUCE, 7, 13), (ApiKey::METADATA, 7, 13), (ApiKey::INIT_PRODUCER_ID, 0, 5)]
        {
            // One version of an API alone, whatever the release.
            let version = input.below(24);
            if version <= most - least {
                versions.set(api, 0, (least + version) as i16);
            }
        }
        cluster.set_versions(versions);
        for id in 1..=BROKERS {
            cluster.set_address(id, &format!("broker-{id}"), 9092);
        }
        let config = sender_config(input);
        let (producer, blocks) = producer(input, config);
        Self {
            producer,
            cluster,
            links: BTreeMap::new(),
            connecting: Vec::new(),
            tokens: VecDeque::new(),
            proof: None,
            ordered: config.idempotence || config.in_flight_max == 1,
            slow: false,
            now: 1_000,
            blocks,
            open: HashMap::new(),
            outcomes: BTreeMap::new(),
            accepted: 0,
        }
    }

    /// Nobody is served any more who does not prove who he is.
    pub(super) fn demand_proof(&mut self, proof: Proof, session_lifetime_ms: i64) {
        assert!(self.producer.set_sasl(proof.tables(BROKERS_MAX)));
        self.cluster.set_sasl(Some(SaslPlan { session_lifetime_ms }.config()));
        self.proof = Some(proof);
    }

    pub(super) fn now(&self) -> Instant {
        Instant::from_micros(self.now)
    }

    /// Sends a record, whose number is [`accepted`](Self::accepted) before.
    pub(super) fn send(
        &mut self,
        record: &ProducerRecord<'_, Option<&[u8]>, Option<&[u8]>>,
    ) -> Result<(), SendError> {
        let free = self.producer.free_blocks();
        let sent = self.producer.send(self.now(), record);
        match sent {
            Ok(ticket) => {
                let other = self.open.insert(ticket, self.accepted);
                assert_eq!(other, None, "two records with {ticket:?}");
                self.accepted += 1;
            }
            Err(error) => {
                assert_eq!(free, self.producer.free_blocks(), "{error} left something behind");
            }
        }
        self.turn();
        sent.map(|_| ())
    }

    /// The oldest attempt to connect has its result.
    pub(super) fn connect(&mut self, works: bool) {
        if self.connecting.is_empty() {
            return;
        }
        let connection = self.connecting.remove(0);
        if works {
            let host = self.producer.address(connection).map(|address| address.host.to_owned());
            let broker_id = host.and_then(|host| host.strip_prefix("broker-")?.parse().ok());
            let broker_id = broker_id.filter(|id| (1..=BROKERS).contains(id)).unwrap_or(1);
            let link = Link {
                connection,
                broker_id,
                written: Vec::new(),
                requests: VecDeque::new(),
                session: Session::default(),
                presented: false,
                signature: None,
                heard: Vec::new(),
            };
            self.links.insert(connection.slot, link);
            self.producer.handle_connected(self.now(), connection);
        } else {
            self.producer.handle_disconnected(self.now(), connection, Disconnect::Refused);
        }
        self.turn();
    }

    /// A connection breaks.
    pub(super) fn cut(&mut self, slot: u16) {
        if let Some(link) = self.links.remove(&slot) {
            self.producer.handle_disconnected(self.now(), link.connection, Disconnect::Closed);
        }
        self.turn();
    }

    /// The request that is the oldest, or stands `behind` it, without its length.
    pub(super) fn request(&self, slot: u16, behind: usize) -> Option<&[u8]> {
        self.links.get(&slot)?.requests.get(behind).map(Vec::as_slice)
    }

    /// A request's proper answer, with its length. The request is gone then.
    pub(super) fn answer(&mut self, slot: u16, behind: usize) -> Option<Vec<u8>> {
        let link = self.links.get_mut(&slot)?;
        let request = link.requests.remove(behind)?;
        let (now, session) = (EPOCH_US + self.now, &mut link.session);
        match self.cluster.handle_request_of(session, now, link.broker_id, &request) {
            Reply::Response { frame, .. } => {
                link.note_answer(&request, &frame);
                Some(frame)
            }
            Reply::Nothing | Reply::Stall => None,
            Reply::Close => {
                self.cut(slot);
                None
            }
        }
    }

    /// Bytes come, in pieces of `piece` bytes.
    pub(super) fn receive(&mut self, slot: u16, bytes: &[u8], piece: usize) {
        for piece in bytes.chunks(piece.max(1)) {
            let now = self.now();
            let Some(link) = self.links.get_mut(&slot) else { return };
            if self.proof.is_some() {
                link.heard.extend(piece);
            }
            let failed = self.producer.handle_received(now, link.connection, piece).is_err();
            self.turn();
            assert!(!failed || !self.links.contains_key(&slot), "a broken connection is closed");
        }
    }

    /// Time passes, and what is due is done.
    pub(super) fn advance(&mut self, micros: u64) {
        self.now += micros;
        for _ in 0..100 {
            if self.producer.poll_timeout().is_none_or(|due| due > self.now()) {
                return;
            }
            self.producer.handle_timeout(self.now());
            self.turn();
        }
        panic!("something is due for ever");
    }

    /// Time passes until something is due; false when nothing is.
    pub(super) fn advance_to_due(&mut self) -> bool {
        let Some(due) = self.producer.poll_timeout() else { return false };
        self.advance(due.as_micros().saturating_sub(self.now));
        true
    }

    /// Everything that can be done now.
    pub(super) fn turn(&mut self) {
        for slot in self.links.keys().copied().collect::<Vec<_>>() {
            self.write(slot);
        }
        let mut events = 0;
        while let Some(event) = self.producer.poll_event(self.now()) {
            events += 1;
            assert!(events < EVENTS_MAX, "a busy loop: {event:?}");
            match event {
                ProducerEvent::Connect(connection) => {
                    self.forget(connection.slot);
                    self.connecting.push(connection);
                }
                ProducerEvent::Disconnect(connection) => self.forget(connection.slot),
                ProducerEvent::Transmit(connection) => self.write(connection.slot),
                ProducerEvent::Token(connection) => {
                    assert_eq!(self.proof, Some(Proof::Token), "nobody asks for tokens");
                    self.tokens.push_back(connection);
                }
                ProducerEvent::CompressionRefused { .. } => {}
                ProducerEvent::Completed(completed) => self.complete(&completed),
                ProducerEvent::Reassigned(reassigned) => {
                    let number = self.open.remove(&reassigned.from).expect("what moves was accepted");
                    let other = self.open.insert(reassigned.to, number);
                    assert_eq!(other, None, "two records with {:?}", reassigned.to);
                }
            }
        }
    }

    fn forget(&mut self, slot: u16) {
        self.links.remove(&slot);
        self.connecting.retain(|connection| connection.slot != slot);
    }

    fn complete(&mut self, completed: &Completed) {
        for index in completed.first..completed.first + completed.count {
            let ticket = Ticket { batch: completed.batch, index };
            let number = self.open.remove(&ticket);
            let number = number.unwrap_or_else(|| panic!("an outcome of nobody, or its second: {ticket:?}"));
            let result = completed.outcome_of(ticket).expect("it is in this outcome");
            self.outcomes.insert(number, (completed.partition.partition, result));
        }
    }

    fn write(&mut self, slot: u16) {
        let now = self.now();
        let Some(link) = self.links.get_mut(&slot) else { return };
        while let Some(transmit) = self.producer.poll_transmit(now, link.connection) {
            let mut chunks: [&[u8]; 4] = [&[]; 4];
            let count = transmit.chunks(&mut chunks);
            let mut bytes = chunks[..count].concat();
            assert!(!bytes.is_empty(), "a transmit has something to write");
            if self.slow {
                bytes.truncate(7);
            }
            self.producer.handle_transmitted(now, link.connection, bytes.len());
            link.written.extend(bytes);
            if self.slow {
                break;
            }
        }
        while let Some((length, rest)) = link.written.split_first_chunk() {
            let length = u32::from_be_bytes(*length) as usize;
            assert!(length < 1 << 20, "no request is that long");
            if rest.len() < length {
                return;
            }
            let request = rest[..length].to_vec();
            link.written.drain(..4 + length);
            if let Some(proof) = self.proof {
                link.check_proof(proof, &request);
            }
            link.requests.push_back(request);
        }
    }

    /// Ends everything: each record has its outcome, each block is back, nothing is due.
    pub(super) fn finish(&mut self) {
        self.producer.close();
        self.turn();
        self.producer.abort(self.now());
        self.turn();
        assert!(self.producer.is_empty(), "{:?}", self.producer);
        assert_eq!(self.producer.free_blocks(), self.blocks, "a block is lost");
        assert!(self.open.is_empty(), "{} records have no outcome", self.open.len());
        assert_eq!(self.outcomes.len() as u64, self.accepted);
        assert!(self.links.is_empty() && self.connecting.is_empty(), "connections are left");
        assert_eq!(self.producer.poll_timeout(), None);
    }
}

/// A producer with little memory, and how many blocks that is.
fn producer(input: &mut Input<'_>, config: SenderConfig) -> (Producer<SimStorage>, u32) {
    let (block_bytes, blocks) = (input.pick(&[64, 100, 256, 1_024]), 4 + input.below(60));
    let batches = 2 + input.below(blocks);
    let mut accumulator = Accumulator::new(accumulator_config(input), accumulator_tables(batches));
    for _ in 0..blocks {
        assert!(accumulator.add_block(SimBlock::new(block_bytes)).is_ok());
    }
    let tables = SenderTables {
        brokers: table(BROKERS_MAX, || BrokerSlot::EMPTY),
        topics: table(TOPICS_MAX, || TopicSlot::EMPTY),
        names: table(TOPICS_MAX * 8, u8::default),
        leaders: table(KNOWN_MAX, u32::default),
        partitions: table(PARTITIONS_MAX, || sender::SenderPartitionSlot::EMPTY),
        partition_index: table(PARTITIONS_MAX * 2, u32::default),
        batches: table(batches, || InFlightSlot::EMPTY),
        heads: table(sender::HEADS_BYTES_MIN, u8::default),
        codec: Codecs::new(&Wanted::one(config.compression, REQUEST_BYTES_MAX)),
    };
    let mut sender = Sender::new(config, "fuzzed", tables);
    for _ in 0..(REQUEST_BYTES_MAX as usize).div_ceil(block_bytes) {
        assert!(sender.add_block(SimBlock::new(block_bytes)).is_ok());
    }
    let scratches = Scratches::new(table(1, u8::default), table(1, u8::default));
    let mut producer = Producer::new(accumulator, sender, scratches);
    producer.allow_unset_clock();
    for id in 1..=BROKERS {
        assert!(producer.add_bootstrap(&format!("broker-{id}"), 9092));
    }
    (producer, blocks as u32)
}

fn accumulator_tables(batches: usize) -> AccumulatorTables<SimStorage> {
    AccumulatorTables {
        topics: table(TOPICS_MAX, accumulator::TopicSlot::default),
        names: table(TOPICS_MAX * 8, u8::default),
        partitions: table(PARTITIONS_MAX, accumulator::PartitionSlot::default),
        index: table(PARTITIONS_MAX * 2, u32::default),
        batches: table(batches, BatchSlot::default),
        brokers: table(BROKERS_MAX, accumulator::BrokerSlot::default),
        leaders: table(KNOWN_MAX, u16::default),
    }
}

const REQUEST_BYTES_MAX: u32 = 4_000;
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(60);

fn accumulator_config(input: &mut Input<'_>) -> AccumulatorConfig {
    AccumulatorConfig {
        batch_bytes: input.pick(&[61, 300, 1_000, REQUEST_BYTES_MAX]),
        linger: Duration::from_millis(input.pick(&[0, 0, 5, 100])),
        request_bytes_max: REQUEST_BYTES_MAX,
        delivery_timeout: DELIVERY_TIMEOUT,
        ..AccumulatorConfig::default()
    }
}

fn sender_config(input: &mut Input<'_>) -> SenderConfig {
    let acks = input.pick(&[Acks::All, Acks::All, Acks::All, Acks::Leader, Acks::None]);
    let idempotence = acks == Acks::All && !input.one_in(4);
    let draw = input.byte();
    let (in_flight_max, compression) = (1 + draw % 5, Compression::ALL[usize::from(draw / 5 % 5)]);
    SenderConfig {
        acks,
        idempotence,
        in_flight_max,
        request_bytes_max: REQUEST_BYTES_MAX,
        delivery_timeout: DELIVERY_TIMEOUT,
        compression,
        ..SenderConfig::default()
    }
}
