//! The coordinator of transactions, in both protocols: whose the transactional ids are, what belongs to a transaction, markers in
//! the logs when it ends, offsets that count with it.
//!
//! All is done at once: a marker is in every log when EndTxn is answered. What was open when another producer took the
//! transactional id over is aborted, and the first InitProducerId that finds it so is answered with CONCURRENT_TRANSACTIONS, as
//! Kafka does.

use std::collections::{BTreeMap, BTreeSet};

use crate::protocol::{
    ErrorCode,
    batch_builder::BatchBuilder,
    init_producer_id::InitProducerIdRequest,
    produce::ProduceRequest,
    records::{BatchHeader, CONTROL_BIT, Record, TRANSACTIONAL_BIT},
    transactions::{
        AddOffsetsRequest, AddOffsetsResponse, AddPartitionsRequest, AddPartitionsResponse, Coordinator,
        EndTxnRequest, EndTxnResponse, FindCoordinatorRequest, FindCoordinatorResponse, OffsetsRequest,
        OffsetsResponse, TransactionalProducer,
    },
};

use super::{
    Cluster, KeepRecords, Partition,
    fault::Bend,
    log::Append,
    request::{Call, Response},
};

/// The first Produce that adds partitions to a transaction, and the first TxnOffsetCommit that adds its group.
const PRODUCE_ADDS_SINCE: i16 = 12;
const OFFSETS_ADD_SINCE: i16 = 5;
/// The first EndTxn that raises the epoch.
const END_RAISES_SINCE: i16 = 5;

/// What the coordinator knows of a transactional id.
#[derive(Debug, Clone)]
struct Transactional {
    producer_id: i64,
    epoch: i16,
    /// The epoch before, where the last request has raised it.
    last_epoch: i16,
    /// Something belongs to the transaction.
    ongoing: bool,
    /// How the last one has ended.
    committed: bool,
    partitions: BTreeSet<(String, i32)>,
    groups: BTreeSet<String>,
    /// Of a group's topic and partition.
    offsets: BTreeMap<(String, String, i32), i64>,
}

/// All transactional ids.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    by_id: BTreeMap<String, Transactional>,
    /// The broker that coordinates while it is up; the first that is up else.
    coordinator: Option<i32>,
    /// Offsets that are committed.
    offsets: BTreeMap<(String, String, i32), i64>,
    commits: u64,
    aborts: u64,
}

impl Cluster {
    /// Makes another broker the coordinator of all transactions and groups, while it is up.
    pub fn set_coordinator(&mut self, broker_id: i32) {
        self.transactions.coordinator = Some(broker_id);
    }

    /// The broker that coordinates.
    pub fn coordinator(&self) -> i32 {
        let wanted = self.transactions.coordinator.filter(|id| self.is_up(*id));
        wanted.or_else(|| self.up_ids().first().copied()).unwrap_or(-1)
    }

    /// How many transactions were committed, and how many aborted.
    pub const fn transactions_ended(&self) -> (u64, u64) {
        (self.transactions.commits, self.transactions.aborts)
    }

    /// Whether something belongs to an open transaction of a transactional id.
    pub fn has_open_transaction(&self, transactional_id: &str) -> bool {
        self.transactions.by_id.get(transactional_id).is_some_and(|it| it.ongoing)
    }

    /// The offset that a group has committed.
    pub fn committed_offset(&self, group: &str, topic: &str, partition: i32) -> Option<i64> {
        self.transactions.offsets.get(&(group.to_owned(), topic.to_owned(), partition)).copied()
    }

    /// The records of a partition that a consumer with `isolation.level=read_committed` gets.
    ///
    /// # Panics
    ///
    /// If there is no such partition, or a batch is compressed.
    pub fn committed_records(&self, topic: &str, partition: i32) -> Vec<Record> {
        let partition = self.partition(topic, partition);
        let (end, aborted) = (partition.last_stable_offset(), &partition.transactions.aborted);
        let is_seen = |header: &BatchHeader| {
            let is_aborted = |it: &&Aborted| {
                it.producer_id == header.producer_id
                    && (it.first_offset..it.marker_offset).contains(&header.base_offset)
            };
            !header.is_control()
                && header.base_offset < end
                && !(header.is_transactional() && aborted.iter().any(|it| is_aborted(&it)))
        };
        let batches = partition.log.batches().filter(|batch| is_seen(batch.header()));
        batches.flat_map(|batch| batch.records().expect("a stored batch, not compressed")).collect()
    }

    /// The level of the feature `transaction.version`: 2 where brokers know it.
    pub(super) fn transaction_version(&self) -> i16 {
        let newest = self.versions.range(crate::protocol::ApiKey::END_TXN).map_or(0, |(_, max)| max);
        if newest >= END_RAISES_SINCE { 2 } else { 0 }
    }

