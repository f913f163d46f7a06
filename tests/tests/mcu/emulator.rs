//! The firmware of `examples/mcu` in an emulated device: built once, booted with a network, its link cut at will.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;

use felice_tests::behaviour::{PATIENCE, wait_until};

/// What `.ci/mcu` installs: each is needed, and where it is.
const NEEDED: [(&str, &str); 4] = [
    ("the emulator", "/usr/bin/qemu-system-arm"),
    ("a linker", "/usr/bin/ld.lld"),
    ("a compiler that belongs to the library's source", "/usr/bin/rustc"),
    ("the library's source", "/usr/lib/rustlib/src/rust/library"),
];

/// Whether the firmware can be built and booted here. Where it cannot this says so, past the capturing of the test
/// harness, and panics where `CI=true`.
pub(crate) fn available() -> bool {
    let Some((what, path)) = NEEDED.into_iter().find(|(_, path)| !Path::new(path).exists()) else {
        return true;
    };
    let test = thread::current().name().unwrap_or("a test").to_owned();
    let notice = format!("NOT RUN: {test} needs {what}, {path}: see .ci/mcu");
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{notice}");
    let _ = writeln!(io::stderr(), "\n*** {notice} ***");
    false
}

/// The firmware, built at the first call.
fn firmware() -> &'static Path {
    static FIRMWARE: OnceLock<PathBuf> = OnceLock::new();
    FIRMWARE.get_or_init(|| {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let built = Command::new(repository.join(".ci/mcu")).arg("build").output().expect("there is a shell");
        let said = String::from_utf8_lossy(&built.stdout);
        assert!(built.status.success(), "{said}\n{}", String::from_utf8_lossy(&built.stderr));
        PathBuf::from(said.lines().last().expect("it says where the firmware is"))
    })
}

/// A running device, and its lines as they come. Dropped, it is gone.
pub(crate) struct Device {
    child: Child,
    lines: Receiver<String>,
    monitor: PathBuf,
    /// How often it has begun a connection.
    pub(crate) connections: u32,
    /// How many records it has said to be stored.
    pub(crate) stored: u32,
    /// The most stack that it has used, in bytes; told at the end.
    pub(crate) stack: u32,
}

impl Device {
    /// Boots the firmware. `10.0.2.2` is this machine's loopback to it, and nothing else is in its reach.
    pub(crate) fn boot(arguments: &[&str]) -> Self {
        let name = format!("felice-mcu-{}-{:?}", std::process::id(), thread::current().id());
        let monitor = std::env::temp_dir().join(name);
        let words: String = arguments.iter().map(|word| format!(",arg={word}")).collect();
        let mut child = Command::new("qemu-system-arm")
            .args(["-M", "lm3s6965evb", "-display", "none", "-serial", "none"])
            .args(["-nic", "user,model=stellaris,id=net"])
            .args(["-semihosting-config", &format!("enable=on,target=native,arg=mcu{words}")])
            .arg("-monitor")
            .arg(format!("unix:{},server=on,wait=off", monitor.display()))
            .arg("-kernel")
            .arg(firmware())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the emulator starts");
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().expect("it is a pipe"));
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines, monitor, connections: 0, stored: 0, stack: 0 }
    }

    /// Reads on until the condition holds.
    pub(crate) fn run_until(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        while !condition(self) {
            assert!(self.read(), "{what}: the device has ended");
        }
    }

    /// Reads on until the device has ended.
    pub(crate) fn run_to_the_end(&mut self) -> ExitStatus {
        while self.read() {}
        self.child.wait().expect("it is ours")
    }

    /// One line more; false at the end.
    fn read(&mut self) -> bool {
        let line = match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => return false,
            Err(RecvTimeoutError::Timeout) => panic!("the device says nothing for {PATIENCE:?}"),
        };
        println!("{line}");
        let number = |words: &str| line.strip_prefix(words).map(|rest| rest.parse().expect("a number"));
        if line.starts_with("connecting to ") {
            self.connections += 1;
        }
        self.stored = number("stored ").unwrap_or(self.stored);
        self.stack = number("stack ").unwrap_or(self.stack);
        true
    }

    /// Pulls the network's plug, or puts it in again.
    pub(crate) fn set_link(&self, up: bool) {
        let mut monitor = None;
        wait_until("the emulator's monitor", || {
            monitor = UnixStream::connect(&self.monitor).ok();
            monitor.is_some()
        });
        let mut monitor = monitor.expect("it was waited for");
        monitor.set_read_timeout(Some(PATIENCE)).expect("it is a socket");
        let word = if up { "on" } else { "off" };
        writeln!(monitor, "set_link net {word}").expect("the monitor listens");
        // It prompts once when it is connected to, and again when it has done what it was told.
        let (mut prompts, mut last) = (0, [0; 6]);
        while prompts < 2 {
            last.rotate_left(1);
            let [.., byte] = &mut last;
            monitor.read_exact(std::slice::from_mut(byte)).expect("the monitor prompts");
            prompts += u32::from(last == *b"(qemu)");
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.monitor);
    }
}
