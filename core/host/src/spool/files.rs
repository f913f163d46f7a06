//! A spool's medium on a machine with files: one directory, a file for each area.
//!
//! What is written is gathered first, and leaves in long writes; what is read comes in long reads. A write that fails is
//! kept, and done again before anything else.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use felice_core::spool::{Area, Medium, MediumError};

use crate::checksum;

/// Bytes that are gathered before they are written, and read at once.
const GATHERED: usize = 256 * 1024;
const READ_AT_ONCE: usize = 64 * 1024;

/// The directory of a spool, locked.
pub(crate) struct Files {
    directory: PathBuf,
    /// Held for as long as the directory is used.
    _lock: File,
    segment_bytes: u32,
    /// What the file system is to have free besides, in bytes.
    free_bytes_min: u64,
    checkpoints: [Option<File>; 2],
    segments: Vec<Option<File>>,
    /// Not written yet.
    gathered: Option<(Area, u32)>,
    bytes: Vec<u8>,
    /// Read ahead.
    ahead: Option<(Area, u32)>,
    read: Vec<u8>,
}

/// Why a directory cannot be used.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Another producer uses it.
    InUse,
    /// It cannot be made, or not be written to.
    Io(io::Error),
}

impl Files {
    /// Makes the directory if there is none, and locks it.
    pub(crate) fn lock(
        directory: &Path,
        segments: u16,
        segment_bytes: u32,
        free_bytes_min: u64,
    ) -> Result<Self, LockError> {
        fs::create_dir_all(directory).map_err(LockError::Io)?;
        let path = directory.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path);
        let lock = lock.map_err(LockError::Io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::InUse),
            Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
        Ok(Self {
            directory: directory.to_owned(),
            _lock: lock,
            segment_bytes,
            free_bytes_min,
            checkpoints: [None, None],
            segments: (0..segments).map(|_| None).collect(),
            gathered: None,
            bytes: Vec::with_capacity(GATHERED),
            ahead: None,
            read: vec![0; READ_AT_ONCE],
        })
    }

    /// How many segments a directory has, and how long the longest is; none where there is nothing.
    pub(crate) fn present(directory: &Path) -> (u16, u32) {
        let files = fs::read_dir(directory).into_iter().flatten().flatten();
        let lengths = files.filter_map(|file| {
            let name = file.file_name();
            let number: u16 = name.to_str()?.strip_prefix("segment-")?.parse().ok()?;
            Some((number.saturating_add(1), u32::try_from(file.metadata().ok()?.len()).unwrap_or(u32::MAX)))
        });
        lengths.fold((0, 0), |(count, longest), (number, length)| (count.max(number), longest.max(length)))
    }

    /// What tells this machine, and this directory, from others: a copy of its files has another number.
    pub(crate) fn identity(&self) -> u64 {
        let mut hash = Fnv::default();
        for known in ["/etc/machine-id", "/proc/device-tree/serial-number"] {
            hash.add(&fs::read(known).unwrap_or_default());
        }
        #[cfg(unix)]
        if let Ok(lock) = fs::metadata(self.directory.join("lock")) {
            use std::os::unix::fs::MetadataExt;
            hash.add(&lock.ino().to_le_bytes());
            hash.add(&lock.dev().to_le_bytes());
        }
        hash.0
    }

    /// What tells this boot of the machine from others; where nothing does each life has its own.
    pub(crate) fn boot() -> u64 {
        let Ok(id) = fs::read("/proc/sys/kernel/random/boot_id") else { return checksum::seed() };
        let mut hash = Fnv::default();
        hash.add(&id);
        hash.0
    }

    /// Writes what was gathered; what was not written stays gathered.
    fn flush(&mut self) -> io::Result<()> {
        let Some((area, offset)) = self.gathered else { return Ok(()) };
        let bytes = std::mem::take(&mut self.bytes);
        let result = self.file(area, true).and_then(|file| {
            file.seek(SeekFrom::Start(offset.into()))?;
            file.write_all(&bytes)
        });
        self.bytes = bytes;
        if result.is_ok() {
            self.gathered = None;
            self.bytes.clear();
        }
        result
    }

    fn file(&mut self, area: Area, make: bool) -> io::Result<&mut File> {
        let (place, name) = match area {
            Area::Checkpoint(slot) => {
                (&self.checkpoints[usize::from(slot % 2)], format!("checkpoint-{slot}"))
            }
            Area::Segment(segment) => (&self.segments[usize::from(segment)], format!("segment-{segment:05}")),
        };
        let opened = match place {
            Some(_) => None,
            None => Some(self.open(area, &name, make)?),
        };
        let place = match area {
            Area::Checkpoint(slot) => &mut self.checkpoints[usize::from(slot % 2)],
            Area::Segment(segment) => &mut self.segments[usize::from(segment)],
        };
        if let Some(file) = opened {
            *place = Some(file);
        }
        place.as_mut().ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// A segment gets all of its room when it is made: later nothing that happens to the file system can take it.
    fn open(&self, area: Area, name: &str, make: bool) -> io::Result<File> {
        let path = self.directory.join(name);
        let mut file = match OpenOptions::new().read(true).write(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied && !make => File::open(&path)?,
            Err(error) if error.raw_os_error() == Some(30) && !make => File::open(&path)?,
            opened if !make => opened?,
            _ => OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?,
        };
        let wanted = u64::from(self.segment_bytes);
        if make && matches!(area, Area::Segment(_)) && file.seek(SeekFrom::End(0))? < wanted {
            reserve(&file, &self.directory, wanted, self.free_bytes_min)?;
        }
        if make {
            File::open(&self.directory)?.sync_all()?;
        }
        Ok(file)
    }
}

