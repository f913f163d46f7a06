//! The program `verifiable-producer`: felice under the contract of Kafka's own system tests, so that their scripts can
//! run it in the place of `org.apache.kafka.tools.VerifiableProducer` (of Kafka 4.3.1).
//!
//! It sends the numbers from 0 on, and prints a line of JSON for each outcome as it comes, which tells which records were
//! acknowledged, and where; SIGTERM or SIGINT lets it finish what it holds. Options, lines, their fields and the exit status
//! are those of Kafka's. What differs:
//!
//! * Kafka's sends nothing again unless its configuration says so. felice does, until `delivery.timeout.ms`, and with
//!   `acks=all` it numbers its batches, so that a record is stored once all the same.
//! * Fields `exception` and `message` say what felice says.
//! * The configuration is read as UTF-8, and a setting that felice does not know ends the program.
//! * Nothing but JSON goes to standard output: that `--producer.config` is deprecated is said on standard error.
//! * `--front-end` chooses between the two of felice.

mod line;
mod options;
mod run;
mod stop;

use std::process::ExitCode;

use options::{Command, FrontEnd, HELP};

/// The program, from its arguments to its exit status.
pub fn main(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    let options = match options::parse(arguments) {
        Ok(Command::Run(options)) => options,
        Ok(Command::Help) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("verifiable-producer: error: {error}; --help lists the options");
            return ExitCode::FAILURE;
        }
    };
    let ended = match options.front_end {
        FrontEnd::Blocking => run::run::<felice_blocking::Producer>(options),
        FrontEnd::Smol => run::run::<felice_smol::Producer>(options),
    };
    match ended {
        Ok(None) => ExitCode::SUCCESS,
        // As shells tell of whoever ended by a signal; they are all below 128.
        Ok(Some(signal)) => ExitCode::from(128 + signal as u8),
        Err(error) => {
            eprintln!("verifiable-producer: error: {error}");
            ExitCode::FAILURE
        }
    }
}
