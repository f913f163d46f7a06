//! Nothing of a broker outlives its test process, however that ends.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use felice_tests::require_kafka;

#[test]
fn a_killed_test_process_leaves_nothing_behind() {
    require_kafka!();
    let mut holder = Command::new(env!("CARGO_BIN_EXE_paused_broker"))
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
