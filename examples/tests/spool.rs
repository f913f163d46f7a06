//! The command `spool` on what producers have left, and on what has become of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use felice_blocking::{Producer, ProducerRecord};
use felice_tests::spooled::Directory;

fn spool(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_spool")).args(arguments).output().unwrap()
}

/// What it prints of a directory; its exit status must be this.
fn look(option: &str, directory: &Path, status: i32) -> String {
    let output = spool(&[option, directory.to_str().unwrap()]);
    let [stdout, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(output.status.code(), Some(status), "{stdout}{stderr}");
    stdout + &stderr
}

/// A producer without a cluster that has sent so many records to each of two partitions, one after the other.
fn producer(directory: &Path, records: usize) -> Producer {
    let builder = Producer::builder().bootstrap_servers("127.0.0.1:1").linger(Duration::ZERO);
    let builder = builder.spool_dir(directory).spool_sync(Duration::from_millis(1));
    let producer = builder.build().unwrap();
    for number in 0..2 * records {
        let value = format!("record {number}");
        let record = ProducerRecord::new("readings", value).partition(number as i32 % 2);
        producer.send(&record).unwrap().spooled().unwrap();
    }
    producer
}

/// A spool with so many records of each of two partitions, after a second life that has done nothing.
fn made(records: usize) -> Directory {
    let directory = Directory::new();
    producer(directory.path(), records).close(Duration::ZERO).unwrap();
    producer(directory.path(), 0).close(Duration::ZERO).unwrap();
    directory
}

/// Where the frames are, by the dump: of each, where it begins and where its records do.
fn frames(dump: &str) -> Vec<(u64, u64)> {
    let lines = dump.lines().filter(|line| line.starts_with("  frame "));
    let begin = |line: &str| line.split("at byte ").nth(1)?.split(',').next()?.parse().ok();
    lines.map(|line| begin(line).unwrap()).map(|begin: u64| (begin, begin + 64 + 8)).collect()
}

fn flip(directory: &Path, file: &str, byte: u64) -> PathBuf {
    let path = directory.join(file);
    let mut bytes = fs::read(&path).unwrap();
    bytes[byte as usize] ^= 4;
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn what_a_producer_has_left_is_listed() {
    let directory = made(10);
    let dump = look("--dump", directory.path(), 0);
    let frame = "frame 19: readings-1, at byte ";
    for expected in [
        "checkpoint-0: valid, generation 2, life 2,",
        "checkpoint-1: valid, generation 1, life 1,",
        "spool ",
        "partition readings-0: 10 records written, 0 done; no numbering",
        "segment-00000: number 0, life 1, frames from 0, ",
        frame,
        ", record 9, 1 records, ",
        "crc ok",
        "pending: 20 frames, 20 records of 2 partitions",
        "damaged: nothing; 20 frames were read",
    ] {
        assert!(dump.contains(expected), "{expected}\n{dump}");
    }
    assert_eq!(frames(&dump).len(), 20);
    let verified = look("--verify", directory.path(), 0);
    assert_eq!(
        verified,
        "pending: 20 frames, 20 records of 2 partitions\ndamaged: nothing; 20 frames were read\n"
    );
}

/// Whatever it is in: the head of a frame, its records, the head of its segment, a checkpoint.
#[test]
fn a_flipped_byte_is_named() {
    let directory = made(3);
    let frames = frames(&look("--dump", directory.path(), 0));
    let segment = "segment-00000";
    let cases = frames.iter().flat_map(|&(head, records)| {
        [
            (head, "damaged; the head of frame"),
            (head + 20, "damaged; the head"),
            (records + 3, "damaged; frame"),
        ]
    });
    for (byte, what) in cases {
        flip(directory.path(), segment, byte);
        let verified = look("--verify", directory.path(), 1);
        assert!(verified.starts_with(&format!("{segment}, byte {byte}: {what}")), "{verified}");
        assert!(verified.contains("damaged: 1 places"), "{verified}");
        assert!(verified.contains("pending: 5 frames"), "{verified}");
        flip(directory.path(), segment, byte);
    }
    for (file, byte, what) in [
        (segment, 20, "bytes 0-63: its head is damaged"),
        ("checkpoint-1", 3, "bytes 0-191: its head is damaged"),
        ("checkpoint-0", 194, "from byte 192 on: it is damaged"),
    ] {
        flip(directory.path(), file, byte);
        let verified = look("--verify", directory.path(), 1);
        assert!(verified.starts_with(&format!("{file}, {what}")), "{verified}");
        assert!(verified.contains("pending: 6 frames, 6 records"), "{verified}");
        flip(directory.path(), file, byte);
    }
    look("--verify", directory.path(), 0);
}

/// A frame at the end whose writing was cut off was never durable: that is no damage.
#[test]
fn a_torn_end_is_no_damage() {
    let directory = made(3);
    let last = frames(&look("--dump", directory.path(), 0)).pop().unwrap().1;
    let path = directory.path().join("segment-00000");
    let mut bytes = fs::read(&path).unwrap();
    bytes[last as usize + 4..].fill(0);
    fs::write(&path, bytes).unwrap();
    let verified = look("--verify", directory.path(), 0);
    assert!(verified.contains("torn: 1 frames") && verified.contains("pending: 5 frames"), "{verified}");
}

#[test]
fn a_spool_in_use_is_looked_at() {
    let directory = Directory::new();
    let producer = producer(directory.path(), 100);
    let verified = look("--verify", directory.path(), 0);
    assert!(verified.contains("damaged: nothing; 200 frames were read"), "{verified}");
    // Nothing was locked or changed by that.
    let record = ProducerRecord::new("readings", "one more").partition(0);
    producer.send(record).unwrap().spooled().unwrap();
    let dump = look("--dump", directory.path(), 0);
    assert!(dump.contains("frame 200: readings-0"), "{dump}");
    producer.close(Duration::ZERO).unwrap();
}

#[test]
fn where_there_is_no_spool_that_is_said() {
    let directory = Directory::new();
    let missing = look("--verify", directory.path(), 2);
    assert!(missing.starts_with(&format!("{}: No such file", directory.path().display())), "{missing}");
    fs::create_dir(directory.path()).unwrap();
    let empty = look("--dump", directory.path(), 2);
    assert!(empty.contains("there is no spool in this directory"), "{empty}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "nothing was made");
    for arguments in [&[][..], &["--dump"], &["--verify", "a", "b"], &["--check", "a"]] {
        let output = spool(arguments);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8(output.stderr).unwrap().contains("--dump DIR or --verify DIR"));
    }
    let help = spool(&["--help"]);
    assert!(help.status.success() && String::from_utf8(help.stdout).unwrap().contains("exit status"));
}
