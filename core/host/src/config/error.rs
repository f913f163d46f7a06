//! What is wrong with the settings.

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
        }
    }
}

impl error::Error for ConfigError {}
