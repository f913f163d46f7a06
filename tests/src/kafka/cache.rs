//! What the real Kafka needs on disk: its jars from Maven Central, and the test's own few Java classes.
//!
//! Both are made once and kept outside `target`. Several test processes may come at the same time: they take a file
//! lock, and what is found under its final name is complete, since it was renamed to it.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

/// The version of Apache Kafka that the tests run.
pub const KAFKA_VERSION: &str = "4.3.1";

/// The oldest Java that this Kafka's broker runs on.
const JAVA_VERSION_MIN: u32 = 17;

/// How long the logs of earlier runs are kept.
const LOG_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The Java programs of the tests, compiled by [`compile`].
const SOURCES: [(&str, &str); 2] = [
    ("Broker.java", include_str!("../../java/Broker.java")),
    ("Oracle.java", include_str!("../../java/Oracle.java")),
];

/// Whether real Kafka can run here. Without Java or Maven it cannot: then this says so, past the capturing of the test
/// harness, and panics where `CI=true`, so that no CI run is green without it.
///
/// Tests ask by [`require_kafka!`](crate::require_kafka).
pub fn available() -> bool {
    static MISSING: OnceLock<Option<String>> = OnceLock::new();
    let Some(missing) = MISSING.get_or_init(missing) else { return true };
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let notice = format!("NOT RUN: {test} needs a real Kafka, but {missing}");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{notice}");
    let _ = io::Write::write_all(&mut io::stderr(), format!("\n*** {notice} ***\n").as_bytes());
    false
}

/// What is not installed, in words.
fn missing() -> Option<String> {
    let answers =
        |program: &str| Command::new(program).arg("-version").output().is_ok_and(|it| it.status.success());
    let Some(version) = java_version() else { return Some("there is no `java`".into()) };
    if version < JAVA_VERSION_MIN {
        return Some(format!(
            "`java` is version {version}, and {JAVA_VERSION_MIN} is the oldest that will do"
        ));
    }
    if !answers("javac") {
        return Some("there is no `javac` (a JDK is needed, not only a JRE)".into());
    }
    if !libs(&root()).exists() && !answers("mvn") {
        return Some("there is no `mvn` to fetch it with".into());
    }
    None
}

/// The major version of `java`, from a line like `openjdk version "17.0.15" 2025-04-15`.
fn java_version() -> Option<u32> {
    let output = Command::new("java").arg("-version").output().ok()?;
    let said = String::from_utf8_lossy(&output.stderr);
    said.split('"').nth(1)?.split(['.', '-', '+']).next()?.parse().ok()
}

/// The files on disk; [`installation`] is the way to them.
#[derive(Debug)]
pub(crate) struct Installation {
    libs: PathBuf,
    classes: PathBuf,
    log4j2: PathBuf,
    /// Where brokers and oracles write their logs.
    pub(crate) logs: PathBuf,
}

impl Installation {
    /// `java` with the class path and the logging set, and small: tests run several of them on two cores. The caller
    /// adds the class and its arguments.
    pub(crate) fn java(&self, heap: &str, log: &Path) -> Command {
        let mut command = Command::new("java");
        command
            .arg(format!("-Xmx{heap}"))
            .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg(format!("-Dlog4j2.configurationFile={}", self.log4j2.display()))
            .arg(format!("-Dfelice.log={}", log.display()))
            .arg("-cp")
            .arg(format!("{}:{}/*", self.classes.display(), self.libs.display()));
        command
    }
}

/// The class path with Kafka's jars, for programs that are no part of the tests; fetched at the first call on this machine.
pub fn class_path() -> String {
    format!("{}/*", installation().libs.display())
}

/// The installation, made at the first call on this machine.
///
/// Panics when it cannot be made, with what Maven or the compiler said.
pub(crate) fn installation() -> &'static Installation {
    static INSTALLATION: OnceLock<Installation> = OnceLock::new();
    INSTALLATION.get_or_init(|| {
        let root = root();
        install(&root).unwrap_or_else(|error| panic!("cannot use the cache in {}: {error}", root.display()))
    })
}

/// `$FELICE_KAFKA_CACHE`, or a folder where the user's caches are.
fn root() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    set("FELICE_KAFKA_CACHE").unwrap_or_else(|| {
        let caches = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
        caches.unwrap_or_else(std::env::temp_dir).join("felice").join(format!("kafka-{KAFKA_VERSION}"))
    })
}

fn libs(root: &Path) -> PathBuf {
    root.join(format!("libs-{:016x}", hash(&pom())))
}

fn pom() -> String {
    include_str!("pom.xml").replace("@KAFKA@", KAFKA_VERSION)
}

fn install(root: &Path) -> io::Result<Installation> {
    let logs = root.join("logs");
    fs::create_dir_all(&logs)?;
    let lock = File::create(root.join("lock"))?;
    lock.lock()?;
    remove_old_logs(&logs)?;

    let libs = libs(root);
    complete(&libs, fetch)?;
    let classes = root.join(format!("classes-{:016x}", hash(&SOURCES)));
    complete(&classes, |partial| compile(partial, &libs))?;
    // In the folder of the classes, so that another version of it has another name.
    let log4j2 = classes.join("log4j2.properties");
    Ok(Installation { libs, classes, log4j2, logs })
}

/// Makes the folder `wanted` unless it is there: `fill` works on another name, so that what was cut short is not taken
/// for complete. The caller holds the lock.
fn complete(wanted: &Path, fill: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    if wanted.exists() {
        return Ok(());
    }
    let partial = wanted.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    fs::create_dir_all(&partial)?;
    fill(&partial)?;
    fs::rename(&partial, wanted)
}

fn fetch(folder: &Path) -> io::Result<()> {
    let notice =
        format!("\nfetching Apache Kafka {KAFKA_VERSION} from Maven Central into {}\n", folder.display());
    io::Write::write_all(&mut io::stderr(), notice.as_bytes())?;
    let pom_file = folder.join("pom.xml");
    fs::write(&pom_file, pom())?;
    let mut maven = Command::new("mvn");
    maven.args(["--batch-mode", "--quiet", "--file"]).arg(&pom_file);
    maven.args(["dependency:copy-dependencies", "-DincludeScope=runtime"]);
    run(maven.arg(format!("-DoutputDirectory={}", folder.display())))
}

fn compile(folder: &Path, libs: &Path) -> io::Result<()> {
    fs::write(folder.join("log4j2.properties"), include_str!("log4j2.properties"))?;
    let mut javac = Command::new("javac");
    javac.args(["-proc:none", "-d"]).arg(folder).arg("-cp").arg(libs.join("*"));
    for (name, source) in SOURCES {
        let file = folder.join(name);
        fs::write(&file, source)?;
        javac.arg(file);
    }
    run(&mut javac)
}

/// Runs a command to its end; what it said becomes the error.
fn run(command: &mut Command) -> io::Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(io::Error::other(format!("{command:?} failed: {}", String::from_utf8_lossy(&said))))
}

fn remove_old_logs(logs: &Path) -> io::Result<()> {
    for entry in fs::read_dir(logs)? {
        let entry = entry?;
        let age = SystemTime::now().duration_since(entry.metadata()?.modified()?).unwrap_or_default();
        if age > LOG_AGE_MAX {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
