//! One broker: its folder, its process, and the shell that watches over it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::cache::installation;
use super::doors::{Door, Doors, scram_users};
use super::ports::Port;
use super::probe;
use super::properties::{STORAGE, server_properties};
use super::version::{KafkaVersion, Quorum};
use crate::certificates::Authority;
use crate::proxy::Link;

/// One id for all clusters: they have no storage and no port in common. 16 bytes in base64.
const CLUSTER_ID: &str = "ZmVsaWNlLXRlc3RzLTAwMQ";

/// How long a broker may take to start or to stop; many times what it takes on two busy cores.
const PATIENCE: Duration = Duration::from_secs(300);

/// How often a starting broker is asked whether it works.
const PROBE_INTERVAL: Duration = Duration::from_millis(25);

/// What a broker's process is doing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum State {
    Down,
    Paused,
    Running,
}

/// A broker that is also a controller.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: i32,
    pub(crate) state: State,
    pub(crate) log: PathBuf,
    pub(crate) folder: PathBuf,
    ports: Ports,
    supervisor: Child,
    /// What the supervisor reads; closing it ends the broker and removes the folder.
    words: Option<ChildStdin>,
    /// What the supervisor writes, by the thread that reads it.
    answers: Receiver<String>,
}

impl Node {
    /// Makes the folder and the supervisor of a broker that does not run yet.
    pub(crate) fn new(
        version: KafkaVersion,
        id: i32,
        ports: Ports,
        controllers: &str,
        overrides: &BTreeMap<String, String>,
        java_options: &[&str],
    ) -> Self {
        let installation = installation(version);
        let (name, folder) = new_folder();
        let storage = folder.join(STORAGE);
        if let Some(doors) = &ports.doors {
            doors.write(&folder);
        }
        let properties = server_properties(version.quorum(), id, &ports, controllers, &folder, overrides);
        let properties_file = folder.join("server.properties");
        fs::write(&properties_file, properties).expect("the temporary folder can be written");

        let log = installation.logs.join(format!("{name}-broker-{id}.log"));
        let mut java = installation.tuned_java(java_options, &log);
        match version.quorum() {
            Quorum::KRaft => {
                let users = ports.doors.as_ref().map(|_| scram_users()).unwrap_or_default();
                java.arg("Broker").arg(&properties_file).arg(&storage).arg(CLUSTER_ID).args(users)
            }
            Quorum::ZooKeeper => java
                .arg("ZooKeeperBroker")
                .arg(&properties_file)
                .arg(folder.join("zookeeper"))
                .arg(ports.controller.number.to_string()),
        };
        let mut supervisor = supervise(&folder, &log, &java);
        let words = supervisor.stdin.take();
        let answers = read_lines(&mut supervisor);
        Self { id, state: State::Down, log, folder, ports, supervisor, words, answers }
    }

