//! Standard input, TCP and UDP: lines become records as the file says.

use std::io::Write;
use std::net::{TcpStream, UdpSocket};

use crate::harness::{Gateway, PATIENCE, Place, TOPIC, get, metric, values, wait_for_metric};

const TCP: &str = "type = \"tcp\"\nname = \"in\"\naddress = \"127.0.0.1:0\"\ntopic = \"lines\"";

#[test]
fn standard_input_is_taken_in_and_its_end_is_the_end() {
    for pattern in ["asynchronous", "synchronous", "fire-and-forget"] {
        let place = Place::new();
        let top = format!("pattern = \"{pattern}\"");
        let source =
            "type = \"stdin\"\ntopic = \"lines\"\nheaders = { from = \"{source}\", kind = \"text\" }";
        let mut gateway = Gateway::run(&place.settings(&top, "", &[source]));
        let mut input = gateway.input.take().unwrap();
        input.write_all(b"one\r\n\ntwo\nthree without an end").unwrap();
        drop(input);
        let (code, log) = gateway.end();
        assert_eq!(code, 0, "{log:#?}");
        let records = place.arrived(TOPIC, 3);
        assert_eq!(values(&records), ["one", "two", "three without an end"], "{pattern}");
        let headers =
            [("from".to_owned(), Some(b"stdin".to_vec())), ("kind".to_owned(), Some(b"text".to_vec()))];
        assert_eq!((&records[0].key, &records[0].headers[..]), (&None, &headers[..]));
    }
}

#[test]
fn columns_over_tcp_are_key_header_and_time() {
    let place = Place::new();
    let source = format!(
        "{TCP}\nformat = \"columns\"\nseparator = \";\"\nkey = \"{{1}}\"\ntimestamp = \"{{2}}\"\nheaders = {{ unit = \"{{4}}\" }}"
    );
    let mut gateway = Gateway::run(&place.settings("", "", &[&source]));
    let metrics = gateway.address(&["event=serving"]);
    let mut client = TcpStream::connect(gateway.address(&["event=listening", "source=in"])).unwrap();
    // Invalid UTF-8 is bytes like others; what is not there is null, no header, and the time of arrival.
    client.write_all(b"a;1700000000123;21.5;degC\nb\xff;soon;\xfe\xfe\n").unwrap();
    let records = place.arrived(TOPIC, 2);
    assert_eq!(records[0].key.as_deref(), Some(&b"a"[..]));
    assert_eq!(records[0].timestamp, 1_700_000_000_123);
    assert_eq!(records[0].value.as_deref(), Some(&b"a;1700000000123;21.5;degC"[..]));
    assert_eq!(records[0].headers, [("unit".to_owned(), Some(b"degC".to_vec()))]);
    assert_eq!((records[1].key.as_deref(), &records[1].headers[..]), (Some(&b"b\xff"[..]), &[][..]));
    assert_eq!(records[1].value.as_deref(), Some(&b"b\xff;soon;\xfe\xfe"[..]));
    assert!(records[1].timestamp > 1_700_000_000_123, "the time of arrival");
    let count = |name: &str| metric(metrics, &format!("gateway_{name}{{source=\"in\"}}"));
    assert_eq!(["lines_total", "lines_taken_total", "lines_without_time_total"].map(count), [2.0, 2.0, 1.0]);
    assert_eq!(count("connections"), 1.0);
    gateway.finish();
}

#[test]
fn syslog_and_influx_over_udp() {
    let place = Place::new();
    for topic in ["syslog.4", "weather", "unparsed"] {
        place.target.create_topic(topic, 1);
    }
    let syslog = "type = \"udp\"\nname = \"syslog\"\naddress = \"127.0.0.1:0\"\nformat = \"syslog\"\ntopic = \"syslog.{facility}\"\nkey = \"{host}\"\nvalue = \"{message}\"\ntimestamp = \"{timestamp}\"\nunparsed_topic = \"unparsed\"";
    let influx = "type = \"tcp\"\nname = \"influx\"\naddress = \"127.0.0.1:0\"\nformat = \"influx\"\ntopic = \"{measurement}\"\nkey = \"{tag.place}\"\ntimestamp = \"{timestamp}\"";
    let mut gateway = Gateway::run(&place.settings("", "", &[syslog, influx]));
    let mut first = gateway.hear(&["event=listening"]);
    let mut second = gateway.hear(&["event=listening"]);
    if !first.contains("source=syslog") {
        std::mem::swap(&mut first, &mut second);
    }
    let address = |line: &str| line.rsplit('=').next().unwrap().to_owned();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(b"<34>1 2023-11-14T22:13:20.5Z box su - ID47 - two\nlines\n", address(&first)).unwrap();
    socket.send_to(b"<34>Oct 11 22:14:15 box su: old", address(&first)).unwrap();
    let mut client = TcpStream::connect(address(&second)).unwrap();
    client.write_all(b"weather,place=roof celsius=21.5 1700000000123456789\n").unwrap();
    let [syslog, unparsed, weather] =
        ["syslog.4", "unparsed", "weather"].map(|topic| place.arrived(topic, 1).remove(0));
    assert_eq!((syslog.key.as_deref(), syslog.timestamp), (Some(&b"box"[..]), 1_700_000_000_500));
    assert_eq!(syslog.value.as_deref(), Some(&b"two\nlines"[..]));
    assert_eq!(unparsed.value.as_deref(), Some(&b"<34>Oct 11 22:14:15 box su: old"[..]));
    assert_eq!(unparsed.headers[0].0, "gateway-problem");
    assert_eq!((weather.key.as_deref(), weather.timestamp), (Some(&b"roof"[..]), 1_700_000_000_123));
    gateway.finish();
}

