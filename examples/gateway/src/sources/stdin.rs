//! Standard input, until it ends.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;

use super::CHUNK_BYTES;
use crate::intake::Door;
use crate::lines::Lines;
use crate::mapping::{Origin, Scratch};

pub(super) fn run(door: &Door, line_bytes_max: usize) {
    let mut lines = Lines::new(line_bytes_max);
    match read(door, &mut lines) {
        Ok(()) => {}
        Err(error) => door.counters.set_down(Some(error.to_string())),
    }
    door.cut_off(lines.held());
}

fn read(door: &Door, lines: &mut Lines) -> io::Result<()> {
    // Not the library's: what that one holds, nobody who waits for the descriptor hears of.
    let mut input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let (mut chunk, mut scratch) = (vec![0; CHUNK_BYTES], Scratch::default());
    loop {
        door.stop.wait([&input as &dyn AsFd], None)?;
        // What has not been read is its writer's still.
        if door.stop.is_asked() {
            return Ok(());
        }
        let mapping = door.mapping();
        let mut take =
            |line: crate::lines::Line<'_>, _| door.take(line, &mapping, Origin::default(), &mut scratch);
        match input.read(&mut chunk) {
            Ok(0) => {
                lines.end(&mut take);
                return Ok(());
            }
            Ok(length) => lines.feed(&chunk[..length], &mut take),
            Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {}
            Err(error) => return Err(error),
        }
    }
}
