//! What outlives a life: the batches of each partition, what is known of them, and the notes.

use std::collections::VecDeque;

use felice_core::event::{Ack, Numbering, Numbers, ProducerState};

use super::{PARTITIONS, Report, TOPIC, Way};
use crate::cluster::Cluster;
use crate::protocol::batch_builder::BatchBuilder;

/// A batch on disk.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) values: Vec<Vec<u8>>,
    /// The encoded records.
    pub(super) records: Vec<u8>,
    /// In which lives it was handed over, a bit for each.
    handed: u32,
    pub(super) ack: Option<Ack>,
}

/// A numbering that was written down: which frame is the first, and in which life.
#[derive(Debug, Clone, Copy)]
struct Note {
    numbering: Numbering,
    first: usize,
    life: u32,
}

/// A frame that is to be handed over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    pub(super) frame: usize,
    /// The numbers that it may have been sent under.
    pub(super) numbers: Option<Numbers>,
    /// Its success says that those of the partition before it are stored.
    pub(super) cut: bool,
}

#[derive(Debug, Default)]
pub(super) struct PartitionLog {
    pub(super) frames: Vec<Frame>,
    note: Option<Note>,
    /// So many at the front are known to be acknowledged.
    pub(super) settled: usize,
}

#[derive(Debug)]
pub(super) struct Spool {
    pub(super) way: Way,
    pub(super) partitions: [PartitionLog; PARTITIONS],
    pub(super) report: Report,
}

impl Spool {
    pub(super) fn new(way: Way) -> Self {
        Self { way, partitions: std::array::from_fn(|_| PartitionLog::default()), report: Report::default() }
    }

    /// A batch comes, with records that are like no other's.
    pub(super) fn write(&mut self, partition: usize, count: u64) {
        let log = &mut self.partitions[partition];
        let number = log.frames.len();
        let values: Vec<Vec<u8>> =
            (0..count).map(|index| format!("{partition}/{number}/{index}").into_bytes()).collect();
        let records = BatchBuilder::of_values(1, &values).build().split_off(61);
        log.frames.push(Frame { values, records, handed: 0, ack: None });
        self.report.batches += 1;
    }

    /// A numbering is written down. Whatever stands before it is acknowledged.
    pub(super) fn note(&mut self, partition: usize, numbering: Numbering, first: usize, life: u32) {
        let log = &mut self.partitions[partition];
        assert!(log.frames[..first].iter().all(|frame| frame.ack.is_some()), "something stands before it");
        log.note = Some(Note { numbering, first, life });
        log.settled = log.settled.max(first);
    }

    /// How far the front is acknowledged is written down.
    pub(super) fn settle(&mut self) {
        for log in &mut self.partitions {
            log.settled = log.frames.iter().take_while(|frame| frame.ack.is_some()).count();
        }
    }

    pub(super) fn handed(&mut self, partition: usize, frame: usize, life: u32) {
        self.partitions[partition].frames[frame].handed |= 1 << life;
    }

    /// Whose state the partition's leader is to be asked for.
    pub(super) fn noted_producer(&self, partition: usize) -> Option<i64> {
        self.partitions[partition].note.map(|note| note.numbering.producer_id)
    }

    /// What is to be handed over in a new life, in order: first what a former one may have sent.
    pub(super) fn due(&mut self, partition: usize, state: Option<ProducerState>) -> VecDeque<Due> {
        let log = &self.partitions[partition];
        let mut due = VecDeque::new();
        let mut sequence = 0;
        if let Some(note) = log.note {
            let Numbering { producer_id, producer_epoch, .. } = note.numbering;
            let numbered = log.frames.iter().enumerate().skip(note.first);
            for (frame, of) in numbered.take_while(|(_, of)| of.handed & 1 << note.life != 0) {
                let numbers = Numbers { producer_id, producer_epoch, base_sequence: sequence, more: true };
                due.push_back(Due { frame, numbers: Some(numbers), cut: false });
                sequence += of.values.len() as i32;
            }
            due.retain(|due| due.frame >= log.settled);
            self.cut(&mut due, partition, producer_epoch, state);
            if let Some(Due { numbers: Some(numbers), .. }) = due.back_mut() {
                numbers.more = false;
            }
        }
        let log = &self.partitions[partition];
        let first = due.back().map_or(log.settled, |last| last.frame + 1);
        due.extend((first..log.frames.len()).map(|frame| Due { frame, numbers: None, cut: false }));
        due
    }

    /// Begins with the last batch that the leader remembers.
    fn cut(&mut self, due: &mut VecDeque<Due>, partition: usize, epoch: i16, state: Option<ProducerState>) {
        let Some(ProducerState::Active { producer_epoch, last_sequence }) = state else { return };
        if producer_epoch != epoch {
            return;
        }
        let frames = &self.partitions[partition].frames;
        let holds = |due: &Due| {
            let first = due.numbers.map_or(0, |numbers| numbers.base_sequence);
            (first..first + frames[due.frame].values.len() as i32).contains(&last_sequence)
        };
        if let Some(place) = due.iter().position(holds) {
            due.drain(..place);
            due[0].cut = true;
            self.report.spared += place as u64;
        }
    }

    pub(super) fn acknowledged(&mut self, partition: usize, due: Due, ack: Ack) {
        let log = &mut self.partitions[partition];
        let unknown = Ack { base_offset: -1, log_append_time: None };
        let before = if due.cut { 0 } else { due.frame };
        for frame in &mut log.frames[before..due.frame] {
            frame.ack.get_or_insert(unknown);
        }
        let told = &mut log.frames[due.frame].ack;
        if let (Some(before), true) = (*told, ack.base_offset >= 0) {
            assert!(before.base_offset < 0 || before == ack, "it is told at two offsets");
        }
        *told = Some(if ack.base_offset >= 0 { ack } else { told.unwrap_or(ack) });
        self.report.somewhere += u64::from(due.numbers.is_some() && ack.base_offset < 0);
        assert!(log.frames[..=due.frame].iter().all(|frame| frame.ack.is_some()), "in order");
    }

    pub(super) fn is_done(&self) -> bool {
        self.partitions.iter().flat_map(|log| &log.frames).all(|frame| frame.ack.is_some())
    }

    /// Every record is in the log, once, in order, where its batch's acknowledgement says.
    pub(super) fn judge(self, cluster: &Cluster, seed: u64) -> Report {
        for (partition, log) in self.partitions.iter().enumerate() {
            let records = cluster.records(TOPIC, partition as i32);
            let found: Vec<String> = records
                .iter()
                .map(|record| String::from_utf8(record.value.clone().expect("a value")).expect("a text"))
                .collect();
            let values = log.frames.iter().flat_map(|frame| &frame.values);
            let expected: Vec<String> =
                values.map(|value| String::from_utf8(value.clone()).expect("a text")).collect();
            assert_eq!(found, expected, "seed {seed}, partition {partition}");
            let mut offset = 0;
            for frame in &log.frames {
                let told = frame.ack.expect("it is acknowledged").base_offset;
                assert!(told == -1 || told == offset, "seed {seed}: {told}, and it is at {offset}");
                offset += frame.values.len() as i64;
            }
        }
        self.report
    }
}
