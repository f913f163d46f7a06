//! What a spool is written on: the files of a host, the flash of a device.

use core::fmt;

/// A part of the medium. Each has the length that the medium was made with, and a place of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// One of the two slots for checkpoints: 0 or 1.
    Checkpoint(u8),
    /// A segment.
    Segment(u16),
}

/// Why a medium could not do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediumError {
    /// There is no room (`ENOSPC`), or not as much as is to be left to others.
    NoSpace,
    /// Anything else, by the system's own number; 0 where it has none.
    Failed(i32),
}

impl fmt::Display for MediumError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSpace => f.write_str("no space is left"),
            Self::Failed(code) => write!(f, "input or output failed (error {code} of the system)"),
        }
    }
}

impl core::error::Error for MediumError {}

/// Where a [`Spool`](super::Spool) keeps its bytes: it writes, syncs and reads, and does nothing else.
///
/// What was never written reads as bytes of any value. Between two syncs writes may reach the medium in any order, or
/// not at all: the spool counts on nothing else.
pub trait Medium {
    /// Writes bytes. An area is written from its begin to its end, in order, and then from its begin again; only a write
    /// that failed is done once more.
    ///
    /// # Errors
    /// [`MediumError`]: any part of the bytes may have been written.
    fn write(&mut self, area: Area, offset: u32, bytes: &[u8]) -> Result<(), MediumError>;

    /// Makes all that was written to an area last, through a loss of power.
    ///
    /// # Errors
    /// [`MediumError`]: what was written since the last sync may be lost, also if a later one succeeds.
    fn sync(&mut self, area: Area) -> Result<(), MediumError>;

    /// Reads what was written, synced or not.
    ///
    /// # Errors
    /// [`MediumError`].
    fn read(&mut self, area: Area, offset: u32, bytes: &mut [u8]) -> Result<(), MediumError>;
}
