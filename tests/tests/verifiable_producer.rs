//! `verifiable-producer` as scripts run it: its lines are those of Kafka's own, and what they say is what the log holds.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use felice_tests::behaviour::{Target, wait_until};
use felice_tests::cluster::{Action, Fault};
use felice_tests::java::ReadRecord;
use felice_tests::kafka::verifiable_producer;
use felice_tests::protocol::ApiKey;
use felice_tests::require_kafka;
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_verifiable-producer");
const FRONT_ENDS: [&str; 2] = ["blocking", "smol"];
const PATIENCE: Duration = Duration::from_secs(60);

/// The program, and its lines as they come. Dropped, it is killed.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(PROGRAM).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        // Ends with the program's output, or when nobody wants its lines any more.
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    /// The next line, which is JSON; none at the end.
    fn next(&self) -> Option<Value> {
        match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"))),
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => None,
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("no line within {PATIENCE:?}"),
        }
    }

    /// All lines that are left, and how it ended.
    fn finish(mut self) -> (Vec<Value>, ExitStatus) {
        let lines = std::iter::from_fn(|| self.next()).collect();
        (lines, self.child.wait().unwrap())
    }

    /// Waits until the thread that sends has nothing to do but to wait, itself: between two looks it was never awake.
    fn await_sleep(&self) {
        let status = format!("/proc/{}/status", self.child.id());
        let asleep = || {
            let status = std::fs::read_to_string(&status).unwrap();
            let line = |name| status.lines().find(|line| line.starts_with(name)).unwrap();
            line("State:").contains('S').then(|| line("voluntary_ctxt_switches:").to_owned())
        };
        wait_until("the program's first thread sleeps", || {
            let before = asleep();
            thread::sleep(Duration::from_millis(20));
            before.is_some() && asleep() == before
        });
    }

    fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A configuration that is gone with this value.
struct Config(PathBuf);

