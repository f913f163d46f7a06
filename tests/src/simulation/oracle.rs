//! What was promised, and whether it was kept: every record that was accepted, its outcome, and the logs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use felice_core::config::{Acks, SenderConfig};
use felice_core::error::{ErrorCode, ErrorKind, Failure, Persisted};
use felice_core::id::Ticket;

use super::plan::ClientPlan;

use crate::cluster::{Cluster, StoredBatch};

/// What a record was accepted as.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) client: usize,
    pub(super) topic: String,
    /// The partition that was asked for.
    pub(super) partition: Option<i32>,
    pub(super) key: Option<u64>,
    pub(super) value: Vec<u8>,
    /// Milliseconds since 1970.
    pub(super) timestamp: i64,
    /// When.
    pub(super) at: u64,
    /// When it must have its outcome.
    pub(super) due: u64,
    pub(super) outcome: Option<Outcome>,
}

/// Where a record is, or what happened instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) partition: i32,
    /// The offset; -1 where the broker did not tell.
    pub(super) result: Result<i64, Failure>,
}

/// A batch that the brokers themselves lost, or that went with its topic.
#[derive(Debug)]
struct Gone {
    topic: String,
    partition: i32,
    batch: StoredBatch,
}

/// All records of a run, by number. The number is the beginning of the record's value.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    records: Vec<Accepted>,
    tickets: HashMap<(usize, Ticket), u64>,
    gone: Vec<Gone>,
    /// Topics that were deleted where nobody can tell by an id: see [`Oracle::judge`].
    pub(super) remade: BTreeSet<String>,
    /// How many partitions the topics have that keep their number of them.
    pub(super) partitions: BTreeMap<String, i32>,
    /// Topics in whose logs the brokers' time stands.
    pub(super) stamped: BTreeSet<String>,
    /// The last record of an idempotent client, by partition, that was told to be stored.
    told: BTreeMap<(usize, String, i32), u64>,
    pub(super) acknowledged: u64,
    pub(super) failed: u64,
}

impl Oracle {
    /// The next record's number.
    pub(super) fn next(&self) -> u64 {
        self.records.len() as u64
    }

    pub(super) fn accepted(&mut self, ticket: Ticket, record: Accepted) {
        let number = self.next();
        let before = self.tickets.insert((record.client, ticket), number);
        assert_eq!(before, None, "two records with {ticket:?}");
        self.records.push(record);
    }

    pub(super) fn reassigned(&mut self, client: usize, from: Ticket, to: Ticket) {
        let number = self.tickets.remove(&(client, from)).expect("what is reassigned was accepted");
        let before = self.tickets.insert((client, to), number);
        assert_eq!(before, None, "two records with {to:?}");
    }

    /// A record has its outcome. `ready` is when its client was given a processor for the last time.
    pub(super) fn completed(
        &mut self,
        client: &ClientPlan,
        index: usize,
        ticket: Ticket,
        (now, ready): (u64, u64),
        outcome: Outcome,
    ) {
        let number = self.tickets.remove(&(index, ticket));
        let number = number.unwrap_or_else(|| panic!("an outcome of no record, or its second: {ticket:?}"));
        let record = &mut self.records[number as usize];
        assert_eq!(record.outcome, None, "the second outcome of record {number}");
        assert!(now >= record.at);
        record.outcome = Some(outcome);
        let late = now.saturating_sub(record.due.max(ready));
        assert!(late <= client.wake_us, "record {number} has its outcome {late} us too late");
        if outcome.result.is_err() {
            self.failed += 1;
            return;
        }
        self.acknowledged += 1;
        let place = (index, record.topic.clone(), outcome.partition);
        let before = self.told.insert(place, number);
        let in_order = before.is_none_or(|before| before < number) || !client.sender.idempotence;
        assert!(in_order, "record {number} is told to be stored behind {before:?}");
    }

    /// Where nothing goes wrong any more nothing may time out: all that was accepted from `calm` on, and had so long, is
    /// acknowledged, or failed for a reason of its own. Records of a topic that was deleted for good wait for it.
    pub(super) fn judge_calm(&self, cluster: &Cluster, client: usize, calm: u64) {
        let concerned = |record: &Accepted| {
            record.client == client && record.at >= calm && cluster.partition_count(&record.topic) > 0
        };
        let accepted = self.records.iter().enumerate();
        for (number, record) in accepted.filter(|(_, record)| concerned(record)) {
            if let Some(Outcome { result: Err(Failure { kind, .. }), .. }) = record.outcome {
                let timed_out = matches!(kind, ErrorKind::DeliveryTimeout(_));
                assert!(!timed_out, "record {number}, accepted in the calm, timed out: {:?}", record.outcome);
            }
        }
    }

    /// How many records of a client have no outcome.
    pub(super) fn open(&self, client: usize) -> usize {
        self.records.iter().filter(|record| record.client == client && record.outcome.is_none()).count()
    }

    /// Brokers lost these batches, or their topic was deleted.
    pub(super) fn gone(
        &mut self,
        topic: &str,
        partition: i32,
        batches: impl IntoIterator<Item = StoredBatch>,
    ) {
        let topic = topic.to_owned();
        self.gone.extend(batches.into_iter().map(|batch| Gone { topic: topic.clone(), partition, batch }));
    }

