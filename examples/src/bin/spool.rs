//! Looks at the directory of a spool: what is in it, and whether it is as it was written.

use std::process::ExitCode;

fn main() -> ExitCode {
    felice_examples::spool::main(std::env::args().skip(1))
}
