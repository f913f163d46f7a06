//! The command line, as Kafka's own tool has it.

use std::path::PathBuf;
use std::str::FromStr;

/// What `--help` prints.
pub(super) const HELP: &str = "\
Sends increasing numbers to a topic, and prints a line of JSON for what became of each: which were acknowledged, and
where, and which were not. SIGTERM and SIGINT let it finish what it holds.

Usage: verifiable-producer --topic TOPIC --bootstrap-server HOST:PORT[,..] [options]

  --topic TOPIC                send to this topic
  --bootstrap-server HOST:PORT[,..]
                               the cluster
  --max-messages N             end after so many records; -1: only by a signal (default: -1)
  --throughput N               so many records in a second, more or less; -1: as fast as it goes (default: -1)
  --acks N                     0, 1 or -1, which is all (default: -1)
  --command-config FILE        take settings from a properties file; they replace those of the command line
  --producer.config FILE       the same, by its old name
  --message-create-time MS     let the records' times begin at so many milliseconds since 1970; -1: now (default: -1)
  --value-prefix N             values are N.0, N.1, .. instead of 0, 1, ..
  --repeating-keys N           keys are 0 to N-1, again and again, instead of none
  --front-end NAME             blocking or smol (default: blocking)
  --help, -h                   print this

A name may be cut short where no other begins in the same way. The exit status is 0, 1 when the command line or the
settings are wrong, and 128 more than the signal where one ended it.
";

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Print [`HELP`].
    Help,
    /// Send.
    Run(Options),
}

/// How to do it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) topic: String,
    pub(super) bootstrap_server: String,
    /// None: until a signal comes.
    pub(super) max_messages: Option<u64>,
    /// Records in a second; negative is no limit.
    pub(super) throughput: i32,
    /// 0, 1 or -1.
    pub(super) acks: String,
    pub(super) config: Option<PathBuf>,
    /// Milliseconds since 1970, of the first record.
    pub(super) create_time: Option<i64>,
    pub(super) value_prefix: Option<i32>,
    pub(super) repeating_keys: Option<i32>,
    pub(super) front_end: FrontEnd,
}

/// One of felice's own two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrontEnd {
    Blocking,
    Smol,
}

const NAMES: [&str; 13] = [
    "--topic",
    "--bootstrap-server",
    "--max-messages",
    "--throughput",
    "--acks",
    "--command-config",
    "--producer.config",
    "--message-create-time",
    "--value-prefix",
    "--repeating-keys",
    "--front-end",
    "--help",
    "-h",
];

/// Reads a command line, without the program's name. As in Kafka's tool an empty one asks for help, and
/// `--option value` and `--option=value` mean the same.
pub(super) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut given = Given::default();
    let mut arguments = arguments.into_iter().peekable();
    if arguments.peek().is_none() {
        return Ok(Command::Help);
    }
    while let Some(argument) = arguments.next() {
        let (name, joined) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        let name = whole_name(name)?;
        if name == "--help" || name == "-h" {
            return Ok(Command::Help);
        }
        let value = joined.or_else(|| arguments.next()).ok_or_else(|| format!("{name} needs a value"))?;
        given.take(name, value)?;
    }
    given.options().map(Command::Run)
}

/// The one option that begins so.
fn whole_name(given: &str) -> Result<&'static str, String> {
    if let Some(name) = NAMES.iter().find(|name| **name == given) {
        return Ok(name);
    }
    let mut fitting = NAMES.iter().filter(|name| given.len() > 2 && name.starts_with(given));
    match (fitting.next(), fitting.next()) {
        (Some(name), None) => Ok(name),
        (Some(one), Some(other)) => Err(format!("{given} may be {one} or {other}")),
        (None, _) => Err(format!("there is no option {given}")),
    }
}

/// What was said so far.
#[derive(Default)]
struct Given {
    topic: Option<String>,
    bootstrap_server: Option<String>,
    max_messages: Option<i32>,
    throughput: Option<i32>,
    acks: Option<String>,
    command_config: Option<PathBuf>,
    producer_config: Option<PathBuf>,
    create_time: Option<i64>,
    value_prefix: Option<i32>,
    repeating_keys: Option<i32>,
    front_end: Option<FrontEnd>,
}