impl Medium for Files {
    fn write(&mut self, area: Area, offset: u32, bytes: &[u8]) -> Result<(), MediumError> {
        if self.ahead.is_some_and(|(ahead, _)| ahead == area) {
            self.ahead = None;
        }
        let follows = match self.gathered {
            Some((gathered, begin)) if gathered == area && offset >= begin => {
                let at = (offset - begin) as usize;
                // What is written once more, since it failed, takes the place of what it was.
                (at <= self.bytes.len()).then(|| self.bytes.truncate(at)).is_some()
            }
            _ => false,
        };
        if !follows {
            self.flush().map_err(|error| failure(&error))?;
            self.gathered = Some((area, offset));
        }
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() >= GATHERED {
            self.flush().map_err(|error| failure(&error))?;
        }
        Ok(())
    }

    fn sync(&mut self, area: Area) -> Result<(), MediumError> {
        self.flush().map_err(|error| failure(&error))?;
        self.file(area, true).and_then(|file| file.sync_data()).map_err(|error| failure(&error))
    }

    fn read(&mut self, area: Area, offset: u32, bytes: &mut [u8]) -> Result<(), MediumError> {
        if self.gathered.is_some_and(|(gathered, _)| gathered == area) {
            self.flush().map_err(|error| failure(&error))?;
        }
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u32;
            let held = match self.ahead {
                Some((ahead, begin)) if ahead == area && at >= begin => {
                    self.read.get((at - begin) as usize..).filter(|held| !held.is_empty())
                }
                _ => None,
            };
            match held {
                Some(held) => {
                    let count = held.len().min(bytes.len() - done);
                    bytes[done..done + count].copy_from_slice(&held[..count]);
                    done += count;
                }
                None => self.read_ahead(area, at).map_err(|error| failure(&error))?,
            }
        }
        Ok(())
    }
}

impl Files {
    fn read_ahead(&mut self, area: Area, at: u32) -> io::Result<()> {
        self.ahead = None;
        let mut read = std::mem::take(&mut self.read);
        let result = match self.file(area, false) {
            Ok(file) => file.seek(SeekFrom::Start(at.into())).and_then(|_| read_up_to(file, &mut read)),
            // What was never written reads as anything.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        };
        self.read = read;
        let count = result?;
        self.read[count..].fill(0);
        self.ahead = Some((area, at));
        Ok(())
    }
}

fn read_up_to(file: &mut File, bytes: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while count < bytes.len() {
        match file.read(&mut bytes[count..]) {
            Ok(0) => break,
            Ok(read) => count += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// Takes all the room of a segment from the file system.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn reserve(file: &File, directory: &Path, bytes: u64, free_bytes_min: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate, statvfs};

    let system = statvfs(directory)?;
    if system.f_bavail.saturating_mul(system.f_frsize) < bytes.saturating_add(free_bytes_min) {
        return Err(ErrorKind::StorageFull.into());
    }
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        // Not every file system can.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => file.set_len(bytes),
        result => Ok(result?),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn reserve(file: &File, _: &Path, bytes: u64, _: u64) -> io::Result<()> {
    file.set_len(bytes)
}

fn failure(error: &io::Error) -> MediumError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => MediumError::NoSpace,
        _ => MediumError::Failed(error.raw_os_error().unwrap_or_default()),
    }
}

/// FNV-1a: the same number in every build.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain([&0xff]) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
