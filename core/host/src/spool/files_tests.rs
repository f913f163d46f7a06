//! The files of a spool: what is made when, how many are open, and what who only looks may do.

use std::fs;
use std::path::PathBuf;

use felice_core::spool::{Area, Medium, MediumError};

use super::files::{Files, Sizes};

const SIZES: Sizes = Sizes { segment: 65_536, checkpoint: 5_000, free_min: 0 };

/// A directory of its own, gone with this value.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("felice-files-{name}-{}", std::process::id())))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// When the disk is full, what is done can still be written down: segments are freed by that.
#[test]
fn checkpoints_have_their_room_from_the_start() {
    let directory = Directory::new("room");
    let files = Files::lock(&directory.0, SIZES).unwrap();
    for slot in [0, 1] {
        assert_eq!(files.area_bytes(Area::Checkpoint(slot)).unwrap(), 5_000);
    }
    assert_eq!(files.segments().unwrap(), [0; 0], "segments are made when they are needed");
}

/// A checkpoint's head that could not be written waits for the next attempt, which begins with what stands behind it.
#[test]
fn what_is_written_once_more_leaves_the_rest_as_it_is() {
    let directory = Directory::new("again");
    let mut files = Files::lock(&directory.0, SIZES).unwrap();
    let area = Area::Checkpoint(0);
    files.write(area, 0, b"head").unwrap();
    files.write(area, 4, b"body").unwrap();
    files.write(area, 0, b"HEAD").unwrap();
    files.sync(area).unwrap();
    let mut bytes = [0; 8];
    files.read(area, 0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"HEADbody");
}

#[test]
fn few_files_are_open_at_a_time() {
    let directory = Directory::new("open");
    let mut files = Files::lock(&directory.0, SIZES).unwrap();
    for segment in 0..40_u16 {
        files.write(Area::Segment(segment), 8, &segment.to_le_bytes()).unwrap();
        files.sync(Area::Segment(segment)).unwrap();
    }
    for segment in (0..40_u16).rev() {
        let mut bytes = [0; 2];
        files.read(Area::Segment(segment), 8, &mut bytes).unwrap();
        assert_eq!(bytes, segment.to_le_bytes());
    }
    assert_eq!(files.segments().unwrap().len(), 40);
    #[cfg(target_os = "linux")]
    {
        let open =
            fs::read_dir("/proc/self/fd").unwrap().filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
        let own = open.filter(|path| path.starts_with(&directory.0)).count();
        assert!((2..=9).contains(&own), "{own}, the lock included");
    }
}

#[test]
fn who_looks_changes_nothing() {
    let directory = Directory::new("look");
    assert!(Files::look(&directory.0).is_err(), "there is no directory");
    let mut files = Files::lock(&directory.0, SIZES).unwrap();
    files.write(Area::Segment(3), 0, b"frames").unwrap();
    files.sync(Area::Segment(3)).unwrap();
    let names = || {
        let mut names: Vec<_> =
            fs::read_dir(&directory.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = names();
    let mut look = Files::look(&directory.0).unwrap();
    let mut bytes = [1; 8];
    look.read(Area::Segment(3), 0, &mut bytes).unwrap();
    assert_eq!(&bytes, b"frames\0\0");
    look.read(Area::Segment(4), 0, &mut bytes).unwrap();
    assert_eq!((bytes, look.area_bytes(Area::Segment(4)).unwrap()), ([0; 8], 0), "there is no such file");
    for area in [Area::Segment(3), Area::Segment(4), Area::Checkpoint(0)] {
        assert!(matches!(look.write(area, 0, b"x"), Err(MediumError::Failed(_))));
    }
    assert_eq!((names(), look.segments().unwrap()), (before, vec![3]));
}
