//! SIGHUP: other mappings, sources and producers, and a file that is wrong.

use std::io::Write;
use std::net::TcpStream;

use rustix::process::Signal;

use crate::harness::{Gateway, Place, TOPIC, get, values};

fn source(name: &str, key: &str) -> String {
    format!(
        "type = \"tcp\"\nname = \"{name}\"\naddress = \"127.0.0.{}:0\"\ntopic = \"lines\"\nkey = \"{key}\"",
        name.len()
    )
}

#[test]
fn a_broken_file_is_refused_and_everything_goes_on() {
    let place = Place::new();
    let settings = place.settings("", "", &[&source("a", "old")]);
    let mut gateway = Gateway::run(&settings);
    let mut client = TcpStream::connect(gateway.address(&["event=listening"])).unwrap();
    client.write_all(b"before\n").unwrap();
    place.arrived(TOPIC, 1);
    for (text, why) in [
        ("listen = [", "unclosed array"),
        (
            &std::fs::read_to_string(place.settings("", "linger.sm = 5", &[&source("a", "new")])).unwrap(),
            "linger.ms",
        ),
        // Found only by who builds the producer: the old one is built again.
        (
            &std::fs::read_to_string(place.settings("", "buffer.memory = 5", &[&source("a", "new")]))
                .unwrap(),
            "buffer.memory",
        ),
    ] {
        std::fs::write(&settings, text).unwrap();
        gateway.signal(Signal::HUP);
        gateway.hear(&["event=reload_refused", why, "the old ones stay"]);
        client.write_all(b"after\n").unwrap();
    }
    let records = place.arrived(TOPIC, 4);
    assert_eq!(values(&records), ["before", "after", "after", "after"]);
    assert!(records.iter().all(|record| record.key.as_deref() == Some(b"old")));
    gateway.finish();
}

#[test]
fn connections_stay_open_when_mapping_and_producer_change() {
    let place = Place::new();
    let settings = place.settings("", "", &[&source("a", "old")]);
    let mut gateway = Gateway::run(&settings);
    let mut client = TcpStream::connect(gateway.address(&["event=listening"])).unwrap();
    client.write_all(b"one\nand a be").unwrap();
    place.arrived(TOPIC, 1);
    place.settings("", "", &[&source("a", "new")]);
    gateway.signal(Signal::HUP);
    gateway.hear(&["event=reloaded"]);
    client.write_all(b"gin\n").unwrap();
    place.arrived(TOPIC, 2);
    place.settings("pattern = \"synchronous\"", "client.id = \"other\"", &[&source("a", "new")]);
    gateway.signal(Signal::HUP);
    gateway.hear(&["event=producer_replaced"]);
    client.write_all(b"three\n").unwrap();
    let records = place.arrived(TOPIC, 3);
    assert_eq!(values(&records), ["one", "and a begin", "three"]);
    let keys: Vec<_> = records.iter().map(|record| record.key.as_deref().unwrap()).collect();
    assert_eq!(keys, [b"old", b"new", b"new"]);
    gateway.finish();
}

#[test]
fn sources_come_and_go() {
    let place = Place::new();
    let settings = place.settings("", "", &[&source("a", "k")]);
    let mut gateway = Gateway::run(&settings);
    let first = gateway.address(&["event=listening"]);
    place.settings("", "", &[&source("bb", "k")]);
    gateway.signal(Signal::HUP);
    gateway.hear(&["event=source_ended", "source=a"]);
    let second = gateway.address(&["event=listening", "source=bb"]);
    assert!(TcpStream::connect(first).is_err());
    TcpStream::connect(second).unwrap().write_all(b"from the other\n").unwrap();
    assert_eq!(values(&place.arrived(TOPIC, 1)), ["from the other"]);
    gateway.finish();
}

#[test]
fn metrics_and_health_are_served_to_who_asks_for_them() {
    let place = Place::new();
    let mut gateway = Gateway::run(&place.settings("", "", &[&source("a", "k")]));
    let address = gateway.address(&["event=serving"]);
    let (status, body) = get(address, "/metrics?x");
    assert_eq!(status, 200);
    assert!(
        body.contains("felice_record_accepted_total") && body.contains("gateway_source_up{source=\"a\"} 1"),
        "{body}"
    );
    felice_tests_parses(&body);
    assert_eq!((get(address, "/health").0, get(address, "/").0), (200, 404));
    // Whoever asks for nothing holds up nobody for long, and who asks badly is told.
    let silent = TcpStream::connect(address).unwrap();
    let mut bad = TcpStream::connect(address).unwrap();
    bad.write_all(b"POST /metrics HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut bad, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    drop(silent);
    gateway.finish();
}

/// Every line is a comment, or a name, labels and a number; each family is described once.
fn felice_tests_parses(text: &str) {
    let mut described = std::collections::BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert!(described.insert(rest.split(' ').next().unwrap()), "{line} is said twice");
        } else if !line.starts_with('#') {
            let (_, number) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
            assert!(number.parse::<f64>().is_ok(), "{line}");
        }
    }
}
