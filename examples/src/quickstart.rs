//! This machine's telemetry, or anybody's lines, on their way into a broker by all three patterns of sending, with
//! either front-end.

use std::error::Error;
use std::fs::File;
use std::io::{self, BufReader, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use crate::broker::Broker;
use crate::front_end::FrontEnd;
use crate::input::{self, Reading};
use crate::options::{self, Command, HELP, Input, Options};
use crate::patterns::Patterns;
use crate::progress::Progress;
use crate::table;
use crate::tally::Tally;
use crate::telemetry::Sampler;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The program, from its command line to its exit status.
pub async fn main<F: FrontEnd>() -> ExitCode {
    let options = match options::parse(std::env::args().skip(1)) {
        Ok(Command::Run(options)) => options,
        Ok(Command::Help) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("{error}; --help lists the options");
            return ExitCode::from(2);
        }
    };
    match run::<F>(&options).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every record was acknowledged.
async fn run<F: FrontEnd>(options: &Options) -> Result<bool> {
    let topic = options.topic.as_str();
    let broker = connect(options)?;
    let patterns = Patterns::<F>::new(broker.bootstrap(), topic)?;
    let partitions = patterns.producer().partitions_for(topic).await;
    let partitions = partitions.map_err(|error| format!("topic {topic}: {error}"))?;
    let readings = readings(options)?;
    show(&readings);
    eprintln!("sending them to {topic} ({partitions} partitions) with {}:\n", F::NAME);

    let third = readings.len().div_ceil(3);
    let (first, rest) = readings.split_at(third);
    let forgotten = patterns.fire_and_forget(first).await?;
    let waited = patterns.synchronous_get(&rest[..third.min(rest.len())]).await;
    // What the synchronous sends had no time for goes here, too.
    let called = patterns.callback(&rest[waited.records as usize..]).await?;
    patterns.producer().close(Duration::from_secs(5)).await?;

    let rows = [("fire-and-forget", &forgotten), ("sync get", &waited), ("callback", &called)];
    let mut report = format!("\n{}", table::render(broker.description(), &rows));
    let all_acknowledged = conclude(&mut report, &broker, topic, &rows);
    // In one piece: whoever reads only its beginning does not stop the rest.
    io::stdout().write_all(report.as_bytes())?;
    Ok(all_acknowledged)
}

fn connect(options: &Options) -> Result<Broker> {
    if let Some(bootstrap) = &options.bootstrap {
        return Ok(Broker::real(bootstrap)?);
    }
    eprintln!("no --bootstrap: starting a simulated Kafka cluster inside this program");
    Ok(Broker::simulated(&options.topic, options.partitions)?)
}

/// What will be sent.
fn readings(options: &Options) -> Result<Vec<Reading>> {
    let readings = match &options.input {
        Input::Telemetry => {
            let sampler = Sampler::new(Path::new("/"));
            let sampler = sampler.map_err(|error| format!("no telemetry here ({error}): use --input"))?;
            let mut progress = Progress::begin("sampling", options.records);
            let readings = sampler.collect(options.records, |taken| progress.set(taken));
            progress.end(readings.len(), "this machine");
            readings
        }
        Input::File(path) => {
            let named = |error| format!("{}: {error}", path.display());
            input::lines(BufReader::new(File::open(path).map_err(named)?), options.records).map_err(named)?
        }
        Input::Standard => {
            if io::stdin().is_terminal() {
                eprintln!("reading lines; Ctrl-D on an empty line ends them");
            }
            input::lines(io::stdin().lock(), options.records)?
        }
    };
    if readings.is_empty() { Err("there is nothing to send".into()) } else { Ok(readings) }
}

/// A reading of each sensor, as many as fit.
fn show(readings: &[Reading]) {
    let mut keys = Vec::new();
    for reading in readings.iter().take(100) {
        if !keys.contains(&&reading.key) && keys.len() < 4 {
            keys.push(&reading.key);
            eprintln!("  {}", printable(&reading.value));
        }
    }
}

/// The beginning of a line that somebody else wrote, without what a terminal would obey.
fn printable(value: &[u8]) -> String {
    const CHARACTERS_SHOWN: usize = 76;
    let text = String::from_utf8_lossy(value);
    let mut shown: String =
        text.chars().take(CHARACTERS_SHOWN).map(|c| if c.is_control() { '·' } else { c }).collect();
    if text.chars().nth(CHARACTERS_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// Adds what the table cannot say. Whether every record was acknowledged.
fn conclude(report: &mut String, broker: &Broker, topic: &str, rows: &[(&str, &Tally)]) -> bool {
    report.push_str(
        "p50, p99: milliseconds from send to acknowledgement (half of the records, 99 %)\n\
         -: the handles were dropped, so nobody saw when and where these were stored\n",
    );
    for (pattern, tally) in rows {
        if let Some(error) = &tally.first_error {
            report.push_str(&format!("{pattern}, first failure: {error}\n"));
        }
    }
    let acknowledged: u64 = rows.iter().map(|(_, tally)| tally.acknowledged).sum();
    let sent: u64 = rows.iter().map(|(_, tally)| tally.records).sum();
    let Some(stored) = broker.records_stored(topic) else { return acknowledged == sent };
    let stored = stored as u64;
    report.push_str(&format!(
        "{} records acknowledged; the simulated cluster counted {} in its logs\n",
        table::grouped(acknowledged),
        table::grouped(stored)
    ));
    acknowledged == sent && stored == acknowledged
}
