//! `gateway check` says in plain words what is wrong, and leaves nothing behind.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use felice_tests::cluster::TopicConfig;

use crate::harness::{Gateway, Place, TOPIC};

const STDIN: &str = "type = \"stdin\"\ntopic = \"lines\"";

fn check(settings: &Path, more: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    let output = command.arg("check").arg(settings).args(more).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn what_is_right_is_right_and_nothing_is_written_but_with_send() {
    let place = Place::new();
    let settings = place.settings("", "", &[STDIN]);
    let (code, said) = check(&settings, &[]);
    assert!(code == 0 && said.contains("topic lines: it is there, with 1 partitions"), "{code} {said}");
    assert!(place.target.read(TOPIC).is_empty() && !place.path("spool").exists());
    let (code, said) = check(&settings, &["--send"]);
    assert!(code == 0 && said.contains("a record was written, lines-0@0"), "{code} {said}");
    assert_eq!(place.target.read(TOPIC)[0].value.as_deref(), Some(&b"gateway check"[..]));
}

#[test]
fn while_a_gateway_runs_the_way_can_be_checked() {
    let place = Place::new();
    let settings = place.settings("", "", &[STDIN]);
    let mut gateway = Gateway::run(&settings);
    gateway.hear(&["event=started"]);
    let (code, said) = check(&settings, &[]);
    assert!(code == 0, "{code} {said}");
    gateway.finish();
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken_source =
        format!("type = \"tcp\"\naddress = \"{}\"\ntopic = \"lines\"", taken.local_addr().unwrap());
    let missing = format!("type = \"file\"\npath = \"{}\"\ntopic = \"lines\"", place.path("none").display());
    let sasl = "security.protocol = \"SASL_PLAINTEXT\"\nsasl.mechanism = \"PLAIN\"\nsasl.username = \"u\"\nsasl.password = \"p\"";
    for (producer, source, code, why) in [
        (
            "",
            "type = \"stdin\"\ntopic = \"nowhere\"",
            4,
            "topic nowhere: record for nowhere-2147483646 failed: the topic does not exist",
        ),
        ("", &*taken_source, 4, "is a gateway running already?"),
        ("", &missing, 4, "the gateway will wait for the file"),
        ("linger.sm = 5", STDIN, 2, "the nearest is \"linger.ms\""),
        ("spool.max.bytes = 5", STDIN, 2, "spool.max.bytes = 5"),
        (sasl, STDIN, 4, "sasl.mechanism"),
        ("security.protocol = \"SSL\"", STDIN, 2, "ssl.truststore.location"),
    ] {
        let (status, said) = check(&place.settings("", producer, &[source]), &[]);
        assert!(status == code && said.contains(why), "{producer} {source}: {status} {said}");
        assert!(said.contains("WRONG"), "{said}");
    }
}

#[test]
fn a_way_that_leads_nowhere_is_told_apart() {
    let place = Place::new();
    let of = |bootstrap: &str| {
        let settings = place.settings("", "", &[STDIN]);
        let text = std::fs::read_to_string(&settings).unwrap().replace(&place.target.bootstrap(), bootstrap);
        std::fs::write(&settings, text).unwrap();
        let (code, said) = check(&settings, &[]);
        assert_eq!(code, 4, "{said}");
        said
    };
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = of(&closed.to_string());
    assert!(said.contains("nobody listens there"), "{said}");
    let said = of("no-such-host.invalid:9092");
    assert!(said.contains("look at the names in bootstrap.servers"), "{said}");
}

#[test]
fn a_broker_whose_clock_is_another_is_told() {
    let place = Place::new();
    let config = TopicConfig { log_append_time: true, ..TopicConfig::with_partitions(1) };
    place.target.cluster().with(|cluster| cluster.create_topic_with("timed", config));
    let settings = place.settings("", "", &["type = \"stdin\"\ntopic = \"timed\""]);
    let (code, said) = check(&settings, &["--send"]);
    assert!(code == 0 && said.contains("clock"), "{code} {said}");
}
