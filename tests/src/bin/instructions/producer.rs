//! What felice-host's producer does, without sockets: both planes, and a simulated broker in the same thread.

use std::hint::black_box;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use felice_core::id::ConnectionId;
use felice_core::record::ProducerRecord;
use felice_core::time::Instant;
use felice_host::{Action, BuildError, Builder, Delivery, Engine, Sending, Settings, Shared, Start};
use felice_tests::cluster::{Cluster, ClusterConfig, Connection, KeepRecords};
use felice_tests::protocol::ApiKey;

use crate::{TIMESTAMP, counted, counted_if};

const TOPIC: &str = "readings";
const PARTITIONS: i32 = 6;
/// The broker's wall clock, in microseconds since 1970.
const WALL_US: u64 = 1_760_000_000_000_000;
/// So many pieces of memory go into one write, as with a front-end's sockets.
const SLICES_MAX: usize = 128;

/// Sends a record of 100 bytes and drops its handle, as who only wants to hear of failures does.
pub(crate) fn send(times: usize) {
    let mut rig = Rig::new();
    let value = [7; 100];
    let record = record(&value).partition(3);
    let mut left = times;
    while left > 0 {
        // They fit into one batch, which has a record already.
        let group = left.min(1_000);
        drop(rig.send(&record));
        counted(|| {
            for _ in 0..group {
                drop(rig.send(black_box(&record)));
            }
        });
        rig.exchange(Counts::Nothing);
        left -= group;
    }
    rig.finish();
}

/// Makes a Produce request of a batch of 16 KiB for each partition, with headers and checksums, and hands it out.
pub(crate) fn request(times: usize) {
    requests(times, Counts::Writing);
}

/// Reads the answer to such a request.
pub(crate) fn answer(times: usize) {
    requests(times, Counts::Reading);
}

fn requests(times: usize, counts: Counts) {
    let mut rig = Rig::new();
    let value = [7; 1_000];
    for _ in 0..times {
        for partition in 0..PARTITIONS {
            let record = record(&value).partition(partition);
            (0..16).for_each(|_| drop(rig.send(&record)));
        }
        let before = rig.requests(ApiKey::PRODUCE);
        rig.exchange(counts);
        assert_eq!(rig.requests(ApiKey::PRODUCE), before + 1, "all in one request");
    }
    rig.finish();
}

/// The life of 1,000 records for six partitions of a topic that has so many: idle ones cost nothing.
pub(crate) fn among(partitions: i32, times: usize) {
    let mut rig = Rig::among(partitions);
    let value = [7; 100];
    for _ in 0..times {
        counted(|| {
            for index in 0..1_000 {
                drop(rig.send(&record(&value).partition(index % PARTITIONS)));
            }
        });
        rig.exchange(Counts::Everything);
    }
    rig.finish();
}

/// The life of 1,000 records with keys, from `send` to their outcomes. The broker's work does not count.
pub(crate) fn round(times: usize) {
    let mut rig = Rig::new();
    let value = [7; 100];
    let keys: Vec<_> = (0..1_000).map(|sensor| format!("sensor-{sensor}")).collect();
    let mut deliveries = Vec::with_capacity(keys.len());
    for _ in 0..times {
        counted(|| {
            for key in &keys {
                deliveries.push(rig.send(&record(&value).key(key.as_str())));
            }
        });
        rig.exchange(Counts::Everything);
        let delivered = counted(|| {
            let outcomes = deliveries.drain(..).map(|mut delivery| delivery.try_get());
            outcomes.filter(|outcome| matches!(outcome, Some(Ok(_)))).count()
        });
        assert_eq!(delivered, keys.len());
    }
    rig.finish();
}

fn record(value: &[u8]) -> ProducerRecord<'_, (), &[u8]> {
    ProducerRecord::new(TOPIC, value).timestamp(TIMESTAMP)
}

/// What of an exchange counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counts {
    Nothing,
    Writing,
    Reading,
    Everything,
}

/// A producer, its one connection, and the broker there.
struct Rig {
    shared: Arc<Shared>,
    engine: Engine,
    cluster: Cluster,
    link: Option<(ConnectionId, Connection)>,
    answers: Vec<u8>,
    /// The engine's time, which stands still: no timer is ever due.
    now: Instant,
}

