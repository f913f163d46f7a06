//! The sender: this program once more, as a process of its own that can be killed. It says on standard output how many
//! records it has sent, and how many of them are durable.

use std::error::Error;
use std::io::{self, BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::Duration;

use felice_blocking::{Producer, ProducerRecord};

use super::{PARTITIONS, PATIENCE, TOPIC};

/// The first argument of a sender's command line: bootstrap servers, directory and name of the run follow.
pub(super) const ARGUMENT: &str = "--sender";
/// So many records are waited for together.
const GROUP: usize = 500;

/// The sender's process, from its arguments to its exit status.
pub(super) fn main<'a>(arguments: impl Iterator<Item = &'a str>) -> ExitCode {
    let [bootstrap, directory, run] = arguments.collect::<Vec<_>>()[..] else { return ExitCode::from(2) };
    match send(bootstrap, Path::new(directory), run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sender: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Sends until standard input ends, and then waits until everything is acknowledged, what a former process has left
/// included.
fn send(bootstrap: &str, directory: &Path, run: &str) -> Result<(), Box<dyn Error>> {
    let producer = Producer::builder()
        .bootstrap_servers(bootstrap)
        .spool_dir(directory)
        .spool_sync(Duration::from_millis(50))
        .build()?;
    let (ended, end) = std::sync::mpsc::channel();
    std::thread::spawn(move || ended.send(io::stdin().lines().count()));
    let mut sent = 0;
    while end.try_recv().is_err() {
        let mut group = Vec::with_capacity(GROUP);
        for number in sent..sent + GROUP {
            let value = format!("{run} {number}");
            let record = ProducerRecord::new(TOPIC, value).partition(number as i32 % PARTITIONS);
            group.push(producer.send(&record)?);
        }
        sent += GROUP;
        say("sent", sent);
        for delivery in &mut group {
            delivery.spooled()?;
        }
        say("durable", sent);
    }
    producer.close(PATIENCE)?;
    Ok(())
}

/// Nobody may be listening any more.
fn say(what: &str, records: usize) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{what} {records}").and_then(|()| out.flush());
}

/// How far a sender has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    pub(super) sent: usize,
    pub(super) durable: usize,
}

/// A sender's process, as its parent sees it.
pub(super) struct Sender {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    progress: Progress,
}

impl Sender {
    pub(super) fn start(bootstrap: &str, directory: &Path, run: &str) -> io::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args([ARGUMENT, bootstrap])
            .arg(directory)
            .arg(run)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Self { process, lines: BufReader::new(output).lines(), progress: Progress::default() })
    }

    pub(super) const fn durable(&self) -> usize {
        self.progress.durable
    }

    pub(super) fn wait_until_durable(&mut self, records: usize) -> io::Result<()> {
        while self.progress.durable < records {
            if !self.hear()? {
                return Err(io::Error::other("the sender has ended too soon"));
            }
        }
        Ok(())
    }

    /// Without a chance to do anything about it: SIGKILL.
    pub(super) fn kill(mut self) -> io::Result<Progress> {
        self.process.kill()?;
        self.process.wait()?;
        while self.hear()? {}
        Ok(self.progress)
    }

    /// Lets it end: it sends no more, and waits until everything is acknowledged.
    pub(super) fn finish(mut self) -> io::Result<Progress> {
        drop(self.process.stdin.take());
        while self.hear()? {}
        match self.process.wait()? {
            status if status.success() => Ok(self.progress),
            status => Err(io::Error::other(format!("not everything is acknowledged; the sender: {status}"))),
        }
    }

    /// One line more, if there is one.
    fn hear(&mut self) -> io::Result<bool> {
        let Some(line) = self.lines.next().transpose()? else { return Ok(false) };
        match line.split_once(' ').map(|(what, records)| (what, records.parse())) {
            Some(("sent", Ok(records))) => self.progress.sent = records,
            Some(("durable", Ok(records))) => self.progress.durable = records,
            _ => return Err(io::Error::other(format!("the sender says {line:?}"))),
        }
        Ok(true)
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
