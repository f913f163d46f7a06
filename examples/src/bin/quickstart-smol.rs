//! The quickstart for async code, on smol.

use std::process::ExitCode;

use felice_examples::quickstart;
use felice_smol::Producer;

fn main() -> ExitCode {
    smol::block_on(quickstart::main::<Producer>())
}
