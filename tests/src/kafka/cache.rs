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

use super::version::{KafkaVersion, Logging};

/// The oldest Java that the newest of the brokers runs on; the others do on it, too.
const JAVA_VERSION_MIN: u32 = 17;

/// How long the logs of earlier runs are kept.
const LOG_AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether real Kafka of all `versions` can run here. Without Java or Maven it cannot: then this says so, past the capturing of the test
/// harness, and panics where `CI=true`, so that no CI run is green without it.
///
/// Tests ask by [`require_kafka!`](crate::require_kafka).
pub fn available(versions: &[KafkaVersion]) -> bool {
    let Some(missing) = missing(versions) else { return true };
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let notice = format!("NOT RUN: {test} needs a real Kafka, but {missing}");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{notice}");
    let _ = io::Write::write_all(&mut io::stderr(), format!("\n*** {notice} ***\n").as_bytes());
    false
}

/// What is not installed that real Kafka of these versions needs, in words.
pub fn missing(versions: &[KafkaVersion]) -> Option<String> {
    static JDK: OnceLock<Option<String>> = OnceLock::new();
    let jdk = JDK.get_or_init(missing_jdk);
    let fetched = |version: &KafkaVersion| libs(&root(), *version).exists();
    if jdk.is_none() && !versions.iter().all(fetched) && !answers("mvn") {
        return Some("there is no `mvn` to fetch it with".into());
    }
    jdk.clone()
}

fn missing_jdk() -> Option<String> {
    let Some(version) = java_version() else { return Some("there is no `java`".into()) };
    if version < JAVA_VERSION_MIN {
        return Some(format!(
            "`java` is version {version}, and {JAVA_VERSION_MIN} is the oldest that will do"
        ));
    }
    (!answers("javac")).then(|| "there is no `javac` (a JDK is needed, not only a JRE)".into())
}

fn answers(program: &str) -> bool {
    Command::new(program).arg("-version").output().is_ok_and(|it| it.status.success())
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
    /// Where the settings of the logging are.
    logging: String,
    /// Where brokers and oracles write their logs.
    pub(crate) logs: PathBuf,
}

impl Installation {
    /// `java` with the class path and the logging set, and small: tests run several of them on two cores. The caller
    /// adds the class and its arguments.
    pub(crate) fn java(&self, heap: &str, log: &Path) -> Command {
        self.tuned_java(&[&format!("-Xmx{heap}"), "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"], log)
    }

    /// `java` with options of one's own.
    pub(crate) fn tuned_java(&self, options: &[&str], log: &Path) -> Command {
        let mut command = Command::new("java");
        command
            .args(options)
            .arg(&self.logging)
            .arg(format!("-Dfelice.log={}", log.display()))
            .arg("-cp")
            .arg(format!("{}:{}/*", self.classes.display(), self.libs.display()));
        command
    }
}

/// The class path with the default version's jars, for programs that are no part of the tests; fetched at the first call
/// on this machine.
pub fn class_path() -> String {
    format!("{}/*", installation(KafkaVersion::default()).libs.display())
}

/// The installation of a version, made at the first call on this machine.
///
/// Panics when it cannot be made, with what Maven or the compiler said.
pub(crate) fn installation(version: KafkaVersion) -> &'static Installation {
    static INSTALLATIONS: [OnceLock<Installation>; KafkaVersion::ALL.len()] =
        [const { OnceLock::new() }; KafkaVersion::ALL.len()];
    INSTALLATIONS[version as usize].get_or_init(|| {
        let root = root();
        install(&root, version)
            .unwrap_or_else(|error| panic!("cannot use the cache in {}: {error}", root.display()))
    })
}

/// `$FELICE_KAFKA_CACHE`, or a folder where the user's caches are.
fn root() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).filter(|it| !it.is_empty()).map(PathBuf::from);
    set("FELICE_KAFKA_CACHE").unwrap_or_else(|| {
        let caches = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
        caches.unwrap_or_else(std::env::temp_dir).join("felice").join("kafka")
    })
}

fn libs(root: &Path, version: KafkaVersion) -> PathBuf {
    root.join(format!("libs-{}-{:016x}", version.number(), hash(&version.pom())))
}

fn install(root: &Path, version: KafkaVersion) -> io::Result<Installation> {
    let logs = root.join("logs");
    fs::create_dir_all(&logs)?;
    let lock = File::create(root.join("lock"))?;
    lock.lock()?;
    remove_old_logs(&logs)?;

    let libs = libs(root, version);
    complete(&libs, |partial| fetch(partial, version))?;
    let (file, settings) = logging(version.logging());
    let classes =
        root.join(format!("classes-{}-{:016x}", version.number(), hash(&(version.sources(), settings))));
    complete(&classes, |partial| {
        fs::write(partial.join(file), settings)?;
        compile(partial, &libs, version.sources())
    })?;
    let file = classes.join(file);
    let logging = match version.logging() {
        Logging::Log4j1 => format!("-Dlog4j.configuration=file:{}", file.display()),
        Logging::Log4j2 => format!("-Dlog4j2.configurationFile={}", file.display()),
    };
    Ok(Installation { libs, classes, logging, logs })
}

/// The name of the file with the settings, and the settings.
const fn logging(logging: Logging) -> (&'static str, &'static str) {
    match logging {
        Logging::Log4j1 => ("log4j.properties", include_str!("log4j.properties")),
        Logging::Log4j2 => ("log4j2.properties", include_str!("log4j2.properties")),
    }
}

/// Makes the folder `wanted` unless it is there: `fill` works on another name, so that what was cut short is not taken
/// for complete. The caller holds the lock.
fn complete(wanted: &Path, fill: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    if wanted.exists() {
        return Ok(());
    }
    let partial = wanted.with_added_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    fs::create_dir_all(&partial)?;
    fill(&partial)?;
    fs::rename(&partial, wanted)
}

fn fetch(folder: &Path, version: KafkaVersion) -> io::Result<()> {
    let number = version.number();
    let notice = format!("\nfetching Apache Kafka {number} from Maven Central into {}\n", folder.display());
    io::Write::write_all(&mut io::stderr(), notice.as_bytes())?;
    let pom_file = folder.join("pom.xml");
    fs::write(&pom_file, version.pom())?;
    let mut maven = Command::new("mvn");
    maven.args(["--batch-mode", "--quiet", "--file"]).arg(&pom_file);
    maven.args(["dependency:copy-dependencies", "-DincludeScope=runtime"]);
    run(maven.arg(format!("-DoutputDirectory={}", folder.display())))
}

fn compile(folder: &Path, libs: &Path, sources: &[(&str, &str)]) -> io::Result<()> {
    let mut javac = Command::new("javac");
    javac.args(["-proc:none", "-d"]).arg(folder).arg("-cp").arg(libs.join("*"));
    for (name, source) in sources {
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
