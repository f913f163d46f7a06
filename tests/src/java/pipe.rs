//! The bytes between the tests and the oracle's JVM, as Java's `DataInputStream` and `DataOutputStream` want them.
//!
//! The other end is our own program, so what cannot be read is a bug or a dead JVM, and a panic.

use std::io::{BufReader, BufWriter, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout};
use std::sync::MutexGuard;

use super::JavaOracle;

const DEAD: &str = "the oracle's JVM answers; its words are on standard error";
const VALUE: u8 = 1;
const DONE: u8 = 0;

/// Both directions.
#[derive(Debug)]
pub(super) struct Pipe {
    input: BufReader<ChildStdout>,
    output: BufWriter<ChildStdin>,
}

impl Pipe {
    pub(super) fn new(process: &mut Child) -> Self {
        let input = BufReader::with_capacity(1 << 16, process.stdout.take().expect("it is a pipe"));
        let output = BufWriter::new(process.stdin.take().expect("it is a pipe"));
        Self { input, output }
    }

    pub(super) fn write_u8(&mut self, value: u8) {
        self.write(&[value]);
    }

    pub(super) fn write_i16(&mut self, value: i16) {
        self.write(&value.to_be_bytes());
    }

    pub(super) fn write_i32(&mut self, value: i32) {
        self.write(&value.to_be_bytes());
    }

    pub(super) fn write_i64(&mut self, value: i64) {
        self.write(&value.to_be_bytes());
    }

    pub(super) fn write_count(&mut self, count: usize) {
        self.write_i32(count.try_into().expect("a Java array is not longer"));
    }

    pub(super) fn write_ids(&mut self, ids: &[i32]) {
        self.write_count(ids.len());
        ids.iter().for_each(|&id| self.write_i32(id));
    }

    pub(super) fn write_text(&mut self, text: &str) {
        self.write_bytes(Some(text.as_bytes()));
    }

    pub(super) fn write_bytes(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            None => self.write_i32(-1),
            Some(bytes) => {
                self.write_count(bytes.len());
                self.write(bytes);
            }
        }
    }

    pub(super) fn flush(&mut self) {
        self.output.flush().expect(DEAD);
    }

    pub(super) fn read_i32(&mut self) -> i32 {
        i32::from_be_bytes(self.read())
    }

    pub(super) fn read_i64(&mut self) -> i64 {
        i64::from_be_bytes(self.read())
    }

    pub(super) fn read_ids(&mut self) -> Vec<i32> {
        (0..self.read_i32()).map(|_| self.read_i32()).collect()
    }

    pub(super) fn read_text(&mut self) -> String {
        String::from_utf8(self.read_bytes().expect("no text is null")).expect("Java writes UTF-8")
    }

    pub(super) fn read_bytes(&mut self) -> Option<Vec<u8>> {
        let length = usize::try_from(self.read_i32()).ok()?;
        let mut bytes = vec![0; length];
        self.input.read_exact(&mut bytes).expect(DEAD);
        Some(bytes)
    }

    fn read<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.input.read_exact(&mut bytes).expect(DEAD);
        bytes
    }

    fn write(&mut self, bytes: &[u8]) {
        self.output.write_all(bytes).expect(DEAD);
    }
}

/// An answer that has yet to be read, and the turn with the JVM.
#[must_use]
pub(super) struct Answer<'a> {
    turn: MutexGuard<'a, Option<Pipe>>,
}

impl<'a> Answer<'a> {
    pub(super) fn new(turn: MutexGuard<'a, Option<Pipe>>) -> Self {
        Self { turn }
    }

    /// All values of the answer, or why there are not all.
    pub(super) fn each<T>(mut self, mut value: impl FnMut(&mut Pipe) -> T) -> Result<Vec<T>, String> {
        let pipe = self.turn.as_mut().expect("the pipe is there until the oracle is dropped");
        let mut values = Vec::new();
        loop {
            match pipe.read() {
                [VALUE] => values.push(value(pipe)),
                [DONE] => return Ok(values),
                _failed => return Err(pipe.read_text()),
            }
        }
    }

    /// An answer without values; panics with Java's words.
    pub(super) fn done(self, oracle: &JavaOracle, what: &str) {
        if let Err(problem) = self.each(|_| ()) {
            oracle.fail(what, &problem);
        }
    }
}