    pub(super) fn find_coordinator(&self, call: &Call<'_>, request: &FindCoordinatorRequest<'_>) -> Response {
        let node_id = self.coordinator();
        let error_code = call.bend.error_code().unwrap_or_default();
        let broker = self.brokers.iter().find(|broker| broker.id() == node_id);
        let coordinators = request.keys.iter().map(|key| match broker {
            Some(broker) if error_code == ErrorCode::NONE => {
                Coordinator { key, node_id, host: broker.host(), port: broker.port(), error_code }
            }
            _ => {
                let none = ErrorCode::COORDINATOR_NOT_AVAILABLE;
                let error_code = if error_code == ErrorCode::NONE { none } else { error_code };
                Coordinator { key, node_id: -1, host: "", port: -1, error_code }
            }
        });
        let coordinators = coordinators.collect();
        call.respond(&FindCoordinatorResponse { throttle_time_ms: self.throttle_time_ms, coordinators })
    }

    /// InitProducerId with a transactional id: the error, or the identity.
    pub(super) fn init_transactional(
        &mut self,
        call: &Call<'_>,
        id: &str,
        request: &InitProducerIdRequest<'_>,
    ) -> Result<(i64, i16), ErrorCode> {
        if let Bend::Refuse(code) = call.bend {
            return Err(code);
        }
        self.check_coordinator(call)?;
        let Some(known) = self.transactions.by_id.get(id) else {
            let producer_id = self.config.first_producer_id + self.producer_ids_given;
            self.producer_ids_given += 1;
            let new = Transactional {
                producer_id,
                epoch: 0,
                last_epoch: -1,
                ongoing: false,
                committed: false,
                partitions: BTreeSet::new(),
                groups: BTreeSet::new(),
                offsets: BTreeMap::new(),
            };
            self.transactions.by_id.insert(id.to_owned(), new);
            return Ok((producer_id, 0));
        };
        let expected = (request.producer_id, request.producer_epoch);
        if expected == (known.producer_id, known.last_epoch) && !known.ongoing {
            // The answer to the same request was lost.
            return Ok((known.producer_id, known.epoch));
        }
        if expected != (-1, -1) && expected != (known.producer_id, known.epoch) {
            return Err(ErrorCode::PRODUCER_FENCED);
        }
        if known.ongoing {
            self.raise_epoch(id);
            self.end_transactional(call, id, false);
            let known = self.transactions.by_id.get_mut(id).expect("it was there");
            // Whoever asks with the epoch of before is not known any more.
            known.last_epoch = -1;
            return Err(ErrorCode::CONCURRENT_TRANSACTIONS);
        }
        self.raise_epoch(id);
        let known = &self.transactions.by_id[id];
        Ok((known.producer_id, known.epoch))
    }

    fn raise_epoch(&mut self, id: &str) {
        let next_id = self.config.first_producer_id + self.producer_ids_given;
        let Some(known) = self.transactions.by_id.get_mut(id) else { return };
        known.last_epoch = known.epoch;
        if known.epoch >= i16::MAX - 1 {
            (known.producer_id, known.epoch, known.last_epoch) = (next_id, 0, -1);
            self.producer_ids_given += 1;
        } else {
            known.epoch += 1;
        }
    }

    fn check_coordinator(&self, call: &Call<'_>) -> Result<(), ErrorCode> {
        if call.broker_id == self.coordinator() { Ok(()) } else { Err(ErrorCode::NOT_COORDINATOR) }
    }

