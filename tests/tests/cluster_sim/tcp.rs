//! The cluster behind real sockets.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use felice_tests::cluster::{Action, ClusterConfig, Fault, KeepRecords, TcpCluster};
use felice_tests::protocol::{
    ApiKey, ErrorCode, Message, RequestHeader,
    batch_builder::BatchBuilder,
    decode_response, encode_request,
    frame::FrameBuffer,
    metadata::{MetadataRequest, MetadataResponse},
    produce::{ProduceRequest, ProduceResponse},
};

const PATIENCE: Duration = Duration::from_secs(30);

fn start(brokers: i32) -> TcpCluster {
    TcpCluster::start(ClusterConfig { brokers, ..ClusterConfig::default() }).unwrap()
}

/// A client that waits for every answer.
struct Client {
    stream: TcpStream,
    frames: FrameBuffer,
    correlation_id: i32,
}

impl Client {
    fn connect(cluster: &TcpCluster, broker_id: i32) -> Self {
        let stream = TcpStream::connect(cluster.address(broker_id)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, frames: FrameBuffer::new(), correlation_id: 0 }
    }

    fn send<'a, M: Message<'a>>(&mut self, version: i16, request: &M) {
        self.correlation_id += 1;
        let header = RequestHeader::new(M::API_KEY, version, self.correlation_id);
        self.stream.write_all(&encode_request(&header, request)).unwrap();
    }

    /// The next answer, or `None` when the broker has closed the connection.
    fn receive(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(frame) = self.frames.next_frame().unwrap() {
                return Some(frame.to_vec());
            }
            let count = match self.stream.read(self.frames.space()) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
                Err(error) => panic!("{error}"),
            };
            if count == 0 {
                return None;
            }
            self.frames.filled(count);
        }
    }

    fn produce(&mut self, topic: &str, partition: i32) -> (ErrorCode, i64) {
        let batch = BatchBuilder::of_values(0, ["x"]).build();
        self.send(9, &ProduceRequest::of_batch(topic, partition, &batch));
        let frame = self.receive().expect("an answer");
        let (correlation_id, response) = decode_response::<ProduceResponse<'_>>(9, &frame).unwrap();
        assert_eq!(correlation_id, self.correlation_id);
        let outcome = &response.responses[0].partitions[0];
        (outcome.error_code, outcome.base_offset)
    }
}

#[test]
fn metadata_names_the_real_ports() {
    let cluster = start(3);
    let mut client = Client::connect(&cluster, 2);
    client.send(12, &MetadataRequest::all());
    let frame = client.receive().unwrap();
    let (_, response) = decode_response::<MetadataResponse<'_>>(12, &frame).unwrap();
    let told: Vec<_> = response.brokers.iter().map(|one| format!("{}:{}", one.host, one.port)).collect();
    assert_eq!(told.join(","), cluster.bootstrap());
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let cluster = start(1);
    cluster.with(|cluster| cluster.create_topic("t", 1));
    let mut client = Client::connect(&cluster, 1);
    let batch = BatchBuilder::of_values(0, ["x"]).build();
    for _ in 0..100 {
        client.send(9, &ProduceRequest::of_batch("t", 0, &batch));
    }
    for expected in 1..=100 {
        let frame = client.receive().unwrap();
        let (correlation_id, response) = decode_response::<ProduceResponse<'_>>(9, &frame).unwrap();
        assert_eq!(correlation_id, expected);
        assert_eq!(response.responses[0].partitions[0].base_offset, i64::from(expected) - 1);
    }
}