    /// Compares what was told with what is there. An idempotent producer's records must be there once, and in order.
    ///
    /// Where topics have no ids (brokers before 2.8), one that is deleted and made anew while answers are lost cannot be
    /// told from the one before: there "stored, at an offset that nobody can tell" may be wrong.
    pub(super) fn judge(&self, cluster: &Cluster, clients: &[ClientPlan]) {
        let mut places: BTreeMap<u64, Vec<Place>> = BTreeMap::new();
        let mut logs: BTreeMap<(String, i32), Vec<&StoredBatch>> = BTreeMap::new();
        for topic in cluster.topic_names() {
            for partition in 0..cluster.partition_count(topic) {
                let batches = cluster.log(topic, partition).batches();
                logs.entry((topic.to_owned(), partition)).or_default().extend(batches);
            }
        }
        for ((topic, partition), batches) in &logs {
            self.read(topic, *partition, batches, false, clients, &mut places);
        }
        for Gone { topic, partition, batch } in &self.gone {
            self.read(topic, *partition, &[batch], true, clients, &mut places);
        }
        for (number, record) in self.records.iter().enumerate() {
            let places = places.remove(&(number as u64)).unwrap_or_default();
            let remade = self.remade.contains(&record.topic);
            check(number, record, &places, &clients[record.client].sender, remade);
            self.check_key(number, record, &places);
            self.check_refusal(number, record);
        }
        assert!(places.is_empty(), "in a log, and nobody sent it: {places:?}");
    }

    /// A key decides on the partition.
    fn check_key(&self, number: usize, record: &Accepted, places: &[Place]) {
        let partitions = self.partitions.get(&record.topic);
        if let (None, Some(key), Some(&partitions)) = (record.partition, record.key, partitions) {
            let expected = (key % partitions as u64) as i32;
            let elsewhere = places.iter().find(|place| place.partition != expected);
            assert!(elsewhere.is_none(), "record {number} with key {key} is at {elsewhere:?}");
        }
    }

    /// Where brokers lose nothing, no batch stays behind that the log has gone past: nothing is sent there to begin with.
    fn check_refusal(&self, number: usize, record: &Accepted) {
        let Some(Outcome { result: Err(Failure { persisted: Persisted::No, kind, .. }), .. }) =
            record.outcome
        else {
            return;
        };
        let lost = self.gone.iter().any(|gone| gone.topic == record.topic);
        let overtaken = kind == ErrorKind::Broker(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
        assert!(lost || !overtaken, "record {number} was overtaken, and the broker has lost nothing");
    }

    /// Finds the records of a log, and that they stand in the order of their acceptance.
    fn read(
        &self,
        topic: &str,
        partition: i32,
        batches: &[&StoredBatch],
        gone: bool,
        clients: &[ClientPlan],
        places: &mut BTreeMap<u64, Vec<Place>>,
    ) {
        let mut last: BTreeMap<usize, u64> = BTreeMap::new();
        for batch in batches {
            for record in batch.records().expect("a stored batch can be read") {
                let value = record.value.unwrap_or_default();
                let number = value.first_chunk().map(|number| u64::from_be_bytes(*number));
                let known = number.and_then(|number| self.records.get(number as usize));
                let (Some(number), Some(accepted)) = (number, known) else {
                    panic!("{topic}-{partition}@{}: not a record of anybody", record.offset);
                };
                assert_eq!(accepted.value, value, "record {number} has other bytes in the log");
                assert_eq!(accepted.topic, topic, "record {number} is in another topic");
                assert_eq!(accepted.key.map(|key| key.to_be_bytes().to_vec()), record.key, "record {number}");
                let stamped = self.stamped.contains(topic);
                assert!(
                    stamped || accepted.timestamp == record.timestamp,
                    "record {number} has another time"
                );
                let place = Place { partition, offset: record.offset, gone };
                places.entry(number).or_default().push(place);
                let before = last.insert(accepted.client, number);
                assert!(
                    !clients[accepted.client].sender.idempotence
                        || before.is_none_or(|before| before < number),
                    "{topic}-{partition}@{}: record {number} stands behind {before:?}",
                    record.offset
                );
            }
        }
    }
}

/// Where a record was found.
#[derive(Debug, Clone, Copy)]
struct Place {
    partition: i32,
    offset: i64,
    gone: bool,
}

fn check(number: usize, record: &Accepted, places: &[Place], config: &SenderConfig, remade: bool) {
    let outcome = record.outcome.unwrap_or_else(|| panic!("record {number} has no outcome: {record:?}"));
    let there = places.iter().filter(|place| !place.gone).count();
    assert!(there <= 1 || !config.idempotence, "record {number} is there {there} times: {places:?}");
    for place in places {
        let asked = record.partition.unwrap_or(place.partition);
        assert_eq!(asked, place.partition, "record {number} is in another partition");
    }
    match outcome.result {
        // With acks=0 nobody has said more than that it was written to a socket.
        Ok(-1) if config.acks == Acks::None || remade => {}
        Ok(offset) => {
            let found = |place: &Place| {
                place.partition == outcome.partition && (offset == -1 || offset == place.offset)
            };
            assert!(
                places.iter().any(found),
                "record {number} was acknowledged at {}@{offset} and is at {places:?}",
                outcome.partition
            );
        }
        Err(Failure { persisted: Persisted::No, kind, .. }) => {
            assert!(
                places.is_empty(),
                "record {number} failed with {kind:?}, not stored, and is at {places:?}"
            );
        }
        Err(Failure { persisted: Persisted::Possibly, .. }) => {}
    }
}
