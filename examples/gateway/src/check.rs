//! `gateway check`: looks at the file, at the sources, and at the way to the cluster, and says in plain words what is wrong. It writes nothing,
//! but with `--send`.
//!
//! The way is tried with a record for a partition that no topic has: it goes as far as a record can go (name, connection, TLS, SASL, the
//! topic's metadata) and is refused at the end of it.

use std::fmt::Display;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use felice_blocking::{
    BuildError, Cause, Disconnect, ErrorKind, GetError, ProduceError, Producer, ProducerRecord,
};

use crate::config::{Config, Input, Source};
use crate::{DONE, FOUND, WRONG};

/// So long the way to the cluster may take: longer than the 10 s after which a topic is unknown.
const PATIENCE: Duration = Duration::from_secs(12);
/// No topic has so many; the last number of all is refused before it goes anywhere.
const NO_PARTITION: i32 = i32::MAX - 1;
/// A clock that is further off is worth a word.
const SKEW_MS: i64 = 5_000;
/// KafkaPrincipal without rights: Kafka's code of it, for a topic, a group and the cluster.
const TOPIC_AUTHORIZATION_FAILED: i16 = 29;
const CLUSTER_AUTHORIZATION_FAILED: i16 = 31;
const INVALID_TIMESTAMP: i16 = 32;

/// What was found, as it is printed.
struct Report {
    problems: usize,
}

impl Report {
    fn good(&self, what: impl Display) {
        println!("ok    {what}");
    }

    fn bad(&mut self, what: impl Display) {
        self.problems += 1;
        println!("WRONG {what}");
    }
}

/// The program, from its file to its exit status.
pub(crate) fn main(path: &Path, sends: bool) -> u8 {
    let config = match Config::read(path) {
        Ok(config) => config,
        Err(problem) => {
            println!("WRONG {problem}");
            return WRONG;
        }
    };
    let mut report = Report { problems: 0 };
    report.good(format_args!("{}: {} sources", path.display(), config.sources.len()));
    config.sources.iter().for_each(|source| source_of(&mut report, source));
    if !cluster(&mut report, &config, sends) {
        return WRONG;
    }
    match report.problems {
        0 => DONE,
        count => {
            println!("{count} to be mended");
            FOUND
        }
    }
}

fn source_of(report: &mut Report, source: &Source) {
    let found = match &source.input {
        Input::Stdin => Ok(()),
        Input::File { path, .. } => std::fs::File::open(path).map(drop),
        Input::Tcp { address, .. } => TcpListener::bind(address).map(drop),
        Input::Udp { address } => UdpSocket::bind(address).map(drop),
    };
    match (found, &source.input) {
        (Ok(()), _) => report.good(format_args!("source {}", source.name)),
        (Err(problem), Input::File { .. }) => {
            report.bad(format_args!("source {}: {problem}; the gateway will wait for the file", source.name));
        }
        (Err(problem), _) => {
            report.bad(format_args!("source {}: {problem}; is a gateway running already?", source.name));
        }
    }
}

/// Whether the settings could be used at all.
fn cluster(report: &mut Report, config: &Config, sends: bool) -> bool {
    // Without the spool: that one may be in use.
    let producer =
        spool(config).and_then(|()| Ok(config.producer.builder_without_spool()?)).and_then(|builder| {
            let builder = builder.delivery_timeout(PATIENCE).request_timeout(PATIENCE / 2);
            builder.linger(Duration::ZERO).max_block(PATIENCE).build()
        });
    let producer: Producer = match producer {
        Ok(producer) => producer,
        Err(problem) => {
            report.bad(format_args!("[producer] {problem}"));
            return false;
        }
    };
    let mut topics: Vec<&str> = Vec::new();
    for source in &config.sources {
        match source.mapping.topic.constant() {
            Some(topic) => topics.push(topic),
            None => {
                report.good(format_args!("source {}: its topics are known with its lines only", source.name));
            }
        }
        topics.extend(source.mapping.unparsed_topic.as_deref());
    }
    topics.sort_unstable();
    topics.dedup();
    for topic in topics {
        if !topic_of(report, &producer, topic, sends) {
            break;
        }
    }
    true
}

/// Whether the settings would do with a spool: with one in a directory of its own.
fn spool(config: &Config) -> Result<(), BuildError> {
    let builder = config.producer.builder()?;
    if config.producer.get("spool.dir").is_none() {
        return Ok(());
    }
    let directory = std::env::temp_dir().join(format!("gateway-check-{}", std::process::id()));
    std::fs::create_dir(&directory)?;
    let built = builder.spool_dir(&directory).drop_timeout(Duration::ZERO).build().map(drop);
    // What is left there is nobody's.
    let _ = std::fs::remove_dir_all(&directory);
    built
}

