//! The command `spool`: looks at the directory of a spool, and writes nothing.

mod look;
mod segment;

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::table::grouped;
use look::{Found, look};

/// What `--help` prints.
pub const HELP: &str = "\
Looks at the directory of a spool (spool.dir). Nothing is written or locked: a producer may use it meanwhile.

Usage: spool --dump DIR      prints all that is there: checkpoints, topics, partitions, segments, frames
       spool --verify DIR    reads all that is there, and prints what is not as it was written: file and byte

Both end with what is pending (not acknowledged, or not known to be), and what is damaged. What is wrong is looked at
twice, since a producer may be writing. Frames at the end whose writing was cut off are called torn, which is no
damage: they were never durable.

The exit status is 0 when everything is as it was written, 1 when something is damaged, and 2 when there is nothing to
look at.
";

/// The program, from its command line to its exit status.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    let arguments: Vec<String> = arguments.into_iter().collect();
    let (dump, directory) = match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--help" | "-h"] => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        ["--dump", directory] => (true, PathBuf::from(directory)),
        ["--verify", directory] => (false, PathBuf::from(directory)),
        _ => {
            eprintln!("spool takes --dump DIR or --verify DIR; --help tells more");
            return ExitCode::from(2);
        }
    };
    match run(dump, &directory) {
        Ok(status) => status,
        // Who reads has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", directory.display());
            ExitCode::from(2)
        }
    }
}

fn run(dump: bool, directory: &Path) -> io::Result<ExitCode> {
    let mut out = io::stdout().lock();
    let mut found = if dump { look(directory, &mut out)? } else { look(directory, &mut io::sink())? };
    if !found.wrong.is_empty() {
        let again = look(directory, &mut io::sink())?;
        found.wrong.retain(|wrong| again.wrong.contains(wrong));
    }
    conclude(&found, &mut out)?;
    Ok(if found.wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn conclude(found: &Found, out: &mut impl Write) -> io::Result<()> {
    for wrong in &found.wrong {
        writeln!(out, "{wrong}")?;
    }
    let partitions = found.pending.len() as u64;
    let records = found.pending.values().sum();
    let pending = [found.pending_frames, records, partitions].map(grouped);
    writeln!(out, "pending: {} frames, {} records of {} partitions", pending[0], pending[1], pending[2])?;
    if found.torn > 0 {
        writeln!(out, "torn: {} frames at the end, which were never durable", grouped(found.torn))?;
    }
    match found.wrong.len() {
        0 => writeln!(out, "damaged: nothing; {} frames were read", grouped(found.frames)),
        wrong => writeln!(out, "damaged: {} places; {} frames were read", wrong, grouped(found.frames)),
    }
}
