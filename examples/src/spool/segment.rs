//! A segment, frame by frame.

use std::io::{self, Write};

use felice_core::spool::inspect::{self, DamagedHead, FrameHead, Payload, SegmentHead};
use felice_core::spool::{Area, MediumError};
use felice_host::{SpoolFiles, spool_file_name};

use super::look::{Found, Known, Used};

/// Reads a segment's frames, and lists them. `next` is the segment that follows it.
pub(super) fn look(
    files: &mut SpoolFiles,
    used: &Used,
    next: Option<&SegmentHead>,
    known: &Known,
    found: &mut Found,
    out: &mut impl Write,
) -> io::Result<()> {
    let Used { segment, bytes, head } = *used;
    let name = spool_file_name(Area::Segment(segment));
    let mut scan = inspect::frames(segment, bytes, &head);
    let (mut end, mut number) = (inspect::FIRST_FRAME, head.first_frame);
    let mut torn = Vec::new();
    let (mut frames, pending) = (0, found.pending_frames);
    while let Some((offset, frame)) = scan.next(files).map_err(failed)? {
        if offset > end {
            found.wrong.append(&mut torn);
            found.wrong.push(match damaged_head(files, used, end)? {
                Some(damaged) => format!("{name}, {damaged}"),
                None => format!("{name}, bytes {end}-{}: no frame, where one was", offset - 1),
            });
        }
        let payload = inspect::payload(files, segment, offset, &frame).map_err(failed)?;
        list(scan.topic(), &frame, offset, payload, known, found, out)?;
        let first = offset + frame.payload_at();
        let records = format!(
            "frame {}, {} records of {}-{}",
            frame.number,
            frame.records,
            scan.topic(),
            frame.partition
        );
        match payload {
            Payload::Whole => found.wrong.append(&mut torn),
            Payload::Damaged { byte: Some(byte) } => {
                found.wrong.append(&mut torn);
                found.wrong.push(format!("{name}, byte {byte}: damaged; {records}"));
            }
            Payload::Damaged { byte: None } => {
                let last = first + frame.payload_bytes - 1;
                torn.push(format!("{name}, bytes {first}-{last}: damaged; {records}"));
            }
            Payload::NotRecords => {
                found.wrong.push(format!(
                    "{name}, from byte {first} on: not as many records as the head says; {records}"
                ));
            }
        }
        (end, number) = (offset + frame.bytes(), frame.number + 1);
        frames += 1;
    }
    found.frames += frames;
    writeln!(out, "  {frames} frames, {end} bytes used, {} frames pending", found.pending_frames - pending)?;
    // Only the end of the last segment can have been cut off.
    match next {
        None => found.torn += torn.len() as u64,
        Some(_) => found.wrong.append(&mut torn),
    }
    if let Some(damaged) = damaged_head(files, used, end)? {
        found.wrong.push(format!("{name}, {damaged}"));
    } else if let Some(next) = next.filter(|next| next.first_frame > number) {
        let last = next.first_frame - 1;
        found.wrong.push(format!(
            "{name}, from byte {end} on: frames {number}-{last} are damaged, or were never durable"
        ));
    }
    Ok(())
}

fn list(
    topic: &str,
    frame: &FrameHead,
    offset: u32,
    payload: Payload,
    known: &Known,
    found: &mut Found,
    out: &mut impl Write,
) -> io::Result<()> {
    let key = (topic.to_owned(), frame.partition);
    let done = known.done.get(&key).copied().unwrap_or_default();
    let pending = frame.end() > done;
    let FrameHead { number, sequence, records, payload_bytes, base_timestamp, max_timestamp, life, .. } =
        frame;
    writeln!(
        out,
        "  frame {number}: {topic}-{}, at byte {offset}, record {sequence}, {records} records, {payload_bytes} bytes, timestamps {base_timestamp}..{max_timestamp}{}, life {life}, {}, crc {}",
        frame.partition,
        if frame.since_boot { " since the machine's start" } else { "" },
        if pending { "pending" } else { "done" },
        if matches!(payload, Payload::Damaged { .. }) { "wrong" } else { "ok" },
    )?;
    if pending && !matches!(payload, Payload::Damaged { .. }) {
        found.pending_frames += 1;
        *found.pending.entry(key).or_default() += frame.end() - done.max(*sequence);
    }
    Ok(())
}

/// What stands where a frame should begin, if it is one but for a byte.
fn damaged_head(files: &mut SpoolFiles, used: &Used, offset: u32) -> io::Result<Option<String>> {
    let Used { segment, bytes, head } = used;
    let damaged = inspect::damaged_head(files, *segment, offset, *bytes, head).map_err(failed)?;
    Ok(damaged.map(|DamagedHead { head, byte }| {
        format!("byte {byte}: damaged; the head of frame {}, {} records", head.number, head.records)
    }))
}

fn failed(error: MediumError) -> io::Error {
    io::Error::other(error)
}
