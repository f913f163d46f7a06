//! The file of settings, read and checked as a whole before anything begins. What is wrong is told with its place in the file.

mod file;
mod producer;
mod source;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

pub(crate) use file::{Pattern, Unit};
pub(crate) use producer::Properties;
pub(crate) use source::{Input, Source};

/// All settings, checked.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) pattern: Pattern,
    pub(crate) drain_timeout: Duration,
    /// Where metrics and health are served.
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) producer: Properties,
    pub(crate) sources: Vec<Source>,
}

/// More is another file, or a device.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

impl Config {
    /// Reads and checks a file. The error is for a person.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let place = |problem: String| format!("{}: {problem}", path.display());
        let length = fs::metadata(path).map_err(|error| place(error.to_string()))?.len();
        if length > FILE_BYTES_MAX {
            return Err(place(format!(
                "{length} bytes are no file of settings: it has {FILE_BYTES_MAX} at most"
            )));
        }
        let text = fs::read_to_string(path).map_err(|error| place(error.to_string()))?;
        Self::parse(&text).map_err(place)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: file::File =
            toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        let producer = Properties::of(&file.producer)?;
        let sources = file.source.iter().enumerate().map(|(place, source)| Source::of(place, source));
        let sources = sources.collect::<Result<Vec<_>, _>>()?;
        if sources.is_empty() {
            return Err("there is no [[source]]".into());
        }
        for (place, source) in sources.iter().enumerate() {
            if let Some(other) = sources[..place].iter().find(|other| other.clashes(source)) {
                return Err(format!(
                    "the sources {:?} and {:?} have the same name or input",
                    other.name, source.name
                ));
            }
        }
        let drain_timeout = Duration::from_millis(file.drain_timeout_ms);
        Ok(Self { pattern: file.pattern, drain_timeout, listen: file.listen, producer, sources })
    }
}

#[cfg(test)]
mod tests;