impl Given {
    fn take(&mut self, name: &str, value: String) -> Result<(), String> {
        match name {
            "--topic" => self.topic = Some(value),
            "--bootstrap-server" => self.bootstrap_server = Some(value),
            "--max-messages" => self.max_messages = Some(number(name, &value)?),
            "--throughput" => self.throughput = Some(number(name, &value)?),
            "--acks" => self.acks = Some(one_of(name, value, &["0", "1", "-1"])?),
            "--command-config" => self.command_config = Some(value.into()),
            "--producer.config" => self.producer_config = Some(value.into()),
            "--message-create-time" => self.create_time = Some(number(name, &value)?),
            "--value-prefix" => self.value_prefix = Some(number(name, &value)?),
            "--repeating-keys" => self.repeating_keys = Some(number(name, &value)?),
            _ => {
                let smol = one_of(name, value, &["blocking", "smol"])? == "smol";
                self.front_end = Some(if smol { FrontEnd::Smol } else { FrontEnd::Blocking });
            }
        }
        Ok(())
    }

    fn options(self) -> Result<Options, String> {
        if self.command_config.is_some() && self.producer_config.is_some() {
            return Err("--producer.config and --command-config are mutually exclusive".into());
        }
        if self.producer_config.is_some() {
            eprintln!("--producer.config is deprecated: use --command-config");
        }
        Ok(Options {
            topic: self.topic.ok_or("--topic is required")?,
            bootstrap_server: self.bootstrap_server.ok_or("--bootstrap-server is required")?,
            max_messages: self.max_messages.and_then(|most| u64::try_from(most).ok()),
            throughput: self.throughput.unwrap_or(-1),
            acks: self.acks.unwrap_or_else(|| "-1".into()),
            config: self.command_config.or(self.producer_config),
            create_time: self.create_time.filter(|&time| time != -1),
            value_prefix: self.value_prefix,
            repeating_keys: self.repeating_keys,
            front_end: self.front_end.unwrap_or(FrontEnd::Blocking),
        })
    }
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    let bits = 8 * size_of::<T>();
    value.parse().map_err(|_| format!("{name} takes a number of {bits} bits, not {value:?}"))
}

fn one_of(name: &str, value: String, choices: &[&str]) -> Result<String, String> {
    if choices.contains(&value.as_str()) {
        return Ok(value);
    }
    Err(format!("{name} takes one of {}, not {value:?}", choices.join(", ")))
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
    fn the_defaults_are_kafkas() {
        let expected = Options {
            topic: "t".into(),
            bootstrap_server: "k:1".into(),
            max_messages: None,
            throughput: -1,
            acks: "-1".into(),
            config: None,
            create_time: None,
            value_prefix: None,
            repeating_keys: None,
            front_end: FrontEnd::Blocking,
        };
        assert_eq!(options("--topic t --bootstrap-server k:1"), expected);
        let said =
            "--max-messages -1 --throughput -1 --acks -1 --message-create-time=-1 --front-end blocking";
        assert_eq!(options(&format!("--topic=t --boot=k:1 {said}")), expected);
    }

    #[test]
    fn every_option_counts() {
        let expected = Options {
            topic: "t".into(),
            bootstrap_server: "k:1".into(),
            max_messages: Some(5),
            throughput: 0,
            acks: "1".into(),
            config: Some("f".into()),
            create_time: Some(7),
            value_prefix: Some(-2),
            repeating_keys: Some(3),
            front_end: FrontEnd::Smol,
        };
        let rest = "--max-messages 5 --throughput 0 --acks 1 --message-create-time 7 --value-prefix -2 \
                    --repeating-keys 3 --front-end smol";
        for config in ["--command-config", "--producer.config"] {
            assert_eq!(options(&format!("--topic t --bootstrap-server k:1 {config} f {rest}")), expected);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, why) in [
            ("--topic t", "--bootstrap-server is required"),
            ("--bootstrap-server k:1", "--topic is required"),
            ("--topic", "--topic needs a value"),
            ("--broker-list k:1", "there is no option --broker-list"),
            ("t", "there is no option t"),
            ("--t x", "--t may be --topic or --throughput"),
            ("--acks 2", "--acks takes one of 0, 1, -1, not \"2\""),
            ("--front-end tokio", "--front-end takes one of blocking, smol, not \"tokio\""),
            ("--max-messages 2147483648", "--max-messages takes a number of 32 bits, not \"2147483648\""),
            ("--message-create-time x", "takes a number of 64 bits, not \"x\""),
            ("--topic t --boot k:1 --producer.config f --command-config g", "mutually exclusive"),
        ] {
            let error = parsed(line).unwrap_err();
            assert!(error.contains(why), "{line}: {error}");
        }
    }

    #[test]
    fn help_names_every_option_and_nothing_at_all_asks_for_it() {
        assert_eq!(parsed(""), Ok(Command::Help));
        assert_eq!(parsed("--topic t -h"), Ok(Command::Help));
        assert!(NAMES.iter().all(|name| HELP.contains(name)));
    }
}