#[test]
fn a_stopped_broker_refuses_and_comes_back_on_its_port() {
    let cluster = start(2);
    cluster.with(|cluster| cluster.create_topic("t", 1));
    let mut client = Client::connect(&cluster, 1);
    assert_eq!(client.produce("t", 0), (ErrorCode::NONE, 0));
    let address = cluster.address(1);
    cluster.stop_broker(1);
    assert_eq!(client.receive(), None, "its connections close");
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    assert_eq!(cluster.address(1), address);
    assert_eq!(Client::connect(&cluster, 2).produce("t", 0), (ErrorCode::NONE, 1));
    cluster.start_broker(1);
    let mut client = Client::connect(&cluster, 1);
    assert_eq!(client.produce("t", 0).0, ErrorCode::NOT_LEADER_OR_FOLLOWER);
    cluster.with(|cluster| cluster.set_leader("t", 0, 1));
    assert_eq!(client.produce("t", 0), (ErrorCode::NONE, 2));
}

#[test]
fn clients_can_be_disconnected_from_a_running_broker() {
    let cluster = start(1);
    cluster.with(|cluster| cluster.create_topic("t", 1));
    let mut client = Client::connect(&cluster, 1);
    assert_eq!(client.produce("t", 0).0, ErrorCode::NONE);
    cluster.disconnect_clients(1);
    assert_eq!(client.receive(), None);
    assert_eq!(Client::connect(&cluster, 1).produce("t", 0), (ErrorCode::NONE, 1));
}

#[test]
fn a_client_whose_answer_is_late_can_be_disconnected() {
    let cluster = start(1);
    cluster.with(|cluster| cluster.inject(Fault::new(ApiKey::METADATA, Action::Delay(3_600_000_000))));
    let mut client = Client::connect(&cluster, 1);
    client.send(12, &MetadataRequest::all());
    assert!(cluster.wait_until(PATIENCE, |cluster| cluster.requests().total() == 1));
    cluster.disconnect_clients(1);
    assert_eq!(client.receive(), None);
}

#[test]
fn a_test_can_wait_for_what_arrives() {
    let cluster = start(1);
    cluster.with(|cluster| cluster.create_topic("t", 1));
    assert!(!cluster.wait_until(Duration::ZERO, |cluster| cluster.record_count("t") == 1));
    thread::scope(|scope| {
        scope.spawn(|| Client::connect(&cluster, 1).produce("t", 0));
        assert!(cluster.wait_until(PATIENCE, |cluster| cluster.record_count("t") == 1));
    });
    assert!(cluster.wait_until(PATIENCE, |cluster| cluster.broker(1).open_connections() == 0));
    assert_eq!(cluster.with(|cluster| cluster.broker(1).accepted_connections()), 1);
}

#[test]
fn a_late_answer_does_not_hold_up_the_end() {
    let cluster = start(1);
    cluster.with(|cluster| cluster.inject(Fault::new(ApiKey::METADATA, Action::Delay(3_600_000_000))));
    let mut client = Client::connect(&cluster, 1);
    client.send(12, &MetadataRequest::all());
    assert!(cluster.wait_until(PATIENCE, |cluster| cluster.requests().total() == 1));
    let begun = Instant::now();
    drop(cluster);
    assert!(begun.elapsed() < PATIENCE, "an hour's delay was waited for");
    assert_eq!(client.receive(), None);
}

#[test]
fn ten_thousand_connections_leave_nothing_behind() {
    let cluster = start(1);
    cluster.with(|cluster| cluster.create_topic("t", 1));
    cluster.with(|cluster| cluster.set_keep_records(KeepRecords::None));
    let before = process_status("Threads:");
    for _ in 0..10_000 {
        assert_eq!(Client::connect(&cluster, 1).produce("t", 0).0, ErrorCode::NONE);
    }
    assert!(cluster.wait_until(PATIENCE, |cluster| cluster.broker(1).open_connections() == 0));
    assert_eq!(cluster.with(|cluster| cluster.record_count("t")), 10_000);
    // Other tests of this process run beside it, so a few threads more prove nothing.
    let after = process_status("Threads:");
    assert!(after < before + 500, "{before} threads before, {after} after");
    drop(cluster);
}

/// A number in /proc/self/status.
fn process_status(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}
