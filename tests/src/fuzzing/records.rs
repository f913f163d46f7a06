//! Any records, to brokers that take batches of any size: what was acknowledged is in the log, at its offset, with its
//! bytes, in order, once; what was not, would not have fitted. Batches that are too large come again in parts.

use std::collections::BTreeMap;

use felice_core::error::{ErrorCode, ErrorKind, Persisted};
use felice_core::record::{Header, ProducerRecord};
use felice_core::time::Timestamp;

use super::input::Input;
use super::rig::Rig;
use crate::cluster::TopicConfig;
use crate::protocol::records::Record;

const TOPIC: &str = "t";
const RECORDS_MAX: u64 = 60;
/// Times that a record may have: a broker takes those of the past.
const TIMES: [i64; 6] = [1_759_999_999_000, 0, 1, 1_700_000_000_000, 1_759_000_000_123, 63];

/// A record as it was sent.
struct Sent {
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
    timestamp: i64,
}

pub(super) fn run(input: &[u8]) {
    let input = &mut Input::new(input);
    let mut rig = Rig::new(input);
    let partitions = 1 + input.below(3) as i32;
    let max_message_bytes = 100 + input.below(3_000);
    let config = TopicConfig { partitions, max_message_bytes, ..TopicConfig::default() };
    rig.cluster.create_topic_with(TOPIC, config);
    let mut sent = Vec::new();
    while !input.is_over() && rig.accepted < RECORDS_MAX {
        let record = Sent::new(input);
        let partition = input.one_in(4).then(|| input.below(partitions as usize) as i32);
        if record.send(&mut rig, partition) {
            sent.push(record);
        }
        if input.one_in(4) {
            serve(&mut rig);
        }
    }
    serve(&mut rig);
    while !rig.producer.is_empty() {
        assert!(rig.advance_to_due(), "records are held, and nothing is due");
        serve(&mut rig);
    }
    judge(&rig, &sent, max_message_bytes);
    rig.finish();
}

impl Sent {
    fn new(input: &mut Input<'_>) -> Self {
        let bytes = |input: &mut Input<'_>| {
            let length = match input.below(16) {
                0 => return None,
                1 => input.below(2_500),
                2..6 => input.below(200),
                _ => input.below(20),
            };
            let mut bytes = input.take(length.min(8)).to_vec();
            bytes.resize(length, 0xab);
            Some(bytes)
        };
        let (key, value) = (bytes(input), bytes(input));
        let headers = if input.one_in(4) {
            (0..input.below(4)).map(|index| ("h".repeat(index * 30), bytes(input))).collect()
        } else {
            Vec::new()
        };
        Self { key, value, headers, timestamp: input.pick(&TIMES) }
    }

    fn send(&self, rig: &mut Rig, partition: Option<i32>) -> bool {
        let header = |(key, value): &'_ (String, Option<Vec<u8>>)| (key.clone(), value.clone());
        let kept: Vec<_> = self.headers.iter().map(header).collect();
        let headers: Vec<_> =
            kept.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect();
        let mut record = ProducerRecord::new(TOPIC, self.value.as_deref())
            .key(self.key.as_deref())
            .headers(&headers)
            .timestamp(Timestamp::from_millis(self.timestamp));
        record.partition = partition;
        rig.send(&record).is_ok()
    }

    fn is(&self, stored: &Record) -> bool {
        (&self.key, &self.value, &self.headers, self.timestamp)
            == (&stored.key, &stored.value, &stored.headers, stored.timestamp)
    }
}

/// All connections are made, all requests are answered.
fn serve(rig: &mut Rig) {
    loop {
        rig.connect(true);
        let asked = rig.links.keys().copied().find(|slot| rig.request(*slot, 0).is_some());
        match asked {
            Some(slot) => {
                if let Some(frame) = rig.answer(slot, 0) {
                    rig.receive(slot, &frame, usize::MAX);
                }
            }
            None if rig.connecting.is_empty() => return,
            None => {}
        }
    }
}

fn judge(rig: &Rig, sent: &[Sent], max_message_bytes: usize) {
    let mut last = BTreeMap::new();
    let mut acknowledged = 0;
    for (record, (number, (partition, result))) in sent.iter().zip(&rig.outcomes) {
        match result {
            Ok(offset) => {
                acknowledged += 1;
                // Without acknowledgements nobody tells an offset.
                if *offset < 0 {
                    continue;
                }
                let before = last.insert(*partition, *offset);
                let in_order = before.is_none_or(|before| before < *offset);
                assert!(in_order || !rig.ordered, "record {number} is out of order");
                let log = rig.cluster.records(TOPIC, *partition);
                let mut stored = log.iter().filter(|stored| stored.offset == *offset);
                assert!(
                    stored.next().is_some_and(|stored| record.is(stored)),
                    "record {number} is not there"
                );
                assert!(stored.next().is_none(), "two records have the offset {offset}");
            }
            Err(failure) => {
                let too_large = ErrorKind::Broker(ErrorCode::MESSAGE_TOO_LARGE);
                assert_eq!((failure.kind, failure.persisted), (too_large, Persisted::No), "record {number}");
                assert!(alone_bytes(record) > max_message_bytes, "record {number} would have fitted");
            }
        }
    }
    let told = rig.outcomes.values().all(|(_, result)| result.is_ok_and(|offset| offset >= 0));
    assert!(!told || rig.cluster.record_count(TOPIC) == acknowledged, "each is stored once");
}

/// The most bytes that a batch has that holds this record alone.
fn alone_bytes(record: &Sent) -> usize {
    let length = |bytes: &Option<Vec<u8>>| 5 + bytes.as_ref().map_or(0, Vec::len);
    let headers = record.headers.iter().map(|(key, value)| 5 + key.len() + length(value));
    61 + 25 + length(&record.key) + length(&record.value) + headers.sum::<usize>()
}
