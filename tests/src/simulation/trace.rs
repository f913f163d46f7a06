//! A readable log of a run: one line per event. Written only when somebody will read it.

use std::fmt::{Arguments, Write};

/// The lines of a run, and where they go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trace {
    /// Nowhere: then they cost nothing.
    Off,
    /// Kept here.
    Kept(String),
    /// To standard output at once: what comes before a panic is there, too.
    Printed,
}

impl Trace {
    /// A line, for instance `trace.line(now, format_args!("client 0 connects to {host}"))`.
    pub(crate) fn line(&mut self, now: u64, line: Arguments<'_>) {
        let (seconds, micros) = (now / 1_000_000, now % 1_000_000);
        match self {
            Self::Off => {}
            // A string takes everything.
            Self::Kept(lines) => drop(writeln!(lines, "{seconds:>6}.{micros:06} {line}")),
            Self::Printed => println!("{seconds:>6}.{micros:06} {line}"),
        }
    }
}
