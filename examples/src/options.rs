//! The quickstart's command line.

use std::path::PathBuf;

/// What `--help` prints.
pub const HELP: &str = "\
Sends readings to Kafka by felice's three patterns: fire and forget, synchronous get, callback.

Usage: quickstart [options], or quickstart-smol [options]: the same for plain threads and for async code

  --bootstrap HOST:PORT[,..]  use this cluster; without it a simulated one runs inside this program
  --topic NAME                write to this topic (default: felice-quickstart); a real cluster has it already,
                              or creates it by itself (auto.create.topics.enable)
  --records N                 how many records to send, 1 to 1000000 (default: 45000)
  --input FILE                send the lines of this file, at most N, instead of this machine's telemetry;
                              `-` is standard input
  --partitions N              how many partitions the topic has, 1 to 100 (default: 3); simulated cluster only
  --help                      print this

The exit status is 0 when every record was acknowledged, 1 when one was not, and 2 when an option is wrong.
";

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Print [`HELP`].
    Help,
    /// Send.
    Run(Options),
}

/// How to do it.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    /// The user's cluster; `None` is the simulated one.
    pub bootstrap: Option<String>,
    /// The topic's name.
    pub topic: String,
    /// How many records, at most.
    pub records: usize,
    /// How many partitions the simulated cluster's topic has.
    pub partitions: i32,
    /// Where the readings come from.
    pub input: Input,
}

/// Where readings come from.
#[derive(Debug, PartialEq, Eq)]
pub enum Input {
    /// This machine's sensors.
    Telemetry,
    /// The lines of a file.
    File(PathBuf),
    /// The lines of standard input.
    Standard,
}

/// Reads a command line, without the program's name. `--option value` and `--option=value` mean the same.
///
/// # Errors
///
/// A message that names the option and what it takes.
pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut options = Options {
        bootstrap: None,
        topic: "felice-quickstart".into(),
        records: 45_000,
        partitions: 3,
        input: Input::Telemetry,
    };
    let mut partitions = None;
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let (name, joined) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        let mut value = || {
            let value = joined.clone().or_else(|| arguments.next());
            value.filter(|value| !value.is_empty()).ok_or_else(|| format!("{name} needs a value"))
        };
        match name {
            "--help" | "-h" => return Ok(Command::Help),
            "--bootstrap" => options.bootstrap = Some(value()?),
            "--topic" => options.topic = value()?,
            "--records" => options.records = number(name, &value()?, 1_000_000)?,
            "--partitions" => partitions = Some(number(name, &value()?, 100)? as i32),
            "--input" => options.input = input(&value()?),
            _ => return Err(format!("there is no option {name}")),
        }
    }
    if options.bootstrap.is_some() && partitions.is_some() {
        return Err("--partitions is for the simulated cluster; a real one decides by itself".into());
    }
    options.partitions = partitions.unwrap_or(options.partitions);
    Ok(Command::Run(options))
}

fn number(name: &str, value: &str, most: usize) -> Result<usize, String> {
    let number = value.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("{name} takes a number from 1 to {most}, not {value:?}"))
}

fn input(value: &str) -> Input {
    if value == "-" { Input::Standard } else { Input::File(value.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    fn options(line: &str) -> Options {
        match parsed(line) {
            Ok(Command::Run(options)) => options,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn both_ways_to_write_a_value() {
        for line in [
            "--bootstrap k:9092 --records 7 --topic t --input f",
            "--bootstrap=k:9092 --records=7 --topic=t --input=f",
        ] {
            let expected = Options {
                bootstrap: Some("k:9092".into()),
                topic: "t".into(),
                records: 7,
                partitions: 3,
                input: Input::File("f".into()),
            };
            assert_eq!(options(line), expected);
        }
        assert_eq!(options("--input -").input, Input::Standard);
        assert_eq!(options("--partitions 12").partitions, 12);
        assert_eq!(options("").input, Input::Telemetry);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, why) in [
            ("--record 7", "there is no option --record"),
            ("7", "there is no option 7"),
            ("--topic", "--topic needs a value"),
            ("--topic=", "--topic needs a value"),
            ("--records 0", "--records takes a number from 1 to 1000000, not \"0\""),
            ("--records=many", "not \"many\""),
            ("--partitions 101", "--partitions takes a number from 1 to 100"),
            ("--partitions 3 --bootstrap k:9092", "--partitions is for the simulated cluster"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.contains(why), "{line}: {error}");
        }
    }

    #[test]
    fn help_wins_and_names_every_option() {
        assert_eq!(parsed("--records 7 --help --nonsense"), Ok(Command::Help));
        for option in ["--bootstrap", "--topic", "--records", "--input", "--partitions"] {
            assert!(HELP.contains(option));
        }
    }
}
