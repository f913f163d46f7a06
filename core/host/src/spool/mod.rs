//! Store and forward on a machine with files: the settings, how a spool begins, and the thread that it has to itself. What
//! a spool is, and every byte of it, is `felice_core::spool`.

mod files;
#[cfg(test)]
mod files_tests;
mod link;
mod thread;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{io, iter};

use felice_core::memory::Pool;
use felice_core::spool::{
    self, FrameSlot, PartitionSlot, Recovered, SegmentSlot, Spool, SpoolConfig, SpoolTables, TopicName,
    WhenFull,
};

use crate::checksum;
use crate::clock::Clock;
use crate::config::ConfigError;
use crate::mark::Mark;
use crate::metrics::SpoolLive;
use crate::storage::{HeapBlock, table};
use crate::warning::Warning;
pub use files::{Files, file_name};
use files::{LockError, Sizes};
pub(crate) use link::{Job, Link, Loaded, Word};
pub(crate) use thread::Writer;

/// Batches that were read from the spool and are with the sender, at the most.
pub(crate) const BATCHES: usize = 128;
/// What is read is a quarter of `buffer.memory` at a time, two batches of the largest at the least (one for a broker, and one
/// for the others), and so many at the most: a broker's half is one more than it has in flight.
const READ_MAX: usize = 12;
/// The largest segment: a spool of some size has several.
const SEGMENT_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Segments that a spool is divided into, where they are not too short for that.
const SEGMENTS: u64 = 16;
/// The longest `spool.max.age.ms`.
const AGE_MAX: Duration = Duration::from_hours(24 * 36_525);
/// The longest `spool.dedup.header`.
const HEADER_BYTES_MAX: usize = 255;
/// Room in a segment besides the records of a largest batch.
const FRAME_OVERHEAD: u64 = 512;

/// Which records are written to the spool: `spool.mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpoolMode {
    /// All of them, before they are sent: each may be [durable](crate::Delivery::poll_spooled) long before a broker has it.
    #[default]
    Always,
    /// Those that could not be sent for [`spool.overflow.ms`](crate::Builder::spool_overflow_after), and what follows them in
    /// their partition until all of it is acknowledged. While brokers answer nothing is written. What was on its way
    /// to a broker when it ceased to answer stays in memory: as many batches of a partition as may be in flight.
    Overflow,
}

/// What the builder was told of the spool.
#[derive(Clone, Debug)]
pub(crate) struct SpoolSettings {
    pub(crate) directory: Option<PathBuf>,
    pub(crate) mode: SpoolMode,
    pub(crate) overflow_after: Duration,
    pub(crate) bytes: u64,
    pub(crate) sync: Duration,
    pub(crate) when_full: WhenFull,
    pub(crate) max_age: Option<Duration>,
    pub(crate) dedup_header: Option<String>,
    pub(crate) free_bytes_min: u64,
}

impl Default for SpoolSettings {
    fn default() -> Self {
        Self {
            directory: None,
            mode: SpoolMode::Always,
            overflow_after: Duration::from_secs(2),
            bytes: 64 * 1024 * 1024,
            sync: Duration::from_millis(500),
            when_full: WhenFull::RefuseNewest,
            max_age: None,
            dedup_header: None,
            free_bytes_min: 16 * 1024 * 1024,
        }
    }
}

/// Settings that fit together.
#[derive(Clone, Debug)]
pub(crate) struct SpoolPlan {
    directory: PathBuf,
    segments: u16,
    segment_bytes: u32,
    sync: Duration,
    /// After this long what was not sent is written; without it everything is.
    overflow: Option<Duration>,
    when_full: WhenFull,
    max_age: Option<Duration>,
    free_bytes_min: u64,
    clock: Clock,
    topics: usize,
    partitions: usize,
    /// Blocks to read into.
    blocks: usize,
    block_bytes: usize,
}

