//! felice from C, as somebody has it who has installed it: by the script, into a folder of its own, found by pkg-config,
//! compiled by gcc and g++ with all warnings, watched by valgrind.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::thread;

use felice_tests::behaviour::Target;
use felice_tests::java::ReadRecord;
use felice_tests::require_kafka;

/// What `.ci/run` installs.
const NEEDED: [&str; 4] = ["gcc", "g++", "pkg-config", "valgrind"];
const C: [&str; 6] = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-g"];
const CPP: [&str; 7] = ["-std=c++11", "-Wall", "-Wextra", "-Werror", "-pedantic", "-x", "c++"];

/// Whether these programs are here. Where one is not this says so, past the capturing of the test harness, and panics where
/// `CI=true`.
fn available(programs: &[&str]) -> bool {
    let missing = programs.iter().find(|program| Command::new(program).arg("--version").output().is_err());
    let Some(missing) = missing else { return true };
    let test = thread::current().name().unwrap_or("a test").to_owned();
    let notice = format!("NOT RUN: {test} needs {missing}: see .ci/run");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{notice}");
    let _ = writeln!(io::stderr(), "\n*** {notice} ***");
    false
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The output of a command that must succeed.
fn answer(command: &mut Command) -> String {
    let Output { status, stdout, stderr } =
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{command:?}\n{stdout}{stderr}");
    stdout.into_owned()
}

/// Where felice is installed: at the first call.
fn installed() -> &'static Path {
    static PREFIX: OnceLock<PathBuf> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let prefix = Path::new(env!("CARGO_TARGET_TMPDIR")).join("c_door");
        let _ = fs::remove_dir_all(&prefix);
        let mut install = Command::new(repository().join("blocking/c/install"));
        install.args(["--profile", "dev", "--prefix"]).arg(&prefix);
        // Lines are enough for valgrind's words.
        answer(install.env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only"));
        prefix
    })
}

/// What pkg-config says of felice.
fn pkg_config(question: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    let said = answer(
        command.args(question).arg("felice").env("PKG_CONFIG_PATH", installed().join("lib/pkgconfig")),
    );
    said.split_whitespace().map(str::to_owned).collect()
}

/// Compiles a file, and links it with these.
fn compiled(compiler: &str, options: &[&str], source: &str, libraries: &[String]) -> PathBuf {
    let test = thread::current().name().unwrap().to_owned();
    let program = installed().join(test);
    let mut command = Command::new(compiler);
    let command = command.args(options).arg(repository().join(source)).arg("-o").arg(&program);
    answer(command.args(pkg_config(&["--cflags"])).args(["-x", "none"]).args(libraries));
    program
}

fn with_shared_library(compiler: &str, options: &[&str], source: &str) -> PathBuf {
    compiled(compiler, options, source, &pkg_config(&["--libs"]))
}

/// Runs a program under valgrind, which must find nothing: no error, and no byte that is left behind but the standard library's.
fn watched(program: &Path) -> Command {
    let mut command = Command::new("valgrind");
    let options = [
        "--quiet",
        "--error-exitcode=99",
        "--leak-check=full",
        "--show-leak-kinds=all",
        "--errors-for-leak-kinds=all",
    ];
    let known = repository().join("tests/tests/c_door/valgrind.supp");
    command.arg(format!("--suppressions={}", known.display()));
    command.args(options).arg(program).env("LD_LIBRARY_PATH", installed().join("lib"));
    command
}

/// What the example has sent: by each pattern, each reading once, in order.
fn check_example(said: &str, read: &[ReadRecord]) {
    let values: Vec<&str> =
        read.iter().map(|it| str::from_utf8(it.value.as_deref().unwrap()).unwrap()).collect();
    assert_eq!(values, ["21.5", "21.6", "21.4"].repeat(3));
    assert!(read.iter().all(|it| it.key.as_deref() == Some(b"sensor-7")));
    let headers: Vec<usize> = read.iter().map(|it| it.headers.len()).collect();
    assert_eq!(headers, [0, 0, 0, 1, 1, 1, 0, 0, 0]);
    assert_eq!(read[3].headers, [("unit".to_owned(), Some(b"degC".to_vec()))]);
    assert!(said.contains("21.4 is at") && said.contains("the callback has heard of 3 records"), "{said}");
    let accepted = said.lines().find(|line| line.starts_with("felice_record_accepted_total"));
    assert!(accepted.is_some_and(|line| line.ends_with(" 9")), "{said}");
}

