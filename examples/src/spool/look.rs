//! All of a spool's areas in their order: what they say, what is pending, and what is wrong.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use felice_core::spool::inspect::{
    self, CHECKPOINT_HEAD_BYTES, CheckpointBody, CheckpointHead, Flaw, SegmentHead,
};
use felice_core::spool::{Area, Counts, MediumError, SpoolId};
use felice_host::{SpoolFiles, spool_file_name};

use super::segment;

/// What a look has found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// What is not as it was written: file, byte, and what it costs.
    pub(super) wrong: Vec<String>,
    /// Frames that were read, damaged ones included.
    pub(super) frames: u64,
    /// Those of them that are not done.
    pub(super) pending_frames: u64,
    /// Records that are not done, by partition.
    pub(super) pending: BTreeMap<(String, i32), u64>,
    /// Frames at the end whose writing was cut off.
    pub(super) torn: u64,
}

/// What the newest checkpoint says, as far as frames are concerned.
#[derive(Debug, Default)]
pub(super) struct Known {
    head: Option<CheckpointHead>,
    segments: u64,
    /// Records that are done, by partition.
    pub(super) done: BTreeMap<(String, i32), u64>,
}

/// A segment in use: its file's number, its length, its head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Used {
    pub(super) segment: u16,
    pub(super) bytes: u32,
    pub(super) head: SegmentHead,
}

/// Reads everything, and lists it.
pub(super) fn look(directory: &Path, out: &mut impl Write) -> io::Result<Found> {
    let mut files = SpoolFiles::look(directory)?;
    let mut found = Found::default();
    let segments = files.segments()?;
    let checkpoints = [0, 1].map(|slot| files.area_bytes(Area::Checkpoint(slot)).unwrap_or_default());
    if segments.is_empty() && checkpoints == [0, 0] {
        return Err(io::Error::other("there is no spool in this directory"));
    }
    let known = look_at_checkpoints(&mut files, checkpoints, &mut found, out)?;
    let known = Known { segments: segments.len() as u64, ..known };
    let mut used = Vec::new();
    for segment in segments {
        used.extend(begin_of(&mut files, segment, &known, &mut found, out)?);
    }
    used.sort_unstable_by_key(|used: &Used| used.head.number);
    for (place, it) in used.iter().enumerate() {
        let next = used.get(place + 1).map(|next| &next.head);
        match segment::look(&mut files, it, next, &known, &mut found, out) {
            // The disk's failure costs this segment only.
            Err(error) if error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<MediumError>) => {
                found.wrong.push(format!("{}: {error}", spool_file_name(Area::Segment(it.segment))));
            }
            looked => looked?,
        }
    }
    Ok(found)
}

fn look_at_checkpoints(
    files: &mut SpoolFiles,
    lengths: [u64; 2],
    found: &mut Found,
    out: &mut impl Write,
) -> io::Result<Known> {
    let mut newest: Option<(u8, CheckpointHead)> = None;
    for (slot, length) in (0..).zip(lengths) {
        let name = spool_file_name(Area::Checkpoint(slot));
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        match if length == 0 { Ok(None) } else { inspect::checkpoint(files, slot, length) } {
            Ok(None) => writeln!(out, "{name}: not written yet")?,
            Ok(Some(head)) => {
                writeln!(out, "{name}: valid, {}", checkpoint(&head))?;
                newest =
                    newest.filter(|(_, other)| other.generation > head.generation).or(Some((slot, head)));
            }
            Err(flaw) => {
                writeln!(out, "{name}: not valid")?;
                found.wrong.push(format!("{name}, {}", of_checkpoint(flaw)));
            }
        }
    }
    let Some((slot, head)) = newest else {
        found.wrong.push("no checkpoint is valid: all frames count as pending".into());
        return Ok(Known::default());
    };
    writeln!(out, "spool {}, life {}", hex(&head.id), head.life)?;
    let Counts { dropped, expired, damaged, found_stored, copies } = head.counts;
    writeln!(
        out,
        "records dropped: {dropped}, by their age: {expired}; frames damaged: {damaged}; records that a broker had: {found_stored}; found to be a copy: {copies}"
    )?;
    list_partitions(files, slot, head, out)
}

