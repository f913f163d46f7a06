//! A version of Kafka, one broker of it, and both front-ends: every kind of record, from a client that has to say who it
//! is, and some thousand while the broker is stopped or killed and comes back.
//!
//! It is PLAIN that is spoken: every version takes its users from its settings. Those of SCRAM are in ZooKeeper until 3.5,
//! and are made by tools that are not here; certificates in PEM are read since 2.7.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use felice_core::record::{Header, ProducerRecord};
use felice_core::time::Timestamp;
use felice_host::Builder;
use felice_host::surface::SecurityProtocol;

use super::sample::{now_ms, producers_ms};
use super::{FrontEnd, Handle, PATIENCE, Sample, Witness, wait_until};
use crate::java::ReadRecord;
use crate::kafka::{Kafka, KafkaVersion, PASSWORD, USER};
use crate::proxy::Link;

/// How many records at least; there are more if the broker is slow to come back.
const RECORDS: u64 = 6_000;

/// So many have no outcome at any time, so that most are sent while the broker is not there or has just come back.
const OPEN_MAX: u64 = 2_000;

const PARTITIONS: i32 = 3;
const VALUE_BYTES: usize = 100;

/// How the broker goes.
#[derive(Clone, Copy, Debug)]
enum Goes {
    /// It writes down what it remembers of producers.
    Stopped,
    /// It reads it from the records.
    Killed,
}

/// Runs the proof, with a broker of its own.
///
/// # Panics
///
/// If anything is not as it must be: that is its purpose.
pub fn proof(version: KafkaVersion) {
    let begun = Instant::now();
    let link = Arc::new(Link::new(Duration::ZERO));
    let kafka = Kafka::builder()
        .version(version)
        .behind(&link)
        .property("auto.create.topics.enable", "false")
        // A killed broker is let in again when this has passed.
        .property("broker.session.timeout.ms", "3000")
        // Who comes through the link has to say who he is.
        .property(
            "listener.security.protocol.map",
            "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,FAR:SASL_PLAINTEXT",
        )
        .property("sasl.enabled.mechanisms", "PLAIN")
        .property("listener.name.far.plain.sasl.jaas.config", &plain_users())
        .start();
    println!("Kafka {}: started after {:.2?}", version.number(), begun.elapsed());
    every_kind_of_record::<felice_blocking::Producer>(&kafka);
    every_kind_of_record::<felice_smol::Producer>(&kafka);
    // Through the link, which sees every request.
    println!("Kafka {}: requests used: {}", version.number(), spoken(&link));
    once_and_in_order::<felice_blocking::Producer>(&kafka, Goes::Stopped);
    once_and_in_order::<felice_smol::Producer>(&kafka, Goes::Killed);
    println!("Kafka {}: {:.2?}", version.number(), begun.elapsed());
}

