//! A producer with a spool, to be killed: what it does is in `felice_tests::spooled`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    felice_tests::spooled::main(&arguments)
}
