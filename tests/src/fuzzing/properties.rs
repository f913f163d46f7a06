//! Any file as a properties file: it is read or refused, and a refusal names the file.

use std::path::PathBuf;

use felice_host::{BuildError, Builder, Settings, Start};

/// A producer that is not even one.
struct Nothing;

impl Start for Nothing {
    fn start(_: Settings) -> Result<Self, BuildError> {
        Ok(Self)
    }
}

/// A file that is gone with this value.
struct Written(PathBuf);

impl Written {
    fn new(content: &[u8]) -> Self {
        let (process, thread) = (std::process::id(), std::thread::current().id());
        let path = std::env::temp_dir().join(format!("felice-fuzz-{process}-{thread:?}.properties"));
        std::fs::write(&path, content).expect("the temporary folder can be written");
        Self(path)
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        // Whoever cleans the temporary folder was faster, then.
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(super) fn run(input: &[u8]) {
    let file = Written::new(input);
    match Builder::<Nothing>::new().properties_file(&file.0) {
        Ok(builder) => assert!(builder.build().is_ok()),
        Err(error) => {
            let told = error.to_string();
            assert!(told.starts_with(file.0.to_str().unwrap_or_default()), "which file? {told}");
        }
    }
}