    /// Where clients reach it.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports.listener.number).into()
    }

    /// The port behind a door.
    pub(crate) fn door(&self, door: Door) -> u16 {
        self.ports.doors.as_ref().expect("the cluster is secured").port(door)
    }

    /// Starts the process, without waiting until it works.
    pub(crate) fn launch(&mut self) {
        assert_eq!(self.state, State::Down, "broker {} is not down", self.id);
        self.say("START");
        let answer = self.answers.recv_timeout(PATIENCE);
        assert_eq!(answer.as_deref(), Ok("STARTED"), "broker {} was not started", self.id);
        self.state = State::Running;
    }

    /// Waits until the broker knows all of `brokers` to be alive.
    pub(crate) fn wait_until_it_works(&mut self, brokers: &[i32]) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = probe::live_brokers(self.address());
            if let Ok(live) = &answer
                && brokers.iter().all(|broker| live.contains(broker))
            {
                return;
            }
            if let Ok(status) = self.answers.try_recv() {
                self.state = State::Down;
                panic!("broker {} ended with status {status} as it started; {}", self.id, self.last_words());
            }
            let (id, log) = (self.id, self.log.display());
            assert!(
                Instant::now() < deadline,
                "broker {id} does not work after {PATIENCE:?}, its last answer was {answer:?}; see {log}"
            );
            thread::sleep(PROBE_INTERVAL);
        }
    }

    /// Sends the signal and waits until the process has ended.
    pub(crate) fn end(&mut self, signal: &str) {
        if self.state == State::Paused {
            // A stopped process takes no other signal than KILL.
            self.say("CONT");
        }
        self.say(signal);
        match self.answers.recv_timeout(PATIENCE) {
            Ok(_status) => self.state = State::Down,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                panic!("broker {} did not end after SIG{signal}; see {}", self.id, self.log.display())
            }
        }
    }

    /// SIGSTOP and SIGCONT.
    pub(crate) fn pause(&mut self) {
        assert_eq!(self.state, State::Running, "broker {} does not run", self.id);
        self.say("STOP");
        let answer = self.answers.recv_timeout(PATIENCE);
        assert_eq!(answer.as_deref(), Ok("STOPPED"), "broker {} was not paused", self.id);
        self.state = State::Paused;
    }

    pub(crate) fn resume(&mut self) {
        assert_eq!(self.state, State::Paused, "broker {} is not paused", self.id);
        self.say("CONT");
        self.state = State::Running;
    }

    /// How much processor time the broker's process has used.
    pub(crate) fn cpu_time(&self) -> Duration {
        /// What `/proc` counts in, on every Linux that matters.
        const TICKS_PER_SECOND: u64 = 100;
        let pid = fs::read_to_string(self.folder.join("pid")).expect("the broker runs");
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).expect("the broker runs");
        // Behind the name, which may hold anything, `utime` and `stime` are the 12th and the 13th.
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND)
    }

    fn say(&mut self, word: &str) {
        let words = self.words.as_mut().expect("the supervisor lives as long as the node");
        writeln!(words, "{word}").expect("the supervisor lives as long as the node");
    }

    /// The end of the log, for a panic's message.
    fn last_words(&self) -> String {
        let log =
            [self.log.clone(), console(&self.log)].map(|file| fs::read_to_string(file).unwrap_or_default());
        let lines: Vec<&str> = log.iter().flat_map(|text| text.lines()).collect();
        let tail = lines[lines.len().saturating_sub(30)..].join("\n");
        format!("the end of {}:\n{tail}", self.log.display())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.words = None;
        // The folder is gone when the supervisor is.
        let _ = self.supervisor.wait();
        if thread::panicking() {
            eprintln!("the log of broker {} is {}", self.id, self.log.display());
        } else {
            let _ = fs::remove_file(&self.log);
            let _ = fs::remove_file(console(&self.log));
        }
    }
}

/// The ports of one node.
#[derive(Debug)]
pub(crate) struct Ports {
    pub(crate) listener: Port,
    /// The controller's, or ZooKeeper's.
    pub(crate) controller: Port,
    pub(crate) far: Option<FarPort>,
    pub(crate) doors: Option<Doors>,
}

/// A listener that clients reach over a link only.
#[derive(Debug)]
pub(crate) struct FarPort {
    pub(crate) listener: Port,
    /// The link's own port.
    pub(crate) advertised: SocketAddr,
}

impl Ports {
    /// Those of a node, with one over the link if there is one, and those of its doors if there is an authority.
    pub(crate) fn reserve(link: Option<&Link>, authority: Option<&Authority>) -> Self {
        let far = link.map(|link| {
            let listener = Port::reserve();
            let advertised = link.route_to((Ipv4Addr::LOCALHOST, listener.number).into());
            FarPort { listener, advertised: advertised.expect("the loopback interface has free ports") }
        });
        let doors = authority.map(Doors::reserve);
        Self { listener: Port::reserve(), controller: Port::reserve(), far, doors }
    }
}

/// A folder that was not there, and its name. One of a process with the same id, before the power went, may be there.
fn new_folder() -> (String, PathBuf) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("felice-kafka-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(&name);
        match fs::create_dir(&folder) {
            Ok(()) => return (name, folder),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => panic!("cannot make the folder {}: {error}", folder.display()),
        }
    }
}

/// Starts the shell that starts, signals and survives the broker.
fn supervise(folder: &Path, log: &Path, java: &Command) -> Child {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(include_str!("supervisor.sh")).arg("supervisor").arg(folder).arg(console(log));
    shell.arg(java.get_program()).args(java.get_args());
    // A process group of its own: Ctrl-C must not end the supervisor before it has cleaned up.
    shell.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    shell.spawn().expect("there is a shell")
}

/// Where a broker's console output goes: what it says before its logging works.
fn console(log: &Path) -> PathBuf {
    log.with_extension("console.log")
}

fn read_lines(supervisor: &mut Child) -> Receiver<String> {
    let (sender, receiver) = channel();
    let output = BufReader::new(supervisor.stdout.take().expect("the output is a pipe"));
    thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
