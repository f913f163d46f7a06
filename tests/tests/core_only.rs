//! felice-core needs neither libstd nor liballoc: it builds, with everything it depends on, against a sysroot in which
//! they do not exist.
//!
//! The compiler's own sysroot has them, and `#![no_std]` on one crate says nothing about the crates below it. So
//! libcore alone is copied into a sysroot of its own. That this sysroot refuses what needs a heap is checked as well.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What a crate without heap and operating system is built from.
const LIBRARIES: [&str; 2] = ["libcore-", "libcompiler_builtins-"];

#[test]
fn the_core_builds_where_only_libcore_exists() {
    let sysroot = Sysroot::of_libcore("core_only");
    let built = sysroot.build_core(&[]);
    assert!(built.status.success(), "felice-core needs more than libcore:\n{}", stderr(&built));
}

#[test]
fn what_needs_a_heap_is_refused_there() {
    let sysroot = Sysroot::of_libcore("core_only_refuses");
    let with_heap = sysroot.build_core(&["--features", "alloc"]);
    assert!(!with_heap.status.success(), "the feature `alloc` built without liballoc");
    assert!(stderr(&with_heap).contains("can't find crate for `alloc`"), "{}", stderr(&with_heap));

    let alone = sysroot.compile("#![no_std]\n");
    assert!(alone.status.success(), "a crate that needs nothing is refused:\n{}", stderr(&alone));
    for library in ["alloc", "std"] {
        let refused = sysroot.compile(&format!("#![no_std]\nextern crate {library};\n"));
        assert!(!refused.status.success(), "{library} was found");
        assert!(
            stderr(&refused).contains(&format!("can't find crate for `{library}`")),
            "{}",
            stderr(&refused)
        );
    }
}

/// A folder with the libraries of [`LIBRARIES`], laid out as a compiler's sysroot.
struct Sysroot {
    folder: PathBuf,
    target: String,
}

impl Sysroot {
    /// Made anew, so that nothing of another compiler's is left in it.
    fn of_libcore(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let target = host_target();
        let libraries = Path::new("lib/rustlib").join(&target).join("lib");
        let from = PathBuf::from(answer(Command::new("rustc").args(["--print", "sysroot"]))).join(&libraries);
        let to = folder.join("sysroot").join(&libraries);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&to).expect("a folder for the sysroot");
        let mut copied = 0;
        for entry in fs::read_dir(&from).expect("the compiler's libraries") {
            let entry = entry.expect("an entry of the compiler's libraries");
            let name = entry.file_name().into_string().expect("a library's name");
            if LIBRARIES.iter().any(|library| name.starts_with(library)) {
                fs::copy(entry.path(), to.join(name)).expect("a copy of a library");
                copied += 1;
            }
        }
        assert!(copied >= LIBRARIES.len(), "{} of {LIBRARIES:?} are in {}", copied, from.display());
        Self { folder, target }
    }

    fn sysroot(&self) -> PathBuf {
        self.folder.join("sysroot")
    }

    /// Builds felice-core. Build scripts and macros run on this machine: `--target` keeps the sysroot from them.
    fn build_core(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO"))
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../core"))
            .args(["build", "--package", "felice-core", "--lib", "--target", &self.target])
            .args(arguments)
            .env("CARGO_ENCODED_RUSTFLAGS", format!("--sysroot\x1f{}", self.sysroot().display()))
            .env("CARGO_TARGET_DIR", self.folder.join("target"))
            .output()
            .expect("cargo starts")
    }

    /// Compiles one file as a library.
    fn compile(&self, source: &str) -> Output {
        let file = self.folder.join("probe.rs");
        fs::write(&file, source).expect("a file for the probe");
        Command::new("rustc")
            .args(["--edition", "2024", "--crate-type", "rlib", "--target", &self.target, "--sysroot"])
            .arg(self.sysroot())
            .arg("--out-dir")
            .arg(&self.folder)
            .arg(&file)
            .output()
            .expect("rustc starts")
    }
}

/// The target that the compiler builds for by itself.
fn host_target() -> String {
    let version = answer(Command::new("rustc").arg("-vV"));
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("rustc -vV names its host").to_owned()
}

fn answer(command: &mut Command) -> String {
    let output = command.output().expect("rustc starts");
    assert!(output.status.success(), "{command:?} failed: {}", stderr(&output));
    String::from_utf8(output.stdout).expect("rustc answers in UTF-8").trim().to_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