/// Whether it makes sense to go on with another topic.
fn topic_of(report: &mut Report, producer: &Producer, topic: &str, sends: bool) -> bool {
    let probe = producer.send(ProducerRecord::new(topic, "").partition(NO_PARTITION));
    let error = match probe.map(felice_blocking::Delivery::get) {
        // Known already how many it has: it was refused at once.
        Err(_) => None,
        Ok(Err(GetError::Failed(error))) if error.kind() == ErrorKind::UnknownPartition => None,
        Ok(Err(GetError::Failed(error))) => Some(error),
        Ok(_) => None,
    };
    if let Some(error) = error {
        report.bad(format_args!("topic {topic}: {}", advice(&error)));
        return !is_about_the_way(&error);
    }
    match producer.partitions_for(topic) {
        Ok(count) => report.good(format_args!("topic {topic}: it is there, with {count} partitions")),
        Err(problem) => report.bad(format_args!("topic {topic}: {problem}")),
    }
    if sends {
        send(report, producer, topic);
    } else {
        report.good(format_args!(
            "topic {topic}: whether it may be written to, and whether the clocks agree, is known with --send only"
        ));
    }
    true
}

fn send(report: &mut Report, producer: &Producer, topic: &str) {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64);
    let before = now();
    let sent = producer.send(ProducerRecord::new(topic, "gateway check").key("gateway-check"));
    match sent.map(felice_blocking::Delivery::get) {
        Err(problem) => report.bad(format_args!("topic {topic}: {problem}")),
        Ok(Err(GetError::Failed(error))) => report.bad(format_args!("topic {topic}: {}", advice(&error))),
        Ok(Err(problem)) => report.bad(format_args!("topic {topic}: {problem}")),
        Ok(Ok(metadata)) => {
            report.good(format_args!("topic {topic}: a record was written, {metadata}"));
            skew(report, topic, metadata.timestamp().as_millis(), before, now());
        }
    }
}

/// With `message.timestamp.type=LogAppendTime` the broker says what its clock says; otherwise it only says that a time is not
/// an hour ahead.
fn skew(report: &mut Report, topic: &str, stored: i64, before: i64, after: i64) {
    let off = off(stored, before, after);
    if off.abs() <= SKEW_MS {
        report.good(format_args!("topic {topic}: this machine's clock is not an hour ahead of the broker's"));
        return;
    }
    let (seconds, side) = (off.abs() as f64 / 1000.0, if off > 0 { "ahead of" } else { "behind" });
    report.bad(format_args!(
        "topic {topic}: the broker's clock is {seconds:.1} s {side} this machine's: let NTP set both"
    ));
}

/// How far a clock is ahead that says `stored` between two looks at this one.
fn off(stored: i64, before: i64, after: i64) -> i64 {
    if stored < before { stored - before } else { (stored - after).max(0) }
}

/// Whether other topics would fail in the same way.
fn is_about_the_way(error: &ProduceError) -> bool {
    matches!(error.kind(), ErrorKind::Authentication(_) | ErrorKind::DeliveryTimeout(_) | ErrorKind::Closed)
}

/// What it is, and what to do.
fn advice(error: &ProduceError) -> String {
    let what_to_do = match (error.kind(), error.last_cause()) {
        (ErrorKind::UnknownTopic, _) => "create the topic, or mend its name in the file",
        (ErrorKind::Authentication(_), _) => "look at sasl.mechanism, user and password",
        (ErrorKind::Broker(code), _) => match code.0 {
            TOPIC_AUTHORIZATION_FAILED => {
                "give this client the rights WRITE and DESCRIBE on the topic (kafka-acls)"
            }
            CLUSTER_AUTHORIZATION_FAILED => {
                "give this client the right IDEMPOTENT_WRITE on the cluster (kafka-acls)"
            }
            INVALID_TIMESTAMP => "set this machine's clock, or the broker's",
            _ => "look at the broker's log",
        },
        (_, Some(Cause::Disconnected(cause))) => way(cause),
        _ => "look at the broker's log",
    };
    format!("{error}\n      {what_to_do}")
}

fn way(cause: Disconnect) -> &'static str {
    match cause {
        Disconnect::Unresolved => "look at the names in bootstrap.servers, and at DNS",
        Disconnect::Refused => "nobody listens there: look at bootstrap.servers, and whether the broker runs",
        Disconnect::ConnectTimeout => {
            "nothing comes back from there: look at addresses, routes and firewalls"
        }
        Disconnect::HandshakeTimeout | Disconnect::Closed | Disconnect::Protocol(_) => {
            "somebody listens there who does not speak Kafka so: look at the port, and at security.protocol"
        }
        Disconnect::Tls(_) => "look at the certificate, at ssl.truststore.location, and at the clock",
        Disconnect::Proxy(_) => "look at proxy.url",
        Disconnect::Authentication(_) => "look at sasl.mechanism, user and password",
        _ => "look at the link to the broker, and at its log",
    }
}

#[test]
fn a_clock_is_off_by_what_no_time_on_the_way_explains() {
    assert_eq!([off(100, 100, 200), off(150, 100, 200), off(200, 100, 200)], [0; 3]);
    assert_eq!([off(90, 100, 200), off(260, 100, 200)], [-10, 60]);
}
