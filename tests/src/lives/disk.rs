//! A disk, and the files of a spool on it, as the host's medium uses them: what is written is gathered in the process, leaves
//! for the system's cache in longer writes, and lasts once it is synced.
//!
//! A process that is killed loses what it has gathered. When the power goes, what was not synced is there, or not, or in part,
//! each write for itself. A write or a sync may fail; after a sync that has failed a later one says nothing of what that one was for.

use std::cell::RefCell;
use std::rc::Rc;

use felice_core::spool::{Area, Medium, MediumError};

use crate::simulation::dice::Dice;

/// Longer than any checkpoint here.
const CHECKPOINT_BYTES: usize = 2048;
/// What the system calls an input or output that failed.
pub(super) const EIO: MediumError = MediumError::Failed(5);

/// A write that the system's cache has, and the disk perhaps.
#[derive(Debug)]
struct Unsynced {
    area: usize,
    offset: usize,
    bytes: Vec<u8>,
}

/// What the process has not given to the system yet.
#[derive(Debug)]
struct Gathered {
    area: usize,
    offset: usize,
    bytes: Vec<u8>,
}

/// How operations fail for a while.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failing {
    pub(super) error: MediumError,
    /// One in so many fails.
    pub(super) one_in: u64,
}

#[derive(Debug)]
pub(super) struct Disk {
    dice: Dice,
    /// What lasts, and what whoever reads sees.
    lasting: Vec<Vec<u8>>,
    cached: Vec<Vec<u8>>,
    unsynced: Vec<Unsynced>,
    gathered: Option<Gathered>,
    /// So many bytes are gathered.
    gathered_max: usize,
    pub(super) failing: Option<Failing>,
    /// After so many writes and syncs more the process or the power is gone.
    dies_in: Option<u64>,
    is_dead: bool,
    /// Operations that have failed.
    pub(super) failed: u64,
}

impl Disk {
    pub(super) fn new(dice: Dice, segments: usize, segment_bytes: u32, gathered_max: usize) -> Self {
        let mut areas = vec![vec![0; CHECKPOINT_BYTES]; 2];
        areas.resize(2 + segments, vec![0; segment_bytes as usize]);
        Self {
            dice,
            lasting: areas.clone(),
            cached: areas,
            unsynced: Vec::new(),
            gathered: None,
            gathered_max,
            failing: None,
            dies_in: None,
            is_dead: false,
            failed: 0,
        }
    }

    /// Whoever works with it is gone in the middle of something: after so many writes and syncs.
    pub(super) fn die_in(&mut self, operations: u64) {
        self.dies_in = Some(operations);
    }

    pub(super) fn is_dead(&self) -> bool {
        self.is_dead
    }

    /// The process was killed: all that the system has is there, and of what was gathered a part, if it was about to be written.
    pub(super) fn after_kill(&mut self) {
        if let Some(Gathered { area, offset, bytes }) = self.gathered.take() {
            let count = if self.dice.one_in(2) { self.dice.below(bytes.len() as u64 + 1) } else { 0 };
            self.cache(area, offset, &bytes[..count as usize]);
        }
        self.revive();
    }

    /// The power was gone: what was not synced is there, or not, or in part.
    pub(super) fn after_cut(&mut self) {
        self.gathered = None;
        for write in std::mem::take(&mut self.unsynced) {
            self.perhaps(&write);
        }
        self.cached = self.lasting.clone();
        self.revive();
    }

    fn revive(&mut self) {
        (self.dies_in, self.is_dead, self.failing) = (None, false, None);
    }

    /// A write that was not synced reaches the disk, or not, or in part.
    fn perhaps(&mut self, write: &Unsynced) {
        let length = write.bytes.len() as u64;
        let (from, to) = match self.dice.below(4) {
            0 => (0, 0),
            1 => (0, length),
            2 => (0, self.dice.below(length + 1)),
            _ => (self.dice.below(length + 1), length),
        };
        let (from, to) = (from as usize, to as usize);
        self.lasting[write.area][write.offset + from..write.offset + to]
            .copy_from_slice(&write.bytes[from..to]);
    }

    fn cache(&mut self, area: usize, offset: usize, bytes: &[u8]) {
        self.cached[area][offset..offset + bytes.len()].copy_from_slice(bytes);
        self.unsynced.push(Unsynced { area, offset, bytes: bytes.into() });
    }