#[test]
fn the_example_sends_by_each_pattern() {
    if !available(&NEEDED) {
        return;
    }
    let target = Target::simulated();
    target.create_topic("readings", 1);
    let program = with_shared_library("gcc", &C, "examples/c/send.c");
    let said = answer(watched(&program).args([&*target.bootstrap(), "readings"]));
    check_example(&said, &target.read("readings"));
}

#[test]
fn the_example_sends_to_real_kafka() {
    require_kafka!();
    if !available(&NEEDED) {
        return;
    }
    let target = Target::real();
    target.create_topic("c-door", 1);
    let mut libraries = vec![installed().join("lib/libfelice.a").display().to_string()];
    libraries.extend(pkg_config(&["--libs", "--static"]).into_iter().filter(|it| it != "-lfelice"));
    let program = compiled("gcc", &C, "examples/c/send.c", &libraries);
    // The static library is in it: no loader looks for another one.
    let said = answer(Command::new(&program).args([&*target.bootstrap(), "c-door"]));
    check_example(&said, &target.read("c-door"));
}

#[test]
fn what_is_wrong_is_said_and_does_no_harm() {
    if !available(&NEEDED) {
        return;
    }
    let target = Target::simulated();
    target.create_topic("readings", 1);
    let program = with_shared_library("gcc", &C, "tests/tests/c_door/checks.c");
    let settings = program.with_extension("properties");
    fs::write(&settings, format!("bootstrap.servers={}\n", target.bootstrap())).unwrap();
    answer(watched(&program).args([&*target.bootstrap(), "readings"]).arg(&settings));
    let read = target.read("readings");
    assert_eq!(
        read.len(),
        2 + 100 + 1,
        "two with handles, those with tokens, one that the callback has sent"
    );
    assert_eq!(read[0].timestamp, 1_700_000_000_000);
    let headers = [("null".to_owned(), None), ("empty".to_owned(), Some(Vec::new()))];
    assert_eq!(
        (&read[0].headers[..], &read[0].key, &read[0].value),
        (&headers[..], &None, &Some(Vec::new()))
    );
    assert_eq!(read.iter().filter(|it| it.value.is_none()).count(), 1, "the callback's is null");
}

#[test]
fn a_compiler_of_cpp_takes_it_too() {
    if !available(&NEEDED) {
        return;
    }
    let program = with_shared_library("g++", &CPP, "examples/c/send.c");
    let mut run = Command::new(program);
    let run =
        run.args(["nowhere", "readings"]).env("LD_LIBRARY_PATH", installed().join("lib")).output().unwrap();
    let said = "settings: properties, line 1: bootstrap.servers = \"nowhere\" cannot be used: it must be host:port\n";
    assert_eq!((String::from_utf8_lossy(&run.stderr).as_ref(), run.status.code()), (said, Some(1)));
}

/// What its page prints is a program.
#[test]
fn the_page_prints_what_compiles() {
    if !available(&NEEDED) {
        return;
    }
    let page = fs::read_to_string(repository().join("blocking/c/README.md")).unwrap();
    let printed = page.split("```c\n").nth(1).unwrap().split("```").next().unwrap();
    let source = installed().join("printed.c");
    fs::write(
        &source,
        format!("#include <felice.h>\n#include <stdio.h>\nint main(void) {{\n{printed}\n}}\n"),
    )
    .unwrap();
    with_shared_library("gcc", &C, source.to_str().unwrap());
}

/// No number and no field of it can be another one than felice's.
#[test]
fn the_header_is_what_cbindgen_makes_of_the_door() {
    if !available(&["cbindgen"]) {
        return;
    }
    let folder = repository().join("blocking/c");
    let made = answer(Command::new("cbindgen").arg("--quiet").arg(&folder));
    let header = fs::read_to_string(folder.join("include/felice.h")).unwrap();
    assert!(made == header, "cbindgen blocking/c --output blocking/c/include/felice.h writes it anew");
}
