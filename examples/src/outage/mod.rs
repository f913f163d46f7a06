//! An outage in fast motion, and the proof that it cost nothing: a broker, a link that is cut, a sender that is killed and
//! started again while it is, and a log that has every record once.

mod broker;
mod proof;
mod sender;

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use felice_tests::proxy::Faults;
use felice_tests::spooled::Directory;

use broker::Broker;
use proof::Run;
use sender::Sender;

/// What `--help` prints.
pub const HELP: &str = "\
Shows what a spool is for: starts a broker, cuts the link to it, kills a sender, starts it again, heals the link, and
prints what was sent, what was durable, and what has arrived.

Usage: outage [options]

  --simulated  use a simulated Kafka cluster inside this program, not a real broker; so it does anyway
               where there is no Java to run one with
  --records N  so many records are durable at each step, 100 to 1000000 (default: 10000)
  --help       print this

The exit status is 0 when every durable record has arrived, once and in order; 1 when one has not, and 2 when an option
is wrong.
";

/// Records go to so many partitions, in turn.
const PARTITIONS: i32 = 3;
const TOPIC: &str = "felice-outage";

/// The program, from its command line to its exit status.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    let arguments: Vec<String> = arguments.into_iter().collect();
    let (mut simulated, mut records) = (false, 10_000);
    let mut rest = arguments.iter().map(String::as_str);
    while let Some(argument) = rest.next() {
        let number =
            |value: Option<&str>| value?.parse().ok().filter(|count| (100..=1_000_000).contains(count));
        match argument {
            sender::ARGUMENT => return sender::main(rest),
            "--help" | "-h" => {
                print!("{HELP}");
                return ExitCode::SUCCESS;
            }
            "--simulated" => simulated = true,
            "--records" => match number(rest.next()) {
                Some(number) => records = number,
                None => return wrong("--records takes a number from 100 to 1000000"),
            },
            _ => return wrong(&format!("there is no option {argument}")),
        }
    }
    match run(simulated, records) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn wrong(problem: &str) -> ExitCode {
    eprintln!("{problem}; --help lists the options");
    ExitCode::from(2)
}

/// Whether every durable record has arrived, once and in order.
fn run(simulated: bool, records: usize) -> Result<bool, Box<dyn Error>> {
    let begun = Instant::now();
    let say = |what: &str| eprintln!("{:5.1} s  {what}", begun.elapsed().as_secs_f64());
    say("a broker starts");
    let broker = Broker::start(simulated)?;
    broker.target.create_topic(TOPIC, PARTITIONS);
    let directory = Directory::new();
    let start = |run| Sender::start(&broker.bootstrap, directory.path(), run);

    say("a sender starts, and the link is good");
    let mut first = start("first")?;
    first.wait_until_durable(records)?;
    say("the link is cut, and the sender goes on");
    broker.link.disturb(Some(CUT));
    first.wait_until_durable(first.durable() + records)?;
    let first = first.kill()?;
    let arrived = broker.target.read(TOPIC).len();
    say(&format!(
        "the sender was killed (SIGKILL): {arrived} of {} spooled records are in Kafka",
        first.durable
    ));
    say("a sender starts again");
    let mut second = start("second")?;
    second.wait_until_durable(records)?;
    say("the link heals");
    broker.link.disturb(None);
    let second = second.finish()?;
    say("everything is acknowledged, and the log is read back");
    let log = broker.target.read(TOPIC);
    let runs = [Run::of("first", first, &log), Run::of("second", second, &log)];
    print!("{}", proof::table(&broker.description, &runs));
    Ok(runs.iter().all(Run::is_proof))
}

/// No connection comes further than its first byte.
const CUT: Faults =
    Faults { seed: 0, cut_within: Some(1), stall_within: None, stall_max: Duration::ZERO, piece_max: None };
/// How long the rest may take once the link is good.
const PATIENCE: Duration = Duration::from_secs(120);
