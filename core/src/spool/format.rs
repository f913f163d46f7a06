//! Every byte on the medium: see `FORMAT.md` beside this file. No decision is made here.

use super::{Area, Medium, MediumError};
use crc32fast::Hasher;

/// The version that is written, and the only one that is read.
pub(super) const VERSION: u16 = 1;
/// Bytes of a segment's header, and of a frame's before its topic.
pub(super) const HEAD_BYTES: u32 = 64;
/// Frames begin at multiples of this.
pub(super) const ALIGNMENT: u32 = 8;

const SEGMENT_MAGIC: [u8; 8] = *b"FLSPSEG\n";
const FRAME_MAGIC: u32 = 0x464c_4652;
/// A frame's flag.
const SINCE_BOOT: u8 = 1;

/// The longest name of a topic that Kafka allows.
pub const TOPIC_BYTES: usize = 249;

/// A spool's own number, drawn when it was made.
pub type SpoolId = [u8; 16];

/// Why what stands in an area counts for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It cannot be read, or the area is too short.
    Unreadable,
    /// Its head is not what its checksum says.
    Head,
    /// It is of a version that is not known here.
    Version(u16),
    /// What follows its head is not what its checksum says.
    Body,
}

/// The begin of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHead {
    /// The spool that it belongs to.
    pub spool: SpoolId,
    /// Counts the segments since the spool was made: a segment that is used again has another number.
    pub number: u64,
    /// The number that its first frame has.
    pub first_frame: u64,
    /// The life that began it.
    pub life: u32,
}

impl SegmentHead {
    pub(super) fn encode(&self) -> [u8; HEAD_BYTES as usize] {
        let mut bytes = join(&[
            &SEGMENT_MAGIC,
            &VERSION.to_le_bytes(),
            &[0; 6],
            &self.spool,
            &self.number.to_le_bytes(),
            &self.first_frame.to_le_bytes(),
            &self.life.to_le_bytes(),
        ]);
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; HEAD_BYTES as usize]) -> Result<Self, Flaw> {
        let mut at = Get { bytes, at: 0 };
        let (magic, version) = (at.get(), u16::from_le_bytes(at.get()));
        if magic != SEGMENT_MAGIC || bytes[60..] != crc32fast::hash(&bytes[..60]).to_le_bytes() {
            return Err(Flaw::Head);
        }
        if version != VERSION {
            return Err(Flaw::Version(version));
        }
        let mut at = Get { bytes, at: 16 };
        let (spool, number) = (at.get(), u64::from_le_bytes(at.get()));
        let (first_frame, life) = (u64::from_le_bytes(at.get()), u32::from_le_bytes(at.get()));
        Ok(Self { spool, number, first_frame, life })
    }
}

/// The begin of a frame, without its topic's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHead {
    /// Length of the topic's name.
    pub topic_bytes: u8,
    /// Its timestamps count from the begin of the boot in which it was written: the clock was not set.
    pub since_boot: bool,
    /// Length of its records.
    pub payload_bytes: u32,
    /// Its partition.
    pub partition: i32,
    /// Counts frames since the spool was made.
    pub number: u64,
    /// How many records of its partition were written before it, since the spool was made.
    pub sequence: u64,
    /// How many records it has.
    pub records: u32,
    /// The life that wrote it.
    pub life: u32,
    /// The first record's timestamp, in milliseconds since 1970.
    pub base_timestamp: i64,
    /// The largest timestamp of its records.
    pub max_timestamp: i64,
    /// Of its records.
    pub payload_crc: u32,
}

impl FrameHead {
    /// All of the frame's bytes.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        frame_bytes(self.topic_bytes.into(), self.payload_bytes)
    }

    /// Where its payload begins, from its own begin.
    #[must_use]
    pub fn payload_at(&self) -> u32 {
        HEAD_BYTES + u32::from(self.topic_bytes)
    }

    /// One behind its last record.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.sequence + u64::from(self.records)
    }

    pub(super) fn encode(&self, topic: &str, segment: &SegmentHead) -> [u8; HEAD_BYTES as usize] {
        let mut bytes = join(&[
            &FRAME_MAGIC.to_le_bytes(),
            &[self.topic_bytes, u8::from(self.since_boot) * SINCE_BOOT, 0, 0],
            &self.payload_bytes.to_le_bytes(),
            &self.partition.to_le_bytes(),
            &self.number.to_le_bytes(),
            &self.sequence.to_le_bytes(),
            &self.records.to_le_bytes(),
            &self.life.to_le_bytes(),
            &self.base_timestamp.to_le_bytes(),
            &self.max_timestamp.to_le_bytes(),
            &self.payload_crc.to_le_bytes(),
        ]);
        let crc = salted(segment, &bytes[..60], topic.as_bytes());
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The fields, whether or not they mean anything: [`is_valid`] tells. `None` where no frame begins.
    pub(super) fn decode(bytes: &[u8; HEAD_BYTES as usize]) -> Option<Self> {
        let mut at = Get { bytes, at: 0 };
        if u32::from_le_bytes(at.get()) != FRAME_MAGIC {
            return None;
        }
        let [topic_bytes, flags, ..]: [u8; 4] = at.get();
        Some(Self {
            topic_bytes,
            since_boot: flags & SINCE_BOOT != 0,
            payload_bytes: u32::from_le_bytes(at.get()),
            partition: i32::from_le_bytes(at.get()),
            number: u64::from_le_bytes(at.get()),
            sequence: u64::from_le_bytes(at.get()),
            records: u32::from_le_bytes(at.get()),
            life: u32::from_le_bytes(at.get()),
            base_timestamp: i64::from_le_bytes(at.get()),
            max_timestamp: i64::from_le_bytes(at.get()),
            payload_crc: u32::from_le_bytes(at.get()),
        })
    }
}

