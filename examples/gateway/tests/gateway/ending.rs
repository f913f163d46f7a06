//! How it ends: asked to, killed, with a cluster that is away, and with which exit status.

use std::io::Write;
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;

use felice_tests::behaviour::Target;
use felice_tests::require_kafka;
use rustix::process::Signal;

use crate::harness::{Gateway, PATIENCE, Place, TOPIC, metric, values, wait_for_metric};

const TCP: &str = "type = \"tcp\"\nname = \"in\"\naddress = \"127.0.0.1:0\"\ntopic = \"lines\"";
const BROKERS: std::ops::RangeInclusive<i32> = 1..=3;

fn numbers(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| format!("line {number}")).collect()
}

fn send(client: &mut TcpStream, lines: &[String]) {
    client.write_all((lines.join("\n") + "\n").as_bytes()).unwrap();
}

/// Lets the spool hear of the topic: before the first time, lines are held in memory only.
fn hear_of_the_topic(place: &Place, settings: &Path) {
    let mut gateway = Gateway::run(settings);
    let mut client = TcpStream::connect(gateway.address(&["event=listening"])).unwrap();
    send(&mut client, &numbers(0..1));
    place.arrived(TOPIC, 1);
    gateway.finish();
}

#[test]
fn sigterm_takes_in_what_has_come_and_sends_it() {
    let place = Place::new();
    let mut gateway = Gateway::run(&place.settings("", "linger.ms = 60000", &[TCP]));
    let metrics = gateway.address(&["event=serving"]);
    let mut client = TcpStream::connect(gateway.address(&["event=listening"])).unwrap();
    let lines = numbers(0..2_000);
    client.write_all((lines.join("\n") + "\nand a begi").as_bytes()).unwrap();
    // It is in the gateway's socket at the latest.
    wait_for_metric(metrics, "gateway_connections", |count| count == 1.0);
    let log = gateway.finish();
    assert_eq!(values(&place.arrived(TOPIC, lines.len())), lines);
    assert!(
        log.iter().any(|line| line.contains("event=line_cut_off") && line.contains("bytes=10")),
        "{log:#?}"
    );
}

#[test]
fn sigterm_without_a_cluster_leaves_everything_in_the_spool_within_the_limit() {
    let place = Place::new();
    let settings = place.settings("drain_timeout_ms = 300", "", &[TCP]);
    hear_of_the_topic(&place, &settings);
    BROKERS.for_each(|broker| place.target.cluster().stop_broker(broker));
    let mut gateway = Gateway::run(&settings);
    let mut client = TcpStream::connect(gateway.address(&["event=listening"])).unwrap();
    send(&mut client, &numbers(1..1000));
    gateway.hear(&["event=connected"]);
    gateway.finish();
    BROKERS.for_each(|broker| place.target.cluster().start_broker(broker));
    let gateway = Gateway::run(&settings);
    assert_eq!(values(&place.arrived(TOPIC, 1000)), numbers(0..1000));
    gateway.finish();
}

#[test]
fn what_the_limit_leaves_without_a_spool_is_counted_and_the_status_says_so() {
    let place = Place::new();
    BROKERS.for_each(|broker| place.target.cluster().stop_broker(broker));
    let settings = place.settings("drain_timeout_ms = 300", "", &[TCP]);
    let text = std::fs::read_to_string(&settings).unwrap();
    let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("spool.")).collect();
    std::fs::write(&settings, text.join("\n")).unwrap();
    let mut gateway = Gateway::run(&settings);
    gateway.hear(&["event=no_spool"]);
    let metrics = gateway.address(&["event=serving"]);
    let mut client = TcpStream::connect(gateway.address(&["event=listening"])).unwrap();
    send(&mut client, &numbers(0..7));
    wait_for_metric(metrics, "gateway_lines_taken_total", |taken| taken == 7.0);
    gateway.signal(Signal::TERM);
    let (code, log) = gateway.end();
    assert_eq!(code, 3, "{log:#?}");
    assert!(log.iter().any(|line| line.contains("event=ended") && line.contains("lost=7")), "{log:#?}");
}

#[test]
fn a_second_sigterm_does_not_wait() {
    let place = Place::new();
    let settings = place.settings("drain_timeout_ms = 86400000", "", &[TCP]);
    hear_of_the_topic(&place, &settings);
    BROKERS.for_each(|broker| place.target.cluster().stop_broker(broker));
    let mut gateway = Gateway::run(&settings);
    let metrics = gateway.address(&["event=serving"]);
    let mut client = TcpStream::connect(gateway.address(&["event=listening"])).unwrap();
    send(&mut client, &numbers(0..7));
    wait_for_metric(metrics, "felice_spool_records", |records| records == 7.0);
    gateway.signal(Signal::TERM);
    gateway.hear(&["event=source_ended"]);
    gateway.signal(Signal::TERM);
    let (code, log) = gateway.end();
    assert_eq!(code, 0, "all of it is in the spool: {log:#?}");
}

