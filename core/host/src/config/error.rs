//! What is wrong with the settings.

use std::path::{Path, PathBuf};
use std::{error, fmt};

/// A setting that cannot be used: its name, the value, and what would do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// The value is malformed, out of range, or does not fit another setting.
    Invalid {
        /// Kafka's name of the setting.
        name: &'static str,
        /// The value, as it was understood.
        value: String,
        /// What would do.
        limit: String,
    },
    /// A setting without which nothing works.
    Missing {
        /// Kafka's name of the setting.
        name: &'static str,
    },
    /// No setting of this name.
    Unknown {
        /// The name.
        name: String,
        /// The nearest that there is.
        nearest: &'static str,
    },
    /// A setting of Kafka's clients that felice has not.
    Unsupported {
        /// Kafka's name of the setting.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// A part of a settings file that is no setting.
    Malformed {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A settings file that cannot be read.
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        problem: String,
    },
    /// What is wrong with a settings file that was read.
    InFile {
        /// The file.
        path: PathBuf,
        /// The line where the setting begins, counted from 1; none where one is missing.
        line: Option<usize>,
        /// What is wrong.
        error: Box<ConfigError>,
    },
}

impl ConfigError {
    pub(crate) const fn invalid(name: &'static str, value: String, limit: String) -> Self {
        Self::Invalid { name, value, limit }
    }

    /// The same, with where the limit comes from.
    pub(crate) fn because(mut self, reason: &str) -> Self {
        if let Self::Invalid { limit, .. } = &mut self {
            *limit = format!("{limit} ({reason})");
        }
        self
    }

    /// The same, with the place in a file.
    pub(super) fn at(self, path: &Path, line: Option<usize>) -> Self {
        Self::InFile { path: path.to_owned(), line, error: Box::new(self) }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid { name, value, limit } => {
                write!(f, "{name} = {value} cannot be used: it must be {limit}")
            }
            Self::Missing { name } => write!(f, "{name} is missing"),
            Self::Unknown { name, nearest } => {
                write!(f, "there is no setting {name:?}; the nearest is {nearest:?}")
            }
            Self::Unsupported { name, reason } => write!(f, "felice has no setting {name:?}: {reason}"),
            Self::Malformed { problem } => f.write_str(problem),
            Self::File { path, problem } => write!(f, "{}: {problem}", path.display()),
            Self::InFile { path, line: Some(line), error } => {
                write!(f, "{}, line {line}: {error}", path.display())
            }
            Self::InFile { path, line: None, error } => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl error::Error for ConfigError {}