    /// Whether an operation is carried out. Reading does not count for when it ends: it leaves nothing behind.
    fn operate(&mut self, reads: bool) -> Result<(), MediumError> {
        if self.dies_in == Some(0) {
            self.is_dead = true;
        }
        if self.is_dead {
            return Err(EIO);
        }
        if let Some(left) = self.dies_in.as_mut().filter(|_| !reads) {
            *left -= 1;
        }
        match self.failing {
            Some(Failing { error, one_in })
                if (!reads || error == EIO) && self.dice.one_in(if reads { 4 * one_in } else { one_in }) =>
            {
                self.failed += 1;
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// Gives what was gathered to the system. What fails stays gathered, and may be there in part.
    fn flush(&mut self) -> Result<(), MediumError> {
        if self.gathered.is_none() {
            return Ok(());
        }
        let was_dead = self.is_dead;
        let result = self.operate(false);
        let Some(Gathered { area, offset, bytes }) = self.gathered.take() else { return result };
        match result {
            Ok(()) => self.cache(area, offset, &bytes),
            Err(_) if was_dead => {}
            Err(_) => {
                let count = self.dice.below(bytes.len() as u64 + 1) as usize;
                self.cache(area, offset, &bytes[..count]);
                self.gathered = Some(Gathered { area, offset, bytes });
            }
        }
        result
    }

    fn write(&mut self, area: usize, offset: usize, bytes: &[u8]) -> Result<(), MediumError> {
        let place = self.gathered.as_ref().filter(|gathered| gathered.area == area);
        let place = place.and_then(|gathered| Some((offset.checked_sub(gathered.offset)?, gathered)));
        let at = match place.filter(|(at, gathered)| *at <= gathered.bytes.len()) {
            Some((at, _)) => at,
            None => {
                self.flush()?;
                self.gathered = Some(Gathered { area, offset, bytes: Vec::new() });
                0
            }
        };
        let Some(gathered) = &mut self.gathered else { return Ok(()) };
        // What is written once more, since it failed, takes the place of what it was.
        let (again, new) = bytes.split_at(bytes.len().min(gathered.bytes.len() - at));
        gathered.bytes[at..at + again.len()].copy_from_slice(again);
        gathered.bytes.extend_from_slice(new);
        if gathered.bytes.len() >= self.gathered_max { self.flush() } else { Ok(()) }
    }

    fn sync(&mut self, area: usize) -> Result<(), MediumError> {
        self.flush()?;
        let result = self.operate(false);
        if self.is_dead {
            return result;
        }
        for write in std::mem::take(&mut self.unsynced) {
            if write.area != area {
                self.unsynced.push(write);
            } else if result.is_ok() {
                self.lasting[area][write.offset..][..write.bytes.len()].copy_from_slice(&write.bytes);
            } else {
                self.perhaps(&write);
            }
        }
        result
    }

    fn read(&mut self, area: usize, offset: usize, bytes: &mut [u8]) -> Result<(), MediumError> {
        if self.gathered.as_ref().is_some_and(|gathered| gathered.area == area) {
            self.flush()?;
        }
        self.operate(true)?;
        bytes.copy_from_slice(&self.cached[area][offset..][..bytes.len()]);
        Ok(())
    }
}

/// The files, as one life has them open.
#[derive(Debug)]
pub(super) struct Files(pub(super) Rc<RefCell<Disk>>);

fn index(area: Area) -> usize {
    match area {
        Area::Checkpoint(slot) => slot.into(),
        Area::Segment(segment) => 2 + usize::from(segment),
    }
}

impl Medium for Files {
    fn write(&mut self, area: Area, offset: u32, bytes: &[u8]) -> Result<(), MediumError> {
        self.0.borrow_mut().write(index(area), offset as usize, bytes)
    }

    fn sync(&mut self, area: Area) -> Result<(), MediumError> {
        self.0.borrow_mut().sync(index(area))
    }

    fn read(&mut self, area: Area, offset: u32, bytes: &mut [u8]) -> Result<(), MediumError> {
        self.0.borrow_mut().read(index(area), offset as usize, bytes)
    }
}
