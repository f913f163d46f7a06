//! Whom the quickstart sends to: the simulated cluster, started inside the program, or the user's own.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use felice_tests::cluster::{ClusterConfig, KeepRecords, TcpCluster};
use felice_tests::protocol::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use felice_tests::protocol::{ApiKey, RequestHeader, decode_response, encode_request};

/// Nobody reads the simulated log back to its beginning, so a long run need not keep it.
const RECORDS_KEPT: usize = 1_000;
const PATIENCE: Duration = Duration::from_secs(3);
/// A broker's answer has some 500 bytes; something else on that port may send anything.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A cluster, and what can honestly be said about it.
#[derive(Debug)]
pub struct Broker {
    bootstrap: String,
    description: String,
    simulated: Option<TcpCluster>,
}

impl Broker {
    /// Starts the simulated cluster, with one topic. It ends with this value.
    ///
    /// # Errors
    ///
    /// Where the system has no port or thread left.
    pub fn simulated(topic: &str, partitions: i32) -> io::Result<Self> {
        let keep_records = KeepRecords::Last(RECORDS_KEPT);
        let cluster = TcpCluster::start(ClusterConfig { keep_records, ..ClusterConfig::default() })?;
        cluster.with(|cluster| cluster.create_topic(topic, partitions));
        let bootstrap = cluster.bootstrap();
        let description = format!("broker: simulated in this program, as Apache Kafka 4.3.1, {bootstrap}");
        Ok(Self { bootstrap, description, simulated: Some(cluster) })
    }

    /// Asks the user's cluster what it speaks: the first address that answers speaks for all.
    ///
    /// # Errors
    ///
    /// For each address, why it cannot be used.
    pub fn real(bootstrap: &str) -> Result<Self, String> {
        let mut failures = Vec::new();
        for address in bootstrap.split(',').map(str::trim).filter(|address| !address.is_empty()) {
            match produce_version(address.trim_start_matches("PLAINTEXT://")) {
                Ok(version) => {
                    let description = format!("broker: real, {}, {address}", conclusion(version));
                    return Ok(Self { bootstrap: bootstrap.into(), description, simulated: None });
                }
                Err(error) => failures.push(format!("no broker answers at {address}: {error}")),
            }
        }
        Err(failures.join("\n"))
    }

    /// For `bootstrap.servers`.
    #[must_use]
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Simulated or real, version, address: one line.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// How many records the simulated cluster has of the topic; a real one is not asked.
    #[must_use]
    pub fn records_stored(&self, topic: &str) -> Option<i64> {
        self.simulated.as_ref().map(|cluster| cluster.with(|cluster| cluster.record_count(topic)))
    }
}

/// The last version of Produce that a broker speaks. Kafka tells no client its release, only this.
fn produce_version(address: &str) -> io::Result<i16> {
    let mut stream = connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let header = RequestHeader::new(ApiKey::API_VERSIONS, 0, 1);
    stream.write_all(&encode_request(&header, &ApiVersionsRequest::default()))?;
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > ANSWER_BYTES_MAX {
        return Err(io::Error::other("something answers that is not Kafka"));
    }
    let mut frame = vec![0; length];
    stream.read_exact(&mut frame)?;
    let answer = decode_response::<ApiVersionsResponse>(0, &frame);
    let answer = answer.map_err(|_| io::Error::other("something answers that is not Kafka"))?.1;
    let produce = answer.versions_of(ApiKey::PRODUCE);
    produce.map(|api| api.max_version).ok_or_else(|| io::Error::other("it takes no records"))
}

fn connect(address: &str) -> io::Result<TcpStream> {
    if !address.contains(':') {
        return Err(io::Error::other("a port is missing, as in localhost:9092"));
    }
    let mut last = io::Error::other("the name has no address");
    for address in address.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// What a version of Produce says about the broker behind it, which need not be Apache Kafka.
fn conclusion(produce: i16) -> String {
    let release = match produce {
        ..7 => "as Apache Kafka before 2.1 does, too old for felice",
        7 => "as Apache Kafka does since 2.1",
        8 => "as Apache Kafka does since 2.4",
        9 => "as Apache Kafka does since 2.8",
        10 => "as Apache Kafka does since 3.7",
        11 => "as Apache Kafka does since 3.8",
        12 => "as Apache Kafka does since 4.0",
        13 => "as Apache Kafka does since 4.1",
        _ => "newer than this program",
    };
    format!("speaks Produce up to version {produce}, {release}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    #[test]
    fn a_broker_is_described_by_what_it_speaks() {
        let simulated = Broker::simulated("readings", 2).unwrap();
        assert_eq!(simulated.records_stored("readings"), Some(0));
        let real = Broker::real(&format!("127.0.0.1:1, PLAINTEXT://{}", simulated.bootstrap())).unwrap();
        let expected =
            "broker: real, speaks Produce up to version 13, as Apache Kafka does since 4.1, PLAINTEXT://127";
        assert!(real.description().starts_with(expected), "{}", real.description());
        assert_eq!(real.records_stored("readings"), None);
    }

    #[test]
    fn what_is_no_broker_is_said_for_every_address() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let web_server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        });
        let error = Broker::real(&format!("127.0.0.1:1,{address}")).unwrap_err();
        web_server.join().unwrap();
        assert!(error.starts_with("no broker answers at 127.0.0.1:1: "), "{error}");
        assert!(error.ends_with("something answers that is not Kafka"), "{error}");
    }
}
