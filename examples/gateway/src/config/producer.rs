//! The producer's settings by Kafka's names: `linger.ms = 5` is, for TOML, a table in a table; here it is one name again.

use std::path::PathBuf;

use felice_blocking::{Builder, ConfigError, Producer};
use toml::{Table, Value};

/// Names and values, in the order of the names; and a file that is read before them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Properties {
    file: Option<PathBuf>,
    all: Vec<(String, String)>,
}

/// A file of properties as Kafka's own tools read it: for secrets, which are not to stand here.
const FILE: &str = "properties_file";

impl Properties {
    pub(super) fn of(table: &Table) -> Result<Self, String> {
        let mut all = Vec::new();
        flatten(&mut String::new(), table, &mut all)?;
        let file = all.iter().position(|(name, _)| name == FILE).map(|place| all.remove(place).1.into());
        if let Some((name, _)) = all.iter().find(|(name, _)| name == "max.block.ms") {
            return Err(format!(
                "{name} is the gateway's own: its sources wait for memory as long as it takes"
            ));
        }
        Ok(Self { file, all })
    }

    /// A builder with all of them.
    pub(crate) fn builder(&self) -> Result<Builder, ConfigError> {
        self.with(|_| true)
    }

    /// A builder that leaves the spool alone, which may be another process's at the moment.
    pub(crate) fn builder_without_spool(&self) -> Result<Builder, ConfigError> {
        self.with(|name| !name.starts_with("spool."))
    }

    fn with(&self, is_taken: impl Fn(&str) -> bool) -> Result<Builder, ConfigError> {
        let builder = match &self.file {
            Some(path) => Producer::builder().properties_file(path)?,
            None => Producer::builder(),
        };
        builder
            .properties(self.all.iter().filter(|(name, _)| is_taken(name)).map(|(name, value)| (name, value)))
    }

    /// A setting that stands in the table itself.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.all.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn flatten(prefix: &mut String, table: &Table, into: &mut Vec<(String, String)>) -> Result<(), String> {
    for (name, value) in table {
        let length = prefix.len();
        if length > 0 {
            prefix.push('.');
        }
        prefix.push_str(name);
        match value {
            Value::Table(table) => flatten(prefix, table, into)?,
            Value::String(text) => into.push((prefix.clone(), text.clone())),
            Value::Integer(number) => into.push((prefix.clone(), number.to_string())),
            Value::Float(number) => into.push((prefix.clone(), number.to_string())),
            Value::Boolean(is_so) => into.push((prefix.clone(), is_so.to_string())),
            Value::Array(_) | Value::Datetime(_) => {
                return Err(format!("[producer] {prefix} is a text, a number, true or false"));
            }
        }
        prefix.truncate(length);
    }
    Ok(())
}