impl SpoolSettings {
    /// How the spool is divided; `None` where there is none.
    pub(crate) fn plan(
        &self,
        (topics, partitions): (usize, usize),
        request_bytes_max: u32,
        (buffer_memory, block_bytes): (usize, usize),
        idempotence: bool,
        clock: Clock,
    ) -> Result<Option<SpoolPlan>, ConfigError> {
        self.check_age_and_header()?;
        let Some(directory) = self.directory.clone() else { return Ok(None) };
        if !idempotence {
            return Err(ConfigError::invalid(
                "enable.idempotence",
                "false".into(),
                "true with spool.dir: what a former life of the producer has sent is told apart by its numbers".into(),
            ));
        }
        let least = 4 * (u64::from(request_bytes_max) + FRAME_OVERHEAD);
        if self.bytes < least || self.bytes > 1 << 40 {
            let range = format!("{least} (four batches of max.request.size) to {}", 1_u64 << 40);
            return Err(ConfigError::invalid("spool.max.bytes", self.bytes.to_string(), range));
        }
        let segment_bytes = (self.bytes / SEGMENTS).clamp(least / 4, SEGMENT_BYTES_MAX.max(least / 4));
        let segment_bytes = segment_bytes.next_multiple_of(8).max(spool::SEGMENT_BYTES_MIN.into());
        let segments = (self.bytes / segment_bytes).clamp(2, u64::from(u16::MAX));
        let largest = request_bytes_max as usize;
        let read = (buffer_memory / 4).min(READ_MAX * largest).max(4 * BATCHES * 1024);
        // What is read ahead cannot be dropped: a part of a small spool, where that is more than the two.
        let read = read.min(self.bytes as usize / 4);
        let blocks = read.div_ceil(block_bytes).max(2 * largest.div_ceil(block_bytes));
        Ok(Some(SpoolPlan {
            directory,
            segments: segments as u16,
            segment_bytes: segment_bytes as u32,
            sync: self.sync,
            overflow: (self.mode == SpoolMode::Overflow).then_some(self.overflow_after),
            when_full: self.when_full,
            max_age: self.max_age,
            free_bytes_min: self.free_bytes_min,
            clock,
            topics,
            partitions,
            blocks,
            block_bytes,
        }))
    }

    fn check_age_and_header(&self) -> Result<(), ConfigError> {
        let age = self.max_age.map(|age| ("spool.max.age.ms", age.as_millis().to_string()));
        let header = self.dedup_header.as_ref().map(|name| ("spool.dedup.header", format!("{name:?}")));
        if let (None, Some((name, value))) = (&self.directory, age.clone().or(header.clone())) {
            return Err(ConfigError::invalid(name, value, "nothing without spool.dir".into()));
        }
        if let Some((name, value)) =
            age.filter(|_| self.max_age.is_some_and(|age| age < Duration::from_millis(1) || age > AGE_MAX))
        {
            let range = format!("1 to {} (100 years)", AGE_MAX.as_millis());
            return Err(ConfigError::invalid(name, value, range));
        }
        let length = self.dedup_header.as_ref().map_or(1, String::len);
        match header.filter(|_| !(1..=HEADER_BYTES_MAX).contains(&length)) {
            Some((name, value)) => {
                Err(ConfigError::invalid(name, value, format!("1 to {HEADER_BYTES_MAX} bytes")))
            }
            None => Ok(()),
        }
    }

    /// The header that every record gets. Where the spool cannot be used the producer has a number of its own.
    pub(crate) fn mark(&self, begun: Option<&Begun>) -> Option<Mark> {
        let life = begun.map_or_else(checksum::seed, |begun| begun.life);
        self.dedup_header.as_ref().map(|name| Mark::new(name, life))
    }
}

/// A spool that has begun; its thread does not run yet.
pub(crate) struct Begun {
    pub(crate) writer: Writer,
    pub(crate) link: Arc<Link>,
    /// Topics, and how many partitions they had; 0 where nobody knew.
    pub(crate) topics: Vec<(Arc<str>, i32)>,
    pub(crate) warnings: Vec<Warning>,
    pub(crate) overflow: Option<Duration>,
    /// How many blocks there are to read into.
    pub(crate) blocks: u32,
    /// Partitions that something is left of.
    pub(crate) undone: Vec<(Arc<str>, i32)>,
    pub(crate) clock: Clock,
    /// A number of this spool and this life.
    life: u64,
    /// Nothing is held.
    pub(crate) empty: bool,
}

impl Begun {
    /// What its thread tells of it.
    pub(crate) fn metrics(&self) -> Arc<SpoolLive> {
        Arc::clone(&self.writer.metrics)
    }
}