fn plain_users() -> String {
    let module = "org.apache.kafka.common.security.plain.PlainLoginModule";
    format!(r#"{module} required user_{USER}="{PASSWORD}";"#)
}

/// Keys, values, headers and timestamps, and what was said of them, are as they were sent.
fn every_kind_of_record<F: FrontEnd>(kafka: &Kafka) {
    let topic = format!("{}-every-kind", F::NAME);
    create_topic(kafka, &topic);
    let settings = Builder::<F>::new()
        .bootstrap_servers(&kafka.far_bootstrap())
        .security_protocol(SecurityProtocol::SaslPlaintext)
        .sasl_plain(USER, PASSWORD);
    let producer = settings.build().expect("the settings fit");
    let (samples, sent_after) = (Sample::all_kinds(), producers_ms());
    let send = |sample: &Sample| sample.with_record(&topic, |record| producer.send(record));
    let handles: Vec<_> = samples.iter().map(|sample| send(sample).expect("it is accepted")).collect();
    let outcomes = handles.into_iter().map(|handle| handle.get().expect("it is acknowledged"));
    let outcomes: Vec<_> = outcomes.collect();
    producer.close(PATIENCE).expect("nothing is left");

    let stored = kafka.oracle().read(&topic);
    assert_eq!(stored.len(), samples.len());
    for (sample, metadata) in samples.iter().zip(&outcomes) {
        let place = (metadata.partition(), metadata.offset());
        let read = stored.iter().find(|read| (read.partition, read.offset) == place);
        let read = read.unwrap_or_else(|| panic!("nothing is at {place:?}, where it was said to be"));
        sample.check_stored(read, sent_after);
        sample.check_metadata(metadata, &topic, read);
    }
}

/// An idempotent producer sends records with keys while the broker goes and comes back; nobody hears of it.
///
/// The broker remembers the last batch of each producer only, so batches of unknown fate are the rule here: those that
/// it stored on its way out without having answered.
fn once_and_in_order<F: FrontEnd>(kafka: &Kafka, goes: Goes) {
    let topic = format!("{}-{goes:?}", F::NAME).to_lowercase();
    create_topic(kafka, &topic);
    let witness = Witness::default();
    let settings = Builder::<F>::new().bootstrap_servers(&kafka.bootstrap()).callback(witness.clone());
    let producer = settings.build().expect("the settings fit");
    // Not the time of sending, and young enough that the broker keeps them.
    let since = now_ms() - 3_600_000;
    let mut accepted = 0;
    let mut send = |count: u64| {
        for number in accepted..accepted + count {
            let sent = Numbered::new(number, since)
                .with_record(&topic, |record| producer.send_with_token(record, number));
            sent.unwrap_or_else(|error| panic!("record {number}: {error}"));
        }
        accepted += count;
        wait_until("records go on", || witness.heard() + OPEN_MAX >= accepted);
        accepted
    };

    send(RECORDS / 2);
    let begun = Instant::now();
    thread::scope(|scope| {
        let disturbing = scope.spawn(|| {
            match goes {
                Goes::Stopped => kafka.stop(1),
                Goes::Killed => kafka.kill(1),
            }
            let gone = begun.elapsed();
            kafka.restart(1);
            println!("{topic}: gone after {gone:.2?}, back after {:.2?}", begun.elapsed());
        });
        while !disturbing.is_finished() {
            send(100);
        }
    });
    let accepted = send(RECORDS / 2);
    producer.flush().expect("this is no callback");
    let failures = witness.failures();
    assert!(failures.is_empty(), "{} failed, the first: {:?}", failures.len(), failures.first());
    producer.close(PATIENCE).expect("nothing is left");
    check(kafka, &topic, &witness, accepted, since);
    let lasted = begun.elapsed();
    println!("{topic}: {accepted} records, all stored once and in order; {lasted:.2?}");
}

fn check(kafka: &Kafka, topic: &str, witness: &Witness, accepted: u64, since: i64) {
    let mut stored = kafka.oracle().read(topic);
    stored.sort_by_key(|record| (record.partition, record.offset));
    assert_eq!(stored.len() as u64, accepted, "records stored");
    witness.check(accepted, &stored);
    for record in &stored {
        let number = Witness::number(record.value.as_deref().expect("it has a value"));
        Numbered::new(number, since).check(record);
    }
}

/// What the record with a number is made of.
struct Numbered {
    number: u64,
    key: [u8; 8],
    timestamp: i64,
}

impl Numbered {
    fn new(number: u64, since: i64) -> Self {
        let key = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
        Self { number, key, timestamp: since + number as i64 }
    }

    fn with_record<T>(
        &self,
        topic: &str,
        code: impl FnOnce(&ProducerRecord<'_, [u8; 8], Vec<u8>>) -> T,
    ) -> T {
        let headers = [Header { key: "number", value: Some(&self.key) }];
        let record = ProducerRecord::new(topic, Witness::value(self.number, VALUE_BYTES)).key(self.key);
        code(&record.headers(&headers).timestamp(Timestamp::from_millis(self.timestamp)))
    }

    fn check(&self, read: &ReadRecord) {
        assert_eq!(read.key.as_deref(), Some(&self.key[..]));
        assert_eq!(read.value.as_deref(), Some(&Witness::value(self.number, VALUE_BYTES)[..]));
        assert_eq!(read.timestamp, self.timestamp);
        assert_eq!(read.headers, [("number".to_owned(), Some(self.key.to_vec()))]);
    }
}

/// Brokers before 2.4 have no default replication for those who create topics.
fn create_topic(kafka: &Kafka, topic: &str) {
    kafka.oracle().create_topic_with(topic, PARTITIONS, Some(1), &[]);
}

/// The APIs and versions of all requests over the link.
fn spoken(link: &Link) -> String {
    let mut versions: BTreeMap<i16, BTreeSet<i16>> = BTreeMap::new();
    for request in link.requests() {
        versions.entry(request.api_key).or_default().insert(request.api_version);
    }
    let name = |key: i16| match key {
        0 => "Produce",
        3 => "Metadata",
        18 => "ApiVersions",
        17 => "SaslHandshake",
        22 => "InitProducerId",
        36 => "SaslAuthenticate",
        _ => "another",
    };
    let each = versions.iter().map(|(&key, versions)| format!("{} {versions:?}", name(key)));
    each.collect::<Vec<_>>().join(", ")
}
