//! felice in the place of Kafka's own verifiable producer, with either front-end; `--help` lists the options.

use std::process::ExitCode;

fn main() -> ExitCode {
    felice_tests::verifiable::main(std::env::args().skip(1))
}