impl SpoolPlan {
    /// Takes what the directory holds. Reads the heads of all frames there, so it takes as long as that does.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] where another producer uses the directory. Whatever else is wrong with it is told as a warning: where
    /// it cannot be used at all there is no spool.
    pub(crate) fn begin(&self, driver: std::task::Waker) -> Result<Result<Begun, Warning>, ConfigError> {
        // What a former life has written is read, however it had divided its spool.
        let (present, longest) = Files::present(&self.directory);
        let (segments, segment_bytes) = (self.segments.max(present), self.segment_bytes.max(longest));
        let sizes = Sizes {
            segment: segment_bytes,
            checkpoint: spool::checkpoint_bytes(self.topics, self.partitions),
            free_min: self.free_bytes_min,
        };
        let files = match Files::lock(&self.directory, sizes) {
            Ok(files) => files,
            Err(LockError::InUse) => {
                let directory = self.directory.display().to_string();
                let limit = "a directory that no other producer uses".into();
                return Err(ConfigError::invalid("spool.dir", directory, limit));
            }
            Err(LockError::Io(error)) => return Ok(Err(self.unusable(&error))),
        };
        let config = SpoolConfig {
            segment_bytes,
            when_full: self.when_full,
            new_id: new_id(),
            machine: files.identity(),
            boot: Files::boot(),
        };
        let tables = SpoolTables {
            segments: table(segments.into(), SegmentSlot::default),
            topics: table(self.topics, TopicName::default),
            partitions: table(self.partitions, || PartitionSlot::EMPTY),
            index: table(2 * self.partitions, u32::default),
            frames: table(BATCHES, || FrameSlot::EMPTY),
        };
        let (spool, recovered) = match Spool::open(files, config, tables) {
            Ok(opened) => opened,
            Err(error) => return Ok(Err(self.unusable(&io::Error::other(error)))),
        };
        let mut pool = Pool::new();
        for block in iter::repeat_with(|| HeapBlock::new(self.block_bytes)).take(self.blocks) {
            // All are as long as the first: none is handed back.
            let _ = pool.add(block);
        }
        let link = Arc::new(Link::new(driver));
        let name = |(topic, partition): (&str, i32)| (topic.into(), partition);
        Ok(Ok(Begun {
            overflow: self.overflow,
            blocks: pool.total(),
            undone: spool.undone().map(|partition| name(spool.partition(partition))).collect(),
            topics: spool.topics().map(|(name, partitions)| (name.into(), partitions)).collect(),
            warnings: warnings(&recovered),
            clock: self.clock,
            life: life(&spool.id(), spool.life()),
            empty: spool.is_empty(),
            writer: Writer::new(spool, Arc::clone(&link), pool, self),
            link,
        }))
    }

    fn unusable(&self, error: &io::Error) -> Warning {
        let problem = format!("{}: {error}; records are held in memory only", self.directory.display());
        Warning::SpoolFailing { problem: problem.into() }
    }
}

fn warnings(recovered: &Recovered) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut failing = |problem: String| warnings.push(Warning::SpoolFailing { problem: problem.into() });
    if recovered.unreadable > 0 {
        failing(format!(
            "{} of its segments cannot be read; the next start tries again",
            recovered.unreadable
        ));
    }
    if recovered.beyond_tables > 0 {
        failing(
            "it holds more topics or partitions than topics.max and partitions.max allow; they stay".into(),
        );
    }
    if recovered.existed && recovered.without_checkpoint {
        failing("its checkpoints are damaged: what was sent already is sent once more".into());
    }
    if let Some(error) = recovered.write_error {
        failing(format!("it cannot be written to: {error}"));
    }
    if recovered.copied {
        warnings.push(Warning::SpoolCopied);
    }
    warnings
}

/// What names a life of a spool: those of one spool count up.
fn life(id: &spool::SpoolId, life: u32) -> u64 {
    let begin = id.first_chunk().copied().map_or(0, u64::from_be_bytes);
    begin.wrapping_add(life.into())
}

/// Sixteen bytes that no other spool has.
fn new_id() -> spool::SpoolId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&checksum::seed().to_le_bytes());
    id[8..].copy_from_slice(&checksum::seed().rotate_left(32).wrapping_add(checksum::seed()).to_le_bytes());
    id
}
