//! A spool's medium on a machine with files: one directory, a file for each area.
//!
//! What is written is gathered first, and leaves in long writes; what is read comes in long reads. A write that fails is
//! kept, and done again before anything else. Who only looks makes, writes and locks nothing.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use felice_core::spool::{Area, Medium, MediumError};

use crate::checksum;

/// Bytes that are gathered before they are written, and read at once.
const GATHERED: usize = 256 * 1024;
const READ_AT_ONCE: usize = 64 * 1024;

/// Files that are open at a time: the segments that are written to and read from, both checkpoints, and some more.
const OPEN_MAX: usize = 8;

/// The files of a spool: those of a producer, or to be looked at with [`inspect`](felice_core::spool::inspect).
#[derive(Debug)]
pub struct Files {
    directory: PathBuf,
    /// Who uses them; nobody, where they are only looked at.
    user: Option<User>,
    /// Those that are open, the last one used behind the others.
    open: Vec<(Area, File)>,
    /// Not written yet.
    gathered: Option<(Area, u32)>,
    bytes: Vec<u8>,
    /// Read ahead.
    ahead: Option<(Area, u32)>,
    read: Vec<u8>,
}

/// What a producer has besides.
#[derive(Debug)]
struct User {
    /// Held for as long as the directory is used.
    _lock: File,
    sizes: Sizes,
}

/// How much room files get when they are made, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) segment: u32,
    pub(crate) checkpoint: u32,
    /// What the file system is to have free besides a segment.
    pub(crate) free_min: u64,
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
    pub(crate) fn lock(directory: &Path, sizes: Sizes) -> Result<Self, LockError> {
        fs::create_dir_all(directory).map_err(LockError::Io)?;
        let path = directory.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(path);
        let lock = lock.map_err(LockError::Io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::InUse),
            Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
        let mut files = Self::with(directory, Some(User { _lock: lock, sizes }));
        for slot in [0, 1] {
            // Later there may be no room, and what is done could not be written down. Where there is none already, the first
            // checkpoint fails, and that is told.
            let _ = files.file(Area::Checkpoint(slot), true);
        }
        Ok(files)
    }

    /// Opens a directory to look at it: nothing is made, written or locked, so a producer may use it at the same time. What
    /// it has written since is seen by who opens it anew.
    ///
    /// # Errors
    ///
    /// What the system says where it is no directory.
    pub fn look(directory: &Path) -> io::Result<Self> {
        fs::read_dir(directory).map(|_| Self::with(directory, None))
    }

    fn with(directory: &Path, user: Option<User>) -> Self {
        Self {
            directory: directory.to_owned(),
            user,
            open: Vec::with_capacity(OPEN_MAX),
            gathered: None,
            bytes: Vec::with_capacity(GATHERED),
            ahead: None,
            read: vec![0; READ_AT_ONCE],
        }
    }

    /// The segments that there are files for.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn segments(&self) -> io::Result<Vec<u16>> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("segment-")?.parse().ok());
            segments.extend(number.filter(|number| *file_name(Area::Segment(*number)) == *name));
        }
        segments.sort_unstable();
        Ok(segments)
    }

    /// How long an area's file is, in bytes; 0 where there is none.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn area_bytes(&self, area: Area) -> io::Result<u64> {
        match fs::metadata(self.directory.join(file_name(area))) {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// How many segments a directory has, and how long the longest is; none where there is nothing.
    pub(crate) fn present(directory: &Path) -> (u16, u32) {
        let Ok(files) = Self::look(directory) else { return (0, 0) };
        let segments = files.segments().unwrap_or_default();
        let lengths = segments.iter().filter_map(|segment| files.area_bytes(Area::Segment(*segment)).ok());
        let longest = u32::try_from(lengths.max().unwrap_or(0)).unwrap_or(u32::MAX);
        (segments.last().map_or(0, |last| last.saturating_add(1)), longest)
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
        let opened = match self.open.iter().position(|(open, _)| *open == area) {
            Some(place) => self.open.remove(place),
            None => (area, self.open(area, make)?),
        };
        if self.open.len() == OPEN_MAX {
            self.open.remove(0);
        }
        self.open.push(opened);
        self.open.last_mut().map(|(_, file)| file).ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// A file gets all of its room when it is made: later nothing that happens to the file system can take it.
    fn open(&self, area: Area, make: bool) -> io::Result<File> {
        let path = self.directory.join(file_name(area));
        let Some(User { sizes, .. }) = &self.user else { return File::open(path) };
        let mut file = match OpenOptions::new().read(true).write(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied && !make => File::open(&path)?,
            Err(error) if error.raw_os_error() == Some(30) && !make => File::open(&path)?,
            opened if !make => opened?,
            _ => OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?,
        };
        let (wanted, free_min) = match area {
            Area::Checkpoint(_) => (sizes.checkpoint.into(), 0),
            Area::Segment(_) => (sizes.segment.into(), sizes.free_min),
        };
        if make && file.seek(SeekFrom::End(0))? < wanted {
            reserve(&file, &self.directory, wanted, free_min)?;
        }
        if make {
            File::open(&self.directory)?.sync_all()?;
        }
        Ok(file)
    }
}

/// The file of an area, in the spool's directory.
#[must_use]
pub fn file_name(area: Area) -> String {
    match area {
        Area::Checkpoint(slot) => format!("checkpoint-{slot}"),
        Area::Segment(segment) => format!("segment-{segment:05}"),
    }
}

impl Medium for Files {
    fn write(&mut self, area: Area, offset: u32, bytes: &[u8]) -> Result<(), MediumError> {
        if self.user.is_none() {
            return Err(failure(&ErrorKind::ReadOnlyFilesystem.into()));
        }
        if self.ahead.is_some_and(|(ahead, _)| ahead == area) {
            self.ahead = None;
        }
        let begin = self.gathered.filter(|(gathered, _)| *gathered == area).map(|(_, begin)| begin);
        let place = begin.and_then(|begin| offset.checked_sub(begin)).map(|at| at as usize);
        let at = match place.filter(|at| *at <= self.bytes.len()) {
            Some(at) => at,
            None => {
                self.flush().map_err(|error| failure(&error))?;
                self.gathered = Some((area, offset));
                0
            }
        };
        // What is written once more, since it failed, takes the place of what it was; nothing else does.
        let (again, new) = bytes.split_at(bytes.len().min(self.bytes.len() - at));
        self.bytes[at..at + again.len()].copy_from_slice(again);
        self.bytes.extend_from_slice(new);
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
