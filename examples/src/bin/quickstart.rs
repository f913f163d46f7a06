//! The quickstart for plain threads.

use std::process::ExitCode;

use felice_blocking::Producer;
use felice_examples::quickstart;

fn main() -> ExitCode {
    smol::future::block_on(quickstart::main::<Producer>()) // each call in it waits by itself
}
