//! Nothing of a broker outlives its test process, however that ends.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use felice_tests::kafka::Kafka;
use felice_tests::require_kafka;

/// Set for the process that is to be killed.
const HOLDER: &str = "FELICE_HOLDS_A_BROKER";

/// Not a test: what the test below runs as another process, to kill it.
#[test]
#[ignore = "runs until it is killed"]
fn holds_a_paused_broker() {
    if std::env::var_os(HOLDER).is_none() {
        return;
    }
    let kafka = Kafka::builder().start();
    kafka.pause(1);
    println!("\nbroker {}", kafka.address(1));
    loop {
        thread::park();
    }
}

#[test]
fn a_killed_test_process_leaves_nothing_behind() {
    require_kafka!();
    let mut holder = Command::new(std::env::current_exe().expect("this is a program"))
        .args(["--exact", "holds_a_paused_broker", "--ignored", "--nocapture"])
        .env(HOLDER, "1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program can be started");
    let output = BufReader::new(holder.stdout.take().expect("it is a pipe"));
    let mut lines = output.lines().map_while(Result::ok);
    let address =
        lines.find_map(|line| line.strip_prefix("broker ").map(str::to_owned)).expect("a broker starts");
    let address: SocketAddr = address.parse().expect("an address");
    let folder = std::env::temp_dir().join(format!("felice-kafka-{}-0", holder.id()));
    assert!(listens(address) && folder.exists(), "there is nothing that could be left behind");

    // SIGKILL: no destructor runs, and the paused broker would not hear of anything milder.
    holder.kill().expect("it runs");
    holder.wait().expect("it runs");
    wait_until_gone(address, &folder);
}

fn wait_until_gone(address: SocketAddr, folder: &Path) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while listens(address) || folder.exists() {
        assert!(Instant::now() < deadline, "the broker at {address} or {} is still there", folder.display());
        thread::sleep(Duration::from_millis(20));
    }
}

/// A paused process' port still takes connections: the kernel does that.
fn listens(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_ok()
}