/// Whether an area seems never to have been written to: files begin with zeros, and flash with ones.
pub(super) fn is_blank(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == bytes[0]) && matches!(bytes[0], 0 | 0xff)
}

/// What a frame takes, for a topic's name and a payload of so many bytes.
pub(super) fn frame_bytes(topic: u32, payload: u32) -> u32 {
    (HEAD_BYTES + topic).saturating_add(payload).saturating_add(ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT
}

/// Whether a head and the name behind it were written into this segment, in its present use.
pub(super) fn is_valid(head: &[u8; HEAD_BYTES as usize], topic: &[u8], segment: &SegmentHead) -> bool {
    head[60..] == salted(segment, &head[..60], topic).to_le_bytes()
}

/// What is left of a segment's former use has another number in its checksum.
fn salted(segment: &SegmentHead, head: &[u8], topic: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&segment.spool);
    hasher.update(&segment.number.to_le_bytes());
    hasher.update(head);
    hasher.update(topic);
    hasher.finalize()
}

/// Fields, one behind the other, and zeros behind them.
pub(super) fn join<const N: usize>(fields: &[&[u8]]) -> [u8; N] {
    let mut bytes = [0; N];
    let mut at = 0;
    for field in fields {
        bytes[at..at + field.len()].copy_from_slice(field);
        at += field.len();
    }
    bytes
}

/// Reads fields, one behind the other.
pub(super) struct Get<'b> {
    pub(super) bytes: &'b [u8],
    pub(super) at: usize,
}

impl Get<'_> {
    pub(super) fn get<const N: usize>(&mut self) -> [u8; N] {
        let mut field = [0; N];
        field.copy_from_slice(&self.bytes[self.at..self.at + N]);
        self.at += N;
        field
    }
}

/// Bytes on their way to the medium, in order and checksummed.
pub(super) struct Writer<'m, M> {
    medium: &'m mut M,
    area: Area,
    pub(super) at: u32,
    hasher: Hasher,
}

impl<'m, M: Medium> Writer<'m, M> {
    pub(super) fn new(medium: &'m mut M, area: Area, at: u32) -> Self {
        Self { medium, area, at, hasher: Hasher::new() }
    }

    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), MediumError> {
        self.medium.write(self.area, self.at, bytes)?;
        self.hasher.update(bytes);
        self.at += bytes.len() as u32;
        Ok(())
    }

    pub(super) fn crc(self) -> u32 {
        self.hasher.finalize()
    }
}

/// So often a read is tried at the start.
const ATTEMPTS: u32 = 3;

/// A failure to read may pass.
pub(super) fn patiently<T>(mut read: impl FnMut() -> Result<T, MediumError>) -> Result<T, MediumError> {
    for _ in 1..ATTEMPTS {
        if let Ok(read) = read() {
            return Ok(read);
        }
    }
    read()
}

/// Bytes from the medium, in order and checksummed.
pub(super) struct Reader<'m, M> {
    medium: &'m mut M,
    area: Area,
    at: u32,
    /// What is not read beyond.
    end: u32,
    hasher: Hasher,
}

impl<'m, M: Medium> Reader<'m, M> {
    pub(super) fn new(medium: &'m mut M, area: Area, at: u32, end: u32) -> Self {
        Self { medium, area, at, end, hasher: Hasher::new() }
    }

    /// Fills `bytes`; `None` where they are beyond the end, or cannot be read.
    pub(super) fn fill(&mut self, bytes: &mut [u8]) -> Option<()> {
        let length = u32::try_from(bytes.len()).ok()?;
        if length > self.end.checked_sub(self.at)? {
            return None;
        }
        patiently(|| self.medium.read(self.area, self.at, bytes)).ok()?;
        self.hasher.update(bytes);
        self.at += length;
        Some(())
    }

    pub(super) fn get<const N: usize>(&mut self) -> Option<[u8; N]> {
        let mut field = [0; N];
        self.fill(&mut field)?;
        Some(field)
    }

    pub(super) fn crc(self) -> u32 {
        self.hasher.finalize()
    }
}