impl Start for Rig {
    fn start(settings: Settings) -> Result<Self, BuildError> {
        let (shared, engine) = felice_host::start(settings, Waker::noop().clone())?;
        let config = ClusterConfig { keep_records: KeepRecords::None, ..ClusterConfig::default() };
        let mut cluster = Cluster::new(config);
        cluster.set_address(1, "broker", 9_092);
        let now = shared.clock().now();
        Ok(Self { shared, engine, cluster, link: None, answers: Vec::new(), now })
    }
}

impl Rig {
    /// One that knows its topic, of six partitions, each of which has stored a record.
    fn new() -> Self {
        Self::among(PARTITIONS)
    }

    /// One whose topic has more partitions than the six that are used.
    fn among(partitions: i32) -> Self {
        let builder: Builder<Self> = Builder::new()
            .bootstrap_servers("broker:9092")
            .batch_size(128 * 1024)
            .linger(Duration::ZERO)
            .buffer_memory(32 << 20)
            .partitions_known_max(100_000)
            .on_undelivered(|error| panic!("{error}"));
        let mut rig = builder.build().expect("settings that fit");
        rig.cluster.create_topic(TOPIC, partitions);
        for _ in 0..2 {
            for partition in 0..PARTITIONS {
                drop(rig.send(&record(b"first").partition(partition)));
            }
            rig.exchange(Counts::Nothing);
            // Longer than every backoff, shorter than a connection may be idle: what was put off is done now.
            rig.now = rig.now + Duration::from_secs(60);
            rig.exchange(Counts::Nothing);
        }
        rig
    }

    #[inline]
    fn send<K: felice_core::serializer::Serialize>(&self, record: &ProducerRecord<'_, K, &[u8]>) -> Delivery {
        let sent = Sending::delivery(Sending::handle(&self.shared).attempt(record));
        sent.expect("there is memory for it")
    }

    /// Does all there is to do, until nothing is on its way.
    fn exchange(&mut self, counts: Counts) {
        loop {
            counted_if(counts == Counts::Everything, || self.engine.turn(self.now));
            let mut idle = true;
            while let Some(action) = self.engine.poll_action() {
                idle = false;
                match action {
                    Action::Connect(connection) => {
                        self.link = Some((connection, Connection::new(1)));
                        self.engine.handle_connected(self.now, connection);
                    }
                    Action::Transmit(_) => self.write(counts),
                    Action::Disconnect(_) => panic!("a connection was closed"),
                    Action::Token(_) => panic!("there is no SASL"),
                }
            }
            if idle && !self.read(counts) {
                break;
            }
        }
    }

    fn write(&mut self, counts: Counts) {
        let counts = matches!(counts, Counts::Writing | Counts::Everything);
        let (connection, broker) = self.link.as_mut().expect("a connection");
        loop {
            let mut chunks: [&[u8]; SLICES_MAX] = [&[]; SLICES_MAX];
            let count = counted_if(counts, || {
                let transmit = self.engine.poll_transmit(self.now, *connection);
                transmit.map_or(0, |transmit| transmit.chunks(&mut chunks))
            });
            if count == 0 {
                break;
            }
            let mut bytes = 0;
            for chunk in &chunks[..count] {
                broker.push(chunk);
                bytes += chunk.len();
            }
            counted_if(counts, || self.engine.handle_transmitted(self.now, *connection, bytes));
        }
    }

    /// Whether there were answers.
    fn read(&mut self, counts: Counts) -> bool {
        let counts = matches!(counts, Counts::Reading | Counts::Everything);
        let Some((connection, broker)) = &mut self.link else { return false };
        self.answers.clear();
        broker.advance(&mut self.cluster, WALL_US, &mut self.answers);
        if self.answers.is_empty() {
            return false;
        }
        let read = counted_if(counts, || self.engine.handle_received(self.now, *connection, &self.answers));
        read.expect("a proper answer");
        true
    }

    fn requests(&self, api: ApiKey) -> u64 {
        self.cluster.requests().count(api)
    }

    /// Nothing failed, and nothing but records was sent since the start.
    fn finish(&self) {
        assert_eq!(self.shared.failed(), 0);
        assert!(self.requests(ApiKey::METADATA) <= 3, "metadata were asked for meanwhile");
    }
}
