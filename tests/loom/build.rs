//! Copies the sources that have threads in them, and puts loom's locks and threads in the place of `std`'s. So the models
//! run felice's own code, and what is shipped knows nothing of loom.

use std::fs;
use std::path::{Path, PathBuf};

/// What is copied, and the module that it becomes.
const COPIED: [(&str, &str, &str); 3] = [
    ("../../core/host/src", "lib.rs", "host"),
    ("../../async-smol/src/signal.rs", "", "signal"),
    ("../../blocking/src/parker.rs", "", "parker"),
];
/// What is read as something else. The tests stay behind: they do not run in a model.
const REPLACED: [(&str, &str); 11] = [
    ("#[cfg(test)]", "#[cfg(any())]"),
    // Sockets are no part of any model.
    ("mod io_thread;\n", ""),
    ("pub use io_thread::IoThread;\n", ""),
    ("#[cfg_attr(not(feature = \"__tls\"), path = \"tls/absent.rs\")]", "#[path = \"tls/absent.rs\"]"),
    ("#[cfg_attr(not(feature = \"spool\"), path = \"spool/absent.rs\")]", "#[path = \"spool/absent.rs\"]"),
    (
        "#[cfg_attr(not(feature = \"spool\"), path = \"engine/spooling/absent.rs\")]",
        "#[path = \"engine/spooling/absent.rs\"]",
    ),
    // Looking often at a lock makes many orders that differ in nothing.
    ("const LOOKS: u32 = 24;", "const LOOKS: u32 = 0;"),
    ("crate::", "crate::host::"),
    ("\nmod ", "\npub(crate) mod "),
    ("std::sync::", "crate::sync::"),
    ("std::thread", "crate::thread"),
];

fn main() {
    let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo says where"));
    let mut modules = String::new();
    for (from, root, module) in COPIED {
        println!("cargo::rerun-if-changed={from}");
        let to = if root.is_empty() { out.join(module).with_extension("rs") } else { out.join(module) };
        copy(Path::new(from), &to);
        let path = to.join(root);
        let path = path.to_str().expect("a path in UTF-8").trim_end_matches('/');
        modules += &format!("#[path = {path:?}]\npub mod {module};\n");
    }
    fs::write(out.join("modules.rs"), modules).expect("it can be written");
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).expect("it can be made");
        for entry in fs::read_dir(from).expect("it is there") {
            let entry = entry.expect("it is there");
            copy(&entry.path(), &to.join(entry.file_name()));
        }
        return;
    }
    let mut text = fs::read_to_string(from).expect("it is text");
    for (std, loom) in REPLACED {
        text = text.replace(std, loom);
    }
    // A lock that stayed std's would not be seen by the models.
    for missed in ["std::{sync", "std::{thread", ", sync::", ", thread::"] {
        assert!(
            !text.contains(missed),
            "{}: imports of std::sync and std::thread stand alone",
            from.display()
        );
    }
    fs::write(to, text).expect("it can be written");
}
