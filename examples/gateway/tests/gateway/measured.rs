//! How fast lines go in: measured and told, and never a condition.

use std::io::Write;
use std::net::TcpStream;
use std::time::Instant;

use crate::harness::{Gateway, Place, TOPIC, wait_for_metric};

/// `cargo test --release -p felice-gateway -- --ignored --nocapture lines_a_second`
#[test]
#[ignore = "it measures"]
fn lines_a_second_from_a_socket() {
    const LINES: usize = 1_000_000;
    let place = Place::new();
    let source =
        "type = \"tcp\"\naddress = \"127.0.0.1:0\"\nformat = \"columns\"\ntopic = \"lines\"\nkey = \"{1}\"";
    let mut gateway = Gateway::run(&place.settings("", "buffer.memory = 16777216", &[source]));
    let metrics = gateway.address(&["event=serving"]);
    let mut client = TcpStream::connect(gateway.address(&["event=listening"])).unwrap();
    let block: String = (0..1000).map(|number| format!("sensor-{number:03},{number:-<88}\n")).collect();
    let begun = Instant::now();
    for _ in 0..LINES / 1000 {
        client.write_all(block.as_bytes()).unwrap();
    }
    wait_for_metric(metrics, "gateway_lines_taken_total", |taken| taken == LINES as f64);
    let taken = begun.elapsed();
    place.arrived(TOPIC, LINES);
    let rate = |time: std::time::Duration| LINES as f64 / time.as_secs_f64();
    println!("{:.0} lines/s of 100 bytes taken in, {:.0} acknowledged", rate(taken), rate(begun.elapsed()));
    gateway.finish();
}
