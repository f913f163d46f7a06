//! Settings from a file, or a text that is written as one, as Kafka's own tools read theirs.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::syntax::{self, BadEscape, Entry};
use super::{ConfigError, Settings, properties};

/// Far more than all settings need: what is longer is another file, or a device.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// Takes all settings of a file.
pub(super) fn apply(settings: &mut Settings, path: &Path) -> Result<(), ConfigError> {
    let unreadable = |error: io::Error| ConfigError::File { path: path.into(), problem: error.to_string() };
    take(settings, path, &read(path).map_err(unreadable)?)
}

/// Takes all settings of a text; errors call it `properties`.
pub(super) fn apply_text(settings: &mut Settings, text: &str) -> Result<(), ConfigError> {
    take(settings, Path::new("properties"), text.as_bytes())
}

fn take(settings: &mut Settings, path: &Path, bytes: &[u8]) -> Result<(), ConfigError> {
    let entries = entries(bytes).map_err(|(line, error)| error.at(path, Some(line)))?;
    settings.origins = Origins { path: Some(path.into()), lines: Vec::new() };
    for (place, Entry { line, name, value }) in entries.iter().enumerate() {
        // As in Java, where the last one counts, and nobody looks at the others.
        if entries[place + 1..].iter().any(|later| later.name == *name) {
            continue;
        }
        let set = properties::set(settings, name, value).map_err(|error| error.at(path, Some(*line)))?;
        settings.origins.lines.push((set, *line));
    }
    Ok(())
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other("it is longer than 64 KiB"));
    }
    Ok(bytes)
}

/// What the file says, or the line that cannot be read, and why.
fn entries(bytes: &[u8]) -> Result<Vec<Entry>, (usize, ConfigError)> {
    let text = str::from_utf8(bytes).map_err(|error| {
        let until = String::from_utf8_lossy(&bytes[..error.valid_up_to()]) + "?";
        let line = syntax::physical_lines(&until).count();
        (line, ConfigError::Malformed { problem: "these bytes are no UTF-8" })
    })?;
    syntax::parse(text).map_err(|BadEscape { line }| {
        (
            line,
            ConfigError::Malformed {
                problem: "a \\u must be followed by the four hexadecimal digits of a character",
            },
        )
    })
}

/// Which line of which file a setting is from: what is wrong with it may be seen only when it meets the others. It is
/// about the last file that was read, and about what nobody has set since.
#[derive(Default)]
pub(crate) struct Origins {
    path: Option<Arc<Path>>,
    lines: Vec<(&'static str, usize)>,
}

impl Origins {
    /// A setting is no longer the file's.
    pub(super) fn forget(&mut self, setting: &str) {
        self.lines.retain(|(name, _)| *name != setting);
    }

    /// The same, for all that says who the client is.
    pub(super) fn forget_sasl(&mut self) {
        self.lines.retain(|(name, _)| !name.starts_with("sasl."));
    }

    /// The same, for the method of the builder that sets it.
    pub(super) fn forget_method(&mut self, method: &str) {
        self.lines.retain(|(name, _)| name.trim_end_matches(".ms").replace('.', "_") != method);
    }

    /// Names file and line in an error about one of its settings, and the file where one is missing.
    pub(super) fn locate(&self, error: ConfigError) -> ConfigError {
        let Some(path) = &self.path else { return error };
        match error {
            ConfigError::Missing { .. } => error.at(path, None),
            ConfigError::Invalid { name, .. } => match self.lines.iter().find(|(known, _)| *known == name) {
                Some((_, line)) => error.at(path, Some(*line)),
                None => error,
            },
            _ => error,
        }
    }
}

#[cfg(test)]
mod tests;
