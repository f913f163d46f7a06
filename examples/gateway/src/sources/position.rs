//! How far a file was taken in, kept over a restart: which file it was, and where it goes on. A file is known again by its number in the
//! file system, and by how it begins, since numbers are used again.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// So much of a file's begin is kept.
const BEGIN_BYTES: usize = 64;

/// Which file, and how far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    device: u64,
    inode: u64,
    pub(super) offset: u64,
    begin: String,
}

impl Position {
    pub(super) fn of(file: &File, offset: u64) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let begin = begin(file, BEGIN_BYTES.min(offset as usize))?;
        Ok(Self { device: metadata.dev(), inode: metadata.ino(), offset, begin })
    }

    /// Reads it; what is no position is none.
    pub(super) fn load(path: &Path) -> Option<Self> {
        let mut text = String::new();
        File::open(path).ok()?.take(1024).read_to_string(&mut text).ok()?;
        let mut words = text.split_whitespace();
        let mut number = || words.next()?.parse().ok();
        let (device, inode, offset) = (number()?, number()?, number()?);
        Some(Self { device, inode, offset, begin: words.next().unwrap_or_default().to_owned() })
    }

    /// Writes it as a whole, or not at all.
    pub(super) fn store(&self, path: &Path) -> io::Result<()> {
        let beside = path.with_extension("new");
        let mut file = File::create(&beside)?;
        writeln!(file, "{} {} {} {}", self.device, self.inode, self.offset, self.begin)?;
        file.sync_data()?;
        fs::rename(&beside, path)
    }

    /// The file that it is of: at its path, or beside it, where it was rotated away.
    pub(super) fn find(&self, path: &Path) -> Option<File> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let beside = fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
        std::iter::once(path.to_owned()).chain(beside).find_map(|path| self.open(&path))
    }

    fn open(&self, path: &PathBuf) -> Option<File> {
        let is_it = |metadata: &fs::Metadata| (metadata.dev(), metadata.ino()) == (self.device, self.inode);
        let metadata = fs::metadata(path).ok()?;
        if !is_it(&metadata) || !metadata.is_file() || metadata.len() < self.offset {
            return None;
        }
        let file = File::open(path).ok()?;
        (begin(&file, self.begin.len() / 2).ok()? == self.begin).then_some(file)
    }
}

/// In hexadecimal digits.
fn begin(file: &File, length: usize) -> io::Result<String> {
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