/// Killed while the cluster is away (where it can be), killed while it is there: what was spooled arrives, each line once and in
/// order.
fn killed(place: &Place) {
    const LINES: usize = 5000;
    let settings = place.settings("", "", &[TCP]);
    hear_of_the_topic(place, &settings);
    let mut begun = 1;
    for is_away in [true, false] {
        let brokers = if let Target::Simulated(cluster, _) = &place.target { Some(cluster) } else { None };
        let brokers = brokers.filter(|_| is_away);
        brokers.inspect(|cluster| BROKERS.for_each(|broker| cluster.stop_broker(broker)));
        let mut gateway = Gateway::run(&settings);
        let metrics = gateway.address(&["event=serving"]);
        let mut client = TcpStream::connect(gateway.address(&["event=listening"])).unwrap();
        send(&mut client, &numbers(begun..begun + LINES));
        begun += LINES;
        wait_for_metric(metrics, "gateway_lines_taken_total", |taken| taken == LINES as f64);
        if brokers.is_some() {
            wait_for_metric(metrics, "felice_spool_records", |records| records == LINES as f64);
        } else {
            // All that were taken in have been in the spool when the last one is acknowledged or there.
            wait_for_metric(metrics, "felice_buffer_available_bytes", |free| {
                free == metric(metrics, "felice_buffer_total_bytes")
            });
        }
        gateway.kill();
        brokers.inspect(|cluster| BROKERS.for_each(|broker| cluster.start_broker(broker)));
    }
    let gateway = Gateway::run(&settings);
    place.arrived(TOPIC, begun);
    gateway.finish();
    assert_eq!(values(&place.target.read(TOPIC)), numbers(0..begun), "once, and in order");
}

#[test]
fn killed_and_started_again_each_line_arrives_once() {
    killed(&Place::new());
}

#[test]
fn killed_and_started_again_each_line_arrives_once_in_real_kafka() {
    require_kafka!();
    let target = Target::real();
    target.create_topic(TOPIC, 1);
    killed(&Place::at(target));
}

#[test]
fn a_cluster_that_is_gone_and_back_costs_nothing() {
    let place = Place::new();
    let mut gateway = Gateway::run(&place.settings("", "", &[TCP]));
    let metrics = gateway.address(&["event=serving"]);
    let mut client = TcpStream::connect(gateway.address(&["event=listening"])).unwrap();
    send(&mut client, &numbers(0..1000));
    place.arrived(TOPIC, 1000);
    BROKERS.for_each(|broker| place.target.cluster().stop_broker(broker));
    send(&mut client, &numbers(1000..3000));
    wait_for_metric(metrics, "felice_spool_records", |records| records == 2000.0);
    assert_eq!(crate::harness::get(metrics, "/health").0, 200, "the spool takes what comes");
    BROKERS.for_each(|broker| place.target.cluster().start_broker(broker));
    send(&mut client, &numbers(3000..4000));
    assert_eq!(values(&place.arrived(TOPIC, 4000)), numbers(0..4000));
    gateway.finish();
}

#[test]
fn what_cannot_begin_says_why_and_with_which_status() {
    let place = Place::new();
    let missing = place.path("none.toml");
    let unknown = place.settings("", "linger.sm = 5", &[TCP]);
    let gateway = |arguments: &[&std::ffi::OsStr]| {
        let output = Command::new(env!("CARGO_BIN_EXE_gateway")).args(arguments).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    for (arguments, why) in [
        (&["run".as_ref(), missing.as_os_str()][..], "No such file"),
        (&["run".as_ref(), unknown.as_os_str()], "the nearest is \"linger.ms\""),
        (&["walk".as_ref()], "unrecognized subcommand"),
        (&["run".as_ref()], "FILE.toml"),
    ] {
        let (code, stderr) = gateway(arguments);
        assert!(code == 2 && stderr.contains(why), "{code} {stderr}");
    }
    // A second gateway on the same spool.
    let settings = place.settings("", "", &[TCP]);
    let mut first = Gateway::run(&settings);
    first.hear(&["event=started"]);
    let (code, stderr) = gateway(&["run".as_ref(), settings.as_os_str()]);
    assert!(code != 0 && stderr.contains("spool"), "{code} {stderr}");
    first.finish();
}

#[test]
fn systemd_is_told() {
    let place = Place::new();
    let settings = place.settings("", "", &[TCP]);
    let manager = UnixDatagram::bind(place.path("notify")).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let told = || {
        let mut message = [0; 512];
        let length = manager.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    command
        .arg("run")
        .arg(&settings)
        .env("NOTIFY_SOCKET", place.path("notify"))
        .env("WATCHDOG_USEC", "100000");
    let gateway = Gateway::spawn(&mut command);
    assert_eq!(told().trim_end(), "READY=1");
    assert_eq!([told(), told()].map(|message| message.trim_end().to_owned()), ["WATCHDOG=1"; 2]);
    gateway.signal(Signal::HUP);
    let message = std::iter::repeat_with(told).find(|message| !message.contains("WATCHDOG")).unwrap();
    assert!(message.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{message}");
    assert_eq!(told().trim_end(), "READY=1");
    gateway.signal(Signal::TERM);
    let message = std::iter::repeat_with(told).find(|message| !message.contains("WATCHDOG")).unwrap();
    assert_eq!(message.trim_end(), "STOPPING=1");
    let (code, log) = gateway.end();
    assert_eq!(code, 0, "{log:#?}");
}
