//! A script's connection: sends requests, writes down the answers.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::normalise::{self, Seen};
use super::{Step, Target};
use crate::protocol::batch_builder::BatchBuilder;
use crate::protocol::init_producer_id::{InitProducerIdRequest, InitProducerIdResponse};
use crate::protocol::metadata::{MetadataPartition, MetadataRequest, MetadataResponse};
use crate::protocol::produce::{PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData};
use crate::protocol::{ApiKey, ErrorCode, Message, RequestHeader, Uuid, decode_response, encode_request};

/// How long an answer may take; one that does not come is an answer, too.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a broker is asked for what it will say sooner or later.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The Produce version of steps that are not about versions: by name, with everything else that the newest has.
pub(super) const PRODUCE: i16 = 12;

/// The Metadata version of such steps.
pub(super) const METADATA: i16 = 12;

/// A topic of a script.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: Uuid,
}

/// A script at work on one target.
pub struct Session<'a> {
    name: &'static str,
    target: &'a dyn Target,
    broker: i32,
    stream: TcpStream,
    correlation_id: i32,
    topics: usize,
    seen: Seen,
    steps: Vec<Step>,
}

impl<'a> Session<'a> {
    pub(super) fn new(name: &'static str, target: &'a dyn Target) -> Self {
        let broker = target.broker_ids()[0];
        let stream = connect(target, broker);
        Self {
            name,
            target,
            broker,
            stream,
            correlation_id: 0,
            topics: 0,
            seen: Seen::default(),
            steps: vec![],
        }
    }

    pub(super) fn finish(self) -> Vec<Step> {
        self.steps
    }

    /// A new topic, on all brokers.
    pub fn topic(&mut self, partitions: i32) -> Topic {
        self.topic_with(partitions, &[])
    }

    /// A new topic with settings, on all brokers.
    pub fn topic_with(&mut self, partitions: i32, configs: &[(&str, &str)]) -> Topic {
        let replication = self.target.broker_ids().len() as i16;
        self.replicated_topic(partitions, replication, configs)
    }

    /// A new topic, as soon as its partitions have leaders that work. The session is connected to that of partition 0.
    pub fn replicated_topic(&mut self, partitions: i32, replication: i16, configs: &[(&str, &str)]) -> Topic {
        self.topics += 1;
        let name = format!("{}-{}", self.name, self.topics);
        self.target.create_topic(&name, partitions, replication, configs);
        let topic = self.wait_for_topic(&name, partitions);
        self.seen.topic(topic.id);
        topic
    }

    /// Waits until the partitions of a topic have leaders that work, and connects to that of partition 0.
    pub fn wait_for_topic(&mut self, name: &str, partitions: i32) -> Topic {
        let topic = Topic { name: name.to_owned(), id: self.metadata_of(name, |_| true).0 };
        for partition in (0..partitions).rev() {
            self.wait_for_leader(&topic, partition);
        }
        topic
    }

    /// Waits until all brokers are in sync for partition 0 of a topic, and connects to its leader. Metadata says so a
    /// little before the leader counts them, so the leader is asked as well.
    pub fn wait_for_replicas(&mut self, topic: &Topic) {
        let brokers = self.target.broker_ids().len();
        self.metadata_of(&topic.name, |partition| partition.isr_nodes.len() == brokers);
        self.wait_for_leader(topic, 0);
    }

