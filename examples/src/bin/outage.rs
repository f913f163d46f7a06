//! An outage in fast motion, and the proof that it cost nothing.

use std::process::ExitCode;

fn main() -> ExitCode {
    felice_examples::outage::main(std::env::args().skip(1))
}