    /// The transactional id of whoever asks, if the epoch is its present one.
    fn check_producer(
        &mut self,
        call: &Call<'_>,
        producer: &TransactionalProducer<'_>,
    ) -> Result<&mut Transactional, ErrorCode> {
        if let Bend::Refuse(code) = call.bend {
            return Err(code);
        }
        self.check_coordinator(call)?;
        let known = self.transactions.by_id.get_mut(producer.transactional_id);
        let known = known.ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)?;
        if known.producer_id != producer.producer_id {
            return Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
        }
        if known.epoch != producer.producer_epoch {
            return Err(ErrorCode::PRODUCER_FENCED);
        }
        Ok(known)
    }

    pub(super) fn add_partitions_to_txn(
        &mut self,
        call: &Call<'_>,
        request: &AddPartitionsRequest<'_>,
    ) -> Response {
        let throttle_time_ms = self.throttle_time_ms;
        let is_there = |name: &str, index: i32| (0..self.partition_count(name)).contains(&index);
        let all = request.topics.iter().flat_map(|(name, all)| all.iter().map(move |index| (*name, *index)));
        let missing: BTreeSet<(&str, i32)> =
            all.clone().filter(|(name, index)| !is_there(name, *index)).collect();
        let all: Vec<_> = all.collect();
        let checked = match self.check_producer(call, &request.producer) {
            Err(code) => Err(code),
            // One that is not there, and none is added.
            Ok(_) if !missing.is_empty() => Ok(()),
            Ok(known) => {
                known.ongoing = true;
                known.partitions.extend(all.iter().map(|(name, index)| ((*name).to_owned(), *index)));
                Ok(())
            }
        };
        let code = |name: &str, index: i32| match (checked, call.bend) {
            (Err(code), _) | (_, Bend::Belie(code)) => code,
            _ if missing.is_empty() => ErrorCode::NONE,
            _ if missing.contains(&(name, index)) => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
            _ => ErrorCode::OPERATION_NOT_ATTEMPTED,
        };
        let topics = request.topics.iter().map(|(name, all)| {
            (*name, all.iter().map(|index| (*index, code(name, *index))).collect::<Vec<_>>())
        });
        call.respond(&AddPartitionsResponse { throttle_time_ms, topics: topics.collect() })
    }

    pub(super) fn add_offsets(&mut self, call: &Call<'_>, request: &AddOffsetsRequest<'_>) -> Response {
        let throttle_time_ms = self.throttle_time_ms;
        let added = self.check_producer(call, &request.producer).map(|known| {
            known.ongoing = true;
            known.groups.insert(request.group_id.to_owned());
        });
        let error_code = call.bend.error_code().unwrap_or(added.err().unwrap_or_default());
        call.respond(&AddOffsetsResponse { throttle_time_ms, error_code })
    }

    pub(super) fn commit_offsets(&mut self, call: &Call<'_>, request: &OffsetsRequest<'_>) -> Response {
        let throttle_time_ms = self.throttle_time_ms;
        let adds = call.header.api_version >= OFFSETS_ADD_SINCE;
        let group = request.group_id.to_owned();
        let kept = self.check_producer(call, &request.producer).and_then(|known| {
            if adds {
                known.ongoing = true;
                known.groups.insert(group.clone());
            }
            if !known.groups.contains(&group) {
                return Err(ErrorCode::INVALID_TXN_STATE);
            }
            for (topic, partitions) in &request.topics {
                for (index, offset) in partitions {
                    known.offsets.insert((group.clone(), (*topic).to_owned(), *index), *offset);
                }
            }
            Ok(())
        });
        let error_code = call.bend.error_code().unwrap_or(kept.err().unwrap_or_default());
        let topics = request.topics.iter().map(|(name, partitions)| {
            (*name, partitions.iter().map(|(index, _)| (*index, error_code)).collect::<Vec<_>>())
        });
        call.respond(&OffsetsResponse { throttle_time_ms, topics: topics.collect() })
    }

    pub(super) fn end_txn(&mut self, call: &Call<'_>, request: &EndTxnRequest<'_>) -> Response {
        let throttle_time_ms = self.throttle_time_ms;
        let ended = self.try_end(call, request);
        let raises = call.header.api_version >= END_RAISES_SINCE;
        let (error_code, identity) = match (ended, call.bend.error_code()) {
            (Err(code), _) | (_, Some(code)) => (code, (-1, -1)),
            (Ok(identity), None) => (ErrorCode::NONE, if raises { identity } else { (-1, -1) }),
        };
        let (producer_id, producer_epoch) = identity;
        call.respond(&EndTxnResponse { throttle_time_ms, error_code, producer_id, producer_epoch })
    }

    fn try_end(&mut self, call: &Call<'_>, request: &EndTxnRequest<'_>) -> Result<(i64, i16), ErrorCode> {
        let id = request.producer.transactional_id;
        let raises = call.header.api_version >= END_RAISES_SINCE;
        if raises
            && !matches!(call.bend, Bend::Refuse(_))
            && call.broker_id == self.coordinator()
            && let Some(known) = self.transactions.by_id.get(id)
            && (known.producer_id, known.last_epoch)
                == (request.producer.producer_id, request.producer.producer_epoch)
            && !known.ongoing
            && known.committed == request.committed
        {
            // The answer to the same request was lost.
            return Ok((known.producer_id, known.epoch));
        }
        let known = self.check_producer(call, &request.producer)?;
        if !known.ongoing {
            let again = !raises && known.committed == request.committed && known.last_epoch == -2;
            let empty_abort = raises && !request.committed;
            if !again && !empty_abort {
                return Err(ErrorCode::INVALID_TXN_STATE);
            }
            if again {
                return Ok((-1, -1));
            }
        }
        if raises {
            self.raise_epoch(id);
        }
        self.end_transactional(call, id, request.committed);
        let known = self.transactions.by_id.get_mut(id).ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)?;
        if !raises {
            // Ended under the epoch that stays: the same request may come again.
            known.last_epoch = -2;
        }
        Ok((known.producer_id, known.epoch))
    }

    /// Writes a marker into each log of the transaction, and keeps its offsets or forgets them.
    fn end_transactional(&mut self, call: &Call<'_>, id: &str, commits: bool) {
        let Some(known) = self.transactions.by_id.get_mut(id) else { return };
        (known.ongoing, known.committed) = (false, commits);
        let partitions = std::mem::take(&mut known.partitions);
        let offsets = std::mem::take(&mut known.offsets);
        known.groups.clear();
        let (producer_id, epoch) = (known.producer_id, known.epoch);
        if commits {
            self.transactions.commits += 1;
            self.transactions.offsets.extend(offsets);
        } else {
            self.transactions.aborts += 1;
        }
        let keep = self.config.keep_records;
        for (topic, index) in partitions {
            let found =
                self.topics.get_mut(&topic).and_then(|topic| topic.partitions.get_mut(index as usize));
            if let Some(partition) = found {
                partition.append_marker(call, producer_id, epoch, commits, keep);
            }
        }
    }

    /// Why no partition of a request may be written to: its transaction is over, or it has none. Where a version adds
    /// partitions, they are.
    pub(super) fn refuse_transactional(
        &mut self,
        call: &Call<'_>,
        request: &ProduceRequest<'_>,
    ) -> Option<ErrorCode> {
        let adds = call.header.api_version >= PRODUCE_ADDS_SINCE;
        let headers = request.topics.iter().flat_map(|topic| {
            let name = match self.topic_names.get(&topic.topic_id) {
                Some(name) => name.clone(),
                None => topic.name.to_owned(),
            };
            topic.partitions.iter().map(move |partition| (name.clone(), partition))
        });
        let headers = headers.filter_map(|(name, partition)| {
            let header = BatchHeader::decode(partition.records.unwrap_or_default()).ok()?;
            header.is_transactional().then_some((name, partition.index, header))
        });
        for (name, index, header) in headers.collect::<Vec<_>>() {
            let Some(id) = request.transactional_id else {
                return Some(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
            };
            let Some(known) = self.transactions.by_id.get_mut(id) else {
                return Some(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
            };
            if known.producer_id != header.producer_id {
                return Some(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
            }
            if known.epoch != header.producer_epoch {
                return Some(ErrorCode::INVALID_PRODUCER_EPOCH);
            }
            let place = (name, index);
            if !adds && !known.partitions.contains(&place) {
                return Some(ErrorCode::INVALID_TXN_STATE);
            }
            known.ongoing = true;
            known.partitions.insert(place);
        }
        None
    }
}

/// A transaction's part of a log that nobody sees who reads what is committed.
#[derive(Debug, Clone, Copy)]
struct Aborted {
    producer_id: i64,
    first_offset: i64,
    marker_offset: i64,
}

/// The transactions of a log.
#[derive(Debug, Default)]
pub(super) struct LogTransactions {
    /// Where the open ones begin, by producer id.
    open: BTreeMap<i64, i64>,
    aborted: Vec<Aborted>,
}

impl LogTransactions {
    /// A batch of a transaction was appended.
    pub(super) fn appended(&mut self, producer_id: i64, offset: i64) {
        self.open.entry(producer_id).or_insert(offset);
    }
}

impl Partition {
    /// Where the first open transaction begins, or the end.
    pub fn last_stable_offset(&self) -> i64 {
        self.transactions.open.values().min().copied().unwrap_or_else(|| self.log.next_offset())
    }

    /// Producer ids and first offsets of transactions that were aborted behind `offset`.
    pub(super) fn aborted_from(&self, offset: i64) -> Vec<(i64, i64)> {
        let behind = self.transactions.aborted.iter().filter(|it| it.marker_offset >= offset);
        behind.map(|it| (it.producer_id, it.first_offset)).collect()
    }

    fn append_marker(
        &mut self,
        call: &Call<'_>,
        producer_id: i64,
        epoch: i16,
        commits: bool,
        keep: KeepRecords,
    ) {
        let key = [0, 0, 0, u8::from(commits)];
        let bytes = BatchBuilder::new(call.now_ms())
            .record(Some(&key), Some(&[0, 0, 0, 0, 0, 0]))
            .producer(producer_id, epoch, -1)
            .attributes(TRANSACTIONAL_BIT | CONTROL_BIT)
            .build();
        let Ok(header) = BatchHeader::decode(&bytes) else { return };
        let marker_offset = self.log.append(&Append {
            now_us: call.now_us,
            header,
            bytes: &bytes,
            leader_epoch: self.leader_epoch,
            log_append_time: false,
            keep,
        });
        if let (Some(first_offset), false) = (self.transactions.open.remove(&producer_id), commits) {
            self.transactions.aborted.push(Aborted { producer_id, first_offset, marker_offset });
        }
        self.producers.ended(producer_id, epoch);
    }
}