fn list_partitions(
    files: &mut SpoolFiles,
    slot: u8,
    head: CheckpointHead,
    out: &mut impl Write,
) -> io::Result<Known> {
    let changed = || io::Error::other("it has changed while it was read; try again");
    let (mut body, mut topics) = (CheckpointBody::new(slot, &head), Vec::new());
    for _ in 0..head.topics {
        let (name, partitions) = body.next_topic(files).ok_or_else(changed)?;
        writeln!(out, "topic {name}: {partitions} partitions")?;
        topics.push(name.to_owned());
    }
    let mut done = BTreeMap::new();
    for _ in 0..head.partitions {
        let it = body.next_partition(files).ok_or_else(changed)?;
        let topic = topics.get(usize::from(it.topic)).ok_or_else(changed)?;
        write!(out, "partition {topic}-{}: {} records written, {} done", it.partition, it.written, it.done)?;
        if it.dropped > 0 {
            write!(out, ", {} dropped, the last before {}", it.dropped, it.dropped_end)?;
        }
        match it.stamp {
            Some(stamp) => writeln!(
                out,
                "; numbering: producer id {}, epoch {}, from record {}, life {}",
                stamp.producer_id, stamp.producer_epoch, stamp.base, stamp.life
            )?,
            None => writeln!(out, "; no numbering")?,
        }
        done.insert((topic.clone(), it.partition), it.done);
    }
    Ok(Known { head: Some(head), done, ..Known::default() })
}

/// A segment that holds frames that may not be done.
fn begin_of(
    files: &mut SpoolFiles,
    segment: u16,
    known: &Known,
    found: &mut Found,
    out: &mut impl Write,
) -> io::Result<Option<Used>> {
    let name = spool_file_name(Area::Segment(segment));
    let bytes = files.area_bytes(Area::Segment(segment))?.try_into().unwrap_or(u32::MAX);
    let head = match inspect::segment(files, segment) {
        Ok(Some(head)) => Some(head),
        read => {
            let by_frames = known
                .numbers()
                .find_map(|(spool, number)| inspect::segment_by_frames(files, segment, bytes, spool, number));
            match (read, by_frames) {
                (Ok(_), None) => writeln!(out, "{name}: not used yet")?,
                (Err(Flaw::Version(version)), None) => {
                    found
                        .wrong
                        .push(format!("{name}, bytes 8-9: version {version}, which is not known here"));
                }
                _ => found.wrong.push(format!("{name}, bytes 0-63: its head is damaged")),
            }
            by_frames
        }
    };
    let Some(head) = head else { return Ok(None) };
    let done = known.head.is_some_and(|known| head.number < known.oldest_number);
    let SegmentHead { number, life, first_frame, .. } = head;
    let state = if done { ", done" } else { "" };
    writeln!(out, "{name}: number {number}, life {life}, frames from {first_frame}, {bytes} bytes{state}")?;
    Ok((!done).then_some(Used { segment, bytes, head }))
}

impl Known {
    /// The numbers that a segment may have whose head is damaged.
    fn numbers(&self) -> impl Iterator<Item = (SpoolId, u64)> {
        // So many more may have been begun since the checkpoint.
        let more = self.segments;
        self.head.into_iter().flat_map(move |head| {
            let numbers = head.oldest_number..head.next_number.saturating_add(more);
            numbers.map(move |number| (head.id, number))
        })
    }
}

fn checkpoint(head: &CheckpointHead) -> String {
    let CheckpointHead { generation, life, machine, oldest_number, next_number, next_frame, .. } = head;
    format!(
        "generation {generation}, life {life}, machine {machine:016x}; segments {oldest_number} to {next_number}, next frame {next_frame}"
    )
}

fn of_checkpoint(flaw: Flaw) -> String {
    let head = CHECKPOINT_HEAD_BYTES;
    match flaw {
        Flaw::Unreadable => format!("bytes 0-{}: cannot be read, or is too short", head - 1),
        Flaw::Head => format!("bytes 0-{}: its head is damaged", head - 1),
        Flaw::Version(version) => format!("bytes 8-9: version {version}, which is not known here"),
        Flaw::Body => format!("from byte {head} on: it is damaged, or its writing was cut off"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