impl Config {
    fn new(name: &str, content: &str) -> Self {
        let path = std::env::temp_dir().join(format!("felice-{}-{name}.properties", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn name(line: &Value) -> &str {
    line["name"].as_str().unwrap()
}

fn named<'a>(lines: &'a [Value], wanted: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| name(line) == wanted).collect()
}

/// The line without what two runs cannot have in common; of that, the type is left.
fn comparable(mut line: Value, topic: &str) -> Value {
    assert!(line["timestamp"].as_i64().is_some_and(|time| time > 1_700_000_000_000), "{line}");
    line["timestamp"] = json!("milliseconds");
    if let Some(own) = line.get_mut("topic") {
        assert_eq!(own, topic);
        *own = json!("topic");
    }
    if let Some(rate) = line.get_mut("avg_throughput") {
        assert!(rate.is_f64(), "{rate}");
        *rate = json!("rate");
    }
    for field in ["exception", "message"] {
        if let Some(text) = line.get_mut(field) {
            assert!(text.as_str().is_some_and(|text| !text.is_empty()), "{text}");
            *text = json!("text");
        }
    }
    line
}

/// What the lines say was stored is stored there, and nothing else is.
fn check_stored(lines: &[Value], target: &Target, topic: &str) {
    // A record that was not acknowledged by all is not read by anybody at once.
    let (mut stored, acked) = (Vec::new(), named(lines, "producer_send_success").len());
    wait_until("what was acknowledged is in the log", || {
        stored = target.read(topic);
        stored.len() >= acked
    });
    check(lines, &stored);
}

fn check(lines: &[Value], stored: &[ReadRecord]) {
    let text =
        |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| String::from_utf8(bytes.clone()).unwrap());
    let mut log: BTreeMap<String, Vec<&ReadRecord>> = BTreeMap::new();
    for record in stored {
        log.entry(text(&record.value).unwrap()).or_default().push(record);
    }
    for line in named(lines, "producer_send_success") {
        let found = log.remove(line["value"].as_str().unwrap()).unwrap_or_else(|| panic!("lost: {line}"));
        let [record] = found[..] else { panic!("stored {} times: {line}", found.len()) };
        assert_eq!(line["key"].as_str().map(str::to_owned), text(&record.key), "{line}");
        assert_eq!(line["partition"], record.partition, "{line}");
        assert!(line["offset"] == record.offset || line["offset"] == -1, "{line}: {}", record.offset);
    }
    // A record without an acknowledgement may be in the log all the same, but it has a line.
    for error in named(lines, "producer_send_error") {
        log.remove(error["value"].as_str().unwrap());
    }
    assert!(log.is_empty(), "stored, and nobody said so: {:?}", log.keys());
}

/// Runs Kafka's own program and this one with the same options, and compares what they print, line by line. One
/// partition, so that there is one order.
fn compare(target: &Target, name: &str, options: &[&str]) {
    let bootstrap = target.bootstrap();
    let run = |producer: &str, lines_of: &dyn Fn(&[&str]) -> Vec<Value>| {
        let exists = name != "errors";
        let topic = if exists { format!("verifiable-{name}-{producer}") } else { "no/topic".into() };
        if exists {
            target.create_topic(&topic, 1);
        }
        let lines = lines_of(&[&["--topic", &topic, "--bootstrap-server", &bootstrap], options].concat());
        if exists {
            check_stored(&lines, target, &topic);
        }
        lines.into_iter().map(|line| comparable(line, &topic)).collect::<Vec<_>>()
    };
    let javas = run("java", &|arguments| {
        let output = verifiable_producer(arguments, PATIENCE);
        assert!(output.status.success(), "{output:?}");
        output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    });
    assert!(javas.len() >= 3 + 3, "{javas:?}");
    for front_end in FRONT_ENDS {
        let ours = run(front_end, &|arguments| {
            let (lines, status) = Running::start(&[arguments, &["--front-end", front_end]].concat()).finish();
            assert!(status.success(), "{lines:?}");
            lines
        });
        assert_eq!(ours, javas, "{name} with {front_end}");
    }
}

const COMPARED: [(&str, &[&str]); 4] = [
    (
        "keys",
        &["--max-messages", "20", "--value-prefix", "7", "--repeating-keys", "3", "--throughput", "1000"],
    ),
    ("acks", &["--max-messages", "5", "--acks", "0"]),
    ("times", &["--max-messages", "5", "--message-create-time", "1700000000000", "--acks", "1"]),
    ("errors", &["--max-messages", "3", "--repeating-keys", "2"]),
];

#[test]
fn lines_are_those_of_kafkas_own_on_the_simulated_cluster() {
    require_kafka!();
    let target = Target::simulated();
    for (name, options) in [COMPARED[0], COMPARED[3]] {
        compare(&target, name, options);
    }
}

#[test]
fn lines_are_those_of_kafkas_own_on_real_kafka() {
    require_kafka!();
    let target = Target::real();
    for (name, options) in COMPARED {
        compare(&target, name, options);
    }
}

#[test]
fn created_records_have_the_time_that_was_asked_for() {
    let target = Target::simulated();
    for front_end in FRONT_ENDS {
        target.create_topic(front_end, 1);
        let arguments =
            ["--topic", front_end, "--bootstrap-server", &target.bootstrap(), "--front-end", front_end];
        let options = ["--max-messages", "50", "--message-create-time", "1700000000000"];
        let (lines, status) = Running::start(&[&arguments[..], &options].concat()).finish();
        assert!(status.success(), "{lines:?}");
        let times: Vec<i64> = target.read(front_end).iter().map(|record| record.timestamp).collect();
        assert_eq!((times.len(), times[0]), (50, 1_700_000_000_000));
        assert!(times.is_sorted() && times[49] < 1_700_000_000_000 + 60_000, "{times:?}");
    }
}

/// SIGTERM in the middle, soon after some trouble: what is held is finished, all is told, and the log holds what was
/// told, once.
fn terminate(target: &Target, front_end: &str, trouble: impl Fn()) {
    let topic = format!("terminated-{front_end}");
    target.create_topic(&topic, 3);
    let bootstrap = target.bootstrap();
    let arguments = ["--topic", &topic, "--bootstrap-server", &bootstrap, "--front-end", front_end];
    let begun = Instant::now();
    let running = Running::start(&[&arguments[..], &["--throughput", "2000"]].concat());
    let mut lines = Vec::new();
    for acknowledged in [250, 500] {
        while named(&lines, "producer_send_success").len() < acknowledged {
            lines.push(running.next().expect("it runs until it is told to end"));
        }
        if acknowledged < 500 {
            trouble();
        }
    }
    running.terminate();
    let (rest, status) = running.finish();
    let lived = begun.elapsed();
    lines.extend(rest);

    assert_eq!(status.code(), Some(128 + 15), "as Java ends");
    let [first, .., shutdown, data] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!([first, shutdown, data].map(name), ["startup_complete", "shutdown_complete", "tool_data"]);
    let acked = named(&lines, "producer_send_success").len();
    let told = acked + named(&lines, "producer_send_error").len();
    assert_eq!((&data["sent"], &data["acked"]), (&json!(told), &json!(acked)));
    assert_eq!(lines.len(), told + 3);
    assert_eq!(data["target_throughput"], 2_000);
    // However busy the machine: longer than between its first and its last line, shorter than it lived.
    let seconds = |line: &Value| line["timestamp"].as_f64().unwrap() / 1000.0;
    let (acked, told) = (acked as f64, data["avg_throughput"].as_f64().unwrap());
    let fastest = acked / (seconds(shutdown) - seconds(first) - 0.002);
    assert!((acked / lived.as_secs_f64()..fastest).contains(&told), "{data}: {lived:?}");
    assert!(told < 2_200.0, "{told}");
    check_stored(&lines, target, &topic);
}

#[test]
fn a_signal_ends_it_and_nothing_is_lost_on_the_simulated_cluster() {
    let target = Target::simulated();
    let lose_answers = || {
        let fault = Fault::new(ApiKey::PRODUCE, Action::ApplyThenClose).times(3);
        target.cluster().with(|cluster| cluster.inject(fault));
    };
    FRONT_ENDS.iter().for_each(|front_end| terminate(&target, front_end, lose_answers));
}

#[test]
fn a_signal_ends_it_and_nothing_is_lost_on_real_kafka() {
    require_kafka!();
    let target = Target::real();
    FRONT_ENDS.iter().for_each(|front_end| terminate(&target, front_end, || ()));
}

/// Nobody there, memory full, `send` waiting: a signal ends that, too, and each record has its line.
fn terminate_alone(front_end: &str) {
    let config =
        Config::new(front_end, "buffer.memory=16384\nrequest.timeout.ms=1500\ndelivery.timeout.ms=5000\n");
    let arguments = ["--topic", "t", "--bootstrap-server", "127.0.0.1:1", "--front-end", front_end];
    let running = Running::start(&[&arguments[..], &["--command-config", config.path()]].concat());
    assert_eq!(running.next().as_ref().map(name), Some("startup_complete"));
    running.await_sleep();
    running.terminate();

    let (lines, status) = running.finish();
    assert_eq!(status.code(), Some(128 + 15));
    let errors = named(&lines, "producer_send_error");
    let refused = |line: &&&Value| line["exception"].as_str().unwrap().ends_with("SendError");
    let refused: Vec<_> = errors.iter().filter(refused).collect();
    let [closed] = refused[..] else { panic!("{refused:?}") };
    assert!(closed["message"].as_str().unwrap().contains("closed"), "{closed}");
    let data = lines.last().unwrap();
    assert_eq!((name(data), &data["acked"]), ("tool_data", &json!(0)));
    assert_eq!(data["sent"], errors.len());
}

#[test]
fn a_signal_ends_it_while_the_cluster_is_away() {
    thread::scope(|scope| {
        for front_end in FRONT_ENDS {
            scope.spawn(|| terminate_alone(front_end));
        }
    });
}

#[test]
fn what_is_wrong_is_said_and_the_exit_status_is_1() {
    let config = Config::new("wrong", "# for the gateway\nlinger.sm=5\n");
    let connected = ["--topic", "t", "--bootstrap-server", "127.0.0.1:1"];
    for (arguments, why) in [
        (&["--topic", "t"][..], "verifiable-producer: error: --bootstrap-server is required"),
        (
            &["--topic", "t", "--bootstrap-server", "nowhere"],
            "error: bootstrap.servers = \"nowhere\" cannot be",
        ),
        (&[&connected[..], &["--command-config", "/no/such"]].concat(), "error: /no/such: No such file"),
        (
            &[&connected[..], &["--producer.config", config.path()]].concat(),
            ".properties, line 2: there is no",
        ),
    ] {
        let output = Command::new(PROGRAM).args(arguments).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(why), "{stderr}");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    }
    let help = Command::new(PROGRAM).output().unwrap();
    assert!(help.status.success() && help.stdout.starts_with(b"Sends increasing numbers"));
}
