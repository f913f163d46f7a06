//! A medium in memory: what is not synced may be lost, in part and in any order, and any operation may fail.

use std::vec;
use std::vec::Vec;

use crate::random::Random;
use crate::spool::{Area, Medium, MediumError};

/// What happens at an operation, and from when on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// This operation fails; a write is done in part.
    Once(MediumError),
    /// It and all that follow fail: the power is gone.
    Cut,
}

#[derive(Clone, Debug)]
struct Unsynced {
    area: Area,
    offset: usize,
    bytes: Vec<u8>,
    /// A sync has failed since: a later one says nothing of it.
    forgotten: bool,
}

/// The areas, and what of them is not durable yet.
#[derive(Clone, Debug)]
pub(super) struct Ram {
    durable: Vec<Vec<u8>>,
    cached: Vec<Vec<u8>>,
    unsynced: Vec<Unsynced>,
    /// Operations so far.
    pub(super) operations: usize,
    /// Bytes written so far.
    pub(super) written: usize,
    pub(super) fault: Option<(usize, Fault)>,
    pub(super) syncs: usize,
}

const CHECKPOINT_BYTES: usize = 4096;

impl Ram {
    pub(super) fn new(segments: usize, segment_bytes: u32) -> Self {
        let mut areas = vec![vec![0xff; CHECKPOINT_BYTES]; 2];
        areas.resize(2 + segments, vec![0xff; segment_bytes as usize]);
        Self {
            durable: areas.clone(),
            cached: areas,
            unsynced: Vec::new(),
            operations: 0,
            written: 0,
            fault: None,
            syncs: 0,
        }
    }

    fn index(area: Area) -> usize {
        match area {
            Area::Checkpoint(slot) => slot.into(),
            Area::Segment(segment) => 2 + usize::from(segment),
        }
    }

    /// Every byte that lasts, to be damaged.
    pub(super) fn bytes(&mut self) -> impl Iterator<Item = &mut u8> {
        self.cached.iter_mut().flatten()
    }

    /// The medium after the process was killed: all that was written is there.
    pub(super) fn after_kill(mut self) -> Self {
        self.fault = None;
        self
    }

    /// The medium after the power was gone: of what was not synced each write is there, or not, or in part.
    pub(super) fn after_cut(mut self, random: &mut Random) -> Self {
        for Unsynced { area, offset, bytes, .. } in self.unsynced.drain(..).filter(|write| !write.forgotten) {
            let count = match random.below(3) {
                0 => 0,
                1 => bytes.len(),
                _ => random.below(bytes.len() as u32 + 1) as usize,
            };
            let bytes = &bytes[..count];
            self.durable[Self::index(area)][offset..offset + count].copy_from_slice(bytes);
        }
        self.cached = self.durable.clone();
        self.fault = None;
        self
    }

    /// The medium with the first `bytes` of everything that was written after `written`.
    pub(super) fn torn(before: &Self, after: &Self, bytes: usize) -> Self {
        let mut torn = before.clone();
        let mut left = bytes;
        for Unsynced { area, offset, bytes, .. } in after.unsynced.iter().skip(before.unsynced.len()) {
            let count = left.min(bytes.len());
            torn.cached[Self::index(*area)][*offset..*offset + count].copy_from_slice(&bytes[..count]);
            left -= count;
        }
        torn.durable = torn.cached.clone();
        torn.unsynced.clear();
        torn
    }

    fn operate(&mut self) -> Result<(), MediumError> {
        let operation = self.operations;
        self.operations += 1;
        match self.fault {
            Some((at, Fault::Once(error))) if at == operation => Err(error),
            Some((at, Fault::Cut)) if at <= operation => Err(MediumError::Failed(5)),
            _ => Ok(()),
        }
    }
}

impl Medium for Ram {
    fn write(&mut self, area: Area, offset: u32, bytes: &[u8]) -> Result<(), MediumError> {
        let result = self.operate();
        let (offset, index) = (offset as usize, Self::index(area));
        let count = if result.is_ok() { bytes.len() } else { bytes.len() / 2 };
        self.written += count;
        self.cached[index][offset..offset + count].copy_from_slice(&bytes[..count]);
        self.unsynced.push(Unsynced { area, offset, bytes: bytes[..count].into(), forgotten: false });
        result
    }

    fn sync(&mut self, area: Area) -> Result<(), MediumError> {
        let result = self.operate();
        let index = Self::index(area);
        for write in self.unsynced.iter_mut().filter(|write| write.area == area && !write.forgotten) {
            match result {
                Ok(()) => {
                    self.durable[index][write.offset..][..write.bytes.len()].copy_from_slice(&write.bytes);
                }
                Err(_) => write.forgotten = true,
            }
        }
        if result.is_ok() {
            self.syncs += 1;
            self.unsynced.retain(|write| write.area != area || write.forgotten);
        }
        result
    }

    fn read(&mut self, area: Area, offset: u32, bytes: &mut [u8]) -> Result<(), MediumError> {
        self.operate()?;
        let offset = offset as usize;
        bytes.copy_from_slice(&self.cached[Self::index(area)][offset..offset + bytes.len()]);
        Ok(())
    }
}