    /// Waits until a partition has a leader that works, and connects to it. Metadata says so a little before it is true,
    /// so the leader is asked: a batch with a wrong CRC leaves no trace, and is refused as such only by a leader that has
    /// enough replicas.
    fn wait_for_leader(&mut self, topic: &Topic, partition: i32) {
        let wrong = batch().wrong_crc().build();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let partitions =
                self.metadata_of(&topic.name, |partition| partition.error_code == ErrorCode::NONE).1;
            let state = partitions.iter().find(|it| it.partition_index == partition).expect("it was created");
            self.connect_to(state.leader_id);
            let frame = self.ask(PRODUCE, &of_batches(topic, -1, &[(partition, Some(&*wrong))]));
            let frame = frame.expect("the broker answers");
            let (_, response) = decode_response::<ProduceResponse<'_>>(PRODUCE, &frame).expect("Produce");
            if response.responses[0].partitions[0].error_code == ErrorCode::CORRUPT_MESSAGE {
                return;
            }
            assert!(Instant::now() < deadline, "{partitions:?} and {response:?}");
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// A topic's id and partitions, as soon as it is there and each partition is as wished.
    fn metadata_of(
        &mut self,
        name: &str,
        wish: impl Fn(&MetadataPartition) -> bool,
    ) -> (Uuid, Vec<MetadataPartition>) {
        let deadline = Instant::now() + PATIENCE;
        let request =
            MetadataRequest { allow_auto_topic_creation: false, ..MetadataRequest::of_topics([name]) };
        loop {
            let frame = self.ask(METADATA, &request).expect("the broker answers");
            let (_, response) = decode_response::<MetadataResponse<'_>>(METADATA, &frame).expect("Metadata");
            let topic = &response.topics[0];
            if topic.error_code == ErrorCode::NONE && topic.partitions.iter().all(&wish) {
                let mut partitions = topic.partitions.clone();
                partitions.sort_by_key(|partition| partition.partition_index);
                return (topic.topic_id, partitions);
            }
            assert!(Instant::now() < deadline, "{response:?}");
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Restarts the one broker, and waits until it leads all partitions of a topic.
    pub fn restart(&mut self, topic: &Topic, partitions: i32) {
        let broker = self.target.broker_ids()[0];
        self.target.stop(broker);
        self.start(broker);
        self.wait_for_topic(&topic.name, partitions);
    }

    /// Stops a broker, and waits until the one that the session is connected to knows it. If they are the same, the
    /// session connects to another.
    pub fn stop(&mut self, broker: i32) {
        self.target.stop(broker);
        if broker == self.broker {
            self.connect_to(self.another_broker());
        }
        let deadline = Instant::now() + PATIENCE;
        while self.live_brokers().contains(&broker) {
            assert!(
                Instant::now() < deadline,
                "broker {broker} is down, and broker {} does not know",
                self.broker
            );
            thread::sleep(POLL_INTERVAL);
        }
    }

    fn live_brokers(&mut self) -> Vec<i32> {
        let frame = self.ask(METADATA, &MetadataRequest::of_topics([])).expect("the broker answers");
        let (_, response) = decode_response::<MetadataResponse<'_>>(METADATA, &frame).expect("Metadata");
        response.brokers.iter().map(|broker| broker.node_id).collect()
    }

    /// Starts a broker again, and connects to it.
    pub fn start(&mut self, broker: i32) {
        self.target.start(broker);
        self.connect_to(broker);
    }

    /// Lets a broker stand still while `run` does what it does.
    pub fn while_paused(&mut self, broker: i32, run: impl FnOnce(&mut Self)) {
        self.target.pause(broker);
        run(self);
        self.target.resume(broker);
    }

    /// Goes on with another broker.
    pub fn connect_to(&mut self, broker: i32) {
        self.stream = connect(self.target, broker);
        self.broker = broker;
    }

    /// The broker that the session is connected to.
    pub fn broker(&self) -> i32 {
        self.broker
    }

    /// The brokers that hold partition 0 of a topic, in the order of preference.
    pub fn replicas(&mut self, topic: &Topic) -> Vec<i32> {
        self.metadata_of(&topic.name, |_| true).1.swap_remove(0).replica_nodes
    }

    /// A broker that is not the one the session is connected to.
    pub fn another_broker(&self) -> i32 {
        let broker_ids = self.target.broker_ids();
        broker_ids.into_iter().find(|broker| *broker != self.broker).expect("there are several")
    }

    /// One batch for partition 0 of a topic, acks=all.
    pub fn produce(&mut self, label: &str, topic: &Topic, batch: &[u8]) {
        self.produce_to(label, topic, 0, batch);
    }

    /// One batch for a partition, acks=all.
    pub fn produce_to(&mut self, label: &str, topic: &Topic, partition: i32, batch: &[u8]) {
        let request = of_batches(topic, -1, &[(partition, Some(batch))]);
        self.exchange(label, PRODUCE, &request);
    }

    /// A producer id and epoch, asked for as felice does.
    pub fn producer(&mut self, label: &str) -> (i64, i16) {
        let response = self.init_producer_id(label, 5, &InitProducerIdRequest::default());
        (response.producer_id, response.producer_epoch)
    }

    /// InitProducerId. A young broker's "not yet" (14) is waited out: how often it says that is chance.
    pub fn init_producer_id(
        &mut self,
        label: &str,
        version: i16,
        request: &InitProducerIdRequest<'_>,
    ) -> InitProducerIdResponse {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let Some(frame) = self.ask(version, request) else {
                panic!("{label}: the connection was closed")
            };
            let (_, response) =
                decode_response::<InitProducerIdResponse>(version, &frame).expect("InitProducerId");
            if response.error_code != ErrorCode::COORDINATOR_LOAD_IN_PROGRESS {
                self.note_frame(label, ApiKey::INIT_PRODUCER_ID, version, &frame);
                return response;
            }
            assert!(Instant::now() < deadline, "{label}: {response:?}");
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Sends a request and writes down the answer, in the version of the request.
    pub fn exchange<'q, Q: Message<'q>>(&mut self, label: &str, version: i16, request: &Q) {
        self.exchange_as(label, version, request, version);
    }

    /// As [`exchange`](Self::exchange), with the answer in another version.
    pub fn exchange_as<'q, Q: Message<'q>>(&mut self, label: &str, version: i16, request: &Q, answer: i16) {
        match self.ask(version, request) {
            Some(frame) => self.note_frame(label, Q::API_KEY, answer, &frame),
            None => self.note_closed(label),
        }
    }

    /// Sends a request whose answer is not waited for here.
    pub fn send<'q, Q: Message<'q>>(&mut self, version: i16, request: &Q) {
        self.correlation_id += 1;
        let header = RequestHeader::new(Q::API_KEY, version, self.correlation_id);
        self.send_raw(&encode_request(&header, request));
    }

    /// Sends bytes.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        // The broker may have closed the connection; then there is no answer either, and that is what is compared.
        let _ = self.stream.write_all(bytes);
    }

    /// Writes down the next answer, and to which request it is, counted back from the last one.
    pub fn receive(&mut self, label: &str, api_key: ApiKey, version: i16) {
        match read_frame(&mut self.stream) {
            Some(frame) => {
                let correlation_id = i32::from_be_bytes(*frame.first_chunk().expect("a frame has a header"));
                let back = self.correlation_id - correlation_id;
                self.note_frame(&format!("{label}, {back} before the last"), api_key, version, &frame);
            }
            None => self.note_closed(label),
        }
    }

    /// Writes down whether the connection is closed now, without an answer.
    pub fn expect_closed(&mut self, label: &str) {
        match read_frame(&mut self.stream) {
            Some(frame) => self.push(label, format!("an answer of {} bytes", frame.len())),
            None => self.note_closed(label),
        }
    }

    fn ask<'q, Q: Message<'q>>(&mut self, version: i16, request: &Q) -> Option<Vec<u8>> {
        self.send(version, request);
        let frame = read_frame(&mut self.stream)?;
        assert_eq!(frame[..4], self.correlation_id.to_be_bytes(), "an answer to another request");
        Some(frame)
    }

    fn note_frame(&mut self, label: &str, api_key: ApiKey, version: i16, frame: &[u8]) {
        let answer = normalise::describe(api_key, version, frame, &mut self.seen);
        self.push(label, answer);
    }

    fn note_closed(&mut self, label: &str) {
        self.push(label, "the connection is closed".to_owned());
        self.connect_to(self.broker);
    }

    fn push(&mut self, label: &str, answer: String) {
        self.steps.push(Step { label: label.to_owned(), answer });
    }
}

/// One batch from now with a single small record; scripts change it.
pub(super) fn batch() -> BatchBuilder {
    BatchBuilder::of_values(now(), ["value"])
}

/// Milliseconds since 1970.
pub(super) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_millis() as i64
}

/// A Produce request for partitions of one topic.
pub(super) fn of_batches<'q>(
    topic: &'q Topic,
    acks: i16,
    batches: &[(i32, Option<&'q [u8]>)],
) -> ProduceRequest<'q> {
    let data = |&(index, records): &(i32, Option<&'q [u8]>)| PartitionProduceData { index, records };
    let partitions = batches.iter().map(data).collect();
    let topics = vec![TopicProduceData { name: &topic.name, topic_id: topic.id, partitions }];
    ProduceRequest { transactional_id: None, acks, timeout_ms: 10_000, topics }
}

fn connect(target: &dyn Target, broker: i32) -> TcpStream {
    let stream = TcpStream::connect(target.address(broker)).expect("the broker listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
    stream.set_nodelay(true).expect("it is a TCP socket");
    stream
}

/// The next frame without its length; none when the connection is closed.
fn read_frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    let closed = |error: std::io::Error| match error.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => None,
        _ => panic!("no answer: {error}"),
    };
    if let Err(error) = stream.read_exact(&mut length) {
        return closed(error);
    }
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut frame).expect("the rest of a frame comes");
    Some(frame)
}
