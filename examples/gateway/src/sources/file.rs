//! A file that grows: followed over rotation (it is renamed, and another takes its name) and truncation. Where it goes on after a
//! restart is written down behind what is safe, never before it.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::position::Position;
use super::{AGAIN, CHUNK_BYTES};
use crate::intake::Door;
use crate::lines::{Line, Lines};
use crate::mapping::{Origin, Scratch};

/// So often somebody looks whether the file has grown.
const LOOK: Duration = Duration::from_millis(200);
/// So often at most it is written down how far it is taken in.
const KEEP: Duration = Duration::from_secs(1);

struct Followed<'f> {
    door: &'f Door,
    path: &'f Path,
    position_file: Option<&'f Path>,
    line_bytes_max: usize,
    file: File,
    lines: Lines,
    scratch: Scratch,
    chunk: Vec<u8>,
    kept: (u64, Instant),
}

/// What has become of a file that has no more.
enum Fate {
    Same,
    Truncated,
    /// Another one has its name.
    Replaced,
    Gone(io::Error),
}

pub(super) fn run(door: &Door, line_bytes_max: usize, path: &Path, position_file: Option<&Path>) {
    let mut position = position_file.and_then(Position::load);
    while !door.stop.is_asked() {
        let before = position.take().and_then(|position| Some((position.find(path)?, position.offset)));
        let opened = match before {
            Some(before) => Ok(before),
            None => File::open(path).map(|file| (file, 0)),
        };
        let followed = opened.and_then(|(file, offset)| {
            Followed::new(door, line_bytes_max, path, position_file, file, offset)
        });
        match followed {
            Ok(mut followed) => {
                door.counters.set_down(None);
                followed.follow();
            }
            Err(error) => {
                door.counters.set_down(Some(error.to_string()));
                door.stop.pause(AGAIN);
            }
        }
    }
}

impl<'f> Followed<'f> {
    fn new(
        door: &'f Door,
        line_bytes_max: usize,
        path: &'f Path,
        position_file: Option<&'f Path>,
        mut file: File,
        offset: u64,
    ) -> io::Result<Self> {
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self {
            door,
            path,
            position_file,
            line_bytes_max,
            file,
            lines: Lines::new(line_bytes_max).starting_at(offset),
            scratch: Scratch::default(),
            chunk: vec![0; CHUNK_BYTES],
            kept: (offset, Instant::now()),
        })
    }

    /// Until another file has its name, or the end. What goes wrong meanwhile is told, and tried again: to begin anew would be to
    /// take everything in twice.
    fn follow(&mut self) {
        let mut is_replaced = false;
        while !self.door.stop.is_asked() {
            match self.look(&mut is_replaced) {
                Ok(ControlFlow::Continue(Duration::ZERO)) => {}
                Ok(ControlFlow::Continue(pause)) => {
                    self.door.stop.pause(pause);
                }
                Ok(ControlFlow::Break(())) => break,
                Err(error) => {
                    self.door.counters.set_down(Some(error.to_string()));
                    self.door.stop.pause(AGAIN);
                }
            }
        }
        self.keep(true);
    }

    /// Takes in what there is, and looks what has become of the file where that is nothing: after which pause to look again.
    fn look(&mut self, is_replaced: &mut bool) -> io::Result<ControlFlow<(), Duration>> {
        let length = self.read()?;
        self.keep(length == 0);
        if length > 0 {
            return Ok(ControlFlow::Continue(Duration::ZERO));
        }
        if *is_replaced {
            self.end();
            return Ok(ControlFlow::Break(()));
        }
        match self.fate()? {
            Fate::Same => self.door.counters.set_down(None),
            Fate::Truncated => self.begin_again()?,
            // Who writes may have it open still: one more look, a little later.
            Fate::Replaced => *is_replaced = true,
            Fate::Gone(error) => self.door.counters.set_down(Some(error.to_string())),
        }
        Ok(ControlFlow::Continue(LOOK))
    }

    /// Takes in what there is, a chunk at most.
    fn read(&mut self) -> io::Result<usize> {
        let length = self.file.read(&mut self.chunk)?;
        let (door, mapping) = (self.door, self.door.mapping());
        let (path, scratch) = (self.path.as_os_str().as_bytes(), &mut self.scratch);
        self.lines.feed(&self.chunk[..length], |line, offset| {
            door.take(line, &mapping, Origin { path, offset, ..Origin::default() }, scratch);
        });
        Ok(length)
    }

    /// Nobody will write to it any more.
    fn end(&mut self) {
        let (door, mapping) = (self.door, self.door.mapping());
        let (path, scratch) = (self.path.as_os_str().as_bytes(), &mut self.scratch);
        self.lines.end(|line: Line<'_>, offset| {
            door.take(line, &mapping, Origin { path, offset, ..Origin::default() }, scratch);
        });
    }

    fn begin_again(&mut self) -> io::Result<()> {
        self.door.cut_off(self.lines.held());
        self.lines = Lines::new(self.line_bytes_max);
        self.file.rewind()?;
        crate::log::info("file_truncated", &[("source", &self.door.counters.name)]);
        Ok(())
    }

    fn fate(&self) -> io::Result<Fate> {
        let opened = self.file.metadata()?;
        if opened.len() < self.lines.taken() + self.lines.held() {
            return Ok(Fate::Truncated);
        }
        Ok(match fs::metadata(self.path) {
            Ok(named) if (named.dev(), named.ino()) == (opened.dev(), opened.ino()) => Fate::Same,
            Ok(_) => Fate::Replaced,
            Err(error) => Fate::Gone(error),
        })
    }

    /// Writes down how far it is taken in, once that is safe.
    fn keep(&mut self, is_idle: bool) {
        let (Some(path), offset) = (self.position_file, self.lines.taken()) else { return };
        let is_due = is_idle || self.kept.1.elapsed() >= KEEP;
        if !is_due || offset == self.kept.0 {
            return;
        }
        self.door.flush();
        // What was not safe in time is taken in again by the next life.
        if !self.door.stop.is_over()
            && let Err(problem) = Position::of(&self.file, offset).and_then(|position| position.store(path))
        {
            let name = &self.door.counters.name;
            crate::log::warn("position_not_kept", &[("source", name), ("problem", &problem)]);
        }
        self.kept = (offset, Instant::now());
    }
}
