//! Who is measured, how each is built, and what each can do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use felice_tests::kafka::class_path;

/// A program that speaks the options of the harness.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    /// What it does not do as the others: said in every table.
    pub(crate) note: &'static str,
    /// The modes that it has beside `forget`, `sync` and `rate`.
    pub(crate) modes: &'static [&'static str],
    /// Whether it is a client whose calls are futures.
    pub(crate) is_async: bool,
    /// Whether several threads can send.
    pub(crate) has_threads: bool,
    program: Program,
}

enum Program {
    Suite(&'static str),
    Peer(&'static str),
    Java,
}

/// felice's front-ends first.
pub(crate) const CONTENDERS: [Contender; 7] = [
    Contender {
        name: "felice-blocking",
        note: "",
        modes: &["handle", "callback"],
        is_async: false,
        has_threads: true,
        program: Program::Suite("contender-blocking"),
    },
    Contender {
        name: "felice-smol",
        note: "",
        modes: &["callback", "future"],
        is_async: true,
        has_threads: false,
        program: Program::Suite("contender-smol"),
    },
    Contender {
        name: "librdkafka",
        note: "rdkafka 0.39; one at a time by its futures",
        modes: &["callback", "future"],
        is_async: true,
        has_threads: true,
        program: Program::Peer("peer-rdkafka"),
    },
    Contender {
        name: "franz-go",
        note: "1.22.2",
        modes: &["callback"],
        is_async: false,
        has_threads: true,
        program: Program::Peer("franz-go"),
    },
    Contender {
        name: "rskafka",
        note: "0.6.0; not idempotent",
        modes: &["future"],
        is_async: true,
        has_threads: true,
        program: Program::Peer("peer-rskafka"),
    },
    Contender {
        name: "krafka",
        note: "0.28",
        modes: &["future"],
        is_async: true,
        has_threads: true,
        program: Program::Peer("peer-krafka"),
    },
    Contender {
        name: "Java",
        note: "4.3.1, not warmed up",
        modes: &["callback", "handle"],
        is_async: false,
        has_threads: true,
        program: Program::Java,
    },
];

impl Contender {
    pub(crate) fn can(&self, mode: &str) -> bool {
        matches!(mode, "forget" | "sync" | "rate") || self.modes.contains(&mode)
    }

    pub(crate) fn is_felice(&self) -> bool {
        matches!(self.program, Program::Suite(_))
    }

    pub(crate) fn command(&self) -> Command {
        match self.program {
            Program::Suite(name) => own(name),
            Program::Peer(name) => Command::new(peers().join("target/release").join(name)),
            Program::Java => {
                let mut java = Command::new("java");
                let classes = peers().join("target/java");
                java.args(["-Xmx256m", "-cp", &format!("{}:{}", classes.display(), class_path()), "Bench"]);
                java
            }
        }
    }
}

/// A program of this package.
pub(crate) fn own(name: &str) -> Command {
    Command::new(suite().join("target/release").join(name))
}

/// Builds everybody, for release.
pub(crate) fn build() {
    run(Command::new("cargo").args(["build", "--release", "--locked", "--bins"]).current_dir(suite()));
    run(Command::new("cargo").args(["build", "--release", "--locked"]).current_dir(peers()));
    let go = ["build", "-trimpath", "-o", "../target/release/franz-go", "."];
    run(Command::new("go").args(go).current_dir(peers().join("go")));
    let classes = peers().join("target/java");
    fs::create_dir_all(&classes).expect("the folder can be made");
    run(Command::new("javac")
        .arg("-cp")
        .arg(class_path())
        .arg("-d")
        .arg(classes)
        .arg(peers().join("java/Bench.java")));
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}

fn suite() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn peers() -> PathBuf {
    suite().join("../peers")
}