#[test]
fn lines_of_10_mib_arrive_or_are_passed_over_and_told() {
    let place = Place::new();
    place.target.create_topic_with_message_bytes_max("long", 1, 32 << 20);
    let producer = "buffer.memory = 67108864\nmax.request.size = 16777216\nspool.max.bytes = 134217728";
    let source = TCP.replace("\"lines\"", "\"long\"") + "\nline_bytes_max = 10485760";
    let mut gateway = Gateway::run(&place.settings("", producer, &[&source]));
    let metrics = gateway.address(&["event=serving"]);
    let mut client = TcpStream::connect(gateway.address(&["event=listening"])).unwrap();
    let line = |length: usize| [vec![b'x'; length], b"\n".to_vec()].concat();
    for length in [10 << 20, (10 << 20) + 1, 3] {
        client.write_all(&line(length)).unwrap();
    }
    let records = place.arrived("long", 2);
    let lengths: Vec<_> = records.iter().map(|record| record.value.as_ref().unwrap().len()).collect();
    assert_eq!(lengths, [10 << 20, 3]);
    assert!(records[0].value.as_ref().unwrap().iter().all(|byte| *byte == b'x'));
    assert_eq!(metric(metrics, "gateway_lines_too_long_total"), 1.0);
    let log = gateway.finish();
    assert!(
        log.iter().any(|line| line.contains("event=line_too_long") && line.contains("bytes=10485761")),
        "{log:#?}"
    );
}

#[test]
fn a_line_that_the_producer_never_takes_is_told_and_others_arrive() {
    let place = Place::new();
    let source = format!("{TCP}\nline_bytes_max = 1000000");
    let mut gateway = Gateway::run(&place.settings("", "", &[&source]));
    let metrics = gateway.address(&["event=serving"]);
    let mut client = TcpStream::connect(gateway.address(&["event=listening"])).unwrap();
    client.write_all(&[vec![b'x'; 500_000], b"\nshort\n".to_vec()].concat()).unwrap();
    assert_eq!(values(&place.arrived(TOPIC, 1)), ["short"]);
    gateway.hear(&["event=line_refused", "max.request.size"]);
    assert_eq!(metric(metrics, "gateway_lines_refused_total"), 1.0);
    gateway.finish();
}

#[test]
fn whoever_sends_waits_where_there_is_no_room_and_nothing_is_lost() {
    let place = Place::new();
    place.target.cluster().stop_broker(1);
    place.target.cluster().stop_broker(2);
    place.target.cluster().stop_broker(3);
    // Both are soon full.
    let producer = "buffer.memory = 65536\nmax.request.size = 8192\nspool.max.bytes = 1048576";
    let mut gateway = Gateway::run(&place.settings("", producer, &[TCP]));
    let metrics = gateway.address(&["event=serving"]);
    let mut client = TcpStream::connect(gateway.address(&["event=listening"])).unwrap();
    let all: Vec<String> = (0..40_000).map(|number| format!("{number:0200}")).collect();
    let text = all.join("\n") + "\n";
    let sending = std::thread::spawn(move || client.write_all(text.as_bytes()));
    gateway.hear(&["event=source_waits", "max.block.ms"]);
    let (status, body) = get(metrics, "/health");
    assert!(status == 503 && body.contains("takes no more"), "{status} {body}");
    for broker in 1..=3 {
        place.target.cluster().start_broker(broker);
    }
    assert_eq!(values(&place.arrived(TOPIC, all.len())), all);
    sending.join().unwrap().unwrap();
    wait_for_metric(metrics, "gateway_lines_taken_total", |taken| taken == 40_000.0);
    assert_eq!(get(metrics, "/health").0, 200);
    gateway.finish();
}

#[test]
fn connections_have_a_limit_and_one_that_ends_makes_room() {
    let place = Place::new();
    let source = format!("{TCP}\nconnections_max = 2");
    let mut gateway = Gateway::run(&place.settings("", "", &[&source]));
    let metrics = gateway.address(&["event=serving"]);
    let address = gateway.address(&["event=listening"]);
    let mut clients: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
    for (client, line) in clients.iter_mut().zip(["a\n", "b\n", "c\n"]) {
        client.set_write_timeout(Some(PATIENCE)).unwrap();
        client.write_all(line.as_bytes()).unwrap();
    }
    let mut arrived = values(&place.arrived(TOPIC, 2));
    arrived.sort();
    assert_eq!(arrived, ["a", "b"], "the third one waits");
    assert_eq!(metric(metrics, "gateway_connections"), 2.0);
    clients.remove(0);
    assert_eq!(values(&place.arrived(TOPIC, 3))[2], "c");
    gateway.finish();
}
