//! Files: followed over rotation, truncation and restarts, and waited for.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use crate::harness::{Gateway, Place, TOPIC, get, values, wait_for_metric};

fn append(path: &Path, text: &str) {
    OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn source(place: &Place) -> String {
    format!(
        "type = \"file\"\nname = \"log\"\npath = \"{}\"\nposition_file = \"{}\"\ntopic = \"lines\"\nkey = \"{{offset}}\"",
        place.path("log").display(),
        place.path("log.position").display()
    )
}

#[test]
fn a_file_is_followed_over_rotation_and_truncation() {
    let place = Place::new();
    let log = place.path("log");
    append(&log, "one\ntw");
    let mut gateway = Gateway::run(&place.settings("", "", &[&source(&place)]));
    place.arrived(TOPIC, 1);
    append(&log, "o\n");
    let records = place.arrived(TOPIC, 2);
    assert_eq!(records[1].key.as_deref(), Some(&b"8"[..]), "the place behind the line");
    // Renamed, written to once more by who has it open, and another file in its place.
    let mut open = OpenOptions::new().append(true).open(&log).unwrap();
    fs::rename(&log, place.path("log.1")).unwrap();
    append(&log, "four\n");
    open.write_all(b"three").unwrap();
    drop(open);
    assert_eq!(values(&place.arrived(TOPIC, 4)), ["one", "two", "three", "four"]);
    // Truncated, as logrotate's copytruncate does.
    OpenOptions::new().write(true).open(&log).unwrap().set_len(0).unwrap();
    gateway.hear(&["event=file_truncated"]);
    append(&log, "five\n");
    assert_eq!(values(&place.arrived(TOPIC, 5))[4], "five");
    gateway.finish();
}

#[test]
fn a_file_that_is_not_there_is_waited_for_and_health_says_so() {
    let place = Place::new();
    let log = place.path("log");
    let mut gateway = Gateway::run(&place.settings("", "", &[&source(&place)]));
    let metrics = gateway.address(&["event=serving"]);
    gateway.hear(&["event=source_down", "source=log", "No such file"]);
    let (status, body) = get(metrics, "/health");
    assert!(status == 503 && body.contains("source log: No such file"), "{status} {body}");
    append(&log, "here\n");
    assert_eq!(values(&place.arrived(TOPIC, 1)), ["here"]);
    gateway.hear(&["event=source_up"]);
    fs::remove_file(&log).unwrap();
    gateway.hear(&["event=source_down"]);
    append(&log, "and back\n");
    assert_eq!(values(&place.arrived(TOPIC, 2)), ["here", "and back"]);
    wait_for_metric(metrics, "gateway_source_up", |up| up == 1.0);
    gateway.finish();
}

#[test]
fn a_restart_goes_on_where_it_was_also_in_a_file_that_was_rotated_meanwhile() {
    let place = Place::new();
    let log = place.path("log");
    let settings = place.settings("", "", &[&source(&place)]);
    append(&log, "one\ntwo\nthr");
    let gateway = Gateway::run(&settings);
    place.arrived(TOPIC, 2);
    gateway.finish();
    append(&log, "ee\nfour\n");
    fs::rename(&log, place.path("log.1")).unwrap();
    append(&log, "five\n");
    let gateway = Gateway::run(&settings);
    place.arrived(TOPIC, 5);
    gateway.finish();
    // Another file under the same name, and nothing of the old ones.
    fs::remove_file(place.path("log.1")).unwrap();
    fs::remove_file(&log).unwrap();
    append(&log, "six, and as long as it was\n");
    let gateway = Gateway::run(&settings);
    let arrived = values(&place.arrived(TOPIC, 6));
    assert_eq!(arrived, ["one", "two", "three", "four", "five", "six, and as long as it was"]);
    gateway.finish();
}
