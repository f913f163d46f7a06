//! The gateway: lines from standard input, files, TCP and UDP, mapped to records by a short TOML file, and sent to Kafka through
//! a spool. It is a program around `felice-blocking`, and shows how one is made that runs for years.
//!
//! ```text
//!  a source's thread ─► lines ─► mapping ─► intake ─► Producer ─► spool ─► Kafka
//!  main thread: signals, reload, status line, systemd       http thread: /metrics, /health
//! ```
//!
//! Memory is bounded: a line has `line_bytes_max`, a source so many connections, and records have `buffer.memory`. Where the
//! producer takes no more, sources read no more, and TCP tells those who send.

mod check;
mod command_line;
mod config;
mod counters;
mod format;
mod http;
mod intake;
mod lines;
mod log;
mod mapping;
mod reload;
mod run;
mod service;
mod sources;
mod status;
mod stop;
mod template;

use std::process::ExitCode;

/// Ended as it was asked to: everything that was taken in is acknowledged, or in the spool.
const DONE: u8 = 0;
/// Something that the gateway cannot work without has failed.
const FAILED: u8 = 1;
/// The command line or the file of settings is wrong; clap's own, too.
const WRONG: u8 = 2;
/// Lines that were taken in are neither acknowledged nor in the spool.
const LOST: u8 = 3;
/// `check` has found something that is to be mended.
const FOUND: u8 = 4;

fn main() -> ExitCode {
    let matches = command_line::command().get_matches();
    let code = match matches.subcommand() {
        Some(("run", arguments)) => run::main(command_line::file(arguments)),
        Some(("check", arguments)) => check::main(command_line::file(arguments), arguments.get_flag("send")),
        _ => WRONG,
    };
    ExitCode::from(code)
}
